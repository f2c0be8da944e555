/* Settings, schedules, stores. */
#include "catalog/settings.h"

#include "catalog/tx.h"

/* Settings */

bool catalog_setting_put(struct catalog_tx *t, const char *name, const char *value,
                         const char *category, struct err *e)
{
    return catalog_check_text("the name of a setting", name, 300, e) &&
           db_run(t->db,
                  "INSERT INTO settings (name, value, category, updated_ns)"
                  " VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET"
                  " value = excluded.value, category = excluded.category,"
                  " updated_ns = excluded.updated_ns",
                  DB_VALUES(db_text(name), db_text(value), db_text(category),
                            db_number(t->db->now_ns)),
                  NULL, e);
}

bool catalog_setting_get(struct catalog_tx *t, const char *name, struct arena *a, const char **out,
                         struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT value FROM settings WHERE name = $1", DB_VALUES(db_text(name)), &r,
                e))
        return false;
    *out = r.rows == 0 ? NULL : db_keep_text(&r, 0, 0, a);
    return true;
}

bool catalog_setting_remove(struct catalog_tx *t, const char *name, struct err *e)
{
    return db_run(t->db, "DELETE FROM settings WHERE name = $1", DB_VALUES(db_text(name)), NULL, e);
}

/* Schedules */

bool catalog_schedule_put(struct catalog_tx *t, const struct catalog_schedule *s, int64_t was_ns,
                          struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!catalog_check_document("the details of a schedule", s->details, e) ||
        !db_run(t->db,
                "INSERT INTO schedules (config_id, last_ns, next_ns, details, updated_ns)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (config_id) DO UPDATE SET"
                " last_ns = excluded.last_ns, next_ns = excluded.next_ns,"
                " details = excluded.details, updated_ns = excluded.updated_ns"
                " WHERE coalesce(schedules.last_ns, 0) = $6",
                DB_VALUES(db_text(s->config), db_time(s->last_ns), db_time(s->next_ns),
                          db_text(s->details), db_number(t->db->now_ns), db_number(was_ns)),
                &r, e))
        return false;
    return r.changed == 1 ||
           err_set(e, ERR_EXISTS, "the schedule of %s was moved on by another process", s->config);
}

#define SCHEDULE_COLUMNS "config_id, last_ns, next_ns, details"

static void take_schedule(const struct db_result *r, size_t row, struct arena *a,
                          struct catalog_schedule *out)
{
    *out = (struct catalog_schedule){
        .config = db_keep_text(r, row, 0, a),
        .last_ns = db_get_number(r, row, 1),
        .next_ns = db_get_number(r, row, 2),
        .details = db_keep_text(r, row, 3, a),
    };
}

bool catalog_schedule_get(struct catalog_tx *t, const char *config, struct arena *a,
                          struct catalog_schedule *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " SCHEDULE_COLUMNS " FROM schedules WHERE config_id = $1",
                DB_VALUES(db_text(config)), &r, e))
        return false;
    if (r.rows == 1)
        take_schedule(&r, 0, a, out);
    else
        *out = (struct catalog_schedule){.config = arena_string(a, slice_string(config))};
    return true;
}

bool catalog_schedule_list(struct catalog_tx *t, struct arena *a, struct catalog_schedule_list *out,
                           struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT " SCHEDULE_COLUMNS " FROM schedules"
                " ORDER BY coalesce(next_ns, 9223372036854775807), config_id",
                DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        take_schedule(&r, i, a, &out->items[i]);
    return true;
}

/* Stores */

bool catalog_store_put(struct catalog_tx *t, const struct catalog_store *s, struct err *e)
{
    return catalog_check_text("the name of a repository", s->name, 200, e) &&
           db_run(t->db,
                  "INSERT INTO stores (name, state, seen_ns, bytes, snapshots, error, updated_ns)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE SET"
                  " state = excluded.state, seen_ns = coalesce(excluded.seen_ns, stores.seen_ns),"
                  " bytes = CASE WHEN excluded.bytes < 0 THEN stores.bytes"
                  "  ELSE excluded.bytes END,"
                  " snapshots = CASE WHEN excluded.snapshots < 0 THEN stores.snapshots"
                  "  ELSE excluded.snapshots END,"
                  " error = excluded.error, updated_ns = excluded.updated_ns",
                  DB_VALUES(db_text(s->name), db_text(s->state), db_time(s->seen_ns),
                            db_number(s->bytes), db_number(s->snapshots), db_text(s->error),
                            db_number(t->db->now_ns)),
                  NULL, e);
}

bool catalog_store_verify(struct catalog_tx *t, const char *name, const char *id, int64_t time_ns,
                          struct err *e)
{
    return db_run(t->db, "UPDATE stores SET verified_ns = $2, verified_id = $3 WHERE name = $1",
                  DB_VALUES(db_text(name), db_time(id == NULL ? 0 : time_ns), db_text(id)), NULL,
                  e);
}

bool catalog_store_check(struct catalog_tx *t, const char *name, int64_t time_ns, struct err *e)
{
    return db_run(t->db, "UPDATE stores SET checked_ns = $2 WHERE name = $1",
                  DB_VALUES(db_text(name), db_time(time_ns)), NULL, e);
}

bool catalog_store_keys(struct catalog_tx *t, const char *name, const char *document, struct err *e)
{
    return catalog_check_document("the keys of a repository", document, e) &&
           db_run(t->db, "UPDATE stores SET keys_ns = $2, keys = $3 WHERE name = $1",
                  DB_VALUES(db_text(name), db_time(t->db->now_ns), db_text(document)), NULL, e);
}

bool catalog_store_list(struct catalog_tx *t, struct arena *a, struct catalog_store_list *out,
                        struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT name, state, seen_ns, bytes, snapshots, error, updated_ns, verified_ns,"
                " verified_id, checked_ns, keys_ns, keys FROM stores ORDER BY name",
                DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        out->items[i] = (struct catalog_store){
            .name = db_keep_text(&r, i, 0, a),
            .state = db_keep_text(&r, i, 1, a),
            .seen_ns = db_get_number(&r, i, 2),
            .bytes = db_get_number(&r, i, 3),
            .snapshots = db_get_number(&r, i, 4),
            .error = db_keep_text(&r, i, 5, a),
            .updated_ns = db_get_number(&r, i, 6),
            .verified_ns = db_get_number(&r, i, 7),
            .verified_id = db_keep_text(&r, i, 8, a),
            .checked_ns = db_get_number(&r, i, 9),
            .keys_ns = db_get_number(&r, i, 10),
            .keys = db_keep_text(&r, i, 11, a),
        };
    return true;
}
