/*
 * A command line that a person wrote, as arguments; no shell has a part in it.
 */
#ifndef BASE_COMMAND_SPLIT_H
#define BASE_COMMAND_SPLIT_H

#include "base/arena.h"

/*
 * Split a command line at blanks into arguments: '...' and "..." keep blanks, a backslash
 * outside '...' keeps the next character.  Nothing else is special.  The strings and the array
 * that ends with NULL live in the arena.  ERR_USAGE for an open quote or an empty command.
 */
MUST_CHECK bool command_split(const char *text, struct arena *a, char ***argv, struct err *e);

#endif
