/*
 * Rows of tables that are there: replaced, added to, and compared with the manifest.
 *
 * While rows are replaced no trigger of the table fires and no other table refers to it.  What was
 * taken away for that comes back in the end by statements that are collected before, and then the
 * server checks the foreign keys.
 */
#include <string.h>

#include "source/postgres_part.h"
#include "source/postgres_run.h"

/* Foreign keys of other tables to $1; of partitions, those that they have them from. */
static const char find_keys[] =
    "WITH RECURSIVE up AS (SELECT oid, conparentid FROM pg_constraint WHERE contype = 'f'"
    " AND confrelid = $1::regclass AND conrelid <> confrelid"
    " UNION SELECT c.oid, c.conparentid FROM pg_constraint c JOIN up ON c.oid = up.conparentid)"
    " SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname),"
    " format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname,"
    " pg_get_constraintdef(c.oid)),"
    " format('COMMENT ON CONSTRAINT %I ON %s IS %L', c.conname, c.conrelid::regclass, "
    "d.description)"
    " FROM up JOIN pg_constraint c ON c.oid = up.oid LEFT JOIN pg_description d"
    " ON d.objoid = c.oid AND d.classoid = 'pg_constraint'::regclass WHERE c.conparentid = 0";

static const char find_triggers[] =
    "SELECT format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', tgrelid::regclass, tgname),"
    " format('ALTER TABLE ONLY %s ENABLE %sTRIGGER %I', tgrelid::regclass,"
    " CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, tgname)"
    " FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled <> 'D'";

static const char find_sequences[] =
    "SELECT n.nspname, c.relname FROM pg_depend d JOIN pg_class c ON c.oid = d.objid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE d.classid = 'pg_class'::regclass"
    " AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::regclass"
    " AND d.deptype IN ('a', 'i') AND c.relkind = 'S'";

static const char is_behind[] = "SELECT coalesce(CASE WHEN s.seqincrement > 0"
                                " THEN pg_sequence_last_value(s.seqrelid) < $2::bigint"
                                " ELSE pg_sequence_last_value(s.seqrelid) > $2::bigint END, true)"
                                " FROM pg_sequence s WHERE s.seqrelid = $1::regclass";

/* Run the statements of the first column, and append those of the others. */
static bool put_away(struct postgres_link *l, const char *query, const char *table,
                     struct buf *later, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;

    if (!postgres_link_query(
            l, &(struct postgres_query){.sql = query, .values = {table}, .count = 1}, &r, e))
        return false;
    for (int i = 0; i < PQntuples(r); i++) {
        if (!postgres_link_run(l, PQgetvalue(r, i, 0), e))
            return false;
        for (int k = 1; k < PQnfields(r); k++)
            buf_printf(later, "%s;", PQgetvalue(r, i, k));
    }
    return true;
}

static bool clear_way(struct part *p, const struct postgres_table *t, struct buf *later,
                      struct err *e)
{
    AUTO(buf) struct buf table = {0};
    AUTO(buf) struct buf lock = {0};

    if (t->extension != NULL)
        return err_set(e, ERR_USAGE, "it belongs to extension %s, which has rows of its own there",
                       t->extension);
    postgres_table_quote(t->schema, t->name, &table);
    buf_printf(&lock, "LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE", buf_string(&table));
    return postgres_link_run(&p->link, buf_string(&lock), e) &&
           put_away(&p->link, find_triggers, buf_string(&table), later, e) &&
           put_away(&p->link, find_keys, buf_string(&table), later, e);
}

static bool truncate_all(struct part *p, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    for (size_t i = 0; i < p->tables.count; i++) {
        buf_printf(&sql, i == 0 ? "TRUNCATE ONLY " : ", ONLY ");
        postgres_table_quote(p->tables.items[i]->schema, p->tables.items[i]->name, &sql);
    }
    return postgres_link_run(&p->link, buf_string(&sql), e);
}

bool part_replace_rows(struct part *p, struct err *e)
{
    AUTO(buf) struct buf later = {0};

    /* What waits for the end would be in the way of statements that change tables. */
    buf_printf(&later, "SET CONSTRAINTS ALL IMMEDIATE;");
    for (size_t i = 0; i < p->tables.count; i++)
        if (!clear_way(p, p->tables.items[i], &later, e))
            return err_wrap(e, "table %s.%s", p->tables.items[i]->schema, p->tables.items[i]->name);
    if (!truncate_all(p, e))
        return false;
    for (size_t i = 0; i < p->tables.count; i++)
        if (!postgres_rows_load(&p->target, &p->link, p->tables.items[i], e) ||
            !part_compare(p, p->tables.items[i], e))
            return false;
    if (!postgres_link_run(&p->link, buf_string(&later), e))
        return err_wrap(e, "foreign keys");
    return part_advance_sequences(p, e);
}

/* Tables may refer to each other, and no order of them need be right. */
bool part_add_rows(struct part *p, struct err *e)
{
    AUTO(buf) struct buf later = {0};

    for (size_t i = 0; i < p->tables.count && p->tables.count > 1; i++) {
        AUTO(buf) struct buf table = {0};

        postgres_table_quote(p->tables.items[i]->schema, p->tables.items[i]->name, &table);
        if (!put_away(&p->link, find_keys, buf_string(&table), &later, e))
            return false;
    }
    for (size_t i = 0; i < p->tables.count; i++)
        if (!postgres_rows_load(&p->target, &p->link, p->tables.items[i], e))
            return false;
    if (later.size > 0 && !postgres_link_run(&p->link, buf_string(&later), e))
        return err_wrap(e, "foreign keys");
    return part_advance_sequences(p, e);
}

bool part_compare(struct part *p, const struct postgres_table *t, struct err *e)
{
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf columns = {0};
    struct postgres_item item = {.table = *t};

    postgres_table_quote(t->schema, t->name, &name);
    for (size_t i = 0; i < t->columns.count; i++) {
        buf_printf(&columns, "%s", i == 0 ? "" : ", ");
        postgres_name_quote(t->columns.items[i], &columns);
    }
    item.sql_name = buf_string(&name);
    item.sql_columns = buf_string(&columns);
    if (!postgres_rows_send(&p->link, &item, p->target.manifest.encoding, NULL, e))
        return err_wrap(e, "compare table %s.%s", t->schema, t->name);
    return (item.table.rows == t->rows && strcmp(item.table.hash, t->hash) == 0) ||
           err_set(e, ERR_CORRUPT, "table %s.%s does not have the rows that were stored", t->schema,
                   t->name);
}

static bool advance(struct part *p, const struct postgres_sequence *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf value = {0};

    postgres_table_quote(s->schema, s->name, &name);
    buf_printf(&value, "%lld", (long long)s->last_value);

    const struct postgres_query q = {
        .sql = is_behind, .values = {buf_string(&name), buf_string(&value)}, .count = 2};

    if (!postgres_link_query(&p->link, &q, &r, e))
        return false;
    return PQntuples(r) == 0 || !postgres_result_bool(r, 0, 0) ||
           postgres_sequence_set(&p->link, s, e);
}

static bool advance_those_of(struct part *p, const struct postgres_table *t, struct err *e)
{
    const struct postgres_manifest *m = &p->target.manifest;
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf table = {0};

    postgres_table_quote(t->schema, t->name, &table);

    const struct postgres_query q = {
        .sql = find_sequences, .values = {buf_string(&table)}, .count = 1};

    if (!postgres_link_query(&p->link, &q, &r, e))
        return false;
    for (int i = 0; i < PQntuples(r); i++)
        for (size_t k = 0; k < m->sequence_count; k++)
            if (strcmp(m->sequences[k].schema, PQgetvalue(r, i, 0)) == 0 &&
                strcmp(m->sequences[k].name, PQgetvalue(r, i, 1)) == 0 &&
                !advance(p, &m->sequences[k], e))
                return false;
    return true;
}

bool part_advance_sequences(struct part *p, struct err *e)
{
    for (size_t i = 0; i < p->tables.count; i++)
        if (!advance_those_of(p, p->tables.items[i], e))
            return false;
    return true;
}
