/*
 * What a probe of a store found, and for how long that counts.
 */
#ifndef CLI_PROBED_H
#define CLI_PROBED_H

#include "cli/call.h"

/* Probe a store that needs it and tell people what it lacks; for one that was just made. */
MUST_CHECK bool probed_tell(struct call *call, const char *url, struct store *s, struct err *e);

/*
 * Before something that is only safe where the store shows at once what was written: ERR_FATAL
 * when it does not.  A finding that all is well counts for a day; it is kept beside the copies of
 * metadata (cli/nearby.h), and without those every call probes anew.
 */
MUST_CHECK bool probed_require(struct call *call, const char *url, struct store *s, struct err *e);

#endif
