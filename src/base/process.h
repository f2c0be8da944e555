/*
 * Child processes: argument vectors only, never a shell.  Children get the environment
 * without any HOLDFAST_* variable that holds a secret, no descriptor but 0, 1 and 2, and
 * default signal dispositions.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <sys/types.h>

#include "base/buf.h"

struct child {
    pid_t pid;  /* 0: none */
    int out_fd; /* read end of the child's standard output; -1 once closed */
};

/* Start argv[0] (searched in PATH) with standard input from /dev/null, errors inherited. */
MUST_CHECK bool child_start(char *const argv[], struct child *out, struct err *e);

/* Wait for the end; ERR_FATAL naming exit status or signal unless it exited with 0. */
MUST_CHECK bool child_wait(struct child *c, struct err *e);

/* Kill and reap a child that is still there, close out_fd. */
void child_auto(struct child *c);

/* Run to the end and append standard output, at most limit bytes, to *out. */
MUST_CHECK bool child_capture(char *const argv[], size_t limit, struct buf *out, struct err *e);

#endif
