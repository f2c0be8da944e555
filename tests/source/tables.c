#include "source/tables.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct postgres_server *tables_server;

void tables_begin(void)
{
    CHECK_OK(postgres_server_start(&tables_server, e));
}

void tables_end(void)
{
    postgres_server_free(tables_server);
}

void tables_sql(const char *database, const char *sql)
{
    postgres_server_sql(tables_server, database, sql);
}

void tables_make(const char *database, const char *sql)
{
    AUTO(buf) struct buf create = {0};

    buf_printf(&create, "CREATE DATABASE %s", database);
    tables_sql("postgres", buf_string(&create));
    tables_sql(database, sql);
}

void tables_check(const char *database, const char *sql, const char *wanted)
{
    AUTO(mem) char *found = postgres_server_value(tables_server, database, sql);

    ck_assert_msg(found != NULL && strcmp(found, wanted) == 0, "%s: %s, wanted %s", sql, found,
                  wanted);
}

char *tables_text(const char *database, const char *query)
{
    AUTO(buf) struct buf sql = {0};

    buf_printf(
        &sql,
        "SELECT string_agg(whole_row::text, E'\\n' ORDER BY whole_row::text) FROM (%s) whole_row",
        query);
    return postgres_server_value(tables_server, database, buf_string(&sql));
}

void tables_same(const char *database, const char *other, const char *query)
{
    AUTO(mem) char *here = tables_text(database, query);
    AUTO(mem) char *there = tables_text(other, query);

    ck_assert_ptr_nonnull(here);
    ck_assert_ptr_nonnull(there);
    ck_assert_msg(strcmp(here, there) == 0, "%s differs:\n%s\n%s", query, here, there);
}

const char *tables_dsn(const char *database)
{
    static char dsn[200];

    ck_assert_int_lt(snprintf(dsn, sizeof(dsn), "host=%s user=postgres dbname=%s",
                              postgres_server_host(tables_server), database),
                     (int)sizeof(dsn));
    return dsn;
}

bool tables_write(void *arg, struct slice bytes, struct err *e)
{
    (void)e;
    buf_append_slice(arg, bytes);
    return true;
}

void tables_export(const char *database, enum table_json_form form, struct buf *out)
{
    const struct table_json_export_options o = {
        .database = {.dsn = tables_dsn(database)}, .form = form, .write = tables_write, .arg = out};
    struct table_json_totals totals;

    CHECK_OK(table_json_export(&o, &totals, e));
}

bool tables_import_with(const char *database, struct table_json_import_options o,
                        struct slice document, struct table_json_counts *out, struct err *e)
{
    o.database = (struct table_json_database){.dsn = tables_dsn(database)};
    o.read = json_read_slice;
    o.arg = &document;
    return table_json_import(&o, out, e);
}

bool tables_import(const char *database, enum table_json_mode mode, struct slice document,
                   struct table_json_counts *out, struct err *e)
{
    return tables_import_with(database, (struct table_json_import_options){.mode = mode}, document,
                              out, e);
}

bool tables_import_plain(const char *database, enum table_json_mode mode, const char *tables,
                         struct table_json_counts *out, struct err *e)
{
    AUTO(buf) struct buf document = {0};

    buf_printf(&document,
               "{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00.123Z\",\"tables\":{%s}}",
               tables);
    return tables_import(database, mode, buf_slice(&document), out, e);
}

void tables_refused(const char *database, enum table_json_mode mode, const char *tables,
                    enum err_code code, const char *sentence)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    struct err e = {0};

    CHECK(!tables_import_plain(database, mode, tables, &counts, &e));
    ck_assert_msg(strncmp(e.text, "import tables: ", strlen("import tables: ")) == 0, "%s", e.text);
    ck_assert_str_eq(e.text + strlen("import tables: "), sentence);
    ck_assert_int_eq(e.code, code);
}
