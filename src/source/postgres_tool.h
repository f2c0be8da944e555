/*
 * The programs of PostgreSQL that know how to write definitions.  Private to src/source.
 */
#ifndef SOURCE_POSTGRES_TOOL_H
#define SOURCE_POSTGRES_TOOL_H

#include <stdatomic.h>

#include "base/buf.h"

/*
 * Find a program of at least this major version: in PATH, then below /usr/lib/postgresql, the
 * newest first.  *path is owned by the caller.  ERR_NOT_FOUND naming what there is instead.
 */
MUST_CHECK bool postgres_tool_find(const char *program, int major, char **path, struct err *e);

struct postgres_tool {
    char *const *argv;              /* argv[0] is a path */
    int password_fd;                /* becomes its standard input; -1: none */
    const char *secret;             /* never shown in an error; or NULL */
    const atomic_bool *is_stopping; /* another thread failed: give up */
};

typedef bool postgres_output_fn(void *arg, struct slice bytes, struct err *e);

/*
 * Run one to its end and hand over its output as it comes.  A failure of fn ends it and comes back
 * unchanged; else failures end with the last lines of its standard error.  ERR_CANCELLED after
 * cancel_request() and when another thread failed.
 */
MUST_CHECK bool postgres_tool_run(const struct postgres_tool *t, postgres_output_fn *fn, void *arg,
                                  struct err *e);

/*
 * A file without a name, in memory or (in a sandbox) in scratch space, with a password for any
 * server, as libpq reads it, and the path by which a program finds it that has it as its standard
 * input.  It is gone with those who have it open.
 */
#define POSTGRES_PASSFILE "/proc/self/fd/0"
MUST_CHECK bool postgres_passfile_open(const char *password, int *fd, struct err *e);

#endif
