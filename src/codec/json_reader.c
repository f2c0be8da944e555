#include "codec/json_reader.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

#define WINDOW ((size_t)64 << 10)

/* What may come next. */
enum state {
    STATE_VALUE, /* a value */
    STATE_FIRST, /* a value or name, or the end of the array or object just begun */
    STATE_NAME,  /* a name */
    STATE_COLON, /* a colon and a value */
    STATE_AFTER, /* a comma or the end of what this is in */
};

void json_reader_init(struct json_reader *r, json_read_fn *read, void *arg, size_t limit)
{
    *r = (struct json_reader){.read = read, .arg = arg, .budget = limit, .state = STATE_VALUE};
    buf_reserve(&r->window, WINDOW);
}

void json_reader_auto(struct json_reader *r)
{
    buf_done(&r->window);
    buf_done(&r->text);
}

void json_reader_like_python(struct json_reader *r)
{
    r->is_python = true;
}

void json_reader_limit(struct json_reader *r, size_t limit)
{
    r->budget = limit;
}

bool json_read_slice(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct slice *from = arg;

    (void)e; /* memory does not fail */
    *got = from->size < room ? from->size : room;
    if (*got > 0)
        memcpy(to, from->data, *got);
    *from = SLICE_OF(from->data + *got, from->size - *got);
    return true;
}

static bool wrong(const struct json_reader *r, const char *why, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "it is not JSON: byte %llu: %s",
                   (unsigned long long)(r->offset + r->at + 1), why);
}

/* The next byte, which stays; -1 at the end. */
static bool peek(struct json_reader *r, int *out, struct err *e)
{
    if (r->at == r->window.size) {
        size_t got = 0;

        if (!r->read(r->arg, r->window.data, WINDOW, &got, e))
            return false;
        r->offset += r->window.size;
        r->window.size = got;
        r->at = 0;
    }
    *out = r->at < r->window.size ? r->window.data[r->at] : -1;
    return true;
}

static bool keep(struct json_reader *r, struct buf *to, const void *bytes, size_t size,
                 struct err *e)
{
    if (size > r->budget)
        return err_set(e, ERR_CORRUPT, "byte %llu: more than may be read at once",
                       (unsigned long long)(r->offset + r->at + 1));
    r->budget -= size;
    buf_append(to, bytes, size);
    return true;
}

/* Pass bytes that were peeked at. */
static bool pass(struct json_reader *r, size_t size, struct err *e)
{
    const uint8_t *from = r->window.data + r->at;

    if (r->capture != NULL && !keep(r, r->capture, from, size, e))
        return false;
    r->at += size;
    return true;
}

static bool keep_text(struct json_reader *r, const void *bytes, size_t size, struct err *e)
{
    return r->is_raw || keep(r, &r->text, bytes, size, e);
}

static bool pass_space(struct json_reader *r, int *next, struct err *e)
{
    for (;;) {
        if (!peek(r, next, e))
            return false;
        if (*next != ' ' && *next != '\n' && *next != '\t' && *next != '\r')
            return true;
        if (!pass(r, 1, e))
            return false;
    }
}

/* Texts */

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_unit(struct json_reader *r, uint32_t *out, struct err *e)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        int c;

        if (!peek(r, &c, e))
            return false;
        if (hex_value(c) < 0)
            return wrong(r, "\\u without four hexadecimal digits", e);
        unit = unit << 4 | (uint32_t)hex_value(c);
        if (!pass(r, 1, e))
            return false;
    }
    *out = unit;
    return true;
}

static bool keep_character(struct json_reader *r, uint32_t c, struct err *e)
{
    uint8_t bytes[4];
    size_t size = 1;

    if (c < 0x80) {
        bytes[0] = (uint8_t)c;
    } else if (c < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | c >> 6);
        size = 2;
    } else if (c < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | c >> 12);
        size = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | c >> 18);
        size = 4;
    }
    for (size_t i = 1; i < size; i++)
        bytes[i] = (uint8_t)(0x80 | (c >> (6 * (size - 1 - i)) & 0x3f));
    return keep_text(r, bytes, size, e);
}

static bool read_escape(struct json_reader *r, struct err *e);

/* Behind "\u", as Python does it: what makes no pair stays half a character. */
static bool read_unicode_loosely(struct json_reader *r, struct err *e)
{
    uint32_t c;

    if (!read_unit(r, &c, e))
        return false;
    while (c >= 0xd800 && c <= 0xdbff) {
        uint32_t low;
        int next;

        if (!peek(r, &next, e))
            return false;
        if (next != '\\')
            break;
        if (!pass(r, 1, e) || !peek(r, &next, e))
            return false;
        if (next != 'u')
            return keep_character(r, c, e) && read_escape(r, e);
        if (!pass(r, 1, e) || !read_unit(r, &low, e))
            return false;
        if (low >= 0xdc00 && low <= 0xdfff)
            return keep_character(r, 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00)), e);
        if (!keep_character(r, c, e))
            return false;
        c = low;
    }
    return keep_character(r, c, e);
}

/* Behind "\u". */
static bool read_unicode(struct json_reader *r, struct err *e)
{
    static const char low_begin[] = "\\u";
    uint32_t c;
    uint32_t low;

    if (!read_unit(r, &c, e))
        return false;
    if (r->is_raw || c < 0xd800 || c > 0xdfff)
        return keep_character(r, c, e);
    if (c > 0xdbff)
        return wrong(r, "half a character", e);
    for (size_t i = 0; i < 2; i++) {
        int next;

        if (!peek(r, &next, e))
            return false;
        if (next != low_begin[i])
            return wrong(r, "half a character", e);
        if (!pass(r, 1, e))
            return false;
    }
    if (!read_unit(r, &low, e))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return wrong(r, "half a character", e);
    return keep_character(r, 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00)), e);
}

/* Behind a backslash. */
static bool read_escape(struct json_reader *r, struct err *e)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found;
    int c;

    if (!peek(r, &c, e))
        return false;
    if (c == 'u')
        return pass(r, 1, e) && (r->is_python ? read_unicode_loosely(r, e) : read_unicode(r, e));
    found = c > 0 ? strchr(from, c) : NULL;
    if (found == NULL)
        return wrong(r, "no such escape", e);
    return pass(r, 1, e) && keep_text(r, &to[found - from], 1, e);
}

/* Bytes that stand for themselves. */
static bool read_run(struct json_reader *r, struct err *e)
{
    const uint8_t *from = r->window.data + r->at;
    const uint8_t *end = r->window.data + r->window.size;
    const uint8_t *to = from;

    while (to < end && *to != '"' && *to != '\\' && *to >= 32)
        to++;
    return keep_text(r, from, (size_t)(to - from), e) && pass(r, (size_t)(to - from), e);
}

/* From the quotation mark on, which was peeked at. */
static bool read_text(struct json_reader *r, struct err *e)
{
    int c;

    buf_clear(&r->text);
    if (!pass(r, 1, e))
        return false;
    for (;;) {
        if (!peek(r, &c, e))
            return false;
        if (c == '"')
            break;
        if (c < 0)
            return wrong(r, "the document ends within a text", e);
        if (c < 32)
            return wrong(r, "a control character", e);
        if (c == '\\' ? !pass(r, 1, e) || !read_escape(r, e) : !read_run(r, e))
            return false;
    }
    if (!pass(r, 1, e))
        return false;
    return r->is_python || utf8_is_valid(buf_slice(&r->text)) ||
           wrong(r, "the text before it is not UTF-8", e);
}

/* Numbers and words */

static bool read_digits(struct json_reader *r, struct err *e)
{
    bool has_any = false;
    int c;

    for (;; has_any = true) {
        if (!peek(r, &c, e))
            return false;
        if (c < '0' || c > '9')
            return has_any || wrong(r, "a digit is missing", e);

        const uint8_t digit = (uint8_t)c;

        if (!keep_text(r, &digit, 1, e) || !pass(r, 1, e))
            return false;
    }
}

/* Pass the next byte when it is one of these. */
static bool read_one_of(struct json_reader *r, const char *these, bool *did, struct err *e)
{
    int c;

    *did = false;
    if (!peek(r, &c, e))
        return false;
    if (c <= 0 || strchr(these, c) == NULL)
        return true;

    const uint8_t byte = (uint8_t)c;

    *did = true;
    return keep_text(r, &byte, 1, e) && pass(r, 1, e);
}

static bool read_word(struct json_reader *r, const char *word, struct err *e)
{
    for (; *word != '\0'; word++) {
        int c;

        if (!peek(r, &c, e))
            return false;
        if (c != *word)
            return wrong(r, "no such word", e);
        if (!pass(r, 1, e))
            return false;
    }
    return true;
}

static bool read_number(struct json_reader *r, struct err *e)
{
    bool did;

    buf_clear(&r->text);
    if (!read_one_of(r, "-", &did, e))
        return false;
    if (did && r->is_python) {
        if (!read_one_of(r, "I", &did, e))
            return false;
        if (did)
            return keep_text(r, "nfinity", 7, e) && read_word(r, "nfinity", e);
    }
    if (!read_one_of(r, "0", &did, e))
        return false;
    if (!did && !read_digits(r, e))
        return false;
    if (!read_one_of(r, ".", &did, e) || (did && !read_digits(r, e)))
        return false;
    if (!read_one_of(r, "eE", &did, e))
        return false;
    return !did || (read_one_of(r, "+-", &did, e) && read_digits(r, e));
}

/* Structure */

static bool is_in_object(const struct json_reader *r)
{
    return r->depth > 0 && (r->is_object[(r->depth - 1) / 8] >> ((r->depth - 1) % 8) & 1) != 0;
}

static bool begin_group(struct json_reader *r, bool is_object, struct err *e)
{
    const uint8_t bit = (uint8_t)(1U << (r->depth % 8));

    if (r->depth == JSON_DEPTH_MAX)
        return err_set(e, ERR_CORRUPT, "it is JSON deeper than %d levels", JSON_DEPTH_MAX);
    if (is_object)
        r->is_object[r->depth / 8] |= bit;
    else
        r->is_object[r->depth / 8] &= (uint8_t)~bit;
    r->depth++;
    r->state = STATE_FIRST;
    return pass(r, 1, e);
}

/* A number that is a word. */
static bool read_number_word(struct json_reader *r, const char *word, struct err *e)
{
    buf_clear(&r->text);
    return keep_text(r, word, strlen(word), e) && read_word(r, word, e);
}

static bool read_value(struct json_reader *r, int c, enum json_token *out, struct err *e)
{
    r->state = STATE_AFTER;
    switch (c) {
    case '{':
    case '[':
        *out = c == '{' ? JSON_TOKEN_OBJECT : JSON_TOKEN_ARRAY;
        return begin_group(r, c == '{', e);
    case '"':
        *out = JSON_TOKEN_TEXT;
        return read_text(r, e);
    case 't':
        *out = JSON_TOKEN_TRUE;
        return read_word(r, "true", e);
    case 'f':
        *out = JSON_TOKEN_FALSE;
        return read_word(r, "false", e);
    case 'n':
        *out = JSON_TOKEN_NULL;
        return read_word(r, "null", e);
    default:
        *out = JSON_TOKEN_NUMBER;
        if (c == '-' || (c >= '0' && c <= '9'))
            return read_number(r, e);
        if (r->is_python && (c == 'N' || c == 'I'))
            return read_number_word(r, c == 'N' ? "NaN" : "Infinity", e);
        return wrong(r, c < 0 ? "the document ends early" : "a value is missing", e);
    }
}

static bool read_name(struct json_reader *r, int c, enum json_token *out, struct err *e)
{
    if (c != '"')
        return wrong(r, c < 0 ? "the document ends early" : "a name is missing", e);
    *out = JSON_TOKEN_NAME;
    r->state = STATE_COLON;
    return read_text(r, e);
}

/* The bracket that ends what we are in was peeked at. */
static bool end_group(struct json_reader *r, enum json_token *out, struct err *e)
{
    *out = is_in_object(r) ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END;
    r->depth--;
    r->state = STATE_AFTER;
    return pass(r, 1, e);
}

/* Behind a value, with c peeked at: up to the next value or name, which leaves c there, or to
 * the end of what it is in, which leaves STATE_AFTER. */
static bool pass_comma(struct json_reader *r, int *c, struct err *e)
{
    if (*c != ',')
        return wrong(r, *c < 0 ? "the document ends early" : "a comma is missing", e);
    r->state = is_in_object(r) ? STATE_NAME : STATE_VALUE;
    return pass(r, 1, e) && pass_space(r, c, e);
}

/* Pass what stands between tokens. */
static bool pass_between(struct json_reader *r, int *c, struct err *e)
{
    const int end = is_in_object(r) ? '}' : ']';

    if (!pass_space(r, c, e))
        return false;
    if (r->state == STATE_COLON) {
        if (*c != ':')
            return wrong(r, "a colon is missing", e);
        r->state = STATE_VALUE;
        return pass(r, 1, e) && pass_space(r, c, e);
    }
    if (r->state == STATE_AFTER && r->depth > 0 && *c != end)
        return pass_comma(r, c, e);
    if (r->state == STATE_FIRST && *c != end)
        r->state = is_in_object(r) ? STATE_NAME : STATE_VALUE;
    return true;
}

/* The token that begins with c. */
static bool read_token(struct json_reader *r, int c, enum json_token *out, struct err *e)
{
    if (r->state == STATE_NAME)
        return read_name(r, c, out, e);
    if (r->state == STATE_VALUE)
        return read_value(r, c, out, e);
    if (r->depth > 0)
        return end_group(r, out, e);
    if (c >= 0)
        return wrong(r, "something is behind the document", e);
    *out = JSON_TOKEN_END;
    return true;
}

bool json_reader_next(struct json_reader *r, enum json_token *out, struct err *e)
{
    int c;

    return pass_between(r, &c, e) && read_token(r, c, out, e);
}

bool json_reader_more(struct json_reader *r, bool *more, struct err *e)
{
    enum json_token end;
    int c;

    assert(r->depth > 0);
    if (!pass_between(r, &c, e))
        return false;
    *more = r->state == STATE_VALUE || r->state == STATE_NAME;
    return *more || end_group(r, &end, e);
}

/* Pass one value; capture begins with its first byte. */
static bool pass_value(struct json_reader *r, struct buf *capture, struct err *e)
{
    enum json_token token;
    int c;

    if (!pass_between(r, &c, e))
        return false;

    const size_t depth = r->depth;

    r->capture = capture;
    r->is_raw = true;
    buf_clear(&r->text);
    if (r->state != STATE_VALUE)
        return wrong(r, "a value is missing", e);
    if (!read_token(r, c, &token, e))
        return false;
    while (r->depth > depth)
        if (!json_reader_next(r, &token, e))
            return false;
    r->capture = NULL;
    r->is_raw = false;
    return true;
}

bool json_reader_raw(struct json_reader *r, struct buf *out, struct err *e)
{
    const size_t before = out->size;

    if (!pass_value(r, out, e))
        return false;
    return utf8_is_valid(SLICE_OF(out->data + before, out->size - before)) ||
           wrong(r, "the value before it is not UTF-8", e);
}

bool json_reader_skip(struct json_reader *r, struct err *e)
{
    return pass_value(r, NULL, e);
}
