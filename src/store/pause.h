/* Waiting for a moment, and not longer when somebody asks to stop. */
#ifndef STORE_PAUSE_H
#define STORE_PAUSE_H

#include <stdint.h>

#include "base/err.h"

/* Wait until clock_monotonic_ns() says so.  ERR_CANCELLED when somebody asked to stop. */
MUST_CHECK bool pause_until(int64_t end_ns, struct err *e);

#endif
