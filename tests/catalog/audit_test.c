/* The audit log: whatever is changed in it is found. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "catalog/world.h"

#define RECORDS 5

static void append(struct catalog_tx *t, const char *actor, const char *details)
{
    const struct catalog_audit_record r = {.actor = actor,
                                           .action = "restore",
                                           .object = "shop",
                                           .outcome = "done",
                                           .details = details};

    CHECK_OK(catalog_audit_append(t, &r, e));
}

/* Five records by five people. */
static void fill(const struct world *w)
{
    for (int i = 1; i <= RECORDS; i++) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(w);
        char actor[16];

        (void)snprintf(actor, sizeof(actor), "user%d", i);
        append(t, actor, "{\"b\":1,\"a\":\"x\"}");
        tx_commit(&t);
    }
}

static struct catalog_audit_verdict verify(const struct world *w)
{
    struct catalog_audit_verdict v = {0};

    CHECK_OK(catalog_audit_verify(w->catalog, &v, e));
    return v;
}

static void check_bad(const struct world *w, int64_t seq)
{
    const struct catalog_audit_verdict v = verify(w);

    CHECK(!v.is_sound && v.reason[0] != '\0');
    ck_assert_int_eq(v.bad_seq, seq);
}

TEST(a_log_that_was_only_added_to_is_sound)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_audit_list list = {0};
    const struct catalog_audit_filter f = {.limit = 3};

    world_init(&w);
    CHECK(verify(&w).is_sound && verify(&w).count == 0);
    fill(&w);
    CHECK(verify(&w).is_sound && verify(&w).count == RECORDS);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    ck_assert_uint_eq(list.count, 3);
    ck_assert_str_eq(list.items[0].actor, "user5");
    ck_assert_str_eq(list.items[0].details, "{\"a\":\"x\",\"b\":1}");
    ck_assert_int_eq(list.items[2].seq, 3);
}
END

TEST(records_are_found_by_who_did_it_and_to_what)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_audit_list list = {0};
    struct catalog_audit_filter f = {.limit = 10, .actor = "user2"};

    world_init(&w);
    fill(&w);
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&w);
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    ck_assert_uint_eq(list.count, 1);
    f.object = "blog";
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
    f.actor = NULL;
    f.object = "shop";
    f.before_seq = 3;
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    ck_assert_uint_eq(list.count, 2);

    const struct catalog_audit_record newest = list.items[0];

    f.action = newest.action;
    f.outcome = newest.outcome;
    f.from_ns = newest.time_ns;
    f.until_ns = newest.time_ns + 1;
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    CHECK(list.count >= 1 && list.items[0].seq == newest.seq);
    f.until_ns = newest.time_ns;
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
    f.until_ns = 0;
    f.action = "unheard of";
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
    f.action = NULL;
    f.outcome = "unheard of";
    CHECK_OK(catalog_audit_list(t, &f, &a, &list, e));
    ck_assert_uint_eq(list.count, 0);
}
END

TEST(every_changed_field_is_found)
{
    static const char *const changes[] = {
        "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
        "UPDATE audit SET action = 'login' WHERE seq = 3",
        "UPDATE audit SET object = 'blog' WHERE seq = 3",
        "UPDATE audit SET outcome = 'refused' WHERE seq = 3",
        "UPDATE audit SET time_ns = time_ns + 1 WHERE seq = 3",
        "UPDATE audit SET record = replace(record, 'user3', 'user4') WHERE seq = 3",
        "UPDATE audit SET record = replace(record, 'shop', 'shoq') WHERE seq = 3",
        "UPDATE audit SET record = '{}' WHERE seq = 3",
        "UPDATE audit SET record = '' WHERE seq = 3",
        "UPDATE audit SET hash = '' WHERE seq = 3",
        "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 2) WHERE seq = 3",
    };

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        AUTO(world) struct world w;

        world_init(&w);
        fill(&w);
        world_sql(&w, changes[i]);
        check_bad(&w, 3);
    }
}
END

TEST(records_that_are_removed_moved_or_put_twice_are_found)
{
    static const struct {
        const char *sql;
        int64_t bad;
    } changes[] = {
        {"DELETE FROM audit WHERE seq = 1", 1},
        {"DELETE FROM audit WHERE seq = 3", 3},
        {"DELETE FROM audit WHERE seq = 5", 5},
        {"DELETE FROM audit WHERE seq >= 3", 3},
        {"DELETE FROM audit", 1},
        /* Everything after the removed one moves up. */
        {"DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;"
         "UPDATE audit SET seq = 4 WHERE seq = 5",
         3},
        /* Two change places. */
        {"UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;"
         "UPDATE audit SET seq = 3 WHERE seq = 99",
         2},
        {"INSERT INTO audit SELECT 6, time_ns, actor, action, object, outcome, record, hash FROM"
         " audit WHERE seq = 5",
         6},
        /* The end, with the head made to fit. */
        {"DELETE FROM audit WHERE seq >= 4; UPDATE audit_head SET seq = 3,"
         " hash = (SELECT hash FROM audit WHERE seq = 3)",
         4},
        {"DELETE FROM audit; UPDATE audit_head SET seq = 0, hash = ''", 1},
        {"DELETE FROM audit_head", 6},
    };

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        AUTO(world) struct world w;

        world_init(&w);
        fill(&w);
        world_sql(&w, changes[i].sql);
        check_bad(&w, changes[i].bad);
    }
}
END

TEST(an_end_that_was_written_anew_is_found)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf head = {0};

    world_init(&w);
    fill(&w);
    file_take(path_in(w.folder.path, "audit.head"), &head);
    /* The last two go and others come in their place, which the program itself writes. */
    world_sql(&w, "DELETE FROM audit WHERE seq >= 4; UPDATE audit_head SET seq = 3,"
                  " hash = (SELECT hash FROM audit WHERE seq = 3)");
    for (int i = 0; i < 2; i++) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

        append(t, "mallory", NULL);
        tx_commit(&t);
    }
    file_put_text(path_in(w.folder.path, "audit.head"), buf_string(&head));
    check_bad(&w, 5);
}
END

TEST(a_head_aside_that_was_changed_is_found_and_one_that_is_not_there_is_none)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf head = {0};

    world_init(&w);
    fill(&w);
    file_take(path_in(w.folder.path, "audit.head"), &head);
    for (size_t i = 0; i < head.size; i++) {
        head.data[i] ^= 1;
        file_put_text(path_in(w.folder.path, "audit.head"), buf_string(&head));
        CHECK(!verify(&w).is_sound);
        head.data[i] ^= 1;
    }
    file_put_text(path_in(w.folder.path, "audit.head"), "");
    CHECK(!verify(&w).is_sound);
    ck_assert_int_eq(unlink(path_in(w.folder.path, "audit.head")), 0);
    CHECK(verify(&w).is_sound);
}
END

TEST(an_act_that_cannot_be_recorded_does_not_happen)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    const char *value = NULL;
    const struct catalog_audit_record bad[] = {
        {.actor = "", .action = "x", .object = "", .outcome = "done"},
        {.actor = "ann", .action = "x\n", .object = "", .outcome = "done"},
        {.actor = "ann", .action = "x", .object = "\xff", .outcome = "done"},
        {.actor = "ann", .action = "x", .object = "", .outcome = "done", .details = "[]"},
        {.actor = "ann", .action = "x", .object = "", .outcome = "done", .details = "{"},
    };

    world_init(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);

        CHECK_ERR(catalog_audit_append(t, &bad[i], e), ERR_USAGE);
    }
    world_sql(&w, "DROP TABLE audit");
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_OK(catalog_setting_put(t, "a", "b", "test", e));

    const struct catalog_audit_record good = {
        .actor = "ann", .action = "x", .object = "", .outcome = "done"};
    CHECK(!catalog_audit_append(t, &good, &(struct err){0}));
    CHECK_ERR(catalog_commit(&t, e), ERR_FATAL);
    t = tx_read(&w);
    CHECK_OK(catalog_setting_get(t, "a", &a, &value, e));
    CHECK(value == NULL);
}
END

static void take_record(void *arg, const char *record)
{
    struct buf *told = arg;

    buf_printf(told, "%s\n", record);
}

TEST(what_is_committed_is_told_in_order_and_nothing_else)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf told = {0};

    world_init(&w);
    catalog_audit_set_sink(w.catalog, take_record, &told);
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    append(t, "lost", NULL);
    catalog_tx_auto(&t);
    t = tx_write(&w);
    append(t, "first", NULL);
    append(t, "second", NULL);
    ck_assert_uint_eq(told.size, 0);
    tx_commit(&t);

    const char *text = buf_string(&told);

    CHECK(strstr(text, "lost") == NULL);
    CHECK(strstr(text, "\"actor\":\"first\"") != NULL);
    CHECK(strstr(text, "\"actor\":\"second\"") > strstr(text, "\"actor\":\"first\""));
    CHECK(verify(&w).is_sound && verify(&w).count == 2);
}
END

TEST(without_its_key_the_catalog_writes_and_proves_no_record)
{
    AUTO(world) struct world w;
    struct catalog_audit_verdict v = {0};
    const struct catalog_audit_record r = {
        .actor = "ann", .action = "x", .object = "", .outcome = "done"};

    world_init(&w);
    catalog_close(w.catalog);
    w.catalog = NULL;

    const struct catalog_options o = {
        .state = w.folder.path, .address = w.address, .without_key = true};

    CHECK_OK(catalog_open(&o, &w.catalog, e));
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
    CHECK_ERR(catalog_audit_append(t, &r, e), ERR_DENIED);
    catalog_tx_auto(&t);
    t = NULL;
    CHECK_ERR(catalog_audit_verify(w.catalog, &v, e), ERR_DENIED);
}
END

TEST(another_hosts_key_does_not_open_the_catalog)
{
    AUTO(world) struct world w;
    struct catalog *c = NULL;
    char key[33] = "0123456789abcdef0123456789abcdef";

    world_init(&w);
    file_put_text(path_in(w.folder.path, "catalog.key"), key);
    CHECK_ERR(world_try(&w, &c, e), ERR_DENIED);
    key[20] = '\0';
    file_put_text(path_in(w.folder.path, "catalog.key"), key);
    CHECK_ERR(world_try(&w, &c, e), ERR_CORRUPT);
    ck_assert_int_eq(unlink(path_in(w.folder.path, "catalog.key")), 0);
    CHECK_ERR(world_try(&w, &c, e), ERR_DENIED);
}
END

/* As after an older copy of the catalog was brought back: the same key, another past. */
TEST(a_record_of_another_past_is_found)
{
    AUTO(world) struct world w;

    world_init(&w);
    AUTO(mem) char *empty = world_value(&w, "SELECT hash FROM audit_head");
    ck_assert_str_eq(empty, "");
    fill(&w);
    world_sql(&w, "CREATE TABLE former AS SELECT * FROM audit");
    world_sql(&w, "DELETE FROM audit");
    world_sql(&w, "UPDATE audit_head SET seq = 0, hash = ''");
    ck_assert_int_eq(unlink(path_in(w.folder.path, "audit.head")), 0);
    fill(&w);
    CHECK(verify(&w).is_sound);
    world_sql(&w, "DELETE FROM audit WHERE seq = 3");
    world_sql(&w, "INSERT INTO audit SELECT * FROM former WHERE seq = 3");
    check_bad(&w, 3);
}
END

TEST(the_same_record_is_signed_in_another_way_in_each_catalog)
{
    char *hashes[2] = {0};

    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;
        const struct catalog_audit_record r = {
            .time_ns = 1, .actor = "ann", .action = "look", .object = "", .outcome = "done"};

        world_init(&w);
        AUTO(catalog_tx) struct catalog_tx *t = tx_write(&w);
        CHECK_OK(catalog_audit_append(t, &r, e));
        tx_commit(&t);
        hashes[i] = world_value(&w, "SELECT hash FROM audit");
    }
    ck_assert_str_ne(hashes[0], hashes[1]);
    mem_free(hashes[0]);
    mem_free(hashes[1]);
}
END

TESTS_BETWEEN("audit", world_begin, world_end, a_log_that_was_only_added_to_is_sound,
              records_are_found_by_who_did_it_and_to_what, every_changed_field_is_found,
              records_that_are_removed_moved_or_put_twice_are_found,
              an_end_that_was_written_anew_is_found,
              a_head_aside_that_was_changed_is_found_and_one_that_is_not_there_is_none,
              an_act_that_cannot_be_recorded_does_not_happen,
              what_is_committed_is_told_in_order_and_nothing_else,
              without_its_key_the_catalog_writes_and_proves_no_record,
              another_hosts_key_does_not_open_the_catalog, a_record_of_another_past_is_found,
              the_same_record_is_signed_in_another_way_in_each_catalog)
