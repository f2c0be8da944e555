/* Pages by their number, counts for figures, and cheap looks at what may have changed. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "catalog/world.h"

static void run_put(const struct world *w, const struct catalog_run *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
    char id[CATALOG_ID_SIZE];

    CHECK_OK(catalog_run_add(t, r, id, e));
    tx_commit(&t);
}

/* Runs of two sets and kinds; every ninth is under way, two are of one moment. */
static void runs_fill(const struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        run_put(w, &(struct catalog_run){
                       .set = i % 5 == 4 ? "blog" : "shop",
                       .kind = i % 4 == 3 ? RUN_VERIFY : RUN_BACKUP,
                       .requested_by = "ann",
                       .created_ns = 1000 + i / 2,
                       .outcome.state = i % 9 == 8   ? RUN_RUNNING
                                        : i % 7 == 6 ? RUN_FAILED
                                                     : RUN_SUCCESS,
                   });
}

TEST(pages_of_a_history_by_number_are_those_by_the_row_before)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const struct catalog_run_filter f = {
        .set = "shop", .kind = RUN_BACKUP, .state = -1, .is_ended = true};
    struct catalog_page by_row = {.limit = 4};
    int64_t all = 0;
    size_t seen = 0;

    world_init(&w);
    runs_fill(&w, 100);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_run_count(t, &f, &all, e));
    for (;;) {
        const struct catalog_page by_number = {.limit = 4, .offset = seen};
        struct catalog_run_list one = {0};
        struct catalog_run_list other = {0};

        CHECK_OK(catalog_run_list(t, &f, &by_row, &a, &one, e));
        CHECK_OK(catalog_run_list(t, &f, &by_number, &a, &other, e));
        ck_assert_uint_eq(one.count, other.count);
        if (one.count == 0)
            break;
        for (size_t i = 0; i < one.count; i++) {
            ck_assert_str_eq(one.items[i].id, other.items[i].id);
            CHECK(one.items[i].outcome.state != RUN_RUNNING);
        }
        seen += one.count;
        by_row.after_ns = one.items[one.count - 1].created_ns;
        by_row.after_id = one.items[one.count - 1].id;
    }
    ck_assert_uint_eq(seen, (size_t)all);
    ck_assert_uint_gt(seen, 40);
}
END

TEST(runs_are_counted_by_set_kind_and_state)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_run_tally_list tally = {0};
    int64_t all = 0;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_run_tally(t, &a, &tally, e));
    ck_assert_uint_eq(tally.count, 0);
    catalog_tx_auto(&t);
    runs_fill(&w, 100);
    t = tx_read(&w);
    CHECK_OK(catalog_run_tally(t, &a, &tally, e));
    ck_assert_uint_gt(tally.count, 8);
    for (size_t i = 0; i < tally.count; i++) {
        const struct catalog_run_tally *x = &tally.items[i];
        const struct catalog_run_filter f = {
            .set = x->set, .kind = (int)x->kind, .state = (int)x->state};
        int64_t counted = 0;

        CHECK_OK(catalog_run_count(t, &f, &counted, e));
        ck_assert_int_eq(x->runs, counted);
        all += x->runs;
    }
    ck_assert_int_eq(all, 100);
}
END

TEST(messages_are_counted_by_state)
{
    AUTO(world) struct world w;
    int64_t counts[OUTBOX_STATES] = {7, 7, 7};
    bool is_new = false;

    world_init(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_outbox_count(t, counts, e));
    CHECK(counts[OUTBOX_WAITING] == 0 && counts[OUTBOX_SENT] == 0 && counts[OUTBOX_FAILED] == 0);
    for (int i = 0; i < 6; i++) {
        const struct catalog_message m = {.channel = "mail", .recipient = "ann", .payload = "{}"};

        CHECK_OK(catalog_outbox_add(t, &m, &is_new, e));
    }
    tx_commit(&t);
    world_sql(&w, "UPDATE outbox SET state = 'sent', ended_ns = 1"
                  " WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 3)");
    world_sql(&w, "UPDATE outbox SET state = 'failed', ended_ns = 1"
                  " WHERE id = (SELECT max(id) FROM outbox)");
    t = tx_read(&w);
    CHECK_OK(catalog_outbox_count(t, counts, e));
    CHECK(counts[OUTBOX_WAITING] == 2 && counts[OUTBOX_SENT] == 3 && counts[OUTBOX_FAILED] == 1);
}
END

static struct catalog_config_stamp stamp_of(const struct world *w)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(w);
    struct catalog_config_stamp s = {-1, -1};

    CHECK_OK(catalog_config_stamp(t, &s, e));
    return s;
}

/* Whether it is another than before, which it becomes. */
static bool is_another(const struct world *w, struct catalog_config_stamp *before)
{
    const struct catalog_config_stamp now = stamp_of(w);
    const bool is = now.versions != before->versions || now.deleted != before->deleted;

    *before = now;
    return is;
}

static void config_put(const struct world *w, const char *id, const char *document)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
    const struct catalog_config c = {.id = id, .name = id, .document = document};
    int64_t version = 0;

    CHECK_OK(catalog_config_put(t, &c, CATALOG_VERSION_ANY, "ann", &version, e));
    tx_commit(&t);
}

static void config_delete(const struct world *w, const char *id)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);

    CHECK_OK(catalog_config_delete(t, id, CATALOG_VERSION_ANY, e));
    tx_commit(&t);
}

TEST(whatever_is_done_to_configurations_changes_their_stamp)
{
    AUTO(world) struct world w;

    world_init(&w);

    struct catalog_config_stamp s = stamp_of(&w);

    CHECK(s.versions == 0 && s.deleted == 0 && !is_another(&w, &s));
    config_put(&w, "daily", "{}");
    CHECK(is_another(&w, &s) && !is_another(&w, &s));
    config_put(&w, "daily", "{\"a\":1}");
    CHECK(is_another(&w, &s));
    config_put(&w, "weekly", "{}");
    CHECK(is_another(&w, &s));
    config_delete(&w, "daily");
    CHECK(is_another(&w, &s) && !is_another(&w, &s));
    config_put(&w, "daily", "{}");
    CHECK(is_another(&w, &s));
}
END

TEST(a_look_at_a_session_tells_whether_it_is_one_and_does_not_keep_it)
{
    AUTO(world) struct world w;
    char user[CATALOG_ID_SIZE];
    char token[CATALOG_SESSION_TOKEN];

    world_init(&w);
    user_put(&w, "ann", ROLE_VIEWER, user);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_session_new(t, &(struct catalog_session_start){.user = user}, token, e));
    tx_commit(&t);

    AUTO(mem) char *id = world_value(&w, "SELECT id FROM sessions");
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};

    CHECK_OK(catalog_session_get(w.catalog, id, &a, &session, e));
    ck_assert_str_eq(session.user.name, "ann");
    CHECK_ERR(catalog_session_get(w.catalog, "", &a, &session, e), ERR_DENIED);
    CHECK_ERR(catalog_session_get(w.catalog, token, &a, &session, e), ERR_DENIED);
    world_sql(&w, "UPDATE sessions SET seen_ns = seen_ns - 3500000000000");

    AUTO(mem) char *before = world_value(&w, "SELECT CAST(seen_ns AS TEXT) FROM sessions");

    CHECK_OK(catalog_session_get(w.catalog, id, &a, &session, e));

    AUTO(mem) char *after = world_value(&w, "SELECT CAST(seen_ns AS TEXT) FROM sessions");

    ck_assert_str_eq(before, after);
    world_sql(&w, "UPDATE sessions SET seen_ns = seen_ns - 101000000000");
    CHECK_ERR(catalog_session_get(w.catalog, id, &a, &session, e), ERR_DENIED);
    world_sql(&w, "UPDATE sessions SET seen_ns = seen_ns + 3600000000000");
    CHECK_OK(catalog_session_get(w.catalog, id, &a, &session, e));
    world_sql(&w, "UPDATE users SET is_disabled = 1");
    CHECK_ERR(catalog_session_get(w.catalog, id, &a, &session, e), ERR_DENIED);
}
END

TEST(a_look_at_a_token_tells_its_role_and_does_not_use_it)
{
    AUTO(world) struct world w;
    char user[CATALOG_ID_SIZE];
    char text[CATALOG_TOKEN_SIZE];
    char id[CATALOG_TOKEN_ID] = "";
    AUTO(arena) struct arena a = {0};
    struct catalog_token got = {0};

    world_init(&w);
    user_put(&w, "ann", ROLE_ADMIN, user);

    const struct catalog_token k = {
        .name = "ci", .user = user, .role = ROLE_MANAGER, .verbs = "[\"*\"]", .sets = "[\"*\"]"};

    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_token_add(t, &k, text, e));
    tx_commit(&t);
    memcpy(id, text + 3, sizeof(id) - 1);
    CHECK_OK(catalog_token_get(w.catalog, id, &a, &got, e));
    ck_assert_int_eq(got.role, ROLE_MANAGER);
    ck_assert_str_eq(got.verbs, "[\"*\"]");

    AUTO(mem) char *used = world_value(&w, "SELECT CAST(count(used_ns) AS TEXT) FROM tokens");

    ck_assert_str_eq(used, "0");
    CHECK_ERR(catalog_token_get(w.catalog, "", &a, &got, e), ERR_DENIED);
    world_sql(&w, "UPDATE users SET is_disabled = 1");
    CHECK_ERR(catalog_token_get(w.catalog, id, &a, &got, e), ERR_DENIED);
    world_sql(&w, "UPDATE users SET is_disabled = 0");
    CHECK_OK(catalog_token_get(w.catalog, id, &a, &got, e));
    t = tx_write(&w);
    CHECK_OK(catalog_token_revoke(t, NULL, id, e));
    tx_commit(&t);
    CHECK_ERR(catalog_token_get(w.catalog, id, &a, &got, e), ERR_DENIED);
}
END

TESTS_BETWEEN("counts", world_begin, world_end,
              pages_of_a_history_by_number_are_those_by_the_row_before,
              runs_are_counted_by_set_kind_and_state, messages_are_counted_by_state,
              whatever_is_done_to_configurations_changes_their_stamp,
              a_look_at_a_session_tells_whether_it_is_one_and_does_not_keep_it,
              a_look_at_a_token_tells_its_role_and_does_not_use_it)
