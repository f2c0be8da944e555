#include "cli/serve_http.h"

#include <string.h>

#include "archive/bundle.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/serve_read.h"
#include "cli/service_set.h"
#include "codec/json.h"
#include "codec/pos_config.h"

#define DRAIN_MS 10000

/* Requests a minute of one address at the listener for bundles. */
#define BUNDLES_MINUTE 1000000

struct serve_http {
    struct call *call;
    struct service_parts *parts;
    struct service service;
    struct arena arena; /* of all that the servers point at */
    struct route *routes;
    struct http_idempotency_ops once;
    struct api_metrics *metrics;
    struct tls *tls;
    struct spool *spool;
    struct serve_read reader;
    struct cfms *cfms;
    struct http_server *api, *bundles, *sockets;
};

void serve_http_stop(struct serve_http *h)
{
    if (h == NULL)
        return;
    if (h->parts != NULL)
        service_listen(h->parts, NULL, NULL);
    http_server_stop(h->sockets, DRAIN_MS);
    cfms_close(h->cfms);
    http_server_stop(h->bundles, DRAIN_MS);
    http_server_stop(h->api, DRAIN_MS);
    serve_read_done(&h->reader);
    spool_close(h->spool);
    tls_close(h->tls);
    mem_free(h->routes);
    api_metrics_free(h->metrics);
    arena_done(&h->arena);
    mem_free(h);
}

void serve_http_auto(struct serve_http **h)
{
    serve_http_stop(*h);
}

/* What handlers ask of us */

/* Whether it becomes a set on this host. */
static bool check_config(void *arg, const char *document, struct err *e)
{
    const struct serve_http *h = arg;
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(pos_place) struct pos_place *place = NULL;
    AUTO(buf) struct buf ignored = {0};

    return pos_config_parse(slice_string(document), POS_SAVE, &c, e) &&
           pos_place_open(service_config(h->parts), &place, e) &&
           pos_place_document(place, c, &ignored, e);
}

static json_t *source_places(void *arg)
{
    const struct serve_http *h = arg;

    return pos_sources_places(service_config(h->parts));
}

static bool find_set(void *arg, const char *name, struct arena *a, struct service_set *out)
{
    const struct serve_http *h = arg;
    AUTO(roster_view) struct roster_view *v = roster_take(service_roster(h->parts));

    return service_set_find(v, name, a, out);
}

static json_t *describe_set(void *arg, const char *name)
{
    const struct serve_http *h = arg;
    AUTO(roster_view) struct roster_view *v = roster_take(service_roster(h->parts));

    return service_set_describe(v, name);
}

static bool simulate(void *arg, const json_t *question, json_t **out, struct err *e)
{
    (void)arg;
    return simulation_run(question, clock_now_ns(), out, e);
}

static bool queue_test(void *arg, struct catalog_tx *t, const char *channel, struct err *e)
{
    const struct serve_http *h = arg;
    AUTO(message_list) struct message_list list = {0};
    char id[CATALOG_ID_SIZE];
    uint64_t bad = 0; /* it was looked at before */

    catalog_id_new(id);
    notice_messages(&(struct notice){.event = NOTICE_TEST,
                                     .outcome = NOTICE_SUCCESS,
                                     .id = id,
                                     .host = h->service.host,
                                     .time_ns = clock_now_ns()},
                    &channel, 1, service_templates(h->parts), &list, &bad);
    return sender_queue(t, NULL, &list, e);
}

static void measure(void *arg, const struct principal *who, struct metrics *m)
{
    const struct serve_http *h = arg;

    api_metrics_put(h->metrics, who, m);
}

static void push_bundle(void *arg, const struct request *r, struct service_bundle *out)
{
    const struct serve_http *h = arg;
    const struct principal *p = request_principal(r);
    const struct spool_sender from = {.peer = request_address(r),
                                      .token = p->kind == PRINCIPAL_ANONYMOUS ? NULL : p->id,
                                      .uid = -1};
    struct spool_receipt receipt = {0};
    struct err e = {0};

    if (spool_put(h->spool, request_body(r), &from, &receipt, &e)) {
        bundle_saved(receipt.note.name, receipt.stamp, receipt.note.facts.indented_size,
                     &out->body);
    } else {
        output_item_error(h->call->out, "push", NULL, e.text);
        bundle_refusal(receipt.answer, &out->body);
    }
    out->status = (unsigned)bundle_status(receipt.answer);
    if (receipt.answer == BUNDLE_TOO_FAST || receipt.answer == BUNDLE_BUSY)
        out->retry_after = "1";
}

static void refuse_bundle(void *arg, unsigned status, struct buf *out)
{
    enum bundle_answer a = BUNDLE_SAVED + 1;

    (void)arg;
    while (a < BUNDLE_FULL && (unsigned)bundle_status(a) != status)
        a++;
    bundle_refusal((unsigned)bundle_status(a) == status ? a
                   : status < 500                       ? BUNDLE_BAD_REQUEST
                                                        : BUNDLE_FAILED,
                   out);
}

static bool read_set(void *arg, const struct service_reading *q, struct err *e)
{
    struct serve_http *h = arg;

    return serve_read(&h->reader, q, e);
}

static bool begin_arrival(void *arg, struct service_arrival *out, struct err *e)
{
    const struct serve_http *h = arg;

    out->folder = ARRIVAL_FOLDER;
    out->key = ARRIVAL_KEY;
    return arrival_new(service_config(h->parts)->state, out->id, &out->fd, e);
}

static void log_line(void *arg, const char *line)
{
    const struct serve_http *h = arg;

    output_item_error(h->call->out, "http", NULL, line);
}

static bool is_ready(void *arg, struct err *e)
{
    const struct serve_http *h = arg;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    return catalog_begin_read(h->service.catalog, &t, e);
}

static void on_told(void *arg, const char *topic, const char *event, const json_t *data)
{
    const struct serve_http *h = arg;
    AUTO(json) json_t *told = data != NULL ? json_copy((json_t *)(uintptr_t)data) : json_object();
    AUTO(buf) struct buf text = {0};

    /* Who listens to all of them is to know which one it is. */
    if (strncmp(topic, "jobs/", 5) == 0)
        (void)json_object_set_new(told, "job", json_string(topic + 5));
    json_append(told, &text);
    events_publish(h->service.events, topic, event, buf_slice(&text));
}

/* Options */

/* The hosts of addresses, "localhost", and those of the configuration. */
static void take_hosts(struct serve_http *h, const struct texts *listen, struct http_options *o)
{
    const struct config_serve *s = &service_config(h->parts)->serve;
    const char **hosts =
        arena_take(&h->arena, (listen->count + s->hosts.count + 1) * sizeof(*hosts));
    size_t count = 0;

    hosts[count++] = "localhost";
    for (size_t i = 0; i < listen->count; i++) {
        const char *text = listen->items[i];
        const char *colon = strrchr(text, ':');

        hosts[count++] = arena_string(&h->arena, SLICE_OF(text, (size_t)(colon - text)));
    }
    for (size_t i = 0; i < s->hosts.count; i++)
        hosts[count++] = s->hosts.items[i];
    o->hosts = hosts;
    o->host_count = count;
}

static struct http_options options_for(struct serve_http *h, const struct texts *listen,
                                       struct tls *tls)
{
    const struct config_serve *s = &service_config(h->parts)->serve;
    struct http_listen *listens = arena_take(&h->arena, listen->count * sizeof(*listens));
    struct http_options o = {.listens = listens,
                             .listen_count = listen->count,
                             .proxies = (const char *const *)s->proxies.items,
                             .proxy_count = s->proxies.count,
                             .clients = (const char *const *)s->clients.items,
                             .client_count = s->clients.count,
                             .app = &h->service,
                             .identify = identity_find,
                             .still = identity_still,
                             .identify_arg = &h->service,
                             .ready = is_ready,
                             .log = log_line,
                             .hook_arg = h};

    for (size_t i = 0; i < listen->count; i++)
        listens[i] = (struct http_listen){listen->items[i], tls};
    take_hosts(h, listen, &o);
    return o;
}

/* Beginning */

static bool confirm_restore(void *arg, const char *id, struct err *e)
{
    const struct serve_http *h = arg;

    return restore_confirm(service_config(h->parts)->state, id, e);
}

static bool open_tls(struct serve_http *h, struct err *e)
{
    const struct config *c = service_config(h->parts);
    const struct config_tls *t = &c->serve.tls;
    AUTO(buf) struct buf certificate = {0};
    AUTO(buf) struct buf key = {0};
    char fingerprint[TLS_FINGERPRINT_MAX];
    const char *names[] = {service_host(h->parts), "localhost", "127.0.0.1"};

    if (!c->serve.has_tls)
        return true;
    if (!t->self_signed)
        return tls_open(t->certificate, t->key, &h->tls, e) || err_wrap(e, "serve: tls");
    buf_printf(&certificate, "%s/tls.pem", c->state);
    buf_printf(&key, "%s/tls.key", c->state);
    if (!tls_make(c->state, names, sizeof(names) / sizeof(names[0]), e) ||
        !tls_open(buf_string(&certificate), buf_string(&key), &h->tls, e))
        return err_wrap(e, "serve: tls");
    tls_fingerprint(h->tls, fingerprint);
    output_note(h->call->out, "certificate of our own, SHA-256 %s", fingerprint);
    return true;
}

static bool start_bundles(struct serve_http *h, struct err *e)
{
    const struct config *c = service_config(h->parts);
    const struct config_bundle_listener *b = &c->serve.bundle;
    const struct config_set *set = NULL;

    if (!c->serve.has_bundle)
        return true;
    if (!config_find_set(c, b->set, &set, e))
        return false;
    if (config_set_bundle(set) == NULL)
        return err_set(e, ERR_USAGE, "serve: compat: bundle: set %s has no source of kind bundle",
                       b->set);

    const struct spool_options spool = spool_options_from(config_set_bundle(set));
    struct http_options o = options_for(h, &b->listen, b->without_token ? NULL : h->tls);

    o.routes = b->without_token ? api_bundle_open_routes : api_bundle_routes;
    o.route_count = b->without_token ? api_bundle_open_route_count : api_bundle_route_count;
    o.address_minute = BUNDLES_MINUTE;
    o.principal_minute = BUNDLES_MINUTE;
    h->service.bundle_set = b->set;
    return spool_open(&spool, &h->spool, e) && http_server_start(&o, &h->bundles, e);
}

static bool start_cfms(struct serve_http *h, struct err *e)
{
    const struct config *c = service_config(h->parts);
    const struct cfms_options options = {.catalog = h->service.catalog,
                                         .host = h->service.host,
                                         .state = c->state,
                                         .content_dir = c->serve.cfms.content_dir,
                                         .upload_max = c->serve.cfms.upload_max,
                                         .log = log_line,
                                         .arg = h};
    struct http_options o;

    if (!c->serve.has_cfms)
        return true;
    if (!cfms_open(&options, &h->cfms, e))
        return err_wrap(e, "serve: compat: cfms");
    o = options_for(h, &c->serve.cfms.listen, h->tls);
    o.routes = cfms_routes;
    o.route_count = cfms_route_count;
    o.app = h->cfms;
    o.identify = NULL; /* messages say who asks */
    o.still = NULL;
    o.threads = 1;
    o.workers = 2; /* handshakes */
    o.streams_max = CFMS_CONNECTIONS;
    o.address_max = CFMS_ADDRESS;
    return http_server_start(&o, &h->sockets, e);
}

static bool make_first_user(struct serve_http *h, struct err *e)
{
    char password[IDENTITY_PASSWORD_SIZE];
    bool is_made = false;

    if (!identity_first_password(h->service.catalog, &is_made, password, e))
        return false;
    if (is_made)
        output_line(h->call->out,
                    "first login: user admin, password %s (shown once; it has to be changed)",
                    password);
    mem_wipe(password, sizeof(password));
    return true;
}

/* Connections that are open keep the certificate that they began with. */
static void read_again(void *arg)
{
    struct serve_http *h = arg;
    char fingerprint[TLS_FINGERPRINT_MAX];
    struct err e = {0};

    if (h->tls == NULL) {
        output_note(h->call->out, "there is nothing to read again: the rest takes a restart");
    } else if (!tls_reload(h->tls, &e)) {
        (void)err_wrap(&e, "the certificate stays what it was");
        log_line(h, e.text);
    } else {
        tls_fingerprint(h->tls, fingerprint);
        output_note(h->call->out, "certificate read again, SHA-256 %s", fingerprint);
    }
    (void)!output_flush(h->call->out, &e); /* told again at the end */
}

static void tell_addresses(struct serve_http *h)
{
    const struct config_serve *s = &service_config(h->parts)->serve;

    for (size_t i = 0; i < s->listen.count; i++)
        output_line(h->call->out, "serving on %s://%s", s->has_tls ? "https" : "http",
                    s->listen.items[i]);
    for (size_t i = 0; s->has_bundle && i < s->bundle.listen.count; i++)
        output_line(h->call->out, "bundles of %s are taken on %s", s->bundle.set,
                    s->bundle.listen.items[i]);
    for (size_t i = 0; s->has_cfms && i < s->cfms.listen.count; i++)
        output_line(h->call->out, "clients of CFMS are served on wss://%s",
                    s->cfms.listen.items[i]);
}

bool serve_http_start(struct call *call, struct service_parts *p, struct serve_http **out,
                      struct err *e)
{
    AUTO(serve_http) struct serve_http *h = mem_new(sizeof(*h));
    const struct config *c = service_config(p);
    struct http_options o;

    h->call = call;
    h->parts = p;
    serve_read_init(&h->reader, p);
    h->service = (struct service){
        .catalog = service_catalog(p),
        .host = service_host(p),
        .is_secure = c->serve.has_tls,
        .restore_targets = (const char *const *)c->serve.restore_targets.items,
        .restore_target_count = c->serve.restore_targets.count,
        .import_max = c->serve.import_max,
        .check_config = check_config,
        .source_places = source_places,
        .find_set = find_set,
        .describe_set = describe_set,
        .simulate = simulate,
        .read_set = read_set,
        .begin_arrival = begin_arrival,
        .queue_test = queue_test,
        .gateway_set = c->serve.gateway.set,
        .gateway_by_checks = c->serve.gateway.confirm == GATEWAY_CONFIRM_HEALTH_CHECKS,
        .confirm_restore = confirm_restore,
        .push_bundle = push_bundle,
        .refuse_bundle = refuse_bundle,
        .arg = h};
    service_set_take(&h->service, c, &h->arena);
    if (!open_tls(h, e) || !make_first_user(h, e))
        return false;
    o = options_for(h, &c->serve.listen, h->tls);
    h->routes = api_routes_new(c->serve.has_console, &o.route_count);
    api_routes_limit(h->routes, o.route_count, c->serve.upload_max, c->serve.import_max);
    h->once = once_ops(&h->service);
    o.routes = h->routes;
    o.idempotency = &h->once;
    h->metrics = api_metrics_new(&h->service);
    o.measure = measure;
    if (!http_server_start(&o, &h->api, e))
        return false;
    h->service.events = http_server_events(h->api);
    service_listen(p, on_told, h);
    if (!start_bundles(h, e) || !start_cfms(h, e))
        return false;
    service_on_hangup(p, read_again, h);
    tell_addresses(h);
    *out = TAKE(h);
    return output_flush(call->out, e);
}
