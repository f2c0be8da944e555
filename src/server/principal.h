/*
 * Who asks.  Found out by a function that the server is given; the rest of the server only
 * compares.
 */
#ifndef SERVER_PRINCIPAL_H
#define SERVER_PRINCIPAL_H

#include <stddef.h>
#include <stdint.h>

#include "catalog/catalog.h"

enum principal_kind {
    PRINCIPAL_ANONYMOUS,
    PRINCIPAL_USER,       /* a session with a cookie */
    PRINCIPAL_API_TOKEN,  /* acts for a user within its scopes */
    PRINCIPAL_PUSH_TOKEN, /* may push bundles of its sources */
    PRINCIPAL_AGENT,      /* a machine that backs itself up */
    PRINCIPAL_KINDS,
};

#define PRINCIPAL_BIT(kind) (1U << (kind))
#define ROLE_BIT(role)      (1U << (role))

/* From this role up; roles are ordered. */
#define ROLES_FROM(role) ((ROLE_BIT(CATALOG_ROLES) - 1) & ~(ROLE_BIT(role) - 1))

struct principal {
    enum principal_kind kind;
    enum catalog_role role;
    char id[64];      /* of the user or token; "" when anonymous.  Buckets and audit go by it. */
    char name[160];   /* for people, and what the audit log calls it */
    char scopes[512]; /* of a token: words with one blank between them, "*" for all */
    char sets[512];   /* of a token that is for some sets only: their names as above; else "" */
    char csrf[65];    /* of a session: what X-HF-CSRF must be */
    char session[CATALOG_ID_SIZE]; /* of a user: which one it is; not a secret */
    const char *must; /* of a user who has to settle something before anything else: a constant word
                         for the answer; NULL: nothing */
    int64_t proved_ns; /* when the user last gave password or TOTP, since 1970; 0: never */
};

struct request;

/*
 * Find out who asks, from the headers of a request (request.h); called on a worker, may block.
 * Without credentials *out is anonymous, and that is a success.  ERR_DENIED: credentials that are
 * wrong, expired or of somebody disabled (401).  Anything else: it cannot be known at present
 * (503).
 */
typedef bool principal_fn(void *arg, const struct request *r, struct principal *out, struct err *e);

/*
 * Whether somebody is still who he was, and may do as much: asked every few seconds about those who
 * have streams open, on a thread that may block.  ERR_DENIED: no; anything else: it cannot be
 * known.
 */
typedef bool principal_still_fn(void *arg, const struct principal *p, struct err *e);

/* Whether words, with one blank between them, have this one or "*". */
bool principal_has_scope(const struct principal *p, const char *scope);

/* Whether it may have to do with a set. */
bool principal_has_set(const struct principal *p, const char *set);

#endif
