/*
 * Tokens for programs: "hf_<id>_<secret>".  Part of catalog.h.
 *
 * The secret has 256 random bits; its SHA-256 sum is stored.  Every token ends at a time, may be
 * revoked, and allows some verbs on some sets only.
 */
#ifndef CATALOG_TOKENS_H
#define CATALOG_TOKENS_H

#include "catalog/users.h"

#define CATALOG_TOKEN_ID       17                    /* 16 hexadecimal digits and a NUL */
#define CATALOG_TOKEN_SIZE     (3 + 16 + 1 + 64 + 1) /* the whole text with its NUL */
#define CATALOG_TOKEN_DAYS     90                    /* that one lives unless said otherwise */
#define CATALOG_TOKEN_DAYS_MAX 730
#define CATALOG_TOKEN_WORDS    500 /* bytes of its verbs, and of its sets, with one between two */

enum catalog_token_kind {
    TOKEN_API,   /* what its role may do, within verbs and sets */
    TOKEN_PUSH,  /* hand in bundles of its sets, nothing else */
    TOKEN_AGENT, /* take jobs of its sets */
    CATALOG_TOKEN_KINDS,
};
const char *catalog_token_kind_name(enum catalog_token_kind kind);
int catalog_token_kind_find(const char *name);

struct catalog_token {
    const char *id, *name;
    enum catalog_token_kind kind;
    const char *user; /* id of whose it is; NULL: nobody's */
    enum catalog_role role;
    const char *verbs, *sets; /* JSON lists of words of letters, digits and . _ : -; ["*"]: all */
    int64_t created_ns, expires_ns, used_ns, revoked_ns;
};

/* id and the times but expires_ns are ignored; expires_ns 0: CATALOG_TOKEN_DAYS from now.
 * ERR_USAGE: verbs or sets are no such list, or it would live longer than allowed.  The text is
 * not to be had again. */
MUST_CHECK bool catalog_token_add(struct catalog_tx *t, const struct catalog_token *k,
                                  char text[CATALOG_TOKEN_SIZE], struct err *e);

/* Whose token it is.  ERR_DENIED when it is none, over, revoked, or its user is disabled.  Writes
 * once a minute that it was used. */
MUST_CHECK bool catalog_token_use(struct catalog *c, const char *text, struct arena *a,
                                  struct catalog_token *out, struct err *e);

/* The same by the token's id, and without using it: for what is open for long, and for links.
 * ERR_DENIED as above. */
MUST_CHECK bool catalog_token_get(struct catalog *c, const char *id, struct arena *a,
                                  struct catalog_token *out, struct err *e);

struct catalog_token_list {
    struct catalog_token *items;
    size_t count;
};
/* Of a user (id), or all for NULL; with those that are over. */
MUST_CHECK bool catalog_token_list(struct catalog_tx *t, const char *user, struct arena *a,
                                   struct catalog_token_list *out, struct err *e);

/* user NULL: whose ever it is.  ERR_NOT_FOUND.  One that was revoked stays so. */
MUST_CHECK bool catalog_token_revoke(struct catalog_tx *t, const char *user, const char *id,
                                     struct err *e);

#endif
