/*
 * What key slots need: wrapping of the master key, and Argon2id for passphrases.
 */
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "codec/aead.h"
#include "codec/seal.h"

/* A key that wraps does so once, so its nonce may be constant. */
static const uint8_t wrap_nonce[AEAD_NONCE_SIZE];

void key_wrap(const uint8_t kek[SEAL_KEY_SIZE], struct slice ad, const uint8_t key[SEAL_KEY_SIZE],
              uint8_t *out)
{
    AUTO(aead) struct aead *a = aead_new();

    aead_set_key(a, SUITE_AES_256_GCM, AEAD_SEAL, kek);
    aead_seal(a, wrap_nonce, ad, SLICE_OF(key, SEAL_KEY_SIZE), out);
}

bool key_unwrap(const uint8_t kek[SEAL_KEY_SIZE], struct slice ad, const uint8_t *wrapped,
                uint8_t key[SEAL_KEY_SIZE], struct err *e)
{
    AUTO(aead) struct aead *a = aead_new();
    uint8_t opened[SEAL_KEY_SIZE];

    aead_set_key(a, SUITE_AES_256_GCM, AEAD_OPEN, kek);

    const bool ok =
        aead_open(a, wrap_nonce, ad, SLICE_OF(wrapped, SEAL_KEY_SIZE + SEAL_TAG_SIZE), opened);

    if (ok)
        memcpy(key, opened, sizeof(opened));
    mem_wipe(opened, sizeof(opened));
    return ok || err_set(e, ERR_DENIED, "the key does not open this key slot");
}

bool argon2id(struct slice password, const uint8_t salt[16], uint32_t memory_kib, uint32_t passes,
              uint8_t out[SEAL_KEY_SIZE], struct err *e)
{
    const size_t memory = (size_t)memory_kib << 10;
    const char *bytes = password.size > 0 ? (const char *)password.data : "";

    static_assert(crypto_pwhash_SALTBYTES == 16, "libsodium's salt is the format's");
    assert(passes >= crypto_pwhash_OPSLIMIT_MIN && memory >= crypto_pwhash_MEMLIMIT_MIN);

    /* Chooses the fast variants; does so once, however often it is called. */
    if (sodium_init() < 0)
        return err_set(e, ERR_FATAL, "libsodium does not start");
    if (crypto_pwhash(out, SEAL_KEY_SIZE, bytes, password.size, salt, passes, memory,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return err_set(e, ERR_FATAL, "Argon2id cannot have the %u MiB of memory that it needs",
                       memory_kib >> 10);
    return true;
}
