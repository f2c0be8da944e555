/*
 * Results as YAML, for people.
 */
#ifndef CLI_YAML_H
#define CLI_YAML_H

#include <jansson.h>

#include "base/buf.h"

/*
 * Append an object, array or scalar, one member a line and lists of scalars in one line.  Texts
 * stand in quotes unless every reader of YAML takes them for texts.
 */
void yaml_format(json_t *value, struct buf *out);

#endif
