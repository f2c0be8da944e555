/* Answers to requests that clients may repeat. */
#include "catalog/idempotency.h"

#include <string.h>

#include "base/clock.h"
#include "catalog/tx.h"

#define RUNNING_S 60 /* whoever began it is gone then */

struct beginning {
    const struct catalog_request *request;
    struct arena *arena;
    struct catalog_answer *out;
};

/* What is known of the request; *is_new tells that it is this one's to do. */
static bool begin_work(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct beginning *b = arg;
    const struct catalog_request *q = b->request;
    const int64_t now = t->db->now_ns;
    AUTO(db_result) struct db_result made = {0};
    AUTO(db_result) struct db_result r = {0};

    /* A row whose time is over is as good as none. */
    if (!db_run(t->db,
                "INSERT INTO idempotency (principal, name, request, created_ns, expires_ns)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (principal, name) DO UPDATE SET"
                " request = excluded.request, created_ns = excluded.created_ns,"
                " expires_ns = excluded.expires_ns, status = NULL, answer = NULL"
                " WHERE idempotency.expires_ns <= $4"
                " OR (idempotency.status IS NULL AND idempotency.request = $3"
                "  AND idempotency.created_ns <= $6)",
                DB_VALUES(db_text(q->principal), db_text(q->name), db_text(q->hash), db_number(now),
                          db_number(now + CATALOG_IDEMPOTENCY_S * NS_PER_S),
                          db_number(now - RUNNING_S * NS_PER_S)),
                &made, e))
        return false;
    *b->out = (struct catalog_answer){.state = REQUEST_NEW};
    if (made.changed == 1)
        return true;
    if (!db_run(t->db,
                "SELECT request, status, answer FROM idempotency"
                " WHERE principal = $1 AND name = $2",
                DB_VALUES(db_text(q->principal), db_text(q->name)), &r, e))
        return false;
    if (r.rows == 0 || strcmp(db_get_text(&r, 0, 0), q->hash) != 0)
        b->out->state = REQUEST_OTHER;
    else if (db_get_number(&r, 0, 1) == 0)
        b->out->state = REQUEST_RUNNING;
    else
        *b->out = (struct catalog_answer){REQUEST_DONE, db_get_number(&r, 0, 1),
                                          db_keep_text(&r, 0, 2, b->arena)};
    return true;
}

bool catalog_request_begin(struct catalog *c, const struct catalog_request *r, struct arena *a,
                           struct catalog_answer *out, struct err *e)
{
    struct beginning b = {r, a, out};

    return catalog_check_text("an idempotency key", r->name, 200, e) &&
           catalog_write(c, begin_work, &b, e);
}

bool catalog_request_end(struct catalog_tx *t, const struct catalog_request *r, int64_t status,
                         const char *text, struct err *e)
{
    return db_change(t->db, "request under way",
                     "UPDATE idempotency SET status = $3, answer = $4"
                     " WHERE principal = $1 AND name = $2 AND request = $5"
                     " AND (status IS NULL OR (status = 202 AND $3 = 200))",
                     DB_VALUES(db_text(r->principal), db_text(r->name), db_number(status),
                               db_text(text), db_text(r->hash)),
                     e);
}

bool catalog_request_forget(struct catalog_tx *t, const struct catalog_request *r, struct err *e)
{
    return db_run(t->db,
                  "DELETE FROM idempotency WHERE principal = $1 AND name = $2 AND status IS NULL"
                  " AND request = $3",
                  DB_VALUES(db_text(r->principal), db_text(r->name), db_text(r->hash)), NULL, e);
}

bool catalog_request_drop(struct catalog_tx *t, const struct catalog_request *r, struct err *e)
{
    return db_run(t->db,
                  "DELETE FROM idempotency WHERE principal = $1 AND name = $2 AND request = $3",
                  DB_VALUES(db_text(r->principal), db_text(r->name), db_text(r->hash)), NULL, e);
}

bool catalog_request_clean(struct catalog_tx *t, int64_t *removed, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "DELETE FROM idempotency WHERE expires_ns <= $1",
                DB_VALUES(db_number(t->db->now_ns)), &r, e))
        return false;
    *removed = r.changed;
    return true;
}
