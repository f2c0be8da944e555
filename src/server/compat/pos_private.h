/*
 * What the files of the POS service's API share.
 */
#ifndef SERVER_COMPAT_POS_PRIVATE_H
#define SERVER_COMPAT_POS_PRIVATE_H

#include "server/auth.h"
#include "server/compat/pos.h"

/* pos_reply.c: answers in the words of that API. */

/* For rows of its table. */
route_refuse_fn pos_reply_refuse;

/* {"error": text} */
void pos_reply_error(struct request *r, unsigned status, const char *text);

/*
 * {"error": what, "details": sentence} of a call that failed: 503 when it may succeed later, else
 * 500.  The log has the error; the client does not.
 */
void pos_reply_failure(struct request *r, const char *what, const struct err *e);

/* {"success": true, "message": text} */
void pos_reply_done(struct request *r, const char *text);

/* 404 for what has no row. */
route_fn pos_reply_nowhere;

/*
 * The body as an object with the fields of a table, or NULL when there is none.  False after
 * answering with 400.
 */
MUST_CHECK bool pos_reply_body(struct request *r, const struct field *table, const json_t **out);

/* pos_order.c: jobs, and waiting for them. */

/* What is to be done. */
struct pos_order {
    const struct request *r; /* who asks for it */
    enum catalog_run_kind kind;
    const char *set, *config, *variant;
    const char *arguments;       /* JSON */
    const char *action, *object; /* of the audit log */
};

/* Queue a job and record who asked for it. */
MUST_CHECK bool pos_order_queue(struct catalog_tx *t, const struct pos_order *o,
                                struct catalog_job_ids *out, struct err *e);

/* A job of this kind and set that waits or runs: its id in out and true in *found.  arguments NULL:
 * any. */
MUST_CHECK bool pos_order_find(struct catalog_tx *t, const struct pos_order *o, char *out,
                               bool *found, struct err *e);

/* How long a request waits for its jobs, all together. */
#define POS_ORDER_WAIT_NS (INT64_C(600) * 1000000000)

/* A job that a request waits for. */
struct pos_wait {
    const char *job;
    int64_t until_ns;   /* a time of clock_monotonic_ns() */
    const char *what;   /* the "error" when nothing can be said of the job */
    const json_t *more; /* members of the answer that it goes on; or NULL */
};

/*
 * Wait until the job has ended.  False after answering: 202 when the time has come, nobody listens
 * any more or the client does not want to wait; 50x when nothing can be said of it.  Few requests
 * wait at a time, so that others find a worker: one too many is answered with 202, too.
 */
MUST_CHECK bool pos_order_await(struct request *r, const struct pos_wait *w, struct arena *a,
                                struct catalog_run *out);

/* {"success": true, "job": id} and the members of more, or NULL: what a 202 says of a job. */
json_t *pos_reply_job(const char *job, const json_t *more);

/* 500 {"error": what, "details": why} of a run that came to nothing; the request may come again. */
void pos_reply_run(struct request *r, const char *what, const struct catalog_run *run);

/* pos_record.c: what ran, as that API shows it; more of it in pos.h. */

/* The same of a set that has a configuration; "full" when there is none. */
MUST_CHECK bool pos_record_type_of(struct catalog_tx *t, const char *config, const char **out,
                                   struct err *e);

/* Why a run came to nothing, as far as it says. */
const char *pos_record_error(const struct catalog_run *run);

/* Of the handlers. */
route_fn pos_configs_get, pos_configs_post, pos_configs_put, pos_configs_delete;
route_fn pos_backup_create, pos_backup_restore_point;
route_fn pos_history_get, pos_history_stats;
route_fn pos_proof_verify, pos_proof_restore;
route_fn pos_retention_apply;
route_fn pos_trial_test;

#endif
