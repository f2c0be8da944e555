/*
 * The first and the last bytes of a text of any length, such as what a program writes to
 * standard error.  Private to src/source.
 */
#ifndef SOURCE_EXCERPT_H
#define SOURCE_EXCERPT_H

#include "base/buf.h"

#define EXCERPT_PART ((size_t)16 << 10)

/* {0} is a valid empty one. */
struct excerpt {
    uint64_t total; /* bytes of the whole text */
    uint8_t first[EXCERPT_PART];
    uint8_t last[EXCERPT_PART]; /* a ring of what came after the first part */
};
void excerpt_add(struct excerpt *x, struct slice bytes);

bool excerpt_is_cut(const struct excerpt *x);

/*
 * Append what was kept as lines of valid UTF-8 without control characters: "\xHH" stands for
 * other bytes, "\\" for a backslash, and one line in brackets for what was left out.
 */
void excerpt_text(const struct excerpt *x, struct buf *out);

/* Append the last line that is not blank in the same form, at most limit bytes from its front. */
void excerpt_last_line(const struct excerpt *x, size_t limit, struct buf *out);

#endif
