/*
 * Text in columns.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/render.h"

void elapsed_format(int64_t elapsed_ns, char out[ELAPSED_TEXT_MAX])
{
    AUTO(buf) struct buf text = {0};
    const int64_t s = elapsed_ns < 0 ? 0 : elapsed_ns / NS_PER_S;

    if (s >= 3600)
        buf_printf(&text, "%lld:%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60),
                   (long long)(s % 60));
    else
        buf_printf(&text, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
    memcpy(out, buf_string(&text), text.size + 1); /* at most 16 digits and 2 colons */
}

void texts_join(char *const *texts, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append(out, ", ", 2);
        path_escape(slice_string(texts[i]), out);
    }
}

void table_init(struct table *t, size_t columns)
{
    *t = (struct table){.columns = columns};
}

void table_add(struct table *t, const char *text)
{
    if (t->count == t->room) {
        t->room = t->room == 0 ? 64 : 2 * t->room;
        t->cells = mem_resize(t->cells, t->room, sizeof(*t->cells));
    }
    t->cells[t->count++] = mem_string(text);
}

/* Characters of one line, from the bytes that begin one. */
static size_t text_width(const char *text, size_t size)
{
    size_t width = 0;

    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] & 0xC0U) != 0x80U)
            width++;
    return width;
}

/* Line number n of a cell; an empty one behind its last. */
static struct slice cell_line(const char *text, size_t n, bool *is_there)
{
    while (n > 0 && (text = strchr(text, '\n')) != NULL) {
        text++;
        n--;
    }
    *is_there = text != NULL;
    return text == NULL ? SLICE_OF("", 0) : SLICE_OF(text, strcspn(text, "\n"));
}

static size_t column_width(const struct table *t, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < t->count; i += t->columns) {
        bool is_there = true;

        for (size_t n = 0; is_there; n++) {
            const struct slice line = cell_line(t->cells[i], n, &is_there);
            const size_t w = text_width((const char *)line.data, line.size);

            width = w > width ? w : width;
        }
    }
    return width;
}

/* Line number n of a row; false when none of its cells has one. */
static bool row_line(const struct table *t, size_t row, size_t n, const size_t *widths,
                     struct buf *out)
{
    const size_t start = out->size;
    bool has_line = false;

    for (size_t c = 0; c < t->columns; c++) {
        bool is_there = false;
        const struct slice line = cell_line(t->cells[row + c], n, &is_there);
        const size_t width = text_width((const char *)line.data, line.size);

        has_line = has_line || is_there;
        buf_append_slice(out, line);
        buf_printf(out, "%*s", (int)(widths[c] - width) + 2, "");
    }
    while (out->size > start && out->data[out->size - 1] == ' ')
        out->size--;
    buf_append(out, "\n", 1);
    if (!has_line)
        out->size = start;
    return has_line;
}

void table_print(const struct table *t, struct buf *out)
{
    AUTO(mem) size_t *widths = mem_array(t->columns, sizeof(*widths));

    for (size_t c = 0; c < t->columns; c++)
        widths[c] = column_width(t, c);
    for (size_t row = 0; row + t->columns <= t->count; row += t->columns) {
        size_t n = 0;

        while (row_line(t, row, n, widths, out))
            n++;
    }
}

void table_auto(struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        mem_free(t->cells[i]);
    mem_free(t->cells);
}
