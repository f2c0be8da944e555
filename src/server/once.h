/*
 * Idempotency-Keys, kept in the catalog: whoever repeats a request gets the answer of the first.
 */
#ifndef SERVER_ONCE_H
#define SERVER_ONCE_H

#include "server/http_server.h"
#include "server/service.h"

/* For http_options; the service outlives the server. */
struct http_idempotency_ops once_ops(struct service *s);

/*
 * Keep the answer of a request that came with a key in the transaction of what it does, so that
 * both are there or neither, also when we die before it is sent.  Nothing without a key.
 */
MUST_CHECK bool once_keep(struct catalog_tx *t, const struct request *r, unsigned status,
                          const json_t *document, struct err *e);

/* Nothing came of a request with a key, or nothing yet: whoever repeats it has it done. */
void once_forget(const struct request *r);

#endif
