/*
 * Bytes sealed to public keys by somebody who can open nothing.  docs/FORMAT.md, "Envelopes".
 *
 *     magic "HFENVLP1" | count of recipients (u32) | recipients | sealed bytes with their tag
 *     recipient = id (16) | content key, by crypto_box_seal() to the recipient's public key (80)
 *
 * The content key is drawn for each envelope and used once: XChaCha20-Poly1305 with a nonce of
 * zeros; the associated data is all that stands before the sealed bytes.  Whoever has a public key
 * can make envelopes, so one says nothing of who made it: where it was found has to.
 */
#ifndef CODEC_ENVELOPE_H
#define CODEC_ENVELOPE_H

#include "base/buf.h"

#define ENVELOPE_ID_SIZE        16
#define ENVELOPE_KEY_SIZE       32
#define ENVELOPE_RECIPIENTS_MAX 64
#define ENVELOPE_SIZE_MAX       ((size_t)64 << 20) /* of what is in one */

/* An X25519 key; id says whose. */
struct envelope_recipient {
    uint8_t id[ENVELOPE_ID_SIZE];
    uint8_t key[ENVELOPE_KEY_SIZE];
};

/* The public key that belongs to a secret one (any 32 random bytes). */
void envelope_public_key(const uint8_t secret[ENVELOPE_KEY_SIZE], uint8_t out[ENVELOPE_KEY_SIZE]);

/* ERR_USAGE for a key that is none: nothing can be sealed to it. */
MUST_CHECK bool envelope_check(const struct envelope_recipient *to, struct err *e);

/* How long the envelope of so many bytes becomes. */
size_t envelope_size(size_t plain, size_t recipients);

/* Append an envelope that any of 1 to ENVELOPE_RECIPIENTS_MAX recipients can open; their keys pass
 * envelope_check(). */
void envelope_seal(const struct envelope_recipient *to, size_t count, struct slice plain,
                   struct buf *out);

/*
 * Append what is in it.  ERR_NOT_FOUND when it is not sealed to this recipient; ERR_CORRUPT, with
 * *out as it was, when it is no envelope or not authentic.
 */
MUST_CHECK bool envelope_open(struct slice envelope, const uint8_t id[ENVELOPE_ID_SIZE],
                              const uint8_t secret[ENVELOPE_KEY_SIZE], struct buf *out,
                              struct err *e);

#endif
