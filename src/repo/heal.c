/*
 * Putting back what a check found damaged: from parity, or made again from other objects.
 */
#include <string.h>

#include "base/cancel.h"
#include "repo/parity_objects.h"

struct healer {
    struct repo *repo;
    healing_fn *fn;
    void *arg;
    struct heal_stats stats;
    bool needs_index;      /* to be made again */
    bool lacks_index;      /* nobody knows which part of it */
    bool has_healed_index; /* some of it */
};

static void tell(struct healer *h, const char *key, enum heal_source from, const char *sentence)
{
    if (from == HEAL_NOT)
        h->stats.lost++;
    else
        h->stats.healed++;
    if (h->fn != NULL)
        h->fn(h->arg, &(struct healing){.object = key, .from = from, .sentence = sentence});
}

static bool is_index(const char *key)
{
    return strcmp(key, "index") == 0 || strncmp(key, "index/", 6) == 0;
}

static bool heal_one(struct healer *h, const char *key, struct err *e)
{
    struct err why = {0};

    if (strchr(key, '/') != NULL || strcmp(key, "config") == 0) {
        if (parity_heal_object(h->repo, key, &why)) {
            h->has_healed_index |= is_index(key);
            tell(h, key, HEAL_PARITY, "worked out from its parity");
            return true;
        }
        if (!object_is_at_fault(&why)) {
            *e = why;
            return false;
        }
    }
    if (strcmp(key, "index") == 0)
        h->lacks_index = true;
    else if (is_index(key))
        h->needs_index = true;
    else
        tell(h, key, HEAL_NOT, why.text);
    return true;
}

static bool make_parity(struct healer *h, const char *key, struct err *e)
{
    AUTO(buf) struct buf object = {0};
    struct parity_rule rule;
    bool is_on;

    return store_get_all(h->repo->store, key, &object, e) &&
           object_prove(h->repo, key, buf_slice(&object), e) &&
           parity_ask(h->repo, &is_on, &rule, e) &&
           parity_make(h->repo, &rule, key, buf_slice(&object), e);
}

static bool switch_again(struct healer *h, struct err *e)
{
    const struct parity_work work = {0};
    struct parity_figures figures;

    return parity_enable(h->repo, &parity_rule_default, &work, &figures, e);
}

/* Parity is made again from its object. */
static bool heal_parity(struct healer *h, const char *key, struct err *e)
{
    const char *object = parity_key_parse(key);
    struct err why = {0};

    if (strcmp(key, PARITY_SWITCH) == 0 ? switch_again(h, &why)
        : object == NULL ? err_set(&why, ERR_USAGE, "there is no object that it could be of")
                         : make_parity(h, object, &why)) {
        tell(h, key, HEAL_AGAIN, "made again from its object");
        return true;
    }
    if (!object_is_at_fault(&why)) {
        *e = why;
        return false;
    }
    tell(h, key, HEAL_NOT, why.text);
    return true;
}

static bool heal_index(struct healer *h, struct err *e)
{
    struct repair_stats stats;

    /* What came back may be all that was missing; another check tells. */
    if (!h->needs_index && (!h->lacks_index || h->has_healed_index))
        return true;
    if (!repair_index(h->repo, NULL, NULL, &stats, e))
        return false;
    tell(h, "index", HEAL_AGAIN, "made again from the packs");
    return true;
}

bool heal_objects(struct repo *r, const char *const *keys, size_t count, healing_fn *fn, void *arg,
                  struct heal_stats *out, struct err *e)
{
    struct healer h = {.repo = r, .fn = fn, .arg = arg};

    /* Objects first: parity may be made again from those that were healed. */
    for (int parity = 0; parity < 2; parity++) {
        for (size_t i = 0; i < count; i++) {
            if ((strncmp(keys[i], PARITY_FOLDER, strlen(PARITY_FOLDER)) == 0) != (parity == 1))
                continue;
            if (cancel_is_requested())
                return cancel_err(e);
            if (!(parity == 1 ? heal_parity : heal_one)(&h, keys[i], e))
                return err_wrap(e, "repair %s", keys[i]);
        }
        if (parity == 0 && !heal_index(&h, e))
            return err_wrap(e, "repair the index");
    }
    repo_drop_index(r);
    *out = h.stats;
    return true;
}
