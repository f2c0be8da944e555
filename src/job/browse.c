/*
 * Walking what a snapshot holds, in the order of paths.
 */
#include <string.h>

#include "base/cancel.h"
#include "job/job.h"

struct browse {
    struct reader *reader;
    struct buf path; /* of the current entry, beginning with '/' */
    visit_fn *fn;
    void *arg;
};

static bool walk_directory(struct browse *b, const struct hash *tree, struct err *e);

static bool visit(struct browse *b, const struct entry *en, struct err *e)
{
    const struct hash tree = en->subtree;
    const bool is_directory = en->type == ENTRY_DIRECTORY;
    bool descend = true;

    return b->fn(b->arg, buf_string(&b->path), en, &descend, e) &&
           (!is_directory || !descend || walk_directory(b, &tree, e));
}

static bool walk_directory(struct browse *b, const struct hash *tree, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    const size_t base = b->path.size;
    struct entry en;
    bool more = true;

    if (cancel_is_requested())
        return cancel_err(e);
    if (!tree_open(b->reader, tree, &c, e))
        return err_wrap(e, "%s", base > 0 ? buf_string(&b->path) : "/");
    while (true) {
        if (!tree_next(c, &en, &more, e))
            return err_wrap(e, "%s", base > 0 ? buf_string(&b->path) : "/");
        if (!more)
            return true;
        buf_put_u8(&b->path, '/');
        buf_append_slice(&b->path, en.name);
        if (!visit(b, &en, e))
            return false;
        b->path.size = base;
    }
}

/* "a//b/" as "/a/b". */
static void normalise(const char *path, struct buf *out)
{
    while (*path != '\0') {
        const size_t size = strcspn(path, "/");

        if (size > 0) {
            buf_put_u8(out, '/');
            buf_append(out, path, size);
        }
        path += size + (path[size] == '/' ? 1 : 0);
    }
}

size_t browse_path_size(const char *path)
{
    AUTO(buf) struct buf normal = {0};

    normalise(path, &normal);
    return normal.size;
}

bool browse_walk(struct repo *r, const struct hash *tree, const char *path, visit_fn *fn, void *arg,
                 struct err *e)
{
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf keep = {0};
    struct browse b = {.fn = fn, .arg = arg};
    struct entry en;

    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    if (!tree_find(rd, tree, path, &keep, &en, e))
        return false;
    b.reader = rd;
    normalise(path, &b.path);

    const bool ok = b.path.size == 0 ? walk_directory(&b, &en.subtree, e) : visit(&b, &en, e);

    buf_done(&b.path);
    return ok;
}
