/*
 * Which files and directories damage reaches: every committed snapshot is walked with its
 * paths.  A tree below which all is sound is remembered, and walked once however many
 * snapshots share it.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/bits.h"
#include "repo/check.h"

/* A directory on the way down. */
struct level {
    struct tree_cursor *cursor;
    size_t path_size;  /* of its path */
    size_t entry;      /* number of its tree chunk in the index */
    bool has_affected; /* something below it */
};

struct affected {
    struct check *check;
    struct reader *reader;
    uint64_t *sound; /* by entry number: all is well in and below this tree */
    struct level *levels;
    size_t depth, room;
    struct buf path; /* bytes, without a slash at its end */
    struct buf ids;
    char snapshot[65];
};

static void affected_auto(struct affected *a)
{
    while (a->depth > 0)
        tree_close(a->levels[--a->depth].cursor);
    mem_free(a->levels);
    mem_free(a->sound);
    reader_free(a->reader);
    buf_done(&a->path);
    buf_done(&a->ids);
}

static void tell(struct affected *a, const char *why)
{
    struct check *c = a->check;
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf sentence = {0};

    if (a->path.size == 0)
        buf_append(&path, "/", 1);
    else
        path_escape(buf_slice(&a->path), &path);
    buf_printf(&sentence, "snapshot %.8s: %s: %s", a->snapshot, buf_string(&path), why);
    c->stats.affected_files++;
    if (c->options->fault != NULL)
        c->options->fault(c->options->arg,
                          &(struct check_fault){.kind = CHECK_AFFECTED,
                                                .object = a->snapshot,
                                                .path = buf_string(&path),
                                                .sentence = buf_string(&sentence)});
    if (a->depth > 0)
        a->levels[a->depth - 1].has_affected = true;
}

/* False for what is no damage. */
static bool tell_unreadable(struct affected *a, const struct err *why, struct err *e)
{
    if (why->code != ERR_NOT_FOUND && !check_is_damage(why)) {
        *e = *why;
        return false;
    }
    tell(a, why->text);
    return true;
}

static bool is_sound(const struct affected *a, size_t entry)
{
    return bits_have(a->sound, entry);
}

/* Go down into a directory whose path is set, unless it is known to be sound. */
static bool enter(struct affected *a, const struct hash *tree, struct err *e)
{
    size_t entry = INDEX_NO_ENTRY;
    struct tree_cursor *cursor = NULL;
    struct place at;
    struct err why;

    if (index_entry_next(a->check->repo->index, tree->bytes, &entry, &at) && is_sound(a, entry))
        return true;
    if (!tree_open(a->reader, tree, &cursor, &why))
        return tell_unreadable(a, &why, e);
    if (a->depth == a->room) {
        a->room = a->room == 0 ? 32 : a->room * 2;
        a->levels = mem_resize(a->levels, a->room, sizeof(*a->levels));
    }
    a->levels[a->depth++] =
        (struct level){.cursor = cursor, .path_size = a->path.size, .entry = entry};
    return true;
}

static void leave(struct affected *a)
{
    const struct level *l = &a->levels[--a->depth];

    tree_close(l->cursor);
    if (!l->has_affected)
        bits_add(a->sound, l->entry);
    else if (a->depth > 0)
        a->levels[a->depth - 1].has_affected = true;
}

static bool check_file(struct affected *a, const struct entry *file, struct err *e)
{
    struct err why;

    buf_clear(&a->ids);
    if (!reader_content(a->reader, file, &a->ids, &why))
        return tell_unreadable(a, &why, e);
    for (size_t at = 0; at + HASH_SIZE <= a->ids.size; at += HASH_SIZE) {
        struct hash id;

        memcpy(id.bytes, a->ids.data + at, HASH_SIZE);
        if (!check_chunk_is_sound(a->check, &id)) {
            tell(a, "part of its content is damaged or missing");
            return true;
        }
    }
    return true;
}

static bool visit(struct affected *a, const struct entry *en, struct err *e)
{
    a->path.size = a->levels[a->depth - 1].path_size;
    buf_append(&a->path, "/", 1);
    buf_append_slice(&a->path, en->name);
    if (en->type == ENTRY_DIRECTORY) {
        const struct hash tree = en->subtree;

        return enter(a, &tree, e);
    }
    return en->type != ENTRY_FILE || check_file(a, en, e);
}

static bool walk_snapshot(struct affected *a, const struct snapshot *s, struct err *e)
{
    snapshot_id_text(&s->id, a->snapshot);
    buf_clear(&a->path);
    if (!enter(a, &s->tree, e))
        return false;
    while (a->depth > 0) {
        const struct level *l = &a->levels[a->depth - 1];
        struct entry en;
        struct err why;
        bool more;

        if (cancel_is_requested())
            return cancel_err(e);
        if (!tree_next(l->cursor, &en, &more, &why)) {
            a->path.size = l->path_size;
            if (!tell_unreadable(a, &why, e))
                return false;
            leave(a);
        } else if (!more) {
            leave(a);
        } else if (!visit(a, &en, e)) {
            return false;
        }
    }
    return true;
}

static bool is_loaded(const struct affected *a, const struct hash *id)
{
    const struct snapshot_list *l = &a->check->snapshots;

    for (size_t i = 0; i < l->count; i++)
        if (l->states[i] == SNAPSHOT_COMMITTED && hash_is_equal(&l->items[i]->id, id))
            return true;
    return false;
}

/* Whether a damaged object is a snapshot, or what says that one is complete. */
static bool is_of_snapshot(const char *key)
{
    return strncmp(key, "snapshots/", 10) == 0 || strncmp(key, "commits/", 8) == 0;
}

/* Snapshots that cannot be read themselves. */
static bool tell_lost(struct affected *a, struct err *e)
{
    for (size_t i = 0; i < a->check->told_count; i++) {
        const char *key = a->check->told[i];
        struct hash id;
        bool is_committed, is_forgotten;

        if (!is_of_snapshot(key) || !key_hash(key, &id) || is_loaded(a, &id))
            continue;
        if (!object_exists(a->check->repo, "trash", &id, &is_forgotten, e) ||
            !object_exists(a->check->repo, "commits", &id, &is_committed, e))
            return false;
        snapshot_id_text(&id, a->snapshot);
        buf_clear(&a->path);
        if (is_committed && !is_forgotten)
            tell(a, "the snapshot itself or its commit is damaged or missing");
    }
    return true;
}

bool check_affected(struct check *c, struct err *e)
{
    AUTO(affected)
    struct affected a = {.check = c,
                         .reader = reader_new(c->repo),
                         .sound = bits_new(index_entry_room(c->repo->index))};

    if (!tell_lost(&a, e))
        return false;
    for (size_t i = 0; i < c->snapshots.count; i++) {
        if (c->snapshots.states[i] != SNAPSHOT_COMMITTED)
            continue;
        check_progress(c, "find what is affected", i, c->snapshots.count);
        if (!walk_snapshot(&a, c->snapshots.items[i], e))
            return false;
    }
    return true;
}
