/* Databases and their staged copies changing names, by processes that may be killed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "source/source.h"
#include "source/sqlite_case.h"

static const char *staged_of(const struct world *w)
{
    static char path[150];

    snprintf(path, sizeof(path), "%s-staged", w->target);
    return path;
}

#define CHECK_DONE(w, action) ck_assert_str_eq(world_run(w, action, staged_of(w)), "ok")

static void check_refused(const struct world *w, const char *action, const char *staged,
                          enum err_code code)
{
    const char *text = world_run(w, action, staged);

    ck_assert_msg(text[0] == '0' + (int)code && text[1] == ' ', "%s", text);
}

TEST(a_database_and_its_staged_copy_change_names_and_back)
{
    static const char *const modes[] = {"delete", "wal"};

    for (int i = 0; i < 6; i++) {
        AUTO(world) struct world w;

        world_init(&w, modes[i % 2]);
        leave(w.target, (enum left)(i / 2));
        CHECK_DONE(&w, "stage");
        CHECK_DONE(&w, "exchange");
        ck_assert_str_eq(names_in_place(&w), "app.db app.db-staged ");
        CHECK(sum_of(w.target) == SUM_NEW && sum_of(staged_of(&w)) == SUM_OLD);
        ck_assert_str_eq(sql_text(w.target, "PRAGMA journal_mode"), modes[i % 2]);
        sql_do(w.target, "DELETE FROM t WHERE a > 1");
        CHECK_DONE(&w, "exchange");
        CHECK(sum_of(w.target) == SUM_OLD && sum_of(staged_of(&w)) == 1);
        CHECK_DONE(&w, "discard");
        CHECK_DONE(&w, "discard");
        ck_assert_str_eq(names_in_place(&w), "app.db ");
    }
}
END

TEST(a_staged_copy_has_the_owner_mode_acl_and_attributes_of_the_database)
{
    static const uint8_t acl[] = {2,    0,    0,    0,    1,    0,    6,    0,    0xff, 0xff, 0xff,
                                  0xff, 2,    0,    6,    0,    0xd2, 4,    0,    0,    4,    0,
                                  4,    0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,    6,    0,    0xff,
                                  0xff, 0xff, 0xff, 0x20, 0,    0,    0,    0xff, 0xff, 0xff, 0xff};
    AUTO(world) struct world w;
    uint8_t found[100];
    struct stat st = {0};

    world_init(&w, "delete");
    leave(w.target, LEFT_PLAIN);
    CHECK(chmod(w.target, 0640) == 0);
    CHECK(geteuid() != 0 || chown(w.target, 1234, 4321) == 0);

    const bool has_user = setxattr(w.target, "user.kept", "yes", 3, 0) == 0;
    const bool has_acl = setxattr(w.target, "system.posix_acl_access", acl, sizeof(acl), 0) == 0;

    CHECK_DONE(&w, "stage");
    CHECK(stat(staged_of(&w), &st) == 0);
    CHECK((st.st_mode & 07777) == (has_acl ? 0660 : 0640));
    CHECK(geteuid() != 0 || (st.st_uid == 1234 && st.st_gid == 4321));
    CHECK(!has_user || getxattr(staged_of(&w), "user.kept", found, sizeof(found)) == 3);
    CHECK(!has_acl || (getxattr(staged_of(&w), "system.posix_acl_access", found, sizeof(found)) ==
                           sizeof(acl) &&
                       memcmp(acl, found, sizeof(acl)) == 0));
}
END

TEST(a_database_that_others_have_open_is_staged_beside_but_not_exchanged)
{
    static const char *const modes[] = {"PRAGMA journal_mode = delete",
                                        "PRAGMA journal_mode = wal"};

    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;

        world_init(&w, "delete");
        leave(w.target, LEFT_PLAIN);

        sqlite3 *user = db_open(w.target);

        db_do(user, modes[i]);
        CHECK(db_ask(user, "SELECT sum(a) FROM t") == SUM_OLD); /* idle from here on */
        CHECK_DONE(&w, "stage");
        check_refused(&w, "exchange", staged_of(&w), ERR_TRANSIENT);
        db_do(user, "INSERT INTO t VALUES (1, 0)");
        sqlite3_close(user);
        CHECK(sum_of(w.target) == SUM_OLD + 1 && sum_of(staged_of(&w)) == SUM_NEW);
        CHECK_DONE(&w, "exchange");
        CHECK(sum_of(w.target) == SUM_NEW && sum_of(staged_of(&w)) == SUM_OLD + 1);
    }
}
END

TEST(where_one_of_the_two_is_missing_the_other_moves)
{
    AUTO(world) struct world w;

    world_init(&w, "wal");
    check_refused(&w, "exchange", staged_of(&w), ERR_NOT_FOUND);
    leave(w.target, LEFT_LOG);
    CHECK(unlink(w.target) == 0); /* its log would be applied to whatever gets the name */
    CHECK_DONE(&w, "stage");
    CHECK_DONE(&w, "exchange");
    ck_assert_str_eq(names_in_place(&w), "app.db ");
    CHECK(sum_of(w.target) == SUM_NEW);

    sqlite3 *user = db_open(w.target);

    CHECK(db_ask(user, "SELECT sum(a) FROM t") == SUM_NEW);
    check_refused(&w, "exchange", staged_of(&w), ERR_TRANSIENT);
    sqlite3_close(user);
    CHECK_DONE(&w, "exchange");
    ck_assert_str_eq(names_in_place(&w), "app.db-staged ");
    CHECK(sum_of(staged_of(&w)) == SUM_NEW);
    CHECK_DONE(&w, "discard");
    ck_assert_str_eq(names_in_place(&w), "");
}
END

/* What is no database, with a log and a journal that nobody can read. */
static void leave_rubbish(const struct world *w)
{
    leave(w->target, LEFT_NOTHING);
    put_file(w->s.fd, "place/app.db", "no database", 11);
    put_file(w->s.fd, "place/app.db-wal", "log", 3);
    put_file(w->s.fd, "place/app.db-journal", "journal", 7);
}

static void check_rubbish(const struct world *w)
{
    static const char *const texts[][2] = {
        {"app.db", "no database"}, {"app.db-wal", "log"}, {"app.db-journal", "journal"}};

    for (size_t i = 0; i < 3; i++) {
        AUTO(buf) struct buf found = {0};
        char path[100];

        snprintf(path, sizeof(path), "%s/place/%s", w->s.path, texts[i][0]);
        CHECK_OK(file_read(path, 100, &found, e));
        ck_assert_str_eq(buf_string(&found), texts[i][1]);
    }
}

TEST(what_is_no_database_comes_back_with_its_log_and_journal)
{
    AUTO(world) struct world w;

    world_init(&w, "delete");
    leave_rubbish(&w);
    CHECK_DONE(&w, "stage");
    CHECK_DONE(&w, "exchange");
    CHECK(sum_of(w.target) == SUM_NEW);
    CHECK(strstr(names_in_place(&w), "app.db-wal") == NULL);
    CHECK(strstr(names_in_place(&w), "app.db-journal") == NULL);
    CHECK_DONE(&w, "exchange");
    check_rubbish(&w);
    CHECK(sum_of(staged_of(&w)) == SUM_NEW);
    CHECK_DONE(&w, "exchange");
    CHECK_DONE(&w, "discard");
    ck_assert_str_eq(names_in_place(&w), "app.db ");
    CHECK(sum_of(w.target) == SUM_NEW);
}
END

TEST(only_a_new_name_in_the_folder_of_the_database_is_staged)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf path = {0};
    const char *link = NULL;

    world_init(&w, "delete");
    leave(w.target, LEFT_PLAIN);
    check_refused(&w, "stage", in(&w.s, "app.db-staged"), ERR_USAGE);
    check_refused(&w, "stage", "app.db-staged", ERR_USAGE);
    check_refused(&w, "stage", in(&w.s, "place/"), ERR_USAGE);
    check_refused(&w, "stage", in(&w.s, "nowhere/app.db"), ERR_USAGE);
    check_refused(&w, "stage", w.target, ERR_EXISTS);
    put_file(w.s.fd, "place/app.db-staged", "mine", 4);
    check_refused(&w, "stage", staged_of(&w), ERR_EXISTS);
    CHECK(unlink(staged_of(&w)) == 0 && mkdir(staged_of(&w), 0755) == 0);
    check_refused(&w, "stage", staged_of(&w), ERR_EXISTS);
    check_refused(&w, "exchange", staged_of(&w), ERR_EXISTS);
    CHECK(rmdir(staged_of(&w)) == 0);
    link = in(&w.s, "link");
    CHECK(symlink("place/app.db", link) == 0);
    CHECK_OK(sqlite_staged_path(link, "-staged", &path, e));
    ck_assert_str_eq(buf_string(&path), staged_of(&w));
    CHECK(sum_of(w.target) == SUM_OLD);
}
END

TEST(a_copy_that_differs_from_its_manifest_is_not_staged)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf bytes = {0};

    world_init(&w, "delete");
    leave(w.target, LEFT_PLAIN);
    CHECK_OK(file_read(w.copy, SIZE_MAX / 2, &bytes, e));
    bytes.data[bytes.size - 1] ^= 1;
    put_file(w.s.fd, "copy", bytes.data, bytes.size);
    check_refused(&w, "stage", staged_of(&w), ERR_CORRUPT);
    put_file(w.s.fd, "copy", bytes.data, bytes.size - 1);
    check_refused(&w, "stage", staged_of(&w), ERR_CORRUPT);
    ck_assert_str_eq(names_in_place(&w), "app.db ");
    CHECK(sum_of(w.target) == SUM_OLD);
}
END

TEST(a_manifest_tells_what_a_plan_needs)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf manifest = {0};
    struct sqlite_stored stored = {0};
    struct stat st = {0};

    world_init(&w, "delete");
    CHECK_OK(file_read(w.manifest, SIZE_MAX / 2, &manifest, e));
    CHECK_OK(sqlite_stored_read(buf_slice(&manifest), &stored, e));
    CHECK(stat(w.copy, &st) == 0);
    CHECK(stored.tables == 1 && stored.rows == 100 && stored.bytes == (uint64_t)st.st_size);
    CHECK_ERR(sqlite_stored_read(slice_string("{}"), &stored, e), ERR_CORRUPT);
}
END

static uint64_t inode_of(const char *path)
{
    struct stat st = {0};

    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static void check_old(const struct world *w, enum left kind)
{
    if (kind == LEFT_NOTHING)
        CHECK(!is_there(w->target));
    else if (kind == LEFT_KINDS)
        check_rubbish(w);
    else
        CHECK(sum_of(w->target) == SUM_OLD);
}

static void leave_kind(const struct world *w, enum left kind)
{
    if (kind == LEFT_KINDS)
        leave_rubbish(w);
    else
        leave(w->target, kind);
}

/* Stop an exchange, there or back, at its n-th call: by the inodes it is known where it was, and
 * the old database is whole again after going back.  True when it went through. */
static bool check_stop(const struct world *w, int n, enum left kind, bool is_back)
{
    uint64_t inode = 0;

    leave_kind(w, kind);
    CHECK_DONE(w, "stage");
    inode = inode_of(staged_of(w));
    if (is_back)
        CHECK_DONE(w, "exchange");
    shim_set("SHIM_KILL", n);

    const bool is_done = strcmp(world_run(w, "exchange", staged_of(w)), "ok") == 0;

    shim_set("SHIM_KILL", 0);
    CHECK(!is_done || (inode_of(w->target) == inode) != is_back);
    if (inode_of(w->target) == inode) {
        CHECK(sum_of(w->target) == SUM_NEW);
        CHECK_DONE(w, "exchange");
    }
    CHECK_DONE(w, "discard");
    check_old(w, kind);
    CHECK(strstr(names_in_place(w), "staged") == NULL);
    return is_done;
}

TEST(a_kill_at_any_call_of_an_exchange_leaves_the_old_database_or_the_new_one)
{
    AUTO(world) struct world w;

    world_init(&w, "wal");
    for (enum left kind = 0; kind <= LEFT_KINDS; kind++)
        for (int back = 0; back < 2; back++) {
            int n = 1 + test_first();

            for (; !check_stop(&w, n, kind, back == 1); n += test_every())
                ck_assert_int_lt(n, 100);
            ck_assert_int_gt(n, 5);
        }
}
END

TEST(a_kill_while_a_copy_is_staged_leaves_the_old_database)
{
    AUTO(world) struct world w;
    bool is_done = false;

    world_init(&w, "wal");
    leave(w.target, LEFT_PLAIN);
    for (int n = 1; !is_done; n++) {
        ck_assert_int_lt(n, 100);
        shim_set("SHIM_KILL", n);
        is_done = strcmp(world_run(&w, "stage", staged_of(&w)), "ok") == 0;
        shim_set("SHIM_KILL", 0);
        CHECK_DONE(&w, "discard");
        ck_assert_str_eq(names_in_place(&w), "app.db ");
        CHECK(sum_of(w.target) == SUM_OLD);
    }
}
END

TESTS("sqlite exchange", a_database_and_its_staged_copy_change_names_and_back,
      a_staged_copy_has_the_owner_mode_acl_and_attributes_of_the_database,
      a_database_that_others_have_open_is_staged_beside_but_not_exchanged,
      where_one_of_the_two_is_missing_the_other_moves,
      what_is_no_database_comes_back_with_its_log_and_journal,
      only_a_new_name_in_the_folder_of_the_database_is_staged,
      a_copy_that_differs_from_its_manifest_is_not_staged, a_manifest_tells_what_a_plan_needs,
      a_kill_at_any_call_of_an_exchange_leaves_the_old_database_or_the_new_one,
      a_kill_while_a_copy_is_staged_leaves_the_old_database)
