/*
 * The collector: it removes what no snapshot needs, without a lock, beside writers and other
 * collectors.  docs/decisions/0003 has the reasons, tests/model searches the protocol.
 *
 *     look at snapshots, packs and condemned lists; mark; choose packs to condemn
 *     store copies of what is needed in packs that are to be repacked
 *     publish a list of the condemned packs, and of the forgotten snapshots seen
 *     look again: first at the lists of others, then at packs and snapshots
 *     take back what a snapshot needs that is new, or whose other copy others condemned
 *     remove snapshots, rows of the index, packs, tombstones, and the list last
 *     remove packs that earlier collectors took away a week ago
 *     extend the locks of what snapshots need, where the store has locks
 *
 * A writer puts its snapshot before it reads the lists, and a collector publishes its list
 * before it looks for snapshots, so one of the two sees the other.  Every snapshot object is a
 * root, committed or not, but for those that were forgotten and that the list names.
 *
 * Whatever fails before the first removal takes the list back.  Afterwards the list stays, as
 * after a crash: rows of the index are gone then whose packs are still there, and only the list
 * keeps writers from relying on them.  The next collector finishes the work.
 */
#include "repo/prune.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/parity_objects.h"

/* Another collector may change the index under the first look this many times. */
#define ROUNDS 3

static void prune_auto(struct prune *p)
{
    key_list_done(&p->index_keys);
    look_auto(&p->first);
    marks_free(p->marks);
    mem_free(p->uses);
    mem_free(p->doomed);
    mem_free(p->is_rescued);
    mem_free(p->forgotten);
    mem_free(p->list_key);
    index_free(p->moved);
    mem_free(p->epochs);
    mem_free(p->is_locked);
    mem_free(p->held);
    mem_free(p->is_needed);
    mem_free(p->committed);
    /* Others must not work with an index from before. */
    repo_drop_index(p->repo);
}

void prune_progress(const struct prune *p, const char *step, uint64_t done, uint64_t total)
{
    if (p->options->progress != NULL)
        p->options->progress(p->options->arg, step, done, total);
}

static const struct hash *find_id(const struct hash *ids, size_t count, const struct hash *id)
{
    return count == 0 ? NULL : bsearch(id, ids, count, sizeof(*ids), hash_order);
}

bool prune_find_doomed(const struct prune *p, const struct hash *pack, size_t *number)
{
    const struct hash *found = find_id(p->doomed, p->doomed_count, pack);

    if (found != NULL)
        *number = (size_t)(found - p->doomed);
    return found != NULL;
}

bool prune_is_doomed(const struct prune *p, const struct hash *pack)
{
    size_t number;

    return prune_find_doomed(p, pack, &number) && !p->is_rescued[number];
}

/* Marking */

/* A snapshot whose tree is marked. */
struct root {
    const struct prune *prune;
    const struct snapshot_standing *standing;
};

/*
 * A prepared snapshot may lack chunks: its writer has not checked them yet, or is putting them
 * back.  It cannot be committed before they are there.  Of a forgotten one that is held the rest is
 * held, or damage would be in the way of every prune until its lock ends.
 */
static bool forgive(void *arg, enum mark_fault kind, const struct hash *chunk, struct err *why)
{
    const struct root *root = arg;

    (void)chunk;
    if (kind == MARK_MISSING && root->standing->state == SNAPSHOT_PREPARED)
        return true;
    if (prune_is_held(root->prune, &root->standing->id) &&
        (kind == MARK_MISSING || why->code == ERR_CORRUPT))
        return true;
    if (why->code == ERR_NOT_FOUND)
        (void)err_set(why, ERR_TRANSIENT, "a pack vanished, another prune seems to be at work");
    return false;
}

static bool mark_root(struct prune *p, struct snapshot_standing *s, struct err *e)
{
    struct root root = {p, s};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    char text[65];

    /* Withdrawn meanwhile, or collected by another; the scan proved that it is not lost. */
    if (!snapshot_load(p->repo, &s->id, &snapshot, e))
        return e->code == ERR_NOT_FOUND || (e->code == ERR_CORRUPT && prune_is_held(p, &s->id));
    if (marks_add(p->marks, &snapshot->tree, forgive, &root, e))
        return true;
    snapshot_id_text(&s->id, text);
    return err_wrap(e, "snapshot %.16s", text);
}

static bool is_named(const struct prune *p, const struct snapshot_standing *s)
{
    return s->state == SNAPSHOT_FORGOTTEN &&
           find_id(p->forgotten, p->forgotten_count, &s->id) != NULL;
}

/*
 * Prepared snapshots come last: where they may lack chunks others may not, and what is marked
 * is not walked again.  In the second look what was forgotten too late to be named is a root.
 */
static bool mark_all(struct prune *p, const struct look *l, bool is_second, struct err *e)
{
    static const enum snapshot_state order[] = {SNAPSHOT_COMMITTED, SNAPSHOT_FORGOTTEN,
                                                SNAPSHOT_PREPARED};
    uint64_t done = 0;

    p->marks = marks_new(p->repo);
    for (size_t n = 0; n < sizeof(order) / sizeof(order[0]); n++) {
        for (size_t i = 0; i < l->snapshot_count; i++) {
            struct snapshot_standing *s = &l->snapshots[i];

            if (s->state != order[n])
                continue;
            prune_progress(p, "read trees", done++, l->snapshot_count);
            if (s->state == SNAPSHOT_FORGOTTEN && !prune_is_held(p, &s->id) &&
                (!is_second || is_named(p, s)))
                continue;
            if (!mark_root(p, s, e))
                return false;
        }
        if (order[n] == SNAPSHOT_COMMITTED)
            prune_note_needed(p, l);
    }
    return true;
}

/* Whether a failure to find what the index names may come from another collector. */
static bool is_stale(struct repo *r, const struct key_list *index_keys, const struct err *why)
{
    return (why->code == ERR_CORRUPT || why->code == ERR_TRANSIENT) &&
           index_is_stale(r, index_keys);
}

static void forget_marks(struct prune *p)
{
    marks_free(TAKE(p->marks));
    repo_drop_index(p->repo);
}

/* The index is loaded after the snapshots were listed, so it has all that they need; its
 * objects were listed before the packs, so their packs are among those. */
static bool look_once(struct prune *p, struct err *e)
{
    key_list_done(&p->index_keys);
    look_auto(&p->first);
    forget_marks(p);
    return key_list_read(p->repo, "index/", &p->index_keys, e) &&
           look_take(p->repo, NULL, &p->first, e) && look_is_plausible(p->repo, &p->first, e) &&
           prune_hold_snapshots(p, &p->first, e) &&
           index_load(p->repo, NULL, NULL, &p->repo->index, e) && mark_all(p, &p->first, false, e);
}

static bool first_look(struct prune *p, struct err *e)
{
    for (int round = 0; round < ROUNDS; round++) {
        if (look_once(p, e))
            return true;
        if (!is_stale(p->repo, &p->index_keys, e))
            return false;
    }
    return err_set(e, ERR_TRANSIENT, "other prunes keep changing the index");
}

/* Deciding */

static bool was_root(const struct prune *p, const struct snapshot_standing *s)
{
    for (size_t i = 0; i < p->first.snapshot_count; i++)
        if (hash_is_equal(&p->first.snapshots[i].id, &s->id))
            return p->first.snapshots[i].state != SNAPSHOT_FORGOTTEN || prune_is_held(p, &s->id);
    return false;
}

static bool has_new_roots(const struct prune *p, const struct look *now)
{
    for (size_t i = 0; i < now->snapshot_count; i++)
        if (!is_named(p, &now->snapshots[i]) && !was_root(p, &now->snapshots[i]))
            return true;
    return false;
}

/* With new roots there are new packs; everything is marked anew. */
static bool mark_again(struct prune *p, const struct look *now, struct err *e)
{
    index_free(TAKE(p->moved));
    for (int round = 0; round < ROUNDS; round++) {
        AUTO(key_list) struct key_list keys = {0};

        forget_marks(p);
        if (!key_list_read(p->repo, "index/", &keys, e))
            return false;
        if (index_load(p->repo, NULL, NULL, &p->repo->index, e) && mark_all(p, now, true, e))
            return true;
        if (!is_stale(p->repo, &keys, e))
            return false;
    }
    return err_set(e, ERR_TRANSIENT, "other prunes keep changing the index");
}

static bool decide(struct prune *p, struct look *now, struct err *e)
{
    return look_take(p->repo, p->list_key, now, e) &&
           (!has_new_roots(p, now) || mark_again(p, now, e)) && prune_rescue(p, now, e);
}

/* Removing */

static bool remove_ids(struct prune *p, const char *folder, const struct hash *ids, size_t count,
                       struct err *e)
{
    AUTO(mem) char(*at)[OBJECT_KEY_MAX] = mem_array(count, sizeof(*at));
    AUTO(mem) const char **keys = mem_array(count, sizeof(*keys));

    for (size_t i = 0; i < count; i++) {
        object_key(folder, &ids[i], at[i]);
        keys[i] = at[i];
    }
    return objects_remove(p->repo, keys, count, e);
}

static bool remove_snapshots(struct prune *p, const struct look *now, struct err *e)
{
    AUTO(mem) struct hash *ids = mem_array(now->snapshot_count, sizeof(*ids));
    size_t count = 0;

    for (size_t i = 0; i < now->snapshot_count; i++)
        if (is_named(p, &now->snapshots[i]))
            ids[count++] = now->snapshots[i].id;
    p->stats.snapshots_removed = count;
    return remove_ids(p, "commits", ids, count, e) && remove_ids(p, "snapshots", ids, count, e);
}

static bool remove_packs(struct prune *p, const struct look *now, struct err *e)
{
    AUTO(mem) struct discard *list = mem_array(p->doomed_count, sizeof(*list));
    size_t count = 0;

    p->stats.bytes_removed = 0;
    for (size_t i = 0; i < p->doomed_count; i++) {
        size_t number;

        if (p->is_rescued[i]) {
            p->stats.packs_rescued++;
            prune_keep_past(p, &p->doomed[i]);
            continue;
        }
        if (!look_has_pack(now, &p->doomed[i], &number))
            continue;
        list[count++] = (struct discard){p->doomed[i], now->packs.sizes[number]};
        p->stats.bytes_removed += now->packs.sizes[number];
    }
    p->stats.packs_removed = count;
    p->stats.packs_kept = p->stats.packs_before - count;
    return prune_discard(p, list, count, e);
}

/* Of snapshots whose object is gone, by this collector or by one that did not get to here. */
static bool remove_tombstones(struct prune *p, struct err *e)
{
    AUTO(key_list) struct key_list trash = {0};
    size_t count = 0;

    if (!key_list_read(p->repo, "trash/", &trash, e))
        return false;

    AUTO(mem) struct hash *gone = mem_array(trash.count, sizeof(*gone));

    for (size_t i = 0; i < trash.count; i++) {
        struct hash id;
        bool exists = true;

        if (!key_hash(trash.items[i], &id))
            continue;
        if (!object_exists(p->repo, "snapshots", &id, &exists, e))
            return false;
        if (!exists)
            gone[count++] = id;
    }
    /* A commit without tombstone and snapshot would look like a loss. */
    return remove_ids(p, "commits", gone, count, e) && remove_ids(p, "trash", gone, count, e);
}

/* Of snapshots that are gone. */
static bool remove_evidence(struct prune *p, struct err *e)
{
    AUTO(key_list) struct key_list drills = {0};

    if (!key_list_read(p->repo, "drills/", &drills, e))
        return false;
    for (size_t i = 0; i < drills.count; i++) {
        struct hash id;
        bool exists = true;

        if (!evidence_key_parse(drills.items[i], &id))
            continue;
        if (!object_exists(p->repo, "snapshots", &id, &exists, e) ||
            (!exists && !object_remove(p->repo, drills.items[i], e)))
            return false;
    }
    return true;
}

static bool remove_all(struct prune *p, const struct look *now, struct err *e)
{
    return remove_snapshots(p, now, e) && prune_index(p, now, e) && remove_packs(p, now, e) &&
           remove_tombstones(p, e) && remove_evidence(p, e);
}

/* Nothing was removed, and with the list nothing will be. */
static void take_list_back(struct prune *p)
{
    struct err ignored;

    /* A list that stays is cleared away by the next collector. */
    (void)!store_remove(p->repo->store, p->list_key, &ignored);
}

static bool collect(struct prune *p, struct err *e)
{
    const struct condemned_list list = {.packs = p->doomed,
                                        .pack_count = p->doomed_count,
                                        .snapshots = p->forgotten,
                                        .snapshot_count = p->forgotten_count};
    AUTO(look) struct look now = {0};

    if (!prune_repack(p, e) || !condemned_list_put(p->repo, &list, &p->list_key, e))
        return false;
    if (!decide(p, &now, e)) {
        take_list_back(p);
        return false;
    }
    return remove_all(p, &now, e) && store_remove(p->repo->store, p->list_key, e);
}

/*
 * Keys of a store may allow everything but removing.  A list that stays condemns its packs for
 * ever, so that is found out with an object that is not there, before anything is written.
 */
static bool may_remove(struct prune *p, struct err *e)
{
    struct store *s = p->repo->store;

    return !s->needs_probe || p->options->is_dry_run || store_remove(s, "may-remove", e) ||
           err_wrap(e,
                    "these keys may not remove anything here, so nothing can be pruned; what was "
                    "forgotten waits for a prune with keys that may");
}

static bool only_extend_locks(struct prune *p, struct err *e)
{
    if (p->repo->locks == NULL)
        return err_set(e, ERR_USAGE,
                       "no locks are asked for here (s3.object-lock), so there are none to "
                       "extend");
    return first_look(p, e) && prune_extend_locks(p, e);
}

static bool run(struct prune *p, struct err *e)
{
    if (p->options->only_extends_locks)
        return only_extend_locks(p, e);
    if (!may_remove(p, e))
        return false;
    /* Without a reference to what is not there, or there is no getting past this. */
    if (!parity_check_losses(p->repo, e) || !first_look(p, e))
        return false;
    if (p->options->only_empties_trash)
        return prune_trash(p, e);
    if (!prune_plan(p, e) || !store_keeps_versions(p->repo->store, &p->keeps_versions, e))
        return false;
    if (p->options->is_dry_run)
        return prune_trash(p, e);
    if (p->doomed_count > 0 || p->forgotten_count > 0
            ? !collect(p, e)
            : !prune_index(p, &p->first, e) || !remove_tombstones(p, e) || !remove_evidence(p, e))
        return false;
    return condemned_list_sweep(p->repo, e) && parity_sweep(p->repo, e) && prune_trash(p, e) &&
           prune_extend_locks(p, e);
}

bool prune_run(struct repo *r, const struct prune_options *o, struct prune_stats *out,
               struct err *e)
{
    AUTO(prune)
    struct prune p = {
        .repo = r, .options = o, .now_s = clock_now_ns() / NS_PER_S, .below_epoch = o->below_epoch};

    if (!run(&p, e))
        return false;
    *out = p.stats;
    return true;
}
