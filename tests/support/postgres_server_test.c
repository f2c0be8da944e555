#include "support/postgres_server.h"

#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/fixture.h"

static struct postgres_server *shared;

static void shared_begin(void)
{
    CHECK_OK(postgres_server_start(&shared, e));
}

static void shared_end(void)
{
    postgres_server_free(shared);
}

static void check_value(struct postgres_server *s, const char *sql, const char *wanted)
{
    AUTO(mem) char *found = postgres_server_value(s, "postgres", sql);

    ck_assert_pstr_eq(found, wanted);
}

TEST(a_server_started_before_the_tests_answers_them)
{
    postgres_server_sql(shared, "postgres",
                        "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    check_value(shared, "SELECT n FROM kept", "7");
    check_value(shared, "SELECT NULL", NULL);
    check_value(shared, "SELECT 1 WHERE false", NULL);
    check_value(shared, "SHOW server_encoding", "UTF8");
    CHECK(PQping(postgres_server_dsn(shared)) == PQPING_OK);
}
END

TEST(the_next_test_finds_the_same_server)
{
    check_value(shared, "SELECT n FROM kept", "7");
    postgres_server_free(shared); /* as a test that ends early may: the server is not ours */
}
END

TEST(a_server_keeps_its_data_when_it_is_restarted)
{
    AUTO(postgres_server) struct postgres_server *s = NULL;

    CHECK_OK(postgres_server_start(&s, e));
    postgres_server_sql(s, "postgres", "CREATE TABLE t AS SELECT 3 AS n");
    postgres_server_restart(s);
    check_value(s, "SELECT n FROM t", "3");
    postgres_server_stop(s);
    CHECK(PQping(postgres_server_dsn(s)) == PQPING_NO_RESPONSE);
    postgres_server_resume(s);
    check_value(s, "SELECT n FROM t", "3");
}
END

TEST(a_server_leaves_nothing_behind)
{
    struct postgres_server *s = NULL;

    CHECK_OK(postgres_server_start(&s, e));

    AUTO(mem) char *host = mem_string(postgres_server_host(s));
    AUTO(mem) char *dsn = mem_string(postgres_server_dsn(s));

    CHECK(access(host, F_OK) == 0);
    postgres_server_free(s);
    CHECK(access(host, F_OK) != 0);
    CHECK(PQping(dsn) == PQPING_NO_RESPONSE);
}
END

TEST(a_server_ends_with_a_process_that_is_killed)
{
    char *dsn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const pid_t pid = fork();
    int patience = 1000;

    ck_assert_ptr_ne(dsn, MAP_FAILED);
    if (pid == 0) {
        struct postgres_server *s = NULL;
        struct err e;

        if (postgres_server_start(&s, &e))
            strcpy(dsn, postgres_server_dsn(s));
        (void)raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_str_ne(dsn, "");
    while (PQping(dsn) != PQPING_NO_RESPONSE && patience-- > 0)
        (void)poll(NULL, 0, 10);
    CHECK(patience > 0);

    struct scratch left;

    ck_assert_int_eq(sscanf(dsn, "host=%63s", left.path), 1);
    scratch_done(&left);
}
END

TESTS_BETWEEN("postgres_server", shared_begin, shared_end,
              a_server_started_before_the_tests_answers_them, the_next_test_finds_the_same_server,
              a_server_keeps_its_data_when_it_is_restarted, a_server_leaves_nothing_behind,
              a_server_ends_with_a_process_that_is_killed)
