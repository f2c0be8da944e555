#include "source/row_sum.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/text.h"

static_assert(ROW_SUM_TEXT == 2 * sizeof(unsigned __int128) + 1, "the digits and a NUL");

void row_sum_add_hash(struct row_sum *s, const struct hash *h)
{
    uint64_t high = 0;
    uint64_t low = 0;

    memcpy(&high, h->bytes, sizeof(high));
    memcpy(&low, h->bytes + sizeof(high), sizeof(low));
    s->value += (unsigned __int128)be64toh(high) << 64 | be64toh(low);
}

static void add_alone(struct row_sum *s, struct slice row)
{
    struct hash h;

    sha256(row, &h);
    row_sum_add_hash(s, &h);
}

void row_sum_add(struct row_sum *s, struct slice row)
{
    struct hash waiting, other;

    if (s->is_waiting) {
        sha256_two(SLICE_OF(s->row, s->row_size), row, &waiting, &other);
        row_sum_add_hash(s, &waiting);
        row_sum_add_hash(s, &other);
        s->is_waiting = false;
    } else if (row.size <= sizeof(s->row)) {
        if (row.size > 0)
            memcpy(s->row, row.data, row.size);
        s->row_size = row.size;
        s->is_waiting = true;
    } else {
        add_alone(s, row);
    }
}

void row_sum_format(struct row_sum *s, char out[ROW_SUM_TEXT])
{
    if (s->is_waiting)
        add_alone(s, SLICE_OF(s->row, s->row_size));
    s->is_waiting = false;

    const uint64_t halves[] = {htobe64((uint64_t)(s->value >> 64)), htobe64((uint64_t)s->value)};

    hex_encode(SLICE_OF(halves, sizeof(halves)), out);
}
