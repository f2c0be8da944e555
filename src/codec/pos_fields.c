#include "codec/pos_fields.h"

#include <string.h>

#include "base/text.h"

const char *pos_fields_kind(const json_t *j)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",    [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return kinds[json_typeof(j)];
}

bool pos_fields_check(const struct pos_at *at, const char *const *names, struct err *e)
{
    /* Jansson wants the address of an object that it does not change. */
    json_t *object = (json_t *)(uintptr_t)at->object;
    AUTO(buf) struct buf all = {0};
    const char *key = NULL;
    json_t *value = NULL;

    for (size_t i = 0; names[i] != NULL; i++)
        buf_printf(&all, "%s%s", i == 0 ? "" : ", ", names[i]);
    json_object_foreach(object, key, value)
    {
        size_t i = 0;

        while (names[i] != NULL && strcmp(names[i], key) != 0)
            i++;
        if (names[i] == NULL) {
            char shown[60];

            text_flatten(slice_string(key), shown, sizeof(shown));
            return POS_FAIL(at, shown, e, "unknown field; there are %s", buf_string(&all));
        }
    }
    return true;
}

bool pos_fields_object(const struct pos_at *at, const char *key, const json_t **out, struct err *e)
{
    const json_t *j = json_object_get(at->object, key);

    if (j == NULL)
        return POS_FAIL(at, key, e, "is required");
    if (!json_is_object(j))
        return POS_FAIL(at, key, e, "must be an object, not %s", pos_fields_kind(j));
    *out = j;
    return true;
}

bool pos_fields_is_text(const struct pos_at *at, const char *key, const json_t *j, size_t max,
                        const char **out, struct err *e)
{
    if (!json_is_string(j))
        return POS_FAIL(at, key, e, "must be a text, not %s", pos_fields_kind(j));

    const char *text = json_string_value(j);
    const size_t size = strlen(text);

    if (size == 0)
        return POS_FAIL(at, key, e, "is empty");
    if (size > max)
        return POS_FAIL(at, key, e, "is longer than %zu bytes", max);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return POS_FAIL(at, key, e, "has a control character");
    *out = text;
    return true;
}

bool pos_fields_text(const struct pos_at *at, const char *key, size_t max, const char **out,
                     struct err *e)
{
    const json_t *j = json_object_get(at->object, key);

    if (j == NULL)
        return POS_FAIL(at, key, e, "is required");
    return pos_fields_is_text(at, key, j, max, out, e);
}

bool pos_fields_choice(const struct pos_at *at, const char *key, const char *const *choices,
                       int *out, struct err *e)
{
    AUTO(buf) struct buf all = {0};
    const char *text = NULL;

    if (!pos_fields_text(at, key, POS_TEXT_MAX, &text, e))
        return false;
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *out = i;
            return true;
        }
        buf_printf(&all, "%s%s", i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ", choices[i]);
    }
    return POS_FAIL(at, key, e, "must be %s", buf_string(&all));
}

bool pos_fields_path(const struct pos_at *at, const char *key, const char *path, struct err *e)
{
    if (path[0] != '/')
        return POS_FAIL(at, key, e, "must be an absolute path");
    for (const char *part = path; *part != '\0';) {
        const size_t size = strcspn(part, "/");

        if (size == 2 && memcmp(part, "..", 2) == 0)
            return POS_FAIL(at, key, e, "goes through \"..\"");
        part += size + (part[size] == '/');
    }
    return true;
}
