/*
 * Retention as a policy: which snapshots of a set may be removed, why each stays or goes, and when
 * nothing may be removed at all.  Pure: snapshots come as a list, and the answer is a plan that
 * whoever applies it can demand by its digest.  Part of job.h.
 *
 * What somebody with the right to write can do must not cost good copies.  So snapshots are judged
 * by the time at which the store received them, never by what they claim; each writer's snapshots
 * are judged among themselves, or one writer's flood would push out another's; what failed a check
 * or is incomplete fills no place of a rule; and one run removes a limited share.
 */
#ifndef JOB_RETENTION_H
#define JOB_RETENTION_H

#include <jansson.h>

#include "codec/hash.h"
#include "repo/repo.h"

/* The clock of a store may be ahead of ours by as much before it counts as wrong. */
#define RETENTION_SKEW_NS (INT64_C(600) * 1000000000)

/* What is known of a snapshot, in ascending order of worth. */
enum trust {
    TRUST_FAILED,   /* its last check or drill failed */
    TRUST_NONE,     /* nobody looked */
    TRUST_VERIFIED, /* read and found whole */
    TRUST_PROVEN,   /* brought back by a drill */
};

/* Which snapshots fill places of rules. */
enum retention_only {
    ONLY_ANY, /* all but failed and incomplete ones */
    ONLY_VERIFIED,
    ONLY_PROVEN,
    ONLY_AUTO, /* verified and proven ones where something looks at snapshots (retention_looks), and
                * what has no place among them stays for as long as it would by ONLY_ANY; else as
                * ONLY_ANY */
};

/* Whether anything verifies or proves the snapshots of a set in a repository; uploads are seen by
 * no drill. */
struct retention_looks {
    bool at_backups, at_uploads;
};

struct retention_limits {
    int min_keep;    /* that many stay of each writer, from 1 */
    int max_percent; /* of each writer's snapshots that one run removes without approval, from 0 to
                      * 100; above 0 one may always go */
    int only;        /* enum retention_only */
};

#define RETENTION_LIMITS \
    ((struct retention_limits){.min_keep = 1, .max_percent = 20, .only = ONLY_AUTO})

/* What a snapshot is to its set; each kind is judged apart. */
enum retention_kind {
    RETENTION_BACKUP,
    RETENTION_UPLOAD, /* brought for it: no drill looks at it, so that to be verified is enough */
    RETENTION_IMPORT, /* another program's backups: stays, and fills no place */
};

/* A snapshot as the policy sees it; texts are borrowed, and UTF-8. */
struct retention_item {
    const char *id;     /* unique, not empty */
    const char *writer; /* who wrote it, as the store knows; NULL: nobody in particular.  Those of
                         * different kinds differ in it */
    enum retention_kind kind;
    int64_t received_ns; /* since 1970, by the store's clock */
    uint64_t size;       /* bytes */
    enum trust trust;
    bool was_proven; /* once, whatever came of it later */
    bool is_pinned;
    bool is_incomplete;
    bool is_restore_point;
    int64_t expires_ns; /* of a restore point; 0: never */
};

/* One set and what is known about it now. */
struct retention_case {
    const char *set;
    struct retention rules; /* keep_tags are not used; empty: everything is kept */
    struct retention_limits limits;
    struct retention_looks looks;
    const struct retention_item *items;
    size_t count;
    int64_t now_ns;
    int64_t latest_ns; /* the latest time that the clock was seen to show; 0: unknown */
    int failed_runs;   /* backups that failed since the last one that did not */
    bool is_approved;  /* somebody who may has approved more than max_percent */
};

enum retention_action {
    RETENTION_KEEP,
    RETENTION_REMOVE,
    RETENTION_HOLD, /* would be removed, but for max_percent or a plan that is not to be applied */
};

enum retention_state {
    RETENTION_READY,   /* all that rules do not keep may be removed */
    RETENTION_LIMITED, /* more waits for approval or for later runs */
    RETENTION_PAUSED,  /* backups fail: nothing is removed */
    RETENTION_REFUSED, /* the clock cannot be right: nothing is removed */
};

struct retention_decision {
    const struct retention_item *item; /* borrowed from the case */
    enum retention_action action;
    char *reason; /* why, in a few words */
};

struct retention_plan {
    enum retention_state state;
    char *sentence;                       /* why not everything is removed, or NULL when READY */
    const char *places;                   /* as retention_places() */
    struct retention_decision *decisions; /* newest first, writer by writer */
    size_t count;
    size_t kept, removed, held;
    uint64_t bytes_removed; /* sum of the sizes of what is removed */
    struct hash digest;     /* of set, rules, and what becomes of each snapshot; not of the time */
};

/*
 * Make a plan.  Cannot fail: doubt keeps.  Applied in full to what it was made of and made again
 * (same rules, same time), a READY plan removes nothing more.
 */
struct retention_plan *retention_plan_new(const struct retention_case *c);
void retention_plan_free(struct retention_plan *p); /* accepts NULL */
void retention_plan_auto(struct retention_plan **p);

/* What fills places when the rules do not say it, as a sentence; NULL: they do. */
const char *retention_places(const struct retention_limits *limits,
                             const struct retention_looks *looks);

/* {"state", "sentence"?, "places"?, "keep", "remove", "hold", "bytes", "digest", "snapshots":
 * [{"id", "time", "writer"?, "kind", "size", "trust", "action", "reason"}]} */
json_t *retention_plan_json(const struct retention_plan *p);

/* "failed", "none", "verified", "proven"; "backup", "upload", "import"; "keep", "remove", "hold";
 * "ready", "limited", "paused", "refused". */
const char *trust_text(enum trust t);
const char *retention_kind_text(enum retention_kind k);
const char *retention_action_text(enum retention_action a);
const char *retention_state_text(enum retention_state s);

#endif
