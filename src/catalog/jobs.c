/*
 * The queue: adding jobs, taking them, and what happens when those who took them are gone.
 *
 * The one statement that the databases do not share is the choice of a job.  PostgreSQL skips rows
 * that another transaction is about to take; SQLite has one transaction at a time.  Between two
 * claims that take different jobs of one writer at the same moment the unique index on running
 * writers decides: the second fails, begins anew, and finds the writer at work.
 */
#include "catalog/jobs.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/cleaning.h"
#include "catalog/jobs_private.h"
#include "catalog/runs_private.h"
#include "catalog/tx.h"
#include "codec/json.h"

#define CLAIM_TRIES     20 /* against claims of one writer at the same moment */
#define INTERRUPTED_MAX 1  /* times that a job waits again after its lease ended */
#define EXPIRED_AT_ONCE 100
#define DAY_NS          (INT64_C(86400) * NS_PER_S)

/* Adding */

/* Whether there is a job with this dedup; out then names it. */
static bool find_known(struct catalog_tx *t, const struct catalog_job_request *q,
                       struct catalog_job_ids *out, bool *found, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    *found = false;
    if (q->dedup == NULL)
        return true;
    if (!db_run(t->db, "SELECT id, run_id FROM jobs WHERE dedup = $1", DB_VALUES(db_text(q->dedup)),
                &r, e))
        return false;
    *found = r.rows == 1;
    if (*found) {
        *out = (struct catalog_job_ids){.is_new = false};
        memcpy(out->job, db_get_text(&r, 0, 0), CATALOG_ID_SIZE);
        memcpy(out->run, db_get_text(&r, 0, 1), CATALOG_ID_SIZE);
    }
    return true;
}

static bool check_room(struct catalog_tx *t, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT count(*) FROM jobs WHERE state = 'queued'", DB_NO_VALUES, &r, e))
        return false;
    return db_get_number(&r, 0, 0) < CATALOG_QUEUE_MAX ||
           err_set(e, ERR_TRANSIENT, "the queue is full: %d jobs wait", CATALOG_QUEUE_MAX);
}

/* Higher first. */
enum { PRIORITY_DUE = 0, PRIORITY_ASKED = 10, PRIORITY_RESTORE = 20 };

/* Whoever needs something back waits for nothing that could as well be later. */
static int priority_of(const struct catalog_job_request *q)
{
    if (q->kind == RUN_RESTORE)
        return PRIORITY_RESTORE;
    return q->cause == CAUSE_API || q->cause == CAUSE_MANUAL ? PRIORITY_ASKED : PRIORITY_DUE;
}

static bool insert_job(struct catalog_tx *t, const struct catalog_job_request *q,
                       const struct catalog_job_ids *ids, struct err *e)
{
    return db_run(
        t->db,
        "INSERT INTO jobs (id, run_id, kind, set_name, config_id, arguments, cause, requested_by,"
        " state, priority, not_before_ns, place, writer, dedup, attempts, attempts_max, backoff_ms,"
        " interruptions, fence, created_ns)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10, $11, $12, $13, 1, $14, $15,"
        " 0, 0, $16)",
        DB_VALUES(db_text(ids->job), db_text(ids->run), db_text(catalog_run_kind_name(q->kind)),
                  db_text(q->set), db_text(q->config), db_text(q->arguments),
                  db_text(catalog_run_cause_name(q->cause)), db_text(q->requested_by),
                  db_number(priority_of(q)), db_number(q->not_before_ns), db_text(q->bound_to),
                  db_text(q->writer), db_text(q->dedup),
                  db_number(q->attempts_max > 1 ? q->attempts_max : 1), db_number(q->backoff_ms),
                  db_number(t->db->now_ns)),
        NULL, e);
}

bool catalog_job_enqueue(struct catalog_tx *t, const struct catalog_job_request *q,
                         struct catalog_job_ids *out, struct err *e)
{
    struct catalog_job_ids ids = {.is_new = true};
    bool is_known = false;

    if (!catalog_check_document("the arguments of a job", q->arguments, e))
        return false;
    /* One at a time adds, so that neither the bound nor dedup depends on luck. */
    if (!db_change(t->db, "turn", "UPDATE turns SET count = count + 1 WHERE name = 'queue'",
                   DB_NO_VALUES, e) ||
        !find_known(t, q, out, &is_known, e))
        return false;
    if (is_known)
        return true;

    catalog_id_new(ids.job);

    const struct catalog_run run = {
        .job = ids.job,
        .attempt = 1,
        .config = q->config,
        .set = q->set,
        .kind = q->kind,
        .variant = q->variant,
        .cause = q->cause,
        .requested_by = q->requested_by,
        .outcome.state = RUN_QUEUED,
    };

    if (!check_room(t, e) || !catalog_run_add(t, &run, ids.run, e) || !insert_job(t, q, &ids, e) ||
        !db_wake(t->db, DB_BELL_QUEUE, e))
        return false;
    *out = ids;
    return true;
}

/* A further run of a job that waits again. */
bool catalog_job_requeue(struct catalog_tx *t, const struct job_row *j, int64_t not_before_ns,
                         struct err *e)
{
    char run[CATALOG_ID_SIZE];

    catalog_id_new(run);
    return db_change(t->db, "run",
                     "INSERT INTO runs (id, job_id, attempt, config_id, set_name, kind, variant,"
                     " state, cause, requested_by, created_ns, bytes, bytes_added, files)"
                     " SELECT $2, job_id, attempt + 1, config_id, set_name, kind, variant,"
                     " 'queued', cause, requested_by, $3, 0, 0, 0 FROM runs WHERE id = $1",
                     DB_VALUES(db_text(j->run), db_text(run), db_number(t->db->now_ns)), e) &&
           db_change(t->db, "job",
                     "UPDATE jobs SET state = 'queued', run_id = $2, not_before_ns = $3,"
                     " holder = NULL, lease_ns = NULL, attempts = $4, interruptions = $5"
                     " WHERE id = $1",
                     DB_VALUES(db_text(j->id), db_text(run), db_number(not_before_ns),
                               db_number(j->attempts), db_number(j->interruptions)),
                     e) &&
           db_wake(t->db, DB_BELL_QUEUE, e) && db_wake(t->db, DB_BELL_NEWS, e);
}

bool catalog_job_done(struct catalog_tx *t, const char *id, struct err *e)
{
    /* The fence moves on, so that nothing of a former holder is taken any more. */
    return db_change(t->db, "job",
                     "UPDATE jobs SET state = 'done', ended_ns = $2, holder = NULL,"
                     " lease_ns = NULL, fence = fence + 1 WHERE id = $1",
                     DB_VALUES(db_text(id), db_number(t->db->now_ns)), e) &&
           db_wake(t->db, DB_BELL_QUEUE, e) && db_wake(t->db, DB_BELL_NEWS, e);
}

/* What an offer is about */

/* The sets of an offer are a list in JSON, or "null" for any: $2. */
#define OFFERED_SQLITE   "($2 = 'null' OR q.set_name IN (SELECT value FROM json_each($2)))"
#define OFFERED_POSTGRES "($2 = 'null' OR CAST($2 AS jsonb) ? q.set_name)"

/* A lease that is over, at $1.  What follows for good is told by those who have the set; $3 is when
 * one that is still there would be too old to wait for them. */
#define LEASE_OVER(offered)                                                              \
    "q.state = 'running' AND q.lease_ns < $1 AND (q.interruptions < 1 OR q.cancel_ns IS" \
    " NOT NULL OR q.lease_ns < $3 OR " offered ")"
static_assert(INTERRUPTED_MAX == 1, "stands in LEASE_OVER");

struct claim {
    const struct catalog_job_offer *offer;
    const char *sets; /* of the offer, as JSON */
    struct arena *arena;
    struct catalog_job *out;
    bool *found;
};

static void put_sets(const struct catalog_job_offer *o, struct buf *out)
{
    AUTO(json) json_t *list = json_array();

    for (size_t i = 0; i < o->set_count; i++)
        json_array_append_new(list, json_string(o->sets[i]));
    if (o->sets == NULL)
        buf_printf(out, "null");
    else
        json_append(list, out);
}

/* The statement for the database that there is. */
static const char *sql_for(const struct catalog_tx *t, const char *sqlite, const char *postgres)
{
    return db_kind(t->db->db) == DB_POSTGRES ? postgres : sqlite;
}

static int64_t too_old_ns(const struct catalog_tx *t)
{
    return t->db->now_ns - CATALOG_WAIT_DAYS * DAY_NS;
}

/* Leases that are over */

static bool interrupt(struct catalog_tx *t, const struct job_row *j,
                      const struct catalog_job_listener *listener, struct err *e)
{
    const struct catalog_outcome o = {
        .state = j->is_cancelled ? RUN_CANCELLED : RUN_INTERRUPTED,
        .error_code = j->is_cancelled ? "cancelled" : "interrupted",
        .error = "the process that did it has not been heard of any more",
    };
    struct job_row next = *j;

    if (j->is_cancelled || j->interruptions >= INTERRUPTED_MAX)
        return catalog_job_end_alone(t, j->id, &o, listener, e);
    next.interruptions++;
    return catalog_run_close(t, j->run, &o, e) && catalog_job_requeue(t, &next, 0, e);
}

/* End the leases that are over and not left to others.  Rows are locked by raising their fence: a
 * holder that extends at the same moment is either before it, and the lease is not over, or
 * refused. */
static bool expire(struct catalog_tx *t, const struct claim *c, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                sql_for(t,
                        "SELECT q.id FROM jobs q WHERE " LEASE_OVER(
                            OFFERED_SQLITE) " ORDER BY q.id LIMIT $4",
                        "SELECT q.id FROM jobs q WHERE " LEASE_OVER(
                            OFFERED_POSTGRES) " ORDER BY q.id LIMIT $4"),
                DB_VALUES(db_number(t->db->now_ns), db_text(c->sets), db_number(too_old_ns(t)),
                          db_number(EXPIRED_AT_ONCE)),
                &r, e))
        return false;
    for (size_t i = 0; i < r.rows; i++) {
        AUTO(db_result) struct db_result row = {0};
        struct job_row j = {0};

        if (!db_run(t->db,
                    "UPDATE jobs SET fence = fence + 1 WHERE id = $1 AND state = 'running'"
                    " AND lease_ns < $2 RETURNING " JOB_ROW,
                    DB_VALUES(db_text(db_get_text(&r, i, 0)), db_number(t->db->now_ns)), &row, e))
            return false;
        if (row.rows == 0)
            continue;
        job_row_take(&row, &j);
        if (!interrupt(t, &j, c->offer->listener, e))
            return false;
    }
    return true;
}

/* Taking */

#define MAY_TAKE(offered, place)                    \
    " q.state = 'queued' AND q.not_before_ns <= $1" \
    " AND (q.place IS NULL OR q.place = " place ") AND " offered
#define CHOICE(offered)                                                                      \
    "SELECT q.id FROM jobs q WHERE" MAY_TAKE(                                                \
        offered,                                                                             \
        "$3") " AND (q.writer IS NULL OR NOT EXISTS (SELECT 1 FROM jobs w WHERE w.writer = " \
              "q.writer"                                                                     \
              "  AND w.state = 'running'))"                                                  \
              " ORDER BY q.priority DESC, q.created_ns, q.id LIMIT 1"
#define TAKE_CHOSEN(choice)                                                            \
    "UPDATE jobs SET state = 'running', fence = fence + 1, holder = $4, lease_ns = $5" \
    " WHERE state = 'queued' AND id = (" choice ") RETURNING " JOB_COLUMNS

static bool claim_work(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct claim *c = arg;
    AUTO(db_result) struct db_result r = {0};
    const int64_t now = t->db->now_ns;
    const int64_t lease = now + (int64_t)c->offer->lease_ms * INT64_C(1000000);
    const char *sql = sql_for(t, TAKE_CHOSEN(CHOICE(OFFERED_SQLITE)),
                              TAKE_CHOSEN(CHOICE(OFFERED_POSTGRES) " FOR UPDATE SKIP LOCKED"));

    *c->found = false;
    if (!expire(t, c, e) ||
        !db_run(t->db, sql,
                DB_VALUES(db_number(now), db_text(c->sets),
                          db_text(c->offer->place != NULL ? c->offer->place : ""),
                          db_text(c->offer->holder), db_number(lease)),
                &r, e))
        return false;
    if (r.rows == 0)
        return true;
    job_take(&r, 0, c->arena, c->out);
    *c->found = true;
    return db_change(t->db, "run",
                     "UPDATE runs SET state = 'running', started_ns = $2 WHERE id = $1"
                     " AND state = 'queued'",
                     DB_VALUES(db_text(c->out->run), db_number(now)), e) &&
           db_wake(t->db, DB_BELL_NEWS, e);
}

#define WORK(offered) \
    "SELECT count(*) FROM jobs q WHERE (" MAY_TAKE(offered, "$4") ") OR (" LEASE_OVER(offered) ")"

/* Nothing is written when there is nothing to do, and nobody has to wait for that. */
static bool has_work(struct catalog *c, const struct claim *n, bool *has, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(db_result) struct db_result r = {0};
    const char *place = n->offer->place != NULL ? n->offer->place : "";

    if (!catalog_begin_read(c, &t, e) ||
        !db_run(t->db, sql_for(t, WORK(OFFERED_SQLITE), WORK(OFFERED_POSTGRES)),
                DB_VALUES(db_number(t->db->now_ns), db_text(n->sets), db_number(too_old_ns(t)),
                          db_text(place)),
                &r, e))
        return false;
    *has = db_get_number(&r, 0, 0) > 0;
    return true;
}

bool catalog_job_claim(struct catalog *c, const struct catalog_job_offer *o, struct arena *a,
                       struct catalog_job *out, bool *found, struct err *e)
{
    AUTO(buf) struct buf sets = {0};
    struct claim claim = {.offer = o, .arena = a, .out = out, .found = found};
    bool has = false;

    *found = false;
    put_sets(o, &sets);
    claim.sets = buf_string(&sets);
    if (!has_work(c, &claim, &has, e))
        return false;
    for (int try = 1; has; try++) {
        if (catalog_write(c, claim_work, &claim, e))
            return true;
        if (e->code != ERR_EXISTS || try == CLAIM_TRIES)
            return false;
    }
    return true;
}
