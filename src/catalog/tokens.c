/* Tokens for programs. */
#include "catalog/tokens.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/tx.h"
#include "codec/json.h"
#include "codec/random.h"

#define TOUCH_S     60
#define DAY_NS      (86400 * NS_PER_S)
#define WORDS_MAX   100
#define SECRET_SIZE 64

static const char *const kinds[CATALOG_TOKEN_KINDS] = {
    [TOKEN_API] = "api",
    [TOKEN_PUSH] = "push",
    [TOKEN_AGENT] = "agent",
};

const char *catalog_token_kind_name(enum catalog_token_kind kind)
{
    return kinds[kind];
}

int catalog_token_kind_find(const char *name)
{
    return catalog_name_number(kinds, CATALOG_TOKEN_KINDS, name);
}

/* Nothing in it parts words or means several, but a "*" that is all of it. */
static bool is_word(const char *text, size_t size)
{
    static const char signs[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-";

    return size > 0 && (strspn(text, signs) == size || (size == 1 && text[0] == '*'));
}

/* A list of words that a principal of the service has room for. */
static bool are_words(const char *text)
{
    AUTO(json) json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *word = NULL;
    size_t size = 0;
    size_t i = 0;

    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > WORDS_MAX)
        return false;
    json_array_foreach(list, i, word)
    {
        if (!json_is_string(word) || !is_word(json_string_value(word), json_string_length(word)))
            return false;
        size += json_string_length(word) + 1;
    }
    return size <= CATALOG_TOKEN_WORDS;
}

static bool check_token(const struct catalog_token *k, int64_t now_ns, struct err *e)
{
    if (!catalog_check_text("the name of a token", k->name, 200, e))
        return false;
    if (!are_words(k->verbs) || !are_words(k->sets))
        return err_set(
            e, ERR_USAGE,
            "the verbs and sets of a token are lists of 1 to %d words of letters, digits and"
            " . _ : - (or *), %d bytes at most",
            WORDS_MAX, CATALOG_TOKEN_WORDS);
    if (k->expires_ns != 0 && k->expires_ns <= now_ns)
        return err_set(e, ERR_USAGE, "the token would be over already");
    if (k->expires_ns > now_ns + CATALOG_TOKEN_DAYS_MAX * DAY_NS)
        return err_set(e, ERR_USAGE, "a token lives %d days at most", CATALOG_TOKEN_DAYS_MAX);
    return true;
}

bool catalog_token_add(struct catalog_tx *t, const struct catalog_token *k,
                       char text[CATALOG_TOKEN_SIZE], struct err *e)
{
    const int64_t now = t->db->now_ns;
    const int64_t expires = k->expires_ns != 0 ? k->expires_ns : now + CATALOG_TOKEN_DAYS * DAY_NS;
    uint8_t bytes[8 + SECRET_SIZE / 2];
    char id[CATALOG_TOKEN_ID];
    char secret[SECRET_SIZE + 1];
    char hash[CATALOG_HASH_SIZE];

    if (!check_token(k, now, e))
        return false;
    random_bytes(bytes, sizeof(bytes));
    hex_encode(SLICE_OF(bytes, 8), id);
    hex_encode(SLICE_OF(bytes + 8, SECRET_SIZE / 2), secret);
    mem_wipe(bytes, sizeof(bytes));
    catalog_secret_hash(secret, hash);
    if (!db_run(t->db,
                "INSERT INTO tokens (id, hash, name, kind, user_id, role, verbs, sets, created_ns,"
                " expires_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                DB_VALUES(db_text(id), db_text(hash), db_text(k->name), db_text(kinds[k->kind]),
                          db_text(k->user), db_text(catalog_role_name(k->role)), db_text(k->verbs),
                          db_text(k->sets), db_number(now), db_number(expires)),
                NULL, e))
        return false;
    (void)snprintf(text, CATALOG_TOKEN_SIZE, "hf_%s_%s", id, secret);
    mem_wipe(secret, sizeof(secret));
    return true;
}

#define COLUMNS                                                                             \
    "k.id, k.name, k.kind, k.user_id, k.role, k.verbs, k.sets, k.created_ns, k.expires_ns," \
    " k.used_ns, k.revoked_ns"

static void take_token(const struct db_result *r, size_t row, struct arena *a,
                       struct catalog_token *out)
{
    *out = (struct catalog_token){
        .id = db_keep_text(r, row, 0, a),
        .name = db_keep_text(r, row, 1, a),
        .kind = (enum catalog_token_kind)catalog_token_kind_find(db_get_text(r, row, 2)),
        .user = db_keep_text(r, row, 3, a),
        .role = (enum catalog_role)catalog_role_find(db_get_text(r, row, 4)),
        .verbs = db_keep_text(r, row, 5, a),
        .sets = db_keep_text(r, row, 6, a),
        .created_ns = db_get_number(r, row, 7),
        .expires_ns = db_get_number(r, row, 8),
        .used_ns = db_get_number(r, row, 9),
        .revoked_ns = db_get_number(r, row, 10),
    };
}

/* "hf_" 16 "_" 64, all else is no token; *secret points into text. */
static bool parse_text(const char *text, char id[CATALOG_TOKEN_ID], const char **secret)
{
    if (strlen(text) != CATALOG_TOKEN_SIZE - 1 || strncmp(text, "hf_", 3) != 0 || text[19] != '_')
        return false;
    memcpy(id, text + 3, CATALOG_TOKEN_ID - 1);
    id[CATALOG_TOKEN_ID - 1] = '\0';
    *secret = text + 20;
    return utf8_is_valid(slice_string(text));
}

static bool denied(struct err *e)
{
    return err_set(e, ERR_DENIED, "the token is not valid");
}

/* One of a disabled user is none; role is at most what its user has by now.  secret NULL: whoever
 * asks has shown it before. */
static bool find_token(struct catalog *c, const char *id, const char *secret, struct arena *a,
                       struct catalog_token *out, bool *is_stale, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(db_result) struct db_result r = {0};
    char hash[CATALOG_HASH_SIZE];

    if (!catalog_begin_read(c, &t, e) ||
        !db_run(t->db,
                "SELECT " COLUMNS ", k.hash, u.is_disabled, u.role FROM tokens k"
                " LEFT JOIN users u ON u.id = k.user_id WHERE k.id = $1",
                DB_VALUES(db_text(id)), &r, e))
        return false;
    if (r.rows == 0 || db_get_number(&r, 0, 12) != 0)
        return denied(e);
    if (secret != NULL) {
        catalog_secret_hash(secret, hash);
        if (strlen(db_get_text(&r, 0, 11)) != sizeof(hash) - 1 ||
            !equal_ct(db_get_text(&r, 0, 11), hash, sizeof(hash) - 1))
            return denied(e);
    }
    take_token(&r, 0, a, out);
    if (out->revoked_ns != 0 || out->expires_ns <= t->db->now_ns)
        return denied(e);
    if (out->user != NULL) {
        const int role = catalog_role_find(db_get_text(&r, 0, 13));

        out->role = role < (int)out->role ? (enum catalog_role)role : out->role;
    }
    *is_stale = t->db->now_ns - out->used_ns > TOUCH_S * NS_PER_S;
    return true;
}

static bool touch(struct catalog_tx *t, void *arg, struct err *e)
{
    return db_run(t->db, "UPDATE tokens SET used_ns = $2 WHERE id = $1",
                  DB_VALUES(db_text(arg), db_number(t->db->now_ns)), NULL, e);
}

bool catalog_token_use(struct catalog *c, const char *text, struct arena *a,
                       struct catalog_token *out, struct err *e)
{
    char id[CATALOG_TOKEN_ID];
    const char *secret = NULL;
    bool is_stale = false;

    if (!parse_text(text, id, &secret))
        return denied(e);
    return find_token(c, id, secret, a, out, &is_stale, e) &&
           (!is_stale || catalog_write(c, touch, id, e));
}

bool catalog_token_get(struct catalog *c, const char *id, struct arena *a,
                       struct catalog_token *out, struct err *e)
{
    bool is_stale = false;

    return find_token(c, id, NULL, a, out, &is_stale, e);
}

bool catalog_token_list(struct catalog_tx *t, const char *user, struct arena *a,
                        struct catalog_token_list *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "SELECT " COLUMNS " FROM tokens k WHERE $1 = '' OR k.user_id = $1"
                " ORDER BY k.created_ns DESC, k.id LIMIT 1000",
                DB_VALUES(db_text(user != NULL ? user : "")), &r, e))
        return false;
    out->count = r.rows;
    out->items = arena_take(a, r.rows * sizeof(out->items[0]));
    for (size_t i = 0; i < r.rows; i++)
        take_token(&r, i, a, &out->items[i]);
    return true;
}

bool catalog_token_revoke(struct catalog_tx *t, const char *user, const char *id, struct err *e)
{
    return db_change(
        t->db, "token",
        "UPDATE tokens SET revoked_ns = coalesce(revoked_ns, $3)"
        " WHERE id = $1 AND ($2 = '' OR user_id = $2)",
        DB_VALUES(db_text(id), db_text(user != NULL ? user : ""), db_number(t->db->now_ns)), e);
}
