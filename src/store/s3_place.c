#include "store/s3_place.h"

#include <string.h>

#include "base/mem.h"

enum {
    BUCKET_MAX = 255,
    PREFIX_MAX = 700, /* of the 1024 bytes of a name in a bucket */
    REGION_MAX = 63,
};

static const char aws_domain[] = "amazonaws.com";

void s3_place_done(struct s3_place *p)
{
    mem_free(p->host);
    mem_free(p->bucket);
    mem_free(p->prefix);
    mem_free(p->region);
    *p = (struct s3_place){0};
}

void s3_place_auto(struct s3_place *p)
{
    s3_place_done(p);
}

bool s3_region_is_valid(const char *region)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    const size_t size = strlen(region);

    return size > 0 && size <= REGION_MAX && strspn(region, letters) == size;
}

static bool has_start(const char **text, const char *start)
{
    const size_t size = strlen(start);

    if (strncmp(*text, start, size) != 0)
        return false;
    *text += size;
    return true;
}

static bool take_scheme(const char **text, bool *is_tls, struct err *e)
{
    *is_tls = true;
    if (has_start(text, "http://"))
        *is_tls = false;
    else if (!has_start(text, "https://"))
        (void)has_start(text, "//");
    return strstr(*text, "://") == NULL ||
           err_set(e, ERR_USAGE, "an S3 store is s3:https://HOST/BUCKET or s3:http://HOST/BUCKET");
}

static bool set_host(const char *text, size_t size, struct s3_place *out, struct err *e)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    const char *standard = out->is_tls ? ":443" : ":80";

    if (memchr(text, '@', size) != NULL)
        return err_set(e, ERR_USAGE,
                       "an S3 store's URL holds no keys: give them by AWS_ACCESS_KEY_ID and "
                       "AWS_SECRET_ACCESS_KEY or in a file");
    out->host = mem_dup(text, size);
    if (size == 0 || strspn(out->host, letters) != size)
        return err_set(e, ERR_USAGE, "\"%s\" is no host: an S3 store is s3:https://HOST/BUCKET",
                       out->host);

    const size_t tail = strlen(standard);

    /* The header Host says no port that goes without saying. */
    if (size > tail && strcmp(out->host + size - tail, standard) == 0)
        out->host[size - tail] = '\0';
    return true;
}

static bool set_bucket(const char *text, size_t size, struct s3_place *out, struct err *e)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:";

    if (size == 0)
        return err_set(e, ERR_USAGE,
                       "no bucket is given: an S3 store is s3:https://HOST/BUCKET/PREFIX");
    out->bucket = mem_dup(text, size);
    if (size > BUCKET_MAX || strspn(out->bucket, letters) != size || out->bucket[0] == '.')
        return err_set(e, ERR_USAGE, "\"%.100s\" cannot be the name of a bucket", out->bucket);
    return true;
}

/* Names between single slashes; those at the end do not count. */
static bool set_prefix(const char *text, struct s3_place *out, struct err *e)
{
    AUTO(buf) struct buf prefix = {0};
    size_t size = strlen(text);

    while (size > 0 && text[size - 1] == '/')
        size--;
    if (size > PREFIX_MAX)
        return err_set(e, ERR_USAGE, "the prefix is longer than %d bytes", PREFIX_MAX);
    for (const char *at = text; at < text + size;) {
        const size_t length = strcspn(at, "/");

        if (length == 0 || (at[0] == '.' && (length == 1 || (length == 2 && at[1] == '.'))))
            return err_set(e, ERR_USAGE, "the prefix %.*s has an empty name, \".\" or \"..\" in it",
                           (int)size, text);
        buf_append(&prefix, at, length);
        buf_append(&prefix, "/", 1);
        at += length + 1;
    }
    for (size_t i = 0; i < prefix.size; i++)
        if (prefix.data[i] < ' ' || prefix.data[i] == 0x7F)
            return err_set(e, ERR_USAGE, "the prefix has a control character in it");
    out->prefix = mem_string(buf_string(&prefix));
    return true;
}

/* Hosts of Amazon are s3.amazonaws.com and s3.REGION.amazonaws.com. */
static void look_at_host(struct s3_place *p)
{
    const char *at = p->host;
    const size_t size = strlen(at);
    const size_t tail = sizeof(aws_domain) - 1;

    if (size <= tail || strcmp(at + size - tail, aws_domain) != 0)
        return;
    p->is_aws = true;
    if (!has_start(&at, "s3.") || strcmp(at, aws_domain) == 0)
        return;
    p->region = mem_dup(at, strlen(at) - tail - 1);
    if (!s3_region_is_valid(p->region)) {
        mem_free(p->region);
        p->region = NULL;
    }
}

/* Whether a certificate for *.host is one for bucket.host, and no letter is lost. */
static bool is_host_name(const struct s3_place *p)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

    return strspn(p->bucket, letters) == strlen(p->bucket) && strlen(p->bucket) <= REGION_MAX;
}

static bool set_style(enum s3_style style, struct s3_place *p, struct err *e)
{
    if (style == S3_STYLE_HOST && !is_host_name(p))
        return err_set(e, ERR_USAGE,
                       "bucket %s cannot stand in a host name: s3.style=path is the other way",
                       p->bucket);
    p->is_bucket_in_host =
        style == S3_STYLE_HOST || (style == S3_STYLE_AUTO && p->is_aws && is_host_name(p));
    return true;
}

bool s3_place_parse(const char *text, enum s3_style style, struct s3_place *out, struct err *e)
{
    AUTO(s3_place) struct s3_place p = {0};

    if (!take_scheme(&text, &p.is_tls, e))
        return false;

    const size_t host_size = strcspn(text, "/");

    if (!set_host(text, host_size, &p, e))
        return false;
    text += host_size;
    text += *text == '/';

    const size_t bucket_size = strcspn(text, "/");

    if (!set_bucket(text, bucket_size, &p, e))
        return false;
    text += bucket_size;
    text += *text == '/';
    if (!set_prefix(text, &p, e))
        return false;
    look_at_host(&p);
    if (!set_style(style, &p, e))
        return false;
    *out = p;
    p = (struct s3_place){0};
    return true;
}
