/*
 * Sessions of the console and the API.  Part of catalog.h.
 *
 * A session is known by a token of 256 random bits, of which only the SHA-256 sum is stored.  It
 * is over 15 minutes (admin, super_admin) or 60 minutes after it was used last, 12 hours after it
 * began, when its user is disabled or removed, and when password or role are changed.
 */
#ifndef CATALOG_SESSIONS_H
#define CATALOG_SESSIONS_H

#include "catalog/users.h"

#define CATALOG_SESSION_TOKEN        65 /* 64 hexadecimal digits and a NUL */
#define CATALOG_SESSIONS_MAX         5  /* of one user; the oldest gives way */
#define CATALOG_SESSION_IDLE_S       3600
#define CATALOG_SESSION_IDLE_ADMIN_S 900
#define CATALOG_SESSION_AGE_S        43200

struct catalog_session {
    const char *id; /* for lists; not a secret */
    struct catalog_user user;
    int64_t created_ns, seen_ns;
    int64_t stepped_up_ns;    /* password or second factor were given then; 0: never */
    const char *peer, *agent; /* address and program; or NULL */
};

/* Who comes. */
struct catalog_session_start {
    const char *user;         /* id */
    const char *peer, *agent; /* or NULL; cut to 200 bytes */
    bool is_stepped_up;
};
MUST_CHECK bool catalog_session_new(struct catalog_tx *t, const struct catalog_session_start *s,
                                    char token[CATALOG_SESSION_TOKEN], struct err *e);

/*
 * Whose session it is.  ERR_DENIED when it is none or over.  Writes only once a minute that it was
 * used, so it is cheap enough for every request.
 */
MUST_CHECK bool catalog_session_use(struct catalog *c, const char *token, struct arena *a,
                                    struct catalog_session *out, struct err *e);

/* The same by the session's id, and without using it: for what is open for long, and for links.
 * ERR_DENIED as above. */
MUST_CHECK bool catalog_session_get(struct catalog *c, const char *id, struct arena *a,
                                    struct catalog_session *out, struct err *e);

/* Somebody gave password or second factor again.  The token becomes a new one. */
MUST_CHECK bool catalog_session_step_up(struct catalog_tx *t, const char *id,
                                        char token[CATALOG_SESSION_TOKEN], struct err *e);

struct catalog_session_list {
    struct catalog_session *items;
    size_t count;
};
/* Of a user (id), or of all for NULL; also those that are over by time. */
MUST_CHECK bool catalog_session_list(struct catalog_tx *t, const char *user, struct arena *a,
                                     struct catalog_session_list *out, struct err *e);

/* user NULL: whoever has it.  ERR_NOT_FOUND. */
MUST_CHECK bool catalog_session_end(struct catalog_tx *t, const char *user, const char *id,
                                    struct err *e);
/* And make another version of the user: what was signed for the former one is over, too. */
MUST_CHECK bool catalog_session_end_all(struct catalog_tx *t, const char *user, struct err *e);
/* Remove those that are over. */
MUST_CHECK bool catalog_session_forget(struct catalog_tx *t, struct err *e);

#endif
