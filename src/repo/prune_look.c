/*
 * What a collector sees of the store: lists of others, packs, snapshots.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/prune.h"

void look_auto(struct look *l)
{
    condemned_done(&l->others);
    key_list_done(&l->packs);
    mem_free(l->pack_ids);
    mem_free(l->snapshots);
    *l = (struct look){0};
}

bool look_has_pack(const struct look *l, const struct hash *id, size_t *number)
{
    const struct hash *found = NULL;

    if (l->packs.count > 0)
        found = bsearch(id, l->pack_ids, l->packs.count, sizeof(*found), hash_order);
    if (found == NULL)
        return false;
    *number = (size_t)(found - l->pack_ids);
    return true;
}

struct listed_pack {
    struct hash id;
    char *key;
    uint64_t size;
    int64_t mtime;
};

static int listed_pack_compare(const void *a, const void *b)
{
    return hash_order(&((const struct listed_pack *)a)->id, &((const struct listed_pack *)b)->id);
}

/* Keep what are keys of packs, in the order of ids. */
static void sort_packs(struct look *l)
{
    AUTO(mem) struct listed_pack *rows = mem_array(l->packs.count, sizeof(*rows));
    struct key_list *k = &l->packs;
    size_t count = 0;

    for (size_t i = 0; i < k->count; i++) {
        struct listed_pack row = {.key = k->items[i], .size = k->sizes[i], .mtime = k->mtimes[i]};

        if (pack_key_parse(row.key, &row.id))
            rows[count++] = row;
        else
            mem_free(row.key);
    }
    if (count > 0)
        qsort(rows, count, sizeof(*rows), listed_pack_compare);
    l->pack_ids = mem_array(count, sizeof(*l->pack_ids));
    k->count = count;
    for (size_t i = 0; i < count; i++) {
        k->items[i] = rows[i].key;
        k->sizes[i] = rows[i].size;
        k->mtimes[i] = rows[i].mtime;
        l->pack_ids[i] = rows[i].id;
    }
}

/* The lists before the packs: a list goes after its packs, so a pack that is there although its
 * list was missed has not been condemned by the time that the lists were read. */
bool look_take(struct repo *r, const char *own_list, struct look *l, struct err *e)
{
    if (!condemned_read(r, own_list, &l->others, e) || !key_list_read(r, "packs/", &l->packs, e))
        return false;
    sort_packs(l);
    return snapshot_scan(r, "", NULL, NULL, &l->snapshots, &l->snapshot_count, e);
}

static bool are_young(const struct key_list *packs)
{
    const int64_t now_s = clock_now_ns() / NS_PER_S;

    for (size_t i = 0; i < packs->count; i++)
        if (now_s - packs->mtimes[i] >= PACK_YOUNG_S)
            return false;
    return true;
}

bool look_is_plausible(struct repo *r, const struct look *l, struct err *e)
{
    AUTO(key_list) struct key_list trash = {0};

    if (l->packs.count == 0 || l->snapshot_count > 0)
        return true;
    if (!key_list_read(r, "trash/", &trash, e))
        return false;
    if (trash.count > 0)
        return true;
    if (are_young(&l->packs))
        return err_set(e, ERR_TRANSIENT,
                       "there are %zu packs and no snapshot, as while the first backup runs; "
                       "nothing is removed before it has ended",
                       l->packs.count);
    return err_set(e, ERR_CORRUPT,
                   "there are %zu packs, but neither a snapshot nor a forgotten one; nothing is "
                   "removed on such grounds",
                   l->packs.count);
}
