#include "source/argv.h"

#include "base/mem.h"
#include "base/text.h"

size_t argv_count(const char *const *strings)
{
    size_t count = 0;

    while (strings != NULL && strings[count] != NULL)
        count++;
    return count;
}

char **argv_copy(const char *const *strings)
{
    const size_t count = argv_count(strings);

    if (strings == NULL)
        return NULL;

    char **copy = mem_array(count + 1, sizeof(*copy));

    for (size_t i = 0; i < count; i++)
        copy[i] = mem_string(strings[i]);
    return copy;
}

void argv_free(char **strings)
{
    for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
        mem_free(strings[i]);
    mem_free(strings);
}

void argv_auto(char ***strings)
{
    argv_free(*strings);
}

bool argv_is_utf8(const char *const *strings)
{
    for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
        if (!utf8_is_valid(slice_string(strings[i])))
            return false;
    return true;
}

json_t *argv_to_json(const char *const *strings)
{
    if (argv_count(strings) == 0)
        return json_null();

    json_t *array = json_array();

    for (; *strings != NULL; strings++)
        (void)json_array_append_new(array, json_string(*strings)); /* fails without memory only */
    return array;
}

bool argv_from_json(const json_t *value, char ***out)
{
    if (json_is_null(value)) {
        *out = NULL;
        return true;
    }
    if (!json_is_array(value) || json_array_size(value) == 0)
        return false;

    const size_t count = json_array_size(value);
    AUTO(argv) char **strings = mem_array(count + 1, sizeof(*strings));

    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(value, i));

        if (text == NULL)
            return false;
        strings[i] = mem_string(text);
    }
    *out = TAKE(strings);
    return true;
}
