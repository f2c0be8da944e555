#include "job/runner.h"

enum { STATUS_FAILED = 1 };

/* A status that another try may change; 2, 10, 12, 13 and 14 say what a try will say again. */
static bool may_pass(const struct child_outcome *o)
{
    switch (o->state) {
    case CHILD_CONFLICT:
    case CHILD_STALLED:
    case CHILD_INTERRUPTED:
        return true;
    case CHILD_FAILED:
        return o->status == STATUS_FAILED || o->status < 0;
    case CHILD_SUCCEEDED:
    case CHILD_INCOMPLETE:
    case CHILD_DRILL_FAILED:
    case CHILD_REFUSED:
    case CHILD_CANCELLED:
    case CHILD_TIMED_OUT:
        break;
    }
    return false;
}

bool runner_should_retry(const struct runner_retry *policy, const struct child_outcome *o,
                         int attempt, uint32_t salt, int64_t *wait_s)
{
    int64_t wait = policy->wait_s;
    int attempts = policy->attempts;

    if (o->state == CHILD_INTERRUPTED && attempts < 2)
        attempts = 2;
    if (!may_pass(o) || attempt >= attempts)
        return false;
    for (int n = 1; n < attempt && wait < policy->longest_s; n++)
        wait *= 2;
    if (wait > policy->longest_s)
        wait = policy->longest_s;
    *wait_s = wait + (int64_t)((uint64_t)wait * (salt % 256) / 1024);
    return true;
}
