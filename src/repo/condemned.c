/*
 * What all condemned lists together say: packs that a collector is about to remove, told to
 * writers beforehand.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repo/condemned_list.h"

void condemned_done(struct condemned *c)
{
    for (size_t i = 0; i < c->list_count; i++)
        mem_free(c->lists[i]);
    mem_free(c->lists);
    mem_free(c->packs);
    mem_free(c->snapshots);
    *c = (struct condemned){0};
}

void condemned_auto(struct condemned *c)
{
    condemned_done(c);
}

/* A list that is removed meanwhile condemns nothing any more. */
static bool list_read(struct repo *r, const char *key, struct condemned *c, struct err *e)
{
    AUTO(condemned_list) struct condemned_list l = {0};

    if (!condemned_list_get(r, key, &l, e))
        return e->code == ERR_NOT_FOUND;
    c->packs = mem_resize(c->packs, c->count + l.pack_count, sizeof(*c->packs));
    for (size_t i = 0; i < l.pack_count; i++)
        c->packs[c->count++] = l.packs[i];
    c->snapshots =
        mem_resize(c->snapshots, c->snapshot_count + l.snapshot_count, sizeof(*c->snapshots));
    for (size_t i = 0; i < l.snapshot_count; i++)
        c->snapshots[c->snapshot_count++] = l.snapshots[i];
    c->lists = mem_resize(c->lists, c->list_count + 1, sizeof(*c->lists));
    c->lists[c->list_count++] = mem_string(key);
    return true;
}

static void condemned_sort(struct condemned *c)
{
    size_t kept = 0;

    if (c->count == 0)
        return;
    qsort(c->packs, c->count, sizeof(*c->packs), hash_order);
    for (size_t i = 1; i < c->count; i++)
        if (!hash_is_equal(&c->packs[kept], &c->packs[i]))
            c->packs[++kept] = c->packs[i];
    c->count = kept + 1;
}

bool condemned_read(struct repo *r, const char *except, struct condemned *out, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};
    AUTO(condemned) struct condemned c = {0};

    if (!key_list_read(r, "condemned/", &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++)
        if (except == NULL || strcmp(keys.items[i], except) != 0)
            if (!list_read(r, keys.items[i], &c, e))
                return false;
    condemned_sort(&c);
    *out = c;
    c = (struct condemned){0};
    return true;
}

bool condemned_check(struct repo *r, struct err *e)
{
    AUTO(condemned) struct condemned c = {0};

    return !r->has_bad_condemned || condemned_read(r, NULL, &c, e);
}

bool condemned_has(const struct condemned *c, const struct hash *pack)
{
    return c->count > 0 && bsearch(pack, c->packs, c->count, sizeof(*c->packs), hash_order);
}

bool condemned_has_snapshot(const struct condemned *c, const struct hash *snapshot)
{
    for (size_t i = 0; i < c->snapshot_count; i++)
        if (hash_is_equal(&c->snapshots[i], snapshot))
            return true;
    return false;
}
