/*
 * Bringing a whole set back to where it was, safely: planned, the present state kept, everything
 * prepared beside its place, then put in place by exchanging names, checked, and undone on demand.
 * Part of job.h.
 *
 * A journal in "<state>/restores/<id>.json" says how far a restore has come.  Until all is prepared
 * and compared with its manifests nothing that is in use is touched; from then on going back is
 * the same exchange once more.  Whoever finds the journal of a restore whose process is gone goes
 * back first.  What was in use before stays, under another name, until it is discarded.
 */
#ifndef JOB_RESTORE_SET_H
#define JOB_RESTORE_SET_H

#include "job/config.h"
#include "repo/repo.h"
#include "source/source.h"

#define RESTORE_ID_MAX 17 /* 16 hexadecimal digits and a NUL */

/* What a restore would do with one source of the set. */
struct source_plan {
    char *place; /* in the snapshot: "files", "postgres/shop" */
    char *where; /* what it goes to: a path, the name of a database, a program */
    char *why;   /* it stays as it is, and this is why; NULL: it is restored */
    bool is_there;
    uint64_t added, replaced, removed, unchanged; /* files */
    uint64_t bytes;                               /* to be written */
    uint64_t tables, rows;                        /* of databases, as their manifests say */
    uint64_t tables_without_rows;                 /* which come back empty */
    uint64_t present_bytes;                       /* of a database or a file that is there */
};
struct restore_set_plan {
    struct source_plan *sources;
    size_t count;
};
void restore_set_plan_done(struct restore_set_plan *p);
void restore_set_plan_auto(struct restore_set_plan *p);

struct report;

/* Where a restore stands that others may have to take back, or can confirm. */
enum restore_stand {
    RESTORE_STAND_STOPPING,    /* the application is being stopped, and may stay so */
    RESTORE_STAND_SWAPPING,    /* what is in use may be changing */
    RESTORE_STAND_UNCONFIRMED, /* what it applied waits to be confirmed */
};

struct restore_set_options {
    const struct config *config; /* its state folder holds the journal */
    const struct config_set *set;
    const struct snapshot *snapshot; /* of that set */
    const char *place;               /* only this source: "postgres/shop"; NULL: all */
    bool with_commands;              /* apply the output of commands too */
    uint64_t confirm_ms;             /* as in struct command_confirm */
    /* Asked while an applied output waits to be confirmed; NULL: only restore_confirm() does. */
    command_answer_fn *ask;
    void *ask_arg;
    /* The set's health checks answer instead: passing keeps what was applied, and failing does
     * not. ERR_USAGE when the set has none. */
    bool confirms_by_checks;
    /* Told where the restore stands from now on; may be NULL. */
    void (*stand)(void *arg, const char *id, enum restore_stand now);
    /* What was just done, one sentence; may be NULL. */
    void (*tell)(void *arg, const char *sentence);
    void *tell_arg;
};

/*
 * Look what a restore would do; changes nothing.  ERR_USAGE when place is no source of the set,
 * ERR_NOT_FOUND when it is not in the snapshot.
 */
MUST_CHECK bool restore_set_plan(struct repo *r, const struct restore_set_options *o,
                                 struct restore_set_plan *out, struct err *e);

/* Look whether the file trees of a set can change places, as it is configured: ERR_USAGE says what
 * is in the way, which a plan would say as late as a restore is wanted. */
MUST_CHECK bool restore_set_check(const struct config *c, const struct config_set *set,
                                  struct err *e);

struct restore_set_result {
    char id[RESTORE_ID_MAX]; /* empty: nothing was begun */
    bool has_safety;
    struct hash safety;           /* the snapshot of the state before */
    bool is_back;                 /* on failure: what was there before is there again */
    struct restore_set_plan plan; /* on success: what was restored, and what stays as it is */
};
void restore_set_result_auto(struct restore_set_result *r);

/*
 * Restore.  True: everything is in place, compared with its manifests, and the set's health checks
 * passed.  False: see is_back; when it is not set, the journal stays and says what is left to do.
 * The sources must be idle, unless the configuration says how the application is stopped and
 * started (it is before trees are prepared, and before outputs of commands are applied): sessions
 * of PostgreSQL databases are ended, an SQLite database that somebody has open fails with
 * ERR_TRANSIENT, files written to meanwhile go with the old state.
 * ERR_TRANSIENT also when another restore or undo is under way.  *out is set in any case.
 */
MUST_CHECK bool restore_set_run(struct repo *r, const struct restore_set_options *o,
                                const struct report *report, struct restore_set_result *out,
                                struct err *e);

enum restore_phase {
    RESTORE_STAGING,    /* nothing that is in use was touched, or all of that is back */
    RESTORE_SWAPPING,   /* anything may be in place or not */
    RESTORE_DONE,       /* in place; the state before is kept */
    RESTORE_FAILED,     /* the state before is in place, nothing is kept */
    RESTORE_UNDOING,    /* as swapping, on the way back */
    RESTORE_UNDONE,     /* the state before is in place; what was restored is kept */
    RESTORE_DISCARDING, /* what was kept is being removed */
    RESTORE_DISCARDED,  /* nothing is kept any more */
};
/* "staging", ... */
const char *restore_phase_text(enum restore_phase p);

/* What a journal says. */
struct restore_record {
    char id[RESTORE_ID_MAX];
    enum restore_phase phase;
    const char *set;      /* borrowed, as what follows */
    const char *snapshot; /* id */
    const char *safety;   /* id, or NULL */
    const char *why;      /* it failed, or NULL */
    int64_t started_ns, changed_ns;
    int64_t moves; /* how often what is in use began to change places */
    /* The application may have been stopped, and its start did not come to an end.  Of use while
     * staging and when done; while swapping and undoing it may be so anyway. */
    bool is_stopped;
};
/* Each restore known in the state folder, the latest first. */
typedef bool restore_record_fn(void *arg, const struct restore_record *r, struct err *e);
MUST_CHECK bool restore_record_each(const char *state, restore_record_fn *fn, void *arg,
                                    struct err *e);

struct restore_undo_options {
    const struct config *config;
    const char *id;  /* or its beginning; NULL: the latest that was not undone or discarded */
    const char *set; /* whose restores are meant; NULL: of all */
    bool discard;    /* remove what is kept instead */
    /* Called when the repository is needed that has this snapshot of the set: outputs of commands
     * are read from the safety snapshot.  *out is borrowed. */
    bool (*open_repo)(void *arg, const char *set, const char *snapshot, struct repo **out,
                      struct err *e);
    void *arg;
};

/*
 * Which restore is meant by id, set and discard, all that is looked at, and of which set it was
 * (mem_free()); id has room for RESTORE_ID_MAX bytes.  As it stands now: nothing is locked.  Fails
 * as restore_undo() does.
 */
MUST_CHECK bool restore_undo_find(const struct restore_undo_options *o, const char *state, char *id,
                                  char **set, struct err *e);

/*
 * Put the state before a restore in place again, or with discard remove what a restore or an undo
 * kept of the other state.  A restore or an undo that was interrupted is finished first: backwards.
 * The application is stopped before and started after, as in a restore; when that fails although
 * all is back, ERR_FATAL says both, and there is nothing more to undo.
 * ERR_NOT_FOUND when there is no such restore, ERR_USAGE when it is not in place, or discarded.
 * *id (with room for RESTORE_ID_MAX bytes) and *phase say which it was and how it stands now.
 */
MUST_CHECK bool restore_undo(const struct restore_undo_options *o, char *id,
                             enum restore_phase *phase, struct err *e);

/* Keep what a restore has applied and waits for; any process.  id or its beginning.  ERR_NOT_FOUND
 * when there is none, ERR_USAGE when it does not wait: nothing would keep what it applied. */
MUST_CHECK bool restore_confirm(const char *state, const char *id, struct err *e);

/* That no restore or undo of a set exchanges what a backup reads: it would mix two states. */
struct restore_still {
    const struct config *config;
    const struct config_set *set;
    struct buf seen; /* how often each restore had moved it at the beginning */
};
void restore_still_auto(struct restore_still *s);

/* Before anything is read.  ERR_TRANSIENT, naming it, while a restore was begun that did not come
 * to an end. */
MUST_CHECK bool restore_still_begin(struct restore_still *s, const struct config *c,
                                    const struct config_set *set, struct err *e);
/* After everything was read.  ERR_TRANSIENT, naming it, when one has begun to change places since,
 * whatever became of it. */
MUST_CHECK bool restore_still_check(struct restore_still *s, struct err *e);

#endif
