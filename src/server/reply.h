/*
 * Answers.  A handler makes exactly one; one that makes none is answered for with 500.  Every
 * answer carries the security headers, whatever made it.  Bodies are copied.
 */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include "codec/json.h"
#include "server/request.h"

/* Put a header on the answer that is to come.  Name and value are ours: control characters are
 * asserted. */
void reply_header(struct request *r, const char *name, const char *value);

/* A status without a body: 204, 304. */
void reply_empty(struct request *r, unsigned status);

/* Bytes of a media type. */
void reply_bytes(struct request *r, unsigned status, const char *type, struct slice body);

/* A document; takes over the reference. */
void reply_json(struct request *r, unsigned status, json_t *document);

/*
 * A problem (RFC 9457, application/problem+json): code is a constant word for programs, detail a
 * sentence for people, without internals.  Rows with a form of their own say it in that (route.h).
 */
void reply_problem(struct request *r, unsigned status, const char *code, const char *detail);

/*
 * What became of a call below: ERR_USAGE 400, ERR_DENIED 403, ERR_NOT_FOUND 404, ERR_EXISTS 409,
 * ERR_TRANSIENT and ERR_AWAY 503, all else 500.  The sentence of the error is shown for the first
 * four only; of the others the log knows (the server's log function gets it).
 */
void reply_err(struct request *r, const struct err *e);

/* Tell the server's log function what became of a call below, for answers of another form. */
void reply_log(const struct request *r, const struct err *e);

/* 202, Location /api/v1/jobs/ID, and {"job":"ID"}. */
void reply_job(struct request *r, const char *id);

/* Put an ETag on the answer; true after answering 304, when If-None-Match names it. */
bool reply_is_known(struct request *r, const char *etag);

/* A document with an ETag; 304 when If-None-Match names it. */
void reply_tagged(struct request *r, const char *etag, json_t *document);

/*
 * A file, or the range of it that was asked for (one range; 206, 416).  Takes over the descriptor.
 * name: what the browser saves it as; NULL shows it in place.
 */
void reply_file(struct request *r, int fd, uint64_t size, const char *type, const char *name);

/*
 * A body that is written as it comes.  After reply_stream() the head is on its way; every write
 * waits while the client is slower than the handler (256 KiB are under way at most).  ERR_CANCELLED
 * when nobody reads any more. reply_stream_end() says it is whole; without that the client sees a
 * broken transfer. size: UINT64_MAX when not known.
 */
void reply_stream(struct request *r, uint64_t size, const char *type, const char *name);
MUST_CHECK bool reply_stream_write(struct request *r, struct slice bytes, struct err *e);
void reply_stream_end(struct request *r);

/* The events of a topic (events.h), until the client goes. */
void reply_events(struct request *r, const char *topic);

struct websocket_protocol;

/* Become a WebSocket (websocket.h).  Answers 400, 403 or 426 itself when the request is none. */
void reply_websocket(struct request *r, const struct websocket_protocol *protocol, void *arg);

#endif
