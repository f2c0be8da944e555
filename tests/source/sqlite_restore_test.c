/* Databases put back, by a process that may be killed, where others may have them open. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "source/source.h"
#include "source/sqlite_case.h"

static const char *restore(const struct world *w, bool force)
{
    return world_run(w, force ? "force" : "restore", NULL);
}

#define CHECK_RESTORED(w) ck_assert_str_eq(restore(w, false), "ok")

static void check_refused(const struct world *w, bool force, enum err_code code, const char *part)
{
    const char *text = restore(w, force);

    ck_assert_msg(text[0] == '0' + (int)code && strstr(text, part) != NULL, "%s", text);
}

TEST(a_database_is_restored_where_none_is)
{
    AUTO(world) struct world w;
    struct stat st = {0};

    world_init(&w, "delete");
    CHECK_RESTORED(&w);
    CHECK(sum_of(w.target) == SUM_NEW);
    CHECK(stat(w.target, &st) == 0 && (st.st_mode & 07777) == 0600);
    ck_assert_str_eq(sql_text(w.target, "PRAGMA journal_mode"), "delete");
    ck_assert_str_eq(names_in_place(&w), "app.db ");
}
END

TEST(owner_mode_and_link_of_the_old_file_stay)
{
    AUTO(world) struct world w;
    struct stat st = {0};

    world_init(&w, "delete");
    sql_do(w.target, "CREATE TABLE t (a)");
    CHECK(chmod(w.target, 0640) == 0);
    CHECK(geteuid() != 0 || chown(w.target, 1234, 4321) == 0);
    CHECK(symlink("place/app.db", in(&w.s, "link")) == 0);
    snprintf(w.target, sizeof(w.target), "%s/link", w.s.path);
    CHECK_RESTORED(&w);
    CHECK(lstat(w.target, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(stat(w.target, &st) == 0 && (st.st_mode & 07777) == 0640);
    CHECK(geteuid() != 0 || (st.st_uid == 1234 && st.st_gid == 4321));
    CHECK(sum_of(w.target) == SUM_NEW);
}
END

TEST(wal_mode_is_set_again)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf manifest = {0};

    world_init(&w, "wal");
    CHECK_RESTORED(&w);
    CHECK_OK(file_read(w.manifest, SIZE_MAX / 2, &manifest, e));
    ck_assert_str_eq(check_text(w.target, &manifest), "");
    CHECK(sum_of(w.target) == SUM_NEW);
    ck_assert_str_eq(sql_text(w.target, "PRAGMA journal_mode"), "wal");
}
END

TEST(what_was_left_beside_the_old_database_does_not_reach_the_new_one)
{
    AUTO(world) struct world w;

    world_init(&w, "delete");
    for (enum left kind = 0; kind < LEFT_KINDS; kind++) {
        leave(w.target, kind);
        CHECK_RESTORED(&w);
        ck_assert_str_eq(names_in_place(&w), "app.db ");
        CHECK(sum_of(w.target) == SUM_NEW);
    }
    /* A log with no database beside it would be applied as well. */
    leave(w.target, LEFT_LOG);
    unlink(w.target);
    CHECK_RESTORED(&w);
    CHECK(sum_of(w.target) == SUM_NEW);
}
END

TEST(a_damaged_database_gives_way_and_so_does_what_is_none)
{
    AUTO(world) struct world w;

    world_init(&w, "delete");
    leave(w.target, LEFT_PLAIN);
    CHECK(truncate(w.target, 5000) == 0);
    CHECK_RESTORED(&w);
    CHECK(sum_of(w.target) == SUM_NEW);
    file_copy("/proc/self/exe", w.target);
    CHECK_RESTORED(&w);
    CHECK(sum_of(w.target) == SUM_NEW);
}
END

TEST(a_database_that_others_have_open_is_replaced_only_with_force)
{
    static const char *const modes[] = {"delete", "wal"};

    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;
        char sql[40];

        world_init(&w, modes[1 - i]); /* the journal mode of the database in use stays */
        leave(w.target, LEFT_PLAIN);

        sqlite3 *user = db_open(w.target);

        snprintf(sql, sizeof(sql), "PRAGMA journal_mode = %s", modes[i]);
        db_do(user, sql);
        CHECK(db_ask(user, "SELECT sum(a) FROM t") == SUM_OLD); /* idle from here on */
        check_refused(&w, false, ERR_TRANSIENT, "another process has");
        CHECK(db_ask(user, "SELECT sum(a) FROM t") == SUM_OLD);
        ck_assert_str_eq(restore(&w, true), "ok");
        CHECK(db_ask(user, "SELECT sum(a) FROM t") == SUM_NEW);
        db_do(user, "INSERT INTO t VALUES (1)");
        sqlite3_close(user);
        CHECK(sum_of(w.target) == SUM_NEW + 1);
        ck_assert_str_eq(sql_text(w.target, "PRAGMA journal_mode"), modes[i]);
        ck_assert_str_eq(names_in_place(&w), "app.db ");
    }
}
END

TEST(force_does_not_break_a_lock_nor_mix_sizes_of_pages)
{
    AUTO(world) struct world w;

    world_init(&w, "delete");
    leave(w.target, LEFT_PLAIN);

    sqlite3 *user = db_open(w.target);

    db_do(user, "BEGIN EXCLUSIVE");
    check_refused(&w, true, ERR_TRANSIENT, "another process keeps it locked");
    db_do(user, "COMMIT; PRAGMA page_size = 1024; VACUUM; PRAGMA journal_mode = wal");
    check_refused(&w, true, ERR_TRANSIENT, "another size of pages");
    CHECK(db_ask(user, "SELECT sum(a) FROM t") == SUM_OLD);
    sqlite3_close(user);
    CHECK(sum_of(w.target) == SUM_OLD);
}
END

TEST(a_copy_that_differs_from_its_manifest_changes_nothing)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf bytes = {0};

    world_init(&w, "delete");
    leave(w.target, LEFT_PLAIN);
    CHECK_OK(file_read(w.copy, SIZE_MAX / 2, &bytes, e));
    bytes.data[bytes.size - 1] ^= 1;
    put_file(w.s.fd, "copy", bytes.data, bytes.size);
    check_refused(&w, false, ERR_CORRUPT, "not what was backed up");
    put_file(w.s.fd, "copy", bytes.data, bytes.size - 1);
    check_refused(&w, false, ERR_CORRUPT, "the copy ends after");
    buf_append(&bytes, "more", 4);
    put_file(w.s.fd, "copy", bytes.data, bytes.size);
    check_refused(&w, false, ERR_CORRUPT, "longer than its manifest says");
    put_file(w.s.fd, "manifest", "{}", 2);
    check_refused(&w, false, ERR_CORRUPT, "manifest");
    CHECK(sum_of(w.target) == SUM_OLD);
    ck_assert_str_eq(names_in_place(&w), "app.db ");
}
END

TEST(places_that_cannot_hold_a_database_are_refused)
{
    AUTO(world) struct world w;

    world_init(&w, "delete");
    CHECK(mkdir(w.target, 0755) == 0);
    check_refused(&w, false, ERR_EXISTS, "not a regular file");
    snprintf(w.target, sizeof(w.target), "%s/nowhere/app.db", w.s.path);
    check_refused(&w, false, ERR_NOT_FOUND, "nowhere");
    snprintf(w.target, sizeof(w.target), "%s/place/", w.s.path);
    check_refused(&w, false, ERR_EXISTS, "not a regular file");
}
END

/* Stop the restore at its n-th call: afterwards, and after the next one, all is well.  True when
 * it went through, *old counts when it changed nothing. */
static bool check_stop(const struct world *w, const char *what, int n, enum left kind, int *old)
{
    leave(w->target, kind);
    shim_set(what, n);

    const bool is_done = strcmp(restore(w, false), "ok") == 0;

    shim_set(what, 0);
    if (is_there(w->target)) {
        const int64_t sum = sum_of(w->target);

        ck_assert_msg(sum == SUM_NEW || (sum == SUM_OLD && !is_done), "call %d", n);
        *old += sum == SUM_OLD;
    }
    CHECK(is_there(w->target) || kind == LEFT_NOTHING);
    CHECK_RESTORED(w);
    CHECK(sum_of(w->target) == SUM_NEW);
    ck_assert_str_eq(names_in_place(w), "app.db ");
    return is_done;
}

/* Kill at each call in turn.  How many there are, and one. */
static int check_kills(const struct world *w, enum left kind)
{
    int n = 1, old = 0;

    while (!check_stop(w, "SHIM_KILL", n, kind, &old))
        ck_assert_int_lt(n++, 500);
    ck_assert_int_gt(n, 11);
    CHECK(old == 0 ? kind == LEFT_NOTHING : old > 8);
    return n;
}

TEST(a_kill_or_failure_of_any_call_leaves_the_old_database_or_the_new_one)
{
    AUTO(world) struct world w;

    world_init(&w, "wal");
    for (enum left kind = 0; kind < LEFT_KINDS; kind++) {
        int old = 0, calls = check_kills(&w, kind);

        /* Some do not matter: SQLite does without an fsync of the folder that it cannot have. */
        for (int n = 1 + test_first(); n < calls; n += test_every())
            (void)check_stop(&w, "SHIM_AT", n, kind, &old);
        CHECK(test_every() > 1 || (old == 0 ? kind == LEFT_NOTHING : old > 8));
    }
}
END

TEST(a_kill_while_the_content_is_replaced_leaves_the_old_or_the_new_one)
{
    static const char *const modes[] = {"PRAGMA journal_mode = delete",
                                        "PRAGMA journal_mode = wal"};

    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;
        bool is_done = false;
        int stops = 0;

        world_init(&w, "delete");
        for (int n = 1; !is_done; n++) {
            leave(w.target, LEFT_PLAIN);

            sqlite3 *user = db_open(w.target);

            db_do(user, modes[i]);
            CHECK(db_ask(user, "SELECT sum(a) FROM t") == SUM_OLD);
            shim_set("SHIM_KILL", n);
            is_done = strcmp(restore(&w, true), "ok") == 0;
            shim_set("SHIM_KILL", 0);

            const int64_t sum = db_ask(user, "SELECT sum(a) FROM t");

            CHECK(sum == SUM_NEW || (sum == SUM_OLD && !is_done));
            stops += sum == SUM_OLD;
            sqlite3_close(user);
            CHECK(sum_of(w.target) == sum);
        }
        ck_assert_int_gt(stops, 8);
    }
}
END

TESTS("sqlite restore", a_database_is_restored_where_none_is,
      owner_mode_and_link_of_the_old_file_stay, wal_mode_is_set_again,
      what_was_left_beside_the_old_database_does_not_reach_the_new_one,
      a_damaged_database_gives_way_and_so_does_what_is_none,
      a_database_that_others_have_open_is_replaced_only_with_force,
      force_does_not_break_a_lock_nor_mix_sizes_of_pages,
      a_copy_that_differs_from_its_manifest_changes_nothing,
      places_that_cannot_hold_a_database_are_refused,
      a_kill_or_failure_of_any_call_leaves_the_old_database_or_the_new_one,
      a_kill_while_the_content_is_replaced_leaves_the_old_or_the_new_one)
