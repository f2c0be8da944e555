/*
 * Private to src/repo: epochs of the keys.  docs/FORMAT.md, "Epochs", docs/decisions/0069.
 *
 * Epoch 1 begins with the repository, and each rotation begins the next: a new master key, in which
 * everything is written from then on.  What was written before stays readable, for the object
 * "epochs/<e>" holds the master keys of all epochs before e.
 */
#ifndef REPO_EPOCHS_H
#define REPO_EPOCHS_H

#include "repo/object.h"

#define EPOCH_FOLDER  "epochs/"
#define EPOCH_KEY_MAX 24

/* "epochs/<e>". */
void epoch_key(uint32_t epoch, char out[EPOCH_KEY_MAX]);
/* False for any other key. */
MUST_CHECK bool epoch_key_parse(const char *key, uint32_t *out);
/* Whether a listing of EPOCH_FOLDER names an epoch; of the first there is no object. */
bool epochs_have(const struct key_list *listed, uint32_t epoch);
/* The last that one names; 1 when it names none. */
uint32_t epochs_last(const struct key_list *listed);

/*
 * Take over a master key that a slot held, and the keys of all epochs up to this one.  Sets
 * r->epochs and r->epoch; for an epoch above 1 what stays the same, too.  ERR_NOT_FOUND when there
 * is no such epoch; ERR_CORRUPT when its object is damaged, or the key that of a rotation which
 * came to nothing.
 */
MUST_CHECK bool epoch_take(struct repo *r, uint32_t epoch, const uint8_t master[SEAL_KEY_SIZE],
                           struct err *e);

/* Whether bytes are those of the object that a key "epochs/<e>" names, of an epoch that r knows. */
MUST_CHECK bool epoch_prove(struct repo *r, const char *key, struct slice bytes, struct err *e);

/* True when the store has no such epoch either; false with ERR_TRANSIENT when it has one. */
MUST_CHECK bool epoch_is_unheard_of(const struct repo *r, uint32_t epoch, struct err *e);

/* The first epoch, or one more, with a master key of its own; it is r's alone until its object is
 * published. */
void epoch_begin(struct repo *r);
/* Forget the newest epoch, which was not published. */
void epoch_withdraw(struct repo *r);
/* What its object holds. */
void epoch_encode(const struct repo *r, struct buf *out);

/*
 * Of which epochs objects are (epochs_measure.c): out[i] is that of keys[i], EPOCH_NONE when it is
 * gone, or EPOCH_UNREADABLE.  Their headers are read and proved, many beside each other; none where
 * the keys were never rotated.  progress may be NULL and is called by this thread.
 */
#define EPOCH_NONE       0
#define EPOCH_UNREADABLE UINT32_MAX
typedef void epochs_progress_fn(void *arg, const char *step, uint64_t done, uint64_t total);
MUST_CHECK bool epochs_read(struct repo *r, char *const *keys, size_t count, uint32_t *out,
                            epochs_progress_fn *progress, void *arg, struct err *e);

/* The body of config: what stays the same in all epochs. */
void config_encode(const struct repo *r, struct buf *out);
/* Read it.  In epoch 1 that sets r's keys; later it has to agree with them. */
MUST_CHECK bool config_take(struct repo *r, struct slice plain, struct err *e);

#endif
