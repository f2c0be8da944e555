/*
 * Packs: building one in memory and opening the directory of a stored one.
 *
 * The bytes of a pack are those of docs/FORMAT.md, "Packs": header, sealed frames, sealed
 * directory, trailer, without a gap, so that every byte is either authenticated or implied.
 */
#include "repo/pack.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define SIZE_USUAL ((size_t)32 << 20)

/* Most packs are short: the rest of the room is for those that get this long. */
#define ROOM_FIRST ((size_t)1 << 20)

static const char trailer_magic[8] = {'H', 'F', 'P', 'A', 'C', 'K', 'N', 'D'};

size_t pack_size_usual(const struct repo *r)
{
    return store_parallel(r->store) > 1 ? SIZE_USUAL / 2 : SIZE_USUAL;
}

struct pack_builder {
    enum object_class class;
    struct seal_box *box;
    struct buf object;
    size_t room;           /* that object is going to need */
    struct pack_rows rows; /* of the directory */
    struct buf directory;
    struct sha256_stream *name; /* of the first so many bytes of object: */
    size_t named;
};

struct pack_builder *pack_builder_new(struct repo *r, enum object_class class, size_t room)
{
    struct pack_builder *b = mem_new(sizeof(*b));

    b->box = seal_box_new();
    b->name = sha256_stream_new();
    b->room = room;
    buf_reserve(&b->object, room < ROOM_FIRST ? room : ROOM_FIRST);
    pack_builder_restart(b, r, class);
    return b;
}

void pack_builder_restart(struct pack_builder *b, struct repo *r, enum object_class class)
{
    b->class = class;
    b->named = 0;
    buf_clear(&b->object);
    pack_rows_clear(&b->rows);
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
    pack_rows_done(&b->rows);
    buf_done(&b->directory);
    mem_free(b);
}

void pack_builder_auto(struct pack_builder **b)
{
    pack_builder_free(*b);
}

bool pack_builder_will_move(const struct pack_builder *b, size_t stored_size)
{
    return b->object.room - b->object.size < stored_size + SEAL_TAG_SIZE;
}

static void grow(struct pack_builder *b)
{
    if (b->object.room >= b->room)
        return;
    buf_reserve(&b->object, b->room - b->object.size);
    mem_prefer_huge(b->object.data, b->object.room);
}

uint32_t pack_builder_add(struct pack_builder *b, struct slice stored, enum compression compression,
                          uint32_t plain_size, const struct pack_chunk *chunks, size_t chunk_count)
{
    const struct section s = {.number = b->rows.frame_count,
                              .kind = SECTION_FRAME,
                              .compression = compression,
                              .plain_size = plain_size};
    uint64_t sum = 0;

    for (size_t i = 0; i < chunk_count; i++)
        sum += chunks[i].size;
    assert(sum == plain_size);
    if (pack_builder_will_move(b, stored.size))
        grow(b);
    seal_section(b->box, &s, stored, &b->object);
    pack_rows_add(&b->rows, (uint32_t)(stored.size + SEAL_TAG_SIZE), compression, chunks,
                  chunk_count);
    return b->rows.frame_count - 1;
}

size_t pack_builder_size(const struct pack_builder *b)
{
    return b->object.size;
}

size_t pack_builder_size_with(const struct pack_builder *b, size_t stored_size,
                              enum compression compression, size_t chunk_count)
{
    const size_t frame = stored_size + SEAL_TAG_SIZE;
    const size_t rows = pack_rows_size(&b->rows) + pack_rows_size_of(compression, chunk_count);

    return b->object.size + frame + rows + SEAL_TAG_SIZE + PACK_TRAILER_SIZE;
}

size_t pack_builder_frames(const struct pack_builder *b)
{
    return b->rows.frame_count;
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
    pack_rows_encode(&b->rows, &b->directory);

    const struct section s = {.number = b->rows.frame_count,
                              .kind = SECTION_DIRECTORY,
                              .compression = COMPRESSION_NONE,
                              .plain_size = (uint32_t)b->directory.size};

    seal_section(b->box, &s, buf_slice(&b->directory), &b->object);
    buf_put_u32(&b->object, (uint32_t)(b->directory.size + SEAL_TAG_SIZE));
    buf_put_u32(&b->object, b->rows.frame_count);
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
