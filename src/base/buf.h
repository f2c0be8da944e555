/*
 * Runs of bytes: borrowed (struct slice) and owned (struct buf), and the readers that
 * take numbers off the front of a slice and fail instead of running past its end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Borrowed bytes; data may be NULL when size is 0. */
struct slice {
    const uint8_t *data;
    size_t size;
};

/* Owned bytes.  {0} is a valid empty buffer; AUTO(buf) releases it. */
struct buf {
    uint8_t *data; /* room bytes, the first size of them set */
    size_t size;   /* <= room */
    size_t room;
};

#define SLICE_OF(ptr, count) ((struct slice){(const uint8_t *)(ptr), (count)})

static inline struct slice slice_string(const char *s)
{
    return SLICE_OF(s, __builtin_strlen(s));
}

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->size};
}

bool slice_is_equal(struct slice a, struct slice b);

/* Order of the bytes as unsigned numbers, the shorter first when one is a prefix. */
int slice_compare(struct slice a, struct slice b);

void buf_done(struct buf *b);
void buf_auto(struct buf *b);

/* Make room for at least extra more bytes. */
void buf_reserve(struct buf *b, size_t extra);

/* Lengthen by size bytes and return where they begin; they are undefined. */
uint8_t *buf_extend(struct buf *b, size_t size);

void buf_append(struct buf *b, const void *data, size_t size);
void buf_append_slice(struct buf *b, struct slice s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Put a NUL behind the bytes (not counted in size) and return them as a string. */
const char *buf_string(struct buf *b);

/* Forget the bytes, keep the room. */
static inline void buf_clear(struct buf *b)
{
    b->size = 0;
}

/* Fixed width numbers, little-endian; varints are LEB128, at most 10 bytes. */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_varint(struct buf *b, uint64_t v);

/* A varint of the size and then the bytes. */
void buf_put_bytes(struct buf *b, struct slice s);

/*
 * Take a value off the front of *s.  False, with *s and *out unchanged, when *s is too
 * short or (varints) the encoding is longer than needed or above 64 bits.  They set no
 * error: the caller knows which object is damaged.
 */
MUST_CHECK bool take_u8(struct slice *s, uint8_t *out);
MUST_CHECK bool take_u32(struct slice *s, uint32_t *out);
MUST_CHECK bool take_u64(struct slice *s, uint64_t *out);
MUST_CHECK bool take_varint(struct slice *s, uint64_t *out);
MUST_CHECK bool take_slice(struct slice *s, uint64_t size, struct slice *out);

/* Take what buf_put_bytes() wrote. */
MUST_CHECK bool take_bytes(struct slice *s, struct slice *out);

#endif
