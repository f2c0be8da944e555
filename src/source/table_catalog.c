/*
 * What the tables of a database look like; declared in table_db.h.
 */
#include <string.h>

#include "source/table_db.h"

/* A part of a name stands in quotation marks where it would be read wrongly. */
#define PART(part) "CASE WHEN " part " ~ '[.\"]' THEN quote_ident(" part ") ELSE " part " END"

static const char tables_sql[] =
    "SELECT * FROM (SELECT CASE WHEN n.nspname = 'public' THEN '' ELSE " PART(
        "n.nspname") " || '.' END"
                     "  || " PART("c.relname") " AS name,"
                                               " n.nspname, c.relname, format('%I.%I', n.nspname, "
                                               "c.relname), c.oid,"
                                               " CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END"
                                               " FROM pg_catalog.pg_class c JOIN "
                                               "pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                                               " WHERE c.relkind IN ('r', 'p') AND NOT "
                                               "c.relispartition AND c.relpersistence <> 't'"
                                               " AND n.nspname <> 'information_schema' AND "
                                               "n.nspname !~ '^pg_'"
                                               " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend "
                                               "d WHERE d.objid = c.oid AND d.deptype = 'e'"
                                               "  AND d.classid = 'pg_catalog.pg_class'::regclass)"
                                               ") t ORDER BY name COLLATE \"C\"";

/* The type below domains decides; arrays whose elements JSON cannot tell apart count as text. */
static const char columns_sql[] =
    "SELECT a.attname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),"
    " CASE WHEN a.attgenerated = '' THEN pg_get_serial_sequence($2, a.attname) END,"
    " CASE WHEN k.typcategory = 'A' AND k.typname ~ '^_' AND EXISTS (SELECT FROM "
    "pg_catalog.pg_type i"
    "  WHERE i.oid = k.typelem AND i.typtype IN ('b', 'e', 'r', 'm')"
    "  AND i.typname NOT IN ('json', 'jsonb')) THEN '[]'"
    "  WHEN k.typnamespace = 'pg_catalog'::regnamespace THEN k.typname ELSE '' END,"
    " a.attgenerated <> '', a.attidentity = 'a', coalesce(a.attnum = ANY (p.indkey), false)"
    " FROM pg_catalog.pg_attribute a"
    " LEFT JOIN pg_catalog.pg_index p ON p.indrelid = a.attrelid AND p.indisprimary"
    " CROSS JOIN LATERAL (WITH RECURSIVE b AS (SELECT a.atttypid AS type UNION ALL"
    "  SELECT y.typbasetype FROM b JOIN pg_catalog.pg_type y ON y.oid = b.type AND y.typtype = 'd')"
    "  SELECT y.* FROM b JOIN pg_catalog.pg_type y ON y.oid = b.type AND y.typtype <> 'd') k"
    " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

static const char *text_of(struct table_db *d, const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column)
               ? NULL
               : arena_string(&d->arena, slice_string(PQgetvalue(r, row, column)));
}

bool table_db_load(struct table_db *d, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;

    if (!postgres_link_query(&d->link, &(struct postgres_query){.sql = tables_sql}, &r, e))
        return err_wrap(e, "look at the tables");
    d->count = (size_t)PQntuples(r);
    d->tables = arena_take(&d->arena, d->count * sizeof(d->tables[0]));
    for (size_t i = 0; i < d->count; i++)
        d->tables[i] = (struct table){.name = text_of(d, r, (int)i, 0),
                                      .schema = text_of(d, r, (int)i, 1),
                                      .relation = text_of(d, r, (int)i, 2),
                                      .quoted = text_of(d, r, (int)i, 3),
                                      .oid = text_of(d, r, (int)i, 4),
                                      .only = text_of(d, r, (int)i, 5)};
    return true;
}

static struct table *find_exactly(struct table_db *d, struct slice name)
{
    for (size_t i = 0; i < d->count; i++)
        if (slice_is_equal(slice_string(d->tables[i].name), name))
            return &d->tables[i];
    return NULL;
}

struct table *table_db_find(struct table_db *d, struct slice name)
{
    static const char schema[] = "public.";
    const size_t length = strlen(schema);
    struct table *found = find_exactly(d, name);

    if (found == NULL && name.size > length && memcmp(name.data, schema, length) == 0) {
        found = find_exactly(d, SLICE_OF(name.data + length, name.size - length));
        if (found != NULL && strcmp(found->schema, "public") != 0)
            found = NULL;
    }
    return found;
}

static enum table_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum table_kind kind;
    } kinds[] = {
        {"bool", TABLE_KIND_BOOL},      {"int2", TABLE_KIND_NUMBER},
        {"int4", TABLE_KIND_NUMBER},    {"oid", TABLE_KIND_NUMBER},
        {"float4", TABLE_KIND_NUMBER},  {"float8", TABLE_KIND_NUMBER},
        {"int8", TABLE_KIND_BIG},       {"json", TABLE_KIND_JSON},
        {"jsonb", TABLE_KIND_JSON},     {"bytea", TABLE_KIND_BYTES},
        {"timestamp", TABLE_KIND_TIME}, {"timestamptz", TABLE_KIND_TIME},
        {"[]", TABLE_KIND_ARRAY},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(type, kinds[i].type) == 0)
            return kinds[i].kind;
    return TABLE_KIND_TEXT;
}

bool table_db_columns(struct table_db *d, struct table *t, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {columns_sql, {t->oid, t->quoted}, .count = 2};

    if (t->columns != NULL)
        return true;
    if (!postgres_link_query(&d->link, &q, &r, e))
        return err_wrap(e, "look at the columns of table %s", t->name);
    t->column_count = (size_t)PQntuples(r);
    t->columns = arena_take(&d->arena, (t->column_count + 1) * sizeof(t->columns[0]));
    for (size_t i = 0; i < t->column_count; i++)
        t->columns[i] =
            (struct table_column){.name = text_of(d, r, (int)i, 0),
                                  .quoted = text_of(d, r, (int)i, 1),
                                  .type = text_of(d, r, (int)i, 2),
                                  .sequence = text_of(d, r, (int)i, 3),
                                  .kind = kind_of(PQgetvalue(r, (int)i, 4)),
                                  .is_generated = postgres_result_bool(r, (int)i, 5),
                                  .is_always_identity = postgres_result_bool(r, (int)i, 6),
                                  .is_key = postgres_result_bool(r, (int)i, 7)};
    return true;
}
