#include "server/figures.h"

enum figure_state figures_state(enum catalog_run_state state)
{
    switch (state) {
    case RUN_SUCCESS:
    case RUN_DEGRADED:
        return FIGURE_SUCCESS;
    case RUN_INCOMPLETE:
        return FIGURE_INCOMPLETE;
    case RUN_FAILED:
    case RUN_INTERRUPTED:
        return FIGURE_FAILURE;
    case RUN_QUEUED:
    case RUN_RUNNING:
    case RUN_CANCELLED:
    case RUN_SKIPPED:
    case RUN_STATES:
        break;
    }
    return FIGURE_UNFINISHED;
}

enum figure_kind figures_kind(enum catalog_run_kind kind)
{
    switch (kind) {
    case RUN_BACKUP:
        return FIGURE_BACKUP;
    case RUN_DRILL:
        return FIGURE_DRILL;
    case RUN_RESTORE:
        return FIGURE_RESTORE;
    case RUN_RETENTION:
        return FIGURE_RETENTION;
    case RUN_VERIFY:
    case RUN_PRUNE:
    case RUN_COPY:
    case RUN_EXPORT:
    case RUN_IMPORT:
    case RUN_CHECK:
    case RUN_PUSH:
    case RUN_KINDS:
        break;
    }
    return FIGURE_OTHER;
}
