/*
 * SHA-256 and the keyed hash that names chunks, from OpenSSL; many messages two at a time by
 * sha256_pair.c.  Nothing here fails; an object belongs to one thread at a time.
 */
#ifndef CODEC_HASH_H
#define CODEC_HASH_H

#include "base/buf.h"

#define HASH_SIZE 32

struct hash {
    uint8_t bytes[HASH_SIZE];
};

static inline bool hash_is_equal(const struct hash *a, const struct hash *b)
{
    return __builtin_memcmp(a->bytes, b->bytes, HASH_SIZE) == 0;
}

void sha256(struct slice in, struct hash *out);

/* The sums of two runs of bytes; faster than one by one when both have as many blocks of 64. */
void sha256_two(struct slice a, struct slice b, struct hash *of_a, struct hash *of_b);

/* SHA-256 of a run of bytes that arrives in parts. */
struct sha256_stream;
struct sha256_stream *sha256_stream_new(void);
void sha256_stream_add(struct sha256_stream *s, struct slice in);
/* The sum; the stream then begins anew. */
void sha256_stream_finish(struct sha256_stream *s, struct hash *out);
void sha256_stream_free(struct sha256_stream *s);
void sha256_stream_auto(struct sha256_stream **s);

/*
 * HMAC-SHA-256 with one key for many messages of one type byte each: the id of a chunk is
 * HMAC(key, type byte | bytes).  One object per thread.
 */
struct mac;
struct mac *mac_new(const uint8_t key[HASH_SIZE]);
void mac_free(struct mac *m);
void mac_auto(struct mac **m);
void mac_sum(struct mac *m, uint8_t type, struct slice in, struct hash *out);

/* The same for count messages, faster than one by one: two at a time where the processor can. */
struct mac_message {
    struct slice in;
    uint8_t type;
    struct hash sum; /* set */
};
void mac_sum_all(struct mac *m, struct mac_message *messages, size_t count);

/*
 * The same, and bytes from the front of *rest go into s beside them: all when they are as long as
 * the messages, else where a message has no other to go with.  *rest becomes what is left for
 * later.
 */
void mac_sum_beside(struct mac *m, struct mac_message *messages, size_t count,
                    struct sha256_stream *s, struct slice *rest);

/* HMAC-SHA-256 of a run of bytes that arrives in parts. */
struct hmac_stream;
struct hmac_stream *hmac_stream_new(const uint8_t key[HASH_SIZE]);
void hmac_stream_add(struct hmac_stream *s, struct slice in);
/* The sum; the stream then begins anew. */
void hmac_stream_finish(struct hmac_stream *s, struct hash *out);
void hmac_stream_free(struct hmac_stream *s);
void hmac_stream_auto(struct hmac_stream **s);

/* HKDF-SHA-256 (RFC 5869); out_size <= 64.  extract may have an empty salt. */
void hkdf(struct slice ikm, struct slice salt, struct slice info, uint8_t *out, size_t out_size);

/* Compare secrets or MACs in constant time. */
bool equal_ct(const void *a, const void *b, size_t size);

#endif
