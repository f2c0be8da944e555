/*
 * Users, their passwords and second factors.  Part of catalog.h.
 *
 * Passwords are hashed by Argon2id with 64 MiB and 3 passes (0.1 to 0.3 s), outside of
 * transactions.  There is always a super_admin who is not disabled, once there was one.  Whatever
 * changes what a user may do ends the sessions of that user.
 */
#ifndef CATALOG_USERS_H
#define CATALOG_USERS_H

#include "base/buf.h"
#include "catalog/opening.h"

enum catalog_role {
    ROLE_NONE, /* tokens of machines; no user has it */
    ROLE_VIEWER,
    ROLE_MANAGER,
    ROLE_ADMIN,
    ROLE_SUPER_ADMIN,
    CATALOG_ROLES,
};
/* "viewer" ... "super_admin"; and back, -1 for other words. */
const char *catalog_role_name(enum catalog_role role);
int catalog_role_find(const char *name);

/* Lengths of passwords, in bytes of UTF-8. */
#define CATALOG_PASSWORD_MIN  8
#define CATALOG_PASSWORD_MAX  128
#define CATALOG_PASSWORD_HASH 128 /* bytes of a hash with its NUL: libsodium's STRBYTES */

/* Names of users: letters, digits and . _ - @ +, at most so many bytes; stored in lower case. */
#define CATALOG_USER_NAME_MAX 128

/*
 * The text that is stored for a password.  ERR_USAGE when the password is too short, too long, not
 * UTF-8, the user's name (NULL: not compared) or one that everybody uses.  At most two are computed
 * at a time in a process and 16 wait: then ERR_TRANSIENT.
 */
MUST_CHECK bool catalog_password_hash(struct catalog *c, const char *user, struct slice password,
                                      char out[CATALOG_PASSWORD_HASH], struct err *e);

/* Compare; hash NULL takes as long and is never right.  Limits as above. */
MUST_CHECK bool catalog_password_check(struct catalog *c, const char *hash, struct slice password,
                                       bool *is_right, struct err *e);

struct catalog_user {
    const char *id, *name;
    enum catalog_role role;
    const char *password; /* its hash; only in what catalog_user_find() gives, else NULL */
    bool must_change;     /* its password */
    bool is_disabled;
    bool has_totp;
    int64_t version; /* changes with role, password, disabling, when the second factor is removed
                        and when all sessions are ended: what was signed for an older one is over */
    int64_t created_ns, updated_ns, login_ns;
};

/* Add one.  ERR_EXISTS; ERR_USAGE for a name that is none.  password is a hash. */
struct catalog_new_user {
    const char *name;
    enum catalog_role role;
    const char *password;
    bool must_change;
};
MUST_CHECK bool catalog_user_add(struct catalog_tx *t, const struct catalog_new_user *u,
                                 char id[CATALOG_ID_SIZE], struct err *e);

/* By name, in any case of letters, with the hash of the password: for those who check it. */
MUST_CHECK bool catalog_user_find(struct catalog_tx *t, const char *name, struct arena *a,
                                  struct catalog_user *out, struct err *e);
/* By id. */
MUST_CHECK bool catalog_user_get(struct catalog_tx *t, const char *id, struct arena *a,
                                 struct catalog_user *out, struct err *e);

struct catalog_user_list {
    struct catalog_user *items;
    size_t count;
};
/* By name. */
MUST_CHECK bool catalog_user_list(struct catalog_tx *t, struct arena *a,
                                  struct catalog_user_list *out, struct err *e);
/* How many there are: none on the first start. */
MUST_CHECK bool catalog_user_count(struct catalog_tx *t, int64_t *out, struct err *e);

/* ERR_NOT_FOUND; ERR_USAGE when no super_admin would be left. */
MUST_CHECK bool catalog_user_set_role(struct catalog_tx *t, const char *id, enum catalog_role role,
                                      struct err *e);
MUST_CHECK bool catalog_user_set_disabled(struct catalog_tx *t, const char *id, bool is_disabled,
                                          struct err *e);
MUST_CHECK bool catalog_user_set_password(struct catalog_tx *t, const char *id,
                                          const char *password, bool must_change, struct err *e);
/* With sessions, tokens and codes. */
MUST_CHECK bool catalog_user_remove(struct catalog_tx *t, const char *id, struct err *e);
/* Remember when somebody came in. */
MUST_CHECK bool catalog_user_set_login(struct catalog_tx *t, const char *id, struct err *e);

/*
 * Second factors by time (RFC 6238: SHA-1, 30 s, 6 digits).  The secret is sealed with the key of
 * the state folder.
 */
#define CATALOG_TOTP_SECRET    33 /* base32 of 20 bytes, with its NUL */
#define CATALOG_RECOVERY_CODES 10
#define CATALOG_RECOVERY_SIZE  CATALOG_ID_SIZE

/* A new secret, and what users type into their program; nothing is stored. */
void catalog_totp_new(char out[CATALOG_TOTP_SECRET]);

/*
 * Store a secret for a user whose code shows that it works, and make new recovery codes.
 * ERR_DENIED when the code is wrong.
 */
MUST_CHECK bool catalog_totp_set(struct catalog_tx *t, const char *user,
                                 const char secret[CATALOG_TOTP_SECRET], const char *code,
                                 char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE],
                                 struct err *e);
MUST_CHECK bool catalog_totp_remove(struct catalog_tx *t, const char *user, struct err *e);

/*
 * Whether a code of the user's program is right: within a step of now, and not used before.  A
 * right one is used up with the transaction.  Not limited in tries: catalog_login_try() is for
 * that.
 */
MUST_CHECK bool catalog_totp_check(struct catalog_tx *t, const char *user, const char *code,
                                   bool *is_right, struct err *e);
/* The same for a recovery code. */
MUST_CHECK bool catalog_recovery_check(struct catalog_tx *t, const char *user, const char *code,
                                       bool *is_right, struct err *e);
/* Others in their place: none of the former is good any more. */
MUST_CHECK bool catalog_recovery_new(struct catalog_tx *t, const char *user,
                                     char codes[CATALOG_RECOVERY_CODES][CATALOG_RECOVERY_SIZE],
                                     struct err *e);
MUST_CHECK bool catalog_recovery_count(struct catalog_tx *t, const char *user, int64_t *out,
                                       struct err *e);

/* The code at a time, 6 digits with a NUL; false when the secret is none.  For tests and clients.
 */
MUST_CHECK bool catalog_totp_code(const char *secret, int64_t time_ns, char out[7]);

#endif
