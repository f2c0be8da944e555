/*
 * What came of a job.  Part of child.h.
 */
#ifndef JOB_CHILD_OUTCOME_H
#define JOB_CHILD_OUTCOME_H

#include "job/child_job.h"

enum child_state {
    CHILD_SUCCEEDED,    /* exit status 0, and it said what it promises to say */
    CHILD_INCOMPLETE,   /* 3: done, but for what the errors name */
    CHILD_CONFLICT,     /* 11: another run was in the way */
    CHILD_DRILL_FAILED, /* 14 */
    CHILD_REFUSED,      /* 15: by policy */
    CHILD_FAILED,       /* all else */
    CHILD_CANCELLED,    /* somebody asked it to stop */
    CHILD_TIMED_OUT,
    CHILD_STALLED,
    CHILD_INTERRUPTED, /* it and its keeper died: nobody knows how far it came */
};
const char *child_state_name(enum child_state s); /* "succeeded", "drill-failed", ... */

struct child_outcome {
    enum child_state state;
    int status;      /* exit status; -1: it has none */
    int signal;      /* that ended it, none of ours; 0: none did */
    bool is_opening; /* it failed because a repository could not be opened, and said so */
    /* It failed because the snapshot or path that was asked for is not there, or is nothing that
     * the command works on, or because something is there already, and said so. */
    bool is_missing, is_invalid, is_taken;
    bool is_unfit;  /* what it was given makes no sense: an archive */
    json_t *result; /* the last message that the job promises, or NULL */
    json_t *gaps;   /* array of sentences: what its sandbox could not do */
    char *errors;   /* what it said on standard error, at most about 320 KiB, or "" */
    char *log;      /* of the run (child_log.h), or NULL */
    struct err why; /* text is a sentence unless it succeeded */
};
void child_outcome_auto(struct child_outcome *o);

/* What is known at the end. */
struct child_end {
    json_t *exit;        /* of the keeper, or NULL when there is none */
    json_t *result;      /* or NULL; the outcome takes a reference */
    struct err bad_line; /* why a line was not understood; code ERR_NONE: all were */
    const char *errors;
};

/*
 * Pure.  A success is exit status 0, every line understood, and the promised message with the
 * promised id of 64 (snapshot) or more than 7 (restore) hexadecimal digits; a message that tells
 * another ending than the exit status makes it failed.
 */
void child_outcome_judge(const struct child_job *j, const struct child_end *end,
                         struct child_outcome *out);

#endif
