/*
 * Commands that look into the snapshots of a set, or store an upload, for the listeners of `serve`.
 */
#ifndef CLI_SERVE_READ_H
#define CLI_SERVE_READ_H

#include <pthread.h>

#include "cli/service_parts.h"
#include "server/server.h"

#define SERVE_READINGS_MAX 4 /* at a time; each has the index of its repository in memory */
#define SERVE_READINGS_OWN 3 /* of one user or token, so that nobody keeps all others out */
#define SERVE_UPLOADS_MAX  2 /* which have packs in memory too */
/* Who comes when the places are taken waits for one, as few and as short as threads of the listener
 * can be spared: who goes through pages quickly leaves readings behind that end in a moment. */
#define SERVE_WAITING_MAX 4
#define SERVE_WAIT_S      3

struct serve_read {
    struct service_parts *parts;
    /* Who has one under way, borrowed from the request; handlers are on threads of their own. */
    pthread_mutex_t lock; /* guards these */
    const char *readings[SERVE_READINGS_MAX], *uploads[SERVE_UPLOADS_MAX];
    size_t waiting; /* for a place to read */
};

void serve_read_init(struct serve_read *s, struct service_parts *parts);
void serve_read_done(struct serve_read *s);

/* service.read_set() of this machine's sets (service.h). */
MUST_CHECK bool serve_read(struct serve_read *s, const struct service_reading *q, struct err *e);

#endif
