#include "support/test.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/noise.h"
#include "codec/random.h"

static void check_hex(const void *bytes, size_t size, const char *expected)
{
    char text[129];

    hex_encode(SLICE_OF(bytes, size), text);
    ck_assert_str_eq(text, expected);
}

/* FIPS 180-2, appendix B, and the empty message. */
TEST(sha256_gives_the_published_sums)
{
    struct hash h;

    sha256(slice_string("abc"), &h);
    check_hex(h.bytes, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(slice_string("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), &h);
    check_hex(h.bytes, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sha256((struct slice){0}, &h);
    check_hex(h.bytes, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(two_sums_at_once_are_those_of_each_alone)
{
    uint8_t bytes[300];
    struct hash a, b, x, y;

    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < 200; i++)
        for (size_t n = 0; n < 200; n++) {
            const struct slice one = SLICE_OF(bytes, i), other = SLICE_OF(bytes + 100, n);

            sha256_two(one, other, &a, &b);
            sha256(one, &x);
            sha256(other, &y);
            CHECK(hash_is_equal(&a, &x) && hash_is_equal(&b, &y));
        }
}

TEST(a_stream_of_a_million_letters_sums_as_published)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    uint8_t part[777];
    struct hash h;

    memset(part, 'a', sizeof(part));
    for (size_t left = 1000000; left > 0;) {
        const size_t n = left < sizeof(part) ? left : sizeof(part);

        sha256_stream_add(s, SLICE_OF(part, n));
        left -= n;
    }
    sha256_stream_finish(s, &h);
    check_hex(h.bytes, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231, cases 1 to 3 (shorter keys are padded with NUL): the type is the first byte. */
TEST(mac_gives_the_sums_of_rfc_4231)
{
    uint8_t key[HASH_SIZE] = {0};
    uint8_t fifty[49];
    struct hash h;

    memset(key, 0x0b, 20);
    AUTO(mac) struct mac *first = mac_new(key);
    mac_sum(first, 'H', slice_string("i There"), &h);
    check_hex(h.bytes, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");

    memset(key, 0, sizeof(key));
    memcpy(key, "Jefe", 4);
    AUTO(mac) struct mac *second = mac_new(key);
    mac_sum(second, 'w', slice_string("hat do ya want for nothing?"), &h);
    check_hex(h.bytes, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

    memset(key, 0xaa, 20);
    memset(key + 20, 0, 12);
    memset(fifty, 0xdd, sizeof(fifty));
    AUTO(mac) struct mac *third = mac_new(key);
    mac_sum(third, 0xdd, SLICE_OF(fifty, sizeof(fifty)), &h);
    check_hex(h.bytes, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}

TEST(a_mac_remembers_nothing_of_the_message_before)
{
    const uint8_t key[HASH_SIZE] = {1};
    AUTO(mac) struct mac *m = mac_new(key);
    struct hash first, again, other_type;

    mac_sum(m, 1, slice_string("x"), &first);
    mac_sum(m, 2, slice_string("x"), &other_type);
    mac_sum(m, 1, slice_string("x"), &again);
    CHECK(hash_is_equal(&first, &again));
    CHECK(!hash_is_equal(&first, &other_type));
}

/* The sums of messages of these sizes, at odd addresses, are those of each alone. */
static void check_sum_all(const size_t *sizes, size_t count)
{
    const uint8_t key[HASH_SIZE] = {7};
    AUTO(mac) struct mac *m = mac_new(key);
    AUTO(mem) struct mac_message *messages = mem_array(count, sizeof(*messages));
    AUTO(buf) struct buf bytes = {0};

    for (size_t i = 0; i < count; i++) {
        messages[i].type = (uint8_t)(i + 1);
        buf_extend(&bytes, sizes[i]);
    }
    for (size_t i = 0; i < bytes.size; i++)
        bytes.data[i] = (uint8_t)(i * i >> 7 ^ i);

    const uint8_t *at = bytes.data;

    for (size_t i = 0; i < count; at += sizes[i++])
        messages[i].in = SLICE_OF(at, sizes[i]);
    mac_sum_all(m, messages, count);
    for (size_t i = 0; i < count; i++) {
        struct hash alone;

        mac_sum(m, messages[i].type, messages[i].in, &alone);
        CHECK(hash_is_equal(&messages[i].sum, &alone));
    }
}

TEST(macs_of_many_messages_are_those_of_each_alone)
{
    const size_t mixed[] = {0, 1, 1 << 20, 63, 64, 255, 256, 70001, 257, 319, 320, 321, 383, 384};
    size_t rising[300];

    for (size_t count = 0; count <= sizeof(mixed) / sizeof(mixed[0]); count++)
        check_sum_all(mixed, count);
    for (size_t i = 0; i < 300; i++)
        rising[i] = 200 + i;
    check_sum_all(rising, 300);
}
END

TEST(a_hash_beside_macs_is_the_one_of_its_bytes)
{
    const uint8_t key[HASH_SIZE] = {7};
    AUTO(mac) struct mac *m = mac_new(key);
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    uint8_t bytes[5000], beside[20000];

    for (size_t i = 0; i < sizeof(beside); i++)
        beside[i] = bytes[i % sizeof(bytes)] = (uint8_t)(i * i >> 5);
    for (size_t size = 0; size <= sizeof(beside); size += 999) {
        struct slice rest = SLICE_OF(beside, size);
        struct hash alone, found;

        for (size_t count = 0; count < 4; count++) {
            struct mac_message messages[] = {
                {.type = 1, .in = SLICE_OF(bytes, sizeof(bytes))},
                {.type = 2, .in = SLICE_OF(bytes + 1, 700)},
                {.type = 3, .in = SLICE_OF(bytes + 5, 2100)},
            };

            mac_sum_beside(m, messages, count, s, &rest);
            for (size_t i = 0; i < count; i++) {
                mac_sum(m, messages[i].type, messages[i].in, &alone);
                CHECK(hash_is_equal(&messages[i].sum, &alone));
            }
        }
        sha256_stream_add(s, rest);
        sha256_stream_finish(s, &found);
        sha256(SLICE_OF(beside, size), &alone);
        CHECK(hash_is_equal(&found, &alone));
    }
}
END

static void fill_ascending(uint8_t *to, size_t size, uint8_t first)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(first + i);
}

/* RFC 5869, appendix A.1; the first 42 bytes of a longer output are the same. */
TEST(hkdf_gives_the_bytes_of_rfc_5869_with_salt_and_info)
{
    uint8_t ikm[22], salt[13], info[10], out[64];

    memset(ikm, 0x0b, sizeof(ikm));
    fill_ascending(salt, sizeof(salt), 0);
    fill_ascending(info, sizeof(info), 0xf0);
    hkdf(SLICE_OF(ikm, 22), SLICE_OF(salt, 13), SLICE_OF(info, 10), out, 42);
    check_hex(out, 42,
              "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
              "34007208d5b887185865");
    hkdf(SLICE_OF(ikm, 22), SLICE_OF(salt, 13), SLICE_OF(info, 10), out, 64);
    check_hex(out, 32, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

/* RFC 5869, appendix A.3. */
TEST(hkdf_gives_the_bytes_of_rfc_5869_without_salt_and_info)
{
    uint8_t ikm[22], out[42];

    memset(ikm, 0x0b, sizeof(ikm));
    hkdf(SLICE_OF(ikm, 22), (struct slice){0}, (struct slice){0}, out, 42);
    check_hex(out, 42,
              "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
              "9d201395faa4b61a96c8");
}

TEST(equal_ct_tells_a_difference_in_any_byte)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};

    CHECK(equal_ct(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(b); i++) {
        b[i] = 0x80;
        CHECK(!equal_ct(a, b, sizeof(a)));
        b[i] = 0;
    }
    CHECK(equal_ct(a, b, 0));
}

TEST(random_bytes_fills_all_of_a_long_run_and_never_repeats)
{
    enum { SIZE = 1 << 20 };
    AUTO(mem) uint8_t *a = mem_new(SIZE);
    AUTO(mem) uint8_t *b = mem_new(SIZE);

    random_bytes(a, SIZE);
    random_bytes(b, SIZE);
    for (size_t i = 0; i < SIZE; i += 16)
        if (memcmp(a + i, b + i, 16) == 0)
            ck_abort_msg("the same sixteen bytes at %zu", i);
}

TESTS("hash", sha256_gives_the_published_sums, two_sums_at_once_are_those_of_each_alone,
      a_stream_of_a_million_letters_sums_as_published, mac_gives_the_sums_of_rfc_4231,
      a_mac_remembers_nothing_of_the_message_before, macs_of_many_messages_are_those_of_each_alone,
      a_hash_beside_macs_is_the_one_of_its_bytes,

      hkdf_gives_the_bytes_of_rfc_5869_with_salt_and_info,
      hkdf_gives_the_bytes_of_rfc_5869_without_salt_and_info,
      equal_ct_tells_a_difference_in_any_byte,
      random_bytes_fills_all_of_a_long_run_and_never_repeats)
