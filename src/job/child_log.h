/*
 * The log of a run: what a job says beside its progress, line by line, with the time at which it
 * was said.  Its keeper writes it, the first lines at once and the last ones at the end.  Part of
 * child.h.
 *
 *   {"from": "output" | "errors" | "keeper", "text": "...", "time": "2026-11-22T21:00:00.0Z"}
 */
#ifndef JOB_CHILD_LOG_H
#define JOB_CHILD_LOG_H

#include "base/buf.h"
#include "job/child_lines.h"

#define CHILD_LOG_TEXT 4000                 /* bytes of what is kept of a line */
#define CHILD_LOG_PART ((size_t)64 << 10)   /* bytes of the first lines, and of the last ones */
#define CHILD_LOG_MAX  (3 * CHILD_LOG_PART) /* the whole is smaller than that */

/* {.fd = -1} is none: nothing is kept then. */
struct child_log {
    int fd;
    size_t size;               /* of the first lines */
    struct buf tail;           /* the last ones, whole, once those are full */
    uint64_t left_out;         /* between the two */
    struct child_lines errors; /* out of which lines are made */
};
void child_log_auto(struct child_log *l);

/* A line of standard output, and some bytes of standard error. */
void child_log_output(struct child_log *l, struct slice line);
void child_log_errors(struct child_log *l, struct slice bytes);

/* Write what is still to be written.  What cannot be written is missing: these are a job's words,
 * not its work. */
void child_log_end(struct child_log *l);

#endif
