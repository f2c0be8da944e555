#include "server/once.h"

#include "base/text.h"

#define KEY_HEX (2 * HASH_SIZE + 1)

static struct catalog_request request_of(const struct principal *p, const char *key,
                                         const struct hash *digest, char hex[KEY_HEX])
{
    hex_encode(SLICE_OF(digest->bytes, HASH_SIZE), hex);
    return (struct catalog_request){.principal = p->id, .name = key, .hash = hex};
}

static bool begin(void *arg, const struct principal *p, const char *key, const struct hash *digest,
                  enum http_idempotency *state, unsigned *status, struct buf *body, struct err *e)
{
    static const enum http_idempotency states[] = {
        [REQUEST_NEW] = HTTP_KEY_NEW,
        [REQUEST_RUNNING] = HTTP_KEY_BUSY,
        [REQUEST_DONE] = HTTP_KEY_REPLAY,
        [REQUEST_OTHER] = HTTP_KEY_OTHER,
    };
    const struct service *s = arg;
    AUTO(arena) struct arena a = {0};
    char hex[KEY_HEX];
    const struct catalog_request request = request_of(p, key, digest, hex);
    struct catalog_answer answer = {0};

    if (!catalog_request_begin(s->catalog, &request, &a, &answer, e))
        return false;
    *state = states[answer.state];
    if (answer.state == REQUEST_DONE) {
        *status = (unsigned)answer.status;
        buf_append_slice(body, slice_string(answer.text));
    }
    return true;
}

struct ending {
    const struct catalog_request *request;
    unsigned status;
    struct buf text;
};

static bool end(struct catalog_tx *t, void *arg, struct err *e)
{
    struct ending *g = arg;

    return g->status == 0 ? catalog_request_forget(t, g->request, e)
                          : catalog_request_end(t, g->request, g->status, buf_string(&g->text), e);
}

static void finish(void *arg, const struct principal *p, const char *key, const struct hash *digest,
                   unsigned status, struct slice body)
{
    const struct service *s = arg;
    char hex[KEY_HEX];
    const struct catalog_request request = request_of(p, key, digest, hex);
    struct ending g = {.request = &request, .status = status};
    struct err e;

    buf_append_slice(&g.text, body);
    /* What once_keep() has kept is not under way any more; when the catalog is away the request is
     * as good as new after a while. */
    if (!catalog_write(s->catalog, end, &g, &e))
        e.code = ERR_NONE;
    buf_done(&g.text);
}

struct http_idempotency_ops once_ops(struct service *s)
{
    return (struct http_idempotency_ops){.begin = begin, .finish = finish, .arg = s};
}

bool once_keep(struct catalog_tx *t, const struct request *r, unsigned status,
               const json_t *document, struct err *e)
{
    struct hash digest;
    const char *key = request_once(r, &digest);
    AUTO(buf) struct buf text = {0};
    char hex[KEY_HEX];

    if (key == NULL)
        return true;
    json_append(document, &text);

    const struct catalog_request request = request_of(request_principal(r), key, &digest, hex);

    return catalog_request_end(t, &request, status, buf_string(&text), e);
}

static bool drop(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct catalog_request *request = arg;

    return catalog_request_drop(t, request, e);
}

void once_forget(const struct request *r)
{
    const struct service *s = request_app(r);
    struct hash digest;
    const char *key = request_once(r, &digest);
    char hex[KEY_HEX];
    struct err e;

    if (key == NULL)
        return;

    struct catalog_request request = request_of(request_principal(r), key, &digest, hex);

    if (!catalog_write(s->catalog, drop, &request, &e))
        reply_log(r, &e); /* whoever repeats it is told what was kept */
}
