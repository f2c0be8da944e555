/*
 * Where the verbs of the POS service's command line (create, list, verify, schedule, stats,
 * cleanup, restore --backup) get their answers: from this machine, which has a configuration and
 * maybe a catalog, or from a service.  Both answer with the same JSON, that of the service's API
 * (docs/applications/vevurn-pos.md), so that one code prints it.
 */
#ifndef CLI_DESK_H
#define CLI_DESK_H

#include "cli/remote.h"

struct desk_args {
    char *config_file;
    struct remote_args remote;
};
/* clang-format off */
#define DESK_OPTIONS(type, member)                                                                 \
    {"config-file", 0, OPTION_TEXT, offsetof(struct type, member.config_file), "FILE",             \
     "Read the configuration from FILE", "HOLDFAST_CONFIG", NULL, NULL},                           \
    REMOTE_OPTIONS(type, member.remote)
/* clang-format on */

struct desk;

/* On this machine the catalog is used when there is one; makes_catalog: and made when there is
 * none. */
MUST_CHECK bool desk_open(struct call *call, const struct desk_args *args, bool makes_catalog,
                          struct desk **out, struct err *e);
void desk_close(struct desk *d); /* accepts NULL */
void desk_auto(struct desk **d);

/* An array of configurations: {"id", "name", "type", "schedule", "enabled", ...}. */
MUST_CHECK bool desk_configs(struct desk *d, json_t **out, struct err *e);

/* {"backups": [...], "total": N} of one of them, the newest first; limit from 1 to
 * DESK_LIMIT_MAX. */
#define DESK_LIMIT_MAX 1000
MUST_CHECK bool desk_history(struct desk *d, const char *config, int limit, json_t **out,
                             struct err *e);

/* {"total", "recent", "storage", "configs", "successRate"} */
MUST_CHECK bool desk_stats(struct desk *d, json_t **out, struct err *e);

/* A backup that somebody wants. */
struct desk_wish {
    const char *config; /* id */
    const char *type;   /* or NULL */
    const char *name;   /* what to call it, or NULL */
    bool is_dry_run;    /* only on this machine */
};
/* *out is the record of the backup; NULL: a dry run, which has told what it found. */
MUST_CHECK bool desk_create(struct desk *d, const struct desk_wish *w, json_t **out, struct err *e);

/* Prove a backup by a drill.  An id that nobody knows is one that is not valid. */
MUST_CHECK bool desk_verify(struct desk *d, const char *id, bool *is_valid, struct err *e);

struct desk_restore {
    const char *id;
    const char *environment; /* set whose places it goes to; NULL: its own */
    bool verify;             /* prove it before; a service always does */
    bool yes;                /* do not ask */
};
/* Ask and bring a backup back.  *is_done = false: somebody did not want it. */
MUST_CHECK bool desk_restore(struct desk *d, const struct desk_restore *w, bool *is_done,
                             struct err *e);

/* Keep a configuration.  ERR_USAGE with a path to the fault. */
MUST_CHECK bool desk_save(struct desk *d, struct slice text, struct err *e);

struct desk_cleanup {
    const char *config; /* NULL: all that have a retention */
    bool is_dry_run, explain;
};
/* Apply retention and tell of it; with --json plans are added to list, also on failure. */
MUST_CHECK bool desk_cleanup(struct desk *d, const struct desk_cleanup *w, json_t *list,
                             struct err *e);

/* A service is asked. */
bool desk_is_remote(const struct desk *d);

/* "database", "files" or "full"; "incremental" and "differential" are "full". */
const char *desk_type_of(const json_t *config);

#endif
