/*
 * What the files of the POS service's API share.
 */
#ifndef SERVER_COMPAT_POS_PRIVATE_H
#define SERVER_COMPAT_POS_PRIVATE_H

#include "server/compat/pos.h"
#include "server/reply.h"
#include "server/service.h"

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

/* Who asks, as runs and the audit log call it. */
#define POS_ACTOR_MAX 160
void pos_order_actor(const struct request *r, char out[POS_ACTOR_MAX]);

/* What is to be done. */
struct pos_order {
    enum catalog_run_kind kind;
    const char *set, *config, *variant;
    const char *arguments; /* JSON */
    const char *actor;
    const char *action, *object; /* of the audit log */
    const char *key;             /* Idempotency-Key of the request; or NULL */
};

/* Queue a job and record who asked for it; a request that is repeated with its key within a day
 * gets the same job, also when the process that took it died before it could answer. */
MUST_CHECK bool pos_order_queue(struct catalog_tx *t, const struct pos_order *o,
                                struct catalog_job_ids *out, struct err *e);

/* A job of this kind and set that waits or runs: its id in out and true in *found.  arguments NULL:
 * any. */
MUST_CHECK bool pos_order_find(struct catalog_tx *t, const struct pos_order *o, char *out,
                               bool *found, struct err *e);

/* How long a request waits for its jobs, all together. */
#define POS_ORDER_WAIT_NS (INT64_C(600) * 1000000000)

enum pos_wait {
    POS_ENDED,
    POS_LATER, /* still under way; or the client does not want to wait */
    POS_LOST,  /* nothing can be said of it: *e */
};

/*
 * Wait until a job has ended, a time of clock_monotonic_ns() has come, or nobody listens any more.
 * Few requests wait at a time, so that others find a worker: one too many is told POS_LATER.
 */
enum pos_wait pos_order_await(struct request *r, const char *job, int64_t until_ns, struct arena *a,
                              struct catalog_run *out, struct err *e);

/* 202 {"success": true, "job": id, ...}; takes over more, an object, or NULL. */
void pos_reply_later(struct request *r, const char *job, json_t *more);

/* pos_record.c: what ran, as that API shows it; more of it in pos.h. */

/* The same of a set that has a configuration; "full" when there is none. */
MUST_CHECK bool pos_record_type_of(struct catalog_tx *t, const char *config, const char **out,
                                   struct err *e);

/* Of the handlers. */
route_fn pos_configs_get, pos_configs_post, pos_configs_put, pos_configs_delete;
route_fn pos_backup_create, pos_backup_restore_point;
route_fn pos_history_get, pos_history_stats;
route_fn pos_proof_verify, pos_proof_restore;
route_fn pos_retention_apply;
route_fn pos_trial_test;

#endif
