#include "archive/bundle.h"

#include <string.h>
#include <time.h>

#include "support/test.h"

/* What the published client sends. */
static const char published[] =
    "{\"timestamp\":\"2026-11-20T20:50:02.080Z\",\"version\":\"1.0.0\",\"data\":{\"users\":[],"
    "\"sessions\":[],\"firewall_state\":{},\"metadata\":{\"source\":\"main-private-files\","
    "\"buildTime\":1795207802098}}}";

static void read_text(const char *text, struct bundle *out)
{
    CHECK_OK(bundle_read(slice_string(text), out, e));
}

TEST(what_the_published_client_sends_has_the_form)
{
    AUTO(bundle) struct bundle b = {0};

    read_text(published, &b);
    ck_assert_uint_eq(sizeof(published) - 1, 181);
    ck_assert_int_eq(b.facts.kind, BUNDLE_PRIVATE);
    ck_assert_str_eq(b.facts.timestamp, "2026-11-20T20:50:02.080Z");
    ck_assert_str_eq(b.facts.version, "1.0.0");
    CHECK(b.facts.has_users && b.facts.users == 0 && b.facts.has_sessions && b.facts.sessions == 0);
    CHECK_OK(bundle_require_form(&b.facts, e));
}
END

TEST(users_and_sessions_are_counted_and_unknown_members_are_kept)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf text = {0};
    static const char in[] =
        "{\"more\":1,\"timestamp\":\"t\",\"version\":\"v\",\"data\":{\"users\":[\"alice\",\"bob\"],"
        "\"sessions\":[\"session_123\"],\"firewall_state\":{\"users\":[\"x\"]},\"else\":[[]]}}";

    read_text(in, &b);
    ck_assert_uint_eq(b.facts.users, 2);
    ck_assert_uint_eq(b.facts.sessions, 1);
    bundle_indent(&b, slice_string(in), false, &text);
    ck_assert_uint_eq(text.size, b.facts.indented_size);
    CHECK(strstr(buf_string(&text), "\"more\": 1") != NULL);
    CHECK(strstr(buf_string(&text), "\"else\": [\n      []\n    ]") != NULL);
}
END

static const struct {
    const char *text, *why;
} formless[] = {
    {"[]", "it is no object"},
    {"null", "it is no object"},
    {"{}", "timestamp is no text"},
    {"{\"timestamp\":1,\"version\":\"\",\"data\":{}}", "timestamp is no text"},
    {"{\"timestamp\":\"\",\"data\":{}}", "version is no text"},
    {"{\"timestamp\":\"\",\"version\":\"\"}", "data is no object"},
    {"{\"timestamp\":\"\",\"version\":\"\",\"data\":[{}]}", "data is no object"},
    {"{\"timestamp\":\"\",\"version\":\"\",\"data\":{},\"data\":[]}", "data is no object"},
    {"{\"timestamp\":\"\",\"version\":\"\",\"data\":{\"users\":{}}}",
     "data.users is no list of texts"},
    {"{\"timestamp\":\"\",\"version\":\"\",\"data\":{\"users\":[\"a\",1]}}",
     "data.users is no list of texts"},
    {"{\"timestamp\":\"\",\"version\":\"\",\"data\":{\"sessions\":[[]]}}",
     "data.sessions is no list of texts"},
    {"{\"timestamp\":\"\",\"version\":\"\",\"data\":{\"firewall_state\":[]}}",
     "data.firewall_state is no object"},
    {"{\"timestamp\":\"\",\"version\":\"\",\"data\":{\"metadata\":null}}",
     "data.metadata is no object"},
};

TEST(any_json_is_read_and_what_lacks_the_form_is_told_why)
{
    for (size_t i = 0; i < sizeof(formless) / sizeof(formless[0]); i++) {
        AUTO(bundle) struct bundle b = {0};

        read_text(formless[i].text, &b);
        ck_assert_int_eq(b.facts.kind, BUNDLE_OTHER);
        ck_assert_str_eq(b.facts.why, formless[i].why);
        CHECK_ERR(bundle_require_form(&b.facts, e), ERR_CORRUPT);
    }
}
END

TEST(of_members_that_come_twice_the_last_counts)
{
    AUTO(bundle) struct bundle b = {0};

    read_text("{\"timestamp\":1,\"timestamp\":\"now\",\"version\":\"1\",\"data\":7,\"data\":{"
              "\"users\":[1],\"users\":[\"a\",\"b\",\"c\"],\"sessions\":[\"s\"]},\"data\":{"
              "\"users\":[\"z\"]}}",
              &b);
    ck_assert_int_eq(b.facts.kind, BUNDLE_PRIVATE);
    ck_assert_str_eq(b.facts.timestamp, "now");
    ck_assert_uint_eq(b.facts.users, 1);
    CHECK(!b.facts.has_sessions);
}
END

TEST(bundles_of_the_other_server_are_told_by_their_type)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(bundle) struct bundle deeper = {0};

    read_text("{\"type\":\"chalk-bundle\",\"version\":\"1.0.0\",\"content\":{},\"integrity\":\"\"}",
              &b);
    ck_assert_int_eq(b.facts.kind, BUNDLE_CHALK);
    read_text("{\"a\":{\"type\":\"chalk-bundle\"}}", &deeper);
    ck_assert_int_eq(deeper.facts.kind, BUNDLE_OTHER);
}
END

TEST(texts_that_are_too_long_or_half_characters_are_not_noted)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "{\"timestamp\":\"%0*d\",\"version\":\"\\ud800\",\"data\":{}}",
               BUNDLE_TEXT_MAX, 0);
    read_text(buf_string(&text), &b);
    ck_assert_str_eq(b.facts.timestamp, "");
    ck_assert_str_eq(b.facts.version, "");
    ck_assert_int_eq(b.facts.kind, BUNDLE_PRIVATE);
}
END

/* Whether a document of this many bytes is taken. */
static bool takes_size(size_t size, struct err *e)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf text = {0};

    memset(buf_extend(&text, size), ' ', size);
    text.data[0] = '7';
    return bundle_read(buf_slice(&text), &b, e);
}

TEST(a_bundle_has_at_most_16_mib)
{
    CHECK_OK(takes_size(BUNDLE_SIZE_MAX, e));
    CHECK_ERR(takes_size(BUNDLE_SIZE_MAX + 1, e), ERR_USAGE);
}
END

/* The same open bracket over and over. */
static bool takes_many(const char *piece, size_t count, struct err *e)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf text = {0};

    for (size_t i = 0; i < count; i++)
        buf_append_slice(&text, slice_string(piece));
    return bundle_read(buf_slice(&text), &b, e);
}

TEST(depth_is_bounded_whatever_follows)
{
    CHECK_ERR(takes_many("[", 100000, e), ERR_CORRUPT);
    CHECK_ERR(takes_many("{\"a\":", 100000, e), ERR_CORRUPT);
    CHECK_ERR(takes_many("\"\\ud800", 100000, e), ERR_CORRUPT);
}
END

TEST(a_hostile_bundle_takes_bounded_time)
{
    AUTO(bundle) struct bundle wide = {0};
    AUTO(bundle) struct bundle twice = {0};
    AUTO(buf) struct buf text = {0};
    const clock_t began = clock();

    for (int i = 0; i < BUNDLE_DEPTH_MAX; i++)
        buf_put_u8(&text, '[');
    while (text.size < BUNDLE_SIZE_MAX - BUNDLE_DEPTH_MAX - 2)
        buf_append(&text, "1,", 2);
    buf_put_u8(&text, '1');
    for (int i = 0; i < BUNDLE_DEPTH_MAX; i++)
        buf_put_u8(&text, ']');
    CHECK_OK(bundle_read(buf_slice(&text), &wide, e));
    CHECK(wide.facts.indented_size > (size_t)1 << 30);

    buf_clear(&text);
    buf_put_u8(&text, '{');
    for (int i = 1; i < BUNDLE_NAMES_MAX; i++)
        buf_printf(&text, "\"%x\":1,", i / 2);
    buf_printf(&text, "\"\":1}");
    CHECK_OK(bundle_read(buf_slice(&text), &twice, e));
    /* Of the processor; a few seconds, and more under sanitizers. */
    CHECK((clock() - began) / CLOCKS_PER_SEC < 50);
}
END

TEST(more_names_than_can_be_remembered_are_refused)
{
    AUTO(buf) struct buf text = {0};
    AUTO(bundle) struct bundle b = {0};

    buf_put_u8(&text, '{');
    for (int i = 0; i < BUNDLE_NAMES_MAX; i++)
        buf_printf(&text, "\"%x\":1,", i);
    buf_printf(&text, "\"\":1}");
    CHECK_ERR(bundle_read(buf_slice(&text), &b, e), ERR_CORRUPT);
}
END

TEST(names_of_bundles_are_told_from_others)
{
    static const char *const wrong[] = {"",
                                        "backup_",
                                        "backup_20240101_120000",
                                        "backup_20240101_120000.jso",
                                        "backup_20240101_120000.json~",
                                        "backup_20240101-120000.json",
                                        "backup_2024010_1120000.json",
                                        "backup_20240101_120000_.json",
                                        "backup_20240101_120000_12.json",
                                        "backup_20240101_120000_1234567890.json",
                                        "../backup_20240101_120000.json"};
    char stamp[BUNDLE_STAMP_MAX];

    CHECK(bundle_name_is("backup_20240101_120000.json", stamp));
    ck_assert_str_eq(stamp, "20240101_120000");
    CHECK(bundle_name_is("backup_20240101_120000_0002.json", NULL));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK(!bundle_name_is(wrong[i], NULL));
}
END

TEST(replies_are_those_of_the_published_server)
{
    AUTO(buf) struct buf text = {0};

    bundle_saved("backup_20240101_120000.json", "20240101_120000", 256, &text);
    ck_assert_str_eq(buf_string(&text),
                     "{\"status\": \"success\", \"message\": \"Backup saved successfully\", "
                     "\"filename\": \"backup_20240101_120000.json\", \"timestamp\": "
                     "\"20240101_120000\", \"size\": 256}");
    buf_clear(&text);
    bundle_refusal(BUNDLE_FAILED, &text);
    ck_assert_str_eq(buf_string(&text),
                     "{\"error\": \"Internal server error\", \"status\": \"failed\"}");
    buf_clear(&text);
    bundle_refusal(BUNDLE_NOT_FOUND, &text);
    ck_assert_str_eq(buf_string(&text), "{\"error\": \"Not found\"}");
    ck_assert_int_eq(bundle_status(BUNDLE_TOO_FAST), 429);
    ck_assert_int_eq(bundle_status(BUNDLE_FULL), 507);
    ck_assert_str_eq(bundle_reason(BUNDLE_FULL), "Insufficient Storage");
}
END

TESTS("bundle", what_the_published_client_sends_has_the_form,
      users_and_sessions_are_counted_and_unknown_members_are_kept,
      any_json_is_read_and_what_lacks_the_form_is_told_why,
      of_members_that_come_twice_the_last_counts,
      bundles_of_the_other_server_are_told_by_their_type,
      texts_that_are_too_long_or_half_characters_are_not_noted, a_bundle_has_at_most_16_mib,
      depth_is_bounded_whatever_follows, a_hostile_bundle_takes_bounded_time,
      more_names_than_can_be_remembered_are_refused, names_of_bundles_are_told_from_others,
      replies_are_those_of_the_published_server)
