/* Wildcards within one component of a path.  Private to src/source. */
#ifndef SOURCE_GLOB_H
#define SOURCE_GLOB_H

#include "base/buf.h"

/* True when text holds a wildcard or an escape, so that comparing bytes is not enough. */
bool glob_is_needed(struct slice text);

/* False, with the reason in a static sentence, when the pattern is malformed. */
MUST_CHECK bool glob_is_valid(struct slice pattern, const char **why);

/*
 * "*" any characters, "?" one, "[a-z]" and "[!a-z]" one of a set, "\" takes the next one
 * literally.  A character is a UTF-8 sequence, or a byte that is part of none.  The pattern
 * must be valid.  Takes at most pattern.size * text.size steps.
 */
bool glob_matches(struct slice pattern, struct slice text);

#endif
