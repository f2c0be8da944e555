/*
 * The service in the configuration: where it listens, who may ask, and how it tells.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/config_fields.h"
#include "notify/notify.h"

/* With less a job cannot even open a repository by its password. */
#define JOB_MEMORY_MIN ((uint64_t)256 << 20)

#define LISTEN_DEFAULT "127.0.0.1:8080"
#define BUNDLE_LISTEN  "127.0.0.1:8787", "[::1]:8787"
#define CFMS_LISTEN    "127.0.0.1:5104", "[::1]:5104"

/* The section and what of it needs more than a row. */
struct serve_reading {
    struct config_serve serve;
    const struct node *tls, *mail, *outbound, *compat, *audit, *job_limits;
};

#define AT(member) offsetof(struct serve_reading, member)

static const struct field serve_fields[] = {
    {"listen", FIELD_TEXTS, AT(serve.listen)},
    {"tls", FIELD_NODE, AT(tls)},
    {"insecure_plain", FIELD_FLAG, AT(serve.insecure_plain)},
    {"console", FIELD_FLAG, AT(serve.has_console)},
    {"hosts", FIELD_TEXTS, AT(serve.hosts)},
    {"restore_targets", FIELD_TEXTS, AT(serve.restore_targets)},
    {"proxies", FIELD_TEXTS, AT(serve.proxies)},
    {"clients", FIELD_TEXTS, AT(serve.clients)},
    {"jobs", FIELD_NUMBER, AT(serve.jobs)},
    {"job_limits", FIELD_NODE, AT(job_limits)},
    {"upload_max", FIELD_SIZE, AT(serve.upload_max)},
    {"import_max", FIELD_SIZE, AT(serve.import_max)},
    {"mail", FIELD_NODE, AT(mail)},
    {"outbound", FIELD_NODE, AT(outbound)},
    {"webhook_secret_file", FIELD_PATH, AT(serve.webhook_secret_file)},
    {"templates", FIELD_PATH, AT(serve.templates)},
    {"catalog_password_file", FIELD_PATH, AT(serve.catalog_password_file)},
    {"compat", FIELD_NODE, AT(compat)},
    {"audit", FIELD_NODE, AT(audit)},
    {0},
};

#undef AT
#define AT(member) offsetof(struct config_tls, member)

static const struct field tls_fields[] = {
    {"certificate", FIELD_PATH, AT(certificate)},
    {"key", FIELD_PATH, AT(key)},
    {"self_signed", FIELD_FLAG, AT(self_signed)},
    {0},
};

#undef AT
#define AT(member) offsetof(struct config_job_limits, member)

static const struct field job_limit_fields[] = {
    {"time", FIELD_TIMEOUT, AT(time_ms)},
    {"stall", FIELD_TIMEOUT, AT(stall_ms)},
    {"cpu", FIELD_TIMEOUT, AT(cpu_ms)},
    {"memory", FIELD_SIZE, AT(memory)},
    {"must_confine", FIELD_FLAG, AT(must_confine)},
    {0},
};

#undef AT
#define AT(member) offsetof(struct config_mail, member)

/* In the order of enum config_mail_security. */
static const char *const security_words[] = {"starttls", "tls", "none", NULL};

static const struct field mail_fields[] = {
    {"host", FIELD_TEXT, AT(host), true},
    {"port", FIELD_NUMBER, AT(port)},
    {"security", FIELD_CHOICE, AT(security), false, security_words},
    {"user", FIELD_TEXT, AT(user)},
    {"password_file", FIELD_PATH, AT(password_file)},
    {"from", FIELD_TEXT, AT(from), true},
    {0},
};

#undef AT
#define AT(member) offsetof(struct config_outbound, member)

static const struct field outbound_fields[] = {
    {"allowed", FIELD_TEXTS, AT(allowed)},
    {"ca_file", FIELD_PATH, AT(ca_file)},
    {0},
};

#undef AT

static const struct field audit_fields[] = {
    {"syslog", FIELD_TEXT, offsetof(struct config_serve, audit_syslog), true},
    {0},
};

struct compat_reading {
    const struct node *bundle, *cfms, *gateway, *pos;
};

static const struct field compat_fields[] = {
    {"bundle", FIELD_NODE, offsetof(struct compat_reading, bundle)},
    {"cfms", FIELD_NODE, offsetof(struct compat_reading, cfms)},
    {"gateway", FIELD_NODE, offsetof(struct compat_reading, gateway)},
    {"pos", FIELD_NODE, offsetof(struct compat_reading, pos)},
    {0},
};

struct pos_reading {
    struct config_pos pos;
    const struct node *servers;
};

#define AT(member) offsetof(struct pos_reading, pos.member)

static const struct field pos_fields[] = {
    {"database_url_file", FIELD_PATH, AT(database_url_file)},
    {"upload_dir", FIELD_PATH, AT(upload_dir)},
    {"reports_dir", FIELD_PATH, AT(reports_dir)},
    {"exports_dir", FIELD_PATH, AT(exports_dir)},
    {"key_file", FIELD_PATH, AT(key_file)},
    {"password_file", FIELD_PATH, AT(password_file)},
    {"roots", FIELD_PATHS, AT(roots)},
    {"source_roots", FIELD_PATHS, AT(source_roots)},
    {"servers", FIELD_NODE, offsetof(struct pos_reading, servers)},
    {0},
};

#undef AT
#define AT(member) offsetof(struct config_server, member)

static const struct field server_fields[] = {
    {"dsn", FIELD_TEXT, AT(dsn), true},
    {"password_file", FIELD_PATH, AT(secret.password_file)},
    {"password_command", FIELD_ARGV, AT(secret.password_command)},
    {"passfile", FIELD_PATH, AT(secret.passfile)},
    {0},
};

#undef AT

#define AT(member) offsetof(struct config_cfms, member)

static const struct field cfms_fields[] = {
    {"listen", FIELD_TEXTS, AT(listen)},
    {"database", FIELD_PATH, AT(database)},
    {"dsn", FIELD_TEXT, AT(dsn)},
    {"dsn_password_file", FIELD_PATH, AT(dsn_password_file)},
    {"content_dir", FIELD_PATH, AT(content_dir), true},
    {"output_dir", FIELD_PATH, AT(output_dir), true},
    {"key_dir", FIELD_PATH, AT(key_dir), true},
    {"remap", FIELD_FLAG, AT(remap)},
    {"allow_unauthenticated", FIELD_FLAG, AT(allow_unauthenticated)},
    {"upload_max", FIELD_SIZE, AT(upload_max)},
    {0},
};

#undef AT

#define AT(member) offsetof(struct config_bundle_listener, member)

static const struct field bundle_fields[] = {
    {"set", FIELD_TEXT, AT(set), true},
    {"listen", FIELD_TEXTS, AT(listen)},
    {"without_token", FIELD_FLAG, AT(without_token)},
    {0},
};

#undef AT

/* In the order of enum config_gateway_confirm. */
static const char *const confirm_words[] = {"admin", "health_checks", NULL};

static const struct field gateway_fields[] = {
    {"set", FIELD_TEXT, offsetof(struct config_gateway, set), true},
    {"confirm", FIELD_CHOICE, offsetof(struct config_gateway, confirm), false, confirm_words},
    {0},
};

/* A list of our own, in the arena. */
static void texts_default(const struct config_reader *r, const char *const *from, size_t count,
                          struct texts *out)
{
    if (out->count > 0)
        return;
    out->items = arena_take(r->arena, (count + 1) * sizeof(*out->items));
    for (; out->count < count; out->count++)
        out->items[out->count] = arena_string(r->arena, slice_string(from[out->count]));
    out->items[count] = NULL;
}

/* "127.0.0.1:8080", "[::1]:8080": *is_loopback says whether only this machine reaches it. */
static bool listen_parse(const char *text, bool *is_loopback)
{
    char host[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    const bool is_six = text[0] == '[';
    struct in6_addr six;
    struct in_addr four;
    uint64_t port;
    struct err ignored;

    if (colon == NULL || !parse_u64(colon + 1, &port, &ignored) || port > UINT16_MAX)
        return false;

    const char *start = text + (is_six ? 1 : 0);
    const size_t size = (size_t)(colon - start) - (is_six && colon > start ? 1 : 0);

    if (size == 0 || size >= sizeof(host) || (is_six && colon[-1] != ']'))
        return false;
    memcpy(host, start, size);
    host[size] = '\0';
    if (is_six) {
        *is_loopback = inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
        return inet_pton(AF_INET6, host, &six) == 1;
    }
    if (inet_pton(AF_INET, host, &four) != 1)
        return false;
    *is_loopback = (ntohl(four.s_addr) >> 24) == IN_LOOPBACKNET;
    return true;
}

/* The addresses of a listener; those that others reach are allowed only when is_open. */
static bool check_listen(const struct config_reader *r, const struct node *list, bool is_open,
                         const char *otherwise, struct err *e)
{
    for (const struct node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
        bool is_loopback = false;

        if (!listen_parse(n->text, &is_loopback))
            return CONFIG_FAIL(r, n->line, e,
                               "listen takes addresses as 127.0.0.1:8080 or [::1]:8080");
        if (!is_loopback && !is_open)
            return CONFIG_FAIL(r, n->line, e, "%s is reached by others, which %s", n->text,
                               otherwise);
    }
    return true;
}

static bool read_tls(const struct config_reader *r, const struct node *n, struct config_tls *out,
                     struct err *e)
{
    if (n == NULL)
        return true;
    if (!fields_read(r, n, "tls", tls_fields, out, e))
        return false;
    if (out->self_signed == (out->certificate != NULL) ||
        (out->certificate != NULL) != (out->key != NULL))
        return CONFIG_FAIL(r, n->line, e, "tls takes certificate and key, or self_signed: true");
    return true;
}

/* Seconds are what is counted. */
static bool read_job_limits(const struct config_reader *r, const struct node *n,
                            struct config_job_limits *out, struct err *e)
{
    if (n == NULL)
        return true;
    if (!fields_read(r, n, "job_limits", job_limit_fields, out, e))
        return false;
    if (out->memory > 0 && out->memory < JOB_MEMORY_MIN)
        return CONFIG_FAIL(r, node_find(n, "memory")->line, e,
                           "memory of job_limits is below 256M");
    return (out->time_ms % 1000 == 0 && out->stall_ms % 1000 == 0 && out->cpu_ms % 1000 == 0) ||
           CONFIG_FAIL(r, n->line, e, "times of job_limits are whole seconds");
}

static json_t *job_limits_show(const struct config_job_limits *l)
{
    json_t *o = fields_show(job_limit_fields, l);

    if (l->cpu_ms == 0)
        (void)json_object_del(o, "cpu"); /* it is there */
    if (l->memory == 0)
        (void)json_object_del(o, "memory");
    return o;
}

static bool read_mail(const struct config_reader *r, const struct node *n, struct config_mail *out,
                      struct err *e)
{
    if (n == NULL)
        return true;
    if (!fields_read(r, n, "mail", mail_fields, out, e))
        return false;
    if (out->port > UINT16_MAX)
        return CONFIG_FAIL(r, node_find(n, "port")->line, e, "port is above %d", UINT16_MAX);
    if (out->security == MAIL_SECURITY_NONE && out->user != NULL)
        return CONFIG_FAIL(r, node_find(n, "user")->line, e,
                           "without TLS no password is sent; take user away, or security: none");
    return true;
}

static bool read_audit(const struct config_reader *r, const struct node *n,
                       struct config_serve *out, struct err *e)
{
    return n == NULL || (fields_read(r, n, "audit", audit_fields, out, e) &&
                         (syslog_check(out->audit_syslog, e) ||
                          config_place(r, node_find(n, "syslog")->line, NULL, e)));
}

static bool read_bundle(const struct config_reader *r, const struct node *n,
                        struct config_bundle_listener *out, struct err *e)
{
    static const char *const usual[] = {BUNDLE_LISTEN};
    const struct config_set *set;

    if (n == NULL)
        return true;
    if (!fields_read(r, n, "bundle", bundle_fields, out, e) ||
        !check_listen(r, node_find(n, "listen"), !out->without_token,
                      "without_token does not allow", e))
        return false;
    if (!config_find_set(r->config, out->set, &set, e))
        return config_place(r, node_find(n, "set")->line, "bundle", e);
    texts_default(r, usual, sizeof(usual) / sizeof(usual[0]), &out->listen);
    return true;
}

static bool read_gateway(const struct config_reader *r, const struct node *n,
                         struct config_gateway *out, struct err *e)
{
    const struct config_set *set;

    if (n == NULL)
        return true;
    if (!fields_read(r, n, "gateway", gateway_fields, out, e))
        return false;
    if (!config_find_set(r->config, out->set, &set, e))
        return config_place(r, node_find(n, "set")->line, "gateway", e);
    return out->confirm != GATEWAY_CONFIRM_HEALTH_CHECKS || set->health_checks.count > 0 ||
           CONFIG_FAIL(r, node_find(n, "confirm")->line, e,
                       "set %s has no health_checks that could confirm anything", out->set);
}

static bool read_server(const struct config_reader *r, const struct node *n,
                        struct config_server *out, struct err *e)
{
    AUTO(mem) char *database = NULL;

    *out = (struct config_server){0};
    if (!config_name_check(r, n, e) || !fields_read(r, n, "a server", server_fields, out, e) ||
        !secret_check(r, n, &out->secret, false, e))
        return false;

    const size_t line = node_find(n, "dsn")->line;

    if (!dsn_check(out->dsn, &database, e))
        return config_place(r, line, "dsn", e);
    /* What a configuration chooses is put behind the rest, which an address has no place for. */
    if (database == NULL && strstr(out->dsn, "://") != NULL)
        return CONFIG_FAIL(r, line, e,
                           "dsn without a database must be of the form host=... user=...");
    out->name = arena_string(r->arena, slice_string(n->key));
    if (database != NULL)
        out->database = arena_string(r->arena, slice_string(database));
    return true;
}

static bool read_servers(const struct config_reader *r, const struct node *n,
                         struct config_pos *out, struct err *e)
{
    if (n == NULL)
        return true;
    if (!config_expect(r, n, NODE_MAPPING, e))
        return false;
    out->servers = arena_take(r->arena, n->count * sizeof(*out->servers));
    for (const struct node *m = n->first; m != NULL; m = m->next)
        if (!read_server(r, m, &out->servers[out->server_count++], e))
            return false;
    return true;
}

static bool read_pos(const struct config_reader *r, const struct node *n, struct config_pos *out,
                     struct err *e)
{
    struct pos_reading g = {0};

    if (n == NULL)
        return true;
    if (!fields_read(r, n, "pos", pos_fields, &g, e) || !read_servers(r, g.servers, &g.pos, e))
        return false;
    if ((g.pos.key_file == NULL) == (g.pos.password_file == NULL))
        return CONFIG_FAIL(r, n->key_line, e,
                           "pos takes key_file or password_file, for the repositories of backup "
                           "configurations");
    *out = g.pos;
    return true;
}

/* Passwords are in its messages: never without TLS. */
static bool read_cfms(const struct config_reader *r, const struct node *n, bool has_tls,
                      struct config_cfms *out, struct err *e)
{
    static const char *const usual[] = {CFMS_LISTEN};
    AUTO(mem) char *database = NULL;

    if (n == NULL)
        return true;
    if (!fields_read(r, n, "cfms", cfms_fields, out, e) ||
        !check_listen(r, node_find(n, "listen"), true, "", e))
        return false;
    if (!has_tls)
        return CONFIG_FAIL(r, n->key_line, e, "cfms needs tls");
    if ((out->database == NULL) == (out->dsn == NULL))
        return CONFIG_FAIL(r, n->key_line, e, "cfms takes database or dsn");
    if (out->dsn_password_file != NULL && out->dsn == NULL)
        return CONFIG_FAIL(r, node_find(n, "dsn_password_file")->line, e,
                           "dsn_password_file is for dsn");
    if (out->dsn != NULL && !dsn_check(out->dsn, &database, e))
        return config_place(r, node_find(n, "dsn")->line, "cfms", e);
    texts_default(r, usual, sizeof(usual) / sizeof(usual[0]), &out->listen);
    return true;
}

bool config_serve_read(const struct config_reader *r, const struct node *n,
                       struct config_serve *out, struct err *e)
{
    static const char *const usual[] = {LISTEN_DEFAULT};
    struct serve_reading g = {.serve.has_console = true,
                              .serve.jobs = CONFIG_JOBS,
                              .serve.job_limits = CONFIG_JOB_LIMITS,
                              .serve.upload_max = CONFIG_UPLOAD_MAX,
                              .serve.import_max = CONFIG_IMPORT_MAX,
                              .serve.cfms.upload_max = CONFIG_CFMS_UPLOAD_MAX};
    struct compat_reading compat = {0};
    struct config_serve *s = &g.serve;

    if (n != NULL &&
        (!fields_read(r, n, "serve", serve_fields, &g, e) || !read_tls(r, g.tls, &s->tls, e) ||
         !read_job_limits(r, g.job_limits, &s->job_limits, e) ||
         !read_mail(r, g.mail, &s->mail, e) ||
         (g.outbound != NULL &&
          !fields_read(r, g.outbound, "outbound", outbound_fields, &s->outbound, e)) ||
         (g.compat != NULL && !fields_read(r, g.compat, "compat", compat_fields, &compat, e)) ||
         !read_audit(r, g.audit, s, e) || !read_bundle(r, compat.bundle, &s->bundle, e) ||
         !read_gateway(r, compat.gateway, &s->gateway, e) || !read_pos(r, compat.pos, &s->pos, e) ||
         !read_cfms(r, compat.cfms, g.tls != NULL, &s->cfms, e)))
        return false;
    s->has_tls = g.tls != NULL;
    s->has_mail = g.mail != NULL;
    s->has_bundle = compat.bundle != NULL;
    s->has_cfms = compat.cfms != NULL;
    s->has_pos = compat.pos != NULL;
    s->has_gateway = compat.gateway != NULL;
    if (n != NULL &&
        !check_listen(r, node_find(n, "listen"), s->has_tls || s->insecure_plain, "needs tls", e))
        return false;
    if (s->jobs == 0)
        return CONFIG_FAIL(r, node_find(n, "jobs")->line, e, "jobs is at least 1");
    texts_default(r, usual, 1, &s->listen);
    *out = *s;
    return true;
}

static json_t *pos_show(const struct config_pos *p)
{
    const struct pos_reading g = {.pos = *p};
    json_t *out = fields_show(pos_fields, &g);
    json_t *servers = json_object();

    for (size_t i = 0; i < p->server_count; i++)
        config_show(servers, p->servers[i].name, fields_show(server_fields, &p->servers[i]));
    if (p->server_count > 0)
        config_show(out, "servers", servers);
    else
        json_decref(servers);
    return out;
}

json_t *config_serve_show(const struct config_serve *s)
{
    const struct serve_reading g = {.serve = *s};
    json_t *out = fields_show(serve_fields, &g);
    json_t *compat = json_object();

    config_show(out, "job_limits", job_limits_show(&s->job_limits));
    if (s->has_tls)
        config_show(out, "tls", fields_show(tls_fields, &s->tls));
    if (s->has_mail)
        config_show(out, "mail", fields_show(mail_fields, &s->mail));
    if (s->outbound.allowed.count > 0 || s->outbound.ca_file != NULL)
        config_show(out, "outbound", fields_show(outbound_fields, &s->outbound));
    if (s->audit_syslog != NULL)
        config_show(out, "audit", fields_show(audit_fields, s));
    if (s->has_bundle || s->has_cfms || s->has_gateway || s->has_pos)
        config_show(out, "compat", compat);
    else
        json_decref(compat);
    if (s->has_bundle)
        config_show(compat, "bundle", fields_show(bundle_fields, &s->bundle));
    if (s->has_cfms)
        config_show(compat, "cfms", fields_show(cfms_fields, &s->cfms));
    if (s->has_gateway)
        config_show(compat, "gateway", fields_show(gateway_fields, &s->gateway));
    if (s->has_pos)
        config_show(compat, "pos", pos_show(&s->pos));
    return out;
}
