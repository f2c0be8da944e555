/* Holes ascend and do not touch, so one that was passed never comes back. */
#include "codec/extent.h"

static void next_hole(struct extent *x)
{
    x->has_hole =
        x->holes.size > 0 && take_varint(&x->holes, &x->hole) && take_varint(&x->holes, &x->size);
}

void extent_begin(struct extent *x, struct slice holes)
{
    *x = (struct extent){.holes = holes};
    next_hole(x);
}

uint64_t extent_skip(struct extent *x)
{
    const uint64_t before = x->at;

    while (x->has_hole && x->at >= x->hole) {
        x->at += x->size;
        next_hole(x);
    }
    return x->at - before;
}

uint64_t extent_room(const struct extent *x, uint64_t size)
{
    return x->has_hole && x->hole - x->at < size ? x->hole - x->at : size;
}
