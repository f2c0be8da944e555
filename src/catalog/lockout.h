/*
 * How often somebody may try to come in.  Part of catalog.h.
 *
 * Three counters, which outlive the process: of an account from a network (/24, IPv6: /56), which
 * after 5 failures makes that network wait 1, 2, 4 ... seconds, 15 minutes at most; of an account
 * from anywhere, after 100 failures within a day of which a password alone is not enough but in
 * networks where the account has logged in within 90 days; and of an address (IPv6: /64), which may
 * try 30 times a minute.  So whoever guesses from elsewhere locks nobody out of an account.  A try
 * counts as a failure before anything is compared, and no longer when it succeeded; many at the
 * same moment get no further than one after the other.
 */
#ifndef CATALOG_LOCKOUT_H
#define CATALOG_LOCKOUT_H

#include "catalog/opening.h"

struct catalog_login {
    bool is_allowed;          /* false: say so as if the password were wrong, with wait_s */
    int64_t wait_s;           /* until the next try is worth it */
    bool needs_second_factor; /* the password alone does not do */
};

/* Before the password is looked at.  account is what was typed, whether there is such a user or
 * not; peer an address as text. */
MUST_CHECK bool catalog_login_try(struct catalog *c, const char *account, const char *peer,
                                  struct catalog_login *out, struct err *e);
/* The try succeeded, with the second factor where there is one. */
MUST_CHECK bool catalog_login_succeeded(struct catalog_tx *t, const char *account, const char *peer,
                                        struct err *e);

/* Before a second factor or a password for a step up is looked at: 5 times in 5 minutes, each
 * user. */
MUST_CHECK bool catalog_factor_try(struct catalog *c, const char *user, struct catalog_login *out,
                                   struct err *e);
MUST_CHECK bool catalog_factor_succeeded(struct catalog_tx *t, const char *user, struct err *e);

/* By an admin: forget the failures of an account, from wherever they came. */
MUST_CHECK bool catalog_login_unlock(struct catalog_tx *t, const char *account, struct err *e);

/* Remove counters that say nothing any more. */
MUST_CHECK bool catalog_login_forget(struct catalog_tx *t, struct err *e);

#endif
