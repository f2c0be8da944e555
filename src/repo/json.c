/*
 * JSON text of documents, read strictly, and the members that they have.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/object.h"

#define TEXT_MAX ((size_t)64 << 10)

bool document_parse(struct slice plain, json_t **out, struct err *e)
{
    json_error_t why = {0};
    AUTO(json)
    json_t *j = json_loadb((const char *)plain.data, plain.size, JSON_REJECT_DUPLICATES, &why);

    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "it is not JSON: line %d: %s", why.line, why.text);
    if (!json_is_object(j))
        return err_set(e, ERR_CORRUPT, "it is JSON, but no object");
    *out = TAKE(j);
    return true;
}

static const json_t *member(const json_t *j, const char *name)
{
    return json_object_get(j, name);
}

static bool member_is_wrong(struct err *e, const json_t *value, const char *name,
                            const char *wanted)
{
    if (value == NULL)
        return err_set(e, ERR_CORRUPT, "it has no member \"%s\"", name);
    return err_set(e, ERR_CORRUPT, "its member \"%s\" is not %s", name, wanted);
}

bool json_take_hex(const json_t *j, const char *name, uint8_t *out, size_t size, struct err *e)
{
    const json_t *value = member(j, name);
    const char *text = json_string_value(value);

    if (text == NULL || !hex_decode(text, out, size))
        return member_is_wrong(e, value, name, "hexadecimal of the right length");
    return true;
}

bool json_take_time(const json_t *j, const char *name, int64_t *out, struct err *e)
{
    const json_t *value = member(j, name);
    const char *text = json_string_value(value);
    const size_t length = json_string_length(value);
    struct err why = {0};

    /* clock_parse() also takes local forms, which mean something else on each host. */
    if (text == NULL || length < 20 || text[10] != 'T' || text[length - 1] != 'Z' ||
        !clock_parse(text, out, &why))
        return member_is_wrong(e, value, name, "a time in UTC");
    return true;
}

bool json_text(const json_t *value, char **out)
{
    if (!json_is_string(value) || json_string_length(value) > TEXT_MAX)
        return false;
    *out = mem_string(json_string_value(value));
    return true;
}

bool json_take_text(const json_t *j, const char *name, bool optional, char **out, struct err *e)
{
    const json_t *value = member(j, name);

    if (optional && (value == NULL || json_is_null(value))) {
        *out = NULL;
        return true;
    }
    return json_text(value, out) || member_is_wrong(e, value, name, "a text of at most 64 KiB");
}

bool json_take_u64(const json_t *j, const char *name, uint64_t *out, struct err *e)
{
    const json_t *value = member(j, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return member_is_wrong(e, value, name, "a number from 0 on");
    *out = (uint64_t)json_integer_value(value);
    return true;
}
