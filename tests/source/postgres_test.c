/* What belongs to a backup, and that it is of one moment whatever others do meanwhile. */
#define TEST_SECONDS 120

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/postgres_case.h"

/* Selection */

static const char shops[] =
    "CREATE SCHEMA one; CREATE SCHEMA \"Two\"; CREATE SCHEMA empty;"
    "CREATE TABLE public.orders (id serial); CREATE TABLE public.orders_old (id int);"
    "CREATE TABLE one.orders (id int); CREATE TABLE one.\"Mixed\" (id int);"
    "CREATE TABLE \"Two\".stock (id int); CREATE SEQUENCE one.free;"
    "SELECT lo_from_bytea(7, 'x'); CREATE EXTENSION hstore;"
    "INSERT INTO public.orders DEFAULT VALUES";

/* One pattern of one kind. */
static void backup_some(struct backup *b, enum postgres_choice c, const char *pattern)
{
    struct postgres_options o = options_of("shops");
    const char *const patterns[] = {pattern};

    o.selection[c] = (struct postgres_texts){patterns, 1};
    backup_take(b, &o);
}

/* The names of tables with data, of other tables in brackets, and of sequences. */
static void check_choice(enum postgres_choice c, const char *pattern, const char *wanted)
{
    AUTO(buf) struct buf names = {0};
    AUTO(backup) struct backup b;

    backup_some(&b, c, pattern);
    for (size_t i = 0; i < b.manifest.table_count; i++) {
        const struct postgres_table *t = &b.manifest.tables[i];

        buf_printf(&names, t->file != NULL ? "%s.%s " : "(%s.%s) ", t->schema, t->name);
    }
    for (size_t i = 0; i < b.manifest.sequence_count; i++)
        buf_printf(&names, "%s ", b.manifest.sequences[i].name);
    ck_assert_str_eq(buf_string(&names), wanted);
    ck_assert_str_eq(b.manifest.selection[c].items[0], pattern);
    CHECK(b.manifest.blobs.count == (c == POSTGRES_SCHEMAS || c == POSTGRES_TABLES ? 0 : 1));
}

TEST(patterns_choose_what_pg_dump_would)
{
    database_new("shops", shops);
    check_choice(POSTGRES_TABLES, "orders", "public.orders orders_id_seq ");
    check_choice(POSTGRES_TABLES, "ORDERS*", "public.orders public.orders_old orders_id_seq ");
    check_choice(POSTGRES_TABLES, "*.orders", "one.orders public.orders orders_id_seq ");
    check_choice(POSTGRES_TABLES, "one.\"Mixed\"", "one.Mixed ");
    check_choice(POSTGRES_TABLES, "one.free", "free ");
    check_choice(POSTGRES_SCHEMAS, "one", "one.Mixed one.orders free ");
    check_choice(POSTGRES_SCHEMAS, "\"Two\"", "Two.stock ");
    check_choice(POSTGRES_SCHEMAS, "empty", "");
    check_choice(POSTGRES_EXCLUDE_SCHEMAS, "one|public", "Two.stock ");
    check_choice(POSTGRES_EXCLUDE_TABLES, "public.*", "Two.stock one.Mixed one.orders free ");
    check_choice(POSTGRES_EXCLUDE_TABLE_DATA, "orders*",
                 "Two.stock one.Mixed one.orders (public.orders) (public.orders_old) free ");
}
END

TEST(a_pattern_that_matches_nothing_is_an_error)
{
    const char *const patterns[] = {"public.no_such_*"};
    AUTO(backup) struct backup b;
    AUTO(backup) struct backup other;
    struct postgres_options o = options_of("postgres");
    struct postgres_options p = options_of("postgres");

    o.selection[POSTGRES_TABLES] = (struct postgres_texts){patterns, 1};
    backup_init(&b);
    backup_fails(&b, &o, "there is no table \"public.no_such_*\"");
    p.selection[POSTGRES_EXCLUDE_TABLES] = (struct postgres_texts){patterns, 1};
    backup_take(&other, &p); /* what is not there can be left out */
}
END

TEST(a_malformed_pattern_is_refused_by_the_server_or_before)
{
    const char *const patterns[] = {"a(", "a.b.c"};
    static const char *const sentences[] = {"invalid regular expression", "too many dots"};

    for (size_t i = 0; i < 2; i++) {
        AUTO(backup) struct backup b;
        struct postgres_options o = options_of("postgres");

        o.selection[POSTGRES_TABLES] = (struct postgres_texts){patterns + i, 1};
        backup_init(&b);
        backup_fails(&b, &o, sentences[i]);
    }
}
END

TEST(globals_come_when_asked_for_and_passwords_only_when_asked_for)
{
    AUTO(backup) struct backup without;
    AUTO(backup) struct backup with;
    AUTO(backup) struct backup none;
    struct postgres_options o = options_of("postgres");

    postgres_server_sql(server, "postgres", "CREATE ROLE keeper PASSWORD 'hidden'");
    backup_take(&none, &o);
    ck_assert_ptr_null(recorder_find(&none.recorder, "/postgres/db/globals.sql"));
    o.with_globals = true;
    backup_take(&without, &o);
    o.with_role_passwords = true;
    backup_take(&with, &o);

    const struct slice first = file_of(&without, "globals.sql");
    const struct slice second = file_of(&with, "globals.sql");

    CHECK(memmem(first.data, first.size, "CREATE ROLE keeper", 18) != NULL);
    CHECK(memmem(first.data, first.size, "SCRAM-SHA-256", 13) == NULL);
    CHECK(memmem(second.data, second.size, "SCRAM-SHA-256", 13) != NULL);
    CHECK(with.manifest.has_globals && !none.manifest.has_globals);
}
END

/* Others at work meanwhile */

static atomic_bool is_over;

/* Move money between two tables of accounts, and now and then make an account. */
static void *move_money(void *arg)
{
    AUTO(connection) PGconn *c = connect_to(arg);
    unsigned n = 1;

    for (; !atomic_load(&is_over); n = n * 1103515245 + 12345) {
        char sql[300];

        (void)snprintf(sql, sizeof(sql),
                       "BEGIN; UPDATE a SET n = n - 5 WHERE id = %u; UPDATE b SET n = n + 5 WHERE"
                       " id = %u; COMMIT; BEGIN; INSERT INTO a (n) VALUES (-3); UPDATE b SET n ="
                       " n + 3 WHERE id = %u; COMMIT",
                       1 + n / 7 % 5000, 1 + n / 11 % 5000, 1 + n / 13 % 5000);
        ck_assert_str_eq(try_sql(c, sql), "00000");
    }
    return NULL;
}

static int64_t sum_of(const struct backup *b, const char *file)
{
    struct slice s = file_of(b, file);
    int64_t sum = 0;

    /* By hand: a sanitizer measures the whole text at each call of a string function. */
    while (s.size > 0) {
        const uint8_t *at = (const uint8_t *)memchr(s.data, '\t', s.size) + 1;
        const int64_t sign = *at == '-' ? -1 : 1;
        int64_t n = 0;

        for (at += *at == '-' ? 1 : 0; *at != '\n'; at++)
            n = n * 10 + (*at - '0');
        sum += sign * n;
        s = SLICE_OF(at + 1, s.size - (size_t)(at + 1 - s.data));
    }
    return sum;
}

TEST(all_tables_are_of_one_moment_while_others_write)
{
    pthread_t writers[2];

    database_new("bank", "CREATE TABLE a (id serial PRIMARY KEY, n bigint);"
                         "CREATE TABLE b (id serial PRIMARY KEY, n bigint);"
                         "INSERT INTO a (n) SELECT 1000 FROM generate_series(1, 5000);"
                         "INSERT INTO b (n) SELECT 1000 FROM generate_series(1, 5000)");
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_create(&writers[i], NULL, move_money, (void *)(uintptr_t) "bank") == 0);
    for (int jobs = 1; jobs <= 6; jobs++) {
        AUTO(backup) struct backup b;
        struct postgres_options o = options_of("bank");

        o.jobs = jobs;
        backup_take(&b, &o);
        ck_assert_int_eq(sum_of(&b, "data/public.a.copy") + sum_of(&b, "data/public.b.copy"),
                         10000000);
        /* What is given out never comes twice. */
        CHECK((uint64_t)b.manifest.sequences[0].last_value >= table_of(&b, "public", "a")->rows);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
}
END

/* Called when a directory is announced: the moment is fixed by then. */
static void change_everything(void *arg, const char *path)
{
    AUTO(connection) PGconn *c = NULL;

    (void)arg;
    if (strcmp(path, "/postgres/db") != 0)
        return;
    c = connect_to("changed");
    ck_assert_str_eq(try_sql(c, "UPDATE t SET a = 2; DELETE FROM u; INSERT INTO t VALUES (9)"),
                     "00000");
    ck_assert_str_eq(try_sql(c, "SET lock_timeout = 100"), "00000");
    ck_assert_str_eq(try_sql(c, "DROP TABLE t"), "55P03");
    ck_assert_str_eq(try_sql(c, "TRUNCATE t"), "55P03");
    ck_assert_str_eq(try_sql(c, "ALTER TABLE t ADD b int"), "55P03");
    ck_assert_str_eq(try_sql(c, "CREATE TABLE late (a int)"), "00000");
}

TEST(what_changes_after_the_moment_is_not_seen_and_tables_stay)
{
    AUTO(backup) struct backup b;
    const struct postgres_options o = options_of("changed");

    database_new("changed", "CREATE TABLE t (a int); CREATE TABLE u (a int);"
                            "INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)");
    backup_init(&b);
    b.recorder.on_enter = change_everything;
    backup_complete(&b, &o);
    check_rows(&b, "t", "1\n");
    check_rows(&b, "u", "1\n");
    CHECK(b.manifest.table_count == 2);
    AUTO(connection) PGconn *c = connect_to("changed");

    ck_assert_str_eq(try_sql(c, "DROP TABLE t"), "00000"); /* nothing holds it any more */
}
END

static pthread_t waiter;

static void *alter(void *arg)
{
    AUTO(connection) PGconn *c = connect_to(arg);

    ck_assert_str_eq(try_sql(c, "ALTER TABLE t ADD b int"), "00000");
    return NULL;
}

/* pg_dump takes its locks by itself and has had them when the third file comes. */
static void queue_up(void *arg)
{
    int *writes = arg;

    if (++*writes != 3)
        return;
    CHECK(pthread_create(&waiter, NULL, alter, (void *)(uintptr_t) "queue") == 0);
    wait_for(
        "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'");
}

TEST(somebody_who_waits_to_change_a_table_does_not_stop_a_backup)
{
    AUTO(backup) struct backup b;
    const struct postgres_options o = options_of("queue");
    int writes = 0;

    database_new("queue", "CREATE TABLE first AS SELECT i FROM generate_series(1, 100000) i;"
                          "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    backup_init(&b);
    b.recorder.arg = &writes;
    b.recorder.on_write = queue_up;
    backup_complete(&b, &o);
    pthread_join(waiter, NULL);
    check_rows(&b, "t", "1\n");
}
END

static void *drop_when_awaited(void *arg)
{
    AUTO(connection) PGconn *c = connect_to(arg);

    ck_assert_str_eq(try_sql(c, "BEGIN; DROP TABLE t; TRUNCATE u"), "00000");
    atomic_store(&is_over, true);
    wait_for("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'");
    ck_assert_str_eq(try_sql(c, "COMMIT"), "00000");
    return NULL;
}

TEST(a_table_dropped_before_it_is_locked_was_never_there)
{
    AUTO(backup) struct backup b;
    const struct postgres_options o = options_of("dropping");
    pthread_t dropper;

    database_new("dropping", "CREATE TABLE t (a int); CREATE TABLE u (a int);"
                             "INSERT INTO u VALUES (1)");
    CHECK(pthread_create(&dropper, NULL, drop_when_awaited, (void *)(uintptr_t) "dropping") == 0);
    while (!atomic_load(&is_over))
        (void)sched_yield();
    backup_take(&b, &o);
    pthread_join(dropper, NULL);
    check_rows(&b, "u", "");
    CHECK(b.manifest.table_count == 1);
}
END

/* The definitions are two pieces; the fourth is of the first table that is not tiny. */
struct order {
    struct backup *b;
    int pieces;
    bool is_small_sent;
};

static void look_at_order(void *arg)
{
    struct order *o = arg;

    if (++o->pieces == 4)
        o->is_small_sent =
            recorder_find(&o->b->recorder, "/postgres/db/data/public.a.copy")->is_sent;
}

TEST(the_biggest_table_comes_first)
{
    AUTO(backup) struct backup b;
    const struct postgres_options o = options_of("sizes");
    struct order order = {.b = &b};

    database_new("sizes", "CREATE TABLE a AS SELECT 1;"
                          "CREATE TABLE z AS SELECT generate_series(1, 100000)");
    backup_init(&b);
    b.recorder.on_write = look_at_order;
    b.recorder.arg = &order;
    backup_complete(&b, &o);
    CHECK(order.pieces > 4 && !order.is_small_sent);
}
END

static void *create_when_awaited(void *arg)
{
    AUTO(connection) PGconn *c = connect_to(arg);

    ck_assert_str_eq(try_sql(c, "BEGIN; LOCK TABLE u; CREATE TABLE fresh AS SELECT 1"), "00000");
    atomic_store(&is_over, true);
    wait_for("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'");
    ck_assert_str_eq(try_sql(c, "COMMIT"), "00000");
    return NULL;
}

static void try_to_drop(void *arg, const char *path)
{
    AUTO(connection) PGconn *c = connect_to(arg);

    ck_assert_str_eq(try_sql(c, "SET lock_timeout = 100"), "00000");
    if (strcmp(path, "/postgres/db") == 0)
        ck_assert_str_eq(try_sql(c, "DROP TABLE fresh"), "55P03");
}

TEST(a_table_that_comes_while_others_are_locked_is_locked_too)
{
    AUTO(backup) struct backup b;
    const struct postgres_options o = options_of("coming");
    pthread_t creator;

    database_new("coming", "CREATE TABLE u (a int)");
    CHECK(pthread_create(&creator, NULL, create_when_awaited, (void *)(uintptr_t) "coming") == 0);
    while (!atomic_load(&is_over))
        (void)sched_yield();
    backup_init(&b);
    b.recorder.on_enter = try_to_drop;
    b.recorder.arg = (void *)(uintptr_t) "coming";
    backup_complete(&b, &o);
    pthread_join(creator, NULL);
    check_rows(&b, "fresh", "1\n");
}
END

TESTS_BETWEEN("postgres", server_begin, server_end, patterns_choose_what_pg_dump_would,
              a_pattern_that_matches_nothing_is_an_error,
              a_malformed_pattern_is_refused_by_the_server_or_before,
              globals_come_when_asked_for_and_passwords_only_when_asked_for,
              all_tables_are_of_one_moment_while_others_write,
              what_changes_after_the_moment_is_not_seen_and_tables_stay,
              somebody_who_waits_to_change_a_table_does_not_stop_a_backup,
              a_table_dropped_before_it_is_locked_was_never_there, the_biggest_table_comes_first,
              a_table_that_comes_while_others_are_locked_is_locked_too)
