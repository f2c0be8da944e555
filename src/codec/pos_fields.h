/*
 * Members of the objects in a backup configuration, and sentences that name them by their path.
 * Private to pos_config.c and pos_sources.c.
 */
#ifndef CODEC_POS_FIELDS_H
#define CODEC_POS_FIELDS_H

#include "codec/pos_config.h"

#define POS_TEXT_MAX 1000 /* bytes of a place */

/* Where the reading stands: an object and the path that leads to its members, "retention." */
struct pos_at {
    const json_t *object;
    const char *path;
};

/* ERR_USAGE with "PATH.KEY: sentence". */
#define POS_FAIL(at_, key, e, format, ...) \
    err_set((e), ERR_USAGE, "%s%s: " format, (at_)->path, (key), ##__VA_ARGS__)

/* "an object" ... */
const char *pos_fields_kind(const json_t *j);

/* No others than these are there; names ends with NULL. */
MUST_CHECK bool pos_fields_check(const struct pos_at *at, const char *const *names, struct err *e);

MUST_CHECK bool pos_fields_object(const struct pos_at *at, const char *key, const json_t **out,
                                  struct err *e);
/* A text of 1 to max bytes without control characters; borrowed. */
MUST_CHECK bool pos_fields_text(const struct pos_at *at, const char *key, size_t max,
                                const char **out, struct err *e);
/* The same of an item of a list, which key names. */
MUST_CHECK bool pos_fields_is_text(const struct pos_at *at, const char *key, const json_t *j,
                                   size_t max, const char **out, struct err *e);
/* Which of choices, which ends with NULL. */
MUST_CHECK bool pos_fields_choice(const struct pos_at *at, const char *key,
                                  const char *const *choices, int *out, struct err *e);

/* Is a text an absolute path without ".."? */
MUST_CHECK bool pos_fields_path(const struct pos_at *at, const char *key, const char *path,
                                struct err *e);

/* "sources" of a document whose type is known (pos_sources.c). */
MUST_CHECK bool pos_sources_read(struct pos_config *c, struct err *e);

#endif
