#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/program.h"
#include "support/test.h"

static enum command_answer die(void *arg)
{
    (void)arg;
    (void)raise(SIGKILL);
    return COMMAND_KEEP;
}

/* Apply in a process that is killed before the answer. */
static void apply_and_die(struct firewall *f, const char *rules)
{
    const pid_t pid = fork();
    int status = 0;

    CHECK(pid >= 0);
    if (pid == 0) {
        struct err e = {0};

        f->how.ask = die;
        (void)firewall_apply(f, rules, &e);
        _exit(1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(firewall_is(f, rules) && firewall_has_journal(f));
}

TEST(a_killed_apply_is_taken_back_once_at_the_next_start)
{
    static const char *const named[] = {"RULES", NULL};
    AUTO(firewall) struct firewall f;
    size_t count = 0;

    firewall_init(&f, "old\n\n");
    f.options.environment = named;
    apply_and_die(&f, "new\n");
    CHECK_OK(firewall_recover(&f, &count, e));
    CHECK(count == 1 && firewall_is(&f, "old\n\n") && !firewall_has_journal(&f));
    CHECK_OK(firewall_recover(&f, &count, e));
    CHECK(count == 0);
}
END

TEST(without_a_folder_there_is_nothing_to_do)
{
    AUTO(firewall) struct firewall f;
    size_t count = 1;

    firewall_init(&f, "old\n");
    CHECK_OK(firewall_recover(&f, &count, e));
    CHECK(count == 0);
    f.how.folder = path_in(&f.scratch, "rules");
    CHECK_ERR(firewall_recover(&f, &count, e), ERR_FATAL);
}
END

static enum command_answer recover_meanwhile(void *arg)
{
    struct firewall *f = arg;
    size_t count = 1;

    CHECK_OK(firewall_recover(f, &count, e));
    CHECK(count == 0 && firewall_is(f, "new\n") && firewall_has_journal(f));
    return COMMAND_KEEP;
}

TEST(what_a_living_process_waits_for_is_left_alone)
{
    AUTO(firewall) struct firewall f;

    firewall_init(&f, "old\n");
    f.how.ask = recover_meanwhile;
    f.how.arg = &f;
    CHECK_OK(firewall_apply(&f, "new\n", e));
    CHECK(firewall_is(&f, "new\n"));
}
END

TEST(an_unfinished_apply_is_in_the_way_of_the_next)
{
    AUTO(firewall) struct firewall f;

    firewall_init(&f, "old\n");
    apply_and_die(&f, "new\n");
    CHECK_ERR(firewall_apply(&f, "newer\n", e), ERR_EXISTS);
    CHECK(firewall_is(&f, "new\n") && firewall_has_journal(&f));
}
END

TEST(a_journal_stays_until_going_back_succeeds)
{
    AUTO(firewall) struct firewall f;
    size_t count = 1;

    firewall_init(&f, "old\n");
    apply_and_die(&f, "new\n");
    put_file(f.scratch.fd, "broken", "", 0);
    CHECK_ERR(firewall_recover(&f, &count, e), ERR_FATAL);
    CHECK(count == 0 && firewall_is(&f, "new\n") && firewall_has_journal(&f));
    CHECK(unlinkat(f.scratch.fd, "broken", 0) == 0);
    CHECK_OK(firewall_recover(&f, &count, e));
    CHECK(count == 1 && firewall_is(&f, "old\n") && !firewall_has_journal(&f));
}
END

static enum command_answer break_and_refuse(void *arg)
{
    put_file(((struct firewall *)arg)->scratch.fd, "broken", "", 0);
    return COMMAND_GO_BACK;
}

TEST(an_apply_that_cannot_go_back_names_the_journal)
{
    AUTO(firewall) struct firewall f;
    struct err e = {0};

    firewall_init(&f, "old\n");
    f.how.ask = break_and_refuse;
    f.how.arg = &f;
    CHECK(!firewall_apply(&f, "new\n", &e) && e.code == ERR_FATAL);
    ck_assert_msg(strstr(e.text, "going back failed too") != NULL, "%s", e.text);
    ck_assert_msg(strstr(e.text, "/journals/fw.journal") != NULL, "%s", e.text);
    CHECK(firewall_is(&f, "new\n") && firewall_has_journal(&f));
}
END

/* Each byte of the journal is changed once; what is put back is either nothing or the state. */
TEST(a_damaged_journal_is_never_applied)
{
    AUTO(firewall) struct firewall f;
    AUTO(buf) struct buf good = {0};
    size_t count = 1;

    firewall_init(&f, "old rules\n");
    apply_and_die(&f, "new\n");

    const char *path = path_in(&f.scratch, "journals/fw.journal");
    const char *name = "journals/fw.journal";

    file_take(path, &good);
    for (size_t at = good.size - 10; at < good.size; at++) {
        good.data[at] ^= 1;
        put_file(f.scratch.fd, name, good.data, good.size);
        CHECK_ERR(firewall_recover(&f, &count, e), ERR_CORRUPT);
        good.data[at] ^= 1;
    }
    for (size_t size = 0; size < good.size; size++) {
        put_file(f.scratch.fd, name, good.data, size);
        CHECK_ERR(firewall_recover(&f, &count, e), ERR_CORRUPT);
    }
    CHECK(count == 0 && firewall_is(&f, "new\n"));
    put_file(f.scratch.fd, name, good.data, good.size);
    CHECK_OK(firewall_recover(&f, &count, e));
    CHECK(count == 1 && firewall_is(&f, "old rules\n"));
}
END

TEST(a_journal_that_others_could_have_written_is_not_run)
{
    AUTO(firewall) struct firewall f;
    size_t count = 1;

    firewall_init(&f, "old\n");
    apply_and_die(&f, "new\n");

    const char *path = path_in(&f.scratch, "journals/fw.journal");
    const char *other = path_in(&f.scratch, "journals/elsewhere");

    CHECK(chmod(path, 0620) == 0);
    CHECK_ERR(firewall_recover(&f, &count, e), ERR_DENIED);
    CHECK(chmod(path, 0600) == 0 && rename(path, other) == 0 && symlink(other, path) == 0);
    CHECK_ERR(firewall_recover(&f, &count, e), ERR_FATAL);
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    CHECK_ERR(firewall_recover(&f, &count, e), ERR_DENIED);
    CHECK(count == 0 && firewall_is(&f, "new\n"));
}
END

TEST(one_bad_journal_does_not_keep_the_others_from_going_back)
{
    AUTO(firewall) struct firewall f;
    size_t count = 0;

    firewall_init(&f, "old\n");
    apply_and_die(&f, "new\n");
    put_file(f.scratch.fd, "journals/a.journal", "x", 1);
    put_file(f.scratch.fd, "journals/z.journal", "x", 1);
    CHECK(fchmodat(f.scratch.fd, "journals/z.journal", 0600, 0) == 0);
    CHECK(!firewall_recover(&f, &count, &(struct err){0}));
    CHECK(count == 1 && firewall_is(&f, "old\n") && !firewall_has_journal(&f));
}
END

TESTS("command_recover", a_killed_apply_is_taken_back_once_at_the_next_start,
      without_a_folder_there_is_nothing_to_do, what_a_living_process_waits_for_is_left_alone,
      an_unfinished_apply_is_in_the_way_of_the_next, a_journal_stays_until_going_back_succeeds,
      an_apply_that_cannot_go_back_names_the_journal, a_damaged_journal_is_never_applied,
      a_journal_that_others_could_have_written_is_not_run,
      one_bad_journal_does_not_keep_the_others_from_going_back)
