/*
 * Private to src/repo: packs.  docs/FORMAT.md, "Packs".
 */
#ifndef REPO_PACK_H
#define REPO_PACK_H

#include "repo/object.h"

#define PACK_TRAILER_SIZE 16
#define FRAME_PLAIN_MAX   ((size_t)8 << 20)

/*
 * Bytes that a pack is filled to where nobody says otherwise: 32 MiB, and half of that where a
 * store takes several objects at once, which is then as much memory for twice as many packs.
 */
size_t pack_size_usual(const struct repo *r);

struct pack_frame {
    uint32_t offset;      /* of the sealed bytes in the pack; derived */
    uint32_t sealed_size; /* with the tag */
    uint32_t plain_size;
    enum compression compression;
    uint32_t first_chunk; /* index into chunks; derived */
    uint32_t chunk_count;
};

/*
 * So many first bytes of an id name a chunk and a base in a directory, and in the index: an id is a
 * keyed hash, so two chunks that share 128 bits do not happen.  A struct hash of such a name has
 * zeros behind them.
 */
#define ID_PREFIX_SIZE 16
struct hash id_prefix(const struct hash *id);
/* Whether an id, as it was computed, is the one that is named, in whole or by its first bytes. */
bool id_is_named(const struct hash *id, const struct hash *named);

struct pack_chunk {
    struct hash id; /* its first bytes */
    enum chunk_type type;
    uint32_t size;
    uint32_t offset;  /* in the plain frame; derived */
    struct hash base; /* its first bytes; in frames with COMPRESSION_ZSTD_AFTER only */
};

/* A directory, decoded. */
struct pack_directory {
    struct pack_frame *frames;
    size_t frame_count;
    struct pack_chunk *chunks;
    size_t chunk_count;
};
void pack_directory_done(struct pack_directory *d);
void pack_directory_auto(struct pack_directory *d);
/* ERR_CORRUPT for anything FORMAT.md does not allow; checks all sums. */
MUST_CHECK bool pack_directory_decode(struct slice bytes, enum object_class class,
                                      struct pack_directory *out, struct err *e);
/* The stored size of a pack with this directory of directory_size plain bytes. */
uint64_t pack_size_of(const struct pack_directory *d, size_t directory_size);

/* The rows of a directory under construction. */
struct pack_rows {
    struct buf frames, chunks;
    uint32_t frame_count, chunk_count;
};
/* Add a frame with these chunks, whose sizes are its plain bytes. */
void pack_rows_add(struct pack_rows *r, uint32_t sealed_size, enum compression compression,
                   const struct pack_chunk *chunks, size_t count);
/* Bytes of the directory, and what one more frame with so many chunks adds. */
size_t pack_rows_size(const struct pack_rows *r);
size_t pack_rows_size_of(enum compression compression, size_t count);
void pack_rows_encode(const struct pack_rows *r, struct buf *out);
void pack_rows_clear(struct pack_rows *r);
void pack_rows_done(struct pack_rows *r);

/* A pack under construction, expected to reach room bytes.  One thread at a time. */
struct pack_builder;
struct pack_builder *pack_builder_new(struct repo *r, enum object_class class, size_t room);
/* Begin another pack in the memory of one that is finished and stored. */
void pack_builder_restart(struct pack_builder *b, struct repo *r, enum object_class class);
void pack_builder_free(struct pack_builder *b); /* accepts NULL */
void pack_builder_auto(struct pack_builder **b);
/* Add a frame; chunks (size and id set, and base where the compression has bases) stand in it in
 * this order.  Returns its number. */
uint32_t pack_builder_add(struct pack_builder *b, struct slice stored, enum compression compression,
                          uint32_t plain_size, const struct pack_chunk *chunks, size_t chunk_count);
/* Stored bytes so far: header and sealed frames. */
size_t pack_builder_size(const struct pack_builder *b);
/* Size of the finished pack if one more frame of stored_size bytes, before sealing, with so many
 * chunks were its last. */
size_t pack_builder_size_with(const struct pack_builder *b, size_t stored_size,
                              enum compression compression, size_t chunk_count);
/* Whether a frame of stored_size bytes needs more memory, so that the bytes so far move. */
bool pack_builder_will_move(const struct pack_builder *b, size_t stored_size);
size_t pack_builder_frames(const struct pack_builder *b);
enum object_class pack_builder_class(const struct pack_builder *b);
/*
 * mac_sum_all(), and beside it the pack's name over some of its first size bytes.  size is what
 * pack_builder_size() once said.  Meanwhile another thread may add frames that do not move the
 * bytes so far, but not finish it.
 */
void pack_builder_sum_beside(struct pack_builder *b, size_t size, struct mac *m,
                             struct mac_message *messages, size_t count);
/* Seal the directory, write the trailer and work out the name.  *object and *directory (plain) are
 * owned by the builder until it is freed. */
void pack_builder_finish(struct pack_builder *b, struct hash *id, struct slice *object,
                         struct slice *directory);

/*
 * Reading a pack whose bytes are in memory (check, repair, repack).
 */
/* Size and place of the directory from the last PACK_TRAILER_SIZE bytes of the pack. */
MUST_CHECK bool pack_trailer_read(struct slice trailer, uint64_t pack_size, uint32_t *sealed_size,
                                  uint32_t *frame_count, struct err *e);
/* Open the directory of a pack whose bytes are all in memory; errors do not name it. */
MUST_CHECK bool pack_directory_open(struct repo *r, struct slice pack, enum object_class *class,
                                    struct buf *plain, struct err *e);
/* Fetch and open the directory of a pack in the store: plain bytes to *plain, class from the
 * header.  pack_size from the listing. */
MUST_CHECK bool pack_directory_get(struct repo *r, const struct hash *id, uint64_t pack_size,
                                   enum object_class *class, struct buf *plain, struct err *e);

/*
 * Scanning a whole pack in memory: for checks before upload, for check --read-data, repack.  The
 * bases of deltas come from the repository, whose index must be loaded for that.
 * One thread at a time; open() may be called again for the next pack.
 */
struct pack_scan;
struct pack_scan *pack_scan_new(struct repo *r);
void pack_scan_free(struct pack_scan *s); /* accepts NULL */
void pack_scan_auto(struct pack_scan **s);
/* Header, trailer and directory; object is borrowed until the next open. */
/* fn is told each frame that this scan reads deltas after, whole, several times perhaps, or never
 * when what is wanted of it was kept (repo_expect_frames()). */
typedef void frame_fn(void *arg, uint32_t frame, struct slice plain);
void pack_scan_watch(struct pack_scan *s, frame_fn *fn, void *arg);
MUST_CHECK bool pack_scan_open(struct pack_scan *s, struct slice object, struct err *e);
/* Valid until the next open. */
const struct pack_directory *pack_scan_directory(const struct pack_scan *s);
enum object_class pack_scan_class(const struct pack_scan *s);
/* The plain bytes of the directory, as an index repeats them. */
struct slice pack_scan_directory_bytes(const struct pack_scan *s);
/* Whether the stored bytes of a frame are those that were sealed, whatever they hold. */
MUST_CHECK bool pack_scan_unseal(struct pack_scan *s, size_t frame, struct err *e);
/* Open and expand a frame; *plain is valid until the next call. */
MUST_CHECK bool pack_scan_frame(struct pack_scan *s, size_t frame, struct slice *plain,
                                struct err *e);
/* Recompute the id of a chunk (number in the directory) of the frame that *plain is. */
MUST_CHECK bool pack_scan_chunk(struct pack_scan *s, size_t chunk, struct slice plain,
                                struct err *e);
/* The same for all chunks of the frame, faster. */
MUST_CHECK bool pack_scan_chunks(struct pack_scan *s, size_t frame, struct slice plain,
                                 struct err *e);
/* All frames and all ids, but those of deltas, which take nothing but the pack. */
MUST_CHECK bool pack_scan_plain(struct pack_scan *s, struct err *e);
/* Those of deltas, whose bases are read from the store. */
MUST_CHECK bool pack_scan_deltas(struct pack_scan *s, struct err *e);

#endif
