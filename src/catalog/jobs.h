/*
 * The queue of jobs.  Part of catalog.h.
 *
 * A job is work that waits or is under way; each attempt at it is a run.  Whoever takes a job holds
 * it for the length of a lease, which heartbeats extend, and with a fencing number, which grows
 * each time the job is taken: every write of a holder carries it, and one that is not the newest is
 * refused.  A holder that cannot extend its lease has to stop its work before the lease ends.
 *
 * When a lease ends without a word the run is "interrupted" and the job waits again, once; a
 * second interruption ends it.  Of all jobs with the same writer one is under way at a time.
 */
#ifndef CATALOG_JOBS_H
#define CATALOG_JOBS_H

#include "catalog/runs.h"

/* Jobs that may wait at a time. */
#define CATALOG_QUEUE_MAX 100

struct catalog_job_request {
    enum catalog_run_kind kind;
    const char *set;
    const char *config;    /* or NULL */
    const char *variant;   /* of the run; or NULL */
    const char *arguments; /* JSON, for whoever does it */
    enum catalog_run_cause cause;
    const char *requested_by;
    int64_t not_before_ns; /* 0: at once */
    const char *bound_to;  /* the one host that can do it; NULL: any that has the set */
    const char *writer;    /* one job at a time with the same text, a set's name; NULL: no matter */
    /* A text that only one job ever has, "CONFIG@INSTANT" of a schedule; NULL: none.  It is
     * remembered as long as the job (catalog_job_forget). */
    const char *dedup;
    int attempts_max;   /* 1: no second one after a failure; 0 counts as 1 */
    int64_t backoff_ms; /* before the second attempt; doubles with each, 1 hour at most */
};

struct catalog_job_ids {
    char job[CATALOG_ID_SIZE];
    char run[CATALOG_ID_SIZE]; /* of its present attempt */
    bool is_new;               /* false: dedup was known already, and nothing was added */
};

/*
 * Add a job and its first run.  Restores, their plans and ways back come before all else that may
 * begin, then what somebody asked for, then what is due by itself; those alike by age.
 * ERR_TRANSIENT "the queue is full" when as many wait as may.
 */
MUST_CHECK bool catalog_job_enqueue(struct catalog_tx *t, const struct catalog_job_request *q,
                                    struct catalog_job_ids *out, struct err *e);

struct catalog_job {
    const char *id, *run;
    enum catalog_run_kind kind;
    const char *set, *config, *arguments, *requested_by;
    enum catalog_run_cause cause;
    int64_t attempt;  /* from 1 */
    int64_t fence;    /* of its holder */
    int64_t lease_ns; /* when the lease ends */
    const char *holder;
    bool is_cancelled; /* somebody asked for it */
};

/*
 * Somebody who hears of a job that ends because nobody does it, with the last run of it and what is
 * recorded: in the transaction that ends it, which may be repeated (catalog_write), so that what is
 * written there is there once.  A failure of it leaves the job as it was.
 */
struct catalog_job_listener {
    bool (*given_up)(struct catalog_tx *t, void *arg, const struct catalog_job *j,
                     const struct catalog_outcome *o, struct err *e);
    void *arg;
};

/* What somebody who takes jobs says of itself. */
struct catalog_job_offer {
    const char *holder; /* "host:pid", for people */
    const char *place;  /* the host; jobs that are bound to others are left alone */
    int lease_ms;
    /* What its configuration has; jobs of other sets are left to those who have them.  NULL: any,
     * for the only one there is. */
    const char *const *sets;
    size_t set_count;
    const struct catalog_job_listener *listener; /* or NULL */
};

/*
 * Take the most urgent job that may begin, if there is one (*found): its run is running.  Ends
 * leases that are over on the way; one that ends its job for good is left to those who have the
 * set, since only they know whom to tell, until nobody has been heard of for CATALOG_WAIT_DAYS.
 */
MUST_CHECK bool catalog_job_claim(struct catalog *c, const struct catalog_job_offer *o,
                                  struct arena *a, struct catalog_job *out, bool *found,
                                  struct err *e);

/* A job in the hands of its holder. */
struct catalog_job_hold {
    const char *id;
    int64_t fence;
};

/*
 * Extend the lease from now on, tell how far the work is (JSON; NULL: no news) and hear whether
 * somebody asked to cancel it.  ERR_DENIED: the job is not the caller's any more, and its work has
 * to stop.
 */
MUST_CHECK bool catalog_job_extend(struct catalog *c, const struct catalog_job_hold *h,
                                   int lease_ms, const char *progress, bool *is_cancelled,
                                   struct err *e);

/* Keep what its process told so far as the log of the run, instead of what was kept before: UTF-8
 * without NUL, at most CATALOG_LOG_MAX bytes.  ERR_DENIED as with extend. */
MUST_CHECK bool catalog_job_log(struct catalog_tx *t, const struct catalog_job_hold *h,
                                const char *log, struct err *e);

/* What becomes of a job when its holder is done with it. */
struct catalog_job_end {
    struct catalog_outcome outcome;
    bool may_retry; /* a failure that may not come again */
};
/*
 * End the run; the job is done, or it waits for its next attempt (*is_queued_again) when
 * the outcome is RUN_FAILED, may_retry is set, attempts are left and nobody asked to cancel.
 * ERR_DENIED as with extend: then nothing was recorded.  In the caller's transaction, so that
 * other things happen with it or not at all.
 */
MUST_CHECK bool catalog_job_finish(struct catalog_tx *t, const struct catalog_job_hold *h,
                                   const struct catalog_job_end *end, bool *is_queued_again,
                                   struct err *e);

/* Give a job back that was not begun: job and run wait again as if nobody had taken them, for
 * pause_ms at least.  One that somebody asked to cancel is ended. */
MUST_CHECK bool catalog_job_release(struct catalog *c, const struct catalog_job_hold *h,
                                    int pause_ms, struct err *e);

/* That the caller still holds the job: fails as extend does.  What is written in the same
 * transaction is written while the job is held. */
MUST_CHECK bool catalog_job_check(struct catalog_tx *t, const struct catalog_job_hold *h,
                                  struct err *e);

/*
 * Ask that a job be cancelled: one that waits is ended at once, the holder of one under way hears
 * it with its next heartbeat.  One that is done stays as it is; ERR_NOT_FOUND for none.
 */
MUST_CHECK bool catalog_job_cancel(struct catalog_tx *t, const char *id, struct err *e);

/* ERR_NOT_FOUND. */
MUST_CHECK bool catalog_job_get(struct catalog_tx *t, const char *id, struct arena *a,
                                struct catalog_job *out, struct err *e);

struct catalog_job_list {
    struct catalog_job *items;
    size_t count;
};
/* Those under way and waiting, in the order in which they come. */
MUST_CHECK bool catalog_job_list(struct catalog_tx *t, struct arena *a,
                                 struct catalog_job_list *out, struct err *e);

/* End jobs that could begin before a time and that nobody took, nor the job before them: no host
 * has their set any more.  At most 100; *count says how many.  listener: or NULL. */
MUST_CHECK bool catalog_job_give_up(struct catalog_tx *t, int64_t before_ns,
                                    const struct catalog_job_listener *listener, int64_t *count,
                                    struct err *e);

/* Remove jobs that were done before a time, with their dedup. */
MUST_CHECK bool catalog_job_forget(struct catalog_tx *t, int64_t before_ns, int64_t *removed,
                                   struct err *e);

/*
 * Wait until a job was added, may begin by its not_before_ns or became free, or for timeout_ms, or
 * until cancel_is_requested().  May return early; *seen is 0 at first and then what the last call
 * made of it.
 */
MUST_CHECK bool catalog_job_wait(struct catalog *c, int timeout_ms, uint64_t *seen, struct err *e);

/*
 * Wait until some process took a job, told of its progress or its log, gave it back or ended it;
 * the rest as with catalog_job_wait().  In an SQLite catalog only what this process does is heard,
 * and behind some poolers of connections nothing: who needs all looks now and then.
 */
MUST_CHECK bool catalog_job_hear(struct catalog *c, int timeout_ms, uint64_t *seen, struct err *e);

/* How a job is now. */
struct catalog_job_news {
    const char *id, *run;
    bool is_done;         /* else it is under way */
    const char *progress; /* JSON, of the run; or NULL */
    int64_t log_size;     /* characters of its log; 0: none, or nobody asked */
};
struct catalog_job_news_list {
    struct catalog_job_news *items;
    size_t count;
};
#define CATALOG_NEWS_MAX 1000
/* All jobs under way, and those that were done since a time; CATALOG_NEWS_MAX at most, those under
 * way first.  with_logs costs a look at each log. */
MUST_CHECK bool catalog_job_news(struct catalog_tx *t, int64_t since_ns, bool with_logs,
                                 struct arena *a, struct catalog_job_news_list *out, struct err *e);

#endif
