#include "job/former.h"

#include <string.h>

/* Lengths that differ by less than one part in so many belong to the same chunk. */
#define SAME_LENGTH 16

void former_clear(struct former *f)
{
    buf_clear(&f->ids);
    f->next = f->at = 0;
    f->start = f->position = 0;
}

void former_begin(struct former *f, struct reader *rd, const struct entry *before)
{
    struct err unreadable;

    former_clear(f);
    if (!reader_content(rd, before, &f->ids, &unreadable))
        buf_clear(&f->ids);
}

void former_done(struct former *f)
{
    buf_done(&f->ids);
}

static bool chunk_at(const struct former *f, size_t number, struct hash *id, struct place *out)
{
    memcpy(id->bytes, f->ids.data + number * HASH_SIZE, HASH_SIZE);
    return repo_find(f->repo, id, out);
}

static bool is_same_length(uint64_t a, uint64_t b)
{
    const uint64_t difference = a > b ? a - b : b - a;

    return difference * SAME_LENGTH <= b;
}

/* The number of the former chunk that begins where the next chunk does. */
static bool find_next(const struct former *f, size_t *number)
{
    struct hash id;
    struct place place;

    *number = f->at;
    if (f->position == f->start)
        return true;
    *number = f->at + 1;
    return f->at < f->ids.size / HASH_SIZE && chunk_at(f, f->at, &id, &place) &&
           f->position == f->start + place.size;
}

bool former_cut(const struct former *f, enum cut_kind kind, struct slice in, bool at_end,
                size_t *size)
{
    const struct cutter *c = repo_cutter(f->repo);
    const size_t count = f->ids.size / HASH_SIZE;
    size_t number, first = 0, start = 0;
    struct hash id;
    struct place place;

    if (!find_next(f, &number))
        return false;
    for (; number < count && chunk_at(f, number, &id, &place); number++) {
        const size_t end = start + place.size;
        const bool is_last = number + 1 == count;

        if (end > CHUNK_MAX || (at_end && end > in.size))
            return false;
        if (first == 0)
            first = place.size;
        /* Whether the file ends where it ended is seen at its end only. */
        if (end > in.size || (is_last && !at_end && end == in.size)) {
            *size = 0;
            return true;
        }
        if ((is_last && at_end && end == in.size) ||
            cutter_may_end(c, kind, SLICE_OF(in.data + start, place.size))) {
            *size = first;
            return true;
        }
        start = end;
    }
    return false;
}

bool former_next(struct former *f, uint64_t size, struct hash *out)
{
    const size_t count = f->ids.size / HASH_SIZE;
    const uint64_t middle = f->position + size / 2;
    struct place place;

    if (count == 0 || !chunk_at(f, f->at, out, &place))
        return false;
    while (f->start + place.size <= middle && f->at + 1 < count) {
        f->start += place.size;
        f->at++;
        if (!chunk_at(f, f->at, out, &place))
            return false;
    }

    const uint64_t end = f->start + place.size;
    const bool is_behind = middle >= end && f->next > f->at;

    f->position = is_same_length(size, place.size) ? end : f->position + size;
    f->next = f->at + 1;
    return !is_behind;
}
