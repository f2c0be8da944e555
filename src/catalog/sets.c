/* What is known of sets, and restore points. */
#include <string.h>

#include "base/clock.h"
#include "catalog/runs_private.h"
#include "catalog/tx.h"

/* Sets */

/* A time further ahead than this was noted by a clock that was wrong, and keeps nothing that came
 * after it from being learnt. */
#define AHEAD_MAX_NS (INT64_C(25) * 3600 * NS_PER_S)

/* A backup of a set succeeded, even if it is not all that it could be, or it did not. */
static bool learn_backup(struct catalog_tx *t, const struct run_end *end, bool is_success,
                         struct err *e)
{
    const int64_t absurd_ns = t->db->now_ns + AHEAD_MAX_NS;

    if (is_success)
        return db_run(t->db,
                      "UPDATE sets SET success_ns = $2, success_run = $3, updated_ns = $4,"
                      /* A failure that came after it is one still. */
                      " failures = CASE WHEN coalesce(failure_ns, 0) <= $2 OR failure_ns > $5"
                      "  THEN 0 ELSE failures END,"
                      " failure_ns = CASE WHEN failure_ns > $5 THEN NULL ELSE failure_ns END"
                      " WHERE name = $1 AND (coalesce(success_ns, 0) <= $2 OR success_ns > $5)",
                      DB_VALUES(db_text(end->set), db_number(end->ended_ns), db_text(end->id),
                                db_number(t->db->now_ns), db_number(absurd_ns)),
                      NULL, e);
    /* One from before the last success or failure, which comes late, says nothing new. */
    return db_run(t->db,
                  "UPDATE sets SET failure_ns = $2, failures = failures + 1, updated_ns = $3"
                  " WHERE name = $1 AND (coalesce(success_ns, 0) <= $2 OR success_ns > $4)"
                  " AND (coalesce(failure_ns, 0) <= $2 OR failure_ns > $4)",
                  DB_VALUES(db_text(end->set), db_number(end->ended_ns), db_number(t->db->now_ns),
                            db_number(absurd_ns)),
                  NULL, e);
}

static bool learn_verdict(struct catalog_tx *t, const struct run_end *end, const char *verdict,
                          struct err *e)
{
    const bool is_proven = strcmp(verdict, "proven") == 0;

    if (!is_proven && strcmp(verdict, "verified") != 0)
        return true;
    /* What is proven is verified as well. */
    return db_run(t->db,
                  "UPDATE sets SET updated_ns = $3,"
                  " verified_ns = CASE WHEN coalesce(verified_ns, 0) < $2 OR verified_ns > $5"
                  "  THEN $2 ELSE verified_ns END,"
                  " proven_ns = CASE WHEN $4 = 1"
                  "  AND (coalesce(proven_ns, 0) < $2 OR proven_ns > $5) THEN $2"
                  "  ELSE proven_ns END WHERE name = $1",
                  DB_VALUES(db_text(end->set), db_number(end->ended_ns), db_number(t->db->now_ns),
                            db_number(is_proven), db_number(t->db->now_ns + AHEAD_MAX_NS)),
                  NULL, e);
}

static bool make_set(struct catalog_tx *t, const char *name, struct err *e)
{
    return db_run(t->db,
                  "INSERT INTO sets (name, failures, updated_ns) VALUES ($1, 0, $2)"
                  " ON CONFLICT (name) DO NOTHING",
                  DB_VALUES(db_text(name), db_number(t->db->now_ns)), NULL, e);
}

/* Ended runs are counted as they end. */
static bool count_run(struct catalog_tx *t, const struct run_end *end, struct err *e)
{
    return db_run(t->db,
                  "INSERT INTO run_counts (set_name, kind, runs) VALUES ($1, $2, 1)"
                  " ON CONFLICT (set_name, kind) DO UPDATE SET runs = run_counts.runs + 1",
                  DB_VALUES(db_text(end->set), db_text(catalog_run_kind_name(end->kind))), NULL, e);
}

bool catalog_set_learn(struct catalog_tx *t, const struct run_end *end,
                       const struct catalog_outcome *o, struct err *e)
{
    if (!make_set(t, end->set, e) || !count_run(t, end, e))
        return false;
    if (o->verdict != NULL && !learn_verdict(t, end, o->verdict, e))
        return false;
    if ((end->kind != RUN_BACKUP && end->kind != RUN_PUSH) || o->state == RUN_SKIPPED ||
        o->state == RUN_CANCELLED)
        return true;
    return learn_backup(t, end, catalog_outcome_is_success(o), e);
}

#define COLUMNS                                                                    \
    "name, success_ns, success_run, failure_ns, failures, verified_ns, proven_ns," \
    " pause_reason"

static void take_set(const struct db_result *r, size_t row, struct arena *a,
                     struct catalog_set *out)
{
    *out = (struct catalog_set){
        .name = db_keep_text(r, row, 0, a),
        .success_ns = db_get_number(r, row, 1),
        .success_run = db_keep_text(r, row, 2, a),
        .failure_ns = db_get_number(r, row, 3),
        .failures = db_get_number(r, row, 4),
        .verified_ns = db_get_number(r, row, 5),
        .proven_ns = db_get_number(r, row, 6),
        .pause_reason = db_keep_text(r, row, 7, a),
    };
}

bool catalog_set_get(struct catalog_tx *t, const char *name, struct arena *a,
                     struct catalog_set *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " COLUMNS " FROM sets WHERE name = $1", DB_VALUES(db_text(name)), &r,
                e))
        return false;
    if (r.rows == 1)
        take_set(&r, 0, a, out);
    else
        *out = (struct catalog_set){.name = arena_string(a, slice_string(name))};
    return true;
}

bool catalog_set_list(struct catalog_tx *t, struct arena *a, struct catalog_set_list *out,
                      struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " COLUMNS " FROM sets ORDER BY name", DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        take_set(&r, i, a, &out->items[i]);
    return true;
}

/* Whatever ended has a row of its set, from which one step in an index leads to the drill: the
 * histories are not read. */
bool catalog_drill_list(struct catalog_tx *t, struct arena *a, struct catalog_drill_list *out,
                        struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT set_name, id, state, ended_ns FROM runs WHERE id IN"
                " (SELECT (SELECT d.id FROM runs d WHERE d.set_name = s.name AND d.kind = 'drill'"
                "   AND d.state IN ('success', 'incomplete', 'degraded', 'failed')"
                "   ORDER BY d.created_ns DESC, d.id DESC LIMIT 1) FROM sets s)",
                DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        out->items[i] = (struct catalog_drill){
            .set = db_keep_text(&r, i, 0, a),
            .run = db_keep_text(&r, i, 1, a),
            .state = (enum catalog_run_state)catalog_run_state_find(db_get_text(&r, i, 2)),
            .ended_ns = db_get_number(&r, i, 3),
        };
    return true;
}

bool catalog_set_pause(struct catalog_tx *t, const char *name, const char *reason, struct err *e)
{
    return catalog_check_text("the name of a set", name, 200, e) &&
           (reason == NULL || catalog_check_text("the reason of a pause", reason, 500, e)) &&
           make_set(t, name, e) &&
           db_change(t->db, "set",
                     "UPDATE sets SET pause_reason = $2, updated_ns = $3 WHERE name = $1",
                     DB_VALUES(db_text(name), db_text(reason), db_number(t->db->now_ns)), e);
}

/* Restore points */

bool catalog_restore_point_add(struct catalog_tx *t, const struct catalog_restore_point *p,
                               char id[CATALOG_ID_SIZE], struct err *e)
{
    char made[CATALOG_ID_SIZE];

    catalog_id_new(made);
    if (!catalog_check_text("the description of a restore point", p->description, 1000, e) ||
        !db_run(t->db,
                "INSERT INTO restore_points (id, run_id, snapshot, description, is_verified,"
                " created_by, created_ns, expires_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                DB_VALUES(db_text(made), db_text(p->run), db_text(p->snapshot),
                          db_text(p->description), db_number(p->is_verified),
                          db_text(p->created_by), db_number(t->db->now_ns), db_time(p->expires_ns)),
                NULL, e))
        return false;
    memcpy(id, made, sizeof(made));
    return true;
}

bool catalog_restore_point_set(struct catalog_tx *t, const char *id, const char *snapshot,
                               bool is_verified, struct err *e)
{
    return db_change(t->db, "restore point",
                     "UPDATE restore_points SET snapshot = $2, is_verified = $3 WHERE id = $1",
                     DB_VALUES(db_text(id), db_text(snapshot), db_number(is_verified)), e);
}

bool catalog_restore_point_list(struct catalog_tx *t, const struct catalog_page *p, struct arena *a,
                                struct catalog_restore_point_list *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT id, run_id, snapshot, description, is_verified, created_by, created_ns,"
                " expires_ns FROM restore_points"
                " WHERE created_ns <= $1 AND (created_ns < $1 OR id < $2)"
                " ORDER BY created_ns DESC, id DESC LIMIT $3 OFFSET $4",
                DB_VALUES(db_number(p->after_ns != 0 ? p->after_ns : INT64_MAX),
                          db_text(p->after_id != NULL ? p->after_id : ""),
                          db_number((int64_t)p->limit), db_number((int64_t)p->offset)),
                &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        out->items[i] = (struct catalog_restore_point){
            .id = db_keep_text(&r, i, 0, a),
            .run = db_keep_text(&r, i, 1, a),
            .snapshot = db_keep_text(&r, i, 2, a),
            .description = db_keep_text(&r, i, 3, a),
            .is_verified = db_get_number(&r, i, 4) != 0,
            .created_by = db_keep_text(&r, i, 5, a),
            .created_ns = db_get_number(&r, i, 6),
            .expires_ns = db_get_number(&r, i, 7),
        };
    return true;
}

bool catalog_restore_point_remove(struct catalog_tx *t, const char *id, struct err *e)
{
    return db_change(t->db, "restore point", "DELETE FROM restore_points WHERE id = $1",
                     DB_VALUES(db_text(id)), e);
}
