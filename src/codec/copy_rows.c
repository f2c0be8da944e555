#include "codec/copy_rows.h"

#include <string.h>

/* Where in a value the next byte stands. */
enum {
    AT_START, /* of one */
    AT_FIRST, /* behind a backslash that begins it */
    AT_BYTE,  /* inside */
    AT_LATER, /* behind a backslash inside */
    AT_NULL,  /* behind \N */
};

static bool is_wrong(const struct copy_rows *c, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "row %llu, value %zu: %s", (unsigned long long)c->rows + 1,
                   c->column + 1, what);
}

static void put_json_byte(uint8_t byte, struct buf *out)
{
    if (byte == '"' || byte == '\\')
        buf_printf(out, "\\%c", byte);
    else if (byte < ' ')
        buf_printf(out, "\\u%04x", byte);
    else
        buf_put_u8(out, byte);
}

static void put_byte(const struct copy_rows *c, uint8_t byte, struct buf *out)
{
    if (c->form == COPY_ROWS_JSON)
        put_json_byte(byte, out);
    else if (byte == '"')
        buf_append(out, "\"\"", 2);
    else
        buf_put_u8(out, byte);
}

/* What stands in front of a value, whatever it is. */
static void begin_value(const struct copy_rows *c, struct buf *out)
{
    if (c->form == COPY_ROWS_CSV) {
        if (c->column > 0)
            buf_put_u8(out, ',');
        return;
    }
    buf_append(out, c->column == 0 ? "{\"" : ",\"", 2);
    for (const char *s = c->columns[c->column]; *s != '\0'; s++)
        put_json_byte((uint8_t)*s, out);
    buf_append(out, "\":", 2);
}

static void begin_text(const struct copy_rows *c, struct buf *out)
{
    begin_value(c, out);
    buf_put_u8(out, '"');
}

static void put_null(const struct copy_rows *c, struct buf *out)
{
    begin_value(c, out);
    if (c->form == COPY_ROWS_JSON)
        buf_append(out, "null", 4);
}

static void end_row(struct copy_rows *c, struct buf *out)
{
    if (c->form == COPY_ROWS_JSON)
        buf_printf(out, c->column_count == 0 ? "{}\n" : "}\n");
    else
        buf_put_u8(out, '\n');
    c->rows++;
    c->column = 0;
    c->place = AT_START;
}

/* A tab or a newline, which ends a value. */
static bool end_value(struct copy_rows *c, uint8_t byte, struct buf *out, struct err *e)
{
    const bool is_last = c->column + 1 >= c->column_count;

    if (c->column_count == 0) {
        if (byte != '\n' || c->place != AT_START)
            return is_wrong(c, "there is no column for it", e);
        end_row(c, out);
        return true;
    }
    if (c->place == AT_START)
        begin_text(c, out);
    if (c->place != AT_NULL)
        buf_put_u8(out, '"');
    if (is_last != (byte == '\n'))
        return is_wrong(c, is_last ? "there are more than columns" : "the row ends early", e);
    if (is_last) {
        end_row(c, out);
    } else {
        c->column++;
        c->place = AT_START;
    }
    return true;
}

/* Behind a backslash. */
static bool put_escaped(struct copy_rows *c, uint8_t letter, struct buf *out, struct err *e)
{
    static const char letters[] = "bfnrtv\\";
    static const char bytes[] = "\b\f\n\r\t\v\\";
    const char *at = letter == '\0' ? NULL : strchr(letters, letter);

    if (c->place == AT_FIRST && letter == 'N') {
        put_null(c, out);
        c->place = AT_NULL;
        return true;
    }
    if (at == NULL)
        return is_wrong(c, "a backslash stands before what needs none", e);
    if (c->place == AT_FIRST)
        begin_text(c, out);
    put_byte(c, (uint8_t)bytes[at - letters], out);
    c->place = AT_BYTE;
    return true;
}

/* How many bytes from here become themselves. */
static size_t plain_size(struct slice bytes, size_t from)
{
    size_t at = from;

    while (at < bytes.size && bytes.data[at] >= ' ' && bytes.data[at] != '\\' &&
           bytes.data[at] != '"')
        at++;
    return at - from;
}

/* The part of a value that begins here; *at goes behind it. */
static bool take_value(struct copy_rows *c, struct slice bytes, size_t *at, struct buf *out,
                       struct err *e)
{
    const size_t plain = plain_size(bytes, *at);

    if (c->place == AT_NULL)
        return is_wrong(c, "something stands behind \\N", e);
    if (c->column_count == 0)
        return is_wrong(c, "there is no column for it", e);
    if (c->place == AT_START)
        begin_text(c, out);
    c->place = AT_BYTE;
    if (plain > 0)
        buf_append(out, bytes.data + *at, plain);
    else
        put_byte(c, bytes.data[*at], out);
    *at += plain > 0 ? plain : 1;
    return true;
}

void copy_rows_head(const struct copy_rows *c, struct buf *out)
{
    if (c->form == COPY_ROWS_JSON)
        return;
    for (size_t i = 0; i < c->column_count; i++) {
        const char *name = c->columns[i];
        /* As COPY has it, which ends at a line of \. where it reads. */
        const bool is_quoted = name[0] == '\0' || strpbrk(name, ",\"\r\n") != NULL ||
                               (c->column_count == 1 && strcmp(name, "\\.") == 0);

        if (i > 0)
            buf_put_u8(out, ',');
        if (!is_quoted) {
            buf_append(out, name, strlen(name));
            continue;
        }
        buf_put_u8(out, '"');
        for (; *name != '\0'; name++)
            put_byte(c, (uint8_t)*name, out);
        buf_put_u8(out, '"');
    }
    buf_put_u8(out, '\n');
}

bool copy_rows_is_full(const struct copy_rows *c)
{
    return c->rows_max > 0 && c->rows >= c->rows_max;
}

bool copy_rows_turn(struct copy_rows *c, struct slice bytes, struct buf *out, struct err *e)
{
    for (size_t at = 0; at < bytes.size && !copy_rows_is_full(c);) {
        const uint8_t byte = bytes.data[at];

        if (c->place == AT_FIRST || c->place == AT_LATER) {
            if (!put_escaped(c, byte, out, e))
                return false;
            at++;
        } else if (byte == '\t' || byte == '\n') {
            if (!end_value(c, byte, out, e))
                return false;
            at++;
        } else if (byte == '\\' && c->place != AT_NULL && c->column_count > 0) {
            c->place = c->place == AT_START ? AT_FIRST : AT_LATER;
            at++;
        } else if (!take_value(c, bytes, &at, out, e)) {
            return false;
        }
    }
    return true;
}

bool copy_rows_end(const struct copy_rows *c, uint64_t rows, struct err *e)
{
    if (copy_rows_is_full(c))
        return true;
    if (c->column > 0 || c->place != AT_START)
        return is_wrong(c, "it is cut off", e);
    return c->rows == rows || err_set(e, ERR_CORRUPT, "it has %llu rows, its manifest says %llu",
                                      (unsigned long long)c->rows, (unsigned long long)rows);
}
