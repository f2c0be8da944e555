/*
 * SHA-256 and HMAC-SHA-256 with OpenSSL's SHA256_* functions, HKDF with its EVP interface.
 *
 * The SHA256_* functions are marked deprecated, and used here on purpose: their state is a
 * plain struct, so a keyed HMAC is two states that are copied for each message, without the
 * allocations, locks and parameter lists of EVP_MAC.  Measured with OpenSSL 3.0 on an AMD EPYC with
 * SHA extensions, ns for a message: 64 bytes 129 (EVP_MAC 197, copied EVP_MD_CTX 160), 2 KiB 1094
 * (1148, 1116), 15 KiB 7491 (7586, 7496).  Most files of a source tree are that small.
 * Of many messages two at a time go through sha256_pair(), which works on the same state.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "codec/hash.h"

#include <assert.h>
#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "codec/sha256_pair.h"

enum {
    BLOCK_SIZE = SHA256_BLOCK_SIZE, /* HMAC pads its key to this */
    HKDF_MAX = 64,
    PAIR_MIN = 4 * BLOCK_SIZE, /* a shorter message is not worth the setting up */
};

static_assert(HASH_SIZE == SHA256_DIGEST_LENGTH, "a hash is what SHA-256 yields");

struct sha256_stream {
    SHA256_CTX state;
};

/* The two halves of HMAC, each having taken in its block of the key. */
struct mac {
    SHA256_CTX inner, outer;
};

/* The SHA256_* functions fail on no input; their results are those of the generic interface. */
static void state_init(SHA256_CTX *c)
{
    const int ok = SHA256_Init(c);

    assert(ok == 1);
}

static void state_add(SHA256_CTX *c, const void *data, size_t size)
{
    const int ok = SHA256_Update(c, data, size);

    assert(ok == 1);
}

static void state_finish(SHA256_CTX *c, struct hash *out)
{
    const int ok = SHA256_Final(out->bytes, c);

    assert(ok == 1);
}

void sha256(struct slice in, struct hash *out)
{
    SHA256_CTX c;

    state_init(&c);
    state_add(&c, in.data, in.size);
    state_finish(&c, out);
}

/* Asking the processor takes longer than many sums, in a virtual machine above all. */
static bool has_pair;

__attribute__((constructor)) static void look_for_pair(void)
{
    has_pair = sha256_pair_is_there();
}

/* What SHA-256 makes of a run of bytes: whole blocks as they are, and the rest with what is put
 * behind it (FIPS 180-4, 5.1.1). */
struct padded {
    size_t blocks, tail_blocks;
    uint8_t tail[2 * BLOCK_SIZE];
};

static void pad(struct slice in, struct padded *p)
{
    const size_t rest = in.size % BLOCK_SIZE;
    const uint64_t bits = htobe64((uint64_t)in.size * 8);

    p->blocks = in.size / BLOCK_SIZE;
    p->tail_blocks = rest + 1 + sizeof(bits) <= BLOCK_SIZE ? 1 : 2;
    memset(p->tail, 0, sizeof(p->tail));
    if (rest > 0)
        memcpy(p->tail, in.data + in.size - rest, rest);
    p->tail[rest] = 0x80;
    memcpy(p->tail + p->tail_blocks * BLOCK_SIZE - sizeof(bits), &bits, sizeof(bits));
}

static void put_words(const uint32_t words[8], struct hash *out)
{
    for (size_t i = 0; i < 8; i++) {
        const uint32_t word = htobe32(words[i]);

        memcpy(out->bytes + i * sizeof(word), &word, sizeof(word));
    }
}

void sha256_two(struct slice a, struct slice b, struct hash *of_a, struct hash *of_b)
{
    /* FIPS 180-4, 5.3.3. */
    uint32_t x[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t y[8];
    struct padded p, q;

    pad(a, &p);
    pad(b, &q);
    if (!has_pair || p.blocks != q.blocks || p.tail_blocks != q.tail_blocks) {
        sha256(a, of_a);
        sha256(b, of_b);
        return;
    }
    memcpy(y, x, sizeof(y));
    sha256_pair(x, y, a.data, b.data, p.blocks);
    sha256_pair(x, y, p.tail, q.tail, p.tail_blocks);
    put_words(x, of_a);
    put_words(y, of_b);
}

struct sha256_stream *sha256_stream_new(void)
{
    struct sha256_stream *s = mem_new(sizeof(*s));

    state_init(&s->state);
    return s;
}

void sha256_stream_add(struct sha256_stream *s, struct slice in)
{
    state_add(&s->state, in.data, in.size);
}

void sha256_stream_finish(struct sha256_stream *s, struct hash *out)
{
    state_finish(&s->state, out);
    state_init(&s->state);
}

void sha256_stream_free(struct sha256_stream *s)
{
    mem_free(s);
}

void sha256_stream_auto(struct sha256_stream **s)
{
    sha256_stream_free(*s);
}

/* Begin a hash with the block that key xor pad fills. */
static void state_init_keyed(SHA256_CTX *c, const uint8_t key[HASH_SIZE], uint8_t pad)
{
    uint8_t block[BLOCK_SIZE];

    memset(block, pad, sizeof(block));
    for (size_t i = 0; i < HASH_SIZE; i++)
        block[i] ^= key[i];
    state_init(c);
    state_add(c, block, sizeof(block));
    mem_wipe(block, sizeof(block));
}

struct mac *mac_new(const uint8_t key[HASH_SIZE])
{
    struct mac *m = mem_secret_new(sizeof(*m));

    state_init_keyed(&m->inner, key, 0x36);
    state_init_keyed(&m->outer, key, 0x5c);
    return m;
}

void mac_free(struct mac *m)
{
    mem_secret_free(m);
}

void mac_auto(struct mac **m)
{
    mac_free(*m);
}

/* The second half of HMAC. */
static void mac_finish(const struct mac *m, SHA256_CTX *c, struct hash *out)
{
    struct hash inner;

    state_finish(c, &inner);
    *c = m->outer;
    state_add(c, inner.bytes, HASH_SIZE);
    state_finish(c, out);
    mem_wipe(c, sizeof(*c));
}

void mac_sum(struct mac *m, uint8_t type, struct slice in, struct hash *out)
{
    SHA256_CTX c = m->inner;

    state_add(&c, &type, sizeof(type));
    state_add(&c, in.data, in.size);
    mac_finish(m, &c, out);
}

struct hmac_stream {
    struct mac mac;
    SHA256_CTX state; /* of the message under way */
};

struct hmac_stream *hmac_stream_new(const uint8_t key[HASH_SIZE])
{
    struct hmac_stream *s = mem_secret_new(sizeof(*s));

    state_init_keyed(&s->mac.inner, key, 0x36);
    state_init_keyed(&s->mac.outer, key, 0x5c);
    s->state = s->mac.inner;
    return s;
}

void hmac_stream_add(struct hmac_stream *s, struct slice in)
{
    state_add(&s->state, in.data, in.size);
}

void hmac_stream_finish(struct hmac_stream *s, struct hash *out)
{
    mac_finish(&s->mac, &s->state, out);
    s->state = s->mac.inner;
}

void hmac_stream_free(struct hmac_stream *s)
{
    mem_secret_free(s);
}

void hmac_stream_auto(struct hmac_stream **s)
{
    hmac_stream_free(*s);
}

/* A message under way in mac_sum_all(): state stands at a border of blocks until it is done. */
struct mac_lane {
    SHA256_CTX state;
    struct slice rest;
    struct mac_message *message; /* NULL: none */
};

/* Give the lane the next message that is long enough; those before it are done at once. */
static void lane_fill(struct mac *m, struct mac_lane *l, struct mac_message **next,
                      const struct mac_message *end)
{
    const size_t head = BLOCK_SIZE - 1; /* fills the first block behind the type */

    while (l->message == NULL && *next < end) {
        struct mac_message *message = (*next)++;

        if (message->in.size < PAIR_MIN) {
            mac_sum(m, message->type, message->in, &message->sum);
            continue;
        }
        l->message = message;
        l->state = m->inner;
        state_add(&l->state, &message->type, sizeof(message->type));
        state_add(&l->state, message->in.data, head);
        l->rest = SLICE_OF(message->in.data + head, message->in.size - head);
    }
}

static void lane_finish(const struct mac *m, struct mac_lane *l)
{
    if (l->message == NULL)
        return;
    state_add(&l->state, l->rest.data, l->rest.size);
    mac_finish(m, &l->state, &l->message->sum);
    l->message = NULL;
}

/* sha256_pair() took so many blocks of rest into the state. */
static void state_advance(SHA256_CTX *c, struct slice *rest, size_t blocks)
{
    const size_t size = blocks * BLOCK_SIZE;
    const uint64_t bits = ((uint64_t)c->Nh << 32 | c->Nl) + (uint64_t)size * 8;

    c->Nl = (SHA_LONG)bits;
    c->Nh = (SHA_LONG)(bits >> 32);
    *rest = SLICE_OF(rest->data + size, rest->size - size);
}

/* As many blocks as both have. */
static void pair_add(SHA256_CTX *a, struct slice *x, SHA256_CTX *b, struct slice *y)
{
    const size_t blocks = (x->size < y->size ? x->size : y->size) / BLOCK_SIZE;

    sha256_pair(a->h, b->h, x->data, y->data, blocks);
    state_advance(a, x, blocks);
    state_advance(b, y, blocks);
}

/* Messages one after the other beside the stream, as far as it goes. */
static void sum_beside(struct mac *m, struct mac_lane *l, struct mac_message **next,
                       const struct mac_message *end, struct sha256_stream *s, struct slice *rest)
{
    while (rest->size >= BLOCK_SIZE) {
        lane_fill(m, l, next, end);
        if (l->message == NULL)
            return;
        pair_add(&l->state, &l->rest, &s->state, rest);
        if (l->rest.size < BLOCK_SIZE)
            lane_finish(m, l);
    }
}

/* Messages two at a time, until at most one lane holds one; returns which. */
static struct mac_lane *sum_pairs(struct mac *m, struct mac_lane lanes[2], struct mac_message *next,
                                  const struct mac_message *end)
{
    struct mac_lane *a = &lanes[0], *b = &lanes[1];

    for (;;) {
        lane_fill(m, a, &next, end);
        lane_fill(m, b, &next, end);
        if (a->message == NULL || b->message == NULL)
            return a->message != NULL ? a : b;
        pair_add(&a->state, &a->rest, &b->state, &b->rest);
        if (a->rest.size < BLOCK_SIZE)
            lane_finish(m, a);
        if (b->rest.size < BLOCK_SIZE)
            lane_finish(m, b);
    }
}

void mac_sum_beside(struct mac *m, struct mac_message *messages, size_t count,
                    struct sha256_stream *s, struct slice *rest)
{
    struct mac_lane lanes[2] = {{.message = NULL}};
    struct mac_message *next = messages, *end = messages + count;
    const bool has_stream = s->state.num == 0; /* it has to stand at a border of blocks too */
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size += messages[i].in.size;
        if (!has_pair)
            mac_sum(m, messages[i].type, messages[i].in, &messages[i].sum);
    }
    if (!has_pair)
        return;
    /* As much of the stream as of the messages: else it would be left over in the end. */
    if (has_stream && rest->size >= size)
        sum_beside(m, &lanes[0], &next, end, s, rest);

    struct mac_lane *last = sum_pairs(m, lanes, next, end);

    if (last->message != NULL && has_stream)
        pair_add(&last->state, &last->rest, &s->state, rest);
    lane_finish(m, last);
}

void mac_sum_all(struct mac *m, struct mac_message *messages, size_t count)
{
    struct sha256_stream none = {0};
    struct slice nothing = {0};

    mac_sum_beside(m, messages, count, &none, &nothing);
}

static EVP_KDF *hkdf_algorithm;

static void hkdf_fetch(void)
{
    hkdf_algorithm = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    if (hkdf_algorithm == NULL)
        mem_exit("OpenSSL has no HKDF");
}

/* OpenSSL takes parameters without const, and only reads them. */
static OSSL_PARAM octets(const char *name, struct slice s)
{
    static const uint8_t nothing[1];
    const uint8_t *data = s.size > 0 ? s.data : nothing;

    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)data, s.size);
}

void hkdf(struct slice ikm, struct slice salt, struct slice info, uint8_t *out, size_t out_size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char digest[] = "SHA256";

    assert(out_size > 0 && out_size <= HKDF_MAX);
    (void)pthread_once(&once, hkdf_fetch); /* fails only for a bad once */

    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        octets(OSSL_KDF_PARAM_KEY, ikm),
        octets(OSSL_KDF_PARAM_SALT, salt),
        octets(OSSL_KDF_PARAM_INFO, info),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF_CTX *c = EVP_KDF_CTX_new(hkdf_algorithm);

    if (c == NULL || EVP_KDF_derive(c, out, out_size, params) != 1)
        mem_exit("OpenSSL cannot derive a key");
    EVP_KDF_CTX_free(c);
}

bool equal_ct(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}
