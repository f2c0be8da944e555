/*
 * Rotating the keys.
 *
 *     look at the slots; find out whose secret each is
 *     draw a master key, and put slots of the next epoch, which open nothing yet
 *     look again, whether slots came or went meanwhile
 *     put epochs/<e>, which only one rotation can: from here on the new slots count
 *     remove the slots of before
 *
 * Before the object of the epoch is there the old secrets open the repository, and afterwards those
 * that were taken along, whenever this ends.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/epochs.h"
#include "repo/object_locks.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"

struct rotation {
    struct repo *repo;
    const struct key_rotation *options;
    struct key_list names;      /* of all slots that were there */
    struct slot *slots;         /* those of the newest epoch */
    const struct unlock **with; /* what each of these is wrapped for anew; NULL: dropped */
    size_t count, damaged;
    char (*made)[SLOT_KEY_MAX]; /* in the order of slots */
    size_t made_count;
    char own[KEY_SLOT_ID_MAX]; /* the new slot that stands for the one in use */
};

static void rotation_auto(struct rotation *t)
{
    key_list_done(&t->names);
    mem_free(t->slots);
    mem_free(t->with);
    mem_free(t->made);
}

static void slot_id(const struct slot *s, char out[KEY_SLOT_ID_MAX])
{
    hex_encode(SLICE_OF(s->id, sizeof(s->id)), out);
}

/* Looking */

static bool look(struct rotation *t, struct err *e)
{
    struct repo *r = t->repo;

    if (r->epoch == EPOCH_MAX)
        return err_set(e, ERR_USAGE, "the repository has had %d key epochs, the most there may be",
                       EPOCH_MAX);
    if (!epoch_is_unheard_of(r, r->epoch + 1, e) || !slot_names(r, &t->names, e))
        return false;
    t->slots = mem_array(t->names.count, sizeof(*t->slots));
    t->with = mem_array(t->names.count, sizeof(*t->with));
    t->made = mem_array(t->names.count, sizeof(*t->made));
    for (size_t i = 0; i < t->names.count; i++) {
        struct slot *s = &t->slots[t->count];
        struct err why = {0};

        if (slot_read(r, t->names.items[i], s, &why))
            t->count += s->epoch == r->epoch ? 1 : 0;
        else if (slot_is_at_fault(&why))
            t->damaged++;
        else if (why.code == ERR_NOT_FOUND)
            return err_set(e, ERR_TRANSIENT, "key slot %.8s was removed meanwhile",
                           slot_name(t->names.items[i]));
        else
            return slot_fail_with(e, &why);
    }
    return true;
}

/* Give a secret to each slot that it opens. */
static bool give(struct rotation *t, const struct unlock *with, struct err *e)
{
    AUTO(mem_secret) uint8_t *master = mem_secret_new(SEAL_KEY_SIZE);
    bool is_known = false;

    for (size_t i = 0; i < t->count; i++) {
        struct err why = {0};

        if (t->slots[i].kind != with->kind)
            continue;
        if (!slot_open(&t->slots[i], with, master, &why)) {
            if (why.code != ERR_DENIED && !slot_is_at_fault(&why))
                return slot_fail_with(e, &why);
            continue;
        }
        is_known = true;
        if (t->with[i] == NULL)
            t->with[i] = with;
    }
    return is_known || err_set(e, ERR_DENIED, "a %s that is to be kept opens no key slot",
                               with->kind == UNLOCK_PASSPHRASE ? "password" : "key file");
}

static bool match(struct rotation *t, struct err *e)
{
    bool has_own = false;
    char id[KEY_SLOT_ID_MAX];

    for (size_t i = 0; i < t->count; i++) {
        slot_id(&t->slots[i], id);
        if (strcmp(id, t->repo->slot) != 0)
            continue;
        t->with[i] = t->options->in_use;
        has_own = true;
    }
    if (!has_own)
        return err_set(e, ERR_TRANSIENT, "the key slot in use was removed meanwhile");
    for (size_t i = 0; i < t->options->kept_count; i++)
        if (!give(t, &t->options->kept[i], e))
            return false;
    return true;
}

/* Whoever has a secret that is not known would be locked out. */
static bool check_dropped(const struct rotation *t, struct key_rotated *out, struct err *e)
{
    AUTO(buf) struct buf left = {0};
    char id[KEY_SLOT_ID_MAX];

    *out = (struct key_rotated){.epoch = t->repo->epoch + 1, .dropped = t->damaged};
    for (size_t i = 0; i < t->count; i++) {
        if (t->with[i] != NULL) {
            out->kept++;
            continue;
        }
        slot_id(&t->slots[i], id);
        buf_printf(&left, "%s%.8s%s%s%s", out->dropped > t->damaged ? ", " : "", id,
                   t->slots[i].label[0] == '\0' ? "" : " (", t->slots[i].label,
                   t->slots[i].label[0] == '\0' ? "" : ")");
        out->dropped++;
    }
    if (out->dropped == 0 || t->options->drops_others)
        return true;
    if (out->dropped == t->damaged)
        return err_set(
            e, ERR_USAGE,
            "%zu key slots are damaged and cannot be taken along; check --repair may put "
            "them back, or they are dropped",
            t->damaged);
    return err_set(e, ERR_USAGE, "these key slots would open nothing any more: %s",
                   buf_string(&left));
}

/* Writing */

static bool put_slots(struct rotation *t, struct err *e)
{
    for (size_t i = 0; i < t->count; i++) {
        struct slot s = {0};
        char id[KEY_SLOT_ID_MAX];

        if (t->with[i] == NULL)
            continue;
        if (!slot_seal(t->repo, t->with[i], t->slots[i].label, &s, e))
            return false;
        slot_id(&s, id);
        slot_key(id, t->made[t->made_count++]); /* also one whose answer is lost is removed */
        if (!slot_put(t->repo, &s, e))
            return false;
        if (t->with[i] == t->options->in_use)
            memcpy(t->own, id, sizeof(id));
    }
    return true;
}

static bool has_key(char *const *keys, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static bool was_made(const struct rotation *t, const char *key)
{
    for (size_t i = 0; i < t->made_count; i++)
        if (strcmp(t->made[i], key) == 0)
            return true;
    return false;
}

/* A slot that is new: of another rotation, or of somebody who would be locked out. */
static bool check_new_slot(const struct rotation *t, const char *key, struct err *e)
{
    struct slot s;
    struct err why = {0};

    if (was_made(t, key) || has_key(t->names.items, t->names.count, key))
        return true;
    if (!slot_read(t->repo, key, &s, &why))
        return why.code == ERR_NOT_FOUND || slot_is_at_fault(&why) || slot_fail_with(e, &why);
    return s.epoch == t->repo->epoch ||
           err_set(e, ERR_TRANSIENT, "key slot %.8s was added meanwhile; nothing is changed",
                   slot_name(key));
}

static bool look_again(const struct rotation *t, struct err *e)
{
    AUTO(key_list) struct key_list now = {0};
    char id[KEY_SLOT_ID_MAX];
    char key[SLOT_KEY_MAX];

    if (!slot_names(t->repo, &now, e))
        return false;
    for (size_t i = 0; i < now.count; i++)
        if (!check_new_slot(t, now.items[i], e))
            return false;
    for (size_t i = 0; i < t->count; i++) {
        slot_id(&t->slots[i], id);
        slot_key(id, key);
        if (t->with[i] != NULL && !has_key(now.items, now.count, key))
            return err_set(e, ERR_TRANSIENT,
                           "key slot %.8s was removed meanwhile; nothing is changed", id);
    }
    for (size_t i = 0; i < t->made_count; i++)
        if (!has_key(now.items, now.count, t->made[i]))
            return err_set(e, ERR_TRANSIENT,
                           "the keys were rotated at the same moment; nothing is changed here");
    return true;
}

/* What did not come to its end opens nothing; leaving it does no harm. */
static void remove_made(const struct rotation *t)
{
    struct err ignored;

    for (size_t i = 0; i < t->made_count; i++)
        (void)!object_remove(t->repo, t->made[i], &ignored);
}

enum publication {
    PUBLISHED,
    NOT_PUBLISHED,
    PERHAPS_PUBLISHED, /* the store does not say */
};

static enum publication publication_doubt(const struct err *why, struct err *e)
{
    (void)err_set(e, why->code,
                  "it is not known whether the keys are rotated; the old secrets open the "
                  "repository, or those that were kept: %s",
                  why->text);
    return PERHAPS_PUBLISHED;
}

/* A put whose answer was lost may have been done, and a repeated one finds its own object. */
static enum publication publication_ask(struct repo *r, const char *key, struct slice object,
                                        struct err *e)
{
    AUTO(buf) struct buf there = {0};
    const struct err why = *e;
    struct err ignored;

    if (store_get_all(r->store, key, &there, &ignored)) {
        /* What a disk answers with an error may be gone after a crash, though it can be read. */
        const bool is_durable = why.code == ERR_EXISTS || why.code == ERR_TRANSIENT;

        if (slice_is_equal(buf_slice(&there), object))
            return is_durable ? PUBLISHED : publication_doubt(&why, e);
        (void)err_set(e, ERR_TRANSIENT,
                      "object %s is there already: the keys were rotated at the same moment, and "
                      "nothing is changed here",
                      key);
        return NOT_PUBLISHED;
    }
    return publication_doubt(&why, e);
}

static enum publication publish(const struct rotation *t, struct err *e)
{
    struct repo *r = t->repo;
    AUTO(secret_buf) struct buf plain = {0};
    AUTO(buf) struct buf object = {0};
    char key[EPOCH_KEY_MAX];

    epoch_key(r->epoch, key);
    epoch_encode(r, &plain);
    document_seal(r, CLASS_EPOCH, buf_slice(&plain), &object);

    const enum publication p = store_put(r->store, key, buf_slice(&object), PUT_NEW, e)
                                   ? PUBLISHED
                                   : publication_ask(r, key, buf_slice(&object), e);

    if (p == PUBLISHED)
        object_locks_note_put(r, key);
    return p;
}

/* What comes after: parity, and the slots of before. */
static bool finish(struct rotation *t, struct err *e)
{
    struct repo *r = t->repo;
    AUTO(buf) struct buf object = {0};
    char key[EPOCH_KEY_MAX];

    memcpy(r->slot, t->own, sizeof(r->slot));
    epoch_key(r->epoch, key);
    return (store_get_all(r->store, key, &object, e) && parity_put(r, key, buf_slice(&object), e) &&
            objects_remove(r, (const char *const *)t->names.items, t->names.count, e)) ||
           err_wrap(e, "the keys are rotated, but \"holdfast key list\" may show slots of before, "
                       "which \"holdfast key remove\" removes");
}

static bool rotate(struct rotation *t, struct err *e)
{
    enum publication p = NOT_PUBLISHED;

    epoch_begin(t->repo);
    if (put_slots(t, e) && look_again(t, e))
        p = publish(t, e);
    if (p == PUBLISHED)
        return finish(t, e);
    if (p == NOT_PUBLISHED)
        remove_made(t);
    epoch_withdraw(t->repo);
    return false;
}

bool key_rotate(struct repo *r, const struct key_rotation *o, struct key_rotated *out,
                struct err *e)
{
    AUTO(rotation) struct rotation t = {.repo = r, .options = o};
    struct key_rotated result;

    if (!look(&t, e) || !match(&t, e) || !check_dropped(&t, &result, e))
        return false;
    if (!o->is_dry_run && !rotate(&t, e))
        return false;
    *out = result;
    return true;
}
