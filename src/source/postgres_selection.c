#include "source/postgres_selection.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"

#define NAMES_SHOWN 3

/*
 * The role's own search path decides which tables a pattern without a schema can mean, so these
 * run under it, with every operator spelled out: nothing in that path can stand in for one.
 */
static const char find_schemas[] =
    "SELECT n.oid FROM pg_catalog.pg_namespace n"
    " WHERE n.nspname OPERATOR(pg_catalog.~) $1::pg_catalog.text COLLATE pg_catalog.\"default\""
    " AND $2::pg_catalog.text IS NULL";
static const char find_tables[] =
    "SELECT c.oid FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE c.relkind OPERATOR(pg_catalog.=) ANY"
    " ('{r,S,v,m,f,p}'::pg_catalog.\"char\"[])"
    " AND c.relname OPERATOR(pg_catalog.~) $1::pg_catalog.text COLLATE pg_catalog.\"default\""
    " AND CASE WHEN $2::pg_catalog.text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)"
    " ELSE n.nspname OPERATOR(pg_catalog.~) $2::pg_catalog.text COLLATE pg_catalog.\"default\" END";

/*
 * $1 to $5 are the numbers of what the patterns match, in the order of enum postgres_choice; null
 * where there is no pattern.
 *
 * Who names tables gets those, whatever their schemas.  What an extension made is not taken unless
 * the extension marked it as holding data of its users, and then comes along with the extension
 * or because it or its schema is named.  A sequence that belongs to a column follows its table.
 */
static const char find_items[] =
    "WITH marked AS (SELECT e.extname, x.oid, x.condition FROM pg_extension e,"
    " unnest(e.extconfig, e.extcondition) AS x(oid, condition)),"
    " member AS (SELECT objid AS oid FROM pg_depend WHERE classid = 'pg_class'::regclass"
    " AND refclassid = 'pg_extension'::regclass AND deptype = 'e'),"
    " owner AS (SELECT objid AS oid, refobjid AS owner FROM pg_depend"
    " WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass"
    " AND objsubid = 0 AND refobjsubid > 0 AND deptype IN ('a', 'i')),"
    " named AS (SELECT c.oid, member.oid IS NOT NULL AS is_member,"
    " CASE WHEN $3::oid[] IS NOT NULL THEN c.oid = ANY ($3)"
    " WHEN c.relnamespace = ANY ($2::oid[]) THEN false"
    " WHEN $1::oid[] IS NOT NULL THEN c.relnamespace = ANY ($1)"
    " WHEN member.oid IS NOT NULL THEN true"
    " ELSE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' END"
    " AND (c.oid = ANY ($4::oid[])) IS NOT TRUE"
    " AND (member.oid IS NULL OR (marked.oid IS NOT NULL AND"
    " (c.relnamespace = ANY ($2)) IS NOT TRUE)) AS is_chosen"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN member ON member.oid = c.oid LEFT JOIN marked ON marked.oid = c.oid"
    " WHERE c.relkind IN ('r', 'p', 'm', 'f', 'S') AND c.relpersistence <> 't')"
    " SELECT c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname),"
    " c.relkind, CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign'"
    " WHEN 'm' THEN 'materialized_view' ELSE CASE WHEN c.relispartition THEN 'partition'"
    " WHEN c.relpersistence = 'u' THEN 'unlogged' ELSE 'table' END END,"
    " marked.extname, nullif(marked.condition, ''), columns.names, columns.quoted,"
    " has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),"
    " row_security_active(c.oid),"
    " c.relkind IN ('r', 'S') AND (c.oid = ANY ($5::oid[])) IS NOT TRUE"
    " AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery()),"
    " (c.oid = ANY ($5)) IS TRUE"
    " FROM named JOIN pg_class c ON c.oid = named.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN marked ON marked.oid = c.oid LEFT JOIN owner ON owner.oid = c.oid AND c.relkind = "
    "'S'"
    " LEFT JOIN named owning ON owning.oid = owner.owner"
    " CROSS JOIN LATERAL (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') AS names,"
    " coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), '') AS quoted"
    " FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " AND a.attgenerated = '') columns"
    " WHERE named.is_chosen OR (owning.is_chosen AND NOT named.is_member)"
    " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

void postgres_selection_done(struct postgres_selection *s)
{
    mem_free(s->items);
    arena_done(&s->arena);
    *s = (struct postgres_selection){0};
}

void postgres_selection_auto(struct postgres_selection *s)
{
    postgres_selection_done(s);
}

/* Patterns */

static bool is_of_schemas(enum postgres_choice c)
{
    return c == POSTGRES_SCHEMAS || c == POSTGRES_EXCLUDE_SCHEMAS;
}

/* Append the numbers of what a pattern matches. */
static bool resolve_one(struct postgres_link *l, enum postgres_choice c, const char *pattern,
                        struct buf *oids, struct err *e)
{
    AUTO(buf) struct buf schema = {0};
    AUTO(buf) struct buf name = {0};
    AUTO(postgres_result) PGresult *r = NULL;

    if (!postgres_pattern_parse(pattern, is_of_schemas(c), &schema, &name, e))
        return false;

    const struct postgres_query q = {
        .sql = is_of_schemas(c) ? find_schemas : find_tables,
        .values = {buf_string(&name), schema.size > 0 ? buf_string(&schema) : NULL},
        .count = 2,
    };

    if (!postgres_link_query(l, &q, &r, e))
        return err_wrap(e, "pattern \"%.100s\"", pattern);
    if (PQntuples(r) == 0 && (c == POSTGRES_SCHEMAS || c == POSTGRES_TABLES))
        return err_set(e, ERR_NOT_FOUND, "there is no %s \"%.100s\"",
                       is_of_schemas(c) ? "schema" : "table", pattern);
    for (int i = 0; i < PQntuples(r); i++)
        buf_printf(oids, "%s%s", oids->size > 1 ? "," : "", PQgetvalue(r, i, 0));
    return true;
}

static bool resolve(struct postgres_link *l, const struct postgres_texts patterns[POSTGRES_CHOICES],
                    struct buf oids[POSTGRES_CHOICES], struct err *e)
{
    if (!postgres_link_run(l, "RESET search_path", e))
        return false;
    for (unsigned c = 0; c < POSTGRES_CHOICES; c++) {
        if (patterns[c].count == 0)
            continue;
        buf_printf(&oids[c], "{");
        for (size_t i = 0; i < patterns[c].count; i++)
            if (!resolve_one(l, c, patterns[c].items[i], &oids[c], e))
                return false;
        buf_printf(&oids[c], "}");
    }
    return postgres_link_run(l, "SET search_path = ''", e);
}

/* Items */

const char *postgres_selection_keep(struct postgres_selection *s, const PGresult *r, int row,
                                    int column)
{
    if (PQgetisnull(r, row, column) == 1)
        return NULL;
    return arena_string(&s->arena,
                        SLICE_OF(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)));
}

static void tree_auto(json_t **j)
{
    json_decref(*j);
}

static bool keep_columns(struct postgres_selection *s, const char *json, struct postgres_texts *out,
                         struct err *e)
{
    AUTO(tree) json_t *names = json_loads(json, 0, NULL);
    const size_t count = json_array_size(names);
    const char **items = arena_take(&s->arena, count * sizeof(*items));

    if (names == NULL)
        return err_set(e, ERR_FATAL, "names of columns are not UTF-8");
    for (size_t i = 0; i < count; i++)
        items[i] =
            arena_string(&s->arena, slice_string(json_string_value(json_array_get(names, i))));
    *out = (struct postgres_texts){items, count};
    return true;
}

static bool item_read(struct postgres_selection *s, const PGresult *r, int row,
                      struct postgres_item *item, struct err *e)
{
    item->oid = (uint32_t)postgres_result_u64(r, row, 0);
    item->table.schema = postgres_selection_keep(s, r, row, 1);
    item->table.name = postgres_selection_keep(s, r, row, 2);
    item->sql_name = postgres_selection_keep(s, r, row, 3);
    item->relkind = PQgetvalue(r, row, 4)[0];
    item->table.kind = postgres_selection_keep(s, r, row, 5);
    item->table.extension = postgres_selection_keep(s, r, row, 6);
    item->table.condition = postgres_selection_keep(s, r, row, 7);
    item->sql_columns = postgres_selection_keep(s, r, row, 9);
    item->is_readable = postgres_result_bool(r, row, 10);
    item->is_secured = postgres_result_bool(r, row, 11);
    item->has_data = postgres_result_bool(r, row, 12);
    item->is_listed = postgres_result_bool(r, row, 13);
    return keep_columns(s, PQgetvalue(r, row, 8), &item->table.columns, e);
}

static bool items_load(struct postgres_link *l, struct buf oids[POSTGRES_CHOICES],
                       struct postgres_selection *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    struct postgres_query q = {.sql = find_items, .count = POSTGRES_CHOICES};

    for (size_t c = 0; c < POSTGRES_CHOICES; c++)
        q.values[c] = oids[c].size > 0 ? buf_string(&oids[c]) : NULL;
    if (!postgres_link_query(l, &q, &r, e))
        return false;
    s->count = (size_t)PQntuples(r);
    s->items = mem_array(s->count, sizeof(s->items[0]));
    for (size_t i = 0; i < s->count; i++)
        if (!item_read(s, r, (int)i, &s->items[i], e))
            return false;
    return true;
}

static void choices_auto(struct buf (*oids)[POSTGRES_CHOICES])
{
    for (size_t c = 0; c < POSTGRES_CHOICES; c++)
        buf_done(&(*oids)[c]);
}

bool postgres_selection_load(struct postgres_link *l,
                             const struct postgres_texts patterns[POSTGRES_CHOICES],
                             struct postgres_selection *out, struct err *e)
{
    AUTO(choices) struct buf oids[POSTGRES_CHOICES] = {0};
    AUTO(postgres_selection) struct postgres_selection s = {0};

    if (!resolve(l, patterns, oids, e) || !items_load(l, oids, &s, e))
        return err_wrap(e, "look for tables");
    s.is_everything = patterns[POSTGRES_SCHEMAS].count == 0 && patterns[POSTGRES_TABLES].count == 0;
    *out = s;
    s = (struct postgres_selection){0};
    return true;
}

void postgres_selection_tables(const struct postgres_selection *s, struct buf *out)
{
    buf_printf(out, "{");
    for (size_t i = 0; i < s->count; i++)
        buf_printf(out, "%s%u", i > 0 ? "," : "", s->items[i].relkind == 'r' ? s->items[i].oid : 0);
    buf_printf(out, "}");
}

bool postgres_selection_measure(struct postgres_link *l, struct postgres_selection *s,
                                struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf oids = {0};

    postgres_selection_tables(s, &oids);

    const struct postgres_query q = {
        .sql = "SELECT pg_relation_size(x.oid) FROM unnest($1::oid[])"
               " WITH ORDINALITY AS x(oid, at) ORDER BY x.at",
        .values = {buf_string(&oids)},
        .count = 1,
    };

    if (!postgres_link_query(l, &q, &r, e))
        return err_wrap(e, "measure tables");
    assert((size_t)PQntuples(r) == s->count);
    for (size_t i = 0; i < s->count; i++)
        s->items[i].size = postgres_result_u64(r, (int)i, 0);
    return true;
}

/* Rights */

static bool is_out_of_reach(const struct postgres_item *item)
{
    return !item->is_readable && (item->has_data || item->relkind == 'r' || item->relkind == 'p');
}

static bool is_hidden(const struct postgres_item *item)
{
    return item->is_secured && item->has_data;
}

/* Name the first few items that a test is true of.  Returns how many there are. */
static size_t count_items(const struct postgres_selection *s,
                          bool (*test)(const struct postgres_item *item), struct buf *names)
{
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++)
        if (test(&s->items[i]) && ++count <= NAMES_SHOWN)
            buf_printf(names, "%s%s", count > 1 ? ", " : "", s->items[i].sql_name);
    if (count > NAMES_SHOWN)
        buf_printf(names, " and %zu more", count - NAMES_SHOWN);
    return count;
}

bool postgres_selection_check(const struct postgres_selection *s, const char *role, struct err *e)
{
    AUTO(buf) struct buf names = {0};

    if (count_items(s, is_out_of_reach, &names) > 0)
        return err_set(e, ERR_DENIED, "role %s may not read %s", role, buf_string(&names));
    if (count_items(s, is_hidden, &names) > 0)
        return err_set(e, ERR_DENIED, "row security hides rows from role %s in %s", role,
                       buf_string(&names));
    return true;
}
