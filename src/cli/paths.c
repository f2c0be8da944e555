#include "cli/paths.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool state_folder(struct buf *out)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (state != NULL && state[0] == '/')
        buf_printf(out, "%s/holdfast", state);
    else if (home != NULL && home[0] == '/')
        buf_printf(out, "%s/.local/state/holdfast", home);
    return out->size > 0;
}

/* Append the components of path to the absolute path in *out. */
static void append_components(const char *path, struct buf *out)
{
    while (*path != '\0') {
        const size_t size = strcspn(path, "/");

        if (size == 2 && memcmp(path, "..", 2) == 0) {
            while (out->size > 0 && out->data[--out->size] != '/')
                continue;
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            buf_append(out, "/", 1);
            buf_append(out, path, size);
        }
        path += size;
        path += *path == '/';
    }
}

void path_join(const char *base, const char *path, struct buf *out)
{
    AUTO(buf) struct buf joined = {0};

    if (*path != '/')
        append_components(base, &joined);
    append_components(path, &joined);
    if (joined.size == 0)
        buf_append(&joined, "/", 1);
    buf_append_slice(out, buf_slice(&joined));
}

/* Whether the last component is a name, so that it can be kept while the rest is resolved. */
static bool ends_with_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;

    return *last != '\0' && strcmp(last, ".") != 0 && strcmp(last, "..") != 0;
}

bool path_absolute(const char *path, struct buf *out, struct err *e)
{
    char resolved[PATH_MAX]; /* realpath() allows nothing longer */
    AUTO(buf) struct buf parent = {0};
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;

    if (*path == '\0')
        return err_set(e, ERR_USAGE, "a path is empty");
    if (!ends_with_name(path)) {
        buf_append(&parent, path, strlen(path));
        last = "";
    } else if (slash == NULL) {
        buf_append(&parent, ".", 1);
    } else {
        buf_append(&parent, path, (size_t)(slash - path) + 1);
    }
    if (realpath(buf_string(&parent), resolved) != NULL) {
        path_join(resolved, last, out);
        return true;
    }
    if (*path != '/' && getcwd(resolved, sizeof(resolved)) == NULL)
        return err_sys(e, "find the working directory");
    path_join(*path == '/' ? "/" : resolved, path, out);
    return true;
}

/* As strcmp(), but '/' comes before every other character, so that what a directory holds
 * follows it at once. */
static int compare(const void *a, const void *b)
{
    const unsigned char *x = *(const unsigned char *const *)a;
    const unsigned char *y = *(const unsigned char *const *)b;

    while (*x != '\0' && *x == *y) {
        x++;
        y++;
    }

    const int rank_x = *x == '/' ? 1 : *x == '\0' ? 0 : *x + 1;
    const int rank_y = *y == '/' ? 1 : *y == '\0' ? 0 : *y + 1;

    return rank_x - rank_y;
}

static bool is_inside(const char *path, const char *directory)
{
    const size_t size = strlen(directory);

    if (strcmp(directory, "/") == 0)
        return true;
    return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

void paths_prune(struct strings *paths)
{
    size_t kept = 0;

    if (paths->count == 0)
        return;
    qsort(paths->items, paths->count, sizeof(*paths->items), compare);
    for (size_t i = 0; i < paths->count; i++)
        if (kept == 0 || !is_inside(paths->items[i], paths->items[kept - 1]))
            paths->items[kept++] = paths->items[i];
    paths->count = kept;
}

bool path_is_root(const char *path)
{
    struct stat root;
    struct stat st;

    return stat("/", &root) == 0 && stat(path, &st) == 0 && root.st_dev == st.st_dev &&
           root.st_ino == st.st_ino;
}
