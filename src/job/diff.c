/*
 * Comparing two trees: both sides are sorted by name, so one pass over each is enough, and
 * directories with the same id are not even read.
 */
#include "base/cancel.h"
#include "base/mem.h"
#include "job/job.h"

/* One side of the comparison: where it stands in a directory. */
struct side {
    struct tree_cursor *cursor; /* NULL: there is no such directory on this side */
    struct entry entry;
    bool has_entry;
    bool is_used_up; /* the entry was compared, or there was none yet */
};

/* A directory on the way down.  On a stack of their own: a backup may hold more levels than a
 * thread's stack has room for. */
struct level {
    struct level *parent;
    struct side sides[2];
    size_t path_size; /* of the path when this directory is current */
};

struct diff {
    struct reader *readers[2]; /* one per side, so that each keeps its own frames */
    bool with_metadata;
    diff_fn *fn;
    void *arg;
    struct diff_stats *stats;
    struct level *level; /* the deepest */
    struct buf path;     /* of the current entry, begins with '/' */
};

static void level_leave(struct diff *d)
{
    struct level *l = d->level;

    d->level = l->parent;
    tree_close(l->sides[0].cursor);
    tree_close(l->sides[1].cursor);
    mem_free(l);
}

static void diff_auto(struct diff *d)
{
    while (d->level != NULL)
        level_leave(d);
    buf_done(&d->path);
}

static bool name_directory(struct diff *d, struct err *e)
{
    return err_wrap(e, "%s", d->path.size > 0 ? buf_string(&d->path) : "/");
}

/* Go into a directory, whose path is the current one; NULL: this side does not have it. */
static bool level_enter(struct diff *d, const struct hash *before, const struct hash *after,
                        struct err *e)
{
    const struct hash *trees[] = {before, after};
    struct level *l = mem_new(sizeof(*l));

    l->parent = d->level;
    l->path_size = d->path.size;
    d->level = l;
    if (cancel_is_requested())
        return cancel_err(e);
    for (size_t i = 0; i < 2; i++) {
        l->sides[i].is_used_up = true;
        if (trees[i] != NULL && !tree_open(d->readers[i], trees[i], &l->sides[i].cursor, e))
            return name_directory(d, e);
    }
    return true;
}

static bool advance(struct diff *d, struct side *s, struct err *e)
{
    if (!s->is_used_up)
        return true;
    s->is_used_up = false;
    s->has_entry = false;
    return s->cursor == NULL || tree_next(s->cursor, &s->entry, &s->has_entry, e) ||
           name_directory(d, e);
}

/* The later of the two says whether it is a directory. */
static bool tell(struct diff *d, enum diff_kind kind, const struct entry *before,
                 const struct entry *after, struct err *e)
{
    const struct diff_change c = {
        .kind = kind,
        .path = buf_string(&d->path),
        .is_dir = (after != NULL ? after : before)->type == ENTRY_DIRECTORY,
        .before = before,
        .after = after,
    };

    return d->fn(d->arg, &c, e);
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
    if (!tell(d, is_added ? DIFF_ADDED : DIFF_REMOVED, is_added ? NULL : en, is_added ? en : NULL,
              e))
        return false;
    if (!is_dir)
        return true;
    return is_added ? level_enter(d, NULL, &tree, e) : level_enter(d, &tree, NULL, e);
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
        return tell(d, DIFF_TYPE, a, b, e);
    }
    if (!has_same_content(a, b)) {
        d->stats->changed_files++;
        return tell(d, DIFF_CONTENT, a, b, e);
    }
    if (d->with_metadata && !has_same_metadata(a, b) && !tell(d, DIFF_METADATA, a, b, e))
        return false;
    if (a->type != ENTRY_DIRECTORY || hash_is_equal(&trees[0], &trees[1]))
        return true;
    return level_enter(d, &trees[0], &trees[1], e);
}

/* The smaller name of the two sides comes first. */
static bool compare_next(struct diff *d, struct level *l, struct err *e)
{
    struct side *before = &l->sides[0], *after = &l->sides[1];
    const int order = !before->has_entry  ? 1
                      : !after->has_entry ? -1
                                          : slice_compare(before->entry.name, after->entry.name);

    before->is_used_up = order <= 0;
    after->is_used_up = order >= 0;
    buf_put_u8(&d->path, '/');
    buf_append_slice(&d->path, order <= 0 ? before->entry.name : after->entry.name);
    if (order == 0)
        return both_sided(d, &before->entry, &after->entry, e);
    return one_sided(d, order < 0 ? &before->entry : &after->entry, order > 0, e);
}

static bool compare_below(struct diff *d, struct err *e)
{
    while (d->level != NULL) {
        struct level *l = d->level;

        d->path.size = l->path_size;
        if (!advance(d, &l->sides[0], e) || !advance(d, &l->sides[1], e))
            return false;
        if (!l->sides[0].has_entry && !l->sides[1].has_entry)
            level_leave(d);
        else if (!compare_next(d, l, e))
            return false;
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
    AUTO(diff)
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

    return level_enter(&d, &trees[0], &trees[1], e) && compare_below(&d, e);
}
