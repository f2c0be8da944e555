#include "codec/cipher.h"

#include <string.h>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/random.h"
#include "support/test.h"

static const char key_text[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static uint8_t key[CIPHER_KEY_SIZE];
static uint8_t iv[CIPHER_BLOCK_SIZE];

static void set_key(void)
{
    CHECK(hex_decode(key_text, key, sizeof(key)));
    CHECK(hex_decode("000102030405060708090a0b0c0d0e0f", iv, sizeof(iv)));
}

static void check_hex(const void *bytes, size_t size, const char *expected)
{
    char text[513];

    hex_encode(SLICE_OF(bytes, size), text);
    ck_assert_str_eq(text, expected);
}

/* Made with Python's cryptography. */
TEST(cbc_gives_the_bytes_of_other_programs)
{
    uint8_t out[2 * CIPHER_BLOCK_SIZE];
    size_t size, more;

    set_key();

    AUTO(cipher) struct cipher *seal = cipher_cbc_seal(key, iv);
    AUTO(cipher) struct cipher *open = cipher_cbc_open(key, iv);

    size = cipher_add(seal, slice_string("hello backup\n"), out);
    CHECK(cipher_cbc_finish(seal, out + size, &more));
    size += more;
    check_hex(out, size, "36993c219b832034b7f57915375325fe");

    uint8_t plain[3 * CIPHER_BLOCK_SIZE];

    size = cipher_add(open, SLICE_OF(out, 16), plain);
    CHECK(cipher_cbc_finish(open, plain + size, &more));
    ck_assert_uint_eq(size + more, 13);
    ck_assert_mem_eq(plain, "hello backup\n", 13);
}
END

TEST(cbc_of_any_length_in_any_parts_comes_back)
{
    uint8_t in[200], sealed[240], plain[260];

    random_bytes(in, sizeof(in));
    random_bytes(key, sizeof(key));
    for (size_t n = 0; n <= sizeof(in); n++) {
        AUTO(cipher) struct cipher *seal = cipher_cbc_seal(key, iv);
        AUTO(cipher) struct cipher *open = cipher_cbc_open(key, iv);
        size_t size = 0, back = 0, more;

        for (size_t at = 0, part = n % 7 + 1; at < n; at += part)
            size +=
                cipher_add(seal, SLICE_OF(in + at, n - at < part ? n - at : part), sealed + size);
        CHECK(cipher_cbc_finish(seal, sealed + size, &more));
        size += more;
        ck_assert_uint_eq(size, n / 16 * 16 + 16);
        for (size_t at = 0; at < size; at += 5)
            back += cipher_add(open, SLICE_OF(sealed + at, size - at < 5 ? size - at : 5),
                               plain + back);
        CHECK(cipher_cbc_finish(open, plain + back, &more));
        ck_assert_uint_eq(back + more, n);
        if (n > 0)
            ck_assert_mem_eq(plain, in, n);
    }
}
END

TEST(cbc_that_is_cut_or_has_no_padding_does_not_finish)
{
    uint8_t sealed[32], plain[64];
    size_t more = 99;

    set_key();

    AUTO(cipher) struct cipher *seal = cipher_cbc_seal(key, iv);
    AUTO(cipher) struct cipher *cut = cipher_cbc_open(key, iv);
    AUTO(cipher) struct cipher *none = cipher_cbc_open(key, iv);

    (void)cipher_add(seal, slice_string("sixteen letters!sixteen letters!"), sealed);
    (void)cipher_add(cut, SLICE_OF(sealed, 31), plain);
    CHECK(!cipher_cbc_finish(cut, plain, &more));
    (void)cipher_add(none, SLICE_OF(sealed, 16), plain);
    CHECK(!cipher_cbc_finish(none, plain, &more));
    ck_assert_uint_eq(more, 99);
}
END

/* With an IV of 16 bytes, as the school application has it; made with Node. */
TEST(gcm_opens_what_another_program_sealed_and_nothing_else)
{
    static const char text[] = "{\"version\":\"1.0\",\"timestamp\":\"2025-11-21T10:28:30.846Z\","
                               "\"tables\":{\"users\":[]}}";
    uint8_t sealed[sizeof(text) - 1 + CIPHER_TAG_SIZE];
    uint8_t plain[sizeof(sealed) + CIPHER_BLOCK_SIZE];

    set_key();
    CHECK(hex_decode("758fd9768a76cc2413684a34670a709d"
                     "e64988beb2c4746b5ef680d14d5e5d625c922963982e943d7ca7662dcfa71e70d619c4e9"
                     "92fff0f369ee08f12888b78635a2200ff78082457046ab7fb54239fb559401681f197fe9"
                     "5365cc94a103",
                     sealed, sizeof(sealed)));
    for (size_t bit = 0; bit <= 8 * sizeof(sealed); bit += 13) {
        AUTO(cipher)
        struct cipher *open = cipher_gcm_open(key, SLICE_OF(iv, 16), (struct slice){0});
        const bool changes = bit > 0;

        sealed[bit / 8 % sizeof(sealed)] ^= (uint8_t)(changes ? 1U << bit % 8 : 0);
        ck_assert_uint_eq(cipher_add(open, SLICE_OF(sealed + 16, sizeof(text) - 1), plain),
                          sizeof(text) - 1);
        CHECK(cipher_gcm_is_authentic(open, sealed) == !changes);
        CHECK(changes || memcmp(plain, text, sizeof(text) - 1) == 0);
        sealed[bit / 8 % sizeof(sealed)] ^= (uint8_t)(changes ? 1U << bit % 8 : 0);
    }
}
END

/* RFC 4231, case 2 with its key filled up with zeros, which is the same to HMAC. */
TEST(hmac_in_parts_gives_the_published_sum_and_begins_anew)
{
    const uint8_t jefe[HASH_SIZE] = {'J', 'e', 'f', 'e'};
    AUTO(hmac_stream) struct hmac_stream *s = hmac_stream_new(jefe);
    struct hash sum;

    for (int i = 0; i < 2; i++) {
        hmac_stream_add(s, slice_string("what do ya want "));
        hmac_stream_add(s, slice_string("for nothing?"));
        hmac_stream_finish(s, &sum);
        check_hex(sum.bytes, HASH_SIZE,
                  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
END

TESTS("codec/cipher", cbc_gives_the_bytes_of_other_programs,
      cbc_of_any_length_in_any_parts_comes_back, cbc_that_is_cut_or_has_no_padding_does_not_finish,
      gcm_opens_what_another_program_sealed_and_nothing_else,
      hmac_in_parts_gives_the_published_sum_and_begins_anew)
