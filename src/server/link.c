#include "server/link.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/auth.h"
#include "server/guard.h"

#define SIGNATURE_SIZE ((size_t)2 * HASH_SIZE)
#define SESSION        "session:"
#define TOKEN          "token:"

static void add_field(struct buf *text, const char *field)
{
    buf_append(text, field, strlen(field) + 1);
}

static void sign(const struct request *r, const struct link_object *o, const char *by,
                 const char *expires, char out[SIGNATURE_SIZE + 1])
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;

    add_field(&text, "holdfast link 1");
    add_field(&text, "GET");
    add_field(&text, request_path(r));
    add_field(&text, o->file);
    add_field(&text, o->repository == NULL ? "" : o->repository);
    add_field(&text, by);
    add_field(&text, expires);
    catalog_link_sum(auth_service(r)->catalog, buf_slice(&text), &sum);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), out);
}

static void add_query(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=", name);
    percent_encode(slice_string(value), "/:", out);
}

bool link_format(const struct request *r, const struct link_object *o, int64_t expires_s,
                 struct buf *out, struct err *e)
{
    const struct principal *p = request_principal(r);
    AUTO(buf) struct buf by = {0};
    AUTO(buf) struct buf expires = {0};
    AUTO(buf) struct buf target = {0};
    char signature[SIGNATURE_SIZE + 1];

    assert(p->kind == PRINCIPAL_USER || p->kind == PRINCIPAL_API_TOKEN);
    if (p->kind == PRINCIPAL_USER)
        buf_printf(&by, SESSION "%s", p->session);
    else
        buf_printf(&by, TOKEN "%s", p->id);
    buf_printf(&expires, "%" PRId64, expires_s);
    sign(r, o, buf_string(&by), buf_string(&expires), signature);
    percent_encode(slice_string(request_path(r)), "/", &target);
    add_query(&target, "?path", o->file);
    if (o->repository != NULL)
        add_query(&target, "&repository", o->repository);
    add_query(&target, "&by", buf_string(&by));
    add_query(&target, "&expires", buf_string(&expires));
    add_query(&target, "&signature", signature);
    if (target.size > GUARD_TARGET_MAX)
        return err_set(e, ERR_USAGE, "path: is too long for a link");
    buf_printf(out, "%s%s", request_origin(r), buf_string(&target));
    return true;
}

/* One that would live longer than any that is made comes from a clock that was ahead. */
static bool is_over(const char *expires)
{
    const uint64_t now_s = (uint64_t)(clock_now_ns() / NS_PER_S);
    uint64_t until_s = 0;
    struct err e;

    return !parse_u64(expires, &until_s, &e) || now_s >= until_s ||
           until_s - now_s > LINK_SECONDS_MAX;
}

bool link_check(const struct request *r, struct link_issuer *out, struct err *e)
{
    const struct link_object o = {request_query(r, "path"), request_query(r, "repository")};
    const char *by = request_query(r, "by");
    const char *expires = request_query(r, "expires");
    const char *given = request_query(r, "signature");
    char right[SIGNATURE_SIZE + 1];

    if (o.file == NULL || by == NULL || expires == NULL || given == NULL ||
        strlen(given) != SIGNATURE_SIZE)
        return err_set(e, ERR_DENIED, "there is no link");
    sign(r, &o, by, expires, right);
    if (!equal_ct(given, right, SIGNATURE_SIZE))
        return err_set(e, ERR_DENIED, "the link is not one of ours");
    if (is_over(expires))
        return err_set(e, ERR_DENIED, "the link is over");
    out->is_token = strncmp(by, TOKEN, strlen(TOKEN)) == 0;
    out->id = by + (out->is_token ? strlen(TOKEN) : strlen(SESSION));
    return true;
}
