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

static bool write_rows(const struct rows_out *w, const struct stored_table *t, struct err *e)
{
    struct copy_rows rows = {.form = w->o->form,
                             .columns = t->columns,
                             .column_count = t->column_count,
                             .rows_max = w->o->rows_max};
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf piece = {0};
    AUTO(buf) struct buf out = {0};

    if (!feed_open(&f, w->reader, w->entry, e))
        return false;
    copy_rows_head(&rows, &out);
    do {
        buf_clear(&piece);
        if (!feed_next(&f, &piece, e) || !copy_rows_turn(&rows, buf_slice(&piece), &out, e) ||
            !fd_write(w->o->fd, buf_slice(&out), e))
            return false;
        buf_clear(&out);
    } while (piece.size > 0 && !copy_rows_is_full(&rows));
    return copy_rows_end(&rows, t->rows, e);
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
    return write_rows(w, t, e);
}

static bool is_no_table(const char *path, struct err *e)
{
    return err_set(e, ERR_USAGE, "%s: no rows of a PostgreSQL table", path);
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
