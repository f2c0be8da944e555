/* Copies of sound databases of all kinds, made while others write. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/thread.h"
#include "source/sqlite_world.h"
#include "support/test.h"

TEST(databases_of_every_page_size_and_journal_mode_are_copied_whole)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    for (int size = 512; size <= 65536; size *= 2)
        for (int wal = 0; wal < 2; wal++) {
            const char *path = in(&s, "db");
            char sql[400];

            snprintf(sql, sizeof(sql),
                     "PRAGMA page_size = %d; PRAGMA journal_mode = %s; PRAGMA user_version = -7;"
                     "PRAGMA application_id = 4711; CREATE TABLE t (a, b);"
                     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                     "500) INSERT INTO t SELECT i, hex(randomblob(50)) FROM n",
                     size, wal ? "wal" : "delete");
            sql_do(path, sql);
            sqlite_backup_to(&s, path, &manifest);
            ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
            ck_assert_int_eq(sql_ask(in(&s, "copy"), "PRAGMA page_size"), size);
            CHECK(sql_ask(in(&s, "copy"), "PRAGMA user_version") == -7);
            CHECK(sql_ask(in(&s, "copy"), "PRAGMA application_id") == 4711);
            ck_assert_str_eq(sql_text(in(&s, "copy"), "PRAGMA journal_mode"), "delete");
            CHECK(sql_ask(in(&s, "copy"), "SELECT count(*) FROM t") == 500);
            CHECK(manifest_has(&manifest,
                               wal ? "\"journal_mode\": \"wal\"" : "\"journal_mode\": \"delete\""));
            CHECK(manifest_has(&manifest, "\"integrity\": \"ok\""));
            CHECK(!is_there(in(&s, "db-wal")) && !is_there(in(&s, "db-shm")));
            unlink(path);
        }
}
END

TEST(a_log_that_is_not_checkpointed_is_in_the_copy_and_stays)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};
    struct stat before = {0}, after = {0};

    scratch_init(&s);

    sqlite3 *db = db_open(in(&s, "db"));

    db_do(db, "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a);"
              "INSERT INTO t VALUES (1), (2), (3)");
    CHECK(stat(in(&s, "db-wal"), &before) == 0 && before.st_size > 0);
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    CHECK(stat(in(&s, "db-wal"), &after) == 0 && after.st_size == before.st_size);
    CHECK(sql_ask(in(&s, "copy"), "SELECT sum(a) FROM t") == 6);
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
    db_do(db, "INSERT INTO t VALUES (4)"); /* the writer does not notice */
    sqlite3_close(db);
}
END

TEST(every_kind_of_table_is_counted_and_named)
{
    static const char *const wanted[] = {
        "\"name\": \"plain\",\n   \"kind\": \"table\",\n   \"rows\": 5",
        "\"name\": \"wr\",\n   \"kind\": \"without_rowid\",\n   \"rows\": 1",
        "\"name\": \"docs\",\n   \"kind\": \"virtual\"\n",
        "\"name\": \"docs_content\",\n   \"kind\": \"shadow\",\n   \"rows\": 2",
        "\"name\": \"box_node\",\n   \"kind\": \"shadow\",\n   \"rows\": 1",
        "\"name\": \"sqlite_sequence\",\n   \"kind\": \"table\",\n   \"rows\": 1",
        "\"name\": \"docs_data_of_mine\",\n   \"kind\": \"table\",\n   \"rows\": 0",
        "\"name\": \"generated\",\n   \"kind\": \"table\",\n   \"rows\": 1",
        "\"auto_vacuum\": 1",
    };
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"),
           "PRAGMA auto_vacuum = FULL; CREATE TABLE plain (a); CREATE TABLE docs_data_of_mine (x);"
           "INSERT INTO plain VALUES (NULL), (1), (1.5), ('1'), (x'31');"
           "CREATE TABLE wr (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO wr VALUES ('a', 1);"
           "CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO auto VALUES (9);"
           "CREATE VIRTUAL TABLE docs USING fts5(body); INSERT INTO docs VALUES ('one'), ('two');"
           "CREATE VIRTUAL TABLE box USING rtree(id, x0, x1); INSERT INTO box VALUES (1, 0, 1);"
           "CREATE TABLE generated (a, b AS (a * 2) VIRTUAL, c AS (a * 3) STORED);"
           "INSERT INTO generated (a) VALUES (5); CREATE INDEX i ON plain (a);"
           "CREATE VIEW v AS SELECT * FROM plain");
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        ck_assert_msg(manifest_has(&manifest, wanted[i]), "%s\n%.*s", wanted[i], (int)manifest.size,
                      (const char *)manifest.data);
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
    CHECK(sql_ask(in(&s, "copy"), "SELECT count(*) FROM docs WHERE docs MATCH 'two'") == 1);
    CHECK(sql_ask(in(&s, "copy"), "SELECT id FROM box WHERE x0 <= 0.5 AND x1 >= 0.5") == 1);
}
END

TEST(names_with_quotes_and_newlines_are_read_and_written_escaped)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), "CREATE TABLE \"a\"\"b'c]\nd\\;--\" (\"x\"\"y\nz\", \"select\", \"rowid\","
                         "\"oid\", \"_rowid_\");"
                         "INSERT INTO \"a\"\"b'c]\nd\\;--\" VALUES (1, 2, 3, 4, 5);"
                         "CREATE TABLE \"\xc3\xbc\" (a); INSERT INTO \"\xc3\xbc\" VALUES (1);"
                         "CREATE TABLE \"\" (a); INSERT INTO \"\" VALUES (2), (3)");
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    CHECK(manifest_has(&manifest, "a\\\"b'c]\\\\x0ad\\\\\\\\;--\",\n   \"kind\": \"table\",\n"
                                  "   \"rows\": 1"));
    CHECK(manifest_has(&manifest, "\"name\": \"\",\n   \"kind\": \"table\",\n   \"rows\": 2"));
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
}
END

/* The hash that the manifest has for the table t with one row of this value. */
static void hash_of(const struct scratch *s, const char *encoding, const char *value, char out[33])
{
    AUTO(buf) struct buf manifest = {0};
    char sql[200];

    snprintf(sql, sizeof(sql),
             "PRAGMA encoding = '%s'; CREATE TABLE t (a); INSERT INTO t VALUES (%s)", encoding,
             value);
    unlink(in(s, "v"));
    sql_do(in(s, "v"), sql);
    sqlite_backup_to(s, in(s, "v"), &manifest);

    const char *text = strstr(buf_string(&manifest), "\"name\": \"t\"");

    ck_assert_ptr_nonnull(text);
    text = strstr(text, "\"hash\": \"") + 9;
    memcpy(out, text, 32);
    out[32] = '\0';
}

TEST(values_of_different_types_have_different_hashes)
{
    static const char *const values[] = {"1",     "1.0", "'1'", "x'31'",          "NULL",
                                         "''",    "x''", "2",   "'1' || char(0)", "-1",
                                         "1e300", "'ab'"};
    enum { COUNT = sizeof(values) / sizeof(values[0]) };
    char hashes[COUNT][33];
    AUTO(scratch) struct scratch s;

    scratch_init(&s);
    for (int i = 0; i < COUNT; i++) {
        hash_of(&s, "UTF-8", values[i], hashes[i]);
        for (int j = 0; j < i; j++)
            ck_assert_msg(strcmp(hashes[i], hashes[j]) != 0, "%s and %s", values[i], values[j]);
    }
    /* SHA-256 of 'i' and 8 bytes, from a calculation elsewhere. */
    ck_assert_str_eq(hashes[0], "d219cc776a7dc926c6d6f5e5c12c3df8");
}
END

TEST(text_in_utf_16_is_hashed_as_it_is_stored)
{
    char little[33], big[33], plain[33];
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    hash_of(&s, "UTF-8", "'a\xc3\xbc'", plain);
    hash_of(&s, "UTF-16le", "'a\xc3\xbc'", little);
    hash_of(&s, "UTF-16be", "'a\xc3\xbc'", big);
    CHECK(strcmp(plain, little) != 0 && strcmp(little, big) != 0 && strcmp(plain, big) != 0);
    sqlite_backup_to(&s, in(&s, "v"), &manifest);
    CHECK(manifest_has(&manifest, "\"encoding\": \"UTF-16be\""));
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
}
END

TEST(the_order_of_rows_does_not_matter_but_their_number_does)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf one = {0};
    AUTO(buf) struct buf other = {0};
    const char *sums[2];

    scratch_init(&s);
    sql_do(in(&s, "a"), "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (2)");
    sql_do(in(&s, "b"), "CREATE TABLE t (a); INSERT INTO t VALUES (2), (1), (2)");
    sqlite_backup_to(&s, in(&s, "a"), &one);
    sqlite_backup_to(&s, in(&s, "b"), &other);
    sums[0] = strstr(buf_string(&one), "\"name\": \"t\"");
    sums[1] = strstr(buf_string(&other), "\"name\": \"t\"");
    ck_assert_str_eq(sums[0], sums[1]);
    sql_do(in(&s, "b"), "DELETE FROM t WHERE rowid = 3; INSERT INTO t VALUES (1)");
    sqlite_backup_to(&s, in(&s, "b"), &other);
    CHECK(strcmp(sums[0], strstr(buf_string(&other), "\"name\": \"t\"")) != 0);
}
END

TEST(a_blob_of_100_mb_and_an_empty_file_are_copied)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};

    scratch_init(&s);
    sql_do(in(&s, "db"), "CREATE TABLE t (a, b, c); INSERT INTO t VALUES (1, randomblob(100000000),"
                         "'behind')");
    sqlite_backup_to(&s, in(&s, "db"), &manifest);
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
    CHECK(sql_ask(in(&s, "copy"), "SELECT length(b) FROM t WHERE c = 'behind'") == 100000000);

    put_file(s.fd, "empty", "", 0);
    sqlite_backup_to(&s, in(&s, "empty"), &manifest);
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");
    CHECK(sql_ask(in(&s, "copy"), "SELECT count(*) FROM sqlite_schema") == 0);
}
END

/* Two writers that move money between accounts. */
struct writer {
    const char *path;
    _Atomic bool *stop;
    int moves;
};

static void *move_money(void *arg)
{
    struct writer *w = arg;
    sqlite3 *db = db_open(w->path);

    /* A pause lets the other writer in: SQLite's locks know no order of who came first. */
    for (; !*w->stop; sqlite3_sleep(1)) {
        const int result = sqlite3_exec(
            db,
            "BEGIN IMMEDIATE;"
            "UPDATE accounts SET money = money - 1 WHERE id = abs(random()) % 2000;"
            "UPDATE accounts SET money = money + 2000000 - (SELECT sum(money) FROM accounts) "
            "WHERE id = abs(random()) % 2000; COMMIT",
            NULL, NULL, NULL);

        if (result == SQLITE_OK)
            w->moves++;
        else if (sqlite3_get_autocommit(db) == 0)
            db_do(db, "ROLLBACK");
    }
    sqlite3_close(db);
    return NULL;
}

static void check_moving(const char *mode)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};
    _Atomic bool stop = false;
    char sql[600];

    scratch_init(&s);
    snprintf(sql, sizeof(sql),
             "PRAGMA page_size = 512; PRAGMA journal_mode = %s;"
             "CREATE TABLE accounts (id INTEGER PRIMARY KEY, money INT, filling);"
             "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999) "
             "INSERT INTO accounts SELECT i, 1000, randomblob(700) FROM n",
             mode);
    sql_do(in(&s, "db"), sql);

    struct writer w[2] = {{in(&s, "db"), &stop, 0}, {in(&s, "db"), &stop, 0}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        thread_start(&threads[i], move_money, &w[i], "writer");
    for (int i = 0; i < 20; i++) {
        sqlite_backup_to(&s, in(&s, "db"), &manifest);
        ck_assert_int_eq(sql_ask(in(&s, "copy"), "SELECT sum(money) FROM accounts"), 2000000);
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        thread_join(threads[i]);
    CHECK(w[0].moves + w[1].moves > 20);
}

TEST(no_transfer_is_cut_in_two_while_others_write_in_wal_mode)
{
    check_moving("wal");
}
END

TEST(no_transfer_is_cut_in_two_while_others_write_in_rollback_mode)
{
    check_moving("delete");
}
END

TESTS("sqlite copies", databases_of_every_page_size_and_journal_mode_are_copied_whole,
      a_log_that_is_not_checkpointed_is_in_the_copy_and_stays,
      every_kind_of_table_is_counted_and_named,
      names_with_quotes_and_newlines_are_read_and_written_escaped,
      values_of_different_types_have_different_hashes, text_in_utf_16_is_hashed_as_it_is_stored,
      the_order_of_rows_does_not_matter_but_their_number_does,
      a_blob_of_100_mb_and_an_empty_file_are_copied,
      no_transfer_is_cut_in_two_while_others_write_in_wal_mode,
      no_transfer_is_cut_in_two_while_others_write_in_rollback_mode)
