/*
 * Sets of the configuration as the service's handlers know them (server/service.h).
 */
#ifndef CLI_SERVICE_SET_H
#define CLI_SERVICE_SET_H

#include "job/job.h"
#include "server/server.h"

/* All of the configuration file; names are its own, lists stand in the arena. */
void service_set_take(struct service *s, const struct config *c, struct arena *a);

/* The set of this name in a view; texts stand in the arena.  False: there is none here. */
bool service_set_find(const struct roster_view *v, const char *name, struct arena *a,
                      struct service_set *out);

/* How it is configured, for people: kinds and names of sources and no places, commands or addresses
 * in full.  NULL: there is none here.  The caller owns it. */
json_t *service_set_describe(const struct roster_view *v, const char *name);

#endif
