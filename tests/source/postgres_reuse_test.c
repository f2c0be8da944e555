/* Tables that did not change are taken over from the previous backup, and nothing else is. */
#define TEST_SECONDS 180

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/postgres_case.h"

#define LOG_MAX ((size_t)64 << 20)
#define START   (INT64_C(1800000000) * NS_PER_S) /* when the first backup is made */

static struct postgres_options reusing(const char *database)
{
    struct postgres_options o = options_of(database);

    o.reuse = (struct duration){.days = 7};
    return o;
}

/* A backup some seconds after the first one; before may be NULL. */
static void backup_after(struct backup *b, const struct backup *before, int64_t seconds,
                         const struct postgres_options *o)
{
    backup_init(b);
    b->time_ns = START + seconds * NS_PER_S;
    b->recorder.before = before == NULL ? NULL : &before->recorder;
    backup_complete(b, o);
}

/* Backups of one database, each after the one before. */
struct chain {
    struct postgres_options o;
    struct backup all[6];
    size_t count;
};

static void chain_auto(struct chain *c)
{
    for (size_t i = 0; i < c->count; i++)
        backup_auto(&c->all[i]);
}

/* The next backup, some seconds after the first. */
static struct backup *chain_next(struct chain *c, int64_t seconds)
{
    struct backup *b = &c->all[c->count];

    CHECK(c->count < sizeof(c->all) / sizeof(c->all[0]));
    backup_after(b, c->count == 0 ? NULL : b - 1, seconds, &c->o);
    c->count++;
    return b;
}

/* Make the database and its first backup. */
static struct backup *chain_begin(struct chain *c, const char *database, const char *sql)
{
    database_new(database, sql);
    *c = (struct chain){.o = reusing(database)};
    return chain_next(c, 0);
}

static bool is_kept_in(const struct backup *b, const char *schema, const char *table)
{
    const struct postgres_table *t = table_of(b, schema, table);
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "/postgres/db/%s", t->file);

    const struct record *found = recorder_find(&b->recorder, buf_string(&path));

    CHECK(found != NULL && found->is_kept != found->is_sent);
    CHECK(found->is_kept == (t->read != NULL));
    return found->is_kept;
}

static bool is_kept(const struct backup *b, const char *table)
{
    return is_kept_in(b, "public", table);
}

/* A backup has the rows that one has that knows of no other. */
static void check_true(const struct backup *b, const struct postgres_options *o)
{
    AUTO(backup) struct backup fresh;

    backup_after(&fresh, NULL, 0, o);
    ck_assert_uint_eq(fresh.manifest.table_count, b->manifest.table_count);
    for (size_t i = 0; i < fresh.manifest.table_count; i++) {
        const struct postgres_table *t = &fresh.manifest.tables[i];
        const struct postgres_table *found = table_of(b, t->schema, t->name);

        if (t->file == NULL)
            continue;
        ck_assert_str_eq(t->hash, found->hash);
        CHECK(t->rows == found->rows && t->bytes == found->bytes);
        CHECK(slice_is_equal(file_of(&fresh, t->file), file_of(b, found->file)));
    }
}

static size_t count_in_log(const char *text)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf log = {0};
    size_t count = 0;

    buf_printf(&path, "%s/log", postgres_server_host(server));
    CHECK_OK(file_read(buf_string(&path), LOG_MAX, &log, e));
    for (const char *at = buf_string(&log); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

/* What a session did is counted before it ends. */
#define COUNTED "SELECT pg_stat_force_next_flush()"
static const char tables[] =
    "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN word AS text CHECK (value <> '');"
    "CREATE TABLE t (id int, name text); INSERT INTO t SELECT i, 'row ' || i FROM"
    " generate_series(1, 1000) i;"
    "CREATE TABLE other (id bigint PRIMARY KEY, m mood, w word, ms mood[], j jsonb, r int4range,"
    " at timestamptz, b bytea, twice bigint GENERATED ALWAYS AS (id * 2) STORED);"
    "INSERT INTO other SELECT i, 'glad', 'w', '{sad,glad}', '{\"a\": 1}', '[1,5)', now(),"
    " decode(repeat('ab', 9000), 'hex') FROM generate_series(1, 20) i;"
    "CREATE TABLE empty (id int);"
    "CREATE TABLE parts (id int, name text) PARTITION BY RANGE (id);"
    "CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10);"
    "CREATE UNLOGGED TABLE light AS SELECT 1 AS id;"
    "INSERT INTO parts VALUES (1, 'one');" COUNTED;

TEST(a_table_that_did_not_change_is_not_read)
{
    AUTO(backup) struct backup first;
    AUTO(backup) struct backup second;
    AUTO(backup) struct backup third;
    struct postgres_options o = reusing("still");
    static const char *const names[] = {"t", "other", "empty", "low", "light"};

    database_new("still", tables);
    postgres_server_sql(server, "postgres", "ALTER DATABASE still SET log_statement = 'all'");
    backup_after(&first, NULL, 0, &o);
    for (size_t i = 0; i < 5; i++)
        CHECK(!is_kept(&first, names[i]));
    ck_assert_uint_eq(count_in_log("COPY public."), 5);
    backup_after(&second, &first, 60, &o);
    o.jobs = 4;
    backup_after(&third, &second, 120, &o);
    for (size_t i = 0; i < 5; i++) {
        CHECK(is_kept(&second, names[i]) && is_kept(&third, names[i]));
        ck_assert_str_eq(table_of(&second, "public", names[i])->read, first.manifest.time);
        ck_assert_str_eq(table_of(&third, "public", names[i])->read, first.manifest.time);
    }
    ck_assert_uint_eq(count_in_log("COPY public."), 5);
    o.jobs = 1;
    check_true(&third, &o);
}
END

TEST(without_the_setting_every_table_is_read_and_nothing_is_noted)
{
    AUTO(backup) struct backup first;
    AUTO(backup) struct backup second;
    AUTO(backup) struct backup plain;
    const struct postgres_options o = reusing("plain");
    const struct postgres_options without = options_of("plain");

    database_new("plain", tables);
    backup_after(&first, NULL, 0, &o);
    backup_after(&plain, &first, 60, &without);
    CHECK(!is_kept(&plain, "t") && plain.manifest.instance == NULL);
    CHECK(plain.manifest.horizon == NULL && table_of(&plain, "public", "t")->state == NULL);
    backup_after(&second, &plain, 120, &o);
    CHECK(!is_kept(&second, "t") && !is_kept(&second, "other"));
}
END

/* What happens between two backups, after which t is read again.  Those that change counters of the
 * server in no way begin with what switches them off. */
#define UNCOUNTED "SET track_counts = off;"
static const char *const changes[] = {
    "INSERT INTO t VALUES (0, 'new')",
    "UPDATE t SET name = 'x' WHERE id = 500",
    "UPDATE t SET id = id WHERE id = 500",
    "DELETE FROM t WHERE id = 1000",
    "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')",
    "TRUNCATE t",
    "BEGIN; CREATE TEMP TABLE kept AS SELECT * FROM t; TRUNCATE t; INSERT INTO t SELECT * FROM "
    "kept;"
    "COMMIT",
    "ALTER TABLE t ALTER id TYPE text",
    "ALTER TABLE t ADD extra int",
    "ALTER TABLE t ADD extra int DEFAULT 7",
    "ALTER TABLE t RENAME name TO label",
    "ALTER TABLE t DROP name; ALTER TABLE t ADD name text",
    "ALTER TABLE t DROP name",
    "CREATE TABLE copied AS TABLE t; DROP TABLE t; ALTER TABLE copied RENAME TO t",
    "CREATE TABLE u (id int, name text); INSERT INTO u SELECT id, 'u' FROM t;"
    "ALTER TABLE t RENAME TO v; ALTER TABLE u RENAME TO t; DROP TABLE v",
    UNCOUNTED "INSERT INTO t VALUES (0, 'new')",
    UNCOUNTED "UPDATE t SET name = 'x' WHERE id = 500",
    UNCOUNTED "DELETE FROM t WHERE id = 500",
    UNCOUNTED "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')",
    UNCOUNTED "BEGIN; SAVEPOINT a; UPDATE t SET name = 'sub' WHERE id = 1; RELEASE a; COMMIT",
    UNCOUNTED "BEGIN; TRUNCATE t; COPY t FROM PROGRAM 'printf \"1\\t2\\n%.0s\" $(seq 1000)'"
              " WITH (FREEZE); COMMIT",
};

/* Run statements in the schema of a change. */
static void run_in(size_t number, const char *sql)
{
    AUTO(buf) struct buf whole = {0};

    buf_printf(&whole, "SET client_min_messages = warning; SET search_path = c%zu; %s; " COUNTED,
               number, sql);
    postgres_server_sql(server, "changing", buf_string(&whole));
}

static void check_kept_in(const struct backup *b, size_t number, const char *table, bool wanted)
{
    char schema[24];

    (void)snprintf(schema, sizeof(schema), "c%zu", number);
    ck_assert_msg(is_kept_in(b, schema, table) == wanted, "%s: %s", changes[number], table);
}

TEST(whatever_changes_a_table_makes_it_be_read)
{
    const size_t count = sizeof(changes) / sizeof(changes[0]);
    const struct postgres_options o = reusing("changing");
    AUTO(backup) struct backup first;
    AUTO(backup) struct backup second;
    AUTO(backup) struct backup third;

    database_new("changing", "SELECT 1");
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf sql = {0};

        buf_printf(&sql, "CREATE SCHEMA c%zu; %s", i, tables);
        run_in(i, buf_string(&sql));
    }
    backup_after(&first, NULL, 0, &o);
    for (size_t i = 0; i < count; i++)
        run_in(i, changes[i]);
    backup_after(&second, &first, 60, &o);
    backup_after(&third, &second, 120, &o);
    for (size_t i = 0; i < count; i++) {
        check_kept_in(&second, i, "t", false);
        check_kept_in(&second, i, "other", true);
        check_kept_in(&third, i, "t", true);
    }
    check_true(&second, &o);
    check_true(&third, &o);
}
END

TEST(counters_that_tell_of_no_change_are_not_believed)
{
    AUTO(chain) struct chain c;
    const struct backup *first = chain_begin(&c, "silent", tables);

    postgres_server_sql(server, "silent", UNCOUNTED "UPDATE t SET name = 'x' WHERE id = 500");

    const struct backup *second = chain_next(&c, 60);

    ck_assert_str_eq(table_of(first, "public", "t")->state, table_of(second, "public", "t")->state);
    CHECK(!is_kept(second, "t"));
    check_true(second, &c.o);
}
END

TEST(a_table_that_is_only_written_anew_has_the_same_rows_in_any_case)
{
    static const struct {
        const char *sql;
        bool is_kept;
    } rewrites[] = {{"VACUUM FULL t", false}, /* another file */
                    {"VACUUM FREEZE t", true},
                    {"ANALYZE t", true},
                    {"CREATE INDEX ON t (name)", true},
                    {"SELECT pg_stat_reset()", false}}; /* other counts */
    AUTO(chain) struct chain c;

    (void)chain_begin(&c, "anew", tables);
    for (size_t i = 0; i < sizeof(rewrites) / sizeof(rewrites[0]); i++) {
        postgres_server_sql(server, "anew", rewrites[i].sql);

        const struct backup *b = chain_next(&c, 60);

        ck_assert_msg(is_kept(b, "t") == rewrites[i].is_kept, "%s", rewrites[i].sql);
        check_true(b, &c.o);
    }
}
END

TEST(a_transaction_under_way_at_the_first_moment_is_seen_at_the_second)
{
    AUTO(connection) PGconn *other = NULL;
    AUTO(chain) struct chain c;

    (void)chain_begin(&c, "late", tables);
    other = connect_to("late");
    ck_assert_str_eq(try_sql(other, UNCOUNTED "BEGIN; INSERT INTO t VALUES (-1, 'late');"
                                              "DELETE FROM t WHERE id = 7"),
                     "00000");
    CHECK(is_kept(chain_next(&c, 60), "t"));
    ck_assert_str_eq(try_sql(other, "COMMIT"), "00000");

    const struct backup *b = chain_next(&c, 120);

    CHECK(!is_kept(b, "t") && is_kept(b, "other"));
    check_true(b, &c.o);
}
END

static void write_meanwhile(void *arg, const char *path)
{
    if (strcmp(path, "/postgres/db/data") == 0)
        postgres_server_sql(server, arg, UNCOUNTED "INSERT INTO t VALUES (-1, 'meanwhile')");
}

TEST(what_changes_during_a_backup_is_read_by_the_next)
{
    AUTO(backup) struct backup first;
    AUTO(backup) struct backup second;
    AUTO(backup) struct backup third;
    const struct postgres_options o = reusing("meanwhile");

    database_new("meanwhile", tables);
    backup_after(&first, NULL, 0, &o);
    backup_init(&second);
    second.time_ns = START + NS_PER_S;
    second.recorder.before = &first.recorder;
    second.recorder.on_enter = write_meanwhile;
    second.recorder.arg = (void *)(uintptr_t) "meanwhile";
    backup_complete(&second, &o);
    CHECK(is_kept(&second, "t") && table_of(&second, "public", "t")->rows == 1000);
    backup_after(&third, &second, 60, &o);
    CHECK(!is_kept(&third, "t") && table_of(&third, "public", "t")->rows == 1001);
    check_true(&third, &o);
}
END

/* Transactions of several sessions, one step after the other, that cross the moments of backups. */
enum { SESSIONS = 5, WRITTEN = 6, ROUNDS = 20, STEPS = 6 };

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *state >> 33;
}

/* Whatever fails here, as for a lock that another session has, is part of the history. */
static void step(PGconn *session, uint64_t *state)
{
    static const char *const acts[] = {
        "BEGIN", "BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s",
        /* $ is a table, # a number */
        "INSERT INTO $ SELECT i, 'new' FROM generate_series(1, 1 + # % 3) i",
        "UPDATE $ SET name = name || 'x' WHERE id = # % 20", "UPDATE $ SET name = 'all'",
        "DELETE FROM $ WHERE id = # % 20",
        "WITH gone AS (DELETE FROM $ WHERE id = # % 20 RETURNING id) INSERT INTO $ SELECT id, "
        "'back'"
        " FROM gone",
        "VACUUM FREEZE $", "TRUNCATE $"};
    AUTO(buf) struct buf sql = {0};
    const uint64_t table = next_random(state) % WRITTEN;

    for (const char *at = acts[next_random(state) % (sizeof(acts) / sizeof(acts[0]))]; *at != '\0';
         at++)
        if (*at == '$')
            buf_printf(&sql, "r%d", (int)table);
        else if (*at == '#')
            buf_printf(&sql, "%d", (int)(next_random(state) % 1000));
        else
            buf_append(&sql, at, 1);
    /* TRUNCATE keeps its lock, for which a backup would wait. */
    if (strncmp(buf_string(&sql), "TRUNCATE", 8) == 0 &&
        PQtransactionStatus(session) != PQTRANS_IDLE)
        return;
    (void)try_sql(session, buf_string(&sql));
}

static void sessions_auto(PGconn *(*all)[SESSIONS])
{
    for (size_t i = 0; i < SESSIONS; i++)
        PQfinish((*all)[i]);
}

TEST(no_history_of_transactions_makes_a_table_be_kept_that_changed)
{
    AUTO(sessions) PGconn *sessions[SESSIONS] = {0};
    const struct postgres_options o = reusing("history");
    struct backup all[ROUNDS];
    size_t kept = 0;
    uint64_t state = 1;

    database_new("history", "SELECT 1");
    for (size_t i = 0; i < SESSIONS; i++) {
        sessions[i] = connect_to("history");
        (void)try_sql(sessions[i], "SET lock_timeout = 5; SET client_min_messages = error");
        if (i % 2 == 0)
            (void)try_sql(sessions[i], UNCOUNTED);
    }
    for (int i = 0; i < WRITTEN; i++) {
        AUTO(buf) struct buf sql = {0};

        buf_printf(&sql,
                   "CREATE TABLE r%d AS SELECT i AS id, 'old' AS name FROM"
                   " generate_series(1, 20) i",
                   i);
        postgres_server_sql(server, "history", buf_string(&sql));
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; round > 0 && i < STEPS; i++)
            step(sessions[next_random(&state) % SESSIONS], &state);
        backup_after(&all[round], round == 0 ? NULL : &all[round - 1], (int64_t)round, &o);
        check_true(&all[round], &o);
        for (size_t i = 0; i < all[round].manifest.table_count; i++)
            kept += is_kept(&all[round], all[round].manifest.tables[i].name);
    }
    CHECK(kept > ROUNDS && kept < (size_t)(ROUNDS - 1) * WRITTEN);
    for (size_t round = 0; round < ROUNDS; round++)
        backup_auto(&all[round]);
}
END

TEST(tables_whose_text_depends_on_more_than_their_rows_are_always_read)
{
    static const char *const names[] = {"classes", "many",   "pairs", "stores",
                                        "spans",   "rights", "lists", "catalogs"};
    AUTO(chain) struct chain c;

    (void)chain_begin(
        &c, "depends",
        "CREATE EXTENSION hstore; CREATE TYPE pair AS (a int, b regclass);"
        "CREATE TYPE span AS RANGE (subtype = text);"
        "CREATE DOMAIN place AS regclass; CREATE TABLE plain AS SELECT 1 AS id;"
        "CREATE TABLE classes AS SELECT 'plain'::regclass AS c;"
        "CREATE TABLE many AS SELECT ARRAY['plain'::regclass::place] AS c;"
        "CREATE TABLE lists AS SELECT ARRAY['plain'::regclass] AS c;"
        "CREATE TABLE catalogs AS SELECT array_agg(c) AS c FROM pg_class c WHERE relname = 'plain';"
        "CREATE TABLE pairs AS SELECT ROW(1, 'plain')::pair AS p;"
        "CREATE TABLE stores AS SELECT 'a=>1'::hstore AS s;"
        "CREATE TABLE spans AS SELECT '[a,b)'::span AS s;"
        "CREATE TABLE rights (r aclitem)");
    postgres_server_sql(server, "depends", "ALTER TABLE plain RENAME TO renamed");

    const struct backup *b = chain_next(&c, 60);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_msg(!is_kept(b, names[i]), "%s", names[i]);
    check_true(b, &c.o);
}
END

TEST(a_label_of_an_enumeration_that_is_renamed_makes_its_tables_be_read)
{
    AUTO(chain) struct chain c;

    (void)chain_begin(&c, "labels", tables);
    postgres_server_sql(server, "labels", "ALTER TYPE mood RENAME VALUE 'glad' TO 'merry'");

    const struct backup *b = chain_next(&c, 60);

    CHECK(!is_kept(b, "other") && is_kept(b, "t"));
    check_true(b, &c.o);
}
END

TEST(a_table_is_read_again_when_that_was_long_ago_or_in_the_future)
{
    const int64_t day = 86400;
    AUTO(chain) struct chain c;
    AUTO(backup) struct backup earlier;
    const struct backup *first = chain_begin(&c, "aging", tables);

    CHECK(is_kept(chain_next(&c, 6 * day), "t"));

    const struct backup *third = chain_next(&c, 7 * day);

    CHECK(!is_kept(third, "t") && !is_kept(third, "other"));

    const struct backup *fourth = chain_next(&c, 8 * day);

    CHECK(is_kept(fourth, "t"));
    ck_assert_str_eq(table_of(fourth, "public", "t")->read, third->manifest.time);
    backup_after(&earlier, first, -10, &c.o);
    CHECK(!is_kept(&earlier, "t"));
}
END

TEST(what_the_repository_has_lost_is_read_again)
{
    AUTO(chain) struct chain c;
    AUTO(backup) struct backup second;
    const struct backup *first = chain_begin(&c, "lost", tables);

    backup_init(&second);
    second.time_ns = START + NS_PER_S;
    second.recorder.before = &first->recorder;
    second.recorder.has_lost = true;
    backup_complete(&second, &c.o);
    CHECK(!is_kept(&second, "t") && !is_kept(&second, "empty"));
    check_true(&second, &c.o);
}
END

/* Change what a backup has stored in its manifest, to something as long. */
static void forge(struct backup *b, const char *from, const char *to)
{
    char *at = NULL;

    for (size_t i = 0; i < b->recorder.record_count; i++) {
        struct record *c = &b->recorder.records[i];

        if (strcmp(c->path, "/postgres/db/manifest.json") == 0)
            at = memmem(c->content.data, c->content.size, from, strlen(from));
    }
    CHECK(at != NULL && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
}

TEST(a_manifest_that_cannot_be_read_is_none)
{
    AUTO(chain) struct chain c;

    forge(chain_begin(&c, "damaged", tables), "\"tables\"", "\"fables\"");
    CHECK(!is_kept(chain_next(&c, 60), "t"));
}
END

TEST(a_table_taken_over_wrongly_is_told_when_it_is_read_again)
{
    AUTO(chain) struct chain c;
    AUTO(backup) struct backup second;
    struct backup *first = chain_begin(&c, "wrong", tables);

    forge(first, table_of(first, "public", "t")->hash, "00000000000000000000000000000000");
    backup_init(&second);
    second.time_ns = START + 8 * 86400 * NS_PER_S;
    second.recorder.before = &first->recorder;
    CHECK_OK(backup_run(&second, &c.o, e));
    ck_assert_int_eq(second.failure.code, ERR_NONE);
    ck_assert_uint_eq(second.recorder.remark_count, 1);

    const struct remark *m = recorder_remark(&second.recorder, "/postgres/db/data/public.t.copy");

    CHECK(m != NULL && !m->is_skip && strstr(m->text, first->manifest.time) != NULL);
}
END

TEST(another_database_of_the_same_name_is_read)
{
    AUTO(chain) struct chain c;

    (void)chain_begin(&c, "named", tables);
    /* Its rows have the numbers of those of the other one, its tables their oids and files, and of
     * those that nothing was written to the counts too. */
    postgres_server_sql(server, "postgres", "ALTER DATABASE named RENAME TO was_named");
    postgres_server_sql(server, "postgres", "CREATE DATABASE named TEMPLATE was_named");

    const struct backup *b = chain_next(&c, 60);

    CHECK(!is_kept(b, "t") && !is_kept(b, "other") && !is_kept(b, "empty"));
    check_true(b, &c.o);
}
END

TEST(another_server_with_the_same_tables_is_read)
{
    struct postgres_server *const shared = server;
    AUTO(postgres_server) struct postgres_server *one = NULL;
    AUTO(postgres_server) struct postgres_server *two = NULL;
    AUTO(chain) struct chain c;

    CHECK_OK(postgres_server_start(&one, e));
    CHECK_OK(postgres_server_start(&two, e));
    server = one;
    (void)chain_begin(&c, "twin", tables);
    server = two;
    database_new("twin", tables);
    c.o = reusing("twin");

    const struct backup *b = chain_next(&c, 60);

    CHECK(!is_kept(b, "t") && !is_kept(b, "other") && !is_kept(b, "empty"));
    check_true(b, &c.o);
    server = shared;
}
END

/* End the process of a connection as a fault would; the server throws all others out and recovers.
 */
static void crash_backend(const char *database)
{
    static const char ready[] = "database system is ready to accept connections";
    const size_t times = count_in_log(ready);
    AUTO(connection) PGconn *c = connect_to(database);

    CHECK(kill(PQbackendPID(c), SIGKILL) == 0);
    for (int i = 0; i < 2000 && count_in_log(ready) == times; i++)
        (void)poll(NULL, 0, 10);
    CHECK(count_in_log(ready) == times + 1);
}

TEST(after_a_crash_or_a_restart_everything_is_read_once)
{
    struct postgres_server *const shared = server;
    AUTO(postgres_server) struct postgres_server *own = NULL;
    AUTO(chain) struct chain c;
    const struct backup *b;

    CHECK_OK(postgres_server_start(&own, e));
    server = own;
    (void)chain_begin(&c, "crashing", tables);
    crash_backend("crashing");
    b = chain_next(&c, 10);
    CHECK(!is_kept(b, "t") && !is_kept(b, "empty"));
    CHECK(table_of(b, "public", "light")->rows == 0); /* unlogged */
    check_true(b, &c.o);
    b = chain_next(&c, 20);
    CHECK(is_kept(b, "t") && is_kept(b, "light"));
    postgres_server_restart(own);
    b = chain_next(&c, 30);
    CHECK(!is_kept(b, "t") && !is_kept(b, "empty"));
    b = chain_next(&c, 40);
    CHECK(is_kept(b, "t"));
    check_true(b, &c.o);
    server = shared;
}
END

TEST(a_role_that_may_not_ask_is_told_before_anything_is_stored)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf dsn = {0};
    struct postgres_options o = reusing("asked");

    database_new("asked", "CREATE TABLE t (id int); CREATE ROLE asker LOGIN;"
                          "GRANT pg_read_all_data TO asker;"
                          "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public");
    buf_printf(&dsn, "host=%s user=asker dbname=asked", postgres_server_host(server));
    o.dsn = buf_string(&dsn);
    backup_init(&b);
    backup_fails(&b, &o, "reuse_unchanged_tables");
    CHECK(b.recorder.record_count == 0);
}
END

TEST(a_table_that_the_server_does_not_tell_of_is_read)
{
    AUTO(chain) struct chain c;
    AUTO(buf) struct buf dsn = {0};

    (void)chain_begin(&c, "silence", tables);
    postgres_server_sql(server, "silence",
                        "CREATE ROLE deaf LOGIN; GRANT pg_read_all_data TO deaf");
    buf_printf(&dsn, "host=%s user=deaf dbname=silence", postgres_server_host(server));
    c.o.dsn = buf_string(&dsn);
    CHECK(is_kept(chain_next(&c, 10), "t"));
    postgres_server_sql(server, "silence", "REVOKE EXECUTE ON FUNCTION age(xid) FROM public");

    const struct backup *b = chain_next(&c, 20);

    CHECK(!is_kept(b, "t") && !is_kept(b, "other"));
    check_true(b, &c.o);
}
END

TESTS_BETWEEN("postgres_reuse", server_begin, server_end, a_table_that_did_not_change_is_not_read,
              without_the_setting_every_table_is_read_and_nothing_is_noted,
              whatever_changes_a_table_makes_it_be_read,
              counters_that_tell_of_no_change_are_not_believed,
              a_table_that_is_only_written_anew_has_the_same_rows_in_any_case,
              a_transaction_under_way_at_the_first_moment_is_seen_at_the_second,
              what_changes_during_a_backup_is_read_by_the_next,
              no_history_of_transactions_makes_a_table_be_kept_that_changed,
              tables_whose_text_depends_on_more_than_their_rows_are_always_read,
              a_label_of_an_enumeration_that_is_renamed_makes_its_tables_be_read,
              a_table_is_read_again_when_that_was_long_ago_or_in_the_future,
              what_the_repository_has_lost_is_read_again, a_manifest_that_cannot_be_read_is_none,
              a_table_taken_over_wrongly_is_told_when_it_is_read_again,
              another_database_of_the_same_name_is_read,
              another_server_with_the_same_tables_is_read,
              after_a_crash_or_a_restart_everything_is_read_once,
              a_role_that_may_not_ask_is_told_before_anything_is_stored,
              a_table_that_the_server_does_not_tell_of_is_read)
