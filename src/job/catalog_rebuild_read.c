/* What repositories tell of the backups in them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "job/catalog_rebuild_private.h"
#include "job/config_travel.h"

enum { SET_NAME_MAX = 200 };

struct rebuild *rebuild_new(void)
{
    return mem_new(sizeof(struct rebuild));
}

void rebuild_free(struct rebuild *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->snapshot_count; i++)
        snapshot_free(b->snapshots[i].snapshot);
    mem_free(b->snapshots);
    mem_free(b->drills);
    arena_done(&b->arena);
    mem_free(b);
}

void rebuild_auto(struct rebuild **b)
{
    rebuild_free(*b);
}

const struct hash *rebuild_origin(const struct snapshot *s)
{
    return s->has_original ? &s->original : &s->id;
}

void rebuild_found(const struct rebuild *b, struct rebuild_found *out)
{
    *out = b->found;
}

/* Reading */

/* A name that the catalog takes. */
static bool is_name(const char *set)
{
    size_t size = 0;

    while ((uint8_t)set[size] >= 0x20 && set[size] != 0x7f && size <= SET_NAME_MAX)
        size++;
    return size > 0 && size <= SET_NAME_MAX && set[size] == '\0';
}

static void add_snapshot(struct rebuild *b, const char *name, struct snapshot **s)
{
    if ((*s)->set == NULL || !is_name((*s)->set)) {
        b->found.without_set++;
        return;
    }
    if (snapshot_has_tag(*s, SNAPSHOT_SAFETY)) {
        b->found.safety++;
        return;
    }
    if (snapshot_is_import(*s)) {
        b->found.imports++;
        return;
    }
    b->found.snapshots++;
    b->snapshots = mem_resize(b->snapshots, b->snapshot_count + 1, sizeof(*b->snapshots));
    b->snapshots[b->snapshot_count++] = (struct rebuild_snapshot){TAKE(*s), name};
}

struct reading {
    struct rebuild *rebuild;
    damaged_fn *damaged;
    void *arg;
};

static void tell_damaged(void *arg, const char *key, const struct err *why)
{
    const struct reading *r = arg;

    r->damaged(r->arg, key, why);
}

static bool add_drill(void *arg, const struct hash *snapshot, int64_t time_ns, struct slice json,
                      struct err *e)
{
    struct rebuild *b = ((const struct reading *)arg)->rebuild;
    AUTO(json) json_t *j = json_loadb((const char *)json.data, json.size, 0, NULL);
    const char *set = json_string_value(json_object_get(j, "set"));

    (void)e;
    if (set == NULL || !is_name(set))
        return true;
    b->found.drills++;
    b->drills = mem_resize(b->drills, b->drill_count + 1, sizeof(*b->drills));
    b->drills[b->drill_count++] =
        (struct rebuild_drill){*snapshot, time_ns, arena_string(&b->arena, json),
                               arena_string(&b->arena, slice_string(set))};
    return true;
}

bool rebuild_read(struct rebuild *b, const char *name, struct repo *r, damaged_fn *damaged,
                  void *arg, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};
    const char *kept = arena_string(&b->arena, slice_string(name));
    struct reading reading = {b, damaged, arg};

    if (!snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, damaged, arg, &all, e))
        return false;
    for (size_t i = 0; i < all.count; i++)
        add_snapshot(b, kept, &all.items[i]);
    return evidence_load_all(r, &(struct evidence_visit){add_drill, tell_damaged, &reading}, e);
}

/* Order */

static int compare(const void *a, const void *b)
{
    const struct snapshot *x = ((const struct rebuild_snapshot *)a)->snapshot;
    const struct snapshot *y = ((const struct rebuild_snapshot *)b)->snapshot;
    int order = strcmp(x->set, y->set);

    /* Copies have the time of what they are copies of. */
    if (order == 0)
        order = (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
    if (order == 0)
        order = memcmp(rebuild_origin(x)->bytes, rebuild_origin(y)->bytes, HASH_SIZE);
    return order != 0 ? order : (int)x->has_original - (int)y->has_original;
}

void rebuild_sort(struct rebuild *b)
{
    if (b->snapshot_count > 0)
        qsort(b->snapshots, b->snapshot_count, sizeof(*b->snapshots), compare);
}

/* Configurations */

json_t *rebuild_set_config(const struct snapshot *s)
{
    AUTO(json)
    json_t *all = s->configuration == NULL ? NULL : json_loads(s->configuration, 0, NULL);

    return json_incref(json_object_get(json_object_get(all, "sets"), s->set));
}

static bool is_older(const struct snapshot *a, const struct snapshot *b)
{
    return a->time_ns < b->time_ns;
}

size_t rebuild_newest(const struct rebuild *b, const struct snapshot **out)
{
    size_t count = 0;

    for (size_t i = 0; i < b->snapshot_count; i++) {
        const struct snapshot *s = b->snapshots[i].snapshot;
        size_t n = 0;

        if (s->configuration == NULL)
            continue;
        while (n < count && strcmp(out[n]->set, s->set) != 0)
            n++;
        if (n == count)
            out[count++] = s;
        else if (is_older(out[n], s))
            out[n] = s;
    }
    for (size_t i = 1; i < count; i++)
        for (size_t n = i; n > 0 && is_older(out[n - 1], out[n]); n--) {
            const struct snapshot *s = out[n];

            out[n] = out[n - 1];
            out[n - 1] = s;
        }
    return count;
}

json_t *rebuild_configuration(const struct rebuild *b)
{
    AUTO(mem) const struct snapshot **newest = mem_array(b->snapshot_count, sizeof(*newest));
    const size_t count = rebuild_newest(b, newest);
    json_t *all = NULL;
    struct err why; /* one that is no configuration says nothing */

    /* What sets have in common is as the last backup of all knew it. */
    for (size_t i = 0; i < count; i++)
        (void)!config_travel_join(&all, newest[i]->configuration, &why);

    json_t *sets = json_object_get(all, "sets");

    for (size_t i = 0; i < count; i++)
        if (json_object_get(json_object_get(sets, newest[i]->set), "backup_config") != NULL)
            json_object_del(sets, newest[i]->set);
    return all;
}
