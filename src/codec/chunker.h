/*
 * Content-defined cutting of a stream into chunks, with boundaries that depend on a secret.
 * docs/FORMAT.md, "Cutting".
 */
#ifndef CODEC_CHUNKER_H
#define CODEC_CHUNKER_H

#include "base/buf.h"

#define CHUNK_MAX ((size_t)4 << 20) /* no chunk of any kind is longer */

/* How a stream is cut; stored in the tree entry of a file. */
enum cut_kind {
    CUT_WHOLE = 0,   /* below CUT_WHOLE_MAX: one chunk (or none when empty) */
    CUT_GENERAL = 1, /* 256 KiB, 512 KiB, 4 MiB */
    CUT_PAGES = 2,   /* fixed 1 MiB */
    CUT_LINES = 3,   /* 256 KiB, 512 KiB, 4 MiB, behind newlines while lines have up to 4 KiB */
};

#define CUT_WHOLE_MAX ((size_t)256 << 10)

/* Secret tables of one repository; read-only after being made, shared by threads. */
struct cutter;
struct cutter *cutter_new(const uint8_t chunk_key[32]);
void cutter_free(struct cutter *c);
void cutter_auto(struct cutter **c);

/*
 * Length of the first chunk of in, at most in.size.  at_end says that no bytes follow in.
 * 0: in holds no cut and more bytes may follow; call again with more.  A result depends on
 * the bytes from the beginning of the chunk only, so a stream is cut the same however it
 * arrives.  in.size >= CHUNK_MAX always yields a cut.  *scanned carries the search position
 * between calls for the same chunk; set it to 0 for each new chunk.
 */
size_t cutter_cut(const struct cutter *c, enum cut_kind kind, struct slice in, bool at_end,
                  size_t *scanned);

/*
 * Whether a chunk with these bytes may end behind the last of them because of what they are, not
 * of how many they are or because nothing follows.  Takes no longer for a long chunk than for a
 * short one, and says nothing of other places in it.
 */
bool cutter_may_end(const struct cutter *c, enum cut_kind kind, struct slice chunk);

#endif
