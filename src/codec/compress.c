#include "codec/compress.h"

#include <assert.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    GAIN_MIN_PERCENT = 3,
    SAMPLE_ABOVE = 64 << 10, /* shorter input costs no more than a sample of it would */
    SAMPLE_PIECE = 4 << 10,
    SAMPLE_SPACING = 64 << 10, /* frames hold many files, so pieces follow the size */
    SAMPLE_PIECES_MIN = 3,
    SAMPLE_PIECES_MAX = 16,
    SAMPLE_LEVEL = 1,
};

/*
 * After a prefix: level 1.  Among many short things long-distance matching (as zstd sets it up for
 * the window) finds the stretches that are the same, and a larger table what lies between.  Of a
 * long thing most stands where it stood; a table with an entry for every eighth byte of the window
 * finds all else, in half the time: docs/decisions/0011, 0083.
 */
enum {
    PREFIX_LEVEL = 1,
    PREFIX_HASH_LOG = 16,
    PREFIX_LONG_SPACING_LOG = 3,
    PREFIX_SAMPLE = 32 << 10,
};

/* Entries of level 1's hash table for CONTENT_LONG, as a power of two; zstd's own choice is 14. */
#define LONG_HASH_LOG 16

struct compressor {
    ZSTD_CCtx *compress;
    ZSTD_CCtx *sample; /* of its own, so that the tables of compress keep their size */
    ZSTD_CCtx *after;  /* a prefix; NULL until it is needed */
    ZSTD_DCtx *expand;
    struct buf again;  /* what was compressed after a prefix, expanded */
    int long_hash_log; /* for CONTENT_LONG; 0: the level's own */
    bool has_gained;   /* the input before was worth it, so this one is not sampled */
};

static void zstd_must(size_t result)
{
    if (ZSTD_isError(result))
        mem_exit("Zstandard refuses its settings");
}

bool level_parse(const char *text, int *out, struct err *e)
{
    static const struct {
        const char *word;
        int level;
    } words[] = {{"auto", LEVEL_AUTO}, {"off", LEVEL_RAW}, {"max", LEVEL_MAX}};
    struct err ignored = {0};
    uint64_t level = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].level;
            return true;
        }
    if (!parse_u64(text, &level, &ignored) || level < 1 || level > LEVEL_MAX)
        return err_set(e, ERR_USAGE, "\"%.40s\" is not auto, off, max or 1 to %d", text, LEVEL_MAX);
    *out = (int)level;
    return true;
}

struct compressor *compressor_new(int level)
{
    struct compressor *c = mem_new(sizeof(*c));

    c->compress = ZSTD_createCCtx();
    c->sample = ZSTD_createCCtx();
    c->expand = ZSTD_createDCtx();
    if (c->compress == NULL || c->sample == NULL || c->expand == NULL)
        mem_exit("out of memory");
    compressor_set_level(c, level);
    zstd_must(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_contentSizeFlag, 1));
    zstd_must(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_checksumFlag, 0));
    return c;
}

void compressor_set_level(struct compressor *c, int level)
{
    c->long_hash_log = level == 1 ? LONG_HASH_LOG : 0;
    zstd_must(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel, level));
}

void compressor_free(struct compressor *c)
{
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->compress);
    ZSTD_freeCCtx(c->sample);
    ZSTD_freeCCtx(c->after);
    ZSTD_freeDCtx(c->expand);
    buf_done(&c->again);
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

static void prepare_after(struct compressor *c)
{
    if (c->after != NULL)
        return;
    c->after = ZSTD_createCCtx();
    if (c->after == NULL)
        mem_exit("out of memory");
    zstd_must(ZSTD_CCtx_setParameter(c->after, ZSTD_c_compressionLevel, PREFIX_LEVEL));
}

/* The window in which both bytes and prefix have room, as a power of two. */
static int window_log(size_t size)
{
    int log = 18;

    while (((size_t)1 << log) < size)
        log++;
    return log;
}

/* For so many bytes of both. */
static void set_after(struct compressor *c, size_t size, enum content content)
{
    const int window = window_log(size);
    const bool is_long = content == CONTENT_LONG;

    zstd_must(ZSTD_CCtx_setParameter(c->after, ZSTD_c_windowLog, window));
    zstd_must(ZSTD_CCtx_setParameter(c->after, ZSTD_c_hashLog,
                                     is_long ? window - PREFIX_LONG_SPACING_LOG : PREFIX_HASH_LOG));
    zstd_must(ZSTD_CCtx_setParameter(c->after, ZSTD_c_enableLongDistanceMatching, is_long ? 0 : 1));
}

/* About what in takes without its prefix: never less, but for luck. */
static size_t size_alone(struct compressor *c, struct slice in)
{
    uint8_t out[ZSTD_COMPRESSBOUND(PREFIX_SAMPLE)];
    const size_t piece = in.size < PREFIX_SAMPLE ? in.size : PREFIX_SAMPLE;
    const size_t n = ZSTD_compressCCtx(c->sample, out, sizeof(out), in.data + (in.size - piece) / 2,
                                       piece, SAMPLE_LEVEL);

    zstd_must(n);
    return (size_t)((double)n * (double)in.size / (double)piece);
}

/* Whether after bytes are at most half of what in takes alone; tried where an estimate, which is
 * too high as a rule, does not settle it. */
static bool is_half(struct compressor *c, struct slice in, size_t after, struct buf *scratch)
{
    const size_t before = scratch->size;

    if (after * 6 <= size_alone(c, in))
        return true;

    const bool gains = compressor_compress(c, in, CONTENT_LONG, scratch);
    const size_t alone = gains ? scratch->size - before : in.size;

    scratch->size = before;
    return after <= alone / 2;
}

static bool expands_to(struct compressor *c, struct slice prefix, struct slice packed,
                       struct slice in)
{
    struct err ignored;

    buf_clear(&c->again);
    return compressor_expand(c, prefix, packed, in.size, &c->again, &ignored) &&
           memcmp(c->again.data, in.data, in.size) == 0;
}

bool compressor_compress_after(struct compressor *c, struct slice prefix, struct slice in,
                               enum content content, struct buf *out)
{
    const size_t before = out->size;
    const size_t limit = in.size / 2;

    assert(prefix.size > 0 && prefix.size <= COMPRESS_PREFIX_MAX);
    if (limit == 0 || in.size > COMPRESS_PLAIN_MAX)
        return false;
    prepare_after(c);
    /* What did not fit the time before is still under way. */
    zstd_must(ZSTD_CCtx_reset(c->after, ZSTD_reset_session_only));
    set_after(c, prefix.size + in.size, content);
    zstd_must(ZSTD_CCtx_refPrefix(c->after, prefix.data, prefix.size));

    const size_t n = ZSTD_compress2(c->after, buf_extend(out, limit), limit, in.data, in.size);

    out->size = ZSTD_isError(n) ? before : before + n;
    if (out->size > before && is_half(c, in, n, out) &&
        expands_to(c, prefix, SLICE_OF(out->data + before, n), in))
        return true;
    out->size = before;
    return false;
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

bool compressor_expand(struct compressor *c, struct slice prefix, struct slice in,
                       size_t plain_size, struct buf *out, struct err *e)
{
    const size_t before = out->size;

    if (plain_size > COMPRESS_PLAIN_MAX || !frame_is_sound(in, plain_size))
        return err_set(e, ERR_CORRUPT, "the compressed bytes are not one frame of %zu bytes",
                       plain_size);

    /* Output and prefix are the window: whatever the frame asks for, no other memory is taken. */
    zstd_must(ZSTD_DCtx_refPrefix(c->expand, prefix.data, prefix.size));

    const size_t n =
        ZSTD_decompressDCtx(c->expand, buf_extend(out, plain_size), plain_size, in.data, in.size);

    if (n == plain_size)
        return true;
    out->size = before;
    return err_set(e, ERR_CORRUPT, "the compressed bytes do not expand: %s",
                   ZSTD_isError(n) ? ZSTD_getErrorName(n) : "wrong length");
}
