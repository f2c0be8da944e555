/* Configurations, runs, sets, schedules, stores, messages, answers. */
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

/* Runs */

static void run_put(const struct world *w, const struct catalog_run *r, char id[CATALOG_ID_SIZE])
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    CHECK_OK(catalog_run_add(t, r, id, e));
    tx_commit(&t);
}

static void runs_fill(const struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        char id[CATALOG_ID_SIZE];
        const struct catalog_run r = {
            .set = i % 2 == 0 ? "shop" : "blog",
            .config = i % 3 == 0 ? "daily" : "weekly",
            .kind = i % 5 == 0 ? RUN_VERIFY : RUN_BACKUP,
            .variant = i % 2 == 0 ? "database" : NULL,
            .requested_by = "ann",
            .created_ns = 1000 + i / 2, /* some at the same moment */
            .started_ns = 1000 + i / 2,
            .ended_ns = 1000 + i / 2 + 3 * NS_PER_S,
            .outcome = {.state = i % 7 == 0 ? RUN_FAILED : RUN_SUCCESS, .bytes = 10},
        };

        run_put(w, &r, id);
    }
}

static size_t pages_through(const struct world *w, const struct catalog_run_filter *f)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    AUTO(arena) struct arena a = {0};
    struct catalog_page p = {.limit = 7};
    struct catalog_run_list list = {0};
    size_t all = 0;
    const char *last = NULL;

    do {
        CHECK_OK(catalog_run_list(t, f, &p, &a, &list, e));
        for (size_t i = 0; i < list.count; i++) {
            const struct catalog_run *r = &list.items[i];

            CHECK(p.after_ns == 0 || r->created_ns < p.after_ns ||
                  (r->created_ns == p.after_ns && strcmp(r->id, last) < 0));
            CHECK(f->set == NULL || strcmp(r->set, f->set) == 0);
            CHECK(f->config == NULL || strcmp(r->config, f->config) == 0);
            CHECK(f->state < 0 || r->outcome.state == (enum catalog_run_state)f->state);
            CHECK(f->kind < 0 || r->kind == (enum catalog_run_kind)f->kind);
            p.after_ns = r->created_ns;
            p.after_id = last = r->id;
        }
        all += list.count;
    } while (list.count == p.limit);

    int64_t counted = 0;

    CHECK_OK(catalog_run_count(t, f, &counted, e));
    ck_assert_int_eq(counted, (int64_t)all);
    return all;
}

TEST(pages_of_runs_are_whole_and_in_order_whatever_is_asked_for)
{
    AUTO(world) struct world w;
    struct catalog_run_filter f = CATALOG_RUNS_ALL;

    world_init(&w);
    runs_fill(&w, 70);
    ck_assert_uint_eq(pages_through(&w, &f), 70);
    f.set = "shop";
    ck_assert_uint_eq(pages_through(&w, &f), 35);
    f.config = "daily";
    ck_assert_uint_eq(pages_through(&w, &f), 12);
    f.state = RUN_FAILED;
    ck_assert_uint_eq(pages_through(&w, &f), 2);
    f.set = f.config = NULL;
    ck_assert_uint_eq(pages_through(&w, &f), 10);
    f.state = -1;
    f.kind = RUN_VERIFY;
    ck_assert_uint_eq(pages_through(&w, &f), 14);
    f.from_ns = 1010;
    f.until_ns = 1020;
    f.kind = -1;
    ck_assert_uint_eq(pages_through(&w, &f), 20);
    f = CATALOG_RUNS_ALL;
    f.config = "' OR '1'='1";
    ck_assert_uint_eq(pages_through(&w, &f), 0);
}
END

static void check_history(const struct world *w)
{
    struct catalog_run_filter f = {
        .set = "shop", .kind = RUN_BACKUP, .state = -1, .is_ended = true};
    int64_t quick = -1;
    int64_t slow = -1;

    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    CHECK_OK(catalog_run_count(t, &f, &quick, e));
    f.from_ns = 1; /* keeps it from the counts */
    CHECK_OK(catalog_run_count(t, &f, &slow, e));
    ck_assert_int_gt(quick, 0);
    ck_assert_int_eq(quick, slow);
    f.from_ns = 0;
    ck_assert_uint_eq(pages_through(w, &f), (size_t)quick);
}

TEST(the_history_of_a_set_counts_what_has_ended)
{
    AUTO(world) struct world w;
    struct catalog_run r = {.attempt = 1,
                            .set = "shop",
                            .kind = RUN_BACKUP,
                            .requested_by = "system",
                            .created_ns = 7,
                            .outcome.state = RUN_RUNNING};
    char id[CATALOG_ID_SIZE];
    int64_t removed = 0;

    world_init(&w);
    runs_fill(&w, 70);
    check_history(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_run_add(t, &r, id, e));
    tx_commit(&t);
    check_history(&w);
    t = tx_write(&w);
    CHECK_OK(catalog_run_end(t, id, &(struct catalog_outcome){.state = RUN_FAILED}, e));
    tx_commit(&t);
    check_history(&w);
    world_sql(&w, "UPDATE runs SET ended_ns = 1 WHERE ended_ns IS NULL");
    t = tx_write(&w);
    CHECK_OK(catalog_run_forget(t, INT64_MAX, 9, &removed, e));
    tx_commit(&t);
    ck_assert_int_eq(removed, 9);
    check_history(&w);
}
END

TEST(sums_of_runs_are_by_kind_variant_and_state)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_run_sums sums = {0};
    int64_t runs = 0;
    int64_t seconds = 0;

    world_init(&w);
    runs_fill(&w, 70);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_run_sum(t, 0, 0, &a, &sums, e));
    ck_assert_uint_eq(sums.count, 8);
    for (size_t i = 0; i < sums.count; i++) {
        runs += sums.items[i].runs;
        seconds += sums.items[i].seconds;
        ck_assert_int_eq(sums.items[i].bytes, 10 * sums.items[i].runs);
    }
    ck_assert_int_eq(runs, 70);
    ck_assert_int_eq(seconds, 210);
}
END

TEST(a_set_knows_its_last_success_and_how_often_it_failed_since)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    char id[CATALOG_ID_SIZE];
    char good[CATALOG_ID_SIZE];
    struct catalog_set s = {0};
    struct catalog_run r = {
        .set = "shop", .kind = RUN_BACKUP, .requested_by = "ann", .created_ns = 50, .ended_ns = 60};

    world_init(&w);
    r.outcome.state = RUN_FAILED;
    run_put(&w, &r, id);
    r.outcome.state = RUN_SUCCESS;
    run_put(&w, &r, good);
    r.created_ns = 70;
    r.ended_ns = 80;
    r.outcome.state = RUN_FAILED;
    run_put(&w, &r, id);
    r.outcome.state = RUN_INCOMPLETE;
    run_put(&w, &r, id);
    r.outcome.state = RUN_CANCELLED;
    run_put(&w, &r, id);
    r.kind = RUN_DRILL;
    r.outcome = (struct catalog_outcome){.state = RUN_SUCCESS, .verdict = "proven"};
    run_put(&w, &r, id);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_set_get(t, "shop", &a, &s, e));
    ck_assert_str_eq(s.success_run, good);
    CHECK(s.success_ns == 60 && s.failure_ns == 80 && s.failures == 2);
    CHECK(s.proven_ns != 0 && s.verified_ns == s.proven_ns);
    CHECK_OK(catalog_set_get(t, "none", &a, &s, e));
    CHECK(s.success_ns == 0 && s.success_run == NULL);
}
END

TEST(a_set_has_succeeded_with_what_its_rules_allow)
{
    AUTO(world) struct world w;
    char id[CATALOG_ID_SIZE];
    const struct catalog_outcome good[] = {{.state = RUN_DEGRADED},
                                           {.state = RUN_INCOMPLETE, .may_be_incomplete = true}};

    world_init(&w);
    for (size_t i = 0; i < 2; i++) {
        AUTO(arena) struct arena a = {0};
        struct catalog_run r = {.set = i == 0 ? "shop" : "blog",
                                .kind = RUN_BACKUP,
                                .requested_by = "ann",
                                .created_ns = 50,
                                .ended_ns = 60,
                                .outcome = {.state = RUN_FAILED}};
        struct catalog_set s = {0};

        run_put(&w, &r, id);
        r.outcome = good[i];
        r.ended_ns = 70;
        run_put(&w, &r, id);

        AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);

        CHECK_OK(catalog_set_get(t, r.set, &a, &s, e));
        CHECK(s.success_ns == 70 && s.failures == 0);
        ck_assert_str_eq(s.success_run, id);
    }
}
END

TEST(a_run_without_a_job_ends_once)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    char id[CATALOG_ID_SIZE];
    struct catalog_run r = {
        .set = "shop", .requested_by = "ann", .outcome = {.state = RUN_RUNNING}};
    const struct catalog_outcome o = {.state = RUN_FAILED,
                                      .error_code = "unreadable",
                                      .error = "back up shop: connection lost",
                                      .details = "{\"n\":1}"};

    world_init(&w);
    run_put(&w, &r, id);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_run_end(t, id, &o, e));
    tx_commit(&t);
    t = tx_write(&w);
    CHECK_ERR(catalog_run_end(t, id, &o, e), ERR_NOT_FOUND);
    catalog_tx_auto(&t);
    t = tx_write(&w);
    CHECK_ERR(catalog_run_end(t, "0123", &o, e), ERR_NOT_FOUND);
    CHECK_OK(catalog_run_get(t, id, &a, &r, e));
    ck_assert_str_eq(r.outcome.error, "back up shop: connection lost");
    ck_assert_str_eq(r.outcome.error_code, "unreadable");
    ck_assert_str_eq(r.outcome.details, "{\"n\":1}");
}
END

TEST(old_runs_go_but_for_those_that_something_names)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_set s = {0};
    struct catalog_run r = {0};
    struct catalog_restore_point p = {.description = "before the move", .created_by = "ann"};
    char point[CATALOG_ID_SIZE];
    char named[CATALOG_ID_SIZE];
    int64_t removed = 0;

    world_init(&w);
    runs_fill(&w, 20);
    r = (struct catalog_run){.set = "other",
                             .kind = RUN_VERIFY,
                             .requested_by = "ann",
                             .created_ns = 5,
                             .ended_ns = 6,
                             .outcome.state = RUN_FAILED};
    run_put(&w, &r, named);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    p.run = named;
    CHECK_OK(catalog_restore_point_add(t, &p, point, e));
    CHECK_OK(catalog_run_forget(t, 4 * NS_PER_S, 5, &removed, e));
    ck_assert_int_eq(removed, 5);
    CHECK_OK(catalog_run_forget(t, 4 * NS_PER_S, 1000, &removed, e));
    tx_commit(&t);
    ck_assert_int_eq(removed, 13); /* 21 less those 5, the last success of two sets and the named */
    t = tx_read(&w);
    CHECK_OK(catalog_set_get(t, "shop", &a, &s, e));
    CHECK_OK(catalog_run_get(t, s.success_run, &a, &r, e));
    CHECK_OK(catalog_run_get(t, named, &a, &r, e));
}
END

TEST(restore_points_are_listed_until_they_are_removed)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_restore_point_list list = {0};
    const struct catalog_restore_point p = {
        .description = "before the move", .created_by = "ann", .expires_ns = 99};
    const struct catalog_page page = {.limit = 10};
    char id[CATALOG_ID_SIZE];

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_restore_point_add(t, &p, id, e));
    CHECK_OK(catalog_restore_point_set(t, id, "abc", true, e));
    CHECK_OK(catalog_restore_point_list(t, &page, &a, &list, e));
    ck_assert_uint_eq(list.count, 1);
    ck_assert_str_eq(list.items[0].snapshot, "abc");
    CHECK(list.items[0].is_verified && list.items[0].expires_ns == 99);
    CHECK_OK(catalog_restore_point_remove(t, id, e));
    CHECK_OK(catalog_restore_point_list(t, &page, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
    CHECK_ERR(catalog_restore_point_remove(t, id, e), ERR_NOT_FOUND);
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

TEST(a_run_that_comes_late_takes_nothing_back_from_its_set)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_set s = {0};
    char id[CATALOG_ID_SIZE];
    struct catalog_run r = {.set = "shop", .kind = RUN_BACKUP, .requested_by = "ann"};

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    for (int64_t at = 9; at >= 1; at -= 2) {
        r.created_ns = r.ended_ns = at;
        r.kind = RUN_DRILL;
        r.outcome = (struct catalog_outcome){.state = RUN_SUCCESS, .verdict = "proven"};
        CHECK_OK(catalog_run_add(t, &r, id, e));
        r.kind = RUN_BACKUP;
        r.outcome = (struct catalog_outcome){.state = at == 9 ? RUN_SUCCESS : RUN_FAILED};
        CHECK_OK(catalog_run_add(t, &r, id, e));
    }
    CHECK_OK(catalog_set_get(t, "shop", &a, &s, e));
    ck_assert_int_eq(s.proven_ns, 9);
    ck_assert_int_eq(s.verified_ns, 9);
    ck_assert_int_eq(s.success_ns, 9);
    ck_assert_int_eq(s.failures, 0);
}
END

TESTS_BETWEEN("records", world_begin, world_end, cleaning_removes_what_is_over_and_leaves_the_rest,
              a_run_that_comes_late_takes_nothing_back_from_its_set,
              a_configuration_comes_back_byte_for_byte, a_change_says_which_version_it_means,
              one_that_was_deleted_is_gone_and_its_versions_go_on,
              configurations_that_are_none_are_refused,
              pages_of_runs_are_whole_and_in_order_whatever_is_asked_for,
              the_history_of_a_set_counts_what_has_ended,
              sums_of_runs_are_by_kind_variant_and_state,
              a_set_knows_its_last_success_and_how_often_it_failed_since,
              a_set_has_succeeded_with_what_its_rules_allow, a_run_without_a_job_ends_once,
              old_runs_go_but_for_those_that_something_names,
              restore_points_are_listed_until_they_are_removed, a_schedule_is_moved_on_only_by_who_knows_where_it_stands,
              settings_and_stores_are_as_they_were_written_last,
              a_message_is_sent_by_one_and_again_when_that_one_is_gone,
              a_message_that_did_not_go_waits_for_its_next_time,
              a_request_that_is_repeated_gets_the_answer_of_the_first,
              an_answer_that_work_goes_on_gives_way_to_its_good_end_only,
              a_request_whose_server_went_away_may_be_repeated)
