/*
 * JSON from outside.  The reader takes what Jansson takes, up to depth and sizes of numbers; it
 * says the same however the bytes arrive; and what it read can be written and read again.
 */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "codec/json_reader.h"
#include "codec/json_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT ((size_t)1 << 24)

static bool read_byte(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    (void)room;
    return json_read_slice(arg, to, 1, got, e);
}

static void write_token(struct json_writer *w, enum json_token token, struct slice text)
{
    static const char *const words[] = {
        [JSON_TOKEN_TRUE] = "true", [JSON_TOKEN_FALSE] = "false", [JSON_TOKEN_NULL] = "null"};

    if (token == JSON_TOKEN_NAME)
        json_writer_name(w, text);
    else if (token == JSON_TOKEN_TEXT)
        json_writer_text(w, text);
    else if (token == JSON_TOKEN_NUMBER)
        json_writer_raw(w, text);
    else if (token == JSON_TOKEN_OBJECT || token == JSON_TOKEN_ARRAY)
        json_writer_open(w, token == JSON_TOKEN_OBJECT ? '{' : '[');
    else if (token == JSON_TOKEN_OBJECT_END || token == JSON_TOKEN_ARRAY_END)
        json_writer_close(w, token == JSON_TOKEN_OBJECT_END ? '}' : ']');
    else if (token != JSON_TOKEN_END)
        json_writer_raw(w, slice_string(words[token]));
}

/* Read it all and write it again. */
static bool copy(struct slice in, json_read_fn *read, struct json_writer *w, struct err *e)
{
    AUTO(json_reader) struct json_reader r;
    enum json_token token;

    json_reader_init(&r, read, &in, LIMIT);
    do {
        if (!json_reader_next(&r, &token, e))
            return false;
        write_token(w, token, buf_slice(&r.text));
    } while (token != JSON_TOKEN_END);
    return true;
}

/* As one raw value, which may hold halves of characters. */
static bool is_raw_value(struct slice in)
{
    AUTO(json_reader) struct json_reader r;
    AUTO(buf) struct buf raw = {0};
    enum json_token token;
    struct err e = {0};

    json_reader_init(&r, json_read_slice, &in, LIMIT);
    return json_reader_raw(&r, &raw, &e) && json_reader_next(&r, &token, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice in = {data, size};
    AUTO(json_writer) struct json_writer whole = {0};
    AUTO(json_writer) struct json_writer bytewise = {0};
    AUTO(json_writer) struct json_writer again = {0};
    struct err why = {0};
    struct err same = {0};
    const bool is_json = copy(in, json_read_slice, &whole, &why);
    json_error_t their = {0};
    json_t *theirs = json_loadb(size > 0 ? (const char *)data : "", size,
                                JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &their);

    assert(copy(in, read_byte, &bytewise, &same) == is_json && strcmp(why.text, same.text) == 0);
    assert(slice_is_equal(buf_slice(&whole.out), buf_slice(&bytewise.out)));
    if (is_json) {
        assert(copy(buf_slice(&whole.out), json_read_slice, &again, &why));
        assert(slice_is_equal(buf_slice(&whole.out), buf_slice(&again.out)));
        assert(is_raw_value(in));
        /* Jansson has neither 1e400 nor U+0000 in names. */
        assert(theirs != NULL || strstr(their.text, "overflow") != NULL ||
               strstr(their.text, "NUL") != NULL);
    } else {
        assert(why.code == ERR_CORRUPT && why.text[0] != '\0');
        /* Jansson passes over a NUL byte behind a number. */
        assert(theirs == NULL || strstr(why.text, "deeper") != NULL ||
               memchr(data, 0, size) != NULL);
    }
    json_decref(theirs);
    return 0;
}
