/*
 * Comparing two trees: both sides are sorted by name, so one pass over each is enough, and
 * directories with the same id are not even read.
 */
#include <string.h>

#include "base/cancel.h"
#include "job/job.h"

struct diff {
    struct reader *readers[2]; /* one per side, so that each keeps its own frames */
    bool with_metadata;
    diff_fn *fn;
    void *arg;
    struct diff_stats *stats;
    struct buf path; /* begins with '/' */
};

/* One side of the comparison: where it stands in a directory. */
struct side {
    struct tree_cursor *cursor; /* NULL: there is no such directory on this side */
    struct entry entry;
    bool has_entry;
};

static void side_auto(struct side *s)
{
    tree_close(s->cursor);
}

static bool advance(struct side *s, struct err *e)
{
    s->has_entry = false;
    return s->cursor == NULL || tree_next(s->cursor, &s->entry, &s->has_entry, e);
}

static bool compare_directories(struct diff *d, const struct hash *a, const struct hash *b,
                                struct err *e);

static bool tell(struct diff *d, enum diff_kind kind, bool is_dir, struct err *e)
{
    return d->fn(d->arg, kind, buf_string(&d->path), is_dir, e);
}

/* An entry that only one side has, and all that is in it. */
static bool one_sided(struct diff *d, const struct entry *en, bool is_added, struct err *e)
{
    const bool is_dir = en->type == ENTRY_DIRECTORY;
    const struct hash tree = en->subtree;

    if (is_added) {
        d->stats->added.files += en->type == ENTRY_FILE;
        d->stats->added.dirs += is_dir;
        d->stats->added.others += en->type != ENTRY_FILE && !is_dir;
        d->stats->added.bytes += en->type == ENTRY_FILE ? en->size : 0;
    } else {
        d->stats->removed.files += en->type == ENTRY_FILE;
        d->stats->removed.dirs += is_dir;
        d->stats->removed.others += en->type != ENTRY_FILE && !is_dir;
        d->stats->removed.bytes += en->type == ENTRY_FILE ? en->size : 0;
    }
    if (!tell(d, is_added ? DIFF_ADDED : DIFF_REMOVED, is_dir, e))
        return false;
    if (!is_dir)
        return true;
    return is_added ? compare_directories(d, NULL, &tree, e)
                    : compare_directories(d, &tree, NULL, e);
}

static bool has_same_content(const struct entry *a, const struct entry *b)
{
    switch (a->type) {
    case ENTRY_FILE:
        return a->size == b->size && slice_is_equal(a->content, b->content) &&
               slice_is_equal(a->holes, b->holes);
    case ENTRY_SYMLINK:
        return slice_is_equal(a->target, b->target);
    case ENTRY_CHARACTER_DEVICE:
    case ENTRY_BLOCK_DEVICE:
        return a->rdev == b->rdev;
    case ENTRY_DIRECTORY:
    case ENTRY_FIFO:
    case ENTRY_SOCKET:
        return true;
    }
    return false;
}

static bool has_same_metadata(const struct entry *a, const struct entry *b)
{
    return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
           a->mtime_ns == b->mtime_ns && slice_is_equal(a->xattrs, b->xattrs);
}

static bool both_sided(struct diff *d, const struct entry *a, const struct entry *b, struct err *e)
{
    const struct hash trees[2] = {a->subtree, b->subtree};

    if (a->type != b->type) {
        d->stats->changed_files++;
        return tell(d, DIFF_TYPE, b->type == ENTRY_DIRECTORY, e);
    }
    if (!has_same_content(a, b)) {
        d->stats->changed_files++;
        return tell(d, DIFF_CONTENT, false, e);
    }
    if (d->with_metadata && !has_same_metadata(a, b) &&
        !tell(d, DIFF_METADATA, a->type == ENTRY_DIRECTORY, e))
        return false;
    if (a->type != ENTRY_DIRECTORY || hash_is_equal(&trees[0], &trees[1]))
        return true;
    return compare_directories(d, &trees[0], &trees[1], e);
}

/* The smaller name of the two sides comes first; *use says which sides have it. */
static struct slice next_name(const struct side sides[2], bool use[2])
{
    const int order = !sides[0].has_entry ? 1
                      : !sides[1].has_entry
                          ? -1
                          : slice_compare(sides[0].entry.name, sides[1].entry.name);

    use[0] = order <= 0;
    use[1] = order >= 0;
    return sides[use[0] ? 0 : 1].entry.name;
}

static bool compare_directories(struct diff *d, const struct hash *a, const struct hash *b,
                                struct err *e)
{
    AUTO(side) struct side left = {0};
    AUTO(side) struct side right = {0};
    const size_t base = d->path.size;

    if (cancel_is_requested())
        return cancel_err(e);
    if ((a != NULL && !tree_open(d->readers[0], a, &left.cursor, e)) ||
        (b != NULL && !tree_open(d->readers[1], b, &right.cursor, e)) || !advance(&left, e) ||
        !advance(&right, e))
        return err_wrap(e, "%s", base > 0 ? buf_string(&d->path) : "/");
    while (left.has_entry || right.has_entry) {
        const struct side sides[2] = {left, right};
        bool use[2];
        const struct slice name = next_name(sides, use);

        buf_put_u8(&d->path, '/');
        buf_append_slice(&d->path, name);
        const bool ok = use[0] && use[1]
                            ? both_sided(d, &left.entry, &right.entry, e)
                            : one_sided(d, use[0] ? &left.entry : &right.entry, use[1], e);

        if (!ok || (use[0] && !advance(&left, e)) || (use[1] && !advance(&right, e)))
            return false;
        d->path.size = base;
    }
    return true;
}

static bool find_directory(struct reader *rd, const struct diff_side *s, struct hash *out,
                           struct err *e)
{
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    if (!tree_find(rd, s->tree, s->path != NULL ? s->path : "", &keep, &en, e))
        return false;
    if (en.type != ENTRY_DIRECTORY)
        return err_set(e, ERR_USAGE, "%s: not a directory", s->path);
    *out = en.subtree;
    return true;
}

bool diff_run(struct repo *r, const struct diff_side *before, const struct diff_side *after,
              const struct diff_options *o, struct diff_stats *out, struct err *e)
{
    AUTO(reader) struct reader *left = NULL;
    AUTO(reader) struct reader *right = NULL;
    struct diff d = {.with_metadata = o->with_metadata, .fn = o->fn, .arg = o->arg, .stats = out};
    struct hash trees[2];

    if (!repo_load_index(r, e))
        return false;
    left = reader_new(r);
    right = reader_new(r);
    d.readers[0] = left;
    d.readers[1] = right;
    *out = (struct diff_stats){0};
    if (!find_directory(left, before, &trees[0], e) || !find_directory(right, after, &trees[1], e))
        return false;

    const bool ok = compare_directories(&d, &trees[0], &trees[1], e);

    buf_done(&d.path);
    return ok;
}
