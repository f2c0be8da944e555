/*
 * The key pair to which others seal what is meant for the repository.  It follows from the master
 * key, so every repository has one: docs/decisions/0020.
 */
#include <string.h>

#include "base/mem.h"
#include "codec/envelope.h"
#include "repo/object.h"

static void secret_derive(const struct repo *r, uint8_t *out)
{
    hkdf(SLICE_OF(r->keys->master, SEAL_KEY_SIZE), SLICE_OF(NULL, 0),
         slice_string("holdfast mailbox"), out, ENVELOPE_KEY_SIZE);
}

void repo_recipient(const struct repo *r, struct envelope_recipient *out)
{
    AUTO(mem_secret) uint8_t *secret = mem_secret_new(ENVELOPE_KEY_SIZE);

    secret_derive(r, secret);
    memcpy(out->id, r->id, sizeof(out->id));
    envelope_public_key(secret, out->key);
}

bool repo_open_envelope(const struct repo *r, struct slice envelope, struct buf *out, struct err *e)
{
    AUTO(mem_secret) uint8_t *secret = mem_secret_new(ENVELOPE_KEY_SIZE);

    secret_derive(r, secret);
    return envelope_open(envelope, r->id, secret, out, e);
}
