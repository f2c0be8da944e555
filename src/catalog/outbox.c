/* Messages that are still to be sent. */
#include "catalog/outbox.h"

#include <string.h>

#include <assert.h>

#include "catalog/tx.h"

#define NS_PER_MS INT64_C(1000000)

static const char *const states[OUTBOX_STATES] = {
    [OUTBOX_WAITING] = "waiting",
    [OUTBOX_SENT] = "sent",
    [OUTBOX_FAILED] = "failed",
};

const char *catalog_message_state_name(enum catalog_message_state state)
{
    return states[state];
}

bool catalog_outbox_room(struct catalog_tx *t, size_t *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT count(*) FROM outbox WHERE state = 'waiting'", DB_NO_VALUES, &r, e))
        return false;

    const int64_t waiting = db_get_number(&r, 0, 0);

    *out = waiting < CATALOG_OUTBOX_MAX ? (size_t)(CATALOG_OUTBOX_MAX - waiting) : 0;
    return true;
}

static bool check_room(struct catalog_tx *t, struct err *e)
{
    size_t room = 0;

    return catalog_outbox_room(t, &room, e) &&
           (room > 0 ||
            err_set(e, ERR_TRANSIENT, "%d messages wait to be sent", CATALOG_OUTBOX_MAX));
}

bool catalog_outbox_add(struct catalog_tx *t, const struct catalog_message *m, bool *is_new,
                        struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    char id[CATALOG_ID_SIZE];

    catalog_id_new(id);
    if (!catalog_check_document("a message", m->payload, e) || !check_room(t, e) ||
        !db_run(t->db,
                "INSERT INTO outbox (id, run_id, channel, recipient, payload, state, attempts,"
                " fence, next_ns, dedup, created_ns)"
                " VALUES ($1, $2, $3, $4, $5, 'waiting', 0, 0, $6, $7, $8)"
                " ON CONFLICT (dedup) DO NOTHING",
                DB_VALUES(db_text(id), db_text(m->run), db_text(m->channel), db_text(m->recipient),
                          db_text(m->payload), db_number(m->next_ns), db_text(m->dedup),
                          db_number(t->db->now_ns)),
                &r, e))
        return false;
    *is_new = r.changed == 1;
    return !*is_new || db_wake(t->db, DB_BELL_QUEUE, e);
}

#define COLUMNS                                                                                    \
    "id, run_id, channel, recipient, payload, state, attempts, fence, next_ns, error, created_ns," \
    " ended_ns"

static void take_messages(const struct db_result *r, struct arena *a,
                          struct catalog_message_list *out)
{
    out->count = r->rows;
    out->items = arena_take(a, r->rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r->rows; i++)
        out->items[i] = (struct catalog_message){
            .id = db_keep_text(r, i, 0, a),
            .run = db_keep_text(r, i, 1, a),
            .channel = db_keep_text(r, i, 2, a),
            .recipient = db_keep_text(r, i, 3, a),
            .payload = db_keep_text(r, i, 4, a),
            .state = (enum catalog_message_state)catalog_name_number(states, OUTBOX_STATES,
                                                                     db_get_text(r, i, 5)),
            .attempts = db_get_number(r, i, 6),
            .fence = db_get_number(r, i, 7),
            .next_ns = db_get_number(r, i, 8),
            .error = db_keep_text(r, i, 9, a),
            .created_ns = db_get_number(r, i, 10),
            .ended_ns = db_get_number(r, i, 11),
        };
}

#define CHOICE                                                                         \
    "SELECT id FROM outbox WHERE state = 'waiting' AND next_ns <= $1 ORDER BY next_ns" \
    " LIMIT $2"
#define TAKE_CHOSEN(choice)                                                      \
    "UPDATE outbox SET fence = fence + 1, attempts = attempts + 1, next_ns = $3" \
    " WHERE state = 'waiting' AND next_ns <= $1 AND id IN (" choice ") RETURNING " COLUMNS

struct claim {
    size_t limit;
    int lease_ms;
    struct arena *arena;
    struct catalog_message_list *out;
};

static bool claim_work(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct claim *c = arg;
    AUTO(db_result) struct db_result r = {0};
    const char *sql = db_kind(t->db->db) == DB_POSTGRES
                          ? TAKE_CHOSEN(CHOICE " FOR UPDATE SKIP LOCKED")
                          : TAKE_CHOSEN(CHOICE);

    if (!db_run(t->db, sql,
                DB_VALUES(db_number(t->db->now_ns), db_number((int64_t)c->limit),
                          db_number(t->db->now_ns + c->lease_ms * NS_PER_MS)),
                &r, e))
        return false;
    take_messages(&r, c->arena, c->out);
    return true;
}

bool catalog_outbox_claim(struct catalog *c, size_t limit, int lease_ms, struct arena *a,
                          struct catalog_message_list *out, struct err *e)
{
    struct claim claim = {limit, lease_ms, a, out};

    assert(limit >= 1 && limit <= 100);
    return catalog_write(c, claim_work, &claim, e);
}

bool catalog_outbox_done(struct catalog_tx *t, const struct catalog_message *m,
                         const struct catalog_message_result *r, struct err *e)
{
    AUTO(db_result) struct db_result changed = {0};
    const bool is_over = r->state != OUTBOX_WAITING;

    if (!db_run(t->db,
                "UPDATE outbox SET state = $3, next_ns = $4, error = $5, ended_ns = $6"
                " WHERE id = $1 AND fence = $2 AND state = 'waiting'",
                DB_VALUES(db_text(m->id), db_number(m->fence), db_text(states[r->state]),
                          db_number(r->next_ns), db_text(r->error),
                          db_time(is_over ? t->db->now_ns : 0)),
                &changed, e))
        return false;
    return changed.changed == 1 ||
           err_set(e, ERR_DENIED, "message %s was taken by somebody else", m->id);
}

bool catalog_outbox_list(struct catalog_tx *t, int state, const struct catalog_page *p,
                         struct arena *a, struct catalog_message_list *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT " COLUMNS " FROM outbox WHERE ($1 = '' OR state = $1)"
                " AND created_ns <= $2 AND (created_ns < $2 OR id < $3)"
                " ORDER BY created_ns DESC, id DESC LIMIT $4 OFFSET $5",
                DB_VALUES(db_text(state >= 0 ? states[state] : ""),
                          db_number(p->after_ns != 0 ? p->after_ns : INT64_MAX),
                          db_text(p->after_id != NULL ? p->after_id : ""),
                          db_number((int64_t)p->limit), db_number((int64_t)p->offset)),
                &r, e))
        return false;
    take_messages(&r, a, out);
    return true;
}

bool catalog_outbox_count(struct catalog_tx *t, int64_t out[OUTBOX_STATES], struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT state, count(*) FROM outbox GROUP BY state", DB_NO_VALUES, &r, e))
        return false;
    memset(out, 0, OUTBOX_STATES * sizeof(*out));
    for (size_t i = 0; i < r.rows; i++) {
        const int state = catalog_name_number(states, OUTBOX_STATES, db_get_text(&r, i, 0));

        if (state >= 0)
            out[state] = db_get_number(&r, i, 1);
    }
    return true;
}

bool catalog_outbox_due(struct catalog_tx *t, int limit_ms, int *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    int64_t ms = limit_ms;

    if (!db_run(t->db, "SELECT count(*), min(next_ns) FROM outbox WHERE state = 'waiting'",
                DB_NO_VALUES, &r, e))
        return false;
    if (db_get_number(&r, 0, 0) > 0)
        ms = (db_get_number(&r, 0, 1) - t->db->now_ns + NS_PER_MS - 1) / NS_PER_MS;
    *out = ms < 0 ? 0 : ms < limit_ms ? (int)ms : limit_ms;
    return true;
}

bool catalog_outbox_forget(struct catalog_tx *t, int64_t before_ns, int64_t *removed, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "DELETE FROM outbox WHERE state <> 'waiting' AND ended_ns < $1",
                DB_VALUES(db_number(before_ns)), &r, e))
        return false;
    *removed = r.changed;
    return true;
}
