/*
 * Tables and schemas out of a backup into a database that is in use: everything happens in one
 * transaction of one connection, which ends with the connection when anything fails.
 */
#include "source/postgres_part.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "source/postgres_script.h"
#include "source/postgres_tool.h"

#define TRANSACTION_TIMEOUT 170000 /* the first version that has it */

void part_auto(struct part *p)
{
    postgres_definitions_auto(&p->before);
    postgres_definitions_auto(&p->after);
    postgres_link_close(&p->link);
    mem_free(p->tables.items);
    mem_free(p->program);
    postgres_target_auto(&p->target);
}

void part_tables_add(struct part_tables *t, const struct postgres_table *table)
{
    t->items = mem_resize(t->items, t->count + 1, sizeof(t->items[0]));
    t->items[t->count++] = table;
}

bool part_tables_has(const struct part_tables *t, const struct postgres_table *table)
{
    size_t i = 0;

    while (i < t->count && t->items[i] != table)
        i++;
    return i < t->count;
}

bool part_is_there(struct part *p, const char *schema, const char *name, bool *is_there,
                   struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {
        .sql = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
               " WHERE n.nspname = $1 AND c.relname = $2",
        .values = {schema, name},
        .count = 2};

    *is_there = false;
    if (p->is_empty)
        return true;
    if (!postgres_link_query(&p->link, &q, &r, e))
        return false;
    *is_there = PQntuples(r) > 0;
    return true;
}

static bool check_absent(struct part *p, const char *schema, const char *name, struct err *e)
{
    bool is_there = false;

    if (!part_is_there(p, schema, name, &is_there, e))
        return false;
    return !is_there || err_set(e, ERR_EXISTS, "there is a table %s.%s already", schema, name);
}

/* Definitions */

static bool script_add(void *arg, struct slice bytes, struct err *e)
{
    struct buf *script = arg;

    if (script->size + bytes.size > POSTGRES_DEFINITIONS_MAX)
        return err_set(e, ERR_CORRUPT, "the definitions are too long");
    buf_append_slice(script, bytes);
    return true;
}

/* Take a line with its end off the front. */
static struct slice take_line(struct slice *s)
{
    const uint8_t *end = memchr(s->data, '\n', s->size);
    const size_t size = end == NULL ? s->size : (size_t)(end - s->data) + 1;
    const struct slice line = SLICE_OF(s->data, size);

    *s = postgres_script_after(*s, size);
    return line;
}

/* Older servers do not have the one, and nobody is to wait for a lock without end. */
static bool is_unwanted(const struct part *p, struct slice line)
{
    return postgres_script_begins(line, "SET lock_timeout") ||
           (PQserverVersion(p->link.conn) < TRANSACTION_TIMEOUT &&
            postgres_script_begins(line, "SET transaction_timeout"));
}

/*
 * Append the statements without what only psql takes: "\restrict" and a word before the first of
 * them, "\unrestrict" and that word as the last line.
 */
static void statements_append(const struct part *p, struct slice script, struct buf *out)
{
    static const char restrict_word[] = "\\restrict ";
    static const char name[] = "-- Name: ";
    AUTO(buf) struct buf last = {0};

    while (script.size > 0 && !postgres_script_begins(script, name)) {
        const struct slice line = take_line(&script);

        if (postgres_script_begins(line, restrict_word))
            buf_printf(&last, "\\unrestrict %.*s", (int)(line.size - strlen(restrict_word)),
                       (const char *)line.data + strlen(restrict_word));
        else if (!is_unwanted(p, line))
            buf_append_slice(out, line);
    }
    while (script.size > 0) {
        const struct slice line = take_line(&script);

        if (last.size == 0 || !slice_is_equal(line, buf_slice(&last)))
            buf_append_slice(out, line);
    }
}

static bool is_duplicate(const char *sqlstate)
{
    static const char *const states[] = {"42P07", "42710", "42723"}; /* table, object, function */

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(sqlstate, states[i]) == 0)
            return true;
    return false;
}

/* Run statements that are in the encoding of the database that was stored. */
static bool script_run(struct part *p, const char *encoding, struct slice script, struct err *e)
{
    AUTO(buf) struct buf set = {0};
    AUTO(buf) struct buf sql = {0};

    buf_printf(&set, "SET client_encoding = ");
    postgres_text_quote(encoding, &set);
    statements_append(p, script, &sql);
    if (!postgres_link_run(&p->link, buf_string(&set), e))
        return false;
    if (!postgres_link_run(&p->link, buf_string(&sql), e)) {
        if (is_duplicate(p->link.sqlstate))
            e->code = ERR_EXISTS;
        return false;
    }
    return postgres_link_run(&p->link, "SET client_encoding = 'UTF8'", e) &&
           postgres_link_reset(&p->link, e);
}

/*
 * What becomes part of a parent does so after its rows are there, so that no trigger of the parent
 * fires for them, and after its indexes, which it has to bring along; and before what looks into
 * the parent.
 */
enum turn { TURN_TABLES, TURN_INDEXES, TURN_ATTACHING, TURN_REST };

static enum turn turn_of(const struct part *p, const struct postgres_definitions *f,
                         const struct postgres_archive_entry *entry)
{
    if (f == &p->before)
        return postgres_archive_is(entry->kind, "TABLE ATTACH") ? TURN_ATTACHING : TURN_TABLES;
    return postgres_archive_is(entry->kind, "INDEX") ||
                   postgres_archive_is(entry->kind, "CONSTRAINT")
               ? TURN_INDEXES
               : TURN_REST;
}

/* Bring the chosen definitions of a file whose turn it is. */
static bool definitions_bring(struct part *p, const struct postgres_definitions *f, enum turn turn,
                              struct err *e)
{
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf option = {0};
    AUTO(buf) struct buf script = {0};
    AUTO(fd) int fd = -1;

    for (size_t i = 0; i < f->archive.count; i++)
        if (f->archive.entries[i].is_chosen && turn_of(p, f, &f->archive.entries[i]) == turn)
            buf_printf(&list, "%lld;\n", (long long)f->archive.entries[i].id);
    if (list.size == 0)
        return true;
    if (!postgres_definitions_list(&p->target, buf_slice(&list), &fd, &option, e))
        return false;

    const char *const argv[] = {
        p->program, "--no-tablespaces", "--file=-", buf_string(&option), f->path, NULL};
    const struct postgres_tool tool = {.argv = (char *const *)(uintptr_t)argv, .password_fd = -1};

    return postgres_tool_run(&tool, script_add, &script, e) &&
           script_run(p, f->archive.encoding, buf_slice(&script), e);
}

/* New tables */

static bool rows_bring(struct part *p, struct err *e)
{
    for (size_t i = 0; i < p->tables.count; i++) {
        const struct postgres_table *t = p->tables.items[i];

        if (t->file == NULL)
            continue;
        if (!postgres_rows_load(&p->target, &p->link, t, e) || !part_compare(p, t, e))
            return false;
    }
    return true;
}

static bool sequences_bring(struct part *p, struct err *e)
{
    const struct postgres_archive *a = &p->before.archive;
    const struct postgres_manifest *m = &p->target.manifest;

    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < m->sequence_count; k++)
            if (a->entries[i].is_chosen && postgres_archive_is(a->entries[i].kind, "SEQUENCE") &&
                postgres_archive_is(a->entries[i].schema, m->sequences[k].schema) &&
                postgres_archive_is(a->entries[i].tag, m->sequences[k].name) &&
                !postgres_sequence_set(&p->link, &m->sequences[k], e))
                return false;
    return true;
}

static bool tables_analyze(struct part *p, struct err *e)
{
    for (size_t i = 0; i < p->tables.count; i++) {
        AUTO(buf) struct buf sql = {0};

        buf_printf(&sql, "ANALYZE ");
        postgres_table_quote(p->tables.items[i]->schema, p->tables.items[i]->name, &sql);
        if (!postgres_link_run(&p->link, buf_string(&sql), e))
            return false;
    }
    return true;
}

static bool bring(struct part *p, struct err *e)
{
    if (!definitions_bring(p, &p->before, TURN_TABLES, e))
        return err_wrap(e, "definitions before the data");
    if (!rows_bring(p, e) || !sequences_bring(p, e))
        return false;
    if (!definitions_bring(p, &p->after, TURN_INDEXES, e) ||
        !definitions_bring(p, &p->before, TURN_ATTACHING, e) ||
        !definitions_bring(p, &p->after, TURN_REST, e))
        return err_wrap(e, "definitions after the data");
    return tables_analyze(p, e);
}

static bool bring_beside(struct part *p, struct err *e)
{
    struct part_aside aside = {0};

    return part_move_aside(p, &aside, e) && bring(p, e) && part_move_back(p, &aside, e);
}

static bool prepare_beside(struct part *p, struct err *e)
{
    const struct postgres_table_name *as = p->what->as;
    const struct postgres_table *t = p->tables.items[0];

    if (strcmp(t->kind, "partitioned") == 0)
        return err_set(e, ERR_USAGE,
                       "%s.%s is partitioned: only its partitions can have other names", t->schema,
                       t->name);
    return check_absent(p, as->schema, as->name, e);
}

bool part_prepare(struct part *p, struct err *e)
{
    if (!postgres_program_find(&p->target, &p->program, e) ||
        !postgres_definitions_read(&p->target, "pre-data.dump", &p->link, &p->before, e) ||
        !postgres_definitions_read(&p->target, "post-data.dump", &p->link, &p->after, e) ||
        !part_choose(p, e))
        return false;
    if (p->what->as != NULL)
        return prepare_beside(p, e);
    for (size_t i = 0; i < p->tables.count; i++)
        if (!check_absent(p, p->tables.items[i]->schema, p->tables.items[i]->name, e))
            return false;
    return true;
}

/* Of tables in a database that was made for them; a schema that is wanted as a whole comes with its
 * definition. */
static bool schemas_make(struct part *p, struct err *e)
{
    for (size_t i = 0; i < p->tables.count; i++) {
        const char *schema = p->tables.items[i]->schema;
        size_t k = 0;

        while (k < p->what->schemas.count && strcmp(p->what->schemas.items[k], schema) != 0)
            k++;
        if (k == p->what->schemas.count && !postgres_schema_make(&p->link, schema, e))
            return false;
    }
    return p->what->as == NULL || postgres_schema_make(&p->link, p->what->as->schema, e);
}

static bool restore_new(struct part *p, struct err *e)
{
    return part_prepare(p, e) && (!p->what->makes_database || schemas_make(p, e)) &&
           (p->what->as != NULL ? bring_beside(p, e) : bring(p, e));
}

/* Tables that are there */

/* Tables with stored rows, of a schema or (NULL) of all. */
static bool find_stored(struct part *p, const char *schema, struct err *e)
{
    const struct postgres_manifest *m = &p->target.manifest;
    bool has_any = false;

    for (size_t i = 0; i < m->table_count; i++) {
        const struct postgres_table *t = &m->tables[i];

        if (t->file == NULL || t->extension != NULL ||
            (schema != NULL && strcmp(t->schema, schema) != 0))
            continue;
        has_any = true;
        if (!part_tables_has(&p->tables, t))
            part_tables_add(&p->tables, t);
    }
    return has_any ||
           err_set(e, ERR_NOT_FOUND, "the backup has no rows of tables in %s%s",
                   schema == NULL ? "the database" : "schema ", schema == NULL ? "" : schema);
}

static bool find_with_schemas(struct part *p, struct err *e)
{
    const struct postgres_texts *schemas = &p->what->schemas;

    for (size_t i = 0; i < schemas->count; i++)
        if (!find_stored(p, schemas->items[i], e))
            return false;
    return p->what->table_count + schemas->count > 0 || find_stored(p, NULL, e);
}

bool part_find(struct part *p, struct err *e)
{
    const bool is_new = p->what->way == POSTGRES_PART_NEW;

    for (size_t i = 0; i < p->what->table_count; i++) {
        const struct postgres_table_name *name = &p->what->tables[i];
        const struct postgres_table *t =
            postgres_manifest_find(&p->target.manifest, name->schema, name->name);

        if (t == NULL)
            return err_set(e, ERR_NOT_FOUND, "the backup has no table %s.%s", name->schema,
                           name->name);
        if (!is_new && t->file == NULL)
            return err_set(e, ERR_USAGE, "the backup has no rows of %s.%s, which is %s", t->schema,
                           t->name, t->kind);
        if (is_new && t->extension != NULL)
            return err_set(e, ERR_USAGE, "%s.%s comes with extension %s", t->schema, t->name,
                           t->extension);
        if (!part_tables_has(&p->tables, t))
            part_tables_add(&p->tables, t);
    }
    if (!is_new && !find_with_schemas(p, e))
        return false;
    return postgres_link_open(&p->link, p->is_empty ? &p->target.server : &p->target.address, e);
}

static bool restore(struct part *p, struct err *e)
{
    static bool (*const ways[])(struct part *, struct err *) = {
        [POSTGRES_PART_NEW] = restore_new,
        [POSTGRES_PART_REPLACE_ROWS] = part_replace_rows,
        [POSTGRES_PART_ADD_ROWS] = part_add_rows,
    };

    return part_find(p, e) && postgres_link_run(&p->link, "BEGIN", e) && ways[p->what->way](p, e) &&
           postgres_link_run(&p->link, "COMMIT", e);
}

static bool restore_into_made(struct part *p, struct err *e)
{
    return postgres_database_make(&p->target, e) && restore(p, e) &&
           postgres_database_complete(&p->target, e);
}

static void count(struct part *p)
{
    for (size_t i = 0; i < p->tables.count; i++) {
        p->target.report->tables++;
        p->target.report->rows += p->tables.items[i]->rows;
        p->target.report->bytes += p->tables.items[i]->bytes;
    }
}

bool postgres_restore_part(const struct postgres_restore_options *o,
                           const struct postgres_files *files, const struct postgres_part *part,
                           struct postgres_restore_report *report, struct err *e)
{
    AUTO(part) struct part p = PART_NONE(part, files);

    *report = (struct postgres_restore_report){0};
    p.target.report = report;
    if (!postgres_target_open(&p.target, o, e) ||
        !postgres_file_manifest(files, &p.target.manifest, e) ||
        !(part->makes_database ? restore_into_made(&p, e) : restore(&p, e)))
        return postgres_database_give_up(&p.target, e);
    count(&p);
    return true;
}
