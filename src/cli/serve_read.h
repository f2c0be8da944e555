/*
 * Commands that look into the snapshots of a set, or store an upload, for the listeners of `serve`.
 */
#ifndef CLI_SERVE_READ_H
#define CLI_SERVE_READ_H

#include <stdatomic.h>

#include "cli/service_parts.h"
#include "server/server.h"

#define SERVE_READINGS_MAX 4 /* at a time; each has the index of its repository in memory */
#define SERVE_UPLOADS_MAX  2 /* which have packs in memory too */

struct serve_read {
    struct service_parts *parts;
    /* Those that run: handlers are on threads of their own. */
    atomic_int readings, uploads;
};

/* service.read_set() of this machine's sets (service.h). */
MUST_CHECK bool serve_read(struct serve_read *s, const struct service_reading *q, struct err *e);

#endif
