/*
 * Where an SFTP store is, and the program that leads there:
 *
 *     USER@HOST:PATH           PATH is below the user's home unless it begins with a slash
 *     //USER@HOST:PORT/PATH    the same, so that //HOST//srv/x means /srv/x; HOST may be [::1]
 *
 * USER@ and :PORT may be left out.
 */
#ifndef STORE_SFTP_PLACE_H
#define STORE_SFTP_PLACE_H

#include "base/arena.h"

struct sftp_place {
    const char *user, *port; /* NULL: as ssh's configuration says */
    const char *host;
    const char *path; /* never empty */
};

/* The strings live in the arena.  ERR_USAGE for anything else, and for what ssh could take for an
 * option. */
MUST_CHECK bool sftp_place_parse(const char *text, struct arena *a, struct sftp_place *out,
                                 struct err *e);

/*
 * The arguments that start ssh.  Those of the user come first, because ssh takes the first of
 * several settings.  may_ask: somebody is there to answer questions about passwords and keys.
 */
MUST_CHECK bool sftp_place_argv(const struct sftp_place *p, const char *args, bool may_ask,
                                struct arena *a, char ***argv, struct err *e);

#endif
