/*
 * The keys for S3 and where they come from.  They live in memory that is locked and wiped, and
 * stand in no sentence.
 *
 * The first of these that is given: the option credentials-command, the options
 * credentials-file and profile, the variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * AWS_SESSION_TOKEN, the first two also with _FILE for files that hold them), the profile
 * AWS_PROFILE or "default" of the file AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, the
 * credential_process of that profile in AWS_CONFIG_FILE or ~/.aws/config.
 */
#ifndef STORE_CREDENTIALS_H
#define STORE_CREDENTIALS_H

#include "store/store.h"

struct credentials;

/*
 * Get them.  From here on core files of the process hold no memory.  ERR_USAGE when there are none
 * or when a file is no such file; a command that fails is ERR_FATAL, as is one that
 * has not ended after 30 s or what the options say.  Options are borrowed for as
 * long as it lives.
 */
MUST_CHECK bool credentials_open(const struct s3_options *o, struct store_secrets *secrets,
                                 struct credentials **out, struct err *e);
void credentials_close(struct credentials *c); /* accepts NULL */
void credentials_auto(struct credentials **c);

/* Take out of the environment what credentials_open() would take. */
void credentials_take(const struct s3_options *o, struct store_secrets *secrets);

struct credentials_keys {
    const char *id, *secret;
    const char *token; /* or NULL */
};

/* The keys, got anew when they are about to expire.  What is out stays until
 * credentials_unlock(), which must follow soon after success. */
MUST_CHECK bool credentials_lock(struct credentials *c, struct credentials_keys *out,
                                 struct err *e);
void credentials_unlock(struct credentials *c);

/* The store says that they have expired.  False when nothing newer can be had. */
bool credentials_expire(struct credentials *c);

/* Whether a text, such as a sentence of the server, has a key in it. */
bool credentials_are_in(struct credentials *c, const char *text);

/* The region that AWS_REGION, AWS_DEFAULT_REGION or the profile names; *out (mem_free()) is NULL
 * when none does. */
MUST_CHECK bool credentials_region(const struct s3_options *o, char **out, struct err *e);

#endif
