/*
 * What the routes of users share.  Private to the server.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "base/arena.h"
#include "server/identity.h"
#include "server/service.h"

static inline struct service *auth_service(const struct request *r)
{
    return request_app(r);
}

/* Bodies of these routes are small. */
#define AUTH_BODY_MAX       16384

#define AUTH_USER           PRINCIPAL_BIT(PRINCIPAL_USER)
#define AUTH_API            PRINCIPAL_BIT(PRINCIPAL_API_TOKEN)
#define AUTH_SUPER          ROLE_BIT(ROLE_SUPER_ADMIN)
#define AUTH_ALL            ROLES_FROM(ROLE_VIEWER)
#define AUTH_JSON           "application/json"

#define AUTH_PASSWORD_FIELD 1024 /* bytes; longer than any password: the rules say so */
#define AUTH_CODE_FIELD     64   /* bytes of a code of either kind */

/* In a minute, of one address or user; the catalog's own limits are narrower. */
#define AUTH_TRIES 60

/* The cookie's name. */
const char *auth_cookie(const struct service *s);

/* What X-HF-CSRF has to be in the session with this token. */
#define AUTH_CSRF_SIZE 65
void auth_csrf(const char *token, char out[AUTH_CSRF_SIZE]);

/* Give the client a session's token, or take it away again (NULL). */
void auth_set_cookie(struct request *r, const char *token);

/* The session that the request came with.  ERR_DENIED: none. */
MUST_CHECK bool auth_session(const struct request *r, struct arena *a, struct catalog_session *out,
                             struct err *e);

/* The same, or false after the request was answered. */
MUST_CHECK bool auth_own_session(struct request *r, struct arena *a, struct catalog_session *out);

/* Answer with a session that began or has a new token: {"user","csrf","must"}. */
void auth_reply_in(struct request *r, const char *token, const struct catalog_user *u);

/*
 * Add an audit record of something that was asked by the request; object "" for nothing.  actor
 * NULL: who asks, or his address.  details NULL: only the address; else a reference that is taken.
 */
struct auth_record {
    const char *actor, *action, *object, *outcome;
    json_t *details;
};
MUST_CHECK bool auth_audit(struct catalog_tx *t, const struct request *r,
                           const struct auth_record *record, struct err *e);

/* catalog_write(); false after the request was answered with what went wrong. */
MUST_CHECK bool auth_write(struct request *r, catalog_work_fn *fn, void *arg);

/* {"id","name","role","disabled",...}: all that is told of a user. */
json_t *auth_user_json(const struct catalog_user *u);

/* "2026-11-21T01:30:00.000000000Z", or null for 0. */
json_t *auth_time_json(int64_t time_ns);

/* The text of a field that was checked, or NULL. */
const char *auth_text(const json_t *body, const char *name);

/* A code of a user's second factor: six digits of his program, else a recovery code, used up. */
MUST_CHECK bool auth_check_code(struct catalog_tx *t, const char *user, const char *code,
                                bool *is_right, struct err *e);

/* Answer that a try was not right or must wait: always the same, but for wait_s (0: none). */
void auth_refuse(struct request *r, unsigned status, const char *code, const char *detail,
                 int64_t wait_s);

/* The same for somebody who is in. */
void auth_refuse_proof(struct request *r, int64_t wait_s);

/* Count a try of somebody who is in.  False after the request was answered: too many. */
MUST_CHECK bool auth_may_try(struct request *r, const char *user);

#endif
