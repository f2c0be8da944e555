/*
 * Authenticated encryption of the sections of one object, and the derivation of the key
 * that is used for this object only.  docs/FORMAT.md, "Sealing".
 *
 * An object has a header of SEAL_HEADER_SIZE bytes in clear and sections numbered from 0.
 * A sealer draws the salt, so every object has a key of its own and nonces are plain section
 * numbers; it is consumed by its last section and never seals the same number twice.
 */
#ifndef CODEC_SEAL_H
#define CODEC_SEAL_H

#include "base/buf.h"
#include "codec/hash.h"

#define SEAL_HEADER_SIZE 128
#define SEAL_TAG_SIZE    16
#define SEAL_KEY_SIZE    32
#define SEAL_ID_SIZE     16

/* No section stores more bytes than this, nor does an object. */
#define SEAL_SECTION_MAX ((size_t)64 << 20)

/* What an object is; part of key derivation, so no object can stand in for another kind. */
enum object_class {
    CLASS_CONFIG = 1,
    CLASS_CONTENT = 2, /* pack of file content */
    CLASS_TREE = 3,    /* pack of trees and chunk lists */
    CLASS_INDEX = 4,
    CLASS_SNAPSHOT = 5,
    CLASS_COMMIT = 6,
    CLASS_TOMBSTONE = 7,
    CLASS_CONDEMNED = 8,
    CLASS_EVIDENCE = 9,
    CLASS_PARITY = 10, /* the switch of parity, and not parity itself */
    CLASS_EPOCH = 11,  /* the keys of earlier epochs */
};

enum seal_suite {
    SUITE_AES_256_GCM = 1,
    SUITE_CHACHA20_POLY1305 = 2,
};

/* What a section holds; part of its associated data. */
enum section_kind {
    SECTION_FRAME = 1,
    SECTION_DIRECTORY = 2,
    SECTION_DOCUMENT = 3,
};

/* How the bytes inside a section are stored; part of its associated data. */
enum compression {
    COMPRESSION_NONE = 0,
    COMPRESSION_ZSTD = 1,
    COMPRESSION_ZSTD_AFTER = 2, /* of frames only: one zstd frame, after the bytes of bases */
};

/* The fields of a header that the caller chooses. */
struct seal_identity {
    enum object_class class;
    enum seal_suite suite;
    uint32_t epoch;
    uint8_t repository[SEAL_ID_SIZE];
    uint8_t writer[SEAL_ID_SIZE];
};

/* A section as its associated data describes it. */
struct section {
    uint64_t number;
    enum section_kind kind;
    enum compression compression;
    uint32_t plain_size; /* after decompression */
};

/*
 * Seals or opens the sections of one object.  One thread at a time; keeps its cipher
 * context, so opening many objects is cheap when one box is set up again for each.
 */
struct seal_box;
struct seal_box *seal_box_new(void);
void seal_box_free(struct seal_box *b);
void seal_box_auto(struct seal_box **b);

/* Begin a new object: draw the salt, derive the key, write the header to out. */
void seal_begin(struct seal_box *b, const struct seal_identity *id,
                const uint8_t class_key[SEAL_KEY_SIZE], uint8_t out[SEAL_HEADER_SIZE]);

/*
 * Begin to read an object.  header has SEAL_HEADER_SIZE bytes or fewer (then it fails).
 * ERR_CORRUPT unless magic, version, class, suite, repository, epoch and key commitment are
 * those expected; a newer version is named as such with ERR_USAGE.
 */
MUST_CHECK bool seal_open(struct seal_box *b, struct slice header,
                          const struct seal_identity *expected,
                          const uint8_t class_key[SEAL_KEY_SIZE], struct err *e);

/*
 * Append the sealed bytes (stored.size + SEAL_TAG_SIZE) of a section to out.  Section numbers
 * ascend; stored does not lie in *out.
 */
void seal_section(struct seal_box *b, const struct section *s, struct slice stored,
                  struct buf *out);

/*
 * Append the bytes of a sealed section to out; ERR_CORRUPT, with *out as it was, when it is
 * not authentic.  sealed does not lie in *out.
 */
MUST_CHECK bool unseal_section(struct seal_box *b, const struct section *s, struct slice sealed,
                               struct buf *out, struct err *e);

/* What a header says of itself, unauthenticated; false when it is no header at all. */
MUST_CHECK bool seal_peek(struct slice header, struct seal_identity *out, uint8_t *version);

/*
 * Wrap a key for a key slot: AEAD with a key used once (nonce zero).  out has
 * SEAL_KEY_SIZE + SEAL_TAG_SIZE bytes.  Opening fails with ERR_DENIED.
 */
void key_wrap(const uint8_t kek[SEAL_KEY_SIZE], struct slice ad, const uint8_t key[SEAL_KEY_SIZE],
              uint8_t *out);
MUST_CHECK bool key_unwrap(const uint8_t kek[SEAL_KEY_SIZE], struct slice ad,
                           const uint8_t *wrapped, uint8_t key[SEAL_KEY_SIZE], struct err *e);

/* Argon2id by libsodium (one lane).  ERR_FATAL when the memory cannot be had. */
MUST_CHECK bool argon2id(struct slice password, const uint8_t salt[16], uint32_t memory_kib,
                         uint32_t passes, uint8_t out[SEAL_KEY_SIZE], struct err *e);

#endif
