/*
 * Zstandard frames of known size.
 */
#ifndef CODEC_COMPRESS_H
#define CODEC_COMPRESS_H

#include "base/buf.h"

/* Nothing longer is compressed or expanded. */
#define COMPRESS_PLAIN_MAX ((size_t)64 << 20)

/* How much to compress; levels of Zstandard, and: */
enum {
    LEVEL_RAW = -1, /* not at all */
    LEVEL_AUTO = 0, /* as whoever compresses chooses */
    LEVEL_MAX = 19, /* the highest that keeps its memory small */
};

/* Read "auto", "off", "max" or a level.  ERR_USAGE for anything else. */
MUST_CHECK bool level_parse(const char *text, int *out, struct err *e);

/* One per thread; keeps its contexts.  level is from 1. */
struct compressor;
struct compressor *compressor_new(int level);
/* Another level for what is compressed from here on. */
void compressor_set_level(struct compressor *c, int level);
void compressor_free(struct compressor *c);
void compressor_auto(struct compressor **c);

/* What an input is made of. */
enum content {
    CONTENT_MIXED, /* many short things */
    CONTENT_LONG,  /* a stretch of a long one: it pays to remember more of it */
};

/*
 * Append the compressed form of in to *out and return true, or return false with *out as it
 * was when that saves less than 3 %: the caller stores in as it is.  A sample decides first, so
 * incompressible input costs little, unless the input before was worth compressing: what follows
 * it mostly is too.
 */
MUST_CHECK bool compressor_compress(struct compressor *c, struct slice in, enum content content,
                                    struct buf *out);

/*
 * The same with a prefix that the reader has too, at most COMPRESS_PREFIX_MAX bytes and not empty:
 * what in repeats of it costs next to nothing: of CONTENT_LONG what stands in its place above all.
 * False when the result is not at most half as long as without the prefix (which is estimated where
 * that is clear), or does not expand to what it was: that is tried here, where prefix and in are
 * both at hand.
 */
#define COMPRESS_PREFIX_MAX ((size_t)8 << 20)
MUST_CHECK bool compressor_compress_after(struct compressor *c, struct slice prefix,
                                          struct slice in, enum content content, struct buf *out);

/*
 * Append exactly plain_size bytes to *out, or fail with ERR_CORRUPT and *out as it was: in is
 * not a single frame that names this size and ends where in does.  prefix is what in was compressed
 * after, or empty.
 */
MUST_CHECK bool compressor_expand(struct compressor *c, struct slice prefix, struct slice in,
                                  size_t plain_size, struct buf *out, struct err *e);

#endif
