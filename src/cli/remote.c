#include "cli/remote.h"

#include <curl/curl.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/password.h"
#include "base/text.h"
#include "codec/json.h"
#include "store/store.h"

enum {
    STALL_MS = 60000,
    /* A request waits for its job for ten minutes at most (docs/applications/vevurn-pos.md). */
    ORDER_MS = 660000,
    REPLY_MAX = 16 << 20,
    SAID_MAX = 300, /* of what somebody else says, in a sentence */
    LOOK_MIN_MS = 250,
    LOOK_MAX_MS = 4000,
    LOST_MAX = 30, /* looks in a row that may fail while a job is waited for */
};

struct remote {
    struct call *call;
    struct http *quick, *patient; /* the one for what is known, the other for what is to be done */
    char *base;                   /* URL without '/' at its end */
    char *token;                  /* a header in secret memory, or NULL */
};

/* Parts of a URL, as the library that makes the request understands it. */
struct address {
    CURLU *url;
    char *scheme, *host;
};

static void address_auto(struct address *a)
{
    curl_free(a->scheme);
    curl_free(a->host);
    curl_url_cleanup(a->url);
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

bool remote_check_url(const char *option, const char *url, bool has_token, struct err *e)
{
    AUTO(address) struct address a = {.url = curl_url()};
    char *user = NULL;

    if (a.url == NULL || curl_url_set(a.url, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(a.url, CURLUPART_SCHEME, &a.scheme, 0) != CURLUE_OK ||
        curl_url_get(a.url, CURLUPART_HOST, &a.host, 0) != CURLUE_OK ||
        (strcmp(a.scheme, "http") != 0 && strcmp(a.scheme, "https") != 0))
        return err_set(e, ERR_USAGE, "%s takes an address of http or https", option);
    if (curl_url_get(a.url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        curl_free(user);
        return err_set(e, ERR_USAGE, "%s takes no user and password; use --token-file", option);
    }
    if (has_token && strcmp(a.scheme, "https") != 0 && !is_loopback(a.host))
        return err_set(e, ERR_USAGE, "a token for %.100s needs https", a.host);
    return true;
}

bool remote_token_header(const char *token_file, char **out, struct err *e)
{
    static const char head[] = "Authorization: Bearer ";
    AUTO(mem_secret) char *token = NULL;

    *out = NULL;
    if (token_file == NULL)
        return true;
    if (!password_from_file(token_file, &token, e))
        return err_wrap(e, "--token-file");
    for (const char *c = token; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(e, ERR_USAGE, "--token-file: a token is one word of ASCII");
    *out = mem_secret_new(sizeof(head) + strlen(token));
    memcpy(*out, head, sizeof(head) - 1);
    memcpy(*out + sizeof(head) - 1, token, strlen(token) + 1);
    return true;
}

bool remote_open(struct call *call, const struct remote_args *args, struct remote **out,
                 struct err *e)
{
    AUTO(remote) struct remote *r = mem_new(sizeof(*r));
    size_t size = strlen(args->server);

    r->call = call;
    call->stage = STAGE_SECRET; /* what follows is a matter of arguments */
    if (!remote_check_url("--server", args->server, args->token_file != NULL, e))
        return false;
    if (strpbrk(args->server, "?#") != NULL)
        return err_set(e, ERR_USAGE, "--server takes an address without \"?\" and \"#\"");
    if (!remote_token_header(args->token_file, &r->token, e))
        return false;
    while (size > 0 && args->server[size - 1] == '/')
        size--;
    r->base = mem_dup(args->server, size);
    r->quick = http_new(
        &(struct http_settings){.connections = 1, .stall_ms = STALL_MS, .ca_file = args->ca_file});
    r->patient = http_new(
        &(struct http_settings){.connections = 1, .stall_ms = ORDER_MS, .ca_file = args->ca_file});
    call->stage = STAGE_WORK;
    *out = TAKE(r);
    return true;
}

void remote_close(struct remote *r)
{
    if (r == NULL)
        return;
    http_free(r->quick);
    http_free(r->patient);
    mem_free(r->base);
    mem_secret_free(r->token);
    mem_free(r);
}

void remote_auto(struct remote **r)
{
    remote_close(*r);
}

bool remote_path_add(struct buf *path, const char *name, struct err *e)
{
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(e, ERR_USAGE, "\"%s\" is no name", name);
    percent_encode(slice_string(name), "", path);
    return true;
}

/* What it says */

/* "admin, super_admin" */
static void put_roles(const json_t *list, struct buf *out)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (json_is_string(one))
            buf_printf(out, "%s%s", i > 0 ? ", " : "", json_string_value(one));
    }
}

/* A refusal of the API, of the frame (a problem), or of something in between, in one line. */
static void put_refusal(const json_t *j, struct buf *out)
{
    const json_t *error = json_object_get(j, "error");
    const json_t *message =
        json_is_object(error) ? json_object_get(error, "message") : json_object_get(j, "message");
    const char *const texts[] = {json_string_value(error), json_string_value(message),
                                 json_string_value(json_object_get(j, "details")),
                                 json_string_value(json_object_get(j, "detail"))};
    const json_t *required = json_object_get(j, "required");
    const char *role = json_string_value(json_object_get(j, "current"));

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i] != NULL && (i == 0 || texts[0] == NULL || strcmp(texts[i], texts[0]) != 0))
            buf_printf(out, "%s%s", out->size > 0 ? ": " : "", texts[i]);
    if (json_array_size(required) > 0) {
        buf_printf(out, " (needs ");
        put_roles(required, out);
        buf_printf(out, role != NULL ? "; the token has %s)" : ")", role);
    }
}

static enum err_code code_of(int status)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
    case 412:
        return ERR_EXISTS;
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
        return ERR_TRANSIENT;
    default:
        return status >= 400 && status < 500 ? ERR_USAGE : ERR_FATAL;
    }
}

static bool refused(struct remote *r, const struct http_reply *reply, struct err *e)
{
    AUTO(json)
    json_t *j = json_loadb((const char *)reply->failure.data, reply->failure.size, 0, NULL);
    AUTO(buf) struct buf said = {0};
    char text[SAID_MAX];

    put_refusal(j, &said);
    text_flatten(buf_slice(&said), text, sizeof(text));
    if (reply->status == 401)
        r->call->stage = STAGE_UNLOCK; /* the token is wrong, or there is none */
    if (text[0] == '\0')
        return err_set(e, code_of(reply->status), "the service answered with status %d",
                       reply->status);
    return err_set(e, code_of(reply->status), "%s", text);
}

/* *place, where the job of a 202 is, is appended to; NULL: of no interest. */
static bool ask(struct remote *r, const char *method, const char *path, struct slice body,
                int *status, struct buf *place, json_t **out, struct err *e)
{
    AUTO(buf) struct buf url = {0};
    AUTO(buf) struct buf got = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &got};
    const char *headers[3] = {"Accept: application/json"};
    size_t count = 1;
    json_error_t where;

    buf_printf(&url, "%s%s", r->base, path);
    if (body.size > 0)
        headers[count++] = "Content-Type: application/json";
    if (r->token != NULL)
        headers[count++] = r->token;

    const struct http_request request = {.method = method,
                                         .url = buf_string(&url),
                                         .headers = headers,
                                         .header_count = count,
                                         .body = body,
                                         .reply_max = REPLY_MAX};

    /* Only orders have a place of their job. */
    if (!http_send(place != NULL ? r->patient : r->quick, &request, &reply, e)) {
        if (e->code == ERR_CORRUPT)
            e->code = ERR_FATAL; /* no repository is damaged */
        return err_wrap(e, "ask %s", r->base);
    }
    if (reply.status < 200 || reply.status > 299)
        return refused(r, &reply, e);
    if (place != NULL && http_reply_header(&reply, "location") != NULL)
        buf_printf(place, "%s", http_reply_header(&reply, "location"));

    AUTO(json)
    json_t *j = json_loadb((const char *)got.data, got.size, JSON_REJECT_DUPLICATES, &where);

    if (!json_is_object(j))
        return err_set(e, ERR_FATAL, "%s answers, but not as the service does", r->base);
    *status = reply.status;
    *out = TAKE(j);
    return true;
}

bool remote_ask(struct remote *r, const char *method, const char *path, struct slice body,
                int *status, json_t **out, struct err *e)
{
    return ask(r, method, path, body, status, NULL, out, e);
}

/* Waiting */

/* What the service may name as the place of a job: nothing else is asked for with our token. */
static bool is_job_place(const char *place)
{
    static const char head[] = "/api/v1/jobs/";

    return strncmp(place, head, sizeof(head) - 1) == 0 && strlen(place) == sizeof(head) - 1 + 32 &&
           strspn(place + sizeof(head) - 1, "0123456789abcdef") == 32;
}

static bool pause_for(int ms, struct err *e)
{
    const int64_t end = clock_monotonic_ns() + (int64_t)ms * 1000000;

    while (!cancel_is_requested() && clock_monotonic_ns() < end)
        (void)poll(NULL, 0, ms < 100 ? ms : 100);
    return !cancel_is_requested() || cancel_err(e);
}

static void tell_state(struct remote *r, const char *state, char told[SAID_MAX])
{
    char text[SAID_MAX];

    text_flatten(slice_string(state == NULL ? "waiting" : state), text, sizeof(text));
    if (strcmp(text, told) == 0 || r->call->out->quiet)
        return;
    memcpy(told, text, sizeof(text));
    if (r->call->out->json) {
        json_t *line = json_pack("{s:s, s:s}", "message_type", "status", "state", text);

        if (line != NULL)
            output_json_now(r->call->out, line);
        return;
    }
    output_progress(r->call->out, text);
}

static bool is_over(const char *state)
{
    static const char *const under_way[] = {"queued", "running"};

    if (state == NULL)
        return false;
    for (size_t i = 0; i < sizeof(under_way) / sizeof(under_way[0]); i++)
        if (strcmp(state, under_way[i]) == 0)
            return false;
    return true;
}

static bool await(struct remote *r, const char *place, json_t **job, struct err *e)
{
    char told[SAID_MAX] = "";
    int lost = 0;

    for (int ms = LOOK_MIN_MS;; ms = ms * 2 > LOOK_MAX_MS ? LOOK_MAX_MS : ms * 2) {
        AUTO(json) json_t *j = NULL;
        int status = 0;

        if (!pause_for(ms, e))
            return false;
        if (!ask(r, "GET", place, (struct slice){0}, &status, NULL, &j, e)) {
            if (e->code == ERR_NOT_FOUND)
                e->code = ERR_FATAL; /* what was asked for is there */
            if (e->code != ERR_TRANSIENT || ++lost > LOST_MAX)
                return err_wrap(e, "the job goes on, but nobody says how (%s)", place);
            continue;
        }
        lost = 0;

        const char *state = json_string_value(json_object_get(j, "state"));

        tell_state(r, state, told);
        if (is_over(state)) {
            *job = TAKE(j);
            return true;
        }
    }
}

bool remote_order(struct remote *r, const char *path, struct slice body, json_t **out, json_t **job,
                  struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    AUTO(buf) struct buf place = {0};
    int status = 0;

    *job = NULL;
    if (!ask(r, "POST", path, body, &status, &place, &answer, e))
        return false;
    if (status == 202) {
        if (!is_job_place(buf_string(&place)))
            return err_set(e, ERR_FATAL, "the service began something and does not say what");
        if (!await(r, buf_string(&place), job, e))
            return false;
    }
    *out = TAKE(answer);
    return true;
}
