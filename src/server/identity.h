/*
 * Who asks, according to the catalog, and the routes by which users come in and are looked after.
 *
 * A session is a cookie, a program a token: "Authorization: Bearer hf_<id>_<secret>".  Where both
 * come the token counts.  On routes with ROUTE_SIGNED neither does, but the link (link.h).
 */
#ifndef SERVER_IDENTITY_H
#define SERVER_IDENTITY_H

#include "server/principal.h"
#include "server/route.h"

struct catalog;
struct catalog_user;

/* Browsers take the first one only over TLS, for the whole host and from nobody else. */
#define IDENTITY_COOKIE_SECURE "__Host-hf_s"
#define IDENTITY_COOKIE_PLAIN  "hf_s" /* of a service without TLS, on loopback */

/* The principal_fn of the service; arg is its struct service. */
bool identity_find(void *arg, const struct request *r, struct principal *out, struct err *e);

/* The principal_still_fn; the same arg. */
bool identity_still(void *arg, const struct principal *p, struct err *e);

/* Setting: whether admin and super_admin need a second factor, IDENTITY_TOTP_ON unless it says
 * IDENTITY_TOTP_OFF. */
#define IDENTITY_TOTP_SETTING "identity.totp"
#define IDENTITY_TOTP_ON      "admins"
#define IDENTITY_TOTP_OFF     "voluntary"

/* What a user has to do before anything else: the principal's must. */
#define IDENTITY_MUST_CHANGE "password_change_required"
#define IDENTITY_MUST_ENROL  "totp_enrolment_required"
MUST_CHECK bool identity_must(struct catalog *c, const struct catalog_user *u, const char **out,
                              struct err *e);

/* A password of 100 random bits that somebody will type once: "abcde-fghij-kmnpq-rstuv". */
#define IDENTITY_PASSWORD_SIZE 24 /* with its NUL */
void identity_password_new(char out[IDENTITY_PASSWORD_SIZE]);

/*
 * When the catalog has no user: make the super_admin "admin" with a password that must be changed
 * at the first login.  *is_made tells whether it was done; the password is not to be had again.
 */
MUST_CHECK bool identity_first_password(struct catalog *c, bool *is_made,
                                        char out[IDENTITY_PASSWORD_SIZE], struct err *e);

/* Below /api/v1; app is the struct service. */
extern const struct route api_auth_routes[], api_proof_routes[], api_totp_routes[],
    api_session_routes[], api_user_routes[], api_token_routes[];
extern const size_t api_auth_route_count, api_proof_route_count, api_totp_route_count,
    api_session_route_count, api_user_route_count, api_token_route_count;

#endif
