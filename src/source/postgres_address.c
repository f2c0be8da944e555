/* Where to connect to: a dsn in parts, and as one for programs. */
#include "source/postgres_address.h"

#include <string.h>

#include "base/mem.h"
#include "source/postgres_link.h"

/* What a dsn leaves open: a server that is gone is noticed after two minutes. */
static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"connect_timeout", "15"},      {"keepalives_idle", "60"},
    {"keepalives_interval", "10"},  {"keepalives_count", "6"},
    {"tcp_user_timeout", "120000"}, {"fallback_application_name", "holdfast"},
};

static void address_set(struct postgres_address *a, const char *keyword, const char *value)
{
    size_t at = 0;

    while (at < a->count && strcmp(a->keywords[at], keyword) != 0)
        at++;
    if (at == a->count) {
        a->count++;
        a->keywords = mem_resize(a->keywords, a->count, sizeof(a->keywords[0]));
        a->values = mem_resize(a->values, a->count, sizeof(a->values[0]));
        a->keywords[at] = arena_string(&a->arena, slice_string(keyword));
    }
    a->values[at] = arena_string(&a->arena, slice_string(value));
}

static void options_auto(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

static bool is_password(const char *keyword)
{
    return strcmp(keyword, "password") == 0 || strcmp(keyword, "sslpassword") == 0;
}

static bool address_take(struct postgres_address *a, const char *dsn, bool is_secret, struct err *e)
{
    AUTO(options) PQconninfoOption *options = PQconninfoParse(dsn, NULL);

    /* libpq's own words may quote the password of a malformed URI. */
    if (options == NULL)
        return err_set(e, ERR_USAGE,
                       "the dsn is neither a list of keyword=value nor a postgresql:// URI");
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (o->val == NULL || strcmp(o->keyword, "client_encoding") == 0)
            continue;
        if (!is_secret && is_password(o->keyword))
            return err_set(e, ERR_USAGE, "the dsn holds a %s, which has no place in it",
                           o->keyword);
        address_set(a, o->keyword, o->val);
    }
    return true;
}

static bool address_init(struct postgres_address *a, const char *dsn, bool is_secret,
                         const char *password, struct err *e)
{
    *a = (struct postgres_address){0};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        address_set(a, defaults[i].keyword, defaults[i].value);
    if (!address_take(a, dsn, is_secret, e)) {
        postgres_address_done(a);
        return false;
    }
    if (password != NULL) {
        a->password = mem_secret_new(strlen(password) + 1);
        memcpy(a->password, password, strlen(password));
    }
    return true;
}

bool postgres_address_init(struct postgres_address *a, const char *dsn, const char *password,
                           struct err *e)
{
    return address_init(a, dsn, false, password, e);
}

bool postgres_address_init_secret(struct postgres_address *a, const char *dsn, const char *password,
                                  struct err *e)
{
    return address_init(a, dsn, true, password, e);
}

void postgres_address_done(struct postgres_address *a)
{
    mem_free(a->keywords);
    mem_free(a->values);
    mem_secret_free(a->password);
    arena_done(&a->arena);
    *a = (struct postgres_address){0};
}

void postgres_address_set_passfile(struct postgres_address *a, const char *path)
{
    address_set(a, "passfile", path);
}

void postgres_address_set_database(struct postgres_address *a, const char *name)
{
    address_set(a, "dbname", name);
}

static void setting_format(struct buf *out, const char *keyword, const char *value)
{
    buf_printf(out, "%s%s='", out->size > 0 ? " " : "", keyword);
    for (; *value != '\0'; value++)
        buf_printf(out, *value == '\'' || *value == '\\' ? "\\%c" : "%c", *value);
    buf_printf(out, "'");
}

void postgres_address_format(const struct postgres_address *a, const char *passfile,
                             struct buf *out)
{
    for (size_t i = 0; i < a->count; i++)
        if (passfile == NULL || strcmp(a->keywords[i], "passfile") != 0)
            setting_format(out, a->keywords[i], a->values[i]);
    if (passfile != NULL)
        setting_format(out, "passfile", passfile);
}

void postgres_address_pin(struct postgres_address *a, const struct postgres_link *l)
{
    const char *ip = PQhostaddr(l->conn);

    address_set(a, "host", PQhost(l->conn));
    address_set(a, "port", PQport(l->conn));
    address_set(a, "user", PQuser(l->conn));
    address_set(a, "dbname", PQdb(l->conn));
    address_set(a, "hostaddr", ip != NULL && PQhost(l->conn)[0] != '/' ? ip : "");
}
