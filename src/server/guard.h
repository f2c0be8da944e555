/*
 * What a request must look like before anything else looks at it.
 *
 * libmicrohttpd's parser takes more than RFC 9112 allows, and what two parsers read differently can
 * be used to smuggle a request past the one in front.  So everything about the head of a request
 * that could be read in two ways is refused here, whatever the library made of it.  Pure functions
 * over borrowed bytes; nothing blocks, nothing is allocated.
 */
#ifndef SERVER_GUARD_H
#define SERVER_GUARD_H

#include "base/buf.h"

#define GUARD_HEAD_MAX    8192 /* bytes of request line and headers together */
#define GUARD_HEADERS_MAX 100
#define GUARD_TARGET_MAX  2048 /* bytes of path and query as they are sent */
#define GUARD_QUERY_MAX   32   /* parameters of a query */

struct guard_field {
    struct slice name, value;
};

struct guard_head {
    struct slice method, target, version; /* as they were sent */
    const struct guard_field *fields;
    size_t count;
    size_t size; /* bytes of the whole head with its empty line */
};

/* What the guard learns on its way. */
struct guard_facts {
    bool is_chunked;
    bool has_length;
    bool expects_continue;
    uint64_t length; /* of the body; 0 when chunked */
    struct slice host;
};

/*
 * 0 when the head is one that all servers read alike, else the status to answer with (400, 414,
 * 417, 431, 501, 505) and *why, a constant sentence.  The connection is then to be closed: nobody
 * knows where the next request would begin.
 */
int guard_check(const struct guard_head *h, struct guard_facts *out, const char **why);

/*
 * Split the bytes of a head, from the request line to the empty line, strictly: CRLF ends lines and
 * nothing else does, no folded lines, one blank between the parts of the request line.  fields has
 * room for GUARD_HEADERS_MAX + 1.  False when the bytes are no head.
 */
MUST_CHECK bool guard_split(struct slice bytes, struct guard_field *fields, struct guard_head *out);

/* The value of a field, names compared without case; NULL data when there is none. */
struct slice guard_field(const struct guard_head *h, const char *name);

/*
 * Decode the path of a target once, into out with room for GUARD_TARGET_MAX + 1, with a NUL.  False
 * for what could mean another path to somebody else: an escape that is not two digits, "%2f",
 * "%5c", a backslash, control characters, "//", "." and "..", and bytes that are not UTF-8
 * (overlong forms are not).
 */
MUST_CHECK bool guard_path(struct slice path, char *out);

/* One decoded part of a query, '+' as a blank; same room and refusals but slashes and dots are
 * fine. */
MUST_CHECK bool guard_query_part(struct slice part, char *out);

/*
 * Whether a Host is one of ours: the part in front of a port equals, without case, one of the
 * names, which bracket IPv6 addresses as Host does.  Stops pages elsewhere whose names resolve to
 * us.
 */
bool guard_host_is_allowed(struct slice host, const char *const *names, size_t count);

#endif
