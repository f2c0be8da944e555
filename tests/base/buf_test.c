#include "support/test.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

TEST(a_buffer_grows_and_keeps_its_bytes)
{
    AUTO(buf) struct buf b = {0};

    for (unsigned i = 0; i < 100000; i++)
        buf_put_u8(&b, (uint8_t)(i * 7));
    ck_assert_uint_eq(b.size, 100000);
    for (unsigned i = 0; i < 100000; i++)
        if (b.data[i] != (uint8_t)(i * 7))
            ck_abort_msg("byte %u changed", i);
}

TEST(buf_printf_appends_and_buf_string_ends_with_nul)
{
    AUTO(buf) struct buf b = {0};
    AUTO(mem) char *long_word = mem_new(500);

    memset(long_word, 'w', 499);
    buf_printf(&b, "%d+", 12);
    buf_printf(&b, "%s", long_word);
    ck_assert_uint_eq(b.size, 3 + 499);
    CHECK(strncmp(buf_string(&b), "12+www", 6) == 0);
    ck_assert_uint_eq(strlen(buf_string(&b)), b.size);
}

TEST(an_empty_buffer_is_an_empty_string)
{
    AUTO(buf) struct buf b = {0};

    buf_append(&b, NULL, 0);
    buf_append_slice(&b, (struct slice){0});
    ck_assert_str_eq(buf_string(&b), "");
    CHECK(slice_is_equal(buf_slice(&b), (struct slice){0}));
}

TEST(slices_are_ordered_as_unsigned_bytes_with_the_prefix_first)
{
    CHECK(slice_compare(slice_string("a"), slice_string("\xFF")) < 0);
    CHECK(slice_compare(slice_string("ab"), slice_string("a")) > 0);
    CHECK(slice_compare((struct slice){0}, slice_string("a")) < 0);
    CHECK(slice_compare(slice_string("ab"), slice_string("ab")) == 0);
    CHECK(slice_is_equal(slice_string("ab"), slice_string("ab")));
    CHECK(!slice_is_equal(slice_string("ab"), slice_string("abc")));
    CHECK(!slice_is_equal(slice_string("ab"), slice_string("ac")));
}

TEST(fixed_numbers_are_little_endian_and_read_back)
{
    AUTO(buf) struct buf b = {0};
    uint8_t small = 0;
    uint32_t middle = 0;
    uint64_t large = 0;

    buf_put_u8(&b, 0xFE);
    buf_put_u32(&b, 0x04030201);
    buf_put_u64(&b, UINT64_MAX - 1);
    CHECK(memcmp(b.data, "\xFE\x01\x02\x03\x04\xFE\xFF", 7) == 0);

    struct slice s = buf_slice(&b);

    CHECK(take_u8(&s, &small) && take_u32(&s, &middle) && take_u64(&s, &large));
    CHECK(small == 0xFE && middle == 0x04030201 && large == UINT64_MAX - 1);
    ck_assert_uint_eq(s.size, 0);
}

TEST(varints_of_every_length_read_back)
{
    for (unsigned bits = 0; bits < 64; bits++)
        for (int delta = -1; delta <= 1; delta++) {
            AUTO(buf) struct buf b = {0};
            const uint64_t wanted = (UINT64_C(1) << bits) + (uint64_t)delta;
            uint64_t got = 0;

            buf_put_varint(&b, wanted);

            struct slice s = buf_slice(&b);

            CHECK(take_varint(&s, &got));
            CHECK(got == wanted && s.size == 0);
        }
}

static void check_varint_refused(const char *bytes, size_t size)
{
    struct slice s = SLICE_OF(bytes, size);
    uint64_t v = 77;

    CHECK(!take_varint(&s, &v));
    CHECK(v == 77 && s.size == size && s.data == (const uint8_t *)bytes);
}

TEST(varints_that_are_short_overlong_or_too_large_are_refused)
{
    check_varint_refused("", 0);
    check_varint_refused("\x80", 1);
    check_varint_refused("\x80\x00", 2);
    check_varint_refused("\xFF\x80\x00", 3);
    check_varint_refused("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10);
    check_varint_refused("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81\x00", 11);
    check_varint_refused("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9);
}

TEST(readers_fail_at_every_truncation_and_change_nothing)
{
    static const uint8_t bytes[8] = {0};
    uint8_t small = 9;
    uint32_t middle = 9;
    uint64_t large = 9;

    for (size_t size = 0; size < sizeof(bytes); size++) {
        struct slice s = {bytes, size};

        CHECK(size >= 1 || !take_u8(&s, &small));
        CHECK(size >= 4 || !take_u32(&s, &middle));
        CHECK(!take_u64(&s, &large));
        CHECK(s.data == bytes && s.size == size);
    }
    CHECK(small == 9 && middle == 9 && large == 9);
}

TEST(take_bytes_refuses_a_size_beyond_the_end)
{
    AUTO(buf) struct buf b = {0};
    struct slice got = {0};

    buf_put_bytes(&b, slice_string("hello"));

    struct slice whole = buf_slice(&b);
    struct slice cut = {b.data, b.size - 1};

    CHECK(!take_bytes(&cut, &got));
    CHECK(cut.data == b.data && cut.size == b.size - 1 && got.data == NULL);
    CHECK(take_bytes(&whole, &got) && whole.size == 0);
    CHECK(slice_is_equal(got, slice_string("hello")));

    buf_clear(&b);
    buf_put_varint(&b, UINT64_MAX);
    whole = buf_slice(&b);
    CHECK(!take_bytes(&whole, &got));
}

TEST(secret_memory_is_zeroed_aligned_and_writable_to_its_end)
{
    for (size_t size = 0; size < 70; size++) {
        AUTO(mem_secret) uint8_t *p = mem_secret_new(size);

        CHECK((uintptr_t)p % 16 == 0);
        for (size_t i = 0; i < size; i++)
            CHECK(p[i] == 0);
        memset(p, 0xA5, size);
    }
    mem_secret_free(NULL);
}

TEST(mem_dup_adds_a_nul_and_mem_string_passes_null_on)
{
    AUTO(mem) char *copy = mem_dup("abc", 2);
    AUTO(mem) char *none = mem_string(NULL);

    ck_assert_str_eq(copy, "ab");
    CHECK(none == NULL);
}

TEST(pieces_of_an_arena_are_aligned_and_do_not_touch_each_other)
{
    AUTO(arena) struct arena a = {0};
    uint8_t *pieces[300];

    for (size_t i = 0; i < 300; i++) {
        pieces[i] = arena_take(&a, i * 7);
        CHECK((uintptr_t)pieces[i] % 8 == 0);
        memset(pieces[i], (int)i & 0xFF, i * 7);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t j = 0; j < i * 7; j++)
            if (pieces[i][j] != (uint8_t)i)
                ck_abort_msg("piece %zu was overwritten at %zu", i, j);
    memset(arena_take(&a, 1 << 20), 0xEE, 1 << 20);
    ck_assert_str_eq(arena_string(&a, SLICE_OF("name!", 4)), "name");
    ck_assert_str_eq(arena_string(&a, (struct slice){0}), "");
    CHECK(slice_is_equal(arena_copy(&a, slice_string("xyz")), slice_string("xyz")));
    CHECK(arena_copy(&a, (struct slice){0}).size == 0);
}

TESTS("buf", pieces_of_an_arena_are_aligned_and_do_not_touch_each_other,
      a_buffer_grows_and_keeps_its_bytes, buf_printf_appends_and_buf_string_ends_with_nul,
      an_empty_buffer_is_an_empty_string,
      slices_are_ordered_as_unsigned_bytes_with_the_prefix_first,
      fixed_numbers_are_little_endian_and_read_back, varints_of_every_length_read_back,
      varints_that_are_short_overlong_or_too_large_are_refused,
      readers_fail_at_every_truncation_and_change_nothing, take_bytes_refuses_a_size_beyond_the_end,
      secret_memory_is_zeroed_aligned_and_writable_to_its_end,
      mem_dup_adds_a_nul_and_mem_string_passes_null_on)
