/*
 * The statements that bring rows from temporary tables into the real ones.
 */
#include "base/text.h"
#include "source/table_stage.h"

/* What a failure is asked for: table_apply.c. */
#define AT_ROW "pg_catalog.setval('pg_temp.holdfast_row'::pg_catalog.regclass, "

static void put_list(struct buf *sql, const struct table_stage *s, const char *prefix)
{
    for (size_t i = 0; i < s->column_count; i++)
        buf_printf(sql, "%s%s%s", i > 0 ? ", " : "", prefix, s->columns[i]->quoted);
}

static void put_numbers(struct buf *sql, const struct table_stage *s)
{
    for (size_t i = 0; i < s->column_count; i++)
        buf_printf(sql, "%sc%zu", i > 0 ? ", " : "", i);
}

static bool is_settable(const struct table_column *c)
{
    return !c->is_key && !c->is_always_identity;
}

/* Rows that have the key become what the document says, those that are that already stay: *<>
 * compares all bytes and serves types that cannot be compared otherwise. */
static void put_conflict(struct buf *sql, const struct table_stage *s)
{
    static const char *const sides[] = {"t.", "EXCLUDED."};
    bool has_any = false;
    const char *between = "";

    buf_printf(sql, " ON CONFLICT (");
    for (size_t i = 0; i < s->column_count; i++) {
        if (s->columns[i]->is_key) {
            buf_printf(sql, "%s%s", between, s->columns[i]->quoted);
            between = ", ";
        }
        has_any = has_any || is_settable(s->columns[i]);
    }
    buf_printf(sql, has_any ? ") DO UPDATE SET " : ") DO NOTHING");
    if (!has_any)
        return;
    between = "";
    for (size_t i = 0; i < s->column_count; i++)
        if (is_settable(s->columns[i])) {
            buf_printf(sql, "%s%s = EXCLUDED.%s", between, s->columns[i]->quoted,
                       s->columns[i]->quoted);
            between = ", ";
        }
    buf_printf(sql, " WHERE ");
    for (size_t side = 0; side < 2; side++) {
        buf_printf(sql, side == 0 ? "ROW(" : " OPERATOR(pg_catalog.*<>) ROW(");
        between = "";
        for (size_t i = 0; i < s->column_count; i++)
            if (is_settable(s->columns[i])) {
                buf_printf(sql, "%s%s%s", between, sides[side], s->columns[i]->quoted);
                between = ", ";
            }
        buf_printf(sql, ")::record");
    }
}

/* "wN AS (INSERT ...)"; the second branch of UNION ALL runs when the first has ended. */
static void put_insert(struct buf *sql, const struct table_import *m, const struct table_stage *s)
{
    buf_printf(sql, "w%zu AS (INSERT INTO %s AS t", s->number, s->table->quoted);
    if (s->column_count > 0) {
        buf_printf(sql, " (");
        put_list(sql, s, "");
        buf_printf(sql, ") OVERRIDING SYSTEM VALUE");
    }
    buf_printf(sql, " SELECT ");
    put_numbers(sql, s);
    buf_printf(sql,
               " FROM (SELECT * FROM " TABLE_STAGE_NAME
               " WHERE n BETWEEN %llu AND %llu ORDER BY n OFFSET 0) s"
               " WHERE " AT_ROW "s.n * %d + %zu) IS NOT NULL UNION ALL SELECT ",
               s->number, (unsigned long long)s->first, (unsigned long long)s->last,
               TABLE_STAGES_MAX, s->number);
    put_numbers(sql, s);
    buf_printf(sql,
               " FROM " TABLE_STAGE_NAME " WHERE n BETWEEN %llu AND %llu AND " AT_ROW "1) IS NULL",
               s->number, (unsigned long long)s->first, (unsigned long long)s->last);
    if (m->options->mode == TABLE_JSON_UPSERT)
        put_conflict(sql, s);
    buf_printf(sql, " RETURNING 1)");
}

/* How many of the document's keys were there before. */
static void put_existing(struct buf *sql, const struct table_import *m, const struct table_stage *s)
{
    if (m->options->mode != TABLE_JSON_UPSERT) {
        buf_printf(sql, "0");
        return;
    }
    buf_printf(sql,
               "(SELECT count(*) FROM " TABLE_STAGE_NAME
               " s WHERE n BETWEEN %llu AND %llu AND EXISTS (SELECT FROM %s t WHERE true",
               s->number, (unsigned long long)s->first, (unsigned long long)s->last,
               s->table->quoted);
    for (size_t i = 0; i < s->column_count; i++)
        if (s->columns[i]->is_key)
            buf_printf(sql, " AND t.%s = s.c%zu", s->columns[i]->quoted, i);
    buf_printf(sql, "))");
}

bool table_statement_run(struct table_import *m, struct table_stage *const *group, size_t count,
                         struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf sql = {0};

    for (size_t i = 0; i < count; i++) {
        buf_printf(&sql, i == 0 ? "WITH " : ", ");
        put_insert(&sql, m, group[i]);
    }
    for (size_t i = 0; i < count; i++) {
        buf_printf(&sql, "%s(SELECT count(*) FROM w%zu), ", i == 0 ? " SELECT " : ", ",
                   group[i]->number);
        put_existing(&sql, m, group[i]);
    }
    if (!postgres_link_run(&m->db.link, "SAVEPOINT holdfast", e))
        return false;
    if (!postgres_link_query(&m->db.link, &(struct postgres_query){.sql = buf_string(&sql)}, &r, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct table_stage *s = group[i];
        uint64_t written;
        uint64_t existing;
        uint64_t inserted;

        if (!parse_u64(PQgetvalue(r, 0, (int)(2 * i)), &written, e) ||
            !parse_u64(PQgetvalue(r, 0, (int)(2 * i + 1)), &existing, e))
            return false;
        inserted = s->last - s->first + 1 - existing;
        if (inserted > written)
            inserted = written; /* a trigger left rows out */
        s->inserted += inserted;
        s->updated += written - inserted;
        s->is_applied = true;
    }
    return postgres_link_run(&m->db.link, "RELEASE holdfast", e);
}

bool table_statement_count(struct table_import *m, struct err *e)
{
    for (size_t i = 0; i < m->count; i++) {
        struct table_stage *s = &m->stages[i];
        AUTO(postgres_result) PGresult *r = NULL;
        AUTO(buf) struct buf sql = {0};

        if (s->rows == 0)
            continue;
        table_stage_take_all(s);
        buf_printf(&sql, "SELECT ");
        put_existing(&sql, m, s);
        if (!postgres_link_query(&m->db.link, &(struct postgres_query){.sql = buf_string(&sql)}, &r,
                                 e) ||
            !parse_u64(PQgetvalue(r, 0, 0), &s->updated, e))
            return err_wrap(e, "table %s", s->table->name);
        s->inserted = s->rows - s->updated;
    }
    return true;
}
