#include "job/stores.h"

#include <string.h>

#include "base/mem.h"
#include "job/backup_former.h"
#include "job/job.h"

enum { PREFIX_MIN = 4 }; /* digits of an id */

/* What a run tells */

void stores_result_done(struct stores_result *r)
{
    mem_free(r->stores);
    *r = (struct stores_result){0};
}

void stores_result_auto(struct stores_result *r)
{
    stores_result_done(r);
}

static void result_init(struct stores_result *r, const struct set_stores *s)
{
    *r = (struct stores_result){.stores = mem_array(s->count, sizeof(*r->stores)),
                                .count = s->count};
    for (size_t i = 0; i < s->count; i++)
        r->stores[i] = (struct store_outcome){.name = s->items[i].config->name,
                                              .has_failed = set_stores_is_settled(s, i) &&
                                                            s->items[i].repo == NULL,
                                              .why = s->items[i].why};
}

/* A store that failed is left alone for the rest of the run. */
static void give_up(struct set_stores *s, struct stores_result *r, size_t n, const struct err *why)
{
    set_store_close(&s->items[n]);
    s->items[n].why = *why;
    r->stores[n].has_failed = true;
    r->stores[n].why = *why;
}

/* Wait until it is known whether a store can be opened; the result knows then, too. */
static void settle(struct set_stores *s, struct stores_result *r, size_t n)
{
    const struct set_store *one = &s->items[n];

    if (set_stores_is_settled(s, n))
        return;
    set_stores_settle(s, n);
    r->stores[n].has_failed = one->repo == NULL;
    r->stores[n].why = one->why;
}

static void result_count(struct stores_result *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct store_outcome *o = &r->stores[i];
        const bool should = r->backup != NULL && r->backup->is_committed;

        r->holders += o->has_it ? 1 : 0;
        r->is_degraded = r->is_degraded || o->has_failed || o->failed > 0 || (should && !o->has_it);
    }
}

/* Catching up */

static const unsigned of_interest = 1U << SNAPSHOT_COMMITTED | 1U << SNAPSHOT_FORGOTTEN;

/* What is damaged is for check to tell; it is copied again into where it is damaged. */
static void damage_ignored(void *arg, const char *key, const struct err *why)
{
    (void)arg, (void)key, (void)why;
}

static bool load_known(struct set_store *one, const char *set, struct err *e)
{
    struct snapshot_list *l = &one->known;
    size_t kept = 0;

    if (one->is_known)
        return true;
    snapshot_list_done(l);
    if (!snapshot_load_all(one->repo, of_interest, damage_ignored, NULL, l, e))
        return false;
    for (size_t i = 0; i < l->count; i++) {
        if (!snapshot_is_of_set(l->items[i], set) && !snapshot_is_upload(l->items[i], set)) {
            snapshot_free(l->items[i]);
            continue;
        }
        l->items[kept] = l->items[i];
        l->states[kept++] = l->states[i];
    }
    l->count = kept;
    one->is_known = true;
    return true;
}

/* Forgotten ones count: somebody did not want them there any more. */
static bool is_known(const struct set_store *to, const struct snapshot *s)
{
    for (size_t i = 0; i < to->known.count; i++)
        if (snapshot_is_copy(to->known.items[i], s))
            return true;
    for (size_t i = 0; i < to->planned_count; i++)
        if (snapshot_is_copy(to->planned[i], s))
            return true;
    return false;
}

static bool is_missing(const struct set_store *from, size_t n, const struct set_store *to)
{
    return from->known.states[n] == SNAPSHOT_COMMITTED && !is_known(to, from->known.items[n]);
}

static void plan(struct set_store *to, struct snapshot *const *list, size_t count)
{
    to->planned = mem_resize(to->planned, to->planned_count + count, sizeof(*to->planned));
    for (size_t i = 0; i < count; i++)
        to->planned[to->planned_count++] = list[i];
}

static const struct retention *rules_of(const struct set_stores *s, const struct set_store *to)
{
    return retention_is_empty(&to->config->retention) ? &s->set->retention : &to->config->retention;
}

/* The snapshots that one store has and another should get, oldest first; returns how many. */
static size_t choose(const struct set_stores *s, const struct set_store *from,
                     const struct set_store *to, struct snapshot **out)
{
    const size_t room = from->known.count + to->known.count;
    AUTO(mem) struct snapshot **all = mem_array(room, sizeof(struct snapshot *));
    AUTO(mem) bool *is_kept = mem_array(room, sizeof(*is_kept));
    size_t count = 0, chosen = 0;

    /* Imports are no state of the set: no rule is about them. */
    for (size_t i = 0; i < to->known.count; i++)
        if (to->known.states[i] == SNAPSHOT_COMMITTED && !snapshot_is_import(to->known.items[i]))
            all[count++] = to->known.items[i];
    for (size_t i = 0; i < from->known.count; i++)
        if (is_missing(from, i, to) && !snapshot_is_import(from->known.items[i]))
            all[count++] = from->known.items[i];
    forget_choose(rules_of(s, to), all, count, is_kept);
    for (size_t i = 0; i < from->known.count; i++) {
        if (snapshot_is_import(from->known.items[i]) && is_missing(from, i, to))
            out[chosen++] = from->known.items[i];
        for (size_t n = 0; n < count; n++)
            if (is_kept[n] && all[n] == from->known.items[i])
                out[chosen++] = all[n];
    }
    return chosen;
}

/* One copy under way. */
struct leg {
    struct copy_options inner; /* who else hears of it */
    const struct stores_result *result;
    struct store_outcome *to;
};

static void on_told(void *arg, const struct snapshot *s, enum copy_outcome outcome,
                    const struct hash *copy, const struct err *why)
{
    struct leg *leg = arg;
    const struct backup_result *b = leg->result->backup;

    if (outcome == COPY_DONE && b != NULL && b->is_committed &&
        hash_is_equal(&s->id, &b->snapshot)) {
        leg->to->has_it = true;
        leg->to->snapshot = *copy;
    }
    if (leg->inner.told != NULL)
        leg->inner.told(leg->inner.arg, s, outcome, copy, why);
}

static void on_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    const struct leg *leg = arg;

    if (leg->inner.progress != NULL)
        leg->inner.progress(leg->inner.arg, step, done, total);
}

/* False only when the run is over. */
static bool copy_between(struct set_stores *s, size_t from, size_t to,
                         const struct stores_report *report, struct stores_result *r, struct err *e)
{
    struct set_store *source = &s->items[from], *destination = &s->items[to];
    struct copy_stats stats = {0};
    struct err why = {0};

    settle(s, r, from);
    settle(s, r, to);
    if (source->repo == NULL || destination->repo == NULL)
        return true;
    if (!load_known(source, s->set->name, &why)) {
        give_up(s, r, from, &why);
        return why.code != ERR_CANCELLED || err_set(e, ERR_CANCELLED, "%s", why.text);
    }
    if (!load_known(destination, s->set->name, &why)) {
        give_up(s, r, to, &why);
        return why.code != ERR_CANCELLED || err_set(e, ERR_CANCELLED, "%s", why.text);
    }

    AUTO(mem) struct snapshot **list = mem_array(source->known.count, sizeof(struct snapshot *));
    const size_t count = choose(s, source, destination, list);
    struct leg leg = {.inner = report->copy(report->arg, destination->config->name),
                      .result = r,
                      .to = &r->stores[to]};
    const struct copy_options o = {
        .is_dry_run = leg.inner.is_dry_run, .progress = on_progress, .told = on_told, .arg = &leg};

    if (count == 0)
        return true;

    const bool ok = copy_run(source->repo, destination->repo, list, count, &o, &stats, &why);

    r->stores[to].copied += stats.snapshots_copied;
    r->stores[to].failed += stats.snapshots_failed;
    if (o.is_dry_run)
        plan(destination, list, count);
    else
        destination->is_known = false;
    if (ok)
        return true;
    if (why.code == ERR_CANCELLED)
        return err_set(e, ERR_CANCELLED, "%s", why.text);
    give_up(s, r, stats.is_source_failure ? from : to, &why);
    return true;
}

/* First what the first store has to all others, then what the others have to each. */
static bool exchange(struct set_stores *s, size_t first, const struct stores_report *report,
                     struct stores_result *r, struct err *e)
{
    for (size_t n = 0; n < s->count; n++) {
        const size_t from = (first + n) % s->count;

        for (size_t to = 0; to < s->count; to++)
            if (to != from && !copy_between(s, from, to, report, r, e))
                return false;
    }
    return true;
}

bool stores_catch_up(struct set_stores *s, const struct stores_report *report,
                     struct stores_result *out, struct err *e)
{
    AUTO(stores_result) struct stores_result r;

    result_init(&r, s);
    if (!exchange(s, 0, report, &r, e))
        return false;
    result_count(&r);
    *out = r;
    r = (struct stores_result){0};
    return true;
}

/* Backing up */

/* What a former attempt at the job committed, in whichever stores.  All have to answer first: what
 * only the slowest has is not made again.  False only when the run is over. */
static bool find_former(struct set_stores *s, const struct backup_options *o,
                        struct backup_result *result, struct stores_result *r, struct err *e)
{
    const struct snapshot *made = NULL;
    struct err why = {0};

    for (size_t i = 0; i < s->count; i++) {
        struct set_store *one = &s->items[i];

        settle(s, r, i);
        if (one->repo == NULL)
            continue;
        if (!load_known(one, s->set->name, &why)) {
            if (why.code == ERR_CANCELLED)
                return err_set(e, ERR_CANCELLED, "%s", why.text);
            give_up(s, r, i, &why);
        } else if (made == NULL) {
            made = backup_former_find(&one->known, o);
            r->first = i;
        }
    }
    if (made == NULL)
        return true;
    backup_former_result(made, result);
    for (size_t i = 0; i < s->count; i++) {
        const struct snapshot *copy =
            s->items[i].repo == NULL ? NULL : backup_former_copy(&s->items[i].known, made);

        r->stores[i].has_it = copy != NULL;
        if (copy != NULL)
            r->stores[i].snapshot = copy->id;
    }
    return true;
}

/* Into the first store that takes it; those that do not answer yet are asked last. */
static bool store_anew(struct set_stores *s, const struct backup_options *o,
                       const struct stores_report *report, struct backup_result *result,
                       struct stores_result *r, struct err *e)
{
    for (size_t n = 0; n < 2 * s->count; n++) {
        struct set_store *one = &s->items[n % s->count];

        r->first = n % s->count;
        if (n >= s->count)
            settle(s, r, r->first);
        if (one->repo == NULL)
            continue;
        one->is_known = false;
        if (backup_run(one->repo, o, report->backup, result, e))
            return true;
        if (e->code == ERR_CANCELLED || result->is_source_failure)
            return false;
        give_up(s, r, r->first, e);
    }
    for (size_t i = s->count; i-- > 0;)
        if (r->stores[i].has_failed)
            *e = r->stores[i].why;
    return s->count > 1 ? err_wrap(e, "no repository took the backup") : false;
}

static bool back_up(struct set_stores *s, const struct backup_options *o,
                    const struct stores_report *report, struct backup_result *result,
                    struct stores_result *r, struct err *e)
{
    struct backup_options anew = *o;

    anew.is_again = false; /* is asked here, of all stores */
    *result = (struct backup_result){0};
    if (backup_former_is_wanted(o) && !find_former(s, o, result, r, e))
        return false;
    return result->is_found || store_anew(s, &anew, report, result, r, e);
}

/* Into one store, and from there into the others. */
static bool back_up_and_copy(struct set_stores *s, const struct backup_options *o,
                             const struct stores_report *report, struct backup_result *result,
                             struct stores_result *r, struct err *e)
{
    if (!back_up(s, o, report, result, r, e))
        return false;
    r->backup = result;
    r->stores[r->first].has_it = result->is_committed;
    r->stores[r->first].snapshot = result->snapshot;
    return o->is_dry_run || exchange(s, r->first, report, r, e);
}

/* The store that took the backup has failed before any other had it, and there are others. */
static bool is_out_of_reach(const struct set_stores *s, const struct stores_result *r)
{
    bool is_open = false;

    if (s->items[r->first].repo != NULL || !r->stores[r->first].has_it)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        if (i != r->first && r->stores[i].has_it)
            return false;
        is_open = is_open || s->items[i].repo != NULL;
    }
    return is_open;
}

/* False only when the run is over; when no other store takes it, that of before still counts. */
static bool back_up_again(struct set_stores *s, const struct backup_options *o,
                          const struct stores_report *report, struct stores_result *r,
                          struct err *e)
{
    struct backup_result *first_result = r->backup;
    const size_t first = r->first;
    struct backup_result again = {0};
    struct err why = {0};

    r->stores[first].has_it = false;
    if (back_up_and_copy(s, o, report, &again, r, &why)) {
        *first_result = again;
        r->backup = first_result;
        return true;
    }
    if (why.code == ERR_CANCELLED)
        return err_set(e, ERR_CANCELLED, "%s", why.text);
    r->stores[first].has_it = true;
    r->first = first;
    r->backup = first_result;
    return true;
}

bool stores_backup(struct set_stores *s, const struct backup_options *o,
                   const struct stores_report *report, struct backup_result *result,
                   struct stores_result *out, struct err *e)
{
    AUTO(stores_result) struct stores_result r;

    result_init(&r, s);
    if (!back_up_and_copy(s, o, report, result, &r, e))
        return false;
    for (size_t i = 0; i < s->count; i++)
        settle(s, &r, i);
    while (is_out_of_reach(s, &r))
        if (!back_up_again(s, o, report, &r, e))
            return false;
    result_count(&r);
    *out = r;
    r = (struct stores_result){0};
    return true;
}

/* Finding */

/* By the beginning of the id of which it is a copy. */
static bool find_copy(struct set_store *one, const char *selector, const char *set,
                      struct snapshot **out, char **sub, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};
    const size_t size = strcspn(selector, ":");

    if (size < PREFIX_MIN ||
        !snapshot_load_all(one->repo, 1U << SNAPSHOT_COMMITTED, damage_ignored, NULL, &all, e))
        return false;
    for (size_t i = all.count; i-- > 0;) {
        char text[65];

        snapshot_id_text(snapshot_origin(all.items[i]), text);
        if (strncmp(text, selector, size) != 0 || !snapshot_is_of_set(all.items[i], set))
            continue;
        *out = TAKE(all.items[i]);
        *sub = selector[size] == '\0'
                   ? NULL
                   : mem_string(selector + size + 1 + strspn(selector + size + 1, "/"));
        return true;
    }
    return false;
}

static bool find_in(struct set_store *one, const char *selector, const struct snapshot_filter *f,
                    bool is_latest, struct snapshot **out, char **sub, struct err *e)
{
    struct err why = {0};

    if (snapshot_resolve(one->repo, selector, f, out, sub, e))
        return true;
    return e->code == ERR_NOT_FOUND && !is_latest &&
           find_copy(one, selector, f == NULL ? NULL : f->set, out, sub, &why);
}

bool stores_find(struct set_stores *s, const char *selector, const struct snapshot_filter *f,
                 size_t *which, struct snapshot **out, char **sub, struct err *e)
{
    const bool is_latest = strncmp(selector, "latest", strcspn(selector, ":")) == 0;
    AUTO(snapshot) struct snapshot *best = NULL;
    AUTO(mem) char *best_sub = NULL;
    struct err first = {0};

    for (size_t i = 0; i < s->count && (best == NULL || is_latest); i++) {
        AUTO(snapshot) struct snapshot *found = NULL;
        AUTO(mem) char *found_sub = NULL;

        if (s->items[i].repo == NULL)
            continue;
        if (!find_in(&s->items[i], selector, f, is_latest, &found, &found_sub, e)) {
            /* Damage there is no reason not to look elsewhere. */
            if (first.code == ERR_NONE || first.code == ERR_NOT_FOUND)
                first = *e;
            continue;
        }
        if (best != NULL && best->time_ns >= found->time_ns)
            continue;
        snapshot_free(best);
        mem_free(best_sub);
        best = TAKE(found);
        best_sub = TAKE(found_sub);
        *which = i;
    }
    if (best == NULL) {
        *e = first;
        return false;
    }
    *out = TAKE(best);
    *sub = TAKE(best_sub);
    return true;
}
