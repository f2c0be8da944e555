/*
 * The key slots of a repository.  Whoever removes one makes sure that another is left: with
 * the last slot goes everything.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"

static const char folder[] = "keys/";
#define FOLDER_LENGTH (sizeof(folder) - 1)
#define SLOT_KEY_MAX  (FOLDER_LENGTH + KEY_SLOT_ID_MAX)

static const char *name_of(const char *key)
{
    return key + FOLDER_LENGTH;
}

static bool is_slot_key(const char *key)
{
    const char *name = name_of(key);

    return strspn(name, "0123456789abcdef") == KEY_SLOT_ID_MAX - 1 &&
           name[KEY_SLOT_ID_MAX - 1] == '\0';
}

static void slot_key(const char *id, char out[SLOT_KEY_MAX])
{
    memcpy(out, folder, FOLDER_LENGTH);
    memcpy(out + FOLDER_LENGTH, id, KEY_SLOT_ID_MAX);
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keys of all slots, sorted; out has neither sizes nor times. */
static bool keys_names(struct repo *r, struct key_list *out, struct err *e)
{
    AUTO(key_list) struct key_list all = {0};
    size_t kept = 0;

    if (!key_list_read(r, folder, &all, e)) {
        /* A folder that may not be read says nothing about the secret. */
        if (e->code == ERR_DENIED)
            e->code = ERR_FATAL;
        return false;
    }
    for (size_t i = 0; i < all.count; i++)
        if (is_slot_key(all.items[i]))
            all.items[kept++] = all.items[i];
        else
            mem_free(all.items[i]);
    all.count = kept;
    if (kept > 0)
        qsort(all.items, kept, sizeof(*all.items), text_compare);

    *out = (struct key_list){.items = TAKE(all.items), .count = all.count, .room = all.room};
    all.count = 0;
    return true;
}

/* Errors of the slot itself (ERR_CORRUPT, ERR_USAGE) name it; others are the store's. */
static bool slot_check(const struct repo *r, const char *key, struct slice bytes, struct slot *out,
                       struct err *e)
{
    uint8_t id[SEAL_ID_SIZE];

    if (!slot_decode(bytes, out, e))
        return err_wrap(e, "key slot %s", name_of(key));
    if (!hex_decode(name_of(key), id, sizeof(id)) || memcmp(out->id, id, sizeof(id)) != 0)
        return err_set(e, ERR_CORRUPT, "key slot %s: it is a copy of another one", name_of(key));
    if (memcmp(out->repository, r->id, sizeof(r->id)) != 0)
        return err_set(e, ERR_CORRUPT, "key slot %s: it belongs to another repository",
                       name_of(key));
    if (out->epoch != r->epoch)
        return err_set(e, ERR_CORRUPT, "key slot %s: its epoch is %u instead of %u", name_of(key),
                       out->epoch, r->epoch);
    return true;
}

static bool slot_read(struct repo *r, const char *key, struct slot *out, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    return store_get_all(r->store, key, &bytes, e) && slot_check(r, key, buf_slice(&bytes), out, e);
}

bool slot_prove(const struct repo *r, const char *key, struct slice bytes, struct err *e)
{
    struct slot s;

    return is_slot_key(key) ? slot_check(r, key, bytes, &s, e)
                            : err_set(e, ERR_CORRUPT, "its name is not that of a key slot");
}

/* The slot itself is to blame, not the store. */
static bool is_slot_fault(const struct err *e)
{
    return e->code == ERR_CORRUPT || e->code == ERR_USAGE;
}

static bool fail_with(struct err *e, const struct err *why)
{
    *e = *why;
    return false;
}

bool keys_left(struct repo *r, struct key_list *out, struct err *e)
{
    AUTO(key_list) struct key_list all = {0};

    if (!key_list_read(r, folder, &all, e))
        return false;
    for (size_t i = 0; i < all.count; i++) {
        AUTO(buf) struct buf bytes = {0};
        struct slot s;

        if (!is_slot_key(all.items[i]) || i == KEY_SLOT_MAX)
            return err_set(e, ERR_EXISTS, "object %s is there already", all.items[i]);
        if (!store_get_all(r->store, all.items[i], &bytes, e))
            return false;
        if (!slot_decode(buf_slice(&bytes), &s, e))
            return err_set(e, ERR_EXISTS, "object %s is there already and is no key slot",
                           all.items[i]);
    }
    *out = all;
    all = (struct key_list){0};
    return true;
}

/* Unlocking */

struct attempt {
    size_t tried;       /* slots that are sound and for another secret */
    size_t refused;     /* slots that could not be tried */
    struct err refusal; /* of the first of them */
};

static void attempt_refuse(struct attempt *a, const struct err *why)
{
    if (a->refused++ == 0)
        a->refusal = *why;
}

static void note_open(struct repo *r, const struct slot *s)
{
    hex_encode(SLICE_OF(s->id, sizeof(s->id)), r->slot);
}

/* Try a slot that was read.  False only when there is no use in trying others. */
static bool slot_try_open(struct repo *r, const char *key, const struct slot *s,
                          const struct unlock *with, struct attempt *a, bool *is_open,
                          struct err *e)
{
    struct err why = {0};

    if (s->kind != with->kind)
        return true;
    if (slot_open(s, with, r->keys->master, &why)) {
        note_open(r, s);
        *is_open = true;
        return true;
    }
    if (why.code == ERR_DENIED) {
        a->tried++;
        return true;
    }
    (void)err_wrap(&why, "key slot %s", name_of(key));
    if (!is_slot_fault(&why))
        return fail_with(e, &why);
    attempt_refuse(a, &why);
    return true;
}

/* The same, for one that is to be read first. */
static bool slot_try(struct repo *r, const char *key, const struct unlock *with, struct attempt *a,
                     bool *is_open, struct err *e)
{
    struct slot s = {0};
    struct err why = {0};

    if (slot_read(r, key, &s, &why))
        return slot_try_open(r, key, &s, with, a, is_open, e);
    if (is_slot_fault(&why))
        attempt_refuse(a, &why);
    else if (why.code != ERR_NOT_FOUND)
        return fail_with(e, &why);
    return true;
}

/* The same, for one that is gone, or not what its parity says: a slot never changes. */
static bool slot_try_lost(struct repo *r, const char *key, const struct unlock *with,
                          struct attempt *a, bool *is_open, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf found = {0};
    struct slot s = {0};
    struct err why = {0};

    if (!parity_recall(r, key, (struct slice){0}, &bytes, &why) ||
        !slot_check(r, key, buf_slice(&bytes), &s, &why))
        return true;
    if (store_get_all(r->store, key, &found, &why) &&
        slice_is_equal(buf_slice(&found), buf_slice(&bytes)))
        return true;
    if (!slot_try_open(r, key, &s, with, a, is_open, e))
        return false;
    if (*is_open)
        repo_note_mended(r, key);
    return true;
}

static bool try_lost(struct repo *r, const struct unlock *with, struct attempt *a, bool *is_open,
                     struct err *e)
{
    AUTO(key_list) struct key_list lost = {0};
    struct err ignored;

    /* What cannot be listed helps nobody; the reason why no slot opened stays the answer. */
    if (!key_list_read(r, PARITY_FOLDER "keys/", &lost, &ignored))
        return true;
    for (size_t i = 0; i < lost.count && !*is_open && a->tried < KEY_SLOT_MAX; i++) {
        const char *key = parity_key_parse(lost.items[i]);

        if (key != NULL && is_slot_key(key) && !slot_try_lost(r, key, with, a, is_open, e))
            return false;
    }
    return true;
}

/* Why no slot opened. */
static bool attempt_failed(const struct attempt *a, enum unlock_kind kind, size_t slots,
                           struct err *e)
{
    const bool is_password = kind == UNLOCK_PASSPHRASE;
    const char *wrong = is_password ? "wrong password" : "this key file opens no key slot";

    if (slots == 0)
        return err_set(e, ERR_CORRUPT, "the repository has no key slot");
    if (a->tried == 0 && a->refused > 0)
        return err_set(e, a->refusal.code, "no key slot can be used, %zu of %zu are damaged: %s",
                       a->refused, slots, a->refusal.text);
    if (a->tried == 0)
        return err_set(e, ERR_DENIED, "the repository has no key slot for a %s",
                       is_password ? "password" : "key file");
    if (a->refused > 0)
        return err_set(e, ERR_DENIED, "%s; %zu of %zu key slots are damaged and were not tried: %s",
                       wrong, a->refused, slots, a->refusal.text);
    return err_set(e, ERR_DENIED, "%s", wrong);
}

/*
 * By what the agent keeps, and before anything is derived: the slot that it knows may stand behind
 * others.  What goes wrong here is found again, and told, by those who do without.  False when the
 * agent is of no use.
 */
static bool try_recall(struct repo *r, const struct key_list *names, const struct unlock *with,
                       bool *is_open)
{
    struct err ignored;

    if (with->agent == NULL || with->kind != UNLOCK_PASSPHRASE)
        return true;
    for (size_t i = 0; i < names->count && i < KEY_SLOT_MAX && !*is_open; i++) {
        struct slot s = {0};

        if (!slot_read(r, names->items[i], &s, &ignored))
            continue;
        if (!slot_recall(&s, with, r->keys->master, is_open, &ignored))
            return false;
        if (*is_open)
            note_open(r, &s);
    }
    return true;
}

bool keys_unlock(struct repo *r, const struct unlock *with, struct err *e)
{
    AUTO(key_list) struct key_list names = {0};
    struct unlock w = *with;
    struct attempt a = {0};
    bool is_open = false;

    if (!keys_names(r, &names, e))
        return false;
    if (!try_recall(r, &names, with, &is_open))
        w.agent = NULL; /* one that did not answer is not waited for again */
    for (size_t i = 0; i < names.count && a.tried < KEY_SLOT_MAX && !is_open; i++)
        if (!slot_try(r, names.items[i], &w, &a, &is_open, e))
            return false;
    if (!is_open && !try_lost(r, &w, &a, &is_open, e))
        return false;
    return is_open || attempt_failed(&a, with->kind, names.count, e);
}

/* Listing and changing */

static void describe(const struct repo *r, const struct slot *s, struct key_slot *out)
{
    *out = (struct key_slot){.kind = s->kind, .created_ns = s->created_ns};
    hex_encode(SLICE_OF(s->id, sizeof(s->id)), out->id);
    memcpy(out->label, s->label, sizeof(out->label));
    out->is_current = strcmp(out->id, r->slot) == 0;
}

static int slot_compare(const void *a, const void *b)
{
    const struct key_slot *left = a;
    const struct key_slot *right = b;

    if (left->created_ns != right->created_ns)
        return left->created_ns < right->created_ns ? -1 : 1;
    return strcmp(left->id, right->id);
}

bool key_list(struct repo *r, struct key_slot **out, size_t *count, struct err *e)
{
    AUTO(key_list) struct key_list names = {0};
    size_t n = 0;

    if (!keys_names(r, &names, e))
        return false;

    AUTO(mem) struct key_slot *slots = mem_array(names.count, sizeof(*slots));

    for (size_t i = 0; i < names.count; i++) {
        struct slot s = {0};
        struct err why = {0};

        if (slot_read(r, names.items[i], &s, &why)) {
            describe(r, &s, &slots[n++]);
        } else if (is_slot_fault(&why)) {
            slots[n] = (struct key_slot){.is_damaged = true};
            memcpy(slots[n++].id, name_of(names.items[i]), KEY_SLOT_ID_MAX);
        } else if (why.code != ERR_NOT_FOUND) {
            return fail_with(e, &why);
        }
    }
    qsort(slots, n, sizeof(*slots), slot_compare);
    *out = TAKE(slots);
    *count = n;
    return true;
}

bool keys_put(struct repo *r, const struct unlock *with, const char *label, struct key_slot *out,
              struct err *e)
{
    struct slot s = {0};
    struct key_slot made = {0};
    char key[SLOT_KEY_MAX];

    if (!slot_seal(r, with, label, &s, e))
        return false;
    describe(r, &s, &made);
    slot_key(made.id, key);
    if (!store_put(r->store, key, SLICE_OF(s.bytes, SLOT_SIZE), PUT_NEW, e) ||
        !parity_put(r, key, SLICE_OF(s.bytes, SLOT_SIZE), e))
        return false;
    *out = made;
    return true;
}

bool key_add(struct repo *r, const struct unlock *with, const char *label, struct key_slot *out,
             struct err *e)
{
    AUTO(key_list) struct key_list names = {0};

    if (!keys_names(r, &names, e))
        return false;
    if (names.count >= KEY_SLOT_MAX)
        return err_set(e, ERR_USAGE,
                       "the repository has %zu key slots already, and %d are the most it may have",
                       names.count, KEY_SLOT_MAX);
    return keys_put(r, with, label, out, e);
}

/* The one key whose name begins with id. */
static bool names_find(const struct key_list *names, const char *id, const char **out,
                       struct err *e)
{
    const size_t length = strlen(id);
    const char *found = NULL;

    if (length == 0)
        return err_set(e, ERR_USAGE, "the id of the key slot is empty");
    for (size_t i = 0; i < names->count; i++) {
        if (strncmp(name_of(names->items[i]), id, length) != 0)
            continue;
        if (found != NULL)
            return err_set(e, ERR_USAGE, "several key slots begin with %s", id);
        found = names->items[i];
    }
    if (found == NULL)
        return err_set(e, ERR_NOT_FOUND, "there is no key slot %s", id);
    *out = found;
    return true;
}

/*
 * Two that remove each other's slot at the same moment would leave none, so whoever finds
 * the own one gone afterwards gives the other back.
 */
static bool own_slot_check(struct repo *r, const char *removed, struct slice bytes, struct err *e)
{
    struct object_info info = {0};
    struct err why = {0};
    char own[SLOT_KEY_MAX];

    slot_key(r->slot, own);
    if (store_stat(r->store, own, &info, &why))
        return true;
    if (why.code != ERR_NOT_FOUND)
        return err_set(e, why.code, "key slot %s was removed, but then: %s", name_of(removed),
                       why.text);
    if (!store_put(r->store, removed, bytes, PUT_NEW, e) || !parity_put(r, removed, bytes, e))
        return err_wrap(e, "the key slot in use is gone, and %s cannot be put back",
                        name_of(removed));
    return err_set(e, ERR_TRANSIENT,
                   "key slot %s stays, for the one in use was removed at the same moment",
                   name_of(removed));
}

bool key_remove(struct repo *r, const char *id, struct err *e)
{
    AUTO(key_list) struct key_list names = {0};
    AUTO(buf) struct buf bytes = {0};
    const char *key = NULL;

    if (!keys_names(r, &names, e) || !names_find(&names, id, &key, e))
        return false;
    if (names.count == 1)
        return err_set(e, ERR_USAGE,
                       "key slot %s is the last one; without it nothing can be read any more",
                       name_of(key));
    if (strcmp(name_of(key), r->slot) == 0)
        return err_set(e, ERR_USAGE,
                       "key slot %s is the one in use; open the repository with another to "
                       "remove it",
                       name_of(key));
    if (!store_get_all(r->store, key, &bytes, e) || !object_remove(r, key, e))
        return false;
    return own_slot_check(r, key, buf_slice(&bytes), e);
}

bool key_passwd(struct repo *r, const struct unlock *with, struct err *e)
{
    struct slot old = {0};
    struct key_slot made = {0};
    char old_id[KEY_SLOT_ID_MAX];
    char key[SLOT_KEY_MAX];

    slot_key(r->slot, key);
    memcpy(old_id, r->slot, sizeof(old_id));
    if (!slot_read(r, key, &old, e) || !key_add(r, with, old.label, &made, e))
        return false;

    memcpy(r->slot, made.id, sizeof(r->slot));
    if (!key_remove(r, old_id, e))
        return err_wrap(e, "the new secret opens the repository, but the old one may still do");
    return true;
}
