#include "server/reply.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "server/private.h"

static bool is_line(const char *s)
{
    for (; *s != '\0'; s++)
        if ((uint8_t)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

void reply_header(struct request *r, const char *name, const char *value)
{
    struct reply_field *f = arena_take(&r->arena, sizeof(*f));

    assert(is_line(name) && is_line(value));
    f->name = arena_string(&r->arena, slice_string(name));
    f->value = arena_string(&r->arena, slice_string(value));
    f->next = r->reply.fields;
    r->reply.fields = f;
}

/* The last answer counts: a refusal may stand in for one that was begun but not sent. */
static void reply_begin(struct request *r, enum reply_kind kind, unsigned status, const char *type)
{
    assert(r->reply.kind != REPLY_STREAM || kind == REPLY_STREAM);
    r->reply.kind = kind;
    r->reply.status = status;
    r->reply.type = type;
    buf_clear(&r->reply.body);
}

void reply_empty(struct request *r, unsigned status)
{
    reply_begin(r, REPLY_BODY, status, NULL);
}

void reply_bytes(struct request *r, unsigned status, const char *type, struct slice body)
{
    if (r->reply.kind == REPLY_STREAM)
        return; /* its head is on the way */
    reply_begin(r, REPLY_BODY, status, type);
    buf_append_slice(&r->reply.body, body);
}

void reply_json(struct request *r, unsigned status, json_t *document)
{
    reply_begin(r, REPLY_BODY, status, "application/json");
    json_append(document, &r->reply.body);
    json_decref(document);
}

/* RFC 9110's names; libmicrohttpd has them all. */
static const char *status_title(unsigned status)
{
    const char *title = MHD_get_reason_phrase_for(status);

    return title == NULL ? "Problem" : title;
}

void reply_problem(struct request *r, unsigned status, const char *code, const char *detail)
{
    const struct route *row = r->match.route != NULL ? r->match.route : r->match.near;
    char line[500];
    json_t *j;

    if (r->reply.kind == REPLY_STREAM)
        return; /* its head is on the way; the end will be missing */
    text_flatten(slice_string(detail), line, sizeof(line));
    if (row != NULL && row->refuse != NULL) {
        row->refuse(r, status, code, line);
        return;
    }
    j = json_pack("{s:s, s:i, s:s, s:s}", "title", status_title(status), "status", (int)status,
                  "code", code, "detail", line);
    assert(j != NULL);
    reply_json(r, status, j);
    r->reply.type = "application/problem+json";
}

void reply_log(const struct request *r, const struct err *e)
{
    const struct http_options *o = &r->server->options;
    AUTO(buf) struct buf line = {0};

    if (o->log == NULL)
        return;
    buf_printf(&line, "%s %s: %s", (const char *)r->head.method.data, r->path, e->text);
    o->log(o->hook_arg, buf_string(&line));
}

void reply_err(struct request *r, const struct err *e)
{
    switch (e->code) {
    case ERR_USAGE:
        reply_problem(r, 400, "invalid", e->text);
        return;
    case ERR_DENIED:
        reply_problem(r, 403, "forbidden", e->text);
        return;
    case ERR_NOT_FOUND:
        reply_problem(r, 404, "not_found", e->text);
        return;
    case ERR_EXISTS:
        reply_problem(r, 409, "exists", e->text);
        return;
    case ERR_TRANSIENT:
    case ERR_AWAY:
        reply_header(r, "Retry-After", "5");
        reply_problem(r, 503, "unavailable", "it cannot be done at present");
        break;
    case ERR_NONE:
    case ERR_CORRUPT:
    case ERR_CANCELLED:
    case ERR_FATAL:
        reply_problem(r, 500, "internal", "something went wrong here; the log says what");
        break;
    }
    reply_log(r, e);
}

void reply_job(struct request *r, const char *id)
{
    AUTO(buf) struct buf place = {0};

    buf_printf(&place, "/api/v1/jobs/%s", id);
    reply_header(r, "Location", buf_string(&place));
    reply_json(r, 202, json_pack("{s:s}", "job", id));
}

bool reply_is_known(struct request *r, const char *etag)
{
    const char *known = request_header(r, "If-None-Match");

    reply_header(r, "ETag", etag);
    if (known == NULL || (strcmp(known, etag) != 0 && strcmp(known, "*") != 0))
        return false;
    reply_empty(r, 304);
    return true;
}

void reply_tagged(struct request *r, const char *etag, json_t *document)
{
    if (reply_is_known(r, etag))
        json_decref(document);
    else
        reply_json(r, 200, document);
}

/* RFC 6266: a plain name for all, and the real one for those who know UTF-8. */
static void put_disposition(struct request *r, const char *name)
{
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf full = {0};

    if (name == NULL)
        return;
    for (const char *s = name; *s != '\0'; s++) {
        const uint8_t c = (uint8_t)*s;
        const bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';

        buf_put_u8(&plain, is_word ? c : '_');
        if (is_word)
            buf_put_u8(&full, c);
        else
            buf_printf(&full, "%%%02X", c);
    }

    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "attachment; filename=\"%s\"; filename*=UTF-8''%s", buf_string(&plain),
               buf_string(&full));
    reply_header(r, "Content-Disposition", buf_string(&line));
}

enum range { RANGE_NONE, RANGE_PART, RANGE_BEYOND };

/* One range of bytes (RFC 9110 14.1.2); several, or another unit, are answered with the whole. */
static enum range range_parse(const char *text, uint64_t size, uint64_t *offset, uint64_t *count)
{
    struct err e;
    char first[24] = "";
    char last[24] = "";
    uint64_t from = 0;
    uint64_t to = 0;
    size_t n;

    if (text == NULL || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') != NULL)
        return RANGE_NONE;
    text += 6;
    n = strcspn(text, "-");
    if (text[n] == '\0' || n >= sizeof(first) || strlen(text + n + 1) >= sizeof(last))
        return RANGE_NONE;
    memcpy(first, text, n);
    memcpy(last, text + n + 1, strlen(text + n + 1));
    if ((first[0] != '\0' && !parse_u64(first, &from, &e)) ||
        (last[0] != '\0' && !parse_u64(last, &to, &e)) || (first[0] == '\0' && last[0] == '\0'))
        return RANGE_NONE;
    if (first[0] == '\0') { /* so many from the end */
        from = to < size ? size - to : 0;
        to = to == 0 ? 0 : UINT64_MAX;
        if (to == 0 || size == 0)
            return RANGE_BEYOND;
    } else if (last[0] == '\0') {
        to = UINT64_MAX;
    } else if (to < from) {
        return RANGE_NONE;
    }
    if (from >= size)
        return RANGE_BEYOND;
    *offset = from;
    *count = (to >= size ? size - 1 : to) - from + 1;
    return RANGE_PART;
}

void reply_file(struct request *r, int fd, uint64_t size, const char *type, const char *name)
{
    AUTO(buf) struct buf line = {0};
    uint64_t offset = 0;
    uint64_t count = size;
    /* A range without knowing that the file is still the same is only safe to refuse. */
    const char *wanted = request_header(r, "If-Range") != NULL ? NULL : request_header(r, "Range");
    const enum range range = range_parse(wanted, size, &offset, &count);

    reply_header(r, "Accept-Ranges", "bytes");
    if (range == RANGE_BEYOND) {
        fd_auto(&fd);
        buf_printf(&line, "bytes */%" PRIu64, size);
        reply_header(r, "Content-Range", buf_string(&line));
        reply_problem(r, 416, "range_not_satisfiable", "the range lies behind the end");
        return;
    }
    if (range == RANGE_PART) {
        buf_printf(&line, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset, offset + count - 1,
                   size);
        reply_header(r, "Content-Range", buf_string(&line));
    }
    put_disposition(r, name);
    reply_begin(r, REPLY_FILE, range == RANGE_PART ? 206 : 200, type);
    fd_auto(&r->reply.fd);
    r->reply.fd = fd;
    r->reply.offset = offset;
    r->reply.size = count;
}

void reply_stream(struct request *r, uint64_t size, const char *type, const char *name)
{
    put_disposition(r, name);
    reply_begin(r, REPLY_STREAM, 200, type);
    r->reply.size = size;
    pthread_mutex_lock(&r->lock);
    r->stage = STAGE_REPLY;
    pthread_mutex_unlock(&r->lock);
    request_wake(r);
}

bool reply_stream_write(struct request *r, struct slice bytes, struct err *e)
{
    if (r->is_head)
        return true;
    while (bytes.size > 0) {
        pthread_mutex_lock(&r->lock);
        while (r->down.bytes.size - r->down.at >= STREAM_ROOM && !r->is_gone)
            pthread_cond_wait(&r->changed, &r->lock);

        const size_t room = STREAM_ROOM - (r->down.bytes.size - r->down.at);
        const size_t n = bytes.size < room ? bytes.size : room;
        const bool is_gone = r->is_gone;

        if (!is_gone) {
            if (r->down.at > 0) {
                memmove(r->down.bytes.data, r->down.bytes.data + r->down.at,
                        r->down.bytes.size - r->down.at);
                r->down.bytes.size -= r->down.at;
                r->down.at = 0;
            }
            buf_append(&r->down.bytes, bytes.data, n);
        }
        pthread_mutex_unlock(&r->lock);
        if (is_gone)
            return err_set(e, ERR_CANCELLED, "the client does not read any more");
        request_wake(r);
        bytes = SLICE_OF(bytes.data + n, bytes.size - n);
    }
    return true;
}

void reply_stream_end(struct request *r)
{
    pthread_mutex_lock(&r->lock);
    r->down.is_ended = true;
    pthread_mutex_unlock(&r->lock);
    request_wake(r);
}
