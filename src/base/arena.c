/* Blocks of at least ARENA_BLOCK bytes in a list, newest first. */
#include "base/arena.h"

#include <string.h>

#include "base/mem.h"

#define ARENA_BLOCK ((size_t)32 << 10)

struct arena_block {
    struct arena_block *older;
    size_t used, room;
    uint64_t bytes[];
};

void *arena_take(struct arena *a, size_t size)
{
    const size_t need = (size + 7) / 8 * 8;
    struct arena_block *b = a->last;

    if (b == NULL || b->room - b->used < need) {
        /* The first block is small: most directories hold a few names only. */
        const size_t usual = b == NULL ? ARENA_BLOCK / 16 : ARENA_BLOCK;
        const size_t room = need > usual ? need : usual;

        b = mem_resize(NULL, 1, sizeof(*b) + room);
        b->older = a->last;
        b->used = 0;
        b->room = room;
        a->last = b;
    }
    void *p = (uint8_t *)b->bytes + b->used;

    b->used += need;
    return p;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    if (s.size == 0)
        return (struct slice){0};
    return SLICE_OF(memcpy(arena_take(a, s.size), s.data, s.size), s.size);
}

char *arena_string(struct arena *a, struct slice s)
{
    char *p = arena_take(a, s.size + 1);

    if (s.size > 0)
        memcpy(p, s.data, s.size);
    p[s.size] = '\0';
    return p;
}

void arena_done(struct arena *a)
{
    while (a->last != NULL) {
        struct arena_block *b = a->last;

        a->last = b->older;
        mem_free(b);
    }
}

void arena_auto(struct arena *a)
{
    arena_done(a);
}
