/*
 * Cutting by content.  A rolling hash over 64 bytes, cheap and keyed but not secret enough by
 * itself, proposes one place in 256; SipHash of the same 64 bytes decides.  What is seen of
 * chunk lengths thus depends on a PRF, from which the gear table cannot be recovered.
 *
 *     gear[i] = first 8 bytes (u64) of HMAC-SHA-256(chunk key, 1 | i)
 *     sip key = first 16 bytes of HMAC-SHA-256(chunk key, 2)
 *     h       = (h << 1) + gear[byte]
 *
 * h forgets a byte after 64 more, so it is a function of the last 64 bytes wherever the rolling
 * began, and a search can begin anywhere that has 64 bytes before it.
 *
 * In lines only their ends are looked at: a keyed hash of the line proposes and SipHash of it
 * decides, with a chance that goes as its length, so that chunks have the same average as
 * elsewhere. Where a line is longer than LINE_REACH, the rolling hash has what is beyond.  Whether
 * a chunk may end somewhere is thus told by the LINE_REACH bytes before, wherever the search began.
 */
#include "codec/chunker.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "codec/hash.h"

enum {
    WINDOW = 64,
    FILTER_BITS = 8, /* of the rolling hash; k in the table below counts SipHash's */
    GEAR_TYPE = 1,
    SIP_TYPE = 2,
    LINE_TYPE = 3,
    LINE_PARTS = 6,       /* of the secret for lines, 32 bytes each: XXH3 takes 136 or more */
    LINE_REACH = 4096,    /* bytes of a line that count */
    LINE_FILTER_BITS = 9, /* a line of 2^9 bytes and more is always proposed */
    LINES_BITS = 18,      /* one byte of lines in 2^18 ends a chunk */
};

#define FILTER_BELOW ((uint64_t)1 << (64 - FILTER_BITS))
#define PAGE_CUT     ((size_t)1 << 20)

struct cutter {
    uint64_t gear[256];
    uint8_t sip_key[crypto_shorthash_siphash24_KEYBYTES];
    uint8_t line_secret[LINE_PARTS * HASH_SIZE];
};

struct cut_shape {
    size_t min, max;   /* min > WINDOW and LINE_REACH */
    uint64_t sip_mask; /* the lower k bits */
    /* The first p in [from, end) behind whose byte a chunk may end; end if there is none. */
    size_t (*find)(const struct cutter *c, const uint8_t *in, size_t from, size_t end,
                   uint64_t sip_mask);
};

static uint64_t first_u64(const uint8_t *bytes)
{
    struct slice s = SLICE_OF(bytes, sizeof(uint64_t));
    uint64_t v = 0;
    const bool ok = take_u64(&s, &v);

    assert(ok);
    return v;
}

struct cutter *cutter_new(const uint8_t chunk_key[32])
{
    struct cutter *c = mem_secret_new(sizeof(*c));
    AUTO(mac) struct mac *m = mac_new(chunk_key);
    struct hash sum;

    for (size_t i = 0; i < 256; i++) {
        const uint8_t byte = (uint8_t)i;

        mac_sum(m, GEAR_TYPE, SLICE_OF(&byte, 1), &sum);
        c->gear[i] = first_u64(sum.bytes);
    }
    mac_sum(m, SIP_TYPE, SLICE_OF(NULL, 0), &sum);
    memcpy(c->sip_key, sum.bytes, sizeof(c->sip_key));
    for (size_t i = 0; i < LINE_PARTS; i++) {
        const uint8_t part = (uint8_t)i;

        mac_sum(m, LINE_TYPE, SLICE_OF(&part, 1), &sum);
        memcpy(c->line_secret + i * HASH_SIZE, sum.bytes, HASH_SIZE);
    }
    mem_wipe(&sum, sizeof(sum));
    return c;
}

void cutter_free(struct cutter *c)
{
    mem_secret_free(c);
}

void cutter_auto(struct cutter **c)
{
    cutter_free(*c);
}

static uint64_t sip(const struct cutter *c, const uint8_t *bytes, size_t size)
{
    uint8_t sum[crypto_shorthash_siphash24_BYTES];

    (void)crypto_shorthash_siphash24(sum, bytes, size, c->sip_key); /* cannot fail */
    return first_u64(sum);
}

/* The second opinion on a place that the rolling hash proposes: window ends there. */
static bool is_cut(const struct cutter *c, const uint8_t window[WINDOW], uint64_t sip_mask)
{
    return (sip(c, window, WINDOW) & sip_mask) == 0;
}

/*
 * The first p in [p, end) that the rolling hash proposes; end if there is none.  *h belongs to
 * the byte before p, and then to p.
 */
static size_t find_proposal(const uint64_t gear[256], const uint8_t *in, size_t p, size_t end,
                            uint64_t *h)
{
    uint64_t rolling = *h;

#pragma GCC unroll 8
    for (; p < end; p++) {
        rolling = (rolling << 1) + gear[in[p]];
        if (rolling < FILTER_BELOW)
            break;
    }
    *h = rolling;
    return p;
}

/*
 * The first p in [from, end) behind whose byte a chunk may end; end if there is none.
 * from >= WINDOW - 1.
 */
static size_t find_cut(const struct cutter *c, const uint8_t *in, size_t from, size_t end,
                       uint64_t sip_mask)
{
    uint64_t h = 0;

    for (size_t p = from + 1 - WINDOW; p < from; p++)
        h = (h << 1) + c->gear[in[p]];

    size_t p = find_proposal(c->gear, in, from, end, &h);

    while (p < end && !is_cut(c, in + p + 1 - WINDOW, sip_mask))
        p = find_proposal(c->gear, in, p + 1, end, &h);
    return p;
}

/* Whether a chunk may end behind a line of size bytes, at most LINE_REACH. */
static bool is_cut_line(const struct cutter *c, const uint8_t *line, size_t size)
{
    const uint64_t whole = (uint64_t)1 << LINE_FILTER_BITS;
    const uint64_t rest = ((uint64_t)1 << LINES_BITS) - 1;
    const uint64_t filter =
        XXH3_64bits_withSecret(line, size, c->line_secret, sizeof(c->line_secret));

    /* size / 2^9, at most 1, and of these as many as make size / 2^18 */
    return filter >> (64 - LINE_FILTER_BITS) < size &&
           (sip(c, line, size) & rest) < (size > whole ? size : whole);
}

/* As find_cut(), at the ends of lines.  from >= LINE_REACH. */
static size_t find_line_cut(const struct cutter *c, const uint8_t *in, size_t from, size_t end,
                            uint64_t sip_mask)
{
    const size_t seen = LINE_REACH - 1; /* before the last byte of a line that counts */
    const uint8_t *last = memrchr(in + from - seen, '\n', seen);
    size_t line = last == NULL ? from - seen : (size_t)(last - in) + 1;

    for (size_t p = from; p < end;) {
        const uint8_t *newline = memchr(in + p, '\n', end - p);
        const size_t stop = newline == NULL ? end : (size_t)(newline - in);
        const size_t beyond = p < line + seen ? line + seen : p;

        if (beyond < stop) {
            const size_t cut = find_cut(c, in, beyond, stop, sip_mask);

            if (cut < stop)
                return cut;
        }
        if (newline == NULL)
            break;
        if (stop - line > seen)
            line = stop - seen;
        if (is_cut_line(c, in + line, stop + 1 - line))
            return stop;
        line = p = stop + 1;
    }
    return end;
}

static const struct cut_shape general = {
    .min = (size_t)256 << 10,
    .max = CHUNK_MAX,
    .sip_mask = (1 << 10) - 1,
    .find = find_cut,
};

static const struct cut_shape lines = {
    .min = (size_t)256 << 10,
    .max = CHUNK_MAX,
    .sip_mask = (1 << (LINES_BITS - FILTER_BITS)) - 1,
    .find = find_line_cut,
};

static size_t cut_by_content(const struct cutter *c, const struct cut_shape *shape, struct slice in,
                             bool at_end, size_t *scanned)
{
    const size_t end = in.size < shape->max ? in.size : shape->max;
    const size_t from = *scanned < shape->min - 1 ? shape->min - 1 : *scanned;
    size_t p = end;

    if (from < end)
        p = shape->find(c, in.data, from, end, shape->sip_mask);
    *scanned = p;
    if (p < end)
        return p + 1;
    return end == shape->max || at_end ? end : 0;
}

static size_t cut_fixed(size_t size, struct slice in, bool at_end)
{
    if (in.size >= size)
        return size;
    return at_end ? in.size : 0;
}

static bool may_end(const struct cutter *c, const struct cut_shape *shape, struct slice chunk)
{
    const size_t last = chunk.size - 1;

    return chunk.size >= shape->min && chunk.size < shape->max &&
           shape->find(c, chunk.data, last, chunk.size, shape->sip_mask) == last;
}

bool cutter_may_end(const struct cutter *c, enum cut_kind kind, struct slice chunk)
{
    switch (kind) {
    case CUT_GENERAL:
        return may_end(c, &general, chunk);
    case CUT_LINES:
        return may_end(c, &lines, chunk);
    case CUT_WHOLE:
    case CUT_PAGES:
        return false;
    }
    assert(false);
    return false;
}

size_t cutter_cut(const struct cutter *c, enum cut_kind kind, struct slice in, bool at_end,
                  size_t *scanned)
{
    switch (kind) {
    case CUT_WHOLE:
        return cut_fixed(CHUNK_MAX, in, at_end);
    case CUT_GENERAL:
        return cut_by_content(c, &general, in, at_end, scanned);
    case CUT_PAGES:
        return cut_fixed(PAGE_CUT, in, at_end);
    case CUT_LINES:
        return cut_by_content(c, &lines, in, at_end, scanned);
    }
    assert(false);
    return 0;
}
