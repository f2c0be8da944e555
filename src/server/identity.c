#include "server/identity.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "codec/random.h"
#include "server/auth.h"
#include "server/link.h"

/* The words of a JSON list with one blank between them; false when they do not fit or one of them
 * could be taken for several. */
static bool join_words(const char *list, char *out, size_t room)
{
    AUTO(json) json_t *words = json_loads(list, JSON_REJECT_DUPLICATES, NULL);
    const json_t *word = NULL;
    AUTO(buf) struct buf line = {0};
    size_t i = 0;

    json_array_foreach(words, i, word)
    {
        const char *text = json_string_value(word);

        if (text == NULL || text[0] == '\0' || text[strcspn(text, " \t\r\n")] != '\0')
            return false;
        buf_printf(&line, "%s%s", i == 0 ? "" : " ", text);
    }
    if (line.size == 0 || line.size >= room)
        return false;
    memcpy(out, buf_string(&line), line.size + 1);
    return true;
}

static bool take_token(const struct catalog_token *k, struct principal *out, struct err *e)
{
    static const enum principal_kind kinds[CATALOG_TOKEN_KINDS] = {
        [TOKEN_API] = PRINCIPAL_API_TOKEN,
        [TOKEN_PUSH] = PRINCIPAL_PUSH_TOKEN,
        [TOKEN_AGENT] = PRINCIPAL_AGENT,
    };

    struct principal p = {.kind = kinds[k->kind],
                          .role = k->kind == TOKEN_API ? k->role : ROLE_NONE};

    (void)snprintf(p.id, sizeof(p.id), "%s", k->id);
    (void)snprintf(p.name, sizeof(p.name), "token:%s", k->id);
    if (!join_words(k->verbs, p.scopes, sizeof(p.scopes)) ||
        !join_words(k->sets, p.sets, sizeof(p.sets)))
        return err_set(e, ERR_DENIED, "what the token is for cannot be read");
    if (principal_has_set(&p, "*"))
        p.sets[0] = '\0';
    *out = p;
    return true;
}

static bool find_token(const struct service *s, const char *said, struct principal *out,
                       struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_token k = {0};

    if (strncasecmp(said, "Bearer ", 7) != 0)
        return err_set(e, ERR_DENIED, "the Authorization is no bearer token");
    return catalog_token_use(s->catalog, said + 7, &a, &k, e) && take_token(&k, out, e);
}

static bool take_session(const struct service *s, const struct catalog_session *session,
                         struct principal *out, struct err *e)
{
    struct principal p = {.kind = PRINCIPAL_USER, .role = session->user.role};

    if (!identity_must(s->catalog, &session->user, &p.must, e))
        return false;
    (void)snprintf(p.session, sizeof(p.session), "%s", session->id);
    (void)snprintf(p.id, sizeof(p.id), "%s", session->user.id);
    (void)snprintf(p.name, sizeof(p.name), "%s", session->user.name);
    *out = p;
    return true;
}

static bool find_session(const struct service *s, const char *token, struct principal *out,
                         struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};

    if (!catalog_session_use(s->catalog, token, &a, &session, e) ||
        !take_session(s, &session, out, e))
        return false;
    out->proved_ns = session.stepped_up_ns;
    auth_csrf(token, out->csrf);
    return true;
}

/* Who comes with a link is whoever made it, as he is now; but he proves nothing by it, and uses
 * neither session nor token. */
static bool find_link(const struct service *s, const struct request *r, struct principal *out,
                      struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct link_issuer issuer = {0};
    struct catalog_session session = {0};
    struct catalog_token k = {0};

    if (!request_has_query(r))
        return true;
    if (!link_check(r, &issuer, e))
        return false;
    if (!issuer.is_token)
        return catalog_session_get(s->catalog, issuer.id, &a, &session, e) &&
               take_session(s, &session, out, e);
    return catalog_token_get(s->catalog, issuer.id, &a, &k, e) && take_token(&k, out, e);
}

bool identity_find(void *arg, const struct request *r, struct principal *out, struct err *e)
{
    const struct service *s = arg;
    const char *said = request_header(r, "Authorization");
    const char *token = request_cookie(r, auth_cookie(s));

    if ((request_route(r)->flags & ROUTE_SIGNED) != 0)
        return find_link(s, r, out, e);
    if (said != NULL)
        return find_token(s, said, out, e);
    return token == NULL || find_session(s, token, out, e);
}

bool identity_still(void *arg, const struct principal *p, struct err *e)
{
    const struct service *s = arg;
    AUTO(arena) struct arena a = {0};
    struct catalog_session session = {0};
    struct catalog_token k = {0};

    if (p->kind == PRINCIPAL_ANONYMOUS)
        return true;
    if (p->kind == PRINCIPAL_USER)
        return catalog_session_get(s->catalog, p->session, &a, &session, e);
    if (!catalog_token_get(s->catalog, p->id, &a, &k, e))
        return false;
    return p->kind != PRINCIPAL_API_TOKEN || k.role >= p->role ||
           err_set(e, ERR_DENIED, "the token may do less than before");
}

bool identity_must(struct catalog *c, const struct catalog_user *u, const char **out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    const char *value = NULL;

    *out = u->must_change ? IDENTITY_MUST_CHANGE : NULL;
    if (u->must_change || u->has_totp || u->role < ROLE_ADMIN)
        return true;
    if (!catalog_begin_read(c, &t, e) ||
        !catalog_setting_get(t, IDENTITY_TOTP_SETTING, &a, &value, e))
        return false;
    if (value == NULL || strcmp(value, IDENTITY_TOTP_OFF) != 0)
        *out = IDENTITY_MUST_ENROL;
    return true;
}

void identity_password_new(char out[IDENTITY_PASSWORD_SIZE])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* none is like another */
    uint8_t bytes[20];
    size_t n = 0;

    static_assert(sizeof(letters) == 33, "5 bits each");
    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i > 0 && i % 5 == 0)
            out[n++] = '-';
        out[n++] = letters[bytes[i] & 31];
    }
    out[n] = '\0';
    mem_wipe(bytes, sizeof(bytes));
}

struct first {
    const char *hash;
    bool is_made;
};

static bool add_first(struct catalog_tx *t, void *arg, struct err *e)
{
    struct first *f = arg;
    const struct catalog_new_user u = {
        .name = "admin", .role = ROLE_SUPER_ADMIN, .password = f->hash, .must_change = true};
    const struct catalog_audit_record record = {
        .actor = "system", .action = "user.add", .object = "admin", .outcome = "done"};
    char id[CATALOG_ID_SIZE];
    int64_t count = 0;

    f->is_made = false;
    if (!catalog_user_count(t, &count, e) || count > 0)
        return count > 0;
    f->is_made = true;
    return catalog_user_add(t, &u, id, e) && catalog_audit_append(t, &record, e);
}

/* Of two that start at once one finds the name taken: that is no failure. */
static bool make_first(struct catalog *c, struct first *f, struct err *e)
{
    if (catalog_write(c, add_first, f, e))
        return true;
    f->is_made = false;
    return e->code == ERR_EXISTS;
}

static bool is_empty(struct catalog *c, bool *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    int64_t count = 0;

    if (!catalog_begin_read(c, &t, e) || !catalog_user_count(t, &count, e))
        return false;
    *out = count == 0;
    return true;
}

bool identity_first_password(struct catalog *c, bool *is_made, char out[IDENTITY_PASSWORD_SIZE],
                             struct err *e)
{
    char password[IDENTITY_PASSWORD_SIZE] = "";
    char hash[CATALOG_PASSWORD_HASH];
    struct first f = {.hash = hash};
    bool is_first = false;

    if (!is_empty(c, &is_first, e))
        return false;
    if (is_first) {
        identity_password_new(password);
        if (!catalog_password_hash(c, "admin", slice_string(password), hash, e) ||
            !make_first(c, &f, e))
            return false;
    }
    if (f.is_made)
        memcpy(out, password, sizeof(password));
    mem_wipe(password, sizeof(password));
    *is_made = f.is_made;
    return true;
}
