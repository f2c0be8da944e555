/*
 * Showing how far a run has come: a bar on a terminal, a line every ten seconds elsewhere,
 * status lines with --json, nothing with --quiet.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/output.h"
#include "job/job.h"

enum progress_verb {
    PROGRESS_BACKUP,
    PROGRESS_RESTORE,
};

struct progress_view {
    struct output *out;
    enum progress_verb verb;
    int64_t interval_ns;         /* between two updates */
    int64_t started_ns, last_ns; /* monotonic; last_ns 0: nothing shown yet */
};

/* HOLDFAST_PROGRESS_FPS sets how often; ERR_USAGE when it is no number above 0. */
MUST_CHECK bool progress_init(struct progress_view *v, struct output *out, enum progress_verb verb,
                              struct err *e);

/* A report whose calls show on v. */
struct report progress_report(struct progress_view *v);

/* For operations that count steps; arg is the view. */
void progress_step(void *arg, const char *step, uint64_t done, uint64_t total);

/* The same for one that counts bytes: with the rate, and the time that is left. */
void progress_bytes(void *arg, const char *step, uint64_t done, uint64_t total);

/* Take the bar away, before the summary. */
void progress_end(struct progress_view *v);

/* The line of the bar without the terminal's codes, at most columns wide; appended. */
void progress_format(const struct progress *p, size_t columns, struct buf *out);

/* The status line; pure. */
json_t *progress_json(const struct progress *p, enum progress_verb verb);

#endif
