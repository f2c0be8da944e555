/* Rows of tables of copies, as text: every value, in pieces, and of files that mean harm. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "source/source.h"
#include "source/sqlite_world.h"
#include "support/test.h"

/* All rows of a table; the names of its columns in front. */
static bool read_all(const char *path, const char *table, struct buf *out, struct err *e)
{
    AUTO(sqlite_rows) struct sqlite_rows *rows = NULL;
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t count = 0, before;

    CHECK(fd >= 0);
    if (!sqlite_rows_open(fd, table, &rows, e))
        return false;

    const char *const *columns = sqlite_rows_columns(rows, &count);

    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s|", columns[i]);
    do {
        before = out->size;
        if (!sqlite_rows_next(rows, out, e))
            return false;
        CHECK(out->size - before < 1 << 20);
    } while (out->size > before);
    before = out->size;
    return sqlite_rows_next(rows, out, e) && out->size == before; /* the end stays the end */
}

static void check_rows(const char *script, const char *table, const char *wanted)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf found = {0};

    scratch_init(&s);
    sql_do(in(&s, "a.db"), script);
    CHECK_OK(read_all(in(&s, "a.db"), table, &found, e));
    ck_assert_str_eq(buf_string(&found), wanted);
}

TEST(values_are_what_they_are_and_read_back)
{
    check_rows(
        "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL), (-9223372036854775808, ''),"
        "(0.1, 1.0), (1e300, -0.5), (1.0/3, 9e999), (x'00ff', x''), ('\\N', 'a\\b'),"
        "(CAST(x'ff' AS TEXT), 's\xc3\xbc\xc3\x9f'),"
        "('a' || char(9, 10, 13, 8, 11, 12) || 'b', char(1))",
        "t",
        "a|b|1\t\\N\n-9223372036854775808\t\n0.1\t1.0\n1e+300\t-0.5\n"
        "0.33333333333333331\tinf\n\\\\x00ff\t\\\\x\n\\\\N\ta\\\\b\n\\\\xff\ts\xc3\xbc\xc3\x9f\n"
        "a\\t\\n\\r\\b\\v\\fb\t\x01\n");
    check_rows("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (\"\xc3\xbc\" TEXT);"
               "INSERT INTO t VALUES ('s\xc3\xbc\xc3\x9f')",
               "t", "\xc3\xbc|s\xc3\xbc\xc3\x9f\n");
    check_rows("CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
               "INSERT INTO t VALUES ('b', 2), ('a', 1)",
               "t", "k|v|a\t1\nb\t2\n");
    check_rows(
        "CREATE TABLE \"it's \"\"t\\\" (\"a \"\"b\"); INSERT INTO \"it's \"\"t\\\" VALUES (1)",
        "it's \"t\\\\", "a \"b|1\n");
    check_rows("CREATE TABLE t (a)", "t", "a|");
}
END

TEST(long_values_and_many_rows_come_in_pieces)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf found = {0};

    scratch_init(&s);
    sql_do(in(&s, "a.db"),
           "CREATE TABLE t (a, b); INSERT INTO t VALUES (zeroblob(300000), replace(hex(zeroblob("
           "200000)), '0', 'x')); CREATE TABLE many (i); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
           " SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO many SELECT i FROM n");
    CHECK_OK(read_all(in(&s, "a.db"), "t", &found, e));
    ck_assert_uint_eq(found.size, 4 + 3 + 600000 + 1 + 400000 + 1);
    CHECK(memcmp(found.data + found.size - 4, "xxx\n", 4) == 0);
    buf_clear(&found);
    CHECK_OK(read_all(in(&s, "a.db"), "many", &found, e));
    CHECK(strncmp(buf_string(&found), "i|1\n2\n3\n", 8) == 0);
    CHECK(memcmp(found.data + found.size - 7, "100000\n", 7) == 0);
}
END

TEST(nothing_in_the_database_is_run)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf found = {0};

    check_rows("CREATE TABLE t (a, b AS (a * 2) VIRTUAL, c AS (a + 1) STORED);"
               "INSERT INTO t (a) VALUES (1)",
               "t", "a|c|1\t2\n");
    scratch_init(&s);
    sql_do(in(&s, "a.db"),
           "CREATE TABLE t (a); CREATE VIEW v AS SELECT load_extension('/x') FROM t;"
           "CREATE VIRTUAL TABLE f USING fts5(x); CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE"
           " FROM t; END");
    for (int i = 0; i < 4; i++) {
        const char *name =
            (const char *[]){"v", "f", "sqlite_schema", "nothing\"; DROP TABLE t"}[i];

        buf_clear(&found);
        CHECK_ERR(read_all(in(&s, "a.db"), name, &found, e), ERR_NOT_FOUND);
        ck_assert_uint_eq(found.size, 0);
    }
}
END

/* Whatever a byte of it is: rows, or an error, and an end. */
TEST(a_database_with_any_byte_changed_is_read_or_refused)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf bytes = {0};
    int refused = 0, read = 0;

    scratch_init(&s);
    sql_do(in(&s, "a.db"), "PRAGMA page_size = 512; CREATE TABLE t (a, b);"
                           "INSERT INTO t VALUES (1, 'x'), (2, zeroblob(900)), (3, 'y')");
    CHECK_OK(file_read(in(&s, "a.db"), 1 << 20, &bytes, e));
    for (size_t i = 0; i < bytes.size; i++) {
        const uint8_t was = bytes.data[i];
        AUTO(buf) struct buf found = {0};
        AUTO(fd) int fd = -1;
        struct err why = {0};

        bytes.data[i] = (const uint8_t[]){0, 0x7f, 0xff}[i % 3];
        fd = open(in(&s, "b.db"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK_OK(fd_write(fd, buf_slice(&bytes), e));
        bytes.data[i] = was;
        if (read_all(in(&s, "b.db"), "t", &found, &why))
            read++;
        else
            refused += why.code != ERR_NONE && why.text[0] != '\0';
    }
    ck_assert_int_eq(read + refused, (int)bytes.size);
    ck_assert_int_gt(refused, 30);
    ck_assert_int_gt(read, 100);
}
END

TESTS("source/sqlite_rows", values_are_what_they_are_and_read_back,
      long_values_and_many_rows_come_in_pieces, nothing_in_the_database_is_run,
      a_database_with_any_byte_changed_is_read_or_refused)
