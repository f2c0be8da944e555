/* Databases that come from elsewhere: which schemas count as the same, and what is not taken. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "source/source.h"
#include "source/sqlite_world.h"
#include "support/test.h"

#define TABLE \
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'a, b', n INTEGER);"
#define ROW "INSERT INTO t (id, name) VALUES (1, 'x');"

/* Look at a database made by one script beside one made by another (NULL: there is none). */
static bool look(const char *script, const char *present, struct buf *manifest, struct err *e)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf schema = {0};
    AUTO(fd) int fd = -1;

    scratch_init(&s);
    sql_do(in(&s, "stranger.db"), script);
    if (present != NULL) {
        sql_do(in(&s, "present.db"), present);
        if (!sqlite_schema_read(in(&s, "present.db"), &schema, e))
            ck_abort_msg("%s", e->text);
    }
    fd = open(in(&s, "stranger.db"), O_RDONLY);
    CHECK(fd >= 0);
    return sqlite_stranger_look(fd, present != NULL ? buf_string(&schema) : NULL, manifest, e);
}

static void check_taken(const char *script, const char *present)
{
    AUTO(buf) struct buf manifest = {0};
    struct sqlite_stored stored = {0};

    CHECK_OK(look(script, present, &manifest, e));
    CHECK_OK(sqlite_stored_read(buf_slice(&manifest), &stored, e));
    CHECK(stored.tables > 0);
}

static void check_refused(const char *script, const char *present, const char *sentence)
{
    AUTO(buf) struct buf manifest = {0};
    struct err e = {0};

    ck_assert_msg(!look(script, present, &manifest, &e), "taken: %s", script);
    ck_assert_msg(e.code == ERR_CORRUPT && strstr(e.text, sentence) != NULL, "%d %s", (int)e.code,
                  e.text);
    CHECK(manifest.size == 0);
}

TEST(the_same_schema_is_taken_whatever_the_rows_are)
{
    check_taken(TABLE ROW, TABLE);
    check_taken(TABLE "CREATE INDEX i ON t (name);" ROW "ANALYZE;",
                TABLE "CREATE INDEX i ON t (name)");
    check_taken("CREATE TABLE s (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO s VALUES (9)",
                "CREATE TABLE s (id INTEGER PRIMARY KEY AUTOINCREMENT)");
    check_taken(TABLE "CREATE VIEW v AS SELECT 1", TABLE "CREATE VIEW v AS SELECT 1");
}
END

TEST(blanks_comments_and_the_order_of_columns_do_not_count)
{
    check_taken("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT DEFAULT 'a, b', n INTEGER, "
                "UNIQUE (name, n))",
                "CREATE TABLE t\n(\n  id INTEGER   PRIMARY KEY, -- it's the key, (\n"
                "  n INTEGER /* ), */, name TEXT DEFAULT 'a, b', UNIQUE(name,n))");
    check_taken("CREATE TABLE c (a TEXT, b TEXT)",
                "CREATE TABLE c (b TEXT); ALTER TABLE c ADD COLUMN a TEXT");
}
END

TEST(any_other_difference_is_named)
{
    check_refused(TABLE, TABLE "CREATE TABLE u (a)", "it lacks the table u");
    check_refused(TABLE "CREATE TABLE u (a)", TABLE, "it has the table u");
    check_refused(TABLE "ALTER TABLE t ADD COLUMN more TEXT", TABLE, "its table t is another");
    check_refused("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'a,  b', n "
                  "INTEGER)",
                  TABLE, "its table t is another");
    check_refused("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'a, b', n "
                  "INTEGER CHECK (n > 0))",
                  TABLE, "its table t is another");
    check_refused("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'a, b', n "
                  "INTEGER) STRICT",
                  TABLE, "its table t is another");
    check_refused(TABLE "CREATE INDEX i ON t (n)", TABLE "CREATE INDEX i ON t (name)",
                  "its index i is another");
    check_refused(TABLE "CREATE TABLE u (a); CREATE INDEX i ON u (a)",
                  TABLE "CREATE TABLE u (a); CREATE INDEX i ON t (n)", "its index i is another");
}
END

TEST(what_acts_by_itself_is_refused_with_and_without_a_present_database)
{
    static const char *const more[][2] = {
        {"CREATE TRIGGER evil AFTER INSERT ON t BEGIN DELETE FROM t; END", "trigger evil"},
        {"CREATE VIEW evil AS SELECT * FROM t", "view evil"},
        {"CREATE VIRTUAL TABLE evil USING fts5(a)", "table evil"},
    };

    check_taken(TABLE ROW, NULL);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        char script[400];

        (void)snprintf(script, sizeof(script), "%s%s", TABLE ROW, more[i][0]);
        check_refused(script, TABLE, more[i][1]);
        check_refused(script, NULL, more[i][1]);
    }
}
END

/* Texts that SQLite has not written. */
TEST(a_schema_that_was_written_over_is_refused)
{
    static const char *const texts[] = {
        "'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER) /* no end'",
        "'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER) -- no end'",
        "'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT DEFAULT \"no end)'",
        "'CREATE TABLE t (id INTEGER PRIMARY KEY, ((('",
        "'CREATE TABLE t)(, ,)'",
        "'CREATE/**/VIRTUAL/**/TABLE t USING fts5(a)'",
        "'CREATE TABLE t AS SELECT 1'",
        "'/'",
        "''",
        "NULL",
        "x'00ff27'",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char script[400];

        (void)snprintf(script, sizeof(script),
                       TABLE ROW "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = %s",
                       texts[i]);
        check_refused(script, TABLE, "");
    }
}
END

TEST(damage_is_refused)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf manifest = {0};
    AUTO(fd) int fd = -1;
    char noise[4096];

    scratch_init(&s);
    memset(noise, 0xff, sizeof(noise));
    sql_do(in(&s, "db"), "PRAGMA page_size = 4096;" TABLE ROW);
    fd = open(in(&s, "db"), O_RDWR);
    CHECK(pwrite(fd, noise, sizeof(noise), 4096) == (ssize_t)sizeof(noise));
    CHECK_ERR(sqlite_stranger_look(fd, NULL, &manifest, e), ERR_CORRUPT);
    CHECK(pwrite(fd, noise, sizeof(noise), 0) == (ssize_t)sizeof(noise));
    CHECK_ERR(sqlite_stranger_look(fd, NULL, &manifest, e), ERR_CORRUPT);
    CHECK(manifest.size == 0);
}
END

TEST(a_missing_present_database_is_told_apart_from_one_that_cannot_be_read)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf schema = {0};

    scratch_init(&s);
    put_file(s.fd, "noise", "this is no database, whatever it is called", 42);
    CHECK_ERR(sqlite_schema_read(in(&s, "missing"), &schema, e), ERR_NOT_FOUND);
    CHECK_ERR(sqlite_schema_read(in(&s, "noise"), &schema, e), ERR_CORRUPT);
    CHECK(schema.size == 0 && !is_there(in(&s, "missing")));
}
END

/* A member sends the file and its manifest, and a drill compares them. */
TEST(a_file_with_its_manifest_becomes_a_member_and_no_other_file_does)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    AUTO(buf) struct buf manifest = {0};
    AUTO(member) struct member *m = NULL;
    AUTO(member) struct member *other = NULL;
    AUTO(fd) int fd = -1;

    scratch_init(&s);
    recorder_init(&r);
    sql_do(in(&s, "db"), "PRAGMA journal_mode = WAL;" TABLE ROW);
    fd = open(in(&s, "db"), O_RDWR);
    CHECK_OK(sqlite_stranger_look(fd, NULL, &manifest, e));
    CHECK(manifest_has(&manifest, "\"journal_mode\": \"wal\""));
    CHECK_OK(sqlite_member_of_file("app.db", fd, buf_slice(&manifest), &m, e));

    struct member *const members[] = {m};
    const struct set set = {.name = "app", .members = members, .member_count = 1};

    CHECK_OK(set_backup(&set, &r.sink, e));
    CHECK(recorder_is_complete(&r) && r.remark_count == 0);

    const struct record *copy = recorder_find(&r, "/sqlite/app.db");
    const struct record *told = recorder_find(&r, "/sqlite/app.db.manifest.json");

    CHECK(copy != NULL && told != NULL && copy->en.mode == 0600);
    CHECK(slice_is_equal(buf_slice(&told->content), buf_slice(&manifest)));
    put_file(s.fd, "copy", copy->content.data, copy->content.size);
    ck_assert_str_eq(check_text(in(&s, "copy"), &manifest), "");

    CHECK(pwrite(fd, "!", 1, 60) == 1);
    CHECK_ERR(sqlite_member_of_file("app.db", fd, buf_slice(&manifest), &other, e), ERR_CORRUPT);
}
END

TESTS("source/sqlite_stranger", the_same_schema_is_taken_whatever_the_rows_are,
      blanks_comments_and_the_order_of_columns_do_not_count, any_other_difference_is_named,
      what_acts_by_itself_is_refused_with_and_without_a_present_database,
      a_schema_that_was_written_over_is_refused, damage_is_refused,
      a_missing_present_database_is_told_apart_from_one_that_cannot_be_read,
      a_file_with_its_manifest_becomes_a_member_and_no_other_file_does)
