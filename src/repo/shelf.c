/*
 * A table of places under one lock.  What nobody holds goes in the order of its last use, when
 * there are too many places in use or too much memory; the memory of one serves the next.
 */
#include "repo/shelf.h"

#include <assert.h>
#include <pthread.h>

#include "base/mem.h"

/* Enough for a walk that goes back and forth between two places, or from page to page where each is
 * of another night.  So much memory for each reader, or what the longest two take. */
#define PLACES_ALWAYS 64
#define PLACES_EACH   8
#define SHELF_BYTES   ((size_t)8 << 20)

#define NO_FRAME      UINT32_MAX

struct shelved {
    struct buf plain;
    size_t room;   /* of plain, or what it is going to take */
    uint64_t used; /* tick of the last use */
    int holders;
    bool is_filling;
    size_t number; /* of the place */
};

struct shelf {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    int readers;
    struct shelved **places;
    uint32_t *frames; /* of the places */
    size_t count;
    size_t room; /* of all places */
    uint64_t tick;
};

struct shelf *shelf_new(void)
{
    struct shelf *s = mem_new(sizeof(*s));

    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->filled, NULL);
    return s;
}

static void grow(struct shelf *s, size_t count)
{
    s->places = mem_resize(s->places, count, sizeof(*s->places));
    s->frames = mem_resize(s->frames, count, sizeof(*s->frames));
    for (; s->count < count; s->count++) {
        s->places[s->count] = mem_new(sizeof(**s->places));
        s->places[s->count]->number = s->count;
        s->frames[s->count] = NO_FRAME;
    }
}

static void set_room(struct shelf *s, struct shelved *p, size_t room)
{
    s->room = s->room - p->room + room;
    p->room = room;
}

static void empty(struct shelf *s, struct shelved *p)
{
    s->frames[p->number] = NO_FRAME;
    buf_done(&p->plain);
    set_room(s, p, 0);
}

static void empty_all(struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++) {
        assert(s->places[i]->holders == 0);
        empty(s, s->places[i]);
    }
}

void shelf_free(struct shelf *s)
{
    if (s == NULL)
        return;
    assert(s->readers == 0);
    for (size_t i = 0; i < s->count; i++)
        mem_free(s->places[i]);
    mem_free(s->places);
    mem_free(s->frames);
    pthread_cond_destroy(&s->filled);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void shelf_join(struct shelf *s)
{
    pthread_mutex_lock(&s->lock);
    s->readers++;

    const size_t wanted = PLACES_ALWAYS + PLACES_EACH * (size_t)s->readers;

    if (wanted > s->count)
        grow(s, wanted);
    pthread_mutex_unlock(&s->lock);
}

void shelf_leave(struct shelf *s)
{
    pthread_mutex_lock(&s->lock);
    if (--s->readers == 0)
        empty_all(s);
    pthread_mutex_unlock(&s->lock);
}

void shelf_forget(struct shelf *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        s->frames[i] = NO_FRAME;
    pthread_mutex_unlock(&s->lock);
}

/* Of the places that hold memory, or of the others, the one that was used least lately and that
 * nobody holds; NULL: none. */
static struct shelved *find_oldest(const struct shelf *s, bool has_memory)
{
    struct shelved *oldest = NULL;

    for (size_t i = 0; i < s->count; i++) {
        struct shelved *p = s->places[i];

        assert(p != NULL); /* grow() */
        if (p->holders == 0 && (p->room > 0) == has_memory &&
            (oldest == NULL || p->used < oldest->used))
            oldest = p;
    }
    return oldest;
}

/* A place for so many bytes.  The memory of the oldest serves again; what else is too much goes. */
static struct shelved *make_room(struct shelf *s, size_t size)
{
    const size_t most = SHELF_BYTES * (size_t)s->readers;
    struct shelved *place = find_oldest(s, false);
    struct shelved *old;

    if (place == NULL || s->room + size > most) {
        old = find_oldest(s, true);
        place = old != NULL ? old : place;
    }
    assert(place != NULL);
    place->holders = 1;
    s->frames[place->number] = NO_FRAME;
    while (s->room - place->room + size > most && (old = find_oldest(s, true)) != NULL)
        empty(s, old);
    set_room(s, place, place->plain.room > size ? place->plain.room : size);
    return place;
}

static struct shelved *find(const struct shelf *s, uint32_t frame)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->frames[i] == frame)
            return s->places[i];
    return NULL;
}

struct shelved *shelf_take(struct shelf *s, uint32_t frame, size_t size, bool *is_there)
{
    struct shelved *p;

    pthread_mutex_lock(&s->lock);
    while ((p = find(s, frame)) != NULL && p->is_filling)
        pthread_cond_wait(&s->filled, &s->lock);
    *is_there = p != NULL;
    if (p != NULL) {
        p->holders++;
    } else {
        p = make_room(s, size);
        p->is_filling = true;
        s->frames[p->number] = frame;
    }
    p->used = ++s->tick;
    pthread_mutex_unlock(&s->lock);
    return p;
}

void shelf_filled(struct shelf *s, struct shelved *place, bool is_good)
{
    pthread_mutex_lock(&s->lock);
    place->is_filling = false;
    set_room(s, place, place->plain.room);
    if (!is_good)
        s->frames[place->number] = NO_FRAME;
    pthread_cond_broadcast(&s->filled);
    pthread_mutex_unlock(&s->lock);
}

void shelf_drop(struct shelf *s, struct shelved *place)
{
    if (place == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    assert(place->holders > 0 && !place->is_filling);
    place->holders--;
    pthread_mutex_unlock(&s->lock);
}

struct buf *shelved_bytes(struct shelved *place)
{
    return &place->plain;
}
