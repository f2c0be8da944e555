/*
 * Parity: whether it is there, whether it is right, and what it says of objects that are gone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repo/check.h"
#include "repo/parity_objects.h"

struct listing {
    struct key_list parity, objects; /* sorted */
};

static void listing_auto(struct listing *l)
{
    key_list_done(&l->parity);
    key_list_done(&l->objects);
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Without sizes and times, whose order would not follow. */
static void sort(struct key_list *l)
{
    if (l->count > 0)
        qsort(l->items, l->count, sizeof(*l->items), text_order);
}

static bool has(const struct key_list *l, const char *key)
{
    return l->count > 0 && bsearch(&key, l->items, l->count, sizeof(*l->items), text_order) != NULL;
}

/* What is not in the list may have come or gone meanwhile. */
static bool check_lost(struct check *c, const char *parity, const char *key, struct err *e)
{
    bool is_loss = false;
    struct err why;

    if (!parity_is_loss(c->repo, key, &is_loss, e))
        return false;
    if (!is_loss || check_was_told(c, key))
        return true;
    if (strncmp(key, "packs/", 6) == 0) {
        check_litter(c, parity, "its pack is gone, and no snapshot needs it");
        return true;
    }
    (void)err_set(&why, ERR_CORRUPT, "it is missing, but its parity is there");
    check_damage(c, key, &why);
    return true;
}

void check_parity_of(struct check *c, const char *key, struct slice object, const struct hash *name)
{
    AUTO(buf) struct buf bytes = {0};
    struct err why = {0};
    char at[PARITY_KEY_MAX];

    if (!c->has_parity)
        return;
    parity_key(key, at);
    if (!store_get_all(c->repo->store, at, &bytes, &why)) {
        if (check_is_damage(&why))
            check_damage(c, at, &why);
        return; /* what is missing was counted */
    }
    if (parity_is_of(buf_slice(&bytes), object, name))
        return;
    (void)err_set(&why, ERR_CORRUPT, "it is damaged, or not that of its object");
    check_damage(c, at, &why);
}

static bool is_slot(const char *key)
{
    return strncmp(key, "keys/", 5) == 0;
}

/*
 * A key slot cannot be proved without its secret.  Where parity is right in itself and gives
 * another slot, it is the slot that changed.
 */
static bool is_changed_slot(struct check *c, const char *key, struct slice object)
{
    AUTO(buf) struct buf bytes = {0};
    struct err why;

    if (!is_slot(key) || !parity_recall(c->repo, key, (struct slice){0}, &bytes, &why) ||
        !object_prove(c->repo, key, buf_slice(&bytes), &why))
        return false;
    return !slice_is_equal(object, buf_slice(&bytes));
}

/* Packs are looked at where they are read. */
static bool check_content(struct check *c, const char *key, struct err *e)
{
    AUTO(buf) struct buf object = {0};
    struct err why = {0};
    struct hash name;

    if (strncmp(key, "packs/", 6) == 0 || check_was_told(c, key))
        return true;
    if (store_get_all(c->repo->store, key, &object, &why)) {
        if (!is_changed_slot(c, key, buf_slice(&object))) {
            sha256(buf_slice(&object), &name);
            check_parity_of(c, key, buf_slice(&object), &name);
            return true;
        }
        (void)err_set(&why, ERR_CORRUPT, "it is not what its parity holds");
        check_damage(c, key, &why);
        return true;
    }
    if (why.code == ERR_NOT_FOUND || check_is_damage(&why))
        return true; /* and told by whoever needs it */
    *e = why;
    return false;
}

static bool check_objects(struct check *c, const struct listing *l, struct err *e)
{
    for (size_t i = 0; i < l->objects.count; i++) {
        const char *key = l->objects.items[i];
        char at[PARITY_KEY_MAX];

        if (!parity_covers(key))
            continue;
        parity_key(key, at);
        if (!has(&l->parity, at))
            c->stats.unprotected++;
        else if ((c->options->read_data || is_slot(key)) && !check_content(c, key, e))
            return false;
    }
    return true;
}

bool check_parity(struct check *c, struct err *e)
{
    AUTO(listing) struct listing l = {0};
    struct parity_rule rule;
    bool is_damaged = false;
    struct err why;

    if (!parity_ask_again(c->repo, &c->has_parity, &is_damaged, &rule, e) ||
        !key_list_read(c->repo, PARITY_FOLDER, &l.parity, e))
        return false;
    if (is_damaged) {
        (void)err_set(&why, ERR_CORRUPT, "the switch of parity cannot be read");
        check_damage(c, PARITY_SWITCH, &why);
    }
    if (l.parity.count == 0 && !c->has_parity)
        return true;
    if (!key_list_read(c->repo, "", &l.objects, e))
        return false;
    sort(&l.parity);
    sort(&l.objects);
    for (size_t i = 0; i < l.parity.count; i++) {
        const char *key = parity_key_parse(l.parity.items[i]);

        if (key != NULL && !has(&l.objects, key) && !check_lost(c, l.parity.items[i], key, e))
            return false;
    }
    return !c->has_parity || check_objects(c, &l, e);
}
