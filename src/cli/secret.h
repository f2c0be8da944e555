/*
 * Passwords and key files: where they come from.  They live in memory that is wiped.
 */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include "cli/call.h"
#include "repo/repo.h"

struct secret {
    enum unlock_kind kind;
    char *bytes; /* secret memory */
    size_t size;
    bool is_new_file; /* a key file was made */
};
void secret_auto(struct secret *s);
struct unlock secret_unlock(const struct secret *s);

/* What a new key slot is made of; all members may be NULL. */
struct new_secret {
    const char *key_file; /* made when it is not there */
    const char *password_file;
};

#define SECRET_VARIABLE      "HOLDFAST_PASSWORD"
#define SECRET_FROM_VARIABLE "HOLDFAST_FROM_PASSWORD"

/* Copy a variable into secret memory and remove it from the environment; NULL: unset. */
char *secret_take_variable(const char *name);

/*
 * The secret that opens the repository: key file, password file, password command,
 * HOLDFAST_PASSWORD, or a prompt.  Fails with call->stage STAGE_SECRET.
 */
MUST_CHECK bool secret_get(struct call *call, struct secret *out, struct err *e);

/* The same for a repository about to be made: a key file is made when it is not there, and a
 * prompt asks twice. */
MUST_CHECK bool secret_get_first(struct call *call, struct secret *out, struct err *e);

/* For a further key slot: from the files, or else from a prompt that asks twice. */
MUST_CHECK bool secret_get_new(struct call *call, const struct new_secret *from, struct secret *out,
                               struct err *e);

/* For a key slot that is there already: as secret_get_new(), but nothing is made, and one of the
 * two is named. */
MUST_CHECK bool secret_get_kept(struct call *call, const struct new_secret *from,
                                struct secret *out, struct err *e);

/* Tell people what to do with a key file that was made. */
void secret_tell(struct call *call, const char *key_file);

#endif
