/*
 * An open repository, and which snapshots a command means.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/call.h"
#include "repo/repo.h"

struct secret;
struct session {
    struct store *store;
    struct repo *repo;
    bool is_indexed; /* by session_open_indexed() */
};
void session_auto(struct session *s);

/* The repository that the call names, or else the configuration (configured.h), which the call's
 * common options then mean; ERR_USAGE when there is none.  Lives in the arena. */
MUST_CHECK bool session_place(struct call *call, const char **url, struct err *e);

/* The same for a sentence: a URL that somebody put keys into is refused, and not repeated. */
const char *session_shown(const char *url);

/* How to reach its store: what the configuration says, and then the options of the call. */
MUST_CHECK bool session_store_options(struct call *call, struct store_options *out, struct err *e);

/* Open it with the call's secret.  Keeps call->stage, which is STAGE_WORK afterwards. */
MUST_CHECK bool session_open(struct call *call, struct session *out, struct err *e);

/* The same, and hand over the secret that opened it, released with secret_auto(). */
MUST_CHECK bool session_open_secret(struct call *call, struct session *out, struct secret *secret,
                                    struct err *e);

/* The same with another repository and its secret.  password stands for that of the call. */
MUST_CHECK bool session_open_other(struct call *call, const struct common *other, char *password,
                                   struct session *out, struct err *e);

/* session_open(), and load the index, which everything that looks into trees needs, beside the
 * snapshots: it is there once session_resolve() or session_select() has returned, or after
 * repo_load_index(). */
MUST_CHECK bool session_open_indexed(struct call *call, struct session *out, struct err *e);

/* --host, --set, --tag and --path as options of a command. */
struct filter_args {
    char *host, *set;
    bool uploads;
    struct strings tags, paths;
};
/* clang-format off */
#define FILTER_OPTIONS(type, member)                                                               \
    {"host", 'H', OPTION_TEXT, offsetof(struct type, member.host), "HOST",                         \
     "Only snapshots of HOST", NULL, NULL, NULL},                                                  \
    {"tag", 0, OPTION_LIST, offsetof(struct type, member.tags), "TAG[,TAG]",                       \
     "Only snapshots with all these tags; repeat for alternatives", NULL, NULL, NULL},             \
    {"path", 0, OPTION_LIST, offsetof(struct type, member.paths), "PATH",                          \
     "Only snapshots of PATH; repeat for all of several", NULL, NULL, NULL}
/* Those, and --set for commands that set nothing. */
#define FILTER_OPTIONS_AND_SET(type, member)                                                       \
    FILTER_OPTIONS(type, member),                                                                  \
    {"set", 0, OPTION_TEXT, offsetof(struct type, member.set), "SET",                              \
     "Only snapshots of the set SET", NULL, NULL, NULL}
/* Beside them, for commands that also work on what is of no set. */
#define UPLOADS_OPTION(type, member)                                                               \
    {"uploads", 0, OPTION_FLAG, offsetof(struct type, member.uploads), NULL,                       \
     "With --set: also what was uploaded for SET", NULL, NULL, NULL}
/* clang-format on */

/* What the options say; borrows from args and from the call's arena. */
MUST_CHECK bool filter_make(struct call *call, const struct filter_args *args,
                            struct snapshot_filter *out, struct err *e);

/*
 * The committed snapshots that words name ("latest", ids, prefixes), or without words all that
 * the filter accepts; oldest first where the filter decides.  Released with
 * snapshot_list_auto().
 */
MUST_CHECK bool session_select(struct call *call, struct session *s, const struct strings *words,
                               const struct filter_args *args, struct snapshot_list *out,
                               struct err *e);

/* One snapshot by its selector; *sub is released with mem_free(). */
MUST_CHECK bool session_resolve(struct call *call, struct session *s, const char *selector,
                                const struct filter_args *args, struct snapshot **out, char **sub,
                                struct err *e);

#endif
