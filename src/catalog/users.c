/* Users. */
#include "catalog/users.h"

#include <ctype.h>
#include <string.h>

#include "catalog/tx.h"
#include "catalog/users_private.h"

static const char *const roles[CATALOG_ROLES] = {
    [ROLE_NONE] = "none",   [ROLE_VIEWER] = "viewer",           [ROLE_MANAGER] = "manager",
    [ROLE_ADMIN] = "admin", [ROLE_SUPER_ADMIN] = "super_admin",
};

const char *catalog_role_name(enum catalog_role role)
{
    return roles[role];
}

int catalog_role_find(const char *name)
{
    return catalog_name_number(roles, CATALOG_ROLES, name);
}

/* In lower case; false for what is no name. */
static bool take_name(const char *name, char out[CATALOG_USER_NAME_MAX + 1])
{
    const size_t size = strlen(name);

    if (size == 0 || size > CATALOG_USER_NAME_MAX || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i <= size; i++) {
        const char c = name[i];

        if (c != '\0' && !(isascii(c) && isalnum(c)) && strchr("._-@+", c) == NULL)
            return false;
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return true;
}

/* Adding */

bool catalog_user_add(struct catalog_tx *t, const struct catalog_new_user *u,
                      char id[CATALOG_ID_SIZE], struct err *e)
{
    char made[CATALOG_ID_SIZE];
    char name[CATALOG_USER_NAME_MAX + 1];
    AUTO(db_result) struct db_result r = {0};

    if (!take_name(u->name, name))
        return err_set(e, ERR_USAGE,
                       "the name of a user has letters, digits and . _ - @ +, %d at most",
                       CATALOG_USER_NAME_MAX);
    catalog_id_new(made);
    if (!db_run(t->db,
                "INSERT INTO users (id, name, role, password, must_change, is_disabled, totp_step,"
                " version, created_ns, updated_ns) VALUES ($1, $2, $3, $4, $5, 0, 0, 1, $6, $6)"
                " ON CONFLICT (name) DO NOTHING",
                DB_VALUES(db_text(made), db_text(name), db_text(roles[u->role]),
                          db_text(u->password), db_number(u->must_change),
                          db_number(t->db->now_ns)),
                &r, e))
        return false;
    if (r.changed != 1)
        return err_set(e, ERR_EXISTS, "user %s is there already", name);
    memcpy(id, made, sizeof(made));
    return true;
}

/* Finding */

void catalog_user_take(const struct db_result *r, size_t row, size_t column, struct arena *a,
                       struct catalog_user *out)
{
    *out = (struct catalog_user){
        .id = db_keep_text(r, row, column, a),
        .name = db_keep_text(r, row, column + 1, a),
        .role = (enum catalog_role)catalog_role_find(db_get_text(r, row, column + 2)),
        .must_change = db_get_number(r, row, column + 3) != 0,
        .is_disabled = db_get_number(r, row, column + 4) != 0,
        .has_totp = db_get_number(r, row, column + 5) != 0,
        .version = db_get_number(r, row, column + 6),
        .created_ns = db_get_number(r, row, column + 7),
        .updated_ns = db_get_number(r, row, column + 8),
        .login_ns = db_get_number(r, row, column + 9),
    };
}

static bool no_user(struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "no such user");
}

bool catalog_user_find(struct catalog_tx *t, const char *name, struct arena *a,
                       struct catalog_user *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    char lower[CATALOG_USER_NAME_MAX + 1];

    if (!take_name(name, lower))
        return no_user(e);
    if (!db_run(t->db, "SELECT " USER_COLUMNS ", password FROM users u WHERE name = $1",
                DB_VALUES(db_text(lower)), &r, e))
        return false;
    if (r.rows == 0)
        return no_user(e);
    catalog_user_take(&r, 0, 0, a, out);
    out->password = db_keep_text(&r, 0, USER_COLUMN_COUNT, a);
    return true;
}

bool catalog_user_get(struct catalog_tx *t, const char *id, struct arena *a,
                      struct catalog_user *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " USER_COLUMNS " FROM users u WHERE id = $1", DB_VALUES(db_text(id)),
                &r, e))
        return false;
    if (r.rows == 0)
        return no_user(e);
    catalog_user_take(&r, 0, 0, a, out);
    return true;
}

bool catalog_user_list(struct catalog_tx *t, struct arena *a, struct catalog_user_list *out,
                       struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT " USER_COLUMNS " FROM users u ORDER BY name", DB_NO_VALUES, &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        catalog_user_take(&r, i, 0, a, &out->items[i]);
    return true;
}

bool catalog_user_count(struct catalog_tx *t, int64_t *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT count(*) FROM users", DB_NO_VALUES, &r, e))
        return false;
    *out = db_get_number(&r, 0, 0);
    return true;
}

/* Changing */

/* One change of users at a time, so that two do not each leave the other one as the last
 * super_admin. */
static bool take_turn(struct catalog_tx *t, struct err *e)
{
    return db_change(t->db, "turn", "UPDATE turns SET count = count + 1 WHERE name = 'users'",
                     DB_NO_VALUES, e);
}

/* After a change: somebody has to be left who may do everything, and sessions are over. */
static bool settle(struct catalog_tx *t, const char *id, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db, "SELECT count(*) FROM users WHERE role = 'super_admin' AND is_disabled = 0",
                DB_NO_VALUES, &r, e))
        return false;
    if (db_get_number(&r, 0, 0) == 0) {
        t->db->is_failed = true;
        return err_set(e, ERR_USAGE, "this is the last super_admin");
    }
    return db_run(t->db, "DELETE FROM sessions WHERE user_id = $1", DB_VALUES(db_text(id)), NULL,
                  e);
}

bool catalog_user_set_role(struct catalog_tx *t, const char *id, enum catalog_role role,
                           struct err *e)
{
    return take_turn(t, e) &&
           db_change(t->db, "user",
                     "UPDATE users SET role = $2, version = version + 1, updated_ns = $3"
                     " WHERE id = $1",
                     DB_VALUES(db_text(id), db_text(roles[role]), db_number(t->db->now_ns)), e) &&
           settle(t, id, e);
}

bool catalog_user_set_disabled(struct catalog_tx *t, const char *id, bool is_disabled,
                               struct err *e)
{
    return take_turn(t, e) &&
           db_change(t->db, "user",
                     "UPDATE users SET is_disabled = $2, version = version + 1, updated_ns = $3"
                     " WHERE id = $1",
                     DB_VALUES(db_text(id), db_number(is_disabled), db_number(t->db->now_ns)), e) &&
           settle(t, id, e);
}

bool catalog_user_set_password(struct catalog_tx *t, const char *id, const char *password,
                               bool must_change, struct err *e)
{
    return db_change(t->db, "user",
                     "UPDATE users SET password = $2, must_change = $3, version = version + 1,"
                     " updated_ns = $4 WHERE id = $1",
                     DB_VALUES(db_text(id), db_text(password), db_number(must_change),
                               db_number(t->db->now_ns)),
                     e) &&
           db_run(t->db, "DELETE FROM sessions WHERE user_id = $1", DB_VALUES(db_text(id)), NULL,
                  e);
}

bool catalog_user_remove(struct catalog_tx *t, const char *id, struct err *e)
{
    return take_turn(t, e) &&
           db_change(t->db, "user", "DELETE FROM users WHERE id = $1", DB_VALUES(db_text(id)), e) &&
           settle(t, id, e);
}

bool catalog_user_set_login(struct catalog_tx *t, const char *id, struct err *e)
{
    return db_change(t->db, "user", "UPDATE users SET login_ns = $2 WHERE id = $1",
                     DB_VALUES(db_text(id), db_number(t->db->now_ns)), e);
}
