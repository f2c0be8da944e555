#include "source/cfms_schema.h"

#include <string.h>

#include "base/buf.h"

enum { COLUMNS_MAX = 5, SAID_MAX = 150 /* bytes of a list */ };

static const struct {
    const char *name;
    const char *columns[COLUMNS_MAX + 1];
} tables[] = {
    {"folders", {"id", "name", "created_time", "parent_id"}},
    {"documents", {"id", "title", "created_time", "folder_id"}},
    {"document_revisions", {"id", "document_id", "file_id", "created_time"}},
    {"document_access_rules", {"id", "access_type", "document_id", "rule_data"}},
    {"folder_access_rules", {"id", "access_type", "folder_id", "rule_data"}},
    {"files", {"id", "sha256", "path", "created_time", "active"}},
    {"user_groups", {"group_name", "group_display_name"}},
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static const char sqlite_columns[] =
    "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c"
    " WHERE t.schema = 'public' AND t.type = 'table' ORDER BY 1, 2";
static const char postgres_columns[] =
    "SELECT t.relname, c.attname FROM pg_catalog.pg_class t"
    " JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace"
    " JOIN pg_catalog.pg_attribute c ON c.attrelid = t.oid"
    " WHERE n.nspname = 'public' AND t.relkind IN ('r', 'p') AND c.attnum > 0"
    " AND NOT c.attisdropped ORDER BY 1, 2";

/* What was found of each table: a bit for each column. */
struct found {
    unsigned columns[TABLES];
    struct buf others; /* "documents.status, ..." */
};

static void found_auto(struct found *f)
{
    buf_done(&f->others);
}

static void note(struct buf *list, const char *table, const char *column)
{
    if (list->size < SAID_MAX)
        buf_printf(list, "%s%.64s.%.64s", list->size == 0 ? "" : ", ", table, column);
}

static void take_column(struct found *f, const char *table, const char *column)
{
    for (size_t t = 0; t < TABLES; t++) {
        size_t c = 0;

        if (strcmp(tables[t].name, table) != 0)
            continue;
        while (tables[t].columns[c] != NULL && strcmp(tables[t].columns[c], column) != 0)
            c++;
        if (tables[t].columns[c] == NULL)
            note(&f->others, table, column);
        else
            f->columns[t] |= 1U << c;
    }
}

static void list_missing(const struct found *f, struct buf *out)
{
    for (size_t t = 0; t < TABLES; t++) {
        if (f->columns[t] == 0) {
            buf_printf(out, "%stable %s", out->size == 0 ? "" : ", ", tables[t].name);
            continue;
        }
        for (size_t c = 0; tables[t].columns[c] != NULL; c++)
            if ((f->columns[t] & 1U << c) == 0)
                note(out, tables[t].name, tables[t].columns[c]);
    }
}

bool cfms_schema_check(struct app_db *d, struct err *e)
{
    AUTO(found) struct found f = {{0}, {0}};
    AUTO(app_rows) struct app_rows *r = NULL;
    AUTO(buf) struct buf missing = {0};
    bool more = false;

    if (!app_db_query(d, app_db_is_sqlite(d) ? sqlite_columns : postgres_columns, APP_NO_VALUES, &r,
                      e))
        return false;
    for (;;) {
        if (!app_rows_next(r, &more, e))
            return false;
        if (!more)
            break;
        take_column(&f, app_rows_text(r, 0), app_rows_text(r, 1));
    }
    list_missing(&f, &missing);
    if (missing.size == 0 && f.others.size == 0)
        return true;
    return err_set(e, ERR_USAGE,
                   "the database is not that of a CFMS server whose archives these are (protocol "
                   "3)%s%s%s%s",
                   missing.size == 0 ? "" : "; it lacks ", buf_string(&missing),
                   f.others.size == 0 ? "" : "; it has also ", buf_string(&f.others));
}
