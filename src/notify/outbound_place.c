#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "notify/outbound.h"

struct parts {
    CURLU *url;
    char *host, *port;
};

static void parts_auto(struct parts *p)
{
    curl_free(p->host);
    curl_free(p->port);
    curl_url_cleanup(p->url);
}

/* Write the host in the one form that it is compared in. */
static bool host_take(const char *text, struct outbound_place *out,
                      struct sockaddr_storage *literal)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    literal->ss_family = AF_UNSPEC;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(literal, &v4, sizeof(v4));
        return inet_ntop(AF_INET, &v4.sin_addr, out->host, sizeof(out->host)) != NULL;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(literal, &v6, sizeof(v6));
        return inet_ntop(AF_INET6, &v6.sin6_addr, out->host, sizeof(out->host)) != NULL;
    }
    if (!address_is_host(text))
        return false;
    for (size_t i = 0;; i++) {
        out->host[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + ('a' - 'A')) : text[i];
        if (text[i] == '\0')
            return true;
    }
}

/* "host:port" or "[address]:port"; ours is written without brackets. */
static bool entry_take(const char *text, struct outbound_place *out)
{
    const char *colon = strrchr(text, ':');
    const size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    const bool is_bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    char host[OUTBOUND_HOST_MAX];
    struct sockaddr_storage literal;
    uint64_t port = 0;
    struct err ignored;

    if (size == 0 || size >= sizeof(host) || !parse_u64(colon + 1, &port, &ignored) || port == 0 ||
        port > UINT16_MAX)
        return false;
    (void)snprintf(host, sizeof(host), "%.*s", (int)(size - (is_bracketed ? 2 : 0)),
                   text + (is_bracketed ? 1 : 0));
    out->port = (uint16_t)port;
    return host_take(host, out, &literal) && is_bracketed == (literal.ss_family == AF_INET6);
}

bool outbound_allowed_check(const char *text, struct err *e)
{
    struct outbound_place ignored;

    if (entry_take(text, &ignored))
        return true;
    return err_set(e, ERR_USAGE, "%s is not HOST:PORT, as in hooks.example.org:443 or [::1]:8025",
                   text);
}

static bool is_listed(const struct outbound_settings *s, const struct outbound_place *p)
{
    struct outbound_place entry;

    for (size_t i = 0; i < s->allowed_count; i++)
        if (entry_take(s->allowed[i], &entry) && entry.port == p->port &&
            strcmp(entry.host, p->host) == 0)
            return true;
    return false;
}

bool outbound_place_make(const struct outbound_settings *s, const char *scheme, const char *host,
                         uint16_t port, struct outbound_place *out, struct err *e)
{
    struct outbound_place p = {.port = port};
    struct sockaddr_storage literal;

    assert(strlen(scheme) < sizeof(p.scheme));
    (void)snprintf(p.scheme, sizeof(p.scheme), "%s", scheme);
    if (port == 0 || !host_take(host, &p, &literal))
        return err_set(e, ERR_USAGE, "it does not name a host and a port in the usual way");
    p.is_listed = is_listed(s, &p);
    if (!p.is_listed) {
        if (strcmp(scheme, "http") == 0)
            return err_set(e, ERR_DENIED, "http is for listed places only; use https");
        if (literal.ss_family != AF_UNSPEC &&
            !outbound_address_is_public((const struct sockaddr *)&literal))
            return err_set(e, ERR_DENIED, "the address is not one of the open internet");
        /* A resolver would try it in the domains of this machine. */
        if (literal.ss_family == AF_UNSPEC && strchr(host, '.') == NULL)
            return err_set(e, ERR_DENIED, "a name without a dot is not one of the open internet");
    }
    *out = p;
    return true;
}

/* Without spaces, control characters, backslashes and what else has no place in an address. */
static bool has_plain_characters(const char *url)
{
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c == 0x7F || (*c & 0x80) != 0 || strchr("\"<>\\^`{|}#", *c) != NULL)
            return false;
    return true;
}

/* The host as curl understands it is the host as it is written: no user before it, no escapes, no
 * number that becomes another. */
static bool is_written(const char *authority, const char *host)
{
    const size_t size = strlen(host);

    return strncasecmp(authority, host, size) == 0 &&
           (authority[size] == '\0' || strchr(":/?", authority[size]) != NULL);
}

bool outbound_place_parse(const struct outbound_settings *s, const char *url,
                          struct outbound_place *out, struct err *e)
{
    AUTO(parts) struct parts p = {.url = curl_url()};
    const bool is_https = strncmp(url, "https://", 8) == 0;
    const char *authority = url + (is_https ? 8 : 7);
    uint64_t port = 0;

    if (p.url == NULL)
        mem_exit("out of memory");
    if (!is_https && strncmp(url, "http://", 7) != 0)
        return err_set(e, ERR_USAGE, "it does not begin with https://");
    if (strlen(url) > OUTBOUND_URL_MAX)
        return err_set(e, ERR_USAGE, "it is longer than %d bytes", OUTBOUND_URL_MAX);
    if (!has_plain_characters(url) ||
        curl_url_set(p.url, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) !=
            CURLUE_OK ||
        curl_url_get(p.url, CURLUPART_HOST, &p.host, 0) != CURLUE_OK ||
        curl_url_get(p.url, CURLUPART_PORT, &p.port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        !is_written(authority, p.host) || !parse_u64(p.port, &port, e) || port > UINT16_MAX)
        return err_set(e, ERR_USAGE, "it is not an address as browsers and programs all read it");

    char *host = p.host;
    const size_t size = strlen(host);

    if (host[0] == '[' && size > 2) {
        host[size - 1] = '\0';
        host++;
    }
    return outbound_place_make(s, is_https ? "https" : "http", host, (uint16_t)port, out, e);
}
