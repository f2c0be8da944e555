#include "server/json_fields.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

/* Looks at brackets, commas and colons outside of texts only; whether it is JSON is Jansson's to
 * say. */
static bool is_small(struct slice text, struct err *e)
{
    size_t depth = 0;
    size_t values = 1;
    bool is_text = false;

    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];

        if (is_text) {
            i += c == '\\';
            is_text = c != '"';
            continue;
        }
        is_text = c == '"';
        values += c == '{' || c == '[' || c == ',' || c == ':';
        depth += c == '{' || c == '[';
        depth -= depth > 0 && (c == '}' || c == ']');
        if (depth > JSON_BODY_DEPTH_MAX)
            return err_set(e, ERR_CORRUPT, "is nested deeper than %d", JSON_BODY_DEPTH_MAX);
        if (values > JSON_BODY_VALUES_MAX)
            return err_set(e, ERR_CORRUPT, "has more than %d values", JSON_BODY_VALUES_MAX);
    }
    return true;
}

bool json_fields_read(struct slice text, json_t **out, struct err *e)
{
    json_error_t fault;

    if (!is_small(text, e))
        return false;
    *out = json_loadb(text.size == 0 ? "" : (const char *)text.data, text.size,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
    if (*out != NULL)
        return true;

    char said[200];

    /* What Jansson says may repeat bytes of the document. */
    text_flatten(slice_string(fault.text), said, sizeof(said));
    return err_set(e, ERR_CORRUPT, "line %d, column %d: %s", fault.line, fault.column, said);
}

static const char *const kind_names[] = {
    "a text", "a whole number", "a number", "true or false", "an object", "a list", "a text", "",
};

static bool is_kind(const json_t *v, enum field_kind kind)
{
    switch (kind) {
    case FIELD_TEXT:
    case FIELD_CHOICE:
        return json_is_string(v);
    case FIELD_INTEGER:
        return json_is_integer(v);
    case FIELD_NUMBER:
        return json_is_number(v);
    case FIELD_BOOL:
        return json_is_boolean(v);
    case FIELD_OBJECT:
        return json_is_object(v);
    case FIELD_LIST:
        return json_is_array(v);
    case FIELD_ANY:
        return true;
    }
    return false;
}

static bool check_value(const json_t *v, const struct field *f, struct err *e);

static bool check_text(const json_t *v, const struct field *f, struct err *e)
{
    const size_t size = json_string_length(v);
    const int64_t high = f->high == 0 ? 4096 : f->high;

    if (memchr(json_string_value(v), '\0', size) != NULL)
        return err_set(e, ERR_USAGE, ": must not have a NUL in it");
    if ((int64_t)size < f->low || (int64_t)size > high)
        return err_set(e, ERR_USAGE, ": must have %" PRId64 " to %" PRId64 " bytes", f->low, high);
    return true;
}

static bool check_choice(const json_t *v, const struct field *f, struct err *e)
{
    AUTO(buf) struct buf all = {0};

    for (const char *const *w = f->words; *w != NULL; w++) {
        if (strcmp(*w, json_string_value(v)) == 0 && strlen(*w) == json_string_length(v))
            return true;
        buf_printf(&all, "%s%s", w == f->words ? "" : ", ", *w);
    }
    return err_set(e, ERR_USAGE, ": must be one of %s", buf_string(&all));
}

static bool check_list(const json_t *v, const struct field *f, struct err *e)
{
    const size_t count = json_array_size(v);
    const int64_t high = f->high == 0 ? 1000 : f->high;

    if ((int64_t)count < f->low || (int64_t)count > high)
        return err_set(e, ERR_USAGE, ": must have %" PRId64 " to %" PRId64 " items", f->low, high);
    for (size_t i = 0; f->members != NULL && i < count; i++)
        if (!check_value(json_array_get(v, i), &f->members[0], e)) {
            /* Without the ": " that err_wrap() puts in. */
            const struct err inner = *e;

            return err_set(e, inner.code, "[%zu]%s", i, inner.text);
        }
    return true;
}

/* Sentences of what a value is begin with ": "; those of what is in it with ".name" or "[i]". */
static bool check_value(const json_t *v, const struct field *f, struct err *e)
{
    if (json_is_null(v) && (f->flags & FIELD_NULLABLE) != 0)
        return true;
    if (!is_kind(v, f->kind))
        return err_set(e, ERR_USAGE, ": must be %s", kind_names[f->kind]);
    switch (f->kind) {
    case FIELD_TEXT:
        return check_text(v, f, e);
    case FIELD_CHOICE:
        return check_choice(v, f, e);
    case FIELD_INTEGER:
        if ((f->low != 0 || f->high != 0) &&
            (json_integer_value(v) < f->low || json_integer_value(v) > f->high))
            return err_set(e, ERR_USAGE, ": must be %" PRId64 " to %" PRId64, f->low, f->high);
        return true;
    case FIELD_LIST:
        return check_list(v, f, e);
    case FIELD_OBJECT:
        if (f->members != NULL && !json_fields_check(v, f->members, e)) {
            const struct err inner = *e;

            return err_set(e, inner.code, ".%s", inner.text);
        }
        return true;
    case FIELD_NUMBER:
    case FIELD_BOOL:
    case FIELD_ANY:
        return true;
    }
    return true;
}

static bool is_known(const char *name, const struct field *table)
{
    for (const struct field *f = table; f->name != NULL; f++)
        if (strcmp(f->name, name) == 0)
            return true;
    return false;
}

bool json_fields_check(const json_t *object, const struct field *table, struct err *e)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return err_set(e, ERR_USAGE, "the body: must be an object");
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        char shown[64];

        if (is_known(name, table))
            continue;
        text_flatten(slice_string(name), shown, sizeof(shown));
        return err_set(e, ERR_USAGE, "%s: is not known here", shown);
    }
    for (const struct field *f = table; f->name != NULL; f++) {
        value = json_object_get(object, f->name);
        if (value == NULL && (f->flags & FIELD_REQUIRED) != 0)
            return err_set(e, ERR_USAGE, "%s: is missing", f->name);
        if (value != NULL && !check_value(value, f, e)) {
            const struct err inner = *e;

            return err_set(e, inner.code, "%s%s", f->name, inner.text);
        }
    }
    return true;
}
