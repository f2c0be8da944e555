/*
 * Coming in with a name and a password, whatever the way: the limits of tries, the second factor,
 * and the audit record.  Private to the server.
 *
 * All that can be wrong is one answer after the same work: whether there is such a user, whether he
 * is disabled, whether the password was even looked at.
 */
#ifndef SERVER_LOGIN_H
#define SERVER_LOGIN_H

#include "base/arena.h"
#include "catalog/catalog.h"

struct login {
    struct catalog *catalog;
    const char *name, *password;
    const char *code;       /* of the second factor, or NULL */
    bool password_has_code; /* users with a second factor put six digits behind the password */
    const char *peer;       /* address of who comes */
    const char *through;    /* another way than the API, for the record; or NULL */
    /* What else is written with a login that succeeded; or NULL. */
    bool (*enter)(struct catalog_tx *t, struct login *l, struct err *e);
    void *arg;

    /* Answers */
    struct catalog_user user; /* in the arena; when is_known */
    bool is_known;            /* there is such a user */
    bool is_in;
    bool lacks_code; /* the password was right, and a code is needed */
    int64_t wait_s;  /* until the next try is worth it; 0: at once */

    bool is_right, needs_second_factor; /* of login_try() itself */
};

/* Try.  True: it was decided, see the answers. */
MUST_CHECK bool login_try(struct login *l, struct arena *a, struct err *e);

#endif
