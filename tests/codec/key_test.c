#include "support/test.h"

#include <string.h>
#include <sys/resource.h>

#include "base/text.h"
#include "codec/seal.h"

/* AddressSanitizer's allocator then fails as the system's does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

enum {
    WRAPPED_SIZE = SEAL_KEY_SIZE + SEAL_TAG_SIZE,
};

static void fill_ascending(uint8_t key[SEAL_KEY_SIZE], uint8_t first)
{
    for (uint8_t i = 0; i < SEAL_KEY_SIZE; i++)
        key[i] = (uint8_t)(first + i);
}

/* python3-cryptography: AESGCM(bytes(range(32))).encrypt(bytes(12), bytes(range(64, 96)),
 * b"slot bytes") */
TEST(a_key_is_wrapped_as_another_implementation_does)
{
    uint8_t kek[SEAL_KEY_SIZE], key[SEAL_KEY_SIZE], wrapped[WRAPPED_SIZE];
    char text[2 * WRAPPED_SIZE + 1];

    fill_ascending(kek, 0);
    fill_ascending(key, 64);
    key_wrap(kek, slice_string("slot bytes"), key, wrapped);
    hex_encode(SLICE_OF(wrapped, WRAPPED_SIZE), text);
    ck_assert_str_eq(text, "4efdf79df169c5fa40e1e37e5461dfd6821204007cd43678d8c7e9d899a20309"
                           "9db661cf4271baca4cb84de750a16c8d");
}

TEST(a_wrapped_key_opens_with_its_key_and_slot_only)
{
    uint8_t kek[SEAL_KEY_SIZE], key[SEAL_KEY_SIZE], wrapped[WRAPPED_SIZE];
    uint8_t opened[SEAL_KEY_SIZE] = {0};
    const uint8_t zero[SEAL_KEY_SIZE] = {0};

    fill_ascending(kek, 0);
    fill_ascending(key, 64);
    key_wrap(kek, slice_string("slot"), key, wrapped);
    CHECK_ERR(key_unwrap(key, slice_string("slot"), wrapped, opened, e), ERR_DENIED);
    CHECK_ERR(key_unwrap(kek, slice_string("slut"), wrapped, opened, e), ERR_DENIED);
    wrapped[WRAPPED_SIZE - 1] ^= 1;
    CHECK_ERR(key_unwrap(kek, slice_string("slot"), wrapped, opened, e), ERR_DENIED);
    CHECK(memcmp(opened, zero, SEAL_KEY_SIZE) == 0);
    wrapped[WRAPPED_SIZE - 1] ^= 1;
    CHECK_OK(key_unwrap(kek, slice_string("slot"), wrapped, opened, e));
    CHECK(memcmp(opened, key, SEAL_KEY_SIZE) == 0);
}

/* python3-cryptography: Argon2id(salt=b"somesaltsomesalt", length=32, iterations=2, lanes=1,
 * memory_cost=1024).derive(b"password") */
TEST(argon2id_gives_the_bytes_of_another_implementation)
{
    uint8_t out[SEAL_KEY_SIZE];
    char text[2 * SEAL_KEY_SIZE + 1];

    CHECK_OK(
        argon2id(slice_string("password"), (const uint8_t *)"somesaltsomesalt", 1024, 2, out, e));
    hex_encode(SLICE_OF(out, SEAL_KEY_SIZE), text);
    ck_assert_str_eq(text, "08a19ee7f6d7f589c2ab6af18d6e724172b19f7d6fd462b38430ab31ceabeaf0");
}

TEST(argon2id_depends_on_password_salt_memory_and_passes)
{
    const uint8_t *salt = (const uint8_t *)"somesaltsomesalt";
    uint8_t out[5][SEAL_KEY_SIZE];

    CHECK_OK(argon2id(slice_string("password"), salt, 1024, 2, out[0], e));
    CHECK_OK(argon2id(slice_string("passwore"), salt, 1024, 2, out[1], e));
    CHECK_OK(argon2id(slice_string("password"), (const uint8_t *)"somesaltsomesalu", 1024, 2,
                      out[2], e));
    CHECK_OK(argon2id(slice_string("password"), salt, 2048, 2, out[3], e));
    CHECK_OK(argon2id(slice_string("password"), salt, 1024, 3, out[4], e));
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(out[i], out[j], SEAL_KEY_SIZE) != 0);
}

TEST(an_empty_password_is_a_password)
{
    uint8_t out[SEAL_KEY_SIZE];

    CHECK_OK(argon2id((struct slice){0}, (const uint8_t *)"somesaltsomesalt", 1024, 1, out, e));
}

TEST(memory_that_cannot_be_had_is_an_error)
{
    const struct rlimit small = {.rlim_cur = 256 << 20, .rlim_max = RLIM_INFINITY};
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    uint8_t out[SEAL_KEY_SIZE];
    struct err e = {0};

    CHECK(setrlimit(RLIMIT_AS, &small) == 0);

    const bool ok =
        argon2id(slice_string("p"), (const uint8_t *)"somesaltsomesalt", 1 << 20, 1, out, &e);

    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    CHECK(!ok && e.code == ERR_FATAL && strstr(e.text, "1024 MiB") != NULL);
}

TESTS("key", a_key_is_wrapped_as_another_implementation_does,
      a_wrapped_key_opens_with_its_key_and_slot_only,
      argon2id_gives_the_bytes_of_another_implementation,
      argon2id_depends_on_password_salt_memory_and_passes, an_empty_password_is_a_password,
      memory_that_cannot_be_had_is_an_error)
