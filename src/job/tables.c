#include "job/tables.h"

#include <string.h>

#include "base/file.h"
#include "job/feed.h"

#define POSTGRES_FOLDER "/postgres"
#define SQLITE_FOLDER   "/sqlite"
#define SQLITE_SUFFIX   ".manifest.json"

/* Paths of databases, raw bytes with a NUL. */
struct found {
    struct arena arena;
    struct buf paths; /* of char * */
    const char *folder;
    enum entry_type type;
};

static void found_auto(struct found *f)
{
    arena_done(&f->arena);
    buf_done(&f->paths);
}

static bool is_manifest(const char *path)
{
    const size_t size = strlen(path);
    const size_t suffix = sizeof(SQLITE_SUFFIX) - 1;

    return size > suffix && strcmp(path + size - suffix, SQLITE_SUFFIX) == 0;
}

static bool note_database(void *arg, const char *path, const struct entry *en, bool *descend,
                          struct err *e)
{
    struct found *f = arg;
    const char *kept;

    (void)e;
    if (strcmp(path, f->folder) == 0)
        return true;
    *descend = false;
    if (en->type != f->type || (f->type == ENTRY_FILE && is_manifest(path)))
        return true;
    kept = arena_string(&f->arena, slice_string(path));
    buf_append(&f->paths, &kept, sizeof(kept));
    return true;
}

static bool find_databases(struct repo *r, const struct hash *tree, struct found *f, struct err *e)
{
    return browse_walk(r, tree, f->folder, note_database, f, e) || e->code == ERR_NOT_FOUND;
}

/* What is told of one database. */
struct telling {
    const struct tables_database *database;
    tables_fn *fn;
    void *arg;
};

static bool tell_table(void *arg, const struct stored_table *t, struct err *e)
{
    const struct telling *w = arg;

    return w->fn(w->arg, w->database, t, e);
}

/* *has_manifest is false when there is none: the database was not stored whole. */
static bool get_manifest(struct reader *rd, const struct hash *tree, const char *path,
                         bool is_postgres, struct buf *out, bool *has_manifest, struct err *e)
{
    AUTO(buf) struct buf name = {0};

    buf_printf(&name, "%s%s", path, is_postgres ? "/manifest.json" : SQLITE_SUFFIX);
    *has_manifest = feed_get(rd, tree, buf_string(&name), out, e);
    return *has_manifest || e->code == ERR_NOT_FOUND;
}

static bool tell_database(struct reader *rd, const struct hash *tree, const char *path,
                          const struct telling *w, struct err *e)
{
    struct tables_database d = {.path = path};
    AUTO(buf) struct buf manifest = {0};
    struct telling own = *w;
    const bool is_postgres = strncmp(path, POSTGRES_FOLDER "/", sizeof(POSTGRES_FOLDER)) == 0;

    d.kind = is_postgres ? "postgres" : "sqlite";
    own.database = &d;
    if (!get_manifest(rd, tree, path, is_postgres, &manifest, &d.has_manifest, e) ||
        !w->fn(w->arg, &d, NULL, e))
        return false;
    if (!d.has_manifest)
        return true;
    return is_postgres ? postgres_tables_tell(buf_slice(&manifest), tell_table, &own, e)
                       : sqlite_tables_tell(buf_slice(&manifest), tell_table, &own, e);
}

bool tables_walk(struct repo *r, const struct hash *tree, tables_fn *fn, void *arg, struct err *e)
{
    AUTO(found) struct found found = {.folder = POSTGRES_FOLDER, .type = ENTRY_DIRECTORY};
    const struct telling w = {.fn = fn, .arg = arg};
    AUTO(reader) struct reader *rd = NULL;

    if (!find_databases(r, tree, &found, e))
        return false;
    found.folder = SQLITE_FOLDER;
    found.type = ENTRY_FILE;
    if (!find_databases(r, tree, &found, e))
        return false;
    rd = reader_new(r);

    char *const *paths = (char *const *)(const void *)found.paths.data;

    for (size_t i = 0; i < found.paths.size / sizeof(*paths); i++)
        if (!tell_database(rd, tree, paths[i], &w, e))
            return err_wrap(e, "%s", paths[i]);
    return true;
}

/* Rows */

struct rows_out {
    struct reader *reader;
    const struct tables_dump *o;
    const struct entry *entry; /* of the file */
    const char *file;          /* its path in the database */
    bool is_done;
};

/* Where rows come from, piece by piece; nothing at the end. */
struct rows_in {
    bool (*next)(void *arg, struct buf *out, struct err *e);
    void *arg;
    const char *const *columns;
    size_t column_count;
    const struct stored_table *table;
};

static bool write_rows(const struct tables_dump *o, const struct rows_in *in, struct err *e)
{
    struct copy_rows rows = {.form = o->form,
                             .columns = in->columns,
                             .column_count = in->column_count,
                             .rows_max = o->rows_max};
    AUTO(buf) struct buf piece = {0};
    AUTO(buf) struct buf out = {0};

    copy_rows_head(&rows, &out);
    do {
        buf_clear(&piece);
        if (!in->next(in->arg, &piece, e) || !copy_rows_turn(&rows, buf_slice(&piece), &out, e) ||
            !fd_write(o->fd, buf_slice(&out), e))
            return false;
        buf_clear(&out);
    } while (piece.size > 0 && !copy_rows_is_full(&rows));
    return copy_rows_end(&rows, in->table->has_rows ? in->table->rows : rows.rows, e);
}

static bool write_file(const struct rows_out *w, const struct stored_table *t, struct err *e)
{
    AUTO(feed) struct feed f = {0};
    const struct rows_in in = {feed_next, &f, t->columns, t->column_count, t};

    return feed_open(&f, w->reader, w->entry, e) && write_rows(w->o, &in, e);
}

/* SQLite: rows stand in the pages of the database, so all of it has to be there. */
static bool write_pages(const struct rows_out *w, const struct stored_table *t, struct err *e)
{
    AUTO(sqlite_rows) struct sqlite_rows *rows = NULL;
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf piece = {0};
    AUTO(fd) int fd = -1;

    if (w->entry->size > TABLES_SQLITE_MAX)
        return err_set(e, ERR_USAGE,
                       "the database is larger than %llu MiB, which is too large to look into it "
                       "here: bring it back, or download it",
                       (unsigned long long)(TABLES_SQLITE_MAX >> 20));
    if (!file_in_memory(&fd, e) || !feed_open(&f, w->reader, w->entry, e))
        return false;
    do {
        buf_clear(&piece);
        if (!feed_next(&f, &piece, e) || !fd_write(fd, buf_slice(&piece), e))
            return false;
    } while (piece.size > 0);
    if (!sqlite_rows_open(fd, t->name, &rows, e))
        return false;

    struct rows_in in = {.next = sqlite_rows_next, .arg = rows, .table = t};

    in.columns = sqlite_rows_columns(rows, &in.column_count);
    return write_rows(w->o, &in, e);
}

static bool write_sqlite(void *arg, const struct stored_table *t, struct err *e)
{
    struct rows_out *w = arg;

    if (strcmp(t->name, w->o->table) != 0 || strcmp(t->kind, "virtual") == 0 || w->is_done)
        return true;
    w->is_done = true;
    return write_pages(w, t, e);
}

static bool write_table(void *arg, const struct stored_table *t, struct err *e)
{
    struct rows_out *w = arg;

    if (t->file == NULL || strcmp(t->file, w->file) != 0 || w->is_done)
        return true;
    if (w->o->form == COPY_ROWS_JSON && strcmp(t->encoding, "UTF8") != 0)
        return err_set(e, ERR_USAGE, "the database is in %s: only CSV can be made of it",
                       t->encoding);
    w->is_done = true;
    return write_file(w, t, e);
}

static bool is_no_table(const char *path, struct err *e)
{
    return err_set(e, ERR_USAGE, "%s: no rows of a table", path);
}

static bool dump_sqlite(struct repo *r, const struct hash *tree, const struct tables_dump *o,
                        struct err *e)
{
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf manifest = {0};
    AUTO(buf) struct buf keep = {0};
    struct entry en;
    bool has_manifest = false;

    if (strncmp(o->path, SQLITE_FOLDER "/", sizeof(SQLITE_FOLDER)) != 0 || is_manifest(o->path))
        return is_no_table(o->path, e);
    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    if (!tree_find(rd, tree, o->path, &keep, &en, e) ||
        !get_manifest(rd, tree, o->path, false, &manifest, &has_manifest, e))
        return false;
    if (en.type != ENTRY_FILE || !has_manifest)
        return is_no_table(o->path, e);

    struct rows_out w = {.reader = rd, .o = o, .entry = &en};

    if (!sqlite_tables_tell(buf_slice(&manifest), write_sqlite, &w, e))
        return err_wrap(e, "%s", o->path);
    return w.is_done ||
           err_set(e, ERR_USAGE, "%s: it has no table %s with rows of its own", o->path, o->table);
}

bool tables_dump(struct repo *r, const struct hash *tree, const struct tables_dump *o,
                 struct err *e)
{
    const size_t folder = sizeof(POSTGRES_FOLDER); /* and a '/' */
    const char *name = strncmp(o->path, POSTGRES_FOLDER "/", folder) == 0 ? o->path + folder : "";
    const char *file = strchr(name, '/');
    AUTO(buf) struct buf database = {0};
    AUTO(buf) struct buf manifest = {0};
    AUTO(buf) struct buf keep = {0};
    AUTO(reader) struct reader *rd = NULL;
    struct entry en;
    bool has_manifest = false;

    if (o->table != NULL)
        return dump_sqlite(r, tree, o, e);
    if (file == NULL)
        return is_no_table(o->path, e);
    buf_append(&database, o->path, (size_t)(file - o->path));
    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    if (!tree_find(rd, tree, o->path, &keep, &en, e) ||
        !get_manifest(rd, tree, buf_string(&database), true, &manifest, &has_manifest, e))
        return false;
    if (en.type != ENTRY_FILE || !has_manifest)
        return is_no_table(o->path, e);

    struct rows_out w = {.reader = rd, .o = o, .entry = &en, .file = file + 1};

    if (!postgres_tables_tell(buf_slice(&manifest), write_table, &w, e))
        return err_wrap(e, "%s", o->path);
    return w.is_done || is_no_table(o->path, e);
}
