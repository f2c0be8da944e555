/*
 * Copying snapshots, one after the other.
 *
 * For the destination this is a backup like any other (docs/FORMAT.md, "Order of writes"): packs,
 * index, the snapshot object, the look at condemned lists and packs, the commit.  For the source it
 * is a reader.  docs/decisions/0014 says why that is safe beside prunes of both.
 *
 * What was marked for one snapshot and arrived is settled and not looked at again for the next.
 * After anything that went wrong all of that is forgotten, the destination's index is read again,
 * and so is the source's when a prune has replaced it: a walk that was broken off has marked trees
 * that it did not walk.
 */
#include "repo/copy.h"

#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "repo/bits.h"
#include "repo/snapshot.h"

/* Each round but the first needs a prune in one of the two, or damage that another copy of the
 * chunks makes good. */
#define ROUNDS 5

const struct hash *snapshot_origin(const struct snapshot *s)
{
    return s->has_original ? &s->original : &s->id;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool snapshot_is_copy(const struct snapshot *a, const struct snapshot *b)
{
    if (!hash_is_equal(snapshot_origin(a), snapshot_origin(b)) || a->time_ns != b->time_ns ||
        !hash_is_equal(&a->tree, &b->tree) || !is_same_text(a->host, b->host) ||
        !is_same_text(a->set, b->set) || a->tag_count != b->tag_count)
        return false;
    for (size_t i = 0; i < a->tag_count; i++)
        if (!snapshot_has_tag(b, a->tags[i]))
            return false;
    return true;
}

/* What is known of both sides */

static void forget_marks(struct copy *c)
{
    if (c->marks == NULL)
        return;
    marks_free(TAKE(c->marks));
    mem_free(TAKE(c->settled));
    needed_packs_done(&c->needed);
}

static void copy_auto(struct copy *c)
{
    forget_marks(c);
    key_list_done(&c->index_keys);
    repo_drop_index(c->from);
    repo_drop_index(c->to);
}

/* Record that a failure is the source's.  Returns false. */
static bool blame_source(struct copy *c, struct err *e)
{
    if (e->code == ERR_CANCELLED)
        return false;
    c->stats->is_source_failure = true;
    return err_wrap(e, "read the source");
}

static bool load_source(struct copy *c, struct err *e)
{
    forget_marks(c);
    repo_drop_index(c->from);
    key_list_done(&c->index_keys);
    return (key_list_read(c->from, "index/", &c->index_keys, e) && repo_load_index(c->from, e) &&
            (index_is_sound(c->from->index) || index_err_damaged(e))) ||
           blame_source(c, e);
}

/* Begin with no knowledge of what arrived.  A damaged list would fail every commit. */
static bool load_destination(struct copy *c, struct err *e)
{
    forget_marks(c);
    repo_drop_index(c->to);
    if (!repo_load_index(c->to, e) || !condemned_check(c->to, e))
        return err_wrap(e, "read the destination");
    c->marks = marks_new(c->from);
    c->settled = bits_new(index_entry_room(c->from->index));
    needed_packs_init(&c->needed, c->to);
    return true;
}

static void settle(struct copy *c)
{
    for (size_t n = 0; n < index_entry_room(c->from->index); n++)
        if (marks_has(c->marks, n))
            bits_add(c->settled, n);
}

/* One snapshot */

static bool end_walk(void *arg, enum mark_fault kind, const struct hash *chunk, struct err *why)
{
    (void)arg, (void)kind, (void)chunk, (void)why;
    return false;
}

static bool mark(struct copy *c, const struct snapshot *s, struct copy_fault *fault, struct err *e)
{
    struct err why = {0};

    if (marks_add(c->marks, &s->tree, end_walk, NULL, &why))
        return true;
    if (why.code == ERR_CORRUPT) {
        *fault = (struct copy_fault){true, why};
        return true;
    }
    *e = why;
    return blame_source(c, e);
}

static bool confirm(struct copy *c, bool *is_safe, struct err *e)
{
    return needed_packs_check(&c->needed, is_safe, e) && (!cancel_is_requested() || cancel_err(e));
}

static bool commit(struct copy *c, const struct snapshot *s, bool *is_safe, struct hash *id,
                   struct err *e)
{
    struct snapshot made = *s; /* shares all that s owns */
    struct err ignored = {0};

    made.original = *snapshot_origin(s);
    made.has_original = true;
    made.has_parent = false; /* it is another object here, or none */
    made.parent = (struct hash){0};
    if (!snapshot_put(c->to, &made, e))
        return false;
    if (!confirm(c, is_safe, e)) {
        /* When this fails too, what is left is a prepared snapshot, which check calls litter. */
        (void)!snapshot_withdraw(c->to, &made.id, &ignored);
        return false;
    }
    if (!*is_safe)
        return snapshot_withdraw(c->to, &made.id, e);
    *id = made.id;
    return snapshot_commit(c->to, &made.id, e);
}

/* Try once.  *is_done = false: with *fault set the source is to blame, else a prune of the
 * destination. */
static bool attempt(struct copy *c, const struct snapshot *s, bool *is_done,
                    struct copy_fault *fault, struct hash *id, struct err *e)
{
    AUTO(copy_plan) struct copy_plan p = {0};

    *is_done = false;
    *fault = (struct copy_fault){0};
    if (!mark(c, s, fault, e))
        return false;
    if (fault->is_set)
        return true;
    copy_plan_make(c, &p);
    if (p.wanted > 0 && !c->options->is_dry_run && !copy_move(c, &p, fault, e))
        return false;
    if (fault->is_set)
        return true;
    c->stats->chunks += p.wanted;
    c->stats->bytes += p.wanted_bytes;
    c->stats->frames += p.plain.count + p.deltas.count;
    c->stats->frames_stored += p.stored_bytes;
    *is_done = c->options->is_dry_run;
    return *is_done || commit(c, s, is_done, id, e) || err_wrap(e, "commit in the destination");
}

/* Read anew what may have changed.  *is_final: that has nothing to do with the fault. */
static bool look_again(struct copy *c, const struct copy_fault *fault, const struct err *before,
                       bool *is_final, struct err *e)
{
    *is_final = false;
    if (fault->is_set && index_is_stale(c->from, &c->index_keys)) {
        if (!load_source(c, e))
            return false;
    } else {
        *is_final = fault->is_set && strcmp(fault->why.text, before->text) == 0;
    }
    return load_destination(c, e);
}

static void tell(struct copy *c, const struct snapshot *s, enum copy_outcome outcome,
                 const struct hash *id, const struct err *why)
{
    if (outcome == COPY_DONE)
        c->stats->snapshots_copied++;
    else
        c->stats->snapshots_failed++;
    if (c->options->told != NULL)
        c->options->told(c->options->arg, s, outcome, id, why);
}

static bool copy_one(struct copy *c, const struct snapshot *s, struct err *e)
{
    struct copy_fault fault = {0};
    struct err before = {0};
    struct hash id = {0};
    bool is_done = false;
    bool is_final = false;

    for (int round = 0; round < ROUNDS && !is_final; round++) {
        if (cancel_is_requested())
            return cancel_err(e);
        if (!attempt(c, s, &is_done, &fault, &id, e))
            return false;
        if (is_done) {
            settle(c);
            tell(c, s, COPY_DONE, &id, NULL);
            return true;
        }
        if (!look_again(c, &fault, &before, &is_final, e))
            return false;
        before = fault.why;
    }
    if (!fault.is_set)
        return err_set(e, ERR_TRANSIENT,
                       "a prune of the destination is removing what the copy relies on");
    tell(c, s, COPY_FAILED, &id, &fault.why);
    return true;
}

/* All of them */

static void damage_ignored(void *arg, const char *key, const struct err *why)
{
    (void)arg, (void)key, (void)why;
}

static bool is_among(const struct snapshot *s, struct snapshot *const *others, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (snapshot_is_copy(s, others[i]))
            return true;
    return false;
}

static bool check_pair(const struct repo *from, const struct repo *to, struct err *e)
{
    if (memcmp(from->id, to->id, sizeof(to->id)) == 0)
        return err_set(e, ERR_USAGE, "source and destination are the same repository");
    return repo_is_like(from, to) ||
           err_set(e, ERR_USAGE,
                   "the two repositories do not share chunker parameters, so nothing can be copied "
                   "between them; make the destination with \"holdfast init --from-repo ... "
                   "--copy-chunker-params\"");
}

bool copy_run(struct repo *from, struct repo *to, struct snapshot *const *snapshots, size_t count,
              const struct copy_options *o, struct copy_stats *out, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list there = {0};
    AUTO(copy) struct copy c = {.from = from, .to = to, .options = o, .stats = out};

    *out = (struct copy_stats){0};
    /* What is damaged there is copied again. */
    if (!check_pair(from, to, e) ||
        !snapshot_load_all(to, 1U << SNAPSHOT_COMMITTED, damage_ignored, NULL, &there, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (is_among(snapshots[i], there.items, there.count) ||
            is_among(snapshots[i], snapshots, i)) {
            out->snapshots_present++;
            continue;
        }
        if (c.marks == NULL && (!load_source(&c, e) || !load_destination(&c, e)))
            return false;
        if (!copy_one(&c, snapshots[i], e)) {
            char id[65];

            snapshot_id_text(&snapshots[i]->id, id);
            return e->code == ERR_CANCELLED ? false : err_wrap(e, "copy snapshot %.8s", id);
        }
    }
    return true;
}
