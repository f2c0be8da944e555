#include "source/excerpt.h"

#include <string.h>

#include "base/text.h"

void excerpt_add(struct excerpt *x, struct slice bytes)
{
    if (x->total < EXCERPT_PART) {
        const size_t left = EXCERPT_PART - (size_t)x->total;
        const size_t size = bytes.size < left ? bytes.size : left;

        memcpy(x->first + x->total, bytes.data, size);
        x->total += size;
        bytes = SLICE_OF(bytes.data + size, bytes.size - size);
    }
    for (size_t i = 0; i < bytes.size; i++)
        x->last[x->total++ % EXCERPT_PART] = bytes.data[i];
}

bool excerpt_is_cut(const struct excerpt *x)
{
    return x->total > 2 * EXCERPT_PART;
}

/* Append the bytes behind the first part that are still there, in their order. */
static void append_last(const struct excerpt *x, struct buf *out)
{
    const uint64_t from = excerpt_is_cut(x) ? x->total - EXCERPT_PART : EXCERPT_PART;

    for (uint64_t i = from; i < x->total; i++)
        buf_put_u8(out, x->last[i % EXCERPT_PART]);
}

static struct slice first_part(const struct excerpt *x)
{
    return SLICE_OF(x->first, x->total < EXCERPT_PART ? (size_t)x->total : EXCERPT_PART);
}

/* The bytes up to the next newline, which is taken away too. */
static struct slice take_line(struct slice *text)
{
    const uint8_t *end = text->size == 0 ? NULL : memchr(text->data, '\n', text->size);
    const size_t size = end == NULL ? text->size : (size_t)(end - text->data);
    const size_t taken = end == NULL ? size : size + 1;
    const struct slice line = SLICE_OF(text->data, size);

    *text = SLICE_OF(text->data + taken, text->size - taken);
    return line;
}

static void append_lines(struct slice text, struct buf *out)
{
    while (text.size > 0) {
        path_escape(take_line(&text), out);
        buf_append(out, "\n", 1);
    }
}

void excerpt_text(const struct excerpt *x, struct buf *out)
{
    AUTO(buf) struct buf kept = {0};

    buf_append_slice(&kept, first_part(x));
    if (excerpt_is_cut(x)) {
        append_lines(buf_slice(&kept), out);
        buf_clear(&kept);
        buf_printf(out, "[%llu bytes left out]\n",
                   (unsigned long long)(x->total - 2 * EXCERPT_PART));
    }
    append_last(x, &kept);
    append_lines(buf_slice(&kept), out);
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}

void excerpt_last_line(const struct excerpt *x, size_t limit, struct buf *out)
{
    AUTO(buf) struct buf kept = {0};
    struct slice found = {0};

    if (!excerpt_is_cut(x))
        buf_append_slice(&kept, first_part(x));
    append_last(x, &kept);
    for (struct slice rest = buf_slice(&kept); rest.size > 0;) {
        const struct slice line = take_line(&rest);

        if (!is_blank(line))
            found = line;
    }
    while (found.size > 0 && found.data[found.size - 1] == '\r')
        found.size--;
    if (found.size > limit) /* not in the middle of a character */
        for (found.size = limit; found.size > 0 && (found.data[found.size] & 0xc0) == 0x80;)
            found.size--;
    path_escape(found, out);
}
