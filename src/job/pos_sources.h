/*
 * Sources that backup configurations of the API name themselves.  Part of job.h.
 *
 * Whoever may save a configuration may look at what its snapshots hold, and restore them into
 * their place: so it reaches only what the owner of holdfast.yaml has opened to it, and nothing
 * with which it could reach further.  Addresses and passwords of servers stand in that file.
 */
#ifndef JOB_POS_SOURCES_H
#define JOB_POS_SOURCES_H

#include "job/pos_set.h"

/* ERR_USAGE with a path to the fault: a server is not there or a database is missing or
 * superfluous, or a place lies below none of the roots. */
MUST_CHECK bool pos_sources_find(const struct pos_config *c, const struct pos_surroundings *s,
                                 struct err *e);

/*
 * Look at the places on this host.  ERR_USAGE with a path to the fault: a symbolic link leads out
 * of the roots, or a place and what is the service's own (its state, its configuration file, files
 * with secrets, local repositories) lie in one another.
 */
MUST_CHECK bool pos_sources_check(const struct pos_config *c, const struct config *config,
                                  struct err *e);

/* The list of sources that config_read() takes; pos_sources_find() has found all. */
json_t *pos_sources_show(const struct pos_config *c, const struct pos_surroundings *s);

/* What there is to be named: {"servers": [{"name": "main", "database": "shop" or null}], "folders":
 * ["/srv"]}, without addresses and secrets. */
json_t *pos_sources_places(const struct config *config);

#endif
