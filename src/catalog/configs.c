/* Backup configurations. */
#include "catalog/configs.h"

#include "catalog/tx.h"

#define ID_MAX   128
#define NAME_MAX 200

/* The version that is there and what was the last one, which deleting does not forget; 0: none. */
static bool find_versions(struct catalog_tx *t, const char *id, int64_t *present, int64_t *last,
                          struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT version, deleted_ns FROM configs WHERE id = $1",
                DB_VALUES(db_text(id)), &r, e))
        return false;
    *last = r.rows == 1 ? db_get_number(&r, 0, 0) : 0;
    *present = r.rows == 1 && db_get_number(&r, 0, 1) == 0 ? *last : 0;
    return true;
}

static bool check_version(const char *id, int64_t wanted, int64_t present, struct err *e)
{
    if (wanted == CATALOG_VERSION_ANY || wanted == present)
        return true;
    if (present == 0)
        return err_set(e, ERR_NOT_FOUND, "no such configuration");
    return wanted == CATALOG_VERSION_NONE
               ? err_set(e, ERR_EXISTS, "configuration %s is there already", id)
               : err_set(e, ERR_EXISTS, "configuration %s has changed: it has version %lld", id,
                         (long long)present);
}

static bool check_room(struct catalog_tx *t, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT count(*) FROM configs", DB_NO_VALUES, &r, e))
        return false;
    return db_get_number(&r, 0, 0) < CATALOG_CONFIGS_MAX ||
           err_set(e, ERR_USAGE, "there are %d configurations already", CATALOG_CONFIGS_MAX);
}

/* The row, which is written on the condition that nobody else changed it meanwhile. */
static bool write_row(struct catalog_tx *t, const struct catalog_config *c, int64_t last,
                      struct err *e)
{
    const int64_t now = t->db->now_ns;

    if (last == 0)
        return check_room(t, e) &&
               db_run(t->db,
                      "INSERT INTO configs (id, name, version, document, is_enabled, created_ns,"
                      " updated_ns) VALUES ($1, $2, 1, $3, $4, $5, $5)",
                      DB_VALUES(db_text(c->id), db_text(c->name), db_text(c->document),
                                db_number(c->is_enabled), db_number(now)),
                      NULL, e);
    return db_change(t->db, "version of the configuration",
                     "UPDATE configs SET name = $2, version = version + 1, document = $3,"
                     " is_enabled = $4, updated_ns = $5, deleted_ns = NULL,"
                     " created_ns = CASE WHEN deleted_ns IS NULL THEN created_ns ELSE $5 END"
                     " WHERE id = $1 AND version = $6",
                     DB_VALUES(db_text(c->id), db_text(c->name), db_text(c->document),
                               db_number(c->is_enabled), db_number(now), db_number(last)),
                     e);
}

bool catalog_config_put(struct catalog_tx *t, const struct catalog_config *c, int64_t wanted,
                        const char *author, int64_t *version, struct err *e)
{
    int64_t present = 0;
    int64_t last = 0;

    if (!catalog_check_text("the id of a configuration", c->id, ID_MAX, e) ||
        !catalog_check_text("the name of a configuration", c->name, NAME_MAX, e) ||
        !catalog_check_document("a configuration", c->document, e) ||
        !find_versions(t, c->id, &present, &last, e) || !check_version(c->id, wanted, present, e) ||
        !write_row(t, c, last, e) ||
        !db_run(t->db,
                "INSERT INTO config_versions (config_id, version, document, author, created_ns)"
                " VALUES ($1, $2, $3, $4, $5)",
                DB_VALUES(db_text(c->id), db_number(last + 1), db_text(c->document),
                          db_text(author), db_number(t->db->now_ns)),
                NULL, e))
        return false;
    *version = last + 1;
    return true;
}

bool catalog_config_delete(struct catalog_tx *t, const char *id, int64_t wanted, struct err *e)
{
    int64_t present = 0;
    int64_t last = 0;

    if (!find_versions(t, id, &present, &last, e) || !check_version(id, wanted, present, e))
        return false;
    if (present == 0)
        return err_set(e, ERR_NOT_FOUND, "no such configuration");
    return db_change(t->db, "version of the configuration",
                     "UPDATE configs SET deleted_ns = $3, updated_ns = $3, is_enabled = 0"
                     " WHERE id = $1 AND version = $2 AND deleted_ns IS NULL",
                     DB_VALUES(db_text(id), db_number(present), db_number(t->db->now_ns)), e) &&
           db_run(t->db, "DELETE FROM schedules WHERE config_id = $1", DB_VALUES(db_text(id)), NULL,
                  e);
}

#define COLUMNS "id, name, document, is_enabled, version, created_ns, updated_ns"

static void take_config(const struct db_result *r, size_t row, struct arena *a,
                        struct catalog_config *out)
{
    *out = (struct catalog_config){
        .id = db_keep_text(r, row, 0, a),
        .name = db_keep_text(r, row, 1, a),
        .document = db_keep_text(r, row, 2, a),
        .is_enabled = db_get_number(r, row, 3) != 0,
        .version = db_get_number(r, row, 4),
        .created_ns = db_get_number(r, row, 5),
        .updated_ns = db_get_number(r, row, 6),
    };
}

bool catalog_config_get(struct catalog_tx *t, const char *id, struct arena *a,
                        struct catalog_config *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " COLUMNS " FROM configs WHERE id = $1 AND deleted_ns IS NULL",
                DB_VALUES(db_text(id)), &r, e))
        return false;
    if (r.rows == 0)
        return err_set(e, ERR_NOT_FOUND, "no such configuration");
    take_config(&r, 0, a, out);
    return true;
}

bool catalog_config_get_version(struct catalog_tx *t, const char *id, int64_t version,
                                struct arena *a, const char **document, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT document FROM config_versions WHERE config_id = $1 AND version = $2",
                DB_VALUES(db_text(id), db_number(version)), &r, e))
        return false;
    if (r.rows == 0)
        return err_set(e, ERR_NOT_FOUND, "no such version of the configuration");
    *document = db_keep_text(&r, 0, 0, a);
    return true;
}

bool catalog_config_list(struct catalog_tx *t, struct arena *a, struct catalog_config_list *out,
                         struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " COLUMNS " FROM configs WHERE deleted_ns IS NULL ORDER BY id",
                DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        take_config(&r, i, a, &out->items[i]);
    return true;
}

bool catalog_config_stamp(struct catalog_tx *t, struct catalog_config_stamp *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    /* A version is never taken back, and between two deletions of one it gets a new one. */
    if (!db_run(t->db,
                "SELECT CAST(COALESCE(sum(version), 0) AS BIGINT), count(deleted_ns) FROM configs",
                DB_NO_VALUES, &r, e))
        return false;
    *out = (struct catalog_config_stamp){db_get_number(&r, 0, 0), db_get_number(&r, 0, 1)};
    return true;
}
