/*
 * The server's own routes: whether the process lives, whether it can work, and its figures.
 */
#include "base/clock.h"
#include "server/private.h"

#define ANYBODY PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)

static void get_health(struct request *r)
{
    reply_json(r, 200, json_pack("{s:s}", "status", "ok"));
}

static void get_ready(struct request *r)
{
    const struct http_options *o = &r->server->options;
    struct err e;

    if (r->server->is_stopping) {
        reply_problem(r, 503, "stopping", "the service is about to stop");
    } else if (o->ready != NULL && !o->ready(o->hook_arg, &e)) {
        if (o->log != NULL)
            o->log(o->hook_arg, e.text);
        reply_problem(r, 503, "not_ready", "the service cannot work at present; the log says why");
    } else {
        reply_json(r, 200, json_pack("{s:s}", "status", "ready"));
    }
}

static void put_own(struct http_server *s, struct metrics *m)
{
    static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};

    metrics_family(m, "holdfast_http_requests_total", METRIC_COUNTER, "Answers by class of status");
    for (size_t i = 1; i < 6; i++) {
        const struct metric_label label = {"class", classes[i]};

        metrics_sample(m, &label, 1, (double)s->answered[i]);
    }
    metrics_family(m, "holdfast_http_request_seconds", METRIC_HISTOGRAM,
                   "From the first line of a request to the last byte of its answer");
    metrics_histogram(m, NULL, 0, &s->durations);
    metrics_family(m, "holdfast_http_connections", METRIC_GAUGE, "Open connections");
    pthread_mutex_lock(&s->peers_lock);
    metrics_sample(m, NULL, 0, (double)s->peer_count);
    pthread_mutex_unlock(&s->peers_lock);
    metrics_family(m, "holdfast_http_streams", METRIC_GAUGE, "Open event streams and sockets");
    metrics_sample(m, NULL, 0, (double)s->streams);
    metrics_family(m, "holdfast_http_connections_refused_total", METRIC_COUNTER,
                   "Connections beyond the limits");
    metrics_sample(m, NULL, 0, (double)s->refused_connections);
    metrics_family(m, "holdfast_http_connections_late_total", METRIC_COUNTER,
                   "Connections that were too slow");
    metrics_sample(m, NULL, 0, (double)s->ended_late);
}

/* Figures tell of the business: the machine itself may read them, others need the scope. */
static void get_metrics(struct request *r)
{
    const struct http_options *o = &r->server->options;
    AUTO(buf) struct buf text = {0};
    struct metrics m = {.out = &text};
    struct address a;

    if (r->principal.kind == PRINCIPAL_ANONYMOUS &&
        (!address_parse(r->address_text, &a) || !address_is_loopback(&a))) {
        reply_problem(r, 401, "unauthenticated", "say who you are");
        return;
    }
    if (r->principal.kind != PRINCIPAL_ANONYMOUS && r->principal.kind != PRINCIPAL_USER &&
        !principal_has_scope(&r->principal, "metrics:read")) {
        reply_problem(r, 403, "forbidden", "the token lacks the scope metrics:read");
        return;
    }
    put_own(r->server, &m);
    if (o->measure != NULL)
        o->measure(o->hook_arg, &r->principal, &m);
    reply_bytes(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&text));
}

const struct route health_routes[] = {
    {METHOD_GET, "/healthz", ANYBODY, .handler = get_health, .summary = "The process lives"},
    {METHOD_GET, "/readyz", ANYBODY, .handler = get_ready, .summary = "The service can work"},
    {METHOD_GET, "/metrics", ANYBODY, .handler = get_metrics, .summary = "Figures for Prometheus"},
};
const size_t health_route_count = sizeof(health_routes) / sizeof(health_routes[0]);
