/*
 * Uploads: the body of a request becomes a snapshot of its own, in the repository of a set.  A
 * command beside the service stores it as it comes (service.h), and hears of its end only when all
 * of it has come and is what the client says it is.
 */
#include <string.h>

#include "base/text.h"
#include "codec/hash.h"
#include "server/api_private.h"
#include "server/once.h"

#define NAME_MAX_SIZE 255                 /* of a file in a snapshot */
#define BODY_MAX      ((uint64_t)1 << 50) /* api_routes_limit() sets the one that counts */
#define MINUTE_MAX    60
#define DIGEST_NAME   "sha-256"

struct upload {
    struct request *r;
    const char *set, *name;
    json_t *arguments; /* owned */
    uint64_t length;   /* that the head says; UINT64_MAX: none */
    bool has_digest;
    struct hash digest; /* that the head says */

    struct sha256_stream *sum;
    struct hash received; /* once is_whole */
    uint64_t size;
    bool is_whole;
    /* What is wrong with the body, once it is known; status 0: nothing. */
    unsigned status;
    const char *code, *detail;

    json_t *result; /* owned */
    const char *snapshot;
    json_t *answer; /* owned */
};

static void upload_auto(struct upload *u)
{
    json_decref(u->arguments);
    json_decref(u->result);
    json_decref(u->answer);
    sha256_stream_free(u->sum);
}

/* The same request may be sent again: this one has left nothing. */
static void refuse(struct request *r, unsigned status, const char *code, const char *detail)
{
    once_forget(r);
    reply_problem(r, status, code, detail);
}

/* One member of a dictionary of digests (RFC 9530): "sha-256=:...:".  False when it is none; others
 * than that of ours are left alone. */
static bool member_read(struct slice member, struct upload *u)
{
    static const char ours[] = DIGEST_NAME "=:";
    const size_t at = sizeof(ours) - 1;
    AUTO(buf) struct buf bytes = {0};
    const uint8_t *equals = memchr(member.data, '=', member.size);

    if (equals == NULL || equals == member.data ||
        member.size < (size_t)(equals - member.data) + 3 || equals[1] != ':' ||
        member.data[member.size - 1] != ':')
        return false;
    if (member.size < at || memcmp(member.data, ours, at) != 0)
        return true;
    if (u->has_digest || !base64_decode(SLICE_OF(member.data + at, member.size - at - 1), &bytes) ||
        bytes.size != HASH_SIZE)
        return false;
    memcpy(u->digest.bytes, bytes.data, HASH_SIZE);
    u->has_digest = true;
    return true;
}

/* A digest that is not looked at would pass for one that was right: false after answering. */
static bool take_digest(struct upload *u)
{
    const char *s = request_header(u->r, "Content-Digest");
    bool is_good = true;

    if (s == NULL)
        return true;
    while (is_good) {
        size_t size;

        s += strspn(s, " \t");
        size = strcspn(s, ",");

        const bool is_last = s[size] == '\0';
        struct slice member = SLICE_OF(s, size);

        while (member.size > 0 && strchr(" \t", member.data[member.size - 1]) != NULL)
            member.size--;
        is_good = member.size > 0 && member_read(member, u);
        if (is_last)
            break;
        s += size + 1;
    }
    if (is_good && u->has_digest)
        return true;
    refuse(u->r, 400, "bad_digest", "Content-Digest: must have the form sha-256=:BASE64:");
    return false;
}

static bool take_arguments(struct upload *u)
{
    const char *repository = request_query(u->r, "repository");
    const char *length = request_header(u->r, "Content-Length");
    struct service_set found;
    AUTO(arena) struct arena a = {0};
    struct err e;

    u->set = request_parameter(u->r, "set");
    u->name = request_parameter(u->r, "name");
    if (!service_look_set(auth_service(u->r), u->set, &a, &found)) {
        refuse(u->r, 404, "not_found", "no such set");
        return false;
    }
    if (strlen(u->name) > NAME_MAX_SIZE) {
        refuse(u->r, 400, "invalid_field", "name: has 1 to 255 bytes");
        return false;
    }
    u->arguments = json_pack("{s:s, s:s*}", "name", u->name, "repository", repository);
    u->length = UINT64_MAX;
    if (length != NULL && !parse_u64(length, &u->length, &e)) {
        refuse(u->r, 400, "bad_request", "Content-Length: is no number");
        return false;
    }
    return take_digest(u);
}

static bool give_up(struct upload *u, unsigned status, const char *code, const char *detail,
                    struct err *e)
{
    u->status = status;
    u->code = code;
    u->detail = detail;
    return err_set(e, ERR_CANCELLED, "%s", detail);
}

/* No more comes: whether that is all. */
static bool check_end(struct upload *u, struct err *e)
{
    sha256_stream_finish(u->sum, &u->received);
    if (u->size == 0)
        return give_up(u, 400, "empty_body", "there is nothing in the body", e);
    if (u->length != UINT64_MAX && u->size != u->length)
        return give_up(u, 400, "bad_request", "the body is not as long as Content-Length says", e);
    if (u->has_digest && !hash_is_equal(&u->received, &u->digest))
        return give_up(u, 400, "digest_mismatch", "the body is not what Content-Digest says", e);
    u->is_whole = true;
    return true;
}

static bool give(void *arg, void *to, size_t room, size_t *got, struct err *e)
{
    struct upload *u = arg;

    if (!request_read(u->r, to, room, got, e))
        return request_is_gone(u->r) ? false
                                     : give_up(u, 413, "body_too_large",
                                               "the body is larger than this path takes", e);
    if (*got == 0)
        return check_end(u, e);
    sha256_stream_add(u->sum, SLICE_OF(to, *got));
    u->size += *got;
    return true;
}

/* Who goes when all of it is here has it stored nevertheless. */
static bool is_wanted(void *arg)
{
    const struct upload *u = arg;

    return u->is_whole || !request_is_gone(u->r);
}

static bool audit(struct catalog_tx *t, const struct upload *u, const char *outcome,
                  json_t *details, struct err *e)
{
    return auth_audit(
        t, u->r,
        &(struct auth_record){
            .action = "upload", .object = u->set, .outcome = outcome, .details = details},
        e);
}

static bool write_begun(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct upload *u = arg;

    return audit(t, u, "begun", json_deep_copy(u->arguments), e);
}

static bool write_failed(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct upload *u = arg;

    return audit(t, u, u->status != 0 ? "refused" : "failed",
                 json_pack("{s:s, s:I, s:s*}", "name", u->name, "size", (json_int_t)u->size, "code",
                           u->code),
                 e);
}

static bool write_done(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct upload *u = arg;

    return audit(t, u, "done", json_deep_copy(u->answer), e) &&
           once_keep(t, u->r, 201, u->answer, e);
}

/* What the command says it has stored is what it was given. */
static bool take_result(struct upload *u, struct err *e)
{
    const json_t *size = json_object_get(u->result, "total_bytes_processed");
    char sum[2 * HASH_SIZE + 1];

    u->snapshot = json_string_value(json_object_get(u->result, "snapshot_id"));
    if (u->snapshot == NULL || !json_is_integer(size) ||
        (uint64_t)json_integer_value(size) != u->size)
        return err_set(e, ERR_CORRUPT, "snapshot %s is not as long as the body, %llu bytes",
                       u->snapshot == NULL ? "(none)" : u->snapshot, (unsigned long long)u->size);
    hex_encode(SLICE_OF(u->received.bytes, HASH_SIZE), sum);
    u->answer = json_pack("{s:s, s:s, s:I, s:s}", "snapshot", u->snapshot, "name", u->name, "size",
                          (json_int_t)u->size, "sha256", sum);
    return true;
}

static bool store(struct upload *u, struct err *e)
{
    const struct service *s = auth_service(u->r);
    const struct service_reading q = {.verb = "upload",
                                      .set = u->set,
                                      .who = request_principal(u->r)->id,
                                      .arguments = u->arguments,
                                      .give = give,
                                      .is_wanted = is_wanted,
                                      .result = &u->result,
                                      .arg = u};

    return s->read_set(s->arg, &q, e) && take_result(u, e);
}

static void reply_failure(struct upload *u, struct err *e)
{
    struct err ignored;

    /* The failure is answered, whether or not the log of it can be written. */
    if (!catalog_write(auth_service(u->r)->catalog, write_failed, u, &ignored))
        reply_log(u->r, &ignored);
    if (u->status != 0) {
        refuse(u->r, u->status, u->code, u->detail);
    } else if (e->code == ERR_EXISTS) {
        refuse(u->r, 409, "conflict", e->text);
    } else if (e->code == ERR_TRANSIENT) {
        reply_header(u->r, "Retry-After", "5");
        reply_problem(u->r, 503, "busy", e->text);
    } else if (!request_is_gone(u->r)) {
        once_forget(u->r);
        reply_err(u->r, e);
    }
}

static void post_upload(struct request *r)
{
    const struct service *s = auth_service(r);
    AUTO(upload) struct upload u = {.r = r, .sum = sha256_stream_new()};
    AUTO(buf) struct buf place = {0};
    struct err e = {0};

    if (s->read_set == NULL) {
        refuse(r, 404, "not_found", "no repository can be written here");
        return;
    }
    if (!take_arguments(&u) || !auth_write(r, write_begun, &u))
        return;
    if (!store(&u, &e)) {
        reply_failure(&u, &e);
        return;
    }
    /* The snapshot is there, whatever becomes of the record. */
    if (!catalog_write(s->catalog, write_done, &u, &e))
        reply_log(r, &e);
    buf_printf(&place, "/api/v1/sets/%s/snapshots/%s", u.set, u.snapshot);
    reply_header(r, "Location", buf_string(&place));
    reply_json(r, 201, json_incref(u.answer));
}

const struct route api_upload_routes[] = {
    {METHOD_POST, "/api/v1/sets/{set}/uploads/{name}", API_UPLOAD,
     ROUTE_CSRF | ROUTE_IDEMPOTENT | ROUTE_STREAM, BODY_MAX, "*", MINUTE_MAX,
     .handler = post_upload, .summary = "Store the body as a snapshot, in the repository of a set"},
};
const size_t api_upload_route_count = sizeof(api_upload_routes) / sizeof(api_upload_routes[0]);
