/*
 * One job as data: what is to be done, as typed fields, and the document that carries it.  Part of
 * child.h.
 *
 *   {"format": 1, "id": "...", "attempt": 1, "verb": "backup", "config": "/etc/...", "set": "shop",
 *    "arguments": {...}, "limits": {"time_s", "stall_s", "grace_s", "cpu_s", "memory"},
 *    "must_confine": false}
 */
#ifndef JOB_CHILD_JOB_H
#define JOB_CHILD_JOB_H

#include <jansson.h>

#include "base/buf.h"

enum child_verb {
    CHILD_BACKUP,
    CHILD_CFMS_EXPORT,
    CHILD_CFMS_IMPORT,
    CHILD_CHECK,
    CHILD_COPY,
    CHILD_DRILL,
    CHILD_FORGET,
    CHILD_IMPORT,  /* of an archive that arrived (arrival.h) */
    CHILD_KEYS,    /* "key list" */
    CHILD_MEASURE, /* "stats" of a repository, as a job */
    CHILD_PARITY,
    CHILD_PRUNE,
    CHILD_REENCRYPT, /* "key reencrypt" */
    CHILD_REPAIR,
    CHILD_RESTORE,
    CHILD_TAG,
    CHILD_TRY, /* "config test" */
    CHILD_UNDO,
    CHILD_UPLOAD, /* "backup --stdin" of what comes over a socket; a reading, though it stores */
    /* Those that only look, and are readings (reading.h) instead of jobs of the queue. */
    CHILD_DIFF,
    CHILD_DUMP,
    CHILD_EXPORT, /* "export wireguard" to standard output */
    CHILD_FIND,
    CHILD_LS,
    CHILD_SNAPSHOTS,
    CHILD_STATS,
    CHILD_VERBS, /* how many there are */
};

/* The command's name, and back; false when there is none of this name. */
const char *child_verb_name(enum child_verb v);
MUST_CHECK bool child_verb_parse(const char *name, enum child_verb *out);

/* Whether it only looks. */
bool child_verb_reads(enum child_verb v);

/* Whether it is a reading: those, and the one that stores its input. */
bool child_verb_is_reading(enum child_verb v);

#define CHILD_ID_MAX 64 /* [A-Za-z0-9-] */

/* 0 is none everywhere but in grace_s. */
struct child_limits {
    int64_t time_s;  /* from start to end */
    int64_t stall_s; /* without anything that moves */
    int64_t grace_s; /* from asking to stop to insisting, and from there to killing */
    int64_t cpu_s;   /* of each process */
    uint64_t memory; /* bytes of data of each process */
};

struct child_job {
    char id[CHILD_ID_MAX + 1];
    int attempt; /* from 1 */
    enum child_verb verb;
    char *config;      /* path of the configuration */
    char *set;         /* or NULL */
    json_t *arguments; /* an object: child_plan.c has the fields of each verb */
    struct child_limits limits;
    bool must_confine; /* rather not run than with a gap in the sandbox */
};
void child_job_done(struct child_job *j);
void child_job_auto(struct child_job *j);
void child_job_copy(const struct child_job *from, struct child_job *out);

/* ERR_USAGE naming what is wrong with it, as far as that shows without the configuration. */
MUST_CHECK bool child_job_check(const struct child_job *j, struct err *e);

/* The document, with a newline. */
void child_job_format(const struct child_job *j, struct buf *out);

/* Read one and check it.  ERR_CORRUPT, or as child_job_check(). */
MUST_CHECK bool child_job_parse(struct slice text, struct child_job *out, struct err *e);

#endif
