#include "notify/webhook.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"

void webhook_sign(const char *secret, int64_t time_s, struct slice body, struct buf *out)
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;
    unsigned size = 0;
    char digits[2 * HASH_SIZE + 1];

    assert(time_s >= 0);
    buf_printf(&text, "%" PRId64 ".", time_s);
    buf_append_slice(&text, body);
    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), text.data, text.size, sum.bytes, &size) ==
            NULL ||
        size != HASH_SIZE)
        mem_exit("the cryptographic library does not compute an HMAC");
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), digits);
    buf_printf(out, "t=%" PRId64 ",v1=%s", time_s, digits);
}

void webhook_send(const struct outbound_settings *s, const struct webhook *w,
                  struct outbound_reply *out)
{
    AUTO(buf) struct buf delivery = {0};
    AUTO(buf) struct buf signature = {0};

    buf_printf(&delivery, "X-Holdfast-Delivery: %s", w->id);
    if (w->secret != NULL) {
        buf_printf(&signature, "X-Holdfast-Signature: ");
        webhook_sign(w->secret, clock_now_ns() / NS_PER_S, w->body, &signature);
    }

    const char *const headers[] = {"Content-Type: application/json", buf_string(&delivery),
                                   buf_string(&signature)};
    const struct outbound_request r = {.method = "POST",
                                       .url = w->url,
                                       .headers = headers,
                                       .header_count = w->secret == NULL ? 2 : 3,
                                       .body = w->body};

    outbound_send(s, &r, out);
}

/* Behind the path, and in front of a query. */
static void put_fail_url(const char *url, struct buf *out)
{
    const size_t path = strcspn(url, "?");
    size_t end = path;

    while (end > 0 && url[end - 1] == '/')
        end--;
    buf_append(out, url, end);
    buf_printf(out, "/fail%s", url + path);
}

void webhook_send_heartbeat(const struct outbound_settings *s, const char *url,
                            const char *sentence, struct outbound_reply *out)
{
    static const char *const headers[] = {"Content-Type: text/plain; charset=utf-8"};
    AUTO(buf) struct buf fail_url = {0};
    struct outbound_request r = {.method = "GET", .url = url};

    if (sentence != NULL) {
        put_fail_url(url, &fail_url);
        r = (struct outbound_request){.method = "POST",
                                      .url = buf_string(&fail_url),
                                      .headers = headers,
                                      .header_count = 1,
                                      .body = slice_string(sentence)};
    }
    outbound_send(s, &r, out);
}
