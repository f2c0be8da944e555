/*
 * Small things that the service remembers: settings, where schedules stand, what is known of the
 * stores.  Part of catalog.h.
 */
#ifndef CATALOG_SETTINGS_H
#define CATALOG_SETTINGS_H

#include "catalog/opening.h"

/* Settings: texts by name.  Names that begin with "catalog." are the catalog's own. */
MUST_CHECK bool catalog_setting_put(struct catalog_tx *t, const char *name, const char *value,
                                    const char *category, struct err *e);
/* *out is NULL when there is none. */
MUST_CHECK bool catalog_setting_get(struct catalog_tx *t, const char *name, struct arena *a,
                                    const char **out, struct err *e);
MUST_CHECK bool catalog_setting_remove(struct catalog_tx *t, const char *name, struct err *e);

/* Where a schedule stands: that of a configuration or set, which goes by its name, or with this in
 * front of it that of its drills; of checks with '/' and the repository behind it. */
#define CATALOG_SCHEDULE_DRILLS "drill:"
#define CATALOG_SCHEDULE_CHECKS "check:"
struct catalog_schedule {
    const char *config;
    int64_t last_ns;     /* the last instant that a job was made for or that was let go */
    int64_t next_ns;     /* the next one */
    const char *details; /* JSON; or NULL */
};
/*
 * was_ns is last_ns as the caller found it: ERR_EXISTS when it is another by now, since another
 * process was faster.  It may go back, as when a clock that was wrong has been set right.
 */
MUST_CHECK bool catalog_schedule_put(struct catalog_tx *t, const struct catalog_schedule *s,
                                     int64_t was_ns, struct err *e);
/* One that nothing is known of is all zero and found. */
MUST_CHECK bool catalog_schedule_get(struct catalog_tx *t, const char *config, struct arena *a,
                                     struct catalog_schedule *out, struct err *e);
struct catalog_schedule_list {
    struct catalog_schedule *items;
    size_t count;
};
/* By the next instant. */
MUST_CHECK bool catalog_schedule_list(struct catalog_tx *t, struct arena *a,
                                      struct catalog_schedule_list *out, struct err *e);

#define CATALOG_STORE_UP   "up"   /* it was opened and did what it was asked for */
#define CATALOG_STORE_DOWN "down" /* it could not be opened, or failed since */

struct catalog_store {
    const char *name;         /* of the repository in the configuration */
    const char *state;        /* CATALOG_STORE_UP, CATALOG_STORE_DOWN */
    int64_t seen_ns;          /* when it answered last; 0: never */
    int64_t bytes, snapshots; /* -1: not known */
    const char *error;        /* why it is down; or NULL */
    int64_t updated_ns;       /* when that was learnt */
    /* Set by catalog_store_verify(): all that was there then was read and found whole, and no
     * damage was found since.  0 and NULL: never. */
    int64_t verified_ns;
    const char *verified_id; /* of the repository that it was */
    int64_t checked_ns;      /* catalog_store_check(); 0: never */
    int64_t keys_ns;         /* catalog_store_keys(); 0: never */
    const char *keys;        /* the document that it was told; or NULL */
};
struct catalog_store_list {
    struct catalog_store *items;
    size_t count;
};
/* seen_ns 0, bytes -1, snapshots -1: as before.  updated_ns, verified_..., checked_ns and
 * keys... are ignored. */
MUST_CHECK bool catalog_store_put(struct catalog_tx *t, const struct catalog_store *s,
                                  struct err *e);
/* All of the repository was read and found whole, as it was at a time; id NULL: it is damaged.  One
 * that catalog_store_put() was not told of stays unknown. */
MUST_CHECK bool catalog_store_verify(struct catalog_tx *t, const char *name, const char *id,
                                     int64_t time_ns, struct err *e);
/* A check that began then found no damage, whatever it read. */
MUST_CHECK bool catalog_store_check(struct catalog_tx *t, const char *name, int64_t time_ns,
                                    struct err *e);
/* What is left of which epoch of its keys, as a JSON object of at most CATALOG_DOCUMENT_MAX bytes,
 * measured now. */
MUST_CHECK bool catalog_store_keys(struct catalog_tx *t, const char *name, const char *document,
                                   struct err *e);
/* By name. */
MUST_CHECK bool catalog_store_list(struct catalog_tx *t, struct arena *a,
                                   struct catalog_store_list *out, struct err *e);

#endif
