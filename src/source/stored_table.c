#include "source/stored_table.h"

#include <string.h>

#include "base/text.h"
#include "source/postgres_manifest.h"
#include "source/sqlite_copy.h"

bool postgres_tables_tell(struct slice manifest, stored_table_fn *fn, void *arg, struct err *e)
{
    AUTO(postgres_manifest) struct postgres_manifest m = {0};

    if (!postgres_manifest_decode(manifest, &m, e))
        return false;
    for (size_t i = 0; i < m.table_count; i++) {
        const struct postgres_table *t = &m.tables[i];
        const struct stored_table one = {.schema = t->schema,
                                         .name = t->name,
                                         .kind = t->kind,
                                         .file = t->file,
                                         .encoding = m.encoding,
                                         .columns = t->columns.items,
                                         .column_count = t->columns.count,
                                         .has_rows = t->file != NULL,
                                         .rows = t->rows,
                                         .bytes = t->bytes,
                                         .hash = t->hash,
                                         .read = t->read};

        if (!fn(arg, &one, e))
            return false;
    }
    return true;
}

bool sqlite_tables_tell(struct slice manifest, stored_table_fn *fn, void *arg, struct err *e)
{
    static const char *const kinds[] = {[SQLITE_TABLE] = "table",
                                        [SQLITE_WITHOUT_ROWID] = "without_rowid",
                                        [SQLITE_VIRTUAL] = "virtual"};
    AUTO(sqlite_manifest) struct sqlite_manifest m = {0};

    if (!sqlite_manifest_parse(manifest, &m, e))
        return false;
    for (size_t i = 0; i < m.table_count; i++) {
        const struct sqlite_table *t = &m.tables[i];
        char hash[2 * sizeof(t->sum) + 1];

        if (t->kind == SQLITE_SHADOW || strncmp(t->name, "sqlite_", 7) == 0)
            continue;
        hex_encode(SLICE_OF(t->sum, sizeof(t->sum)), hash);
        if (!fn(arg,
                &(struct stored_table){.name = t->name,
                                       .kind = kinds[t->kind],
                                       .has_rows = t->has_rows,
                                       .rows = t->rows,
                                       .hash = hash},
                e))
            return false;
    }
    return true;
}
