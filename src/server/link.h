/*
 * Links: the address of one download, that goes for some minutes without cookie and token.
 *
 *     ORIGIN PATH ?path=FILE[&repository=NAME]&by=WHO&expires=SECONDS&signature=HEX
 *
 * WHO is "session:ID" or "token:ID" of whoever asked for it: who comes with the link may do what
 * that session or token may do at that moment, on this one path.  The signature is HMAC-SHA-256, by
 * a key of the state folder, of
 *
 *     "holdfast link 1" "GET" PATH FILE NAME WHO SECONDS
 *
 * as they are decoded, each with a NUL behind it, NAME being empty when there is none.
 */
#ifndef SERVER_LINK_H
#define SERVER_LINK_H

#include "server/request.h"

#define LINK_SECONDS_MAX 300 /* that one lives; also when nothing is said */

struct link_object {
    const char *file;       /* path in the snapshot */
    const char *repository; /* or NULL */
};

/*
 * The link by which whoever asks (a session or a token) may read an object at the path that is
 * asked for.  Appends.  ERR_USAGE: it would be longer than any request.
 */
MUST_CHECK bool link_format(const struct request *r, const struct link_object *o, int64_t expires_s,
                            struct buf *out, struct err *e);

/*
 * Whose link a request has come with; *id is the request's.  ERR_DENIED: its signature is not ours,
 * or it is over.
 */
struct link_issuer {
    bool is_token;
    const char *id;
};
MUST_CHECK bool link_check(const struct request *r, struct link_issuer *out, struct err *e);

#endif
