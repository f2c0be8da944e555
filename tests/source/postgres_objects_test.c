/* What of a database is stored, and that a copy made of it with PostgreSQL's own programs and
 * COPY is the same. */
#define TEST_SECONDS 120

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "source/postgres_blobs.h"
#include "source/postgres_case.h"

TEST(rows_are_stored_as_copy_writes_them)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "plain",
              "CREATE TABLE t (a int, b text); INSERT INTO t VALUES"
              " (1, 'x'), (2, NULL), (3, E'tab\\t\\nline\\\\'), (3, ''), (3, '');"
              "CREATE TABLE nothing (); CREATE TABLE no_rows (a int);"
              "CREATE TABLE only_rows (); INSERT INTO only_rows DEFAULT VALUES;");
    check_rows(&b, "t", "1\tx\n2\t\\N\n3\ttab\\t\\nline\\\\\n3\t\n3\t\n");
    check_rows(&b, "nothing", "");
    check_rows(&b, "no_rows", "");
    check_rows(&b, "only_rows", "\n");
    ck_assert_str_eq(b.manifest.database, "plain");
    ck_assert_str_eq(b.manifest.encoding, "UTF8");
    CHECK(b.manifest.server_number >= 130000 && strchr(b.manifest.lsn, '/') != NULL);
    ck_assert_str_eq(b.manifest.extensions[0].name, "plpgsql");
    CHECK(b.manifest.table_count == 4 && b.manifest.blobs.count == 0);
    ck_assert_ptr_null(recorder_find(&b.recorder, "/postgres/db/blobs.bin"));
}
END

TEST(the_text_of_values_does_not_depend_on_settings_of_the_database)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "settings",
              "CREATE TABLE t (a timestamptz, b interval, c float8, d bytea, e money, f date);"
              "INSERT INTO t VALUES ('2026-01-02 03:04:05.000006+02', '1 day 2 hours',"
              " 0.1::float8 + 0.2::float8, '\\x00ff', '1234.5', '2026-01-02');"
              "ALTER DATABASE settings SET DateStyle = 'German';"
              "ALTER DATABASE settings SET IntervalStyle = 'iso_8601';"
              "ALTER DATABASE settings SET extra_float_digits = -5;"
              "ALTER DATABASE settings SET bytea_output = 'escape';"
              "ALTER DATABASE settings SET TimeZone = 'Asia/Tokyo';"
              "ALTER DATABASE settings SET statement_timeout = '1s';"
              "ALTER DATABASE settings SET search_path = 'nowhere'");
    check_rows(&b, "t",
               "2026-01-02 01:04:05.000006+00\t1 day 02:00:00\t0.30000000000000004\t"
               "\\\\x00ff\t$1,234.50\t2026-01-02\n");
}
END

TEST(partitions_children_and_parents_each_have_their_own_rows)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "family",
              "CREATE TABLE p (a int, b int) PARTITION BY LIST (a);"
              "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
              "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2) PARTITION BY LIST (b);"
              "CREATE TABLE p21 PARTITION OF p2 DEFAULT; INSERT INTO p VALUES (1, 1), (2, 5);"
              "CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);"
              "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);"
              "CREATE UNLOGGED TABLE u (a int); INSERT INTO u VALUES (9)");
    check_rows(&b, "p1", "1\t1\n");
    check_rows(&b, "p21", "2\t5\n");
    check_rows(&b, "parent", "1\n");
    check_rows(&b, "child", "2\t3\n");
    check_rows(&b, "u", "9\n");
    ck_assert_ptr_null(table_of(&b, "public", "p")->file);
    ck_assert_ptr_null(table_of(&b, "public", "p2")->file);
    ck_assert_str_eq(table_of(&b, "public", "p2")->kind, "partitioned");
    ck_assert_str_eq(table_of(&b, "public", "p21")->kind, "partition");
    ck_assert_str_eq(table_of(&b, "public", "u")->kind, "unlogged");
}
END

TEST(generated_columns_are_left_out_and_identity_columns_stay)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "columns",
              "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY, gone int,"
              " \"B c\" int, d int GENERATED ALWAYS AS (\"B c\" * 2) STORED);"
              "ALTER TABLE t DROP gone; INSERT INTO t (\"B c\") VALUES (7), (8);"
              "CREATE TABLE only_generated (a int GENERATED ALWAYS AS (1) STORED);"
              "INSERT INTO only_generated DEFAULT VALUES");
    check_rows(&b, "t", "1\t7\n2\t8\n");
    check_rows(&b, "only_generated", "\n");

    const struct postgres_table *t = table_of(&b, "public", "t");

    ck_assert_uint_eq(t->columns.count, 2);
    ck_assert_str_eq(t->columns.items[1], "B c");
}
END

TEST(views_and_foreign_tables_are_definitions_with_a_note)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "views",
              "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE VIEW v AS TABLE t;"
              "CREATE MATERIALIZED VIEW mv AS TABLE t; CREATE EXTENSION file_fdw;"
              "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
              "CREATE FOREIGN TABLE ft (a text) SERVER files OPTIONS (filename '/etc/passwd')");
    ck_assert_ptr_null(postgres_manifest_find(&b.manifest, "public", "v"));
    ck_assert_ptr_null(table_of(&b, "public", "mv")->file);
    ck_assert_ptr_null(table_of(&b, "public", "ft")->file);
    ck_assert_uint_eq(b.manifest.notes.count, 3);
    CHECK(strstr(b.manifest.notes.items[0], "public.ft is a foreign table") != NULL);
    CHECK(strstr(b.manifest.notes.items[1], "public.mv is a materialized view") != NULL);
}
END

TEST(the_state_of_each_sequence_is_in_the_manifest)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "sequences",
              "CREATE SEQUENCE a MINVALUE -9223372036854775808 START -5;"
              "CREATE SEQUENCE b; SELECT nextval('b'), nextval('b');"
              "CREATE SEQUENCE c; SELECT setval('c', 40, false);"
              "DO $$ BEGIN FOR i IN 1..450 LOOP"
              " EXECUTE format('CREATE SEQUENCE \"many %s\" START %s', i, i); END LOOP; END $$");
    ck_assert_uint_eq(b.manifest.sequence_count, 453);

    const struct postgres_sequence *s = b.manifest.sequences;

    CHECK(strcmp(s[0].name, "a") == 0 && s[0].last_value == -5 && !s[0].is_called);
    CHECK(strcmp(s[1].name, "b") == 0 && s[1].last_value == 2 && s[1].is_called);
    CHECK(strcmp(s[2].name, "c") == 0 && s[2].last_value == 40 && !s[2].is_called);
    ck_assert_str_eq(s[452].name, "many 99");
    ck_assert_int_eq(s[452].last_value, 99);
}
END

TEST(an_extension_takes_along_only_the_rows_it_marked)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "extension",
              "CREATE EXTENSION hstore; CREATE TABLE marked (a int, mine bool);"
              "CREATE TABLE unmarked (a int); INSERT INTO marked VALUES (1, true), (2, false);"
              "ALTER EXTENSION hstore ADD TABLE marked;"
              "ALTER EXTENSION hstore ADD TABLE unmarked;"
              "UPDATE pg_extension SET extconfig = ARRAY['marked'::regclass::oid],"
              " extcondition = ARRAY['WHERE mine'] WHERE extname = 'hstore'");
    check_rows(&b, "marked", "1\tt\n");
    ck_assert_str_eq(table_of(&b, "public", "marked")->extension, "hstore");
    ck_assert_ptr_null(postgres_manifest_find(&b.manifest, "public", "unmarked"));
    ck_assert_str_eq(b.manifest.extensions[0].name, "hstore");
}
END

/* Large objects: take one off the file, and its content. */
static struct postgres_blob blob_next(struct slice *s, struct buf *content)
{
    struct postgres_blob blob = {0};
    struct slice piece = {0};
    uint32_t size = 0;

    CHECK(postgres_blob_take(s, &blob));
    buf_clear(content);
    for (;;) {
        CHECK(take_u32(s, &size));
        if (size == 0)
            return blob;
        CHECK(take_slice(s, size, &piece));
        buf_append_slice(content, piece);
    }
}

TEST(large_objects_of_every_length_are_stored_with_owner_rights_and_comment)
{
    static const char *const sizes[] = {"0",      "1",       "131071",  "131072",
                                        "131073", "1179647", "1179648", "1179649"};
    const size_t count = sizeof(sizes) / sizeof(sizes[0]);
    AUTO(buf) struct buf content = {0};
    AUTO(backup) struct backup b;

    database_new("blobs", "CREATE ROLE \"blob's owner\"");
    for (size_t i = 0; i < count; i++) {
        char sql[200];

        (void)snprintf(sql, sizeof(sql),
                       "SELECT lo_from_bytea(%zu, decode(repeat('%02zx', %s), 'hex'))",
                       4000000000 + i, i + 1, sizes[i]);
        postgres_server_sql(server, "blobs", sql);
    }
    postgres_server_sql(server, "blobs",
                        "ALTER LARGE OBJECT 4000000001 OWNER TO \"blob's owner\";"
                        "GRANT SELECT ON LARGE OBJECT 4000000001 TO PUBLIC;"
                        "COMMENT ON LARGE OBJECT 4000000001 IS 'what it is'");
    const struct postgres_options o = options_of("blobs");

    backup_take(&b, &o);
    struct slice s = file_of(&b, "blobs.bin");
    for (size_t i = 0; i < count; i++) {
        const struct postgres_blob blob = blob_next(&s, &content);

        ck_assert_uint_eq(blob.oid, 4000000000 + i);
        ck_assert_uint_eq(content.size, (size_t)strtoull(sizes[i], NULL, 10));
        for (size_t at = 0; at < content.size; at++)
            CHECK(content.data[at] == i + 1);
        CHECK(slice_is_equal(blob.owner, slice_string(i == 1 ? "blob's owner" : "postgres")));
        CHECK(slice_is_equal(blob.comment, slice_string(i == 1 ? "what it is" : "")));
        CHECK((blob.rights.size > 0) == (i == 1));
    }
    CHECK(s.size == 0 && b.manifest.blobs.count == count);
}
END

TEST(many_small_large_objects_all_come)
{
    AUTO(buf) struct buf content = {0};
    AUTO(backup) struct backup b;

    backup_of(&b, "many_blobs",
              "SELECT lo_from_bytea(0, i::text::bytea) FROM"
              " generate_series(1, 1000) i");
    struct slice s = file_of(&b, "blobs.bin");
    uint32_t last = 0;
    size_t count = 0;

    for (; s.size > 0; count++) {
        const struct postgres_blob blob = blob_next(&s, &content);

        CHECK(blob.oid > last);
        last = blob.oid;
    }
    ck_assert_uint_eq(count, 1000);
    ck_assert_uint_eq(b.manifest.blobs.count, 1000);
    ck_assert_uint_eq(b.manifest.blobs.bytes, 2893);
}
END

TEST(bytes_of_a_database_in_another_encoding_stay_as_they_are)
{
    AUTO(connection) PGconn *c = NULL;
    AUTO(backup) struct backup latin;
    AUTO(backup) struct backup raw;

    postgres_server_sql(server, "postgres",
                        "CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'");
    postgres_server_sql(server, "postgres",
                        "CREATE DATABASE raw TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'");
    c = connect_to("latin");
    CHECK(PQsetClientEncoding(c, "UTF8") == 0);
    ck_assert_str_eq(try_sql(c, "CREATE TABLE \"\xc3\xa4\" (a text);"
                                "INSERT INTO \"\xc3\xa4\" VALUES ('\xc3\xa4')"),
                     "00000");
    postgres_server_sql(server, "raw",
                        "SET client_encoding = SQL_ASCII; CREATE TABLE t (a text);"
                        "INSERT INTO t VALUES (E'\\xff\\xfe')");
    const struct postgres_options o = options_of("latin");
    const struct postgres_options other = options_of("raw");

    backup_take(&latin, &o);
    backup_take(&raw, &other);
    check_rows(&latin, "\xc3\xa4", "\xe4\n");
    check_rows(&raw, "t", "\xff\xfe\n");
    ck_assert_str_eq(latin.manifest.encoding, "LATIN1");
    ck_assert_str_eq(raw.manifest.encoding, "SQL_ASCII");
}
END

TEST(a_table_whose_name_is_not_text_is_refused)
{
    AUTO(backup) struct backup b;

    postgres_server_sql(server, "postgres",
                        "CREATE DATABASE odd TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'");
    postgres_server_sql(server, "odd",
                        "SET client_encoding = SQL_ASCII;"
                        "CREATE TABLE \"\xff\" (a text)");
    const struct postgres_options o = options_of("odd");

    backup_init(&b);
    backup_fails(&b, &o, "invalid byte sequence for encoding \"UTF8\": 0xff");
}
END

static const char *const hostile[] = {
    "$(touch /tmp/holdfast-hostile)",
    "-f",
    "--file=/tmp/holdfast-hostile",
    "a\"b'c",
    "new\nline",
    "../../etc",
    ".",
    "..",
    "/",
    "a.b",
    "%s%n",
    "~",
    "\\",
    "tab\t",
    "Upper Case",
    "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
    "\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
    "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
    "select",
    "*",
    "'; DROP TABLE t; --",
    "{}",
    "&|;<>`",
};

TEST(hostile_names_of_schemas_tables_and_columns_are_only_names)
{
    const size_t count = sizeof(hostile) / sizeof(hostile[0]);
    AUTO(connection) PGconn *c = NULL;
    AUTO(backup) struct backup b;

    database_new("hostile", "");
    c = connect_to("hostile");
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf sql = {0};
        char *name = PQescapeIdentifier(c, hostile[i], strlen(hostile[i]));

        buf_printf(&sql,
                   "CREATE SCHEMA %s; CREATE TABLE %s.%s (%s serial); INSERT INTO %s.%s"
                   " DEFAULT VALUES",
                   name, name, name, name, name, name);
        ck_assert_str_eq(try_sql(c, buf_string(&sql)), "00000");
        PQfreemem(name);
    }
    const struct postgres_options o = options_of("hostile");

    backup_take(&b, &o);
    for (size_t i = 0; i < count; i++) {
        const struct postgres_table *t = table_of(&b, hostile[i], hostile[i]);

        CHECK(slice_is_equal(file_of(&b, t->file), slice_string("1\n")));
        ck_assert_str_eq(t->columns.items[0], hostile[i]);
    }
    ck_assert_uint_eq(b.manifest.sequence_count, count);
}
END

TEST(a_database_whose_name_is_a_connection_string_is_only_a_name)
{
    AUTO(backup) struct backup b;

    database_new("dbname=template1 user=nobody", "CREATE TABLE here (a int)");
    struct postgres_options o = options_of("dbname=template1 user=nobody");

    o.with_globals = true;
    backup_take(&b, &o);
    check_rows(&b, "here", "");
    ck_assert_str_eq(b.manifest.database, "dbname=template1 user=nobody");
}
END

/* Bringing back, with what PostgreSQL has */

static void restore_section(const struct backup *b, const char *file, const char *database)
{
    char program[] = "pg_restore";
    char stop[] = "--exit-on-error";
    char target[300];
    char *const argv[] = {program, stop, target, NULL};
    const struct child_spec spec = {.argv = argv, .gives_input = true};
    AUTO(child) struct child c = CHILD_NONE;

    (void)snprintf(target, sizeof(target), "--dbname=%s", dsn_of(database));
    CHECK_OK(child_start_with(&spec, &c, e));
    CHECK_OK(fd_write(c.in_fd, file_of(b, file), e));
    CHECK_OK(child_wait(&c, e));
}

static void append_quoted(struct buf *out, PGconn *c, const char *name)
{
    char *quoted = PQescapeIdentifier(c, name, strlen(name));

    buf_printf(out, "%s", quoted);
    PQfreemem(quoted);
}

static void restore_rows(PGconn *c, const struct backup *b, const struct postgres_table *t)
{
    AUTO(buf) struct buf sql = {0};
    const struct slice bytes = file_of(b, t->file);

    buf_printf(&sql, "COPY ");
    append_quoted(&sql, c, t->schema);
    buf_printf(&sql, ".");
    append_quoted(&sql, c, t->name);
    for (size_t i = 0; i < t->columns.count; i++) {
        buf_printf(&sql, "%s", i == 0 ? " (" : ", ");
        append_quoted(&sql, c, t->columns.items[i]);
    }
    buf_printf(&sql, "%s FROM STDIN", t->columns.count > 0 ? ")" : "");

    PGresult *r = PQexec(c, buf_string(&sql));

    ck_assert_msg(PQresultStatus(r) == PGRES_COPY_IN, "%s", PQerrorMessage(c));
    PQclear(r);
    CHECK(bytes.size == 0 || PQputCopyData(c, (const char *)bytes.data, (int)bytes.size) == 1);
    CHECK(PQputCopyEnd(c, NULL) == 1);
    r = PQgetResult(c);
    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s", PQerrorMessage(c));
    PQclear(r);
    CHECK(PQgetResult(c) == NULL);
}

static void restore_all(const struct backup *b, const char *database)
{
    AUTO(connection) PGconn *c = NULL;

    database_new(database, "");
    restore_section(b, "pre-data.dump", database);
    c = connect_to(database);
    ck_assert_str_eq(try_sql(c, "SET lc_monetary = 'C'"), "00000");
    for (size_t i = 0; i < b->manifest.table_count; i++)
        if (b->manifest.tables[i].file != NULL)
            restore_rows(c, b, &b->manifest.tables[i]);
    restore_section(b, "post-data.dump", database);
}

TEST(a_copy_made_from_a_backup_has_the_same_rows)
{
    AUTO(backup) struct backup b;
    AUTO(backup) struct backup again;

    database_new("everything", "");
    postgres_server_fill(server, "everything");
    const struct postgres_options o = options_of("everything");
    const struct postgres_options other = options_of("everything again");

    backup_take(&b, &o);
    restore_all(&b, "everything again");
    backup_take(&again, &other);
    ck_assert_uint_eq(b.manifest.table_count, again.manifest.table_count);
    for (size_t i = 0; i < b.manifest.table_count; i++) {
        const struct postgres_table *t = &b.manifest.tables[i];
        const struct postgres_table *copy = table_of(&again, t->schema, t->name);

        ck_assert_str_eq(t->kind, copy->kind);
        ck_assert_str_eq(t->hash, copy->hash);
        ck_assert_uint_eq(t->rows, copy->rows);
    }
    AUTO(mem) char *n = postgres_server_value(server, "everything again", "SELECT n FROM b_first");

    ck_assert_str_eq(n, "3000"); /* computed by post-data.dump */
}
END

TEST(the_hash_of_a_table_does_not_depend_on_the_order_of_its_rows)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "order",
              "CREATE TABLE a AS SELECT i, i * 7 AS j FROM generate_series(1, 999) i;"
              "CREATE TABLE b AS SELECT * FROM a ORDER BY i DESC;"
              "CREATE TABLE c AS SELECT * FROM a; UPDATE c SET j = 0 WHERE i = 500");
    ck_assert_str_eq(table_of(&b, "public", "a")->hash, table_of(&b, "public", "b")->hash);
    ck_assert_str_ne(table_of(&b, "public", "a")->hash, table_of(&b, "public", "c")->hash);
}
END

TESTS_BETWEEN("postgres_objects", server_begin, server_end, rows_are_stored_as_copy_writes_them,
              the_text_of_values_does_not_depend_on_settings_of_the_database,
              partitions_children_and_parents_each_have_their_own_rows,
              generated_columns_are_left_out_and_identity_columns_stay,
              views_and_foreign_tables_are_definitions_with_a_note,
              the_state_of_each_sequence_is_in_the_manifest,
              an_extension_takes_along_only_the_rows_it_marked,
              large_objects_of_every_length_are_stored_with_owner_rights_and_comment,
              many_small_large_objects_all_come,
              bytes_of_a_database_in_another_encoding_stay_as_they_are,
              a_table_whose_name_is_not_text_is_refused,
              hostile_names_of_schemas_tables_and_columns_are_only_names,
              a_database_whose_name_is_a_connection_string_is_only_a_name,
              a_copy_made_from_a_backup_has_the_same_rows,
              the_hash_of_a_table_does_not_depend_on_the_order_of_its_rows)
