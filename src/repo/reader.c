/*
 * Reading chunks: find the frame, fetch it, open and expand it, keep the last few.
 *
 * A frame is authentic once its section has been opened.  Whether a chunk in it is the one
 * that was asked for is proved by recomputing its id.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/nearby.h"
#include "repo/prefix.h"

/* Frames kept per reader: enough for a walk that goes back and forth between two places,
 * about 4 MiB of memory. */
#define READER_FRAMES  8
#define READER_HEADERS 16
#define NO_NUMBER      UINT32_MAX

struct kept_frame {
    uint32_t frame;
    uint64_t used; /* tick of the last use */
    struct buf plain;
};

struct kept_header {
    uint32_t pack;
    uint64_t used;
    uint8_t bytes[SEAL_HEADER_SIZE];
};

struct reader {
    struct repo *repo;
    struct seal_box *box;
    uint32_t box_pack; /* whose key the box holds */
    struct compressor *compressor;
    struct mac *mac;
    struct buf sealed, stored;
    struct prefix prefix; /* of the delta being read */
    struct kept_frame frames[READER_FRAMES];
    struct kept_header headers[READER_HEADERS];
    uint64_t tick;
};

struct reader *reader_new(struct repo *r)
{
    struct reader *rd = mem_new(sizeof(*rd));

    assert(r->index != NULL);
    rd->repo = r;
    rd->box = seal_box_new();
    rd->box_pack = NO_NUMBER;
    rd->compressor = compressor_new(1);
    rd->mac = mac_new(r->keys->chunk_id);
    prefix_init(&rd->prefix, r);
    for (size_t i = 0; i < READER_FRAMES; i++)
        rd->frames[i].frame = NO_NUMBER;
    for (size_t i = 0; i < READER_HEADERS; i++)
        rd->headers[i].pack = NO_NUMBER;
    return rd;
}

void reader_free(struct reader *rd)
{
    if (rd == NULL)
        return;
    seal_box_free(rd->box);
    compressor_free(rd->compressor);
    mac_free(rd->mac);
    buf_done(&rd->sealed);
    buf_done(&rd->stored);
    prefix_done(&rd->prefix);
    for (size_t i = 0; i < READER_FRAMES; i++)
        buf_done(&rd->frames[i].plain);
    mem_free(rd);
}

void reader_auto(struct reader **rd)
{
    reader_free(*rd);
}

/* Bytes of a pack to rd->sealed.  The index names the pack, so its absence is damage: callers
 * take ERR_NOT_FOUND for a path that is not in the snapshot. */
static bool fetch(struct reader *rd, const char *key, uint64_t offset, size_t size, struct err *e)
{
    buf_clear(&rd->sealed);
    if (store_get(rd->repo->store, key, offset, size, &rd->sealed, e))
        return true;
    if (e->code == ERR_NOT_FOUND)
        e->code = ERR_CORRUPT;
    return err_wrap(e, "%s", key);
}

static bool fetch_header(struct reader *rd, uint32_t pack, const char *key, const uint8_t **out,
                         struct err *e)
{
    struct kept_header *oldest = &rd->headers[0];

    for (size_t i = 0; i < READER_HEADERS; i++) {
        struct kept_header *h = &rd->headers[i];

        if (h->pack == pack) {
            h->used = ++rd->tick;
            *out = h->bytes;
            return true;
        }
        if (h->used < oldest->used)
            oldest = h;
    }
    if (!fetch(rd, key, 0, SEAL_HEADER_SIZE, e))
        return false;
    memcpy(oldest->bytes, rd->sealed.data, SEAL_HEADER_SIZE);
    oldest->pack = pack;
    oldest->used = ++rd->tick;
    *out = oldest->bytes;
    return true;
}

/* Let the box hold the key of a pack. */
static bool open_pack(struct reader *rd, uint32_t pack, const char *key, struct err *e)
{
    const enum object_class class = index_pack_at(rd->repo->index, pack)->class;
    const struct seal_identity expected = repo_identity(rd->repo, class);
    const uint8_t *header = NULL;

    if (rd->box_pack == pack)
        return true;
    rd->box_pack = NO_NUMBER;
    nearby_fetch_pack(rd->repo, pack);
    if (!fetch_header(rd, pack, key, &header, e))
        return false;
    if (!seal_open(rd->box, SLICE_OF(header, SEAL_HEADER_SIZE), &expected,
                   repo_class_key(rd->repo, class), e))
        return err_wrap(e, "%s", key);
    rd->box_pack = pack;
    return true;
}

static bool fetch_frame(struct reader *rd, uint32_t number, struct buf *plain, struct err *e)
{
    const struct index_frame *f = index_frame_at(rd->repo->index, number);
    const struct index_pack *p = index_pack_at(rd->repo->index, f->pack);
    const struct section s = {.number = number - p->first_frame,
                              .kind = SECTION_FRAME,
                              .compression = (enum compression)f->compression,
                              .plain_size = f->plain_size};
    char key[PACK_KEY_MAX];

    pack_key(&p->id, key);
    if (!open_pack(rd, f->pack, key, e) || !fetch(rd, key, f->offset, f->sealed_size, e))
        return false;
    buf_clear(plain);
    if (s.compression == COMPRESSION_NONE)
        return unseal_section(rd->box, &s, buf_slice(&rd->sealed), plain, e) ||
               err_wrap(e, "%s: frame %u", key, (unsigned)s.number);
    buf_clear(&rd->stored);
    return (unseal_section(rd->box, &s, buf_slice(&rd->sealed), &rd->stored, e) &&
            prefix_of_frame(&rd->prefix, number, e) &&
            compressor_expand(rd->compressor, buf_slice(&rd->prefix.bytes), buf_slice(&rd->stored),
                              f->plain_size, plain, e)) ||
           err_wrap(e, "%s: frame %u", key, (unsigned)s.number);
}

bool reader_frame(struct reader *rd, uint32_t frame, struct slice *out, struct err *e)
{
    struct kept_frame *oldest = &rd->frames[0];

    for (size_t i = 0; i < READER_FRAMES; i++) {
        struct kept_frame *k = &rd->frames[i];

        if (k->frame == frame) {
            k->used = ++rd->tick;
            *out = buf_slice(&k->plain);
            return true;
        }
        if (k->used < oldest->used)
            oldest = k;
    }
    oldest->frame = NO_NUMBER;
    if (!fetch_frame(rd, frame, &oldest->plain, e))
        return false;
    oldest->frame = frame;
    oldest->used = ++rd->tick;
    *out = buf_slice(&oldest->plain);
    return true;
}

bool reader_verify(struct reader *rd, enum chunk_type type, struct slice bytes,
                   const struct hash *id, struct err *e)
{
    struct hash now;

    mac_sum(rd->mac, (uint8_t)type, bytes, &now);
    if (hash_is_equal(&now, id))
        return true;

    char text[65];

    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
    return err_set(e, ERR_CORRUPT, "chunk %.16s holds other bytes than its id says", text);
}

/*
 * A pack that cannot be read in part is no base for deduplication: what a backup finds damaged
 * in it is stored again, and found from then on.
 */
bool reader_place(struct reader *rd, enum chunk_type type, const struct hash *id,
                  const struct place *at, struct buf *out, struct err *e)
{
    struct index *ix = rd->repo->index;
    struct slice frame;

    if (!reader_frame(rd, at->frame, &frame, e)) {
        if (e->code == ERR_CORRUPT)
            index_distrust_pack(ix, index_frame_at(ix, at->frame)->pack);
        return false;
    }

    const struct slice bytes = SLICE_OF(frame.data + at->offset, at->size);

    if (!reader_verify(rd, type, bytes, id, e))
        return false;
    buf_append_slice(out, bytes);
    return true;
}

bool reader_chunk(struct reader *rd, enum chunk_type type, const struct hash *id, struct buf *out,
                  struct err *e)
{
    struct place at, last;

    if (!index_find(rd->repo->index, id, &at)) {
        char text[65];

        hex_encode(SLICE_OF(id->bytes, HASH_SIZE), text);
        return err_set(e, ERR_CORRUPT, "chunk %.16s is in no pack that exists", text);
    }
    do {
        if (reader_place(rd, type, id, &at, out, e))
            return true;
        last = at;
        /* Another copy comes first when there is one whose pack is not distrusted. */
    } while (e->code == ERR_CORRUPT && index_find(rd->repo->index, id, &at) &&
             at.frame != last.frame);
    return false;
}

bool reader_content(struct reader *rd, const struct entry *file, struct buf *ids, struct err *e)
{
    if ((file->flags & ENTRY_INDIRECT) == 0) {
        buf_append_slice(ids, file->content);
        return true;
    }
    for (size_t at = 0; at < file->content.size; at += HASH_SIZE) {
        const size_t before = ids->size;
        struct hash list;

        memcpy(list.bytes, file->content.data + at, HASH_SIZE);
        if (!reader_chunk(rd, CHUNK_LIST, &list, ids, e))
            return err_wrap(e, "list of chunks");
        if ((ids->size - before) % HASH_SIZE != 0)
            return err_set(e, ERR_CORRUPT, "a list of chunks has an odd length");
    }
    return true;
}
