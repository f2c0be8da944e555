/* Entries and wanted[] grow together, by doubling. */
#include <stdlib.h>

#include "base/mem.h"
#include "source/source.h"

#include <assert.h>

#define LISTING_ROOM 16

struct listing *listing_new(void)
{
    return mem_new(sizeof(struct listing));
}

void listing_free(struct listing *l)
{
    if (l == NULL)
        return;
    arena_done(&l->arena);
    mem_free(l->entries);
    mem_free(l->wanted);
    mem_free(l);
}

void listing_auto(struct listing **l)
{
    listing_free(*l);
}

struct entry *listing_add(struct listing *l)
{
    if (l->count == l->room) {
        l->room = l->room > 0 ? l->room * 2 : LISTING_ROOM;
        l->entries = mem_resize(l->entries, l->room, sizeof(l->entries[0]));
        l->wanted = mem_resize(l->wanted, l->room, sizeof(l->wanted[0]));
    }
    l->entries[l->count] = (struct entry){0};
    l->wanted[l->count] = false;
    return &l->entries[l->count++];
}

static int compare_names(const void *a, const void *b)
{
    const struct entry *first = a;
    const struct entry *second = b;

    return slice_compare(first->name, second->name);
}

static bool is_sorted(const struct listing *l)
{
    for (size_t i = 1; i < l->count; i++)
        if (compare_names(&l->entries[i - 1], &l->entries[i]) >= 0)
            return false;
    return true;
}

void listing_sort(struct listing *l)
{
    if (is_sorted(l))
        return;
    qsort(l->entries, l->count, sizeof(l->entries[0]), compare_names);
    assert(is_sorted(l));
}
