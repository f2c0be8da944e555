/*
 * A table of wanted bases, in the order of their places, under one lock.
 */
#include "repo/base_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* 24 MiB of memory; of more deltas than that the first. */
#define WANTED_MAX ((size_t)1 << 20)

struct wanted {
    struct place at;
    uint32_t uses;  /* by deltas that were not read yet */
    uint8_t *bytes; /* at.size of them; NULL: not there */
};

struct base_cache {
    pthread_mutex_t lock; /* guards what follows */
    struct wanted *items; /* by place, each once */
    size_t count, room;
    size_t kept; /* bytes */
};

static int compare_places(const struct place *a, const struct place *b)
{
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int compare_wanted(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;

    return compare_places(&x->at, &y->at);
}

static void want(struct base_cache *c, const struct place *at)
{
    if (c->count == WANTED_MAX)
        return;
    if (c->count == c->room) {
        c->room = c->room == 0 ? 1024 : c->room * 2;
        c->items = mem_resize(c->items, c->room, sizeof(*c->items));
    }
    c->items[c->count++] = (struct wanted){.at = *at, .uses = 1};
}

/* Want the bases of a frame, of equal ones in a row the first (prefix.h), and say behind which
 * frame all of them have passed by, if those of a pack are read one after the other. */
static uint32_t want_bases(struct base_cache *c, struct index *ix, uint32_t frame)
{
    const uint32_t count = index_frame_at(ix, frame).base_count;
    const struct index_base *bases = index_bases_at(ix, frame);
    uint32_t turn = 0;
    struct place at;

    for (uint32_t i = 0; i < count; i++) {
        if ((i > 0 && memcmp(bases[i].id.bytes, bases[i - 1].id.bytes, ID_PREFIX_SIZE) == 0) ||
            !index_find_base(ix, &bases[i].id, &at))
            continue;
        want(c, &at);

        const struct index_pack *p = index_pack_at(ix, index_frame_at(ix, at.frame).pack);
        const uint32_t last = p->first_frame + p->frame_count - 1;

        turn = last > turn ? last : turn;
    }
    return count > 0 ? turn : frame;
}

static void join_equals(struct base_cache *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->count; i++)
        if (count > 0 && compare_places(&c->items[count - 1].at, &c->items[i].at) == 0)
            c->items[count - 1].uses++;
        else
            c->items[count++] = c->items[i];
    c->count = count;
}

struct base_cache *base_cache_new(struct index *ix, const uint32_t *frames, size_t count,
                                  uint32_t *turns)
{
    struct base_cache *c = mem_new(sizeof(*c));

    pthread_mutex_init(&c->lock, NULL);
    for (size_t i = 0; i < count; i++) {
        const uint32_t turn = want_bases(c, ix, frames[i]);

        if (turns != NULL)
            turns[i] = turn;
    }
    if (c->count > 0)
        qsort(c->items, c->count, sizeof(*c->items), compare_wanted);
    join_equals(c);
    return c;
}

void base_cache_free(struct base_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        mem_free(c->items[i].bytes);
    mem_free(c->items);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* The first one that does not stand before this place. */
static size_t find(const struct base_cache *c, const struct place *at)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (compare_places(&c->items[middle].at, at) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void drop(struct base_cache *c, struct wanted *w)
{
    c->kept -= w->bytes != NULL ? w->at.size : 0;
    mem_free(TAKE(w->bytes));
}

void base_cache_fill(struct base_cache *c, uint32_t frame, struct slice plain)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = find(c, &(struct place){.frame = frame});
         i < c->count && c->items[i].at.frame == frame; i++) {
        struct wanted *w = &c->items[i];

        if (w->bytes != NULL || w->uses == 0 || c->kept + w->at.size > BASE_CACHE_MAX)
            continue;
        assert((uint64_t)w->at.offset + w->at.size <= plain.size);
        w->bytes = mem_dup(plain.data + w->at.offset, w->at.size);
        c->kept += w->at.size;
    }
    pthread_mutex_unlock(&c->lock);
}

bool base_cache_take(struct base_cache *c, const struct place *at, struct buf *out)
{
    bool is_there = false;

    pthread_mutex_lock(&c->lock);

    const size_t i = find(c, at);

    if (i < c->count && compare_places(&c->items[i].at, at) == 0) {
        struct wanted *w = &c->items[i];

        is_there = w->bytes != NULL;
        if (is_there)
            buf_append(out, w->bytes, w->at.size);
        if (w->uses > 0 && --w->uses == 0)
            drop(c, w);
    }
    pthread_mutex_unlock(&c->lock);
    return is_there;
}
