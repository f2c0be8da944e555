/*
 * Jobs that requests of other applications' APIs ask for and wait for, and what these APIs answer
 * when one came to nothing: {"error": what, "details": sentence}.
 */
#ifndef SERVER_COMPAT_ORDER_H
#define SERVER_COMPAT_ORDER_H

#include "server/auth.h"

/* What is to be done. */
struct order {
    const struct request *r; /* who asks for it */
    enum catalog_run_kind kind;
    const char *set, *config, *variant;
    const char *arguments;       /* JSON */
    const char *bound_to;        /* the one host that can do it; or NULL */
    const char *action, *object; /* of the audit log */
};

/* Queue a job and record who asked for it. */
MUST_CHECK bool order_queue(struct catalog_tx *t, const struct order *o,
                            struct catalog_job_ids *out, struct err *e);

/* A job of this kind and set that waits or runs: its id in out and true in *found.  arguments NULL:
 * any. */
MUST_CHECK bool order_find(struct catalog_tx *t, const struct order *o, char *out, bool *found,
                           struct err *e);

/* How long a request waits for its jobs, all together. */
#define ORDER_WAIT_NS (INT64_C(600) * 1000000000)

/* A job that a request waits for. */
struct order_wait {
    const char *job;
    int64_t until_ns;   /* a time of clock_monotonic_ns() */
    const char *what;   /* the "error" when nothing can be said of the job */
    const json_t *more; /* members of the answer that it goes on; or NULL */
    /* Whether a run that has not ended is all that is waited for; NULL: only its end is. */
    bool (*is_enough)(const struct catalog_run *run);
};

enum order_end {
    ORDER_ENDED, /* or is_enough said so: the run is in *out */
    ORDER_LATER, /* it goes on; nobody listens any more, the time has come, or too many wait */
    ORDER_LOST,  /* nothing can be said of it: *e */
};

/* Wait.  Few requests wait at a time, so that others find a worker: for one too many it is later at
 * once. */
enum order_end order_wait_for(struct request *r, const struct order_wait *w, struct arena *a,
                              struct catalog_run *out, struct err *e);

/*
 * Wait until the job has ended.  False after answering: 202 when it is later or the client does not
 * want to wait; 50x when nothing can be said of it.
 */
MUST_CHECK bool order_await(struct request *r, const struct order_wait *w, struct arena *a,
                            struct catalog_run *out);

/* {"error": text} */
void order_reply_error(struct request *r, unsigned status, const char *text);

/*
 * {"error": what, "details": sentence} of a call that failed: 503 when it may succeed later, else
 * 500.  The log has the error; the client does not.
 */
void order_reply_failure(struct request *r, const char *what, const struct err *e);

/* 500 {"error": what, "details": why} of a run that came to nothing; the request may come again. */
void order_reply_run(struct request *r, const char *what, const struct catalog_run *run);

/* {"success": true, "job": id} and the members of more, or NULL: what a 202 says of a job. */
json_t *order_reply_job(const char *job, const json_t *more);

/* Why a run came to nothing, as far as it says. */
const char *order_run_error(const struct catalog_run *run);

#endif
