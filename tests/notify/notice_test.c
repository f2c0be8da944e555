/* From what happened to what is sent. */
#include "notify/notice.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "support/test.h"

#define MOMENT (INT64_C(1795260600) * NS_PER_S + 123456789) /* 2026-11-21T11:30:00.123456789Z */

static struct template_set *set;

static void set_begin(void)
{
    CHECK_OK(template_set_load(NULL, &set, e));
}

static void set_end(void)
{
    template_set_free(set);
}

/* As a config of the POS application has it: no snapshot, no host. */
static struct notice success(void)
{
    return (struct notice){.event = NOTICE_BACKUP,
                           .outcome = NOTICE_SUCCESS,
                           .id = "run-1",
                           .set = "Daily Database Backup",
                           .type = "database",
                           .has_size = true,
                           .size = 1572864,
                           .has_duration = true,
                           .duration_ms = 12345,
                           .time_ns = MOMENT};
}

static void message_of(const struct notice *n, const char *channel, struct message_list *out)
{
    uint64_t bad = 7;

    notice_messages(n, &channel, 1, set, out, &bad);
    CHECK(bad == 0 && out->count == 1);
}

TEST(the_mail_of_a_success_is_that_of_the_pos_application)
{
    AUTO(message_list) struct message_list l = {0};
    const struct notice n = success();

    message_of(&n, "admin@vevurn.com", &l);
    CHECK(l.items[0].kind == CHANNEL_MAIL && l.items[0].body == NULL);
    ck_assert_str_eq(l.items[0].target, "admin@vevurn.com");
    ck_assert_str_eq(l.items[0].subject, "Backup Completed: Daily Database Backup");
    ck_assert_str_eq(l.items[0].html,
                     "<h2>Backup Completed Successfully</h2>\n"
                     "<p><strong>Backup:</strong> Daily Database Backup</p>\n"
                     "<p><strong>Type:</strong> database</p>\n"
                     "<p><strong>Size:</strong> 1.5 MB</p>\n"
                     "<p><strong>Duration:</strong> 12.345s</p>\n"
                     "<p><strong>Timestamp:</strong> 2026-11-21T11:30:00.123Z</p>\n");
    ck_assert_str_eq(l.items[0].text, "Backup Completed Successfully\n\n"
                                      "Backup: Daily Database Backup\n"
                                      "Type: database\n"
                                      "Size: 1.5 MB\n"
                                      "Duration: 12.345s\n"
                                      "Timestamp: 2026-11-21T11:30:00.123Z\n");
}

TEST(the_mail_of_a_failure_is_that_of_the_pos_application)
{
    AUTO(message_list) struct message_list l = {0};
    struct notice n = success();

    n.outcome = NOTICE_FAILURE;
    n.size = 0;
    n.error = "pg_dump: <connection> refused";
    message_of(&n, "mailto:tech@vevurn.com", &l);
    ck_assert_str_eq(l.items[0].subject, "Backup Failed: Daily Database Backup");
    ck_assert_str_eq(l.items[0].html,
                     "<h2>Backup Failed</h2>\n"
                     "<p><strong>Backup:</strong> Daily Database Backup</p>\n"
                     "<p><strong>Error:</strong> pg_dump: &lt;connection&gt; refused</p>\n"
                     "<p><strong>Duration:</strong> 12.345s</p>\n"
                     "<p><strong>Timestamp:</strong> 2026-11-21T11:30:00.123Z</p>\n");
}

TEST(sizes_and_durations_are_written_as_javascript_does)
{
    static const struct {
        uint64_t size;
        const char *wanted;
    } sizes[] = {
        {0, "0 Bytes"},
        {1, "1 Bytes"},
        {1023, "1023 Bytes"},
        {1024, "1 KB"},
        {1536, "1.5 KB"},
        {1034, "1.01 KB"},
        {1029, "1 KB"},
        {1030, "1.01 KB"},
        {1048575, "1024 KB"},
        {1048576, "1 MB"},
        {1287651328, "1.2 GB"},
        {UINT64_C(5) << 40, "5 TB"},
        {UINT64_C(3) << 50, "3072 TB"},
        {UINT64_MAX, "16777216 TB"},
    };
    static const struct {
        int64_t ms;
        const char *wanted;
    } durations[] = {{0, "0"}, {1, "0.001"}, {10, "0.01"}, {1000, "1"}, {60500, "60.5"}};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(message_list) struct message_list l = {0};
        struct notice n = success();

        n.size = sizes[i].size;
        message_of(&n, "a@example.org", &l);
        CHECK(strstr(l.items[0].text, "Size: ") != NULL);
        ck_assert_msg(strncmp(strstr(l.items[0].text, "Size: ") + 6, sizes[i].wanted,
                              strlen(sizes[i].wanted)) == 0,
                      "%s: %s", sizes[i].wanted, l.items[0].text);
    }
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        AUTO(message_list) struct message_list l = {0};
        struct notice n = success();
        char text[32];

        n.duration_ms = durations[i].ms;
        message_of(&n, "https://hooks.example.org/x", &l);
        (void)snprintf(text, sizeof(text), "\"duration_s\":%s,", durations[i].wanted);
        ck_assert_msg(strstr(l.items[0].body, text) != NULL, "%s: %s", text, l.items[0].body);
    }
}

TEST(the_document_of_a_webhook_has_every_member)
{
    AUTO(message_list) struct message_list l = {0};
    struct notice n = success();

    message_of(&n, "https://hooks.example.org/x", &l);
    ck_assert_str_eq(
        l.items[0].body,
        "{\"version\":1,\"id\":\"run-1\",\"event\":\"backup\",\"outcome\":\"success\","
        "\"title\":\"Backup Completed Successfully\",\"set\":\"Daily Database Backup\","
        "\"type\":\"database\",\"size_bytes\":1572864,\"duration_s\":12.345,"
        "\"error\":null,\"snapshot\":null,\"time\":\"2026-11-21T11:30:00.123Z\","
        "\"host\":null}");
}

/* What any of them may be. */
TEST(texts_from_outside_stay_in_one_line_and_in_their_place)
{
    static const char *const channels[] = {"a@example.org", "https://hooks.example.org/x",
                                           "slack+https://hooks.example.org/x",
                                           "discord+https://hooks.example.org/x"};
    char hostile[3000] =
        "\"}]\r\nBcc: x@example.org\r\n<script>\xff\x01 {{error}} \xf0\x9f\x92\xbe";
    AUTO(message_list) struct message_list l = {0};
    struct notice n = success();
    uint64_t bad = 0;

    memset(hostile + strlen(hostile), '<', 2900);
    n.set = n.type = n.snapshot = n.host = n.error = hostile;
    notice_messages(&n, channels, 4, set, &l, &bad);
    CHECK(bad == 0 && l.count == 4);
    CHECK(strpbrk(l.items[0].subject, "\r\n") == NULL && strlen(l.items[0].subject) <= 120);
    CHECK(strstr(l.items[0].html, "<script>") == NULL);
    CHECK(strstr(l.items[0].text, "\nBcc:") == NULL);
    CHECK(strstr(l.items[0].text, "{{error}}") != NULL);
    for (size_t i = 1; i < 4; i++) {
        json_t *j = json_loads(l.items[i].body, JSON_REJECT_DUPLICATES, NULL);

        CHECK(json_is_object(j));
        CHECK(strlen(l.items[i].body) < 30000);
        json_decref(j);
    }
}

/* Discord refuses a message with a title above 256 or a value above 1024 characters. */
TEST(what_discord_gets_is_within_its_limits)
{
    char stars[2000] = "";
    AUTO(message_list) struct message_list l = {0};
    struct notice n = success();
    json_t *j = NULL;
    json_t *embed = NULL;
    json_t *field = NULL;
    size_t i = 0;

    memset(stars, '*', sizeof(stars) - 1);
    n.set = n.error = n.type = n.snapshot = n.host = stars;
    message_of(&n, "discord+https://hooks.example.org/x", &l);
    j = json_loads(l.items[0].body, 0, NULL);
    embed = json_array_get(json_object_get(j, "embeds"), 0);
    CHECK(json_string_length(json_object_get(embed, "title")) <= 256);
    CHECK(json_array_size(json_object_get(embed, "fields")) > 4);
    json_array_foreach(json_object_get(embed, "fields"), i, field)
        CHECK(json_string_length(json_object_get(field, "value")) <= 1024);
    json_decref(j);
}

TEST(a_heartbeat_says_only_what_failed)
{
    AUTO(message_list) struct message_list good = {0};
    AUTO(message_list) struct message_list failed = {0};
    AUTO(message_list) struct message_list silent = {0};
    struct notice n = success();

    message_of(&n, "heartbeat+https://hc-ping.com/x", &good);
    CHECK(good.items[0].body == NULL);
    n.outcome = NOTICE_INCOMPLETE;
    n.error = "one source is missing";
    message_of(&n, "heartbeat+https://hc-ping.com/x", &failed);
    ck_assert_str_eq(failed.items[0].body, "one source is missing");
    n.error = NULL;
    message_of(&n, "heartbeat+https://hc-ping.com/x", &silent);
    ck_assert_str_eq(silent.items[0].body, "Backup Incomplete");
}

TEST(a_channel_that_is_none_keeps_no_other_from_its_message)
{
    static const char *const channels[] = {"a@example.org", "nobody", "b@example.org", ""};
    AUTO(message_list) struct message_list l = {0};
    const struct notice n = success();
    uint64_t bad = 0;

    notice_messages(&n, channels, 4, set, &l, &bad);
    CHECK(l.count == 2 && bad == 0xA);
    ck_assert_str_eq(l.items[0].target, "a@example.org");
    ck_assert_str_eq(l.items[1].target, "b@example.org");
}

TEST(the_same_notice_makes_the_same_ids_and_another_makes_others)
{
    static const char *const channels[] = {"a@example.org", "b@example.org"};
    AUTO(message_list) struct message_list first = {0};
    AUTO(message_list) struct message_list again = {0};
    AUTO(message_list) struct message_list other = {0};
    struct notice n = success();
    uint64_t bad = 0;

    notice_messages(&n, channels, 2, set, &first, &bad);
    notice_messages(&n, channels, 2, set, &again, &bad);
    ck_assert_str_eq(first.items[0].id, again.items[0].id);
    ck_assert_str_ne(first.items[0].id, first.items[1].id);
    n.event = NOTICE_DRILL;
    notice_messages(&n, channels, 2, set, &other, &bad);
    ck_assert_str_ne(first.items[0].id, other.items[0].id);
}

TEST(every_event_has_words_for_every_outcome)
{
    static const char *const wanted[] = {"backup",    "drill",  "check",    "restore",
                                         "retention", "missed", "dead_man", "test"};

    for (int event = NOTICE_BACKUP; event <= NOTICE_TEST; event++) {
        ck_assert_str_eq(notice_event_name((enum notice_event)event), wanted[event]);
        for (int outcome = NOTICE_SUCCESS; outcome <= NOTICE_FAILURE; outcome++) {
            AUTO(message_list) struct message_list l = {0};
            const struct notice n = {.event = (enum notice_event)event,
                                     .outcome = (enum notice_outcome)outcome,
                                     .id = "x"};

            message_of(&n, "a@example.org", &l);
            CHECK(strlen(l.items[0].subject) > 5 && strncmp(l.items[0].html, "<h2>", 4) == 0);
        }
    }
}

TESTS_BETWEEN("notice", set_begin, set_end, the_mail_of_a_success_is_that_of_the_pos_application,
              the_mail_of_a_failure_is_that_of_the_pos_application,
              sizes_and_durations_are_written_as_javascript_does,
              the_document_of_a_webhook_has_every_member,
              texts_from_outside_stay_in_one_line_and_in_their_place,
              what_discord_gets_is_within_its_limits, a_heartbeat_says_only_what_failed,
              a_channel_that_is_none_keeps_no_other_from_its_message,
              the_same_notice_makes_the_same_ids_and_another_makes_others,
              every_event_has_words_for_every_outcome)
