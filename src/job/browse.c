/*
 * Walking what a snapshot holds, in the order of paths.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "job/job.h"

/* A directory on the way down.  On a stack of their own: a backup may hold more levels than a
 * thread's stack has room for. */
struct level {
    struct level *parent;
    struct tree_cursor *cursor;
    size_t path_size; /* of the path when this directory is current */
};

struct browse {
    struct reader *reader;
    struct level *level; /* the deepest */
    struct buf path;     /* of the current entry, beginning with '/' */
    visit_fn *fn;
    void *arg;
};

static void level_leave(struct browse *b)
{
    struct level *l = b->level;

    b->level = l->parent;
    b->path.size = b->level != NULL ? b->level->path_size : 0;
    tree_close(l->cursor);
    mem_free(l);
}

static void browse_auto(struct browse *b)
{
    while (b->level != NULL)
        level_leave(b);
    buf_done(&b->path);
}

static bool name_directory(struct browse *b, struct err *e)
{
    return err_wrap(e, "%s", b->path.size > 0 ? buf_string(&b->path) : "/");
}

/* Go into a directory, whose path is the current one. */
static bool level_enter(struct browse *b, const struct hash *tree, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;

    if (cancel_is_requested())
        return cancel_err(e);
    if (!tree_open(b->reader, tree, &c, e))
        return name_directory(b, e);

    struct level *l = mem_new(sizeof(*l));

    *l = (struct level){.parent = b->level, .cursor = TAKE(c), .path_size = b->path.size};
    b->level = l;
    return true;
}

static bool visit(struct browse *b, const struct entry *en, struct err *e)
{
    const struct hash tree = en->subtree;
    const bool is_directory = en->type == ENTRY_DIRECTORY;
    bool descend = true;

    return b->fn(b->arg, buf_string(&b->path), en, &descend, e) &&
           (!is_directory || !descend || level_enter(b, &tree, e));
}

static bool walk_below(struct browse *b, struct err *e)
{
    while (b->level != NULL) {
        const struct level *l = b->level;
        struct entry en;
        bool more = true;

        if (!tree_next(l->cursor, &en, &more, e))
            return name_directory(b, e);
        if (!more) {
            level_leave(b);
            continue;
        }
        buf_put_u8(&b->path, '/');
        buf_append_slice(&b->path, en.name);
        if (!visit(b, &en, e))
            return false;
        if (b->level == l)
            b->path.size = l->path_size;
    }
    return true;
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
    AUTO(browse) struct browse b = {.fn = fn, .arg = arg};
    struct entry en;

    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    if (!tree_find(rd, tree, path, &keep, &en, e))
        return false;
    b.reader = rd;
    normalise(path, &b.path);

    return (b.path.size == 0 ? level_enter(&b, &en.subtree, e) : visit(&b, &en, e)) &&
           walk_below(&b, e);
}
