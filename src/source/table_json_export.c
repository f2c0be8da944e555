/*
 * Tables to JSON, in one transaction that sees one moment; each table is one query whose rows
 * come one by one.
 */
#include <string.h>

#include "base/clock.h"
#include "source/table_value.h"

/* Bytes gathered before they are written. */
#define GATHER ((size_t)64 << 10)

struct export
{
    const struct table_json_export_options *options;
    struct table_db db;
    struct json_writer writer;
    struct table_json_totals totals;
};

static void export_auto(struct export *x)
{
    table_db_auto(&x->db);
    json_writer_auto(&x->writer);
}

static bool write_out(struct export *x, struct err *e)
{
    struct buf *out = &x->writer.out;

    if (out->size > 0 && !x->options->write(x->options->arg, buf_slice(out), e))
        return false;
    buf_clear(out);
    return true;
}

/* Columns that are computed from others are left out. */
static void make_query(const struct export *x, const struct table *t, struct buf *sql)
{
    const char *between = " ";

    buf_printf(sql, "SELECT");
    for (size_t i = 0; i < t->column_count; i++) {
        const struct table_column *c = &t->columns[i];
        const bool is_json = c->kind == TABLE_KIND_ARRAY && x->options->form == TABLE_JSON_PLAIN;

        if (c->is_generated)
            continue;
        buf_printf(sql, is_json ? "%spg_catalog.to_json(%s)" : "%s%s", between, c->quoted);
        between = ", ";
    }
    buf_printf(sql, " FROM %s%s", t->only, t->quoted);
    between = " ORDER BY ";
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].is_key) {
            buf_printf(sql, "%s%s", between, t->columns[i].quoted);
            between = ", ";
        }
}

static bool write_field(struct export *x, const struct table_column *c, const PGresult *r,
                        int field, struct err *e)
{
    const enum table_json_form form = x->options->form;
    const struct slice text = SLICE_OF(PQgetvalue(r, 0, field), (size_t)PQgetlength(r, 0, field));
    struct json_writer *w = &x->writer;

    if (PQgetisnull(r, 0, field)) {
        if (c->kind == TABLE_KIND_JSON && form == TABLE_JSON_TYPED)
            return true; /* left out: null is a value of theirs */
        json_writer_name(w, slice_string(c->name));
        json_writer_raw(w, slice_string("null"));
        return true;
    }
    if (text.size > TABLE_JSON_ROW_MAX)
        return err_set(e, ERR_FATAL, "it is longer than %zu MiB", TABLE_JSON_ROW_MAX >> 20);
    json_writer_name(w, slice_string(c->name));
    return table_value_write(w, c->kind, form, text, e);
}

static bool write_row(struct export *x, const struct table *t, const PGresult *r, struct err *e)
{
    struct json_writer *w = &x->writer;
    const size_t before = w->out.size;
    int field = 0;

    json_writer_open(w, '{');
    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].is_generated)
            continue;
        if (!write_field(x, &t->columns[i], r, field++, e))
            return err_wrap(e, "column %s", t->columns[i].name);
        if (w->out.size - before > TABLE_JSON_ROW_MAX)
            return err_set(e, ERR_FATAL, "it is longer than %zu MiB", TABLE_JSON_ROW_MAX >> 20);
    }
    json_writer_close(w, '}');
    return w->out.size < GATHER || write_out(x, e);
}

struct rows {
    struct export *export;
    const struct table *table;
    uint64_t count;
};

static bool take_row(void *arg, const PGresult *row, struct err *e)
{
    struct rows *rows = arg;

    rows->count++;
    return write_row(rows->export, rows->table, row, e) ||
           err_wrap(e, "row %llu", (unsigned long long)rows->count);
}

static bool write_rows(struct export *x, const struct table *t, struct err *e)
{
    AUTO(buf) struct buf sql = {0};
    struct rows rows = {.export = x, .table = t};

    make_query(x, t, &sql);
    json_writer_open(&x->writer, '[');
    if (!postgres_link_rows(&x->db.link, buf_string(&sql), take_row, &rows, e))
        return false;
    json_writer_close(&x->writer, ']');
    x->totals.rows += rows.count;
    return true;
}

static void write_columns(struct json_writer *w, const struct table *t)
{
    json_writer_name(w, slice_string("columns"));
    json_writer_open(w, '[');
    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].is_generated)
            continue;
        json_writer_open(w, '{');
        json_writer_name(w, slice_string("name"));
        json_writer_text(w, slice_string(t->columns[i].name));
        json_writer_name(w, slice_string("type"));
        json_writer_text(w, slice_string(t->columns[i].type));
        json_writer_close(w, '}');
    }
    json_writer_close(w, ']');
    json_writer_name(w, slice_string("rows"));
}

static bool write_table(struct export *x, struct table *t, const char *name, struct err *e)
{
    const bool is_typed = x->options->form == TABLE_JSON_TYPED;

    if (!table_db_columns(&x->db, t, e))
        return false;
    json_writer_name(&x->writer, slice_string(name));
    if (is_typed) {
        json_writer_open(&x->writer, '{');
        write_columns(&x->writer, t);
    }
    if (!write_rows(x, t, e))
        return err_wrap(e, "table %s", t->name);
    if (is_typed)
        json_writer_close(&x->writer, '}');
    x->totals.tables++;
    return true;
}

static const char *name_of(const struct table_json_pick *p)
{
    return p->name != NULL ? p->name : p->table;
}

static bool write_picked(struct export *x, size_t i, struct err *e)
{
    const struct table_json_pick *picks = x->options->picks;
    struct table *t = table_db_find(&x->db, slice_string(picks[i].table));

    for (size_t j = 0; j < i; j++)
        if (strcmp(name_of(&picks[j]), name_of(&picks[i])) == 0)
            return err_set(e, ERR_USAGE, "two tables would be called %s", name_of(&picks[i]));
    if (t == NULL)
        return x->options->skips_missing ||
               err_set(e, ERR_NOT_FOUND, "the database has no table %s", picks[i].table);
    return write_table(x, t, name_of(&picks[i]), e);
}

static bool write_tables(struct export *x, struct err *e)
{
    const struct table_json_export_options *o = x->options;

    for (size_t i = 0; i < o->pick_count; i++)
        if (!write_picked(x, i, e))
            return false;
    for (size_t i = 0; o->pick_count == 0 && i < x->db.count; i++)
        if (!write_table(x, &x->db.tables[i], x->db.tables[i].name, e))
            return false;
    return true;
}

/* Milliseconds, as JavaScript writes them. */
static void write_timestamp(struct json_writer *w)
{
    char text[CLOCK_TEXT_MAX];
    AUTO(buf) struct buf out = {0};

    clock_format(clock_now_ns(), text);
    buf_append(&out, text, strlen("2026-11-21T08:45:00.123"));
    buf_put_u8(&out, 'Z');
    json_writer_name(w, slice_string("timestamp"));
    json_writer_text(w, buf_slice(&out));
}

static bool write_document(struct export *x, struct err *e)
{
    struct json_writer *w = &x->writer;

    json_writer_open(w, '{');
    json_writer_name(w, slice_string("version"));
    json_writer_text(w, slice_string("1.0"));
    write_timestamp(w);
    json_writer_name(w, slice_string("tables"));
    json_writer_open(w, '{');
    if (!write_tables(x, e))
        return false;
    json_writer_close(w, '}');
    json_writer_close(w, '}');
    return write_out(x, e);
}

bool table_json_export(const struct table_json_export_options *o, struct table_json_totals *out,
                       struct err *e)
{
    AUTO(export) struct export x = {.options = o};

    if (!table_db_open(&x.db, &o->database, e) ||
        !postgres_link_run(&x.db.link, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", e) ||
        !table_db_load(&x.db, e) || !write_document(&x, e) ||
        !postgres_link_run(&x.db.link, "COMMIT", e))
        return err_wrap(e, "export tables");
    *out = x.totals;
    return true;
}
