/*
 * Repositories that have just been made, by "init" or by a first backup.
 */
#ifndef CLI_MADE_H
#define CLI_MADE_H

#include "cli/session.h"

enum parity_choice {
    PARITY_AUTO, /* on where the repository is a folder */
    PARITY_ON,
    PARITY_OFF,
};

/* Look whether the store locks as it was asked to, and switch parity on where that is wanted. */
MUST_CHECK bool made_settle(struct session *s, const char *url, enum parity_choice choice,
                            struct err *e);

/*
 * Make the repositories of a configured set that are named and not there yet, before its first
 * backup: all cut chunks alike.  ERR_USAGE when a name is none of the set's.  Nothing is made while
 * another repository of the set does not open, since nobody could tell what it is like.
 */
MUST_CHECK bool made_first(struct call *call, const char *config, const char *set,
                           const struct strings *names, struct err *e);

#endif
