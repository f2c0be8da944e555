/*
 * Opening: which of the key slots a secret opens.
 *
 * A rotation of the keys writes slots of the next epoch, then the object of that epoch, and removes
 * the slots of the epoch before last.  So the newest epoch is the greatest that has both, and its
 * slots are tried first.  A slot of a later one is of a rotation that was not finished, or of one
 * that was finished a moment ago; a slot of a past one opens nothing.
 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/epochs.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"

/* Slots may vanish under the listing this many times. */
#define ROUNDS 3

struct attempt {
    struct repo *repo;
    struct unlock with;     /* without the agent, once that is of no use */
    struct key_list epochs; /* listed */
    struct slot *slots;     /* those that are sound */
    size_t count, listed, vanished;
    uint32_t newest;
    bool has_newest; /* a slot of it */

    bool is_open;
    size_t tried;       /* slots that are sound and for another secret */
    size_t refused;     /* slots that could not be tried */
    struct err refusal; /* of the first of them */
    bool has_stray;     /* a slot opened, and not its epoch */
    struct err stray;   /* why */
    uint32_t past;      /* the epoch of a past slot that opens; 0: none does */
};

static void attempt_auto(struct attempt *a)
{
    key_list_done(&a->epochs);
    mem_free(a->slots);
}

static void attempt_refuse(struct attempt *a, const struct err *why)
{
    if (a->refused++ == 0)
        a->refusal = *why;
}

/* Of a slot that opened.  False only for a failure of the store. */
static bool take(struct attempt *a, const struct slot *s, const uint8_t *master, struct err *e)
{
    struct err why = {0};

    if (epoch_take(a->repo, s->epoch, master, &why)) {
        hex_encode(SLICE_OF(s->id, sizeof(s->id)), a->repo->slot);
        a->is_open = true;
        return true;
    }
    if (!object_is_at_fault(&why))
        return slot_fail_with(e, &why);
    if (!a->has_stray)
        a->stray = why;
    a->has_stray = true;
    return true;
}

/* Try a slot.  False only when there is no use in trying others. */
static bool try_slot(struct attempt *a, const struct slot *s, struct err *e)
{
    AUTO(mem_secret) uint8_t *master = mem_secret_new(SEAL_KEY_SIZE);
    char id[KEY_SLOT_ID_MAX];
    struct err why = {0};

    if (s->kind != a->with.kind)
        return true;
    if (slot_open(s, &a->with, master, &why)) {
        if (s->epoch >= a->newest)
            return take(a, s, master, e);
        a->past = s->epoch;
        return true;
    }
    if (why.code == ERR_DENIED) {
        a->tried++;
        return true;
    }
    hex_encode(SLICE_OF(s->id, sizeof(s->id)), id);
    (void)err_wrap(&why, "key slot %s", id);
    if (!slot_is_at_fault(&why))
        return slot_fail_with(e, &why);
    attempt_refuse(a, &why);
    return true;
}

/*
 * Ask the agent, before anything is derived: the slot that it knows may stand behind others.  What
 * goes wrong with a slot is found again, and told, by those who do without.  False only for a
 * failure of the store.
 */
static bool recall(struct attempt *a, const struct key_list *names, struct err *e)
{
    AUTO(mem_secret) uint8_t *master = mem_secret_new(SEAL_KEY_SIZE);
    const uint32_t newest = epochs_last(&a->epochs);

    if (a->with.agent == NULL || a->with.kind != UNLOCK_PASSPHRASE)
        return true;
    for (size_t i = 0; i < names->count && i < KEY_SLOT_MAX && !a->is_open; i++) {
        struct slot s = {0};
        struct err ignored;
        bool is_known = false;

        if (!slot_read(a->repo, names->items[i], &s, &ignored) || s.epoch != newest)
            continue;
        if (!slot_recall(&s, &a->with, master, &is_known, &ignored)) {
            a->with.agent = NULL; /* one that did not answer is not waited for again */
            return true;
        }
        if (is_known && !take(a, &s, master, e))
            return false;
    }
    return true;
}

/* Read the slots.  Where the keys were never rotated each is tried at once, so that the others need
 * not be read. */
static bool read_slots(struct attempt *a, const struct key_list *names, struct err *e)
{
    a->slots = mem_array(names->count, sizeof(*a->slots));
    for (size_t i = 0; i < names->count && !a->is_open; i++) {
        struct slot *s = &a->slots[a->count];
        struct err why = {0};

        if (slot_read(a->repo, names->items[i], s, &why)) {
            const bool is_due = a->epochs.count == 0 && s->epoch == 1;

            a->has_newest |= is_due;
            a->count += is_due ? 0 : 1;
            if (is_due && a->tried < KEY_SLOT_MAX && !try_slot(a, s, e))
                return false;
        } else if (slot_is_at_fault(&why)) {
            attempt_refuse(a, &why);
        } else if (why.code == ERR_NOT_FOUND) {
            a->vanished++;
        } else {
            return slot_fail_with(e, &why);
        }
    }
    return true;
}

/* The slots from one epoch to another. */
static bool try_slots(struct attempt *a, uint32_t from, uint32_t to, struct err *e)
{
    size_t left = KEY_SLOT_MAX;

    for (size_t i = 0; i < a->count && !a->is_open && left > 0; i++) {
        const struct slot *s = &a->slots[i];

        if (s->epoch < from || s->epoch > to)
            continue;
        left -= s->kind == a->with.kind ? 1 : 0;
        if (!try_slot(a, s, e))
            return false;
    }
    return true;
}

static void find_newest(struct attempt *a)
{
    a->newest = 1;
    for (size_t i = 0; i < a->count; i++)
        if (a->slots[i].epoch > a->newest && epochs_have(&a->epochs, a->slots[i].epoch))
            a->newest = a->slots[i].epoch;
    for (size_t i = 0; i < a->count; i++)
        a->has_newest |= a->slots[i].epoch == a->newest;
}

/* Try a slot that is gone, or not what its parity says: a slot never changes. */
static bool try_lost_slot(struct attempt *a, const char *key, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf found = {0};
    struct slot s = {0};
    struct err why = {0};

    if (!parity_recall(a->repo, key, (struct slice){0}, &bytes, &why) ||
        !slot_check(a->repo, key, buf_slice(&bytes), &s, &why))
        return true;
    if (store_get_all(a->repo->store, key, &found, &why) &&
        slice_is_equal(buf_slice(&found), buf_slice(&bytes)))
        return true;
    if (!try_slot(a, &s, e))
        return false;
    if (a->is_open)
        repo_note_mended(a->repo, key);
    return true;
}

static bool try_lost(struct attempt *a, struct err *e)
{
    AUTO(key_list) struct key_list lost = {0};
    struct err ignored;

    /* What cannot be listed helps nobody; the reason why no slot opened stays the answer. */
    if (!key_list_read(a->repo, PARITY_FOLDER "keys/", &lost, &ignored))
        return true;
    for (size_t i = 0; i < lost.count && !a->is_open && a->tried < KEY_SLOT_MAX; i++) {
        const char *key = parity_key_parse(lost.items[i]);

        if (key != NULL && slot_is_key(key) && !try_lost_slot(a, key, e))
            return false;
    }
    return true;
}

/* A slot opened, and what belongs to its epoch does not. */
static bool stray_failed(const struct attempt *a, struct err *e)
{
    *e = a->stray;
    if (e->code != ERR_NOT_FOUND)
        return false;
    return a->has_newest
               ? err_set(e, ERR_DENIED,
                         "this is the new secret of a rotation of the keys that was not finished; "
                         "one from before it opens the repository")
               : err_set(e, ERR_CORRUPT, "the object of the newest key epoch is missing: %s",
                         a->stray.text);
}

/* Why no slot opened. */
static bool attempt_failed(const struct attempt *a, struct err *e)
{
    const bool is_password = a->with.kind == UNLOCK_PASSPHRASE;
    const char *wrong = is_password ? "wrong password" : "this key file opens no key slot";
    const char *since = a->newest > 1 ? " (the keys were rotated; what was not taken along opens "
                                        "nothing)"
                                      : "";

    if (a->listed == 0)
        return err_set(e, ERR_CORRUPT, "the repository has no key slot");
    if (a->has_stray)
        return stray_failed(a, e);
    if (a->past > 0)
        return err_set(e, ERR_DENIED,
                       "the keys were rotated, and this %s opens only what is left of epoch %u; "
                       "the repository is at epoch %u",
                       is_password ? "password" : "key file", a->past, a->newest);
    if (a->tried == 0 && a->refused > 0)
        return err_set(e, a->refusal.code, "no key slot can be used, %zu of %zu are damaged: %s",
                       a->refused, a->listed, a->refusal.text);
    if (a->tried == 0)
        return err_set(e, ERR_DENIED, "the repository has no key slot for a %s%s",
                       is_password ? "password" : "key file", since);
    if (a->refused > 0)
        return err_set(e, ERR_DENIED,
                       "%s%s; %zu of %zu key slots are damaged and were not tried: %s", wrong,
                       since, a->refused, a->listed, a->refusal.text);
    return err_set(e, ERR_DENIED, "%s%s", wrong, since);
}

static bool list_epochs(void *arg, struct err *e)
{
    struct attempt *a = arg;

    if (key_list_read(a->repo, EPOCH_FOLDER, &a->epochs, e))
        return true;
    /* A folder that may not be read says nothing about the secret. */
    if (e->code == ERR_DENIED)
        e->code = ERR_FATAL;
    return false;
}

static bool unlock_once(struct attempt *a, struct err *e)
{
    AUTO(key_list) struct key_list names = {0};
    AUTO(aside) struct aside epochs = {0};

    aside_start(&epochs, a->repo, list_epochs, a);

    const bool is_listed = slot_names(a->repo, &names, e);

    if (!aside_end(&epochs, e) || !is_listed)
        return false;
    a->listed = names.count;
    a->newest = 1;
    if (!recall(a, &names, e))
        return false;
    if (a->is_open)
        return true;
    if (!read_slots(a, &names, e))
        return false;
    find_newest(a);
    return a->is_open ||
           (try_slots(a, a->newest, a->newest, e) && try_slots(a, a->newest + 1, EPOCH_MAX, e) &&
            (a->is_open || try_lost(a, e)) && try_slots(a, 1, a->newest - 1, e));
}

bool keys_unlock(struct repo *r, const struct unlock *with, struct err *e)
{
    for (int round = 0; round < ROUNDS; round++) {
        AUTO(attempt) struct attempt a = {.repo = r, .with = *with};

        if (!unlock_once(&a, e))
            return false;
        if (a.is_open)
            return true;
        (void)attempt_failed(&a, e);
        /* Slots that go while they are read may be those of before a rotation. */
        if (a.vanished == 0)
            return false;
    }
    return false;
}
