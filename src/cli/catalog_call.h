/*
 * The service's catalog, for commands on the machine where it runs.
 */
#ifndef CLI_CATALOG_CALL_H
#define CLI_CATALOG_CALL_H

#include "catalog/catalog.h"
#include "cli/call.h"
#include "job/job.h"

/* Open the catalog of the configuration that --config names (NULL: the usual places).  Its state
 * folder is made when it is not there. */
MUST_CHECK bool catalog_call_open(struct call *call, const char *config, struct catalog **out,
                                  struct err *e);

/* The same of a configuration that was read: *out stays NULL when there is no catalog, unless
 * makes_it. */
MUST_CHECK bool catalog_call_find(struct call *call, const struct config *c, bool makes_it,
                                  struct catalog **out, struct err *e);

/* Who the audit log says it was: "local:" and the name of the user who runs the program. */
const char *catalog_call_actor(struct call *call);

/* An act of the command, in the transaction that does it; details is taken, or NULL. */
MUST_CHECK bool catalog_call_audit(struct call *call, struct catalog_tx *t, const char *action,
                                   const char *object, json_t *details, struct err *e);

/* One line of JSON, or a sentence for people. */
void catalog_call_tell(struct call *call, json_t *line, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
