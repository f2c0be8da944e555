/*
 * What is told of a copy of snapshots.
 */
#ifndef CLI_COPY_TELL_H
#define CLI_COPY_TELL_H

#include "cli/call.h"
#include "cli/progress.h"

/* Shows a copy while it runs; to is the name of the destination where there are several. */
struct copy_view {
    struct call *call;
    const char *to; /* or NULL */
    bool is_dry_run;
    struct progress_view progress;
};
MUST_CHECK bool copy_view_init(struct copy_view *v, struct call *call, struct err *e);

/* Options whose calls show on v. */
struct copy_options copy_view_options(struct copy_view *v);

/* The summary; snapshots that failed make the call incomplete. */
void copy_tell(struct copy_view *v, const struct copy_stats *s);

/* The same of all repositories of a set. */
void copy_tell_stores(struct copy_view *v, const struct stores_result *r);

#endif
