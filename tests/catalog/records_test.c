/* Configurations, schedules, stores, messages, answers, and what is forgotten. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/world.h"

/* Configurations */

static int64_t config_put(const struct world *w, const char *id, const char *document,
                          int64_t wanted)
{
    const struct catalog_config c = {
        .id = id, .name = "Shop", .document = document, .is_enabled = true};
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
    int64_t version = 0;

    CHECK_OK(catalog_config_put(t, &c, wanted, "ann", &version, e));
    tx_commit(&t);
    return version;
}

TEST(a_configuration_comes_back_byte_for_byte)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    static const char document[] = "{ \"b\": 1.50,\n\t\"a\" : \"\\u00e4 \xc3\xa4 ' $1 ?\" }\n";
    struct catalog_config c = {0};

    world_init(&w);
    ck_assert_int_eq(config_put(&w, "daily", document, CATALOG_VERSION_NONE), 1);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_config_get(t, "daily", &a, &c, e));
    ck_assert_str_eq(c.document, document);
    CHECK(c.is_enabled && c.version == 1 && c.created_ns != 0 && c.updated_ns == c.created_ns);
}
END

TEST(a_change_says_which_version_it_means)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_config c = {.id = "daily", .name = "Shop", .document = "{}"};
    int64_t version = 0;
    const char *text = NULL;

    world_init(&w);
    ck_assert_int_eq(config_put(&w, "daily", "{\"n\":1}", CATALOG_VERSION_ANY), 1);
    ck_assert_int_eq(config_put(&w, "daily", "{\"n\":2}", 1), 2);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_ERR(catalog_config_put(t, &c, 1, "bob", &version, e), ERR_EXISTS);
    CHECK_ERR(catalog_config_put(t, &c, CATALOG_VERSION_NONE, "bob", &version, e), ERR_EXISTS);
    CHECK_ERR(catalog_config_delete(t, "daily", 1, e), ERR_EXISTS);
    CHECK_ERR(catalog_config_delete(t, "weekly", CATALOG_VERSION_ANY, e), ERR_NOT_FOUND);
    CHECK_OK(catalog_config_get_version(t, "daily", 1, &a, &text, e));
    ck_assert_str_eq(text, "{\"n\":1}");
    CHECK_ERR(catalog_config_get_version(t, "daily", 3, &a, &text, e), ERR_NOT_FOUND);
}
END

TEST(one_that_was_deleted_is_gone_and_its_versions_go_on)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_config c = {0};
    struct catalog_config_list list = {0};

    world_init(&w);
    ck_assert_int_eq(config_put(&w, "daily", "{}", CATALOG_VERSION_ANY), 1);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_config_delete(t, "daily", 1, e));
    CHECK_ERR(catalog_config_get(t, "daily", &a, &c, e), ERR_NOT_FOUND);
    CHECK_OK(catalog_config_list(t, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
    tx_commit(&t);
    ck_assert_int_eq(config_put(&w, "daily", "{}", CATALOG_VERSION_NONE), 2);
}
END

TEST(configurations_that_are_none_are_refused)
{
    AUTO(world) struct world w;
    AUTO(mem) char *deep = mem_new(200001);
    AUTO(mem) char *large = mem_new(CATALOG_DOCUMENT_MAX + 2);
    const struct catalog_config bad[] = {
        {.id = "", .name = "x", .document = "{}"},
        {.id = "a\nb", .name = "x", .document = "{}"},
        {.id = "a", .name = "", .document = "{}"},
        {.id = "a", .name = "\xff", .document = "{}"},
        {.id = "a", .name = "x", .document = "{"},
        {.id = "a", .name = "x", .document = "{\"a\":1,\"a\":2}"},
        {.id = "a", .name = "x", .document = deep},
        {.id = "a", .name = "x", .document = large},
    };
    int64_t version = 0;

    memset(deep, '[', 200000);
    memset(large, ' ', CATALOG_DOCUMENT_MAX + 1);
    large[0] = '1';
    world_init(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

        CHECK_ERR(catalog_config_put(t, &bad[i], CATALOG_VERSION_ANY, "ann", &version, e),
                  ERR_USAGE);
    }
}
END

/* Small things */

TEST(a_schedule_is_moved_on_only_by_who_knows_where_it_stands)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_schedule s = {.config = "daily", .last_ns = 100, .next_ns = 200};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_schedule_put(t, &s, 0, e));
    s.last_ns = 300;
    CHECK_OK(catalog_schedule_put(t, &s, 100, e));
    s.last_ns = 400;
    CHECK_ERR(catalog_schedule_put(t, &s, 100, e), ERR_EXISTS);
    s.last_ns = 299;
    CHECK_ERR(catalog_schedule_put(t, &s, 0, e), ERR_EXISTS);
    CHECK_OK(catalog_schedule_get(t, "daily", &a, &s, e));
    ck_assert_int_eq(s.last_ns, 300);
    s.last_ns = 200;
    CHECK_OK(catalog_schedule_put(t, &s, 300, e));
    CHECK_OK(catalog_schedule_get(t, "daily", &a, &s, e));
    ck_assert_int_eq(s.last_ns, 200);
    CHECK_OK(catalog_schedule_get(t, "none", &a, &s, e));
    ck_assert_int_eq(s.last_ns, 0);
}
END

TEST(settings_and_stores_are_as_they_were_written_last)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_store_list stores = {0};
    const char *value = NULL;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_setting_put(t, "backup_config_x", "one", "backup_configs", e));
    CHECK_OK(catalog_setting_put(t, "backup_config_x", "two", "backup_configs", e));
    CHECK_OK(catalog_setting_get(t, "backup_config_x", &a, &value, e));
    ck_assert_str_eq(value, "two");
    CHECK_OK(catalog_setting_remove(t, "backup_config_x", e));
    CHECK_OK(catalog_setting_get(t, "backup_config_x", &a, &value, e));
    CHECK(value == NULL);
    CHECK_OK(catalog_store_put(
        t,
        &(struct catalog_store){
            .name = "main", .state = "up", .seen_ns = 5, .bytes = 7, .snapshots = -1},
        e));
    CHECK_OK(catalog_store_put(
        t,
        &(struct catalog_store){
            .name = "main", .state = "down", .error = "no route", .bytes = -1, .snapshots = 3},
        e));
    CHECK_OK(catalog_store_list(t, &a, &stores, e));
    ck_assert_uint_eq(stores.count, 1);
    ck_assert_str_eq(stores.items[0].state, "down");
    ck_assert_int_eq(stores.items[0].seen_ns, 5);
    CHECK(stores.items[0].bytes == 7 && stores.items[0].snapshots == 3);
    CHECK_OK(catalog_store_put(
        t,
        &(struct catalog_store){
            .name = "main", .state = "up", .seen_ns = 9, .bytes = -1, .snapshots = -1},
        e));
    CHECK_OK(catalog_store_list(t, &a, &stores, e));
    CHECK(stores.items[0].seen_ns == 9 && stores.items[0].error == NULL);
    CHECK(stores.items[0].bytes == 7 && stores.items[0].snapshots == 3);
    CHECK(stores.items[0].verified_ns == 0 && stores.items[0].verified_id == NULL);
}
END

TEST(a_store_stays_verified_until_damage_is_found)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_store up = {.name = "main", .state = "up", .bytes = -1, .snapshots = -1};
    struct catalog_store_list stores = {0};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_store_put(t, &up, e));
    CHECK_OK(catalog_store_verify(t, "main", "abc", 7, e));
    CHECK_OK(catalog_store_put(t, &up, e));
    CHECK_OK(catalog_store_list(t, &a, &stores, e));
    ck_assert_int_eq(stores.items[0].verified_ns, 7);
    ck_assert_str_eq(stores.items[0].verified_id, "abc");
    ck_assert_int_eq(stores.items[0].checked_ns, 0);
    CHECK_OK(catalog_store_check(t, "main", 8, e));
    CHECK_OK(catalog_store_verify(t, "main", NULL, 0, e));
    CHECK_OK(catalog_store_put(t, &up, e));
    CHECK_OK(catalog_store_list(t, &a, &stores, e));
    ck_assert_int_eq(stores.items[0].checked_ns, 8);
    CHECK(stores.items[0].verified_ns == 0 && stores.items[0].verified_id == NULL);
}
END

TEST(what_was_measured_of_the_keys_of_a_store_stays_until_it_is_measured_again)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_store up = {.name = "main", .state = "up", .bytes = -1, .snapshots = -1};
    struct catalog_store_list stores = {0};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_store_put(t, &up, e));
    CHECK_OK(catalog_store_list(t, &a, &stores, e));
    CHECK(stores.items[0].keys == NULL && stores.items[0].keys_ns == 0);
    CHECK_OK(catalog_store_keys(t, "main", "{\"epoch\":1}", e));
    CHECK_OK(catalog_store_keys(t, "main", "{\"epoch\":2}", e));
    CHECK_OK(catalog_store_put(t, &up, e));
    CHECK_OK(catalog_store_list(t, &a, &stores, e));
    ck_assert_str_eq(stores.items[0].keys, "{\"epoch\":2}");
    ck_assert_int_eq(stores.items[0].keys_ns, catalog_tx_now(t));
    CHECK_ERR(catalog_store_keys(t, "main", "{epoch: 3}", e), ERR_USAGE);
}
END

TEST(a_message_is_sent_by_one_and_again_when_that_one_is_gone)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_message m = {
        .channel = "mail", .recipient = "ann@example.org", .payload = "{}", .dedup = "run1/mail"};
    const struct catalog_message_result sent = {.state = OUTBOX_SENT};
    struct catalog_message_list one = {0};
    struct catalog_message_list two = {0};
    bool is_new = false;
    int due_ms = -1;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_outbox_add(t, &m, &is_new, e));
    CHECK(is_new);
    CHECK_OK(catalog_outbox_add(t, &m, &is_new, e));
    CHECK(!is_new);
    tx_commit(&t);
    CHECK_OK(catalog_outbox_claim(w.catalog, 10, 60000, &a, &one, e));
    ck_assert_uint_eq(one.count, 1);
    CHECK_OK(catalog_outbox_claim(w.catalog, 10, 60000, &a, &two, e));
    ck_assert_uint_eq(two.count, 0);
    world_sql(&w, "UPDATE outbox SET next_ns = 0");
    t = tx_read(&w);
    CHECK_OK(catalog_outbox_due(t, 1000, &due_ms, e));
    ck_assert_int_eq(due_ms, 0);
    catalog_tx_auto(&t);
    CHECK_OK(catalog_outbox_claim(w.catalog, 10, 60000, &a, &two, e));
    ck_assert_uint_eq(two.count, 1);
    ck_assert_int_eq(two.items[0].attempts, 2);
    t = tx_write(&w);
    CHECK_ERR(catalog_outbox_done(t, &one.items[0], &sent, e), ERR_DENIED);
    CHECK_OK(catalog_outbox_done(t, &two.items[0], &sent, e));
    tx_commit(&t);
    t = tx_read(&w);
    CHECK_OK(catalog_outbox_list(t, OUTBOX_SENT, &(struct catalog_page){.limit = 5}, &a, &one, e));
    ck_assert_uint_eq(one.count, 1);
    CHECK(one.items[0].ended_ns != 0);
}
END

TEST(a_message_that_did_not_go_waits_for_its_next_time)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_message m = {
        .channel = "mail", .recipient = "ann@example.org", .payload = "{}"};
    struct catalog_message_result later = {.state = OUTBOX_WAITING, .error = "busy"};
    struct catalog_message_list list = {0};
    bool is_new = false;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_outbox_add(t, &m, &is_new, e));
    tx_commit(&t);
    CHECK_OK(catalog_outbox_claim(w.catalog, 10, 60000, &a, &list, e));
    t = tx_write(&w);
    later.next_ns = catalog_tx_now(t) + 60 * NS_PER_S;
    CHECK_OK(catalog_outbox_done(t, &list.items[0], &later, e));
    tx_commit(&t);
    CHECK_OK(catalog_outbox_claim(w.catalog, 10, 60000, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
}
END

TEST(a_request_that_is_repeated_gets_the_answer_of_the_first)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_request q = {"ann", "key-1", "POST /x abc"};
    const struct catalog_request changed = {"ann", "key-1", "POST /x abd"};
    const struct catalog_request others = {"bob", "key-1", "POST /x abd"};
    struct catalog_answer r = {0};

    world_init(&w);
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_NEW);
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_RUNNING);
    CHECK_OK(catalog_request_begin(w.catalog, &changed, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_OTHER);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_request_end(t, &q, 202, "{\"job\":1}", e));
    tx_commit(&t);
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_DONE);
    ck_assert_int_eq(r.status, 202);
    ck_assert_str_eq(r.text, "{\"job\":1}");
    CHECK_OK(catalog_request_begin(w.catalog, &others, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_NEW);
}
END

/* End a request in a transaction of its own; whether its answer was taken. */
static bool request_end(const struct world *w, const struct catalog_request *q, int status,
                        const char *text)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
    struct err e = {0};
    const bool is_taken = catalog_request_end(t, q, status, text, &e);

    CHECK(is_taken || e.code == ERR_NOT_FOUND);
    if (is_taken)
        tx_commit(&t);
    return is_taken;
}

TEST(an_answer_that_work_goes_on_gives_way_to_its_good_end_only)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_request q = {"ann", "key-1", "POST /x abc"};
    struct catalog_answer r = {0};

    world_init(&w);
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    CHECK(request_end(&w, &q, 202, "{\"job\":1}"));
    CHECK(!request_end(&w, &q, 409, "{}"));
    CHECK(!request_end(&w, &q, 202, "{\"job\":2}"));
    {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

        CHECK_OK(catalog_request_forget(t, &q, e));
        tx_commit(&t);
    }
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_str_eq(r.text, "{\"job\":1}");
    CHECK(request_end(&w, &q, 200, "{\"backup\":1}"));
    CHECK(!request_end(&w, &q, 200, "{\"backup\":2}"));
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_int_eq(r.status, 200);
    ck_assert_str_eq(r.text, "{\"backup\":1}");

    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

    CHECK_OK(catalog_request_drop(t, &q, e));
    tx_commit(&t);
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_NEW);
}
END

TEST(a_request_whose_server_went_away_may_be_repeated)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_request q = {"ann", "key-1", "POST /x abc"};
    struct catalog_answer r = {0};

    world_init(&w);
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    world_sql(&w, "UPDATE idempotency SET created_ns = created_ns - 61000000000");
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_NEW);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_request_forget(t, &q, e));
    tx_commit(&t);
    CHECK_OK(catalog_request_begin(w.catalog, &q, &a, &r, e));
    ck_assert_int_eq(r.state, REQUEST_NEW);
}
END

/* Move everything that has a time into the past. */
static void age(const struct world *w, int days)
{
    static const char *const columns[] = {"runs SET created_ns", "runs SET ended_ns",
                                          "jobs SET ended_ns",   "outbox SET ended_ns",
                                          "audit SET time_ns",   "idempotency SET expires_ns"};

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        char sql[200];
        const char *column = strrchr(columns[i], ' ') + 1;

        (void)snprintf(sql, sizeof(sql), "UPDATE %s = %s - %d * CAST(86400000000000 AS BIGINT)",
                       columns[i], column, days);
        world_sql(w, sql);
    }
}

static void check_rows(const struct world *w, const char *table, const char *wanted)
{
    char sql[100];

    (void)snprintf(sql, sizeof(sql), "SELECT CAST(count(*) AS TEXT) FROM %s", table);
    AUTO(mem) char *found = world_value(w, sql);
    ck_assert_msg(strcmp(found, wanted) == 0, "%s: %s rows, wanted %s", table, found, wanted);
}

TEST(cleaning_removes_what_is_over_and_leaves_the_rest)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_message message = {.channel = "mail", .recipient = "ann", .payload = "{}"};
    const struct catalog_audit_record record = {
        .actor = "ann", .action = "look", .object = "", .outcome = "done"};
    const struct catalog_request request = {"ann", "key", "hash"};
    struct catalog_answer answer = {0};
    char id[CATALOG_ID_SIZE];
    bool is_new = false;

    world_init(&w);
    (void)job_put(&w, "waits", NULL);
    const struct catalog_job_ids done = job_put(&w, "shop", "shop@1");
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_job_cancel(t, done.job, e));
    for (int i = 0; i < 3; i++) {
        const struct catalog_run r = {.set = "shop",
                                      .kind = RUN_BACKUP,
                                      .requested_by = "ann",
                                      .ended_ns = catalog_tx_now(t) + i,
                                      .outcome.state = RUN_SUCCESS};

        CHECK_OK(catalog_run_add(t, &r, id, e));
    }
    CHECK_OK(catalog_outbox_add(t, &message, &is_new, e));
    CHECK_OK(catalog_audit_append(t, &record, e));
    tx_commit(&t);
    world_sql(&w, "UPDATE outbox SET state = 'sent', ended_ns = created_ns");
    CHECK_OK(catalog_request_begin(w.catalog, &request, &a, &answer, e));
    CHECK_OK(catalog_clean(w.catalog, NULL, e));
    check_rows(&w, "jobs", "2");
    check_rows(&w, "runs", "5");
    check_rows(&w, "outbox", "1");
    check_rows(&w, "idempotency", "1");
    age(&w, CATALOG_JOB_DAYS + 1);
    CHECK_OK(catalog_clean(w.catalog, NULL, e));
    check_rows(&w, "jobs", "1");
    check_rows(&w, "runs", "5");
    check_rows(&w, "outbox", "0");
    check_rows(&w, "idempotency", "0");
    age(&w, CATALOG_RUN_DAYS);
    CHECK_OK(catalog_clean(w.catalog, NULL, e));
    check_rows(&w, "runs", "2"); /* the last success, and the one that waits */
    check_rows(&w, "jobs", "1");
    check_rows(&w, "audit", "1");
}
END

TESTS_BETWEEN("records", world_begin, world_end, cleaning_removes_what_is_over_and_leaves_the_rest,
              a_configuration_comes_back_byte_for_byte, a_change_says_which_version_it_means,
              one_that_was_deleted_is_gone_and_its_versions_go_on,
              configurations_that_are_none_are_refused,
              a_schedule_is_moved_on_only_by_who_knows_where_it_stands,
              settings_and_stores_are_as_they_were_written_last,
              a_store_stays_verified_until_damage_is_found,
              what_was_measured_of_the_keys_of_a_store_stays_until_it_is_measured_again,
              a_message_is_sent_by_one_and_again_when_that_one_is_gone,
              a_message_that_did_not_go_waits_for_its_next_time,
              a_request_that_is_repeated_gets_the_answer_of_the_first,
              an_answer_that_work_goes_on_gives_way_to_its_good_end_only,
              a_request_whose_server_went_away_may_be_repeated)
