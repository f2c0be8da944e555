/*
 * Which snapshots there are, and in which state, while others write and collect.
 *
 * Commits are listed before snapshots: a writer puts the snapshot first, so a commit that was
 * seen has its snapshot in the later list, unless a collector took both.  It removes the
 * tombstone last, so when there is no tombstone and *then* still a commit, the snapshot object
 * is lost.  Tombstones are listed beside commits: one that came or went meanwhile is as if the
 * listing had been a moment earlier.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/nearby.h"
#include "repo/snapshot.h"

/* Who is told of damage; fn may be NULL: damage then ends the work. */
struct damage {
    damaged_fn *fn;
    void *arg;
};

/* True when the failure was told and the work goes on. */
static bool damage_tell(const struct damage *d, const char *key, const struct err *why,
                        struct err *e)
{
    const bool is_damage = why->code == ERR_CORRUPT || why->code == ERR_USAGE;

    if (!is_damage || d->fn == NULL) {
        *e = *why;
        return false;
    }
    d->fn(d->arg, key, why);
    return true;
}

/* Ids in ascending order. */
struct id_list {
    struct hash *ids;
    size_t count;
};

static void id_list_auto(struct id_list *l)
{
    mem_free(l->ids);
}

static bool id_list_read(struct repo *r, const char *folder, const char *prefix,
                         struct id_list *out, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};
    AUTO(buf) struct buf start = {0};

    buf_printf(&start, "%s/%s", folder, prefix);
    if (!key_list_read(r, buf_string(&start), &keys, e))
        return false;
    out->ids = mem_array(keys.count, sizeof(*out->ids));
    for (size_t i = 0; i < keys.count; i++)
        out->count += key_hash(keys.items[i], &out->ids[out->count]);
    qsort(out->ids, out->count, sizeof(*out->ids), hash_order);
    return true;
}

/* The tombstones, listed beside the commits. */
struct tombstones {
    struct repo *repo;
    const char *prefix;
    struct id_list ids;
};

static bool tombstones_read(void *arg, struct err *e)
{
    struct tombstones *t = arg;

    return id_list_read(t->repo, "trash", t->prefix, &t->ids, e);
}

static void tombstones_auto(struct tombstones *t)
{
    id_list_auto(&t->ids);
}

static bool id_list_has(const struct id_list *l, const struct hash *id)
{
    return bsearch(id, l->ids, l->count, sizeof(*l->ids), hash_order) != NULL;
}

/* Read a mark; *is_there only when it is authentic. */
static bool mark_look(struct repo *r, enum object_class class, const char *folder,
                      const struct hash *id, const struct damage *d, bool *is_there, struct err *e)
{
    char key[OBJECT_KEY_MAX];
    struct err why = {0};

    *is_there = snapshot_mark_read(r, class, id, &why);
    if (*is_there || why.code == ERR_NOT_FOUND)
        return true;
    object_key(folder, id, key);
    return damage_tell(d, key, &why, e);
}

static bool state_find(struct repo *r, const struct hash *id, bool has_tombstone,
                       const struct damage *d, enum snapshot_state *out, struct err *e)
{
    bool is_forgotten = false;
    bool is_committed = false;

    if (has_tombstone && !mark_look(r, CLASS_TOMBSTONE, "trash", id, d, &is_forgotten, e))
        return false;
    if (is_forgotten) {
        *out = SNAPSHOT_FORGOTTEN;
        return true;
    }
    if (!mark_look(r, CLASS_COMMIT, "commits", id, d, &is_committed, e))
        return false;
    *out = is_committed ? SNAPSHOT_COMMITTED : SNAPSHOT_PREPARED;
    return true;
}

/* A snapshot that was committed has no object: is it lost, or was it collected? */
static bool loss_check(struct repo *r, const struct hash *id, const struct damage *d, struct err *e)
{
    struct err why = {0};
    bool has_tombstone = false;
    bool has_commit = false;
    char key[OBJECT_KEY_MAX];

    /* In this order, see above. */
    if (!object_exists(r, "trash", id, &has_tombstone, e) ||
        !object_exists(r, "commits", id, &has_commit, e))
        return false;
    if (has_tombstone || !has_commit)
        return true;
    object_key("snapshots", id, key);
    (void)err_set(&why, ERR_CORRUPT, "object %s is missing, and its commit is there", key);
    return damage_tell(d, key, &why, e);
}

static bool losses_check(struct repo *r, const struct id_list *commits,
                         const struct id_list *snapshots, const struct damage *d, struct err *e)
{
    for (size_t i = 0; i < commits->count; i++)
        if (!id_list_has(snapshots, &commits->ids[i]) && !loss_check(r, &commits->ids[i], d, e))
            return false;
    return true;
}

bool snapshot_scan(struct repo *r, const char *prefix, damaged_fn *damaged, void *arg,
                   struct snapshot_standing **out, size_t *count, struct err *e)
{
    const struct damage d = {damaged, arg};
    AUTO(id_list) struct id_list commits = {0};
    AUTO(tombstones) struct tombstones tombstones = {.repo = r, .prefix = prefix};
    AUTO(id_list) struct id_list snapshots = {0};
    AUTO(aside) struct aside reading = {0}; /* it ends before the tombstones do */

    aside_start(&reading, r, tombstones_read, &tombstones);
    if (!id_list_read(r, "commits", prefix, &commits, e) || !aside_end(&reading, e) ||
        !id_list_read(r, "snapshots", prefix, &snapshots, e) ||
        !losses_check(r, &commits, &snapshots, &d, e))
        return false;

    nearby_fetch(r, "commits", snapshots.ids, snapshots.count);

    AUTO(mem) struct snapshot_standing *found = mem_array(snapshots.count, sizeof(*found));

    for (size_t i = 0; i < snapshots.count; i++) {
        const struct hash *id = &snapshots.ids[i];

        found[i].id = *id;
        if (!state_find(r, id, id_list_has(&tombstones.ids, id), &d, &found[i].state, e))
            return false;
    }
    *out = TAKE(found);
    *count = snapshots.count;
    return true;
}

/* Loading */

struct loaded {
    struct snapshot *snapshot;
    enum snapshot_state state;
};

struct loaded_list {
    struct loaded *items;
    size_t count;
};

static void loaded_list_auto(struct loaded_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        snapshot_free(l->items[i].snapshot);
    mem_free(l->items);
}

/* Oldest first; the id settles what is of the same moment. */
static int loaded_compare(const void *a, const void *b)
{
    const struct snapshot *left = ((const struct loaded *)a)->snapshot;
    const struct snapshot *right = ((const struct loaded *)b)->snapshot;

    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns ? -1 : 1;
    return hash_order(&left->id, &right->id);
}

/* Add what a standing stands for; nothing when it vanished or its damage was told. */
static bool loaded_list_add(struct repo *r, struct loaded_list *l,
                            const struct snapshot_standing *s, const struct damage *d,
                            struct err *e)
{
    struct loaded *next = &l->items[l->count];
    struct err why = {0};
    char key[OBJECT_KEY_MAX];

    if (snapshot_load(r, &s->id, &next->snapshot, &why)) {
        next->state = s->state;
        l->count++;
        return true;
    }
    if (why.code == ERR_NOT_FOUND)
        return s->state != SNAPSHOT_COMMITTED || loss_check(r, &s->id, d, e);
    object_key("snapshots", &s->id, key);
    return damage_tell(d, key, &why, e);
}

static void loaded_list_split(struct loaded_list *l, struct snapshot_list *out)
{
    out->items = mem_array(l->count, sizeof(*out->items));
    out->states = mem_array(l->count, sizeof(*out->states));
    out->count = l->count;
    qsort(l->items, l->count, sizeof(*l->items), loaded_compare);
    for (size_t i = 0; i < l->count; i++) {
        out->items[i] = TAKE(l->items[i].snapshot);
        out->states[i] = l->items[i].state;
    }
}

static void fetch_snapshots(struct repo *r, unsigned mask, const struct snapshot_standing *found,
                            size_t count)
{
    AUTO(mem) struct hash *ids = mem_array(count, sizeof(*ids));
    size_t wanted = 0;

    for (size_t i = 0; i < count; i++)
        if ((mask & 1U << found[i].state) != 0)
            ids[wanted++] = found[i].id;
    nearby_fetch(r, "snapshots", ids, wanted);
}

bool snapshot_load_all(struct repo *r, unsigned mask, damaged_fn *damaged, void *arg,
                       struct snapshot_list *out, struct err *e)
{
    const struct damage d = {damaged, arg};
    AUTO(mem) struct snapshot_standing *found = NULL;
    AUTO(loaded_list) struct loaded_list l = {0};
    size_t count = 0;

    if (!snapshot_scan(r, "", damaged, arg, &found, &count, e))
        return false;
    fetch_snapshots(r, mask, found, count);
    l.items = mem_array(count, sizeof(*l.items));
    for (size_t i = 0; i < count; i++)
        if ((mask & 1U << found[i].state) != 0 && !loaded_list_add(r, &l, &found[i], &d, e))
            return false;
    loaded_list_split(&l, out);
    return true;
}

/* A commit as it is listed. */
struct commit {
    struct hash id;
    int64_t received_ns;
};

static int commit_compare(const void *a, const void *b)
{
    return hash_order(&((const struct commit *)a)->id, &((const struct commit *)b)->id);
}

bool snapshot_received(struct repo *r, const struct snapshot_list *l, int64_t *out_ns,
                       struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};
    AUTO(mem) struct commit *commits = NULL;
    size_t count = 0;

    if (!key_list_read(r, "commits/", &keys, e))
        return false;
    commits = mem_array(keys.count, sizeof(*commits));
    for (size_t i = 0; i < keys.count; i++) {
        commits[count].received_ns = keys.mtimes[i] * NS_PER_S;
        count += key_hash(keys.items[i], &commits[count].id);
    }
    qsort(commits, count, sizeof(*commits), commit_compare);
    for (size_t i = 0; i < l->count; i++) {
        const struct commit wanted = {.id = l->items[i]->id};
        const struct commit *c = bsearch(&wanted, commits, count, sizeof(*commits), commit_compare);
        char text[2 * HASH_SIZE + 1];

        if (c == NULL) {
            snapshot_id_text(&wanted.id, text);
            return err_set(e, ERR_TRANSIENT, "snapshot %.8s went meanwhile", text);
        }
        out_ns[i] = c->received_ns;
    }
    return true;
}

void snapshot_list_done(struct snapshot_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        snapshot_free(l->items[i]);
    mem_free(l->items);
    mem_free(l->states);
    *l = (struct snapshot_list){0};
}

void snapshot_list_auto(struct snapshot_list *l)
{
    snapshot_list_done(l);
}
