/*
 * Packs: building one in memory and reading the directory of a stored one.
 *
 * The bytes of a pack are those of docs/FORMAT.md, "Packs": header, sealed frames, sealed
 * directory, trailer, without a gap, so that every byte is either authenticated or implied.
 */
#include "repo/pack.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define SIZE_USUAL          ((size_t)32 << 20)
#define DIRECTORY_HEAD_SIZE 8  /* count of frames, count of chunks */
#define FRAME_ROW_SIZE      13 /* sealed size, plain size, compression, count of chunks */
#define CHUNK_ROW_SIZE      38 /* id, type, encoding, size; a delta's base follows */

/* Encodings of chunks. */
enum {
    ENCODING_PLAIN = 0,
    ENCODING_DELTA = 1, /* the frame is compressed after the chunk's base */
};

static const char trailer_magic[8] = {'H', 'F', 'P', 'A', 'C', 'K', 'N', 'D'};

size_t pack_size_usual(const struct repo *r)
{
    return store_parallel(r->store) > 1 ? SIZE_USUAL / 2 : SIZE_USUAL;
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

static size_t chunk_row_size(enum compression compression)
{
    return compression == COMPRESSION_ZSTD_AFTER ? CHUNK_ROW_SIZE + HASH_SIZE : CHUNK_ROW_SIZE;
}

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

/* One row; a chunk is a delta when its frame is compressed after bases, and only then. */
static bool decode_chunk(struct slice *s, enum object_class class, const struct pack_frame *f,
                         struct pack_chunk *c, struct err *e)
{
    const bool is_delta = f->compression == COMPRESSION_ZSTD_AFTER;
    struct slice id, base = {0};
    uint8_t type, encoding;

    if (!take_slice(s, HASH_SIZE, &id) || !take_u8(s, &type) || !take_u8(s, &encoding) ||
        !take_u32(s, &c->size))
        return corrupt(e, "cut short");
    if (encoding > ENCODING_DELTA)
        return err_set(e, ERR_CORRUPT, "pack directory: unknown chunk encoding %u", encoding);
    if ((encoding == ENCODING_DELTA) != is_delta)
        return corrupt(e, "a frame and its chunks disagree about bases");
    if (is_delta && !take_slice(s, HASH_SIZE, &base))
        return corrupt(e, "cut short");
    if (!is_type_of_class(type, class))
        return err_set(e, ERR_CORRUPT, "pack directory: chunk type %u does not belong here", type);
    if (c->size == 0 || c->size > CHUNK_MAX)
        return corrupt(e, "impossible chunk size");
    memcpy(c->id.bytes, id.data, HASH_SIZE);
    if (is_delta)
        memcpy(c->base.bytes, base.data, HASH_SIZE);
    c->type = (enum chunk_type)type;
    return true;
}

static bool decode_chunks(struct slice *s, enum object_class class, struct pack_directory *d,
                          const struct pack_frame *f, struct err *e)
{
    uint64_t offset = 0;

    for (size_t i = f->first_chunk; i < (size_t)f->first_chunk + f->chunk_count; i++) {
        struct pack_chunk *c = &d->chunks[i];

        if (!decode_chunk(s, class, f, c, e))
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
    if (!take_u32(&bytes, &frames) || !take_u32(&bytes, &chunks) ||
        bytes.size < (uint64_t)frames * FRAME_ROW_SIZE + (uint64_t)chunks * CHUNK_ROW_SIZE)
        return corrupt(e, "its size and its counts disagree");
    d.frame_count = frames;
    d.chunk_count = chunks;
    d.frames = mem_array(frames, sizeof(*d.frames));
    d.chunks = mem_array(chunks, sizeof(*d.chunks));
    if (!decode_frames(&bytes, &d, e))
        return false;
    for (size_t i = 0; i < frames; i++)
        if (!decode_chunks(&bytes, class, &d, &d.frames[i], e))
            return false;
    if (bytes.size > 0)
        return corrupt(e, "its size and its counts disagree");
    *out = d;
    d = (struct pack_directory){0};
    return true;
}

struct pack_builder {
    enum object_class class;
    struct seal_box *box;
    struct buf object;
    struct buf frames, chunks; /* rows of the directory */
    struct buf directory;
    uint32_t frame_count, chunk_count;
    struct sha256_stream *name; /* of the first so many bytes of object: */
    size_t named;
};

struct pack_builder *pack_builder_new(struct repo *r, enum object_class class, size_t room)
{
    struct pack_builder *b = mem_new(sizeof(*b));

    b->box = seal_box_new();
    b->name = sha256_stream_new();
    buf_reserve(&b->object, room);
    mem_prefer_huge(b->object.data, room);
    pack_builder_restart(b, r, class);
    return b;
}

void pack_builder_restart(struct pack_builder *b, struct repo *r, enum object_class class)
{
    b->class = class;
    b->frame_count = b->chunk_count = 0;
    b->named = 0;
    buf_clear(&b->object);
    buf_clear(&b->frames);
    buf_clear(&b->chunks);
    buf_clear(&b->directory);
    object_seal_begin(r, b->box, class, buf_extend(&b->object, SEAL_HEADER_SIZE));
}

void pack_builder_free(struct pack_builder *b)
{
    if (b == NULL)
        return;
    seal_box_free(b->box);
    sha256_stream_free(b->name);
    buf_done(&b->object);
    buf_done(&b->frames);
    buf_done(&b->chunks);
    buf_done(&b->directory);
    mem_free(b);
}

void pack_builder_auto(struct pack_builder **b)
{
    pack_builder_free(*b);
}

uint32_t pack_builder_add(struct pack_builder *b, struct slice stored, enum compression compression,
                          uint32_t plain_size, const struct pack_chunk *chunks, size_t chunk_count)
{
    const struct section s = {.number = b->frame_count,
                              .kind = SECTION_FRAME,
                              .compression = compression,
                              .plain_size = plain_size};
    const bool is_delta = compression == COMPRESSION_ZSTD_AFTER;
    uint64_t sum = 0;

    seal_section(b->box, &s, stored, &b->object);
    buf_put_u32(&b->frames, (uint32_t)(stored.size + SEAL_TAG_SIZE));
    buf_put_u32(&b->frames, plain_size);
    buf_put_u8(&b->frames, (uint8_t)compression);
    buf_put_u32(&b->frames, (uint32_t)chunk_count);
    for (size_t i = 0; i < chunk_count; i++) {
        buf_append(&b->chunks, chunks[i].id.bytes, HASH_SIZE);
        buf_put_u8(&b->chunks, (uint8_t)chunks[i].type);
        buf_put_u8(&b->chunks, is_delta ? ENCODING_DELTA : ENCODING_PLAIN);
        buf_put_u32(&b->chunks, chunks[i].size);
        if (is_delta)
            buf_append(&b->chunks, chunks[i].base.bytes, HASH_SIZE);
        sum += chunks[i].size;
    }
    assert(sum == plain_size);
    b->chunk_count += (uint32_t)chunk_count;
    return b->frame_count++;
}

size_t pack_builder_size(const struct pack_builder *b)
{
    return b->object.size;
}

size_t pack_builder_size_with(const struct pack_builder *b, size_t stored_size,
                              enum compression compression, size_t chunk_count)
{
    const size_t frame = stored_size + SEAL_TAG_SIZE;
    const size_t rows = b->frames.size + FRAME_ROW_SIZE + b->chunks.size +
                        chunk_count * chunk_row_size(compression);

    return b->object.size + frame + DIRECTORY_HEAD_SIZE + rows + SEAL_TAG_SIZE + PACK_TRAILER_SIZE;
}

size_t pack_builder_frames(const struct pack_builder *b)
{
    return b->frame_count;
}

enum object_class pack_builder_class(const struct pack_builder *b)
{
    return b->class;
}

void pack_builder_sum_beside(struct pack_builder *b, size_t size, struct mac *m,
                             struct mac_message *messages, size_t count)
{
    struct slice rest = SLICE_OF(b->object.data + b->named, size - b->named);

    mac_sum_beside(m, messages, count, b->name, &rest);
    b->named = size - rest.size;
}

void pack_builder_finish(struct pack_builder *b, struct hash *id, struct slice *object,
                         struct slice *directory)
{
    buf_put_u32(&b->directory, b->frame_count);
    buf_put_u32(&b->directory, b->chunk_count);
    buf_append_slice(&b->directory, buf_slice(&b->frames));
    buf_append_slice(&b->directory, buf_slice(&b->chunks));

    const struct section s = {.number = b->frame_count,
                              .kind = SECTION_DIRECTORY,
                              .compression = COMPRESSION_NONE,
                              .plain_size = (uint32_t)b->directory.size};

    seal_section(b->box, &s, buf_slice(&b->directory), &b->object);
    buf_put_u32(&b->object, (uint32_t)(b->directory.size + SEAL_TAG_SIZE));
    buf_put_u32(&b->object, b->frame_count);
    buf_append(&b->object, trailer_magic, sizeof(trailer_magic));
    sha256_stream_add(b->name, SLICE_OF(b->object.data + b->named, b->object.size - b->named));
    sha256_stream_finish(b->name, id);
    *object = buf_slice(&b->object);
    *directory = buf_slice(&b->directory);
}

bool pack_trailer_read(struct slice trailer, uint64_t pack_size, uint32_t *sealed_size,
                       uint32_t *frame_count, struct err *e)
{
    uint32_t size, frames;

    if (trailer.size != PACK_TRAILER_SIZE || !take_u32(&trailer, &size) ||
        !take_u32(&trailer, &frames) ||
        memcmp(trailer.data, trailer_magic, sizeof(trailer_magic)) != 0)
        return err_set(e, ERR_CORRUPT, "its end is not that of a pack");
    if (size < SEAL_TAG_SIZE || pack_size > STORE_OBJECT_MAX ||
        size > pack_size - SEAL_HEADER_SIZE - PACK_TRAILER_SIZE)
        return err_set(e, ERR_CORRUPT, "impossible size of its directory");
    *sealed_size = size;
    *frame_count = frames;
    return true;
}

/* The class is what the header says; opening proves it. */
static bool directory_open(struct repo *r, struct slice header, uint32_t frame_count,
                           struct slice sealed, enum object_class *class, struct buf *plain,
                           struct err *e)
{
    AUTO(seal_box) struct seal_box *box = seal_box_new();
    struct seal_identity id;
    uint8_t version;

    if (!seal_peek(header, &id, &version))
        return err_set(e, ERR_CORRUPT, "it has no header");
    if (id.class != CLASS_CONTENT && id.class != CLASS_TREE)
        return err_set(e, ERR_CORRUPT, "it is not a pack");

    const struct section s = {.number = frame_count,
                              .kind = SECTION_DIRECTORY,
                              .compression = COMPRESSION_NONE,
                              .plain_size = (uint32_t)(sealed.size - SEAL_TAG_SIZE)};

    if (!object_seal_open(r, box, header, id.class, e) ||
        !unseal_section(box, &s, sealed, plain, e))
        return false;
    *class = id.class;
    return true;
}

bool pack_directory_open(struct repo *r, struct slice pack, enum object_class *class,
                         struct buf *plain, struct err *e)
{
    uint32_t sealed_size = 0;
    uint32_t frame_count = 0;

    if (pack.size < SEAL_HEADER_SIZE + SEAL_TAG_SIZE + PACK_TRAILER_SIZE)
        return err_set(e, ERR_CORRUPT, "it is too short");

    const struct slice trailer =
        SLICE_OF(pack.data + pack.size - PACK_TRAILER_SIZE, PACK_TRAILER_SIZE);

    if (!pack_trailer_read(trailer, pack.size, &sealed_size, &frame_count, e))
        return false;
    return directory_open(r, SLICE_OF(pack.data, SEAL_HEADER_SIZE), frame_count,
                          SLICE_OF(trailer.data - sealed_size, sealed_size), class, plain, e);
}

bool pack_directory_get(struct repo *r, const struct hash *id, uint64_t pack_size,
                        enum object_class *class, struct buf *plain, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    char key[PACK_KEY_MAX];
    uint32_t sealed_size = 0;
    uint32_t frame_count = 0;

    pack_key(id, key);
    if (pack_size < SEAL_HEADER_SIZE + SEAL_TAG_SIZE + PACK_TRAILER_SIZE)
        return err_set(e, ERR_CORRUPT, "%s: it is too short", key);
    if (!store_get(r->store, key, 0, SEAL_HEADER_SIZE, &bytes, e) ||
        !store_get(r->store, key, pack_size - PACK_TRAILER_SIZE, PACK_TRAILER_SIZE, &bytes, e))
        return err_wrap(e, "%s", key);
    if (!pack_trailer_read(SLICE_OF(bytes.data + SEAL_HEADER_SIZE, PACK_TRAILER_SIZE), pack_size,
                           &sealed_size, &frame_count, e))
        return err_wrap(e, "%s", key);
    if (!store_get(r->store, key, pack_size - PACK_TRAILER_SIZE - sealed_size, sealed_size, &bytes,
                   e))
        return err_wrap(e, "%s", key);
    if (!directory_open(r, SLICE_OF(bytes.data, SEAL_HEADER_SIZE), frame_count,
                        SLICE_OF(bytes.data + bytes.size - sealed_size, sealed_size), class, plain,
                        e))
        return err_wrap(e, "%s", key);
    return true;
}
