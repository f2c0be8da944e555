#include "store/s3_upload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "store/retry.h"
#include "store/s3.h"
#include "store/s3_call.h"

enum {
    REPLY_MAX = 4 << 20,
    NUMBER_TEXT_MAX = 12,
};

/* A part that arrived. */
struct part {
    char *etag; /* NULL: not yet */
    size_t size;
};

struct s3_upload {
    struct s3 *s3;
    char *key, *id;
    bool is_complete;

    pthread_mutex_t lock; /* guards what follows */
    struct part *parts;   /* by number, from 1 */
    int highest;
};

static struct s3 *s3_of(struct store *s)
{
    return (struct s3 *)s;
}

static bool repeat(const struct s3 *s, retry_fn *fn, void *arg, struct err *e)
{
    const struct patience p = s3_patience(&s->options);

    return retry_run(&p, fn, arg, e);
}

/* Beginning */

struct begin {
    struct s3 *s3;
    const char *key;
    struct buf id;
};

static bool begin_once(void *arg, struct err *e)
{
    struct begin *b = arg;
    static const struct sigv4_pair query[] = {{"uploads", ""}};
    AUTO(buf) struct buf body = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &body};
    const struct s3_request r = {.method = "POST",
                                 .key = b->key,
                                 .query = query,
                                 .query_count = 1,
                                 .reply_max = REPLY_MAX,
                                 .expects_xml = true};

    return s3_call(b->s3, &r, &reply, e) && s3_begun_parse(buf_slice(&body), &b->id, e);
}

bool s3_upload_open(struct store *store, const char *key, struct s3_upload **out, struct err *e)
{
    struct begin b = {.s3 = s3_of(store), .key = key};

    if (!repeat(b.s3, begin_once, &b, e)) {
        buf_done(&b.id);
        return err_wrap(e, "begin to upload %s", key);
    }

    struct s3_upload *u = mem_new(sizeof(*u));

    if (pthread_mutex_init(&u->lock, NULL) != 0)
        mem_exit("no lock can be made");
    u->s3 = b.s3;
    u->key = mem_string(key);
    u->id = mem_string(buf_string(&b.id));
    u->parts = mem_array(S3_PARTS_MAX + 1, sizeof(*u->parts));
    buf_done(&b.id);
    *out = u;
    return true;
}

/* Parts */

struct sending {
    struct s3_upload *upload;
    int number;
    struct slice data;
    char *etag; /* set */
};

static bool send_once(void *arg, struct err *e)
{
    struct sending *g = arg;
    struct s3_upload *u = g->upload;
    char number[NUMBER_TEXT_MAX];
    const struct sigv4_pair query[] = {{"partNumber", number}, {"uploadId", u->id}};
    const struct s3_request r = {.method = "PUT",
                                 .key = u->key,
                                 .query = query,
                                 .query_count = 2,
                                 .body = g->data,
                                 .reply_max = REPLY_MAX};
    AUTO(http_reply) struct http_reply reply = {0};

    (void)snprintf(number, sizeof(number), "%d", g->number);
    if (!s3_call(u->s3, &r, &reply, e))
        return false;

    const char *etag = http_reply_header(&reply, "etag");

    if (etag == NULL)
        return err_set(e, ERR_TRANSIENT, "the reply to part %d has no ETag", g->number);
    g->etag = mem_string(etag);
    return true;
}

bool s3_upload_part(struct s3_upload *u, int number, struct slice data, struct err *e)
{
    struct sending g = {.upload = u, .number = number, .data = data};

    assert(number >= 1 && number <= S3_PARTS_MAX && data.size <= S3_PART_MAX);
    if (!repeat(u->s3, send_once, &g, e))
        return err_wrap(e, "upload part %d of %s", number, u->key);
    pthread_mutex_lock(&u->lock);
    mem_free(u->parts[number].etag);
    u->parts[number] = (struct part){g.etag, data.size};
    if (number > u->highest)
        u->highest = number;
    pthread_mutex_unlock(&u->lock);
    return true;
}

/* Completing */

struct completion {
    struct s3_upload *upload;
    struct buf body;
    uint64_t size; /* of the object */
    bool is_again; /* an earlier attempt may have been carried out */
};

/* The upload is gone: an attempt before may have been carried out after all. */
static bool is_there(const struct completion *c, struct err *e)
{
    const struct s3_request r = {.method = "HEAD", .key = c->upload->key};
    AUTO(http_reply) struct http_reply reply = {0};
    uint64_t size = 0;

    if (!s3_call(c->upload->s3, &r, &reply, e))
        return false;

    const char *length = http_reply_header(&reply, "content-length");

    return (length != NULL && parse_u64(length, &size, e) && size == c->size) ||
           err_set(e, ERR_FATAL, "the upload is gone, and the object is another one");
}

static bool complete_once(void *arg, struct err *e)
{
    struct completion *c = arg;
    const struct sigv4_pair query[] = {{"uploadId", c->upload->id}};
    const struct s3_request r = {.method = "POST",
                                 .key = c->upload->key,
                                 .query = query,
                                 .query_count = 1,
                                 .body = buf_slice(&c->body),
                                 .reply_max = REPLY_MAX,
                                 .expects_xml = true};
    AUTO(buf) struct buf answer = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &answer};
    const bool was_again = c->is_again;

    c->is_again = true;
    if (s3_call(c->upload->s3, &r, &reply, e))
        return s3_completed_parse(buf_slice(&answer), e);
    return was_again && e->code == ERR_NOT_FOUND && is_there(c, e);
}

static bool append_parts(struct s3_upload *u, struct completion *c, struct err *e)
{
    buf_printf(&c->body, "<CompleteMultipartUpload>");
    for (int n = 1; n <= u->highest; n++) {
        const struct part *p = &u->parts[n];

        if (p->etag == NULL)
            return err_set(e, ERR_USAGE, "part %d of %s was not uploaded", n, u->key);
        buf_printf(&c->body, "<Part><PartNumber>%d</PartNumber><ETag>", n);
        s3_xml_escape(p->etag, &c->body);
        buf_printf(&c->body, "</ETag></Part>");
        c->size += p->size;
    }
    buf_printf(&c->body, "</CompleteMultipartUpload>");
    return u->highest > 0 || err_set(e, ERR_USAGE, "%s has no parts", u->key);
}

bool s3_upload_complete(struct s3_upload *u, struct err *e)
{
    struct completion c = {.upload = u};

    u->is_complete = append_parts(u, &c, e) && (repeat(u->s3, complete_once, &c, e) ||
                                                err_wrap(e, "complete the upload of %s", u->key));
    buf_done(&c.body);
    return u->is_complete;
}

/* Aborting */

struct abortion {
    struct s3 *s3;
    const char *key, *id;
};

static bool abort_once(void *arg, struct err *e)
{
    const struct abortion *a = arg;
    const struct sigv4_pair query[] = {{"uploadId", a->id}};
    const struct s3_request r = {.method = "DELETE",
                                 .key = a->key,
                                 .query = query,
                                 .query_count = 1,
                                 .reply_max = REPLY_MAX};
    AUTO(http_reply) struct http_reply reply = {0};

    return s3_call(a->s3, &r, &reply, e) || e->code == ERR_NOT_FOUND;
}

void s3_upload_close(struct s3_upload *u)
{
    struct err ignored;

    if (u == NULL)
        return;
    if (!u->is_complete) {
        struct abortion a = {u->s3, u->key, u->id};

        (void)!abort_once(&a, &ignored); /* what stays is reaped */
    }
    for (int n = 1; n <= u->highest; n++)
        mem_free(u->parts[n].etag);
    mem_free(u->parts);
    mem_free(u->key);
    mem_free(u->id);
    pthread_mutex_destroy(&u->lock);
    mem_free(u);
}

void s3_upload_auto(struct s3_upload **u)
{
    s3_upload_close(*u);
}

/* Reaping */

struct reaping {
    struct s3 *s3;
    const char *like; /* keys */
    int64_t before_s;
    struct s3_page page;
    struct buf found; /* pairs of key and id, each ended by a NUL */
};

static bool is_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_alike(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++)
        if (*a != *b && !(is_digit(*a) && is_digit(*b)))
            return false;
    return *a == *b;
}

static bool note_old(void *arg, const struct s3_item *item, const char *id, struct err *e)
{
    struct reaping *p = arg;
    const size_t size = strlen(p->s3->place.prefix);

    if (strncmp(item->key, p->s3->place.prefix, size) != 0)
        return err_set(e, ERR_TRANSIENT, "the listing has a name that was not asked for");
    if (item->mtime >= p->before_s || !is_alike(item->key + size, p->like))
        return true;
    buf_append(&p->found, item->key + size, strlen(item->key + size) + 1);
    buf_append(&p->found, id, strlen(id) + 1);
    return true;
}

static bool list_once(void *arg, struct err *e)
{
    struct reaping *p = arg;
    const struct sigv4_pair query[] = {
        {"uploads", ""},
        {"encoding-type", "url"},
        {"prefix", p->s3->place.prefix},
        {"key-marker", buf_string(&p->page.token)},
        {"upload-id-marker", buf_string(&p->page.upload)},
    };
    const struct s3_request r = {.method = "GET",
                                 .query = query,
                                 .query_count = p->page.token.size > 0 ? 5 : 3,
                                 .reply_max = REPLY_MAX,
                                 .expects_xml = true};
    AUTO(buf) struct buf body = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &body};
    AUTO(s3_page) struct s3_page next = {0};
    const size_t before = p->found.size;

    if (s3_call(p->s3, &r, &reply, e) &&
        s3_uploads_parse(buf_slice(&body), note_old, p, &next, e)) {
        const struct s3_page last = p->page;

        p->page = next;
        next = last; /* to be released */
        return true;
    }
    p->found.size = before;
    return false;
}

static bool list_all(struct reaping *p, struct err *e)
{
    do {
        AUTO(buf) struct buf last = {0};

        buf_append_slice(&last, buf_slice(&p->page.token));
        buf_append_slice(&last, buf_slice(&p->page.upload));
        if (!repeat(p->s3, list_once, p, e))
            return false;
        if (!p->page.is_truncated)
            return true;

        AUTO(buf) struct buf now = {0};

        buf_append_slice(&now, buf_slice(&p->page.token));
        buf_append_slice(&now, buf_slice(&p->page.upload));
        if (now.size == 0 || slice_is_equal(buf_slice(&now), buf_slice(&last)))
            return err_set(e, ERR_FATAL, "the store's listing does not come to an end");
    } while (true);
}

bool s3_upload_reap(struct store *store, const char *key, int64_t before_s, int *count,
                    struct err *e)
{
    struct reaping p = {.s3 = s3_of(store), .like = key, .before_s = before_s};
    bool is_done = list_all(&p, e);

    *count = 0;
    for (size_t at = 0; is_done && at < p.found.size;) {
        struct abortion a = {.s3 = p.s3, .key = (const char *)p.found.data + at};

        at += strlen(a.key) + 1;
        a.id = (const char *)p.found.data + at;
        at += strlen(a.id) + 1;
        is_done = repeat(p.s3, abort_once, &a, e);
        *count += is_done;
    }
    buf_done(&p.found);
    s3_page_auto(&p.page);
    return is_done || err_wrap(e, "abort old uploads");
}
