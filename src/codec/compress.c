#include "codec/compress.h"

#include <zstd.h>

#include "base/mem.h"

enum {
    GAIN_MIN_PERCENT = 3,
    SAMPLE_ABOVE = 64 << 10, /* shorter input costs no more than a sample of it would */
    SAMPLE_PIECE = 4 << 10,
    SAMPLE_SPACING = 64 << 10, /* frames hold many files, so pieces follow the size */
    SAMPLE_PIECES_MIN = 3,
    SAMPLE_PIECES_MAX = 16,
    SAMPLE_LEVEL = 1,
};

/* Entries of level 1's hash table for CONTENT_LONG, as a power of two; zstd's own choice is 14. */
#define LONG_HASH_LOG 16

struct compressor {
    ZSTD_CCtx *compress;
    ZSTD_CCtx *sample; /* of its own, so that the tables of compress keep their size */
    ZSTD_DCtx *expand;
    int long_hash_log; /* for CONTENT_LONG; 0: the level's own */
    bool has_gained;   /* the input before was worth it, so this one is not sampled */
};

static void zstd_must(size_t result)
{
    if (ZSTD_isError(result))
        mem_exit("Zstandard refuses its settings");
}

struct compressor *compressor_new(int level)
{
    struct compressor *c = mem_new(sizeof(*c));

    c->compress = ZSTD_createCCtx();
    c->sample = ZSTD_createCCtx();
    c->expand = ZSTD_createDCtx();
    if (c->compress == NULL || c->sample == NULL || c->expand == NULL)
        mem_exit("out of memory");
    c->long_hash_log = level == 1 ? LONG_HASH_LOG : 0;
    zstd_must(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel, level));
    zstd_must(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_contentSizeFlag, 1));
    zstd_must(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_checksumFlag, 0));
    return c;
}

void compressor_free(struct compressor *c)
{
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->compress);
    ZSTD_freeCCtx(c->sample);
    ZSTD_freeDCtx(c->expand);
    mem_free(c);
}

void compressor_auto(struct compressor **c)
{
    compressor_free(*c);
}

/* The longest result that saves enough. */
static size_t worthwhile(size_t size)
{
    return size - (size * GAIN_MIN_PERCENT + 99) / 100;
}

/* Whether pieces spread over in save enough together. */
static bool sample_gains(struct compressor *c, struct slice in)
{
    uint8_t out[ZSTD_COMPRESSBOUND(SAMPLE_PIECE)];
    size_t pieces = in.size / SAMPLE_SPACING;
    size_t total = 0;

    if (pieces < SAMPLE_PIECES_MIN)
        pieces = SAMPLE_PIECES_MIN;
    if (pieces > SAMPLE_PIECES_MAX)
        pieces = SAMPLE_PIECES_MAX;

    /* The stretches between the pieces and at both ends are equally long. */
    const size_t gap = (in.size - pieces * SAMPLE_PIECE) / (pieces + 1);

    for (size_t i = 0; i < pieces; i++) {
        const uint8_t *piece = in.data + gap * (i + 1) + SAMPLE_PIECE * i;
        const size_t n =
            ZSTD_compressCCtx(c->sample, out, sizeof(out), piece, SAMPLE_PIECE, SAMPLE_LEVEL);

        zstd_must(n);
        total += n;
    }
    return total <= worthwhile(pieces * SAMPLE_PIECE);
}

bool compressor_compress(struct compressor *c, struct slice in, enum content content,
                         struct buf *out)
{
    const int hash_log = content == CONTENT_LONG ? c->long_hash_log : 0;
    const size_t before = out->size;
    const size_t limit = worthwhile(in.size);

    if (limit == 0 || in.size > COMPRESS_PLAIN_MAX)
        return false;
    if (in.size > SAMPLE_ABOVE && !c->has_gained && !sample_gains(c, in))
        return false;

    zstd_must(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_hashLog, hash_log));
    /* No room for more than the longest useful result: the library gives up where we would. */
    const size_t n = ZSTD_compress2(c->compress, buf_extend(out, limit), limit, in.data, in.size);

    c->has_gained = !ZSTD_isError(n);
    out->size = c->has_gained ? before + n : before;
    return c->has_gained;
}

/*
 * in is one frame of the current format that says it holds plain_size bytes.  Skippable and
 * legacy frames begin otherwise.
 */
static bool frame_is_sound(struct slice in, size_t plain_size)
{
    uint32_t magic = 0;
    struct slice head = in;

    return take_u32(&head, &magic) && magic == ZSTD_MAGICNUMBER &&
           ZSTD_getFrameContentSize(in.data, in.size) == plain_size &&
           ZSTD_findFrameCompressedSize(in.data, in.size) == in.size;
}

bool compressor_expand(struct compressor *c, struct slice in, size_t plain_size, struct buf *out,
                       struct err *e)
{
    const size_t before = out->size;

    if (plain_size > COMPRESS_PLAIN_MAX || !frame_is_sound(in, plain_size))
        return err_set(e, ERR_CORRUPT, "the compressed bytes are not one frame of %zu bytes",
                       plain_size);

    /* The output is the window: whatever the frame asks for, no other memory is taken. */
    const size_t n =
        ZSTD_decompressDCtx(c->expand, buf_extend(out, plain_size), plain_size, in.data, in.size);

    if (n == plain_size)
        return true;
    out->size = before;
    return err_set(e, ERR_CORRUPT, "the compressed bytes do not expand: %s",
                   ZSTD_isError(n) ? ZSTD_getErrorName(n) : "wrong length");
}
