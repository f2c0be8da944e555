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
 */
#include "codec/chunker.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "codec/hash.h"

enum {
    WINDOW = 64,
    FILTER_BITS = 8, /* of the rolling hash; k in the table below counts SipHash's */
    GEAR_TYPE = 1,
    SIP_TYPE = 2,
};

#define FILTER_BELOW ((uint64_t)1 << (64 - FILTER_BITS))
#define PAGE_CUT     ((size_t)1 << 20)

struct cutter {
    uint64_t gear[256];
    uint8_t sip_key[crypto_shorthash_siphash24_KEYBYTES];
};

struct cut_shape {
    size_t min, max;      /* min > WINDOW */
    uint64_t sip_mask;    /* the lower k bits */
    size_t newline_reach; /* how far an end moves to stand behind a newline; 0: not at all */
};

static const struct cut_shape general = {
    .min = (size_t)256 << 10,
    .max = CHUNK_MAX,
    .sip_mask = (1 << 10) - 1,
};

static const struct cut_shape lines = {
    .min = (size_t)128 << 10,
    .max = (size_t)1 << 20,
    .sip_mask = (1 << 9) - 1,
    .newline_reach = 4096,
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

/* The second opinion on a place that the rolling hash proposes: window ends there. */
static bool is_cut(const struct cutter *c, const uint8_t window[WINDOW], uint64_t sip_mask)
{
    uint8_t sum[crypto_shorthash_siphash24_BYTES];

    (void)crypto_shorthash_siphash24(sum, window, WINDOW, c->sip_key); /* cannot fail */
    return (first_u64(sum) & sip_mask) == 0;
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

/*
 * Move the end of a chunk of n bytes behind the next newline within reach.  0 when a newline
 * may still follow in bytes that are not here yet.
 */
static size_t move_to_newline(const struct cut_shape *shape, struct slice in, bool at_end, size_t n)
{
    const size_t limit =
        shape->max - n < shape->newline_reach ? shape->max : n + shape->newline_reach;
    const size_t seen = in.size < limit ? in.size : limit;
    const uint8_t *newline = seen > n ? memchr(in.data + n, '\n', seen - n) : NULL;

    if (newline != NULL)
        return (size_t)(newline - in.data) + 1;
    return seen == limit || at_end ? n : 0;
}

static size_t cut_by_content(const struct cutter *c, const struct cut_shape *shape, struct slice in,
                             bool at_end, size_t *scanned)
{
    const size_t end = in.size < shape->max ? in.size : shape->max;
    const size_t from = *scanned < shape->min - 1 ? shape->min - 1 : *scanned;
    size_t p = end;

    if (from < end)
        p = find_cut(c, in.data, from, end, shape->sip_mask);
    *scanned = p;
    if (p < end)
        return move_to_newline(shape, in, at_end, p + 1);
    return end == shape->max || at_end ? end : 0;
}

static size_t cut_fixed(size_t size, struct slice in, bool at_end)
{
    if (in.size >= size)
        return size;
    return at_end ? in.size : 0;
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
