#include "codec/envelope.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "codec/random.h"

static const char magic[] = "HFENVLP1";

#define MAGIC_SIZE   (sizeof(magic) - 1)
#define HEAD_SIZE    (MAGIC_SIZE + sizeof(uint32_t))
#define WRAPPED_SIZE (ENVELOPE_KEY_SIZE + crypto_box_SEALBYTES)
#define STANZA_SIZE  (ENVELOPE_ID_SIZE + WRAPPED_SIZE)
#define TAG_SIZE     crypto_aead_xchacha20poly1305_ietf_ABYTES

static_assert(crypto_box_SECRETKEYBYTES == ENVELOPE_KEY_SIZE &&
                  crypto_box_PUBLICKEYBYTES == ENVELOPE_KEY_SIZE &&
                  crypto_aead_xchacha20poly1305_ietf_KEYBYTES == ENVELOPE_KEY_SIZE,
              "keys have one size");

/* A content key is used for one message. */
static const uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

/* libsodium's own random bytes need it; it may be called again and from any thread. */
static void start(void)
{
    if (sodium_init() < 0)
        mem_exit("libsodium cannot be used");
}

void envelope_public_key(const uint8_t secret[ENVELOPE_KEY_SIZE], uint8_t out[ENVELOPE_KEY_SIZE])
{
    (void)crypto_scalarmult_base(out, secret); /* never fails */
}

bool envelope_check(const struct envelope_recipient *to, struct err *e)
{
    static const uint8_t any[ENVELOPE_KEY_SIZE] = {1};
    uint8_t shared[ENVELOPE_KEY_SIZE];

    /* It refuses points of small order, with which there is no secret to share. */
    return crypto_scalarmult(shared, any, to->key) == 0 ||
           err_set(e, ERR_USAGE, "it is no public key");
}

size_t envelope_size(size_t plain, size_t recipients)
{
    return HEAD_SIZE + recipients * STANZA_SIZE + plain + TAG_SIZE;
}

void envelope_seal(const struct envelope_recipient *to, size_t count, struct slice plain,
                   struct buf *out)
{
    AUTO(mem_secret) uint8_t *key = mem_secret_new(ENVELOPE_KEY_SIZE);
    const size_t begin = out->size;
    uint8_t *body;

    assert(count > 0 && count <= ENVELOPE_RECIPIENTS_MAX && plain.size <= ENVELOPE_SIZE_MAX);
    start();
    random_bytes(key, ENVELOPE_KEY_SIZE);
    buf_reserve(out, envelope_size(plain.size, count));
    buf_append(out, magic, MAGIC_SIZE);
    buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        buf_append(out, to[i].id, ENVELOPE_ID_SIZE);
        if (crypto_box_seal(buf_extend(out, WRAPPED_SIZE), key, ENVELOPE_KEY_SIZE, to[i].key) != 0)
            mem_exit("nothing can be sealed to a key that was checked");
    }

    const size_t head = out->size - begin;

    body = buf_extend(out, plain.size + TAG_SIZE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(body, NULL, plain.data, plain.size,
                                                     out->data + begin, head, NULL, nonce,
                                                     key); /* never fails */
}

/* The stanza of a recipient; the envelope's rest is left in *rest. */
static bool find_stanza(struct slice *rest, const uint8_t *id, struct slice *out, struct err *e)
{
    struct slice found, stanza;
    uint32_t count = 0;

    if (!take_slice(rest, MAGIC_SIZE, &found) || memcmp(found.data, magic, MAGIC_SIZE) != 0)
        return err_set(e, ERR_CORRUPT, "it is no envelope");
    if (!take_u32(rest, &count) || count == 0 || count > ENVELOPE_RECIPIENTS_MAX)
        return err_set(e, ERR_CORRUPT, "its count of recipients is wrong");
    *out = (struct slice){0};
    for (uint32_t i = 0; i < count; i++) {
        if (!take_slice(rest, STANZA_SIZE, &stanza))
            return err_set(e, ERR_CORRUPT, "it ends early");
        if (memcmp(stanza.data, id, ENVELOPE_ID_SIZE) == 0)
            *out = SLICE_OF(stanza.data + ENVELOPE_ID_SIZE, WRAPPED_SIZE);
    }
    return out->size > 0 || err_set(e, ERR_NOT_FOUND, "it is sealed to other repositories");
}

bool envelope_open(struct slice envelope, const uint8_t id[ENVELOPE_ID_SIZE],
                   const uint8_t secret[ENVELOPE_KEY_SIZE], struct buf *out, struct err *e)
{
    AUTO(mem_secret) uint8_t *key = mem_secret_new(ENVELOPE_KEY_SIZE);
    uint8_t public[ENVELOPE_KEY_SIZE];
    struct slice rest = envelope;
    struct slice stanza = {0};
    const size_t before = out->size;

    if (!find_stanza(&rest, id, &stanza, e))
        return false;
    if (rest.size < TAG_SIZE || rest.size - TAG_SIZE > ENVELOPE_SIZE_MAX)
        return err_set(e, ERR_CORRUPT, "it is too short or too long");
    envelope_public_key(secret, public);
    if (crypto_box_seal_open(key, stanza.data, WRAPPED_SIZE, public, secret) != 0)
        return err_set(e, ERR_CORRUPT, "its content key does not open");
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(buf_extend(out, rest.size - TAG_SIZE), NULL,
                                                   NULL, rest.data, rest.size, envelope.data,
                                                   envelope.size - rest.size, nonce, key) != 0) {
        out->size = before;
        return err_set(e, ERR_CORRUPT, "what is in it is damaged or forged");
    }
    return true;
}
