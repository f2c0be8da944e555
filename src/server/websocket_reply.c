/*
 * The handshake of a WebSocket (RFC 6455 4.2).
 */
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "server/private.h"

static bool has_word(const char *list, const char *word)
{
    const size_t size = strlen(word);

    for (const char *s = list == NULL ? "" : list; *s != '\0'; s += strspn(s, ", \t")) {
        const size_t n = strcspn(s, ", \t");

        if (n == size && strncasecmp(s, word, n) == 0)
            return true;
        s += n;
    }
    return false;
}

/* RFC 6455 4.2.2, 5.4 */
static void put_accept(struct request *r, const char *key)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf accept = {0};
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    buf_printf(&text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (EVP_Digest(text.data, text.size, sum, &size, EVP_sha1(), NULL) != 1)
        mem_exit("OpenSSL has no SHA-1");
    base64_encode(SLICE_OF(sum, size), &accept);
    reply_header(r, "Sec-WebSocket-Accept", buf_string(&accept));
}

void reply_websocket(struct request *r, const struct websocket_protocol *protocol, void *arg)
{
    const char *key = request_header(r, "Sec-WebSocket-Key");
    const char *version = request_header(r, "Sec-WebSocket-Version");
    const char *origin = request_header(r, "Origin");
    struct http_server *s = r->server;

    if (!has_word(request_header(r, "Connection"), "upgrade") ||
        !has_word(request_header(r, "Upgrade"), "websocket") || r->is_head) {
        reply_header(r, "Upgrade", "websocket");
        reply_problem(r, 426, "upgrade_required", "this path is for WebSockets");
        return;
    }
    if (version == NULL || strcmp(version, "13") != 0) {
        reply_header(r, "Sec-WebSocket-Version", "13");
        reply_problem(r, 426, "websocket_version", "the version of WebSockets must be 13");
        return;
    }
    if (key == NULL || strlen(key) != 24) {
        reply_problem(r, 400, "websocket_key", "Sec-WebSocket-Key is missing or malformed");
        return;
    }
    /* Browsers send cookies along with whoever asks, and always say for which page. */
    if (origin != NULL && strcasecmp(origin, r->origin) != 0) {
        reply_problem(r, 403, "cross_site", "a page of another site must not ask this");
        return;
    }
    if (protocol->name != NULL &&
        !has_word(request_header(r, "Sec-WebSocket-Protocol"), protocol->name)) {
        reply_problem(r, 400, "websocket_protocol",
                      "the client does not offer the protocol spoken here");
        return;
    }
    if (s->is_stopping || ++s->streams > s->options.streams_max) {
        s->streams -= !s->is_stopping;
        reply_header(r, "Retry-After", "30");
        reply_problem(r, 503, "too_many_streams", "too many event streams are open");
        return;
    }
    put_accept(r, key);
    reply_header(r, "Upgrade", "websocket");
    if (protocol->name != NULL)
        reply_header(r, "Sec-WebSocket-Protocol", protocol->name);
    r->is_counted = true;
    r->reply.kind = REPLY_SOCKET;
    r->reply.status = 101;
    r->reply.protocol = protocol;
    r->reply.protocol_arg = arg;
}
