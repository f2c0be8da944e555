/* Single tables and schemas of a backup, in a database that is in use. */
#define TEST_SECONDS 120

#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "source/postgres_archive.h"
#include "source/postgres_stored.h"

static bool restore_part(const struct backup *b, const char *database,
                         const struct postgres_part *part, struct err *e)
{
    struct stored s = {.backup = b};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_restore_options to = restore_to(database);
    struct postgres_restore_report r;

    return postgres_restore_part(&to, &files, part, &r, e);
}

static bool restore_table(const struct backup *b, const char *database, enum postgres_part_way way,
                          struct postgres_table_name name, struct err *e)
{
    const struct postgres_part part = {.way = way, .tables = &name, .table_count = 1};

    return restore_part(b, database, &part, e);
}

#define TABLE(schema, name) ((struct postgres_table_name){(schema), (name)})

/* Make a database and back it up. */
static void take(struct backup *b, const char *database, const char *sql)
{
    database_new(database, sql);

    const struct postgres_options o = options_of(database);

    backup_take(b, &o);
}

static void check_value(const char *database, const char *sql, const char *wanted)
{
    AUTO(mem) char *found = postgres_server_value(server, database, sql);

    ck_assert_msg(found != NULL && strcmp(found, wanted) == 0, "%s: \"%s\" instead of \"%s\"", sql,
                  found == NULL ? "(nothing)" : found, wanted);
}

/* wanted is what dump_of() said. */
static void check_same_dump(const char *database, struct buf *wanted)
{
    AUTO(buf) struct buf found = {0};

    dump_of(database, &found);
    check_same_lines(buf_slice(wanted), buf_slice(&found));
}

/* A table with all that can belong to one, and others that look like it. */
static const char rich[] =
    "CREATE SCHEMA s; CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN"
    " NULL; END'; CREATE TABLE s.other (i int PRIMARY KEY);"
    "CREATE TABLE s.\"t a\" (id serial PRIMARY KEY, g int GENERATED ALWAYS AS IDENTITY,"
    " a text DEFAULT 'x' CONSTRAINT cc CHECK (a <> ''), o int REFERENCES s.other DEFERRABLE"
    " INITIALLY DEFERRED, z text GENERATED ALWAYS AS (a || '!') STORED, UNIQUE (a, g));"
    "COMMENT ON CONSTRAINT cc ON s.\"t a\" IS 'c'; COMMENT ON COLUMN s.\"t a\".a IS 'col';"
    "COMMENT ON TABLE s.\"t a\" IS 'it''s'; CREATE INDEX ON s.\"t a\" (a) WHERE g > 2;"
    "COMMENT ON INDEX s.\"t a_a_idx\" IS 'i'; CREATE TRIGGER \"tr g\" BEFORE INSERT ON s.\"t a\""
    " FOR EACH ROW EXECUTE FUNCTION s.f(); COMMENT ON TRIGGER \"tr g\" ON s.\"t a\" IS 't';"
    "CREATE RULE r AS ON DELETE TO s.\"t a\" DO NOTHING; CREATE POLICY p ON s.\"t a\" USING (true);"
    "ALTER TABLE s.\"t a\" ENABLE ROW LEVEL SECURITY; CREATE STATISTICS s.st ON id, a FROM"
    " s.\"t a\"; GRANT SELECT ON s.\"t a\" TO pg_monitor; GRANT UPDATE (a) ON s.\"t a\" TO"
    " pg_monitor; GRANT USAGE ON SEQUENCE s.\"t a_id_seq\" TO pg_monitor;"
    "ALTER TABLE s.\"t a\" CLUSTER ON \"t a_a_g_key\"; ALTER TABLE s.\"t a\" DISABLE TRIGGER"
    " \"tr g\"; INSERT INTO s.other SELECT generate_series(1, 9);"
    "INSERT INTO s.\"t a\" (a, o) SELECT 'v' || i, i % 9 + 1 FROM generate_series(1, 500) i;"
    "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE s.\"t a\" ENABLE ALWAYS TRIGGER \"tr g\";"
    "CREATE TABLE s.t (\"a id\" int DEFAULT 1, b int); CREATE TRIGGER \"a tr g\" BEFORE INSERT ON "
    "s.t"
    " FOR EACH ROW EXECUTE FUNCTION s.f(); CREATE STATISTICS s.st2 ON \"a id\", b FROM s.t;"
    "CREATE TABLE s.user (q int DEFAULT nextval('s.\"t a_id_seq\"'));";

TEST(a_table_that_was_dropped_is_again_what_it_was)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};

    take(&b, "part rich", rich);
    dump_of("part rich", &before);
    postgres_server_sql(server, "part rich",
                        "ALTER TABLE s.user ALTER q DROP DEFAULT; DROP TABLE s.\"t a\"");
    CHECK_OK(restore_table(&b, "part rich", POSTGRES_PART_NEW, TABLE("s", "t a"), e));
    postgres_server_sql(server, "part rich",
                        "ALTER TABLE s.user ALTER q SET DEFAULT nextval('s.\"t a_id_seq\"')");
    check_same_dump("part rich", &before);
    CHECK_OK(restore_table(&b, "part rich", POSTGRES_PART_REPLACE_ROWS, TABLE("s", "t a"), e));
    check_same_dump("part rich", &before);
    CHECK_ERR(restore_table(&b, "part rich", POSTGRES_PART_NEW, TABLE("s", "t a"), e), ERR_EXISTS);
    CHECK_ERR(restore_table(&b, "part rich", POSTGRES_PART_NEW, TABLE("s", "t  a"), e),
              ERR_NOT_FOUND);
    check_same_dump("part rich", &before);
}
END

TEST(a_table_comes_back_beside_the_present_one)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};
    const struct postgres_table_name name = {"s", "t a"}, as = {"s", "t a old"},
                                     elsewhere = {"public", "t a"};
    struct postgres_part part = {.tables = &name, .table_count = 1, .as = &as};

    take(&b, "part beside", rich);
    postgres_server_sql(server, "part beside",
                        "ALTER TABLE s.\"t a\" DISABLE TRIGGER ALL; DELETE FROM ONLY s.user;"
                        "TRUNCATE s.\"t a\"; CREATE INDEX \"t a old_a_idx\" ON s.other (i)");
    dump_of("part beside", &before);
    CHECK_OK(restore_part(&b, "part beside", &part, e));
    check_value("part beside", "SELECT count(*) || ' ' || max(id) FROM s.\"t a old\"", "500 500");
    check_value("part beside", "SELECT count(*) FROM s.\"t a\"", "0");
    check_value("part beside",
                "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid) FROM"
                " pg_index WHERE indrelid = 's.\"t a old\"'::regclass",
                "s.\"t a old_a_g_key\" s.\"t a old_pkey\" s.\"t a old_a_idx_2\"");
    check_value("part beside", "SELECT pg_get_serial_sequence('s.\"t a old\"', 'id')",
                "s.\"t a old_id_seq\"");
    check_value("part beside", "SELECT nextval('s.\"t a old_id_seq\"')", "501");
    CHECK_ERR(restore_part(&b, "part beside", &part, e), ERR_EXISTS);
    part.as = &elsewhere;
    CHECK_OK(restore_part(&b, "part beside", &part, e));
    check_value("part beside", "SELECT count(*) FROM public.\"t a\"", "500");
    postgres_server_sql(server, "part beside", "DROP TABLE s.\"t a old\", public.\"t a\"");
    check_same_dump("part beside", &before);
}
END

TEST(rows_are_replaced_while_others_refer_to_them_and_definitions_stay)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};

    take(&b, "part rows",
         "CREATE TABLE a (id serial PRIMARY KEY, up int REFERENCES a, b text);"
         "CREATE TABLE log (what text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
         " 'BEGIN INSERT INTO log VALUES (tg_op); RETURN NEW; END';"
         "CREATE TRIGGER tr AFTER INSERT OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION f();"
         "CREATE TABLE child (i int, a int REFERENCES a ON DELETE CASCADE) PARTITION BY LIST (i);"
         "CREATE TABLE child1 PARTITION OF child FOR VALUES IN (1);"
         "COMMENT ON CONSTRAINT child_a_fkey ON child IS 'kept';"
         "INSERT INTO a (up, b) SELECT 1, 'r' || i FROM generate_series(1, 100) i;"
         "INSERT INTO child VALUES (1, 1), (1, 50); TRUNCATE log");
    postgres_server_sql(server, "part rows",
                        "UPDATE a SET b = 'wrong'; DELETE FROM a WHERE id = 99; INSERT INTO a (b)"
                        " VALUES ('new'); TRUNCATE log; ALTER TABLE a ADD extra int DEFAULT 7");
    dump_of("part rows", &before);
    CHECK_OK(restore_table(&b, "part rows", POSTGRES_PART_REPLACE_ROWS, TABLE("public", "a"), e));
    check_value("part rows", "SELECT count(*) || ' ' || min(b) || ' ' || sum(extra) FROM a",
                "100 r1 700");
    check_value("part rows", "SELECT count(*) FROM log", "0");
    check_value("part rows", "SELECT count(*) FROM child", "2");
    check_value("part rows", "SELECT nextval('a_id_seq')", "102");
    check_value("part rows",
                "SELECT obj_description(oid, 'pg_constraint') || pg_get_constraintdef(oid) FROM"
                " pg_constraint WHERE conname = 'child_a_fkey' AND conrelid = 'child'::regclass",
                "keptFOREIGN KEY (a) REFERENCES a(id) ON DELETE CASCADE");
    check_value("part rows", "SELECT tgenabled FROM pg_trigger WHERE tgname = 'tr'", "O");
    postgres_server_sql(
        server, "part rows",
        "INSERT INTO a (id, b) VALUES (1000, 'x'); INSERT INTO child VALUES (1, 1000)");
    CHECK_ERR(restore_table(&b, "part rows", POSTGRES_PART_REPLACE_ROWS, TABLE("public", "a"), e),
              ERR_FATAL);
    check_value("part rows", "SELECT count(*) FROM a", "101");
    CHECK_ERR(
        restore_table(&b, "part rows", POSTGRES_PART_REPLACE_ROWS, TABLE("public", "child"), e),
        ERR_USAGE);
    CHECK_ERR(restore_table(&b, "part rows", POSTGRES_PART_REPLACE_ROWS, TABLE("no", "a"), e),
              ERR_NOT_FOUND);
}
END

/* Rows of two tables into "rows copy". */
static bool add_rows(const struct backup *b, struct postgres_table_name first,
                     struct postgres_table_name second, struct err *e)
{
    const struct postgres_table_name names[] = {first, second};
    const struct postgres_part part = {
        .way = POSTGRES_PART_ADD_ROWS, .tables = names, .table_count = 2};

    return restore_part(b, "rows copy", &part, e);
}

static void check_counts(const char *wanted)
{
    check_value("rows copy",
                "SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM \"s.x\".\"b.c\")",
                wanted);
}

TEST(rows_of_single_tables_come_into_a_database_that_exists_all_or_none)
{
    static const char shape[] = "CREATE TABLE a (i int PRIMARY KEY, b text); CREATE SCHEMA \"s.x\";"
                                "CREATE TABLE \"s.x\".\"b.c\" (i int); CREATE SCHEMA s;"
                                "CREATE TABLE p (i int) PARTITION BY LIST (i);";
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf sql = {0};

    database_new("rows copy", shape);
    buf_printf(&sql,
               "%s INSERT INTO a VALUES (1, 'x'), (2, NULL); INSERT INTO \"s.x\".\"b.c\""
               " VALUES (7); CREATE TABLE only_here ()",
               shape);
    take(&b, "rows", buf_string(&sql));
    CHECK_OK(restore_table(&b, "rows copy", POSTGRES_PART_ADD_ROWS, TABLE("public", "a"), e));
    check_counts("2 0");
    postgres_server_sql(server, "rows copy", "DELETE FROM a WHERE i = 1");
    CHECK_ERR(add_rows(&b, TABLE("s.x", "b.c"), TABLE("public", "a"), e), ERR_FATAL); /* row 2 */
    check_counts("1 0");
    postgres_server_sql(server, "rows copy", "DELETE FROM a");
    CHECK_OK(add_rows(&b, TABLE("s.x", "b.c"), TABLE("public", "a"), e));
    check_counts("2 1");
    CHECK_ERR(add_rows(&b, TABLE("s.x", "b.c"), TABLE("public", "none"), e), ERR_NOT_FOUND);
    CHECK_ERR(add_rows(&b, TABLE("s.x", "b.c"), TABLE("public", "only_here"), e), ERR_NOT_FOUND);
    CHECK_ERR(add_rows(&b, TABLE("s.x", "b.c"), TABLE("public", "p"), e), ERR_USAGE);
    CHECK_ERR(add_rows(&b, TABLE("s.x", "b.c"), TABLE("s", "x.b.c"), e), ERR_NOT_FOUND);
    check_counts("2 1");
}
END

TEST(a_schema_comes_back_with_everything_in_it)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};
    const char *const absent = "S";
    const char *const names[] = {"s", "s 2", "s 3"};
    const struct postgres_part all = {.schemas = {names, 3}}, one = {.schemas = {names, 1}},
                               none = {.schemas = {&absent, 1}};

    take(&b, "part schema",
         "CREATE SCHEMA s; COMMENT ON SCHEMA s IS 'c'; GRANT USAGE ON SCHEMA s TO pg_monitor;"
         "CREATE TYPE s.mood AS ENUM ('sad', 'ok'); CREATE DOMAIN s.d AS int CONSTRAINT dc CHECK"
         " (value > 0); COMMENT ON CONSTRAINT dc ON DOMAIN s.d IS 'q';"
         "CREATE TABLE s.t (a s.mood, b s.d, c serial); INSERT INTO s.t VALUES ('ok', 5), ('sad', "
         "6);"
         "CREATE VIEW s.v AS TABLE s.t; CREATE MATERIALIZED VIEW s.m AS SELECT count(*) FROM s.t;"
         "CREATE TABLE s.p (i int PRIMARY KEY) PARTITION BY RANGE (i); CREATE TABLE s.p1 PARTITION "
         "OF"
         " s.p FOR VALUES FROM (0) TO (10); CREATE INDEX ON s.p (i); INSERT INTO s.p VALUES (1), "
         "(2);"
         "CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS $$ SELECT 1 /*\n-- Name: "
         "\n\\restrict x\n*/ $$; CREATE SCHEMA \"s 2\"; CREATE TABLE \"s 2\".t (a int REFERENCES "
         "s.p);"
         "INSERT INTO \"s 2\".t VALUES (2); CREATE SEQUENCE \"s 2\".q START 9;"
         "CREATE SCHEMA \"s 3\"; ALTER DEFAULT PRIVILEGES IN SCHEMA \"s 3\" GRANT SELECT ON TABLES "
         "TO pg_monitor;"
         "CREATE TABLE stay AS SELECT 1 AS a");
    dump_of("part schema", &before);
    CHECK_ERR(restore_part(&b, "part schema", &one, e), ERR_EXISTS);
    CHECK_ERR(restore_part(&b, "part schema", &none, e), ERR_NOT_FOUND);
    postgres_server_sql(server, "part schema",
                        "SET client_min_messages = warning; DROP SCHEMA s CASCADE;"
                        "DROP SCHEMA \"s 2\" CASCADE; DROP SCHEMA \"s 3\" CASCADE");
    CHECK_OK(restore_part(&b, "part schema", &all, e));
    check_same_dump("part schema", &before);
    postgres_server_sql(server, "part schema", "DROP TABLE \"s 2\".t, s.p");
    CHECK_ERR(restore_table(&b, "part schema", POSTGRES_PART_NEW, TABLE("s 2", "t"), e),
              ERR_NOT_FOUND); /* what it refers to is not there */
    check_value("part schema", "SELECT to_regclass('\"s 2\".t') IS NULL", "t");
    CHECK_OK(restore_table(&b, "part schema", POSTGRES_PART_NEW, TABLE("s", "p"), e));
    CHECK_OK(restore_table(&b, "part schema", POSTGRES_PART_NEW, TABLE("s 2", "t"), e));
    check_same_dump("part schema", &before);
}
END

TEST(a_partition_comes_back_to_its_parent_without_firing_its_triggers)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};

    take(
        &b, "part partition",
        "CREATE TABLE p (i int PRIMARY KEY, b text) PARTITION BY RANGE (i); CREATE INDEX ON p (b);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p"
        " FOR VALUES FROM (10) TO (20); INSERT INTO p SELECT i, i FROM generate_series(1, 19) i;"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';"
        "CREATE TRIGGER tr BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION f()");
    dump_of("part partition", &before);
    postgres_server_sql(server, "part partition", "DROP TABLE p1");
    CHECK_OK(restore_table(&b, "part partition", POSTGRES_PART_NEW, TABLE("public", "p1"), e));
    check_same_dump("part partition", &before);
    postgres_server_sql(server, "part partition", "TRUNCATE p2");
    CHECK_OK(
        restore_table(&b, "part partition", POSTGRES_PART_REPLACE_ROWS, TABLE("public", "p2"), e));
    check_same_dump("part partition", &before);
}
END

/* 63 bytes of UTF-8 with whatever could end or begin something. */
static const char *const hostile[] = {
    "a\"b'c.d;--",      "new\nline\n\\.\n", "$(touch /tmp/x) `id`",
    "-t --dbname=x",    "%s%n {} $1",       "ÄÖÜ€ÄÖÜ€ÄÖÜ€ÄÖÜ€ÄÖÜ€ÄÖÜ€ÄÖÜ€",
    " on ONLY x USING", "select",
};

/* Append statements, "@0" and so on being the names from the i-th on. */
static void append_named(struct buf *sql, const char *text, size_t i)
{
    for (; *text != '\0'; text++)
        if (*text == '@')
            postgres_name_quote(hostile[(i + (size_t)(*++text - '0')) % 8], sql);
        else
            buf_append(sql, text, 1);
}

TEST(hostile_names_are_only_names)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf sql = {0};
    AUTO(buf) struct buf before = {0};

    for (size_t i = 0; i < 8; i++)
        append_named(&sql,
                     "CREATE SCHEMA @0; CREATE TABLE @0.@1 (@2 serial PRIMARY KEY, @3 text DEFAULT"
                     " 'x'); CREATE INDEX @4 ON @0.@1 (@3); CREATE POLICY @5 ON @0.@1;"
                     "CREATE RULE @6 AS ON DELETE TO @0.@1 DO NOTHING; COMMENT ON INDEX @0.@4 IS"
                     " 'i'; CREATE STATISTICS @0.@7 ON @2, @3 FROM @0.@1; INSERT INTO @0.@1 (@3)"
                     " VALUES ('a'), ('b');",
                     i);
    take(&b, "part hostile", buf_string(&sql));
    dump_of("part hostile", &before);
    for (size_t i = 0; i < 8; i++) {
        const struct postgres_table_name name = {hostile[i], hostile[(i + 1) % 8]},
                                         as = {hostile[i], hostile[(i + 5) % 8]};
        const struct postgres_part beside = {.tables = &name, .table_count = 1, .as = &as};
        AUTO(buf) struct buf drop = {0};
        AUTO(buf) struct buf drop_other = {0};

        append_named(&drop, "DROP TABLE @0.@1", i);
        append_named(&drop_other, "DROP TABLE @0.@5", i);
        CHECK_OK(restore_part(&b, "part hostile", &beside, e));
        postgres_server_sql(server, "part hostile", buf_string(&drop_other));
        CHECK_OK(restore_table(&b, "part hostile", POSTGRES_PART_REPLACE_ROWS, name, e));
        postgres_server_sql(server, "part hostile", buf_string(&drop));
        CHECK_OK(restore_table(&b, "part hostile", POSTGRES_PART_NEW, name, e));
    }
    check_same_dump("part hostile", &before);
}
END

TEST(names_are_found_in_other_encodings)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};

    postgres_server_sql(server, "postgres",
                        "CREATE DATABASE \"part latin\" ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE"
                        " 'C' TEMPLATE template0");
    postgres_server_sql(server, "part latin",
                        "CREATE TABLE \"t\xe4\" (\"\xf6\" serial, b text DEFAULT '\xfc');"
                        "INSERT INTO \"t\xe4\" (b) VALUES ('\xdf'); CREATE TABLE \"t\xf6\" ()");
    const struct postgres_options o = options_of("part latin");

    backup_take(&b, &o);
    dump_of("part latin", &before);
    postgres_server_sql(server, "part latin", "DROP TABLE \"t\xe4\"");
    CHECK_OK(restore_table(&b, "part latin", POSTGRES_PART_NEW, TABLE("public", "tä"), e));
    check_same_dump("part latin", &before);
    CHECK_OK(restore_table(&b, "part latin", POSTGRES_PART_REPLACE_ROWS, TABLE("public", "tä"), e));
    check_same_dump("part latin", &before);
}
END

static char read_names[500];

static void note_name(void *arg, const char *name)
{
    (void)arg;
    if (strstr(read_names, name) == NULL &&
        strlen(read_names) + strlen(name) + 2 < sizeof(read_names)) {
        strcat(read_names, name);
        strcat(read_names, " ");
    }
}

static bool restore_stored(struct stored *s, const char *database, enum postgres_part_way way,
                           struct err *e)
{
    const struct postgres_files files = stored_files(s);
    const struct postgres_restore_options to = restore_to(database);
    const struct postgres_table_name name = {"public", "a"};
    const struct postgres_part part = {.way = way, .tables = &name, .table_count = 1};
    struct postgres_restore_report r;

    return postgres_restore_part(&to, &files, &part, &r, e);
}

TEST(only_what_is_wanted_is_read_and_damage_changes_nothing)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b, .on_read = note_name};

    take(&b, "part read", "CREATE TABLE a AS SELECT 1 AS i; CREATE TABLE b AS SELECT 2 AS i");
    CHECK_OK(restore_stored(&s, "part read", POSTGRES_PART_REPLACE_ROWS, e));
    ck_assert_str_eq(read_names, "manifest.json data/public.a.copy ");
    s.changed = "data/public.a.copy";
    s.bytes = slice_string("7\n");
    CHECK_ERR(restore_stored(&s, "part read", POSTGRES_PART_REPLACE_ROWS, e), ERR_CORRUPT);
    s.bytes = slice_string("1\n2\n");
    CHECK_ERR(restore_stored(&s, "part read", POSTGRES_PART_REPLACE_ROWS, e), ERR_CORRUPT);
    CHECK_ERR(restore_stored(&s, "part read", POSTGRES_PART_ADD_ROWS, e), ERR_CORRUPT);
    check_value("part read", "SELECT sum(i) FROM a", "1");
    postgres_server_sql(server, "part read", "DROP TABLE a");
    CHECK_ERR(restore_stored(&s, "part read", POSTGRES_PART_NEW, e), ERR_CORRUPT);
    s.changed = "pre-data.dump";
    for (size_t size = 0; size < 600; size += 23) {
        s.bytes = file_of(&b, "pre-data.dump");
        s.bytes.size = size;
        CHECK_ERR(restore_stored(&s, "part read", POSTGRES_PART_NEW, e), ERR_CORRUPT);
    }
    check_value("part read", "SELECT to_regclass('a') IS NULL", "t");
    s.changed = NULL;
    CHECK_OK(restore_stored(&s, "part read", POSTGRES_PART_NEW, e));
    check_value("part read", "SELECT sum(i) FROM a", "1");
}
END

TEST(a_dump_with_any_byte_changed_is_read_or_refused)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf bytes = {0};
    struct postgres_link nobody = {0};
    int refused = 0;

    take(&b, "part bytes", "CREATE TABLE a (i serial PRIMARY KEY, b text DEFAULT 'x')");
    buf_append_slice(&bytes, file_of(&b, "pre-data.dump"));
    for (size_t i = 0; i < bytes.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            AUTO(postgres_archive) struct postgres_archive a = {0};
            struct err why = {0};

            bytes.data[i] ^= (uint8_t)(1 << bit);
            refused += !postgres_archive_read(buf_slice(&bytes), &nobody, &a, &why);
            bytes.data[i] ^= (uint8_t)(1 << bit);
        }
    ck_assert_int_gt(refused, 1000);
}
END

static void cancel_at_rows(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "data/public.a.copy") == 0)
        cancel_request();
}

TEST(cancelled_in_the_rows_nothing_has_changed)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b, .on_read = cancel_at_rows};

    take(&b, "part cancelled",
         "CREATE TABLE a AS SELECT i FROM generate_series(1, 9) i; CREATE TABLE"
         " c (i int)");
    postgres_server_sql(server, "part cancelled", "DELETE FROM a WHERE i > 1");
    CHECK_ERR(restore_stored(&s, "part cancelled", POSTGRES_PART_REPLACE_ROWS, e), ERR_CANCELLED);
    check_value("part cancelled", "SELECT count(*) FROM a", "1");
}
END

/* One that is made for the table. */

static bool restore_made(struct stored *s, const char *database, struct err *e)
{
    const struct postgres_files files = stored_files(s);
    const struct postgres_restore_options to = restore_to(database);
    const struct postgres_table_name name = {"s", "a"};
    const struct postgres_part part = {.tables = &name, .table_count = 1, .makes_database = true};
    struct postgres_restore_report r;

    return postgres_restore_part(&to, &files, &part, &r, e);
}

static bool look_made(struct stored *s, const char *database, struct err *e)
{
    const struct postgres_files files = stored_files(s);
    const struct postgres_restore_options to = restore_to(database);
    const struct postgres_table_name name = {"s", "a"};
    const struct postgres_part part = {.tables = &name, .table_count = 1, .makes_database = true};
    AUTO(postgres_part_plan) struct postgres_part_plan plan = {0};

    if (!postgres_part_look(&to, &files, &part, &plan, e))
        return false;
    ck_assert_uint_eq(plan.count, 1);
    ck_assert_uint_eq(plan.rows, 9);
    CHECK(!plan.tables[0].is_there);
    return true;
}

static void cancel_at_made_rows(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "data/s.a.copy") == 0)
        cancel_request();
}

#define MADE_LEFT "SELECT count(*) FROM pg_database WHERE datname = 'part made'"

TEST(a_database_made_for_a_table_has_it_whole_or_is_not_there)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b};

    take(&b, "part from",
         "CREATE SCHEMA s; CREATE TABLE s.a AS SELECT i FROM generate_series(1, 9) i;"
         "CREATE TABLE s.c (i int)");
    CHECK_OK(look_made(&s, "part made", e));
    check_value("postgres", MADE_LEFT, "0");
    s.changed = "data/s.a.copy";
    for (int i = 0; i < 3; i++) {
        s.bytes = slice_string((const char *[]){"", "7\n", "1\n2\n"}[i]);
        CHECK_ERR(restore_made(&s, "part made", e), ERR_CORRUPT);
        check_value("postgres", MADE_LEFT, "0");
    }
    for (int i = 0; i < 2; i++) {
        s.changed = (const char *[]){"pre-data.dump", "post-data.dump"}[i];
        s.bytes = slice_string("PGDMP");
        CHECK_ERR(look_made(&s, "part made", e), ERR_CORRUPT);
        CHECK_ERR(restore_made(&s, "part made", e), ERR_CORRUPT);
        check_value("postgres", MADE_LEFT, "0");
    }
    s.changed = NULL;
    CHECK_OK(restore_made(&s, "part made", e));
    check_value("part made", "SELECT count(*) FROM s.a", "9");
    check_value("part made", "SELECT to_regclass('s.c') IS NULL", "t");
    postgres_server_sql(server, "part made", "DELETE FROM s.a");
    CHECK_ERR(restore_made(&s, "part made", e), ERR_EXISTS);
    CHECK_ERR(look_made(&s, "part made", e), ERR_EXISTS);
    check_value("part made", "SELECT count(*) FROM s.a", "0");
    s.on_read = cancel_at_made_rows;
    CHECK_ERR(restore_made(&s, "part other", e), ERR_CANCELLED);
    check_value("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'part other'", "0");
}
END

static bool look(const struct backup *b, const struct postgres_part *part,
                 struct postgres_part_plan *out, struct err *e)
{
    struct stored s = {.backup = b};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_restore_options to = restore_to("part look");

    return postgres_part_look(&to, &files, part, out, e);
}

TEST(a_look_says_what_is_there_fails_as_the_restore_would_and_changes_nothing)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};
    AUTO(postgres_part_plan) struct postgres_part_plan plan = {0};
    AUTO(postgres_part_plan) struct postgres_part_plan all = {0};
    const struct postgres_table_name name = {"s", "t a"}, as = {"s", "new"}, taken = {"s", "user"};
    struct postgres_part part = {.tables = &name, .table_count = 1};
    const struct postgres_part schema = {.schemas = {(const char *[]){"s"}, 1}};

    take(&b, "part look", rich);
    dump_of("part look", &before);
    CHECK_ERR(look(&b, &part, &plan, e), ERR_EXISTS);
    CHECK_ERR(look(&b, &schema, &plan, e), ERR_EXISTS);
    part.as = &taken;
    CHECK_ERR(look(&b, &part, &plan, e), ERR_EXISTS);
    part.as = &as;
    CHECK_OK(look(&b, &part, &plan, e));
    ck_assert_str_eq(plan.tables[0].to.name, "new");
    ck_assert_uint_eq(plan.rows, 500);
    part.as = NULL;
    for (int way = POSTGRES_PART_REPLACE_ROWS; way <= POSTGRES_PART_ADD_ROWS; way++) {
        AUTO(postgres_part_plan) struct postgres_part_plan rows = {0};

        part.way = (enum postgres_part_way)way;
        CHECK_OK(look(&b, &part, &rows, e));
        CHECK(rows.tables[0].is_there && rows.tables[0].present_bytes > 0);
    }
    check_same_dump("part look", &before);
    postgres_server_sql(server, "part look", "DROP SCHEMA s CASCADE");
    CHECK_ERR(look(&b, &part, &plan, e), ERR_NOT_FOUND);
    CHECK_OK(look(&b, &schema, &all, e));
    ck_assert_uint_eq(all.count, 4);
    check_value("part look", "SELECT count(*) FROM pg_namespace WHERE nspname = 's'", "0");
}
END

TEST(who_may_not_change_a_table_is_told_and_nothing_has_changed)
{
    AUTO(backup) struct backup b;
    const struct postgres_table_name name = {"public", "a"}, as = {"public", "x"};
    const struct postgres_part beside = {.tables = &name, .table_count = 1, .as = &as};
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("part denied");
    struct postgres_restore_report r;
    AUTO(buf) struct buf dsn = {0};

    postgres_server_sql(server, "postgres", "CREATE ROLE \"part guest\" LOGIN");
    take(&b, "part denied", "CREATE TABLE a AS SELECT 1 AS i");
    buf_printf(&dsn, "%s user='part guest'", to.dsn);
    to.dsn = buf_string(&dsn);
    CHECK_ERR(postgres_restore_part(&to, &files, &beside, &r, e), ERR_DENIED);
    for (int way = POSTGRES_PART_REPLACE_ROWS; way <= POSTGRES_PART_ADD_ROWS; way++) {
        const struct postgres_part part = {
            .way = (enum postgres_part_way)way, .tables = &name, .table_count = 1};

        CHECK_ERR(postgres_restore_part(&to, &files, &part, &r, e), ERR_DENIED);
    }
    check_value("part denied", "SELECT sum(i) FROM a", "1");
}
END

TESTS_BETWEEN("postgres_part", server_begin, server_end,
              a_table_that_was_dropped_is_again_what_it_was,
              a_table_comes_back_beside_the_present_one,
              rows_are_replaced_while_others_refer_to_them_and_definitions_stay,
              rows_of_single_tables_come_into_a_database_that_exists_all_or_none,
              a_schema_comes_back_with_everything_in_it,
              a_partition_comes_back_to_its_parent_without_firing_its_triggers,
              hostile_names_are_only_names, names_are_found_in_other_encodings,
              only_what_is_wanted_is_read_and_damage_changes_nothing,
              a_dump_with_any_byte_changed_is_read_or_refused,
              cancelled_in_the_rows_nothing_has_changed,
              a_database_made_for_a_table_has_it_whole_or_is_not_there,
              a_look_says_what_is_there_fails_as_the_restore_would_and_changes_nothing,
              who_may_not_change_a_table_is_told_and_nothing_has_changed)
