/*
 * A request as a handler sees it.  Handlers run on a worker, one thread for one request, and may
 * block; strings are the request's and live as long.
 */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include "codec/hash.h"
#include "codec/json.h"
#include "server/json_fields.h"
#include "server/route.h"

struct request;

const struct route *request_route(const struct request *r);
const char *request_path(const struct request *r); /* decoded, without the query */
const struct principal *request_principal(const struct request *r);

/* Whatever was given to http_server_start() as app. */
void *request_app(const struct request *r);

/* The hub of the server, to publish to. */
struct events *request_events(const struct request *r);

/* A parameter of the route's path; asserted to be one. */
const char *request_parameter(const struct request *r, const char *name);

/* A parameter of the query, decoded; NULL when it is not there. */
const char *request_query(const struct request *r, const char *name);

/* Whether there is a query at all, be it empty. */
bool request_has_query(const struct request *r);

/* A header; NULL when it is not there. */
const char *request_header(const struct request *r, const char *name);

/* A cookie; NULL when it is not there. */
const char *request_cookie(const struct request *r, const char *name);

/* The address of who asks, behind proxies that are ours; without a port. */
const char *request_address(const struct request *r);

/* "https://host:port" under which the client knows us. */
const char *request_origin(const struct request *r);

/* The body that was read whole (routes without ROUTE_STREAM). */
struct slice request_body(const struct request *r);

/*
 * The body as JSON, checked against a table (NULL: anything).  False after the request was answered
 * with 400 and what is wrong: the handler just returns.  The request owns *out.
 */
MUST_CHECK bool request_json(struct request *r, const struct field *table, const json_t **out);

/*
 * Routes with ROUTE_STREAM: up to room bytes of the body, waiting for them; *got is 0 at its end.
 * ERR_CANCELLED when the client went away or was too slow (request_is_gone(); a reply is dropped),
 * or sent more than the route allows, which the handler answers.  The time that a silent client has
 * is the server's (http_server.h).
 */
MUST_CHECK bool request_read(struct request *r, void *to, size_t room, size_t *got, struct err *e);

/*
 * The Idempotency-Key of a request that is to be done now, and a sum of what is asked; NULL when
 * there is none or it is not looked at.
 */
const char *request_once(const struct request *r, struct hash *digest);

/* Whether the client can tell a body of unknown size that broke off from a whole one (HTTP/1.1). */
bool request_knows_chunks(const struct request *r);

/* Notice a client that hangs up while the handler works: others are noticed when they are written
 * to.  One that ends its sending alone has hung up as well.  And hang up on one whose session or
 * token ends meanwhile. */
void request_watch(struct request *r);

/* Whether nobody waits for the answer any more; long work asks now and then. */
bool request_is_gone(struct request *r);

/*
 * page (from 1) and limit of the query, limit_max at most and 50 when absent.  False after
 * answering with 400.
 */
struct request_page {
    uint32_t page, limit;
    uint64_t offset;
};
MUST_CHECK bool request_page(struct request *r, uint32_t limit_max, struct request_page *out);

/*
 * Whether the If-Match of a change fits the present ETag ("\"7\"", or NULL: the thing is not
 * there). False after answering: 428 without If-Match, 412 when it names another.
 */
MUST_CHECK bool request_matches(struct request *r, const char *etag);

#endif
