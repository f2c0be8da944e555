/*
 * Sealing of objects.  An object begins with this header, numbers little-endian:
 *
 *     offset size field                          offset size field
 *          0    8 magic "HOLDFAST"                   32   16 writer id
 *          8    1 version, 1                         48   32 salt
 *          9    1 class                              80   32 key commitment
 *         10    1 suite                             112   16 zero
 *         11    1 zero
 *         12    4 epoch
 *         16   16 repository id
 *
 * Key and commitment are HKDF-SHA-256(class key, salt, info), 32 bytes each, with
 *
 *     info = "holdfast object" | class | suite | repository id | epoch | writer id
 *
 * The key is used for this object only, so the nonce of a section is 4 zero bytes and its
 * number.  Its associated data are SHA-256(header) | number | kind | compression | plain size:
 * a section is worth nothing at another place, in another object, or read as another kind.
 */
#include "codec/seal.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "codec/aead.h"
#include "codec/random.h"

enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_CLASS = 9,
    AT_SUITE = 10,
    AT_ZERO = 11,
    AT_EPOCH = 12,
    AT_REPOSITORY = 16,
    AT_WRITER = 32,
    AT_SALT = 48,
    AT_COMMITMENT = 80,
    AT_RESERVED = 112,
    SALT_SIZE = AT_COMMITMENT - AT_SALT,
    COMMITMENT_SIZE = AT_RESERVED - AT_COMMITMENT,
    RESERVED_SIZE = SEAL_HEADER_SIZE - AT_RESERVED,
    AD_SIZE = HASH_SIZE + 8 + 1 + 1 + 4,
};

static const char magic[] = "HOLDFAST";
static const char info_label[] = "holdfast object";

#define MAGIC_SIZE (sizeof(magic) - 1)
#define INFO_SIZE  (sizeof(info_label) - 1 + 2 + SEAL_ID_SIZE + 4 + SEAL_ID_SIZE)

enum box_state {
    BOX_EMPTY,
    BOX_SEALING,
    BOX_OPENING,
};

struct seal_box {
    struct aead *aead;
    enum box_state state;
    struct hash header_hash;
    uint64_t next_number; /* sealing: the least number that was not used */
};

/* What HKDF yields for one object. */
struct object_key {
    uint8_t key[SEAL_KEY_SIZE];
    uint8_t commitment[COMMITMENT_SIZE];
};

static_assert(sizeof(struct object_key) == 64, "the two parts are derived as one run of bytes");

static void object_key_auto(struct object_key *k)
{
    mem_wipe(k, sizeof(*k));
}

static void put_le(uint8_t *to, uint64_t v, size_t width)
{
    for (size_t i = 0; i < width; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

struct seal_box *seal_box_new(void)
{
    struct seal_box *b = mem_new(sizeof(*b));

    b->aead = aead_new();
    return b;
}

void seal_box_free(struct seal_box *b)
{
    if (b == NULL)
        return;
    aead_free(b->aead);
    mem_free(b);
}

void seal_box_auto(struct seal_box **b)
{
    seal_box_free(*b);
}

/* Derive from the fields and the salt that stand in header. */
static void object_key_derive(const uint8_t *header, const uint8_t class_key[SEAL_KEY_SIZE],
                              struct object_key *out)
{
    uint8_t info[INFO_SIZE];
    uint8_t *at = mempcpy(info, info_label, sizeof(info_label) - 1);

    at = mempcpy(at, header + AT_CLASS, 2); /* and the suite */
    at = mempcpy(at, header + AT_REPOSITORY, SEAL_ID_SIZE);
    at = mempcpy(at, header + AT_EPOCH, 4);
    at = mempcpy(at, header + AT_WRITER, SEAL_ID_SIZE);
    assert(at == info + sizeof(info));
    hkdf(SLICE_OF(class_key, SEAL_KEY_SIZE), SLICE_OF(header + AT_SALT, SALT_SIZE),
         SLICE_OF(info, sizeof(info)), (uint8_t *)out, sizeof(*out));
}

static void box_start(struct seal_box *b, enum seal_suite suite, enum box_state state,
                      const uint8_t *header, const struct object_key *k)
{
    aead_set_key(b->aead, suite, state == BOX_SEALING ? AEAD_SEAL : AEAD_OPEN, k->key);
    sha256(SLICE_OF(header, SEAL_HEADER_SIZE), &b->header_hash);
    b->state = state;
    b->next_number = 0;
}

void seal_begin(struct seal_box *b, const struct seal_identity *id,
                const uint8_t class_key[SEAL_KEY_SIZE], uint8_t out[SEAL_HEADER_SIZE])
{
    AUTO(object_key) struct object_key k = {0};

    assert(id->class >= CLASS_CONFIG && id->class <= CLASS_EPOCH);
    memset(out, 0, SEAL_HEADER_SIZE);
    memcpy(out, magic, MAGIC_SIZE);
    out[AT_VERSION] = VERSION;
    out[AT_CLASS] = (uint8_t)id->class;
    out[AT_SUITE] = (uint8_t)id->suite;
    put_le(out + AT_EPOCH, id->epoch, 4);
    memcpy(out + AT_REPOSITORY, id->repository, SEAL_ID_SIZE);
    memcpy(out + AT_WRITER, id->writer, SEAL_ID_SIZE);
    random_bytes(out + AT_SALT, SALT_SIZE);
    object_key_derive(out, class_key, &k);
    memcpy(out + AT_COMMITMENT, k.commitment, COMMITMENT_SIZE);
    box_start(b, id->suite, BOX_SEALING, out, &k);
}

bool seal_peek(struct slice header, struct seal_identity *out, uint8_t *version)
{
    if (header.size < SEAL_HEADER_SIZE || memcmp(header.data, magic, MAGIC_SIZE) != 0)
        return false;

    const uint8_t *h = header.data;

    *version = h[AT_VERSION];
    *out = (struct seal_identity){
        .class = (enum object_class)h[AT_CLASS],
        .suite = (enum seal_suite)h[AT_SUITE],
        .epoch = (uint32_t)h[AT_EPOCH] | (uint32_t)h[AT_EPOCH + 1] << 8 |
                 (uint32_t)h[AT_EPOCH + 2] << 16 | (uint32_t)h[AT_EPOCH + 3] << 24,
    };
    memcpy(out->repository, h + AT_REPOSITORY, SEAL_ID_SIZE);
    memcpy(out->writer, h + AT_WRITER, SEAL_ID_SIZE);
    return true;
}

/* Compare what the header says in clear with what is expected; the writer may be anyone. */
static bool header_check(struct slice header, const struct seal_identity *expected, struct err *e)
{
    static const uint8_t zero[RESERVED_SIZE];
    struct seal_identity found;
    uint8_t version = 0;

    if (header.size < SEAL_HEADER_SIZE)
        return err_set(e, ERR_CORRUPT, "the object has %zu bytes, fewer than its header",
                       header.size);
    if (!seal_peek(header, &found, &version))
        return err_set(e, ERR_CORRUPT, "the object does not begin as one of a repository");
    if (version > VERSION)
        return err_set(e, ERR_USAGE, "the object has format version %u and needs a newer program",
                       version);
    if (version != VERSION)
        return err_set(e, ERR_CORRUPT, "the object has format version %u, which does not exist",
                       version);
    if (found.class != expected->class)
        return err_set(e, ERR_CORRUPT, "the object is of class %d instead of %d", (int)found.class,
                       (int)expected->class);
    if (found.suite != expected->suite)
        return err_set(e, ERR_CORRUPT, "the object is sealed with suite %d instead of %d",
                       (int)found.suite, (int)expected->suite);
    if (found.epoch != expected->epoch)
        return err_set(e, ERR_CORRUPT, "the object is of key epoch %u instead of %u", found.epoch,
                       expected->epoch);
    if (memcmp(found.repository, expected->repository, SEAL_ID_SIZE) != 0)
        return err_set(e, ERR_CORRUPT, "the object belongs to another repository");
    if (header.data[AT_ZERO] != 0 || memcmp(header.data + AT_RESERVED, zero, sizeof(zero)) != 0)
        return err_set(e, ERR_CORRUPT, "reserved bytes of the header are set");
    return true;
}

bool seal_open(struct seal_box *b, struct slice header, const struct seal_identity *expected,
               const uint8_t class_key[SEAL_KEY_SIZE], struct err *e)
{
    AUTO(object_key) struct object_key k = {0};

    if (!header_check(header, expected, e))
        return false;
    object_key_derive(header.data, class_key, &k);
    if (!equal_ct(k.commitment, header.data + AT_COMMITMENT, COMMITMENT_SIZE))
        return err_set(e, ERR_CORRUPT, "the header was changed or made with another key");
    box_start(b, expected->suite, BOX_OPENING, header.data, &k);
    return true;
}

static void section_ad(const struct seal_box *b, const struct section *s, uint8_t out[AD_SIZE])
{
    uint8_t *at = mempcpy(out, b->header_hash.bytes, HASH_SIZE);

    put_le(at, s->number, 8);
    at[8] = (uint8_t)s->kind;
    at[9] = (uint8_t)s->compression;
    put_le(at + 10, s->plain_size, 4);
}

static void section_nonce(const struct section *s, uint8_t out[AEAD_NONCE_SIZE])
{
    put_le(out, 0, 4);
    put_le(out + 4, s->number, 8);
}

void seal_section(struct seal_box *b, const struct section *s, struct slice stored, struct buf *out)
{
    uint8_t ad[AD_SIZE];
    uint8_t nonce[AEAD_NONCE_SIZE];

    assert(b->state == BOX_SEALING && stored.size <= SEAL_SECTION_MAX);
    assert(s->number >= b->next_number && s->number < UINT64_MAX);
    b->next_number = s->number + 1;
    section_ad(b, s, ad);
    section_nonce(s, nonce);
    aead_seal(b->aead, nonce, SLICE_OF(ad, sizeof(ad)), stored,
              buf_extend(out, stored.size + SEAL_TAG_SIZE));
}

bool unseal_section(struct seal_box *b, const struct section *s, struct slice sealed,
                    struct buf *out, struct err *e)
{
    const size_t before = out->size;
    uint8_t ad[AD_SIZE];
    uint8_t nonce[AEAD_NONCE_SIZE];

    assert(b->state == BOX_OPENING);
    if (sealed.size < SEAL_TAG_SIZE || sealed.size - SEAL_TAG_SIZE > SEAL_SECTION_MAX)
        return err_set(e, ERR_CORRUPT, "section %llu cannot have %zu bytes",
                       (unsigned long long)s->number, sealed.size);
    section_ad(b, s, ad);
    section_nonce(s, nonce);

    const size_t size = sealed.size - SEAL_TAG_SIZE;

    if (aead_open(b->aead, nonce, SLICE_OF(ad, sizeof(ad)), sealed, buf_extend(out, size)))
        return true;
    out->size = before;
    return err_set(e, ERR_CORRUPT, "section %llu is not authentic", (unsigned long long)s->number);
}
