/*
 * One run of a program within its limits: input, output and errors at the same time.  Private
 * to src/source.
 */
#ifndef SOURCE_COMMAND_RUN_H
#define SOURCE_COMMAND_RUN_H

#include "source/command.h"
#include "source/excerpt.h"

typedef bool command_output_fn(void *arg, struct slice bytes, struct err *e);

struct command_run {
    const struct command_options *options; /* name, environment and limits */
    const char *const *argv;               /* one of those of the options */
    const struct command_feed *input;      /* NULL: /dev/null */
    command_output_fn *output;             /* NULL: standard output is of no interest */
    void *arg;
    bool is_not_cancelled; /* goes on when somebody asked to stop */
};

struct command_outcome {
    struct err
        failure;      /* ERR_NONE: exit status 0 within all limits, all input taken, output ended */
    bool has_refused; /* it ended by itself with another exit status */
    int64_t started_ns;
    uint64_t duration_ms;
    uint64_t bytes; /* of standard output */
    struct excerpt errors;
};

/*
 * What goes wrong with the program is told by out->failure, which names the command, the program
 * and its last line of standard error.  False, with the program ended: output or input failed and
 * *e is their error, or ERR_CANCELLED.  Nobody is told of time that output and input take.
 *
 * A program that is to be ended gets SIGTERM with its group, and SIGKILL 5 s later.  What it leaves
 * behind itself may hold its output open for a second; then it is ended too, and that is a failure.
 */
MUST_CHECK bool command_run(const struct command_run *run, struct command_outcome *out,
                            struct err *e);

#endif
