/*
 * Private to src/repo: parity beside objects.  docs/FORMAT.md, "Parity", docs/decisions/0012.
 *
 * The parity of an object stands under "parity/" and the object's key.  It is written after the
 * object and removed before it, so parity without its object means that the object was lost.
 */
#ifndef REPO_PARITY_OBJECTS_H
#define REPO_PARITY_OBJECTS_H

#include "repo/object.h"

#define PARITY_FOLDER "parity/"
#define PARITY_SWITCH PARITY_FOLDER "switch"

/* "parity/<key>". */
#define PARITY_KEY_MAX 128
void parity_key(const char *key, char out[PARITY_KEY_MAX]);
/* The key of the object that a key "parity/..." is for; NULL when it is for none. */
const char *parity_key_parse(const char *key);

/* Whether objects of this key get parity where it is switched on. */
bool parity_covers(const char *key);

/* What the switch says, asked of the store once; a damaged one counts as on, with the default
 * rule.  Any thread. */
MUST_CHECK bool parity_ask(struct repo *r, bool *is_on, struct parity_rule *rule, struct err *e);
MUST_CHECK bool parity_switch_decode(struct slice plain, struct parity_rule *out, struct err *e);
/* The same, asked anew; *is_damaged says that the default stands in. */
MUST_CHECK bool parity_ask_again(struct repo *r, bool *is_on, bool *is_damaged,
                                 struct parity_rule *rule, struct err *e);

/* The bytes that the parity of an object of size bytes has. */
uint64_t parity_size_of(const struct parity_rule *rule, const char *key, uint64_t size);

/* Write the parity of an object that is durable, where it is to have any. */
MUST_CHECK bool parity_put(struct repo *r, const char *key, struct slice object, struct err *e);

/* Write it whatever the switch says.  The object has been proved. */
MUST_CHECK bool parity_make(struct repo *r, const struct parity_rule *rule, const char *key,
                            struct slice object, struct err *e);

/* Remove the parity of an object that is about to go. */
MUST_CHECK bool parity_remove(struct repo *r, const char *key, struct err *e);

/* Remove an object after its parity. */
MUST_CHECK bool object_remove(struct repo *r, const char *key, struct err *e);

/* The same for many, in no order among them and in as few requests as the store can: first all
 * parity.  After a failure some are gone and some are not. */
MUST_CHECK bool objects_remove(struct repo *r, const char *const *keys, size_t count,
                               struct err *e);

/*
 * Work out an object from its parity and what is left of it.  It has the hash that the parity
 * names, which proves nothing of where it came from.  ERR_NOT_FOUND without parity.
 */
MUST_CHECK bool parity_recall(struct repo *r, const char *key, struct slice damaged,
                              struct buf *out, struct err *e);

/*
 * Whether bytes are those of the object that a key names: by their hash where that is the name,
 * else by opening it.  A key slot is looked at only, for it opens with its own secret.
 */
MUST_CHECK bool object_prove(struct repo *r, const char *key, struct slice bytes, struct err *e);

/* Remove parity of packs and of the index whose objects are gone, or all where it is off. */
MUST_CHECK bool parity_sweep(struct repo *r, struct err *e);

/* ERR_CORRUPT when a snapshot or commit is gone whose parity is there: what only it needs must not
 * be collected. */
MUST_CHECK bool parity_check_losses(struct repo *r, struct err *e);

/* Whether an object was lost, of which a listing showed parity and not the object. */
MUST_CHECK bool parity_is_loss(struct repo *r, const char *key, bool *out, struct err *e);

/*
 * Put an object back as its parity gives it, proved.  Failures are told with these codes:
 * ERR_NOT_FOUND (no parity), ERR_CORRUPT (too much damage); others are the store's.
 */
MUST_CHECK bool parity_heal_object(struct repo *r, const char *key, struct err *e);

/* Whether a failure to read, prove or work out an object is its own; others are the store's. */
bool object_is_at_fault(const struct err *why);

/* Publish the right bytes of an object that is damaged or gone, which were proved. */
MUST_CHECK bool object_mend(struct repo *r, const char *key, struct slice bytes, struct err *e);

#endif
