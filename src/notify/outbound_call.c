#include "notify/outbound_call.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/mem.h"

static void start_library(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        mem_exit("the library for HTTP and SMTP does not start");
}

void outbound_call_require(CURLcode code, const char *sentence)
{
    if (code != CURLE_OK)
        mem_exit(sentence);
}

/* Whatever the name led to: this is the address that is connected to, or not. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct outbound_call *c = arg;

    (void)purpose;
    if (!c->place.is_listed && !outbound_address_is_public(&address->addr)) {
        c->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int on_progress(void *arg, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
                       curl_off_t sent)
{
    (void)arg;
    (void)to_get;
    (void)got;
    (void)to_send;
    (void)sent;
    return cancel_is_requested();
}

/* What is said is counted and dropped. */
static size_t on_reply(char *from, size_t size, size_t count, void *arg)
{
    (void)from;
    return outbound_call_count(arg, size * count) ? size * count : 0;
}

void outbound_call_init(struct outbound_call *c, const struct outbound_settings *s,
                        const struct outbound_place *place)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const int64_t connect_ms = s->connect_ms > 0 ? s->connect_ms : OUTBOUND_CONNECT_MS;
    const int64_t total_ms = s->total_ms > 0 ? s->total_ms : OUTBOUND_TOTAL_MS;

    (void)pthread_once(&once, start_library); /* fails for no other reason than a wrong argument */
    *c = (struct outbound_call){.curl = curl_easy_init(), .place = *place};
    if (c->curl == NULL)
        mem_exit("out of memory");
    CALL_SET(c, CURLOPT_NOSIGNAL, 1L);
    CALL_SET(c, CURLOPT_PROTOCOLS_STR, place->scheme);
    CALL_SET(c, CURLOPT_FOLLOWLOCATION, 0L);
    CALL_SET(c, CURLOPT_PROXY, ""); /* not even one from the environment */
    CALL_SET(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    CALL_SET(c, CURLOPT_FRESH_CONNECT, 1L);
    CALL_SET(c, CURLOPT_FORBID_REUSE, 1L);
    /* A name server that is silent must not keep a thread of ours after the call has ended. */
    CALL_SET(c, CURLOPT_QUICK_EXIT, 1L);
    CALL_SET(c, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    CALL_SET(c, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)((total_ms + 999) / 1000));
    CALL_SET(c, CURLOPT_TIMEOUT_MS, (long)total_ms);
    CALL_SET(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    CALL_SET(c, CURLOPT_SSL_VERIFYPEER, 1L);
    CALL_SET(c, CURLOPT_SSL_VERIFYHOST, 2L);
    if (s->ca_file != NULL) {
        CALL_SET(c, CURLOPT_CAINFO, s->ca_file);
        CALL_SET(c, CURLOPT_CAPATH, NULL);
    }
    CALL_SET(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
    CALL_SET(c, CURLOPT_OPENSOCKETDATA, c);
    CALL_SET(c, CURLOPT_WRITEFUNCTION, on_reply);
    CALL_SET(c, CURLOPT_WRITEDATA, c);
    CALL_SET(c, CURLOPT_NOPROGRESS, 0L);
    CALL_SET(c, CURLOPT_XFERINFOFUNCTION, on_progress);
}

void outbound_call_auto(struct outbound_call *c)
{
    if (c->curl != NULL)
        curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->lines);
}

void outbound_call_add_line(struct outbound_call *c, const char *line)
{
    struct curl_slist *longer = curl_slist_append(c->lines, line);

    if (longer == NULL)
        mem_exit("out of memory");
    c->lines = longer;
}

bool outbound_call_count(struct outbound_call *c, size_t size)
{
    c->received += size;
    if (c->received > OUTBOUND_REPLY_MAX)
        c->is_too_long = true;
    return !c->is_too_long;
}

CURLcode outbound_call_run(struct outbound_call *c, long *status)
{
    const CURLcode code = curl_easy_perform(c->curl);

    *status = 0;
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, status); /* known to every curl */
    return code;
}

enum outbound_outcome outbound_call_outcome(const struct outbound_call *c, CURLcode code)
{
    if (c->is_too_long)
        return OUTBOUND_TOO_LONG;
    if (c->is_refused)
        return OUTBOUND_REFUSED;
    switch ((int)code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return OUTBOUND_CANCELLED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return OUTBOUND_NO_NAME;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return OUTBOUND_BAD_CERTIFICATE;
    case CURLE_USE_SSL_FAILED:
        return OUTBOUND_NO_TLS;
    case CURLE_LOGIN_DENIED:
        return OUTBOUND_NO_LOGIN;
    default:
        return OUTBOUND_NO_ANSWER;
    }
}
