#include "cli/call.h"

int exit_status(enum stage stage, enum err_code code)
{
    const bool is_opening = stage == STAGE_STORE || stage == STAGE_UNLOCK;

    switch (code) {
    case ERR_CANCELLED:
        return EXIT_INTERRUPTED;
    case ERR_CORRUPT:
        return stage == STAGE_SECRET ? EXIT_USAGE : EXIT_DAMAGED;
    case ERR_USAGE:
        return EXIT_USAGE;
    case ERR_NOT_FOUND:
        if (is_opening)
            return EXIT_NO_REPOSITORY;
        break;
    case ERR_DENIED:
        if (stage == STAGE_UNLOCK)
            return EXIT_WRONG_SECRET;
        break;
    case ERR_TRANSIENT:
        if (stage == STAGE_WORK || stage == STAGE_FOREIGN)
            return EXIT_CONFLICT;
        break;
    case ERR_NONE:
    case ERR_EXISTS:
    case ERR_AWAY:
    case ERR_FATAL:
        break;
    }
    /* A password file that is not there is a matter of configuration. */
    return stage == STAGE_COMMAND_LINE || stage == STAGE_SECRET ? EXIT_USAGE : EXIT_FAILED;
}

const char *exit_hint(enum stage stage, enum err_code code)
{
    switch (exit_status(stage, code)) {
    case EXIT_NO_REPOSITORY:
        return "\"holdfast init\" makes a repository; check -r, HOLDFAST_REPOSITORY";
    case EXIT_WRONG_SECRET:
        return "check --key-file, --password-file, --password-command and the HOLDFAST_ variables";
    case EXIT_DAMAGED:
        return stage == STAGE_FOREIGN ? NULL
                                      : "\"holdfast check --read-data\" tells what is damaged and "
                                        "which files that touches";
    case EXIT_CONFLICT:
        return "the same command may succeed later";
    case EXIT_USAGE:
        return stage == STAGE_COMMAND_LINE ? "\"holdfast help\" lists commands and options" : NULL;
    default:
        return NULL;
    }
}
