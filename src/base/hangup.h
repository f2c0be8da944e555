/*
 * SIGHUP as a request to read files again, for a process that serves: until then it asks to stop
 * (cancel.h).
 */
#ifndef BASE_HANGUP_H
#define BASE_HANGUP_H

#include <stdbool.h>

/* From here on it does, also where it was ignored before. */
void hangup_install(void);

/* Whether one came since the last call. */
bool hangup_take(void);

#endif
