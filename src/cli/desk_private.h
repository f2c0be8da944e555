/*
 * What the files of the desk share.
 */
#ifndef CLI_DESK_PRIVATE_H
#define CLI_DESK_PRIVATE_H

#include "catalog/catalog.h"
#include "cli/desk.h"
#include "job/job.h"
#include "server/server.h"

struct desk {
    struct call *call;
    struct remote *remote; /* NULL: this machine, and what follows is set */
    struct config *config;
    struct catalog *catalog; /* NULL: there is none, and then no roster either */
    struct roster *roster;
    struct roster_view *view; /* the sets of now */
    char host[256];
    struct service service; /* as far as pos.h needs one */
};

/* A set of this machine. */
struct desk_set {
    const struct config_set *set;
    const struct config *config;     /* that it is in */
    const struct roster_set *listed; /* it was made of a configuration in the catalog; or NULL */
    char *path;                      /* then: a file that says what config says */
};
/* ERR_USAGE: there is none, or this machine cannot do what it asks for.  In the call's arena. */
MUST_CHECK bool desk_find_set(struct desk *d, const char *name, struct desk_set *out,
                              struct err *e);
/* The name of set number i; NULL behind the last. */
const char *desk_set_name(const struct desk *d, size_t i);

/* desk_local.c */
MUST_CHECK bool desk_local_configs(struct desk *d, json_t **out, struct err *e);
MUST_CHECK bool desk_local_history(struct desk *d, const char *config, int limit, json_t **out,
                                   struct err *e);
MUST_CHECK bool desk_local_create(struct desk *d, const struct desk_wish *w, json_t **out,
                                  struct err *e);
MUST_CHECK bool desk_local_save(struct desk *d, struct slice text, struct err *e);

/* desk_proof.c */
MUST_CHECK bool desk_local_verify(struct desk *d, const char *id, bool *is_valid, struct err *e);
MUST_CHECK bool desk_local_restore(struct desk *d, const struct desk_restore *w, bool *is_done,
                                   struct err *e);

/* Ask whether to overwrite what is there.  ERR_USAGE when nobody can answer. */
MUST_CHECK bool desk_agree(struct call *call, bool *is_yes, struct err *e);
extern const char desk_question[];

/* desk_run.c: what was done, for the catalog. */
struct desk_run {
    enum catalog_run_kind kind;
    const struct config_set *set;
    const char *variant; /* or NULL */
    int64_t begun_ns;
};

/*
 * Make a run of it that has ended, in the catalog when there is one: out stands in the call's
 * arena, and has no id when there is none.  A catalog that cannot be written is a warning: what was
 * done is done.  why: the failure, or NULL.
 */
void desk_run_end(struct desk *d, const struct desk_run *r, const struct catalog_outcome *o,
                  struct catalog_run *out);

/* The outcome of something that failed; borrows the sentence. */
struct catalog_outcome desk_run_failure(const struct err *why);

#endif
