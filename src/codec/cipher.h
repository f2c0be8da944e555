/*
 * AES-256 over messages of any length whose form other programs have laid down: CBC with PKCS#7
 * padding, and GCM with the tag somewhere else.  What is ours is sealed by seal.h.
 *
 * A cipher serves one message and one thread; its key is wiped with it.
 */
#ifndef CODEC_CIPHER_H
#define CODEC_CIPHER_H

#include "base/buf.h"

#define CIPHER_KEY_SIZE   32
#define CIPHER_BLOCK_SIZE 16
#define CIPHER_TAG_SIZE   16
#define CIPHER_GCM_MAX    (((uint64_t)1 << 36) - 32) /* bytes under one nonce */

struct cipher;

/* CBC says nothing about whether bytes were changed: whoever opens checks a MAC beforehand. */
struct cipher *cipher_cbc_seal(const uint8_t key[CIPHER_KEY_SIZE],
                               const uint8_t iv[CIPHER_BLOCK_SIZE]);
struct cipher *cipher_cbc_open(const uint8_t key[CIPHER_KEY_SIZE],
                               const uint8_t iv[CIPHER_BLOCK_SIZE]);

/* nonce has 1 to 16 bytes, and is never used twice with a key.  What comes out of an opening cipher
 * before cipher_gcm_is_authentic() must not be used. */
struct cipher *cipher_gcm_seal(const uint8_t key[CIPHER_KEY_SIZE], struct slice nonce,
                               struct slice ad);
struct cipher *cipher_gcm_open(const uint8_t key[CIPHER_KEY_SIZE], struct slice nonce,
                               struct slice ad);

void cipher_free(struct cipher *c);
void cipher_auto(struct cipher **c);

/* The next bytes.  Returns how many came out: in GCM in.size, and out may be where in is; in CBC
 * out has room for in.size + CIPHER_BLOCK_SIZE. */
size_t cipher_add(struct cipher *c, struct slice in, uint8_t *out);

/* The end of a message in CBC; out has room for CIPHER_BLOCK_SIZE.  False, when opening, without
 * whole blocks or valid padding. */
MUST_CHECK bool cipher_cbc_finish(struct cipher *c, uint8_t *out, size_t *size);

/* The end of a message in GCM: its tag when sealing, whether it has this one when opening. */
void cipher_gcm_tag(struct cipher *c, uint8_t tag[CIPHER_TAG_SIZE]);
MUST_CHECK bool cipher_gcm_is_authentic(struct cipher *c, const uint8_t tag[CIPHER_TAG_SIZE]);

#endif
