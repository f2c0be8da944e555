/*
 * The terminal, for passwords and for yes or no.
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

/* Ask a question; yes is what begins with 'y'.  ERR_NOT_FOUND when there is no terminal,
 * ERR_CANCELLED after a signal. */
MUST_CHECK bool terminal_confirm(const char *question, bool *is_yes, struct err *e);

/* Ask before something that cannot be taken back: only the whole word "yes" is one, in any case.
 * Fails as terminal_confirm() does. */
MUST_CHECK bool terminal_agree(const char *question, bool *is_yes, struct err *e);

/* Whether somebody has answered meanwhile, and what.  Does not wait. */
enum terminal_answer { TERMINAL_SILENT, TERMINAL_YES, TERMINAL_NO };
enum terminal_answer terminal_listen(void);

#endif
