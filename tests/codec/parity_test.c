#include "codec/parity.h"

#include <isa-l/crc64.h>
#include <string.h>

#include "base/mem.h"
#include "codec/noise.h"
#include "support/test.h"

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)

/* The rules of the command line: 3.1 percent, and areas of at least 512 KiB. */
static const struct parity_rule percent = {128, 4, 0};
static const struct parity_rule areas = {128, 4, 512 * KIB};

/* An object with its parity. */
struct pair {
    struct buf object, parity;
    struct hash name;
    struct parity_shape shape;
};

static void pair_make(struct pair *p, const struct parity_rule *rule, size_t size, uint64_t seed)
{
    *p = (struct pair){.shape = parity_shape_of(rule, size)};
    noise_append(&p->object, size, NOISE_SEED + seed);
    sha256(buf_slice(&p->object), &p->name);
    parity_encode(&p->shape, buf_slice(&p->object), &p->name, &p->parity);
    CHECK(p->parity.size == parity_size(&p->shape, size));
}

static void pair_auto(struct pair *p)
{
    buf_done(&p->object);
    buf_done(&p->parity);
}

static uint64_t state = 1;

static size_t below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

/* Other bytes in an area, every one of them. */
static void spoil(struct buf *b, size_t at, size_t size)
{
    for (size_t i = at; i < at + size && i < b->size; i++)
        b->data[i] ^= (uint8_t)(1 + below(255));
}

static bool heals(const struct pair *p, struct slice parity, struct slice damaged, struct err *e)
{
    AUTO(buf) struct buf out = {0};
    struct parity opened;
    size_t blocks = 0;

    if (!parity_open(parity, &opened, e) || !parity_heal(&opened, damaged, &out, &blocks, e)) {
        CHECK(out.size == 0);
        return false;
    }
    CHECK(slice_is_equal(buf_slice(&out), buf_slice(&p->object)));
    return true;
}

static void copy_of(const struct buf *from, struct buf *to)
{
    buf_clear(to);
    buf_append_slice(to, buf_slice(from));
}

TEST(the_checksum_is_crc_64_xz)
{
    CHECK(crc64_ecma_refl(0, (const uint8_t *)"123456789", 9) == UINT64_C(0x995DC9BBDF1939FA));
}
END

TEST(a_pack_of_64_mib_at_128_and_4_heals_any_four_areas_of_512_kib)
{
    for (uint64_t n = 0; n < 2; n++) {
        AUTO(pair) struct pair p;

        pair_make(&p, n == 0 ? &percent : &areas, 64 * MIB - n * 77, n);
        CHECK(p.shape.data <= 128 && p.shape.parity == 4);
        CHECK(p.parity.size * 1000 < p.object.size * 36);
        for (int round = 0; round < 12; round += test_every()) {
            AUTO(buf) struct buf damaged = {0};

            copy_of(&p.object, &damaged);
            for (int i = 0; i < 4; i++)
                spoil(&damaged, below(p.object.size - 512 * KIB), 512 * KIB);
            CHECK_OK(heals(&p, buf_slice(&p.parity), buf_slice(&damaged), e));
        }
    }
}
END

TEST(packs_of_any_size_heal_any_four_areas_of_512_kib_when_shards_are_that_long)
{
    for (int round = 0; round < 12; round += test_every()) {
        AUTO(pair) struct pair p;
        AUTO(buf) struct buf damaged = {0};

        pair_make(&p, &areas, 1 + below(round < 6 ? 3 * MIB : 33 * MIB), 3);
        copy_of(&p.object, &damaged);
        for (int i = 0; i < 4; i++)
            spoil(&damaged, below(p.object.size), 512 * KIB);
        CHECK_OK(heals(&p, buf_slice(&p.parity), buf_slice(&damaged), e));
    }
}
END

/* 10,000 patterns: what is within the promise heals, and what is beyond it heals or is refused. */
TEST(no_pattern_of_damage_gives_other_bytes)
{
    size_t healed = 0, refused = 0, tried = 0;

    for (int object = 0; object < 100; object += test_every()) {
        const uint32_t parity = 1 + (uint32_t)below(5);
        const struct parity_rule rule = {2 * parity + (uint32_t)below(30), parity, 0};
        AUTO(pair) struct pair p;

        CHECK(parity_rule_is_valid(&rule));
        pair_make(&p, &rule, 1 + below(600 * KIB), (uint64_t)object);
        for (int round = 0; round < 100; round++) {
            AUTO(buf) struct buf damaged = {0};
            AUTO(buf) struct buf stored = {0};
            const bool is_within = round % 2 == 0;
            size_t count = is_within ? below(p.shape.parity + 1) : below(2 * p.shape.parity + 2);
            const size_t longest = p.shape.data == 1
                                       ? p.object.size
                                       : p.shape.shard_size - (is_within ? PARITY_BLOCK - 1 : 0);
            struct err e = {0};
            bool hits_parity = false;

            tried++;
            copy_of(&p.object, &damaged);
            copy_of(&p.parity, &stored);
            for (; count > 0; count--) {
                const bool is_parity = below(4) == 0;

                hits_parity |= is_parity;
                /* Heads have their own copies; shards of parity count as any other shard. */
                spoil(is_parity ? &stored : &damaged,
                      below(is_parity ? p.parity.size : p.object.size), 1 + below(longest));
            }
            if (heals(&p, buf_slice(&stored), buf_slice(&damaged), &e))
                healed++;
            else
                refused++;
            /* Areas of the parity may take both of its heads. */
            CHECK(e.code == ERR_NONE || !is_within || hits_parity);
            CHECK(e.code == ERR_NONE || e.code == ERR_CORRUPT || e.code == ERR_USAGE);
        }
    }
    CHECK(healed > tried / 2 && refused > tried / 10);
}
END

TEST(as_many_areas_as_there_is_parity_always_heal)
{
    for (int round = 0; round < 2000; round += test_every()) {
        const uint32_t parity = 1 + (uint32_t)below(5);
        const struct parity_rule rule = {2 * parity + (uint32_t)below(30), parity, 0};
        AUTO(pair) struct pair p;
        AUTO(buf) struct buf damaged = {0};

        pair_make(&p, &rule, 1 + below(300 * KIB), (uint64_t)round);
        copy_of(&p.object, &damaged);
        for (uint32_t i = 0; i < p.shape.parity; i++)
            spoil(&damaged, below(p.object.size),
                  p.shape.data == 1 ? p.object.size : p.shape.shard_size - PARITY_BLOCK + 1);
        CHECK_OK(heals(&p, buf_slice(&p.parity), buf_slice(&damaged), e));
    }
}
END

/* Sectors of a disk, and of a file, begin and end where blocks do. */
static void lose_sectors(struct buf *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t at = below((b->size + PARITY_BLOCK - 1) / PARITY_BLOCK) * PARITY_BLOCK;

        memset(b->data + at, 0, b->size - at < PARITY_BLOCK ? b->size - at : PARITY_BLOCK);
    }
}

TEST(a_short_object_heals_a_lost_sector_for_each_128_kib_begun_at_eight_percent_at_most)
{
    for (size_t size = PARITY_BLOCK + 1; size <= 600 * KIB; size += 1 + below(3 * KIB)) {
        AUTO(pair) struct pair p;
        AUTO(buf) struct buf damaged = {0};
        const size_t promised = (size + 128 * KIB - 1) / (128 * KIB);

        pair_make(&p, &percent, size, size);
        CHECK(p.shape.parity == (promised < 4 ? promised : 4));
        CHECK(size < 60 * KIB || size > 512 * KIB || p.parity.size * 1000 < size * 80);
        copy_of(&p.object, &damaged);
        lose_sectors(&damaged, p.shape.parity);
        CHECK_OK(heals(&p, buf_slice(&p.parity), buf_slice(&damaged), e));
    }
}
END

/* One more than is promised, in the same row, is told and gives nothing. */
TEST(a_second_lost_sector_of_a_short_object_is_refused)
{
    AUTO(pair) struct pair p;
    AUTO(buf) struct buf damaged = {0};

    pair_make(&p, &percent, 60 * KIB, 1);
    copy_of(&p.object, &damaged);
    spoil(&damaged, 2 * PARITY_BLOCK, PARITY_BLOCK);
    CHECK_OK(heals(&p, buf_slice(&p.parity), buf_slice(&damaged), e));
    spoil(&damaged, 7 * PARITY_BLOCK, 1);
    CHECK_ERR(heals(&p, buf_slice(&p.parity), buf_slice(&damaged), e), ERR_CORRUPT);
    /* A byte that was cut off costs the block that it was in. */
    CHECK_OK(heals(&p, buf_slice(&p.parity), SLICE_OF(p.object.data, p.object.size - 1), e));
    CHECK_ERR(heals(&p, buf_slice(&p.parity),
                    SLICE_OF(p.object.data, p.object.size - 2 * PARITY_BLOCK), e),
              ERR_CORRUPT);
}
END

TEST(what_was_cut_off_or_grew_heals)
{
    AUTO(pair) struct pair p;
    AUTO(buf) struct buf damaged = {0};

    pair_make(&p, &percent, 5 * MIB + 5, 1);
    CHECK_OK(heals(&p, buf_slice(&p.parity), SLICE_OF(p.object.data, p.object.size - 100000), e));
    copy_of(&p.object, &damaged);
    buf_append(&damaged, "more", 4);
    CHECK_OK(heals(&p, buf_slice(&p.parity), buf_slice(&damaged), e));
    CHECK_ERR(heals(&p, buf_slice(&p.parity), (struct slice){0}, e), ERR_CORRUPT);
}
END

TEST(an_object_that_is_gone_comes_back_from_a_copy_or_from_as_many_shards)
{
    static const struct parity_rule rules[] = {PARITY_COPY, {128, 4, 0}, {128, 4, 512 * KIB}};
    static const size_t sizes[] = {300 * KIB, PARITY_BLOCK, 2 * MIB};

    for (size_t i = 0; i < 3; i++) {
        AUTO(pair) struct pair p;

        pair_make(&p, &rules[i], sizes[i], i);
        CHECK_OK(heals(&p, buf_slice(&p.parity), (struct slice){0}, e));
    }
}
END

TEST(one_damaged_head_is_no_loss_and_two_are_told)
{
    AUTO(pair) struct pair p;
    AUTO(buf) struct buf stored = {0};
    AUTO(buf) struct buf damaged = {0};

    pair_make(&p, &percent, 900 * KIB, 1);
    copy_of(&p.object, &damaged);
    spoil(&damaged, 5000, 3000);
    for (int which = 1; which < 4; which++) {
        copy_of(&p.parity, &stored);
        if (which & 1)
            spoil(&stored, 0, 500);
        if (which & 2)
            spoil(&stored, stored.size - 500, 500);
        if (which < 3)
            CHECK_OK(heals(&p, buf_slice(&stored), buf_slice(&damaged), e));
        else
            CHECK_ERR(heals(&p, buf_slice(&stored), buf_slice(&damaged), e), ERR_CORRUPT);
        CHECK(!parity_is_of(buf_slice(&stored), buf_slice(&p.object), &p.name));
    }
    CHECK(parity_is_of(buf_slice(&p.parity), buf_slice(&p.object), &p.name));
}
END

TEST(parity_of_another_object_heals_nothing)
{
    AUTO(pair) struct pair p;
    AUTO(pair) struct pair other;
    struct err e = {0};

    pair_make(&p, &percent, 900 * KIB, 1);
    pair_make(&other, &percent, 900 * KIB, 2);
    CHECK(!parity_is_of(buf_slice(&other.parity), buf_slice(&p.object), &p.name));
    /* All blocks look damaged. */
    CHECK(!heals(&other, buf_slice(&other.parity), buf_slice(&p.object), &e));
    CHECK(e.code == ERR_CORRUPT);
}
END

/* What claims to be right and is not: only the name shows it. */
TEST(forged_checksums_are_seen_through_by_the_name)
{
    AUTO(pair) struct pair p;
    AUTO(pair) struct pair forged;
    struct err e = {0};

    pair_make(&p, &percent, 100 * KIB, 1);
    forged = p;
    forged.object = (struct buf){0};
    forged.parity = (struct buf){0};
    copy_of(&p.object, &forged.object);
    spoil(&forged.object, 10, 10);
    parity_encode(&p.shape, buf_slice(&forged.object), &p.name, &forged.parity);
    CHECK(!heals(&p, buf_slice(&forged.parity), buf_slice(&p.object), &e));
    CHECK(e.code == ERR_CORRUPT);
}
END

/* A header with right checksums and any numbers. */
static void forge(const struct pair *p, size_t at, uint8_t value, struct buf *out)
{
    copy_of(&p->parity, out);
    for (int end = 0; end < 2; end++) {
        uint8_t *header = out->data + (end ? out->size - 72 : 0);
        struct buf sum = {0};

        header[at] = value;
        buf_put_u64(&sum, crc64_ecma_refl(0, header, 64));
        memcpy(header + 64, sum.data, 8);
        buf_done(&sum);
    }
}

TEST(hostile_headers_are_refused)
{
    AUTO(pair) struct pair p;
    AUTO(buf) struct buf stored = {0};
    struct parity opened;

    pair_make(&p, &percent, 100 * KIB, 1);
    for (size_t at = 0; at < 24; at++)
        for (int value = 0; value < 256; value++) {
            struct err e = {0};
            const uint8_t was = p.parity.data[at];

            if (value == was)
                continue;
            forge(&p, at, (uint8_t)value, &stored);
            /* Another size within the last block is seen when the object has been healed. */
            CHECK((at & 30) == 16 || !parity_open(buf_slice(&stored), &opened, &e));
            CHECK(!heals(&p, buf_slice(&stored), buf_slice(&p.object), &e));
            CHECK(e.code == (at == 8 && value > 1 ? ERR_USAGE : ERR_CORRUPT));
        }
    for (size_t size = 0; size < p.parity.size; size += 13)
        CHECK_ERR(parity_open(SLICE_OF(p.parity.data, size), &opened, e), ERR_CORRUPT);
}
END

TEST(rules_have_bounds)
{
    static const struct parity_rule bad[] = {{0, 1, 0},   {1, 0, 0},    {3, 2, 0},
                                             {254, 2, 0}, {170, 86, 0}, {128, 4, 9 << 20}};
    static const struct parity_rule good[] = {
        {2, 1, 0}, {253, 2, 0}, {170, 85, 0}, {128, 4, 8 << 20}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!parity_rule_is_valid(&bad[i]));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK(parity_rule_is_valid(&good[i]));
        for (size_t size = 1; size <= PARITY_OBJECT_MAX; size = size * 3 / 2 + 1) {
            const struct parity_shape s = parity_shape_of(&good[i], size);

            CHECK(parity_size(&s, size) <= PARITY_OBJECT_MAX);
            CHECK(s.data + s.parity <= PARITY_SHARDS_MAX && s.parity <= s.data);
        }
    }
}
END

TESTS("parity", the_checksum_is_crc_64_xz,
      a_pack_of_64_mib_at_128_and_4_heals_any_four_areas_of_512_kib,
      packs_of_any_size_heal_any_four_areas_of_512_kib_when_shards_are_that_long,
      no_pattern_of_damage_gives_other_bytes, as_many_areas_as_there_is_parity_always_heal,
      a_short_object_heals_a_lost_sector_for_each_128_kib_begun_at_eight_percent_at_most,
      a_second_lost_sector_of_a_short_object_is_refused, what_was_cut_off_or_grew_heals,
      an_object_that_is_gone_comes_back_from_a_copy_or_from_as_many_shards,
      one_damaged_head_is_no_loss_and_two_are_told, parity_of_another_object_heals_nothing,
      forged_checksums_are_seen_through_by_the_name, hostile_headers_are_refused, rules_have_bounds)
