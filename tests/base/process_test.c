#include "support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"

/* Start a shell, which is the tests' program and not the product's, with a line to run. */
static bool start(const char *line, struct child *c, struct err *e)
{
    char shell[] = "/bin/sh";
    char option[] = "-c";
    AUTO(mem) char *copy = mem_string(line);

    return child_start((char *const[]){shell, option, copy, NULL}, c, e);
}

static bool capture(const char *line, size_t limit, struct buf *out, struct err *e)
{
    char shell[] = "/bin/sh";
    char option[] = "-c";
    AUTO(mem) char *copy = mem_string(line);

    return child_capture((char *const[]){shell, option, copy, NULL}, limit, out, e);
}

static void check_fails_with(const char *text, const char *wanted)
{
    AUTO(buf) struct buf out = {0};
    struct err e = {0};

    CHECK(!capture(text, 100, &out, &e));
    CHECK(e.code == ERR_FATAL);
    ck_assert_msg(strstr(e.text, wanted) != NULL, "%s", e.text);
    ck_assert_uint_eq(out.size, 0);
}

TEST(output_is_appended_when_the_program_succeeds)
{
    AUTO(buf) struct buf out = {0};

    buf_append(&out, "<", 1);
    CHECK_OK(capture("echo hello", 6, &out, e));
    ck_assert_str_eq(buf_string(&out), "<hello\n");
}

TEST(a_failing_program_is_named_with_its_exit_status)
{
    check_fails_with("echo lost; exit 7", "/bin/sh: ended with exit status 7");
}

TEST(a_killed_program_is_named_with_its_signal)
{
    check_fails_with("kill -TERM $$", "ended by signal 15 (Terminated)");
}

TEST(output_beyond_the_limit_fails_and_ends_an_endless_program)
{
    check_fails_with("yes", "longer than 100 bytes");
}

TEST(a_missing_program_is_not_found)
{
    AUTO(buf) struct buf out = {0};
    char name[] = "no-such-program-here";

    CHECK_ERR(child_capture((char *const[]){name, NULL}, 100, &out, e), ERR_NOT_FOUND);
}

TEST(children_do_not_see_secrets)
{
    AUTO(buf) struct buf out = {0};

    setenv("HOLDFAST_PASSWORD", "geheim1", 1);
    setenv("HOLDFAST_S3_SECRET_KEY", "geheim2", 1);
    setenv("HOLDFAST_KEYFILE", "geheim3", 1);
    setenv("HOLDFAST_REPO", "a-path", 1);
    setenv("OTHER", "HOLDFAST_PASSWORD", 1);
    CHECK_OK(capture("env", 1 << 20, &out, e));
    CHECK(strstr(buf_string(&out), "geheim") == NULL);
    CHECK(strstr(buf_string(&out), "HOLDFAST_REPO=a-path\n") != NULL);
    CHECK(strstr(buf_string(&out), "OTHER=HOLDFAST_PASSWORD\n") != NULL);
    CHECK(strstr(buf_string(&out), "PATH=") != NULL);
}

TEST(children_have_no_descriptor_but_the_standard_ones)
{
    AUTO(buf) struct buf out = {0};
    AUTO(fd) int inherited = open("/dev/null", O_RDONLY);

    CHECK(inherited >= 0);
    CHECK_OK(capture("echo $(ls /proc/self/fd)", 100, &out, e));
    /* 3 is the directory that ls reads. */
    ck_assert_str_eq(buf_string(&out), "0 1 2 3\n");
}

TEST(children_start_even_when_standard_input_and_output_are_closed)
{
    AUTO(buf) struct buf out = {0};
    const int input = dup(0);
    const int output = dup(1);

    close(0);
    close(1);

    struct err e = {0};
    const bool is_fine = capture("cat -", 10, &out, &e) && capture("echo x", 10, &out, &e);

    CHECK(dup2(input, 0) == 0 && dup2(output, 1) == 1);
    ck_assert_msg(is_fine, "%s", e.text);
    ck_assert_str_eq(buf_string(&out), "x\n");
}

TEST(children_start_with_default_signals)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    check_fails_with("kill -PIPE $$; echo survived", "ended by signal 13");
}

TEST(leaving_the_scope_ends_a_child)
{
    pid_t pid = 0;
    {
        AUTO(child) struct child c = {0};

        CHECK_OK(start("exec sleep 1000", &c, e));
        pid = c.pid;
        CHECK(kill(pid, 0) == 0);
    }
    CHECK(kill(pid, 0) < 0);
}

TEST(waiting_does_not_hang_on_output_that_nobody_reads)
{
    AUTO(child) struct child c = {0};

    CHECK_OK(start("exec yes", &c, e));
    CHECK_ERR(child_wait(&c, e), ERR_FATAL);
    CHECK(c.pid == 0 && c.out_fd == -1);
}

TEST(the_first_signal_asks_to_stop_and_the_second_ends_the_process)
{
    const pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        cancel_install();
        if (cancel_is_requested())
            _exit(50);
        raise(SIGTERM);
        if (!cancel_is_requested())
            _exit(51);
        raise(SIGINT);
        _exit(52);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGINT);
}

TEST(an_ignored_hangup_stays_ignored)
{
    signal(SIGHUP, SIG_IGN);
    cancel_install();
    raise(SIGHUP);
    CHECK(!cancel_is_requested());
    cancel_request();
    CHECK(cancel_is_requested());
    CHECK_ERR(cancel_err(e), ERR_CANCELLED);
}

TESTS("process", output_is_appended_when_the_program_succeeds,
      a_failing_program_is_named_with_its_exit_status, a_killed_program_is_named_with_its_signal,
      output_beyond_the_limit_fails_and_ends_an_endless_program, a_missing_program_is_not_found,
      children_do_not_see_secrets, children_have_no_descriptor_but_the_standard_ones,
      children_start_even_when_standard_input_and_output_are_closed,
      children_start_with_default_signals, leaving_the_scope_ends_a_child,
      waiting_does_not_hang_on_output_that_nobody_reads,
      the_first_signal_asks_to_stop_and_the_second_ends_the_process,
      an_ignored_hangup_stays_ignored)
