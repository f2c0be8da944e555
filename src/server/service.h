/*
 * What handlers of the service work with: request_app() gives it.
 *
 * The server knows the catalog and nothing of repositories, sources or keys.  What only upper
 * layers can do is asked of them by the calls below, which are made on workers and may block.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "catalog/catalog.h"
#include "server/events.h"
#include "server/reply.h"

/* A set of the configuration file, as handlers need it; borrowed. */
struct service_set {
    const char *name;
    const char *schedule; /* or NULL */
    const char *timezone; /* that it is in: "Europe/Berlin"; NULL: the machine's */
    const char *const *repositories;
    size_t repository_count;
};

/* What to answer to a bundle that was pushed. */
struct service_bundle {
    unsigned status;
    struct buf body;         /* JSON */
    const char *retry_after; /* or NULL */
};

/* A command that only looks into the snapshots of a set, or stores what it is given for one.  It
 * runs beside the service, which has no key of a repository. */
struct service_reading {
    const char *verb; /* "snapshots", "ls", "find", "diff", "stats", "dump"; or "upload" */
    const char *set;
    const char *who;         /* asks: the id of a principal, of whom some at a time are served */
    const json_t *arguments; /* its words and options, as job/child_plan.c has them */
    /* What it prints, as it comes.  May block; false ends it. */
    bool (*take)(void *arg, struct slice bytes, struct err *e);
    /* Whether somebody waits for it, asked now and then; false ends it. */
    bool (*is_wanted)(void *arg);
    /* Of "upload", which prints nothing: its bytes; *got is 0 at their end, when they are whole.
     * May block; false ends it, and nothing is stored. */
    bool (*give)(void *arg, void *to, size_t room, size_t *got, struct err *e);
    json_t **result; /* answer of "upload": the summary of `backup --json`; owned by the caller */
    void *arg;
};

/* A folder for an archive that an import is to read, and the keys that came with it. */
struct service_arrival {
    char id[CATALOG_ID_SIZE]; /* the argument "arrival" of the job */
    int fd;                   /* of the folder, which is ours until that is closed */
    const char *folder;       /* name in it: where the archive stands by its own name */
    const char *key;          /* and of a key, without its number from 0 */
};

struct service {
    struct catalog *catalog;
    struct events *events;
    const char *host;
    bool is_secure; /* TLS: cookies get their __Host- names */

    const struct service_set *sets;
    size_t set_count;

    /* Folders that restores may be put into besides the places that sets come from. */
    const char *const *restore_targets;
    size_t restore_target_count;
    uint64_t import_max; /* bytes of a form with files */

    /*
     * Look whether a backup configuration of the API can become a set here.  ERR_USAGE with a
     * path to the fault.
     */
    bool (*check_config)(void *arg, const char *document, struct err *e);
    /* {"servers": [{"name", "database"}], "folders": []}: what configurations may name as sources
     * here. The caller owns it. */
    json_t *(*source_places)(void *arg);
    /* A set of this name as it is now, of the file or of the API; false: there is none here.  Texts
     * stand in the arena.  NULL: there are only those of sets. */
    bool (*find_set)(void *arg, const char *name, struct arena *a, struct service_set *out);
    /*
     * Read to the end; true only when what was taken is the whole, or what was given is a durable
     * snapshot.  The sentence is for clients
     * when it is ERR_NOT_FOUND (no such snapshot or path, no such set here), ERR_USAGE, ERR_EXISTS
     * (something is in the way, or the set is elsewhere) or ERR_TRANSIENT (too many at a time).
     * ERR_AWAY: its repository cannot be opened.  NULL: nothing can be read here.
     */
    bool (*read_set)(void *arg, const struct service_reading *q, struct err *e);
    /*
     * Make a folder for an archive, mode 0700: ERR_TRANSIENT when as many are there as may be. What
     * no job names when fd is closed is removed, and so is what a job names when that has ended.
     * NULL: nothing can be imported here.
     */
    bool (*begin_arrival)(void *arg, struct service_arrival *out, struct err *e);
    /* How the set of this name is configured here, without what only its machine needs; NULL: there
     * is none.  The caller owns it. */
    json_t *(*describe_set)(void *arg, const char *name);
    /* Which snapshots rules would keep: question and answer are those of the API.  ERR_USAGE with a
     * sentence about the rules.  NULL: nothing can be simulated here. */
    bool (*simulate)(void *arg, const json_t *question, json_t **out, struct err *e);
    /* Put a message to try a channel (notify.h) into the outbox. */
    bool (*queue_test)(void *arg, struct catalog_tx *t, const char *channel, struct err *e);
    /* Keep the bundle that is the request's body, and say what to answer; and the body of a
     * refusal.  Of a listener for bundles only. */
    void (*push_bundle)(void *arg, const struct request *r, struct service_bundle *out);
    void (*refuse_bundle)(void *arg, unsigned status, struct buf *out);
    const char *bundle_set;  /* that they belong to */
    const char *gateway_set; /* that WireGuard Gateway's routes are about; NULL: there are none */
    bool gateway_by_checks;  /* its health checks say that restored rules stay, not an admin */
    /* Keep what a restore has applied and waits for, by the id that its run tells.  ERR_NOT_FOUND
     * and ERR_USAGE: none waits.  NULL: nothing can be confirmed here. */
    bool (*confirm_restore)(void *arg, const char *id, struct err *e);
    void *arg; /* of all these */
};

/* The set of this name, or NULL. */
const struct service_set *service_find_set(const struct service *s, const char *name);

/* The same, and those that configurations of the API have become. */
bool service_look_set(const struct service *s, const char *name, struct arena *a,
                      struct service_set *out);

#endif
