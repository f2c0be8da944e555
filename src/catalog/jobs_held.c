/* Jobs in the hands of those who took them, and what others may do to jobs. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/jobs_private.h"
#include "catalog/runs_private.h"
#include "catalog/tx.h"

#define NS_PER_MS        INT64_C(1000000)
#define BACKOFF_MAX_MS   INT64_C(3600000)

#define GIVEN_UP_AT_ONCE 100

void job_row_take(const struct db_result *r, struct job_row *out)
{
    *out = (struct job_row){
        .id = db_get_text(r, 0, 0),
        .run = db_get_text(r, 0, 1),
        .attempts = db_get_number(r, 0, 2),
        .attempts_max = db_get_number(r, 0, 3),
        .backoff_ms = db_get_number(r, 0, 4),
        .interruptions = db_get_number(r, 0, 5),
        .is_cancelled = db_get_number(r, 0, 6) != 0,
    };
}

void job_take(const struct db_result *r, size_t row, struct arena *a, struct catalog_job *out)
{
    *out = (struct catalog_job){
        .id = db_keep_text(r, row, 0, a),
        .run = db_keep_text(r, row, 1, a),
        .kind = (enum catalog_run_kind)catalog_run_kind_find(db_get_text(r, row, 2)),
        .set = db_keep_text(r, row, 3, a),
        .config = db_keep_text(r, row, 4, a),
        .arguments = db_keep_text(r, row, 5, a),
        .requested_by = db_keep_text(r, row, 6, a),
        .cause = (enum catalog_run_cause)catalog_run_cause_find(db_get_text(r, row, 7)),
        .attempt = db_get_number(r, row, 8),
        .fence = db_get_number(r, row, 9),
        .lease_ns = db_get_number(r, row, 10),
        .holder = db_keep_text(r, row, 11, a),
        .is_cancelled = db_get_number(r, row, 12) != 0,
    };
}

/* Holders */

static bool stale_err(const struct catalog_job_hold *h, struct err *e)
{
    return err_set(e, ERR_DENIED, "job %s is not held by this process any more", h->id);
}

/* Lock the row of a job that the caller holds: nobody else takes it before this transaction ends.
 * A lease that is over but that nobody has noticed is still a lease. */
static bool hold_row(struct catalog_tx *t, const struct catalog_job_hold *h, struct db_result *r,
                     struct err *e)
{
    if (!db_run(t->db,
                "UPDATE jobs SET fence = fence WHERE id = $1 AND fence = $2 AND state = 'running'"
                " RETURNING " JOB_ROW,
                DB_VALUES(db_text(h->id), db_number(h->fence)), r, e))
        return false;
    return r->rows == 1 || stale_err(h, e);
}

bool catalog_job_check(struct catalog_tx *t, const struct catalog_job_hold *h, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    return hold_row(t, h, &r, e);
}

struct extension {
    const struct catalog_job_hold *hold;
    int lease_ms;
    const char *progress;
    bool *is_cancelled;
};

static bool extend_work(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct extension *x = arg;
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "UPDATE jobs SET lease_ns = $3 WHERE id = $1 AND fence = $2 AND state = 'running'"
                " RETURNING run_id, cancel_ns",
                DB_VALUES(db_text(x->hold->id), db_number(x->hold->fence),
                          db_number(t->db->now_ns + x->lease_ms * NS_PER_MS)),
                &r, e))
        return false;
    if (r.rows == 0)
        return stale_err(x->hold, e);
    *x->is_cancelled = db_get_number(&r, 0, 1) != 0;
    return x->progress == NULL ||
           (db_change(t->db, "run", "UPDATE runs SET progress = $2 WHERE id = $1",
                      DB_VALUES(db_text(db_get_text(&r, 0, 0)), db_text(x->progress)), e) &&
            db_wake(t->db, DB_BELL_NEWS, e));
}

bool catalog_job_extend(struct catalog *c, const struct catalog_job_hold *h, int lease_ms,
                        const char *progress, bool *is_cancelled, struct err *e)
{
    struct extension x = {h, lease_ms, progress, is_cancelled};

    return catalog_check_document("the progress of a job", progress, e) &&
           catalog_write(c, extend_work, &x, e);
}

bool catalog_job_log(struct catalog_tx *t, const struct catalog_job_hold *h, const char *log,
                     struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    struct job_row j = {0};

    assert(strlen(log) <= CATALOG_LOG_MAX);
    if (!hold_row(t, h, &r, e))
        return false;
    job_row_take(&r, &j);
    return db_change(t->db, "log",
                     "INSERT INTO run_logs (run_id, log) VALUES ($1, $2)"
                     " ON CONFLICT (run_id) DO UPDATE SET log = excluded.log",
                     DB_VALUES(db_text(j.run), db_text(log)), e) &&
           db_wake(t->db, DB_BELL_NEWS, e);
}

/* How long to wait before the attempt that follows this one. */
static int64_t backoff_ns(const struct job_row *j)
{
    int64_t ms = j->backoff_ms;

    for (int64_t n = 1; n < j->attempts && ms < BACKOFF_MAX_MS; n++)
        ms *= 2;
    return (ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS) * NS_PER_MS;
}

bool catalog_job_finish(struct catalog_tx *t, const struct catalog_job_hold *h,
                        const struct catalog_job_end *end, bool *is_queued_again, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    struct job_row j = {0};

    if (!hold_row(t, h, &r, e))
        return false;
    job_row_take(&r, &j);

    const bool again = end->may_retry && end->outcome.state == RUN_FAILED && !j.is_cancelled &&
                       j.attempts < j.attempts_max;
    const int64_t pause_ns = backoff_ns(&j);

    if (!catalog_run_close(t, j.run, &end->outcome, e))
        return false;
    j.attempts++;
    if (!(again ? catalog_job_requeue(t, &j, t->db->now_ns + pause_ns, e)
                : catalog_job_done(t, j.id, e)))
        return false;
    *is_queued_again = again;
    return true;
}

struct release {
    const struct catalog_job_hold *hold;
    int pause_ms;
};

static bool release_work(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct release *x = arg;
    AUTO(db_result) struct db_result r = {0};
    struct job_row j = {0};
    const struct catalog_outcome o = {.state = RUN_CANCELLED, .error_code = "cancelled"};

    if (!hold_row(t, x->hold, &r, e))
        return false;
    job_row_take(&r, &j);
    if (j.is_cancelled)
        return catalog_run_close(t, j.run, &o, e) && catalog_job_done(t, j.id, e);
    return db_change(t->db, "run",
                     "UPDATE runs SET state = 'queued', started_ns = NULL WHERE id = $1",
                     DB_VALUES(db_text(j.run)), e) &&
           db_change(t->db, "job",
                     "UPDATE jobs SET state = 'queued', not_before_ns = $2, holder = NULL,"
                     " lease_ns = NULL WHERE id = $1",
                     DB_VALUES(db_text(j.id), db_number(t->db->now_ns + x->pause_ms * NS_PER_MS)),
                     e) &&
           db_wake(t->db, DB_BELL_QUEUE, e) && db_wake(t->db, DB_BELL_NEWS, e);
}

bool catalog_job_release(struct catalog *c, const struct catalog_job_hold *h, int pause_ms,
                         struct err *e)
{
    struct release x = {h, pause_ms};

    return catalog_write(c, release_work, &x, e);
}

/* Others */

bool catalog_job_cancel(struct catalog_tx *t, const char *id, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    const struct catalog_outcome o = {.state = RUN_CANCELLED, .error_code = "cancelled"};

    if (!db_run(t->db,
                "UPDATE jobs SET cancel_ns = coalesce(cancel_ns, $2) WHERE id = $1"
                " RETURNING state, run_id",
                DB_VALUES(db_text(id), db_number(t->db->now_ns)), &r, e))
        return false;
    if (r.rows == 0)
        return err_set(e, ERR_NOT_FOUND, "no such job");
    if (strcmp(db_get_text(&r, 0, 0), "queued") != 0)
        return true;
    return catalog_run_close(t, db_get_text(&r, 0, 1), &o, e) && catalog_job_done(t, id, e);
}

bool catalog_job_get(struct catalog_tx *t, const char *id, struct arena *a, struct catalog_job *out,
                     struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = $1", DB_VALUES(db_text(id)), &r,
                e))
        return false;
    if (r.rows == 0)
        return err_set(e, ERR_NOT_FOUND, "no such job");
    job_take(&r, 0, a, out);
    return true;
}

bool catalog_job_list(struct catalog_tx *t, struct arena *a, struct catalog_job_list *out,
                      struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT " JOB_COLUMNS " FROM jobs WHERE state IN ('queued', 'running')"
                " ORDER BY CASE state WHEN 'running' THEN 0 ELSE 1 END, priority DESC, created_ns,"
                " id",
                DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        job_take(&r, i, a, &out->items[i]);
    return true;
}

bool catalog_job_end_alone(struct catalog_tx *t, const char *id, const struct catalog_outcome *o,
                           const struct catalog_job_listener *listener, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_job j;

    return catalog_job_get(t, id, &a, &j, e) && catalog_run_close(t, j.run, o, e) &&
           catalog_job_done(t, j.id, e) &&
           (listener == NULL || listener->given_up(t, listener->arg, &j, o, e));
}

bool catalog_job_give_up(struct catalog_tx *t, int64_t before_ns,
                         const struct catalog_job_listener *listener, int64_t *count, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    const struct catalog_outcome o = {
        .state = RUN_FAILED,
        .error_code = "no-host",
        .error = "no host whose configuration has the set took the job",
    };

    /* Rows are locked by raising their fence: nobody takes them meanwhile. */
    if (!db_run(t->db,
                "UPDATE jobs SET fence = fence + 1 WHERE id IN (SELECT q.id FROM jobs q"
                " WHERE q.state = 'queued' AND q.created_ns < $1 AND q.not_before_ns < $1"
                " AND NOT EXISTS (SELECT 1 FROM jobs w WHERE w.writer = q.writer"
                "  AND w.state = 'running') ORDER BY q.id LIMIT $2)"
                " AND state = 'queued' RETURNING id",
                DB_VALUES(db_number(before_ns), db_number(GIVEN_UP_AT_ONCE)), &r, e))
        return false;
    for (size_t i = 0; i < r.rows; i++)
        if (!catalog_job_end_alone(t, db_get_text(&r, i, 0), &o, listener, e))
            return false;
    *count = (int64_t)r.rows;
    return true;
}

bool catalog_job_forget(struct catalog_tx *t, int64_t before_ns, int64_t *removed, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "DELETE FROM jobs WHERE state = 'done' AND ended_ns < $1",
                DB_VALUES(db_number(before_ns)), &r, e))
        return false;
    *removed = r.changed;
    return true;
}

/* How long until a job that waits for its time may begin, or a lease is over; at most limit_ms.
 * One that is over already and was left to others is nothing to wait for. */
static bool next_due(struct catalog *c, int limit_ms, int *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(db_result) struct db_result r = {0};
    int64_t ms = limit_ms;

    if (!catalog_begin_read(c, &t, e) ||
        !db_run(t->db,
                "SELECT min(due) FROM (SELECT min(not_before_ns) AS due FROM jobs"
                " WHERE state = 'queued' AND not_before_ns > $1"
                " UNION ALL SELECT min(lease_ns) + 1 FROM jobs WHERE state = 'running'"
                "  AND lease_ns >= $1) AS times",
                DB_VALUES(db_number(t->db->now_ns)), &r, e))
        return false;
    if (db_get_number(&r, 0, 0) != 0)
        ms = (db_get_number(&r, 0, 0) - t->db->now_ns) / NS_PER_MS + 1;
    *out = ms < 0 ? 0 : ms < limit_ms ? (int)ms : limit_ms;
    return true;
}

bool catalog_job_wait(struct catalog *c, int timeout_ms, uint64_t *seen, struct err *e)
{
    int due_ms = 0;

    return next_due(c, timeout_ms, &due_ms, e) && db_wait(c->db, DB_BELL_QUEUE, due_ms, seen, e);
}

/* News */

bool catalog_job_hear(struct catalog *c, int timeout_ms, uint64_t *seen, struct err *e)
{
    return db_wait(c->db, DB_BELL_NEWS, timeout_ms, seen, e);
}

bool catalog_job_news(struct catalog_tx *t, int64_t since_ns, bool with_logs, struct arena *a,
                      struct catalog_job_news_list *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT j.id, j.run_id, j.state, r.progress,"
                " CASE WHEN $2 = 1 THEN length(l.log) ELSE NULL END"
                " FROM jobs j JOIN runs r ON r.id = j.run_id"
                " LEFT JOIN run_logs l ON l.run_id = j.run_id"
                " WHERE j.state = 'running' OR (j.state = 'done' AND j.ended_ns >= $1)"
                " ORDER BY j.state DESC, j.created_ns DESC, j.id LIMIT $3",
                DB_VALUES(db_number(since_ns), db_number(with_logs), db_number(CATALOG_NEWS_MAX)),
                &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        out->items[i] = (struct catalog_job_news){
            .id = db_keep_text(&r, i, 0, a),
            .run = db_keep_text(&r, i, 1, a),
            .is_done = strcmp(db_get_text(&r, i, 2), "done") == 0,
            .progress = db_keep_text(&r, i, 3, a),
            .log_size = db_get_number(&r, i, 4),
        };
    return true;
}
