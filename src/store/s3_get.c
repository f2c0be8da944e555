/*
 * Reading from S3: whole objects, ranges of them, and what HEAD says.
 */
#include <string.h>

#include "base/text.h"
#include "store/s3_ops.h"

bool s3_get_size(struct s3 *s, const char *key, uint64_t *size, int64_t *mtime, struct err *e)
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

bool s3_get_info(struct store *store, const char *key, struct object_info *info, struct err *e)
{
    struct object_info found = {.key = key};

    if (!s3_get_size((struct s3 *)store, key, &found.size, &found.mtime, e))
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

    return s3_get_size(s, key, &size, &mtime, e) && (offset <= size || is_shorter(key, e));
}

/* Of objects made of parts the store tells a sum of sums, with '-' and their number behind it. */
static bool has_sum(const struct http_reply *reply)
{
    const char *told = http_reply_header(reply, "x-amz-checksum-sha256");

    return told != NULL && strchr(told, '-') == NULL;
}

/* The sum that the store tells, if it does, must be this one. */
bool s3_get_sum_is_told(const struct http_reply *reply, const char *key, const struct hash *sum,
                        struct err *e)
{
    AUTO(buf) struct buf text = {0};

    if (!has_sum(reply))
        return true;
    base64_encode(SLICE_OF(sum->bytes, HASH_SIZE), &text);
    return strcmp(buf_string(&text), http_reply_header(reply, "x-amz-checksum-sha256")) == 0 ||
           err_set(e, ERR_TRANSIENT, "%s: the bytes that came are not those of their checksum",
                   key);
}

static bool check_bytes(const struct http_reply *reply, const char *key, struct slice bytes,
                        struct err *e)
{
    struct hash sum;

    if (!has_sum(reply))
        return true;
    sha256(bytes, &sum);
    return s3_get_sum_is_told(reply, key, &sum, e);
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
        check_bytes(&reply, key, SLICE_OF(out->data + before, out->size - before), e))
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

bool s3_get(struct store *store, const char *key, uint64_t offset, size_t size, struct buf *out,
            struct err *e)
{
    struct s3 *s = (struct s3 *)store;
    uint64_t total = 0;
    int64_t mtime = 0;

    if (size == STORE_WHOLE && offset == 0)
        return get_whole(s, key, out, e);
    if (size == STORE_WHOLE) {
        if (!s3_get_size(s, key, &total, &mtime, e))
            return false;
        if (total > STORE_OBJECT_MAX)
            return err_set(e, ERR_CORRUPT, "object %s is longer than any object may be", key);
        if (offset > total)
            return is_shorter(key, e);
        size = (size_t)(total - offset);
    }
    /* Files that were sent in parts are longer than objects. */
    if (size > STORE_OBJECT_MAX || offset > UINT64_MAX - size)
        return err_set(e, ERR_CORRUPT, "object %s: more bytes were asked for than objects have",
                       key);
    return size == 0 ? get_nothing(s, key, offset, e) : get_range(s, key, offset, size, out, e);
}
