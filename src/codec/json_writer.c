#include "codec/json_writer.h"

void json_writer_auto(struct json_writer *w)
{
    buf_done(&w->out);
}

static void put_comma(struct json_writer *w)
{
    if (w->needs_comma)
        buf_put_u8(&w->out, ',');
}

void json_writer_open(struct json_writer *w, char bracket)
{
    put_comma(w);
    buf_put_u8(&w->out, (uint8_t)bracket);
    w->needs_comma = false;
}

void json_writer_close(struct json_writer *w, char bracket)
{
    buf_put_u8(&w->out, (uint8_t)bracket);
    w->needs_comma = true;
}

/* What follows the backslash; 0: the byte stands for itself; 'u': four digits. */
static char escape_of(uint8_t c)
{
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    if (c == '"' || c == '\\')
        return (char)c;
    if (c >= 32)
        return 0;
    return short_forms[c] != 0 ? short_forms[c] : 'u';
}

static void put_text(struct buf *out, struct slice text)
{
    size_t from = 0;

    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        const char escape = escape_of(text.data[i]);

        if (escape == 0)
            continue;
        buf_append(out, text.data + from, i - from);
        from = i + 1;
        if (escape == 'u')
            buf_printf(out, "\\u%04x", (unsigned)text.data[i]);
        else
            buf_printf(out, "\\%c", escape);
    }
    if (from < text.size)
        buf_append(out, text.data + from, text.size - from);
    buf_put_u8(out, '"');
}

void json_writer_name(struct json_writer *w, struct slice text)
{
    put_comma(w);
    put_text(&w->out, text);
    buf_put_u8(&w->out, ':');
    w->needs_comma = false;
}

void json_writer_text(struct json_writer *w, struct slice text)
{
    put_comma(w);
    put_text(&w->out, text);
    w->needs_comma = true;
}

void json_writer_raw(struct json_writer *w, struct slice json)
{
    put_comma(w);
    buf_append_slice(&w->out, json);
    w->needs_comma = true;
}
