#include "codec/aead.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "base/mem.h"

struct aead {
    EVP_CIPHER_CTX *cipher;
    enum seal_suite suite; /* that cipher is set up for; 0 at first */
    enum aead_direction direction;
};

static EVP_CIPHER *aes_256_gcm;
static EVP_CIPHER *chacha20_poly1305;

static void aead_fetch(void)
{
    aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    if (aes_256_gcm == NULL || chacha20_poly1305 == NULL)
        mem_exit("OpenSSL has no AES-256-GCM or no ChaCha20-Poly1305");
}

/* What cannot fail on valid arguments, except for want of memory. */
static void aead_must(int ok)
{
    if (ok != 1)
        mem_exit("OpenSSL cannot encrypt");
}

struct aead *aead_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, aead_fetch); /* fails only for a bad once */

    struct aead *a = mem_new(sizeof(*a));

    a->cipher = EVP_CIPHER_CTX_new();
    if (a->cipher == NULL)
        mem_exit("out of memory");
    return a;
}

void aead_free(struct aead *a)
{
    if (a == NULL)
        return;
    EVP_CIPHER_CTX_free(a->cipher); /* wipes the key */
    mem_free(a);
}

void aead_auto(struct aead **a)
{
    aead_free(*a);
}

void aead_set_key(struct aead *a, enum seal_suite suite, enum aead_direction direction,
                  const uint8_t key[SEAL_KEY_SIZE])
{
    const EVP_CIPHER *wanted = suite == SUITE_AES_256_GCM ? aes_256_gcm : chacha20_poly1305;

    assert(suite == SUITE_AES_256_GCM || suite == SUITE_CHACHA20_POLY1305);

    /* Naming the cipher again would make OpenSSL build its state anew. */
    if (a->suite == suite)
        wanted = NULL;
    aead_must(EVP_CipherInit_ex(a->cipher, wanted, NULL, key, NULL, direction == AEAD_SEAL));
    a->suite = suite;
    a->direction = direction;
}

/* Set the nonce, take in the associated data, convert the bytes; all but the tag. */
static void aead_convert(struct aead *a, const uint8_t *nonce, struct slice ad, struct slice in,
                         uint8_t *out)
{
    int n = 0;

    assert(ad.size <= INT_MAX && in.size <= INT_MAX);
    aead_must(EVP_CipherInit_ex(a->cipher, NULL, NULL, NULL, nonce, a->direction == AEAD_SEAL));
    aead_must(EVP_CipherUpdate(a->cipher, NULL, &n, ad.data, (int)ad.size));
    if (in.size == 0)
        return;
    aead_must(EVP_CipherUpdate(a->cipher, out, &n, in.data, (int)in.size));
    assert((size_t)n == in.size);
}

void aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_SIZE], struct slice ad,
               struct slice in, uint8_t *out)
{
    int n = 0;

    assert(a->direction == AEAD_SEAL);
    aead_convert(a, nonce, ad, in, out);
    aead_must(EVP_CipherFinal_ex(a->cipher, out + in.size, &n));
    aead_must(EVP_CIPHER_CTX_ctrl(a->cipher, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, out + in.size));
}

bool aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_SIZE], struct slice ad,
               struct slice in, uint8_t *out)
{
    int n = 0;

    assert(a->direction == AEAD_OPEN && in.size >= SEAL_TAG_SIZE);

    const struct slice body = {in.data, in.size - SEAL_TAG_SIZE};

    aead_convert(a, nonce, ad, body, out);

    /* OpenSSL takes the tag without const, and only reads it. */
    void *tag = (void *)(uintptr_t)(in.data + body.size);

    aead_must(EVP_CIPHER_CTX_ctrl(a->cipher, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, tag));
    if (EVP_CipherFinal_ex(a->cipher, out + body.size, &n) == 1)
        return true;
    ERR_clear_error();
    return false;
}
