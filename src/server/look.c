#include "server/look.h"

#include <string.h>

#include "base/text.h"
#include "server/api_private.h"

#define HOLD_MAX     ((size_t)64 << 10)
#define DOCUMENT_MAX ((size_t)1 << 20)
#define ID_MIN       4

void looking_auto(struct looking *l)
{
    json_decref(l->arguments);
    json_decref(l->head);
    buf_done(&l->held);
}

struct looking look_new(struct request *r, const char *verb, const char *type)
{
    struct looking l = {.r = r, .verb = verb, .type = type, .arguments = json_object()};

    l.words = json_array();
    (void)json_object_set_new(l.arguments, "words", l.words); /* cannot fail */
    return l;
}

bool look_refuse(struct request *r, const char *name, const char *what)
{
    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "%s: %s", name, what);
    reply_problem(r, 400, "invalid_query", buf_string(&line));
    return false;
}

/* They become arguments, which others see. */
bool look_is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* Arguments out of the query; each false after the request was answered. */

bool look_word(struct looking *l, const char *word)
{
    (void)json_array_append_new(l->words, json_string(word)); /* cannot fail */
    return true;
}

bool look_id(struct looking *l, const char *name, const char *id)
{
    if (id == NULL)
        return look_refuse(l->r, name, "is missing");

    const size_t size = strlen(id);

    if (strcmp(id, "latest") != 0 &&
        (size < ID_MIN || size > LOOK_ID_MAX || strspn(id, "0123456789abcdef") != size))
        return look_refuse(l->r, name, "must be latest, or 4 to 64 hexadecimal digits");
    /* Whoever has the id of what was uploaded for the set means that. */
    (void)json_object_set_new(l->arguments, "uploads", json_true()); /* cannot fail */
    return look_word(l, id);
}

bool look_snapshot(struct looking *l)
{
    return look_id(l, "snapshot", request_parameter(l->r, "snapshot"));
}

bool look_text(struct looking *l, const char *name)
{
    const char *text = request_query(l->r, name);

    if (text == NULL)
        return true;
    if (*text == '\0' || !look_is_plain(text))
        return look_refuse(l->r, name, "must be a text without control characters");
    (void)json_object_set_new(l->arguments, name, json_string(text)); /* cannot fail */
    return true;
}

bool look_flag(struct looking *l, const char *name)
{
    const char *text = request_query(l->r, name);
    const bool is_on = text != NULL && strcmp(text, "true") == 0;

    if (text != NULL && !is_on && strcmp(text, "false") != 0)
        return look_refuse(l->r, name, "must be true or false");
    (void)json_object_set_new(l->arguments, name, json_boolean(is_on)); /* cannot fail */
    return true;
}

/* "1790000000000000000.4f0c...": time and id of the last one of a page. */
bool look_after(struct looking *l)
{
    const char *text = request_query(l->r, "after");
    const size_t digits = text == NULL ? 0 : strspn(text, "0123456789");

    if (text != NULL && (digits == 0 || digits > 19 || text[digits] != '.' ||
                         strlen(text + digits + 1) != LOOK_ID_MAX ||
                         strspn(text + digits + 1, "0123456789abcdef") != LOOK_ID_MAX))
        return look_refuse(l->r, "after", "must be what a page gave as next");
    return look_text(l, "after");
}

/* Absolute, and without what would lead elsewhere. */
bool look_check_path(struct request *r, const char *path)
{
    if (path[0] != '/' || !look_is_plain(path))
        return look_refuse(r, "path", "must begin with / and have no control characters");
    for (const char *s = path; *s != '\0'; s += strcspn(s, "/")) {
        s += strspn(s, "/");
        if (strcspn(s, "/") == 2 && s[0] == '.' && s[1] == '.')
            return look_refuse(r, "path", "must not go up");
    }
    return true;
}

bool look_path(struct looking *l, const char *absent)
{
    const char *path = request_query(l->r, "path");

    if (path == NULL)
        path = absent;
    if (path == NULL)
        return look_refuse(l->r, "path", "is missing");
    return look_check_path(l->r, path) && look_word(l, path);
}

/* The answer */

/* "shop.tar", "fstab": what a browser saves it as. */
static const char *download_name(const struct looking *l, const char *suffix, struct buf *out)
{
    static const char stored[] = ".copy"; /* which rows are no more in another form */
    const char *path = json_string_value(json_array_get(l->words, 1));
    size_t end = strlen(path);
    size_t at;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (at = end; at > 0 && path[at - 1] != '/'; at--)
        ;
    if (l->suffix != NULL && end - at > sizeof(stored) &&
        memcmp(path + end - (sizeof(stored) - 1), stored, sizeof(stored) - 1) == 0)
        end -= sizeof(stored) - 1;
    if (end > at)
        buf_append(out, path + at, end - at);
    else
        buf_printf(out, "%s", request_parameter(l->r, "set"));
    buf_printf(out, "%s", suffix);
    return buf_string(out);
}

/* Whether an answer of a size that nobody knows can be told from one that broke off. */
static bool check_client(struct looking *l, uint64_t size)
{
    if (size != UINT64_MAX || request_knows_chunks(l->r))
        return true;
    l->is_answered = true;
    reply_problem(l->r, 505, "http_version", "HTTP/1.1 is needed to tell the end of this");
    return false;
}

static bool begin(struct looking *l, bool is_whole, struct err *e)
{
    const json_t *stored = json_object_get(l->head, "size"); /* files have one */
    const bool is_archive = l->is_download && stored == NULL && l->suffix == NULL;
    const char *form = l->is_zip ? "application/zip" : "application/x-tar";
    const char *suffix = l->suffix != NULL ? l->suffix
                         : !is_archive     ? ""
                         : l->is_zip       ? ".zip"
                                           : ".tar";
    AUTO(buf) struct buf name = {0};
    uint64_t size = UINT64_MAX;

    if (stored != NULL)
        size = (uint64_t)json_integer_value(stored);
    else if (is_whole)
        size = l->held.size;
    if (!check_client(l, size))
        return err_set(e, ERR_CANCELLED, "the client cannot tell its end");
    l->has_begun = true;
    reply_stream(l->r, size, is_archive ? form : l->type,
                 l->is_download ? download_name(l, suffix, &name) : NULL);
    return reply_stream_write(l->r, buf_slice(&l->held), e);
}

/* The first line of what is held, once it is there. */
static bool take_head(struct looking *l, struct err *e)
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
    struct looking *l = arg;

    if (l->has_begun)
        return reply_stream_write(l->r, bytes, e);
    buf_append_slice(&l->held, bytes);
    if (l->is_download && l->head == NULL && !take_head(l, e))
        return false;
    if (l->most != NULL && l->head != NULL && l->held.size >= l->most(l)) {
        l->is_enough = true;
        return err_set(e, ERR_CANCELLED, "it is enough");
    }
    if (l->most != NULL)
        return true;
    if (l->type == NULL)
        return l->held.size <= DOCUMENT_MAX || err_set(e, ERR_FATAL, "the document is too long");
    return l->held.size <= HOLD_MAX || begin(l, false, e);
}

static bool is_wanted(void *arg)
{
    const struct looking *l = arg;

    return !request_is_gone(l->r);
}

/* Too late for another answer: it stays without its end, and the log says why. */
static void break_off(struct request *r, struct err *e)
{
    e->code = ERR_FATAL;
    if (!request_is_gone(r))
        reply_err(r, e);
}

static void reply_failure(struct looking *l, struct err *e)
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
bool look_read(struct looking *l)
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
    if (s->read_set(s->arg, &q, &e) || l->is_enough)
        return true;
    reply_failure(l, &e);
    return false;
}

void look_answer(struct looking *l)
{
    struct err e = {0};

    if (!look_read(l))
        return;
    if (!l->has_begun && !begin(l, true, &e))
        return; /* nobody waits for it, or it was said */
    reply_stream_end(l->r);
}

static bool write_record(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct looking *l = arg;

    return auth_audit(
        t, l->r,
        &(struct auth_record){.action = l->action,
                              .object = request_parameter(l->r, "set"),
                              .outcome = "begun",
                              .details = json_pack("{s:O, s:b}", "arguments", l->arguments, "link",
                                                   (int)l->is_linked)},
        e);
}

bool look_record(struct looking *l, const char *action)
{
    l->action = action;
    return auth_write(l->r, write_record, l);
}
