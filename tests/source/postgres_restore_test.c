/* A database that is restored is the one that was backed up, or is not there. */
#define TEST_SECONDS 120

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "source/postgres_stored.h"

static void check_verified(const char *database, struct stored *s)
{
    const struct postgres_restore_options o = restore_to(database);
    const struct postgres_files files = stored_files(s);
    AUTO(postgres_verify_report) struct postgres_verify_report r = {0};

    CHECK_OK(postgres_verify(&o, &files, &r, e));
    ck_assert_msg(r.differences == 0, "%s", buf_string(&r.text));
    CHECK(r.tables > 0);
}

TEST(every_kind_of_object_is_there_again_and_pg_dump_says_the_same)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf after = {0};
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_restore_options to = restore_to("everything copy");
    struct postgres_restore_report r;

    database_new("everything", "");
    postgres_server_fill(server, "everything");
    const struct postgres_options o = options_of("everything");

    backup_take(&b, &o);
    CHECK_OK(postgres_restore(&to, &files, &r, e));
    dump_of("everything", &before);
    dump_of("everything copy", &after);
    check_same_lines(buf_slice(&before), buf_slice(&after));
    check_verified("everything copy", &s);
    CHECK(r.is_made && r.rows > 3000 && r.blobs == 3 && r.tables >= 9);

    AUTO(mem) char *n = postgres_server_value(server, "everything copy", "SELECT n FROM a_second");
    AUTO(mem)
    char *comment =
        postgres_server_value(server, "everything copy",
                              "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE"
                              " datname = current_database()");

    ck_assert_str_eq(n, "3001");
    ck_assert_ptr_null(comment);
}
END

/* Each of these keys locks two tables. */
TEST(keys_of_tables_that_refer_to_each_other_come_back_with_many_jobs)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf after = {0};
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("circle copy");
    struct postgres_restore_report r;

    backup_of(&b, "circle",
              "DO $$ BEGIN FOR i IN 1..6 LOOP"
              " EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, r int UNIQUE)', i);"
              " EXECUTE format('INSERT INTO t%s SELECT n, n FROM generate_series(1, 2000) n', i);"
              " END LOOP; FOR i IN 1..6 LOOP FOR n IN 1..6 LOOP"
              " EXECUTE format('ALTER TABLE t%s ADD FOREIGN KEY (r) REFERENCES t%s', i, n);"
              " END LOOP; END LOOP; END $$");
    to.jobs = 8;
    CHECK_OK(postgres_restore(&to, &files, &r, e));
    dump_of("circle", &before);
    dump_of("circle copy", &after);
    check_same_lines(buf_slice(&before), buf_slice(&after));
}
END

TEST(settings_and_owner_of_the_database_come_along)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("set'ti;ngs copy");
    struct postgres_restore_report r;

    database_new("set\\ti;ngs",
                 "CREATE ROLE setter; ALTER DATABASE \"set\\ti;ngs\" OWNER TO setter;"
                 "ALTER DATABASE \"set\\ti;ngs\" SET search_path = 'a;b', c;"
                 "ALTER DATABASE \"set\\ti;ngs\" SET default_transaction_read_only = on;"
                 "ALTER ROLE setter IN DATABASE \"set\\ti;ngs\" SET work_mem = '5MB';"
                 "ALTER DATABASE \"set\\ti;ngs\" CONNECTION LIMIT 7");
    const struct postgres_options o = {.name = "db", .dsn = dsn_of("set\\\\ti;ngs"), .jobs = 1};

    backup_take(&b, &o);
    CHECK_OK(postgres_restore(&to, &files, &r, e));

    AUTO(mem)
    char *found = postgres_server_value(
        server, "set'ti;ngs copy",
        "SELECT datdba::regrole || ' ' || datconnlimit || (SELECT string_agg(' ' || setrole ||"
        " setconfig::text, '' ORDER BY setrole = 0) FROM pg_db_role_setting WHERE setdatabase = "
        "d.oid)"
        " FROM pg_database d WHERE datname = current_database()");

    CHECK(strncmp(found, "setter 7 ", 9) == 0 && strstr(found, "{work_mem=5MB}") != NULL);
    CHECK(strstr(found, "search_path=\\\"a;b\\\", c\",default_transaction_read_only=on}") != NULL);
}
END

/* What may be done with a database, its comment, and that of whom. */
static char *rights_on(const char *database)
{
    return postgres_server_value(
        server, database,
        "SELECT coalesce(shobj_description(d.oid, 'pg_database'), 'none') || (SELECT"
        " string_agg(' ' || coalesce(r.rolname, 'all') || ':' || privilege_type || is_grantable, ''"
        " ORDER BY r.rolname, privilege_type) FROM"
        " aclexplode(coalesce(datacl, acldefault('d', datdba))) LEFT JOIN pg_roles r"
        " ON r.oid = grantee WHERE grantee <> datdba)"
        " FROM pg_database d WHERE datname = current_database()");
}

TEST(rights_on_the_database_and_its_comment_come_along_unless_it_gets_others)
{
    static const char wanted[] = "it's \"; DROP ROLE guest;\" ON DATABASE x "
                                 " g ON DATABASE \"x\":CONNECTtrue guest:CONNECTfalse"
                                 " all:TEMPORARYfalse";
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("rights \"copy\"");
    struct postgres_restore_report r;

    database_new("rights on", "CREATE ROLE guest; CREATE ROLE \"g ON DATABASE \"\"x\"\"\";"
                              "REVOKE CONNECT ON DATABASE \"rights on\" FROM PUBLIC;"
                              "GRANT CONNECT ON DATABASE \"rights on\" TO"
                              " \"g ON DATABASE \"\"x\"\"\" WITH GRANT OPTION;"
                              "SET ROLE \"g ON DATABASE \"\"x\"\"\";"
                              "GRANT CONNECT ON DATABASE \"rights on\" TO guest; RESET ROLE;"
                              "COMMENT ON DATABASE \"rights on\" IS"
                              " 'it''s \"; DROP ROLE guest;\" ON DATABASE x '");
    const struct postgres_options o = options_of("rights on");

    backup_take(&b, &o);
    CHECK_OK(postgres_restore(&to, &files, &r, e));
    AUTO(mem) char *found = rights_on(to.database);

    ck_assert_str_eq(found, wanted);
    to.database = "no rights";
    to.without_rights = true;
    CHECK_OK(postgres_restore(&to, &files, &r, e));
    AUTO(mem) char *none = rights_on(to.database);

    ck_assert_str_eq(none, "none all:CONNECTfalse all:TEMPORARYfalse");
    CHECK_OK(postgres_copy_rights(&to, "rights on", to.database, e));
    AUTO(mem) char *copied = rights_on(to.database);

    ck_assert_str_eq(copied, wanted);
}
END

TEST(a_database_that_exists_is_not_touched)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_restore_options to = restore_to("there");
    struct postgres_restore_report r;

    database_new("there", "CREATE TABLE t AS SELECT 1 AS a");
    const struct postgres_options o = options_of("there");

    backup_take(&b, &o);
    CHECK_ERR(postgres_restore(&to, &files, &r, e), ERR_EXISTS);

    AUTO(mem) char *n = postgres_server_value(server, "there", "SELECT a FROM t");

    ck_assert_str_eq(n, "1");
}
END

/* A restore that must fail, with this in its sentence, and leave nothing. */
static void check_fails(struct stored *s, enum err_code code, const char *with)
{
    const struct postgres_restore_options to = restore_to("failing");
    const struct postgres_files files = stored_files(s);
    struct postgres_restore_report r;
    struct err why = {0};

    CHECK(!postgres_restore(&to, &files, &r, &why));
    ck_assert_msg(strstr(why.text, with) != NULL, "\"%s\" is not in: %s", with, why.text);
    ck_assert_msg(why.code == code, "code %d: %s", (int)why.code, why.text);
    CHECK(!database_exists("failing"));
    wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'failing'");
}

static void take_small(struct backup *b)
{
    if (!database_exists("small"))
        database_new("small", "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT i,"
                              " repeat('x', 100) FROM generate_series(1, 2000) i;"
                              "CREATE TABLE t2 (a int); INSERT INTO t2 VALUES (1), (2);"
                              "SELECT lo_from_bytea(0, decode(repeat('ab', 300000), 'hex'))");
    const struct postgres_options o = options_of("small");

    backup_take(b, &o);
}

TEST(stored_files_that_are_damaged_leave_no_database)
{
    AUTO(backup) struct backup b;

    take_small(&b);
    check_fails(&(struct stored){.backup = &b, .unreadable = "data/public.t.copy"}, ERR_CORRUPT,
                "table public.t: chunk 1234 is damaged");
    check_fails(&(struct stored){&b, "data/public.t2.copy", slice_string("1\n"), NULL, NULL, NULL},
                ERR_CORRUPT, "table public.t2: its file has 1 rows, and the manifest tells of 2");
    check_fails(
        &(struct stored){&b, "data/public.t2.copy", slice_string("1\nx\n"), NULL, NULL, NULL},
        ERR_FATAL, "table public.t2: invalid input syntax");
    check_fails(&(struct stored){&b, "blobs.bin", slice_string("x"), NULL, NULL, NULL}, ERR_CORRUPT,
                "large objects: their file is damaged");
    check_fails(&(struct stored){&b, "blobs.bin", slice_string(""), NULL, NULL, NULL}, ERR_CORRUPT,
                "large objects: their file has 0");
    check_fails(&(struct stored){&b, "pre-data.dump", slice_string("PGDMP"), NULL, NULL, NULL},
                ERR_FATAL, "definitions before the data: pg_restore");
    check_fails(&(struct stored){&b, "post-data.dump", slice_string(""), NULL, NULL, NULL},
                ERR_CORRUPT, "definitions after the data: post-data.dump");
    check_fails(&(struct stored){&b, "manifest.json", slice_string("{}"), NULL, NULL, NULL},
                ERR_CORRUPT, "the manifest is damaged");
}
END

TEST(an_extension_that_the_server_does_not_have_is_told_before_anything_is_made)
{
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf json = {0};
    uint8_t *name = NULL;

    take_small(&b);
    buf_append_slice(&json, file_of(&b, "manifest.json"));
    name = memmem(json.data, json.size, "plpgsql", 7);
    CHECK(name != NULL);
    *name = 'x';
    check_fails(
        &(struct stored){.backup = &b, .changed = "manifest.json", .bytes = buf_slice(&json)},
        ERR_NOT_FOUND, "the server has no extension xlpgsql");
}
END

TEST(rows_that_violate_a_key_leave_no_database)
{
    AUTO(backup) struct backup b;

    backup_of(&b, "keys", "CREATE TABLE k (a int PRIMARY KEY); INSERT INTO k VALUES (1), (2)");
    check_fails(
        &(struct stored){&b, "data/public.k.copy", slice_string("1\n1\n"), NULL, NULL, NULL},
        ERR_FATAL, "Key (a)=(1) is duplicated");
}
END

static void cancel_at(void *arg, const char *name)
{
    if (strcmp(arg, name) == 0)
        cancel_request();
}

static void check_cancelled_at(const char *name)
{
    char at[60];
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b, .on_read = cancel_at, .arg = at};

    (void)snprintf(at, sizeof(at), "%s", name);
    take_small(&b);
    const struct postgres_restore_options to = restore_to("failing");
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_report r;

    CHECK_ERR(postgres_restore(&to, &files, &r, e), ERR_CANCELLED);
    CHECK(!database_exists("failing"));
}

TEST(cancelled_before_the_data_nothing_is_left)
{
    check_cancelled_at("pre-data.dump");
}
END

TEST(cancelled_in_the_rows_nothing_is_left)
{
    check_cancelled_at("data/public.t.copy");
}
END

TEST(cancelled_in_the_large_objects_nothing_is_left)
{
    check_cancelled_at("blobs.bin");
}
END

TEST(cancelled_after_the_data_nothing_is_left)
{
    check_cancelled_at("post-data.dump");
}
END

static void end_sessions(void *arg, const char *name)
{
    if (strcmp(arg, name) == 0)
        postgres_server_sql(server, "postgres",
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                            " datname = 'failing'");
}

static struct postgres_server *stopping;

static void stop_server(void *arg, const char *name)
{
    if (strcmp(arg, name) == 0)
        postgres_server_stop(stopping);
}

TEST(sessions_that_the_server_ends_leave_no_database)
{
    AUTO(backup) struct backup b;
    char at[] = "data/public.t.copy";
    struct stored s = {.backup = &b, .on_read = end_sessions, .arg = at};

    take_small(&b);
    check_fails(&s, ERR_TRANSIENT, "database failing: ");
}
END

TEST(a_server_that_does_not_answer_is_told)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("x");
    struct postgres_restore_report r;

    take_small(&b);
    to.database = "0123456789012345678901234567890123456789012345678901234567890123";
    CHECK_ERR(postgres_restore(&to, &files, &r, e), ERR_USAGE);
    to.dsn = "host=/nowhere user=postgres dbname=postgres";
    to.database = "x";
    CHECK_ERR(postgres_restore(&to, &files, &r, e), ERR_TRANSIENT);
}
END

static const char *const hostile[] = {
    "$(touch /tmp/holdfast-hostile)",
    "-f",
    "a\"b'c",
    "new\nline",
    "../..",
    "%s%n",
    "\\",
    "select",
    "dbname=postgres host=/nowhere",
    "postgresql://nowhere/x",
};

TEST(hostile_names_of_databases_tables_and_columns_are_only_names)
{
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        AUTO(connection) PGconn *c = NULL;
        AUTO(backup) struct backup b;
        AUTO(buf) struct buf name = {0};
        AUTO(buf) struct buf sql = {0};
        struct stored s = {.backup = &b};
        const struct postgres_files files = stored_files(&s);
        struct postgres_restore_report r;
        char source[40];

        (void)snprintf(source, sizeof(source), "hostile%zu", i);
        database_new(source, "");
        c = connect_to(source);
        char *quoted = PQescapeIdentifier(c, hostile[i], strlen(hostile[i]));

        buf_printf(&sql,
                   "CREATE SCHEMA %s; CREATE TABLE %s.%s (%s int); INSERT INTO %s.%s VALUES"
                   " (7); CREATE SEQUENCE %s.s; SELECT nextval('\"pg_catalog\".pg_class'::regclass)"
                   " WHERE false",
                   quoted, quoted, quoted, quoted, quoted, quoted, quoted);
        PQfreemem(quoted);
        ck_assert_str_eq(try_sql(c, buf_string(&sql)), "00000");
        const struct postgres_options o = options_of(source);

        backup_take(&b, &o);
        buf_printf(&name, "%s copy", hostile[i]);
        const struct postgres_restore_options to = restore_to(buf_string(&name));

        CHECK_OK(postgres_restore(&to, &files, &r, e));
        CHECK(database_exists(buf_string(&name)) && r.rows == 1);
        check_verified(buf_string(&name), &s);
    }
}
END

TEST(roles_that_are_missing_are_made_and_others_stay)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("roles copy");
    struct postgres_restore_report r;

    database_new("roles", "CREATE ROLE \"gone;'x\" CONNECTION LIMIT 5; CREATE ROLE stays LOGIN;"
                          "COMMENT ON ROLE \"gone;'x\" IS 'a;b''c--';"
                          "ALTER ROLE \"gone;'x\" SET search_path = 'a;b';"
                          "CREATE TABLE t (a int); ALTER TABLE t OWNER TO \"gone;'x\";"
                          "GRANT stays TO \"gone;'x\"");
    struct postgres_options o = options_of("roles");

    o.with_globals = true;
    backup_take(&b, &o);
    postgres_server_sql(server, "roles",
                        "DROP OWNED BY \"gone;'x\"; DROP ROLE \"gone;'x\";"
                        "ALTER ROLE stays NOLOGIN");
    to.with_globals = true;
    CHECK_OK(postgres_restore(&to, &files, &r, e));

    AUTO(mem)
    char *found = postgres_server_value(
        server, "roles copy",
        "SELECT rolconnlimit || ' ' || pg_has_role(oid, 'stays', 'member') || ' ' ||"
        " shobj_description(oid, 'pg_authid') || ' ' || (SELECT rolcanlogin FROM pg_roles WHERE"
        " rolname = 'stays') FROM pg_roles WHERE oid = (SELECT relowner FROM pg_class WHERE"
        " oid = 't'::regclass)");

    ck_assert_str_eq(found, "5 true a;b'c-- false");
}
END

TEST(hostile_names_of_roles_are_only_names)
{
    static const char *const more[] = {
        "x\n\\! touch /tmp/holdfast-hostile\n", "a IN DATABASE b", "'; DROP TABLE t; --",
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
        "\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4x"};
    const size_t first = sizeof(hostile) / sizeof(hostile[0]);
    AUTO(backup) struct backup b;
    AUTO(buf) struct buf make = {0};
    AUTO(buf) struct buf drop = {0};
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("owned copy");
    struct postgres_restore_report r;

    database_new("owned", "CREATE TABLE t (a int)");
    AUTO(connection) PGconn *c = connect_to("owned");

    for (size_t i = 0; i < first + sizeof(more) / sizeof(more[0]); i++) {
        const char *name = i < first ? hostile[i] : more[i - first];
        char *q = PQescapeIdentifier(c, name, strlen(name));

        buf_printf(&make,
                   "CREATE ROLE %s; CREATE TABLE t%zu (a int); ALTER TABLE t%zu OWNER TO %s;"
                   "GRANT SELECT ON t TO %s; CREATE POLICY %s ON t TO %s USING (true);"
                   "ALTER ROLE %s IN DATABASE owned SET work_mem = '5MB';"
                   "GRANT CONNECT ON DATABASE owned TO %s;",
                   q, i, i, q, q, q, q, q, q);
        buf_printf(&drop, "DROP OWNED BY %s; DROP ROLE %s;", q, q);
        PQfreemem(q);
    }
    ck_assert_str_eq(try_sql(c, buf_string(&make)), "00000");
    struct postgres_options o = options_of("owned");

    o.with_globals = true;
    backup_take(&b, &o);
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf after = {0};

    dump_of("owned", &before);
    ck_assert_str_eq(try_sql(c, buf_string(&drop)), "00000");
    to.with_globals = true;
    CHECK_OK(postgres_restore(&to, &files, &r, e));
    dump_of("owned copy", &after);
    check_same_lines(buf_slice(&before), buf_slice(&after));
    CHECK(access("/tmp/holdfast-hostile", F_OK) != 0);
    AUTO(mem)
    char *found = postgres_server_value(
        server, "owned copy",
        "SELECT (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = d.oid) || ' ' ||"
        " (SELECT count(*) FROM aclexplode(datacl) WHERE grantee NOT IN (0, datdba))"
        " FROM pg_database d WHERE datname = current_database()");

    ck_assert_str_eq(found, "14 14");
}
END

TEST(roles_made_for_a_restore_that_fails_are_gone)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b, .changed = "data/public.t.copy", .bytes = {0}};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("failing");
    struct postgres_restore_report r;

    database_new("fleeting", "CREATE ROLE fleeting; CREATE TABLE t AS SELECT 1 AS a");
    struct postgres_options o = options_of("fleeting");

    o.with_globals = true;
    backup_take(&b, &o);
    postgres_server_sql(server, "postgres", "DROP ROLE fleeting");
    to.with_globals = true;
    CHECK_ERR(postgres_restore(&to, &files, &r, e), ERR_CORRUPT);

    AUTO(mem)
    char *found = postgres_server_value(server, "postgres",
                                        "SELECT 1 FROM pg_roles WHERE rolname = 'fleeting'");

    ck_assert_ptr_null(found);
    CHECK(!database_exists("failing"));
}
END

TEST(without_owners_no_role_is_needed)
{
    AUTO(backup) struct backup b;
    struct stored s = {.backup = &b};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("owners copy");
    struct postgres_restore_report r;

    backup_of(&b, "owners",
              "CREATE ROLE owner_once; CREATE TABLE t (a int);"
              "ALTER TABLE t OWNER TO owner_once; GRANT SELECT ON t TO owner_once;"
              "SELECT lo_from_bytea(77, 'x'); ALTER LARGE OBJECT 77 OWNER TO owner_once");
    postgres_server_sql(server, "owners", "DROP OWNED BY owner_once; DROP ROLE owner_once");
    CHECK_ERR(postgres_restore(&to, &files, &r, e), ERR_FATAL);
    to.without_owners = true;
    CHECK_OK(postgres_restore(&to, &files, &r, e));
}
END

TEST(other_encodings_and_parts_of_a_database_come_back)
{
    AUTO(backup) struct backup latin;
    AUTO(backup) struct backup part;
    struct stored s = {.backup = &latin};
    struct stored other = {.backup = &part};
    const struct postgres_files files = stored_files(&s);
    const struct postgres_files other_files = stored_files(&other);
    static const char *const tables[] = {"far.t"};
    struct postgres_restore_options to = restore_to("latin copy");
    struct postgres_restore_report r;

    postgres_server_sql(server, "postgres",
                        "CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'");
    postgres_server_sql(server, "latin",
                        "SET client_encoding = 'UTF8'; CREATE SCHEMA far;"
                        "CREATE TABLE far.t (a text); CREATE TABLE u (a int);"
                        "INSERT INTO far.t VALUES ('\xc3\xa4')");
    struct postgres_options o = options_of("latin");

    backup_take(&latin, &o);
    CHECK_OK(postgres_restore(&to, &files, &r, e));
    check_verified("latin copy", &s);
    o.selection[POSTGRES_TABLES] = (struct postgres_texts){tables, 1};
    backup_take(&part, &o);
    to.database = "latin part";
    CHECK_OK(postgres_restore(&to, &other_files, &r, e));
    check_verified("latin part", &other);
    ck_assert_uint_eq(r.tables, 1);
}
END

TEST(a_server_that_stops_in_the_middle_is_told_with_what_it_still_has)
{
    AUTO(backup) struct backup b;
    AUTO(postgres_server) struct postgres_server *mine = NULL;
    char at[] = "data/public.t.copy";
    struct stored s = {.backup = &b, .arg = at};
    const struct postgres_files files = stored_files(&s);
    struct postgres_restore_options to = restore_to("half");
    struct postgres_restore_report r;
    struct err why = {0};

    take_small(&b);
    CHECK_OK(postgres_server_start(&mine, e));
    to.dsn = postgres_server_dsn(mine);
    stopping = mine;
    s.on_read = stop_server;
    CHECK(!postgres_restore(&to, &files, &r, &why));
    ck_assert_msg(why.code == ERR_TRANSIENT && strstr(why.text, "is still there") != NULL, "%s",
                  why.text);
    postgres_server_resume(mine);

    AUTO(mem)
    char *comment = postgres_server_value(
        mine, "postgres",
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'half'");

    CHECK(comment != NULL && strncmp(comment, "incomplete: ", 12) == 0);
}
END

TEST(a_database_takes_the_place_of_another_and_gives_it_back)
{
    const struct postgres_restore_options o = restore_to(NULL);

    database_new("place", "CREATE TABLE t AS SELECT 'old' AS a");
    database_new("place new", "CREATE TABLE t AS SELECT 'new' AS a");
    AUTO(connection) PGconn *session = connect_to("place");

    ck_assert_str_eq(try_sql(session, "SELECT 1"), "00000");
    CHECK_OK(postgres_swap(&o, "place new", "place", "place \"kept\"", e));
    (void)try_sql(session, "SELECT 1");
    CHECK(PQstatus(session) == CONNECTION_BAD);
    AUTO(mem) char *now = postgres_server_value(server, "place", "SELECT a FROM t");
    AUTO(mem) char *before = postgres_server_value(server, "place \"kept\"", "SELECT a FROM t");

    ck_assert_str_eq(now, "new");
    ck_assert_str_eq(before, "old");
    CHECK(!database_exists("place new"));
    CHECK_ERR(postgres_swap(&o, "place new", "place", "more", e), ERR_NOT_FOUND);
    CHECK_OK(postgres_swap(&o, "place \"kept\"", "place", "place new", e));
    AUTO(mem) char *back = postgres_server_value(server, "place", "SELECT a FROM t");

    ck_assert_str_eq(back, "old");
    CHECK(database_exists("place new") && !database_exists("place \"kept\""));
}
END

TEST(a_database_is_not_swapped_over_a_kept_one_but_where_none_is)
{
    const struct postgres_restore_options o = restore_to(NULL);
    char name[POSTGRES_NAME_MAX + 2];

    database_new("swap a", "");
    database_new("swap b", "");
    CHECK_ERR(postgres_swap(&o, "swap a", "swap c", "swap b", e), ERR_EXISTS);
    CHECK_ERR(postgres_swap(&o, "swap a", "swap b", "swap b", e), ERR_EXISTS);
    CHECK_ERR(postgres_swap(&o, "swap a", "swap b", "postgres", e), ERR_EXISTS);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CHECK_ERR(postgres_swap(&o, "swap a", "swap b", name, e), ERR_USAGE);
    CHECK_ERR(postgres_swap(&o, "swap a", name, "swap c", e), ERR_USAGE);
    CHECK(database_exists("swap a") && database_exists("swap b") && !database_exists("swap c"));
    CHECK_OK(postgres_swap(&o, "swap a", "swap c", "swap d", e));
    CHECK(!database_exists("swap a") && database_exists("swap c") && !database_exists("swap d"));
}
END

TEST(what_there_is_of_a_database_is_told)
{
    const struct postgres_restore_options o = restore_to(NULL);
    struct postgres_present p = {.is_there = true, .tables = 1};

    CHECK_OK(postgres_present(&o, "there is none", &p, e));
    CHECK(!p.is_there && p.tables == 0 && p.bytes == 0);
    database_new("present it's",
                 "CREATE TABLE a (); CREATE TABLE p (a int) PARTITION BY LIST (a);"
                 "CREATE TABLE p1 PARTITION OF p DEFAULT; CREATE VIEW v AS SELECT 1 AS a;"
                 "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE SEQUENCE s");
    CHECK_OK(postgres_present(&o, "present it's", &p, e));
    CHECK(p.is_there && p.tables == 4 && p.bytes > 1000000);
    CHECK_OK(postgres_present(&o, "template0", &p, e));
    CHECK(p.is_there && p.tables == 0);
}
END

TESTS_BETWEEN("postgres_restore", server_begin, server_end,
              every_kind_of_object_is_there_again_and_pg_dump_says_the_same,
              keys_of_tables_that_refer_to_each_other_come_back_with_many_jobs,
              settings_and_owner_of_the_database_come_along,
              rights_on_the_database_and_its_comment_come_along_unless_it_gets_others,
              a_database_that_exists_is_not_touched,
              stored_files_that_are_damaged_leave_no_database,
              an_extension_that_the_server_does_not_have_is_told_before_anything_is_made,
              rows_that_violate_a_key_leave_no_database, cancelled_before_the_data_nothing_is_left,
              cancelled_in_the_rows_nothing_is_left, cancelled_in_the_large_objects_nothing_is_left,
              cancelled_after_the_data_nothing_is_left,
              sessions_that_the_server_ends_leave_no_database,
              a_server_that_does_not_answer_is_told,
              hostile_names_of_databases_tables_and_columns_are_only_names,
              roles_that_are_missing_are_made_and_others_stay,
              hostile_names_of_roles_are_only_names, roles_made_for_a_restore_that_fails_are_gone,
              without_owners_no_role_is_needed, other_encodings_and_parts_of_a_database_come_back,
              a_server_that_stops_in_the_middle_is_told_with_what_it_still_has,
              a_database_takes_the_place_of_another_and_gives_it_back,
              a_database_is_not_swapped_over_a_kept_one_but_where_none_is,
              what_there_is_of_a_database_is_told)
