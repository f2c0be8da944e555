#include "store/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/http_reply.h"

enum {
    CONNECT_MS = 10 * 1000,      /* with all that TLS has to say; less when stalls may last less */
    SLOW_BYTES = 100,            /* fewer in a second are standing still */
    SLOWEST_BYTES = 4 << 10,     /* a second, of a whole request */
    CLEAR_UP_MS = 10 * 1000,     /* of a request begun after the call to stop */
    FAILURE_MAX = 64 << 10,      /* of a body that says what went wrong */
    TRANSFER_BUFFER = 512 << 10, /* bytes */
    LEAST_BUFFER = 16 << 10,     /* that curl takes */
};

/* A handle of the library with the connection that it keeps. */
struct line {
    CURL *handle;
    curl_socket_t socket; /* last opened */
};

struct http {
    struct http_settings settings;
    atomic_bool is_reached; /* there was a reply */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t freed;
    struct line *idle; /* the last used is the last */
    int idle_count;
    int made;
};

/* One request under way. */
struct exchange {
    struct line line;
    const struct http_request *request;
    struct http_reply *reply;
    size_t sent;      /* bytes of the body */
    size_t received;  /* bytes of the reply's */
    bool is_too_long; /* the reply */
    bool is_rewound;  /* the body would have had to be sent again */
    bool clears_up;   /* begun after the call to stop */
    int64_t started_ns;
};

static void start_library(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        mem_exit("the library for HTTP does not start");
}

struct http *http_new(const struct http_settings *settings)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http *h = mem_new(sizeof(*h));

    assert(settings->connections > 0);
    (void)pthread_once(&once, start_library); /* fails for no other reason than a wrong argument */
    h->settings = *settings;
    h->idle = mem_array((size_t)settings->connections, sizeof(*h->idle));
    if (pthread_mutex_init(&h->lock, NULL) != 0 || pthread_cond_init(&h->freed, NULL) != 0)
        mem_exit("no lock can be made");
    return h;
}

void http_free(struct http *h)
{
    if (h == NULL)
        return;
    for (int i = 0; i < h->idle_count; i++)
        curl_easy_cleanup(h->idle[i].handle);
    pthread_cond_destroy(&h->freed);
    pthread_mutex_destroy(&h->lock);
    mem_free(h->idle);
    mem_free(h);
}

void http_auto(struct http **h)
{
    http_free(*h);
}

/* Connections */

/* One that nobody uses, the most recent; waits while all are in use. */
static struct line line_take(struct http *h)
{
    struct line taken = {.handle = NULL, .socket = CURL_SOCKET_BAD};

    pthread_mutex_lock(&h->lock);
    while (h->idle_count == 0 && h->made == h->settings.connections)
        pthread_cond_wait(&h->freed, &h->lock);
    if (h->idle_count > 0)
        taken = h->idle[--h->idle_count];
    else
        h->made++;
    pthread_mutex_unlock(&h->lock);
    if (taken.handle == NULL && (taken.handle = curl_easy_init()) == NULL)
        mem_exit("out of memory");
    return taken;
}

static void line_give(struct http *h, const struct line *l)
{
    curl_easy_reset(l->handle); /* options only; the connection stays */
    pthread_mutex_lock(&h->lock);
    h->idle[h->idle_count++] = *l;
    pthread_cond_signal(&h->freed);
    pthread_mutex_unlock(&h->lock);
}

/* What curl calls */

static int on_socket(void *arg, curl_socket_t socket, curlsocktype purpose)
{
    struct exchange *x = arg;

    (void)purpose;
    x->line.socket = socket;
    return CURL_SOCKOPT_OK;
}

/*
 * Acknowledge at once what has come.  Servers that send the head and the body of a reply by two
 * writes with Nagle's algorithm on (radosgw does) hold the body back until the head is
 * acknowledged, and the kernel takes 40 ms for that.  Fails for a socket that is closed, and then
 * it is late anyway.
 */
static void acknowledge(const struct exchange *x)
{
    const int on = 1;

    if (x->line.socket != CURL_SOCKET_BAD)
        (void)setsockopt(x->line.socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static size_t on_send(char *to, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    const size_t left = x->request->body.size - x->sent;
    const size_t room = size * count;
    const size_t n = left < room ? left : room;

    if (n > 0)
        memcpy(to, x->request->body.data + x->sent, n);
    x->sent += n;
    return n;
}

/*
 * curl sends a request again by itself when the connection that it had kept breaks before the
 * reply.  Nobody would know then that the first one may have been carried out.
 */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct exchange *x = arg;

    (void)offset;
    (void)origin;
    x->is_rewound = true;
    return CURL_SEEKFUNC_FAIL;
}

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

static size_t on_body(char *from, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    struct http_reply *r = x->reply;
    const size_t n = size * count;

    if (!is_success(r->status)) {
        const size_t room = FAILURE_MAX - r->failure.size;

        buf_append(&r->failure, from, n < room ? n : room);
        return n;
    }
    x->received += n;
    if (x->received > x->request->reply_max) {
        x->is_too_long = true;
        return 0;
    }
    if (r->body != NULL)
        buf_append(r->body, from, n);
    return n;
}

/* Make room at once for a body whose length is told. */
static void expect_body(struct exchange *x)
{
    const char *text = http_reply_header(x->reply, "content-length");
    uint64_t length = 0;
    struct err ignored;

    x->reply->has_length = text != NULL || http_reply_header(x->reply, "transfer-encoding") != NULL;
    if (text != NULL && x->reply->body != NULL && is_success(x->reply->status) &&
        parse_u64(text, &length, &ignored) && length <= x->request->reply_max)
        buf_reserve(x->reply->body, length);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    const size_t all = size * count;

    switch (http_reply_take(x->reply, line, all)) {
    case HTTP_LINE_STATUS:
        acknowledge(x);
        return all;
    case HTTP_LINE_END:
        expect_body(x);
        return all;
    case HTTP_LINE_HEADER:
        return all;
    case HTTP_LINE_REFUSED:
        break;
    }
    return 0;
}

static int on_progress(void *arg, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
                       curl_off_t sent)
{
    const struct exchange *x = arg;

    (void)to_get;
    (void)got;
    (void)to_send;
    (void)sent;
    if (!cancel_is_requested())
        return 0;
    return !x->clears_up || clock_monotonic_ns() - x->started_ns > CLEAR_UP_MS * (NS_PER_S / 1000);
}

/* A request */

struct lines {
    struct curl_slist *first;
};

static void lines_auto(struct lines *l)
{
    /* Copies of ours, with the signature and perhaps a token that is as good as a password. */
    for (struct curl_slist *at = l->first; at != NULL; at = at->next)
        mem_wipe(at->data, strlen(at->data));
    curl_slist_free_all(l->first);
}

static void lines_add(struct lines *l, const char *line)
{
    struct curl_slist *longer = curl_slist_append(l->first, line);

    if (longer == NULL)
        mem_exit("out of memory");
    l->first = longer;
}

/* Every option is one that this curl has, and strings are copied, so only memory can fail. */
static void require(CURLcode code, const char *sentence)
{
    if (code != CURLE_OK)
        mem_exit(sentence);
}
#define SET(c, option, value) \
    require(curl_easy_setopt(c, option, value), "the library for HTTP refuses " #option)

/* curl sends a whole buffer and then waits; with a limit that must not look like standing still. */
static long buffer_size(uint64_t limit)
{
    if (limit == 0 || limit > TRANSFER_BUFFER)
        return TRANSFER_BUFFER;
    return limit < LEAST_BUFFER ? LEAST_BUFFER : (long)limit;
}

/* The variables are those of OpenSSL's own programs and of curl, which the library leaves to its
 * caller; each replaces one of the system's two places. */
static void set_trust(CURL *c, const struct http_settings *s)
{
    const char *file = getenv("SSL_CERT_FILE");
    const char *folder = getenv("SSL_CERT_DIR");

    if (s->ca_file != NULL) {
        SET(c, CURLOPT_CAINFO, s->ca_file);
        SET(c, CURLOPT_CAPATH, NULL);
        return;
    }
    if (file != NULL && file[0] != '\0')
        SET(c, CURLOPT_CAINFO, file);
    if (folder != NULL && folder[0] != '\0')
        SET(c, CURLOPT_CAPATH, folder);
}

static void set_transport(CURL *c, const struct http_settings *s)
{
    const long verify = s->trusts_any_certificate ? 0 : 1;

    SET(c, CURLOPT_NOSIGNAL, 1L);
    SET(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(c, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(c, CURLOPT_FOLLOWLOCATION, 0L);
    SET(c, CURLOPT_PATH_AS_IS, 1L);
    SET(c, CURLOPT_PROXY, s->proxy == NULL ? "" : s->proxy); /* "" ignores the environment */
    SET(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(c, CURLOPT_SSL_VERIFYPEER, verify);
    SET(c, CURLOPT_SSL_VERIFYHOST, 2 * verify);
    set_trust(c, s);
    SET(c, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(c, CURLOPT_BUFFERSIZE, buffer_size(s->download_limit));
    SET(c, CURLOPT_UPLOAD_BUFFERSIZE, buffer_size(s->upload_limit));
}

/* The speed below which a request as a whole takes too long: one that is held back may take its
 * time. */
static int64_t slowest_speed(const struct http_settings *s)
{
    int64_t slowest = SLOWEST_BYTES;

    if (s->upload_limit > 0 && (int64_t)s->upload_limit / 2 < slowest)
        slowest = (int64_t)s->upload_limit / 2;
    if (s->download_limit > 0 && (int64_t)s->download_limit / 2 < slowest)
        slowest = (int64_t)s->download_limit / 2;
    return slowest;
}

static void set_times(CURL *c, const struct http_settings *s, const struct http_request *r)
{
    const int64_t bytes = (int64_t)(r->body.size + r->reply_max);

    SET(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(s->stall_ms < CONNECT_MS ? s->stall_ms : CONNECT_MS));
    SET(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES);
    SET(c, CURLOPT_LOW_SPEED_TIME, (long)((s->stall_ms + 999) / 1000));
    SET(c, CURLOPT_TIMEOUT_MS,
        (long)(CONNECT_MS + 2 * s->stall_ms + bytes * 1000 / slowest_speed(s)));
    SET(c, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)s->upload_limit);
    SET(c, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)s->download_limit);
}

static bool has_body(const struct http_request *r)
{
    return strcmp(r->method, "PUT") == 0 || strcmp(r->method, "POST") == 0;
}

static void set_request(struct exchange *x, struct lines *lines)
{
    CURL *c = x->line.handle;
    const struct http_request *r = x->request;

    SET(c, CURLOPT_URL, r->url);
    for (size_t i = 0; i < r->header_count; i++)
        lines_add(lines, r->headers[i]);
    lines_add(lines, "Expect:");
    lines_add(lines, "Accept:");
    if (has_body(r)) {
        SET(c, CURLOPT_UPLOAD, 1L);
        SET(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body.size);
        SET(c, CURLOPT_READFUNCTION, on_send);
        SET(c, CURLOPT_READDATA, x);
        SET(c, CURLOPT_SEEKFUNCTION, on_rewind);
        SET(c, CURLOPT_SEEKDATA, x);
    }
    if (strcmp(r->method, "HEAD") == 0)
        SET(c, CURLOPT_NOBODY, 1L);
    else
        SET(c, CURLOPT_CUSTOMREQUEST, r->method);
    SET(c, CURLOPT_HTTPHEADER, lines->first);
    SET(c, CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(c, CURLOPT_SOCKOPTDATA, x);
    SET(c, CURLOPT_HEADERFUNCTION, on_header);
    SET(c, CURLOPT_HEADERDATA, x);
    SET(c, CURLOPT_WRITEFUNCTION, on_body);
    SET(c, CURLOPT_WRITEDATA, x);
    SET(c, CURLOPT_NOPROGRESS, 0L);
    SET(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(c, CURLOPT_XFERINFODATA, x);
}

/* What the library says in more words, or its short sentence. */
static const char *sentence_of(CURLcode code, const char *detail)
{
    return detail[0] != '\0' ? detail : curl_easy_strerror(code);
}

/* Whether a sentence about TLS is one about the connection below it: OpenSSL's own errors begin
 * with "error:", but an end that comes too early is one of them. */
static bool is_broken_off(const char *sentence)
{
    return strstr(sentence, "error:") == NULL || strstr(sentence, "unexpected eof") != NULL;
}

static bool transfer_failed(struct http *h, CURLcode code, const struct exchange *x,
                            const char *detail, struct err *e)
{
    const char *sentence = sentence_of(code, detail);

    if (x->is_too_long)
        return err_set(e, ERR_CORRUPT, "the reply is longer than %zu bytes", x->request->reply_max);
    if (x->is_rewound)
        return err_set(e, ERR_TRANSIENT, "the connection was lost before the reply");
    switch ((int)code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return cancel_err(e);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        /* A name that never worked is a wrong name, and later the name server has a bad day. */
        return err_set(e, atomic_load(&h->is_reached) ? ERR_TRANSIENT : ERR_FATAL, "%s", sentence);
    case CURLE_SSL_CONNECT_ERROR:
        /* Who never spoke TLS will not learn it; who breaks off may come back. */
        return err_set(
            e, atomic_load(&h->is_reached) || is_broken_off(sentence) ? ERR_TRANSIENT : ERR_FATAL,
            "%s", sentence);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return err_set(e, ERR_DENIED, "the server's certificate is not accepted: %s", sentence);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
        return err_set(e, ERR_USAGE, "%s", sentence);
    default:
        return err_set(e, ERR_TRANSIENT, "%s", sentence);
    }
}

bool http_send(struct http *h, const struct http_request *r, struct http_reply *out, struct err *e)
{
    AUTO(lines) struct lines lines = {0};
    const size_t before = out->body == NULL ? 0 : out->body->size;
    struct exchange x = {
        .line = line_take(h), .request = r, .reply = out, .clears_up = cancel_is_requested()};
    char detail[CURL_ERROR_SIZE] = "";
    CURL *c = x.line.handle;

    out->status = 0;
    out->has_length = false;
    buf_clear(&out->headers);
    buf_clear(&out->failure);
    x.started_ns = clock_monotonic_ns();
    set_transport(c, &h->settings);
    set_times(c, &h->settings, r);
    set_request(&x, &lines);
    SET(c, CURLOPT_ERRORBUFFER, detail);

    const CURLcode code = curl_easy_perform(c);

    line_give(h, &x.line);
    if (out->status > 0)
        atomic_store(&h->is_reached, true);
    if (code == CURLE_OK)
        return true;
    if (out->body != NULL)
        out->body->size = before;
    return transfer_failed(h, code, &x, detail, e);
}
