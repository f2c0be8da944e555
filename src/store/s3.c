/*
 * The driver of S3: what struct store_ops asks for, in requests.
 *
 * A PUT makes an object at once and whole, and S3 promises that whoever reads or lists afterwards
 * sees it.  PUT_NEW adds "If-None-Match: *", which the store decides atomically.  Where it does not
 * know that (it says so with 501, or the option conditional-put says so), a HEAD goes first: then
 * of two writers of one key at the same moment both may win.  Nothing in the repository's
 * protocol relies on more, since keys are hashes of what they hold or random.
 *
 * ETags are not looked at: they are MD5 sums at some stores and with some settings only.
 */
#include "store/s3.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "store/object_key.h"
#include "store/object_list.h"
#include "store/retry.h"
#include "store/s3_call.h"

enum {
    REPLY_MAX = 1 << 20,
    LIST_REPLY_MAX = 16 << 20, /* 1,000 names of 1,024 bytes, each three times as long encoded */
    RANGE_TEXT_MAX = 64,
    DELETE_MAX = 1000,      /* of one request */
    EMPTY_PAGES_MAX = 1000, /* one behind the other */
};

static struct s3 *s3_of(struct store *s)
{
    return (struct s3 *)s;
}

/* Reading */

static void close_store(struct store *s)
{
    s3_free(s3_of(s));
}

static bool get_size(struct s3 *s, const char *key, uint64_t *size, int64_t *mtime, struct err *e)
{
    const struct s3_request r = {.method = "HEAD", .key = key};
    AUTO(http_reply) struct http_reply reply = {0};

    if (!s3_call(s, &r, &reply, e))
        return false;

    const char *length = http_reply_header(&reply, "content-length");

    if (length == NULL || !parse_u64(length, size, e))
        return err_set(e, ERR_TRANSIENT, "HEAD %s: the reply has no length", key);
    *mtime = s3_date(&reply, "last-modified");
    return true;
}

static bool op_stat(struct store *store, const char *key, struct object_info *info, struct err *e)
{
    struct object_info found = {.key = key};

    if (!get_size(s3_of(store), key, &found.size, &found.mtime, e))
        return false;
    *info = found;
    return true;
}

static bool is_shorter(const char *key, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "object %s is shorter than expected", key);
}

/* No bytes, from a place that must not be behind the end: a range cannot say that. */
static bool get_nothing(struct s3 *s, const char *key, uint64_t offset, struct err *e)
{
    uint64_t size = 0;
    int64_t mtime = 0;

    return get_size(s, key, &size, &mtime, e) && (offset <= size || is_shorter(key, e));
}

/* The sum that the store keeps, if it sent one, must be that of the bytes. */
static bool check_sum(const struct http_reply *reply, const char *key, struct slice bytes,
                      struct err *e)
{
    const char *told = http_reply_header(reply, "x-amz-checksum-sha256");
    AUTO(buf) struct buf text = {0};
    struct hash sum;

    if (told == NULL || strchr(told, '-') != NULL) /* of an object made of parts, each its own */
        return true;
    sha256(bytes, &sum);
    base64_encode(SLICE_OF(sum.bytes, HASH_SIZE), &text);
    return strcmp(buf_string(&text), told) == 0 ||
           err_set(e, ERR_TRANSIENT, "%s: the bytes that came are not those of their checksum",
                   key);
}

static bool get_whole(struct s3 *s, const char *key, struct buf *out, struct err *e)
{
    static const struct sigv4_pair headers[] = {{"x-amz-checksum-mode", "ENABLED"}};
    const struct s3_request r = {.method = "GET",
                                 .key = key,
                                 .headers = headers,
                                 .header_count = 1,
                                 .reply_max = STORE_OBJECT_MAX};
    const size_t before = out->size;
    AUTO(http_reply) struct http_reply reply = {.body = out};

    if (!s3_call(s, &r, &reply, e))
        return false;
    if ((reply.has_length ||
         err_set(e, ERR_TRANSIENT, "GET %s: nothing says how long the reply is", key)) &&
        check_sum(&reply, key, SLICE_OF(out->data + before, out->size - before), e))
        return true;
    out->size = before;
    return false;
}

/* "bytes 3-6/10" must be what was asked for; *total is behind the slash. */
static bool range_is_right(const char *told, const char *asked, uint64_t *total)
{
    static const char unit[] = "bytes ";
    const size_t size = strlen(asked);
    struct err ignored;

    if (told == NULL || strncmp(told, unit, sizeof(unit) - 1) != 0)
        return false;
    told += sizeof(unit) - 1;
    return strncmp(told, asked, size) == 0 && told[size] == '/' &&
           parse_u64(told + size + 1, total, &ignored);
}

/* size is above 0 and no more than an object may have. */
static bool get_range(struct s3 *s, const char *key, uint64_t offset, size_t size, struct buf *out,
                      struct err *e)
{
    AUTO(buf) struct buf asked = {0};
    AUTO(buf) struct buf range = {0};
    const size_t before = out->size;
    uint64_t total = 0;

    buf_printf(&asked, "%llu-%llu", (unsigned long long)offset,
               (unsigned long long)(offset + size - 1));
    buf_printf(&range, "bytes=%s", buf_string(&asked));

    const struct sigv4_pair headers[] = {{"range", buf_string(&range)}};
    const struct s3_request r = {
        .method = "GET", .key = key, .headers = headers, .header_count = 1, .reply_max = size};
    AUTO(http_reply) struct http_reply reply = {.body = out};
    const bool is_got = s3_call(s, &r, &reply, e);

    if (reply.status == 416)
        return is_shorter(key, e);
    if (reply.status == 206 && is_got && out->size - before == size &&
        range_is_right(http_reply_header(&reply, "content-range"), buf_string(&asked), &total))
        return true;
    out->size = before;
    if (!is_got && (reply.status < 200 || reply.status > 299 || e->code == ERR_TRANSIENT))
        return false;
    /* The end of the object comes before the end of the range. */
    const char *told = reply.status == 206 ? http_reply_header(&reply, "content-range") : NULL;

    if (told != NULL && strchr(told, '/') != NULL && parse_u64(strchr(told, '/') + 1, &total, e) &&
        total < offset + size)
        return is_shorter(key, e);
    return err_set(e, ERR_TRANSIENT, "GET %s: the reply is not the range %s", key,
                   buf_string(&asked));
}

static bool op_get(struct store *store, const char *key, uint64_t offset, size_t size,
                   struct buf *out, struct err *e)
{
    struct s3 *s = s3_of(store);
    uint64_t total = 0;
    int64_t mtime = 0;

    if (size == STORE_WHOLE && offset == 0)
        return get_whole(s, key, out, e);
    if (size == STORE_WHOLE) {
        if (!get_size(s, key, &total, &mtime, e))
            return false;
        if (total > STORE_OBJECT_MAX)
            return err_set(e, ERR_CORRUPT, "object %s is longer than any object may be", key);
        if (offset > total)
            return is_shorter(key, e);
        size = (size_t)(total - offset);
    }
    if (size > STORE_OBJECT_MAX || offset > STORE_OBJECT_MAX - size)
        return err_set(e, ERR_CORRUPT, "object %s: bytes above %zu were asked for", key,
                       STORE_OBJECT_MAX);
    return size == 0 ? get_nothing(s, key, offset, e) : get_range(s, key, offset, size, out, e);
}

/* Writing */

static bool put_once(struct s3 *s, const char *key, struct slice data, bool is_conditional,
                     struct http_reply *reply, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;

    sha256(data, &sum);
    base64_encode(SLICE_OF(sum.bytes, HASH_SIZE), &text);

    const struct sigv4_pair headers[] = {
        {"x-amz-checksum-sha256", buf_string(&text)},
        {"if-none-match", "*"},
    };
    const struct s3_request r = {.method = "PUT",
                                 .key = key,
                                 .headers = headers,
                                 .header_count = is_conditional ? 2 : 1,
                                 .body = data,
                                 .reply_max = REPLY_MAX};

    return s3_call(s, &r, reply, e) && check_sum(reply, key, data, e);
}

/* Without a condition that the store understands. */
static bool put_if_absent(struct s3 *s, const char *key, struct slice data, struct err *e)
{
    AUTO(http_reply) struct http_reply reply = {0};
    uint64_t size = 0;
    int64_t mtime = 0;

    if (get_size(s, key, &size, &mtime, e))
        return err_set(e, ERR_EXISTS, "object %s exists already", key);
    return e->code == ERR_NOT_FOUND && put_once(s, key, data, false, &reply, e);
}

static bool op_put(struct store *store, const char *key, struct slice data, enum put_mode mode,
                   struct err *e)
{
    struct s3 *s = s3_of(store);
    AUTO(http_reply) struct http_reply reply = {0};

    if (data.size > STORE_OBJECT_MAX)
        return err_set(e, ERR_USAGE, "object %s is longer than any object may be", key);
    if (mode == PUT_NEW && atomic_load(&s->ignores_conditions))
        return put_if_absent(s, key, data, e);
    if (put_once(s, key, data, mode == PUT_NEW, &reply, e))
        return true;
    if (mode == PUT_NEW && reply.status == 412)
        return err_set(e, ERR_EXISTS, "object %s exists already", key);
    if (mode == PUT_NEW && reply.status == 501) {
        atomic_store(&s->ignores_conditions, true);
        return put_if_absent(s, key, data, e);
    }
    return false;
}

static bool op_remove(struct store *store, const char *key, struct err *e)
{
    const struct s3_request r = {.method = "DELETE", .key = key, .reply_max = REPLY_MAX};
    AUTO(http_reply) struct http_reply reply = {0};

    return s3_call(s3_of(store), &r, &reply, e) || e->code == ERR_NOT_FOUND;
}

/* The sum that this request must have, at every store; it is no matter of security. */
static void append_md5(struct slice in, struct buf *out)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(in.data, in.size, sum, &size, EVP_md5(), NULL) != 1)
        mem_exit("the cryptographic library does not compute an MD5 sum");
    base64_encode(SLICE_OF(sum, size), out);
}

/* At most DELETE_MAX. */
static bool remove_batch(struct s3 *s, const char *const *keys, size_t count, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    AUTO(buf) struct buf sum = {0};
    AUTO(buf) struct buf answer = {0};
    struct s3_error error;

    buf_printf(&body, "<Delete><Quiet>true</Quiet>");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&body, "<Object><Key>");
        s3_xml_escape(s->place.prefix, &body);
        s3_xml_escape(keys[i], &body);
        buf_printf(&body, "</Key></Object>");
    }
    buf_printf(&body, "</Delete>");
    append_md5(buf_slice(&body), &sum);

    const struct sigv4_pair query[] = {{"delete", ""}};
    const struct sigv4_pair headers[] = {{"content-md5", buf_string(&sum)}};
    const struct s3_request r = {.method = "POST",
                                 .query = query,
                                 .query_count = 1,
                                 .headers = headers,
                                 .header_count = 1,
                                 .body = buf_slice(&body),
                                 .reply_max = LIST_REPLY_MAX,
                                 .expects_xml = true};
    AUTO(http_reply) struct http_reply reply = {.body = &answer};

    if (!s3_call(s, &r, &reply, e))
        return false;
    if (!s3_deleted_parse(buf_slice(&answer), &error, e))
        return err_wrap(e, "delete objects");
    return error.code[0] == '\0' || strcmp(error.code, "NoSuchKey") == 0 ||
           s3_refusal(s, reply.status, &error, e);
}

static bool op_remove_all(struct store *store, const char *const *keys, size_t count, struct err *e)
{
    for (size_t done = 0; done < count; done += DELETE_MAX)
        if (!remove_batch(s3_of(store), keys + done,
                          count - done < DELETE_MAX ? count - done : DELETE_MAX, e))
            return false;
    return true;
}

/* Listing */

/* A listing: objects of a page are kept and told when the connection is free again. */
struct lister {
    const char *prefix; /* of the store, to be taken off */
    struct object_list found;
};

static bool keep_item(void *arg, const struct s3_item *item, struct err *e)
{
    struct lister *l = arg;
    const size_t size = strlen(l->prefix);

    if (strncmp(item->key, l->prefix, size) != 0)
        return err_set(e, ERR_TRANSIENT, "the listing has a name that was not asked for");

    const struct object_info info = {item->key + size, item->size, item->mtime};

    /* Other names are none of ours: folders that consoles make, what somebody else put there. */
    return !object_key_is_valid(info.key) || object_list_add(&l->found, &info, e);
}

static bool list_page(struct s3 *s, const char *prefix, struct s3_page *page, struct lister *l,
                      struct err *e)
{
    const struct sigv4_pair query[] = {
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"prefix", prefix},
        {"continuation-token", buf_string(&page->token)},
    };
    const struct s3_request r = {.method = "GET",
                                 .query = query,
                                 .query_count = page->token.size > 0 ? 4 : 3,
                                 .reply_max = LIST_REPLY_MAX,
                                 .expects_xml = true};
    AUTO(buf) struct buf body = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &body};

    return s3_call(s, &r, &reply, e) && (s3_list_parse(buf_slice(&body), keep_item, l, page, e) ||
                                         err_wrap(e, "list %s", prefix));
}

/* A store that sends its client round in circles would otherwise never end. */
static bool page_leads_on(const struct s3_page *page, struct slice before, int *empty_pages,
                          size_t found, struct err *e)
{
    *empty_pages = found > 0 ? 0 : *empty_pages + 1;
    if (page->token.size == 0)
        return err_set(e, ERR_TRANSIENT, "the listing breaks off without a way to go on");
    if (slice_is_equal(buf_slice(&page->token), before) || *empty_pages > EMPTY_PAGES_MAX)
        return err_set(e, ERR_FATAL, "the store's listing does not come to an end");
    return true;
}

static bool op_list(struct store *store, const char *prefix, object_fn *fn, void *arg,
                    struct err *e)
{
    struct s3 *s = s3_of(store);
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf whole = {0};
    int empty_pages = 0;

    buf_printf(&whole, "%s%s", s->place.prefix, prefix);
    do {
        AUTO(object_list) struct object_list found = {0};
        struct lister l = {.prefix = s->place.prefix};

        buf_clear(&before);
        buf_append_slice(&before, buf_slice(&page.token));

        const bool is_listed = list_page(s, buf_string(&whole), &page, &l, e);

        found = l.found;
        if (!is_listed || (page.is_truncated && !page_leads_on(&page, buf_slice(&before),
                                                               &empty_pages, found.rows.size, e)))
            return false;
        if (!object_list_tell(&found, fn, arg, e))
            return false;
    } while (page.is_truncated);
    return true;
}

static const struct store_ops s3_ops = {
    .scheme = "s3",
    .get = op_get,
    .put = op_put,
    .stat = op_stat,
    .list = op_list,
    .remove = op_remove,
    .remove_all = op_remove_all,
    .close = close_store,
};

bool s3_open(const char *place, const struct store_options *o, struct store **out, struct err *e)
{
    struct s3 *s = NULL;

    if (!s3_new(place, o, &s, e))
        return false;
    s->store.ops = &s3_ops;
    *out = &s->store;
    return true;
}

static bool make_bucket(struct s3 *s, struct err *e)
{
    AUTO(http_reply) struct http_reply reply = {0};
    AUTO(buf) struct buf body = {0};

    /* Only Amazon wants the region said, and its first region wants it not said. */
    if (s->place.is_aws && strcmp(s->region, "us-east-1") != 0)
        buf_printf(&body,
                   "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                   "<LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>",
                   s->region);

    const struct s3_request r = {.method = "PUT", .body = buf_slice(&body), .reply_max = REPLY_MAX};

    return s3_call(s, &r, &reply, e) || e->code == ERR_EXISTS;
}

static bool refuse_item(void *arg, const struct s3_item *item, struct err *e)
{
    const struct s3 *s = arg;

    return err_set(e, ERR_EXISTS, "the bucket %s has objects there already, such as %s",
                   s->place.bucket, item->key);
}

static bool prepare_once(void *arg, struct err *e)
{
    struct s3 *s = arg;
    const struct sigv4_pair query[] = {{"list-type", "2"},
                                       {"encoding-type", "url"},
                                       {"max-keys", "1"},
                                       {"prefix", s->place.prefix}};
    const struct s3_request r = {.method = "GET",
                                 .query = query,
                                 .query_count = 4,
                                 .reply_max = LIST_REPLY_MAX,
                                 .expects_xml = true};
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf body = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &body};

    if (s3_call(s, &r, &reply, e))
        return s3_list_parse(buf_slice(&body), refuse_item, s, &page, e);
    return e->code == ERR_NOT_FOUND && make_bucket(s, e);
}

bool s3_prepare(struct store *store, struct err *e)
{
    const struct patience p = s3_patience(&s3_of(store)->options);

    return retry_run(&p, prepare_once, s3_of(store), e);
}
