/*
 * Repositories that a backup configuration of the API needs for the first time.  The service that
 * it comes from just wrote to its destinations, so the first backup makes what is not there; but
 * never again where there was one: then a disk is not mounted, or something was lost, and an empty
 * repository would hide that.  Part of dispatch.h.
 *
 * The catalog remembers which were there, a folder for each host: settings "repository.NAME" and
 * "repository.NAME@HOST".
 */
#ifndef JOB_POS_FIRST_H
#define JOB_POS_FIRST_H

#include "job/roster.h"

/*
 * Before a backup: name in its arguments ("create") the repositories that it may make, and make
 * their folders.  ERR_USAGE: one was there and is gone, or pos_place_may_make() refuses.
 */
MUST_CHECK bool pos_first_allow(struct catalog *catalog, const struct config *config,
                                const char *host, const struct roster_set *set, json_t *arguments,
                                struct err *e);

/* Whether that would succeed, of a set that is tried; makes nothing. */
MUST_CHECK bool pos_first_try(struct catalog *catalog, const struct config *config,
                              const char *host, const struct roster_set *set, struct err *e);

/* After one: remember those that are there.  is_success: all of them are. */
MUST_CHECK bool pos_first_note(struct catalog_tx *t, const char *host, const struct roster_set *set,
                               bool is_success, struct err *e);

#endif
