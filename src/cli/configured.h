/*
 * Repositories that the configuration names instead of the command line.
 */
#ifndef CLI_CONFIGURED_H
#define CLI_CONFIGURED_H

#include "cli/call.h"
#include "job/job.h"

/* The options of the call, but for a repository of the configuration, with its secret.  Lives in
 * the arena; the configuration may be gone before it. */
void set_common(struct call *call, const struct config_repository *r, struct common *out);

/*
 * Let the call mean the repository of a set, with its secret, unless the command line names one:
 * then the secret comes from there too.  ERR_USAGE when the set has several.
 */
MUST_CHECK bool set_choose_repository(struct call *call, const struct config_set *set,
                                      struct err *e);

/*
 * Let a call that names no repository mean the one of the configuration: that of the set which its
 * option --set names, or else the only one.  ERR_USAGE: there are several, or no configuration.
 */
MUST_CHECK bool configured_choose(struct call *call, struct err *e);

#endif
