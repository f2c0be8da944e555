/* Templates: what is read, what is refused, and that no value gets out of its place. */
#include "notify/template.h"

#include <jansson.h>
#include <string.h>

#include "support/fixture.h"

static void write_out(enum template_kind kind, const char *text, const struct template_values *v,
                      struct buf *out)
{
    AUTO(template) struct template *t = NULL;

    CHECK_OK(template_parse(kind, "t", slice_string(text), &t, e));
    template_write(t, v, out);
}

static void check(enum template_kind kind, const char *text, const struct template_values *v,
                  const char *wanted)
{
    AUTO(buf) struct buf out = {0};

    write_out(kind, text, v, &out);
    ck_assert_str_eq(buf_string(&out), wanted);
}

TEST(fields_and_sections_are_filled_in)
{
    const struct template_values v = {.text = {
                                          [BLANK_SET] = "shop",
                                          [BLANK_ERROR] = "",
                                      }};

    check(TEMPLATE_TEXT, "", &v, "");
    check(TEMPLATE_TEXT, "a } { b {", &v, "a } { b {");
    check(TEMPLATE_TEXT, "{{set}}{{ set }}", &v, "shopshop");
    check(TEMPLATE_TEXT, "[{{error}}{{type}}]", &v, "[]");
    check(TEMPLATE_TEXT, "{{#set}}is {{set}}{{/set}}{{#error}}no{{/error}}", &v, "is shop");
    check(TEMPLATE_TEXT, "{{^set}}no{{/set}}{{^error}}fine{{/error}}", &v, "fine");
    check(TEMPLATE_TEXT, "{{#set}}a{{#error}}b{{#set}}c{{/set}}{{/error}}d{{/set}}", &v, "ad");
    check(TEMPLATE_TEXT, "{{^error}}{{#set}}x{{/set}}{{/error}}!", &v, "x!");
}

TEST(what_is_no_template_is_refused_with_its_line)
{
    static const char *const bad[][2] = {
        {"a\nb {{sett}}", "t:2: there is no field sett; did you mean set?"},
        {"{{}}", "t:1: there is no field "},
        {"{{SET}}", "t:1: there is no field SET"},
        {"{{{set}}}", "t:1: there is no field {set"},
        {"{{set", "t:1: {{ is not followed by a field and }}"},
        {"\n\n{{set }", "t:3: {{ is not followed by a field and }}"},
        {"{{a name that is longer than any field is}}", "t:1: {{ is not followed"},
        {"{{#set}}", "t: section set is not closed"},
        {"{{/set}}", "t:1: no section set is open here"},
        {"{{#set}}{{#error}}{{/set}}{{/error}}", "t:1: no section set is open here"},
        {"{{&set}}", "t:1: there is no field &set"},
        {"{{> file}}", "t:1: there is no field > file"},
        {"{{#}}", "t:1: there is no field "},
        {"\xff", "t is not UTF-8"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(template) struct template *t = NULL;
        struct err e = {0};

        CHECK(!template_parse(TEMPLATE_TEXT, "t", slice_string(bad[i][0]), &t, &e));
        CHECK(e.code == ERR_USAGE && t == NULL);
        ck_assert_msg(strncmp(e.text, bad[i][1], strlen(bad[i][1])) == 0, "%s: %s", bad[i][0],
                      e.text);
    }
}

TEST(a_template_has_limits)
{
    AUTO(buf) struct buf text = {0};
    AUTO(template) struct template *t = NULL;

    for (int i = 0; i < TEMPLATE_PIECES_MAX; i++)
        buf_printf(&text, "{{#set}}");
    CHECK_ERR(template_parse(TEMPLATE_TEXT, "t", buf_slice(&text), &t, e), ERR_USAGE);
    buf_clear(&text);
    memset(buf_extend(&text, TEMPLATE_SIZE_MAX), 'x', TEMPLATE_SIZE_MAX);
    CHECK_OK(template_parse(TEMPLATE_TEXT, "t", buf_slice(&text), &t, e));
    template_free(TAKE(t));
    buf_printf(&text, "x");
    CHECK_ERR(template_parse(TEMPLATE_TEXT, "t", buf_slice(&text), &t, e), ERR_USAGE);
    CHECK_ERR(template_parse(TEMPLATE_TEXT, "t", SLICE_OF("a\0b", 3), &t, e), ERR_USAGE);
}

TEST(values_in_html_are_text)
{
    const struct template_values v = {
        .text = {[BLANK_SET] = "<script>alert('x')</script> & \"y\" onload=\"z\""}};

    check(TEMPLATE_HTML, "<p title=\"{{set}}\">", &v,
          "<p title=\"&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot; "
          "onload=&quot;z&quot;\">");
    check(TEMPLATE_TEXT, "{{set}}", &v, v.text[BLANK_SET]);
}

TEST(values_in_json_are_texts_numbers_or_null)
{
    const struct template_values v = {.text = {[BLANK_SET] = "a \"b\" \\ \x01 \xc3\xb6",
                                               [BLANK_SIZE_BYTES] = "17",
                                               [BLANK_TYPE] = "18"}};

    check(TEMPLATE_JSON, "{\"a\":{{set}},\"b\":\"x{{set}}\"}", &v,
          "{\"a\":\"a \\\"b\\\" \\\\ \\u0001 \xc3\xb6\",\"b\":\"xa \\\"b\\\" \\\\ \\u0001 "
          "\xc3\xb6\"}");
    check(TEMPLATE_JSON, "[{{size_bytes}},\"{{size_bytes}}\",{{type}},{{error}},\"{{error}}\"]", &v,
          "[17,\"17\",\"18\",null,\"\"]");
    check(TEMPLATE_JSON, "[\"\\\"{{type}}\",\"\\\\\",{{type}}]", &v,
          "[\"\\\"18\",\"\\\\\",\"18\"]");
}

TEST(a_section_of_json_does_not_end_in_another_place_than_it_begins)
{
    AUTO(template) struct template *t = NULL;

    CHECK_ERR(template_parse(TEMPLATE_JSON, "t", slice_string("[\"{{#set}}\",{{/set}}1]"), &t, e),
              ERR_USAGE);
    CHECK_OK(template_parse(TEMPLATE_TEXT, "t", slice_string("[\"{{#set}}\",{{/set}}1]"), &t, e));
}

TEST(what_a_service_takes_for_markup_is_escaped)
{
    const struct template_values v = {
        .text = {[BLANK_SET] = "<!channel> & <https://x|y> *b* _i_ @everyone `c` [a](b) \"q\"",
                 [BLANK_TIME] = "2026-11-21T11:30:00.000Z"}};

    check(TEMPLATE_SLACK, "{{set}}", &v,
          "\"&lt;!channel&gt; &amp; &lt;https://x|y&gt; *b* _i_ @everyone `c` [a](b) "
          "\\\"q\\\"\"");
    check(TEMPLATE_DISCORD, "{{set}}", &v,
          "\"\\\\<!channel\\\\> & \\\\<https\\\\://x\\\\|y\\\\> \\\\*b\\\\* \\\\_i\\\\_ "
          "\\\\@everyone \\\\`c\\\\` \\\\[a\\\\]\\\\(b\\\\) \\\"q\\\"\"");
    check(TEMPLATE_DISCORD, "{{time}}", &v, "\"2026-11-21T11:30:00.000Z\"");
}

static void check_json(const struct template_set *s, enum template_kind kind,
                       const struct template_values *v)
{
    AUTO(buf) struct buf out = {0};

    template_set_write(s, kind, v, &out);

    json_t *j = json_loadb((const char *)out.data, out.size, JSON_REJECT_DUPLICATES, NULL);

    ck_assert_msg(json_is_object(j), "%s", buf_string(&out));
    json_decref(j);
}

/* Every combination of values that are there and are not. */
TEST(what_is_built_in_comes_to_json_whatever_is_known)
{
    static const enum template_field fields[] = {BLANK_SET,        BLANK_TYPE,  BLANK_SIZE,
                                                 BLANK_DURATION,   BLANK_ERROR, BLANK_SNAPSHOT,
                                                 BLANK_SIZE_BYTES, BLANK_HOST};
    enum { COUNT = sizeof(fields) / sizeof(fields[0]) };
    AUTO(template_set) struct template_set *s = NULL;

    CHECK_OK(template_set_load(NULL, &s, e));
    for (unsigned mask = 0; mask < 1U << COUNT; mask++) {
        struct template_values v = {.text = {[BLANK_COLOR_NUMBER] = "1", [BLANK_TIME_S] = "2"}};

        for (size_t i = 0; i < COUNT; i++)
            v.text[fields[i]] = mask >> i & 1 ? (fields[i] == BLANK_SIZE_BYTES ? "5" : "\"]}") : "";
        check_json(s, TEMPLATE_JSON, &v);
        check_json(s, TEMPLATE_SLACK, &v);
        check_json(s, TEMPLATE_DISCORD, &v);
    }
}

TEST(files_replace_what_is_built_in)
{
    AUTO(scratch) struct scratch dir;
    AUTO(template_set) struct template_set *s = NULL;
    AUTO(buf) struct buf out = {0};
    const struct template_values v = {.text = {[BLANK_SET] = "shop", [BLANK_TITLE] = "Title"}};

    scratch_init(&dir);
    file_put_text(path_in(dir.path, "mail-subject.txt"), "[backup] {{set}}\n");
    CHECK_OK(template_set_load(dir.path, &s, e));
    template_set_write(s, TEMPLATE_SUBJECT, &v, &out);
    ck_assert_str_eq(buf_string(&out), "[backup] shop");
    buf_clear(&out);
    template_set_write(s, TEMPLATE_HTML, &v, &out);
    CHECK(strncmp(buf_string(&out), "<h2>Title</h2>", 14) == 0);
}

TEST(a_file_that_comes_to_nothing_usable_is_refused_when_it_is_read)
{
    static const char *const bad[][2] = {
        {"mail-subject.txt", ""},
        {"mail-subject.txt", "a\nb"},
        {"mail-subject.txt", "{{error}}"},
        {"mail.txt", "{{nothing}}"},
        {"webhook.json", "{\"a\":{{set}}"},
        {"webhook.json", "[{{set}}]"},
        {"webhook.json", "{\"a\":1,{{#set}}\"b\":2{{/set}}}"},
        {"slack.json", "text"},
        {"discord.json", "{\"a\":1,\"a\":2}"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(scratch) struct scratch dir;
        AUTO(template_set) struct template_set *s = NULL;

        scratch_init(&dir);
        file_put_text(path_in(dir.path, bad[i][0]), bad[i][1]);
        CHECK_ERR(template_set_load(dir.path, &s, e), ERR_USAGE);
        CHECK(s == NULL);
    }
}

/* The trial sees everything or little; here one value is missing that the trial always has. */
TEST(a_file_that_fails_on_the_night_gives_way_to_what_is_built_in)
{
    AUTO(scratch) struct scratch dir;
    AUTO(template_set) struct template_set *s = NULL;
    AUTO(buf) struct buf out = {0};
    const struct template_values v = {.text = {[BLANK_TYPE] = "full"}};

    scratch_init(&dir);
    file_put_text(path_in(dir.path, "webhook.json"),
                  "{{#set}}{}{{/set}}{{^set}}{{#type}}oops{{/type}}{{^type}}{}{{/type}}{{/set}}");
    CHECK_OK(template_set_load(dir.path, &s, e));
    template_set_write(s, TEMPLATE_JSON, &v, &out);
    CHECK(strstr(buf_string(&out), "\"version\":1") != NULL);
    CHECK(strstr(buf_string(&out), "oops") == NULL);
}

TESTS("template", fields_and_sections_are_filled_in, what_is_no_template_is_refused_with_its_line,
      a_template_has_limits, values_in_html_are_text, values_in_json_are_texts_numbers_or_null,
      a_section_of_json_does_not_end_in_another_place_than_it_begins,
      what_a_service_takes_for_markup_is_escaped, what_is_built_in_comes_to_json_whatever_is_known,
      files_replace_what_is_built_in,
      a_file_that_comes_to_nothing_usable_is_refused_when_it_is_read,
      a_file_that_fails_on_the_night_gives_way_to_what_is_built_in)
