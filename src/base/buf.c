#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum {
    BUF_ROOM_MIN = 64,
    VARINT_MAX = 10, /* bytes of seven bits that 64 bits need */
};

bool slice_is_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int slice_compare(struct slice a, struct slice b)
{
    const size_t shared = a.size < b.size ? a.size : b.size;
    const int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);

    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

void buf_done(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}

void buf_auto(struct buf *b)
{
    buf_done(b);
}

void buf_reserve(struct buf *b, size_t extra)
{
    /* Even room for nothing has an address, so that callers may count from it. */
    if (b->data != NULL && extra <= b->room - b->size)
        return;

    size_t needed = 0;
    size_t room = 0;

    if (__builtin_add_overflow(b->size, extra, &needed))
        mem_exit("out of memory");
    if (__builtin_mul_overflow(b->room, 2, &room) || room < needed)
        room = needed;
    if (room < BUF_ROOM_MIN)
        room = BUF_ROOM_MIN;
    b->data = mem_resize(b->data, room, 1);
    b->room = room;
}

uint8_t *buf_extend(struct buf *b, size_t size)
{
    buf_reserve(b, size);

    uint8_t *begin = b->data + b->size;

    b->size += size;
    return begin;
}

void buf_append(struct buf *b, const void *data, size_t size)
{
    if (size > 0)
        memcpy(buf_extend(b, size), data, size);
}

void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.data, s.size);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;

    buf_reserve(b, BUF_ROOM_MIN);
    va_start(args, fmt);
    const int wanted = vsnprintf((char *)b->data + b->size, b->room - b->size, fmt, args);
    va_end(args);
    assert(wanted >= 0);

    const size_t length = (size_t)wanted;

    if (length >= b->room - b->size) {
        buf_reserve(b, length + 1);
        va_start(args, fmt);
        (void)vsnprintf((char *)b->data + b->size, length + 1, fmt, args); /* measured above */
        va_end(args);
    }
    b->size += length;
}

const char *buf_string(struct buf *b)
{
    buf_reserve(b, 1);
    b->data[b->size] = 0;
    return (const char *)b->data;
}

/* Append the low bytes of v, the lowest first. */
static void put_little_endian(struct buf *b, uint64_t v, size_t width)
{
    uint8_t *to = buf_extend(b, width);

    for (size_t i = 0; i < width; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    put_little_endian(b, v, sizeof(v));
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    put_little_endian(b, v, sizeof(v));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    put_little_endian(b, v, sizeof(v));
}

void buf_put_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    buf_append(b, bytes, n);
}

void buf_put_bytes(struct buf *b, struct slice s)
{
    buf_put_varint(b, s.size);
    buf_append_slice(b, s);
}

static void slice_skip(struct slice *s, size_t size)
{
    s->data += size;
    s->size -= size;
}

static uint64_t little_endian(const uint8_t *from, size_t width)
{
    uint64_t v = 0;

    for (size_t i = 0; i < width; i++)
        v |= (uint64_t)from[i] << (8 * i);
    return v;
}

bool take_u8(struct slice *s, uint8_t *out)
{
    if (s->size < sizeof(*out))
        return false;
    *out = s->data[0];
    slice_skip(s, sizeof(*out));
    return true;
}

bool take_u32(struct slice *s, uint32_t *out)
{
    if (s->size < sizeof(*out))
        return false;
    *out = (uint32_t)little_endian(s->data, sizeof(*out));
    slice_skip(s, sizeof(*out));
    return true;
}

bool take_u64(struct slice *s, uint64_t *out)
{
    if (s->size < sizeof(*out))
        return false;
    *out = little_endian(s->data, sizeof(*out));
    slice_skip(s, sizeof(*out));
    return true;
}

bool take_varint(struct slice *s, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s->size && i < VARINT_MAX; i++) {
        const uint8_t byte = s->data[i];

        /* The tenth byte has room for one bit only. */
        if (i == VARINT_MAX - 1 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte >= 0x80)
            continue;
        if (byte == 0 && i > 0)
            return false;
        slice_skip(s, i + 1);
        *out = v;
        return true;
    }
    return false;
}

bool take_slice(struct slice *s, uint64_t size, struct slice *out)
{
    if (size > s->size)
        return false;
    *out = (struct slice){s->data, (size_t)size};
    if (size > 0)
        slice_skip(s, (size_t)size);
    return true;
}

bool take_bytes(struct slice *s, struct slice *out)
{
    struct slice rest = *s;
    uint64_t size = 0;

    if (!take_varint(&rest, &size) || !take_slice(&rest, size, out))
        return false;
    *s = rest;
    return true;
}
