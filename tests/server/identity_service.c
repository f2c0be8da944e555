/*
 * The real identity over a catalog in a folder, and a few routes that show who may what.  Prints
 * one line of JSON with its port and the password of the first start, and serves until its input
 * ends. Usage: identity_service FOLDER [secure | gateway]
 */
#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/job.h"
#include "server/server.h"

#define USER   PRINCIPAL_BIT(PRINCIPAL_USER)
#define API    PRINCIPAL_BIT(PRINCIPAL_API_TOKEN)
#define PUSH   PRINCIPAL_BIT(PRINCIPAL_PUSH_TOKEN)
#define AGENT  PRINCIPAL_BIT(PRINCIPAL_AGENT)
#define VIEWER ROLES_FROM(ROLE_VIEWER)

static void get_who(struct request *r)
{
    const struct principal *p = request_principal(r);

    reply_json(r, 200,
               json_pack("{s:s, s:s, s:b}", "id", p->id, "name", p->name, "has_shop",
                         (int)principal_has_set(p, "shop")));
}

static const struct route samples[] = {
    {METHOD_GET, "/t/who", USER | API, VIEWER, "read", .handler = get_who},
    {METHOD_GET, "/t/manager", USER | API, ROLES_FROM(ROLE_MANAGER), "read", .handler = get_who},
    {METHOD_GET, "/t/sets/{set}", USER | API, VIEWER, "read", .handler = get_who},
    {METHOD_GET, "/t/looks", USER | API, VIEWER, "read", ROUTE_CHECKS_SETS, .handler = get_who},
    {METHOD_POST, "/t/push", PUSH, 0, "push", ROUTE_CHECKS_SETS, .handler = get_who},
    {METHOD_POST, "/t/agent", AGENT, 0, "agent", ROUTE_CHECKS_SETS, .handler = get_who},
};

static void must(bool is_done, const struct err *e)
{
    if (is_done)
        return;
    (void)fprintf(stderr, "%s\n", e->text);
    exit(EXIT_FAILURE);
}

static void log_line(void *arg, const char *line)
{
    (void)arg;
    (void)fprintf(stderr, "%s\n", line);
}

/* The whole API, and the samples. */
static struct route *join(size_t *count)
{
    AUTO(mem) struct route *api = api_routes_new(true, count);
    const size_t extra = sizeof(samples) / sizeof(samples[0]);
    struct route *all = mem_array(*count + extra, sizeof(*all));

    memcpy(all, samples, sizeof(samples));
    memcpy(all + extra, api, *count * sizeof(*all));
    *count += extra;
    return all;
}

/* Stands for the messages of notify/. */
static bool queue_test(void *arg, struct catalog_tx *t, const char *channel, struct err *e)
{
    bool is_new = false;

    (void)arg;
    return catalog_outbox_add(
        t, &(struct catalog_message){.channel = "mail", .recipient = channel, .payload = "{}"},
        &is_new, e);
}

/* Stands for the configuration of this host. */
static json_t *describe_set(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "shop") != 0
               ? NULL
               : json_pack("{s:s, s:s, s:[{s:s, s:s}], s:[{s:s, s:n, s:n}], s:i, s:s, s:{s:s, s:s, "
                           "s:i, "
                           "s:s}, s:i, s:{s:i}, s:n, s:n, s:n, s:n, s:n}",
                           "name", name, "origin", "file", "sources", "kind", "files", "name",
                           "files", "repositories", "name", "main", "retention", "places",
                           "required_repositories", 1, "on_error", "fail", "schedule", "cron",
                           "0 2 * * *", "timezone", "local", "jitter_s", 0, "run_missed", "once",
                           "health_checks", 0, "retention", "daily", 7, "drill", "check", "tags",
                           "hosts", "notify");
}

static bool simulate(void *arg, const json_t *question, json_t **out, struct err *e)
{
    (void)arg;
    return simulation_run(question, INT64_C(1795000000) * 1000000000, out, e);
}

static bool is_gateway;    /* the set "shop" is one */
static atomic_int patient; /* requests that wait until nobody wants them */
static atomic_int stored;  /* uploads whose end was told */

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Stands for the command that stores uploads: it counts bytes. */
static bool take_upload(const struct service_reading *q, struct err *e)
{
    const char *name = json_string_value(json_object_get(q->arguments, "name"));
    uint8_t bytes[65536];
    size_t got = 1;
    json_int_t size = 0;

    if (strcmp(name, "busy") == 0)
        return err_set(e, ERR_TRANSIENT, "too many");
    if (strcmp(name, "locked") == 0)
        return err_set(e, ERR_EXISTS, "another run is in the way");
    for (; got > 0; size += (json_int_t)got)
        if (!q->give(q->arg, bytes, sizeof(bytes), &got, e))
            return err_set(e, ERR_CANCELLED, "nobody waited");
    if (strcmp(name, "full") == 0)
        return err_set(e, ERR_FATAL, "a secret");
    stored++;
    if (strcmp(name, "short") == 0)
        size--;
    *q->result = json_pack("{s:s, s:I}", "snapshot_id", ID, "total_bytes_processed", size);
    return true;
}

/* Stands for the commands about snapshots of a gateway: two backups and an import, and a file. */
static bool read_gateway(const struct service_reading *q, struct err *e)
{
    const char *word = json_string_value(json_array_get(json_object_get(q->arguments, "words"), 0));
    static const char list[] =
        "{\"snapshots\": ["
        "{\"id\": \"" ID "\", \"time\": \"2026-11-20T20:51:52.894049000Z\", \"tags\": [],"
        " \"summary\": {\"total_bytes_processed\": 7}},"
        "{\"id\": \"i\", \"time\": \"2026-11-20T20:51:51.000000000Z\","
        " \"tags\": [\"import:wireguard\"], \"summary\": {}},"
        "{\"id\": \"dead\", \"time\": \"2025-01-02T03:04:05.000000000Z\", \"tags\": [\"safety\"],"
        " \"summary\": {\"total_bytes_processed\": 8}}], \"next\": null}";
    static const char zip[] = "{\"name\": \"wireguard_backup_20261120_205152.zip\", \"bytes\": 8}\n"
                              "PK\n\0PK\n\0";

    if (strcmp(q->verb, "snapshots") == 0)
        return q->take(q->arg, SLICE_OF(list, sizeof(list) - 1), e);
    if (strcmp(word, "dead") == 0)
        return err_set(e, ERR_FATAL, "a secret");
    /* In pieces, as it comes. */
    return q->take(q->arg, SLICE_OF(zip, 10), e) &&
           q->take(q->arg, SLICE_OF(zip + 10, sizeof(zip) - 1 - 10), e);
}

/* "/stored/89504e/100": a file of these bytes, and so many times 'a' behind them. */
static bool read_stored(const struct service_reading *q, const char *path, struct err *e)
{
    const size_t digits = strspn(path, "0123456789abcdef");
    const size_t more = strtoul(path + digits + 1, NULL, 10);
    AUTO(buf) struct buf head = {0};
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf hex = {0};

    buf_append(&hex, path, digits);
    assert(hex_decode(buf_string(&hex), buf_extend(&bytes, digits / 2), digits / 2));
    buf_printf(&head, "{\"size\": %zu}\n", bytes.size + more);
    if (!q->take(q->arg, buf_slice(&head), e) || !q->take(q->arg, buf_slice(&bytes), e))
        return false;
    buf_clear(&bytes);
    memset(buf_extend(&bytes, 1000), 'a', 1000);
    for (size_t left = more, n; left > 0; left -= n) {
        n = left < bytes.size ? left : bytes.size;
        if (!q->take(q->arg, SLICE_OF(bytes.data, n), e))
            return false;
    }
    return true;
}

/* Stands for the commands that look into snapshots: what the handlers make of them is shown. */
static bool read_set(void *arg, const struct service_reading *q, struct err *e)
{
    const char *word = json_string_value(json_array_get(json_object_get(q->arguments, "words"), 0));
    const char *path = json_string_value(json_array_get(json_object_get(q->arguments, "words"), 1));
    const bool has_head = json_is_true(json_object_get(q->arguments, "head"));
    AUTO(buf) struct buf line = {0};
    AUTO(json) json_t *shown = NULL;

    (void)arg;
    if (q->give != NULL)
        return take_upload(q, e);
    if (is_gateway)
        return read_gateway(q, e);
    if (word != NULL && strcmp(word, "dead") == 0)
        return err_set(e, ERR_NOT_FOUND, "no such snapshot");
    if (word != NULL && strcmp(word, "feed") == 0)
        return err_set(e, ERR_EXISTS, "another run is in the way");
    if (word != NULL && strcmp(word, "fade") == 0)
        return err_set(e, ERR_TRANSIENT, "too many");
    if (word != NULL && strcmp(word, "face") == 0)
        return err_set(e, ERR_FATAL, "a secret");
    if (word != NULL && strncmp(word, "cafe", 4) == 0) {
        for (patient++; q->is_wanted(q->arg);)
            (void)poll(NULL, 0, 20);
        patient--;
        return err_set(e, ERR_CANCELLED, "nobody waited");
    }
    if (path != NULL && strncmp(path, "/stored/", 8) == 0)
        return read_stored(q, path + 8, e);
    shown = json_pack("{s:s, s:s, s:O, s:s, s:s, s:i, s:i, s:i, s:i}", "verb", q->verb, "set",
                      q->set, "arguments", q->arguments, "id", ID, "time", "", "total_size", 1,
                      "total_file_count", 1, "total_entry_count", 1, "snapshots_count", 1);
    json_append(shown, &line);
    if (has_head) {
        AUTO(buf) struct buf head = {0};

        if (json_object_get(q->arguments, "as") != NULL)
            buf_printf(&head, "{}\n");
        else
            buf_printf(&head, "{\"size\": %zu}\n", line.size);
        return q->take(q->arg, buf_slice(&head), e) && q->take(q->arg, buf_slice(&line), e);
    }
    if (strcmp(q->verb, "snapshots") == 0) {
        AUTO(buf) struct buf list = {0};

        buf_printf(&list, word != NULL ? "[%s]" : "{\"snapshots\": [%s], \"next\": null}",
                   buf_string(&line));
        return q->take(q->arg, buf_slice(&list), e);
    }
    buf_printf(&line, "\n");
    for (int i = 0; word != NULL && strcmp(word, "feedfeed") == 0 && i < 10000; i++)
        if (!q->is_wanted(q->arg) || !q->take(q->arg, buf_slice(&line), e))
            return false;
    if (word != NULL && strcmp(word, "feedfeed") == 0)
        return err_set(e, ERR_FATAL, "in the middle");
    return q->take(q->arg, buf_slice(&line), e);
}

static const char *folder; /* of the catalog, and all else */

static bool begin_arrival(void *arg, struct service_arrival *out, struct err *e)
{
    (void)arg;
    out->folder = ARRIVAL_FOLDER;
    out->key = ARRIVAL_KEY;
    return arrival_new(folder, out->id, &out->fd, e);
}

/* Stands for a restore that waits: of the id "0123456789abcdef" one does. */
static atomic_int kept;

static bool confirm_restore(void *arg, const char *id, struct err *e)
{
    (void)arg;
    if (strcmp(id, "0123456789abcdef") != 0)
        return err_set(e, ERR_USAGE, "it does not wait");
    kept++;
    return true;
}

static void measure(void *arg, const struct principal *who, struct metrics *m)
{
    api_metrics_put(arg, who, m);
}

/* The listener for bundles: who may is the server's to say, what becomes of them is not. */
static void push_bundle(void *arg, const struct request *r, struct service_bundle *out)
{
    (void)arg;
    (void)r;
    out->status = 200;
    buf_printf(&out->body, "{}");
}

static void refuse_bundle(void *arg, unsigned status, struct buf *out)
{
    (void)arg;
    buf_printf(out, "{\"error\": \"%u\"}", status);
}

static void tell(const struct http_server *server, const struct http_server *bundles,
                 const struct http_options *o, const char *password)
{
    AUTO(json)
    json_t *told =
        json_pack("{s:i, s:i, s:i, s:s, s:s?, s:o, s:o, s:i}", "port",
                  (int)http_server_port(server, 0), "port6", 0, "tls", 0, "fingerprint", "",
                  "password", password, "routes", route_list(o->routes, o->route_count), "bundles",
                  route_list(api_bundle_routes, api_bundle_route_count), "bundle_port",
                  (int)http_server_port(bundles, 0));
    AUTO(buf) struct buf line = {0};

    json_append(told, &line);
    (void)printf("%s\n", buf_string(&line));
    (void)fflush(stdout);
}

/* "publish TOPIC", "patient", "stored", "kept" and "sweep", until the input ends. */
static void take_lines(struct events *events, struct catalog *catalog)
{
    char line[200];
    struct err e;

    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "patient") == 0 || strcmp(line, "stored") == 0 ||
            strcmp(line, "kept") == 0) {
            (void)printf("%d\n", line[0] == 'p' ? patient : line[0] == 's' ? stored : kept);
            (void)fflush(stdout);
        }
        if (strcmp(line, "sweep") == 0) {
            must(arrival_sweep(folder, catalog, &e), &e);
            (void)printf("swept\n");
            (void)fflush(stdout);
        }
        if (strncmp(line, "publish ", 8) != 0)
            continue;
        events_publish(events, line + 8, "progress", slice_string("{\"percent\":1}"));
        (void)printf("{}\n");
        (void)fflush(stdout);
    }
}

static struct http_server *start_bundles(struct http_options o)
{
    struct http_server *server = NULL;
    struct err e = {0};

    o.routes = api_bundle_routes;
    o.route_count = api_bundle_route_count;
    must(http_server_start(&o, &server, &e), &e);
    return server;
}

static bool says(int argc, char **argv, const char *word)
{
    return argc > 2 && strcmp(argv[2], word) == 0;
}

static void take_arguments(int argc, char **argv)
{
    must(argc > 1, &(struct err){.text = "the folder is missing"});
    folder = argv[1];
    is_gateway = says(argc, argv, "gateway");
}

static const char *const repositories[] = {"main", "remote"};
static const char *const targets[] = {"/srv/restores"};
static const struct service_set sets[] = {{"shop", "0 2 * * *", "Europe/Berlin", repositories, 1},
                                          {"wiki", NULL, NULL, repositories, 2}};

int main(int argc, char **argv)
{
    static const char *const hosts[] = {"localhost"};
    static const char *const proxies[] = {"127.0.0.9"};
    static const struct http_listen listens[] = {{"127.0.0.1:0", NULL}};
    AUTO(catalog) struct catalog *catalog = NULL;
    AUTO(http_server) struct http_server *server = NULL;
    AUTO(http_server) struct http_server *bundles = NULL;
    struct service service = {.host = "test",
                              .is_secure = says(argc, argv, "secure"),
                              .gateway_set = says(argc, argv, "gateway") ? "shop" : NULL,
                              .sets = sets,
                              .set_count = 2,
                              .restore_targets = targets,
                              .restore_target_count = 1,
                              .import_max = 1000000,
                              .read_set = read_set,
                              .describe_set = describe_set,
                              .simulate = simulate,
                              .begin_arrival = begin_arrival,
                              .confirm_restore = confirm_restore,
                              .queue_test = queue_test,
                              .push_bundle = push_bundle,
                              .refuse_bundle = refuse_bundle,
                              .bundle_set = "shop"};
    struct api_metrics *figures = api_metrics_new(&service);
    const struct http_idempotency_ops once = once_ops(&service);
    struct http_options o = {
        .listens = listens,
        .listen_count = 1,
        .hosts = hosts,
        .host_count = 1,
        .proxies = proxies,
        .proxy_count = 1,
        .app = &service,
        .identify = identity_find,
        .still = identity_still,
        .identify_arg = &service,
        .idempotency = &once,
        .log = log_line,
        .address_minute = 1000000,
        .principal_minute = 1000000,
    };
    char password[IDENTITY_PASSWORD_SIZE];
    bool is_made = false;
    struct err e = {0};
    AUTO(mem) struct route *routes = join(&o.route_count);

    (void)signal(SIGPIPE, SIG_IGN);
    take_arguments(argc, argv);
    api_routes_limit(routes, o.route_count, 1000000, 1000000);
    o.routes = routes;
    o.measure = measure;
    o.hook_arg = figures;
    must(catalog_open(&(struct catalog_options){.state = argv[1]}, &catalog, &e), &e);
    service.catalog = catalog;
    must(identity_first_password(catalog, &is_made, password, &e), &e);
    must(http_server_start(&o, &server, &e), &e);
    service.events = http_server_events(server);
    bundles = start_bundles(o);
    tell(server, bundles, &o, is_made ? password : NULL);
    take_lines(service.events, catalog);
    http_server_stop(bundles, 0);
    http_server_stop(server, 0);
    bundles = NULL;
    server = NULL;
    api_metrics_free(figures);
    return EXIT_SUCCESS;
}
