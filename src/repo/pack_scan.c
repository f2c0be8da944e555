/*
 * Reading a whole pack that is in memory: every frame opened and expanded, every chunk's id
 * computed again.
 */
#include <assert.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/prefix.h"

struct pack_scan {
    struct repo *repo;
    struct seal_box *box;
    struct compressor *compressor;
    struct mac *mac;
    struct slice object;
    enum object_class class;
    struct pack_directory directory;
    struct buf directory_bytes;
    struct buf stored, plain;
    struct prefix prefix;         /* of the delta being read */
    struct mac_message *messages; /* the chunks of one frame */
    size_t room;
};

struct pack_scan *pack_scan_new(struct repo *r)
{
    struct pack_scan *s = mem_new(sizeof(*s));

    s->repo = r;
    s->box = seal_box_new();
    s->compressor = compressor_new(1);
    s->mac = mac_new(r->keys->chunk_id);
    prefix_init(&s->prefix, r, NULL);
    return s;
}

void pack_scan_free(struct pack_scan *s)
{
    if (s == NULL)
        return;
    seal_box_free(s->box);
    compressor_free(s->compressor);
    mac_free(s->mac);
    pack_directory_done(&s->directory);
    buf_done(&s->directory_bytes);
    buf_done(&s->stored);
    buf_done(&s->plain);
    prefix_done(&s->prefix);
    mem_free(s->messages);
    mem_free(s);
}

void pack_scan_auto(struct pack_scan **s)
{
    pack_scan_free(*s);
}

void pack_scan_watch(struct pack_scan *s, frame_fn *fn, void *arg)
{
    s->prefix.on_frame = fn;
    s->prefix.arg = arg;
}

bool pack_scan_open(struct pack_scan *s, struct slice object, struct err *e)
{
    AUTO(pack_directory) struct pack_directory d = {0};
    enum object_class class;

    buf_clear(&s->directory_bytes);
    if (!pack_directory_open(s->repo, object, &class, &s->directory_bytes, e) ||
        !pack_directory_decode(buf_slice(&s->directory_bytes), class, &d, e))
        return false;
    if (pack_size_of(&d, s->directory_bytes.size) != object.size)
        return err_set(e, ERR_CORRUPT, "its size and its directory disagree");
    if (!object_seal_open(s->repo, s->box, SLICE_OF(object.data, SEAL_HEADER_SIZE), class, e))
        return false;
    pack_directory_done(&s->directory);
    s->directory = d;
    d = (struct pack_directory){0};
    s->class = class;
    s->object = object;
    return true;
}

const struct pack_directory *pack_scan_directory(const struct pack_scan *s)
{
    return &s->directory;
}

enum object_class pack_scan_class(const struct pack_scan *s)
{
    return s->class;
}

struct slice pack_scan_directory_bytes(const struct pack_scan *s)
{
    return buf_slice(&s->directory_bytes);
}

/* By what the pack says itself. */
static bool read_prefix(struct pack_scan *s, const struct pack_frame *f, struct err *e)
{
    prefix_clear(&s->prefix);
    for (uint32_t i = 0; f->compression == COMPRESSION_ZSTD_AFTER && i < f->chunk_count; i++)
        if (!prefix_add(&s->prefix, &s->directory.chunks[f->first_chunk + i].base, e))
            return false;
    return true;
}

/* Append the bytes that were sealed, compressed as they are. */
static bool unseal_frame(struct pack_scan *s, size_t frame, struct buf *out, struct err *e)
{
    assert(frame < s->directory.frame_count);
    const struct pack_frame *f = &s->directory.frames[frame];
    const struct section section = {.number = frame,
                                    .kind = SECTION_FRAME,
                                    .compression = f->compression,
                                    .plain_size = f->plain_size};

    return unseal_section(s->box, &section, SLICE_OF(s->object.data + f->offset, f->sealed_size),
                          out, e) ||
           err_wrap(e, "frame %zu", frame);
}

bool pack_scan_unseal(struct pack_scan *s, size_t frame, struct err *e)
{
    buf_clear(&s->stored);
    return unseal_frame(s, frame, &s->stored, e);
}

bool pack_scan_frame(struct pack_scan *s, size_t frame, struct slice *plain, struct err *e)
{
    assert(frame < s->directory.frame_count);
    const struct pack_frame *f = &s->directory.frames[frame];
    struct buf *opened = f->compression == COMPRESSION_NONE ? &s->plain : &s->stored;

    buf_clear(&s->plain);
    buf_clear(&s->stored);
    if (!unseal_frame(s, frame, opened, e))
        return false;
    if (f->compression != COMPRESSION_NONE &&
        (!read_prefix(s, f, e) ||
         !compressor_expand(s->compressor, buf_slice(&s->prefix.bytes), buf_slice(&s->stored),
                            f->plain_size, &s->plain, e)))
        return err_wrap(e, "frame %zu", frame);
    *plain = buf_slice(&s->plain);
    return true;
}

static bool chunk_is(const struct pack_chunk *c, const struct hash *id, struct err *e)
{
    char text[65];

    if (id_is_named(id, &c->id))
        return true;
    hex_encode(SLICE_OF(c->id.bytes, HASH_SIZE), text);
    return err_set(e, ERR_CORRUPT, "chunk %.16s holds other bytes than its id says", text);
}

bool pack_scan_chunk(struct pack_scan *s, size_t chunk, struct slice plain, struct err *e)
{
    assert(chunk < s->directory.chunk_count);
    const struct pack_chunk *c = &s->directory.chunks[chunk];
    struct hash id;

    mac_sum(s->mac, (uint8_t)c->type, SLICE_OF(plain.data + c->offset, c->size), &id);
    return chunk_is(c, &id, e);
}

bool pack_scan_chunks(struct pack_scan *s, size_t frame, struct slice plain, struct err *e)
{
    assert(frame < s->directory.frame_count);
    const struct pack_frame *f = &s->directory.frames[frame];
    const struct pack_chunk *chunks = s->directory.chunks + f->first_chunk;

    if (f->chunk_count > s->room) {
        s->room = (size_t)f->chunk_count * 2;
        s->messages = mem_resize(s->messages, s->room, sizeof(*s->messages));
    }
    for (size_t i = 0; i < f->chunk_count; i++)
        s->messages[i] =
            (struct mac_message){.type = (uint8_t)chunks[i].type,
                                 .in = SLICE_OF(plain.data + chunks[i].offset, chunks[i].size)};
    mac_sum_all(s->mac, s->messages, f->chunk_count);
    for (size_t i = 0; i < f->chunk_count; i++)
        if (!chunk_is(&chunks[i], &s->messages[i].sum, e))
            return false;
    return true;
}

static bool scan_frames(struct pack_scan *s, bool deltas, struct err *e)
{
    for (size_t i = 0; i < s->directory.frame_count; i++) {
        struct slice plain;

        if ((s->directory.frames[i].compression == COMPRESSION_ZSTD_AFTER) != deltas)
            continue;
        if (!pack_scan_frame(s, i, &plain, e) || !pack_scan_chunks(s, i, plain, e))
            return false;
    }
    return true;
}

bool pack_scan_plain(struct pack_scan *s, struct err *e)
{
    return scan_frames(s, false, e);
}

bool pack_scan_deltas(struct pack_scan *s, struct err *e)
{
    return scan_frames(s, true, e);
}
