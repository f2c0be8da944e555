/*
 * Private to src/repo: one key slot, the master key wrapped for one secret.
 * docs/FORMAT.md, "Keys".
 */
#ifndef REPO_SLOT_H
#define REPO_SLOT_H

#include "repo/object.h"

#define SLOT_SIZE     248
#define KEY_FILE_SIZE 32 /* bytes of secret in a key file */

/* A slot taken apart; bytes are the whole. */
struct slot {
    uint8_t bytes[SLOT_SIZE];
    enum unlock_kind kind;
    uint32_t epoch;
    uint8_t repository[SEAL_ID_SIZE], id[SEAL_ID_SIZE];
    int64_t created_ns;
    uint32_t memory_kib, passes; /* of Argon2id; 0 for key files */
    uint8_t salt[32];
    char label[KEY_LABEL_MAX + 1];
    uint8_t commitment[32];
    uint8_t wrapped[SEAL_KEY_SIZE + SEAL_TAG_SIZE];
};

/*
 * Take bytes apart that come from anywhere.  ERR_CORRUPT for what FORMAT.md does not allow,
 * costly parameters among it; ERR_USAGE for a newer version.
 */
MUST_CHECK bool slot_decode(struct slice bytes, struct slot *out, struct err *e);

/* Wrap the newest master key of r for a secret in a slot with a new id.  ERR_USAGE for an empty
 * passphrase or a label that is too long or no printable UTF-8. */
MUST_CHECK bool slot_seal(const struct repo *r, const struct unlock *with, const char *label,
                          struct slot *out, struct err *e);

/*
 * Unwrap the master key.  with is of the slot's kind.  ERR_DENIED for another secret,
 * ERR_CORRUPT when the secret is the right one and the slot was changed.  The agent, where there is
 * one, is told of a passphrase that is right.
 */
MUST_CHECK bool slot_open(const struct slot *s, const struct unlock *with,
                          uint8_t master[SEAL_KEY_SIZE], struct err *e);

/*
 * The same without the slow derivation, by what the agent keeps for exactly this slot and this
 * passphrase; *is_open stays false when it keeps nothing, or nothing that is right.  Fails when
 * there is no use in asking it about another slot.
 */
MUST_CHECK bool slot_recall(const struct slot *s, const struct unlock *with,
                            uint8_t master[SEAL_KEY_SIZE], bool *is_open, struct err *e);

/* Keys of the objects of all slots, sorted; out has neither sizes nor times. */
MUST_CHECK bool slot_names(struct repo *r, struct key_list *out, struct err *e);
/* "keys/<id>", and the id in it. */
#define SLOT_KEY_MAX (5 + KEY_SLOT_ID_MAX)
void slot_key(const char *id, char out[SLOT_KEY_MAX]);
const char *slot_name(const char *key);
bool slot_is_key(const char *key);
/* Take bytes apart that stand under a key; as slot_read() does. */
MUST_CHECK bool slot_check(const struct repo *r, const char *key, struct slice bytes,
                           struct slot *out, struct err *e);
/* Read one.  Errors of the slot itself, which slot_is_at_fault() tells from the store's, name it.
 */
MUST_CHECK bool slot_read(struct repo *r, const char *key, struct slot *out, struct err *e);
bool slot_is_at_fault(const struct err *e);
/* Hand a failure on that is not the slot's. */
static inline bool slot_fail_with(struct err *e, const struct err *why)
{
    *e = *why;
    return false;
}

/* Write a slot. */
MUST_CHECK bool slot_put(struct repo *r, const struct slot *s, struct err *e);

/* The newest master key of r, written to the store in a new slot. */
MUST_CHECK bool keys_put(struct repo *r, const struct unlock *with, const char *label,
                         struct key_slot *out, struct err *e);

/* Find the slot that with opens (unlock.c); fills in the slot of r, whose store, id and suite are
 * set, and takes the keys that follow: epoch_take(). */
MUST_CHECK bool keys_unlock(struct repo *r, const struct unlock *with, struct err *e);

/* Whether bytes have the form of the slot that a key names, in this repository. */
MUST_CHECK bool slot_prove(const struct repo *r, const char *key, struct slice bytes,
                           struct err *e);

/* What stands in the folder of keys where no repository is yet.  ERR_EXISTS when that is anything
 * but key slots, of whatever repositories. */
MUST_CHECK bool keys_left(struct repo *r, struct key_list *out, struct err *e);

#endif
