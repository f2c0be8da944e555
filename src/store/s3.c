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

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "store/retry.h"
#include "store/s3_ops.h"

enum {
    REPLY_MAX = 1 << 20,
    DELETE_MAX = 1000, /* of one request */
    PUT_HEADERS_MAX = 5,
};

static struct s3 *s3_of(struct store *s)
{
    return (struct s3 *)s;
}

static void close_store(struct store *s)
{
    s3_free(s3_of(s));
}

/* Writing */

static bool is_locked(const struct s3 *s, const char *key)
{
    return s->store.locks.lasts_s > 0 && object_key_is_lasting(key);
}

static bool put_once(struct s3 *s, const char *key, struct slice data, bool is_conditional,
                     struct http_reply *reply, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf md5 = {0};
    AUTO(buf) struct buf until = {0};
    struct hash sum;
    int64_t until_s = 0;

    sha256(data, &sum);
    base64_encode(SLICE_OF(sum.bytes, HASH_SIZE), &text);

    struct sigv4_pair headers[PUT_HEADERS_MAX] = {
        {"x-amz-checksum-sha256", buf_string(&text)},
    };
    size_t header_count = 1;

    if (is_conditional)
        headers[header_count++] = (struct sigv4_pair){"if-none-match", "*"};
    if (is_locked(s, key)) {
        s3_append_md5(data, &md5);
        s3_lock_end(s, &until_s, &until);
        headers[header_count++] = (struct sigv4_pair){"content-md5", buf_string(&md5)};
        headers[header_count++] = (struct sigv4_pair){"x-amz-object-lock-mode", s3_lock_mode(s)};
        headers[header_count++] =
            (struct sigv4_pair){"x-amz-object-lock-retain-until-date", buf_string(&until)};
    }

    const struct s3_request r = {.method = "PUT",
                                 .key = key,
                                 .headers = headers,
                                 .header_count = header_count,
                                 .body = data,
                                 .sum = &sum,
                                 .reply_max = REPLY_MAX};

    return s3_call(s, &r, reply, e) && s3_get_sum_is_told(reply, key, &sum, e);
}

/* Without a condition that the store understands. */
static bool put_if_absent(struct s3 *s, const char *key, struct slice data, struct err *e)
{
    AUTO(http_reply) struct http_reply reply = {0};
    uint64_t size = 0;
    int64_t mtime = 0;

    if (s3_get_size(s, key, &size, &mtime, e))
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
    if (reply.status == 400 && e->code != ERR_TRANSIENT && is_locked(s, key))
        return err_wrap(e, "s3.object-lock needs a bucket that was made with Object Lock");
    return false;
}

static bool op_remove(struct store *store, const char *key, struct err *e)
{
    const struct s3_request r = {.method = "DELETE", .key = key, .reply_max = REPLY_MAX};
    AUTO(http_reply) struct http_reply reply = {0};

    if (!s3_call(s3_of(store), &r, &reply, e) && e->code != ERR_NOT_FOUND)
        return false;

    const char *is_marked = http_reply_header(&reply, "x-amz-delete-marker");

    if (is_marked != NULL && strcmp(is_marked, "true") == 0)
        atomic_store(&s3_of(store)->has_versions, true);
    return true;
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
    s3_append_md5(buf_slice(&body), &sum);

    const struct sigv4_pair query[] = {{"delete", ""}};
    const struct sigv4_pair headers[] = {{"content-md5", buf_string(&sum)}};
    const struct s3_request r = {.method = "POST",
                                 .query = query,
                                 .query_count = 1,
                                 .headers = headers,
                                 .header_count = 1,
                                 .body = buf_slice(&body),
                                 .reply_max = S3_LISTING_MAX,
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

static bool op_sign(struct store *s, const char *key, unsigned seconds, struct buf *out,
                    struct err *e)
{
    return s3_presign(s3_of(s), key, seconds, out, e);
}

static const struct store_ops s3_ops = {
    .scheme = "s3",
    .get = s3_get,
    .put = op_put,
    .stat = s3_get_info,
    .list = s3_list,
    .remove = op_remove,
    .remove_all = op_remove_all,
    .lock_get = s3_lock_get,
    .lock_extend = s3_lock_extend,
    .keeps_versions = s3_keeps_versions,
    .sign = op_sign,
    .put_file = s3_put_file,
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

    static const struct sigv4_pair headers[] = {{"x-amz-bucket-object-lock-enabled", "true"}};
    const struct s3_request r = {.method = "PUT",
                                 .headers = headers,
                                 .header_count = s->store.locks.lasts_s > 0 ? 1 : 0,
                                 .body = buf_slice(&body),
                                 .reply_max = REPLY_MAX};

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
                                 .reply_max = S3_LISTING_MAX,
                                 .expects_xml = true};
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf body = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &body};

    if (s3_call(s, &r, &reply, e))
        return s3_list_parse(buf_slice(&body), refuse_item, s, &page, e) &&
               s3_lock_check_bucket(s, e);
    return e->code == ERR_NOT_FOUND && make_bucket(s, e) && s3_lock_check_bucket(s, e);
}

bool s3_prepare(struct store *store, struct err *e)
{
    const struct patience p = s3_patience(&s3_of(store)->options);

    return retry_run(&p, prepare_once, s3_of(store), e);
}
