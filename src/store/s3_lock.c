/*
 * Object Lock of S3: what is written with a date cannot be removed before it.
 *
 * The bucket must have been made for it and then keeps versions, so a DELETE without a version
 * only writes a marker that hides the object.  No version is ever removed here, and the header
 * that overrides the mode "governance" is never sent: keys that hide a pack by mistake, or in
 * the wrong hands, leave its bytes where they are.
 *
 * The dates are by the store's clock as far as a wrong one of ours has shown (s3_call.c).
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/s3_ops.h"

enum {
    REPLY_MAX = 1 << 20,
    DAY_S = 24 * 60 * 60,
    SPARE_DAYS_MAX = 30,
    SECONDS_LENGTH = 19, /* of "2026-11-21T01:30:00" */
};

static const char compliance[] = "COMPLIANCE";

/*
 * The longer a lock lasts beyond the promise, the rarer it has to be extended, and the longer what
 * nobody needs any more takes space.  With half of the promise each object is extended twice in it;
 * beyond a month another request a year saves nothing.
 */
bool s3_lock_rule(const struct s3_options *o, struct lock_rule *out, struct err *e)
{
    const int64_t days = o->object_lock_days;
    const int64_t spare = (days + 1) / 2 < SPARE_DAYS_MAX ? (days + 1) / 2 : SPARE_DAYS_MAX;

    if (o->object_lock != S3_OBJECT_LOCK_OFF && days == 0)
        return err_set(
            e, ERR_USAGE,
            "s3.object-lock needs s3.object-lock-days=N too: for how many days snapshots "
            "cannot be removed");
    if (o->object_lock == S3_OBJECT_LOCK_OFF && days != 0)
        return err_set(e, ERR_USAGE,
                       "s3.object-lock-days needs s3.object-lock=governance or compliance too");
    *out = (struct lock_rule){.promise_s = days * DAY_S,
                              .lasts_s = days == 0 ? 0 : (days + spare) * DAY_S,
                              .is_strict = o->object_lock == S3_OBJECT_LOCK_COMPLIANCE};
    return true;
}

const char *s3_lock_mode(const struct s3 *s)
{
    return s->options.object_lock == S3_OBJECT_LOCK_COMPLIANCE ? compliance : "GOVERNANCE";
}

void s3_lock_end(struct s3 *s, int64_t *until_s, struct buf *text)
{
    char whole[CLOCK_TEXT_MAX];

    *until_s = s3_now_s(s) + s->store.locks.lasts_s;
    clock_format(*until_s * NS_PER_S, whole);
    buf_printf(text, "%.*sZ", SECONDS_LENGTH, whole);
}

/* It is no matter of security. */
void s3_append_md5(struct slice in, struct buf *out)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(in.data, in.size, sum, &size, EVP_md5(), NULL) != 1)
        mem_exit("the cryptographic library does not compute an MD5 sum");
    base64_encode(SLICE_OF(sum, size), out);
}

bool s3_lock_get(struct store *store, const char *key, struct object_lock *out, struct err *e)
{
    const struct s3_request r = {.method = "HEAD", .key = key};
    AUTO(http_reply) struct http_reply reply = {0};
    int64_t until_ns = 0;

    if (!s3_call((struct s3 *)store, &r, &reply, e))
        return false;

    const char *until = http_reply_header(&reply, "x-amz-object-lock-retain-until-date");
    const char *mode = http_reply_header(&reply, "x-amz-object-lock-mode");

    if (until == NULL || mode == NULL) {
        *out = (struct object_lock){0};
        return true;
    }
    if (!clock_parse(until, &until_ns, e)) {
        e->code = ERR_TRANSIENT;
        return err_wrap(e, "HEAD %s: the end of its lock", key);
    }
    *out = (struct object_lock){until_ns / NS_PER_S, strcmp(mode, compliance) == 0};
    return true;
}

bool s3_lock_extend(struct store *store, const char *key, const struct object_lock *was,
                    struct object_lock *out, struct err *e)
{
    static const struct sigv4_pair query[] = {{"retention", ""}};
    struct s3 *s = (struct s3 *)store;
    AUTO(buf) struct buf until = {0};
    AUTO(buf) struct buf body = {0};
    AUTO(buf) struct buf sum = {0};
    AUTO(http_reply) struct http_reply reply = {0};
    struct object_lock lock = {0};
    /* Only the right to override a lock allows another mode. */
    const char *mode =
        was->until_s == 0 ? s3_lock_mode(s) : (was->is_strict ? compliance : "GOVERNANCE");

    s3_lock_end(s, &lock.until_s, &until);
    lock.is_strict = strcmp(mode, compliance) == 0;
    if (was->until_s >= lock.until_s) {
        *out = *was;
        return true;
    }
    buf_printf(&body,
               "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>%s</Mode>"
               "<RetainUntilDate>%s</RetainUntilDate></Retention>",
               mode, buf_string(&until));
    s3_append_md5(buf_slice(&body), &sum);

    const struct sigv4_pair headers[] = {{"content-md5", buf_string(&sum)}};
    const struct s3_request r = {.method = "PUT",
                                 .key = key,
                                 .query = query,
                                 .query_count = 1,
                                 .headers = headers,
                                 .header_count = 1,
                                 .body = buf_slice(&body),
                                 .reply_max = REPLY_MAX};

    if (!s3_call(s, &r, &reply, e))
        return err_wrap(e, "extend the lock of %s", key);
    *out = lock;
    return true;
}

/* What a setting of the bucket says: the text of NAME in the root element, or "". */
static bool ask_bucket(struct s3 *s, const char *setting, const char *root, const char *name,
                       struct buf *out, struct err *e)
{
    const struct sigv4_pair query[] = {{setting, ""}};
    const struct s3_request r = {.method = "GET",
                                 .query = query,
                                 .query_count = 1,
                                 .reply_max = REPLY_MAX,
                                 .expects_xml = true};
    AUTO(buf) struct buf body = {0};
    AUTO(http_reply) struct http_reply reply = {.body = &body};

    return s3_call(s, &r, &reply, e) && s3_element_parse(buf_slice(&body), root, name, out, e);
}

/* A suspended bucket keeps the versions that it has.  Keys that may not ask, and stores that do not
 * know the question, leave what DELETE has answered. */
bool s3_keeps_versions(struct store *store, bool *out, struct err *e)
{
    struct s3 *s = (struct s3 *)store;
    AUTO(buf) struct buf status = {0};

    if (!atomic_load(&s->has_versions)) {
        const bool is_told =
            ask_bucket(s, "versioning", "VersioningConfiguration", "Status", &status, e);

        if (!is_told && (e->code == ERR_TRANSIENT || e->code == ERR_CANCELLED))
            return false;
        if (status.size > 0)
            atomic_store(&s->has_versions, true);
    }
    *out = atomic_load(&s->has_versions);
    return true;
}

bool s3_lock_check_bucket(struct s3 *s, struct err *e)
{
    AUTO(buf) struct buf enabled = {0};

    if (s->store.locks.lasts_s == 0)
        return true;
    if (!ask_bucket(s, "object-lock", "ObjectLockConfiguration", "ObjectLockEnabled", &enabled,
                    e) &&
        e->code != ERR_NOT_FOUND)
        return err_wrap(e, "find out whether the bucket %s has Object Lock", s->place.bucket);
    return strcmp(buf_string(&enabled), "Enabled") == 0 ||
           err_set(e, ERR_USAGE,
                   "the bucket %s was made without Object Lock: name a bucket that is not there, "
                   "which is then made with it, or leave out s3.object-lock",
                   s->place.bucket);
}
