/* Databases that cannot be backed up, or only as what they are, and copies that are not. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "source/source.h"
#include "source/sqlite_world.h"
#include "support/test.h"

#define ROWS(count)                                                                     \
    "CREATE TABLE t (a, b); CREATE INDEX i ON t (b);"                                   \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " #count \
    ") INSERT INTO t SELECT i, 'row ' || i FROM n;"

/* A member that waits 100 ms for locks. */
static bool prepare(const char *path, struct member **out, struct err *e)
{
    const struct sqlite_options o = {.name = "app.db", .path = path, .lock_limit_ms = 100};

    return sqlite_member_new(&o, out, e) && (*out)->ops->prepare(*out, e);
}

/* Not able to be prepared, with a sentence that has the path and this. */
static void check_refused(const char *path, enum err_code code, const char *sentence)
{
    AUTO(member) struct member *m = NULL;
    struct err e = {0};

    CHECK(!prepare(path, &m, &e));
    ck_assert_msg(e.code == code && strstr(e.text, sentence) != NULL &&
                      strstr(e.text, path) != NULL,
                  "%d %s", (int)e.code, e.text);
}

TEST(what_is_no_database_is_refused_with_a_sentence)
{
    AUTO(scratch) struct scratch s;
    char noise[8192];

    scratch_init(&s);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 2654435761U >> 13);
    put_file(s.fd, "encrypted", noise, sizeof(noise));
    put_file(s.fd, "short", "SQLite", 6);
    CHECK(mkdir(in(&s, "folder"), 0755) == 0 && mkfifo(in(&s, "fifo"), 0600) == 0);
    check_refused(in(&s, "encrypted"), ERR_CORRUPT, "not an SQLite database, or it is encrypted");
    check_refused(in(&s, "short"), ERR_CORRUPT, "not an SQLite database, or it is encrypted");
    check_refused(in(&s, "missing"), ERR_NOT_FOUND, "No such file");
    check_refused(in(&s, "folder"), ERR_USAGE, "it is a directory");
    check_refused(in(&s, "fifo"), ERR_USAGE, "it is not a regular file");
    CHECK(!is_there(in(&s, "missing")));
}
END

TEST(relative_paths_and_bad_names_are_refused)
{
    AUTO(member) struct member *m = NULL;

    CHECK_ERR(prepare("app.db", &m, e), ERR_USAGE);
    CHECK_ERR(prepare(":memory:", &m, e), ERR_USAGE);
    CHECK_ERR(prepare("file:/tmp/x?mode=rwc", &m, e), ERR_USAGE);
    CHECK_ERR(sqlite_member_new(&(struct sqlite_options){.name = "a/b", .path = "/x"}, &m, e),
              ERR_USAGE);
}
END

TEST(a_truncated_file_is_refused_as_damaged)
{
    AUTO(scratch) struct scratch s;

    scratch_init(&s);
    sql_do(in(&s, "db"), ROWS(1000));
    CHECK(truncate(in(&s, "db"), 3 * 4096) == 0);
    check_refused(in(&s, "db"), ERR_CORRUPT, "malformed");
}
END

TEST(a_database_that_stays_locked_is_refused_when_the_time_is_up)
{
    AUTO(scratch) struct scratch s;

    scratch_init(&s);
    sql_do(in(&s, "db"), ROWS(10));

    sqlite3 *other = db_open(in(&s, "db"));

    db_do(other, "BEGIN EXCLUSIVE");
    check_refused(in(&s, "db"), ERR_TRANSIENT, "another process keeps it locked");
    sqlite3_close(other);
}
END

static void overwrite(const char *path, off_t at, const void *bytes, size_t size)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

    CHECK(fd >= 0 && pwrite(fd, bytes, size, at) == (ssize_t)size);
}

TEST(a_damaged_database_is_stored_as_it_is_and_told)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    AUTO(buf) struct buf manifest = {0};
    struct err failure = {0};
    uint8_t zeros[4000] = {0};

    scratch_init(&s);
    recorder_init(&r);
    sql_do(in(&s, "db"), ROWS(5000));
    overwrite(in(&s, "db"), 9 * 4096 + 96, zeros, sizeof(zeros));
    CHECK_OK(sqlite_backup(&r, in(&s, "db"), &failure, e));
    CHECK(failure.code == ERR_CORRUPT && strstr(failure.text, "is damaged") != NULL);
    CHECK(recorder_is_complete(&r) && recorder_find(&r, "/sqlite/app.db")->is_sent);
    CHECK(recorder_remark(&r, "/sqlite/app.db") != NULL);
    buf_append_slice(&manifest,
                     buf_slice(&recorder_find(&r, "/sqlite/app.db.manifest.json")->content));
    CHECK(!manifest_has(&manifest, "\"integrity\": \"ok\"") && manifest_has(&manifest, "\"t\""));
    CHECK(!manifest_has(&manifest, "\"rows\""));
    file_copy(in(&s, "db"), in(&s, "copy"));
    CHECK(strstr(check_text(in(&s, "copy"), &manifest),
                 "the database was damaged when it was backed up") != NULL);
}
END

TEST(one_byte_changed_anywhere_in_a_copy_is_found)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};
    struct stat st = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), "PRAGMA page_size = 512;" ROWS(100) "CREATE TABLE gone AS SELECT * FROM t;"
                                                             "DROP TABLE gone");
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
    CHECK(stat(in(&s, "copy"), &st) == 0);
    for (off_t at = 0; at < st.st_size; at += 97) {
        AUTO(buf) struct buf bytes = {0};

        CHECK_OK(file_read(in(&s, "copy"), 1 << 20, &bytes, e));
        bytes.data[at] ^= 4;
        put_file(s.fd, "flipped", bytes.data, bytes.size);
        ck_assert_msg(check_text(in(&s, "flipped"), &manifest)[0] != '\0', "byte %d", (int)at);
    }
    CHECK(truncate(in(&s, "copy"), st.st_size - 512) == 0);
    CHECK(strstr(check_text(in(&s, "copy"), &manifest), "the size of the file is") != NULL);
}
END

TEST(differences_of_rows_and_tables_are_named)
{
    static const struct {
        const char *sql, *sentence;
    } cases[] = {
        {"UPDATE t SET a = '7' WHERE a = 7", "rows of table t differ\n"},
        {"DELETE FROM t WHERE a = 7", "table t has 99 rows, should have 100\n"},
        {"ALTER TABLE t RENAME TO u", "table t is missing\nthere is a table u more\n"},
        {"DROP INDEX i", "table sqlite_schema has 1 rows, should have 2\n"},
        {"PRAGMA user_version = 3", "user_version is 3, should be 0\n"},
        {"DROP TABLE t; CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID",
         "table t is of another kind\ntable t has 0 rows, should have 100\n"},
    };
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), ROWS(100));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sqlite_backup_to(&s, in(&s, "db"), &manifest);
        sql_do(in(&s, "copy"), cases[i].sql);

        const char *text = check_text(in(&s, "copy"), &manifest);

        ck_assert_msg(strstr(text, cases[i].sentence) != NULL, "%s: %s", cases[i].sql, text);
    }
}
END

TEST(a_report_counts_all_differences_and_keeps_100_sentences)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};
    AUTO(sqlite_report) struct sqlite_report report = {0};
    size_t lines = 0;

    scratch_init(&s);

    sqlite3 *db = db_open(in(&s, "db"));

    db_do(db, "BEGIN");
    for (int i = 0; i < 300; i++) {
        char sql[40];

        snprintf(sql, sizeof(sql), "CREATE TABLE t%d (a)", i);
        db_do(db, sql);
    }
    db_do(db, "COMMIT");
    sqlite3_close(db);
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    unlink(in(&s, "copy"));
    sql_do(in(&s, "copy"), "CREATE TABLE other (a)");
    CHECK_OK(sqlite_check(in(&s, "copy"), buf_slice(&manifest), &report, e));
    for (const char *c = buf_string(&report.text); *c != '\0'; c++)
        lines += *c == '\n';
    CHECK(lines == 100);
    CHECK(report.differences > 300);
}
END

TEST(a_copy_in_use_is_not_checked_and_a_missing_one_neither)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};
    AUTO(sqlite_report) struct sqlite_report report = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), ROWS(10));
    sqlite_backup_to(&s, in(&s, "db"), &manifest);

    sqlite3 *user = db_open(in(&s, "copy"));

    db_do(user, "PRAGMA journal_mode = wal; INSERT INTO t VALUES (1, 2)");
    CHECK_ERR(sqlite_check(in(&s, "copy"), buf_slice(&manifest), &report, e), ERR_TRANSIENT);
    sqlite3_close(user);
    CHECK_ERR(sqlite_check(in(&s, "gone"), buf_slice(&manifest), &report, e), ERR_NOT_FOUND);
}
END

TEST(what_is_no_manifest_is_refused_wherever_it_ends_or_differs)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};
    AUTO(sqlite_report) struct sqlite_report report = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), "CREATE TABLE t (a)");
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    for (size_t size = 0; size + 2 < manifest.size; size++)
        CHECK_ERR(sqlite_check(in(&s, "copy"), SLICE_OF(manifest.data, size), &report, e),
                  ERR_CORRUPT);
    for (size_t i = 0; i < manifest.size; i++) {
        const uint8_t byte = manifest.data[i];
        struct err e = {0};

        /* A digit or a letter may turn into another manifest, which then differs. */
        manifest.data[i] ^= 1;
        sqlite_report_done(&report);
        report = (struct sqlite_report){0};
        if (!sqlite_check(in(&s, "copy"), buf_slice(&manifest), &report, &e))
            CHECK(e.code == ERR_CORRUPT);
        manifest.data[i] = byte;
    }
}
END

TEST(a_missing_function_or_collation_does_not_hinder_the_backup)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), "CREATE TABLE t (a, b TEXT); CREATE INDEX i ON t (b);"
                         "INSERT INTO t VALUES (1, 'x'), (2, 'y');"
                         "CREATE VIEW v AS SELECT evil(a) FROM t;"
                         "CREATE TABLE g (a, b); INSERT INTO g VALUES (1, 2);"
                         "CREATE TABLE c (a); INSERT INTO c VALUES (1); CREATE INDEX j ON c (a);"
                         "PRAGMA writable_schema = ON;"
                         "UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (b COLLATE mine)' "
                         "WHERE name = 'i';"
                         "UPDATE sqlite_schema SET sql = 'CREATE TABLE g (a, b, c AS (evil(a)) "
                         "VIRTUAL)' WHERE name = 'g';"
                         "UPDATE sqlite_schema SET sql = 'CREATE TABLE c (a CHECK (evil(a)))' "
                         "WHERE name = 'c';"
                         "UPDATE sqlite_schema SET sql = 'CREATE INDEX j ON c (evil(a))' "
                         "WHERE name = 'j'");
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    CHECK(manifest_has(&manifest, "\"check\": \"quick_check\""));
    CHECK(manifest_has(&manifest, "\"name\": \"t\",\n   \"kind\": \"table\",\n   \"rows\": 2"));
    CHECK(manifest_has(&manifest, "\"name\": \"g\",\n   \"kind\": \"table\",\n   \"rows\": 1"));
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
}
END

/* Become nobody, who may not write what root owns.  Only root can. */
static bool become_nobody(void)
{
    return geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);
}

/* In a child process that may not write what root owns. */
static void check_read_only(const struct scratch *s, const char *mode, const char *opened)
{
    AUTO(recorder) struct recorder r;
    AUTO(buf) struct buf manifest = {0};
    struct err failure = {0};

    recorder_init(&r);
    CHECK_OK(sqlite_backup(&r, in(s, mode), &failure, e));
    ck_assert_msg(failure.code == ERR_NONE, "%s", failure.text);
    buf_append_slice(&manifest,
                     buf_slice(&recorder_find(&r, "/sqlite/app.db.manifest.json")->content));
    CHECK(manifest_has(&manifest, opened) && manifest_has(&manifest, "\"rows\": 100"));
}

TEST(read_only_files_in_a_read_only_folder_are_copied)
{
    AUTO(scratch) struct scratch s;
    int status = 0;

    scratch_init(&s);
    sql_do(in(&s, "delete"), ROWS(100));
    sql_do(in(&s, "wal"), "PRAGMA journal_mode = wal;" ROWS(100));
    CHECK(chmod(in(&s, "delete"), 0444) == 0 && chmod(in(&s, "wal"), 0444) == 0);
    CHECK(chmod(s.path, 0555) == 0);

    const pid_t child = fork();

    if (child == 0) {
        CHECK(become_nobody());
        check_read_only(&s, "delete", "\"opened\": \"normal\"");
        check_read_only(&s, "wal", "\"opened\": \"immutable\"");
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(chmod(s.path, 0755) == 0);
    CHECK(!is_there(in(&s, "wal-wal")) && !is_there(in(&s, "wal-shm")));
}
END

TEST(what_a_killed_writer_left_is_rolled_back_in_the_copy)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), ROWS(5000));

    const pid_t child = fork();

    if (child == 0) {
        sqlite3 *db = db_open(in(&s, "db"));

        db_do(db, "PRAGMA cache_size = 5; BEGIN; UPDATE t SET a = a + 1");
        _exit(0); /* with the journal there and half of the pages written */
    }
    CHECK(waitpid(child, NULL, 0) == child && is_there(in(&s, "db-journal")));
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    CHECK(sql_ask(in(&s, "copy"), "SELECT sum(a) FROM t") == 5000 * 5001 / 2);
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
}
END

TEST(cancelling_ends_a_backup_with_nothing_sent_and_a_check_with_no_report)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    AUTO(buf) struct buf manifest = {0};
    struct sqlite_report report = {0};
    struct err failure = {0};

    scratch_init(&s);
    recorder_init(&r);
    sql_do(in(&s, "db"), ROWS(5000));

    sqlite_backup_to(&s, in(&s, "db"), &manifest);

    const pid_t child = fork();

    if (child == 0) {
        cancel_request();
        CHECK_ERR(sqlite_check(in(&s, "copy"), buf_slice(&manifest), &report, e), ERR_CANCELLED);
        CHECK_ERR(sqlite_backup(&r, in(&s, "db"), &failure, e), ERR_CANCELLED);
        CHECK(r.open_lanes == 0);
        _exit(0);
    }

    int status = 0;

    CHECK(waitpid(child, &status, 0) == child && status == 0);
}
END

TEST(a_sink_that_fails_at_any_call_ends_the_backup_with_its_error)
{
    AUTO(scratch) struct scratch s;
    size_t calls = 0;

    scratch_init(&s);
    sql_do(in(&s, "db"), ROWS(5000));
    for (size_t n = 0; n == 0 || n <= calls; n++) {
        AUTO(recorder) struct recorder r;
        struct err failure = {0}, e = {0};

        recorder_init(&r);
        r.fail_at = n;
        CHECK(sqlite_backup(&r, in(&s, "db"), &failure, &e) == (n == 0));
        CHECK(n == 0 || e.code == ERR_TRANSIENT);
        CHECK(r.open_lanes == 0 && failure.code == ERR_NONE);
        calls = n == 0 ? r.calls : calls;
    }
    CHECK(calls > 6);
}
END

TEST(a_scratch_folder_that_is_missing_is_told_and_both_entries_are_left_out)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    struct err failure = {0};

    scratch_init(&s);
    recorder_init(&r);
    sql_do(in(&s, "db"), ROWS(10));
    CHECK_OK(sqlite_backup_in(&r, in(&s, "db"), in(&s, "nowhere"), &failure, e));
    CHECK(failure.code == ERR_NOT_FOUND && recorder_is_complete(&r));
    CHECK(recorder_remark(&r, "/sqlite/app.db")->is_skip);
    CHECK(recorder_remark(&r, "/sqlite/app.db.manifest.json")->is_skip);
}
END

TESTS("sqlite damage", what_is_no_database_is_refused_with_a_sentence,
      relative_paths_and_bad_names_are_refused, a_truncated_file_is_refused_as_damaged,
      a_database_that_stays_locked_is_refused_when_the_time_is_up,
      a_damaged_database_is_stored_as_it_is_and_told, one_byte_changed_anywhere_in_a_copy_is_found,
      differences_of_rows_and_tables_are_named,
      a_report_counts_all_differences_and_keeps_100_sentences,
      a_copy_in_use_is_not_checked_and_a_missing_one_neither,
      what_is_no_manifest_is_refused_wherever_it_ends_or_differs,
      a_missing_function_or_collation_does_not_hinder_the_backup,
      read_only_files_in_a_read_only_folder_are_copied,
      what_a_killed_writer_left_is_rolled_back_in_the_copy,
      cancelling_ends_a_backup_with_nothing_sent_and_a_check_with_no_report,
      a_sink_that_fails_at_any_call_ends_the_backup_with_its_error,
      a_scratch_folder_that_is_missing_is_told_and_both_entries_are_left_out)
