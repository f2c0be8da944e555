#include "source/table_value.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* Integers that every reader of JSON keeps: up to 2^53. */
#define EXACT_DIGITS "9007199254740992"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* A number of the server is one of JSON unless it is NaN or infinite. */
static bool is_finite(struct slice text)
{
    return is_digit(text.data[text.size - 1]);
}

static bool is_exact(struct slice text)
{
    const size_t most = strlen(EXACT_DIGITS);

    if (text.data[0] == '-')
        text = SLICE_OF(text.data + 1, text.size - 1);
    return text.size < most || (text.size == most && memcmp(text.data, EXACT_DIGITS, most) <= 0);
}

static bool matches(struct slice text, const char *pattern)
{
    if (text.size < strlen(pattern))
        return false;
    for (size_t i = 0; pattern[i] != '\0'; i++)
        if (pattern[i] == '0' ? !is_digit(text.data[i]) : text.data[i] != (uint8_t)pattern[i])
            return false;
    return true;
}

/*
 * "2026-11-21 08:45:00.1+00" becomes "2026-11-21T08:45:00.1+00:00", or ".100Z" in the plain
 * form, whose times without a zone are UTC.  Years of five digits, BC and infinity stay as
 * PostgreSQL writes them, which no RFC 3339 does.
 */
static void write_time(struct json_writer *w, enum table_json_form form, struct slice text)
{
    const size_t seconds = strlen("0000-00-00 00:00:00");
    AUTO(buf) struct buf out = {0};
    size_t end = seconds;
    bool has_zone;

    if (!matches(text, "0000-00-00 00:00:00") || text.data[text.size - 1] == 'C') {
        json_writer_text(w, text);
        return;
    }
    while (end < text.size && (text.data[end] == '.' || is_digit(text.data[end])))
        end++;
    has_zone = end < text.size;
    buf_append(&out, text.data, end);
    out.data[strlen("0000-00-00")] = 'T';
    if (form == TABLE_JSON_PLAIN) {
        if (end == seconds)
            buf_put_u8(&out, '.');
        while (out.size < seconds + strlen(".000"))
            buf_put_u8(&out, '0');
        buf_put_u8(&out, 'Z');
    } else if (has_zone) {
        buf_append_slice(&out, slice_string("+00:00"));
    }
    json_writer_text(w, buf_slice(&out));
}

/* "\x0aff" as base64. */
static void write_base64(struct json_writer *w, struct slice text)
{
    const size_t size = (text.size - 2) / 2;
    AUTO(mem) uint8_t *bytes = mem_new(size);
    AUTO(mem) char *digits = mem_dup(text.data + 2, 2 * size);
    AUTO(buf) struct buf out = {0};
    const bool is_hex = hex_decode(digits, bytes, size);

    assert(is_hex); /* bytea_output is set */
    base64_encode(SLICE_OF(bytes, size), &out);
    json_writer_text(w, buf_slice(&out));
}

/* How deep the brackets of valid JSON go. */
static size_t json_depth(struct slice json)
{
    size_t depth = 0;
    size_t most = 0;
    bool is_text = false;

    for (size_t i = 0; i < json.size; i++) {
        const uint8_t c = json.data[i];

        if (c == '\\')
            i++; /* only texts have them */
        else if (c == '"')
            is_text = !is_text;
        else if (!is_text && (c == '{' || c == '['))
            most = ++depth > most ? depth : most;
        else if (!is_text && (c == '}' || c == ']'))
            depth--;
    }
    return most;
}

/* What the document itself puts around a value, with room to spare. */
#define DEPTH_AROUND 8

static bool write_json(struct json_writer *w, struct slice json, struct err *e)
{
    if (json_depth(json) > JSON_DEPTH_MAX - DEPTH_AROUND)
        return err_set(e, ERR_CORRUPT, "the JSON in it is deeper than %d levels",
                       JSON_DEPTH_MAX - DEPTH_AROUND);
    json_writer_raw(w, json);
    return true;
}

bool table_value_write(struct json_writer *w, enum table_kind kind, enum table_json_form form,
                       struct slice text, struct err *e)
{
    const bool is_plain = form == TABLE_JSON_PLAIN;

    if (!utf8_is_valid(text))
        return err_set(e, ERR_CORRUPT, "a value is not UTF-8");
    if (text.size == 0 || (kind == TABLE_KIND_BIG && !(is_plain && is_exact(text))))
        kind = TABLE_KIND_TEXT;
    switch (kind) {
    case TABLE_KIND_BOOL:
        json_writer_raw(w, slice_string(text.data[0] == 't' ? "true" : "false"));
        return true;
    case TABLE_KIND_NUMBER:
    case TABLE_KIND_BIG:
        if (is_finite(text))
            json_writer_raw(w, text);
        else
            json_writer_text(w, text);
        return true;
    case TABLE_KIND_TIME:
        write_time(w, form, text);
        return true;
    case TABLE_KIND_JSON:
        return write_json(w, text, e);
    case TABLE_KIND_ARRAY:
        if (is_plain) /* the query made it JSON */
            return write_json(w, text, e);
        break;
    case TABLE_KIND_BYTES:
        if (is_plain) {
            write_base64(w, text);
            return true;
        }
        break;
    case TABLE_KIND_TEXT:
        break;
    }
    json_writer_text(w, text);
    return true;
}

/* Reading */

void table_value_null(struct buf *out)
{
    buf_append_slice(out, slice_string("\\N"));
}

/* Whether a byte would end a field of COPY, and what stands for it behind a backslash. */
static char copy_escape(uint8_t c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static bool put_field(struct buf *out, struct slice text, struct err *e)
{
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
        return err_set(e, ERR_CORRUPT,
                       "a text holds the character U+0000, which PostgreSQL has not");
    buf_reserve(out, text.size);
    for (size_t i = 0; i < text.size; i++) {
        const char escape = copy_escape(text.data[i]);

        if (escape != 0)
            buf_put_u8(out, '\\');
        buf_put_u8(out, escape != 0 ? (uint8_t)escape : text.data[i]);
    }
    return true;
}

static bool put_base64(struct buf *out, struct slice text, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(mem) char *digits = NULL;

    if (!base64_decode(text, &bytes))
        return err_set(e, ERR_CORRUPT, "a value is not base64");
    digits = mem_new(2 * bytes.size + 1);
    hex_encode(buf_slice(&bytes), digits);
    buf_append_slice(out, slice_string("\\\\x"));
    buf_append_slice(out, slice_string(digits));
    return true;
}

/* An element of an array, always in quotation marks so that NULL is a word. */
static void put_element(struct buf *out, struct slice text)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_put_u8(out, '\\');
        buf_put_u8(out, text.data[i]);
    }
    buf_put_u8(out, '"');
}

/* Behind '[': "{..}" as PostgreSQL writes arrays. */
static bool read_array(struct json_reader *r, struct buf *out, struct err *e)
{
    enum json_token token = JSON_TOKEN_ARRAY;
    bool needs_comma = false;

    for (size_t depth = 0;;) {
        if (token != JSON_TOKEN_ARRAY_END && needs_comma)
            buf_put_u8(out, ',');
        needs_comma = token != JSON_TOKEN_ARRAY;
        if (token == JSON_TOKEN_ARRAY) {
            buf_put_u8(out, '{');
            depth++;
        } else if (token == JSON_TOKEN_ARRAY_END) {
            buf_put_u8(out, '}');
            if (--depth == 0)
                return true;
        } else if (token == JSON_TOKEN_NULL) {
            buf_append_slice(out, slice_string("NULL"));
        } else if (token == JSON_TOKEN_TRUE || token == JSON_TOKEN_FALSE) {
            buf_put_u8(out, token == JSON_TOKEN_TRUE ? 't' : 'f');
        } else if (token == JSON_TOKEN_TEXT || token == JSON_TOKEN_NUMBER) {
            put_element(out, buf_slice(&r->text));
        } else {
            return err_set(e, ERR_CORRUPT, "an array holds an object");
        }
        if (!json_reader_next(r, &token, e))
            return false;
    }
}

static bool read_json(struct json_reader *r, enum table_json_form form, struct buf *out,
                      struct err *e)
{
    AUTO(buf) struct buf json = {0};

    if (!json_reader_raw(r, &json, e))
        return false;
    if (form == TABLE_JSON_TYPED || !slice_is_equal(buf_slice(&json), slice_string("null")))
        return put_field(out, buf_slice(&json), e);
    table_value_null(out);
    return true;
}

bool table_value_read(struct json_reader *r, enum table_kind kind, enum table_json_form form,
                      struct buf *out, struct err *e)
{
    AUTO(buf) struct buf array = {0};
    enum json_token token;

    if (kind == TABLE_KIND_JSON)
        return read_json(r, form, out, e);
    if (!json_reader_next(r, &token, e))
        return false;
    if (token == JSON_TOKEN_NULL) {
        table_value_null(out);
        return true;
    }
    if (token == JSON_TOKEN_TRUE || token == JSON_TOKEN_FALSE)
        return put_field(out, slice_string(token == JSON_TOKEN_TRUE ? "true" : "false"), e);
    if (token == JSON_TOKEN_ARRAY && kind == TABLE_KIND_ARRAY)
        return read_array(r, &array, e) && put_field(out, buf_slice(&array), e);
    if (token != JSON_TOKEN_TEXT && token != JSON_TOKEN_NUMBER)
        return err_set(e, ERR_CORRUPT, "an %s does not fit its type",
                       token == JSON_TOKEN_ARRAY ? "array" : "object");
    if (kind == TABLE_KIND_BYTES && form == TABLE_JSON_PLAIN)
        return put_base64(out, buf_slice(&r->text), e);
    return put_field(out, buf_slice(&r->text), e);
}
