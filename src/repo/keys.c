/*
 * The key slots of a repository.  Whoever removes one makes sure that another is left: with
 * the last slot goes everything.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/epochs.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"

static const char folder[] = "keys/";
#define FOLDER_LENGTH (sizeof(folder) - 1)

const char *slot_name(const char *key)
{
    return key + FOLDER_LENGTH;
}

bool slot_is_key(const char *key)
{
    const char *name = slot_name(key);

    return strspn(name, "0123456789abcdef") == KEY_SLOT_ID_MAX - 1 &&
           name[KEY_SLOT_ID_MAX - 1] == '\0';
}

void slot_key(const char *id, char out[SLOT_KEY_MAX])
{
    memcpy(out, folder, FOLDER_LENGTH);
    memcpy(out + FOLDER_LENGTH, id, KEY_SLOT_ID_MAX);
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool slot_names(struct repo *r, struct key_list *out, struct err *e)
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
        if (slot_is_key(all.items[i]))
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

bool slot_check(const struct repo *r, const char *key, struct slice bytes, struct slot *out,
                struct err *e)
{
    uint8_t id[SEAL_ID_SIZE];

    if (!slot_decode(bytes, out, e))
        return err_wrap(e, "key slot %s", slot_name(key));
    if (!hex_decode(slot_name(key), id, sizeof(id)) || memcmp(out->id, id, sizeof(id)) != 0)
        return err_set(e, ERR_CORRUPT, "key slot %s: it is a copy of another one", slot_name(key));
    if (memcmp(out->repository, r->id, sizeof(r->id)) != 0)
        return err_set(e, ERR_CORRUPT, "key slot %s: it belongs to another repository",
                       slot_name(key));
    if (out->epoch < 1 || out->epoch > EPOCH_MAX)
        return err_set(e, ERR_CORRUPT, "key slot %s: there can be no epoch %u", slot_name(key),
                       out->epoch);
    return true;
}

bool slot_read(struct repo *r, const char *key, struct slot *out, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    return store_get_all(r->store, key, &bytes, e) && slot_check(r, key, buf_slice(&bytes), out, e);
}

bool slot_prove(const struct repo *r, const char *key, struct slice bytes, struct err *e)
{
    struct slot s;

    return slot_is_key(key) ? slot_check(r, key, bytes, &s, e)
                            : err_set(e, ERR_CORRUPT, "its name is not that of a key slot");
}

bool slot_is_at_fault(const struct err *e)
{
    return e->code == ERR_CORRUPT || e->code == ERR_USAGE;
}

bool keys_left(struct repo *r, struct key_list *out, struct err *e)
{
    AUTO(key_list) struct key_list all = {0};

    if (!key_list_read(r, folder, &all, e))
        return false;
    for (size_t i = 0; i < all.count; i++) {
        AUTO(buf) struct buf bytes = {0};
        struct slot s;

        if (!slot_is_key(all.items[i]) || i == KEY_SLOT_MAX)
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

/* Listing and changing */

static void describe(const struct repo *r, const struct slot *s, struct key_slot *out)
{
    *out = (struct key_slot){.kind = s->kind, .created_ns = s->created_ns};
    hex_encode(SLICE_OF(s->id, sizeof(s->id)), out->id);
    memcpy(out->label, s->label, sizeof(out->label));
    out->epoch = s->epoch;
    out->is_current = strcmp(out->id, r->slot) == 0;
    /* A rotation begins the next one, and none a later. */
    out->is_damaged = s->epoch > r->epoch + 1;
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

    if (!slot_names(r, &names, e))
        return false;

    AUTO(mem) struct key_slot *slots = mem_array(names.count, sizeof(*slots));

    for (size_t i = 0; i < names.count; i++) {
        struct slot s = {0};
        struct err why = {0};

        if (slot_read(r, names.items[i], &s, &why)) {
            describe(r, &s, &slots[n++]);
        } else if (slot_is_at_fault(&why)) {
            slots[n] = (struct key_slot){.is_damaged = true};
            memcpy(slots[n++].id, slot_name(names.items[i]), KEY_SLOT_ID_MAX);
        } else if (why.code != ERR_NOT_FOUND) {
            return slot_fail_with(e, &why);
        }
    }
    qsort(slots, n, sizeof(*slots), slot_compare);
    *out = TAKE(slots);
    *count = n;
    return true;
}

bool slot_put(struct repo *r, const struct slot *s, struct err *e)
{
    const struct slice bytes = SLICE_OF(s->bytes, SLOT_SIZE);
    char id[KEY_SLOT_ID_MAX];
    char key[SLOT_KEY_MAX];

    hex_encode(SLICE_OF(s->id, sizeof(s->id)), id);
    slot_key(id, key);
    return store_put(r->store, key, bytes, PUT_NEW, e) && parity_put(r, key, bytes, e);
}

bool keys_put(struct repo *r, const struct unlock *with, const char *label, struct key_slot *out,
              struct err *e)
{
    struct slot s = {0};

    if (!slot_seal(r, with, label, &s, e) || !slot_put(r, &s, e))
        return false;
    describe(r, &s, out);
    return true;
}

bool key_add(struct repo *r, const struct unlock *with, const char *label, struct key_slot *out,
             struct err *e)
{
    AUTO(key_list) struct key_list names = {0};

    if (!epoch_is_unheard_of(r, r->epoch + 1, e) || !slot_names(r, &names, e))
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
        if (strncmp(slot_name(names->items[i]), id, length) != 0)
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
        return err_set(e, why.code, "key slot %s was removed, but then: %s", slot_name(removed),
                       why.text);
    if (!store_put(r->store, removed, bytes, PUT_NEW, e) || !parity_put(r, removed, bytes, e))
        return err_wrap(e, "the key slot in use is gone, and %s cannot be put back",
                        slot_name(removed));
    return err_set(e, ERR_TRANSIENT,
                   "key slot %s stays, for the one in use was removed at the same moment",
                   slot_name(removed));
}

bool key_remove(struct repo *r, const char *id, struct err *e)
{
    AUTO(key_list) struct key_list names = {0};
    AUTO(buf) struct buf bytes = {0};
    const char *key = NULL;

    /* The slots of a newer epoch are all that opens the repository. */
    if (!epoch_is_unheard_of(r, r->epoch + 1, e) || !slot_names(r, &names, e) ||
        !names_find(&names, id, &key, e))
        return false;
    if (names.count == 1)
        return err_set(e, ERR_USAGE,
                       "key slot %s is the last one; without it nothing can be read any more",
                       slot_name(key));
    if (strcmp(slot_name(key), r->slot) == 0)
        return err_set(e, ERR_USAGE,
                       "key slot %s is the one in use; open the repository with another to "
                       "remove it",
                       slot_name(key));
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
