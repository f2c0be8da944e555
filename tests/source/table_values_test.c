/*
 * Every value of every type arrives as it was.
 */
#include <string.h>

#include "base/mem.h"
#include "source/tables.h"

#define TYPES                                                                                     \
    "CREATE TYPE mood AS ENUM ('happy', 'so-so \"quoted\"', 'null');"                             \
    "CREATE DOMAIN small AS int CHECK (VALUE < 100);"                                             \
    "CREATE DOMAIN smaller AS small CHECK (VALUE < 50);"                                          \
    "CREATE DOMAIN doc AS jsonb;"                                                                 \
    "CREATE TYPE pair AS (a int, b text);"                                                        \
    "CREATE TABLE v (id int PRIMARY KEY, i2 int2, i4 int4, i8 int8, n numeric, n2 numeric(20,5)," \
    " f4 float4, f8 float8, b bool, t text, c char(5), vc varchar(7), by bytea, tz timestamptz,"  \
    " ts timestamp, d date, ti time, tiz timetz, iv interval, ia int[], ta text[], jb jsonb,"     \
    " j json, u uuid, e mood, sm smaller, dj doc, p pair, pa pair[], r int4range,"                \
    " tr tstzrange[], mr int4multirange, inet inet, ci cidr, mac macaddr, bits bit(5),"           \
    " vb varbit, m money, x xml, pt point, ba bytea[], ja jsonb[], ea mood[], tza timestamptz[]," \
    " tv tsvector, oi oid, rc regclass, q \"char\", na numeric[], bo bool[])"

static const char *const rows[] = {
    "(id) VALUES (1)",
    "(id, i2, i4, i8, n, n2) VALUES (2, -32768, -2147483648, -9223372036854775808,"
    " '-123456789012345678901234567890.12345678901234567890', 1.5),"
    " (3, 32767, 2147483647, 9223372036854775807, 'NaN', 99999.99999),"
    " (4, 0, 0, 9007199254740993, 'Infinity', 0), (5, 0, 0, -9007199254740992, 1e-20, -0.00001),"
    " (6, 0, 0, 9007199254740992, '-Infinity', 1), (7, 1, 1, 1, 100.0000, 2)",
    "(id, f4, f8) VALUES (10, 'NaN', 'Infinity'), (11, '-Infinity', '-0'), (12, 0.1, 0.1),"
    " (13, 1e-37, 2.2250738585072014e-308), (14, 3.4028235e38, 1.7976931348623157e308),"
    " (15, 16777217, 5e-324), (16, 1e20, 1e21)",
    "(id, b, t, c, vc) VALUES (20, true, 'null', 'ab', 'NULL'), (21, false, '', '', ''),"
    " (22, NULL, E'\\\\N', '  a', E'a\\tb'), (23, true, E'tab\\tnew\\nret\\rback\\\\ \"q\" "
    "\\x01\\x1f\\x7f', 'x', E'\\\\.'),"
    " (24, true, U&'\\00e9\\4e2d\\+01F600\\2028\\FFFF\\FEFF', U&'\\00e9', U&'\\+01F600'), (25, "
    "true, repeat('x', 100000), '', '')",
    "(id, by, ba) VALUES (30, '', '{}'), (31, '\\x00ff0a5c', ARRAY['\\x00'::bytea, NULL, '\\xff']),"
    " (32, decode(repeat('00ff10', 5000), 'hex'), NULL), (33, '\\x00', NULL), (34, '\\x0001', "
    "NULL)",
    "(id, tz, ts, d) VALUES (40, '2026-11-21 08:45:00.123456+05:30', '2026-11-21 08:45:00.123456', "
    "'2026-11-21'),"
    " (41, 'infinity', 'infinity', 'infinity'), (42, '-infinity', '-infinity', '-infinity'),"
    " (43, '0044-03-15 12:00:00+00 BC', '0044-03-15 12:00:00.5 BC', '0044-03-15 BC'),"
    " (44, '12026-11-21 08:45:00.1+00', '12026-11-21 08:45:00', '12026-11-21'),"
    " (45, '2026-11-21 08:45:00.12Z', '2026-11-21 08:45:00.001', '0001-01-01'),"
    " (46, '1800-01-01 00:00:00+00', '294276-12-31 23:59:59.999999', '5874897-12-31')",
    "(id, ti, tiz, iv) VALUES (50, '24:00:00', '08:45:00.000001+05:30', '1 year -2 mons 3 days "
    "-04:05:06.789'),"
    " (51, '00:00', '23:59:59-12', '-0.000001 seconds'), (52, '08:00', '08:00+00', '178000000 "
    "years'), (53, '08:00', '08:00+00', '0')",
    "(id, ia, ta, tza, ea, na, bo) VALUES (60, '{}', '{}', '{}', '{}', '{}', '{}'), (61, "
    "'{{1,2},{3,NULL}}', ARRAY['null', NULL, 'NULL', '', 'a,b', '{', '}', '\"', E'\\\\', "
    "E'x\\ty\\nz', ' '],"
    " '{infinity,2026-11-21 08:45:00.5+00}', '{null,\"so-so \\\"quoted\\\"\",NULL}', "
    "'{1.50,NaN,123456789012345678901234567890}', '{t,f,NULL}'), (62, '[2:3]={5,6}', '{{a},{b}}', "
    "NULL, NULL, NULL, NULL)",
    "(id, jb, j, dj, ja) VALUES (70, 'null', 'null', 'null', ARRAY['null'::jsonb, NULL, "
    "'{\"a\":[1]}']),"
    " (71, '123456789012345678901234567890.10', '{\"b\" : 1,\t\"b\":2, \"a\":1.0e+5 }', '{}', "
    "'{}'),"
    " (72, '\"null\"', '\"\\u00e9\\ud83d\\ude00\"', '[]', NULL), (73, "
    "'[1,[2,{\"x\":\"\\\\\\\"\"}]]', '\"\\u0000 \\ud800\"', '\"x\"', NULL),"
    " (74, NULL, NULL, NULL, NULL), (75, 'false', '1e400', '1.10', NULL), (76, '\"\"', "
    "E'[1,\\n2]', '0', NULL)",
    "(id, u, e, sm, p, pa, r, tr, mr) VALUES (80, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'so-so "
    "\"quoted\"', 49, '(1,\"a,\"\"b\\\\\")', ARRAY['(1,x)'::pair, NULL, '(,)'], '[1,5)', "
    "ARRAY['[2026-01-01 00:00+00,)'::tstzrange], '{[1,3),[5,7)}'),"
    " (81, NULL, 'null', -1, '(,)', '{}', 'empty', '{}', '{}')",
    "(id, inet, ci, mac, bits, vb, m, x, pt, tv, oi, rc, q) VALUES (90, '192.168.1.5/24', "
    "'10.0.0.0/8', '08:00:2b:01:02:03', B'10101', B'1', '-1234.56', '<a b=\"c\">&amp;</a>', "
    "'(1.5,-2)', 'a:1 b:2A ''c d'':3', 4294967295, 'v', 'z'),"
    " (91, '::1', '2001:db8::/32', NULL, B'00000', B'', '0', 'text only', '(0,0)', '', 0, '-', '')",
};

static void make_source(const char *database)
{
    tables_make(database, TYPES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf sql = {0};

        buf_printf(&sql, "INSERT INTO v %s", rows[i]);
        tables_sql(database, buf_string(&sql));
    }
}

TEST(typed_values_of_every_type_arrive)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(buf) struct buf document = {0};

    make_source("typed_a");
    tables_make("typed_b", TYPES);
    tables_export("typed_a", TABLE_JSON_TYPED, &document);
    CHECK_OK(tables_import("typed_b", TABLE_JSON_INSERT, buf_slice(&document), &counts, e));
    tables_same("typed_a", "typed_b", "SELECT * FROM v");
    tables_check("typed_b", "SELECT count(*) FROM v WHERE j IS NULL AND id > 69 AND id < 80", "1");
    ck_assert_uint_eq(counts.count, 1);
    ck_assert_uint_eq(counts.tables[0].inserted, counts.tables[0].rows);
}
END

TEST(an_export_of_a_copy_is_the_same_document)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(buf) struct buf first = {0};
    AUTO(buf) struct buf second = {0};
    const size_t head = strlen("{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00.123Z\"");

    make_source("twice_a");
    tables_make("twice_b", TYPES);
    tables_export("twice_a", TABLE_JSON_TYPED, &first);
    CHECK_OK(tables_import("twice_b", TABLE_JSON_INSERT, buf_slice(&first), &counts, e));
    tables_export("twice_b", TABLE_JSON_TYPED, &second);
    ck_assert_uint_eq(first.size, second.size);
    CHECK(memcmp(first.data + head, second.data + head, first.size - head) == 0);
}
END

/* All but null of JSON, bounds of arrays and -0 in jsonb, which the plain form cannot say. */
TEST(plain_values_arrive_but_for_what_the_form_cannot_say)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(buf) struct buf document = {0};

    make_source("plain_a");
    tables_sql("plain_a", "DELETE FROM v WHERE id IN (62, 70)");
    tables_make("plain_b", TYPES);
    tables_export("plain_a", TABLE_JSON_PLAIN, &document);
    CHECK_OK(tables_import("plain_b", TABLE_JSON_INSERT, buf_slice(&document), &counts, e));
    tables_same("plain_a", "plain_b", "SELECT * FROM v");
}
END

TEST(the_plain_form_is_what_applications_write)
{
    AUTO(buf) struct buf document = {0};

    tables_make("shape",
                "CREATE TABLE \"User\" (id text PRIMARY KEY, \"createdAt\" timestamp(3), n int,"
                " f float8, tags text[], extra jsonb, big int8, dec numeric, raw bytea, off bool,"
                " doubled int GENERATED ALWAYS AS (n * 2) STORED);"
                "INSERT INTO \"User\" VALUES ('c1', '2025-11-21 10:28:30.8', 3, 1.5, '{a,NULL}',"
                " '{\"k\": [1, null]}', 9007199254740993, 1.10, '\\x00ff', false),"
                " ('c2', NULL, NULL, NULL, NULL, NULL, 5, NULL, NULL, NULL)");
    tables_export("shape", TABLE_JSON_PLAIN, &document);
    ck_assert_str_eq(
        strstr(buf_string(&document), "\"tables\""),
        "\"tables\":{\"User\":[{\"id\":\"c1\",\"createdAt\":\"2025-11-21T10:28:30.800Z\",\"n\":3,"
        "\"f\":1.5,\"tags\":[\"a\",null],\"extra\":{\"k\": [1, null]},"
        "\"big\":\"9007199254740993\",\"dec\":\"1.10\",\"raw\":\"AP8=\",\"off\":false},"
        "{\"id\":\"c2\",\"createdAt\":null,\"n\":null,\"f\":null,\"tags\":null,\"extra\":null,"
        "\"big\":5,\"dec\":null,\"raw\":null,\"off\":null}]}}");
    CHECK(strncmp(buf_string(&document), "{\"version\":\"1.0\",\"timestamp\":\"20", 32) == 0);
}
END

TEST(the_typed_form_names_columns_and_types)
{
    AUTO(buf) struct buf document = {0};

    tables_make("typed_shape",
                "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, at timestamptz, big int8,"
                " j jsonb, d numeric(5,2));"
                "INSERT INTO s.t VALUES (1, '2026-11-21 08:45:00.123456Z', 7, 'null', 1.5), (2, "
                "NULL, NULL, NULL, NULL)");
    tables_export("typed_shape", TABLE_JSON_TYPED, &document);
    ck_assert_str_eq(
        strstr(buf_string(&document), "\"tables\""),
        "\"tables\":{\"s.t\":{\"columns\":[{\"name\":\"id\",\"type\":\"integer\"},"
        "{\"name\":\"at\",\"type\":\"timestamp with time zone\"},{\"name\":\"big\",\"type\":"
        "\"bigint\"},{\"name\":\"j\",\"type\":\"jsonb\"},{\"name\":\"d\",\"type\":\"numeric(5,2)\"}"
        "],"
        "\"rows\":[{\"id\":1,\"at\":\"2026-11-21T08:45:00.123456+00:00\",\"big\":\"7\",\"j\":null,"
        "\"d\":\"1.50\"},{\"id\":2,\"at\":null,\"big\":null,\"d\":null}]}}}");
}
END

TEST(tables_without_rows_and_texts_without_bytes_arrive)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(buf) struct buf document = {0};

    tables_make("empty", "CREATE TABLE a (t text); CREATE TABLE b (t bytea, j json);"
                         "CREATE TABLE c (); INSERT INTO a VALUES ('')");
    tables_export("empty", TABLE_JSON_PLAIN, &document);
    ck_assert_str_eq(strstr(buf_string(&document), "\"tables\""),
                     "\"tables\":{\"a\":[{\"t\":\"\"}],\"b\":[],\"c\":[]}}");
    CHECK_OK(tables_import("empty", TABLE_JSON_REPLACE, buf_slice(&document), &counts, e));
    tables_check("empty", "SELECT count(*) FROM a WHERE t = ''", "1");
    ck_assert_uint_eq(counts.count, 3);
}
END

TEST(hostile_names_arrive)
{
    static const char sql[] =
        "CREATE SCHEMA \"a.b\"; CREATE SCHEMA \"x\"\"; DROP TABLE t; --\";"
        "CREATE TABLE \"a.b\".\"c.d\" (\"row\" int PRIMARY KEY, \"n\" int, \"'; --\" text);"
        "CREATE TABLE \"c.d\" (\"c0\" int PRIMARY KEY, \"%s%n\" int, \"\\\" text, \"$1\" int);"
        "CREATE TABLE \"x\"\"; DROP TABLE t; --\".\"select\" (\"a\"\"b\" int PRIMARY KEY, \"\t\" "
        "int);"
        "CREATE TABLE \"\xc3\xa9\xf0\x9f\x98\x80\" (\"\xe4\xb8\xad\" int PRIMARY KEY);"
        "CREATE TABLE nothing (); CREATE TABLE \"public.t\" (a int PRIMARY KEY);"
        "CREATE TABLE t (a int PRIMARY KEY)";
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(buf) struct buf document = {0};

    tables_make("names_a", sql);
    tables_make("names_b", sql);
    tables_sql("names_a",
               "INSERT INTO \"a.b\".\"c.d\" VALUES (1, 2, 'x');"
               "INSERT INTO \"c.d\" VALUES (3, 4, 'y', 5);"
               "INSERT INTO \"x\"\"; DROP TABLE t; --\".\"select\" VALUES (6, 7);"
               "INSERT INTO \"\xc3\xa9\xf0\x9f\x98\x80\" VALUES (8); INSERT INTO t VALUES (9);"
               "INSERT INTO \"public.t\" VALUES (10); INSERT INTO nothing DEFAULT VALUES");
    tables_export("names_a", TABLE_JSON_TYPED, &document);
    CHECK_OK(tables_import("names_b", TABLE_JSON_INSERT, buf_slice(&document), &counts, e));
    ck_assert_uint_eq(counts.count, 7);
    tables_same("names_a", "names_b", "SELECT * FROM \"a.b\".\"c.d\"");
    tables_same("names_a", "names_b", "SELECT * FROM \"c.d\"");
    tables_same("names_a", "names_b", "SELECT * FROM \"x\"\"; DROP TABLE t; --\".\"select\"");
    tables_same("names_a", "names_b", "SELECT * FROM \"\xc3\xa9\xf0\x9f\x98\x80\"");
    tables_same("names_a", "names_b", "SELECT * FROM \"public.t\" UNION ALL SELECT a FROM t");
    tables_check("names_b", "SELECT count(*) FROM nothing", "1");
}
END

TEST(text_that_is_not_utf8_is_an_error_with_its_place)
{
    AUTO(buf) struct buf document = {0};
    const struct table_json_export_options o = {
        .database = {.dsn = tables_dsn("bytes")}, .write = tables_write, .arg = &document};
    struct table_json_totals totals;
    struct err e = {0};

    tables_sql("postgres", "CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0");
    tables_sql("bytes", "SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (id int, a text);"
                        "INSERT INTO t VALUES (1, 'x'), (2, E'\\xff')");
    CHECK(!table_json_export(&o, &totals, &e));
    CHECK(strstr(e.text, "export tables: table t: ") == e.text);
    CHECK(strstr(e.text, "row 2: column a: a value is not UTF-8") != NULL ||
          strstr(e.text, "invalid byte sequence") != NULL);
}
END

TEST(json_deeper_than_a_reader_takes_is_an_error_with_its_place)
{
    AUTO(buf) struct buf document = {0};
    const struct table_json_export_options o = {
        .database = {.dsn = tables_dsn("deep")}, .write = tables_write, .arg = &document};
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    struct table_json_totals totals;
    struct err why = {0};

    tables_make("deep", "CREATE TABLE t (id int PRIMARY KEY, j json);"
                        "INSERT INTO t VALUES (1, (repeat('[', 1016) || repeat(']', 1016))::json)");
    CHECK_OK(table_json_export(&o, &totals, e));
    CHECK_OK(tables_import("deep", TABLE_JSON_REPLACE, buf_slice(&document), &counts, e));
    tables_check("deep", "SELECT length(j::text) FROM t", "2032");
    tables_sql("deep", "INSERT INTO t VALUES (2, (repeat('[', 1017) || repeat(']', 1017))::json)");
    CHECK(!table_json_export(&o, &totals, &why));
    ck_assert_str_eq(why.text, "export tables: table t: row 2: column j: "
                               "the JSON in it is deeper than 1016 levels");
}
END

TESTS_BETWEEN("table_values", tables_begin, tables_end, typed_values_of_every_type_arrive,
              an_export_of_a_copy_is_the_same_document,
              plain_values_arrive_but_for_what_the_form_cannot_say,
              the_plain_form_is_what_applications_write, the_typed_form_names_columns_and_types,
              tables_without_rows_and_texts_without_bytes_arrive, hostile_names_arrive,
              text_that_is_not_utf8_is_an_error_with_its_place,
              json_deeper_than_a_reader_takes_is_an_error_with_its_place)
