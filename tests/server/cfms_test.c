/* Messages of CFMS by themselves: requests, envelopes, and what data may hold. */
#include <string.h>

#include "base/clock.h"
#include "codec/cfms_task.h"
#include "server/compat/cfms_private.h"
#include "support/test.h"

TEST(an_envelope_is_written_as_the_published_server_writes_it)
{
    AUTO(buf) struct buf out = {0};

    cfms_envelope(200, json_pack("{s:s, s:n, s:[i]}", "title", "B\xc3\xbc\"cher", "x", "n", 1),
                  "Success", INT64_C(1795207798) * NS_PER_S + NS_PER_S / 4, &out);
    ck_assert_str_eq(
        buf_string(&out),
        "{\"code\": 200, \"data\": {\"title\": \"B\xc3\xbc\\\"cher\", \"x\": null, \"n\": "
        "[1]}, \"message\": \"Success\", \"timestamp\": 1795207798.25}");
    buf_clear(&out);
    cfms_envelope(401, NULL, "no", NS_PER_S, &out);
    CHECK(strcmp(buf_string(&out), "{\"code\": 401, \"data\": {}, \"message\": \"no\", "
                                   "\"timestamp\": 1.0}") == 0);
}
END

TEST(a_request_is_an_object_and_what_it_lacks_is_empty)
{
    static const char *const bad[] = {
        "", "{", "[]", "7", "null", "{}x", "{\"a\":1,\"a\":2}", "{\"action\":\"a\\u0000\"}"};
    struct cfms_request q = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!cfms_request_parse(slice_string(bad[i]), &q));
    CHECK(cfms_request_parse(slice_string("{\"other\":1}"), &q));
    CHECK(strcmp(q.action, "") == 0 && json_object_size(q.data) == 0 && json_is_object(q.data) &&
          strcmp(q.username, "") == 0 && strcmp(q.token, "") == 0);
    cfms_request_auto(&q);
    CHECK(cfms_request_parse(slice_string("{\"action\":\"login\",\"data\":[],\"username\":\"u\","
                                          "\"token\":7}"),
                             &q));
    CHECK(strcmp(q.action, "login") == 0 && json_is_array(q.data) && strcmp(q.username, "u") == 0 &&
          strcmp(q.token, "") == 0);
    cfms_request_auto(&q);
}
END

static const struct cfms_member members[] = {
    {"name", true, false, 1, 3}, {"n", false, true, 60, 3600}, {0}};

/* What is said of data; "" when it is taken. */
static void check_data(const char *data, const char *sentence, const char *details)
{
    AUTO(json) json_t *j = json_loads(data, JSON_DECODE_ANY, NULL);
    AUTO(json) json_t *said = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf said_text = {0};

    CHECK(j != NULL);
    CHECK(cfms_check(j, members, &text, &said) == (sentence[0] == '\0'));
    ck_assert_str_eq(text.size == 0 ? "" : buf_string(&text), sentence);
    if (said != NULL)
        json_append(said, &said_text);
    ck_assert_str_eq(said == NULL ? "" : buf_string(&said_text), details);
}

TEST(data_is_what_the_action_takes_and_nothing_else)
{
    check_data("{\"name\":\"abc\"}", "", "");
    check_data("{\"name\":\"\xc3\xbc\xc3\xbc\xc3\xbc\",\"n\":60}", "", "");
    check_data("{\"name\":\"abcd\"}", "name is too long",
               "{\"validator\":\"maxLength\",\"validator_value\":3}");
    check_data("{\"name\":\"\"}", "name is too short",
               "{\"validator\":\"minLength\",\"validator_value\":1}");
    check_data("{\"name\":null}", "name is not of type 'string'",
               "{\"validator\":\"type\",\"validator_value\":\"string\"}");
    check_data("{}", "'name' is a required property",
               "{\"validator\":\"required\",\"validator_value\":[\"name\"]}");
    check_data("{\"name\":\"a\",\"n\":59}", "n is less than the minimum of 60",
               "{\"validator\":\"minimum\",\"validator_value\":60}");
    check_data("{\"name\":\"a\",\"n\":3601}", "n is greater than the maximum of 3600",
               "{\"validator\":\"maximum\",\"validator_value\":3600}");
    check_data("{\"name\":\"a\",\"n\":true}", "n is not of type 'integer'",
               "{\"validator\":\"type\",\"validator_value\":\"integer\"}");
    check_data("{\"name\":\"a\",\"N\":60}", "Additional properties are not allowed",
               "{\"validator\":\"additionalProperties\",\"validator_value\":false}");
    check_data("7", "data is not of type 'object'",
               "{\"validator\":\"type\",\"validator_value\":\"object\"}");
}
END

TEST(names_of_backups_lead_nowhere)
{
    static const char *const bad[] = {"",   ".",  "..",  "../x", "a/b",     ".a",
                                      "-a", "_a", "a b", "a\n",  "\xc3\xbc"};
    char longest[CFMS_NAME_MAX + 2];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!cfms_name_is(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[CFMS_NAME_MAX + 1] = '\0';
    CHECK(!cfms_name_is(longest));
    longest[CFMS_NAME_MAX] = '\0';
    CHECK(cfms_name_is(longest));
    CHECK(cfms_name_is("Friday_2026-11.22"));
}
END

TESTS("server cfms", an_envelope_is_written_as_the_published_server_writes_it,
      a_request_is_an_object_and_what_it_lacks_is_empty,
      data_is_what_the_action_takes_and_nothing_else, names_of_backups_lead_nowhere)
