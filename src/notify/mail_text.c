#include "notify/mail_text.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/address.h"
#include "notify/mail.h"

enum {
    HEAD_LINE_MAX = 76,   /* characters of a line with an encoded word */
    QUOTED_LINE_MAX = 76, /* with the "=" at its end */
};

bool mail_has_control(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7F)
            return true;
    return false;
}

bool mail_address_check(const char *text, struct err *e)
{
    if (!address_is_mail(text))
        return err_set(e, ERR_USAGE, "it is not an address of mail, NAME@HOST");
    return true;
}

/* One that is too long stays empty, and is no address. */
static void address_take(struct slice text, struct mail_from *out)
{
    if (text.size < sizeof(out->address))
        memcpy(out->address, text.data, text.size);
}

bool mail_from_parse(const char *text, struct mail_from *out, struct err *e)
{
    const size_t size = strlen(text);
    const char *open = strrchr(text, '<');
    struct mail_from from = {.name = {0}};

    if (open == NULL) {
        address_take(SLICE_OF(text, size), &from);
    } else if (text[size - 1] == '>') {
        size_t end = (size_t)(open - text);
        size_t begin = 0;

        while (end > 0 && text[end - 1] == ' ')
            end--;
        if (end >= 2 && text[0] == '"' && text[end - 1] == '"') {
            begin++;
            end--;
        }
        from.name = SLICE_OF(text + begin, end - begin);
        address_take(SLICE_OF(open + 1, size - (size_t)(open - text) - 2), &from);
    }
    if (!mail_address_check(from.address, e) || mail_has_control(from.name) ||
        from.name.size > ADDRESS_MAIL_MAX || !utf8_is_valid(from.name))
        return err_set(e, ERR_USAGE, "the sender is not NAME@HOST or A NAME <NAME@HOST>");
    *out = from;
    return true;
}

/* Plain ASCII that no reader takes for an encoded word. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] >= 0x7F ||
            (text.data[i] == '=' && i + 1 < text.size && text.data[i + 1] == '?'))
            return false;
    return true;
}

/* How much fits into one word in this many columns, in whole characters. */
static size_t word_size(struct slice rest, size_t columns)
{
    /* Three bytes become four characters; twelve more stand around them. */
    const size_t room = (columns - 12) / 4 * 3;
    size_t size = rest.size < room ? rest.size : room;

    while (size > 0 && size < rest.size && (rest.data[size] & 0xC0) == 0x80)
        size--;
    return size;
}

/* column: where the first word begins in its line. */
static void put_words(struct slice value, size_t column, struct buf *out)
{
    while (value.size > 0) {
        const size_t size = word_size(value, HEAD_LINE_MAX - column);

        buf_printf(out, "=?utf-8?B?");
        base64_encode(SLICE_OF(value.data, size), out);
        value = SLICE_OF(value.data + size, value.size - size);
        buf_printf(out, value.size > 0 ? "?=\r\n " : "?=");
        column = 1;
    }
}

void mail_put_head(const char *name, struct slice value, struct buf *out)
{
    const size_t column = strlen(name) + 2;

    assert(!mail_has_control(value) && column <= 20);
    buf_printf(out, "%s: ", name);
    if (is_plain(value) && column + value.size <= HEAD_LINE_MAX)
        buf_append_slice(out, value);
    else
        put_words(value, column, out);
    buf_printf(out, "\r\n");
}

void mail_put_from(const struct mail_from *from, struct buf *out)
{
    static const char name[] = "From: ";

    buf_printf(out, "%s", name);
    if (from->name.size > 0) {
        put_words(from->name, sizeof(name) - 1, out);
        buf_printf(out, "\r\n ");
    }
    buf_printf(out, "<%s>\r\n", from->address);
}

void mail_put_date(int64_t time_ns, struct buf *out)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const int64_t day = clock_to_timespec(time_ns).tv_sec / (INT64_C(24) * 3600);
    char text[CLOCK_TEXT_MAX]; /* "2026-11-21T21:00:00.000000000Z" */

    assert(time_ns >= 0);
    clock_format(time_ns, text);

    const size_t month = (size_t)(text[5] - '0') * 10 + (size_t)(text[6] - '0');

    /* 1970 began on a Thursday. */
    buf_printf(out, "%s, %.2s %s %.4s %.8s +0000", days[day % 7], text + 8, months[month - 1], text,
               text + 11);
}

/* Whether a byte may stand for itself in front of next (-1: the end of the line). */
static bool is_quoted_plain(uint8_t c, int next)
{
    if (c == ' ' || c == '\t')
        return next != -1;
    return c > ' ' && c < 0x7F && c != '=';
}

/* One line without its end. */
static void put_quoted_line(struct slice line, struct buf *out)
{
    size_t column = 0;

    for (size_t i = 0; i < line.size; i++) {
        const uint8_t c = line.data[i];
        const int next = i + 1 < line.size ? line.data[i + 1] : -1;
        const bool is_plain_here = is_quoted_plain(c, next);
        const size_t width = is_plain_here ? 1 : 3;

        if (column + width > QUOTED_LINE_MAX - 1) {
            buf_printf(out, "=\r\n");
            column = 0;
        }
        if (is_plain_here)
            buf_put_u8(out, c);
        else
            buf_printf(out, "=%02X", c);
        column += width;
    }
    buf_printf(out, "\r\n");
}

void mail_put_quoted(struct slice text, struct buf *out)
{
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        const size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        const size_t taken = end == NULL ? size : size + 1;
        const bool has_cr = end != NULL && size > 0 && text.data[size - 1] == '\r';

        put_quoted_line(SLICE_OF(text.data, has_cr ? size - 1 : size), out);
        text = SLICE_OF(text.data + taken, text.size - taken);
    }
}
