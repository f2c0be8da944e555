/*
 * The rows of a restored database: the files of all tables, the biggest first, and the large
 * objects beside them.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "source/postgres_crew.h"
#include "source/postgres_restore_run.h"

struct load {
    struct postgres_target *target;
    const struct postgres_table **tables; /* with a file; the biggest first */
    size_t count;
    bool has_blobs; /* they are number 0 */
};

static void load_auto(struct load *l)
{
    mem_free(l->tables);
}

void postgres_table_quote(const char *schema, const char *name, struct buf *out)
{
    postgres_name_quote(schema, out);
    buf_append(out, ".", 1);
    postgres_name_quote(name, out);
}

/* A table that is generated altogether has no list of columns: COPY then takes none. */
void postgres_load_format(const struct postgres_table *t, const char *encoding, struct buf *out)
{
    buf_printf(out, "COPY ");
    postgres_table_quote(t->schema, t->name, out);
    for (size_t i = 0; i < t->columns.count; i++) {
        buf_printf(out, "%s", i == 0 ? " (" : ", ");
        postgres_name_quote(t->columns.items[i], out);
    }
    buf_printf(out, "%s FROM STDIN (ENCODING ", t->columns.count > 0 ? ")" : "");
    postgres_text_quote(encoding, out);
    buf_printf(out, ")");
}

/* A stored file whose bytes are counted as they pass. */
struct counted_file {
    struct postgres_file file;
    struct postgres_restore_report *report;
};

static void counted_file_auto(struct counted_file *f)
{
    postgres_file_auto(&f->file);
}

static bool counted_next(void *arg, struct buf *out, struct err *e)
{
    struct counted_file *f = arg;
    const size_t before = out->size;

    if (!postgres_file_next(&f->file, out, e))
        return false;
    atomic_fetch_add(&f->report->bytes_done, out->size - before);
    return true;
}

bool postgres_rows_load(const struct postgres_target *target, struct postgres_link *l,
                        const struct postgres_table *t, struct err *e)
{
    AUTO(counted_file) struct counted_file f = {.report = target->report};
    AUTO(buf) struct buf sql = {0};
    uint64_t rows = 0;

    postgres_load_format(t, target->manifest.encoding, &sql);
    if (!postgres_file_open(&f.file, target->files, t->file, e) ||
        !postgres_link_load(l, buf_string(&sql), counted_next, &f, &rows, e))
        return err_wrap(e, "table %s.%s", t->schema, t->name);
    atomic_fetch_add(&target->report->rows_done, rows);
    if (rows != t->rows)
        return err_set(e, ERR_CORRUPT,
                       "table %s.%s: its file has %llu rows, and the manifest tells of %llu",
                       t->schema, t->name, (unsigned long long)rows, (unsigned long long)t->rows);
    return true;
}

static bool part_load(void *arg, struct postgres_link *l, size_t number, struct err *e)
{
    const struct load *load = arg;

    if (load->has_blobs && number == 0)
        return postgres_blobs_load(load->target, l, e) || err_wrap(e, "large objects");
    return postgres_rows_load(load->target, l, load->tables[number - load->has_blobs], e);
}

static int compare_sizes(const void *a, const void *b)
{
    const struct postgres_table *const *first = a;
    const struct postgres_table *const *second = b;

    return ((*first)->bytes < (*second)->bytes) - ((*first)->bytes > (*second)->bytes);
}

bool postgres_load(struct postgres_target *t, struct err *e)
{
    const struct postgres_manifest *m = &t->manifest;
    AUTO(load) struct load load = {.target = t, .has_blobs = m->blobs.count > 0};
    struct postgres_restore_report *r = t->report;

    load.tables = mem_array(m->table_count, sizeof(*load.tables));
    for (size_t i = 0; i < m->table_count; i++) {
        if (m->tables[i].file == NULL)
            continue;
        load.tables[load.count++] = &m->tables[i];
        r->tables++;
        r->rows += m->tables[i].rows;
        r->bytes += m->tables[i].bytes;
    }
    r->blobs = m->blobs.count;
    r->bytes += m->blobs.bytes;
    qsort(load.tables, load.count, sizeof(*load.tables), compare_sizes);
    return postgres_crew_run(&(struct postgres_crew){.address = &t->address,
                                                     .jobs = t->o->jobs,
                                                     .count = load.count + load.has_blobs,
                                                     .fn = part_load,
                                                     .arg = &load},
                             e);
}
