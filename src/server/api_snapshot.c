/*
 * Looking into the snapshots of a set.  What is answered is what a command prints that runs beside
 * the service (service.h): it is held back until HOLD_MAX bytes have come or the command has ended,
 * so that a failure up to there is told as one.  Behind that the answer breaks off.
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/api_private.h"
#include "server/guard.h"
#include "server/link.h"

#define HOLD_MAX     ((size_t)64 << 10)
#define DOCUMENT_MAX ((size_t)1 << 20)
#define ID_MIN       4
#define ID_MAX       64
#define PATTERN_MAX  1000
#define STARS_MAX    8 /* of a pattern: the time that comparing takes grows with each */
#define NDJSON       "application/x-ndjson"
#define LINKS_MINUTE 60

struct look {
    struct request *r;
    const char *verb;
    const char *type;  /* media type of the answer; NULL: one document, that the handler reads */
    json_t *arguments; /* owned */
    json_t *words;     /* of them */
    bool is_download;  /* begins with a line about what is written */
    bool is_linked;    /* asked for by a link */
    json_t *head;      /* that line */
    struct buf held;
    bool has_begun;   /* the head of the answer is on its way */
    bool is_answered; /* by a refusal */
};

static void look_auto(struct look *l)
{
    json_decref(l->arguments);
    json_decref(l->head);
    buf_done(&l->held);
}

static struct look look_new(struct request *r, const char *verb, const char *type)
{
    struct look l = {.r = r, .verb = verb, .type = type, .arguments = json_object()};

    l.words = json_array();
    (void)json_object_set_new(l.arguments, "words", l.words); /* cannot fail */
    return l;
}

static bool refuse(struct request *r, const char *name, const char *what)
{
    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "%s: %s", name, what);
    reply_problem(r, 400, "invalid_query", buf_string(&line));
    return false;
}

/* They become arguments, which others see. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* Arguments out of the query; each false after the request was answered. */

static bool take_word(struct look *l, const char *word)
{
    (void)json_array_append_new(l->words, json_string(word)); /* cannot fail */
    return true;
}

static bool take_id(struct look *l, const char *name, const char *id)
{
    if (id == NULL)
        return refuse(l->r, name, "is missing");

    const size_t size = strlen(id);

    if (strcmp(id, "latest") != 0 &&
        (size < ID_MIN || size > ID_MAX || strspn(id, "0123456789abcdef") != size))
        return refuse(l->r, name, "must be latest, or 4 to 64 hexadecimal digits");
    /* Whoever has the id of what was uploaded for the set means that. */
    (void)json_object_set_new(l->arguments, "uploads", json_true()); /* cannot fail */
    return take_word(l, id);
}

static bool take_snapshot(struct look *l)
{
    return take_id(l, "snapshot", request_parameter(l->r, "snapshot"));
}

static bool take_text(struct look *l, const char *name)
{
    const char *text = request_query(l->r, name);

    if (text == NULL)
        return true;
    if (*text == '\0' || !is_plain(text))
        return refuse(l->r, name, "must be a text without control characters");
    (void)json_object_set_new(l->arguments, name, json_string(text)); /* cannot fail */
    return true;
}

static bool take_flag(struct look *l, const char *name)
{
    const char *text = request_query(l->r, name);
    const bool is_on = text != NULL && strcmp(text, "true") == 0;

    if (text != NULL && !is_on && strcmp(text, "false") != 0)
        return refuse(l->r, name, "must be true or false");
    (void)json_object_set_new(l->arguments, name, json_boolean(is_on)); /* cannot fail */
    return true;
}

/* "1790000000000000000.4f0c...": time and id of the last one of a page. */
static bool take_after(struct look *l)
{
    const char *text = request_query(l->r, "after");
    const size_t digits = text == NULL ? 0 : strspn(text, "0123456789");

    if (text != NULL &&
        (digits == 0 || digits > 19 || text[digits] != '.' || strlen(text + digits + 1) != ID_MAX ||
         strspn(text + digits + 1, "0123456789abcdef") != ID_MAX))
        return refuse(l->r, "after", "must be what a page gave as next");
    return take_text(l, "after");
}

/* Absolute, and without what would lead elsewhere. */
static bool check_path(struct request *r, const char *path)
{
    if (path[0] != '/' || !is_plain(path))
        return refuse(r, "path", "must begin with / and have no control characters");
    for (const char *s = path; *s != '\0'; s += strcspn(s, "/")) {
        s += strspn(s, "/");
        if (strcspn(s, "/") == 2 && s[0] == '.' && s[1] == '.')
            return refuse(r, "path", "must not go up");
    }
    return true;
}

static bool take_path(struct look *l, const char *absent)
{
    const char *path = request_query(l->r, "path");

    if (path == NULL)
        path = absent;
    if (path == NULL)
        return refuse(l->r, "path", "is missing");
    return check_path(l->r, path) && take_word(l, path);
}

/* The answer */

/* "shop.tar", "fstab": what a browser saves it as. */
static const char *download_name(const struct look *l, bool is_tar, struct buf *out)
{
    const char *path = json_string_value(json_array_get(l->words, 1));
    size_t end = strlen(path);
    size_t at;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (at = end; at > 0 && path[at - 1] != '/'; at--)
        ;
    if (end > at)
        buf_append(out, path + at, end - at);
    else
        buf_printf(out, "%s", request_parameter(l->r, "set"));
    if (is_tar)
        buf_printf(out, ".tar");
    return buf_string(out);
}

/* Whether an answer of a size that nobody knows can be told from one that broke off. */
static bool check_client(struct look *l, uint64_t size)
{
    if (size != UINT64_MAX || request_knows_chunks(l->r))
        return true;
    l->is_answered = true;
    reply_problem(l->r, 505, "http_version", "HTTP/1.1 is needed to tell the end of this");
    return false;
}

static bool begin(struct look *l, bool is_whole, struct err *e)
{
    const bool is_tar =
        l->is_download && json_object_get(l->head, "size") == NULL; /* files have one */
    AUTO(buf) struct buf name = {0};
    uint64_t size = UINT64_MAX;

    if (l->is_download && !is_tar)
        size = (uint64_t)json_integer_value(json_object_get(l->head, "size"));
    else if (is_whole)
        size = l->held.size;
    if (!check_client(l, size))
        return err_set(e, ERR_CANCELLED, "the client cannot tell its end");
    l->has_begun = true;
    reply_stream(l->r, size, is_tar ? "application/x-tar" : l->type,
                 l->is_download ? download_name(l, is_tar, &name) : NULL);
    return reply_stream_write(l->r, buf_slice(&l->held), e);
}

/* The first line of what is held, once it is there. */
static bool take_head(struct look *l, struct err *e)
{
    const uint8_t *end = l->held.size == 0 ? NULL : memchr(l->held.data, '\n', l->held.size);
    size_t size;

    if (end == NULL)
        return l->held.size <= HOLD_MAX || err_set(e, ERR_CORRUPT, "it begins with no line");
    size = (size_t)(end - l->held.data) + 1;
    l->head = json_loadb((const char *)l->held.data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(l->head) || json_integer_value(json_object_get(l->head, "size")) < 0)
        return err_set(e, ERR_CORRUPT, "it does not begin with a line of JSON");
    memmove(l->held.data, end + 1, l->held.size - size);
    l->held.size -= size;
    return true;
}

static bool take(void *arg, struct slice bytes, struct err *e)
{
    struct look *l = arg;

    if (l->has_begun)
        return reply_stream_write(l->r, bytes, e);
    buf_append_slice(&l->held, bytes);
    if (l->is_download && l->head == NULL && !take_head(l, e))
        return false;
    if (l->type == NULL)
        return l->held.size <= DOCUMENT_MAX || err_set(e, ERR_FATAL, "the document is too long");
    return l->held.size <= HOLD_MAX || begin(l, false, e);
}

static bool is_wanted(void *arg)
{
    const struct look *l = arg;

    return !request_is_gone(l->r);
}

/* Too late for another answer: it stays without its end, and the log says why. */
static void break_off(struct request *r, struct err *e)
{
    e->code = ERR_FATAL;
    if (!request_is_gone(r))
        reply_err(r, e);
}

static void reply_failure(struct look *l, struct err *e)
{
    if (l->is_answered || (e->code == ERR_CANCELLED && request_is_gone(l->r)))
        return; /* who left a page is no fault to be logged */
    if (l->has_begun) {
        break_off(l->r, e);
    } else if (e->code == ERR_EXISTS) {
        reply_problem(l->r, 409, "conflict", e->text);
    } else if (e->code == ERR_TRANSIENT) {
        reply_header(l->r, "Retry-After", "5");
        reply_problem(l->r, 503, "busy", e->text);
    } else {
        reply_err(l->r, e);
    }
}

/* Run it; the document, or the answer, is whole when this returns true. */
static bool read_all(struct look *l)
{
    const struct service *s = auth_service(l->r);
    const struct service_reading q = {.verb = l->verb,
                                      .set = request_parameter(l->r, "set"),
                                      .who = request_principal(l->r)->id,
                                      .arguments = l->arguments,
                                      .take = take,
                                      .is_wanted = is_wanted,
                                      .arg = l};
    struct err e = {0};

    request_watch(l->r);
    if (s->read_set == NULL) {
        reply_problem(l->r, 404, "not_found", "no repository can be read here");
        return false;
    }
    if (s->read_set(s->arg, &q, &e))
        return true;
    reply_failure(l, &e);
    return false;
}

static void answer(struct look *l)
{
    struct err e = {0};

    if (!read_all(l))
        return;
    if (!l->has_begun && !begin(l, true, &e))
        return; /* nobody waits for it, or it was said */
    reply_stream_end(l->r);
}

/* Routes */

static void get_snapshots(struct request *r)
{
    AUTO(look) struct look l = look_new(r, "snapshots", "application/json");
    const char *limit = request_query(r, "limit");
    uint64_t n = API_LIMIT;
    struct err e;

    if (limit != NULL && (!parse_u64(limit, &n, &e) || n < 1 || n > API_LIMIT_MAX)) {
        (void)refuse(r, "limit", "must be 1 to 1000"); /* it is answered */
        return;
    }
    (void)json_object_set_new(l.arguments, "page", json_integer((json_int_t)n)); /* cannot fail */
    if (!take_text(&l, "repository") || !take_after(&l) || !take_flag(&l, "uploads") ||
        !take_flag(&l, "forgotten"))
        return;

    const char *tag = request_query(r, "tag");

    if (tag != NULL && (*tag == '\0' || !is_plain(tag))) {
        (void)refuse(r, "tag", "must be a text without control characters"); /* it is answered */
        return;
    }
    if (tag != NULL)
        (void)json_object_set_new(l.arguments, "tags", json_pack("[s]", tag)); /* cannot fail */
    answer(&l);
}

static void get_snapshot(struct request *r)
{
    AUTO(look) struct look l = look_new(r, "snapshots", NULL);

    if (!take_snapshot(&l) || !take_text(&l, "repository") || !read_all(&l))
        return;

    AUTO(json)
    json_t *list = json_loadb((const char *)l.held.data, l.held.size, JSON_REJECT_DUPLICATES, NULL);
    struct err e = {0};

    if (json_array_size(list) == 1) {
        reply_json(r, 200, json_incref(json_array_get(list, 0)));
        return;
    }
    (void)err_set(&e, ERR_CORRUPT, "the list has %zu snapshots", json_array_size(list));
    reply_err(r, &e);
}

static void get_files(struct request *r)
{
    AUTO(look) struct look l = look_new(r, "ls", NDJSON);

    if (take_snapshot(&l) && take_path(&l, "/") && take_flag(&l, "recursive") &&
        take_text(&l, "repository"))
        answer(&l);
}

static bool take_pattern(struct look *l)
{
    const char *pattern = request_query(l->r, "pattern");
    size_t stars = 0;

    if (pattern == NULL || *pattern == '\0' || strlen(pattern) > PATTERN_MAX || !is_plain(pattern))
        return refuse(l->r, "pattern", "must be 1 to 1000 bytes without control characters");
    for (const char *s = pattern; *s != '\0'; s++)
        stars += *s == '*';
    if (stars > STARS_MAX)
        return refuse(l->r, "pattern", "must have at most 8 times *");
    return take_word(l, pattern);
}

static void get_found(struct request *r)
{
    AUTO(look) struct look l = look_new(r, "find", NDJSON);
    const char *snapshot = request_query(r, "snapshot");

    (void)json_object_set_new(l.arguments, "lines", json_true()); /* cannot fail */
    if (snapshot != NULL) {
        if (!take_id(&l, "snapshot", snapshot))
            return;
        /* Not a word of this command, but its option. */
        (void)json_object_set_new(l.arguments, "in", json_pack("[s]", snapshot)); /* cannot fail */
        (void)json_array_clear(l.words);                                          /* cannot fail */
    }
    if (take_pattern(&l) && take_flag(&l, "ignore_case") && take_text(&l, "repository"))
        answer(&l);
}

static void get_diff(struct request *r)
{
    AUTO(look) struct look l = look_new(r, "diff", NDJSON);

    if (take_id(&l, "from", request_query(r, "from")) &&
        take_id(&l, "to", request_query(r, "to")) && take_flag(&l, "metadata") &&
        take_text(&l, "repository"))
        answer(&l);
}

static void get_stats(struct request *r)
{
    AUTO(look) struct look l = look_new(r, "stats", "application/json");

    (void)json_object_set_new(l.arguments, "mode", json_string("restore-size")); /* cannot fail */
    if (take_snapshot(&l) && take_text(&l, "repository"))
        answer(&l);
}

static bool write_download(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct look *l = arg;

    return auth_audit(
        t, l->r,
        &(struct auth_record){.action = "restore.download",
                              .object = request_parameter(l->r, "set"),
                              .outcome = "begun",
                              .details = json_pack("{s:O, s:b}", "arguments", l->arguments, "link",
                                                   (int)l->is_linked)},
        e);
}

static void download(struct request *r, bool is_linked)
{
    AUTO(look) struct look l = look_new(r, "dump", "application/octet-stream");

    l.is_download = true;
    l.is_linked = is_linked;
    (void)json_object_set_new(l.arguments, "head", json_true()); /* cannot fail */
    if (take_snapshot(&l) && take_path(&l, NULL) && take_text(&l, "repository") &&
        auth_write(r, write_download, &l))
        answer(&l);
}

static void get_content(struct request *r)
{
    download(r, false);
}

static void get_link(struct request *r)
{
    download(r, true);
}

/* Links to one of them. */

static bool write_link(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct look *l = arg;

    return auth_audit(
        t, l->r,
        &(struct auth_record){.action = "restore.link",
                              .object = request_parameter(l->r, "set"),
                              .outcome = "done",
                              .details = json_pack("{s:O}", "arguments", l->arguments)},
        e);
}

/* What the link is for becomes l's arguments.  False after answering. */
static bool take_object(struct look *l, const json_t *body, struct link_object *out)
{
    const char *snapshot = request_parameter(l->r, "snapshot");
    AUTO(arena) struct arena a = {0};
    struct service_set found;

    *out = (struct link_object){auth_text(body, "path"), auth_text(body, "repository")};
    if (!service_look_set(auth_service(l->r), request_parameter(l->r, "set"), &a, &found)) {
        reply_problem(l->r, 404, "not_found", "no such set");
        return false;
    }
    /* Which one "latest" is changes, and so may what the first digits stand for. */
    if (strlen(snapshot) != ID_MAX || strspn(snapshot, "0123456789abcdef") != ID_MAX)
        return refuse(l->r, "snapshot", "must be the whole id, 64 hexadecimal digits");
    if (!check_path(l->r, out->file) || !take_word(l, snapshot) || !take_word(l, out->file))
        return false;
    if (out->repository == NULL)
        return true;
    if (!is_plain(out->repository))
        return refuse(l->r, "repository", "must be a text without control characters");
    (void)json_object_set_new(l->arguments, "repository",
                              json_string(out->repository)); /* cannot fail */
    return true;
}

static void post_link(struct request *r)
{
    static const struct field fields[] = {
        {"path", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = GUARD_TARGET_MAX},
        {"repository", FIELD_TEXT, 0, .low = 1, .high = 200},
        {"seconds", FIELD_INTEGER, 0, .low = 1, .high = LINK_SECONDS_MAX},
        {0}};
    AUTO(look) struct look l = look_new(r, "dump", NULL);
    AUTO(buf) struct buf url = {0};
    const json_t *body = NULL;
    struct link_object o;
    struct err e = {0};

    if (!request_json(r, fields, &body) || !take_object(&l, body, &o))
        return;

    const json_t *seconds = json_object_get(body, "seconds");
    const int64_t expires_s = clock_now_ns() / NS_PER_S +
                              (seconds == NULL ? LINK_SECONDS_MAX : json_integer_value(seconds));

    if (!link_format(r, &o, expires_s, &url, &e)) {
        reply_err(r, &e);
        return;
    }
    (void)json_object_set_new(l.arguments, "expires_at",
                              auth_time_json(expires_s * NS_PER_S)); /* cannot fail */
    if (auth_write(r, write_link, &l))
        reply_json(r, 201,
                   json_pack("{s:s, s:o}", "url", buf_string(&url), "expires_at",
                             auth_time_json(expires_s * NS_PER_S)));
}

#define SNAPSHOT "/api/v1/sets/{set}/snapshots/{snapshot}"

const struct route api_snapshot_routes[] = {
    {METHOD_GET, "/api/v1/sets/{set}/snapshots", API_READ, ROUTE_NO_HEAD, .handler = get_snapshots,
     .summary = "Snapshots of a set, newest first"},
    {METHOD_GET, SNAPSHOT, API_READ, ROUTE_NO_HEAD, .handler = get_snapshot,
     .summary = "One snapshot"},
    {METHOD_GET, SNAPSHOT "/files", API_READ, ROUTE_NO_HEAD, .handler = get_files,
     .summary = "What a directory of a snapshot holds"},
    {METHOD_GET, SNAPSHOT "/stats", API_READ, ROUTE_NO_HEAD, .handler = get_stats,
     .summary = "How large a snapshot is when it is restored"},
    {METHOD_GET, SNAPSHOT "/content", API_RESTORE, ROUTE_NO_HEAD | ROUTE_STEP_UP,
     .handler = get_content, .summary = "A file of a snapshot, or a directory as tar"},
    {METHOD_POST, SNAPSHOT "/link", API_RESTORE, ROUTE_CSRF | ROUTE_STEP_UP, AUTH_BODY_MAX,
     AUTH_JSON, LINKS_MINUTE, .handler = post_link,
     .summary = "Make a link by which one of them is read without cookie or token"},
    {METHOD_GET, SNAPSHOT "/link", API_RESTORE, ROUTE_NO_HEAD | ROUTE_ANY_ORIGIN | ROUTE_SIGNED,
     .handler = get_link, .summary = "The same as its content, for who has the link"},
    {METHOD_GET, "/api/v1/sets/{set}/files", API_READ, ROUTE_NO_HEAD, .handler = get_found,
     .summary = "Files with names like a pattern, in all snapshots of a set"},
    {METHOD_GET, "/api/v1/sets/{set}/diff", API_READ, ROUTE_NO_HEAD, .handler = get_diff,
     .summary = "What differs between two snapshots"},
};
const size_t api_snapshot_route_count =
    sizeof(api_snapshot_routes) / sizeof(api_snapshot_routes[0]);
