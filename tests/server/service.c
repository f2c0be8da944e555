/*
 * A service of the test's own: routes that show each property of the server, and an identity that
 * believes what it is told.  Prints one line of JSON with its ports and serves until its input
 * ends. Usage: service [NAME=NUMBER...]   names are those of struct http_options;
 * certificates=FOLDER makes TLS
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "server/server.h"

#define ANY   PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)
#define USER  PRINCIPAL_BIT(PRINCIPAL_USER)
#define API   PRINCIPAL_BIT(PRINCIPAL_API_TOKEN)
#define PUSH  PRINCIPAL_BIT(PRINCIPAL_PUSH_TOKEN)
#define AGENT PRINCIPAL_BIT(PRINCIPAL_AGENT)
#define MIB   ((uint64_t)1 << 20)

static _Atomic int count_of_once;
static int log_fd = -1;

static void get_hello(struct request *r)
{
    reply_json(r, 200,
               json_pack("{s:s, s:s, s:s}", "hello", request_principal(r)->name, "address",
                         request_address(r), "origin", request_origin(r)));
}

static void get_item(struct request *r)
{
    reply_tagged(r, "\"7\"", json_pack("{s:s}", "id", request_parameter(r, "id")));
}

static void put_item(struct request *r)
{
    if (request_matches(r, "\"7\""))
        reply_empty(r, 204);
}

static void get_rest(struct request *r)
{
    reply_json(r, 200, json_pack("{s:s}", "rest", request_parameter(r, "path")));
}

static void get_query(struct request *r)
{
    struct request_page p;

    if (request_page(r, 200, &p))
        reply_json(r, 200,
                   json_pack("{s:i, s:i, s:I, s:s?}", "page", (int)p.page, "limit", (int)p.limit,
                             "offset", (json_int_t)p.offset, "q", request_query(r, "q")));
}

static void post_echo(struct request *r)
{
    const json_t *j;

    if (request_json(r, NULL, &j))
        reply_json(r, 200, json_pack("{s:I}", "bytes", (json_int_t)request_body(r).size));
}

static void post_bytes(struct request *r)
{
    reply_json(r, 200, json_pack("{s:I}", "bytes", (json_int_t)request_body(r).size));
}

static void post_fields(struct request *r)
{
    static const char *const colours[] = {"red", "green", NULL};
    static const struct field source[] = {
        {"path", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = 10}, {0}};
    static const struct field item[] = {{"", FIELD_OBJECT, .members = source}};
    static const struct field table[] = {{"name", FIELD_TEXT, FIELD_REQUIRED},
                                         {"keep", FIELD_INTEGER, 0, .low = 1, .high = 99},
                                         {"colour", FIELD_CHOICE, FIELD_NULLABLE, .words = colours},
                                         {"sources", FIELD_LIST, 0, .high = 3, .members = item},
                                         {"on", FIELD_BOOL},
                                         {0}};
    const json_t *j;

    if (request_json(r, table, &j))
        reply_empty(r, 204);
}

static void post_once(struct request *r)
{
    reply_json(r, 201, json_pack("{s:i}", "count", (int)++count_of_once));
}

static void post_job(struct request *r)
{
    reply_job(r, "42");
}

/* Takes a body as it comes; slowly when asked to. */
static void post_sink(struct request *r)
{
    const bool is_slow = request_query(r, "slow") != NULL;
    const bool stops = request_query(r, "stop") != NULL;
    uint64_t total = 0;
    uint8_t bytes[65536];
    size_t got = 1;
    struct err e;

    while (got > 0 && !(stops && total > 0)) {
        if (!request_read(r, bytes, sizeof(bytes), &got, &e)) {
            reply_problem(r, 413, "body_too_large", e.text);
            return;
        }
        total += got;
        if (is_slow)
            (void)poll(NULL, 0, 20);
    }
    reply_json(r, 200, json_pack("{s:I}", "bytes", (json_int_t)total));
}

static void get_stream(struct request *r)
{
    const char *text = request_query(r, "size");
    const bool breaks = request_query(r, "break") != NULL;
    uint8_t bytes[50000];
    uint64_t left = 0;
    struct err e;

    if (!parse_u64(text == NULL ? "0" : text, &left, &e)) {
        reply_err(r, &e);
        return;
    }
    memset(bytes, 'x', sizeof(bytes));
    reply_stream(r, request_query(r, "known") != NULL ? left : UINT64_MAX,
                 "application/octet-stream", "dump \"1\".tar");
    while (left > 0) {
        const size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

        if (!reply_stream_write(r, SLICE_OF(bytes, n), &e))
            return;
        left -= n;
    }
    if (!breaks)
        reply_stream_end(r);
}

static void get_file(struct request *r)
{
    struct stat st;
    struct err e;
    int fd;

    if (!file_open("/proc/self/exe", &fd, &e) || fstat(fd, &st) != 0)
        reply_err(r, &e);
    else
        reply_file(r, fd, (uint64_t)st.st_size, "application/octet-stream", "exe");
}

/* As long as the query says in ms, or 100. */
static bool dawdle(struct request *r)
{
    const char *text = request_query(r, "ms");
    struct err e;
    uint64_t ms = 0;

    if (!parse_u64(text == NULL ? "100" : text, &ms, &e)) {
        reply_err(r, &e);
        return false;
    }
    for (uint64_t done = 0; done < ms && !request_is_gone(r); done += 10)
        (void)poll(NULL, 0, 10);
    return true;
}

static void get_events(struct request *r)
{
    if (request_query(r, "ms") == NULL || dawdle(r))
        reply_events(r, request_query(r, "topic") == NULL ? "" : request_query(r, "topic"));
}

static void post_publish(struct request *r)
{
    const json_t *j;
    AUTO(buf) struct buf line = {0};

    if (!request_json(r, NULL, &j))
        return;
    json_append(j, &line);
    events_publish(request_events(r), request_parameter(r, "topic"), "note", buf_slice(&line));
    reply_empty(r, 204);
}

static void echo(struct websocket *w, void *state, bool is_text, struct slice message)
{
    (void)state;
    if (message.size == 3 && memcmp(message.data, "end", 3) == 0)
        websocket_end(w, 4000);
    else if (message.size == 5 && memcmp(message.data, "flood", 5) == 0)
        for (int i = 0; i < 5000; i++)
            websocket_send(w, true, SLICE_OF("0123456789012345678901234567890123456789", 40));
    else
        websocket_send(w, is_text, message);
}

static void get_echo_socket(struct request *r)
{
    static const struct websocket_protocol protocol = {.message = echo};

    reply_websocket(r, &protocol, NULL);
}

static void get_event_socket(struct request *r)
{
    static char all[] = "";

    if (request_query(r, "ms") == NULL || dawdle(r))
        reply_websocket(r, &websocket_events, all);
}

static void post_sync(struct request *r)
{
    const struct slice body = request_body(r);
    struct err e;

    if (!fd_write(log_fd, body, &e) || !fd_sync(log_fd, "log", &e))
        reply_err(r, &e);
    else
        reply_json(r, 200, json_pack("{s:b}", "ok", 1));
}

static void get_slow(struct request *r)
{
    if (dawdle(r))
        reply_empty(r, 204);
}

static void get_fault(struct request *r)
{
    struct err e;

    (void)err_set(&e, ERR_FATAL, "secret path /etc/holdfast/main.key");
    reply_err(r, &e);
}

static void get_nothing(struct request *r)
{
    (void)r;
}

static const struct route routes[] = {
    {METHOD_GET, "/hello", ANY, .handler = get_hello},
    {METHOD_GET, "/", ANY, .handler = get_hello},
    {METHOD_GET, "/items/{id}", ANY, .handler = get_item},
    {METHOD_PUT, "/items/{id}", ANY, .handler = put_item},
    {METHOD_GET, "/items/special", ANY, .handler = get_hello},
    {METHOD_GET, "/tree/{path...}", ANY, .handler = get_rest},
    {METHOD_GET, "/query", ANY, .handler = get_query},
    {METHOD_POST, "/echo", ANY, 0, NULL, 0, 16 * MIB, "application/json", .handler = post_echo},
    {METHOD_POST, "/bytes", ANY, 0, NULL, ROUTE_OPTIONAL_BODY, 16 * MIB, "*",
     .handler = post_bytes},
    {METHOD_POST, "/fields", ANY, 0, NULL, 0, MIB, "application/json", .handler = post_fields},
    {METHOD_POST, "/count", ANY, .handler = post_once},
    {METHOD_POST, "/once", API, ROLES_FROM(ROLE_VIEWER), "read",
     ROUTE_IDEMPOTENT | ROUTE_OPTIONAL_BODY, MIB, "application/json", .handler = post_once},
    {METHOD_POST, "/sink-once", API, ROLES_FROM(ROLE_VIEWER), "read",
     ROUTE_IDEMPOTENT | ROUTE_STREAM, MIB, "*", .handler = post_sink},
    {METHOD_POST, "/job", ANY, .handler = post_job},
    {METHOD_POST, "/sink", ANY, 0, NULL, ROUTE_STREAM, 2048 * MIB, "*", .handler = post_sink},
    {METHOD_POST, "/small-sink", ANY, 0, NULL, ROUTE_STREAM, MIB, "*", .handler = post_sink},
    {METHOD_GET, "/stream", ANY, .handler = get_stream},
    {METHOD_GET, "/file", ANY, .handler = get_file},
    {METHOD_GET, "/events", ANY, .handler = get_events},
    {METHOD_POST, "/publish/{topic}", ANY, 0, NULL, 0, MIB, "application/json",
     .handler = post_publish},
    {METHOD_GET, "/socket", ANY, .handler = get_echo_socket},
    {METHOD_GET, "/event-socket", ANY, .handler = get_event_socket},
    {METHOD_POST, "/sync", ANY, 0, NULL, 0, MIB, "application/json", .handler = post_sync},
    {METHOD_GET, "/slow", ANY, .handler = get_slow},
    {METHOD_GET, "/fault", ANY, .handler = get_fault},
    {METHOD_GET, "/nothing", ANY, .handler = get_nothing},
    {METHOD_GET, "/rated", ANY, .rate_minute = 5, .handler = get_hello},
    {METHOD_GET, "/costly", USER, ROLES_FROM(ROLE_ADMIN), NULL, ROUTE_NO_HEAD,
     .handler = get_hello},
    {METHOD_GET, "/viewer", USER | API, ROLES_FROM(ROLE_VIEWER), "read", 0, .handler = get_hello},
    {METHOD_GET, "/manager", USER | API, ROLES_FROM(ROLE_MANAGER), "read", 0, .handler = get_hello},
    {METHOD_POST, "/admin", USER | API, ROLES_FROM(ROLE_ADMIN), "write", ROUTE_CSRF,
     .handler = get_hello},
    {METHOD_POST, "/upload", USER | API, ROLES_FROM(ROLE_ADMIN), "write", ROUTE_CSRF, MIB,
     "application/json", .handler = post_echo},
    {METHOD_DELETE, "/super", USER, ROLE_BIT(ROLE_SUPER_ADMIN), NULL, ROUTE_CSRF | ROUTE_STEP_UP,
     .handler = get_hello},
    {METHOD_POST, "/restore", USER | API, ROLES_FROM(ROLE_ADMIN), "restore",
     ROUTE_CSRF | ROUTE_STEP_UP, .handler = get_hello},
    {METHOD_POST, "/push", PUSH, 0, "push:shop", 0, .handler = get_hello},
    {METHOD_POST, "/agent", AGENT, 0, "agent:backup", 0, .handler = get_hello},
    {METHOD_PATCH, "/machines", AGENT | PUSH | API, ROLES_FROM(ROLE_MANAGER), "machines", 0,
     .handler = get_hello},
};

/*
 * "Authorization: Test KIND ROLE SCOPE,SCOPE PROVED": numbers of the enums, and seconds since the
 * proof; "Test expired", "Test away" and "Test broken" as well.
 */
static bool identify(void *arg, const struct request *r, struct principal *out, struct err *e)
{
    const char *said = request_header(r, "Authorization");
    const char *proved;

    (void)arg;
    if (said == NULL)
        return true;
    if (strcmp(said, "Test away") == 0)
        return err_set(e, ERR_TRANSIENT, "the catalog does not answer");
    if (strcmp(said, "Test broken") == 0)
        return err_set(e, ERR_USAGE, "the catalog was asked for nonsense");
    if (strcmp(said, "Test expired") == 0 || strncmp(said, "Test ", 5) != 0 || strlen(said) < 9)
        return err_set(e, ERR_DENIED, "expired");
    out->kind = (enum principal_kind)(said[5] - '0');
    out->role = (enum catalog_role)(said[7] - '0');
    proved = strchr(said + 9, ' ');
    memcpy(out->scopes, said + 9, strnlen(said + 9, 500));
    out->scopes[strcspn(out->scopes, " ")] = '\0';
    for (char *s = out->scopes; *s != '\0'; s++)
        *s = *s == ',' ? ' ' : *s;
    (void)snprintf(out->id, sizeof(out->id), "%.8s", said + 5);
    (void)snprintf(out->name, sizeof(out->name), "somebody");
    (void)snprintf(out->csrf, sizeof(out->csrf), "csrf-of-the-session");
    if (proved != NULL)
        out->proved_ns = clock_now_ns() - (int64_t)strtol(proved + 1, NULL, 10) * NS_PER_S;
    return true;
}

/* One key is remembered: enough to see that the server asks. */
static struct {
    pthread_mutex_t lock;
    char key[130];
    struct hash request;
    unsigned status;
    struct buf body;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool key_begin(void *arg, const struct principal *p, const char *key,
                      const struct hash *request, enum http_idempotency *state, unsigned *status,
                      struct buf *body, struct err *e)
{
    (void)arg;
    (void)p;
    (void)e;
    pthread_mutex_lock(&memory.lock);
    if (strcmp(memory.key, key) != 0) {
        (void)snprintf(memory.key, sizeof(memory.key), "%s", key);
        memory.request = *request;
        memory.status = 0;
        *state = HTTP_KEY_NEW;
    } else if (!hash_is_equal(&memory.request, request)) {
        *state = HTTP_KEY_OTHER;
    } else if (memory.status == 0) {
        *state = HTTP_KEY_BUSY;
    } else {
        *state = HTTP_KEY_REPLAY;
        *status = memory.status;
        buf_append_slice(body, buf_slice(&memory.body));
    }
    pthread_mutex_unlock(&memory.lock);
    return true;
}

static void key_finish(void *arg, const struct principal *p, const char *key,
                       const struct hash *digest, unsigned status, struct slice body)
{
    (void)arg;
    (void)p;
    (void)key;
    (void)digest;
    pthread_mutex_lock(&memory.lock);
    memory.status = status;
    if (status == 0)
        memory.key[0] = '\0';
    buf_clear(&memory.body);
    buf_append_slice(&memory.body, body);
    pthread_mutex_unlock(&memory.lock);
}

static void log_line(void *arg, const char *line)
{
    (void)arg;
    (void)fprintf(stderr, "%s\n", line);
}

static void set_option(struct http_options *o, const char *name, uint64_t value)
{
    if (strcmp(name, "workers") == 0)
        o->workers = value;
    else if (strcmp(name, "waiting_max") == 0)
        o->waiting_max = value;
    else if (strcmp(name, "address_max") == 0)
        o->address_max = value;
    else if (strcmp(name, "connections_max") == 0)
        o->connections_max = value;
    else if (strcmp(name, "streams_max") == 0)
        o->streams_max = value;
    else if (strcmp(name, "address_minute") == 0)
        o->address_minute = (uint32_t)value;
    else if (strcmp(name, "head_ms") == 0)
        o->head_ms = (int64_t)value;
    else if (strcmp(name, "idle_ms") == 0)
        o->idle_ms = (int64_t)value;
    else if (strcmp(name, "rate_ms") == 0)
        o->rate_ms = (int64_t)value;
    else if (strcmp(name, "body_memory_max") == 0)
        o->body_memory_max = value;
    else
        abort();
}

static void must(bool is_done, const struct err *e)
{
    if (is_done)
        return;
    (void)fprintf(stderr, "%s\n", e->text);
    exit(EXIT_FAILURE);
}

static void open_tls(const char *folder, struct tls **out, char *fingerprint)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    AUTO(buf) struct buf pem = {0};
    AUTO(buf) struct buf key = {0};
    struct err e;

    buf_printf(&pem, "%s/tls.pem", folder);
    buf_printf(&key, "%s/tls.key", folder);
    must(tls_make(folder, names, 3, &e), &e);
    must(tls_open(buf_string(&pem), buf_string(&key), out, &e), &e);
    tls_fingerprint(*out, fingerprint);
}

int main(int argc, char **argv)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]", "backup.example.org"};
    static const char *const proxies[] = {"127.0.0.9"};
    static const struct http_idempotency_ops once = {key_begin, key_finish, NULL};
    struct http_listen listens[3] = {
        {"127.0.0.1:0", NULL}, {"[::1]:0", NULL}, {"127.0.0.1:0", NULL}};
    struct http_options o = {.listens = listens,
                             .listen_count = 2,
                             .routes = routes,
                             .route_count = sizeof(routes) / sizeof(routes[0]),
                             .hosts = hosts,
                             .host_count = 4,
                             .proxies = proxies,
                             .proxy_count = 1,
                             .identify = identify,
                             .idempotency = &once,
                             .log = log_line,
                             .address_minute = 10000000,
                             .principal_minute = 10000000};
    AUTO(tls) struct tls *tls = NULL;
    AUTO(json) json_t *list = route_list(routes, o.route_count);
    AUTO(buf) struct buf line = {0};
    char fingerprint[TLS_FINGERPRINT_MAX] = "";
    char drain[16] = "0";
    struct http_server *server;
    struct err e;

    (void)signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=') + 1;
        uint64_t n;

        value[-1] = '\0';
        if (strcmp(argv[i], "certificates") == 0) {
            open_tls(value, &tls, fingerprint);
            listens[2].tls = tls;
            o.listen_count = 3;
            continue;
        }
        must(parse_u64(value, &n, &e), &e);
        set_option(&o, argv[i], n);
    }
    must(file_unnamed(file_scratch_folder(), &log_fd, &e), &e);
    must(http_server_start(&o, &server, &e), &e);
    json_append(list, &line);
    (void)printf(
        "{\"port\": %u, \"port6\": %u, \"tls\": %u, \"fingerprint\": \"%s\", \"routes\": %s}\n",
        http_server_port(server, 0), http_server_port(server, 1),
        tls == NULL ? 0 : http_server_port(server, 2), fingerprint, buf_string(&line));
    (void)fflush(stdout);
    while (fgets(drain, sizeof(drain), stdin) != NULL && strcmp(drain, "reload\n") == 0) {
        must(tls_reload(tls, &e), &e);
        (void)printf("reloaded\n");
        (void)fflush(stdout);
    }
    http_server_stop(server, (int64_t)strtol(drain, NULL, 10));
    (void)printf("stopped\n");
    return EXIT_SUCCESS;
}
