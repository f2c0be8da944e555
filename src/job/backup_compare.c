/*
 * What the previous snapshot has of the directories of a backup: files that did not change are
 * taken over, and for others it is found out which former bytes theirs are probably much like.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "job/backup_run.h"

/* For a new file below this, in a directory that was there, only its neighbours are looked at. */
#define SEARCH_SIZE_MIN ((uint64_t)1 << 20)

bool backup_run_keep(struct backup_run *run, struct reader *rd, const struct entry *before,
                     struct buf *ids)
{
    struct err unreadable = {0};

    /* A list that cannot be read is no reason to fail: the file is read again. */
    return ((before->flags & ENTRY_INDIRECT) == 0 || writer_keep(run->writer, before->content)) &&
           reader_content(rd, before, ids, &unreadable) && writer_keep(run->writer, buf_slice(ids));
}

static bool keep_content(struct backup_run *run, struct reader *rd, struct listing *l,
                         struct entry *now, const struct entry *before)
{
    AUTO(buf) struct buf ids = {0};

    if (!backup_run_keep(run, rd, before, &ids))
        return false;
    now->flags |= before->flags;
    now->cut = before->cut;
    now->content = arena_copy(&l->arena, before->content);
    now->holes = arena_copy(&l->arena, before->holes);
    now->xattrs = arena_copy(&l->arena, before->xattrs);
    return true;
}

static void compare(struct backup_run *run, struct reader *rd, struct sink_dir *d, size_t slot,
                    const struct entry *before)
{
    struct entry *now = &d->listing->entries[slot];

    if (now->type != before->type)
        return;
    d->had_before[slot] = true;
    if (now->type == ENTRY_DIRECTORY)
        now->subtree = before->subtree;
    else if (now->type == ENTRY_FILE && entry_is_unchanged(now, before) &&
             keep_content(run, rd, d->listing, now, before))
        d->states[slot] = SLOT_READY;
    else if (now->type == ENTRY_FILE)
        d->before[slot] =
            (struct content_before){.content = arena_copy(&d->listing->arena, before->content),
                                    .is_indirect = (before->flags & ENTRY_INDIRECT) != 0,
                                    .cut = before->cut,
                                    .size = before->size,
                                    .has_holes = before->holes.size > 0};
}

/* Its names begin at this slot, or would stand before it. */
static void add_page(struct sink_dir *d, const struct hash *id, size_t slot)
{
    if (d->page_count > 0 && hash_is_equal(&d->pages[d->page_count - 1].id, id))
        return;
    /* Room grows by doubling. */
    if ((d->page_count & (d->page_count - 1)) == 0)
        d->pages =
            mem_resize(d->pages, d->page_count == 0 ? 1 : 2 * d->page_count, sizeof(*d->pages));
    d->pages[d->page_count++] = (struct page_before){.id = *id, .slot = slot};
}

/* Both sides are sorted by name.  A tree that cannot be read ends the comparison: what it
 * would have told is read from the source again, and `check` is there to report damage. */
static void compare_with_before(struct backup_run *run, struct reader *rd, struct sink_dir *d,
                                const struct hash *tree)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    struct err unreadable = {0};
    struct entry before;
    bool more = true;
    size_t slot = 0;

    if (!tree_open(rd, tree, &c, &unreadable))
        return;
    while (slot < d->listing->count && tree_next(c, &before, &more, &unreadable) && more) {
        while (slot < d->listing->count &&
               slice_compare(d->listing->entries[slot].name, before.name) < 0)
            slot++;
        if (!hash_is_equal(tree_page(c), tree))
            add_page(d, tree_page(c), slot);
        if (slot < d->listing->count && slice_is_equal(d->listing->entries[slot].name, before.name))
            compare(run, rd, d, slot++, &before);
    }
}

static const struct hash *tree_before(const struct backup_run *run, const struct sink_dir *d)
{
    const struct sink_dir *parent = d->parent;

    if (parent == NULL)
        return &run->before->tree;
    return parent->had_before[d->parent_slot] ? &parent->listing->entries[d->parent_slot].subtree
                                              : NULL;
}

/* The tree of what a directory was that stood elsewhere. */
static bool tree_moved(const struct sink_dir *d, struct hash *tree)
{
    const struct sink_dir *parent = d->parent;
    const struct slice id = parent == NULL || parent->before == NULL
                                ? (struct slice){0}
                                : parent->before[d->parent_slot].content;

    if (id.size != HASH_SIZE)
        return false;
    memcpy(tree->bytes, id.data, HASH_SIZE);
    return true;
}

bool backup_run_tree_before(const struct backup_run *run, const struct sink_dir *d,
                            struct hash *out)
{
    const struct hash *tree = run->before == NULL ? NULL : tree_before(run, d);

    if (tree == NULL)
        return run->before != NULL && tree_moved(d, out);
    *out = *tree;
    return true;
}

static struct slice name_of(const struct sink_dir *d)
{
    if (d->parent == NULL)
        return (struct slice){0};
    assert(d->parent->listing->entries != NULL); /* d is one of them */
    return d->parent->listing->entries[d->parent_slot].name;
}

/* All that the previous snapshot has; read when the first asks, while others wait for it. */
static const struct moved *all_before(struct backup_run *run, struct reader *rd)
{
    pthread_mutex_lock(&run->moved_lock);
    if (run->moved == NULL) {
        run->moved = moved_new();
        moved_add_all(run->moved, rd, &run->before->tree);
    }
    pthread_mutex_unlock(&run->moved_lock);
    return run->moved;
}

/* Who is new in a directory that was there, or moved, was a neighbour most often; everything is
 * searched for directories and what is long, or what came with a new directory. */
static bool find_moved(struct backup_run *run, struct reader *rd, const struct sink_dir *d,
                       size_t slot, const struct moved *near, struct content_before *out)
{
    const struct entry *now = &d->listing->entries[slot];
    const bool searches =
        near == NULL || now->type == ENTRY_DIRECTORY || now->size >= SEARCH_SIZE_MIN;

    return (near != NULL && moved_find(near, now, name_of(d), out)) ||
           (searches && moved_find(all_before(run, rd), now, name_of(d), out));
}

static bool is_new(const struct sink_dir *d, size_t slot)
{
    return d->states[slot] == SLOT_WAITING && !d->had_before[slot];
}

/* Guess what the entries of a directory were that have none of their name before. */
static void guess(struct backup_run *run, struct reader *rd, struct sink_dir *d,
                  const struct hash *tree)
{
    AUTO(moved) struct moved *near = NULL;

    for (size_t i = 0; i < d->listing->count; i++) {
        struct content_before found;

        if (!is_new(d, i))
            continue;
        if (near == NULL && tree != NULL) {
            near = moved_new();
            moved_add(near, rd, tree, name_of(d));
        }
        if (find_moved(run, rd, d, i, near, &found))
            d->before[i] =
                (struct content_before){.content = arena_copy(&d->listing->arena, found.content),
                                        .is_indirect = found.is_indirect};
    }
}

void backup_run_compare(struct backup_run *run, struct reader *rd, struct sink_dir *d)
{
    const struct hash *tree = tree_before(run, d);
    struct hash former;

    if (tree != NULL)
        compare_with_before(run, rd, d, tree);
    if (writer_takes_bases(run->writer))
        guess(run, rd, d, backup_run_tree_before(run, d, &former) ? &former : NULL);
}
