/*
 * The terminal, for passwords.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stddef.h>

#include "base/err.h"

/*
 * Ask on the controlling terminal without echo.  answer takes at most room - 1 bytes and a
 * NUL; longer answers fail.  ERR_NOT_FOUND when there is no terminal, ERR_CANCELLED after
 * a signal; the terminal echoes again in any case.
 */
MUST_CHECK bool terminal_ask(const char *prompt, char *answer, size_t room, struct err *e);

#endif
