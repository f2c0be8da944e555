/*
 * CFMS over WebSocket: what its protocol 3 has of backups, for clients of its server
 * (docs/applications/cfms.md).  A listener of its own serves it; app is the struct cfms.
 *
 * A connection has a thread, which takes one request after the other and may block.  Neither the
 * application's database nor its files are touched here: jobs of the queue do that (cfms_task.h of
 * codec).
 */
#ifndef SERVER_COMPAT_CFMS_H
#define SERVER_COMPAT_CFMS_H

#include "catalog/catalog.h"
#include "server/route.h"

/* Connections at a time, and of one address. */
#define CFMS_CONNECTIONS 16
#define CFMS_ADDRESS     8

struct cfms;

/* Borrowed as long as the struct cfms is there. */
struct cfms_options {
    struct catalog *catalog;
    const char *host;        /* that does the jobs */
    const char *state;       /* folder; imports wait in its "cfms" */
    const char *content_dir; /* paths in its parent folder are told relative to that */
    uint64_t upload_max;     /* bytes of an archive */
    /* One line for the log of something that went wrong inside; any thread. */
    void (*log)(void *arg, const char *line);
    void *arg;
};

MUST_CHECK bool cfms_open(const struct cfms_options *o, struct cfms **out, struct err *e);
/* Waits for the threads of connections, whose sockets are closed by now.  Accepts NULL. */
void cfms_close(struct cfms *c);

extern const struct route cfms_routes[];
extern const size_t cfms_route_count;

#endif
