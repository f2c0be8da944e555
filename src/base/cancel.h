/*
 * One flag for the whole process: somebody asked to stop (SIGINT, SIGTERM, SIGHUP).
 * Long loops ask at least once a second and fail with cancel_err().
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include "base/err.h"

/* Install the signal handlers; a second signal ends the process at once. */
void cancel_install(void);

/* Set the flag as a signal would; safe from any thread and from signal handlers. */
void cancel_request(void);

bool cancel_is_requested(void);

/* Record ERR_CANCELLED "interrupted".  Returns false. */
bool cancel_err(struct err *e);

#endif
