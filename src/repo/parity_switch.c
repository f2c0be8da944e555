/*
 * Whether new objects get parity, and making it for those that have none.
 *
 *     switch  {"data": shards, "parity": shards, "area": bytes, "time": time}     parity/switch
 *
 * Parity is on where this object is.  Both ways end after an interruption when they are repeated.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "repo/parity_objects.h"

/* Objects removed with one call. */
#define REMOVE_MAX 500

const struct parity_rule parity_rule_default = {.data = 128, .parity = 4, .area = 0};

/* The switch */

bool parity_switch_decode(struct slice plain, struct parity_rule *out, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    uint64_t data, parity, area;

    if (!document_parse(plain, &j, e) || !json_take_u64(j, "data", &data, e) ||
        !json_take_u64(j, "parity", &parity, e) || !json_take_u64(j, "area", &area, e))
        return false;

    const struct parity_rule rule = {
        .data = (uint32_t)data, .parity = (uint32_t)parity, .area = (uint32_t)area};

    if (data > UINT32_MAX || parity > UINT32_MAX || area > UINT32_MAX ||
        !parity_rule_is_valid(&rule))
        return err_set(e, ERR_CORRUPT, "it names shards that cannot be");
    *out = rule;
    return true;
}

static bool switch_read(struct repo *r, bool *is_on, bool *is_damaged, struct parity_rule *rule,
                        struct err *e)
{
    AUTO(key_list) struct key_list found = {0};
    AUTO(buf) struct buf plain = {0};

    /* A listing, for most stores answer that an object is missing as slowly as they fetch one. */
    *is_on = *is_damaged = false;
    if (!key_list_read(r, PARITY_SWITCH, &found, e))
        return false;
    if (found.count == 0)
        return true;
    *is_on = true;
    if (document_get(r, CLASS_PARITY, PARITY_SWITCH, &plain, e) &&
        parity_switch_decode(buf_slice(&plain), rule, e))
        return true;
    *is_on = e->code != ERR_NOT_FOUND;
    *is_damaged = e->code == ERR_CORRUPT || e->code == ERR_USAGE || e->code == ERR_FATAL;
    *rule = parity_rule_default;
    return *is_damaged || !*is_on;
}

bool parity_ask_again(struct repo *r, bool *is_on, bool *is_damaged, struct parity_rule *rule,
                      struct err *e)
{
    struct parity_state *s = &r->parity;
    bool ok;

    *rule = parity_rule_default;
    pthread_mutex_lock(&s->lock);
    ok = switch_read(r, is_on, is_damaged, rule, e);
    if (ok) {
        s->is_known = true;
        s->is_on = *is_on;
        s->rule = *rule;
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

bool parity_ask(struct repo *r, bool *is_on, struct parity_rule *rule, struct err *e)
{
    struct parity_state *s = &r->parity;
    bool is_damaged;

    pthread_mutex_lock(&s->lock);

    const bool is_known = s->is_known;

    *is_on = s->is_on;
    *rule = s->rule;
    pthread_mutex_unlock(&s->lock);
    return is_known || parity_ask_again(r, is_on, &is_damaged, rule, e);
}

static bool switch_put(struct repo *r, const struct parity_rule *rule, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf object = {0};
    char now[CLOCK_TEXT_MAX];
    bool is_on, is_damaged;
    struct parity_rule again;

    clock_format(clock_now_ns(), now);

    AUTO(json)
    json_t *j = json_pack("{s:I, s:I, s:I, s:s}", "data", (json_int_t)rule->data, "parity",
                          (json_int_t)rule->parity, "area", (json_int_t)rule->area, "time", now);

    json_append(j, &plain);
    document_seal(r, CLASS_PARITY, buf_slice(&plain), &object);
    return store_put(r->store, PARITY_SWITCH, buf_slice(&object), PUT_REPLACE, e) &&
           parity_ask_again(r, &is_on, &is_damaged, &again, e);
}

/* Objects and their parity, as a listing shows them */

struct census {
    struct key_list parity; /* by key */
    struct key_list objects;
    size_t *order; /* of parity */
};

static void census_auto(struct census *c)
{
    key_list_done(&c->parity);
    key_list_done(&c->objects);
    mem_free(c->order);
}

static int order_compare(const void *a, const void *b, void *arg)
{
    const struct key_list *l = arg;

    return strcmp(l->items[*(const size_t *)a], l->items[*(const size_t *)b]);
}

/* Parity first: an object that comes in between only seems to lack it. */
static bool census_take(struct repo *r, struct census *c, struct err *e)
{
    if (!key_list_read(r, PARITY_FOLDER, &c->parity, e) || !key_list_read(r, "", &c->objects, e))
        return false;
    c->order = mem_array(c->parity.count, sizeof(*c->order));
    for (size_t i = 0; i < c->parity.count; i++)
        c->order[i] = i;
    if (c->parity.count > 0)
        qsort_r(c->order, c->parity.count, sizeof(*c->order), order_compare, &c->parity);
    return true;
}

/* The size of an object's parity; 0 when it has none. */
static uint64_t census_size(const struct census *c, const char *key)
{
    char wanted[PARITY_KEY_MAX];
    size_t low = 0;
    size_t high = c->parity.count;

    parity_key(key, wanted);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(c->parity.items[c->order[middle]], wanted);

        if (order == 0)
            return c->parity.sizes[c->order[middle]];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Making what is missing */

struct filling {
    struct repo *repo;
    const struct parity_work *work;
    struct parity_rule rule;
    struct parity_figures *figures;
};

/* An object that is damaged gets no parity; it is told. */
static bool fill_object(struct filling *f, const char *key, struct err *e)
{
    AUTO(buf) struct buf object = {0};
    struct object_info info;
    struct err why = {0};
    char at[PARITY_KEY_MAX];

    if (!store_get_all(f->repo->store, key, &object, &why) ||
        !object_prove(f->repo, key, buf_slice(&object), &why)) {
        if (why.code == ERR_NOT_FOUND)
            return true;
        if (why.code != ERR_CORRUPT && why.code != ERR_USAGE && why.code != ERR_FATAL) {
            *e = why;
            return false;
        }
        f->figures->damaged++;
        if (f->work->damaged != NULL)
            f->work->damaged(f->work->arg, key, &why);
        return true;
    }
    if (!parity_make(f->repo, &f->rule, key, buf_slice(&object), e))
        return false;
    f->figures->made++;
    /* Removed meanwhile, perhaps by one who saw no parity to remove. */
    if (store_stat(f->repo->store, key, &info, &why) || why.code != ERR_NOT_FOUND)
        return true;
    parity_key(key, at);
    return store_remove(f->repo->store, at, e);
}

static bool fill(struct filling *f, struct err *e)
{
    AUTO(census) struct census c = {0};
    const struct parity_work *w = f->work;

    if (!census_take(f->repo, &c, e))
        return false;
    for (size_t i = 0; i < c.objects.count; i++) {
        const char *key = c.objects.items[i];

        if (cancel_is_requested())
            return cancel_err(e);
        if (w->progress != NULL)
            w->progress(w->arg, "make parity", i, c.objects.count);
        if (!parity_covers(key) || c.objects.sizes[i] == 0)
            continue;
        if (census_size(&c, key) != parity_size_of(&f->rule, key, c.objects.sizes[i]) &&
            !fill_object(f, key, e))
            return false;
    }
    return true;
}

bool parity_measure(struct repo *r, struct parity_figures *out, struct err *e)
{
    AUTO(census) struct census c = {0};
    struct parity_figures f = {0};

    if (!parity_ask_again(r, &f.is_on, &f.is_damaged, &f.rule, e) || !census_take(r, &c, e))
        return false;
    for (size_t i = 0; i < c.objects.count; i++) {
        if (!parity_covers(c.objects.items[i]) || c.objects.sizes[i] == 0)
            continue;

        const uint64_t size = census_size(&c, c.objects.items[i]);

        f.objects++;
        f.bytes += c.objects.sizes[i];
        f.unprotected += size == 0 ? 1 : 0;
    }
    for (size_t i = 0; i < c.parity.count; i++)
        f.parity_bytes += c.parity.sizes[i];
    *out = f;
    return true;
}

static bool remove_parity(struct repo *r, const struct parity_work *w, uint64_t *removed,
                          struct err *e)
{
    AUTO(key_list) struct key_list all = {0};
    const char *keys[REMOVE_MAX];
    size_t count = 0;

    if (!key_list_read(r, PARITY_FOLDER, &all, e))
        return false;
    for (size_t i = 0; i < all.count; i++) {
        if (cancel_is_requested())
            return cancel_err(e);
        if (parity_key_parse(all.items[i]) != NULL)
            keys[count++] = all.items[i];
        if (count < REMOVE_MAX && i + 1 < all.count)
            continue;
        if (w->progress != NULL)
            w->progress(w->arg, "remove parity", i, all.count);
        if (!store_remove_all(r->store, keys, count, e))
            return false;
        *removed += count;
        count = 0;
    }
    return true;
}

bool parity_enable(struct repo *r, const struct parity_rule *rule, const struct parity_work *w,
                   struct parity_figures *out, struct err *e)
{
    struct parity_figures f = {0};
    struct parity_rule now;
    bool is_on, is_damaged;

    if (!parity_rule_is_valid(rule))
        return err_set(e, ERR_USAGE,
                       "%u + %u shards cannot be: at most %d together, and at least twice as many "
                       "of data as of parity",
                       rule->data, rule->parity, PARITY_SHARDS_MAX);
    if (!parity_ask_again(r, &is_on, &is_damaged, &now, e))
        return false;
    /* What an earlier time left may be of objects that have been removed since. */
    if (!is_on && !remove_parity(r, w, &f.removed, e))
        return false;
    if ((!is_on || is_damaged || memcmp(&now, rule, sizeof(now)) != 0) && !switch_put(r, rule, e))
        return false;

    struct filling filling = {.repo = r, .work = w, .rule = *rule, .figures = &f};
    struct parity_figures after;

    if (!fill(&filling, e) || !parity_measure(r, &after, e))
        return false;
    after.made = f.made;
    after.damaged = f.damaged;
    *out = after;
    return true;
}

bool parity_disable(struct repo *r, const struct parity_work *w, struct parity_figures *out,
                    struct err *e)
{
    uint64_t removed = 0;

    if (!store_remove(r->store, PARITY_SWITCH, e) || !remove_parity(r, w, &removed, e) ||
        !parity_measure(r, out, e))
        return false;
    out->removed = removed;
    return true;
}
