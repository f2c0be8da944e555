#include "codec/cipher.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/mem.h"

struct cipher {
    EVP_CIPHER_CTX *openssl;
};

/* What cannot fail on valid arguments, except for want of memory or of the algorithm. */
static void must(int ok)
{
    if (ok != 1)
        mem_exit("OpenSSL cannot encrypt");
}

static struct cipher *cipher_new(void)
{
    struct cipher *c = mem_new(sizeof(*c));

    c->openssl = EVP_CIPHER_CTX_new();
    if (c->openssl == NULL)
        mem_exit("out of memory");
    return c;
}

static struct cipher *cbc_new(const uint8_t *key, const uint8_t *iv, int seals)
{
    struct cipher *c = cipher_new();

    must(EVP_CipherInit_ex(c->openssl, EVP_aes_256_cbc(), NULL, key, iv, seals));
    return c;
}

struct cipher *cipher_cbc_seal(const uint8_t key[CIPHER_KEY_SIZE],
                               const uint8_t iv[CIPHER_BLOCK_SIZE])
{
    return cbc_new(key, iv, 1);
}

struct cipher *cipher_cbc_open(const uint8_t key[CIPHER_KEY_SIZE],
                               const uint8_t iv[CIPHER_BLOCK_SIZE])
{
    return cbc_new(key, iv, 0);
}

static struct cipher *gcm_new(const uint8_t *key, struct slice nonce, struct slice ad, int seals)
{
    struct cipher *c = cipher_new();
    int n = 0;

    assert(nonce.size > 0 && nonce.size <= 16 && ad.size <= INT_MAX);
    must(EVP_CipherInit_ex(c->openssl, EVP_aes_256_gcm(), NULL, NULL, NULL, seals));
    /* Without this OpenSSL would take the first 12 bytes. */
    must(EVP_CIPHER_CTX_ctrl(c->openssl, EVP_CTRL_AEAD_SET_IVLEN, (int)nonce.size, NULL));
    must(EVP_CipherInit_ex(c->openssl, NULL, NULL, key, nonce.data, seals));
    if (ad.size > 0)
        must(EVP_CipherUpdate(c->openssl, NULL, &n, ad.data, (int)ad.size));
    return c;
}

struct cipher *cipher_gcm_seal(const uint8_t key[CIPHER_KEY_SIZE], struct slice nonce,
                               struct slice ad)
{
    return gcm_new(key, nonce, ad, 1);
}

struct cipher *cipher_gcm_open(const uint8_t key[CIPHER_KEY_SIZE], struct slice nonce,
                               struct slice ad)
{
    return gcm_new(key, nonce, ad, 0);
}

void cipher_free(struct cipher *c)
{
    if (c == NULL)
        return;
    EVP_CIPHER_CTX_free(c->openssl); /* wipes the key */
    mem_free(c);
}

void cipher_auto(struct cipher **c)
{
    cipher_free(*c);
}

size_t cipher_add(struct cipher *c, struct slice in, uint8_t *out)
{
    int n = 0;

    assert(in.size <= INT_MAX - CIPHER_BLOCK_SIZE);
    if (in.size == 0)
        return 0;
    must(EVP_CipherUpdate(c->openssl, out, &n, in.data, (int)in.size));
    return (size_t)n;
}

bool cipher_cbc_finish(struct cipher *c, uint8_t *out, size_t *size)
{
    int n = 0;

    if (EVP_CipherFinal_ex(c->openssl, out, &n) != 1) {
        ERR_clear_error();
        return false;
    }
    *size = (size_t)n;
    return true;
}

void cipher_gcm_tag(struct cipher *c, uint8_t tag[CIPHER_TAG_SIZE])
{
    uint8_t none[CIPHER_BLOCK_SIZE];
    int n = 0;

    must(EVP_CipherFinal_ex(c->openssl, none, &n));
    must(EVP_CIPHER_CTX_ctrl(c->openssl, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG_SIZE, tag));
}

bool cipher_gcm_is_authentic(struct cipher *c, const uint8_t tag[CIPHER_TAG_SIZE])
{
    uint8_t none[CIPHER_BLOCK_SIZE];
    int n = 0;

    /* OpenSSL takes the tag without const, and only reads it. */
    must(EVP_CIPHER_CTX_ctrl(c->openssl, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG_SIZE,
                             (void *)(uintptr_t)tag));
    if (EVP_CipherFinal_ex(c->openssl, none, &n) == 1)
        return true;
    ERR_clear_error();
    return false;
}
