#include "archive/python_json.h"

#include <stdio.h>
#include <string.h>

#include "archive/bundle_json.h"
#include "codec/json_writer.h"

void python_json_real(double value, struct buf *out)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "%.17e", value);
    bundle_number(slice_string(text), out);
}

static void put_text(struct slice text, struct buf *out)
{
    struct json_writer w = {.out = *out};

    json_writer_text(&w, text);
    *out = w.out;
}

static void put_line(size_t depth, struct buf *out)
{
    uint8_t *to = buf_extend(out, 1 + 2 * depth);

    to[0] = '\n';
    memset(to + 1, ' ', 2 * depth);
}

static void put_array(const json_t *j, size_t depth, struct buf *out)
{
    const size_t count = json_array_size(j);

    buf_put_u8(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_line(depth + 1, out);
        python_json_append(json_array_get(j, i), depth + 1, out);
    }
    if (count > 0)
        put_line(depth, out);
    buf_put_u8(out, ']');
}

static void put_object(const json_t *j, size_t depth, struct buf *out)
{
    json_t *object = (json_t *)(uintptr_t)j; /* Jansson iterates without const, and only reads */
    bool is_first = true;

    buf_put_u8(out, '{');
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        if (!is_first)
            buf_put_u8(out, ',');
        is_first = false;
        put_line(depth + 1, out);
        put_text(slice_string(json_object_iter_key(i)), out);
        buf_append(out, ": ", 2);
        python_json_append(json_object_iter_value(i), depth + 1, out);
    }
    if (!is_first)
        put_line(depth, out);
    buf_put_u8(out, '}');
}

void python_json_append(const json_t *j, size_t depth, struct buf *out)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        put_object(j, depth, out);
        break;
    case JSON_ARRAY:
        put_array(j, depth, out);
        break;
    case JSON_STRING:
        put_text(SLICE_OF(json_string_value(j), json_string_length(j)), out);
        break;
    case JSON_INTEGER:
        buf_printf(out, "%lld", (long long)json_integer_value(j));
        break;
    case JSON_REAL:
        python_json_real(json_real_value(j), out);
        break;
    case JSON_TRUE:
        buf_append(out, "true", 4);
        break;
    case JSON_FALSE:
        buf_append(out, "false", 5);
        break;
    case JSON_NULL:
        buf_append(out, "null", 4);
        break;
    }
}
