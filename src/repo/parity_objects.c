/*
 * Parity beside objects: written after them, removed before them, and what comes back from it.
 */
#include "repo/parity_objects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repo/epochs.h"
#include "repo/slot.h"

/* A copy, not shards, protects what is no longer than this. */
#define COPY_MAX      ((uint64_t)16 << 20)

#define FOLDER_LENGTH (sizeof(PARITY_FOLDER) - 1)

static bool has_prefix(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

/* Keys */

void parity_key(const char *key, char out[PARITY_KEY_MAX])
{
    const size_t size = strlen(key) + 1;

    assert(FOLDER_LENGTH + size <= PARITY_KEY_MAX);
    memcpy(out, PARITY_FOLDER, FOLDER_LENGTH);
    memcpy(out + FOLDER_LENGTH, key, size);
}

static bool is_fit(const char *key)
{
    return FOLDER_LENGTH + strlen(key) < PARITY_KEY_MAX;
}

/* Made again when it is lost, in whole or in part: from the object itself, or from packs. */
static bool is_replaceable(const char *key)
{
    return has_prefix(key, "packs/") || has_prefix(key, "index/");
}

bool parity_covers(const char *key)
{
    static const char *const folders[] = {"keys/",  "index/",  "snapshots/", "commits/",
                                          "trash/", "drills/", EPOCH_FOLDER};
    struct hash id;

    if (!is_fit(key))
        return false;
    if (strcmp(key, "config") == 0 || pack_key_parse(key, &id))
        return true;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (has_prefix(key, folders[i]))
            return true;
    return false;
}

const char *parity_key_parse(const char *key)
{
    if (!has_prefix(key, PARITY_FOLDER) || !parity_covers(key + FOLDER_LENGTH))
        return NULL;
    return key + FOLDER_LENGTH;
}

/* Writing */

static struct parity_shape shape_of(const struct parity_rule *rule, const char *key, uint64_t size)
{
    const struct parity_rule copy = PARITY_COPY;

    return parity_shape_of(is_replaceable(key) || size > COPY_MAX ? rule : &copy, (size_t)size);
}

uint64_t parity_size_of(const struct parity_rule *rule, const char *key, uint64_t size)
{
    if (size == 0 || size > PARITY_OBJECT_MAX)
        return 0;

    const struct parity_shape shape = shape_of(rule, key, size);

    return parity_size(&shape, (size_t)size);
}

bool parity_make(struct repo *r, const struct parity_rule *rule, const char *key,
                 struct slice object, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    char at[PARITY_KEY_MAX];
    struct hash name;

    if (object.size == 0)
        return true;

    const struct parity_shape shape = shape_of(rule, key, object.size);

    /* Where the name is the hash it need not be computed again. */
    if (!is_replaceable(key) || !key_hash(key, &name))
        sha256(object, &name);
    parity_encode(&shape, object, &name, &bytes);
    parity_key(key, at);
    return store_put(r->store, at, buf_slice(&bytes), PUT_REPLACE, e) ||
           err_wrap(e, "store parity");
}

bool parity_put(struct repo *r, const char *key, struct slice object, struct err *e)
{
    struct parity_rule rule;
    bool is_on = false;

    if (!parity_covers(key))
        return true;
    return parity_ask(r, &is_on, &rule, e) && (!is_on || parity_make(r, &rule, key, object, e));
}

/* Removing */

/* Whether an object may have parity. */
static bool may_have_parity(struct repo *r, const char *key, bool *out, struct err *e)
{
    struct parity_rule rule;
    bool is_on = true;

    /* What nothing else can bring back must not come back by mistake: another program may just
     * have switched parity on. */
    if (is_replaceable(key) && !parity_ask(r, &is_on, &rule, e))
        return false;
    *out = is_on && parity_covers(key);
    return true;
}

bool parity_remove(struct repo *r, const char *key, struct err *e)
{
    char at[PARITY_KEY_MAX];
    bool is_worth_it = false;

    if (!may_have_parity(r, key, &is_worth_it, e))
        return false;
    parity_key(key, at);
    return !is_worth_it || store_remove(r->store, at, e);
}

bool object_remove(struct repo *r, const char *key, struct err *e)
{
    return parity_remove(r, key, e) && store_remove(r->store, key, e);
}

static bool remove_parities(struct repo *r, const char *const *keys, size_t count, struct err *e)
{
    AUTO(mem) char(*at)[PARITY_KEY_MAX] = mem_array(count, sizeof(*at));
    AUTO(mem) const char **all = mem_array(count, sizeof(*all));
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        bool is_worth_it = false;

        if (!may_have_parity(r, keys[i], &is_worth_it, e))
            return false;
        if (!is_worth_it)
            continue;
        parity_key(keys[i], at[found]);
        all[found] = at[found];
        found++;
    }
    return found == 0 || store_remove_all(r->store, all, found, e);
}

bool objects_remove(struct repo *r, const char *const *keys, size_t count, struct err *e)
{
    return count == 0 ||
           (remove_parities(r, keys, count, e) && store_remove_all(r->store, keys, count, e));
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool list_has(const struct key_list *sorted, const char *key)
{
    return sorted->count > 0 &&
           bsearch(&key, sorted->items, sorted->count, sizeof(*sorted->items), text_order) != NULL;
}

/* Parity in a folder whose objects are not there. */
typedef bool orphan_fn(struct repo *r, const char *parity, const char *key, struct err *e);

static bool each_orphan(struct repo *r, const char *folder, orphan_fn *fn, struct err *e)
{
    AUTO(key_list) struct key_list parity = {0};
    AUTO(key_list) struct key_list objects = {0};
    AUTO(buf) struct buf prefix = {0};

    /* Parity first: it is written after its object, so the object of what is listed here was there
     * by then. */
    buf_printf(&prefix, PARITY_FOLDER "%s", folder);
    if (!key_list_read(r, buf_string(&prefix), &parity, e))
        return false;
    if (parity.count == 0)
        return true;
    if (!key_list_read(r, folder, &objects, e))
        return false;
    if (objects.count > 0)
        qsort(objects.items, objects.count, sizeof(*objects.items), text_order);
    for (size_t i = 0; i < parity.count; i++) {
        const char *key = parity_key_parse(parity.items[i]);

        if (key != NULL && !list_has(&objects, key) && !fn(r, parity.items[i], key, e))
            return false;
    }
    return true;
}

static bool remove_orphan(struct repo *r, const char *parity, const char *key, struct err *e)
{
    (void)key;
    return store_remove(r->store, parity, e);
}

static bool is_there(struct repo *r, const char *key, bool *out, struct err *e)
{
    struct object_info info;

    *out = store_stat(r->store, key, &info, e);
    return *out || e->code == ERR_NOT_FOUND;
}

bool parity_is_loss(struct repo *r, const char *key, bool *out, struct err *e)
{
    bool has_object = false;
    bool has_parity = false;
    char at[PARITY_KEY_MAX];

    /* In this order: whoever removes the two begins with parity. */
    parity_key(key, at);
    if (!is_there(r, key, &has_object, e) || !is_there(r, at, &has_parity, e))
        return false;
    *out = !has_object && has_parity;
    return true;
}

static bool refuse_loss(struct repo *r, const char *parity, const char *key, struct err *e)
{
    bool is_loss = false;

    (void)parity;
    if (!parity_is_loss(r, key, &is_loss, e))
        return false;
    return !is_loss || err_set(e, ERR_CORRUPT,
                               "object %s is missing, but its parity is there; \"holdfast check "
                               "--repair\" puts it back",
                               key);
}

bool parity_check_losses(struct repo *r, struct err *e)
{
    struct parity_rule rule;
    bool is_on = false;

    return parity_ask(r, &is_on, &rule, e) &&
           (!is_on || (each_orphan(r, "snapshots/", refuse_loss, e) &&
                       each_orphan(r, "commits/", refuse_loss, e)));
}

static bool sweep_all(struct repo *r, struct err *e)
{
    AUTO(key_list) struct key_list parity = {0};

    if (!key_list_read(r, PARITY_FOLDER, &parity, e))
        return false;
    for (size_t i = 0; i < parity.count; i++)
        if (parity_key_parse(parity.items[i]) != NULL &&
            !store_remove(r->store, parity.items[i], e))
            return false;
    return true;
}

bool parity_sweep(struct repo *r, struct err *e)
{
    struct parity_rule rule;
    bool is_on = false;
    bool is_damaged = false;

    if (!parity_ask_again(r, &is_on, &is_damaged, &rule, e))
        return false;
    return is_on ? each_orphan(r, "packs/", remove_orphan, e) &&
                       each_orphan(r, "index/", remove_orphan, e)
                 : sweep_all(r, e);
}

/* Bringing back */

bool parity_recall(struct repo *r, const char *key, struct slice damaged, struct buf *out,
                   struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    struct parity p;
    size_t blocks = 0;
    char at[PARITY_KEY_MAX];

    if (!is_fit(key))
        return err_set(e, ERR_NOT_FOUND, "object %s has no parity", key);
    parity_key(key, at);
    if (!store_get_all(r->store, at, &bytes, e))
        return e->code == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "it has no parity") : false;
    if (!parity_open(buf_slice(&bytes), &p, e))
        return err_wrap(e, "its parity is damaged");
    return parity_heal(&p, damaged, out, &blocks, e);
}

/* Objects named by their hash. */
static bool prove_hash(const char *key, struct slice bytes, struct err *e)
{
    struct hash named, found;

    sha256(bytes, &found);
    return (key_hash(key, &named) && hash_is_equal(&named, &found)) ||
           err_set(e, ERR_CORRUPT, "its bytes do not have the hash that names it");
}

bool object_prove(struct repo *r, const char *key, struct slice bytes, struct err *e)
{
    AUTO(secret_buf) struct buf plain = {0};
    enum object_class class;

    if (has_prefix(key, "packs/"))
        return prove_hash(key, bytes, e);
    if (has_prefix(key, "keys/"))
        return slot_prove(r, key, bytes, e);
    if (!object_class_of(key, &class))
        return err_set(e, ERR_USAGE, "%s is not the key of an object", key);
    if (class == CLASS_EPOCH)
        return epoch_prove(r, key, bytes, e);
    if ((class == CLASS_INDEX || class == CLASS_SNAPSHOT) && !prove_hash(key, bytes, e))
        return false;
    return document_open(r, class, bytes, &plain, e);
}

bool object_is_at_fault(const struct err *why)
{
    return why->code == ERR_NOT_FOUND || why->code == ERR_CORRUPT || why->code == ERR_USAGE ||
           why->code == ERR_FATAL;
}

bool object_mend(struct repo *r, const char *key, struct slice bytes, struct err *e)
{
    struct object_info info;
    char at[PARITY_KEY_MAX];

    if (!store_put(r->store, key, bytes, PUT_REPLACE, e))
        return false;
    /* Whoever removes an object removes its parity first, and does not expect it to come back. */
    if (is_replaceable(key) || !is_fit(key))
        return true;
    parity_key(key, at);
    if (store_stat(r->store, at, &info, e))
        return true;
    if (e->code != ERR_NOT_FOUND || !store_remove(r->store, key, e))
        return false;
    return err_set(e, ERR_NOT_FOUND, "it was removed meanwhile");
}

bool parity_heal_object(struct repo *r, const char *key, struct err *e)
{
    AUTO(buf) struct buf damaged = {0};
    AUTO(buf) struct buf healed = {0};
    struct err why = {0};

    /* What cannot be read at all heals as what is gone does. */
    if (!store_get_all(r->store, key, &damaged, &why))
        buf_clear(&damaged);
    if (why.code == ERR_TRANSIENT || why.code == ERR_CANCELLED || why.code == ERR_DENIED) {
        *e = why;
        return false;
    }
    return parity_recall(r, key, buf_slice(&damaged), &healed, e) &&
           object_prove(r, key, buf_slice(&healed), e) &&
           object_mend(r, key, buf_slice(&healed), e);
}
