/*
 * Which places may change their names side by side: what lies in a file tree goes with it.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/restore_source.h"

/* The path without links where it is there, else as it is. */
static char *resolved(const char *path)
{
    char real[PATH_MAX];

    return mem_string(realpath(path, real) != NULL ? real : path);
}

static bool is_in(const char *path, const char *folder)
{
    AUTO(mem) char *inner = resolved(path);
    AUTO(mem) char *outer = resolved(folder);
    const size_t size = strlen(outer);

    return strcmp(outer, "/") == 0 ||
           (strncmp(inner, outer, size) == 0 && (inner[size] == '/' || inner[size] == '\0'));
}

/* A tree and what else the set has in the same place. */
static bool check_against(const struct config_source *tree, const char *path,
                          const struct config_source *other, const struct exclude *x, struct err *e)
{
    const char *database = other->kind == SOURCE_SQLITE ? other->sqlite.path : NULL;

    if (database != NULL && is_in(database, path) && !exclude_matches(x, database + 1, false))
        return err_set(e, ERR_USAGE,
                       "%s is a source of its own, and %s stores it with %s too: exclude it there",
                       database, tree->name, path);
    for (size_t i = 0; other->kind == SOURCE_FILES && i < other->files.paths.count; i++) {
        const char *inner = other->files.paths.items[i];

        if (inner != path && is_in(inner, path))
            return err_set(e, ERR_USAGE, "%s lies in %s: they cannot both change places", inner,
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
