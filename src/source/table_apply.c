/*
 * From the temporary tables into the real ones, each by one statement, referenced tables first.
 * Tables whose foreign keys form a circle get one statement together: PostgreSQL checks foreign
 * keys at the end of a statement, so no constraint needs to be deferrable and no right beyond
 * that to write is needed.
 *
 * A sequence keeps the row that a statement was at when it failed, because what setval() does is
 * not undone.  Behind the last row it is set to "none": foreign keys and triggers that run then
 * belong to no particular row.
 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/table_stage.h"

static const char *value_of(const PGresult *r, int row, int column)
{
    return PQgetvalue(r, row, column);
}

static struct table_stage *stage_of(struct table_import *m, const char *oid)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->stages[i].table->oid, oid) == 0)
            return &m->stages[i];
    return NULL;
}

/* Where it failed */

/* The columns of a constraint as "a, b", or NULL. */
static bool constraint_columns(struct table_import *m, const struct table_stage *s,
                               const char *constraint, struct buf *out, struct err *e)
{
    static const char sql[] =
        "SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_catalog.pg_constraint c"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)"
        " WHERE c.conrelid = $1::oid AND c.conname = $2";
    const struct postgres_query q = {sql, {s->table->oid, constraint}, .count = 2};
    AUTO(postgres_result) PGresult *r = NULL;

    if (!postgres_link_query(&m->db.link, &q, &r, e))
        return false;
    buf_printf(out, "%s", value_of(r, 0, 0));
    return true;
}

/* The row and the table that the sequence holds; row 0: none. */
static bool row_reached(struct table_import *m, struct table_stage **s, uint64_t *row,
                        struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    uint64_t at;

    if (!postgres_link_query(
            &m->db.link,
            &(struct postgres_query){.sql = "SELECT last_value FROM pg_temp.holdfast_row"}, &r,
            e) ||
        !parse_u64(value_of(r, 0, 0), &at, e))
        return false;
    if (at >= TABLE_STAGES_MAX) {
        *s = &m->stages[at % TABLE_STAGES_MAX];
        *row = at / TABLE_STAGES_MAX;
    }
    return true;
}

/* The first row whose foreign key leads nowhere. */
static bool row_without_parent(struct table_import *m, const struct table_stage *s,
                               const char *constraint, uint64_t *row, struct err *e)
{
    static const char pairs_sql[] =
        "SELECT a.attname, f.attname, quote_ident(f.attname), c.confrelid,"
        " format('%I.%I', n.nspname, p.relname) FROM pg_catalog.pg_constraint c"
        " CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k(a, f)"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.a"
        " JOIN pg_catalog.pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.f"
        " JOIN pg_catalog.pg_class p ON p.oid = c.confrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace"
        " WHERE c.conrelid = $1::oid AND c.conname = $2 AND c.contype = 'f'";
    const struct postgres_query pairs = {pairs_sql, {s->table->oid, constraint}, .count = 2};
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(postgres_result) PGresult *found = NULL;
    AUTO(buf) struct buf sql = {0};
    AUTO(buf) struct buf in_table = {0};
    AUTO(buf) struct buf in_stage = {0};

    if (!postgres_link_query(&m->db.link, &pairs, &r, e))
        return false;
    if (PQntuples(r) == 0)
        return true;

    const struct table_stage *parent = stage_of(m, value_of(r, 0, 3));
    bool has_parent = parent != NULL && parent->rows > 0;

    buf_printf(&sql, "SELECT min(s.n) FROM " TABLE_STAGE_NAME " s WHERE true", s->number);
    for (int i = 0; i < PQntuples(r); i++) {
        const size_t at = table_stage_column(s, slice_string(value_of(r, i, 0)));
        const size_t to =
            has_parent ? table_stage_column(parent, slice_string(value_of(r, i, 1))) : 0;

        if (at == s->column_count)
            return true; /* a default did it */
        has_parent = has_parent && to < parent->column_count;
        buf_printf(&sql, " AND s.c%zu IS NOT NULL", at);
        buf_printf(&in_table, " AND p.%s = s.c%zu", value_of(r, i, 2), at);
        buf_printf(&in_stage, " AND q.c%zu = s.c%zu", to, at);
    }
    buf_printf(&sql, " AND NOT EXISTS (SELECT FROM %s p WHERE true%s)", value_of(r, 0, 4),
               buf_string(&in_table));
    if (has_parent)
        buf_printf(&sql, " AND NOT EXISTS (SELECT FROM " TABLE_STAGE_NAME " q WHERE true%s)",
                   parent->number, buf_string(&in_stage));
    if (!postgres_link_query(&m->db.link, &(struct postgres_query){.sql = buf_string(&sql)}, &found,
                             e))
        return false;
    return PQgetisnull(found, 0, 0) || parse_u64(value_of(found, 0, 0), row, e);
}

static struct table_stage *stage_of_failure(struct table_import *m, const PGresult *failure)
{
    const char *schema = postgres_result_field(failure, PG_DIAG_SCHEMA_NAME);
    const char *relation = postgres_result_field(failure, PG_DIAG_TABLE_NAME);

    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->stages[i].table->schema, schema) == 0 &&
            strcmp(m->stages[i].table->relation, relation) == 0)
            return &m->stages[i];
    return NULL;
}

/*
 * Go back to the savepoint and put table, row and column in front of the reason, as far as they
 * can be found out.  s is the table that it must have been, or NULL.  Returns false.
 */
static bool apply_failed(struct table_import *m, struct table_stage *s, struct err *e)
{
    AUTO(postgres_result) PGresult *failure = TAKE(m->db.link.failure);
    const bool is_reference = strcmp(m->db.link.sqlstate, "23503") == 0;
    const char *constraint = postgres_result_field(failure, PG_DIAG_CONSTRAINT_NAME);
    struct table_stage *named = stage_of_failure(m, failure);
    struct err why = {0};
    AUTO(buf) struct buf columns = {0};
    uint64_t row = 0;

    if (failure == NULL || !postgres_link_run(&m->db.link, "ROLLBACK TO holdfast", &why) ||
        !row_reached(m, &s, &row, &why))
        return false; /* the connection is lost: the reason alone */
    if (named != NULL && (row == 0 || is_reference))
        s = named;
    if (s == NULL)
        return false;
    if (is_reference)
        (void)row_without_parent(m, s, constraint, &row, &why); /* else no row is named */
    buf_printf(&columns, "%s", postgres_result_field(failure, PG_DIAG_COLUMN_NAME));
    if (constraint[0] != '\0' && named == s && columns.size == 0)
        (void)constraint_columns(m, s, constraint, &columns, &why);
    if (columns.size > 0)
        (void)err_wrap(e, "column %s", buf_string(&columns));
    if (row > 0)
        (void)err_wrap(e, "row %llu", (unsigned long long)row);
    return err_wrap(e, "table %s", s->table->name);
}

static bool apply_group(struct table_import *m, struct table_stage *const *group, size_t count,
                        struct err *e)
{
    for (size_t i = 0; i < count; i++)
        table_stage_take_all(group[i]);
    return table_statement_run(m, group, count, e) ||
           apply_failed(m, count == 1 ? group[0] : NULL, e);
}

/* Leaving rows out */

/* Whether a failure is a matter of the row, not of the server, the connection or our rights. */
static bool is_row_refused(const struct postgres_link *l)
{
    static const char *const classes[] = {"22", "23", "44", "P0"};

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(l->sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

/* Tell of the only row that is being applied. */
static bool leave_out(struct table_import *m, struct table_stage *s, const struct err *why,
                      struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf sql = {0};

    s->failed++;
    s->is_applied = true;
    if (m->options->failed == NULL)
        return true;
    buf_printf(&sql, "SELECT concat_ws(', '");
    for (size_t i = 0; i < s->column_count; i++)
        if (s->columns[i]->is_key)
            buf_printf(&sql, ", c%zu", i);
    buf_printf(&sql, ") FROM " TABLE_STAGE_NAME " WHERE n = %llu", s->number,
               (unsigned long long)s->first);
    if (!postgres_link_query(&m->db.link, &(struct postgres_query){.sql = buf_string(&sql)}, &r, e))
        return false;
    m->options->failed(m->options->call_arg,
                       &(struct table_json_failure){s->name, value_of(r, 0, 0), why});
    return true;
}

/* Apply rows first to last but those that are refused, which halving finds. */
static bool apply_rows(struct table_import *m, struct table_stage *s, uint64_t first, uint64_t last,
                       struct err *e)
{
    const uint64_t middle = first + (last - first) / 2;
    struct err why = {0};

    s->first = first;
    s->last = last;
    if (table_statement_run(m, &s, 1, &why))
        return true;
    if (!is_row_refused(&m->db.link)) {
        *e = why;
        return err_wrap(e, "table %s", s->table->name);
    }
    if (!postgres_link_run(&m->db.link, "ROLLBACK TO holdfast; RELEASE holdfast", e))
        return false;
    if (first == last)
        return leave_out(m, s, &why, e);
    return apply_rows(m, s, first, middle, e) && apply_rows(m, s, middle + 1, last, e);
}

static bool apply_stage(struct table_import *m, struct table_stage *s, struct err *e)
{
    return m->options->skips_failures ? apply_rows(m, s, 1, s->rows, e) : apply_group(m, &s, 1, e);
}

/* Order */

/* Whether all tables that s references, itself apart, have their rows. */
static bool is_ready(struct table_import *m, const struct table_stage *s, const PGresult *edges)
{
    for (int i = 0; i < PQntuples(edges); i++) {
        if (strcmp(value_of(edges, i, 0), s->table->oid) != 0)
            continue;

        const struct table_stage *to = stage_of(m, value_of(edges, i, 1));

        if (to != NULL && to != s && !to->is_applied)
            return false;
    }
    return true;
}

/* Where rows may be left out, each check has to come with its row: nothing is deferred, and tables
 * in a circle come one by one. */
static bool apply_in_order(struct table_import *m, struct err *e)
{
    static const char sql[] = "SELECT conrelid, confrelid FROM pg_catalog.pg_constraint"
                              " WHERE contype = 'f' AND conparentid = 0"
                              " AND NOT (condeferrable AND $1::boolean)";
    const struct postgres_query q = {sql, {m->options->skips_failures ? "f" : "t"}, .count = 1};
    AUTO(postgres_result) PGresult *edges = NULL;
    AUTO(mem) struct table_stage **group = mem_array(m->count + 1, sizeof(group[0]));

    if (!postgres_link_query(&m->db.link, &q, &edges, e))
        return false;
    for (;;) {
        bool did_any = false;
        size_t left = 0;

        for (size_t i = 0; i < m->count; i++) {
            struct table_stage *s = &m->stages[i];

            if (s->is_applied)
                continue;
            if (s->rows == 0) {
                s->is_applied = true;
                continue;
            }
            group[left++] = s;
            if (!is_ready(m, s, edges))
                continue;
            if (!apply_stage(m, s, e))
                return false;
            left--;
            did_any = true;
        }
        if (left == 0)
            return true;
        if (!did_any && !m->options->skips_failures)
            return apply_group(m, group, left, e);
        if (!did_any && !apply_stage(m, group[0], e))
            return false;
    }
}

/* Around it */

/* Say which table stands in the way; the details of other failures may hold whole rows. */
static bool truncate_failed(const struct postgres_link *l, struct err *e)
{
    const char *detail = postgres_result_field(l->failure, PG_DIAG_MESSAGE_DETAIL);
    const size_t size = strlen(detail);
    const struct err why = *e;

    if (strcmp(l->sqlstate, "0A000") == 0 && size > 0)
        (void)err_set(e, why.code, "%.90s: %.*s", why.text,
                      (int)(detail[size - 1] == '.' ? size - 1 : size), detail);
    return err_wrap(e, "empty the tables");
}

/* TRUNCATE takes all tables at once and refuses when another table references one of them. */
static bool empty_tables(struct table_import *m, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    if (m->options->mode != TABLE_JSON_REPLACE || m->count == 0)
        return true;
    for (size_t i = 0; i < m->count; i++)
        buf_printf(&sql, "%s%s%s", i == 0 ? "TRUNCATE " : ", ", m->stages[i].table->only,
                   m->stages[i].table->quoted);
    return postgres_link_run(&m->db.link, buf_string(&sql), e) || truncate_failed(&m->db.link, e);
}

/* Statements that disable the users' triggers which are enabled, and those that bring them back
 * as they were.  session_replication_role would stop the checks of foreign keys as well. */
static bool find_triggers(struct table_import *m, struct buf *disable, struct buf *enable,
                          struct err *e)
{
    static const char sql[] =
        "SELECT format('ALTER TABLE %s%s DISABLE TRIGGER %I;', $2::text, $3::text, tgname),"
        " format('ALTER TABLE %s%s ENABLE %s TRIGGER %I;', $2::text, $3::text,"
        "  CASE tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, tgname)"
        " FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal"
        " AND tgenabled <> 'D'";

    for (size_t i = 0; i < m->count && m->options->skips_triggers; i++) {
        const struct table *t = m->stages[i].table;
        const struct postgres_query q = {sql, {t->oid, t->only, t->quoted}, .count = 3};
        AUTO(postgres_result) PGresult *r = NULL;

        if (!postgres_link_query(&m->db.link, &q, &r, e))
            return false;
        for (int row = 0; row < PQntuples(r); row++) {
            buf_printf(disable, "%s", value_of(r, row, 0));
            buf_printf(enable, "%s", value_of(r, row, 1));
        }
    }
    return true;
}

static bool run_unless_empty(struct table_import *m, struct buf *sql, struct err *e)
{
    return sql->size == 0 || postgres_link_run(&m->db.link, buf_string(sql), e) ||
           err_wrap(e, "switch triggers");
}

/* Set a sequence behind the largest value of its column; never back. */
static bool move_sequence(struct table_import *m, const struct table *t,
                          const struct table_column *c, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql,
               "SELECT pg_catalog.setval($1::regclass, CASE WHEN p.seqincrement > 0"
               " THEN least(x.most, p.seqmax) ELSE greatest(x.least, p.seqmin) END)"
               " FROM (SELECT max(%s)::bigint AS most, min(%s)::bigint AS least FROM %s) x,"
               " pg_catalog.pg_sequence p, %s v WHERE p.seqrelid = $1::regclass"
               " AND CASE WHEN p.seqincrement > 0"
               " THEN x.most >= p.seqmin AND (x.most > v.last_value OR x.most = v.last_value AND "
               "NOT v.is_called)"
               " ELSE x.least <= p.seqmax AND (x.least < v.last_value OR x.least = v.last_value "
               "AND NOT v.is_called) END",
               c->quoted, c->quoted, t->quoted, c->sequence);

    const struct postgres_query q = {buf_string(&sql), {c->sequence}, .count = 1};

    return postgres_link_query(&m->db.link, &q, NULL, e) ||
           err_wrap(e, "table %s: sequence of column %s", t->name, c->name);
}

static bool move_sequences(struct table_import *m, struct err *e)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct table_stage *s = &m->stages[i];

        for (size_t j = 0; s->rows > 0 && j < s->column_count; j++)
            if (s->columns[j]->sequence != NULL && !move_sequence(m, s->table, s->columns[j], e))
                return false;
    }
    return true;
}

/* Check what is deferred while it can still be said where it fails. */
static bool check_deferred(struct table_import *m, struct err *e)
{
    if (!postgres_link_run(&m->db.link, "SAVEPOINT holdfast", e))
        return false;
    return postgres_link_run(&m->db.link, "SET CONSTRAINTS ALL IMMEDIATE", e) ||
           apply_failed(m, NULL, e);
}

/* What many small statements take: a plan that reads a whole table for one row would make them as
 * slow as the table is long, with all the dead rows of those that were refused. */
static const char skipping[] =
    "SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL enable_seqscan = off;"
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";

bool table_apply(struct table_import *m, struct err *e)
{
    AUTO(buf) struct buf disable = {0};
    AUTO(buf) struct buf enable = {0};

    if (m->options->is_dry_run)
        return table_statement_count(m, e);
    return find_triggers(m, &disable, &enable, e) && run_unless_empty(m, &disable, e) &&
           postgres_link_run(&m->db.link,
                             m->options->skips_failures ? skipping : "SET CONSTRAINTS ALL DEFERRED",
                             e) &&
           empty_tables(m, e) && apply_in_order(m, e) && check_deferred(m, e) &&
           run_unless_empty(m, &enable, e) && move_sequences(m, e);
}
