/*
 * Backup configurations that came through the API.  Part of catalog.h.
 *
 * The document is kept byte for byte.  Each change makes a new version, from 1; versions are the
 * tags by which clients say which one they mean.  Former versions stay.
 */
#ifndef CATALOG_CONFIGS_H
#define CATALOG_CONFIGS_H

#include "catalog/opening.h"

/* Configurations at most. */
#define CATALOG_CONFIGS_MAX 1000

struct catalog_config {
    const char *id;       /* chosen by users: 1 to 128 bytes without control characters */
    const char *name;     /* 1 to 200 */
    const char *document; /* JSON */
    bool is_enabled;
    int64_t version;
    int64_t created_ns, updated_ns;
};

#define CATALOG_VERSION_ANY  (-1) /* whether it is there or not */
#define CATALOG_VERSION_NONE 0    /* it must not be there */

/*
 * Write one; version, created_ns and updated_ns are ignored.  wanted is the version that must be
 * there: ERR_EXISTS when another is.  *version is the new one.  author is kept with it.
 */
MUST_CHECK bool catalog_config_put(struct catalog_tx *t, const struct catalog_config *c,
                                   int64_t wanted, const char *author, int64_t *version,
                                   struct err *e);

/* ERR_NOT_FOUND, also when it was deleted. */
MUST_CHECK bool catalog_config_get(struct catalog_tx *t, const char *id, struct arena *a,
                                   struct catalog_config *out, struct err *e);

/* A former version or the present one; also of one that was deleted. */
MUST_CHECK bool catalog_config_get_version(struct catalog_tx *t, const char *id, int64_t version,
                                           struct arena *a, const char **document, struct err *e);

struct catalog_config_list {
    struct catalog_config *items;
    size_t count;
};
/* By id. */
MUST_CHECK bool catalog_config_list(struct catalog_tx *t, struct arena *a,
                                    struct catalog_config_list *out, struct err *e);

/* Two numbers that are not the same again once any of them was changed or deleted: a cheap look. */
struct catalog_config_stamp {
    int64_t versions, deleted;
};
MUST_CHECK bool catalog_config_stamp(struct catalog_tx *t, struct catalog_config_stamp *out,
                                     struct err *e);

/* Nothing of its backups is touched.  wanted as with put, ERR_NOT_FOUND when there is none. */
MUST_CHECK bool catalog_config_delete(struct catalog_tx *t, const char *id, int64_t wanted,
                                      struct err *e);

#endif
