/*
 * Reading chunks: find the frame on the repository's shelf, or fetch, open and expand it.
 *
 * A frame is authentic once its section has been opened.  Whether a chunk in it is the one
 * that was asked for is proved by recomputing its id.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/base_cache.h"
#include "repo/nearby.h"
#include "repo/prefix.h"
#include "repo/shelf.h"

/* One request fetches so many bytes of frames, and at most so many between two for nothing. */
#define AHEAD_MAX     ((uint64_t)4 << 20)
#define AHEAD_GAP_MAX ((uint64_t)256 << 10)

#define NO_NUMBER     UINT32_MAX

/* The header of a pack that no reader has read yet, fetched beside what follows it there. */
struct pack_header {
    struct repo *repo;
    uint32_t pack;
    struct aside reading;
    struct buf bytes;
};

struct reader {
    struct repo *repo;
    struct seal_box *box;
    uint32_t box_pack; /* whose key the box holds */
    struct pack_header header;
    struct compressor *compressor;
    struct mac *mac;
    struct buf sealed, stored;
    struct prefix prefix; /* of the delta being read */
    struct shelved *held; /* the frame that was returned last, or NULL */
    struct buf ahead;     /* bytes of ahead_pack from ahead_offset on */
    uint32_t ahead_pack;
    uint64_t ahead_offset;
};

struct reader *reader_new(struct repo *r)
{
    struct reader *rd = mem_new(sizeof(*rd));

    assert(r->index != NULL);
    rd->repo = r;
    rd->box = seal_box_new();
    rd->box_pack = NO_NUMBER;
    rd->header = (struct pack_header){.repo = r, .pack = NO_NUMBER};
    rd->compressor = compressor_new(1);
    rd->mac = mac_new(r->keys->chunk_id);
    prefix_init(&rd->prefix, r, rd);
    shelf_join(r->shelf);
    rd->ahead_pack = NO_NUMBER;
    return rd;
}

void reader_free(struct reader *rd)
{
    if (rd == NULL)
        return;
    aside_auto(&rd->header.reading);
    buf_done(&rd->header.bytes);
    seal_box_free(rd->box);
    compressor_free(rd->compressor);
    mac_free(rd->mac);
    buf_done(&rd->ahead);
    buf_done(&rd->sealed);
    buf_done(&rd->stored);
    prefix_done(&rd->prefix);
    shelf_drop(rd->repo->shelf, rd->held);
    shelf_leave(rd->repo->shelf);
    mem_free(rd);
}

void reader_auto(struct reader **rd)
{
    reader_free(*rd);
}

/* Bytes of a pack.  The index names the pack, so its absence is damage: callers take ERR_NOT_FOUND
 * for a path that is not in the snapshot. */
static bool fetch(struct repo *r, uint32_t pack, uint64_t offset, size_t size, struct buf *out,
                  struct err *e)
{
    char key[PACK_KEY_MAX];

    pack_key(&index_pack_at(r->index, pack)->id, key);
    buf_clear(out);
    if (store_get(r->store, key, offset, size, out, e))
        return true;
    if (e->code == ERR_NOT_FOUND)
        e->code = ERR_CORRUPT;
    return err_wrap(e, "%s", key);
}

static bool header_fetch(void *arg, struct err *e)
{
    struct pack_header *h = arg;

    return fetch(h->repo, h->pack, 0, SEAL_HEADER_SIZE, &h->bytes, e);
}

/* Begin to fetch the header of a pack, unless it is known. */
static void header_expect(struct reader *rd, uint32_t pack)
{
    struct pack_header *h = &rd->header;

    if (rd->box_pack == pack || h->pack == pack || nearby_header(rd->repo, pack) != NULL)
        return;
    aside_auto(&h->reading);
    nearby_fetch_pack(rd->repo, pack);
    h->pack = pack;
    aside_start(&h->reading, rd->repo, header_fetch, h);
}

/* Wait for what header_expect() began; a failure is not kept. */
static bool header_take(struct reader *rd, uint32_t pack, const uint8_t **out, struct err *e)
{
    struct pack_header *h = &rd->header;

    header_expect(rd, pack);

    const bool is_read = aside_end(&h->reading, e);

    h->pack = NO_NUMBER;
    *out = h->bytes.data;
    return is_read;
}

/* Let the box hold the key of a pack, whose header any reader of the repository may have read. */
static bool open_pack(struct reader *rd, uint32_t pack, const char *key, struct err *e)
{
    const enum object_class class = index_pack_at(rd->repo->index, pack)->class;
    const uint8_t *header;

    if (rd->box_pack == pack)
        return true;
    rd->box_pack = NO_NUMBER;
    header = nearby_header(rd->repo, pack);

    const bool is_kept = header != NULL;

    if (!is_kept && !header_take(rd, pack, &header, e))
        return false;
    if (!object_seal_open(rd->repo, rd->box, SLICE_OF(header, SEAL_HEADER_SIZE), class, e))
        return err_wrap(e, "%s", key);
    if (!is_kept)
        nearby_keep_header(rd->repo, pack, header);
    rd->box_pack = pack;
    return true;
}

/* The sealed bytes of a frame, from what was fetched ahead or from the store. */
static bool fetch_sealed(struct reader *rd, const struct index_frame *f, struct slice *out,
                         struct err *e)
{
    if (f->pack == rd->ahead_pack && f->offset >= rd->ahead_offset &&
        f->offset - rd->ahead_offset + (uint64_t)f->sealed_size <= rd->ahead.size) {
        *out = SLICE_OF(rd->ahead.data + (f->offset - rd->ahead_offset), f->sealed_size);
        return true;
    }
    if (!fetch(rd->repo, f->pack, f->offset, f->sealed_size, &rd->sealed, e))
        return false;
    *out = buf_slice(&rd->sealed);
    return true;
}

static bool fetch_frame(struct reader *rd, uint32_t number, struct buf *plain, struct err *e)
{
    const struct index_frame f = index_frame_at(rd->repo->index, number);
    const struct index_pack *p = index_pack_at(rd->repo->index, f.pack);
    const struct section s = {.number = number - p->first_frame,
                              .kind = SECTION_FRAME,
                              .compression = (enum compression)f.compression,
                              .plain_size = f.plain_size};
    const bool is_delta = f.base_count > 0;
    struct slice sealed;
    char key[PACK_KEY_MAX];

    pack_key(&p->id, key);
    /* Bases first: reading them takes the box and the buffers. */
    if (is_delta && !prefix_of_frame(&rd->prefix, number, e))
        return err_wrap(e, "%s: frame %u", key, (unsigned)s.number);
    header_expect(rd, f.pack);
    if (!fetch_sealed(rd, &f, &sealed, e) || !open_pack(rd, f.pack, key, e))
        return false;
    buf_clear(plain);
    if (s.compression == COMPRESSION_NONE)
        return unseal_section(rd->box, &s, sealed, plain, e) ||
               err_wrap(e, "%s: frame %u", key, (unsigned)s.number);
    buf_clear(&rd->stored);
    return (unseal_section(rd->box, &s, sealed, &rd->stored, e) &&
            compressor_expand(rd->compressor,
                              is_delta ? buf_slice(&rd->prefix.bytes) : (struct slice){0},
                              buf_slice(&rd->stored), f.plain_size, plain, e)) ||
           err_wrap(e, "%s: frame %u", key, (unsigned)s.number);
}

bool repo_may_join(struct repo *r, uint32_t first, uint32_t last, uint32_t next)
{
    const struct index_frame f = index_frame_at(r->index, first);
    const struct index_frame l = index_frame_at(r->index, last);
    const struct index_frame n = index_frame_at(r->index, next);

    return store_parallel(r->store) > 1 && f.pack == n.pack &&
           n.offset - l.offset - l.sealed_size <= AHEAD_GAP_MAX &&
           n.offset - f.offset + (uint64_t)n.sealed_size <= AHEAD_MAX;
}

void reader_fetch_ahead(struct reader *rd, uint32_t first, uint32_t last)
{
    const struct index_frame f = index_frame_at(rd->repo->index, first);
    const struct index_frame l = index_frame_at(rd->repo->index, last);
    char key[PACK_KEY_MAX];
    struct err ignored;

    rd->ahead_pack = NO_NUMBER;
    if (first == last)
        return;
    assert(f.pack == l.pack && first < last);
    header_expect(rd, f.pack);
    pack_key(&index_pack_at(rd->repo->index, f.pack)->id, key);
    buf_clear(&rd->ahead);

    const bool is_read =
        store_get(rd->repo->store, key, f.offset, (size_t)(l.offset - f.offset) + l.sealed_size,
                  &rd->ahead, &ignored);

    if (!aside_end(&rd->header.reading, &ignored))
        rd->header.pack = NO_NUMBER;
    if (!is_read)
        return;
    rd->ahead_pack = f.pack;
    rd->ahead_offset = f.offset;
}

void repo_expect_frames(struct repo *r, const uint32_t *frames, size_t count, uint32_t *turns)
{
    base_cache_free(TAKE(r->bases));
    if (count > 0)
        r->bases = base_cache_new(r->index, frames, count, turns);
}

bool reader_frame(struct reader *rd, uint32_t frame, struct slice *out, struct err *e)
{
    struct shelf *shelf = rd->repo->shelf;
    bool is_there;

    shelf_drop(shelf, TAKE(rd->held));

    struct shelved *place = shelf_take(shelf, frame, repo_frame_size(rd->repo, frame), &is_there);

    if (!is_there) {
        /* The bases of a delta are read by this reader: the last of them is held then. */
        is_there = fetch_frame(rd, frame, shelved_bytes(place), e);
        if (is_there && rd->repo->bases != NULL)
            base_cache_fill(rd->repo->bases, frame, buf_slice(shelved_bytes(place)));
        shelf_filled(shelf, place, is_there);
        shelf_drop(shelf, TAKE(rd->held));
    }
    if (!is_there) {
        shelf_drop(shelf, place);
        return false;
    }
    rd->held = place;
    *out = buf_slice(shelved_bytes(place));
    return true;
}

bool reader_verify(struct reader *rd, enum chunk_type type, struct slice bytes,
                   const struct hash *id, struct err *e)
{
    struct hash now;

    mac_sum(rd->mac, (uint8_t)type, bytes, &now);
    if (id_is_named(&now, id))
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
            index_distrust_pack(ix, index_frame_at(ix, at->frame).pack);
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

    if (!index_find(rd->repo->index, id, &at))
        return repo_err_lost(rd->repo, id, e);
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
