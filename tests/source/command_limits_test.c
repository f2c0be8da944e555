#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "source/program.h"
#include "support/test.h"

static int64_t ms_since(int64_t begun)
{
    return (clock_monotonic_ns() - begun) / 1000000;
}

/* Gone, or a zombie that waits for whoever inherited it. */
static bool has_ended(const char *stat_path)
{
    AUTO(buf) struct buf text = {0};
    struct err e = {0};

    return !file_read(stat_path, 10000, &text, &e) || strstr(buf_string(&text), ") Z ") != NULL;
}

/* The process whose number a program wrote into this file has ended, or ends within a second. */
static bool is_gone(const char *pid_file)
{
    AUTO(buf) struct buf pid = {0};
    AUTO(buf) struct buf path = {0};

    file_take(pid_file, &pid);
    CHECK(pid.size > 1);
    pid.size--;
    buf_printf(&path, "/proc/%s/stat", buf_string(&pid));
    for (int i = 0; i < 100 && !has_ended(buf_string(&path)); i++)
        (void)poll(NULL, 0, 10);
    return has_ended(buf_string(&path));
}

/* Run these lines with "$1" a file for a pid; expect a failure that says so and nothing stored. */
static void check_fails(const char *lines, const struct command_options *limits, bool is_ended,
                        const char *wanted)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    struct command_options o = *limits;
    struct err failure = {0};

    scratch_init(&s);
    recorder_init(&r);
    o.name = "fw";
    o.argv = argv_of(program_put(&s, "save", lines), path_in(&s, "pid"), "geheim");
    CHECK_OK(command_back_up(&o, &r, &failure, e));
    ck_assert_msg(failure.code == ERR_FATAL, "no failure");
    ck_assert_msg(strstr(failure.text, wanted) != NULL, "%s", failure.text);
    ck_assert_msg(strstr(failure.text, "command fw: ") == failure.text, "%s", failure.text);
    ck_assert_msg(strstr(failure.text, path_in(&s, "save")) != NULL, "%s", failure.text);
    ck_assert_msg(strstr(failure.text, "geheim") == NULL, "%s", failure.text);
    CHECK(recorder_is_complete(&r) && r.remark_count == 2);
    CHECK(recorder_remark(&r, "/command/fw")->is_skip);
    CHECK(recorder_remark(&r, "/command/fw.manifest.json")->is_skip);
    CHECK(!is_ended || is_gone(path_in(&s, "pid")));
}

/* Run these lines and expect their whole output. */
static void check_sent(const char *lines, const struct command_options *limits, struct recorder *r)
{
    AUTO(scratch) struct scratch s;
    struct command_options o = *limits;
    struct err failure = {0};

    scratch_init(&s);
    recorder_init(r);
    o.name = "fw";
    o.argv = argv_of(program_put(&s, "save", lines), path_in(&s, "pid"), NULL);
    CHECK_OK(command_back_up(&o, r, &failure, e));
    ck_assert_msg(failure.code == ERR_NONE, "%s", failure.text);
    CHECK(recorder_is_complete(r) && r->remark_count == 0);
}

static const struct command_options defaults;

TEST(an_exit_status_fails_with_the_last_line_of_standard_error)
{
    check_fails("echo output; echo first >&2; echo 'no such table' >&2; exit 7", &defaults, false,
                "save ended with exit status 7: no such table");
}
END

TEST(a_signal_fails)
{
    check_fails("echo output; kill -SEGV $$", &defaults, false,
                "ended by signal 11 (Segmentation fault)");
}
END

TEST(a_program_that_hangs_is_ended_when_its_time_is_over)
{
    const struct command_options o = {.timeout_ms = 300};
    const int64_t begun = clock_monotonic_ns();

    check_fails("echo $$ >\"$1\"; echo output; exec sleep 1000", &o, true,
                "did not end within 0.3 s");
    CHECK(ms_since(begun) >= 300 && ms_since(begun) < 3000);
}
END

TEST(children_of_a_program_that_hangs_are_ended_too)
{
    const struct command_options o = {.timeout_ms = 300};

    check_fails("sleep 1000 & echo $! >\"$1\"; wait", &o, true, "did not end within 0.3 s");
}
END

TEST(a_program_that_does_not_listen_is_killed_after_5_seconds)
{
    const struct command_options o = {.timeout_ms = 300};
    const int64_t begun = clock_monotonic_ns();

    check_fails("trap '' TERM PIPE; echo $$ >\"$1\"; while :; do echo no >&2; sleep 0.1; done", &o,
                true, "did not end within 0.3 s: no");
    CHECK(ms_since(begun) >= 5000 && ms_since(begun) < 8000);
}
END

TEST(a_program_that_closes_its_output_may_go_on_until_its_time_is_over)
{
    AUTO(recorder) struct recorder r;
    const struct command_options o = {.timeout_ms = 300};

    check_sent("echo output; exec >&- 2>&-; sleep 0.3", &defaults, &r);
    check_fails("echo $$ >\"$1\"; exec >&- 2>&-; exec sleep 1000", &o, true, "did not end");
    check_fails("exec >&- 2>&-; sleep 0.3; exit 3", &defaults, false, "exit status 3");
}
END

TEST(endless_output_is_cut_at_the_limit_at_once)
{
    const int64_t begun = clock_monotonic_ns();
    AUTO(recorder) struct recorder r;
    const struct command_options o = {.output_max = 100000};

    check_fails("echo $$ >\"$1\"; exec head -c 10000000000 /dev/zero", &o, true,
                "printed more than 97.656 KiB");
    CHECK(ms_since(begun) < 3000);
    check_fails("exec head -c 100001 /dev/zero", &o, false, "printed more than");
    check_sent("exec head -c 100000 /dev/zero", &o, &r);
    ck_assert_uint_eq(recorder_find(&r, "/command/fw")->content.size, 100000);
}
END

TEST(a_flood_of_errors_neither_blocks_the_output_nor_fills_the_memory)
{
    AUTO(recorder) struct recorder r;

    check_sent("yes error | head -c 20000000 >&2; head -c 300000 /dev/zero; yes late | head -c "
               "1000000 >&2; echo end",
               &defaults, &r);
    ck_assert_uint_eq(recorder_find(&r, "/command/fw")->content.size, 300004);

    const struct record *m = recorder_find(&r, "/command/fw.manifest.json");

    CHECK(m->content.size < 50000);
    CHECK(memmem(m->content.data, m->content.size, "\"stderr_truncated\":true", 23) != NULL);
    CHECK(memmem(m->content.data, m->content.size, "\"stderr_bytes\":21000000", 23) != NULL);
}
END

TEST(output_that_something_left_behind_still_holds_is_not_whole)
{
    const int64_t begun = clock_monotonic_ns();

    check_fails("echo output; sleep 1000 & echo $! >\"$1\"", &defaults, true,
                "something that it started still holds its output open");
    CHECK(ms_since(begun) >= 900 && ms_since(begun) < 3000);
    check_fails("sleep 1000 & echo $! >\"$1\"; exit 9", &defaults, true, "exit status 9");
}
END

TEST(something_left_behind_may_finish_the_output_within_a_second)
{
    AUTO(recorder) struct recorder r;

    check_sent("(sleep 0.3; echo late) & echo early", &defaults, &r);
    CHECK(slice_is_equal(buf_slice(&recorder_find(&r, "/command/fw")->content),
                         slice_string("early\nlate\n")));
}
END

TEST(something_left_behind_that_holds_only_errors_is_no_failure)
{
    AUTO(recorder) struct recorder r;
    const int64_t begun = clock_monotonic_ns();

    check_sent("echo output; sleep 5 >/dev/null &", &defaults, &r);
    CHECK(ms_since(begun) < 3000);
}
END

static void dawdle(void *arg)
{
    (void)arg;
    (void)poll(NULL, 0, 700);
}

TEST(time_that_the_sink_takes_does_not_count)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    struct err failure = {0};

    scratch_init(&s);
    recorder_init(&r);
    r.on_write = dawdle;
    CHECK_OK(command_back_up(
        &(struct command_options){
            .name = "x",
            .argv = argv_of(program_put(&s, "p", "exec head -c 300000 /dev/zero"), NULL, NULL),
            .timeout_ms = 500},
        &r, &failure, e));
    ck_assert_msg(failure.code == ERR_NONE, "%s", failure.text);
}
END

static bool back_up_cancelled(void *arg)
{
    AUTO(recorder) struct recorder r;
    struct err failure = {0};
    struct err e = {0};

    recorder_init(&r);
    cancel_install();
    return !command_back_up(arg, &r, &failure, &e) && e.code == ERR_CANCELLED && r.open_lanes == 0;
}

TEST(somebody_who_asks_to_stop_is_heard_by_a_silent_program)
{
    AUTO(scratch) struct scratch s;
    const int64_t begun = clock_monotonic_ns();

    scratch_init(&s);

    struct command_options o = {
        .name = "x",
        .argv = argv_of(
            program_put(&s, "p", "echo $$ >\"$1\"; sleep 0.2; kill -TERM $PPID; exec sleep 1000"),
            path_in(&s, "pid"), NULL),
    };

    CHECK(in_child(back_up_cancelled, &o));
    CHECK(is_gone(path_in(&s, "pid")));
    CHECK(ms_since(begun) < 3000);
}
END

TESTS("command_limits", an_exit_status_fails_with_the_last_line_of_standard_error, a_signal_fails,
      a_program_that_hangs_is_ended_when_its_time_is_over,
      children_of_a_program_that_hangs_are_ended_too,
      a_program_that_does_not_listen_is_killed_after_5_seconds,
      a_program_that_closes_its_output_may_go_on_until_its_time_is_over,
      endless_output_is_cut_at_the_limit_at_once,
      a_flood_of_errors_neither_blocks_the_output_nor_fills_the_memory,
      output_that_something_left_behind_still_holds_is_not_whole,
      something_left_behind_may_finish_the_output_within_a_second,
      something_left_behind_that_holds_only_errors_is_no_failure,
      time_that_the_sink_takes_does_not_count,
      somebody_who_asks_to_stop_is_heard_by_a_silent_program)
