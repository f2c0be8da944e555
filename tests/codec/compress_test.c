#include "support/test.h"

#include <string.h>
#include <zstd.h>

#include "codec/compress.h"
#include "codec/noise.h"

/* Sentences of words chosen at random, of which about a third is worth storing. */
static void prose_append(struct buf *out, size_t size)
{
    static const char *const words[] = {"backup ", "restore ", "chunk ",  "frame ", "of ",
                                        "the ",    "and ",     "sealed ", "tree ",  "\n"};
    uint64_t state = NOISE_SEED;
    const size_t end = out->size + size;

    while (out->size < end)
        buf_append_slice(out, slice_string(words[(noise_next(&state) >> 32) % 10]));
    out->size = end;
}

TEST(text_of_any_size_becomes_shorter_and_expands_to_itself)
{
    AUTO(compressor) struct compressor *c = compressor_new(3);

    for (size_t size = 200; size <= (size_t)2 << 20; size = size * 5 / 2) {
        AUTO(buf) struct buf plain = {0};
        AUTO(buf) struct buf small = {0};
        AUTO(buf) struct buf again = {0};

        prose_append(&plain, size);
        buf_append(&small, "head", 4);
        CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));
        CHECK(small.size - 4 < size * 97 / 100);
        CHECK(memcmp(small.data, "head", 4) == 0);
        CHECK_OK(compressor_expand(c, (struct slice){0}, SLICE_OF(small.data + 4, small.size - 4),
                                   size, &again, e));
        CHECK(slice_is_equal(buf_slice(&plain), buf_slice(&again)));
    }
}

TEST(noise_of_any_size_is_left_alone)
{
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf out = {0};

    noise_append(&plain, (size_t)4 << 20, NOISE_SEED);
    buf_append(&out, "head", 4);
    for (size_t size = 0; size <= plain.size; size = size * 3 / 2 + 1)
        CHECK(!compressor_compress(c, SLICE_OF(plain.data, size), CONTENT_MIXED, &out));
    ck_assert_uint_eq(out.size, 4);
}

TEST(noise_and_text_in_turn_are_told_apart_every_time)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf noise = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf out = {0};

    noise_append(&noise, (size_t)1 << 20, NOISE_SEED);
    prose_append(&text, (size_t)1 << 20);
    for (int i = 0; i < 3; i++) {
        CHECK(compressor_compress(c, buf_slice(&text), CONTENT_MIXED, &out));
        CHECK(compressor_compress(c, buf_slice(&text), CONTENT_MIXED, &out));

        const size_t before = out.size;

        CHECK(!compressor_compress(c, buf_slice(&noise), CONTENT_MIXED, &out));
        CHECK(!compressor_compress(c, buf_slice(&noise), CONTENT_MIXED, &out));
        ck_assert_uint_eq(out.size, before);
    }
}
END

/* The gain lies between the pieces of the sample, or is too small after all. */
/* Rows of a table that come again after a quarter of a megabyte. */
TEST(more_is_remembered_of_something_long_and_both_kinds_take_turns)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf rows = {0};
    size_t sizes[2] = {0};
    uint64_t state;

    while (rows.size < 256 << 10) {
        state = rows.size;
        buf_printf(&rows, "%zu %016llx\n", rows.size, (unsigned long long)noise_next(&state));
    }
    buf_reserve(&rows, rows.size);
    buf_append_slice(&rows, buf_slice(&rows));
    for (int i = 0; i < 6; i++) {
        const enum content content = i % 2 == 0 ? CONTENT_MIXED : CONTENT_LONG;
        AUTO(buf) struct buf packed = {0};
        AUTO(buf) struct buf again = {0};

        CHECK(compressor_compress(c, buf_slice(&rows), content, &packed));
        CHECK(i < 2 || packed.size == sizes[i % 2]);
        sizes[i % 2] = packed.size;
        CHECK_OK(compressor_expand(c, (struct slice){0}, buf_slice(&packed), rows.size, &again, e));
        CHECK(slice_is_equal(buf_slice(&rows), buf_slice(&again)));
    }
    CHECK(sizes[1] < sizes[0] * 95 / 100);
}
END

TEST(a_gain_below_three_percent_is_no_gain)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf out = {0};

    noise_append(&plain, 60000, NOISE_SEED);
    memset(plain.data, 0, 1500);
    CHECK(!compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &out));
    memset(plain.data, 0, 2500);
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &out));
}

TEST(a_long_frame_with_some_text_among_noise_is_compressed)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf out = {0};

    for (uint64_t i = 0; i < 4; i++) {
        noise_append(&plain, 96 << 10, NOISE_SEED + i);
        prose_append(&plain, 32 << 10);
    }
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &out));
    CHECK(out.size < plain.size * 9 / 10);
}

TEST(the_frame_names_its_size_and_has_no_checksum)
{
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf small = {0};

    prose_append(&plain, 3000);
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));
    ck_assert_uint_eq(ZSTD_getFrameContentSize(small.data, small.size), 3000);
    ck_assert_uint_eq(small.data[4] & 4, 0); /* RFC 8878, 3.1.1.1.1: Content_Checksum_flag */
}

TEST(every_truncation_fails)
{
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf small = {0};
    AUTO(buf) struct buf again = {0};

    prose_append(&plain, 3000);
    buf_append(&again, "head", 4);
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));
    for (size_t size = 0; size < small.size; size++) {
        CHECK_ERR(
            compressor_expand(c, (struct slice){0}, SLICE_OF(small.data, size), 3000, &again, e),
            ERR_CORRUPT);
        ck_assert_uint_eq(again.size, 4);
    }
}

TEST(another_size_than_the_frame_has_fails)
{
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf small = {0};
    AUTO(buf) struct buf again = {0};
    const size_t wrong[] = {0, 1, 2999, 3001, 6000, COMPRESS_PLAIN_MAX, SIZE_MAX};

    prose_append(&plain, 3000);
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_ERR(compressor_expand(c, (struct slice){0}, buf_slice(&small), wrong[i], &again, e),
                  ERR_CORRUPT);
    ck_assert_uint_eq(again.size, 0);
}

TEST(two_frames_or_bytes_behind_one_fail)
{
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf small = {0};
    AUTO(buf) struct buf again = {0};

    prose_append(&plain, 3000);
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));

    const size_t size = small.size;

    buf_put_u8(&small, 0);
    CHECK_ERR(compressor_expand(c, (struct slice){0}, buf_slice(&small), 3000, &again, e),
              ERR_CORRUPT);
    small.size = size;
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));
    CHECK_ERR(compressor_expand(c, (struct slice){0}, buf_slice(&small), 3000, &again, e),
              ERR_CORRUPT);
    CHECK_ERR(compressor_expand(c, (struct slice){0}, buf_slice(&small), 6000, &again, e),
              ERR_CORRUPT);
}

/* Both add nothing to what the first frame expands to. */
TEST(empty_and_skippable_frames_behind_one_fail)
{
    static const uint8_t empty[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0};
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'};
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf small = {0};
    AUTO(buf) struct buf again = {0};

    prose_append(&plain, 3000);
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));
    buf_append(&small, empty, sizeof(empty));
    CHECK_ERR(compressor_expand(c, (struct slice){0}, buf_slice(&small), 3000, &again, e),
              ERR_CORRUPT);
    small.size -= sizeof(empty);
    buf_append(&small, skippable, sizeof(skippable));
    CHECK_ERR(compressor_expand(c, (struct slice){0}, buf_slice(&small), 3000, &again, e),
              ERR_CORRUPT);
}

TEST(a_frame_above_the_limit_is_not_expanded)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf zeros = {0};
    AUTO(buf) struct buf small = {0};
    AUTO(buf) struct buf again = {0};
    const size_t size = COMPRESS_PLAIN_MAX + 1;

    memset(buf_extend(&zeros, size), 0, size);
    CHECK(!compressor_compress(c, buf_slice(&zeros), CONTENT_MIXED, &small));

    const size_t n = ZSTD_compress(buf_extend(&small, 1 << 20), 1 << 20, zeros.data, size, 1);

    CHECK(!ZSTD_isError(n));
    CHECK_ERR(compressor_expand(c, (struct slice){0}, SLICE_OF(small.data, n), size, &again, e),
              ERR_CORRUPT);
}

/* A skippable frame holds nothing, which is not the same as an empty frame. */
TEST(frames_that_are_none_or_name_no_size_fail)
{
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'};
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf again = {0};
    uint8_t out[100];
    ZSTD_CCtx *z = ZSTD_createCCtx();

    CHECK_ERR(compressor_expand(c, (struct slice){0}, SLICE_OF(skippable, sizeof(skippable)), 0,
                                &again, e),
              ERR_CORRUPT);
    (void)ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);

    const size_t n = ZSTD_compress2(z, out, sizeof(out), "aaaaaaaaaaaaaaaaaaaaaaaaa", 25);

    ZSTD_freeCCtx(z);
    CHECK(!ZSTD_isError(n));
    CHECK_ERR(compressor_expand(c, (struct slice){0}, SLICE_OF(out, n), 25, &again, e),
              ERR_CORRUPT);
}

/* Without a checksum of its own zstd may not notice; the tag of the section does. */
TEST(no_flipped_bit_yields_another_length_or_harm)
{
    AUTO(compressor) struct compressor *c = compressor_new(3);
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf small = {0};

    prose_append(&plain, 3000);
    CHECK(compressor_compress(c, buf_slice(&plain), CONTENT_MIXED, &small));
    for (size_t bit = 0; bit < small.size * 8; bit++) {
        AUTO(buf) struct buf again = {0};
        struct err e = {0};

        small.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        const bool ok =
            compressor_expand(c, (struct slice){0}, buf_slice(&small), 3000, &again, &e);
        small.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        ck_assert_uint_eq(again.size, ok ? 3000 : 0);
        CHECK(ok || e.code == ERR_CORRUPT);
    }
}

/* After a prefix */

/* Noise of a seed, with so many bytes changed. */
static void changed_append(struct buf *out, uint64_t seed, size_t size, size_t changes)
{
    const size_t before = out->size;

    noise_append(out, size, seed);
    for (size_t i = 0; i < changes; i++)
        out->data[before + size / (changes + 1) * (i + 1)] ^= 0x55;
}

static const enum content contents[] = {CONTENT_MIXED, CONTENT_LONG};

static void check_repeats(struct compressor *c, enum content content, size_t size)
{
    AUTO(buf) struct buf prefix = {0};
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf small = {0};
    AUTO(buf) struct buf again = {0};

    changed_append(&prefix, size, size, 0);
    changed_append(&plain, size, size, size > 300 ? 3 : 0);
    buf_append(&small, "head", 4);
    CHECK(compressor_compress_after(c, buf_slice(&prefix), buf_slice(&plain), content, &small));
    CHECK(small.size < 4 + 60 + size / 20 && memcmp(small.data, "head", 4) == 0);
    CHECK_OK(compressor_expand(c, buf_slice(&prefix), SLICE_OF(small.data + 4, small.size - 4),
                               size, &again, e));
    CHECK(slice_is_equal(buf_slice(&plain), buf_slice(&again)));
}

TEST(what_repeats_the_prefix_costs_next_to_nothing_and_expands_to_itself)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);

    for (size_t size = 100; size <= (size_t)4 << 20; size *= 3)
        for (size_t i = 0; i < 2; i++)
            check_repeats(c, contents[i], size);
}

/* As a database does when it is rebuilt. */
TEST(pages_that_stand_elsewhere_in_the_prefix_are_found)
{
    const size_t page = 4096, pages = 300;
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf prefix = {0};
    AUTO(buf) struct buf plain = {0};

    changed_append(&prefix, 7, page * pages, 0);
    for (size_t i = 0; i < pages; i++)
        buf_append(&plain, prefix.data + i * 77 % pages * page, page);
    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf small = {0};
        AUTO(buf) struct buf again = {0};

        CHECK(compressor_compress_after(c, buf_slice(&prefix), buf_slice(&plain), contents[i],
                                        &small));
        CHECK(small.size < plain.size / 20);
        CHECK_OK(
            compressor_expand(c, buf_slice(&prefix), buf_slice(&small), plain.size, &again, e));
        CHECK(slice_is_equal(buf_slice(&plain), buf_slice(&again)));
    }
}

TEST(the_longest_prefix_serves_the_longest_frame_from_its_first_byte_on)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf prefix = {0};
    AUTO(buf) struct buf plain = {0};

    changed_append(&prefix, 1, COMPRESS_PREFIX_MAX, 0);
    changed_append(&plain, 1, COMPRESS_PREFIX_MAX, 20);
    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf small = {0};
        AUTO(buf) struct buf again = {0};

        CHECK(compressor_compress_after(c, buf_slice(&prefix), buf_slice(&plain), contents[i],
                                        &small));
        CHECK(small.size < plain.size / 100);
        CHECK_OK(
            compressor_expand(c, buf_slice(&prefix), buf_slice(&small), plain.size, &again, e));
        CHECK(slice_is_equal(buf_slice(&plain), buf_slice(&again)));
    }
}

/* One that did not fit leaves the next one as it would have been. */
TEST(less_than_half_is_no_gain_however_often_it_is_tried)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf same = {0};
    AUTO(buf) struct buf prefix = {0};
    AUTO(buf) struct buf other = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf out = {0};

    changed_append(&prefix, 1, 300000, 0);
    changed_append(&same, 1, 300000, 0);
    changed_append(&other, 2, 300000, 0);
    prose_append(&text, 300000);
    for (int i = 0; i < 3; i++) {
        CHECK(!compressor_compress_after(c, buf_slice(&prefix), buf_slice(&other), CONTENT_MIXED,
                                         &out));
        CHECK(!compressor_compress_after(c, buf_slice(&prefix), buf_slice(&text), CONTENT_MIXED,
                                         &out));
        CHECK(!compressor_compress_after(c, buf_slice(&prefix), SLICE_OF("x", 1), CONTENT_MIXED,
                                         &out));
        ck_assert_uint_eq(out.size, 0);
    }
    CHECK(compressor_compress_after(c, buf_slice(&prefix), buf_slice(&same), CONTENT_MIXED, &out));
}

/* Bytes of another prefix are taken where it is long enough; ids of chunks tell. */
TEST(another_prefix_or_none_yields_no_such_bytes)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf same = {0};
    AUTO(buf) struct buf prefix = {0};
    AUTO(buf) struct buf other = {0};
    AUTO(buf) struct buf small = {0};

    changed_append(&prefix, 1, 100000, 0);
    changed_append(&same, 1, 100000, 0);
    changed_append(&other, 2, 100000, 0);
    CHECK(
        compressor_compress_after(c, buf_slice(&prefix), buf_slice(&same), CONTENT_MIXED, &small));

    const struct slice wrong[] = {buf_slice(&other), SLICE_OF(prefix.data, 99999),
                                  SLICE_OF(prefix.data, 10), (struct slice){0}};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO(buf) struct buf again = {0};
        struct err e = {0};
        const bool ok = compressor_expand(c, wrong[i], buf_slice(&small), prefix.size, &again, &e);

        CHECK(ok ? !slice_is_equal(buf_slice(&again), buf_slice(&prefix))
                 : e.code == ERR_CORRUPT && again.size == 0);
        CHECK(i < 2 || !ok);
    }
}

/* The prefix of one frame is not there for the next. */
TEST(frames_with_and_without_a_prefix_take_turns)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(buf) struct buf same = {0};
    AUTO(buf) struct buf prefix = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf after = {0};
    AUTO(buf) struct buf alone = {0};

    changed_append(&prefix, 1, 100000, 0);
    changed_append(&same, 1, 100000, 0);
    prose_append(&text, 50000);
    CHECK(
        compressor_compress_after(c, buf_slice(&prefix), buf_slice(&same), CONTENT_MIXED, &after));
    CHECK(compressor_compress(c, buf_slice(&text), CONTENT_MIXED, &alone));
    for (int i = 0; i < 3; i++) {
        AUTO(buf) struct buf again = {0};

        CHECK_OK(compressor_expand(c, buf_slice(&prefix), buf_slice(&after), 100000, &again, e));
        CHECK_OK(compressor_expand(c, (struct slice){0}, buf_slice(&alone), 50000, &again, e));
        CHECK(memcmp(again.data, prefix.data, 100000) == 0);
        CHECK(memcmp(again.data + 100000, text.data, 50000) == 0);
        CHECK_ERR(compressor_expand(c, (struct slice){0}, buf_slice(&after), 100000, &again, e),
                  ERR_CORRUPT);
    }
}

TEST(a_level_that_was_changed_counts_for_what_follows)
{
    AUTO(compressor) struct compressor *c = compressor_new(1);
    AUTO(compressor) struct compressor *high = compressor_new(19);
    AUTO(buf) struct buf text = {0};
    struct buf out[4] = {0};
    static const int levels[] = {1, 19, 1};

    prose_append(&text, 300000);
    for (size_t i = 0; i < 3; i++) {
        AUTO(buf) struct buf again = {0};

        compressor_set_level(c, levels[i]);
        CHECK(compressor_compress(c, buf_slice(&text), CONTENT_LONG, &out[i]));
        CHECK_OK(compressor_expand(c, (struct slice){0}, buf_slice(&out[i]), text.size, &again, e));
        CHECK(slice_is_equal(buf_slice(&again), buf_slice(&text)));
    }
    CHECK(compressor_compress(high, buf_slice(&text), CONTENT_LONG, &out[3]));
    CHECK(out[1].size < out[0].size * 95 / 100);
    CHECK(slice_is_equal(buf_slice(&out[0]), buf_slice(&out[2])));
    CHECK(slice_is_equal(buf_slice(&out[1]), buf_slice(&out[3])));
    for (size_t i = 0; i < 4; i++)
        buf_done(&out[i]);
}
END

TEST(levels_are_three_words_and_the_numbers_that_take_little_memory)
{
    static const struct {
        const char *text;
        int level;
    } good[] = {{"auto", LEVEL_AUTO}, {"off", LEVEL_RAW}, {"max", 19}, {"1", 1}, {"19", 19}};
    static const char *const bad[] = {"",   "0",   "20",   "-1",   "+3",
                                      "3 ", "1e1", "Auto", "fast", "18446744073709551617"};
    int level = 7;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_OK(level_parse(good[i].text, &level, e));
        ck_assert_int_eq(level, good[i].level);
    }
    level = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(level_parse(bad[i], &level, e), ERR_USAGE);
    ck_assert_int_eq(level, 7);
}
END

TESTS("compress", a_level_that_was_changed_counts_for_what_follows,
      levels_are_three_words_and_the_numbers_that_take_little_memory,
      text_of_any_size_becomes_shorter_and_expands_to_itself, noise_of_any_size_is_left_alone,
      noise_and_text_in_turn_are_told_apart_every_time,
      more_is_remembered_of_something_long_and_both_kinds_take_turns,
      a_gain_below_three_percent_is_no_gain, a_long_frame_with_some_text_among_noise_is_compressed,
      the_frame_names_its_size_and_has_no_checksum, every_truncation_fails,
      another_size_than_the_frame_has_fails, two_frames_or_bytes_behind_one_fail,
      empty_and_skippable_frames_behind_one_fail, a_frame_above_the_limit_is_not_expanded,
      frames_that_are_none_or_name_no_size_fail, no_flipped_bit_yields_another_length_or_harm,
      what_repeats_the_prefix_costs_next_to_nothing_and_expands_to_itself,
      pages_that_stand_elsewhere_in_the_prefix_are_found,
      the_longest_prefix_serves_the_longest_frame_from_its_first_byte_on,
      less_than_half_is_no_gain_however_often_it_is_tried,
      another_prefix_or_none_yields_no_such_bytes, frames_with_and_without_a_prefix_take_turns)
