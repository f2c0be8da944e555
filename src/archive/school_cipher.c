#include "archive/school_cipher.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/mem.h"

struct school_cipher {
    EVP_CIPHER_CTX *evp;
};

/* What cannot fail on valid arguments, except for want of memory. */
static void must(int ok)
{
    if (ok != 1)
        mem_exit("OpenSSL cannot encrypt");
}

struct school_cipher *school_cipher_new(enum school_direction direction,
                                        const struct school_key *key,
                                        const uint8_t iv[SCHOOL_IV_SIZE])
{
    struct school_cipher *c = mem_new(sizeof(*c));
    const int seals = direction == SCHOOL_SEAL;

    c->evp = EVP_CIPHER_CTX_new();
    if (c->evp == NULL)
        mem_exit("out of memory");
    must(EVP_CipherInit_ex(c->evp, EVP_aes_256_gcm(), NULL, NULL, NULL, seals));
    /* Without this OpenSSL would take the first 12 bytes. */
    must(EVP_CIPHER_CTX_ctrl(c->evp, EVP_CTRL_AEAD_SET_IVLEN, SCHOOL_IV_SIZE, NULL));
    must(EVP_CipherInit_ex(c->evp, NULL, NULL, key->bytes, iv, seals));
    return c;
}

void school_cipher_free(struct school_cipher *c)
{
    if (c == NULL)
        return;
    EVP_CIPHER_CTX_free(c->evp);
    mem_free(c);
}

void school_cipher_auto(struct school_cipher **c)
{
    school_cipher_free(*c);
}

void school_cipher_convert(struct school_cipher *c, struct slice in, uint8_t *out)
{
    int n = 0;

    assert(in.size <= INT_MAX);
    if (in.size == 0)
        return;
    must(EVP_CipherUpdate(c->evp, out, &n, in.data, (int)in.size));
    assert((size_t)n == in.size);
}

void school_cipher_tag(struct school_cipher *c, uint8_t tag[SCHOOL_TAG_SIZE])
{
    uint8_t none[1];
    int n = 0;

    must(EVP_CipherFinal_ex(c->evp, none, &n));
    must(EVP_CIPHER_CTX_ctrl(c->evp, EVP_CTRL_AEAD_GET_TAG, SCHOOL_TAG_SIZE, tag));
}

bool school_cipher_is_authentic(struct school_cipher *c, const uint8_t tag[SCHOOL_TAG_SIZE])
{
    uint8_t wanted[SCHOOL_TAG_SIZE];
    uint8_t none[1];
    int n = 0;

    __builtin_memcpy(wanted, tag, sizeof(wanted)); /* OpenSSL takes no const */
    must(EVP_CIPHER_CTX_ctrl(c->evp, EVP_CTRL_AEAD_SET_TAG, sizeof(wanted), wanted));
    if (EVP_CipherFinal_ex(c->evp, none, &n) == 1)
        return true;
    ERR_clear_error();
    return false;
}
