/*
 * The listeners of `serve`: the API's and, where the configuration has one, that for bundles.
 */
#ifndef CLI_SERVE_HTTP_H
#define CLI_SERVE_HTTP_H

#include "cli/service_parts.h"
#include "server/server.h"

struct serve_http;

/* Listen.  The password of the first user is told when he is made. */
MUST_CHECK bool serve_http_start(struct call *call, struct service_parts *p,
                                 struct serve_http **out, struct err *e);
/* Let requests under way finish, and stop.  Accepts NULL. */
void serve_http_stop(struct serve_http *h);
void serve_http_auto(struct serve_http **h);

#endif
