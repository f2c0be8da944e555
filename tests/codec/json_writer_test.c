#include "codec/json_writer.h"

#include <jansson.h>
#include <string.h>

#include "support/test.h"

static struct slice text(const char *s)
{
    return slice_string(s);
}

TEST(commas_stand_between_items_and_nowhere_else)
{
    AUTO(json_writer) struct json_writer w = {0};

    json_writer_open(&w, '{');
    json_writer_name(&w, text("a"));
    json_writer_open(&w, '[');
    json_writer_close(&w, ']');
    json_writer_name(&w, text("b"));
    json_writer_open(&w, '[');
    json_writer_raw(&w, text("1"));
    json_writer_open(&w, '{');
    json_writer_close(&w, '}');
    json_writer_text(&w, text("x"));
    json_writer_close(&w, ']');
    json_writer_name(&w, text(""));
    json_writer_raw(&w, text("null"));
    json_writer_close(&w, '}');
    ck_assert_str_eq(buf_string(&w.out), "{\"a\":[],\"b\":[1,{},\"x\"],\"\":null}");
}
END

TEST(what_was_taken_away_is_not_missed)
{
    AUTO(json_writer) struct json_writer w = {0};

    json_writer_open(&w, '[');
    json_writer_raw(&w, text("1"));
    buf_clear(&w.out);
    json_writer_raw(&w, text("2"));
    json_writer_close(&w, ']');
    ck_assert_str_eq(buf_string(&w.out), ",2]");
}
END

TEST(control_characters_and_quotation_marks_are_escaped)
{
    AUTO(json_writer) struct json_writer w = {0};

    json_writer_text(&w, SLICE_OF("\0\x01\b\t\n\v\f\r\x1f \"\\/\x7f\xc3\xa9", 16));
    ck_assert_str_eq(buf_string(&w.out),
                     "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\x7f\xc3\xa9\"");
}
END

TEST(every_character_reads_back)
{
    for (uint32_t c = 0; c < 0x110000; c += c < 0x900 ? 1 : 97) {
        AUTO(json_writer) struct json_writer w = {0};
        uint8_t bytes[4];
        size_t size = 1;

        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (c < 0x80) {
            bytes[0] = (uint8_t)c;
        } else {
            size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
            for (size_t i = size - 1; i > 0; i--)
                bytes[i] = (uint8_t)(0x80 | (c >> (6 * (size - 1 - i)) & 0x3f));
            bytes[0] = (uint8_t)(0xf00 >> size | c >> (6 * (size - 1)));
        }
        json_writer_text(&w, SLICE_OF(bytes, size));

        json_t *read = json_loadb((const char *)w.out.data, w.out.size,
                                  JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

        ck_assert_msg(read != NULL, "U+%04x", (unsigned)c);
        ck_assert_uint_eq(json_string_length(read), size);
        CHECK(memcmp(json_string_value(read), bytes, size) == 0);
        json_decref(read);
    }
}
END

TESTS("json_writer", commas_stand_between_items_and_nowhere_else, what_was_taken_away_is_not_missed,
      control_characters_and_quotation_marks_are_escaped, every_character_reads_back)
