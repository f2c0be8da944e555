/*
 * Documents into a database: order, counts, and that it is all or nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/tables.h"

/* Import tables of the plain form and compare {inserted, updated, unchanged} of the first. */
static void check_counts(const char *database, enum table_json_mode mode, const char *tables,
                         uint64_t inserted, uint64_t updated, uint64_t unchanged)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    CHECK_OK(tables_import_plain(database, mode, tables, &counts, e));
    ck_assert_uint_ge(counts.count, 1);
    ck_assert_uint_eq(counts.tables[0].inserted, inserted);
    ck_assert_uint_eq(counts.tables[0].updated, updated);
    ck_assert_uint_eq(counts.tables[0].unchanged, unchanged);
    ck_assert_uint_eq(counts.tables[0].rows, inserted + updated + unchanged);
}

TEST(upsert_counts_what_it_inserts_updates_and_leaves)
{
    static const char t[] = "\"t\":[{\"id\":1,\"a\":\"x\",\"j\":{\"k\":1}},{\"id\":2,\"a\":null,"
                            "\"j\":null},{\"id\":3,\"a\":\"z\",\"j\":[]}]";

    tables_make(
        "upsert",
        "CREATE TABLE t (id int PRIMARY KEY, a text, j json, other int DEFAULT 7);"
        "INSERT INTO t VALUES (1, 'x', '{\"k\":1}', 5), (2, 'y', NULL, 6), (9, NULL, NULL, 7)");
    check_counts("upsert", TABLE_JSON_UPSERT, t, 1, 1, 1);
    tables_check("upsert", "SELECT string_agg(t::text, ';' ORDER BY id) FROM t",
                 "(1,x,\"{\"\"k\"\":1}\",5);(2,,,6);(3,z,[],7);(9,,,7)");
    check_counts("upsert", TABLE_JSON_UPSERT, t, 0, 0, 3);
    tables_sql("upsert", "UPDATE t SET a = 'changed'");
    check_counts("upsert", TABLE_JSON_UPSERT, t, 0, 3, 0);
}
END

TEST(upsert_serves_keys_of_several_columns_and_of_all)
{
    tables_make("keys", "CREATE TABLE two (b int, x text, a text, PRIMARY KEY (a, b));"
                        "CREATE TABLE own (a int PRIMARY KEY);"
                        "INSERT INTO two VALUES (1, 'x', 'k'); INSERT INTO own VALUES (1)");
    check_counts("keys", TABLE_JSON_UPSERT,
                 "\"two\":[{\"a\":\"k\",\"x\":\"y\",\"b\":1},{\"a\":\"k\",\"x\":\"z\",\"b\":2}]", 1,
                 1, 0);
    tables_check("keys", "SELECT string_agg(t::text, ';' ORDER BY b) FROM two t",
                 "(1,y,k);(2,z,k)");
    check_counts("keys", TABLE_JSON_UPSERT, "\"own\":[{\"a\":1},{\"a\":2}]", 1, 0, 1);
    tables_refused("keys", TABLE_JSON_UPSERT, "\"own\":[{\"a\":1},{\"a\":1}]", ERR_CORRUPT,
                   "table own: row 2: a row before it has the same primary key");
    tables_refused("keys", TABLE_JSON_UPSERT, "\"two\":[{\"a\":\"k\",\"x\":\"y\"}]", ERR_CORRUPT,
                   "table two: row 1: column b of the primary key is missing");
}
END

TEST(upsert_refuses_a_table_without_primary_key)
{
    tables_make("nokey", "CREATE TABLE t (a int)");
    tables_refused("nokey", TABLE_JSON_UPSERT, "\"t\":[{\"a\":1}]", ERR_USAGE,
                   "table t: it has no primary key, by which rows could be updated");
    check_counts("nokey", TABLE_JSON_INSERT, "\"t\":[{\"a\":1}]", 1, 0, 0);
    check_counts("nokey", TABLE_JSON_REPLACE, "\"t\":[{\"a\":2},{\"a\":3}]", 2, 0, 0);
    tables_check("nokey", "SELECT string_agg(a::text, ',' ORDER BY a) FROM t", "2,3");
}
END

#define FAMILY                                                                            \
    "CREATE TABLE z_parent (id int PRIMARY KEY, boss int REFERENCES z_parent);"           \
    "CREATE TABLE a_child (id int PRIMARY KEY, parent int REFERENCES z_parent);"          \
    "CREATE TABLE b_left (id int PRIMARY KEY, r int);"                                    \
    "CREATE TABLE c_right (id int PRIMARY KEY, l int REFERENCES b_left);"                 \
    "ALTER TABLE b_left ADD CONSTRAINT to_right FOREIGN KEY (r) REFERENCES c_right;"      \
    "CREATE TABLE d_late (id int PRIMARY KEY, l int, FOREIGN KEY (l) REFERENCES a_child " \
    "DEFERRABLE);"

static const char family[] =
    "\"a_child\":[{\"id\":1,\"parent\":2}],\"b_left\":[{\"id\":1,\"r\":1},{\"id\":2,\"r\":2}],"
    "\"c_right\":[{\"id\":1,\"l\":2},{\"id\":2,\"l\":1}],\"d_late\":[{\"id\":5,\"l\":1}],"
    "\"z_parent\":[{\"id\":1,\"boss\":2},{\"id\":2,\"boss\":1},{\"id\":3,\"boss\":3}]";

TEST(foreign_keys_in_any_order_and_in_circles_are_satisfied)
{
    static const enum table_json_mode modes[] = {TABLE_JSON_INSERT, TABLE_JSON_UPSERT,
                                                 TABLE_JSON_REPLACE, TABLE_JSON_REPLACE};

    tables_make("circle", FAMILY);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        AUTO(table_json_counts) struct table_json_counts counts = {0};

        CHECK_OK(tables_import_plain("circle", modes[i], family, &counts, e));
        tables_check("circle", "SELECT string_agg(b::text, ';' ORDER BY id) FROM b_left b",
                     "(1,1);(2,2)");
        tables_check("circle", "SELECT string_agg(z::text, ';' ORDER BY id) FROM z_parent z",
                     "(1,2);(2,1);(3,3)");
        tables_check("circle", "SELECT count(*) FROM d_late JOIN a_child a ON l = a.id", "1");
    }
}
END

TEST(a_foreign_key_that_leads_nowhere_is_named)
{
    tables_make("orphan", FAMILY "INSERT INTO z_parent VALUES (8)");
    tables_refused("orphan", TABLE_JSON_INSERT,
                   "\"a_child\":[{\"id\":1,\"parent\":8},{\"id\":2,\"parent\":9},{\"id\":3,"
                   "\"parent\":10}],\"z_parent\":[{\"id\":10,\"boss\":null}]",
                   ERR_FATAL,
                   "table a_child: row 2: column parent: insert or update on table \"a_child\" "
                   "violates foreign key constraint \"a_child_parent_fkey\"");
    tables_refused("orphan", TABLE_JSON_INSERT,
                   "\"b_left\":[{\"id\":1,\"r\":1}],\"c_right\":[{\"id\":1,\"l\":1},{\"id\":2,"
                   "\"l\":3}]",
                   ERR_FATAL,
                   "table c_right: row 2: column l: insert or update on table \"c_right\" violates "
                   "foreign key constraint \"c_right_l_fkey\"");
    tables_refused("orphan", TABLE_JSON_UPSERT,
                   "\"d_late\":[{\"id\":1,\"l\":null},{\"id\":2,\"l\":3}]", ERR_FATAL,
                   "table d_late: row 2: column l: insert or update on table \"d_late\" violates "
                   "foreign key constraint \"d_late_l_fkey\"");
    tables_check("orphan",
                 "SELECT (SELECT count(*) FROM a_child) + (SELECT count(*) FROM b_left)"
                 " + (SELECT count(*) FROM z_parent)",
                 "1");
}
END

TEST(replace_empties_the_tables_of_the_document_alone)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    tables_make("replace",
                FAMILY "CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k VALUES (1), (2)");
    CHECK_OK(tables_import_plain("replace", TABLE_JSON_INSERT, family, &counts, e));
    check_counts("replace", TABLE_JSON_REPLACE, "\"k\":[]", 0, 0, 0);
    tables_check("replace", "SELECT count(*) FROM k", "0");
    tables_refused("replace", TABLE_JSON_REPLACE, "\"z_parent\":[],\"a_child\":[]", ERR_FATAL,
                   "empty the tables: cannot truncate a table referenced in a foreign key "
                   "constraint: Table \"d_late\" references \"a_child\"");
    tables_check("replace", "SELECT count(*) FROM z_parent", "3");
}
END

/* 5000 rows, the last of which is this. */
static void refused_at_end(const char *last, const char *sentence)
{
    AUTO(buf) struct buf tables = {0};

    buf_printf(&tables, "\"before\":[{\"a\":1}],\"t\":[");
    for (int i = 1; i < 5000; i++)
        buf_printf(&tables, "{\"id\":%d,\"a\":%d,\"b\":\"x\",\"d\":1},", i, i);
    buf_printf(&tables, "%s]", last);
    tables_refused("last", TABLE_JSON_INSERT, buf_string(&tables),
                   strstr(sentence, "fatal: ") == sentence ? ERR_FATAL : ERR_CORRUPT,
                   strchr(sentence, ' ') + 1);
    tables_check("last", "SELECT count(*) FROM t", "0");
    tables_check("last", "SELECT count(*) FROM before", "0");
}

TEST(a_failure_in_the_last_row_leaves_nothing_and_is_named)
{
    tables_make("last",
                "CREATE DOMAIN d AS int CHECK (VALUE < 5); CREATE TABLE before (a int);"
                "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL UNIQUE, b varchar(3),"
                " d d, CONSTRAINT positive CHECK (a > 0));"
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN IF new.b = ''bad'' THEN RAISE ''no bad''; END IF; RETURN new; END';"
                "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()");
    refused_at_end("{\"id\":1,\"a\":5000,\"b\":\"x\",\"d\":1}",
                   "fatal: table t: row 5000: column id: duplicate key value violates unique "
                   "constraint \"t_pkey\"");
    refused_at_end("{\"id\":5000,\"a\":null,\"b\":\"x\",\"d\":1}",
                   "fatal: table t: row 5000: column a: null value in column \"a\" of relation "
                   "\"t\" violates not-null constraint");
    refused_at_end("{\"id\":5000,\"a\":-1,\"b\":\"x\",\"d\":1}",
                   "fatal: table t: row 5000: column a: new row for relation \"t\" violates check "
                   "constraint \"positive\"");
    refused_at_end("{\"id\":5000,\"a\":5000,\"b\":\"long\",\"d\":1}",
                   "fatal: table t: row 5000: column b: value too long for type character "
                   "varying(3)");
    refused_at_end("{\"id\":5000,\"a\":\"five\",\"b\":\"x\",\"d\":1}",
                   "fatal: table t: row 5000: column a: invalid input syntax for type integer: "
                   "\"five\"");
    refused_at_end("{\"id\":5000,\"a\":5000,\"b\":\"x\",\"d\":5}",
                   "fatal: table t: row 5000: column d: value for domain d violates check "
                   "constraint \"d_check\"");
    refused_at_end("{\"id\":5000,\"a\":5000,\"b\":\"bad\",\"d\":1}",
                   "fatal: table t: row 5000: no bad");
    refused_at_end("{\"id\":5000,\"a\":5000,\"b\":\"x\"}",
                   "corrupt: table t: row 5000: column d is missing");
    refused_at_end("{\"id\":5000,\"a\":{},\"b\":\"x\",\"d\":1}",
                   "corrupt: table t: row 5000: column a: an object does not fit its type");
    refused_at_end("{\"id\":5000,\"a\":5000,\"b\":\"\\u0000\",\"d\":1}",
                   "corrupt: table t: row 5000: column b: a text holds the character U+0000, which "
                   "PostgreSQL has not");
    refused_at_end("{\"id\":5000,\"a\":1,\"a\":1,\"b\":\"x\",\"d\":1}",
                   "corrupt: table t: row 5000: column a stands there twice");
    refused_at_end("[]", "corrupt: table t: row 5000 is no object");
}
END

TEST(a_trigger_that_fails_behind_the_last_row_is_blamed_on_none)
{
    tables_make("behind", "CREATE TABLE t (a int);"
                          "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                          " 'BEGIN RAISE NOTICE ''never seen''; RAISE ''no %'', new.a; END';"
                          "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()");
    tables_refused("behind", TABLE_JSON_INSERT, "\"t\":[{\"a\":1},{\"a\":2}]", ERR_FATAL,
                   "table t: no 1");
}
END

TEST(unknown_tables_and_columns_are_errors_unless_ignored)
{
    static const char document[] =
        "{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00Z\",\"tables\":{\"gone\":[{\"a\":"
        "[{}]}],\"t\":[{\"id\":1,\"gone\":{\"x\":[1]},\"a\":2}]},\"more\":[1,{}]}";
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    tables_make("unknown", "CREATE TABLE t (id int PRIMARY KEY, a int)");
    tables_refused("unknown", TABLE_JSON_INSERT, "\"gone\":[{\"a\":1}]", ERR_NOT_FOUND,
                   "the database has no table gone");
    tables_refused("unknown", TABLE_JSON_INSERT, "\"t\":[{\"id\":1,\"gone\":1}]", ERR_NOT_FOUND,
                   "table t: row 1: the table has no column gone");
    tables_refused("unknown", TABLE_JSON_INSERT, "\"pg_catalog.pg_class\":[]", ERR_NOT_FOUND,
                   "the database has no table pg_catalog.pg_class");
    tables_refused("unknown", TABLE_JSON_INSERT, "\"t\":[{\"id\":1}],\"public.t\":[{\"id\":2}]",
                   ERR_CORRUPT, "table t: it stands there twice");
    tables_refused("unknown", TABLE_JSON_INSERT, "\"t\":[{\"id\":1},{\"id\":2,\"a\":1}]",
                   ERR_CORRUPT, "table t: row 2: it has a column a, others have not");
    CHECK_OK(tables_import_with("unknown",
                                (struct table_json_import_options){.ignores_unknown = true},
                                slice_string(document), &counts, e));
    tables_check("unknown", "SELECT t::text FROM t", "(1,2)");
    ck_assert_uint_eq(counts.count, 1);
}
END

TEST(picks_give_tables_the_names_that_an_application_uses)
{
    static const struct table_json_pick picks[] = {{"User", "users"}, {"audit_logs", "auditLogs"}};
    static const struct table_json_pick same[] = {{"User", "u"}, {"audit_logs", "u"}};
    static const struct table_json_pick none[] = {{"users", NULL}};
    AUTO(buf) struct buf document = {0};
    AUTO(buf) struct buf nowhere = {0};
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    struct table_json_totals totals;

    tables_make("picks",
                "CREATE TABLE audit_logs (id text PRIMARY KEY); CREATE TABLE other (a int);"
                "CREATE TABLE \"User\" (id text PRIMARY KEY, n int);"
                "INSERT INTO \"User\" VALUES ('u', 1); INSERT INTO audit_logs VALUES ('l')");

    const struct table_json_export_options o = {.database = {.dsn = tables_dsn("picks")},
                                                .form = TABLE_JSON_PLAIN,
                                                .picks = picks,
                                                .pick_count = 2,
                                                .write = tables_write,
                                                .arg = &document};
    struct table_json_export_options twice = o;
    struct table_json_export_options gone = o;

    twice.arg = gone.arg = &nowhere;
    twice.picks = same;
    gone.picks = none;
    gone.pick_count = 1;
    CHECK_OK(table_json_export(&o, &totals, e));
    CHECK(totals.tables == 2 && totals.rows == 2);
    CHECK_ERR(table_json_export(&twice, &totals, e), ERR_USAGE);
    CHECK_ERR(table_json_export(&gone, &totals, e), ERR_NOT_FOUND);
    ck_assert_str_eq(
        strstr(buf_string(&document), "\"tables\""),
        "\"tables\":{\"users\":[{\"id\":\"u\",\"n\":1}],\"auditLogs\":[{\"id\":\"l\"}]}}");
    tables_sql("picks", "UPDATE \"User\" SET n = 2");
    CHECK_OK(tables_import_with("picks",
                                (struct table_json_import_options){.picks = picks, .pick_count = 2},
                                buf_slice(&document), &counts, e));
    ck_assert_str_eq(counts.tables[0].name, "users");
    CHECK(counts.tables[0].updated == 1 && counts.tables[1].unchanged == 1);
    CHECK_ERR(tables_import_with(
                  "picks", (struct table_json_import_options){.picks = picks, .pick_count = 1},
                  buf_slice(&document), &counts, e),
              ERR_NOT_FOUND);
}
END

TEST(sequences_go_behind_the_largest_value_and_never_back)
{
    tables_make("sequences",
                "CREATE TABLE t (id serial PRIMARY KEY, a int GENERATED ALWAYS AS IDENTITY,"
                " b bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1),"
                " c int GENERATED ALWAYS AS (id + 1) STORED)");
    check_counts(
        "sequences", TABLE_JSON_INSERT,
        "\"t\":[{\"id\":70,\"a\":5,\"b\":-9,\"c\":71},{\"id\":3,\"a\":50,\"b\":-1,\"c\":0}]", 2, 0,
        0);
    tables_sql("sequences", "INSERT INTO t DEFAULT VALUES");
    tables_check("sequences", "SELECT t::text FROM t ORDER BY id DESC LIMIT 1", "(71,51,-10,72)");
    check_counts("sequences", TABLE_JSON_REPLACE, "\"t\":[{\"id\":1,\"a\":1,\"b\":-1}]", 1, 0, 0);
    tables_sql("sequences", "INSERT INTO t DEFAULT VALUES");
    tables_check("sequences", "SELECT t::text FROM t ORDER BY id DESC LIMIT 1", "(72,52,-11,73)");
    check_counts("sequences", TABLE_JSON_UPSERT, "\"t\":[{\"id\":72,\"a\":52,\"b\":-7}]", 0, 1, 0);
}
END

TEST(triggers_run_unless_skipped_and_stay_as_they_were)
{
    static const char states[] =
        "SELECT string_agg(tgenabled::text, '' ORDER BY tgname) FROM pg_trigger"
        " WHERE NOT tgisinternal";
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    tables_make("triggers",
                "CREATE TABLE log (n int); CREATE TABLE t (id int PRIMARY KEY REFERENCES t);"
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN INSERT INTO log VALUES (new.id); RETURN new; END';"
                "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
                "CREATE TRIGGER b AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
                "CREATE TRIGGER c AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
                "CREATE TRIGGER d AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
                "ALTER TABLE t ENABLE ALWAYS TRIGGER b; ALTER TABLE t DISABLE TRIGGER c;"
                "ALTER TABLE t ENABLE REPLICA TRIGGER d");
    check_counts("triggers", TABLE_JSON_INSERT, "\"t\":[{\"id\":1}]", 1, 0, 0);
    tables_check("triggers", "SELECT count(*) FROM log", "2");
    CHECK_OK(tables_import_with(
        "triggers",
        (struct table_json_import_options){.mode = TABLE_JSON_REPLACE, .skips_triggers = true},
        slice_string("{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00Z\","
                     "\"tables\":{\"t\":[{\"id\":2}]}}"),
        &counts, e));
    tables_check("triggers", "SELECT count(*) FROM log", "2");
    tables_check("triggers", states, "OADR");
}
END

TEST(partitions_and_children_are_exported_once)
{
    AUTO(buf) struct buf document = {0};
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(table_json_counts) struct table_json_counts again = {0};

    tables_make("parts",
                "CREATE TABLE p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"
                "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');"
                "CREATE TABLE p2 PARTITION OF p DEFAULT;"
                "CREATE TABLE old (a int PRIMARY KEY); CREATE TABLE new (b int, PRIMARY KEY (a)) "
                "INHERITS (old);"
                "INSERT INTO p VALUES (1, '2026-05-05'), (2, '2020-01-01');"
                "INSERT INTO old VALUES (1); INSERT INTO new VALUES (2, 3)");
    tables_export("parts", TABLE_JSON_TYPED, &document);
    CHECK(strstr(buf_string(&document), "\"p1\"") == NULL);
    CHECK_OK(tables_import("parts", TABLE_JSON_REPLACE, buf_slice(&document), &counts, e));
    tables_check("parts",
                 "SELECT (SELECT count(*) FROM p1) || ',' || (SELECT count(*) FROM p) || ','"
                 " || (SELECT count(*) FROM ONLY old) || ',' || (SELECT count(*) FROM new)",
                 "1,2,1,1");
    tables_sql("parts", "UPDATE p SET at = at + 0");
    CHECK_OK(tables_import("parts", TABLE_JSON_UPSERT, buf_slice(&document), &again, e));
    ck_assert_uint_eq(again.tables[2].unchanged, 2);
}
END

TEST(a_role_without_rights_is_denied_and_one_under_a_policy_sees_nothing_less)
{
    AUTO(buf) struct buf document = {0};
    AUTO(buf) struct buf dsn = {0};
    struct table_json_totals totals;

    tables_make("rights", "CREATE TABLE t (a int PRIMARY KEY); CREATE ROLE poor LOGIN;"
                          "ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
                          "CREATE POLICY few ON t USING (a > 1); INSERT INTO t VALUES (1), (2)");
    buf_printf(&dsn, "host=%s user=poor dbname=rights", postgres_server_host(tables_server));

    const struct table_json_export_options o = {
        .database = {.dsn = buf_string(&dsn)}, .write = tables_write, .arg = &document};

    CHECK_ERR(table_json_export(&o, &totals, e), ERR_DENIED);
    tables_sql("rights", "GRANT SELECT ON t TO poor");
    CHECK_ERR(table_json_export(&o, &totals, e), ERR_DENIED);
    tables_sql("rights", "ALTER TABLE t DISABLE ROW LEVEL SECURITY");
    CHECK_OK(table_json_export(&o, &totals, e));
}
END

/* Owners of nothing but the rights to read and write need no more. */
TEST(a_role_that_may_only_write_imports_circles)
{
    AUTO(buf) struct buf dsn = {0};
    AUTO(buf) struct buf document = {0};
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    struct slice left;

    tables_make("writer",
                FAMILY "CREATE ROLE clerk LOGIN;"
                       "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO clerk");
    buf_printf(&dsn, "host=%s user=clerk dbname=writer", postgres_server_host(tables_server));
    buf_printf(&document,
               "{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00Z\",\"tables\":{%s}}",
               family);
    left = buf_slice(&document);

    const struct table_json_import_options o = {
        .database = {.dsn = buf_string(&dsn)}, .read = json_read_slice, .arg = &left};

    CHECK_OK(table_json_import(&o, &counts, e));
    tables_check("writer", "SELECT count(*) FROM c_right", "2");
}
END

/* What rows were left out: "table key;". */
static void note_failure(void *arg, const struct table_json_failure *f)
{
    buf_printf(arg, "%s %s;", f->table, f->key);
    ck_assert_str_ne(f->why->text, "");
}

static const char late[] =
    "{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00.123Z\",\"tables\":{"
    "\"d_late\":[{\"id\":1,\"l\":1},{\"id\":2,\"l\":9}],"
    "\"a_child\":[{\"id\":1,\"parent\":1},{\"id\":2,\"parent\":7},{\"id\":3,\"parent\":8},"
    "{\"id\":4,\"parent\":null}],\"z_parent\":[{\"id\":1,\"boss\":null}]}}";

TEST(rows_that_are_refused_can_be_left_out_each_with_its_key)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(buf) struct buf failed = {0};
    const struct table_json_import_options o = {
        .skips_failures = true, .failed = note_failure, .call_arg = &failed};

    tables_make("skip", FAMILY);
    CHECK_OK(tables_import_with("skip", o, slice_string(late), &counts, e));
    ck_assert_str_eq(buf_string(&failed), "a_child 2;a_child 3;d_late 2;");
    tables_check("skip", "SELECT string_agg(id::text, ',' ORDER BY id) FROM a_child", "1,4");
    tables_check("skip", "SELECT string_agg(id::text, ',' ORDER BY id) FROM d_late", "1");
    ck_assert_uint_eq(counts.tables[1].rows, 4);
    ck_assert_uint_eq(counts.tables[1].inserted, 2);
    ck_assert_uint_eq(counts.tables[1].failed, 2);
    ck_assert_uint_eq(counts.tables[1].unchanged, 0);
}
END

/* A role that may not write is no matter of single rows. */
TEST(leaving_rows_out_hides_no_failure_of_another_kind)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(buf) struct buf dsn = {0};
    struct slice left = slice_string(late);

    tables_make("skipdenied", FAMILY "CREATE ROLE reader LOGIN; GRANT SELECT ON a_child TO reader");
    buf_printf(&dsn, "host=%s user=reader dbname=skipdenied", postgres_server_host(tables_server));

    const struct table_json_import_options o = {.database = {.dsn = buf_string(&dsn)},
                                                .skips_failures = true,
                                                .read = json_read_slice,
                                                .arg = &left};

    CHECK_ERR(table_json_import(&o, &counts, e), ERR_DENIED);
}
END

TEST(a_dry_run_counts_and_writes_nothing)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    const struct table_json_import_options o = {.is_dry_run = true};

    tables_make("dry", FAMILY "INSERT INTO a_child VALUES (2), (3)");
    CHECK_OK(tables_import_with("dry", o, slice_string(late), &counts, e));
    ck_assert_uint_eq(counts.tables[1].inserted, 2);
    ck_assert_uint_eq(counts.tables[1].updated, 2);
    tables_check("dry", "SELECT count(*) FROM z_parent", "0");
}
END

static bool refuse_end(void *arg, struct postgres_link *l, const struct table_json_counts *c,
                       struct err *e)
{
    (void)arg;
    (void)l;
    return c->count == 0 || err_set(e, ERR_FATAL, "the end fails");
}

TEST(what_belongs_behind_the_rows_undoes_them_when_it_fails)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    const struct table_json_import_options o = {.at_end = refuse_end};
    static const char one[] = "{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00Z\","
                              "\"tables\":{\"t\":[{\"a\":1}]}}";

    tables_make("atend", "CREATE TABLE t (a int PRIMARY KEY)");
    CHECK_ERR(tables_import_with("atend", o, slice_string(one), &counts, e), ERR_FATAL);
    tables_check("atend", "SELECT count(*) FROM t", "0");
}
END

TESTS_BETWEEN(
    "table_import", tables_begin, tables_end, upsert_counts_what_it_inserts_updates_and_leaves,
    upsert_serves_keys_of_several_columns_and_of_all, upsert_refuses_a_table_without_primary_key,
    foreign_keys_in_any_order_and_in_circles_are_satisfied,
    a_foreign_key_that_leads_nowhere_is_named, replace_empties_the_tables_of_the_document_alone,
    a_failure_in_the_last_row_leaves_nothing_and_is_named,
    a_trigger_that_fails_behind_the_last_row_is_blamed_on_none,
    unknown_tables_and_columns_are_errors_unless_ignored,
    picks_give_tables_the_names_that_an_application_uses,
    sequences_go_behind_the_largest_value_and_never_back,
    triggers_run_unless_skipped_and_stay_as_they_were, partitions_and_children_are_exported_once,
    a_role_without_rights_is_denied_and_one_under_a_policy_sees_nothing_less,
    a_role_that_may_only_write_imports_circles,
    rows_that_are_refused_can_be_left_out_each_with_its_key,
    leaving_rows_out_hides_no_failure_of_another_kind, a_dry_run_counts_and_writes_nothing,
    what_belongs_behind_the_rows_undoes_them_when_it_fails)
