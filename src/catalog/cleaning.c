/* Removing what is over. */
#include "catalog/cleaning.h"

#include "base/clock.h"
#include "catalog/tx.h"

#define DAY_NS       (INT64_C(86400) * NS_PER_S)
#define RUNS_AT_ONCE 200
#define ROUNDS_MAX   100

static bool clean_jobs(struct catalog_tx *t, void *arg, struct err *e)
{
    int64_t removed = 0;

    return catalog_job_give_up(t, t->db->now_ns - CATALOG_WAIT_DAYS * DAY_NS, arg, &removed, e) &&
           catalog_job_forget(t, t->db->now_ns - CATALOG_JOB_DAYS * DAY_NS, &removed, e) &&
           catalog_outbox_forget(t, t->db->now_ns - CATALOG_MESSAGE_DAYS * DAY_NS, &removed, e);
}

static bool clean_identity(struct catalog_tx *t, void *arg, struct err *e)
{
    int64_t removed = 0;

    (void)arg;
    return catalog_request_clean(t, &removed, e) && catalog_session_forget(t, e) &&
           catalog_login_forget(t, e);
}

static bool clean_runs(struct catalog_tx *t, void *arg, struct err *e)
{
    return catalog_run_forget(t, t->db->now_ns - CATALOG_RUN_DAYS * DAY_NS, RUNS_AT_ONCE, arg, e);
}

bool catalog_clean(struct catalog *c, const struct catalog_job_listener *listener, struct err *e)
{
    struct catalog_job_listener copy = {0};
    int64_t removed = RUNS_AT_ONCE;

    if (listener != NULL)
        copy = *listener;
    /* Jobs first: what they name stays. */
    if (!catalog_write(c, clean_jobs, listener == NULL ? NULL : &copy, e) ||
        !catalog_write(c, clean_identity, NULL, e))
        return false;
    for (int i = 0; i < ROUNDS_MAX && removed == RUNS_AT_ONCE; i++)
        if (!catalog_write(c, clean_runs, &removed, e))
            return false;
    return true;
}
