/*
 * Argument vectors and other arrays of strings that end with NULL, and their form in JSON: an
 * array, or null for none, which is NULL or an empty one here.  Private to src/source.
 */
#ifndef SOURCE_ARGV_H
#define SOURCE_ARGV_H

#include "codec/json.h"

size_t argv_count(const char *const *strings); /* NULL: 0 */
char **argv_copy(const char *const *strings);  /* NULL yields NULL */
void argv_free(char **strings);                /* accepts NULL */
void argv_auto(char ***strings);

bool argv_is_utf8(const char *const *strings);

/* The strings are valid UTF-8. */
json_t *argv_to_json(const char *const *strings);

/* False unless value is null or an array of at least one string. */
MUST_CHECK bool argv_from_json(const json_t *value, char ***out);

#endif
