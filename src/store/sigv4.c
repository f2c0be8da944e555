#include "store/sigv4.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

void sigv4_encode(struct slice in, bool is_path, struct buf *out)
{
    percent_encode(in, is_path ? "/" : "", out);
}

void sigv4_time(int64_t time_ns, char out[SIGV4_TIME_MAX])
{
    char text[CLOCK_TEXT_MAX];
    size_t size = 0;

    clock_format(time_ns, text);
    for (const char *c = text; *c != '.' && *c != '\0' && size < SIGV4_TIME_MAX - 2; c++)
        if (*c != '-' && *c != ':')
            out[size++] = *c;
    out[size++] = 'Z';
    out[size] = '\0';
}

/* Parameters, encoded, and headers as they are signed. */
static int pair_order(const void *a, const void *b)
{
    const struct sigv4_pair *x = a;
    const struct sigv4_pair *y = b;
    const int by_name = strcmp(x->name, y->name);

    return by_name != 0 ? by_name : strcmp(x->value, y->value);
}

static const char *encoded(const char *text, struct arena *a)
{
    AUTO(buf) struct buf out = {0};

    sigv4_encode(slice_string(text), false, &out);
    return arena_string(a, buf_slice(&out));
}

/* Sorted by the encoded names, and not by whole parameters: "a=" comes before "a-b=". */
static void append_query(const struct sigv4_request *r, struct buf *out)
{
    AUTO(arena) struct arena a = {0};
    struct sigv4_pair *pairs = arena_take(&a, (r->query_count + 1) * sizeof(*pairs));

    for (size_t i = 0; i < r->query_count; i++)
        pairs[i] =
            (struct sigv4_pair){encoded(r->query[i].name, &a), encoded(r->query[i].value, &a)};
    qsort(pairs, r->query_count, sizeof(*pairs), pair_order);
    for (size_t i = 0; i < r->query_count; i++)
        buf_printf(out, "%s%s=%s", i == 0 ? "" : "&", pairs[i].name, pairs[i].value);
}

void sigv4_target(const struct sigv4_request *r, struct buf *out)
{
    sigv4_encode(slice_string(r->path), true, out);
    if (r->query_count == 0)
        return;
    buf_append(out, "?", 1);
    append_query(r, out);
}

/* A value without blanks at its ends and with one for each run of them inside. */
static void append_value(const char *value, struct buf *out)
{
    bool is_behind_blank = false;

    value += strspn(value, " \t");
    for (; *value != '\0'; value++) {
        const bool is_blank = *value == ' ' || *value == '\t';

        if (!is_blank && is_behind_blank)
            buf_append(out, " ", 1);
        if (!is_blank)
            buf_append(out, value, 1);
        is_behind_blank = is_blank;
    }
}

/* Pointers into the request, sorted by name; those of one name stay in their order. */
static const struct sigv4_pair **sorted_headers(const struct sigv4_request *r)
{
    const struct sigv4_pair **sorted = mem_array(r->header_count + 1, sizeof(*sorted));

    for (size_t i = 0; i < r->header_count; i++) {
        size_t at = i;

        for (; at > 0 && strcmp(sorted[at - 1]->name, r->headers[i].name) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &r->headers[i];
    }
    return sorted;
}

static bool is_repeated(const struct sigv4_pair **sorted, size_t i)
{
    return i > 0 && strcmp(sorted[i]->name, sorted[i - 1]->name) == 0;
}

static void append_headers(const struct sigv4_request *r, struct buf *out)
{
    AUTO(mem) const struct sigv4_pair **sorted = sorted_headers(r);

    for (size_t i = 0; i < r->header_count; i++) {
        if (is_repeated(sorted, i))
            buf_append(out, ",", 1);
        else
            buf_printf(out, "%s%s:", i == 0 ? "" : "\n", sorted[i]->name);
        append_value(sorted[i]->value, out);
    }
    buf_append(out, "\n", 1);
}

static void append_names(const struct sigv4_request *r, struct buf *out)
{
    AUTO(mem) const struct sigv4_pair **sorted = sorted_headers(r);

    for (size_t i = 0; i < r->header_count; i++)
        if (!is_repeated(sorted, i))
            buf_printf(out, "%s%s", i == 0 ? "" : ";", sorted[i]->name);
}

void sigv4_canonical(const struct sigv4_request *r, struct buf *out)
{
    buf_printf(out, "%s\n", r->method);
    sigv4_encode(slice_string(r->path), true, out);
    buf_append(out, "\n", 1);
    append_query(r, out);
    buf_append(out, "\n", 1);
    append_headers(r, out);
    buf_append(out, "\n", 1);
    append_names(r, out);
    buf_printf(out, "\n%s", r->payload);
}

static void hmac(struct slice key, struct slice in, struct hash *out)
{
    unsigned size = 0;
    const unsigned char *done =
        HMAC(EVP_sha256(), key.data, (int)key.size, in.data, in.size, out->bytes, &size);

    if (done == NULL || size != HASH_SIZE)
        mem_exit("the cryptographic library does not compute an HMAC");
}

/* day: the first eight digits of the time. */
static void scope_key(const struct sigv4_scope *scope, const char *day,
                      const struct sigv4_keys *keys, struct hash *out)
{
    static const char prefix[] = "AWS4";
    const size_t prefix_size = sizeof(prefix) - 1;
    const size_t size = prefix_size + strlen(keys->secret);
    AUTO(mem_secret) char *first = mem_secret_new(size + 1);
    const struct slice parts[] = {SLICE_OF(day, 8), slice_string(scope->region),
                                  slice_string(scope->service), slice_string("aws4_request")};
    struct hash key;

    memcpy(first, prefix, prefix_size);
    memcpy(first + prefix_size, keys->secret, size - prefix_size);
    hmac(SLICE_OF(first, size), parts[0], out);
    for (size_t i = 1; i < sizeof(parts) / sizeof(parts[0]); i++) {
        key = *out;
        hmac(SLICE_OF(key.bytes, HASH_SIZE), parts[i], out);
    }
    mem_wipe(&key, sizeof(key));
}

static void append_hash(struct slice in, struct buf *out)
{
    struct hash sum;
    char text[2 * HASH_SIZE + 1];

    sha256(in, &sum);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), text);
    buf_printf(out, "%s", text);
}

/* day/region/service */
static void append_scope(const struct sigv4_scope *scope, const char *time, struct buf *out)
{
    buf_printf(out, "%.8s/%s/%s/aws4_request", time, scope->region, scope->service);
}

static void append_signature(const struct sigv4_request *r, const struct sigv4_scope *scope,
                             const struct sigv4_keys *keys, struct buf *out)
{
    AUTO(buf) struct buf canonical = {0};
    AUTO(buf) struct buf text = {0};
    char time[SIGV4_TIME_MAX];
    char signature[2 * HASH_SIZE + 1];
    struct hash key;
    struct hash sum;

    sigv4_time(scope->time_ns, time);
    sigv4_canonical(r, &canonical);
    buf_printf(&text, ALGORITHM "\n%s\n", time);
    append_scope(scope, time, &text);
    buf_printf(&text, "\n");
    append_hash(buf_slice(&canonical), &text);
    scope_key(scope, time, keys, &key);
    hmac(SLICE_OF(key.bytes, HASH_SIZE), buf_slice(&text), &sum);
    mem_wipe(&key, sizeof(key));
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), signature);
    buf_printf(out, "%s", signature);
    mem_wipe(canonical.data, canonical.room); /* a session token may be in it */
}

void sigv4_authorization(const struct sigv4_request *r, const struct sigv4_scope *scope,
                         const struct sigv4_keys *keys, struct buf *out)
{
    char time[SIGV4_TIME_MAX];

    sigv4_time(scope->time_ns, time);
    buf_printf(out, ALGORITHM " Credential=%s/", keys->id);
    append_scope(scope, time, out);
    buf_printf(out, ", SignedHeaders=");
    append_names(r, out);
    buf_printf(out, ", Signature=");
    append_signature(r, scope, keys, out);
}

void sigv4_presign(const struct sigv4_object *o, const struct sigv4_scope *scope,
                   const struct sigv4_keys *keys, struct buf *out)
{
    AUTO(buf) struct buf credential = {0};
    AUTO(buf) struct buf expires = {0};
    char time[SIGV4_TIME_MAX];

    sigv4_time(scope->time_ns, time);
    buf_printf(&credential, "%s/", keys->id);
    append_scope(scope, time, &credential);
    buf_printf(&expires, "%u", o->seconds);

    const struct sigv4_pair host = {"host", o->host};
    const struct sigv4_pair query[] = {
        {"X-Amz-Algorithm", ALGORITHM},
        {"X-Amz-Credential", buf_string(&credential)},
        {"X-Amz-Date", time},
        {"X-Amz-Expires", buf_string(&expires)},
        {"X-Amz-SignedHeaders", host.name},
        {"X-Amz-Security-Token", o->token},
    };
    const size_t count = sizeof(query) / sizeof(query[0]);
    const struct sigv4_request r = {.method = "GET",
                                    .path = o->path,
                                    .query = query,
                                    .query_count = o->token == NULL ? count - 1 : count,
                                    .headers = &host,
                                    .header_count = 1,
                                    .payload = "UNSIGNED-PAYLOAD"};

    sigv4_target(&r, out);
    buf_printf(out, "&X-Amz-Signature=");
    append_signature(&r, scope, keys, out);
}
