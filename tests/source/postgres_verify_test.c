/* Every difference between a database and its backup is found and named. */
#define TEST_SECONDS 120

#include <string.h>

#include "base/mem.h"
#include "source/postgres_stored.h"

/* Back up, change the database, and compare: this many differences, this among them. */
static void check_differs(const char *name, const char *change, uint64_t count, const char *with)
{
    AUTO(backup) struct backup b;
    AUTO(postgres_verify_report) struct postgres_verify_report r = {0};
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_restore_options to = restore_to(name);

    database_new(name, "CREATE EXTENSION hstore; CREATE TABLE t (a int, b text);"
                       "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y');"
                       "CREATE SEQUENCE s; SELECT nextval('s');"
                       "SELECT lo_from_bytea(5, 'abc'), lo_from_bytea(6, 'abc')");
    const struct postgres_options o = options_of(name);

    backup_take(&b, &o);
    postgres_server_sql(server, name, change);
    CHECK_OK(postgres_verify(&to, &files, &r, e));
    ck_assert_msg(r.differences == count, "%s", buf_string(&r.text));
    ck_assert_msg(strstr(buf_string(&r.text), with) != NULL, "%s", buf_string(&r.text));
    CHECK(r.tables <= 1 && r.rows <= 4);
}

TEST(an_equal_database_has_no_difference)
{
    check_differs("equal", "UPDATE t SET b = b", 0, "");
}
END

TEST(a_row_that_is_missing_is_found)
{
    check_differs("less", "DELETE FROM t WHERE ctid = '(0,1)'", 1,
                  "table public.t has 2 rows, was 3");
}
END

TEST(a_row_that_changed_is_found)
{
    check_differs("changed", "UPDATE t SET b = 'z' WHERE a = 2", 1,
                  "table public.t has other rows");
}
END

TEST(one_row_twice_instead_of_another_is_found)
{
    check_differs("twice", "UPDATE t SET a = 2, b = 'y' WHERE ctid = '(0,1)'", 1,
                  "table public.t has other rows");
}
END

TEST(tables_that_are_missing_new_or_of_another_shape_are_found)
{
    check_differs("gone", "DROP TABLE t", 1, "table public.t is missing");
    check_differs("more", "CREATE TABLE new ()", 1, "table public.new is not in the backup");
    check_differs("shape", "ALTER TABLE t RENAME b TO c", 1, "table public.t has other columns");
    check_differs("kind", "ALTER TABLE t SET UNLOGGED", 1, "table public.t is of kind unlogged");
}
END

TEST(columns_in_another_order_are_the_same_and_their_rows_are_compared)
{
    static const char order[] = "ALTER TABLE t ADD \"A\"\"b\" int; UPDATE t SET \"A\"\"b\" = a;"
                                "ALTER TABLE t DROP a; ALTER TABLE t RENAME \"A\"\"b\" TO a;";
    AUTO(buf) struct buf with_change = {0};

    buf_printf(&with_change, "%s UPDATE t SET a = 7 WHERE b = 'y'", order);
    check_differs("order", order, 0, "");
    check_differs("order_and_row", buf_string(&with_change), 1, "table public.t has other rows");
}
END

TEST(sequences_extensions_and_large_objects_that_differ_are_found)
{
    check_differs("value", "SELECT nextval('s')", 1, "sequence public.s is at 2, was at 1");
    check_differs("called", "SELECT setval('s', 1, false)", 1, "sequence public.s is at 1");
    check_differs("no_sequence", "DROP SEQUENCE s", 1, "sequence public.s is missing");
    check_differs("no_extension", "DROP EXTENSION hstore", 1, "extension hstore is missing");
    check_differs("no_blob", "SELECT lo_unlink(5)", 1, "there are 1 large objects, were 2");
    check_differs("blob", "SELECT lo_put(6, 1, 'x')", 1, "large objects have other content");
}
END

static void replace(struct buf *b, const char *from, const char *to)
{
    uint8_t *at = memmem(b->data, b->size, from, strlen(from));

    CHECK(at != NULL && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
}

TEST(a_backup_of_before_is_compared_by_the_hashes_that_it_has)
{
    static const char *const rows[] = {"1\tx", "1\tx", "2\ty"};
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf json = {0};
    struct row_sum sum = {.how = ROW_HASH_SHA256};
    char hash[ROW_SUM_TEXT];
    const struct postgres_restore_options to = restore_to("before");

    backup_of(&b, "before",
              "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y')");
    buf_append_slice(&json, file_of(&b, "manifest.json"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        row_sum_add(&sum, slice_string(rows[i]));
    row_sum_format(&sum, hash);
    replace(&json, "\"format\": 2", "\"format\": 1");
    replace(&json, table_of(&b, "public", "t")->hash, hash);

    struct stored s = {.backup = &b, .changed = "manifest.json", .bytes = buf_slice(&json)};
    const struct postgres_files files = stored_files(&s);
    AUTO(postgres_verify_report) struct postgres_verify_report same = {0}, other = {0};

    CHECK_OK(postgres_verify(&to, &files, &same, e));
    ck_assert_msg(same.differences == 0 && same.rows == 3, "%s", buf_string(&same.text));
    postgres_server_sql(server, "before", "UPDATE t SET b = 'z' WHERE a = 2");
    CHECK_OK(postgres_verify(&to, &files, &other, e));
    CHECK(other.differences == 1);
}
END

TEST(at_most_a_hundred_differences_are_told_and_all_are_counted)
{
    AUTO(backup) struct backup b;
    AUTO(postgres_verify_report) struct postgres_verify_report r = {0};
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_restore_options to = restore_to("many");
    size_t lines = 0;

    backup_of(&b, "many", "");
    postgres_server_sql(server, "many",
                        "DO $$ BEGIN FOR i IN 1..150 LOOP EXECUTE"
                        " format('CREATE TABLE t%s ()', i); END LOOP; END $$");
    CHECK_OK(postgres_verify(&to, &files, &r, e));
    for (const char *at = buf_string(&r.text); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CHECK(r.differences == 150 && lines == 100);
}
END

TEST(a_database_that_is_not_there_or_a_damaged_manifest_is_no_report)
{
    AUTO(backup) struct backup b;
    AUTO(postgres_verify_report) struct postgres_verify_report r = {0};
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_restore_options nowhere = restore_to("nowhere");
    const struct postgres_restore_options to = restore_to("damaged");

    backup_of(&b, "damaged", "");
    CHECK_ERR(postgres_verify(&nowhere, &files, &r, e), ERR_NOT_FOUND);
    s.changed = "manifest.json";
    s.bytes = slice_string("{\"format\": 3}");
    CHECK_ERR(postgres_verify(&to, &files, &r, e), ERR_CORRUPT);
}
END

TESTS_BETWEEN("postgres_verify", server_begin, server_end, an_equal_database_has_no_difference,
              a_row_that_is_missing_is_found, a_row_that_changed_is_found,
              one_row_twice_instead_of_another_is_found,
              tables_that_are_missing_new_or_of_another_shape_are_found,
              columns_in_another_order_are_the_same_and_their_rows_are_compared,
              sequences_extensions_and_large_objects_that_differ_are_found,
              a_backup_of_before_is_compared_by_the_hashes_that_it_has,
              at_most_a_hundred_differences_are_told_and_all_are_counted,
              a_database_that_is_not_there_or_a_damaged_manifest_is_no_report)
