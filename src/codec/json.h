/*
 * Small documents of JSON, with Jansson.  All its memory is wiped when it is released.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <jansson.h>

#include "base/buf.h"

/* AUTO(json) */
void json_auto(json_t **j);

/* Append it in one line. */
void json_append(const json_t *j, struct buf *out);

#endif
