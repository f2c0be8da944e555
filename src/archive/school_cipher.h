/*
 * AES-256-GCM with an IV of 16 bytes, piece by piece.  Private to school_writer.c and
 * school_reader.c.
 */
#ifndef ARCHIVE_SCHOOL_CIPHER_H
#define ARCHIVE_SCHOOL_CIPHER_H

#include "archive/school.h"

enum school_direction { SCHOOL_SEAL, SCHOOL_OPEN };

struct school_cipher; /* a context of OpenSSL, which wipes the key when it is freed */
struct school_cipher *school_cipher_new(enum school_direction direction,
                                        const struct school_key *key,
                                        const uint8_t iv[SCHOOL_IV_SIZE]);
void school_cipher_free(struct school_cipher *c);
void school_cipher_auto(struct school_cipher **c);

/* out has in.size bytes, at most INT_MAX, and may be where in is. */
void school_cipher_convert(struct school_cipher *c, struct slice in, uint8_t *out);

/* Behind the last piece. */
void school_cipher_tag(struct school_cipher *c, uint8_t tag[SCHOOL_TAG_SIZE]);
MUST_CHECK bool school_cipher_is_authentic(struct school_cipher *c,
                                           const uint8_t tag[SCHOOL_TAG_SIZE]);

#endif
