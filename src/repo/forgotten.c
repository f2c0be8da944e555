/*
 * Forgotten snapshots that can still be brought back.
 *
 * Until when that is nobody knows by the clock: the next prune takes what they hold away, whenever
 * it comes.  Only where the storage locks objects a prune leaves a forgotten snapshot alone, as
 * long as its lock lasts.
 */
#include <stdio.h>

#include "repo/object_locks.h"
#include "repo/snapshot.h"

/* When it was forgotten and why. */
static bool read_tombstone(struct repo *r, const struct hash *id, struct forgotten *out,
                           struct err *e)
{
    AUTO(json) json_t *j = NULL;
    const char *reason;
    char text[2 * HASH_SIZE + 1];

    snapshot_id_text(id, text);
    if (!snapshot_mark_load(r, CLASS_TOMBSTONE, id, &j, e))
        return e->code == ERR_NOT_FOUND
                   ? err_set(e, ERR_TRANSIENT, "snapshot %.8s came back or went meanwhile", text)
                   : false;
    if (!json_take_time(j, "time", &out->time_ns, e))
        return err_wrap(e, "the tombstone of snapshot %.8s", text);
    reason = json_string_value(json_object_get(j, "reason"));
    (void)snprintf(out->reason, sizeof(out->reason), "%s", reason == NULL ? "" : reason); /* cut */
    return true;
}

/* Where the storage has a rule for locks. */
static bool ask_locks(struct repo *r, const struct snapshot_list *l, struct forgotten *out,
                      struct err *e)
{
    AUTO(lock_group) struct lock_group g = {.repo = r};
    char key[OBJECT_KEY_MAX];

    if (r->locks == NULL || l->count == 0)
        return true;
    for (size_t i = 0; i < l->count; i++) {
        object_key("snapshots", &l->items[i]->id, key);
        lock_group_add(&g, key);
    }
    if (!lock_group_ask(&g, e))
        return false;
    for (size_t i = 0; i < l->count; i++)
        out[i].locked_until_s = g.locks[i].until_s;
    return true;
}

bool forgotten_look(struct repo *r, const struct snapshot_list *l, struct forgotten *out,
                    struct err *e)
{
    AUTO(condemned) struct condemned lists = {0};

    if (!condemned_read(r, NULL, &lists, e))
        return false;
    for (size_t i = 0; i < l->count; i++) {
        out[i] = (struct forgotten){0};
        if (!read_tombstone(r, &l->items[i]->id, &out[i], e))
            return false;
        out[i].is_going = condemned_has_snapshot(&lists, &l->items[i]->id);
    }
    return ask_locks(r, l, out, e);
}
