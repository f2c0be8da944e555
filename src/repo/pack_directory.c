/*
 * Directories of packs: what stands where.  docs/FORMAT.md, "Packs", and docs/decisions/0085.
 *
 *     directory = form (1 bit) and count of frames (31 bits) u32 | count of chunks u32
 *                 | frames | chunks
 *
 *     frame     = sealed size u32 | plain size u32 | compression u8 | count of chunks u32
 *
 *     chunk     = id (16) | size - 1 and type, 3 bytes | base (16), in deltas
 *
 * This is form 1.  Form 0, which is still read, has
 *
 *     chunk     = id (32) | type u8 | encoding u8 | size u32 | base (32), when encoding is 1
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "repo/pack.h"

#define HEAD_SIZE      8  /* form and count of frames, count of chunks */
#define FRAME_ROW_SIZE 13 /* sealed size, plain size, compression, count of chunks */

/* Set beside the count of frames: form 1. */
#define COMPACT UINT32_C(0x80000000)

/* Encodings of chunks in form 0. */
enum {
    ENCODING_PLAIN = 0,
    ENCODING_DELTA = 1, /* the frame is compressed after the chunk's base */
};

/* Bytes of ids, of what stands behind them, and of bases. */
struct form {
    size_t id, rest, base;
};

static const struct form forms[] = {
    {HASH_SIZE, 6, HASH_SIZE},
    {ID_PREFIX_SIZE, 3, ID_PREFIX_SIZE},
};

static size_t row_size(const struct form *f, bool is_delta)
{
    return f->id + f->rest + (is_delta ? f->base : 0);
}

struct hash id_prefix(const struct hash *id)
{
    struct hash prefix = {0};

    memcpy(prefix.bytes, id->bytes, ID_PREFIX_SIZE);
    return prefix;
}

bool id_is_named(const struct hash *id, const struct hash *named)
{
    const struct hash prefix = id_prefix(id);

    return hash_is_equal(id, named) || hash_is_equal(&prefix, named);
}

void pack_directory_done(struct pack_directory *d)
{
    mem_free(d->frames);
    mem_free(d->chunks);
    *d = (struct pack_directory){0};
}

void pack_directory_auto(struct pack_directory *d)
{
    pack_directory_done(d);
}

uint64_t pack_size_of(const struct pack_directory *d, size_t directory_size)
{
    uint64_t size = SEAL_HEADER_SIZE + directory_size + SEAL_TAG_SIZE + PACK_TRAILER_SIZE;

    for (size_t i = 0; i < d->frame_count; i++)
        size += d->frames[i].sealed_size;
    return size;
}

/* Writing */

void pack_rows_add(struct pack_rows *r, uint32_t sealed_size, enum compression compression,
                   const struct pack_chunk *chunks, size_t count)
{
    const bool is_delta = compression == COMPRESSION_ZSTD_AFTER;
    uint32_t plain_size = 0;

    for (size_t i = 0; i < count; i++) {
        const uint32_t less = chunks[i].size - 1;

        assert(less < CHUNK_MAX && (unsigned)chunks[i].type < 4);
        buf_append(&r->chunks, chunks[i].id.bytes, ID_PREFIX_SIZE);
        buf_put_u8(&r->chunks, (uint8_t)less);
        buf_put_u8(&r->chunks, (uint8_t)(less >> 8));
        buf_put_u8(&r->chunks, (uint8_t)(less >> 16 | (unsigned)chunks[i].type << 6));
        if (is_delta)
            buf_append(&r->chunks, chunks[i].base.bytes, ID_PREFIX_SIZE);
        plain_size += chunks[i].size;
    }
    buf_put_u32(&r->frames, sealed_size);
    buf_put_u32(&r->frames, plain_size);
    buf_put_u8(&r->frames, (uint8_t)compression);
    buf_put_u32(&r->frames, (uint32_t)count);
    r->frame_count++;
    r->chunk_count += (uint32_t)count;
}

size_t pack_rows_size(const struct pack_rows *r)
{
    return HEAD_SIZE + r->frames.size + r->chunks.size;
}

size_t pack_rows_size_of(enum compression compression, size_t count)
{
    return FRAME_ROW_SIZE + count * row_size(&forms[1], compression == COMPRESSION_ZSTD_AFTER);
}

void pack_rows_clear(struct pack_rows *r)
{
    r->frame_count = r->chunk_count = 0;
    buf_clear(&r->frames);
    buf_clear(&r->chunks);
}

void pack_rows_done(struct pack_rows *r)
{
    buf_done(&r->frames);
    buf_done(&r->chunks);
}

void pack_rows_encode(const struct pack_rows *r, struct buf *out)
{
    buf_put_u32(out, COMPACT | r->frame_count);
    buf_put_u32(out, r->chunk_count);
    buf_append_slice(out, buf_slice(&r->frames));
    buf_append_slice(out, buf_slice(&r->chunks));
}

/* Reading */

static bool corrupt(struct err *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "pack directory: %s", what);
}

/* Frames follow the header and each other, so offsets are sums of sizes. */
static bool decode_frames(struct slice *s, struct pack_directory *d, struct err *e)
{
    uint64_t offset = SEAL_HEADER_SIZE;
    uint64_t chunks = 0;

    for (size_t i = 0; i < d->frame_count; i++) {
        struct pack_frame *f = &d->frames[i];
        uint8_t compression;

        if (!take_u32(s, &f->sealed_size) || !take_u32(s, &f->plain_size) ||
            !take_u8(s, &compression) || !take_u32(s, &f->chunk_count))
            return corrupt(e, "cut short");
        if (compression > COMPRESSION_ZSTD_AFTER)
            return err_set(e, ERR_CORRUPT, "pack directory: unknown compression %u", compression);
        if (f->plain_size == 0 || f->plain_size > FRAME_PLAIN_MAX)
            return corrupt(e, "impossible frame size");
        if (f->sealed_size <= SEAL_TAG_SIZE || f->sealed_size > STORE_OBJECT_MAX)
            return corrupt(e, "impossible sealed size");
        if (compression == COMPRESSION_NONE && f->sealed_size != f->plain_size + SEAL_TAG_SIZE)
            return corrupt(e, "sizes of a raw frame disagree");
        f->compression = (enum compression)compression;
        f->offset = (uint32_t)offset;
        f->first_chunk = (uint32_t)chunks;
        offset += f->sealed_size;
        chunks += f->chunk_count;
        if (offset > STORE_OBJECT_MAX || chunks > d->chunk_count)
            return corrupt(e, "frames run over the end");
    }
    return chunks == d->chunk_count ? true : corrupt(e, "chunk counts disagree");
}

static bool is_type_of_class(uint8_t type, enum object_class class)
{
    return class == CLASS_CONTENT ? type == CHUNK_DATA : type == CHUNK_TREE || type == CHUNK_LIST;
}

/* Type, encoding and size as form 0 has them. */
static bool decode_wide(struct slice rest, bool is_delta, uint8_t *type, uint32_t *size,
                        struct err *e)
{
    uint8_t encoding;

    if (!take_u8(&rest, type) || !take_u8(&rest, &encoding) || !take_u32(&rest, size))
        return corrupt(e, "cut short");
    if (encoding > ENCODING_DELTA)
        return err_set(e, ERR_CORRUPT, "pack directory: unknown chunk encoding %u", encoding);
    if ((encoding == ENCODING_DELTA) != is_delta)
        return corrupt(e, "a frame and its chunks disagree about bases");
    return true;
}

static bool decode_chunk(struct slice *s, const struct form *form, enum object_class class,
                         bool is_delta, struct pack_chunk *c, struct err *e)
{
    struct slice id, rest, base = {0};
    uint8_t type;

    if (!take_slice(s, form->id, &id) || !take_slice(s, form->rest, &rest) ||
        (is_delta && !take_slice(s, form->base, &base)))
        return corrupt(e, "cut short");
    if (form == &forms[0]) {
        if (!decode_wide(rest, is_delta, &type, &c->size, e))
            return false;
    } else {
        type = rest.data[2] >> 6;
        c->size =
            ((uint32_t)(rest.data[2] & 63) << 16 | (uint32_t)rest.data[1] << 8 | rest.data[0]) + 1;
    }
    if (!is_type_of_class(type, class))
        return err_set(e, ERR_CORRUPT, "pack directory: chunk type %u does not belong here", type);
    if (c->size == 0 || c->size > CHUNK_MAX)
        return corrupt(e, "impossible chunk size");
    memcpy(c->id.bytes, id.data, ID_PREFIX_SIZE);
    if (is_delta)
        memcpy(c->base.bytes, base.data, ID_PREFIX_SIZE);
    c->type = (enum chunk_type)type;
    return true;
}

static bool decode_chunks(struct slice *s, const struct form *form, enum object_class class,
                          struct pack_directory *d, const struct pack_frame *f, struct err *e)
{
    const bool is_delta = f->compression == COMPRESSION_ZSTD_AFTER;
    uint64_t offset = 0;

    for (size_t i = f->first_chunk; i < (size_t)f->first_chunk + f->chunk_count; i++) {
        struct pack_chunk *c = &d->chunks[i];

        if (!decode_chunk(s, form, class, is_delta, c, e))
            return false;
        c->offset = (uint32_t)offset;
        offset += c->size;
    }
    return offset == f->plain_size ? true : corrupt(e, "chunks do not fill their frame");
}

bool pack_directory_decode(struct slice bytes, enum object_class class, struct pack_directory *out,
                           struct err *e)
{
    AUTO(pack_directory) struct pack_directory d = {0};
    uint32_t frames, chunks;

    if (class != CLASS_CONTENT && class != CLASS_TREE)
        return corrupt(e, "object is no pack");
    if (!take_u32(&bytes, &frames) || !take_u32(&bytes, &chunks))
        return corrupt(e, "cut short");

    const struct form *form = &forms[(frames & COMPACT) != 0];

    frames &= ~COMPACT;
    if (bytes.size < (uint64_t)frames * FRAME_ROW_SIZE + (uint64_t)chunks * row_size(form, false))
        return corrupt(e, "its size and its counts disagree");
    d.frame_count = frames;
    d.chunk_count = chunks;
    d.frames = mem_array(frames, sizeof(*d.frames));
    d.chunks = mem_array(chunks, sizeof(*d.chunks));
    if (!decode_frames(&bytes, &d, e))
        return false;
    for (size_t i = 0; i < d.frame_count; i++)
        if (!decode_chunks(&bytes, form, class, &d, &d.frames[i], e))
            return false;
    if (bytes.size > 0)
        return corrupt(e, "its size and its counts disagree");
    *out = d;
    d = (struct pack_directory){0};
    return true;
}
