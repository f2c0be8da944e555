/*
 * The compression function of SHA-256 (FIPS 180-4, 6.2.2) on two states in turn, with the
 * instructions SHA256RNDS2, SHA256MSG1 and SHA256MSG2 (Intel SDM, volume 2).
 *
 * Measured on an AMD EPYC (Zen 5), GB/s of one core: OpenSSL 3.0 with one stream 1.95, two streams
 * here 2.85.
 */
#include "codec/sha256_pair.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1")))
#define INLINED  __attribute__((always_inline)) static inline

enum {
    QUADS = 16,     /* four rounds each */
    QUADS_READ = 4, /* whose words are those of the block */
};

/* The cube roots of the first 64 primes: FIPS 180-4, 4.2.2. */
static const uint32_t round_constants[4 * QUADS] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* A state in the order in which the instructions take its words, the first letter highest, and
 * the last sixteen words of the message schedule. */
struct lane {
    __m128i abef, cdgh;
    __m128i words[4];
};

bool sha256_pair_is_there(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    const bool has_leaf_1 = __get_cpuid(1, &a, &b, &c, &d) != 0;
    const bool has_sse4 = has_leaf_1 && (c & bit_SSE4_1) != 0 && (c & bit_SSSE3) != 0;

    return has_sse4 && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

WITH_SHA INLINED void lane_load(struct lane *l, const uint32_t state[8])
{
    const __m128i abcd = _mm_loadu_si128((const __m128i *)(const void *)state);
    const __m128i efgh = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    const __m128i cdab = _mm_shuffle_epi32(abcd, 0xb1);
    const __m128i hgfe = _mm_shuffle_epi32(efgh, 0x1b);

    l->abef = _mm_alignr_epi8(cdab, hgfe, 8);
    l->cdgh = _mm_blend_epi16(hgfe, cdab, 0xf0);
}

WITH_SHA INLINED void lane_store(const struct lane *l, uint32_t state[8])
{
    const __m128i feba = _mm_shuffle_epi32(l->abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(l->cdgh, 0xb1);

    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* The words of a block are big-endian. */
WITH_SHA INLINED void lane_read(struct lane *l, const uint8_t *block)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

    for (size_t i = 0; i < QUADS_READ; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));

        l->words[i] = _mm_shuffle_epi8(bytes, swap);
    }
}

/* Four rounds; then the words that take the place of those just used. */
WITH_SHA INLINED void lane_quad(struct lane *l, size_t quad)
{
    __m128i *w = l->words;
    const size_t now = quad % 4;
    const __m128i k = _mm_load_si128((const __m128i *)(const void *)(round_constants + 4 * quad));
    const __m128i sum = _mm_add_epi32(w[now], k);

    l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, sum);
    l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(sum, 0x0e));
    if (quad >= QUADS - QUADS_READ)
        return;

    const __m128i last = w[(quad + 3) % 4];
    const __m128i part = _mm_add_epi32(_mm_sha256msg1_epu32(w[now], w[(quad + 1) % 4]),
                                       _mm_alignr_epi8(last, w[(quad + 2) % 4], 4));

    w[now] = _mm_sha256msg2_epu32(part, last);
}

WITH_SHA INLINED void lane_add(struct lane *l, const struct lane *before)
{
    l->abef = _mm_add_epi32(l->abef, before->abef);
    l->cdgh = _mm_add_epi32(l->cdgh, before->cdgh);
}

WITH_SHA void sha256_pair(uint32_t a[8], uint32_t b[8], const uint8_t *x, const uint8_t *y,
                          size_t blocks)
{
    struct lane p, q;

    lane_load(&p, a);
    lane_load(&q, b);
    for (size_t i = 0; i < blocks; i++) {
        const struct lane p_before = p, q_before = q;

        lane_read(&p, x + i * SHA256_BLOCK_SIZE);
        lane_read(&q, y + i * SHA256_BLOCK_SIZE);
#pragma GCC unroll 16
        for (size_t quad = 0; quad < QUADS; quad++) {
            lane_quad(&p, quad);
            lane_quad(&q, quad);
        }
        lane_add(&p, &p_before);
        lane_add(&q, &q_before);
    }
    lane_store(&p, a);
    lane_store(&q, b);
}

#else

bool sha256_pair_is_there(void)
{
    return false;
}

void sha256_pair(uint32_t a[8], uint32_t b[8], const uint8_t *x, const uint8_t *y, size_t blocks)
{
    (void)a, (void)b, (void)x, (void)y, (void)blocks;
    __builtin_trap(); /* nobody asks who looked whether it is there */
}

#endif
