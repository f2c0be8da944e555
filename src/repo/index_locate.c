/*
 * Looking many chunks up at once.
 */
#include <assert.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "repo/index_parts.h"
#include "repo/segment_format.h"

/* Ids are put in order as far as ranges of them, each with so few or one of so many: what a segment
 * has for one fits into a processor's cache. */
#define RANGE_IDS  16
#define RANGE_BITS 16

/* The id so many further on is fetched while one is looked up. */
#define AHEAD 16
/* And so many are, without asking whether to go on. */
#define AT_ONCE 65536

/* Of so many entries of a segment one is looked up at least for it to be read from its beginning to
 * its end: a page of it holds twice as many. */
#define DENSE_ENTRIES 64

static size_t range_of(const struct hash *id, uint32_t bits)
{
    return segment_range(segment_number(id->bytes), bits);
}

/* Positions of ids in their order. */
static uint32_t *order_of(const struct hash *ids, size_t count)
{
    const uint32_t wanted = segment_bits(count, RANGE_IDS);
    const uint32_t bits = wanted < RANGE_BITS ? wanted : RANGE_BITS;
    AUTO(mem) uint32_t *next = mem_array(((size_t)1 << bits) + 1, sizeof(*next));
    uint32_t *order = mem_array(count, sizeof(*order));

    assert(count <= UINT32_MAX);
    for (size_t i = 0; i < count; i++)
        next[range_of(&ids[i], bits) + 1]++;
    for (size_t i = 0; i < (size_t)1 << bits; i++)
        next[i + 1] += next[i];
    for (size_t i = 0; i < count; i++)
        order[next[range_of(&ids[i], bits)]++] = (uint32_t)i;
    return order;
}

static void note(struct index_spot *spot, size_t entry, uint32_t frame)
{
    spot->is_only = spot->entry == INDEX_NO_ENTRY;
    spot->entry = entry;
    spot->frame = frame;
}

static void locate_in_segment(const struct index_segment *s, const uint8_t *prefix,
                              struct index_spot *spot)
{
    const struct segment_tables *t = segment_tables(s->file);
    size_t n;

    if (!segment_seek(s->file, prefix, &n))
        return;
    for (; n < t->entry_count && memcmp(t->entries[n].prefix, prefix, PREFIX_SIZE) == 0; n++)
        note(spot, s->first_entry + n, s->first_frame + t->entries[n].frame);
}

static void locate_in_table(const struct index *ix, const uint8_t *prefix, struct index_spot *spot)
{
    for (size_t n = index_slot_of(prefix, ix->room); ix->entries[n].size != 0;
         n = (n + 1) & (ix->room - 1))
        if (ix->entries[n].frame != INDEX_PENDING &&
            memcmp(ix->entries[n].prefix, prefix, PREFIX_SIZE) == 0)
            note(spot, ix->segment_entries + n, ix->entries[n].frame);
}

static void expect(const struct index *ix, size_t count, bool is_in_order)
{
    for (size_t i = 0; i < ix->segment_count; i++)
        if (count > segment_tables(ix->segments[i].file)->entry_count / DENSE_ENTRIES)
            segment_expect(ix->segments[i].file, is_in_order);
}

static struct index_spot locate(const struct index *ix, const struct hash *id)
{
    struct index_spot spot = {.entry = INDEX_NO_ENTRY};

    for (size_t n = 0; n < ix->segment_count; n++)
        locate_in_segment(&ix->segments[n], id->bytes, &spot);
    locate_in_table(ix, id->bytes, &spot);
    return spot;
}

bool index_locate(const struct index *ix, const struct hash *ids, size_t count,
                  struct index_spot *out, struct err *e)
{
    AUTO(mem) uint32_t *order = order_of(ids, count);

    expect(ix, count, true);
    for (size_t i = 0; i < count; i++) {
        if (i % AT_ONCE == 0 && cancel_is_requested())
            return cancel_err(e);
        if (i + AHEAD < count)
            __builtin_prefetch(&ids[order[i + AHEAD]]);
        out[order[i]] = locate(ix, &ids[order[i]]);
    }
    expect(ix, count, false);
    return true;
}
