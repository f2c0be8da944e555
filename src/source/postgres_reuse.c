#include "source/postgres_reuse.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Numbers of transactions are compared as 32 bits; so far apart nothing is concluded. */
#define DISTANCE_MAX (UINT64_C(1) << 30)

/*
 * One life of one database of one server: its identifier, its timeline, the database, when the
 * server was started, and when its counters were last reset, which a crash does that the server
 * itself survives.  NULL on a standby server.
 */
static const char ask_instance[] =
    "SELECT CASE WHEN NOT pg_is_in_recovery() AND b.stats_reset IS NOT NULL THEN concat_ws(' ',"
    " s.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8), d.oid,"
    " extract(epoch FROM pg_postmaster_start_time()), extract(epoch FROM b.stats_reset)) END,"
    " pg_snapshot_xmin(pg_current_snapshot())"
    " FROM pg_control_system() s, pg_stat_bgwriter b, pg_database d"
    " WHERE d.datname = current_database()";

/*
 * Of each table: number, file, rows inserted, updated and deleted, and a hash of its columns with
 * the labels of their enumerations.  NULL unless its rows are stored as PostgreSQL itself does, and
 * their text depends on nothing else: types of others may print values anew at any time, and names
 * of tables, roles and the like (regclass, aclitem) change without the row.
 */
static const char ask_states[] =
    "WITH RECURSIVE part AS (SELECT a.attrelid AS rel, a.atttypid AS typ FROM pg_attribute a"
    " WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped"
    " UNION SELECT p.rel, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END"
    " FROM part p JOIN pg_type t ON t.oid = p.typ"
    " WHERE t.typtype = 'd' OR t.typoutput = 'array_out'::regproc),"
    " labels AS (SELECT enumtypid AS typ,"
    " string_agg(concat(oid, ' ', quote_literal(enumlabel)), ' ' ORDER BY oid) AS list"
    " FROM pg_enum GROUP BY enumtypid),"
    " parts AS (SELECT p.rel, bool_and(t.typtype IN ('d', 'e')"
    " OR t.typoutput = 'array_out'::regproc"
    " OR (t.oid < 16384 AND t.typtype IN ('b', 'r', 'm') AND t.typname !~ '^(reg|aclitem)'))"
    " AS is_plain, string_agg(concat(p.typ, ' ', l.list), ', ' ORDER BY p.typ) AS list"
    " FROM part p JOIN pg_type t ON t.oid = p.typ LEFT JOIN labels l ON l.typ = p.typ"
    " GROUP BY p.rel),"
    " cols AS (SELECT attrelid AS rel, string_agg(concat_ws(' ', attnum, quote_ident(attname),"
    " atttypid, atttypmod, attgenerated), ', ' ORDER BY attnum) AS list FROM pg_attribute"
    " WHERE attrelid = ANY ($1) AND attnum > 0 AND NOT attisdropped GROUP BY attrelid)"
    " SELECT CASE WHEN parts.is_plain AND m.amname = 'heap' THEN concat_ws(' ', c.oid,"
    " pg_relation_filenode(c.oid), pg_stat_get_tuples_inserted(c.oid),"
    " pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid),"
    " hashtextextended(concat(cols.list, '; ', parts.list) COLLATE \"C\", 0)) END"
    " FROM unnest($1) WITH ORDINALITY AS x(oid, at) LEFT JOIN pg_class c ON c.oid = x.oid"
    " LEFT JOIN pg_am m ON m.oid = c.relam LEFT JOIN parts ON parts.rel = x.oid"
    " LEFT JOIN cols ON cols.rel = x.oid ORDER BY x.at";

static bool ask(struct postgres_link *l, PGresult **out, struct err *e)
{
    return postgres_link_query(l, &(struct postgres_query){.sql = ask_instance}, out, e) ||
           err_wrap(e, "find out which tables did not change (reuse_unchanged_tables)");
}

bool postgres_reuse_probe(struct postgres_link *l, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;

    return ask(l, &r, e);
}

static bool describe_states(struct postgres_snapshot *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf oids = {0};

    postgres_selection_tables(&s->selection, &oids);

    const struct postgres_query q = {.sql = ask_states, .values = {buf_string(&oids)}, .count = 1};

    if (!postgres_link_query(s->link, &q, &r, e))
        return err_wrap(e, "look at the columns of tables");
    if ((size_t)PQntuples(r) != s->selection.count)
        return err_set(e, ERR_FATAL, "the server left out a table");
    for (size_t i = 0; i < s->selection.count; i++)
        s->selection.items[i].table.state = postgres_selection_keep(&s->selection, r, (int)i, 0);
    return true;
}

bool postgres_reuse_describe(struct postgres_snapshot *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;

    if (!ask(s->link, &r, e))
        return false;
    if (PQgetisnull(r, 0, 0) == 1)
        return true;
    s->manifest.instance = postgres_selection_keep(&s->selection, r, 0, 0);
    s->manifest.horizon = postgres_selection_keep(&s->selection, r, 0, 1);
    return describe_states(s, e);
}

/* Is what was noted then and now of one life of the server, and not too far apart? */
static bool is_comparable(const struct postgres_manifest *then, const struct postgres_manifest *now)
{
    struct err e = {0};
    uint64_t from = 0;
    uint64_t to = 0;

    return now->instance != NULL && then->instance != NULL && then->horizon != NULL &&
           strcmp(then->instance, now->instance) == 0 && parse_u64(then->horizon, &from, &e) &&
           parse_u64(now->horizon, &to, &e) && from <= to && to - from <= DISTANCE_MAX;
}

void postgres_reuse_begin(const struct postgres_member *m, const struct postgres_manifest *now,
                          struct slice json, struct postgres_reuse *out)
{
    struct err e = {0};

    *out = (struct postgres_reuse){.now_ns = m->member.now_ns,
                                   .oldest_ns = duration_before(m->member.now_ns, &m->o.reuse)};
    if (postgres_manifest_decode(json, &out->before, &e) && !is_comparable(&out->before, now))
        postgres_manifest_done(&out->before);
}

void postgres_reuse_auto(struct postgres_reuse *r)
{
    postgres_manifest_done(&r->before);
}

/* In the order of manifests. */
static int compare_names(const void *a, const void *b)
{
    const struct postgres_table *first = a;
    const struct postgres_table *second = b;
    const int order = strcmp(first->schema, second->schema);

    return order != 0 ? order : strcmp(first->name, second->name);
}

/* What the previous backup tells of a table that may not have changed, or NULL. */
static const struct postgres_table *find_candidate(const struct postgres_reuse *r,
                                                   const struct postgres_item *item)
{
    const struct postgres_table *now = &item->table;
    const struct postgres_table *then;

    if (r->before.table_count == 0 || now->state == NULL || now->condition != NULL)
        return NULL;
    then = bsearch(now, r->before.tables, r->before.table_count, sizeof(*now), compare_names);
    return then != NULL && then->file != NULL && then->row_hash == ROW_HASH_XXH3 &&
                   then->condition == NULL && then->state != NULL &&
                   strcmp(then->state, now->state) == 0
               ? then
               : NULL;
}

/* *is_same: the rows that are seen are those of then.  A number of 2^32 transactions ago that looks
 * young again only makes the table be read. */
static bool compare_rows(const struct postgres_reuse *r, struct postgres_link *l,
                         const struct postgres_item *item, uint64_t rows, bool *is_same,
                         struct err *e)
{
    AUTO(postgres_result) PGresult *result = NULL;
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql,
               "SELECT count(*), count(*) FILTER (WHERE age(xmin) BETWEEN 0 AND"
               " (SELECT age($1::xid8::xid))) FROM ONLY %s",
               item->sql_name);

    const struct postgres_query q = {
        .sql = buf_string(&sql), .values = {r->before.horizon}, .count = 1};

    if (!postgres_link_query(l, &q, &result, e))
        return false;
    *is_same = postgres_result_u64(result, 0, 0) == rows && postgres_result_u64(result, 0, 1) == 0;
    return true;
}

bool postgres_reuse_find(const struct postgres_reuse *r, struct postgres_link *l,
                         const struct postgres_item *item, const struct postgres_table **out,
                         struct err *e)
{
    const struct postgres_table *then = find_candidate(r, item);
    bool is_same = false;

    *out = NULL;
    if (then == NULL)
        return true;
    if (!postgres_link_run(l, "SAVEPOINT before_look", e))
        return false;
    if (!compare_rows(r, l, item, then->rows, &is_same, e))
        return postgres_link_run(l, "ROLLBACK TO SAVEPOINT before_look", e);
    *out = is_same ? then : NULL;
    return postgres_link_run(l, "RELEASE SAVEPOINT before_look", e);
}

/* The time at which its rows were read. */
static const char *time_read(const struct postgres_reuse *r, const struct postgres_table *t)
{
    return t->read != NULL ? t->read : r->before.time;
}

static bool is_due(const struct postgres_reuse *r, const struct postgres_table *t)
{
    struct err e = {0};
    int64_t read_ns = 0;

    return !clock_parse(time_read(r, t), &read_ns, &e) || read_ns <= r->oldest_ns ||
           read_ns > r->now_ns;
}

bool postgres_reuse_keep(const struct postgres_reuse *r, const struct postgres_table *then,
                         struct postgres_item *item, struct postgres_sender *to, struct err *e)
{
    const struct made_file *f = &to->file;

    if (is_due(r, then))
        return true;
    if (!f->sink->ops->keep(f->lane, then->bytes, &to->is_kept, e)) {
        to->has_sink_failed = true;
        return false;
    }
    if (!to->is_kept)
        return true;
    item->table.rows = then->rows;
    item->table.bytes = then->bytes;
    memcpy(item->table.hash, then->hash, sizeof(then->hash));
    item->table.read = time_read(r, then);
    return true;
}

bool postgres_reuse_compare(const struct postgres_reuse *r, const struct postgres_table *then,
                            const struct postgres_table *now, const char *path,
                            struct postgres_sender *to, struct err *e)
{
    const struct made_file *f = &to->file;
    struct err why = {0};

    if (then->rows == now->rows && strcmp(then->hash, now->hash) == 0)
        return true;
    (void)err_set(&why, ERR_FATAL,
                  "its rows are not those of %s, although no transaction changed them since: what "
                  "backups in between took over from that time may be out of date",
                  time_read(r, then));
    if (f->sink->ops->note(f->lane, path, &why, e))
        return true;
    to->has_sink_failed = true;
    return false;
}
