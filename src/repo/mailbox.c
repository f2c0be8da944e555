/*
 * The key pairs to which others seal what is meant for the repository.  They follow from the master
 * keys, so every repository has one for each epoch: docs/decisions/0020.
 */
#include <string.h>

#include "base/mem.h"
#include "codec/envelope.h"
#include "repo/object.h"

static void secret_derive(const struct epoch_keys *k, uint8_t *out)
{
    hkdf(SLICE_OF(k->master, SEAL_KEY_SIZE), SLICE_OF(NULL, 0), slice_string("holdfast mailbox"),
         out, ENVELOPE_KEY_SIZE);
}

void repo_recipient(const struct repo *r, struct envelope_recipient *out)
{
    AUTO(mem_secret) uint8_t *secret = mem_secret_new(ENVELOPE_KEY_SIZE);

    secret_derive(repo_newest(r), secret);
    memcpy(out->id, r->id, sizeof(out->id));
    envelope_public_key(secret, out->key);
}

bool repo_open_envelope(const struct repo *r, struct slice envelope, struct buf *out, struct err *e)
{
    AUTO(mem_secret) uint8_t *secret = mem_secret_new(ENVELOPE_KEY_SIZE);

    /* Of which epoch the key is that it was sealed to nobody says; the newest is the likeliest.
     * What an older key does not open tells no more than what the newest did not. */
    secret_derive(repo_newest(r), secret);
    if (envelope_open(envelope, r->id, secret, out, e))
        return true;
    for (uint32_t i = r->epoch - 1; i > 0 && e->code == ERR_CORRUPT; i--) {
        struct err ignored;

        secret_derive(&r->epochs[i - 1], secret);
        if (envelope_open(envelope, r->id, secret, out, &ignored))
            return true;
    }
    return false;
}
