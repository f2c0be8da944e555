#include "source/postgres_script.h"

#include <string.h>

bool postgres_script_begins(struct slice s, const char *text)
{
    const size_t size = strlen(text);

    return s.size >= size && memcmp(s.data, text, size) == 0;
}

struct slice postgres_script_after(struct slice s, size_t size)
{
    return SLICE_OF(s.data + size, s.size - size);
}

/* Bytes of a quoted text at the front, its quotes included; all when it does not end. */
static size_t quoted_size(struct slice s, bool has_escapes)
{
    const uint8_t quote = s.data[0];

    for (size_t i = 1; i < s.size; i++) {
        if (has_escapes && s.data[i] == '\\')
            i++;
        else if (s.data[i] == quote)
            return i + 1; /* a doubled quote begins what counts as a second text */
    }
    return s.size;
}

/* Bytes up to and with the first ';' outside quotes; 0 when there is none. */
static size_t statement_size(struct slice s)
{
    size_t i = 0;

    while (i < s.size && s.data[i] != ';') {
        const bool has_escapes = i > 0 && s.data[i] == '\'' && (s.data[i - 1] | 0x20) == 'e';

        if (s.data[i] == '\'' || s.data[i] == '"')
            i += quoted_size(postgres_script_after(s, i), has_escapes);
        else
            i++;
    }
    return i < s.size ? i + 1 : 0;
}

/* Blanks, comments and the commands of psql before a statement. */
static struct slice skip_blanks(struct slice s)
{
    for (;;) {
        while (s.size > 0 && s.data[0] <= ' ')
            s = postgres_script_after(s, 1);
        if (!postgres_script_begins(s, "--") && !postgres_script_begins(s, "\\"))
            return s;

        const uint8_t *end = memchr(s.data, '\n', s.size);

        s = postgres_script_after(s, end == NULL ? s.size : (size_t)(end - s.data));
    }
}

bool postgres_script_next(struct slice *script, struct slice *statement, struct err *e)
{
    const struct slice rest = skip_blanks(*script);
    const size_t size = statement_size(rest);

    if (rest.size > 0 && size == 0)
        return err_set(e, ERR_CORRUPT, "the script ends within a statement");
    *statement = SLICE_OF(rest.data, size);
    *script = postgres_script_after(rest, size);
    return true;
}

struct slice postgres_script_name(struct slice s)
{
    size_t size = 0;

    if (s.size > 0 && s.data[0] == '"')
        do
            size += quoted_size(postgres_script_after(s, size), false);
        while (size < s.size && s.data[size] == '"');
    else
        while (size < s.size && s.data[size] != ' ' && s.data[size] != ';')
            size++;
    return SLICE_OF(s.data, size);
}
