/*
 * Changing places: each case has files "new" in a folder of its own and "old" at the place, and
 * looks at which of them is where.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job/swap.h"
#include "support/fixture.h"
#include "support/shim.h"

#define FOLDER ".holdfast-restore-0123456789abcdef"

struct scene {
    struct scratch dir;
    struct swap_list list;
};

static void scene_auto(struct scene *s)
{
    swap_list_done(&s->list);
    scratch_done(&s->dir);
}

static void scene_init(struct scene *s)
{
    *s = (struct scene){0};
    scratch_init(&s->dir);
    CHECK(mkdir(path_in(s->dir.path, FOLDER), 0700) == 0);
}

static uint64_t inode_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static const char *place_of(const struct scene *s, const char *name)
{
    return path_in(s->dir.path, name);
}

static const char *staged_of(const struct scene *s, const char *name)
{
    return path_in(path_in(s->dir.path, FOLDER), name);
}

/* An item: "o" makes something old at its place, "n" something new in the folder. */
static void add(struct scene *s, const char *name, const char *what)
{
    const char *place = place_of(s, name), *staged = staged_of(s, name);

    if (strchr(what, 'o') != NULL)
        file_put_text(place, "old");
    if (strchr(what, 'n') != NULL)
        CHECK(mkdir(staged, 0755) == 0);
    swap_list_add(&s->list, place, staged, inode_of(staged), inode_of(place));
}

static void three_items(struct scene *s)
{
    scene_init(s);
    add(s, "both", "on");
    add(s, "made", "n");
    add(s, "gone", "o");
}

/* Which state each item is in: 'n', 'o', or '?' for neither. */
static void states(const struct scene *s, char *out)
{
    for (size_t i = 0; i < s->list.count; i++) {
        const struct swap *it = &s->list.items[i];
        const uint64_t now = inode_of(it->place), kept = inode_of(it->staged);

        *out = '?';
        if (now == it->inode && kept == it->old_inode)
            *out = 'n';
        if (now == it->old_inode && kept == it->inode)
            *out = 'o';
        out++;
    }
    *out = '\0';
}

static void check_states(const struct scene *s, const char *wanted)
{
    char now[8];

    states(s, now);
    ck_assert_str_eq(now, wanted);
}

TEST(forward_and_back_exchange_move_and_take_away_and_may_be_repeated)
{
    AUTO(scene) struct scene s;

    three_items(&s);
    for (int round = 0; round < 2; round++) {
        for (int again = 0; again < 2; again++)
            CHECK_OK(swap_forward(&s.list, e));
        check_states(&s, "nnn");
        for (int again = 0; again < 2; again++)
            CHECK_OK(swap_back(&s.list, e));
        check_states(&s, "ooo");
    }
}
END

TEST(what_somebody_else_put_there_stays)
{
    AUTO(scene) struct scene s;

    three_items(&s);
    file_put_text(place_of(&s, "made"), "somebody's");
    const uint64_t theirs = inode_of(place_of(&s, "made"));

    CHECK_ERR(swap_forward(&s.list, e), ERR_EXISTS);
    check_states(&s, "n?o");
    ck_assert_uint_eq(inode_of(place_of(&s, "made")), theirs);
    CHECK_ERR(swap_back(&s.list, e), ERR_EXISTS);
    CHECK(unlink(place_of(&s, "made")) == 0);
    CHECK_OK(swap_back(&s.list, e));
    check_states(&s, "ooo");
}
END

TEST(whether_all_can_go_back_is_told_before_anything_changes)
{
    AUTO(scene) struct scene s;

    three_items(&s);
    CHECK_OK(swap_check_back(&s.list, e));
    CHECK_OK(swap_forward(&s.list, e));
    CHECK_OK(swap_check_back(&s.list, e));
    check_states(&s, "nnn");
    file_put_text(place_of(&s, "gone"), "somebody's");
    CHECK_ERR(swap_check_back(&s.list, e), ERR_EXISTS);
    check_states(&s, "nn?");
    CHECK(unlink(place_of(&s, "gone")) == 0);
    CHECK(unlink(staged_of(&s, "both")) == 0);
    CHECK_ERR(swap_check_back(&s.list, e), ERR_EXISTS);
}
END

TEST(a_replaced_old_file_stays)
{
    AUTO(scene) struct scene s;

    scene_init(&s);
    add(&s, "both", "on");
    file_put_text(place_of(&s, "other"), "saved by an editor");
    CHECK(rename(place_of(&s, "other"), place_of(&s, "both")) == 0);
    CHECK_ERR(swap_forward(&s.list, e), ERR_EXISTS);
    check_states(&s, "?");
    CHECK(inode_of(staged_of(&s, "both")) == s.list.items[0].inode);
}
END

TEST(what_is_kept_no_longer_cannot_come_back)
{
    AUTO(scene) struct scene s;

    scene_init(&s);
    add(&s, "both", "on");
    CHECK_OK(swap_forward(&s.list, e));
    CHECK(unlink(staged_of(&s, "both")) == 0);
    CHECK_OK(swap_forward(&s.list, e));
    CHECK_ERR(swap_back(&s.list, e), ERR_EXISTS);
    CHECK(rmdir(path_in(s.dir.path, FOLDER)) == 0);
    CHECK_OK(swap_forward(&s.list, e));
    CHECK_ERR(swap_back(&s.list, e), ERR_EXISTS);
    CHECK(inode_of(place_of(&s, "both")) == s.list.items[0].inode);
}
END

TEST(a_folder_that_became_a_link_is_not_followed)
{
    AUTO(scene) struct scene s;

    scene_init(&s);
    add(&s, "both", "on");
    CHECK(rename(path_in(s.dir.path, FOLDER), path_in(s.dir.path, "elsewhere")) == 0);
    CHECK(symlink("elsewhere", path_in(s.dir.path, FOLDER)) == 0);
    CHECK_ERR(swap_forward(&s.list, e), ERR_DENIED);
    CHECK(inode_of(place_of(&s, "both")) == s.list.items[0].old_inode);
}
END

TEST(a_folder_of_another_user_is_not_used)
{
    if (geteuid() != 0)
        return;

    AUTO(scene) struct scene s;

    scene_init(&s);
    add(&s, "both", "on");
    CHECK(chown(path_in(s.dir.path, FOLDER), 12345, 12345) == 0);
    CHECK_ERR(swap_forward(&s.list, e), ERR_DENIED);
    check_states(&s, "o");
}
END

TEST(a_missing_directory_is_told)
{
    AUTO(scene) struct scene s;

    scene_init(&s);
    CHECK(mkdir(place_of(&s, "d"), 0755) == 0);
    CHECK(mkdir(staged_of(&s, "f"), 0755) == 0);
    swap_list_add(&s.list, place_of(&s, "d/f"), staged_of(&s, "f"), inode_of(staged_of(&s, "f")),
                  0);
    CHECK(rmdir(place_of(&s, "d")) == 0);
    CHECK_ERR(swap_forward(&s.list, e), ERR_NOT_FOUND);
    CHECK_OK(swap_back(&s.list, e));
}
END

static void arm(const char *name, int at)
{
    char text[16];

    CHECK(unsetenv("SHIM_AT") == 0 && unsetenv("SHIM_KILL") == 0);
    (void)snprintf(text, sizeof(text), "%d", at);
    CHECK(at == 0 || setenv(name, text, 1) == 0);
    shim_arm();
}

TEST(a_failure_names_the_place_and_either_way_can_be_taken)
{
    for (int at = 1;; at++) {
        AUTO(scene) struct scene s;
        struct err why = {0};

        three_items(&s);
        arm("SHIM_AT", at);
        const bool ok = swap_forward(&s.list, &why);

        arm("SHIM_AT", 0);
        CHECK(ok || (strstr(why.text, s.dir.path) != NULL && strstr(why.text, "in place") != NULL));
        CHECK_OK(at % 2 == 0 ? swap_forward(&s.list, e) : swap_back(&s.list, e));
        check_states(&s, at % 2 == 0 ? "nnn" : "ooo");
        if (ok) {
            ck_assert_int_gt(at, 9); /* a rename and two fsyncs for each */
            return;
        }
    }
}
END

/* Let a child die at a call; false when it came to the end. */
static bool dies_at(const struct scene *s, bool is_back, int at)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct err e = {0};

        arm("SHIM_KILL", at);
        _exit((is_back ? swap_back(&s->list, &e) : swap_forward(&s->list, &e)) ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

TEST(after_a_kill_each_place_is_old_or_new_and_either_way_can_be_taken)
{
    for (int is_back = 0; is_back < 2; is_back++)
        for (int at = 1;; at++) {
            AUTO(scene) struct scene s;
            char now[8];

            three_items(&s);
            CHECK_OK(is_back == 0 || swap_forward(&s.list, e));
            const bool has_died = dies_at(&s, is_back != 0, at);

            states(&s, now);
            ck_assert_ptr_null(strchr(now, '?'));
            CHECK_OK(at % 2 == 0 ? swap_forward(&s.list, e) : swap_back(&s.list, e));
            check_states(&s, at % 2 == 0 ? "nnn" : "ooo");
            if (!has_died) {
                ck_assert_int_gt(at, 9);
                break;
            }
        }
}
END

TESTS("swap", forward_and_back_exchange_move_and_take_away_and_may_be_repeated,
      what_somebody_else_put_there_stays, whether_all_can_go_back_is_told_before_anything_changes,
      a_replaced_old_file_stays, what_is_kept_no_longer_cannot_come_back,
      a_folder_that_became_a_link_is_not_followed, a_folder_of_another_user_is_not_used,
      a_missing_directory_is_told, a_failure_names_the_place_and_either_way_can_be_taken,
      after_a_kill_each_place_is_old_or_new_and_either_way_can_be_taken)
