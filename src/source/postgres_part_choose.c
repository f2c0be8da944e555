/*
 * Which definitions belong to a table or a schema.
 *
 * What comes before the data needs its table within the same file.  What comes after the data is in
 * a file of its own without it, and so is known by its tag where that is a name alone, else by the
 * beginning of its statement, where pg_dump writes every name in full.
 */
#include <string.h>

#include "source/postgres_part.h"
#include "source/postgres_script.h"

static bool skip(struct slice *s, const char *text)
{
    if (!postgres_script_begins(*s, text))
        return false;
    *s = postgres_script_after(*s, strlen(text));
    return true;
}

/* Take a name, with or without quotes, off the front. */
static void take_name(struct slice *s, struct buf *out)
{
    size_t i = 0;

    if (s->size == 0 || s->data[0] != '"') {
        while (i < s->size && strchr(" .(;\n", s->data[i]) == NULL)
            i++;
        buf_append(out, s->data, i);
        *s = postgres_script_after(*s, i);
        return;
    }
    for (i = 1; i < s->size; i++) {
        if (s->data[i] == '"' && (i + 1 == s->size || s->data[i + 1] != '"'))
            break;
        if (s->data[i] == '"')
            i++;
        buf_append(out, &s->data[i], 1);
    }
    *s = postgres_script_after(*s, i < s->size ? i + 1 : s->size);
}

/* Take "schema.table" off the front and say whether it is this table. */
static bool take_table(struct slice *s, const struct postgres_table *t)
{
    AUTO(buf) struct buf schema = {0};
    AUTO(buf) struct buf name = {0};

    take_name(s, &schema);
    if (!skip(s, "."))
        return false;
    take_name(s, &name);
    return postgres_archive_is(buf_slice(&schema), t->schema) &&
           postgres_archive_is(buf_slice(&name), t->name);
}

static bool alters_table(struct slice sql, const struct postgres_table *t)
{
    if (!skip(&sql, "ALTER TABLE ") && !skip(&sql, "ALTER FOREIGN TABLE "))
        return false;
    (void)skip(&sql, "ONLY ");
    return take_table(&sql, t);
}

/* "CREATE INDEX name ON schema.table", and the same of policies. */
static bool is_made_on(struct slice sql, const struct postgres_table *t)
{
    AUTO(buf) struct buf name = {0};

    if (!skip(&sql, "CREATE INDEX ") && !skip(&sql, "CREATE UNIQUE INDEX ") &&
        !skip(&sql, "CREATE POLICY "))
        return false;
    take_name(&sql, &name);
    if (!skip(&sql, " ON "))
        return false;
    (void)skip(&sql, "ONLY ");
    return take_table(&sql, t);
}

/* Triggers and rules: the tag is the name of the table, a blank, and the name in the statement. */
static bool is_tagged(const struct postgres_archive_entry *entry, const struct postgres_table *t)
{
    struct slice sql = entry->sql;
    AUTO(buf) struct buf tag = {0};

    if (!postgres_archive_is(entry->schema, t->schema) ||
        (!skip(&sql, "CREATE TRIGGER ") && !skip(&sql, "CREATE CONSTRAINT TRIGGER ") &&
         !skip(&sql, "CREATE RULE ")))
        return false;
    buf_printf(&tag, "%s ", t->name);
    take_name(&sql, &tag);
    return slice_is_equal(buf_slice(&tag), entry->tag);
}

/* "... FROM schema.table;" where each name has its quotes or not. */
static bool is_statistics_of(struct slice sql, const struct postgres_table *t)
{
    if (!postgres_script_begins(sql, "CREATE STATISTICS "))
        return false;
    for (int quoted = 0; quoted < 4; quoted++) {
        AUTO(buf) struct buf end = {0};

        buf_printf(&end, " FROM ");
        if ((quoted & 1) != 0)
            postgres_name_quote(t->schema, &end);
        else
            buf_printf(&end, "%s", t->schema);
        buf_printf(&end, ".");
        if ((quoted & 2) != 0)
            postgres_name_quote(t->name, &end);
        else
            buf_printf(&end, "%s", t->name);
        buf_printf(&end, ";");

        struct slice rest = sql, statement = {0};
        struct err ignored = {0};

        if (postgres_script_next(&rest, &statement, &ignored) && statement.size >= end.size &&
            slice_is_equal(postgres_script_after(statement, statement.size - end.size),
                           buf_slice(&end)))
            return true;
    }
    return false;
}

static bool is_any(struct slice kind, const char *const *words)
{
    while (*words != NULL && !postgres_archive_is(kind, *words))
        words++;
    return *words != NULL;
}

/* The table itself and what has its name. */
static bool is_named(const struct postgres_archive_entry *entry, const struct postgres_table *t)
{
    static const char *const kinds[] = {"TABLE",
                                        "FOREIGN TABLE",
                                        "MATERIALIZED VIEW",
                                        "TABLE ATTACH",
                                        "ROW SECURITY",
                                        "MATERIALIZED VIEW DATA",
                                        NULL};

    return is_any(entry->kind, kinds) && postgres_archive_is(entry->schema, t->schema) &&
           postgres_archive_is(entry->tag, t->name);
}

static bool belongs_to_table(const struct postgres_archive_entry *entry,
                             const struct postgres_table *t)
{
    static const char *const parts[] = {"DEFAULT",          "CONSTRAINT", "FK CONSTRAINT",
                                        "CHECK CONSTRAINT", "TRIGGER",    NULL};

    return is_named(entry, t) || (is_any(entry->kind, parts) && alters_table(entry->sql, t)) ||
           is_made_on(entry->sql, t) || is_tagged(entry, t) || is_statistics_of(entry->sql, t);
}

/* What one index is to that of a partitioned table; its tag is the name of the former. */
static bool belongs_to_index(const struct postgres_archive_entry *entry,
                             const struct postgres_archive *a, const struct postgres_table *t)
{
    AUTO(buf) struct buf key = {0};

    if (!postgres_archive_is(entry->kind, "INDEX ATTACH") ||
        !postgres_archive_is(entry->schema, t->schema))
        return false;
    buf_printf(&key, "%s ", t->name);
    buf_append_slice(&key, entry->tag);
    for (size_t i = 0; i < a->count; i++) {
        const struct postgres_archive_entry *other = &a->entries[i];

        if (postgres_archive_is(other->kind, "INDEX")
                ? slice_is_equal(other->tag, entry->tag) && is_made_on(other->sql, t)
                : postgres_archive_is(other->kind, "CONSTRAINT") &&
                      slice_is_equal(other->tag, buf_slice(&key)) && alters_table(other->sql, t))
            return true;
    }
    return false;
}

/* What a table with another name cannot have as well: its place in a parent, where the present one
 * is, and what has a name of its own in the schema but does not follow the table. */
static bool is_for_one(const struct postgres_archive_entry *entry)
{
    static const char *const kinds[] = {"TABLE ATTACH", "INDEX ATTACH", "STATISTICS", NULL};

    return is_any(entry->kind, kinds);
}

static void choose_table(struct postgres_archive *a, const struct postgres_table *t, bool is_second)
{
    for (size_t i = 0; i < a->count; i++)
        if ((belongs_to_table(&a->entries[i], t) || belongs_to_index(&a->entries[i], a, t)) &&
            !(is_second && is_for_one(&a->entries[i])))
            a->entries[i].is_chosen = true;
}

/* How many that is. */
static size_t choose_schema(struct postgres_archive *a, const char *schema, bool is_there)
{
    static const char *const others[] = {"PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", NULL};
    size_t count = 0;

    for (size_t i = 0; i < a->count; i++) {
        struct postgres_archive_entry *entry = &a->entries[i];
        const bool is_itself =
            postgres_archive_is(entry->kind, "SCHEMA") && postgres_archive_is(entry->tag, schema);

        count += is_itself;
        if ((postgres_archive_is(entry->schema, schema) && !is_any(entry->kind, others)) ||
            (is_itself && !is_there)) {
            entry->is_chosen = true;
            count++;
        }
    }
    return count;
}

static bool needs_chosen(const struct postgres_archive *a,
                         const struct postgres_archive_entry *entry)
{
    for (size_t i = 0; i < entry->need_count; i++) {
        const struct postgres_archive_entry *other = postgres_archive_find(a, entry->needs[i]);

        if (other != NULL && other->is_chosen)
            return true;
    }
    return false;
}

/* Sequences of chosen tables, and what is said of chosen objects.  Every entry comes after those
 * that it needs. */
static void choose_needing(struct postgres_archive *a)
{
    static const char *const kinds[] = {"SEQUENCE", "SEQUENCE OWNED BY", "COMMENT",
                                        "ACL",      "SECURITY LABEL",    NULL};

    for (size_t i = 0; i < a->count; i++)
        if (is_any(a->entries[i].kind, kinds) && needs_chosen(a, &a->entries[i]))
            a->entries[i].is_chosen = true;
}

/* Add the partitions of tables that are wanted, and theirs. */
static void add_partitions(struct part *p)
{
    const struct postgres_archive *a = &p->before.archive;
    const struct postgres_manifest *m = &p->target.manifest;

    for (size_t i = 0; i < p->tables.count; i++)
        for (size_t k = 0; k < a->count; k++) {
            const struct postgres_archive_entry *entry = &a->entries[k];

            if (!postgres_archive_is(entry->kind, "TABLE ATTACH") ||
                !alters_table(entry->sql, p->tables.items[i]))
                continue;

            AUTO(buf) struct buf schema = {0};
            AUTO(buf) struct buf name = {0};
            const struct postgres_table *t = NULL;

            buf_append_slice(&schema, entry->schema);
            buf_append_slice(&name, entry->tag);
            t = postgres_manifest_find(m, buf_string(&schema), buf_string(&name));
            if (t != NULL && !part_tables_has(&p->tables, t))
                part_tables_add(&p->tables, t);
        }
}

static bool choose_schemas(struct part *p, struct err *e)
{
    const struct postgres_manifest *m = &p->target.manifest;

    for (size_t i = 0; i < p->what->schemas.count; i++) {
        const char *schema = p->what->schemas.items[i];
        AUTO(postgres_result) PGresult *r = NULL;
        const struct postgres_query q = {
            .sql = "SELECT 1 FROM pg_namespace WHERE nspname = $1", .values = {schema}, .count = 1};

        if (!postgres_link_query(&p->link, &q, &r, e))
            return false;
        if (choose_schema(&p->before.archive, schema, PQntuples(r) > 0) +
                choose_schema(&p->after.archive, schema, PQntuples(r) > 0) ==
            0)
            return err_set(e, ERR_NOT_FOUND, "the backup has no schema %s", schema);
        for (size_t k = 0; k < m->table_count; k++)
            if (strcmp(m->tables[k].schema, schema) == 0 && m->tables[k].extension == NULL &&
                !part_tables_has(&p->tables, &m->tables[k]))
                part_tables_add(&p->tables, &m->tables[k]);
    }
    return true;
}

bool part_choose(struct part *p, struct err *e)
{
    add_partitions(p);
    for (size_t i = 0; i < p->tables.count; i++) {
        choose_table(&p->before.archive, p->tables.items[i], p->what->as != NULL);
        choose_table(&p->after.archive, p->tables.items[i], p->what->as != NULL);
    }
    if (!choose_schemas(p, e))
        return false;
    choose_needing(&p->before.archive);
    choose_needing(&p->after.archive);
    return true;
}
