#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

void hex_encode(struct slice in, char *out)
{
    for (size_t i = 0; i < in.size; i++) {
        out[2 * i] = hex_digits[in.data[i] >> 4];
        out[2 * i + 1] = hex_digits[in.data[i] & 15];
    }
    out[2 * in.size] = '\0';
}

/* Value of a hexadecimal digit plus one; 0 for every other character. */
static const uint8_t hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool hex_decode(const char *text, uint8_t *out, size_t size)
{
    if (strnlen(text, 2 * size + 1) != 2 * size)
        return false;
    for (size_t i = 0; i < 2 * size; i++)
        if (hex_values[(uint8_t)text[i]] == 0)
            return false;
    for (size_t i = 0; i < size; i++) {
        const unsigned high = hex_values[(uint8_t)text[2 * i]] - 1U;
        const unsigned low = hex_values[(uint8_t)text[2 * i + 1]] - 1U;

        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice in, struct buf *out)
{
    const char *const digits = base64_digits;

    for (size_t i = 0; i < in.size; i += 3) {
        const size_t left = in.size - i;
        const unsigned group = (unsigned)in.data[i] << 16 |
                               (left > 1 ? (unsigned)in.data[i + 1] << 8 : 0) |
                               (left > 2 ? (unsigned)in.data[i + 2] : 0);
        uint8_t *to = buf_extend(out, 4);

        to[0] = (uint8_t)digits[group >> 18];
        to[1] = (uint8_t)digits[group >> 12 & 63];
        to[2] = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        to[3] = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
}

bool base64_decode(struct slice text, struct buf *out)
{
    const size_t before = out->size;
    size_t pads = 0;

    while (pads < 2 && pads < text.size && text.data[text.size - 1 - pads] == '=')
        pads++;
    if (text.size % 4 != 0)
        return false;
    for (size_t i = 0; i < text.size; i += 4) {
        const size_t count = i + 4 == text.size ? 4 - pads : 4;
        unsigned group = 0;

        for (size_t j = 0; j < 4; j++) {
            const uint8_t c = j < count ? text.data[i + j] : 'A';
            const char *digit = c != 0 ? strchr(base64_digits, c) : NULL;

            if (digit == NULL) {
                out->size = before;
                return false;
            }
            group = group << 6 | (unsigned)(digit - base64_digits);
        }
        for (size_t j = 0; j + 1 < count; j++)
            buf_put_u8(out, (uint8_t)(group >> (16 - 8 * j)));
    }
    return true;
}

/*
 * Length of the valid UTF-8 character at the front of s, 0 when there is none.  The second
 * byte alone decides about overlong forms, surrogates and values above U+10FFFF.
 */
static size_t utf8_length(struct slice s)
{
    const uint8_t first = s.data[0];
    size_t length = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;

    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        low = first == 0xE0 ? 0xA0 : low;
        high = first == 0xED ? 0x9F : high;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        low = first == 0xF0 ? 0x90 : low;
        high = first == 0xF4 ? 0x8F : high;
    }
    if (length == 0 || s.size < length || s.data[1] < low || s.data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s.data[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool utf8_is_valid(struct slice s)
{
    for (size_t i = 0; i < s.size;) {
        const size_t length = utf8_length((struct slice){s.data + i, s.size - i});

        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

void text_flatten(struct slice in, char *out, size_t room)
{
    size_t used = 0;

    while (in.size > 0) {
        const size_t valid = utf8_length(in);
        const size_t length = valid > 0 ? valid : 1;
        const bool is_blank = in.data[0] <= ' ' || in.data[0] == 0x7F;

        if (used + length >= room)
            break;
        if (valid == 0)
            out[used++] = '?';
        else if (is_blank && used > 0 && out[used - 1] != ' ')
            out[used++] = ' ';
        else if (!is_blank)
            for (size_t i = 0; i < length; i++)
                out[used++] = (char)in.data[i];
        in = SLICE_OF(in.data + length, in.size - length);
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

/* U+0000 to U+001F, U+007F to U+009F: what a terminal might obey. */
static bool is_control(const uint8_t *character, size_t length)
{
    if (length == 1)
        return character[0] < 0x20 || character[0] == 0x7F;
    return length == 2 && character[0] == 0xC2 && character[1] < 0xA0;
}

static void escape_bytes(const uint8_t *bytes, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *to = buf_extend(out, 4);

        to[0] = '\\';
        to[1] = 'x';
        to[2] = (uint8_t)hex_digits[bytes[i] >> 4];
        to[3] = (uint8_t)hex_digits[bytes[i] & 15];
    }
}

void percent_encode(struct slice in, const char *kept, struct buf *out)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < in.size; i++) {
        const uint8_t c = in.data[i];

        if (c != '\0' && (strchr(plain, c) != NULL || strchr(kept, c) != NULL))
            buf_put_u8(out, c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

void path_escape(struct slice path, struct buf *out)
{
    buf_reserve(out, path.size);
    for (size_t i = 0; i < path.size;) {
        const uint8_t *at = path.data + i;
        const size_t length = utf8_length((struct slice){at, path.size - i});

        if (length == 0)
            escape_bytes(at, 1, out);
        else if (is_control(at, length))
            escape_bytes(at, length, out);
        else if (*at == '\\')
            buf_append(out, "\\\\", 2);
        else
            buf_append(out, at, length);
        i += length == 0 ? 1 : length;
    }
}

/* Append the bytes that text stands for; what is no escape stands for itself. */
static bool unescape_bytes(const char *text, struct buf *out)
{
    while (*text != '\0') {
        const size_t plain = strcspn(text, "\\");

        buf_append(out, text, plain);
        text += plain;
        if (*text == '\0')
            return true;
        if (text[1] == '\\') {
            buf_put_u8(out, '\\');
            text += 2;
            continue;
        }
        if (text[1] != 'x' || text[2] == '\0' || text[3] == '\0')
            return false;

        const char digits[] = {text[2], text[3], '\0'};
        uint8_t byte = 0;

        if (!hex_decode(digits, &byte, 1))
            return false;
        buf_put_u8(out, byte);
        text += 4;
    }
    return true;
}

bool path_unescape(const char *text, struct buf *out)
{
    const size_t before = out->size;
    AUTO(buf) struct buf again = {0};
    bool is_same = false;

    /* Each name has one text form only, so what escapes to another text is refused. */
    if (unescape_bytes(text, out)) {
        path_escape((struct slice){out->data + before, out->size - before}, &again);
        is_same = slice_is_equal(buf_slice(&again), slice_string(text));
    }
    if (!is_same)
        out->size = before;
    return is_same;
}

void size_format(uint64_t bytes, char *out)
{
    static const char units[] = "KMGTPE";
    unsigned unit = 0;

    if (bytes < 1024) {
        (void)snprintf(out, TEXT_SIZE_MAX, "%u B", (unsigned)bytes);
        return;
    }
    while (bytes >> (10 * (unit + 1)) >= 1024)
        unit++;

    const unsigned shift = 10 * (unit + 1);
    const uint64_t rest = bytes & ((UINT64_C(1) << shift) - 1);
    /* At most 40 bits of the rest, so that a thousand times it fits. */
    const unsigned spare = shift > 40 ? shift - 40 : 0;
    const uint64_t thousandths = (rest >> spare) * 1000 >> (shift - spare);

    (void)snprintf(out, TEXT_SIZE_MAX, "%u.%03u %ciB", (unsigned)(bytes >> shift),
                   (unsigned)thousandths, units[unit]);
}

double parse_double(const char *text)
{
    return strtod(text, NULL); /* the program has the locale "C" */
}
