/*
 * Rows go in as one JSON object each, from which the server makes values of the columns' types:
 * enums, JSON and times are what the table says they are.
 */
#include "source/school_log.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/json_writer.h"
#include "codec/random.h"
#include "source/table_db.h"

#define ID_SIZE 16

/* The columns of a table of schema public. */
struct columns {
    PGresult *found; /* names, and whether they must have a value */
};

static void columns_auto(struct columns *c)
{
    postgres_result_auto(&c->found);
}

static bool columns_load(struct postgres_link *l, const char *table, struct columns *out,
                         struct err *e)
{
    static const char sql[] =
        "SELECT a.attname, a.attnotnull FROM pg_catalog.pg_attribute a"
        " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped";

    return postgres_link_query(l, &(struct postgres_query){sql, {table}, .count = 1}, &out->found,
                               e);
}

/* -1: there is none of that name. */
static int column_at(const struct columns *c, const char *name)
{
    for (int i = 0; i < PQntuples(c->found); i++)
        if (strcmp(PQgetvalue(c->found, i, 0), name) == 0)
            return i;
    return -1;
}

/* A row being made: its values, and the columns that get them. */
struct row {
    const struct columns *columns;
    struct json_writer values;
    struct buf names;
};

static void row_auto(struct row *r)
{
    json_writer_auto(&r->values);
    buf_done(&r->names);
}

/* A value that is JSON already, for a column that the table may have. */
static void row_put_json(struct row *r, const char *column, const char *json)
{
    if (column_at(r->columns, column) < 0)
        return;
    json_writer_name(&r->values, slice_string(column));
    json_writer_raw(&r->values, slice_string(json));
    buf_printf(&r->names, r->names.size == 0 ? "" : ", ");
    postgres_name_quote(column, &r->names);
}

static void row_put(struct row *r, const char *column, const char *text)
{
    AUTO(json_writer) struct json_writer w = {0};

    json_writer_text(&w, slice_string(text));
    row_put_json(r, column, buf_string(&w.out));
}

/* Run a statement of which only it itself fails; *is_done says whether it did not. */
static bool run_apart(struct postgres_link *l, const struct postgres_query *q, const char *table,
                      struct school_logged *out, bool *is_done, struct err *e)
{
    struct err why = {0};

    if (!postgres_link_run(l, "SAVEPOINT holdfast_log", e))
        return false;
    *is_done = postgres_link_query(l, q, NULL, &why);
    if (*is_done)
        return postgres_link_run(l, "RELEASE holdfast_log", e);
    (void)snprintf(out->problem, sizeof(out->problem), "table %s: %.250s", table, why.text);
    return postgres_link_run(l, "ROLLBACK TO holdfast_log; RELEASE holdfast_log", e);
}

/* quoted: the table's name as it stands in statements. */
static bool row_insert(struct postgres_link *l, struct row *r, const char *quoted,
                       struct school_logged *out, bool *is_done, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    json_writer_close(&r->values, '}');
    buf_printf(&sql,
               "INSERT INTO public.%s (%s) SELECT %s FROM"
               " pg_catalog.json_populate_record(NULL::public.%s, $1::json)",
               quoted, buf_string(&r->names), buf_string(&r->names), quoted);

    const struct postgres_query q = {buf_string(&sql), {buf_string(&r->values.out)}, .count = 1};

    return run_apart(l, &q, quoted, out, is_done, e);
}

/* The first version's table, by what later ones do not have and it has. */
static bool is_first_version(const struct columns *c)
{
    static const char *const names[] = {"id",        "filename", "size",     "location",
                                        "encrypted", "status",   "createdAt"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (column_at(c, names[i]) < 0)
            return false;
    return column_at(c, "schoolId") < 0;
}

static bool put_metadata(struct postgres_link *l, const struct columns *c,
                         const struct school_log_entry *entry, struct school_logged *out,
                         struct err *e)
{
    static const char delete_sql[] = "DELETE FROM public.\"Backup\" WHERE id = $1";
    AUTO(row) struct row r = {.columns = c};
    char size[24];

    if (strcmp(entry->action, "DELETE") == 0)
        return run_apart(l, &(struct postgres_query){delete_sql, {entry->id}, .count = 1},
                         "\"Backup\"", out, &out->has_metadata, e);
    if (entry->created == NULL)
        return true;
    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)entry->size);
    json_writer_open(&r.values, '{');
    row_put(&r, "id", entry->id);
    row_put(&r, "filename", entry->file);
    row_put_json(&r, "size", size);
    row_put(&r, "location", "LOCAL");
    row_put_json(&r, "encrypted", "true");
    row_put(&r, "status", "COMPLETED");
    row_put(&r, "createdAt", entry->created);
    if (entry->user != NULL)
        row_put(&r, "createdBy", entry->user);
    return row_insert(l, &r, "\"Backup\"", out, &out->has_metadata, e);
}

static bool put_audit(struct postgres_link *l, const struct columns *c, bool is_first,
                      const struct school_log_entry *entry, struct school_logged *out,
                      struct err *e)
{
    static const char *const times[] = {"timestamp", "createdAt", "updatedAt"};
    AUTO(row) struct row r = {.columns = c};
    const int user = column_at(c, "userId");
    uint8_t id[ID_SIZE];
    char id_text[2 * ID_SIZE + 1];
    char now[CLOCK_TEXT_MAX];

    random_bytes(id, sizeof(id));
    hex_encode(SLICE_OF(id, sizeof(id)), id_text);
    clock_format(clock_now_ns(), now);
    json_writer_open(&r.values, '{');
    row_put(&r, "id", id_text);
    if (entry->user != NULL)
        row_put(&r, "userId", entry->user);
    else if (user >= 0 && postgres_result_bool(c->found, user, 1))
        row_put(&r, "userId", "SYSTEM"); /* as the application's scheduled backups */
    row_put(&r, "action", entry->action);
    row_put(&r, "resource", "backup");
    row_put(&r, "resourceId", is_first ? entry->id : entry->file);
    row_put_json(&r, "changes", entry->changes);
    row_put(&r, "userAgent", "holdfast");
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        row_put(&r, times[i], now);
    return row_insert(l, &r, "audit_logs", out, &out->has_audit, e);
}

bool school_log_put(struct postgres_link *l, const struct school_log_entry *entry,
                    struct school_logged *out, struct err *e)
{
    AUTO(columns) struct columns metadata = {0};
    AUTO(columns) struct columns audit = {0};
    struct school_logged logged = {0};

    if (!columns_load(l, "Backup", &metadata, e) || !columns_load(l, "audit_logs", &audit, e))
        return err_wrap(e, "note the backup in the database");

    const bool is_first = is_first_version(&metadata);

    if (is_first && !put_metadata(l, &metadata, entry, &logged, e))
        return err_wrap(e, "note the backup in the database");
    if (PQntuples(audit.found) > 0 && !put_audit(l, &audit, is_first, entry, &logged, e))
        return err_wrap(e, "note the backup in the database");
    *out = logged;
    return true;
}

bool school_log_write(const struct table_json_database *where, const struct school_log_entry *entry,
                      school_log_act_fn *act, void *arg, struct school_logged *out, struct err *e)
{
    AUTO(table_db) struct table_db db = {0};
    struct school_logged logged = {0};

    if (!table_db_open(&db, where, e) || !postgres_link_run(&db.link, "BEGIN", e) ||
        !school_log_put(&db.link, entry, &logged, e) || (act != NULL && !act(arg, e)) ||
        !postgres_link_run(&db.link, "COMMIT", e))
        return false;
    *out = logged;
    return true;
}
