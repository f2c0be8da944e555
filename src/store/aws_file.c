#include "store/aws_file.h"

#include <string.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trimmed(struct slice s)
{
    while (s.size > 0 && is_blank(s.data[0]))
        s = SLICE_OF(s.data + 1, s.size - 1);
    while (s.size > 0 && is_blank(s.data[s.size - 1]))
        s.size--;
    return s;
}

/* Take a line off the front; false at the end. */
static bool take_line(struct slice *text, struct slice *line)
{
    if (text->size == 0)
        return false;

    const uint8_t *end = memchr(text->data, '\n', text->size);
    const size_t size = end == NULL ? text->size : (size_t)(end - text->data);

    *line = SLICE_OF(text->data, size);
    *text = SLICE_OF(text->data + size, text->size - size);
    if (end != NULL)
        *text = SLICE_OF(text->data + 1, text->size - 1);
    return true;
}

/* Whether a line is the head "[section]"; *is_inside says whether of the section. */
static bool is_head(struct slice line, const char *section, bool *is_inside)
{
    line = trimmed(line);
    if (line.size < 2 || line.data[0] != '[' || line.data[line.size - 1] != ']')
        return false;
    *is_inside =
        slice_is_equal(trimmed(SLICE_OF(line.data + 1, line.size - 2)), slice_string(section));
    return true;
}

bool aws_file_find(struct slice text, const char *section, const char *name, struct slice *out)
{
    bool is_inside = false;
    bool is_found = false;
    struct slice line;

    while (take_line(&text, &line)) {
        if (is_head(line, section, &is_inside) || !is_inside || line.size == 0)
            continue;

        const uint8_t *equals = memchr(line.data, '=', line.size);

        /* Lines that begin with blanks belong to the value before, which is a mapping. */
        if (equals == NULL || is_blank(line.data[0]))
            continue;

        const size_t size = (size_t)(equals - line.data);

        if (!slice_is_equal(trimmed(SLICE_OF(line.data, size)), slice_string(name)))
            continue;
        *out = trimmed(SLICE_OF(equals + 1, line.size - size - 1));
        is_found = true;
    }
    return is_found;
}

bool aws_file_has(struct slice text, const char *section)
{
    bool is_inside = false;
    struct slice line;

    while (take_line(&text, &line))
        if (is_head(line, section, &is_inside) && is_inside)
            return true;
    return false;
}
