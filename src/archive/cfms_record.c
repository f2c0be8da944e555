#include "archive/cfms_record.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

bool cfms_id_is(const char *id)
{
    const size_t size = strnlen(id, CFMS_ID_MAX);

    return size > 0 && size < CFMS_ID_MAX &&
           strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-") == size;
}

struct hmac_stream *cfms_mac_new(const uint8_t key[CFMS_KEY_SIZE])
{
    uint8_t derived[HASH_SIZE];
    struct hmac_stream *mac;

    hkdf(SLICE_OF(key, CFMS_KEY_SIZE), (struct slice){0}, slice_string("cfms-mac"), derived,
         sizeof(derived));
    mac = hmac_stream_new(derived);
    mem_wipe(derived, sizeof(derived));
    return mac;
}

/* Making trees: Jansson makes none of what is not valid, and so no tree of a tree without it. */

static json_t *text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

/* A reference, or nothing when it is no id. */
static json_t *id_of(const char *id)
{
    return id != NULL && cfms_id_is(id) ? json_string(id) : NULL;
}

static json_t *id_or_null(const char *id)
{
    return id == NULL ? json_null() : id_of(id);
}

static json_t *rule_tree(const struct cfms_rule *r)
{
    return json_pack("{s:I, s:s, s:O}", "id", (json_int_t)r->id, "access_type", r->access_type,
                     "rule_data", r->rule_data);
}

static json_t *rules_tree(const struct cfms_rule *rules, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, rule_tree(&rules[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *revision_tree(const struct cfms_revision *r)
{
    return json_pack("{s:I, s:o, s:o, s:f}", "id", (json_int_t)r->id, "document_id",
                     id_of(r->document_id), "file_id", id_of(r->file_id), "created_time",
                     r->created_time);
}

static json_t *revisions_tree(const struct cfms_revision *revisions, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, revision_tree(&revisions[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static bool tree_is(json_t *tree, const char *what, const char *id, json_t **out, struct err *e)
{
    char name[CFMS_TEXT_MAX];

    text_flatten(slice_string(id), name, sizeof(name));
    if (tree == NULL)
        return err_set(e, ERR_USAGE, "%s %s has an id, a text or a time that no archive holds",
                       what, name);
    *out = tree;
    return true;
}

bool cfms_document_tree(const struct cfms_document *d, json_t **out, struct err *e)
{
    return tree_is(json_pack("{s:o, s:s, s:f, s:o, s:o, s:o}", "id", id_of(d->id), "title",
                             d->title, "created_time", d->created_time, "folder_id",
                             id_or_null(d->folder_id), "access_rules",
                             rules_tree(d->rules, d->rule_count), "revisions",
                             revisions_tree(d->revisions, d->revision_count)),
                   "document", d->id, out, e);
}

bool cfms_folder_tree(const struct cfms_folder *f, json_t **out, struct err *e)
{
    return tree_is(json_pack("{s:o, s:s, s:f, s:o, s:o}", "id", id_of(f->id), "name", f->name,
                             "created_time", f->created_time, "parent_id", id_or_null(f->parent_id),
                             "access_rules", rules_tree(f->rules, f->rule_count)),
                   "folder", f->id, out, e);
}

bool cfms_file_tree(const struct cfms_file *f, json_t **out, struct err *e)
{
    char digits[2 * HASH_SIZE + 1];

    if (f->sha256 != NULL)
        hex_encode(SLICE_OF(f->sha256->bytes, HASH_SIZE), digits);
    return tree_is(json_pack("{s:o, s:o, s:s, s:f, s:b}", "id", id_of(f->id), "sha256",
                             text_or_null(f->sha256 != NULL ? digits : NULL), "path", f->path,
                             "created_time", f->created_time, "active", f->is_active ? 1 : 0),
                   "file", f->id, out, e);
}

/* Taking them apart */

void cfms_lists_auto(struct cfms_lists *l)
{
    mem_free(l->rules);
    mem_free(l->revisions);
}

bool cfms_tree_parse(struct slice text, const char *what, json_t **out, struct err *e)
{
    json_error_t why;
    json_t *tree = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &why);

    if (tree == NULL)
        return err_set(e, ERR_CORRUPT, "%s is no JSON that is taken: %s", what, why.text);
    *out = tree;
    return true;
}

static bool wrong(const char *member, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "a record has no valid member \"%s\"", member);
}

static bool take_text(const json_t *j, const char *member, const char **out, struct err *e)
{
    *out = json_string_value(json_object_get(j, member));
    return *out != NULL || wrong(member, e);
}

static bool take_id(const json_t *j, const char *member, const char **out, struct err *e)
{
    *out = json_string_value(json_object_get(j, member));
    return (*out != NULL && cfms_id_is(*out)) || wrong(member, e);
}

static bool take_id_or_null(const json_t *j, const char *member, const char **out, struct err *e)
{
    *out = NULL;
    return json_is_null(json_object_get(j, member)) || take_id(j, member, out, e);
}

static bool take_time(const json_t *j, const char *member, double *out, struct err *e)
{
    const json_t *value = json_object_get(j, member);

    *out = json_number_value(value);
    return (json_is_number(value) && isfinite(*out)) || wrong(member, e);
}

static bool take_number(const json_t *j, const char *member, int64_t *out, struct err *e)
{
    const json_t *value = json_object_get(j, member);

    *out = json_integer_value(value);
    return json_is_integer(value) || wrong(member, e);
}

static bool take_rules(const json_t *j, struct cfms_lists *l, size_t *count, struct err *e)
{
    const json_t *list = json_object_get(j, "access_rules");

    *count = json_array_size(list);
    l->rules = mem_array(*count, sizeof(*l->rules));
    for (size_t i = 0; i < *count; i++) {
        const json_t *item = json_array_get(list, i);
        struct cfms_rule *r = &l->rules[i];

        r->rule_data = json_object_get(item, "rule_data");
        if (!take_number(item, "id", &r->id, e) ||
            !take_text(item, "access_type", &r->access_type, e) ||
            (!json_is_object(r->rule_data) && !wrong("rule_data", e)))
            return false;
    }
    return json_is_array(list) || wrong("access_rules", e);
}

static bool take_revisions(const json_t *j, struct cfms_lists *l, size_t *count, struct err *e)
{
    const json_t *list = json_object_get(j, "revisions");

    *count = json_array_size(list);
    l->revisions = mem_array(*count, sizeof(*l->revisions));
    for (size_t i = 0; i < *count; i++) {
        const json_t *item = json_array_get(list, i);
        struct cfms_revision *r = &l->revisions[i];

        if (!take_number(item, "id", &r->id, e) ||
            !take_id(item, "document_id", &r->document_id, e) ||
            !take_id(item, "file_id", &r->file_id, e) ||
            !take_time(item, "created_time", &r->created_time, e))
            return false;
    }
    return json_is_array(list) || wrong("revisions", e);
}

bool cfms_document_of(const json_t *tree, struct cfms_lists *lists, struct cfms_document *out,
                      struct err *e)
{
    if (!take_id(tree, "id", &out->id, e) || !take_text(tree, "title", &out->title, e) ||
        !take_time(tree, "created_time", &out->created_time, e) ||
        !take_id_or_null(tree, "folder_id", &out->folder_id, e) ||
        !take_rules(tree, lists, &out->rule_count, e) ||
        !take_revisions(tree, lists, &out->revision_count, e))
        return false;
    out->rules = lists->rules;
    out->revisions = lists->revisions;
    return true;
}

bool cfms_folder_of(const json_t *tree, struct cfms_lists *lists, struct cfms_folder *out,
                    struct err *e)
{
    if (!take_id(tree, "id", &out->id, e) || !take_text(tree, "name", &out->name, e) ||
        !take_time(tree, "created_time", &out->created_time, e) ||
        !take_id_or_null(tree, "parent_id", &out->parent_id, e) ||
        !take_rules(tree, lists, &out->rule_count, e))
        return false;
    out->rules = lists->rules;
    return true;
}

bool cfms_file_of(const json_t *tree, struct cfms_lists *lists, struct cfms_file *out,
                  struct err *e)
{
    const json_t *sum = json_object_get(tree, "sha256");
    const json_t *active = json_object_get(tree, "active");

    if (!take_id(tree, "id", &out->id, e) || !take_text(tree, "path", &out->path, e) ||
        !take_time(tree, "created_time", &out->created_time, e))
        return false;
    if (!json_is_null(sum) && (!json_is_string(sum) ||
                               !hex_decode(json_string_value(sum), lists->sha256.bytes, HASH_SIZE)))
        return wrong("sha256", e);
    out->sha256 = json_is_null(sum) ? NULL : &lists->sha256;
    out->is_active = json_is_true(active);
    return json_is_boolean(active) || wrong("active", e);
}
