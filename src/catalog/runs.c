/* Runs: adding, ending, finding, counting. */
#include "catalog/runs.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "catalog/runs_private.h"
#include "catalog/tx.h"

static const char *const kinds[RUN_KINDS] = {
    [RUN_BACKUP] = "backup",   [RUN_VERIFY] = "verify",       [RUN_DRILL] = "drill",
    [RUN_RESTORE] = "restore", [RUN_RETENTION] = "retention", [RUN_PRUNE] = "prune",
    [RUN_COPY] = "copy",       [RUN_EXPORT] = "export",       [RUN_IMPORT] = "import",
    [RUN_CHECK] = "check",     [RUN_PUSH] = "push",
};

static const char *const states[RUN_STATES] = {
    [RUN_QUEUED] = "queued",         [RUN_RUNNING] = "running",         [RUN_SUCCESS] = "success",
    [RUN_INCOMPLETE] = "incomplete", [RUN_DEGRADED] = "degraded",       [RUN_FAILED] = "failed",
    [RUN_CANCELLED] = "cancelled",   [RUN_INTERRUPTED] = "interrupted", [RUN_SKIPPED] = "skipped",
};

static const char *const causes[RUN_CAUSES] = {
    [CAUSE_MANUAL] = "manual",
    [CAUSE_SCHEDULE] = "schedule",
    [CAUSE_API] = "api",
    [CAUSE_CATCH_UP] = "catch-up",
};

const char *catalog_run_kind_name(enum catalog_run_kind kind)
{
    return kinds[kind];
}

const char *catalog_run_state_name(enum catalog_run_state state)
{
    return states[state];
}

const char *catalog_run_cause_name(enum catalog_run_cause cause)
{
    return causes[cause];
}

int catalog_run_kind_find(const char *name)
{
    return catalog_name_number(kinds, RUN_KINDS, name);
}

int catalog_run_state_find(const char *name)
{
    return catalog_name_number(states, RUN_STATES, name);
}

int catalog_run_cause_find(const char *name)
{
    return catalog_name_number(causes, RUN_CAUSES, name);
}

/* Writing */

static bool check_outcome(const struct catalog_outcome *o, struct err *e)
{
    return catalog_check_document("the details of a run", o->details, e);
}

bool catalog_run_add(struct catalog_tx *t, const struct catalog_run *r,
                     char new_id[CATALOG_ID_SIZE], struct err *e)
{
    const struct catalog_outcome *o = &r->outcome;
    const int64_t created = r->created_ns != 0 ? r->created_ns : t->db->now_ns;
    char made[CATALOG_ID_SIZE] = "";
    const char *id = r->id;

    if (!check_outcome(o, e) || !catalog_check_text("the name of a set", r->set, 200, e))
        return false;
    if (id == NULL) {
        catalog_id_new(made);
        memcpy(new_id, made, sizeof(made));
        id = made;
    }
    if (!db_run(t->db,
                "INSERT INTO runs (id, job_id, attempt, config_id, set_name, kind, variant, state,"
                " cause, requested_by, created_ns, started_ns, ended_ns, snapshot, verdict, bytes,"
                " bytes_added, files, checksum, error_code, error, details)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
                " $17, $18, $19, $20, $21, $22)",
                DB_VALUES(db_text(id), db_text(r->job), db_number(r->attempt), db_text(r->config),
                          db_text(r->set), db_text(kinds[r->kind]), db_text(r->variant),
                          db_text(states[o->state]), db_text(causes[r->cause]),
                          db_text(r->requested_by), db_number(created), db_time(r->started_ns),
                          db_time(r->ended_ns), db_text(o->snapshot), db_text(o->verdict),
                          db_number(o->bytes), db_number(o->bytes_added), db_number(o->files),
                          db_text(o->checksum), db_text(o->error_code), db_text(o->error),
                          db_text(o->details)),
                NULL, e))
        return err_wrap(e, "run %s", id);
    if (!catalog_run_state_is_final(o->state))
        return true;

    const struct run_end end = {r->set, r->kind, id, r->ended_ns != 0 ? r->ended_ns : created};

    return catalog_set_learn(t, &end, o, e);
}

/* What a run is, for the sake of its set. */
static bool run_of(struct catalog_tx *t, const char *id, struct db_result *r, struct run_end *end,
                   struct err *e)
{
    if (!db_run(t->db, "SELECT set_name, kind FROM runs WHERE id = $1", DB_VALUES(db_text(id)), r,
                e))
        return false;
    if (r->rows == 0)
        return err_set(e, ERR_NOT_FOUND, "no such run");
    *end = (struct run_end){db_get_text(r, 0, 0),
                            (enum catalog_run_kind)catalog_run_kind_find(db_get_text(r, 0, 1)), id,
                            t->db->now_ns};
    return true;
}

bool catalog_run_close(struct catalog_tx *t, const char *id, const struct catalog_outcome *o,
                       struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    struct run_end end = {0};

    assert(catalog_run_state_is_final(o->state));
    return check_outcome(o, e) && run_of(t, id, &r, &end, e) &&
           db_change(t->db, "run under way",
                     "UPDATE runs SET state = $2, ended_ns = $3, snapshot = $4, verdict = $5,"
                     " bytes = $6, bytes_added = $7, files = $8, checksum = $9, error_code = $10,"
                     " error = $11, details = $12"
                     " WHERE id = $1 AND state IN ('queued', 'running')",
                     DB_VALUES(db_text(id), db_text(states[o->state]), db_number(end.ended_ns),
                               db_text(o->snapshot), db_text(o->verdict), db_number(o->bytes),
                               db_number(o->bytes_added), db_number(o->files), db_text(o->checksum),
                               db_text(o->error_code), db_text(o->error), db_text(o->details)),
                     e) &&
           catalog_set_learn(t, &end, o, e);
}

bool catalog_run_end(struct catalog_tx *t, const char *id, const struct catalog_outcome *o,
                     struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT job_id FROM runs WHERE id = $1", DB_VALUES(db_text(id)), &r, e))
        return false;
    if (r.rows == 1 && db_get_text(&r, 0, 0) != NULL)
        return err_set(e, ERR_USAGE, "run %s belongs to a job", id);
    return catalog_run_close(t, id, o, e);
}

/* Reading */

#define COLUMNS                                                                                  \
    "id, job_id, attempt, config_id, set_name, kind, variant, state, cause, requested_by,"       \
    " created_ns, started_ns, ended_ns, snapshot, verdict, bytes, bytes_added, files, checksum," \
    " error_code, error, progress, details"

static void take_run(const struct db_result *r, size_t row, struct arena *a,
                     struct catalog_run *out)
{
    *out = (struct catalog_run){
        .id = db_keep_text(r, row, 0, a),
        .job = db_keep_text(r, row, 1, a),
        .attempt = db_get_number(r, row, 2),
        .config = db_keep_text(r, row, 3, a),
        .set = db_keep_text(r, row, 4, a),
        .kind = (enum catalog_run_kind)catalog_run_kind_find(db_get_text(r, row, 5)),
        .variant = db_keep_text(r, row, 6, a),
        .cause = (enum catalog_run_cause)catalog_run_cause_find(db_get_text(r, row, 8)),
        .requested_by = db_keep_text(r, row, 9, a),
        .created_ns = db_get_number(r, row, 10),
        .started_ns = db_get_number(r, row, 11),
        .ended_ns = db_get_number(r, row, 12),
        .progress = db_keep_text(r, row, 21, a),
        .outcome =
            {
                .state = (enum catalog_run_state)catalog_run_state_find(db_get_text(r, row, 7)),
                .snapshot = db_keep_text(r, row, 13, a),
                .verdict = db_keep_text(r, row, 14, a),
                .bytes = db_get_number(r, row, 15),
                .bytes_added = db_get_number(r, row, 16),
                .files = db_get_number(r, row, 17),
                .checksum = db_keep_text(r, row, 18, a),
                .error_code = db_keep_text(r, row, 19, a),
                .error = db_keep_text(r, row, 20, a),
                .details = db_keep_text(r, row, 22, a),
            },
    };
}

bool catalog_run_get(struct catalog_tx *t, const char *id, struct arena *a, struct catalog_run *out,
                     struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " COLUMNS " FROM runs WHERE id = $1", DB_VALUES(db_text(id)), &r, e))
        return false;
    if (r.rows == 0)
        return err_set(e, ERR_NOT_FOUND, "no such run");
    take_run(&r, 0, a, out);
    return true;
}

/*
 * The filter is the same everywhere but for the column that an index leads to: SQLite chooses its
 * index without knowing the values, so what is asked most has a statement of its own.
 */
#define FILTER                                                                                \
    " ($1 = '' OR config_id = $1) AND ($2 = '' OR set_name = $2) AND ($3 = '' OR state = $3)" \
    " AND ($4 = '' OR kind = $4) AND ($5 = '' OR job_id = $5) AND ($6 = '' OR snapshot = $6)" \
    " AND created_ns >= $7 AND created_ns < $8"                                               \
    " AND ($9 = 0 OR state NOT IN ('queued', 'running'))"
/* The latest time is one bound ($8) together with until: SQLite uses only one of two. */
#define BEFORE " AND (created_ns < $10 OR id < $11)"
#define ORDER  " ORDER BY created_ns DESC, id DESC LIMIT $12 OFFSET $13"

struct statements {
    const char *list, *count;
};
#define STATEMENTS(first)                                                \
    {                                                                    \
        "SELECT " COLUMNS " FROM runs WHERE " first FILTER BEFORE ORDER, \
            "SELECT count(*) FROM runs WHERE " first FILTER,             \
    }

static const struct statements *statements_of(const struct catalog_run_filter *f)
{
    static const struct statements by_snapshot = STATEMENTS("snapshot = $6 AND");
    static const struct statements by_job = STATEMENTS("job_id = $5 AND");
    static const struct statements by_config = STATEMENTS("config_id = $1 AND");
    static const struct statements by_set = STATEMENTS("set_name = $2 AND");
    static const struct statements by_set_and_kind = STATEMENTS("set_name = $2 AND kind = $4 AND");
    static const struct statements by_state = STATEMENTS("state = $3 AND");
    static const struct statements by_kind = STATEMENTS("kind = $4 AND");
    static const struct statements by_time = STATEMENTS("");

    return f->snapshot != NULL              ? &by_snapshot
           : f->job != NULL                 ? &by_job
           : f->config != NULL              ? &by_config
           : f->set != NULL && f->kind >= 0 ? &by_set_and_kind
           : f->set != NULL                 ? &by_set
           : f->state >= 0                  ? &by_state
           : f->kind >= 0                   ? &by_kind
                                            : &by_time;
}

/* Nothing is the empty text, since a parameter has one type in all places. */
static struct db_value text_or_all(const char *text)
{
    return db_text(text != NULL ? text : "");
}

#define FILTER_VALUES(f, before)                                                      \
    text_or_all((f)->config), text_or_all((f)->set),                                  \
        text_or_all((f)->state >= 0 ? states[(f)->state] : NULL),                     \
        text_or_all((f)->kind >= 0 ? kinds[(f)->kind] : NULL), text_or_all((f)->job), \
        text_or_all((f)->snapshot), db_number((f)->from_ns), db_number(before),       \
        db_number((f)->is_ended)

/* Created before this. */
static int64_t limit_of(const struct catalog_run_filter *f, const struct catalog_page *p)
{
    const int64_t until = f->until_ns != 0 ? f->until_ns : INT64_MAX;

    return p->after_ns != 0 && p->after_ns < until ? p->after_ns + 1 : until;
}

/* Whether the filter looks at anything but this text of its own. */
static bool has_more_than(const struct catalog_run_filter *f, const char *only)
{
    return (f->config != NULL && f->config != only) || (f->set != NULL && f->set != only) ||
           f->job != NULL || f->snapshot != NULL || f->kind >= 0 || f->state >= 0 ||
           f->from_ns != 0 || f->until_ns != 0 || f->is_ended;
}

/* Whether it is the history of one kind of runs of a set. */
static bool is_history(const struct catalog_run_filter *f)
{
    struct catalog_run_filter rest = *f;

    rest.kind = -1;
    rest.is_ended = false;
    return f->set != NULL && f->kind >= 0 && f->is_ended && !has_more_than(&rest, f->set);
}

/* A page far into a history.  The rows before it are counted off in an index alone: that needs a
 * query that names nothing but its columns. */
static bool list_history(struct catalog_tx *t, const struct catalog_run_filter *f,
                         const struct catalog_page *p, struct db_result *r, struct err *e)
{
    return db_run(t->db,
                  "SELECT " COLUMNS " FROM runs WHERE id IN (SELECT id FROM runs"
                  " WHERE set_name = $1 AND kind = $2 AND state NOT IN ('queued', 'running')"
                  " ORDER BY created_ns DESC, id DESC LIMIT $3 OFFSET $4)"
                  " ORDER BY created_ns DESC, id DESC",
                  DB_VALUES(db_text(f->set), db_text(kinds[f->kind]), db_number((int64_t)p->limit),
                            db_number((int64_t)p->offset)),
                  r, e);
}

static bool list_any(struct catalog_tx *t, const struct catalog_run_filter *f,
                     const struct catalog_page *p, struct db_result *r, struct err *e)
{
    const struct db_value values[] = {
        FILTER_VALUES(f, limit_of(f, p)), db_number(p->after_ns != 0 ? p->after_ns : INT64_MAX),
        text_or_all(p->after_id),         db_number((int64_t)p->limit),
        db_number((int64_t)p->offset),
    };

    return db_run(t->db, statements_of(f)->list, values, sizeof(values) / sizeof(values[0]), r, e);
}

bool catalog_run_list(struct catalog_tx *t, const struct catalog_run_filter *f,
                      const struct catalog_page *p, struct arena *a, struct catalog_run_list *out,
                      struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    const bool is_deep = p->offset > 0 && p->after_ns == 0 && is_history(f);

    assert(p->limit >= 1 && p->limit <= 1000);
    if (!(is_deep ? list_history : list_any)(t, f, p, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        take_run(&r, i, a, &out->items[i]);
    return true;
}

static bool count_one(struct catalog_tx *t, const char *sql, const struct db_value *values,
                      size_t count, int64_t *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, sql, values, count, &r, e))
        return false;
    *out = db_get_number(&r, 0, 0);
    return true;
}

bool catalog_run_count(struct catalog_tx *t, const struct catalog_run_filter *f, int64_t *out,
                       struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    /* What pages of lists ask for is answered from an index alone. */
    if (!has_more_than(f, f->config))
        return f->config == NULL ? count_one(t, "SELECT count(*) FROM runs", DB_NO_VALUES, out, e)
                                 : count_one(t, "SELECT count(*) FROM runs WHERE config_id = $1",
                                             DB_VALUES(db_text(f->config)), out, e);
    if (f->set != NULL && !has_more_than(f, f->set))
        return count_one(t, "SELECT count(*) FROM runs WHERE set_name = $1",
                         DB_VALUES(db_text(f->set)), out, e);
    if (is_history(f))
        return count_one(t,
                         "SELECT coalesce(max(runs), 0) FROM run_counts WHERE set_name = $1"
                         " AND kind = $2",
                         DB_VALUES(db_text(f->set), db_text(kinds[f->kind])), out, e);
    if (!db_run(t->db, statements_of(f)->count,
                DB_VALUES(FILTER_VALUES(f, limit_of(f, &(struct catalog_page){0}))), &r, e))
        return false;
    *out = db_get_number(&r, 0, 0);
    return true;
}

bool catalog_run_sum(struct catalog_tx *t, int64_t from_ns, int64_t until_ns, struct arena *a,
                     struct catalog_run_sums *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT kind, variant, state, count(*), CAST(sum(bytes) AS BIGINT),"
                " CAST(coalesce(sum((ended_ns - started_ns) / 1000000), 0) AS BIGINT)"
                " FROM runs WHERE created_ns >= $1 AND created_ns < $2"
                " GROUP BY kind, variant, state ORDER BY kind, variant, state",
                DB_VALUES(db_number(from_ns), db_number(until_ns != 0 ? until_ns : INT64_MAX)), &r,
                e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        out->items[i] = (struct catalog_run_sum){
            .kind = (enum catalog_run_kind)catalog_run_kind_find(db_get_text(&r, i, 0)),
            .variant = db_keep_text(&r, i, 1, a),
            .state = (enum catalog_run_state)catalog_run_state_find(db_get_text(&r, i, 2)),
            .runs = db_get_number(&r, i, 3),
            .bytes = db_get_number(&r, i, 4),
            .seconds = db_get_number(&r, i, 5) / 1000,
        };
    return true;
}

bool catalog_run_tally(struct catalog_tx *t, struct arena *a, struct catalog_run_tally_list *out,
                       struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT set_name, kind, state, count(*) FROM runs GROUP BY set_name, kind, state"
                " ORDER BY set_name, kind, state",
                DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        out->items[i] = (struct catalog_run_tally){
            .set = db_keep_text(&r, i, 0, a),
            .kind = (enum catalog_run_kind)catalog_run_kind_find(db_get_text(&r, i, 1)),
            .state = (enum catalog_run_state)catalog_run_state_find(db_get_text(&r, i, 2)),
            .runs = db_get_number(&r, i, 3),
        };
    return true;
}

bool catalog_run_log_get(struct catalog_tx *t, const char *id, struct arena *a, const char **out,
                         struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT log FROM run_logs WHERE run_id = $1", DB_VALUES(db_text(id)), &r, e))
        return false;
    *out = r.rows == 0 ? "" : db_keep_text(&r, 0, 0, a);
    return true;
}

bool catalog_run_forget(struct catalog_tx *t, int64_t before_ns, int64_t limit, int64_t *removed,
                        struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "DELETE FROM runs WHERE id IN (SELECT r.id FROM runs r WHERE r.created_ns < $1"
                " AND r.ended_ns < $1 AND r.state NOT IN ('queued', 'running')"
                " AND NOT EXISTS (SELECT 1 FROM sets s WHERE s.success_run = r.id)"
                " AND NOT EXISTS (SELECT 1 FROM restore_points p WHERE p.run_id = r.id)"
                " AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.run_id = r.id)"
                " ORDER BY r.created_ns LIMIT $2) RETURNING set_name, kind",
                DB_VALUES(db_number(before_ns), db_number(limit)), &r, e))
        return false;
    for (size_t i = 0; i < r.rows; i++)
        if (!db_run(
                t->db, "UPDATE run_counts SET runs = runs - 1 WHERE set_name = $1 AND kind = $2",
                DB_VALUES(db_text(db_get_text(&r, i, 0)), db_text(db_get_text(&r, i, 1))), NULL, e))
            return false;
    *removed = (int64_t)r.rows;
    return true;
}
