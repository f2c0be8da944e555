#include "archive/bundle_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

void bundle_note_measure(struct bundle_note *n, struct slice bytes,
                         const struct bundle_facts *facts)
{
    n->size = bytes.size;
    sha256(bytes, &n->sha256);
    n->facts = *facts;
}

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : json_string(text);
}

static json_t *count_or_null(bool has, uint64_t count)
{
    return has ? json_integer((json_int_t)count) : json_null();
}

json_t *bundle_note_json(const struct bundle_note *n)
{
    const struct bundle_facts *f = &n->facts;
    char received[CLOCK_TEXT_MAX];
    char digits[2 * HASH_SIZE + 1];

    clock_format(n->received_ns, received);
    hex_encode(SLICE_OF(n->sha256.bytes, HASH_SIZE), digits);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o}",
                     "name", n->name, "received", received, "peer", text_or_null(n->peer), "uid",
                     count_or_null(n->uid >= 0, (uint64_t)n->uid), "token", text_or_null(n->token),
                     "size", (json_int_t)n->size, "sha256", digits, "indented_size",
                     (json_int_t)f->indented_size, "kind", bundle_kind_name(f->kind), "why",
                     text_or_null(f->why), "timestamp", text_or_null(f->timestamp), "version",
                     text_or_null(f->version), "users", count_or_null(f->has_users, f->users),
                     "sessions", count_or_null(f->has_sessions, f->sessions));
}

/* Taking it apart */

static bool is_wrong(const char *member, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "what is noted of a bundle has no valid member \"%s\"", member);
}

static bool take_text(const json_t *j, const char *member, bool may_be_null, char *out, size_t room,
                      struct err *e)
{
    const json_t *value = json_object_get(j, member);
    const char *text = json_string_value(value);

    if (may_be_null && json_is_null(value)) {
        out[0] = '\0';
        return true;
    }
    if (text == NULL || json_string_length(value) >= room)
        return is_wrong(member, e);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool take_number(const json_t *j, const char *member, uint64_t *out, struct err *e)
{
    const json_t *value = json_object_get(j, member);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return is_wrong(member, e);
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_count(const json_t *j, const char *member, bool *has, uint64_t *out, struct err *e)
{
    *has = !json_is_null(json_object_get(j, member));
    *out = 0;
    return !*has || take_number(j, member, out, e);
}

static bool take_facts(const json_t *j, struct bundle_facts *f, struct err *e)
{
    char kind[16];

    if (!take_number(j, "indented_size", &f->indented_size, e) ||
        !take_text(j, "kind", false, kind, sizeof(kind), e) ||
        !take_text(j, "why", true, f->why, sizeof(f->why), e) ||
        !take_text(j, "timestamp", true, f->timestamp, sizeof(f->timestamp), e) ||
        !take_text(j, "version", true, f->version, sizeof(f->version), e) ||
        !take_count(j, "users", &f->has_users, &f->users, e) ||
        !take_count(j, "sessions", &f->has_sessions, &f->sessions, e))
        return false;
    return bundle_kind_parse(kind, &f->kind) || is_wrong("kind", e);
}

static bool take_sender(const json_t *j, struct bundle_note *n, struct err *e)
{
    bool has_uid;
    uint64_t uid;

    if (!take_text(j, "peer", true, n->peer, sizeof(n->peer), e) ||
        !take_text(j, "token", true, n->token, sizeof(n->token), e) ||
        !take_count(j, "uid", &has_uid, &uid, e))
        return false;
    n->uid = has_uid ? (int64_t)uid : -1;
    return true;
}

bool bundle_note_parse(const json_t *j, struct bundle_note *out, struct err *e)
{
    struct bundle_note n = {0};
    char received[CLOCK_TEXT_MAX];
    char digits[2 * HASH_SIZE + 1];

    if (!take_text(j, "name", false, n.name, sizeof(n.name), e) ||
        !take_text(j, "received", false, received, sizeof(received), e) ||
        !take_text(j, "sha256", false, digits, sizeof(digits), e) ||
        !take_number(j, "size", &n.size, e) || !take_sender(j, &n, e) ||
        !take_facts(j, &n.facts, e))
        return false;
    if (n.name[0] != '\0' && !bundle_name_is(n.name, NULL))
        return is_wrong("name", e);
    if (!clock_parse(received, &n.received_ns, e))
        return is_wrong("received", e);
    if (!hex_decode(digits, n.sha256.bytes, HASH_SIZE))
        return is_wrong("sha256", e);
    *out = n;
    return true;
}

/* Manifests */

void bundle_manifest_auto(struct bundle_manifest *m)
{
    json_decref(m->document);
    mem_free(m->notes);
}

static bool take_notes(const json_t *list, struct bundle_manifest *m, struct err *e)
{
    const size_t count = json_array_size(list);

    m->notes = mem_array(count, sizeof(*m->notes));
    for (; m->count < count; m->count++) {
        struct bundle_note *n = &m->notes[m->count];

        if (!bundle_note_parse(json_array_get(list, m->count), n, e))
            return false;
        if (n->name[0] == '\0' || (m->count > 0 && strcmp(n[-1].name, n->name) >= 0))
            return err_set(e, ERR_CORRUPT, "the manifest of bundles is not in order");
    }
    return true;
}

bool bundle_manifest_parse(struct slice text, struct bundle_manifest *out, struct err *e)
{
    AUTO(bundle_manifest) struct bundle_manifest m = {0};
    json_error_t why;
    const json_t *list;

    m.document = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &why);
    if (m.document == NULL)
        return err_set(e, ERR_CORRUPT, "the manifest of bundles is no JSON: %s", why.text);
    list = json_object_get(m.document, "bundles");
    if (json_integer_value(json_object_get(m.document, "format")) != BUNDLE_MANIFEST_FORMAT ||
        !json_is_array(list))
        return err_set(e, ERR_CORRUPT, "the manifest of bundles has another form");
    if (!take_notes(list, &m, e))
        return false;
    *out = m;
    m = (struct bundle_manifest){0};
    return true;
}

static int by_name(const void *key, const void *item)
{
    return strcmp(key, ((const struct bundle_note *)item)->name);
}

const struct bundle_note *bundle_manifest_find(const struct bundle_manifest *m, const char *name)
{
    return m->count == 0 ? NULL : bsearch(name, m->notes, m->count, sizeof(*m->notes), by_name);
}
