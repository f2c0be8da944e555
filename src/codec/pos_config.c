#include "codec/pos_config.h"

#include <string.h>

#include "base/mem.h"
#include "codec/address.h"
#include "codec/cron.h"
#include "codec/pos_fields.h"
#include "codec/zone.h"

#define LETTERS    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

#define BUCKET_MAX 63

static const char *const types[] = {"full",     "incremental", "differential",
                                    "database", "files",       NULL};
static const char *const compressions[] = {"gzip", "bzip2", "none", NULL};

const char *pos_type_text(enum pos_type t)
{
    return types[t];
}

void pos_config_free(struct pos_config *c)
{
    if (c == NULL)
        return;
    json_decref(c->document);
    mem_free(c->destinations);
    for (size_t i = 0; i < c->source_count; i++) {
        mem_free(c->sources[i].paths);
        mem_free(c->sources[i].exclude);
    }
    mem_free(c->sources);
    mem_free(c->on_success);
    mem_free(c->on_failure);
    mem_free(c->text);
    mem_free(c);
}

void pos_config_auto(struct pos_config **c)
{
    pos_config_free(*c);
}

static bool take_flag(const struct pos_at *at, const char *key, bool *out, struct err *e)
{
    const json_t *j = json_object_get(at->object, key);

    if (j != NULL && !json_is_boolean(j))
        return POS_FAIL(at, key, e, "must be true or false, not %s", pos_fields_kind(j));
    if (j != NULL)
        *out = json_is_true(j);
    return true;
}

static bool take_keep(const struct pos_at *at, const char *key, int *out, struct err *e)
{
    const json_t *j = json_object_get(at->object, key);

    if (j == NULL)
        return POS_FAIL(at, key, e, "is required");
    if (!json_is_integer(j) || json_integer_value(j) < 0 || json_integer_value(j) > POS_KEEP_MAX)
        return POS_FAIL(at, key, e, "must be a whole number from 0 to %d", POS_KEEP_MAX);
    *out = (int)json_integer_value(j);
    return true;
}

/* Required fields, as the original looks for them: what JavaScript takes for false is missing. */
static bool is_missing(const json_t *j)
{
    return j == NULL || json_is_null(j) || json_is_false(j) ||
           (json_is_string(j) && json_string_length(j) == 0) ||
           (json_is_number(j) && json_number_value(j) == 0);
}

static bool check_required(const json_t *root, enum pos_purpose purpose, struct err *e)
{
    static const char *const to_save[] = {"id",        "name",         "type", "schedule",
                                          "retention", "destinations", NULL};
    static const char *const to_test[] = {"name", "type", "destinations", NULL};

    for (const char *const *key = purpose == POS_SAVE ? to_save : to_test; *key != NULL; key++)
        if (is_missing(json_object_get(root, *key)))
            return err_set(e, ERR_USAGE, "%s is required", *key);
    return true;
}

/* Destinations */

static bool read_local(const struct pos_at *at, struct pos_destination *out, struct err *e)
{
    static const char *const names[] = {"path", NULL};

    return pos_fields_check(at, names, e) &&
           pos_fields_text(at, "path", POS_TEXT_MAX, &out->path, e) &&
           pos_fields_path(at, "path", out->path, e);
}

/* Names between single slashes, none of them "." or "..". */
static bool check_folder(const struct pos_at *at, const char *folder, struct err *e)
{
    for (const char *part = folder;; part++) {
        const size_t size = strspn(part, LETTERS "._-");

        if (size == 0 || strspn(part, ".") == size)
            return POS_FAIL(at, "folder", e,
                            "must be names of letters, digits, \".\", \"_\" and \"-\" "
                            "between single slashes");
        part += size;
        if (*part == '\0')
            return true;
        if (*part != '/')
            return POS_FAIL(at, "folder", e,
                            "has a character other than letters, digits, \"._-/\"");
    }
}

static bool check_endpoint(const struct pos_at *at, const char *endpoint, struct err *e)
{
    const size_t scheme = strncmp(endpoint, "https://", 8) == 0  ? 8
                          : strncmp(endpoint, "http://", 7) == 0 ? 7
                                                                 : 0;
    const char *host = endpoint + scheme;

    /* Without the text: a password may stand in it. */
    if (scheme == 0 || *host == '\0' || strspn(host, LETTERS ".-:[]") != strlen(host))
        return POS_FAIL(at, "endpoint", e, "must be https://HOST or https://HOST:PORT");
    return true;
}

static bool read_s3(const struct pos_at *at, struct pos_destination *out, struct err *e)
{
    static const char *const names[] = {"bucket", "region", "folder", "endpoint", NULL};

    if (!pos_fields_check(at, names, e) ||
        !pos_fields_text(at, "bucket", BUCKET_MAX, &out->bucket, e) ||
        !pos_fields_text(at, "region", BUCKET_MAX, &out->region, e) ||
        !pos_fields_text(at, "folder", POS_TEXT_MAX, &out->folder, e))
        return false;
    if (strspn(out->bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(out->bucket) ||
        strlen(out->bucket) < 3 || strchr(".-", out->bucket[0]) != NULL)
        return POS_FAIL(at, "bucket", e,
                        "must be 3 to 63 lower-case letters, digits, \".\" and \"-\"");
    if (strspn(out->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(out->region))
        return POS_FAIL(at, "region", e, "must be lower-case letters, digits and \"-\"");
    if (!check_folder(at, out->folder, e))
        return false;
    return json_object_get(at->object, "endpoint") == NULL ||
           (pos_fields_text(at, "endpoint", POS_TEXT_MAX, &out->endpoint, e) &&
            check_endpoint(at, out->endpoint, e));
}

static bool read_destination(const json_t *j, const char *path, struct pos_destination *out,
                             struct err *e)
{
    static const char *const names[] = {"type", "config", NULL};
    static const char *const kinds[] = {"s3", "local", NULL};
    AUTO(buf) struct buf inner = {0};
    const struct pos_at at = {j, path};
    struct pos_at config = {0};
    int kind = 0;

    if (!pos_fields_check(&at, names, e) || !pos_fields_choice(&at, "type", kinds, &kind, e) ||
        !pos_fields_object(&at, "config", &config.object, e))
        return false;
    buf_printf(&inner, "%sconfig.", path);
    config.path = buf_string(&inner);
    out->is_s3 = kind == 0;
    return out->is_s3 ? read_s3(&config, out, e) : read_local(&config, out, e);
}

static bool read_destinations(struct pos_config *c, struct err *e)
{
    const struct pos_at at = {c->document, ""};
    const json_t *list = json_object_get(c->document, "destinations");
    const size_t count = json_array_size(list);

    if (!json_is_array(list))
        return POS_FAIL(&at, "destinations", e, "must be a list, not %s", pos_fields_kind(list));
    if (count == 0 || count > POS_DESTINATIONS_MAX)
        return POS_FAIL(&at, "destinations", e, "must have 1 to %d items, not %zu",
                        POS_DESTINATIONS_MAX, count);
    c->destinations = mem_array(count, sizeof(*c->destinations));
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf path = {0};
        const json_t *one = json_array_get(list, i);

        buf_printf(&path, "destinations[%zu]", i);
        if (!json_is_object(one))
            return POS_FAIL(&at, buf_string(&path), e, "must be an object, not %s",
                            pos_fields_kind(one));
        for (size_t k = 0; k < i; k++)
            if (json_equal(one, json_array_get(list, k)))
                return POS_FAIL(&at, buf_string(&path), e, "is the same as destinations[%zu]", k);
        buf_append(&path, ".", 1);
        if (!read_destination(one, buf_string(&path), &c->destinations[i], e))
            return false;
    }
    c->destination_count = count;
    return true;
}

/* Notifications */

/* An address that also needs no quoting in the scheme mailto and in a log. */
static bool is_mail(const char *text)
{
    return address_is_mail(text) && text[strspn(text, LETTERS "._+'-")] == '@';
}

static bool read_recipients(const struct pos_at *at, const char *key, const char ***out,
                            size_t *count, struct err *e)
{
    const json_t *list = json_object_get(at->object, key);

    if (list == NULL)
        return true;
    if (!json_is_array(list) || json_array_size(list) > POS_RECIPIENTS_MAX)
        return POS_FAIL(at, key, e, "must be a list of at most %d addresses", POS_RECIPIENTS_MAX);
    *out = mem_array(json_array_size(list), sizeof(**out));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text == NULL || !is_mail(text))
            return err_set(e, ERR_USAGE, "%s%s[%zu]: must be an address such as ops@example.org",
                           at->path, key, i);
        (*out)[(*count)++] = text;
    }
    return true;
}

static bool read_notifications(struct pos_config *c, struct err *e)
{
    static const char *const names[] = {"onSuccess", "onFailure", NULL};
    const struct pos_at top = {c->document, ""};
    struct pos_at at = {.path = "notifications."};

    if (json_object_get(c->document, "notifications") == NULL)
        return true;
    return pos_fields_object(&top, "notifications", &at.object, e) &&
           pos_fields_check(&at, names, e) &&
           read_recipients(&at, "onSuccess", &c->on_success, &c->on_success_count, e) &&
           read_recipients(&at, "onFailure", &c->on_failure, &c->on_failure_count, e);
}

/* The rest */

static bool read_id(struct pos_config *c, struct err *e)
{
    const struct pos_at at = {c->document, ""};

    if (!pos_fields_text(&at, "id", POS_ID_MAX, &c->id, e))
        return false;
    if (strspn(c->id, LETTERS "._-") != strlen(c->id) || strchr(".-", c->id[0]) != NULL)
        return POS_FAIL(&at, "id", e,
                        "must be letters, digits, \".\", \"_\" and \"-\", and begin with "
                        "a letter, a digit or \"_\"");
    return true;
}

static bool read_retention(struct pos_config *c, struct err *e)
{
    static const char *const names[] = {"daily", "weekly", "monthly", NULL};
    const struct pos_at top = {c->document, ""};
    struct pos_at at = {.path = "retention."};

    if (!pos_fields_object(&top, "retention", &at.object, e) || !pos_fields_check(&at, names, e) ||
        !take_keep(&at, "daily", &c->daily, e) || !take_keep(&at, "weekly", &c->weekly, e) ||
        !take_keep(&at, "monthly", &c->monthly, e))
        return false;
    return c->daily + c->weekly + c->monthly > 0 ||
           POS_FAIL(&top, "retention", e, "would keep nothing");
}

static bool read_schedule(struct pos_config *c, struct err *e)
{
    const struct pos_at at = {c->document, ""};
    struct cron ignored;
    struct err why;

    if (!pos_fields_text(&at, "schedule", POS_TEXT_MAX, &c->schedule, e))
        return false;
    return !c->enabled || cron_parse(c->schedule, &ignored, &why) ||
           err_set(e, ERR_USAGE, "Invalid cron schedule");
}

static bool read_timezone(struct pos_config *c, struct err *e)
{
    const struct pos_at at = {c->document, ""};
    AUTO(zone) struct zone *ignored = NULL;
    struct err why;

    if (json_object_get(c->document, "timezone") == NULL)
        return true;
    return pos_fields_text(&at, "timezone", ZONE_NAME_MAX, &c->timezone, e) &&
           (zone_open(c->timezone, NULL, &ignored, &why) ||
            POS_FAIL(&at, "timezone", e, "must be the name of a time zone such as Europe/Berlin"));
}

/* Unless a test may do without and the document does. */
static bool is_there(const struct pos_config *c, enum pos_purpose purpose, const char *key)
{
    return purpose == POS_SAVE || json_object_get(c->document, key) != NULL;
}

static bool read_all(struct pos_config *c, enum pos_purpose purpose, struct err *e)
{
    static const char *const names[] = {
        "id",        "name",        "type",       "schedule",     "timezone",
        "retention", "compression", "encryption", "destinations", "notifications",
        "enabled",   "sources",     NULL};
    const struct pos_at at = {c->document, ""};
    int type = 0;
    int compression = 0;

    c->encryption = true;
    if (!check_required(c->document, purpose, e) || !pos_fields_check(&at, names, e) ||
        (is_there(c, purpose, "id") && !read_id(c, e)) ||
        !pos_fields_text(&at, "name", POS_NAME_MAX, &c->name, e) ||
        !pos_fields_choice(&at, "type", types, &type, e) ||
        !take_flag(&at, "enabled", &c->enabled, e) ||
        (is_there(c, purpose, "schedule") && !read_schedule(c, e)) || !read_timezone(c, e) ||
        (is_there(c, purpose, "retention") && !read_retention(c, e)) ||
        (json_object_get(c->document, "compression") != NULL &&
         !pos_fields_choice(&at, "compression", compressions, &compression, e)) ||
        !take_flag(&at, "encryption", &c->encryption, e) || !read_destinations(c, e) ||
        !read_notifications(c, e))
        return false;
    c->type = (enum pos_type)type;
    c->compression = compressions[compression];
    return pos_sources_read(c, e);
}

/* DEL, C1 controls, U+FEFF, U+FFFE and U+FFFF: JSON may hold them, YAML may not, and the text has
 * to fit into a configuration of ours.  NUL: Jansson passes over one between tokens. */
static bool has_odd_character(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t *c = text.data + i;

        if (c[0] == '\0' || c[0] == 0x7f || (i + 1 < text.size && c[0] == 0xc2 && c[1] < 0xa0) ||
            (i + 2 < text.size && c[0] == 0xef &&
             ((c[1] == 0xbb && c[2] == 0xbf) || (c[1] == 0xbf && c[2] >= 0xbe))))
            return true;
    }
    return false;
}

bool pos_config_parse(struct slice text, enum pos_purpose purpose, struct pos_config **out,
                      struct err *e)
{
    AUTO(pos_config) struct pos_config *c = mem_new(sizeof(*c));
    json_error_t why;

    if (text.size > POS_CONFIG_MAX)
        return err_set(e, ERR_USAGE, "it is longer than %zu bytes", POS_CONFIG_MAX);
    c->document = json_loadb((const char *)text.data, text.size,
                             JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    /* Without Jansson's sentence, which quotes the text. */
    if (c->document == NULL)
        return why.line < 1 ? err_set(e, ERR_USAGE, "it is not JSON: it is empty")
                            : err_set(e, ERR_USAGE, "it is not JSON: line %d, column %d", why.line,
                                      why.column);
    if (!json_is_object(c->document))
        return err_set(e, ERR_USAGE, "it must be an object, not %s", pos_fields_kind(c->document));
    if (has_odd_character(text))
        return err_set(e, ERR_USAGE, "it has a control character");
    if (!read_all(c, purpose, e))
        return false;
    c->text = mem_dup(text.data, text.size);
    *out = TAKE(c);
    return true;
}
