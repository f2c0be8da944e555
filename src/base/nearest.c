/*
 * Which name a mistyped word may have been meant to be.
 */
#include <string.h>

#include "base/text.h"

/* The smaller of the ways to make a prefix of one word from a prefix of the other. */
static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

enum { NEAREST_MAX = 40 }; /* longer words are nobody's slip */

/* Letters to insert, remove or replace until a is b. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAREST_MAX + 1];
    const size_t width = strlen(b);

    if (strlen(a) > NEAREST_MAX || width > NEAREST_MAX)
        return NEAREST_MAX;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            const size_t above = row[j + 1];

            row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1));
            diagonal = above;
        }
    }
    return row[width];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1; /* one slip in three letters */

    for (size_t i = 0; i < count; i++) {
        const size_t d = distance(word, names[i]);

        if (d <= limit && d < strlen(names[i])) {
            best = names[i];
            limit = d == 0 ? 0 : d - 1;
        }
    }
    return best;
}
