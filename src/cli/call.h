/*
 * One run of one command, and how it ends.
 */
#ifndef CLI_CALL_H
#define CLI_CALL_H

#include "base/arena.h"
#include "cli/options.h"
#include "cli/output.h"
#include "store/store.h"

/* What the program was at when something failed: decides about the exit status. */
enum stage {
    STAGE_COMMAND_LINE, /* reading arguments */
    STAGE_SECRET,       /* getting the password or key file */
    STAGE_STORE,        /* opening the place where the repository is */
    STAGE_UNLOCK,       /* opening the repository */
    STAGE_WORK,         /* all the rest */
    STAGE_FOREIGN,      /* the same without any repository */
};

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_INCOMPLETE = 3,
    EXIT_NO_REPOSITORY = 10,
    EXIT_CONFLICT = 11,
    EXIT_WRONG_SECRET = 12,
    EXIT_DAMAGED = 13,
    EXIT_DRILL_FAILED = 14,
    EXIT_INTERRUPTED = 130,
};

struct call {
    const struct command *command;
    const void *args;            /* the command's structure */
    const struct common *common; /* its beginning */
    struct output *out;
    struct arena arena;            /* what lives until the end of the call */
    char *password;                /* of HOLDFAST_PASSWORD, in secret memory, or NULL */
    char *from_password;           /* the same of HOLDFAST_FROM_PASSWORD */
    struct store_secrets *secrets; /* keys of stores that came by variables */
    pthread_mutex_t *asking; /* held while a secret is got; NULL: nobody else opens anything */
    enum stage stage;
    int status; /* of a call that did its work; EXIT_OK unless set */
};

/* The exit status of a failure (exit.c). */
int exit_status(enum stage stage, enum err_code code);

/* What the user can do about it, or NULL. */
const char *exit_hint(enum stage stage, enum err_code code);

#endif
