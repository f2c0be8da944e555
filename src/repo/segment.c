#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/mem.h"
#include "repo/segment_format.h"

/* Rows of a part at most: a size is computed without running over. */
#define ROWS_MAX ((uint64_t)1 << 40)
#define BITS_MAX 32

/* Entries that are looked at beside a place that was guessed, first. */
#define NEAR_ENTRIES 4

struct segment {
    char *name;
    struct slice file; /* mapped */
    struct segment_head head;
    struct segment_tables tables;
    const uint32_t *fan;
    const struct segment_shard *shards;
    const uint8_t *filter;
    const struct hash *sums;
    bool *is_checked; /* by block */
    size_t block_count;
    bool is_damaged;
};

const size_t segment_row[PART_COUNT] = {
    [PART_SOURCES] = sizeof(struct index_source), [PART_PACKS] = sizeof(struct segment_pack),
    [PART_FRAMES] = sizeof(struct index_frame),   [PART_BASES] = sizeof(struct index_base),
    [PART_ENTRIES] = sizeof(struct index_entry),  [PART_FAN] = sizeof(uint32_t),
    [PART_SHARDS] = sizeof(struct segment_shard), [PART_FILTER] = 1,
};

void segment_head_sum(const struct segment_head *h, const struct segment_owner *owner,
                      struct hash *out)
{
    AUTO(mac) struct mac *m = mac_new(owner->key);

    mac_sum(m, 'h', SLICE_OF(h, offsetof(struct segment_head, mac)), out);
}

void segment_free(struct segment *s)
{
    if (s == NULL)
        return;
    file_unmap(s->file);
    mem_free(s->is_checked);
    mem_free(s->name);
    mem_free(s);
}

void segment_auto(struct segment **s)
{
    segment_free(*s);
}

const char *segment_name(const struct segment *s)
{
    return s->name;
}

const struct segment_tables *segment_tables(const struct segment *s)
{
    return &s->tables;
}

bool segment_is_damaged(const struct segment *s)
{
    return __atomic_load_n(&s->is_damaged, __ATOMIC_RELAXED);
}

static struct slice block_at(const struct segment *s, size_t n)
{
    return SLICE_OF(s->file.data + SEGMENT_HEAD_SIZE + n * SEGMENT_BLOCK, SEGMENT_BLOCK);
}

/* Whether a block, or two in a row, are those that were written. */
static bool check_blocks(struct segment *s, size_t n, size_t count)
{
    struct hash sums[2];

    if (count == 2)
        sha256_two(block_at(s, n), block_at(s, n + 1), &sums[0], &sums[1]);
    else
        sha256(block_at(s, n), &sums[0]);
    for (size_t i = 0; i < count; i++) {
        if (!hash_is_equal(&sums[i], &s->sums[n + i])) {
            __atomic_store_n(&s->is_damaged, true, __ATOMIC_RELAXED);
            return false;
        }
        __atomic_store_n(&s->is_checked[n + i], true, __ATOMIC_RELAXED);
    }
    return true;
}

static bool is_checked(const struct segment *s, size_t n)
{
    return __atomic_load_n(&s->is_checked[n], __ATOMIC_RELAXED);
}

/* Whether bytes of a part are those that were written. */
static bool check(struct segment *s, const void *at, size_t size)
{
    const size_t begin = (size_t)((const uint8_t *)at - block_at(s, 0).data);
    const size_t end = (begin + size + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK;

    for (size_t n = begin / SEGMENT_BLOCK, count = 1; n < end; n += count) {
        count = 1;
        if (is_checked(s, n))
            continue;
        count = n + 1 < end && !is_checked(s, n + 1) ? 2 : 1;
        if (size <= SEGMENT_BLOCK) /* one read of the disk, not one for each page */
            (void)madvise((void *)(uintptr_t)block_at(s, n).data, count * SEGMENT_BLOCK,
                          MADV_WILLNEED);
        if (!check_blocks(s, n, count))
            return false;
    }
    return true;
}

void segment_expect(const struct segment *s, bool is_in_order)
{
    (void)madvise((void *)(uintptr_t)s->file.data, s->file.size,
                  is_in_order ? MADV_SEQUENTIAL : MADV_RANDOM);
}

bool segment_is_sound(struct segment *s)
{
    segment_expect(s, true);

    const bool is_sound =
        check(s, s->file.data + SEGMENT_HEAD_SIZE, s->block_count * SEGMENT_BLOCK);

    segment_expect(s, false);
    return is_sound;
}

static bool head_is_right(const struct segment *s, const struct segment_owner *owner)
{
    const struct segment_head *h = &s->head;
    struct hash mac;

    segment_head_sum(h, owner, &mac);
    if (h->magic != SEGMENT_MAGIC || h->version != SEGMENT_VERSION ||
        h->row_sizes != segment_row_sizes() ||
        memcmp(h->repository, owner->repository, sizeof(h->repository)) != 0 ||
        !equal_ct(mac.bytes, h->mac.bytes, HASH_SIZE))
        return false;
    for (int i = 0; i < PART_COUNT; i++)
        if (h->counts[i] > ROWS_MAX)
            return false;
    return h->fan_bits <= BITS_MAX && h->shard_bits <= BITS_MAX;
}

/* Compare the sums, and set where everything is. */
static bool parts_are_there(struct segment *s)
{
    const struct segment_head *h = &s->head;
    const uint8_t *base = s->file.data;
    const uint64_t end = segment_offset(h, PART_COUNT);
    struct hash sum;

    s->block_count = (size_t)((end - SEGMENT_HEAD_SIZE) / SEGMENT_BLOCK);
    if (s->file.size != end + s->block_count * HASH_SIZE)
        return false;
    s->sums = (const struct hash *)(base + end);
    sha256(SLICE_OF(s->sums, s->block_count * HASH_SIZE), &sum);
    s->tables = (struct segment_tables){
        .sources = (const void *)(base + segment_offset(h, PART_SOURCES)),
        .packs = (const void *)(base + segment_offset(h, PART_PACKS)),
        .frames = (const void *)(base + segment_offset(h, PART_FRAMES)),
        .bases = (const void *)(base + segment_offset(h, PART_BASES)),
        .entries = (const void *)(base + segment_offset(h, PART_ENTRIES)),
        .source_count = h->counts[PART_SOURCES],
        .pack_count = h->counts[PART_PACKS],
        .frame_count = h->counts[PART_FRAMES],
        .base_count = h->counts[PART_BASES],
        .entry_count = h->counts[PART_ENTRIES],
    };
    s->fan = (const void *)(base + segment_offset(h, PART_FAN));
    s->shards = (const void *)(base + segment_offset(h, PART_SHARDS));
    s->filter = base + segment_offset(h, PART_FILTER);
    return hash_is_equal(&sum, &h->sums);
}

bool segment_open(int dirfd, const char *name, const struct segment_owner *owner,
                  struct segment **out, struct err *e)
{
    AUTO(segment) struct segment *s = mem_new(sizeof(*s));

    s->name = mem_string(name);
    if (!file_map(dirfd, name, &s->file, e))
        return false;
    if (s->file.size >= SEGMENT_HEAD_SIZE)
        memcpy(&s->head, s->file.data, sizeof(s->head));
    if (!head_is_right(s, owner) || !parts_are_there(s))
        return err_set(e, ERR_CORRUPT, "%s is no segment of this repository", name);
    s->is_checked = mem_array(s->block_count, sizeof(bool));

    const struct segment_tables *t = &s->tables;

    if (!check(s, t->sources, t->source_count * sizeof(*t->sources)) ||
        !check(s, t->packs, t->pack_count * sizeof(*t->packs)))
        return err_set(e, ERR_CORRUPT, "%s is damaged", name);
    segment_expect(s, false);
    *out = TAKE(s);
    return true;
}

static bool may_have(struct segment *s, uint64_t number)
{
    const struct segment_shard *shard = &s->shards[segment_range(number, s->head.shard_bits)];

    if (!check(s, shard, sizeof(*shard)))
        return false;

    const uint8_t *filter = s->filter + shard->offset;
    const struct fuse_slots slots = fuse_slots(&shard->fuse, number);

    for (int i = 0; i < 3; i++)
        if (!check(s, filter + slots.at[i], 1))
            return false;
    return fuse_has(filter, &slots);
}

static bool is_before(const struct index_entry *en, const uint8_t prefix[PREFIX_SIZE])
{
    const uint64_t a = segment_number(en->prefix), b = segment_number(prefix);

    return a != b ? a < b : memcmp(en->prefix, prefix, PREFIX_SIZE) < 0;
}

/*
 * Less of a range of the fan, [*low, *high), to search: ids are even, so what is looked for stands
 * near the place that its bits behind those of the fan say, mostly in the same line of a
 * processor's cache.
 */
static void narrow(const struct index_entry *entries, const uint8_t prefix[PREFIX_SIZE],
                   uint32_t fan_bits, size_t *low, size_t *high)
{
    const uint64_t part = segment_number(prefix) << fan_bits >> 32;
    const size_t guess = *low + (size_t)(part * (*high - *low) >> 32);
    size_t step = NEAR_ENTRIES;

    if (*low == *high)
        return;
    if (is_before(&entries[guess], prefix)) {
        *low = guess + 1;
        for (; *low + step < *high && is_before(&entries[*low + step], prefix); step *= 2)
            *low += step + 1;
        *high = *low + step < *high ? *low + step : *high;
    } else {
        *high = guess;
        for (; *low + step < *high && !is_before(&entries[*high - 1 - step], prefix); step *= 2)
            *high -= step + 1;
        *low = *low + step < *high ? *high - step : *low;
    }
}

bool segment_seek(struct segment *s, const uint8_t prefix[PREFIX_SIZE], size_t *number)
{
    const struct index_entry *entries = s->tables.entries;
    const uint64_t first = segment_number(prefix);
    const uint32_t *fan = &s->fan[segment_range(first, s->head.fan_bits)];

    if (!may_have(s, first) || !check(s, fan, 2 * sizeof(*fan)))
        return false;

    size_t low = fan[0], high = fan[1];

    if (!check(s, &entries[low], (high - low) * sizeof(*entries)))
        return false;
    narrow(entries, prefix, s->head.fan_bits, &low, &high);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (is_before(&entries[middle], prefix))
            low = middle + 1;
        else
            high = middle;
    }
    *number = low;
    return low < fan[1] && memcmp(entries[low].prefix, prefix, PREFIX_SIZE) == 0;
}

bool segment_entry(struct segment *s, size_t number, struct index_entry *out)
{
    const struct segment_tables *t = &s->tables;
    const struct index_entry *en = &t->entries[number];

    if (!check(s, en, sizeof(*en)))
        return false;

    const struct index_frame *f = &t->frames[en->frame];

    if (!check(s, f, sizeof(*f)) ||
        (f->base_count > 0 &&
         !check(s, &t->bases[f->first_base], f->base_count * sizeof(*t->bases))))
        return false;
    *out = *en;
    return true;
}
