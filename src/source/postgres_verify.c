/*
 * A restored database compared with what its backup says: it is described and its rows are
 * counted by the very code that made the backup's manifest.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/postgres_crew.h"
#include "source/postgres_restore_run.h"
#include "source/postgres_run.h"

#define DIFFERENCES_SHOWN 100
#define SENTENCE_MAX      500

struct verify {
    const struct postgres_manifest *wanted;
    struct postgres_snapshot found;
    const struct postgres_table **tables; /* wanted, with a file */
    struct postgres_item **items;         /* found; NULL: missing */
    size_t count;
    struct postgres_verify_report *report;
};

static void verify_auto(struct verify *v)
{
    mem_free(v->tables);
    mem_free(v->items);
    postgres_snapshot_auto(&v->found);
}

void postgres_verify_report_done(struct postgres_verify_report *r)
{
    buf_done(&r->text);
    *r = (struct postgres_verify_report){0};
}

void postgres_verify_report_auto(struct postgres_verify_report *r)
{
    postgres_verify_report_done(r);
}

__attribute__((format(printf, 2, 3))) static void differ(struct verify *v, const char *fmt, ...)
{
    struct postgres_verify_report *r = v->report;
    char text[SENTENCE_MAX];
    va_list args;

    if (r->differences++ >= DIFFERENCES_SHOWN)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut to the length of any sentence */
    va_end(args);
    buf_printf(&r->text, "%s\n", text);
}

/* Tables */

static int compare_names(const char *schema, const char *name, const struct postgres_table *t)
{
    const int order = strcmp(schema, t->schema);

    return order != 0 ? order : strcmp(name, t->name);
}

/* The item of a table or sequence, or NULL; items are in order of names. */
static struct postgres_item *find_item(struct verify *v, const char *schema, const char *name)
{
    const struct postgres_selection *s = &v->found.selection;
    size_t low = 0;
    size_t high = s->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_names(schema, name, &s->items[middle].table);

        if (order == 0)
            return &s->items[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool has_column(const struct postgres_texts *columns, const char *name)
{
    for (size_t i = 0; i < columns->count; i++)
        if (strcmp(columns->items[i], name) == 0)
            return true;
    return false;
}

/*
 * Whether a table has the wanted columns, which its rows are then read in the order of.  Their own
 * order may differ: when the child of a table is made, it gets its parent's columns first, also
 * those that the parent got later.
 */
static bool take_columns(struct verify *v, struct postgres_item *item,
                         const struct postgres_texts *wanted)
{
    AUTO(buf) struct buf sql = {0};

    if (item->table.columns.count != wanted->count)
        return false;
    for (size_t i = 0; i < wanted->count; i++) {
        if (!has_column(&item->table.columns, wanted->items[i]))
            return false;
        if (i > 0)
            buf_printf(&sql, ", ");
        postgres_name_quote(wanted->items[i], &sql);
    }
    item->sql_columns = arena_string(&v->found.selection.arena, buf_slice(&sql));
    return true;
}

/* Compare what is known without the rows; those that can be counted go to v->tables. */
static void shapes_compare(struct verify *v)
{
    const struct postgres_manifest *m = v->wanted;

    for (size_t i = 0; i < m->table_count; i++) {
        const struct postgres_table *t = &m->tables[i];
        struct postgres_item *item = find_item(v, t->schema, t->name);

        if (item == NULL)
            differ(v, "table %s.%s is missing", t->schema, t->name);
        else if (strcmp(item->table.kind, t->kind) != 0)
            differ(v, "table %s.%s is of kind %s, was %s", t->schema, t->name, item->table.kind,
                   t->kind);
        else if (!take_columns(v, item, &t->columns))
            differ(v, "table %s.%s has other columns", t->schema, t->name);
        else if (t->file != NULL) {
            item->table.condition = t->condition;
            item->table.row_hash = t->row_hash;
            v->tables[v->count] = t;
            v->items[v->count++] = item;
        }
    }
}

/* What came with an extension need not have been part of the backup. */
static void surplus_compare(struct verify *v)
{
    for (size_t i = 0; i < v->found.selection.count; i++) {
        const struct postgres_item *item = &v->found.selection.items[i];
        const struct postgres_table *t = &item->table;

        if (item->relkind != 'S' && t->extension == NULL &&
            postgres_manifest_find(v->wanted, t->schema, t->name) == NULL)
            differ(v, "table %s.%s is not in the backup", t->schema, t->name);
    }
}

static bool part_count(void *arg, struct postgres_link *l, size_t number, struct err *e)
{
    struct verify *v = arg;

    if (number == v->count)
        return postgres_blobs_send(l, &v->found.manifest.blobs, NULL, e) ||
               err_wrap(e, "large objects");
    return postgres_rows_send(l, v->items[number], v->wanted->encoding, NULL, e) ||
           err_wrap(e, "table %s", v->items[number]->sql_name);
}

static void rows_compare(struct verify *v)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct postgres_table *wanted = v->tables[i];
        const struct postgres_table *found = &v->items[i]->table;

        v->report->tables++;
        v->report->rows += found->rows;
        v->report->bytes += found->bytes;
        if (found->rows != wanted->rows)
            differ(v, "table %s.%s has %" PRIu64 " rows, was %" PRIu64, wanted->schema,
                   wanted->name, found->rows, wanted->rows);
        else if (strcmp(found->hash, wanted->hash) != 0)
            differ(v, "table %s.%s has other rows, as many as it had", wanted->schema,
                   wanted->name);
    }
}

/* The rest */

static void blobs_compare(struct verify *v)
{
    const struct postgres_blobs *wanted = &v->wanted->blobs;
    const struct postgres_blobs *found = &v->found.manifest.blobs;

    v->report->bytes += found->bytes;
    if (found->count != wanted->count)
        differ(v, "there are %" PRIu64 " large objects, were %" PRIu64, found->count,
               wanted->count);
    else if (wanted->count > 0 && strcmp(found->hash, wanted->hash) != 0)
        differ(v, "large objects have other content");
}

static const struct postgres_sequence *find_sequence(const struct postgres_manifest *m,
                                                     const struct postgres_sequence *s)
{
    size_t low = 0;
    size_t high = m->sequence_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct postgres_sequence *at = &m->sequences[middle];
        int order = strcmp(s->schema, at->schema);

        order = order != 0 ? order : strcmp(s->name, at->name);
        if (order == 0)
            return at;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void sequences_compare(struct verify *v)
{
    for (size_t i = 0; i < v->wanted->sequence_count; i++) {
        const struct postgres_sequence *wanted = &v->wanted->sequences[i];
        const struct postgres_sequence *found = find_sequence(&v->found.manifest, wanted);

        if (found == NULL)
            differ(v, "sequence %s.%s is missing", wanted->schema, wanted->name);
        else if (found->last_value != wanted->last_value || found->is_called != wanted->is_called)
            differ(v, "sequence %s.%s is at %" PRId64 ", was at %" PRId64, wanted->schema,
                   wanted->name, found->last_value, wanted->last_value);
    }
}

static const struct postgres_extension *find_extension(const struct postgres_manifest *m,
                                                       const char *name)
{
    for (size_t i = 0; i < m->extension_count; i++)
        if (strcmp(m->extensions[i].name, name) == 0)
            return &m->extensions[i];
    return NULL;
}

/* Their versions are those that the server has.  A backup of a part leaves them out. */
static void extensions_compare(struct verify *v)
{
    const struct postgres_manifest *m = v->wanted;

    if (m->selection[POSTGRES_TABLES].count > 0 || m->selection[POSTGRES_SCHEMAS].count > 0)
        return;
    for (size_t i = 0; i < m->extension_count; i++) {
        const struct postgres_extension *x =
            find_extension(&v->found.manifest, m->extensions[i].name);

        if (x == NULL)
            differ(v, "extension %s is missing", m->extensions[i].name);
        else if (strcmp(x->schema, m->extensions[i].schema) != 0)
            differ(v, "extension %s is in schema %s, was in %s", x->name, x->schema,
                   m->extensions[i].schema);
    }
}

static void encoding_compare(struct verify *v)
{
    const struct postgres_manifest *wanted = v->wanted;
    const struct postgres_manifest *found = &v->found.manifest;

    if (strcmp(found->encoding, wanted->encoding) != 0)
        differ(v, "the encoding is %s, was %s", found->encoding, wanted->encoding);
    if (strcmp(found->collate, wanted->collate) != 0 || strcmp(found->ctype, wanted->ctype) != 0)
        differ(v, "the locale is %s and %s, was %s and %s", found->collate, found->ctype,
               wanted->collate, wanted->ctype);
}

static bool verify(struct verify *v, struct postgres_target *t, struct err *e)
{
    static const struct postgres_texts everything[POSTGRES_CHOICES] = {0};
    AUTO(postgres_link) struct postgres_link l = {0};

    if (!postgres_link_open(&l, &t->address, e) ||
        !postgres_selection_load(&l, everything, &v->found.selection, e))
        return false;
    v->found.link = &l;
    if (!postgres_snapshot_describe(&v->found, e))
        return false;
    encoding_compare(v);
    extensions_compare(v);
    v->tables = mem_array(v->wanted->table_count, sizeof(*v->tables));
    v->items = mem_array(v->wanted->table_count, sizeof(*v->items));
    shapes_compare(v);
    surplus_compare(v);
    if (!postgres_crew_run(&(struct postgres_crew){.address = &t->address,
                                                   .jobs = t->o->jobs,
                                                   .count = v->count + 1,
                                                   .fn = part_count,
                                                   .arg = v},
                           e))
        return false;
    rows_compare(v);
    blobs_compare(v);
    sequences_compare(v);
    return true;
}

bool postgres_verify(const struct postgres_restore_options *o, const struct postgres_files *files,
                     struct postgres_verify_report *out, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;
    AUTO(postgres_verify_report) struct postgres_verify_report report = {0};
    AUTO(verify) struct verify v = {.wanted = &t.manifest, .report = &report};

    if (!postgres_file_manifest(files, &t.manifest, e) || !postgres_target_open(&t, o, e) ||
        !verify(&v, &t, e))
        return err_wrap(e, "verify database %s", o->database);
    *out = report;
    report = (struct postgres_verify_report){0};
    return true;
}
