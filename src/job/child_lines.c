#include "job/child_lines.h"

#include <string.h>

#include "codec/json.h"

/* jansson goes 2048 deep; this keeps what comes behind it from doing so. */
static bool depth_is_fine(struct slice line)
{
    size_t depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < line.size; i++) {
        const uint8_t c = line.data[i];

        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            if (++depth > CHILD_DEPTH_MAX)
                return false;
        } else if (depth > 0 && (c == '}' || c == ']')) {
            depth--;
        }
    }
    return true;
}

bool child_line_parse(struct slice line, json_t **out, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    json_error_t why;

    if (line.size > CHILD_LINE_MAX)
        return err_set(e, ERR_CORRUPT, "a line is longer than %zu bytes", CHILD_LINE_MAX);
    if (!depth_is_fine(line))
        return err_set(e, ERR_CORRUPT, "a line is more than %d levels deep", CHILD_DEPTH_MAX);
    j = json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, &why);
    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "a line is no JSON");
    if (!json_is_array(j) && json_string_value(json_object_get(j, "message_type")) == NULL)
        return err_set(e, ERR_CORRUPT, "a line has no message_type");
    *out = TAKE(j);
    return true;
}

const char *child_line_type(const json_t *line)
{
    return json_string_value(json_object_get(line, "message_type"));
}

void child_lines_auto(struct child_lines *l)
{
    buf_done(&l->rest);
}

bool child_lines_add(struct child_lines *l, struct slice bytes, child_line_fn *fn, void *arg)
{
    while (!l->is_broken && bytes.size > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
        const size_t size = end == NULL ? bytes.size : (size_t)(end - bytes.data);

        if (l->rest.size + size > CHILD_LINE_MAX) {
            l->is_broken = true;
            break;
        }
        buf_append(&l->rest, bytes.data, size);
        if (end == NULL)
            break;
        fn(arg, buf_slice(&l->rest));
        buf_clear(&l->rest);
        bytes = SLICE_OF(bytes.data + size + 1, bytes.size - size - 1);
    }
    return !l->is_broken;
}
