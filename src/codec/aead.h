/*
 * AES-256-GCM and ChaCha20-Poly1305 from OpenSSL, behind one context that keys and messages
 * reuse.  Private to the codec: seal.c and key.c say what keys, nonces and associated data are.
 */
#ifndef CODEC_AEAD_H
#define CODEC_AEAD_H

#include "base/buf.h"
#include "codec/seal.h"

#define AEAD_NONCE_SIZE 12

enum aead_direction {
    AEAD_SEAL,
    AEAD_OPEN,
};

struct aead;
struct aead *aead_new(void);
void aead_free(struct aead *a);
void aead_auto(struct aead **a);

/* Use this key from now on, in one direction. */
void aead_set_key(struct aead *a, enum seal_suite suite, enum aead_direction direction,
                  const uint8_t key[SEAL_KEY_SIZE]);

/* Write in.size + SEAL_TAG_SIZE bytes to out. */
void aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_SIZE], struct slice ad,
               struct slice in, uint8_t *out);

/*
 * Write in.size - SEAL_TAG_SIZE bytes to out; in has at least the tag.  False when it is not
 * authentic: out then holds bytes that must not be used.
 */
MUST_CHECK bool aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_SIZE], struct slice ad,
                          struct slice in, uint8_t *out);

#endif
