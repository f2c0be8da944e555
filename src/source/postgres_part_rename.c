/*
 * A table beside the present one of its name.
 *
 * Its definitions know it, its indexes and its sequences by their old names only.  So the present
 * table, with all that is in its schema because of it, waits in a schema of its own until the
 * restored one has got other names.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "codec/random.h"
#include "source/postgres_part.h"

#define NUMBERS_MAX 1000 /* tried for one name */
#define NUMBER_SIZE 8

static const char find_owned[] =
    "SELECT c.oid, c.relname, c.relkind = 'S' FROM pg_class c WHERE c.oid IN"
    " (SELECT indexrelid FROM pg_index WHERE indrelid = $1::regclass UNION ALL"
    " SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass"
    " AND refclassid = 'pg_class'::regclass AND refobjid = $1::regclass AND deptype IN ('a', 'i'))"
    " AND c.relkind IN ('i', 'I', 'S') ORDER BY c.relname COLLATE \"C\"";

static const char is_taken[] =
    "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname = $1 AND n.nspname IN ($2, $3, $4) AND c.oid <> $5::oid";

/* "ALTER TABLE schema.table SET SCHEMA to" or RENAME TO. */
static bool alter(struct part *p, const char *kind, const char *const name[2], const char *verb,
                  const char *to, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "ALTER %s ", kind);
    postgres_table_quote(name[0], name[1], &sql);
    buf_printf(&sql, " %s ", verb);
    postgres_name_quote(to, &sql);
    return postgres_link_run(&p->link, buf_string(&sql), e);
}

static bool set_schema(struct part *p, const char *schema, const char *name, const char *to,
                       struct err *e)
{
    return strcmp(schema, to) == 0 ||
           alter(p, "TABLE", (const char *const[]){schema, name}, "SET SCHEMA", to, e);
}

static bool schema_run(struct part *p, const char *verb, const char *schema, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "%s SCHEMA ", verb);
    postgres_name_quote(schema, &sql);
    return postgres_link_run(&p->link, buf_string(&sql), e);
}

bool part_move_aside(struct part *p, struct part_aside *aside, struct err *e)
{
    const struct postgres_table *t = p->tables.items[0];
    uint8_t random[8];
    char digits[2 * sizeof(random) + 1];

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), digits);
    (void)snprintf(aside->schema, sizeof(aside->schema), "holdfast_aside_%s", digits);
    if (!part_is_there(p, t->schema, t->name, &aside->is_occupied, e))
        return false;
    if (!aside->is_occupied)
        return true;
    return (schema_run(p, "CREATE", aside->schema, e) &&
            set_schema(p, t->schema, t->name, aside->schema, e)) ||
           err_wrap(e, "make way for table %s.%s", t->schema, t->name);
}

/* The longest beginning of whole characters that leaves room for an end. */
static void shorten(struct buf *name, size_t end)
{
    if (name->size + end > POSTGRES_NAME_MAX)
        name->size = POSTGRES_NAME_MAX - end;
    while (!utf8_is_valid(buf_slice(name)))
        name->size--;
}

/* The name of an index or a sequence with the new name of the table in front instead of the old. */
static void name_follow(const char *name, const char *old, const char *new, struct buf *out)
{
    const size_t size = strlen(old);

    if (strncmp(name, old, size) == 0)
        buf_printf(out, "%s%s", new, name + size);
    else
        buf_printf(out, "%s", name);
    shorten(out, 0);
}

/* Give it the name that follows, or that with a number, so that it is alone with it wherever the
 * table is going to be. */
static bool rename_owned(struct part *p, const struct part_aside *aside, const char *const owned[3],
                         struct err *e)
{
    const struct postgres_table *t = p->tables.items[0];
    const struct postgres_table_name *as = p->what->as;
    AUTO(buf) struct buf base = {0};

    name_follow(owned[1], t->name, as->name, &base);
    for (int i = 1; i <= NUMBERS_MAX; i++) {
        AUTO(postgres_result) PGresult *r = NULL;
        AUTO(buf) struct buf name = {0};
        char number[NUMBER_SIZE] = "";

        if (i > 1)
            (void)snprintf(number, sizeof(number), "_%d", i);
        buf_append_slice(&name, buf_slice(&base));
        shorten(&name, strlen(number));
        buf_printf(&name, "%s", number);

        const struct postgres_query q = {
            .sql = is_taken,
            .values = {buf_string(&name), t->schema, as->schema, aside->schema, owned[0]},
            .count = 5,
        };

        if (!postgres_link_query(&p->link, &q, &r, e))
            return false;
        if (PQntuples(r) > 0 || strcmp(buf_string(&name), as->name) == 0)
            continue;
        return strcmp(buf_string(&name), owned[1]) == 0 ||
               alter(p, owned[2], (const char *const[]){t->schema, owned[1]}, "RENAME TO",
                     buf_string(&name), e);
    }
    return err_set(e, ERR_EXISTS, "there is no free name for %s", owned[1]);
}

static bool rename_all(struct part *p, const struct part_aside *aside, struct err *e)
{
    const struct postgres_table *t = p->tables.items[0];
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf table = {0};

    postgres_table_quote(t->schema, t->name, &table);

    const struct postgres_query q = {.sql = find_owned, .values = {buf_string(&table)}, .count = 1};

    if (!postgres_link_query(&p->link, &q, &r, e))
        return false;
    for (int i = 0; i < PQntuples(r); i++)
        if (!rename_owned(
                p, aside,
                (const char *const[]){PQgetvalue(r, i, 0), PQgetvalue(r, i, 1),
                                      postgres_result_bool(r, i, 2) ? "SEQUENCE" : "INDEX"},
                e))
            return false;
    return true;
}

/* By a name that nobody has, because the two schemas may have the old and the new one. */
static bool rename_table(struct part *p, const struct part_aside *aside, struct err *e)
{
    const struct postgres_table *t = p->tables.items[0];
    const struct postgres_table_name *as = p->what->as;

    return alter(p, "TABLE", (const char *const[]){t->schema, t->name}, "RENAME TO", aside->schema,
                 e) &&
           set_schema(p, t->schema, aside->schema, as->schema, e) &&
           alter(p, "TABLE", (const char *const[]){as->schema, aside->schema}, "RENAME TO",
                 as->name, e);
}

bool part_move_back(struct part *p, const struct part_aside *aside, struct err *e)
{
    const struct postgres_table *t = p->tables.items[0];

    if (!rename_all(p, aside, e) || !rename_table(p, aside, e))
        return err_wrap(e, "give table %s.%s its new name", t->schema, t->name);
    if (!aside->is_occupied)
        return true;
    return (set_schema(p, aside->schema, t->name, t->schema, e) &&
            schema_run(p, "DROP", aside->schema, e)) ||
           err_wrap(e, "move table %s.%s back", t->schema, t->name);
}
