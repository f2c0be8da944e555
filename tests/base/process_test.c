#include "support/test.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
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

/* It closes its output at once, or never. */
TEST(a_program_that_takes_too_long_is_killed_with_what_it_started)
{
    static const char *const lines[] = {"sleep 1000 & echo secret; wait", "exec >&-; sleep 1000"};

    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf out = {0};
        char shell[] = "/bin/sh";
        char option[] = "-c";
        AUTO(mem) char *copy = mem_string(lines[i]);
        struct err e = {0};

        CHECK(!child_capture_within((char *const[]){shell, option, copy, NULL}, 100, 1, &out, &e));
        CHECK(e.code == ERR_FATAL && out.size == 0);
        ck_assert_str_eq(e.text, "/bin/sh: has not ended within 1 s");
    }
}

TEST(a_program_that_ends_in_time_gives_its_output)
{
    AUTO(buf) struct buf out = {0};
    char name[] = "echo";
    char word[] = "x";

    CHECK_OK(child_capture_within((char *const[]){name, word, NULL}, 100, 60, &out, e));
    ck_assert_str_eq(buf_string(&out), "x\n");
}

TEST(capturing_output_ends_when_somebody_asks_to_stop)
{
    AUTO(buf) struct buf out = {0};

    cancel_request();
    CHECK_ERR(capture("sleep 1000", 100, &out, e), ERR_CANCELLED);
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

/* Start these lines as a spec says; both outputs are read to their ends. */
static void check_started(struct child_spec spec, const char *lines, const char *out,
                          const char *errors)
{
    char shell[] = "/bin/sh";
    char option[] = "-c";
    AUTO(mem) char *copy = mem_string(lines);
    AUTO(child) struct child c = CHILD_NONE;
    char found[2][4096] = {0};
    size_t got = 0;

    spec.argv = (char *const[]){shell, option, copy, NULL};
    CHECK_OK(child_start_with(&spec, &c, e));
    CHECK((c.in_fd >= 0) == spec.gives_input && (c.err_fd >= 0) == spec.takes_errors);
    CHECK(spec.gives_input ? fd_close(&c.in_fd, "input", &(struct err){0}) : true);
    CHECK_OK(fd_read(c.out_fd, found[0], sizeof(found[0]) - 1, &got, e));
    ck_assert_str_eq(found[0], out);
    if (errors != NULL) {
        CHECK_OK(fd_read(c.err_fd, found[1], sizeof(found[1]) - 1, &got, e));
        ck_assert_str_eq(found[1], errors);
    }
    CHECK_OK(child_wait(&c, e));
    CHECK(c.pid == 0 && c.in_fd == -1 && c.out_fd == -1 && c.err_fd == -1);
}

TEST(only_variables_that_are_named_are_kept)
{
    static const char *const keep[] = {"WANTED", "PATH", "UNSET", NULL};
    static const char *const set[] = {"SET=new", "WANTED=mine", NULL};
    static const char line[] = "echo $WANTED,$OTHER,$SET,$UNSET,$HOLDFAST_PASSWORD,$WANTEDLY";

    setenv("WANTED", "yes", 1);
    setenv("WANTEDLY", "no", 1);
    setenv("OTHER", "no", 1);
    setenv("SET", "old", 1);
    setenv("HOLDFAST_PASSWORD", "geheim", 1);
    check_started((struct child_spec){.keep = keep}, line, "yes,,,,,\n", NULL);
    check_started((struct child_spec){.keep = keep, .set = set}, line, "mine,,new,,,\n", NULL);
    check_started((struct child_spec){.set = set}, line, "mine,no,new,,,no\n", NULL);
}
END

TEST(errors_and_output_have_pipes_of_their_own)
{
    check_started((struct child_spec){.takes_errors = true}, "echo out; echo wrong >&2", "out\n",
                  "wrong\n");
}
END

TEST(input_ends_when_it_is_closed)
{
    check_started((struct child_spec){.gives_input = true}, "wc -c", "0\n", NULL);
    check_started((struct child_spec){0}, "wc -c", "0\n", NULL);
}
END

TEST(a_child_in_a_group_takes_its_children_along)
{
    char shell[] = "/bin/sh";
    char option[] = "-c";
    char line[] = "sleep 1000 & echo started; wait";
    const struct child_spec spec = {.argv = (char *const[]){shell, option, line, NULL},
                                    .has_group = true,
                                    .takes_errors = true};
    char text[20] = {0};
    int left = -1;
    size_t got = 0;

    {
        AUTO(child) struct child c = CHILD_NONE;

        CHECK_OK(child_start_with(&spec, &c, e));
        CHECK(getpgid(c.pid) == c.pid);
        CHECK_OK(fd_read(c.out_fd, text, 8, &got, e));
        ck_assert_str_eq(text, "started\n");
        left = dup(c.err_fd);
    }
    CHECK_OK(fd_read(left, text, 1, &got, e)); /* ends when nobody holds it any more */
    CHECK(got == 0);
    close(left);
}
END

TEST(the_end_of_a_child_can_be_waited_for_and_a_signal_brings_it)
{
    AUTO(child) struct child c = CHILD_NONE;
    AUTO(fd) int end = -1;
    struct err e = {0};

    CHECK(start("exec sleep 1000", &c, &e) && child_end_open(&c, &end, &e));

    struct pollfd p = {.fd = end, .events = POLLIN};

    CHECK(poll(&p, 1, 50) == 0);
    child_signal(&c, SIGTERM);
    CHECK(poll(&p, 1, 5000) == 1);
    child_signal(&c, SIGTERM);
    CHECK(!child_wait(&c, &e) && strstr(e.text, "signal 15") != NULL);
}
END

static void wait_for_end(const struct child *c)
{
    AUTO(fd) int end = -1;

    CHECK_OK(child_end_open(c, &end, e));

    struct pollfd p = {.fd = end, .events = POLLIN};

    CHECK(poll(&p, 1, 5000) == 1);
}

TEST(writing_to_a_child_that_reads_no_more_fails_without_a_signal)
{
    static const uint8_t bytes[100000];
    char name[] = "true";
    AUTO(child) struct child c = CHILD_NONE;
    const struct child_spec spec = {.argv = (char *const[]){name, NULL}, .gives_input = true};
    sigset_t pending;
    sigset_t blocked;
    size_t written = 0;

    CHECK_OK(child_start_with(&spec, &c, e));
    wait_for_end(&c);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(child_write(&c, SLICE_OF(bytes, sizeof(bytes)), &written, e), ERR_FATAL);
    sigpending(&pending);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    CHECK(!sigismember(&pending, SIGPIPE) && !sigismember(&blocked, SIGPIPE));
}
END

TEST(a_signal_that_somebody_else_sent_stays)
{
    char name[] = "true";
    AUTO(child) struct child c = CHILD_NONE;
    const struct child_spec spec = {.argv = (char *const[]){name, NULL}, .gives_input = true};
    sigset_t broken_pipe;
    sigset_t pending;
    size_t written = 0;

    CHECK_OK(child_start_with(&spec, &c, e));
    wait_for_end(&c);
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    pthread_kill(pthread_self(), SIGPIPE);
    CHECK_ERR(child_write(&c, SLICE_OF("x", 1), &written, e), ERR_FATAL);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGPIPE));
}
END

TEST(writing_takes_what_goes_without_waiting)
{
    AUTO(mem) uint8_t *bytes = mem_new(100000);
    char name[] = "wc";
    char option[] = "-c";
    AUTO(child) struct child c = CHILD_NONE;
    const struct child_spec spec = {.argv = (char *const[]){name, option, NULL},
                                    .gives_input = true};
    char found[30] = {0};
    char wanted[30] = {0};
    size_t written = 0;
    size_t got = 0;

    CHECK_OK(child_start_with(&spec, &c, e));
    CHECK_OK(child_write(&c, SLICE_OF(bytes, 100000), &written, e));
    CHECK(written > 0 && written <= PIPE_BUF);
    CHECK_OK(fd_close(&c.in_fd, "input", e));
    CHECK_OK(fd_read(c.out_fd, found, sizeof(found) - 1, &got, e));
    (void)snprintf(wanted, sizeof(wanted), "%zu\n", written);
    ck_assert_str_eq(found, wanted);
    CHECK_OK(child_wait(&c, e));
}
END

static void check_program(const char *name, enum err_code wanted)
{
    struct err e = {0};

    CHECK(program_check(name, &e) == (wanted == ERR_NONE));
    ck_assert_msg(e.code == wanted && (e.text[0] != '\0') == (wanted != ERR_NONE), "%s: %s", name,
                  e.text);
}

TEST(programs_are_looked_for_as_they_will_be_started)
{
    check_program("sh", ERR_NONE);
    check_program("/bin/sh", ERR_NONE);
    check_program("no-such-program-here", ERR_NOT_FOUND);
    check_program("/", ERR_DENIED);
    check_program("/etc/passwd", ERR_DENIED);
    check_program("/etc/passwd/x", ERR_FATAL);
    setenv("PATH", "/nowhere:/etc", 1);
    check_program("sh", ERR_NOT_FOUND);
    check_program("passwd", ERR_DENIED);
    setenv("PATH", "/etc::/bin", 1);
    check_program("sh", ERR_NONE);
    unsetenv("PATH");
    check_program("sh", ERR_NONE);
    CHECK(chdir("/bin") == 0);
    setenv("PATH", "", 1);
    check_program("sh", ERR_NONE);
}
END

TESTS("process", output_is_appended_when_the_program_succeeds,
      a_failing_program_is_named_with_its_exit_status, a_killed_program_is_named_with_its_signal,
      output_beyond_the_limit_fails_and_ends_an_endless_program,
      a_program_that_takes_too_long_is_killed_with_what_it_started,
      a_program_that_ends_in_time_gives_its_output,
      capturing_output_ends_when_somebody_asks_to_stop, a_missing_program_is_not_found,
      children_do_not_see_secrets, children_have_no_descriptor_but_the_standard_ones,
      children_start_even_when_standard_input_and_output_are_closed,
      children_start_with_default_signals, leaving_the_scope_ends_a_child,
      waiting_does_not_hang_on_output_that_nobody_reads,
      the_first_signal_asks_to_stop_and_the_second_ends_the_process,
      an_ignored_hangup_stays_ignored, only_variables_that_are_named_are_kept,
      errors_and_output_have_pipes_of_their_own, input_ends_when_it_is_closed,
      a_child_in_a_group_takes_its_children_along,
      the_end_of_a_child_can_be_waited_for_and_a_signal_brings_it,
      writing_to_a_child_that_reads_no_more_fails_without_a_signal,
      a_signal_that_somebody_else_sent_stays, writing_takes_what_goes_without_waiting,
      programs_are_looked_for_as_they_will_be_started)
