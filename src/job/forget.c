/*
 * Forgetting snapshots by rules, group by group, and changing tags.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/job.h"

static int compare_for_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Tags and paths are sets: their order makes no other group. */
static void sort_texts(struct snapshot *s)
{
    if (s->tag_count > 0)
        qsort(s->tags, s->tag_count, sizeof(char *), compare_for_texts);
    if (s->path_count > 0)
        qsort(s->paths, s->path_count, sizeof(char *), compare_for_texts);
}

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int compare_lists(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++) {
        const int order = strcmp(a[i], b[i]);

        if (order != 0)
            return order;
    }
    return a_count < b_count ? -1 : a_count > b_count;
}

/* Members of the same group compare equal. */
static int compare_groups(const struct forget_options *o, const struct snapshot *a,
                          const struct snapshot *b)
{
    int order = 0;

    if (o->group_by_host)
        order = compare_texts(a->host, b->host);
    if (order == 0 && o->group_by_paths)
        order = compare_lists(a->paths, a->path_count, b->paths, b->path_count);
    if (order == 0 && o->group_by_tags)
        order = compare_lists(a->tags, a->tag_count, b->tags, b->tag_count);
    return order;
}

static int compare_for_sort(const void *a, const void *b, void *arg)
{
    const struct snapshot *x = *(struct snapshot *const *)a, *y = *(struct snapshot *const *)b;
    const int order = compare_groups(arg, x, y);

    if (order != 0)
        return order;
    if (x->time_ns != y->time_ns)
        return x->time_ns > y->time_ns ? -1 : 1;
    return memcmp(x->id.bytes, y->id.bytes, HASH_SIZE);
}

static bool forget_group(struct repo *r, const struct forget_options *o,
                         struct snapshot **newest_first, size_t count, forget_fn *fn, void *arg,
                         uint64_t *removed, struct err *e)
{
    AUTO(mem) struct keep_reasons *reasons = mem_array(count, sizeof(*reasons));
    const struct forget_group g = {.host = o->group_by_host ? newest_first[0]->host : NULL,
                                   .sample = newest_first[0],
                                   .newest_first = newest_first,
                                   .reasons = reasons,
                                   .count = count};

    retention_apply(&o->rules, newest_first, count, reasons);
    for (size_t i = 0; i < count; i++) {
        if (reasons[i].is_kept)
            continue;
        if (!o->is_dry_run && !snapshot_forget(r, &newest_first[i]->id, "retention rules", e))
            return false;
        ++*removed;
    }
    return fn(arg, &g, e);
}

bool forget_run(struct repo *r, const struct forget_options *o, forget_fn *fn, void *arg,
                uint64_t *removed, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};
    AUTO(mem) struct snapshot **chosen = NULL;
    size_t count = 0;

    if (retention_is_empty(&o->rules))
        return err_set(e, ERR_USAGE, "no rule says which snapshots to keep");
    if (!snapshot_load_all(r, 1u << SNAPSHOT_COMMITTED, NULL, NULL, &all, e))
        return false;
    chosen = mem_array(all.count, sizeof(struct snapshot *));
    for (size_t i = 0; i < all.count; i++)
        if (snapshot_matches(all.items[i], &o->filter)) {
            sort_texts(all.items[i]);
            chosen[count++] = all.items[i];
        }

    struct forget_options order = *o;

    qsort_r(chosen, count, sizeof(struct snapshot *), compare_for_sort, &order);
    *removed = 0;
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count; end++)
            if (compare_groups(o, chosen[first], chosen[end]) != 0)
                break;
        if (!forget_group(r, o, chosen + first, end - first, fn, arg, removed, e))
            return false;
    }
    return true;
}

void forget_choose(const struct retention *rules, struct snapshot **list, size_t count,
                   bool *is_kept)
{
    struct forget_options o = {.group_by_host = true, .group_by_paths = true};
    const bool keeps_all = retention_is_empty(rules);
    AUTO(mem) struct keep_reasons *reasons = mem_array(count, sizeof(*reasons));

    for (size_t i = 0; i < count; i++)
        sort_texts(list[i]);
    if (count > 0)
        qsort_r(list, count, sizeof(struct snapshot *), compare_for_sort, &o);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count; end++)
            if (compare_groups(&o, list[first], list[end]) != 0)
                break;
        retention_apply(rules, list + first, end - first, reasons + first);
    }
    for (size_t i = 0; i < count; i++)
        is_kept[i] = keeps_all || reasons[i].is_kept;
}

/*
 * A copy of a snapshot needs what the original needs.  Lists first, then the original, as
 * writers do: a collector that saw the original forgotten has removed it before its packs.
 */
static bool confirm_copy(struct repo *r, const struct hash *original, struct err *e)
{
    AUTO(snapshot) struct snapshot *still = NULL;
    bool is_collecting;

    if (!repo_is_collecting(r, &is_collecting, e))
        return false;
    if (is_collecting)
        return err_set(e, ERR_TRANSIENT,
                       "a prune is running or was interrupted; run prune to its end first");
    return snapshot_load(r, original, &still, e);
}

bool tag_run(struct repo *r, const struct snapshot *s, const char *const *tags, size_t tag_count,
             struct hash *out, struct err *e)
{
    AUTO(snapshot) struct snapshot *copy = NULL;
    struct err withdrawn = {0};

    if (!snapshot_load(r, &s->id, &copy, e))
        return false;
    for (size_t i = 0; i < copy->tag_count; i++)
        mem_free(copy->tags[i]);
    copy->tag_count = 0;
    for (size_t i = 0; i < tag_count; i++)
        snapshot_add_tag(copy, tags[i]);
    if (!copy->has_original) {
        copy->has_original = true;
        copy->original = s->id;
    }
    if (!snapshot_put(r, copy, e))
        return false;
    if (!confirm_copy(r, &s->id, e)) {
        /* When this fails too, what is left behind is a prepared snapshot: litter. */
        const bool is_withdrawn = snapshot_withdraw(r, &copy->id, &withdrawn);

        (void)is_withdrawn;
        return err_wrap(e, "tags not changed");
    }
    if (!snapshot_commit(r, &copy->id, e) || !snapshot_forget(r, &s->id, "tags changed", e))
        return false;
    *out = copy->id;
    return true;
}
