/*
 * A client's configuration from elsewhere, before it takes its place on a WireGuard Gateway.
 * Private to src/job.
 */
#ifndef JOB_GATEWAY_CONF_H
#define JOB_GATEWAY_CONF_H

#include "base/buf.h"

/*
 * Whether a file may stand in both folders: etc, where interfaces are brought up from and the
 * gateway's own files are too, and configs, which has the clients' alone.  ERR_CORRUPT: it is no
 * configuration; it has commands, unless these lines are those of the file of its name in etc; or
 * it would take the place of a file in etc that is no client's, for configs has none of its name.
 */
MUST_CHECK bool gateway_conf_check(const char *etc, const char *configs, const char *name,
                                   struct slice text, struct err *e);

#endif
