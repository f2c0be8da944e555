#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "source/program.h"
#include "support/test.h"

static bool check_rules(const struct firewall *f, const char *rules, struct command_report *report,
                        struct err *e)
{
    struct slice text = slice_string(rules);
    const struct command_feed feed = feed_of(&text);

    return command_check_state(&f->options, &feed, report, e);
}

TEST(a_check_passes_what_could_be_applied_and_changes_nothing)
{
    AUTO(firewall) struct firewall f;
    AUTO(command_report) struct command_report report = {0};

    firewall_init(&f, "old\n");
    CHECK_OK(check_rules(&f, "new\n", &report, e));
    ck_assert_str_eq(buf_string(&report.text), "looked\n");
    CHECK(report.duration_ms < 10000);
    CHECK(firewall_is(&f, "old\n"));
}
END

TEST(a_check_that_refuses_is_told_from_one_that_does_not_run)
{
    AUTO(firewall) struct firewall f;
    struct command_report report;
    struct err why = {0};

    firewall_init(&f, "old\n");
    CHECK(!check_rules(&f, "a bad one\n", &report, &why));
    CHECK(why.code == ERR_CORRUPT && strstr(why.text, "status 2: line 1: bad rule") != NULL);
    f.options.check = argv_of("no-such-program-here", NULL, NULL);
    CHECK_ERR(check_rules(&f, "new\n", &report, e), ERR_NOT_FOUND);
    f.options.check = argv_of("sleep", "1000", NULL);
    f.options.timeout_ms = 100;
    CHECK_ERR(check_rules(&f, "new\n", &report, e), ERR_FATAL);
    f.options.check = NULL;
    CHECK_ERR(check_rules(&f, "new\n", &report, e), ERR_USAGE);
}
END

static bool feed_fails(void *arg, void *to, size_t room, size_t *got, struct err *e)
{
    size_t *left = arg;

    if (*left == 0)
        return err_set(e, ERR_TRANSIENT, "connection lost");
    (*left)--;
    memset(to, 'x', room);
    *got = room;
    return true;
}

TEST(a_feed_that_fails_ends_the_program_with_its_error)
{
    AUTO(firewall) struct firewall f;
    struct command_report report;

    firewall_init(&f, "old\n");
    for (size_t turns = 0; turns < 6; turns++) {
        size_t left = turns;
        const struct command_feed feed = {feed_fails, &left};

        CHECK_ERR(command_check_state(&f.options, &feed, &report, e), ERR_TRANSIENT);
        left = turns;
        CHECK_ERR(command_apply_state(&f.options, &f.how, &feed, e), ERR_TRANSIENT);
    }
    CHECK(firewall_is(&f, "old\n") && !firewall_has_journal(&f));
}
END

/* Feed a megabyte to this program; SIGPIPE has its default here, which is death. */
static void check_input(const char *lines, const char *wanted)
{
    AUTO(scratch) struct scratch s;
    AUTO(mem) uint8_t *bytes = mem_new(1 << 20);
    AUTO(command_report) struct command_report report = {0};
    struct slice text = {bytes, 1 << 20};
    const struct command_feed feed = feed_of(&text);
    struct err e = {0};

    scratch_init(&s);

    const struct command_options o = {
        .name = "x",
        .check = argv_of(program_put(&s, "p", lines), NULL, NULL),
    };
    const bool is_taken = command_check_state(&o, &feed, &report, &e);

    ck_assert_msg(is_taken == (wanted == NULL), "%s", e.text);
    ck_assert_msg(wanted == NULL || strstr(e.text, wanted) != NULL, "%s", e.text);
}

TEST(a_program_that_does_not_read_its_input_is_an_error_and_not_our_death)
{
    check_input("[ \"$(wc -c)\" = 1048576 ]", NULL);
    check_input("head -c 70000 | wc -c >&2", "ended before it had read all its input: 70000");
    check_input("exec <&-; sleep 0.2", "ended before it had read all its input");
    check_input("exit 3", "ended with exit status 3");
    check_input("kill -KILL $$", "ended by signal 9");
}
END

/* However fast the program ends, and although all of it went into the pipe. */
TEST(a_program_that_does_not_read_a_few_bytes_is_an_error_each_time)
{
    for (int round = 0; round < 50; round++) {
        AUTO(command_report) struct command_report report = {0};
        struct slice text = slice_string("x\n");
        const struct command_feed feed = feed_of(&text);
        const struct command_options o = {.name = "x", .check = argv_of("true", NULL, NULL)};

        CHECK_ERR(command_check_state(&o, &feed, &report, e), ERR_FATAL);
    }
}
END

TEST(a_state_that_the_check_refuses_is_not_applied)
{
    AUTO(firewall) struct firewall f;

    firewall_init(&f, "old\n");
    CHECK_ERR(firewall_apply(&f, "bad\n", e), ERR_CORRUPT);
    CHECK(firewall_is(&f, "old\n") && !firewall_has_journal(&f));
    f.options.output_max = 3;
    CHECK_ERR(firewall_apply(&f, "new\n", e), ERR_USAGE);
    f.options.apply = NULL;
    CHECK_ERR(firewall_apply(&f, "new\n", e), ERR_USAGE);
    CHECK(firewall_is(&f, "old\n"));
}
END

TEST(nothing_is_applied_when_there_is_no_way_back)
{
    AUTO(firewall) struct firewall f;

    firewall_init(&f, "bad but in force\n");
    CHECK_ERR(firewall_apply(&f, "new\n", e), ERR_CORRUPT);
    CHECK(firewall_is(&f, "bad but in force\n") && !firewall_has_journal(&f));
    f.options.argv = argv_of("false", NULL, NULL);
    CHECK_ERR(firewall_apply(&f, "new\n", e), ERR_FATAL);
    f.options.argv = argv_of("echo", "fine", NULL);
    f.how.folder = path_in(&f.scratch, "rules"); /* no folder can be made here */
    CHECK_ERR(firewall_apply(&f, "new\n", e), ERR_EXISTS);
    CHECK(firewall_is(&f, "bad but in force\n"));
}
END

TEST(the_earlier_state_comes_back_when_applying_fails)
{
    AUTO(firewall) struct firewall f;
    struct err e = {0};

    firewall_init(&f, "old\n");
    CHECK(!firewall_apply(&f, "half\n", &e) && e.code == ERR_FATAL);
    ck_assert_msg(strstr(e.text, "exit status 3") != NULL, "%s", e.text);
    ck_assert_msg(strstr(e.text, "; the earlier state is back") != NULL, "%s", e.text);
    CHECK(firewall_is(&f, "old\n") && !firewall_has_journal(&f));
}
END

TEST(the_earlier_state_comes_back_when_nobody_confirms_in_time)
{
    AUTO(firewall) struct firewall f;
    const int64_t begun = clock_monotonic_ns();
    struct err e = {0};

    firewall_init(&f, "old\n");
    CHECK(!firewall_apply(&f, "new\n", &e) && e.code == ERR_CANCELLED);
    ck_assert_msg(strstr(e.text, "not confirmed within 0.3 s; the earlier") != NULL, "%s", e.text);
    CHECK(clock_monotonic_ns() - begun >= 300 * INT64_C(1000000));
    CHECK(firewall_is(&f, "old\n") && !firewall_has_journal(&f));
}
END

/* Answers, after looking at what is in force. */
struct judge {
    struct firewall *f;
    enum command_answer answer;
    size_t asked;
    bool was_new, was_kept;
};

static enum command_answer judge_ask(void *arg)
{
    struct judge *j = arg;
    struct stat st = {0};

    j->was_new = firewall_is(j->f, "new\n");
    j->was_kept = stat(path_in(&j->f->scratch, "journals/fw.journal"), &st) == 0 &&
                  (st.st_mode & 07777) == 0600;
    return ++j->asked < 3 ? COMMAND_UNDECIDED : j->answer;
}

static bool apply_judged(struct firewall *f, enum command_answer answer, struct err *e)
{
    struct judge j = {.f = f, .answer = answer};

    f->how.confirm_ms = 10000;
    f->how.ask = judge_ask;
    f->how.arg = &j;

    const bool is_kept = firewall_apply(f, "new\n", e);

    CHECK(j.asked == 3 && j.was_new && j.was_kept);
    return is_kept;
}

TEST(a_confirmed_state_stays)
{
    AUTO(firewall) struct firewall f;
    size_t count = 1;

    firewall_init(&f, "old\n");
    CHECK_OK(apply_judged(&f, COMMAND_KEEP, e));
    CHECK(firewall_is(&f, "new\n") && !firewall_has_journal(&f));
    CHECK_OK(firewall_recover(&f, &count, e));
    CHECK(count == 0 && firewall_is(&f, "new\n"));
}
END

TEST(a_refused_state_goes_at_once)
{
    AUTO(firewall) struct firewall f;

    firewall_init(&f, "old\n");
    CHECK_ERR(apply_judged(&f, COMMAND_GO_BACK, e), ERR_CANCELLED);
    CHECK(firewall_is(&f, "old\n") && !firewall_has_journal(&f));
}
END

static enum command_answer ask_to_stop(void *arg)
{
    (void)arg;
    cancel_request();
    return COMMAND_UNDECIDED;
}

static bool apply_cancelled(void *arg)
{
    struct err e = {0};

    return !firewall_apply(arg, "new\n", &e) && e.code == ERR_CANCELLED;
}

TEST(the_earlier_state_comes_back_when_somebody_asks_to_stop)
{
    AUTO(firewall) struct firewall f;

    firewall_init(&f, "old\n");
    f.how.confirm_ms = 60000;
    f.how.ask = ask_to_stop;
    CHECK(in_child(apply_cancelled, &f));
    CHECK(firewall_is(&f, "old\n") && !firewall_has_journal(&f));
}
END

TESTS("command_apply", a_check_passes_what_could_be_applied_and_changes_nothing,
      a_check_that_refuses_is_told_from_one_that_does_not_run,
      a_feed_that_fails_ends_the_program_with_its_error,
      a_program_that_does_not_read_its_input_is_an_error_and_not_our_death,
      a_program_that_does_not_read_a_few_bytes_is_an_error_each_time,
      a_state_that_the_check_refuses_is_not_applied, nothing_is_applied_when_there_is_no_way_back,
      the_earlier_state_comes_back_when_applying_fails,
      the_earlier_state_comes_back_when_nobody_confirms_in_time, a_confirmed_state_stays,
      a_refused_state_goes_at_once, the_earlier_state_comes_back_when_somebody_asks_to_stop)
