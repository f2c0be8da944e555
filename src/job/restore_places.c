/*
 * Which places may change their names side by side: what lies in a file tree goes with it.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "job/restore_source.h"

/* A path without links; one that changes places itself is not followed. */
static char *resolved_place(const char *path)
{
    const char *name = strrchr(path, '/');
    AUTO(mem) char *above = mem_dup(path, name == path ? 1 : (size_t)(name - path));
    AUTO(mem) char *folder = file_resolve(above);
    AUTO(buf) struct buf out = {0};

    buf_printf(&out, "%s%s", strcmp(folder, "/") == 0 ? "" : folder, name);
    return mem_string(buf_string(&out));
}

/* What of a path stands below a folder, both without links: "/app.db"; NULL when it is not there.
 */
static const char *find_below(const char *inner, const char *outer)
{
    const size_t size = strcmp(outer, "/") == 0 ? 0 : strlen(outer);

    return strncmp(inner, outer, size) == 0 && (inner[size] == '/' || inner[size] == '\0')
               ? inner + size
               : NULL;
}

static bool is_in(const char *path, const char *folder)
{
    AUTO(mem) char *inner = file_resolve(path);
    AUTO(mem) char *outer = file_resolve(folder);

    return find_below(inner, outer) != NULL;
}

/*
 * A database in a tree goes its own way, with all that SQLite keeps beside it: a log that came back
 * with the tree would be applied to the database that stands there, which both trees have.
 */
static bool check_database(const struct config_source *tree, const char *path, const char *database,
                           const struct exclude *x, struct err *e)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    AUTO(mem) char *file = file_resolve(database);
    AUTO(mem) char *folder = file_resolve(path);
    const char *below = find_below(file, folder);

    for (size_t i = 0; below != NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        AUTO(buf) struct buf name = {0};

        buf_printf(&name, "%s%s%s", path, below, suffixes[i]);
        if (!exclude_matches(x, buf_string(&name) + 1, false))
            return err_set(e, ERR_USAGE,
                           "%s is a source of its own, and %s stores %s with %s too: exclude "
                           "\"%s*\" there",
                           database, tree->name, buf_string(&name), path, strrchr(file, '/') + 1);
    }
    return true;
}

/* A tree and what else the set has in the same place. */
static bool check_against(const struct config_source *tree, const char *path,
                          const struct config_source *other, const struct exclude *x, struct err *e)
{
    const char *database = other->kind == SOURCE_SQLITE ? other->sqlite.path : NULL;
    AUTO(mem) char *outer = resolved_place(path);

    if (database != NULL && !check_database(tree, path, database, x, e))
        return false;
    for (size_t i = 0; other->kind == SOURCE_FILES && i < other->files.paths.count; i++) {
        const char *one = other->files.paths.items[i];
        AUTO(mem) char *inner = resolved_place(one);

        if (one != path && find_below(inner, outer) != NULL)
            return err_set(e, ERR_USAGE, "%s lies in %s: they cannot both change places", one,
                           path);
    }
    return true;
}

/* What a restore writes to while the tree changes places. */
static bool check_own(const struct restore_set_options *o, const char *path, struct err *e)
{
    const struct config_set *set = o->set;

    if (is_in(o->config->state, path))
        return err_set(e, ERR_USAGE, "the state folder %s lies in %s, which is to change places",
                       o->config->state, path);
    for (size_t i = 0; i < set->repository_count; i++) {
        const char *url = set->repositories[i]->url;
        const char *folder = strncmp(url, "local:", 6) == 0 ? url + 6 : url;

        if (*folder == '/' && is_in(folder, path))
            return err_set(e, ERR_USAGE, "the repository %s lies in %s, which is to change places",
                           folder, path);
    }
    return true;
}

bool restore_places_check(const struct restore_set_options *o, const struct config_source *tree,
                          struct err *e)
{
    AUTO(exclude) struct exclude *x = exclude_new();

    if (!config_excludes(&tree->files, x, e))
        return false;
    for (size_t i = 0; i < tree->files.paths.count; i++) {
        const char *path = tree->files.paths.items[i];

        if (!check_own(o, path, e))
            return false;
        for (size_t n = 0; n < o->set->source_count; n++)
            if (!check_against(tree, path, &o->set->sources[n], x, e))
                return false;
    }
    return true;
}

bool restore_set_check(const struct config *c, const struct config_set *set, struct err *e)
{
    const struct restore_set_options o = {.config = c, .set = set};

    for (size_t i = 0; i < set->source_count; i++)
        if (set->sources[i].kind == SOURCE_FILES && !restore_places_check(&o, &set->sources[i], e))
            return false;
    return true;
}
