#include "codec/json_reader.h"

#include <string.h>

#include "base/mem.h"
#include "support/test.h"

#define LIMIT ((size_t)1 << 20)

/* Gives one byte at a time, so that every boundary is one. */
static bool read_byte(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    (void)room;
    return json_read_slice(arg, to, 1, got, e);
}

/* Each token as a letter, with its text behind it. */
static bool spell(struct slice in, json_read_fn *read, struct buf *out, struct err *e)
{
    static const char letters[] = "{}[]nt#TFN.";
    AUTO(json_reader) struct json_reader r;
    enum json_token token;

    json_reader_init(&r, read, &in, LIMIT);
    do {
        if (!json_reader_next(&r, &token, e))
            return false;
        buf_put_u8(out, (uint8_t)letters[token]);
        if (token == JSON_TOKEN_NAME || token == JSON_TOKEN_TEXT || token == JSON_TOKEN_NUMBER)
            buf_append_slice(out, buf_slice(&r.text));
    } while (token != JSON_TOKEN_END);
    return true;
}

static void check_spelled(const char *in, const char *wanted)
{
    AUTO(buf) struct buf whole = {0};
    AUTO(buf) struct buf bytewise = {0};

    CHECK_OK(spell(slice_string(in), json_read_slice, &whole, e));
    CHECK_OK(spell(slice_string(in), read_byte, &bytewise, e));
    ck_assert_str_eq(buf_string(&whole), wanted);
    ck_assert_str_eq(buf_string(&bytewise), wanted);
}

TEST(tokens_come_as_they_were_written)
{
    check_spelled("{}", "{}.");
    check_spelled(" [ ] ", "[].");
    check_spelled("{\"a\":1,\"b\":[true,false,null,{}],\"\":\"x\"}", "{na#1nb[TFN{}]ntx}.");
    check_spelled("[-0,0.5,1e+20,1E-7,12345678901234567890.10]",
                  "[#-0#0.5#1e+20#1E-7#12345678901234567890.10].");
    check_spelled("\n\"x\"\t", "tx.");
    check_spelled("7", "#7.");
}
END

TEST(texts_are_decoded)
{
    check_spelled("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "t\"\\/\b\f\n\r\t.");
    check_spelled("\"\\u0041\\u00e9\\u4E2D\\uD83D\\uDE00\\uffff\"",
                  "tA\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xef\xbf\xbf.");
    check_spelled("\"\xf0\x9f\x98\x80\x7f\"", "t\xf0\x9f\x98\x80\x7f.");
}
END

static const char *const wrong[] = {
    "",
    " ",
    "{",
    "}",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{1:1}",
    "{\"a\" 1}",
    "{,}",
    "[1}",
    "{\"a\":1]",
    "tru",
    "truer",
    "nul",
    "True",
    "NaN",
    "Infinity",
    "-",
    "+1",
    "01",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1",
    "--1",
    "\"",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "\"\x01\"",
    "\"\\ud800\"",
    "\"\\ud800\\ue000\"",
    "\"\\udc00\"",
    "\"\\ud800\\n\"",
    "\"\\ud800\\u0041\"",
    "\"\xff\"",
    "\"\xc3\"",
    "\"\xed\xa0\x80\"",
    "\"\xc0\x80\"",
    "1 2",
    "{}{}",
    "[]]",
    "'a'",
    "/**/1",
    "\xef\xbb\xbf[]",
    "[\"a\":1]",
    "{\"a\",1}",
    "1,",
    "\f1",
};

TEST(what_is_not_json_is_refused)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO(buf) struct buf out = {0};
        struct err why = {0};

        ck_assert_msg(!spell(slice_string(wrong[i]), json_read_slice, &out, &why), "%s", wrong[i]);
        ck_assert_msg(why.code == ERR_CORRUPT && why.text[0] != '\0', "%s", wrong[i]);
        CHECK(!spell(slice_string(wrong[i]), read_byte, &out, &why));
    }
}
END

TEST(errors_name_the_byte)
{
    AUTO(buf) struct buf out = {0};
    struct err why = {0};

    CHECK(!spell(slice_string("[1,\n 2 3]"), read_byte, &out, &why));
    ck_assert_str_eq(why.text, "it is not JSON: byte 8: a comma is missing");
}
END

TEST(a_nul_byte_ends_nothing)
{
    AUTO(buf) struct buf out = {0};
    struct err why = {0};

    CHECK(!spell(SLICE_OF("1\0", 2), json_read_slice, &out, &why));
    CHECK(!spell(SLICE_OF("[\0]", 3), json_read_slice, &out, &why));
    CHECK(!spell(SLICE_OF("\"\\\0\"", 4), json_read_slice, &out, &why));
    buf_clear(&out);
    CHECK_OK(spell(slice_string("\"a\\u0000b\""), json_read_slice, &out, e));
    CHECK(slice_is_equal(buf_slice(&out), SLICE_OF("ta\0b.", 5)));
}
END

TEST(raw_values_keep_their_bytes)
{
    static const char document[] =
        "{ \"a\" : [1, {\"b\":\"\\u00E9\\ud800\"} ,1.0e+5 ] , \"c\":\"x\" }";
    struct slice in = slice_string(document);
    AUTO(json_reader) struct json_reader r;
    AUTO(buf) struct buf raw = {0};
    enum json_token token;

    json_reader_init(&r, read_byte, &in, LIMIT);
    CHECK_OK(json_reader_next(&r, &token, e) && json_reader_next(&r, &token, e));
    CHECK_OK(json_reader_raw(&r, &raw, e));
    ck_assert_str_eq(buf_string(&raw), "[1, {\"b\":\"\\u00E9\\ud800\"} ,1.0e+5 ]");
    CHECK_OK(json_reader_next(&r, &token, e));
    ck_assert_str_eq(buf_string(&r.text), "c");
    CHECK_OK(json_reader_skip(&r, e));
    CHECK_OK(json_reader_next(&r, &token, e));
    ck_assert_int_eq(token, JSON_TOKEN_OBJECT_END);
    CHECK_OK(json_reader_next(&r, &token, e));
    ck_assert_int_eq(token, JSON_TOKEN_END);
}
END

TEST(a_group_is_passed_value_by_value_to_its_end)
{
    struct slice in = slice_string("[ {\"a\":[1, 2]} , [] ,3 ] ");
    static const char *const wanted[] = {"{\"a\":[1, 2]}", "[]", "3"};
    AUTO(json_reader) struct json_reader r;
    enum json_token token;
    bool more = false;

    json_reader_init(&r, json_read_slice, &in, LIMIT);
    CHECK_OK(json_reader_next(&r, &token, e));
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        AUTO(buf) struct buf raw = {0};

        CHECK_OK(json_reader_more(&r, &more, e));
        CHECK(more);
        CHECK_OK(json_reader_raw(&r, &raw, e));
        ck_assert_str_eq(buf_string(&raw), wanted[i]);
    }
    CHECK_OK(json_reader_more(&r, &more, e));
    CHECK(!more);
    CHECK_OK(json_reader_next(&r, &token, e));
    ck_assert_int_eq(token, JSON_TOKEN_END);

    in = slice_string("[1,]");
    json_reader_auto(&r);
    json_reader_init(&r, json_read_slice, &in, LIMIT);
    CHECK_OK(json_reader_next(&r, &token, e) && json_reader_more(&r, &more, e) && more &&
             json_reader_skip(&r, e));
    CHECK_OK(
        json_reader_more(&r, &more, e)); /* what stands behind the comma is not looked at yet */
    CHECK(more && !json_reader_skip(&r, &(struct err){0}));
}
END

TEST(raw_values_are_checked_as_well)
{
    static const char *const bad[] = {"[1,]", "{\"a\" 1}", "tru", "\"\xff\"", "[", "", "]"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice in = slice_string(bad[i]);
        AUTO(json_reader) struct json_reader r;
        AUTO(buf) struct buf raw = {0};

        json_reader_init(&r, json_read_slice, &in, LIMIT);
        CHECK_ERR(json_reader_raw(&r, &raw, e), ERR_CORRUPT);
    }
}
END

TEST(limits_hold_for_texts_raw_values_and_depth_but_not_for_what_is_skipped)
{
    AUTO(buf) struct buf deep = {0};
    AUTO(buf) struct buf out = {0};
    struct slice in = slice_string("[\"12345\",\"1234\",\"123456789\",[1234567]]");
    AUTO(json_reader) struct json_reader r;
    enum json_token token;

    json_reader_init(&r, json_read_slice, &in, 5);
    CHECK_OK(json_reader_next(&r, &token, e) && json_reader_next(&r, &token, e));
    CHECK_ERR(json_reader_next(&r, &token, e), ERR_CORRUPT);

    in = slice_string("[\"123456789\"]");
    json_reader_auto(&r);
    json_reader_init(&r, json_read_slice, &in, 5);
    CHECK_OK(json_reader_skip(&r, e));

    in = slice_string("[123456]");
    json_reader_auto(&r);
    json_reader_init(&r, json_read_slice, &in, 5);
    CHECK_ERR(json_reader_raw(&r, &out, e), ERR_CORRUPT);

    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_put_u8(&deep, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_put_u8(&deep, ']');
    CHECK_OK(spell(buf_slice(&deep), json_read_slice, &out, e));
    buf_put_u8(&deep, ']');
    memmove(deep.data + 1, deep.data, deep.size - 1);
    buf_put_u8(&deep, ']');
    deep.data[0] = '[';
    CHECK_ERR(spell(buf_slice(&deep), json_read_slice, &out, e), ERR_CORRUPT);
}
END

static bool read_nothing(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    (void)arg;
    (void)to;
    (void)room;
    (void)got;
    return err_set(e, ERR_TRANSIENT, "no connection");
}

TEST(a_failure_to_read_comes_through)
{
    AUTO(buf) struct buf out = {0};

    CHECK_ERR(spell(slice_string(""), read_nothing, &out, e), ERR_TRANSIENT);
}
END

TESTS("json_reader", tokens_come_as_they_were_written, texts_are_decoded,
      what_is_not_json_is_refused, errors_name_the_byte, a_nul_byte_ends_nothing,
      raw_values_keep_their_bytes, a_group_is_passed_value_by_value_to_its_end,
      raw_values_are_checked_as_well,
      limits_hold_for_texts_raw_values_and_depth_but_not_for_what_is_skipped,
      a_failure_to_read_comes_through)
