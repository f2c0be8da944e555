#include "codec/likeness.h"

#include <string.h>

#include "base/mem.h"
#include "codec/noise.h"
#include "support/test.h"

/* Other bytes with each call. */
static void fill(uint8_t *to, size_t size)
{
    static uint64_t state = NOISE_SEED;

    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(noise_next(&state) >> 32);
}

/* Released with mem_free(). */
static uint8_t *noise_of(size_t size)
{
    uint8_t *bytes = mem_new(size);

    fill(bytes, size);
    return bytes;
}

TEST(of_bytes_that_stayed_hardly_any_are_new_and_of_others_all_are)
{
    static const size_t sizes[] = {8, 100, 2600, 32768, 1 << 20, 4 << 20};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(mem) uint8_t *one = noise_of(sizes[i]);
        AUTO(mem) uint8_t *other = noise_of(sizes[i]);
        const struct slice former = SLICE_OF(one, sizes[i]), now = SLICE_OF(other, sizes[i]);

        CHECK(likeness_new_bytes(former, former) <= sizes[i] / 100);
        ck_assert_uint_eq(likeness_new_bytes(former, now), sizes[i]);
    }
}
END

TEST(what_changed_in_a_page_is_new_and_little_beside_it)
{
    AUTO(mem) uint8_t *former = noise_of(2600);
    AUTO(mem) uint8_t *now = mem_dup(former, 2600);

    for (size_t at = 100; at < 2600; at += 520)
        fill(now + at, 32);

    const size_t new = likeness_new_bytes(SLICE_OF(former, 2600), SLICE_OF(now, 2600));

    CHECK(new >= 5 * 31 && new <= 5 * (32 + 8));
}
END

TEST(what_was_put_in_or_taken_out_moves_nothing)
{
    AUTO(mem) uint8_t *former = noise_of(2600);
    AUTO(mem) uint8_t *now = noise_of(2700);

    memcpy(now, former, 1000);
    memcpy(now + 1100, former + 1000, 1600);

    const size_t new = likeness_new_bytes(SLICE_OF(former, 2600), SLICE_OF(now, 2700));

    CHECK(new >= 99 && new <= 110);
    CHECK(likeness_new_bytes(SLICE_OF(now, 2700), SLICE_OF(former, 2600)) <= 16);
}
END

TEST(long_stretches_of_long_bytes_are_seen)
{
    const size_t size = 1 << 20;
    AUTO(mem) uint8_t *former = noise_of(size);
    AUTO(mem) uint8_t *now = mem_dup(former, size);

    for (size_t i = 0; i < 10; i++)
        fill(now + i * 100000, 32);
    CHECK(likeness_new_bytes(SLICE_OF(former, size), SLICE_OF(now, size)) <= 10 * (32 + 3 * 264));
}
END

TEST(where_there_is_nothing_all_is_new)
{
    AUTO(mem) uint8_t *now = noise_of(100);

    ck_assert_uint_eq(likeness_new_bytes((struct slice){0}, SLICE_OF(now, 100)), 100);
    ck_assert_uint_eq(likeness_new_bytes(SLICE_OF(now, 7), SLICE_OF(now, 100)), 100);
    ck_assert_uint_eq(likeness_new_bytes(SLICE_OF(now, 100), (struct slice){0}), 0);
    ck_assert_uint_eq(likeness_new_bytes(SLICE_OF(now, 100), SLICE_OF(now, 5)), 5);
}
END

TESTS("likeness", of_bytes_that_stayed_hardly_any_are_new_and_of_others_all_are,
      what_changed_in_a_page_is_new_and_little_beside_it,
      what_was_put_in_or_taken_out_moves_nothing, long_stretches_of_long_bytes_are_seen,
      where_there_is_nothing_all_is_new)
