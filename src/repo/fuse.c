#include "repo/fuse.h"

#include <assert.h>

#include "base/err.h"
#include "base/mem.h"

/* Each seed fails about once in a thousand times. */
#define SEEDS 100
/* Slots of a part at most: three parts fit into a processor's second cache. */
#define PART_MAX ((uint32_t)1 << 18)

/* Of what numbers fall on a slot: how many, the sum of their hashes, and of which of their three
 * slots it is. */
struct slot {
    uint64_t hashes;
    uint32_t count;
    uint32_t ways;
};

struct peeled {
    uint64_t hash;
    uint32_t way;
};

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static struct fuse_slots slots_of(const struct fuse *f, uint64_t h)
{
    const uint32_t mask = f->part - 1;
    const uint32_t first = (uint32_t)((__uint128_t)h * f->first >> 64);

    return (struct fuse_slots){
        .at = {first, (first + f->part) ^ ((uint32_t)(h >> 18) & mask),
               (first + 2 * f->part) ^ ((uint32_t)h & mask)},
        .print = (uint8_t)(h ^ h >> 32),
    };
}

struct fuse_slots fuse_slots(const struct fuse *f, uint64_t number)
{
    return slots_of(f, mix(number + f->seed));
}

/*
 * Sizes that the authors found by experiment: a part of the power of two below 3.33 to the
 * log(count) + 2.25, and slots for each number that become fewer the more numbers there are.
 */
static struct fuse shape_of(size_t count)
{
    const size_t n = count < 2 ? 2 : count;
    const double spare = 0.875 + 4.983 / (63 - __builtin_clzl(n));
    const double slots = (double)count * (spare > 1.125 ? spare : 1.125);
    uint32_t part = 4;
    double most = 2.465;

    while ((double)n >= most && part < PART_MAX) {
        part *= 2;
        most *= 3.33;
    }

    const uint32_t parts = ((uint32_t)slots + part - 1) / part;

    return (struct fuse){.part = part, .first = (parts > 3 ? parts - 2 : 1) * part};
}

/* Take away, one after the other, numbers that are alone on a slot; how many that were. */
static size_t peel(const struct fuse *f, struct slot *slots, uint32_t *alone, struct peeled *order)
{
    const size_t size = fuse_size(f);
    size_t waiting = 0, done = 0;

    for (uint32_t i = 0; i < size; i++)
        if (slots[i].count == 1)
            alone[waiting++] = i;
    while (waiting > 0) {
        const struct slot s = slots[alone[--waiting]];

        if (s.count != 1)
            continue;

        const struct fuse_slots at = slots_of(f, s.hashes);

        order[done++] = (struct peeled){s.hashes, s.ways};
        for (uint32_t way = 0; way < 3; way++) {
            struct slot *other = &slots[at.at[way]];

            other->hashes ^= s.hashes;
            other->ways ^= way;
            if (--other->count == 1)
                alone[waiting++] = at.at[way];
        }
    }
    return done;
}

static void throw_in(const struct fuse *f, const uint64_t *numbers, size_t count,
                     struct slot *slots)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t h = mix(numbers[i] + f->seed);
        const struct fuse_slots at = slots_of(f, h);

        for (uint32_t way = 0; way < 3; way++) {
            slots[at.at[way]].hashes ^= h;
            slots[at.at[way]].ways ^= way;
            slots[at.at[way]].count++;
        }
    }
}

/* The last that was taken away is alone in the end: it may set its slot as it likes. */
static uint8_t *fill(const struct fuse *f, const struct peeled *order, size_t count)
{
    uint8_t *bytes = mem_new(fuse_size(f));

    for (size_t i = count; i-- > 0;) {
        const struct fuse_slots s = slots_of(f, order[i].hash);

        bytes[s.at[order[i].way]] =
            (uint8_t)(s.print ^ bytes[s.at[0]] ^ bytes[s.at[1]] ^ bytes[s.at[2]]);
    }
    return bytes;
}

uint8_t *fuse_new(const uint64_t *numbers, size_t count, struct fuse *out)
{
    struct fuse f = shape_of(count);

    assert(count <= FUSE_MAX);

    const size_t size = fuse_size(&f);
    /* A slot comes to wait when its count becomes one, which happens once. */
    AUTO(mem) uint32_t *alone = mem_array(size + 1, sizeof(*alone));
    AUTO(mem) struct peeled *order = mem_array(count + 1, sizeof(*order));

    for (f.seed = 1; f.seed <= SEEDS; f.seed++) {
        AUTO(mem) struct slot *slots = mem_array(size, sizeof(*slots));

        throw_in(&f, numbers, count, slots);
        if (peel(&f, slots, alone, order) < count)
            continue;
        *out = f;
        return fill(&f, order, count);
    }
    return NULL;
}
