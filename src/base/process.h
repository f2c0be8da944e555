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
    pid_t pid; /* 0: none */
    /* Our ends of the pipes; -1: there is none, or it was closed.  Closing in_fd is the end of
     * the child's input. */
    int in_fd, out_fd, err_fd;
    int left_fd; /* with keeps_input the other end of in_fd's pipe, where what is left stands */
    bool has_group;
};
#define CHILD_NONE ((struct child){0, -1, -1, -1, -1, false})

struct child_spec {
    char *const *argv;       /* argv[0] is searched in PATH */
    const char *const *keep; /* names of variables that the child gets; NULL: all without secrets */
    const char *const *set;  /* "NAME=value" instead of ours, or NULL; both end with NULL */
    bool gives_input;        /* standard input from in_fd instead of /dev/null */
    bool keeps_input;        /* of that pipe we keep the child's end too */
    bool has_input;          /* standard input is input_fd, which stays ours too */
    int input_fd;
    bool takes_errors; /* standard error to err_fd instead of ours */
    bool has_group;    /* a process group of its own, killed as a whole */
};
MUST_CHECK bool child_start_with(const struct child_spec *spec, struct child *out, struct err *e);

/* The same with argv alone. */
MUST_CHECK bool child_start(char *const argv[], struct child *out, struct err *e);

/* Close the pipes and wait for the end; ERR_FATAL naming exit status or signal unless it exited
 * with 0. */
MUST_CHECK bool child_wait(struct child *c, struct err *e);

/* A descriptor that polls readable once the child has ended; the caller closes it. */
MUST_CHECK bool child_end_open(const struct child *c, int *fd, struct err *e);

/* Send a signal to a child that child_wait() has not been called for, and to its group if it has
 * one.  One that has ended takes no notice. */
void child_signal(const struct child *c, int number);

/*
 * Write some of the bytes to the child's input: those that go without waiting after poll() said
 * POLLOUT.  Fails, and sends us no SIGPIPE, when nobody reads it any more.
 */
MUST_CHECK bool child_write(const struct child *c, struct slice bytes, size_t *written,
                            struct err *e);

/* Kill and reap a child that is still there, with its group; close the pipes. */
void child_auto(struct child *c);

/* That argv[0] could be started: ERR_NOT_FOUND, or ERR_DENIED for what is no executable file. */
MUST_CHECK bool program_check(const char *name, struct err *e);

/* Run to the end and append standard output, at most limit bytes, to *out.  The child is killed
 * when somebody asks us to stop: ERR_CANCELLED. */
MUST_CHECK bool child_capture(char *const argv[], size_t limit, struct buf *out, struct err *e);

/* The same with a limit to the time that the child may take, after which it is killed with all that
 * it has started (its process group): ERR_FATAL. */
MUST_CHECK bool child_capture_within(char *const argv[], size_t limit, int limit_s, struct buf *out,
                                     struct err *e);

#endif
