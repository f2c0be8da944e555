/* Sessions. */
#include "catalog/sessions.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/tx.h"
#include "catalog/users_private.h"
#include "codec/random.h"

#define TOUCH_S  60  /* between two notes that a session is used */
#define TEXT_MAX 200 /* of peer and agent */

static void token_new(char out[CATALOG_SESSION_TOKEN])
{
    uint8_t bytes[(CATALOG_SESSION_TOKEN - 1) / 2];

    random_bytes(bytes, sizeof(bytes));
    hex_encode(SLICE_OF(bytes, sizeof(bytes)), out);
    mem_wipe(bytes, sizeof(bytes));
}

/* A text from outside in one line; NULL stays NULL. */
static const char *flat(const char *text, char out[TEXT_MAX + 1])
{
    if (text == NULL)
        return NULL;
    text_flatten(slice_string(text), out, TEXT_MAX + 1);
    return out;
}

bool catalog_session_new(struct catalog_tx *t, const struct catalog_session_start *s,
                         char token[CATALOG_SESSION_TOKEN], struct err *e)
{
    char id[CATALOG_ID_SIZE];
    char made[CATALOG_SESSION_TOKEN];
    char hash[CATALOG_HASH_SIZE];
    char peer[TEXT_MAX + 1];
    char agent[TEXT_MAX + 1];
    const int64_t now = t->db->now_ns;

    catalog_id_new(id);
    token_new(made);
    catalog_secret_hash(made, hash);
    if (!db_run(t->db,
                "INSERT INTO sessions (hash, id, user_id, created_ns, seen_ns, stepped_up_ns, peer,"
                " agent) VALUES ($1, $2, $3, $4, $4, $5, $6, $7)",
                DB_VALUES(db_text(hash), db_text(id), db_text(s->user), db_number(now),
                          db_time(s->is_stepped_up ? now : 0), db_text(flat(s->peer, peer)),
                          db_text(flat(s->agent, agent))),
                NULL, e) ||
        !db_run(t->db,
                "DELETE FROM sessions WHERE user_id = $1 AND id NOT IN (SELECT id FROM sessions"
                " WHERE user_id = $1 ORDER BY created_ns DESC, id = $2 DESC, id LIMIT $3)",
                DB_VALUES(db_text(s->user), db_text(id), db_number(CATALOG_SESSIONS_MAX)), NULL, e))
        return false;
    memcpy(token, made, sizeof(made));
    return true;
}

#define COLUMNS                                                                      \
    "s.id, s.created_ns, s.seen_ns, s.stepped_up_ns, s.peer, s.agent, " USER_COLUMNS \
    " FROM sessions s JOIN users u ON u.id = s.user_id"

static void take_session(const struct db_result *r, size_t row, struct arena *a,
                         struct catalog_session *out)
{
    *out = (struct catalog_session){
        .id = db_keep_text(r, row, 0, a),
        .created_ns = db_get_number(r, row, 1),
        .seen_ns = db_get_number(r, row, 2),
        .stepped_up_ns = db_get_number(r, row, 3),
        .peer = db_keep_text(r, row, 4, a),
        .agent = db_keep_text(r, row, 5, a),
    };
    catalog_user_take(r, row, 6, a, &out->user);
}

/* A clock that went back makes no session live longer than its length. */
static bool is_over(const struct catalog_session *s, int64_t now_ns)
{
    const bool is_admin = s->user.role >= ROLE_ADMIN;
    const int64_t idle_s = is_admin ? CATALOG_SESSION_IDLE_ADMIN_S : CATALOG_SESSION_IDLE_S;

    return s->user.is_disabled || now_ns < s->created_ns - CATALOG_SESSION_AGE_S * NS_PER_S ||
           now_ns - s->created_ns > CATALOG_SESSION_AGE_S * NS_PER_S ||
           now_ns - s->seen_ns > idle_s * NS_PER_S;
}

/* The one row that a statement finds. */
static bool find_one(struct catalog *c, const char *sql, const char *value, struct arena *a,
                     struct catalog_session *out, bool *is_stale, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(db_result) struct db_result r = {0};

    if (!catalog_begin_read(c, &t, e) || !db_run(t->db, sql, DB_VALUES(db_text(value)), &r, e))
        return false;
    if (r.rows == 0)
        return err_set(e, ERR_DENIED, "there is no such session");
    take_session(&r, 0, a, out);
    if (is_over(out, t->db->now_ns))
        return err_set(e, ERR_DENIED, "the session is over");
    *is_stale = t->db->now_ns - out->seen_ns > TOUCH_S * NS_PER_S;
    return true;
}

static bool find_session(struct catalog *c, const char *token, struct arena *a,
                         struct catalog_session *out, bool *is_stale, struct err *e)
{
    char hash[CATALOG_HASH_SIZE];

    if (strlen(token) != CATALOG_SESSION_TOKEN - 1)
        return err_set(e, ERR_DENIED, "there is no such session");
    catalog_secret_hash(token, hash);
    return find_one(c, "SELECT " COLUMNS " WHERE s.hash = $1", hash, a, out, is_stale, e);
}

bool catalog_session_get(struct catalog *c, const char *id, struct arena *a,
                         struct catalog_session *out, struct err *e)
{
    bool is_stale = false;

    return find_one(c, "SELECT " COLUMNS " WHERE s.id = $1", id, a, out, &is_stale, e);
}

static bool touch(struct catalog_tx *t, void *arg, struct err *e)
{
    return db_run(t->db, "UPDATE sessions SET seen_ns = $2 WHERE id = $1 AND seen_ns < $2",
                  DB_VALUES(db_text(arg), db_number(t->db->now_ns)), NULL, e);
}

bool catalog_session_use(struct catalog *c, const char *token, struct arena *a,
                         struct catalog_session *out, struct err *e)
{
    bool is_stale = false;
    char id[CATALOG_ID_SIZE];

    if (!find_session(c, token, a, out, &is_stale, e))
        return false;
    if (!is_stale)
        return true;
    (void)snprintf(id, sizeof(id), "%s", out->id);
    return catalog_write(c, touch, id, e);
}

bool catalog_session_step_up(struct catalog_tx *t, const char *id,
                             char token[CATALOG_SESSION_TOKEN], struct err *e)
{
    char made[CATALOG_SESSION_TOKEN];
    char hash[CATALOG_HASH_SIZE];

    token_new(made);
    catalog_secret_hash(made, hash);
    if (!db_change(t->db, "session",
                   "UPDATE sessions SET hash = $2, stepped_up_ns = $3, seen_ns = $3 WHERE id = $1",
                   DB_VALUES(db_text(id), db_text(hash), db_number(t->db->now_ns)), e))
        return false;
    memcpy(token, made, sizeof(made));
    return true;
}

bool catalog_session_list(struct catalog_tx *t, const char *user, struct arena *a,
                          struct catalog_session_list *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT " COLUMNS " WHERE $1 = '' OR s.user_id = $1"
                " ORDER BY s.created_ns DESC, s.id LIMIT 1000",
                DB_VALUES(db_text(user != NULL ? user : "")), &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        take_session(&r, i, a, &out->items[i]);
    return true;
}

bool catalog_session_end(struct catalog_tx *t, const char *user, const char *id, struct err *e)
{
    return db_change(t->db, "session",
                     "DELETE FROM sessions WHERE id = $1 AND ($2 = '' OR user_id = $2)",
                     DB_VALUES(db_text(id), db_text(user != NULL ? user : "")), e);
}

bool catalog_session_end_all(struct catalog_tx *t, const char *user, struct err *e)
{
    return db_run(t->db, "UPDATE users SET version = version + 1 WHERE id = $1",
                  DB_VALUES(db_text(user)), NULL, e) &&
           db_run(t->db, "DELETE FROM sessions WHERE user_id = $1", DB_VALUES(db_text(user)), NULL,
                  e);
}

bool catalog_session_forget(struct catalog_tx *t, struct err *e)
{
    const int64_t now = t->db->now_ns;

    return db_run(t->db, "DELETE FROM sessions WHERE created_ns < $1 OR seen_ns < $2",
                  DB_VALUES(db_number(now - CATALOG_SESSION_AGE_S * NS_PER_S),
                            db_number(now - CATALOG_SESSION_IDLE_S * NS_PER_S)),
                  NULL, e);
}
