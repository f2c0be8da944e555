/*
 * Where the content of a file with holes goes: content is one run of bytes, and holes say
 * where in the file it is interrupted.
 */
#ifndef CODEC_EXTENT_H
#define CODEC_EXTENT_H

#include "base/buf.h"

/* A position in a file.  The caller adds to at what it has dealt with. */
struct extent {
    uint64_t at;         /* offset in the file of the next byte of content */
    struct slice holes;  /* still to come, as in struct entry; checked by entry_decode() */
    uint64_t hole, size; /* the next hole */
    bool has_hole;
};

void extent_begin(struct extent *x, struct slice holes);

/* Step over holes that begin at the present offset; returns how long they are together. */
uint64_t extent_skip(struct extent *x);

/* How many of the next size bytes of content stand together.  Call extent_skip() first. */
uint64_t extent_room(const struct extent *x, uint64_t size);

#endif
