/* What goes wrong: with the server, its users, the programs, the sink.  Never half a table, never
 * a manifest of what is not whole, nothing left behind. */
#define TEST_SECONDS 120

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/postgres_case.h"
#include "source/postgres_tool.h"

static const char some_rows[] =
    "CREATE TABLE big AS SELECT i, repeat('x', 200) AS t FROM generate_series(1, 50000) i;"
    "CREATE TABLE small (a int); INSERT INTO small VALUES (1);"
    "CREATE TABLE tiny (a int); SELECT lo_from_bytea(7, 'large')";

/* Before anything is stored */

static void check_refused(const char *dsn, const char *password, enum err_code code,
                          const char *with)
{
    const struct postgres_options o = {.name = "db", .dsn = dsn, .password = password};
    AUTO(backup) struct backup b;
    struct err e = {0};

    backup_init(&b);
    CHECK(!backup_run(&b, &o, &e));
    ck_assert_msg(strstr(e.text, with) != NULL, "\"%s\" is not in: %s", with, e.text);
    ck_assert_int_eq(e.code, code);
    ck_assert_uint_eq(b.recorder.calls, 0);
}

TEST(a_dsn_that_cannot_be_used_is_refused_and_not_shown)
{
    check_refused("host=/tmp password=canary", NULL, ERR_USAGE, "the dsn holds a password");
    check_refused("postgresql://u:canary@h/db", NULL, ERR_USAGE, "the dsn holds a password");
    check_refused("sslpassword=x", NULL, ERR_USAGE, "sslpassword");
    check_refused("nonsense canary", NULL, ERR_USAGE, "the dsn is neither");
    check_refused("postgresql://u:can ary@[", NULL, ERR_USAGE, "the dsn is neither");
    check_refused("host=/tmp", "one\ntwo", ERR_USAGE, "more than one line");
}
END

TEST(a_server_or_database_that_is_not_there_is_named)
{
    check_refused("host=/nowhere dbname=x", NULL, ERR_TRANSIENT, "/nowhere/.s.PGSQL.5432");
    check_refused("host=127.0.0.1 port=1 dbname=x", NULL, ERR_TRANSIENT, "port 1 failed");
    check_refused(dsn_of("no such database"), NULL, ERR_NOT_FOUND,
                  "database \"no such database\" does not exist");
}
END

/* Ask for the password of some users. */
static void ask_passwords(void)
{
    char path[200];
    AUTO(buf) struct buf rules = {0};

    (void)snprintf(path, sizeof(path), "%s/pg_hba.conf", postgres_server_directory(server));
    buf_printf(&rules, "local all guarded scram-sha-256\n");
    CHECK_OK(file_read(path, 1 << 20, &rules, e));

    AUTO(fd) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_OK(fd_write(fd, buf_slice(&rules), e));
    postgres_server_sql(server, "postgres", "SELECT pg_reload_conf()");
    wait_for("SELECT 'guarded' = ANY (user_name) FROM pg_hba_file_rules WHERE line_number = 1");
}

static const char *guarded_dsn(const char *database)
{
    static char text[300];

    (void)snprintf(text, sizeof(text), "host=%s user=guarded dbname=%s",
                   postgres_server_host(server), database);
    return text;
}

/* Look at all processes for a word in their arguments and environments. */
struct watch {
    const char *word;
    atomic_bool is_over;
    size_t programs, found;
};

static void watch_file(struct watch *w, const char *pid, const char *name)
{
    char path[300];
    AUTO(buf) struct buf bytes = {0};
    struct err e = {0};

    (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    if (!file_read(path, 1 << 20, &bytes, &e) || bytes.size == 0)
        return;
    w->programs += memmem(bytes.data, bytes.size, "--section=", 10) != NULL;
    w->found += memmem(bytes.data, bytes.size, w->word, strlen(w->word)) != NULL;
}

static void *watch_processes(void *arg)
{
    struct watch *w = arg;

    while (!atomic_load(&w->is_over)) {
        DIR *all = opendir("/proc");

        for (const struct dirent *d = readdir(all); d != NULL; d = readdir(all))
            if (d->d_name[0] >= '1' && d->d_name[0] <= '9') {
                watch_file(w, d->d_name, "cmdline");
                watch_file(w, d->d_name, "environ");
            }
        closedir(all);
    }
    return NULL;
}

TEST(a_password_opens_the_database_and_is_seen_nowhere)
{
    struct watch w = {.word = "ca:na\\ry' \xc3\xa4"};
    AUTO(backup) struct backup b;
    pthread_t watcher;

    database_new("guarded", "CREATE TABLE t (a int)");
    postgres_server_sql(server, "guarded",
                        "CREATE ROLE guarded SUPERUSER LOGIN PASSWORD E'ca:na\\\\ry'' \xc3\xa4'");
    ask_passwords();
    const struct postgres_options o = {.name = "db",
                                       .dsn = guarded_dsn("guarded"),
                                       .password = w.word,
                                       .with_globals = true,
                                       .with_role_passwords = true};

    CHECK(pthread_create(&watcher, NULL, watch_processes, &w) == 0);
    backup_take(&b, &o);
    atomic_store(&w.is_over, true);
    pthread_join(watcher, NULL);
    check_rows(&b, "t", "");
    CHECK(w.programs > 0);
    ck_assert_uint_eq(w.found, 0);
    check_refused(guarded_dsn("guarded"), "wrong", ERR_DENIED, "password authentication failed");
    check_refused(guarded_dsn("guarded"), NULL, ERR_DENIED, "no password supplied");
}
END

TEST(what_a_role_may_not_read_is_named)
{
    char dsn[300];

    database_new("rights", "CREATE TABLE a (i int); CREATE TABLE b (i int); CREATE TABLE c (i int);"
                           "CREATE TABLE d (i int); CREATE SEQUENCE e; CREATE ROLE poor LOGIN;"
                           "GRANT SELECT ON c TO poor");
    (void)snprintf(dsn, sizeof(dsn), "host=%s user=poor dbname=rights",
                   postgres_server_host(server));
    check_refused(dsn, NULL, ERR_DENIED,
                  "database db: role poor may not read public.a, public.b, public.d and 1 more");
    postgres_server_sql(server, "rights",
                        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor;"
                        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO poor;"
                        "ALTER TABLE a ENABLE ROW LEVEL SECURITY");
    check_refused(dsn, NULL, ERR_DENIED, "row security hides rows from role poor in public.a");
    postgres_server_sql(server, "rights", "ALTER TABLE a DISABLE ROW LEVEL SECURITY");

    AUTO(backup) struct backup b;
    struct postgres_options o = {.name = "db", .dsn = dsn, .with_globals = true};

    backup_take(&b, &o);
    o.with_role_passwords = true;
    AUTO(backup) struct backup other;

    backup_init(&other);
    backup_fails(&other, &o, "role poor may not read the passwords of roles");
}
END

TEST(a_program_older_than_the_server_is_not_used)
{
    AUTO(mem) char *path = NULL;

    CHECK_ERR(postgres_tool_find("pg_dump", 99, &path, e), ERR_NOT_FOUND);
    CHECK_ERR(postgres_tool_find("no-such-program", 13, &path, e), ERR_NOT_FOUND);
    ck_assert_ptr_null(path);
    CHECK_OK(postgres_tool_find("pg_dump", 13, &path, e));
    CHECK(path[0] == '/');
}
END

TEST(a_program_newer_than_those_in_the_path_is_found)
{
    AUTO(mem) char *path = NULL;

    CHECK(setenv("PATH", "relative::/nowhere", 1) == 0);
    CHECK_OK(postgres_tool_find("pg_dump", 13, &path, e));
    CHECK(strncmp(path, "/usr/lib/postgresql/", 20) == 0);
}
END

/* Programs, with the shell for one */

struct heard {
    size_t size;
    bool is_full; /* fail from then on */
};

static bool hear(void *arg, struct slice bytes, struct err *e)
{
    struct heard *h = arg;

    h->size += bytes.size;
    return !h->is_full || err_set(e, ERR_EXISTS, "no more");
}

static bool run_shell(const char *script, struct heard *h, struct err *e)
{
    char *const argv[] = {(char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
                          (char *)(uintptr_t)script, NULL};

    return postgres_tool_run(
        &(struct postgres_tool){.argv = argv, .password_fd = -1, .secret = "canary"}, hear, h, e);
}

static void check_shell(const char *script, const char *wanted)
{
    struct heard h = {0};
    struct err e = {0};

    CHECK(!run_shell(script, &h, &e));
    ck_assert_str_eq(e.text, wanted);
}

TEST(a_failing_program_is_told_with_its_last_words_and_without_the_password)
{
    check_shell("exit 3", "sh: ended with exit status 3");
    check_shell("echo output; echo one >&2; echo 'two\tcanary' >&2; exit 3",
                "sh ended with exit status 3: one two");
    check_shell("kill -9 $$", "sh: ended by signal 9 (Killed)");
    check_shell("exec >&2; head -c 300 /dev/zero | tr '\\0' x; echo; echo whole; exit 1",
                "sh ended with exit status 1: whole");

    struct heard h = {0};
    struct err e = {0};

    CHECK(!run_shell("yes | head -c 1000000 >&2; echo canarycanary the end >&2; exit 1", &h, &e));
    CHECK(strstr(e.text, "y the end") != NULL && strstr(e.text, "canary") == NULL);
    CHECK(
        !run_shell("exec >&2; echo sh: warning: no; echo sh: error: it broke; echo sh: detail: it;"
                   " head -c 2000 /dev/zero | tr '\\0' x; echo sh: error: so what; exit 1",
                   &h, &e));
    CHECK(strstr(e.text, "status 1: sh: error: it broke sh: detail: it xxx") != NULL);
}
END

TEST(output_of_a_program_comes_whole_beside_a_flood_of_errors)
{
    struct heard h = {0};

    CHECK_OK(run_shell("head -c 300000 /dev/zero >&2; head -c 5000000 /dev/zero;"
                       " head -c 300000 /dev/zero >&2; cat",
                       &h, e));
    ck_assert_uint_eq(h.size, 5000000);
    h.is_full = true;
    CHECK_ERR(run_shell("yes", &h, e), ERR_EXISTS);
}
END

/* While it runs */

/* Do something once when so many pieces have come. */
struct trigger {
    int countdown;
    const char *database, *sql;
};

static void trigger_pull(void *arg)
{
    struct trigger *t = arg;

    if (--t->countdown == 0)
        postgres_server_sql(server, t->database, t->sql);
}

static void fail_with(const char *database, struct trigger *t, int jobs, const char *with)
{
    AUTO(backup) struct backup b;
    struct postgres_options o = options_of(database);

    o.jobs = jobs;
    backup_init(&b);
    b.recorder.on_write = trigger_pull;
    b.recorder.arg = t;
    backup_fails(&b, &o, with);
    CHECK(b.failure.code != ERR_NONE);
    for (size_t i = 0; i < b.recorder.record_count; i++) {
        const struct record *c = &b.recorder.records[i];

        /* Each file is whole or left out with a reason. */
        CHECK(c->en.type == ENTRY_DIRECTORY || c->is_sent ||
              recorder_remark(&b.recorder, c->path) != NULL);
    }
    ck_assert_ptr_nonnull(recorder_remark(&b.recorder, "/postgres/db/manifest.json"));
}

TEST(connections_that_the_server_ends_are_a_failure_that_names_the_table)
{
    struct trigger t = {.countdown = 10,
                        .database = "postgres",
                        .sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE application_name = 'holdfast'"};

    database_new("ended", some_rows);
    fail_with("ended", &t, 1, "database db: copy public.big: ");
    t.countdown = 10;
    fail_with("ended", &t, 3, "database db: "); /* whichever part is the first to notice */
}
END

TEST(losing_the_connection_that_holds_the_moment_is_a_failure)
{
    struct trigger t = {.countdown = 10,
                        .database = "postgres",
                        .sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE application_name = 'holdfast' AND backend_xmin IS NOT NULL"
                               " AND state = 'idle in transaction'"};

    database_new("held", some_rows);
    fail_with("held", &t, 1, "database db: ");
}
END

TEST(a_statement_that_is_cancelled_is_a_failure)
{
    struct trigger t = {.countdown = 10,
                        .database = "postgres",
                        .sql = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                               " WHERE application_name = 'holdfast'"};

    database_new("cancelled", some_rows);
    fail_with("cancelled", &t, 1,
              "database db: copy public.big: canceling statement due to user request");
}
END

TEST(rows_that_the_server_cannot_read_are_a_failure)
{
    struct trigger t = {.countdown = 1, .database = "damaged", .sql = "SELECT 1"};

    database_new(
        "damaged",
        "CREATE FUNCTION broken(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS"
        " 'BEGIN RETURN 1 / ($1 - 400); END';"
        "CREATE TABLE t (i int); CREATE EXTENSION hstore;"
        "INSERT INTO t SELECT generate_series(1, 1000); ALTER EXTENSION hstore ADD TABLE t;"
        "UPDATE pg_extension SET extconfig = ARRAY['t'::regclass::oid],"
        " extcondition = ARRAY['WHERE public.broken(i) IS NOT NULL']"
        " WHERE extname = 'hstore'");
    fail_with("damaged", &t, 1, "copy public.t: division by zero");
}
END

TEST(a_failure_of_pg_dump_tells_its_words)
{
    AUTO(backup) struct backup b;
    const struct postgres_options o = options_of("odd_type");

    /* A type whose class is missing: pg_dump stops at it. */
    database_new("odd_type",
                 "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql"
                 " AS 'SELECT 1'; UPDATE pg_proc SET prolang = 4242 WHERE proname = 'f'");
    backup_init(&b);
    backup_fails(&b, &o, "dump the definitions: pg_dump ended with exit status 1: pg_dump: error:");
    CHECK(b.failure.code == ERR_FATAL);
    ck_assert_ptr_nonnull(recorder_remark(&b.recorder, "/postgres/db/pre-data.dump"));
}
END

static void ask_to_stop(void *arg)
{
    int *countdown = arg;

    if (--*countdown == 0)
        cancel_request();
}

TEST(a_request_to_stop_ends_everything_at_once)
{
    AUTO(backup) struct backup b;
    const struct postgres_options o = options_of("stopped");
    int countdown = 10;

    database_new("stopped", some_rows);
    backup_init(&b);
    b.recorder.on_write = ask_to_stop;
    b.recorder.arg = &countdown;
    CHECK_ERR(backup_run(&b, &o, e), ERR_CANCELLED);
    ck_assert_uint_eq(b.recorder.open_lanes, 0);
    wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name IN"
             " ('holdfast', 'pg_dump')");
}
END

static void *stop_when_waiting(void *arg)
{
    wait_for(arg);
    cancel_request();
    return NULL;
}

TEST(a_request_to_stop_ends_the_waiting_for_a_lock)
{
    AUTO(backup) struct backup b;
    AUTO(connection) PGconn *c = NULL;
    const struct postgres_options o = options_of("waiting");
    pthread_t stopper;

    database_new("waiting", some_rows);
    c = connect_to("waiting");
    ck_assert_str_eq(try_sql(c, "BEGIN; LOCK TABLE small IN ACCESS EXCLUSIVE MODE"), "00000");
    CHECK(pthread_create(&stopper, NULL, stop_when_waiting,
                         (void *)(uintptr_t) "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
                                             " AND mode = 'AccessShareLock'") == 0);
    backup_init(&b);
    CHECK_ERR(backup_run(&b, &o, e), ERR_CANCELLED);
    pthread_join(stopper, NULL);
    wait_for("SELECT count(*) = 0 FROM pg_locks WHERE NOT granted");
}
END

TEST(whichever_call_of_the_sink_fails_the_work_ends_with_its_error)
{
    const struct postgres_options o = options_of("sinking");
    size_t calls = 1;

    database_new("sinking", "CREATE TABLE t (a int); INSERT INTO t VALUES (1);"
                            "CREATE TABLE u (a int); SELECT lo_from_bytea(7, 'large')");
    for (size_t n = 1; n <= calls; n++) {
        AUTO(backup) struct backup b;
        char sentence[40];
        struct err e = {0};

        backup_init(&b);
        b.recorder.fail_at = n;

        const bool is_done = backup_run(&b, &o, &e);

        if (is_done)
            break;
        (void)snprintf(sentence, sizeof(sentence), "call %zu fails", n);
        ck_assert_str_eq(e.text, sentence);
        ck_assert_uint_eq(b.recorder.open_lanes, 0);
        calls = n + 1;
    }
    CHECK(calls > 15);
    wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name IN"
             " ('holdfast', 'pg_dump')");
}
END

TESTS_BETWEEN("postgres_fault", server_begin, server_end,
              a_dsn_that_cannot_be_used_is_refused_and_not_shown,
              a_server_or_database_that_is_not_there_is_named,
              a_password_opens_the_database_and_is_seen_nowhere, what_a_role_may_not_read_is_named,
              a_program_older_than_the_server_is_not_used,
              a_program_newer_than_those_in_the_path_is_found,
              a_failing_program_is_told_with_its_last_words_and_without_the_password,
              output_of_a_program_comes_whole_beside_a_flood_of_errors,
              connections_that_the_server_ends_are_a_failure_that_names_the_table,
              losing_the_connection_that_holds_the_moment_is_a_failure,
              a_statement_that_is_cancelled_is_a_failure,
              rows_that_the_server_cannot_read_are_a_failure, a_failure_of_pg_dump_tells_its_words,
              a_request_to_stop_ends_everything_at_once,
              a_request_to_stop_ends_the_waiting_for_a_lock,
              whichever_call_of_the_sink_fails_the_work_ends_with_its_error)
