#include "store/s3_call.h"

#include <curl/curl.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/pause.h"
#include "store/s3.h"
#include "store/s3_ops.h"
#include "store/s3_upload.h"

enum {
    CONNECTIONS = 8,
    TIMEOUT_S = 60,
    PATIENCE_S = 60,
    ATTEMPTS = 3,     /* also when each takes longer than patience lasts */
    SENDINGS_MAX = 3, /* of one request, with what was put right in between */
    HOLD_MAX_S = 30,  /* a store that asks for longer is asked again all the same */
    HEADERS_ROOM = 16,
    SENDERS = 4, /* each holds a part of a file in memory */
};

/* A store refuses requests whose time is off by a quarter of an hour. */
#define SKEW_NOTABLE_NS (60 * NS_PER_S)

static const char default_region[] = "us-east-1";

/* Life */

struct patience s3_patience(const struct s3_options *o)
{
    return (struct patience){ATTEMPTS, (o->patience_s > 0 ? o->patience_s : PATIENCE_S) * NS_PER_S};
}

void s3_free(struct s3 *s)
{
    if (s == NULL)
        return;
    http_free(s->http);
    credentials_close(s->credentials);
    s3_place_done(&s->place);
    mem_free(s->region);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void s3_auto(struct s3 **s)
{
    s3_free(*s);
}

/* The first of: the option, the name of the host, variables and profile, the default. */
static bool choose_region(struct s3 *s, struct err *e)
{
    const struct s3_options *o = &s->options;

    if (o->region != NULL)
        s->region = mem_string(o->region);
    else if (s->place.region != NULL)
        s->region = mem_string(s->place.region);
    else if (!credentials_region(o, &s->region, e))
        return false;
    if (s->region == NULL)
        s->region = mem_string(default_region);
    return s3_region_is_valid(s->region) ||
           err_set(e, ERR_USAGE, "\"%.60s\" cannot be the name of a region", s->region);
}

bool s3_new(const char *place, const struct store_options *o, struct s3 **out, struct err *e)
{
    AUTO(s3) struct s3 *s = mem_new(sizeof(*s));
    const struct http_settings settings = {
        .connections = o->s3.connections > 0 ? o->s3.connections : CONNECTIONS,
        .stall_ms = (int64_t)1000 * (o->s3.timeout_s > 0 ? o->s3.timeout_s : TIMEOUT_S),
        .ca_file = o->s3.ca_file,
        .proxy = o->s3.proxy,
        .trusts_any_certificate = o->s3.insecure_no_verify_tls,
        .upload_limit = o->upload_limit,
        .download_limit = o->download_limit,
    };

    if (pthread_mutex_init(&s->lock, NULL) != 0)
        mem_exit("no lock can be made");
    s->options = o->s3;
    s->store.parallel = settings.connections;
    s->store.needs_probe = true;
    s->store.can_sign = true;
    s->store.file_max = (uint64_t)S3_PARTS_MAX * S3_PART_MAX;
    s->senders = settings.connections < SENDERS ? settings.connections : SENDERS;
    if (settings.upload_limit > 0)
        s->senders = 1; /* it holds for each connection */
    atomic_init(&s->ignores_conditions, o->s3.no_conditional_put);
    atomic_init(&s->has_versions, false);
    if (!s3_lock_rule(&s->options, &s->store.locks, e) ||
        !s3_place_parse(place, (enum s3_style)o->s3.style, &s->place, e) || !choose_region(s, e) ||
        !credentials_open(&s->options, o->secrets, &s->credentials, e))
        return false;
    s->http = http_new(&settings);
    *out = TAKE(s);
    return true;
}

/* Sending */

/* What one sending of a request is made of. */
struct sending {
    struct buf host, path, target, url;
    struct buf payload, time, authorization; /* values of headers */
    struct buf lines;                        /* headers, each ended by a NUL */
};

static void sending_auto(struct sending *g)
{
    mem_wipe(g->lines.data, g->lines.size); /* a session token is as good as a password */
    buf_done(&g->host);
    buf_done(&g->path);
    buf_done(&g->target);
    buf_done(&g->url);
    buf_done(&g->payload);
    buf_done(&g->time);
    buf_done(&g->authorization);
    buf_done(&g->lines);
}

/* Amazon's hosts are named by regions; other hosts stay what the user said. */
static void append_host(const struct s3 *s, const char *region, struct buf *out)
{
    if (s->place.is_bucket_in_host)
        buf_printf(out, "%s.", s->place.bucket);
    if (s->place.region != NULL && strcmp(s->place.region, region) != 0)
        buf_printf(out, "s3.%s.amazonaws.com", region);
    else
        buf_printf(out, "%s", s->place.host);
}

static void append_path(const struct s3 *s, const char *key, struct buf *out)
{
    buf_printf(out, "/");
    if (!s->place.is_bucket_in_host)
        buf_printf(out, "%s", s->place.bucket);
    if (key != NULL)
        buf_printf(out, "%s%s%s", s->place.is_bucket_in_host ? "" : "/", s->place.prefix, key);
}

static void append_sum(const struct s3_request *r, struct buf *out)
{
    char text[2 * HASH_SIZE + 1];
    struct hash sum;

    if (r->sum != NULL)
        sum = *r->sum;
    else
        sha256(r->body, &sum);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), text);
    buf_printf(out, "%s", text);
}

static void add_line(struct buf *lines, const char *name, const char *value)
{
    buf_printf(lines, "%s: %s", name, value);
    buf_put_u8(lines, 0);
}

/* Sign with the keys of the moment and write down all headers. */
static void sign(const struct s3_request *r, const struct credentials_keys *keys,
                 const struct sigv4_scope *scope, struct sending *g)
{
    struct sigv4_pair headers[HEADERS_ROOM] = {
        {"host", buf_string(&g->host)},
        {"x-amz-content-sha256", buf_string(&g->payload)},
        {"x-amz-date", buf_string(&g->time)},
    };
    size_t count = 3;
    const struct sigv4_keys pair = {keys->id, keys->secret};

    if (keys->token != NULL)
        headers[count++] = (struct sigv4_pair){"x-amz-security-token", keys->token};
    for (size_t i = 0; i < r->header_count && count < HEADERS_ROOM; i++)
        headers[count++] = r->headers[i];

    const struct sigv4_request request = {
        r->method, buf_string(&g->path),   r->query, r->query_count, headers,
        count,     buf_string(&g->payload)};

    sigv4_authorization(&request, scope, &pair, &g->authorization);
    sigv4_target(&request, &g->target);
    /* Nothing may be moved while it holds a token: what realloc() leaves behind is not wiped. */
    buf_reserve(&g->lines, 1024 + g->authorization.size +
                               (keys->token == NULL ? 0 : strlen(keys->token)) + g->host.size +
                               r->header_count * 256);
    for (size_t i = 0; i < count; i++)
        add_line(&g->lines, headers[i].name, headers[i].value);
    add_line(&g->lines, "authorization", buf_string(&g->authorization));
}

static bool prepare(struct s3 *s, const struct s3_request *r, struct sending *g, struct err *e)
{
    AUTO(mem) char *region = NULL;
    char time[SIGV4_TIME_MAX];
    struct credentials_keys keys;

    pthread_mutex_lock(&s->lock);
    region = mem_string(s->region);

    const struct sigv4_scope scope = {clock_now_ns() + s->skew_ns, region, "s3"};

    pthread_mutex_unlock(&s->lock);
    append_host(s, region, &g->host);
    append_path(s, r->key, &g->path);
    append_sum(r, &g->payload);
    sigv4_time(scope.time_ns, time);
    buf_printf(&g->time, "%s", time);
    if (!credentials_lock(s->credentials, &keys, e))
        return false;
    sign(r, &keys, &scope, g);
    credentials_unlock(s->credentials);
    buf_printf(&g->url, "%s://%s%s", s->place.is_tls ? "https" : "http", buf_string(&g->host),
               buf_string(&g->target));
    return true;
}

bool s3_presign(struct s3 *s, const char *key, unsigned seconds, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf host = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf target = {0};
    AUTO(mem) char *region = NULL;
    struct credentials_keys keys;

    pthread_mutex_lock(&s->lock);
    region = mem_string(s->region);

    const struct sigv4_scope scope = {clock_now_ns() + s->skew_ns, region, "s3"};

    pthread_mutex_unlock(&s->lock);
    append_host(s, region, &host);
    append_path(s, key, &path);
    if (!credentials_lock(s->credentials, &keys, e))
        return false;

    const struct sigv4_object o = {buf_string(&host), buf_string(&path), keys.token, seconds};

    sigv4_presign(&o, &scope, &(struct sigv4_keys){keys.id, keys.secret}, &target);
    credentials_unlock(s->credentials);
    buf_printf(out, "%s://%s%s", s->place.is_tls ? "https" : "http", buf_string(&host),
               buf_string(&target));
    return true;
}

static bool send_once(struct s3 *s, const struct s3_request *r, struct http_reply *reply,
                      struct err *e)
{
    AUTO(sending) struct sending g = {0};
    const char *lines[HEADERS_ROOM + 1];
    size_t count = 0;

    if (!prepare(s, r, &g, e))
        return false;
    for (size_t at = 0; at < g.lines.size; at += strlen(lines[count++]) + 1)
        lines[count] = (const char *)g.lines.data + at;

    const struct http_request request = {.method = r->method,
                                         .url = buf_string(&g.url),
                                         .headers = lines,
                                         .header_count = count,
                                         .body = r->body,
                                         .reply_max = r->reply_max};

    return http_send(s->http, &request, reply, e);
}

/* Replies */

int64_t s3_date(const struct http_reply *r, const char *name)
{
    const char *text = http_reply_header(r, name);
    const int64_t seconds = text == NULL ? -1 : (int64_t)curl_getdate(text, NULL);

    return seconds < 0 ? 0 : seconds;
}

static bool is_code(const struct s3_error *error, const char *code)
{
    return strcmp(error->code, code) == 0;
}

static bool is_any_code(const struct s3_error *error, const char *const *codes)
{
    for (; *codes != NULL; codes++)
        if (is_code(error, *codes))
            return true;
    return false;
}

int64_t s3_now_s(struct s3 *s)
{
    int64_t now_ns = clock_now_ns();

    pthread_mutex_lock(&s->lock);
    now_ns += s->skew_ns;
    pthread_mutex_unlock(&s->lock);
    return now_ns / NS_PER_S;
}

/* Set our clock by the store's.  False when that changes little. */
static bool adjust_clock(struct s3 *s, const struct http_reply *r)
{
    const int64_t theirs_ns = s3_date(r, "date") * NS_PER_S;
    int64_t change_ns = 0;

    if (theirs_ns == 0)
        return false;
    pthread_mutex_lock(&s->lock);
    change_ns = theirs_ns - (clock_now_ns() + s->skew_ns);
    if (change_ns < -SKEW_NOTABLE_NS || change_ns > SKEW_NOTABLE_NS)
        s->skew_ns += change_ns;
    else
        change_ns = 0;
    pthread_mutex_unlock(&s->lock);
    return change_ns != 0;
}

/* Sign for the region that the store names.  False when it names none, or the same again. */
static bool adjust_region(struct s3 *s, const struct http_reply *r, const struct s3_error *error)
{
    const char *named = http_reply_header(r, "x-amz-bucket-region");
    bool is_changed = false;

    if (named == NULL)
        named = error->region;
    if (!s3_region_is_valid(named))
        return false;
    pthread_mutex_lock(&s->lock);
    if (strcmp(named, s->region) != 0) {
        mem_free(s->region);
        s->region = mem_string(named);
        is_changed = true;
    }
    pthread_mutex_unlock(&s->lock);
    return is_changed;
}

/* Whether the reason of a failure is gone now. */
static bool adjust(struct s3 *s, const struct http_reply *r, const struct s3_error *error)
{
    static const char *const expired[] = {"ExpiredToken", "ExpiredTokenException",
                                          "TokenRefreshRequired", NULL};
    const bool is_silent = error->code[0] == '\0'; /* as replies to HEAD are */

    if (r->status == 301 || r->status == 307 || r->status == 400 || r->status == 308)
        if (adjust_region(s, r, error))
            return true;
    if (is_code(error, "RequestTimeTooSkewed") || (is_silent && r->status == 403))
        if (adjust_clock(s, r))
            return true;
    if (is_any_code(error, expired) || (is_silent && r->status == 400))
        return credentials_expire(s->credentials);
    return false;
}

/* What Retry-After says: seconds, or a date by the store's clock.  0: nothing. */
static int64_t retry_after_s(const struct http_reply *r)
{
    const char *text = http_reply_header(r, "retry-after");
    uint64_t seconds = 0;
    struct err ignored;

    if (text == NULL)
        return 0;
    if (!parse_u64(text, &seconds, &ignored)) {
        const int64_t wait_s = s3_date(r, "retry-after") - s3_date(r, "date");

        seconds = s3_date(r, "date") > 0 && wait_s > 0 ? (uint64_t)wait_s : 0;
    }
    return (int64_t)(seconds < HOLD_MAX_S ? seconds : HOLD_MAX_S);
}

/* Let no request out before the time that the store asks for. */
static void note_retry_after(struct s3 *s, const struct http_reply *r)
{
    const int64_t end_ns = clock_monotonic_ns() + retry_after_s(r) * NS_PER_S;

    pthread_mutex_lock(&s->lock);
    if (end_ns > s->hold_until_ns)
        s->hold_until_ns = end_ns;
    pthread_mutex_unlock(&s->lock);
}

static bool wait_for_leave(struct s3 *s, struct err *e)
{
    pthread_mutex_lock(&s->lock);

    const int64_t end_ns = s->hold_until_ns;

    pthread_mutex_unlock(&s->lock);
    /* What is asked after the call to stop clears up, and waits for nothing. */
    return end_ns == 0 || cancel_is_requested() || pause_until(end_ns, e);
}

static enum err_code code_of_status(int status)
{
    switch (status) {
    case 404:
        return ERR_NOT_FOUND;
    case 401:
    case 403:
        return ERR_DENIED;
    case 412:
        return ERR_EXISTS;
    case 416:
        return ERR_CORRUPT;
    case 408:
    case 425:
    case 429:
        return ERR_TRANSIENT;
    case 501:
    case 505:
    case 507:
        return ERR_FATAL;
    default:
        return status >= 500 ? ERR_TRANSIENT : ERR_FATAL;
    }
}

static enum err_code code_of(int status, const struct s3_error *error)
{
    static const char *const passing[] = {
        "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Busy",
        "ConditionalRequestConflict", "OperationAborted", "RequestTimeTooSkewed",
        /* What arrived is not what was sent. */
        "BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch", "TooManyRequests", "ThrottlingException", NULL};
    static const char *const denied[] = {"AccessDenied",       "ExpiredToken",
                                         "InvalidAccessKeyId", "SignatureDoesNotMatch",
                                         "InvalidToken",       NULL};

    if (is_any_code(error, passing))
        return ERR_TRANSIENT;
    if (is_any_code(error, denied))
        return ERR_DENIED;
    if (is_code(error, "BucketAlreadyOwnedByYou") || is_code(error, "BucketAlreadyExists"))
        return ERR_EXISTS;
    if (status >= 200 && status < 300) /* a failure inside of a success */
        return ERR_FATAL;
    return code_of_status(status);
}

bool s3_refusal(struct s3 *s, int status, const struct s3_error *error, struct err *e)
{
    const enum err_code code = code_of(status, error);
    /* A sentence with a key in it is a careless one. */
    const bool is_told =
        error->message[0] != '\0' && !credentials_are_in(s->credentials, error->message);

    if (is_code(error, "NoSuchBucket"))
        return err_set(e, ERR_NOT_FOUND, "there is no bucket %s at %s", s->place.bucket,
                       s->place.host);
    if (status >= 300 && status < 400)
        return err_set(e, ERR_FATAL,
                       "%s answers that the bucket %s is elsewhere (%d %s); give the address or "
                       "the region (-o s3.region=REGION) that it is at",
                       s->place.host, s->place.bucket, status, error->code);
    return err_set(e, code, "%s answered %d%s%s%s%s", s->place.host, status,
                   error->code[0] == '\0' ? "" : " ", error->code, is_told ? ": " : "",
                   is_told ? error->message : "");
}

/* Whether a reply is one of success also by what stands in it; *error says what not. */
static bool is_success(const struct s3_request *r, const struct http_reply *reply,
                       struct s3_error *error)
{
    *error = (struct s3_error){{0}};
    if (reply->status < 200 || reply->status >= 300) {
        s3_error_parse(buf_slice(&reply->failure), error);
        return false;
    }
    if (r->expects_xml && reply->body != NULL)
        s3_error_parse(buf_slice(reply->body), error);
    return error->code[0] == '\0';
}

static bool name_it(const struct s3 *s, const struct s3_request *r, struct err *e)
{
    return err_wrap(e, "%s %s%s%s", r->method, s->place.bucket, r->key == NULL ? "" : "/",
                    r->key == NULL ? "" : r->key);
}

bool s3_call(struct s3 *s, const struct s3_request *r, struct http_reply *reply, struct err *e)
{
    const size_t before = reply->body == NULL ? 0 : reply->body->size;
    struct s3_error error;

    for (int n = 1;; n++) {
        if (!wait_for_leave(s, e) || !send_once(s, r, reply, e))
            return name_it(s, r, e);
        if (is_success(r, reply, &error))
            return true;
        if (reply->body != NULL)
            reply->body->size = before;
        if (n == SENDINGS_MAX || !adjust(s, reply, &error))
            break;
    }
    (void)s3_refusal(s, reply->status, &error, e);
    if (e->code == ERR_TRANSIENT)
        note_retry_after(s, reply);
    return name_it(s, r, e);
}
