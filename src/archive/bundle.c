#include "archive/bundle.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const char *const kind_names[] = {
    [BUNDLE_OTHER] = "other", [BUNDLE_PRIVATE] = "bundle", [BUNDLE_CHALK] = "chalk"};

const char *bundle_kind_name(enum bundle_kind kind)
{
    return kind_names[kind];
}

bool bundle_kind_parse(const char *name, enum bundle_kind *out)
{
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
        if (strcmp(kind_names[i], name) == 0) {
            *out = (enum bundle_kind)i;
            return true;
        }
    return false;
}

void bundle_done(struct bundle *b)
{
    bundle_json_done(&b->json);
}

void bundle_auto(struct bundle *b)
{
    bundle_done(b);
}

/* Members that the form speaks of. */
enum part { TIMESTAMP, VERSION, DATA, TYPE, USERS, SESSIONS, FIREWALL, METADATA, PARTS };

static const struct {
    const char *name;
    bool is_in_data, is_required;
    enum json_token wanted;
    const char *what;
} parts[PARTS] = {
    [TIMESTAMP] = {"timestamp", false, true, JSON_TOKEN_TEXT, "timestamp is no text"},
    [VERSION] = {"version", false, true, JSON_TOKEN_TEXT, "version is no text"},
    [DATA] = {"data", false, true, JSON_TOKEN_OBJECT, "data is no object"},
    [TYPE] = {"type", false, false, JSON_TOKEN_TEXT, NULL},
    [USERS] = {"users", true, false, JSON_TOKEN_ARRAY, "data.users is no list of texts"},
    [SESSIONS] = {"sessions", true, false, JSON_TOKEN_ARRAY, "data.sessions is no list of texts"},
    [FIREWALL] = {"firewall_state", true, false, JSON_TOKEN_OBJECT,
                  "data.firewall_state is no object"},
    [METADATA] = {"metadata", true, false, JSON_TOKEN_OBJECT, "data.metadata is no object"},
};

/* What is known of one part. */
struct seen {
    bool is_there, is_right; /* right: of the wanted type, lists with texts only */
    uint64_t count;          /* of a list */
};

struct look {
    struct bundle_facts *facts;
    bool is_object;
    bool is_chalk;
    enum part outer, inner; /* whose value comes next or is under way; PARTS: none */
    struct seen seen[PARTS];
};

static enum part find_part(struct slice name, bool is_in_data)
{
    for (enum part p = 0; p < PARTS; p++)
        if (parts[p].is_in_data == is_in_data && slice_is_equal(name, slice_string(parts[p].name)))
            return p;
    return PARTS;
}

/* A name of the document or of its data.  One that comes again begins anew: the last one counts. */
static void see_name(struct look *l, size_t depth, struct slice name)
{
    if (depth == 1) {
        l->outer = find_part(name, false);
        l->inner = PARTS;
        if (l->outer == DATA)
            for (enum part p = USERS; p < PARTS; p++)
                l->seen[p] = (struct seen){0};
    } else if (depth == 2 && l->outer == DATA) {
        l->inner = find_part(name, true);
    }
}

static void keep_text(struct slice text, char out[BUNDLE_TEXT_MAX])
{
    out[0] = '\0';
    if (text.size > 0 && text.size < BUNDLE_TEXT_MAX && utf8_is_valid(text) &&
        memchr(text.data, 0, text.size) == NULL) {
        memcpy(out, text.data, text.size);
        out[text.size] = '\0';
    }
}

static void see_value(struct look *l, enum part p, enum json_token token, struct slice text)
{
    const bool is_text = token == JSON_TOKEN_TEXT;

    l->seen[p] = (struct seen){.is_there = true, .is_right = token == parts[p].wanted};
    if (p == TIMESTAMP)
        keep_text(is_text ? text : SLICE_OF(NULL, 0), l->facts->timestamp);
    else if (p == VERSION)
        keep_text(is_text ? text : SLICE_OF(NULL, 0), l->facts->version);
    else if (p == TYPE)
        l->is_chalk = is_text && slice_is_equal(text, slice_string("chalk-bundle"));
}

static bool is_end(enum json_token token)
{
    return token == JSON_TOKEN_OBJECT_END || token == JSON_TOKEN_ARRAY_END ||
           token == JSON_TOKEN_END;
}

static void see(void *arg, enum json_token token, size_t depth, struct slice text)
{
    struct look *l = arg;

    if (depth == 0 && token == JSON_TOKEN_OBJECT)
        l->is_object = true;
    if (!l->is_object || is_end(token))
        return;
    if (token == JSON_TOKEN_NAME) {
        see_name(l, depth, text);
    } else if (depth == 1 && l->outer != PARTS) {
        see_value(l, l->outer, token, text);
    } else if (depth == 2 && l->outer == DATA && l->seen[DATA].is_right && l->inner != PARTS) {
        see_value(l, l->inner, token, text);
    } else if (depth == 3 && l->outer == DATA && l->seen[DATA].is_right && l->inner != PARTS) {
        l->seen[l->inner].count++;
        if (parts[l->inner].wanted == JSON_TOKEN_ARRAY && token != JSON_TOKEN_TEXT)
            l->seen[l->inner].is_right = false;
    }
}

/* An object in which a list is wanted has names at that depth, which are not counted, and values.
 */
static void count_list(const struct seen *s, bool *has, uint64_t *count)
{
    *has = s->is_there && s->is_right;
    *count = *has ? s->count : 0;
}

static void judge(const struct look *l, struct bundle_facts *f)
{
    const char *why = l->is_object ? NULL : "it is no object";

    for (enum part p = 0; p < PARTS && why == NULL; p++)
        if (parts[p].what != NULL &&
            (l->seen[p].is_there ? !l->seen[p].is_right : parts[p].is_required))
            why = parts[p].what;
    (void)snprintf(f->why, sizeof(f->why), "%s", why == NULL ? "" : why); /* all of them fit */
    f->kind = l->is_chalk ? BUNDLE_CHALK : why == NULL ? BUNDLE_PRIVATE : BUNDLE_OTHER;
    count_list(&l->seen[USERS], &f->has_users, &f->users);
    count_list(&l->seen[SESSIONS], &f->has_sessions, &f->sessions);
}

static bool count_bytes(void *arg, struct slice piece, struct err *e)
{
    uint64_t *size = arg;

    (void)e; /* counting does not fail */
    *size += piece.size;
    return true;
}

bool bundle_read(struct slice bytes, struct bundle *out, struct err *e)
{
    AUTO(bundle) struct bundle b = {0};
    struct look l = {.facts = &b.facts, .outer = PARTS, .inner = PARTS};
    const struct bundle_json_writing count = {.write = count_bytes, .arg = &b.facts.indented_size};

    if (bytes.size > BUNDLE_SIZE_MAX)
        return err_set(e, ERR_USAGE, "it is longer than %zu bytes", BUNDLE_SIZE_MAX);
    if (!bundle_json_read(bytes, see, &l, &b.json, e) ||
        !bundle_json_write(&b.json, bytes, &count, e))
        return false;
    judge(&l, &b.facts);
    *out = b;
    b.json = (struct bundle_json){0};
    return true;
}

bool bundle_require_form(const struct bundle_facts *f, struct err *e)
{
    return f->why[0] == '\0' || err_set(e, ERR_CORRUPT, "it is no backup bundle: %s", f->why);
}

static bool append_piece(void *arg, struct slice piece, struct err *e)
{
    (void)e; /* memory does not fail */
    buf_append_slice(arg, piece);
    return true;
}

void bundle_indent(const struct bundle *b, struct slice bytes, bool without_sessions,
                   struct buf *out)
{
    const struct bundle_json_writing how = {
        .without_sessions = without_sessions, .write = append_piece, .arg = out};
    struct err e = {0};
    const bool ok = bundle_json_write(&b->json, bytes, &how, &e);

    assert(ok); /* they were read before */
}

/* Names */

static bool are_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789") >= count;
}

bool bundle_name_is(const char *name, char stamp[BUNDLE_STAMP_MAX])
{
    static const char head[] = "backup_";
    const size_t begin = sizeof(head) - 1;
    const size_t end = begin + BUNDLE_STAMP_MAX - 1;
    const char *rest = name + end;

    if (strncmp(name, head, begin) != 0 || strlen(name) < end || !are_digits(name + begin, 8) ||
        name[begin + 8] != '_' || !are_digits(name + begin + 9, 6))
        return false;
    if (rest[0] == '_') {
        const size_t digits = strspn(rest + 1, "0123456789");

        if (digits < 4 || digits > 9)
            return false;
        rest += 1 + digits;
    }
    if (strcmp(rest, ".json") != 0)
        return false;
    if (stamp != NULL) {
        memcpy(stamp, name + begin, BUNDLE_STAMP_MAX - 1);
        stamp[BUNDLE_STAMP_MAX - 1] = '\0';
    }
    return true;
}
