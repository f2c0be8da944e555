/*
 * The rows of single tables into a database that is in use.
 */
#include <string.h>

#include "source/postgres_restore_run.h"

/* Whether a table is meant by "schema.table". */
static bool is_named(const struct postgres_table *t, const char *name)
{
    const size_t size = strlen(t->schema);

    return strncmp(name, t->schema, size) == 0 && name[size] == '.' &&
           strcmp(name + size + 1, t->name) == 0;
}

/* Names may hold dots themselves, so that one text can mean two tables. */
static bool find_table(const struct postgres_manifest *m, const char *name,
                       const struct postgres_table **out, struct err *e)
{
    const struct postgres_table *found = NULL;

    for (size_t i = 0; i < m->table_count; i++) {
        if (!is_named(&m->tables[i], name))
            continue;
        if (found != NULL)
            return err_set(e, ERR_USAGE, "%s can mean two tables", name);
        found = &m->tables[i];
    }
    if (found == NULL)
        return err_set(e, ERR_NOT_FOUND, "the backup has no table %s", name);
    if (found->file == NULL)
        return err_set(e, ERR_USAGE, "the backup has no rows of %s, which is %s", name,
                       found->kind);
    *out = found;
    return true;
}

/* What fails ends the connection and with it the transaction. */
static bool restore_rows(struct postgres_target *t, const struct postgres_texts *tables,
                         struct err *e)
{
    AUTO(postgres_link) struct postgres_link l = {0};

    if (!postgres_link_open(&l, &t->address, e) || !postgres_link_run(&l, "BEGIN", e))
        return false;
    for (size_t i = 0; i < tables->count; i++) {
        const struct postgres_table *table = NULL;

        if (!find_table(&t->manifest, tables->items[i], &table, e) ||
            !postgres_rows_load(t, &l, table, e))
            return false;
        t->report->tables++;
        t->report->rows += table->rows;
        t->report->bytes += table->bytes;
    }
    return postgres_link_run(&l, "COMMIT", e);
}

bool postgres_restore_rows(const struct postgres_restore_options *o,
                           const struct postgres_files *files, const struct postgres_texts *tables,
                           struct postgres_restore_report *report, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;

    *report = (struct postgres_restore_report){0};
    t.files = files;
    t.report = report;
    return (postgres_file_manifest(files, &t.manifest, e) && postgres_target_open(&t, o, e) &&
            restore_rows(&t, tables, e)) ||
           err_wrap(e, "database %s", o->database);
}
