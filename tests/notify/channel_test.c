/* Channels as a configuration writes them. */
#include "notify/channel.h"

#include <string.h>

#include "support/test.h"

TEST(each_way_to_write_a_channel_is_understood)
{
    static const struct {
        const char *text;
        enum channel_kind kind;
        const char *target;
    } rows[] = {
        {"mailto:ops@example.org", CHANNEL_MAIL, "ops@example.org"},
        {"ops@example.org", CHANNEL_MAIL, "ops@example.org"},
        {"https://hooks.example.org/x", CHANNEL_WEBHOOK, "https://hooks.example.org/x"},
        {"http://127.0.0.1:8080/x", CHANNEL_WEBHOOK, "http://127.0.0.1:8080/x"},
        {"webhook+https://hooks.example.org/x", CHANNEL_WEBHOOK, "https://hooks.example.org/x"},
        {"slack+https://hooks.slack.com/services/T/B/x", CHANNEL_SLACK,
         "https://hooks.slack.com/services/T/B/x"},
        {"discord+https://discord.com/api/webhooks/1/x", CHANNEL_DISCORD,
         "https://discord.com/api/webhooks/1/x"},
        {"heartbeat+https://hc-ping.com/x", CHANNEL_HEARTBEAT, "https://hc-ping.com/x"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct channel c;

        CHECK_OK(channel_parse(rows[i].text, &c, e));
        CHECK(c.kind == rows[i].kind);
        ck_assert_str_eq(c.target, rows[i].target);
    }
}

TEST(what_is_no_channel_is_refused_without_being_repeated)
{
    static const char *const bad[] = {
        "",
        "ops",
        "mailto:",
        "mailto:ops",
        "mailto:token@example.org\nBcc: x@example.org",
        "mailto:token@example.org,x@example.org",
        "mailto:token@example.org?bcc=x@example.org",
        "mail+https://hooks.example.org/token",
        "sms+https://hooks.example.org/token",
        "slack+http",
        "slack+mailto:ops@example.org",
        "slack+slack+https://a.example.org/token",
        "ftp://hooks.example.org/token",
        "https://user:token@hooks.example.org/",
        "slack+ https://hooks.example.org/token",
        "SLACK+https://hooks.example.org/token",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct channel c = {.target = NULL};
        struct err e = {0};

        ck_assert_msg(!channel_parse(bad[i], &c, &e), "%s was taken", bad[i]);
        CHECK(e.code == ERR_USAGE && c.target == NULL && strstr(e.text, "token") == NULL);
    }
}

TEST(kinds_have_names_that_read_back)
{
    for (int i = CHANNEL_MAIL; i <= CHANNEL_HEARTBEAT; i++) {
        enum channel_kind kind = CHANNEL_MAIL;

        CHECK(channel_kind_parse(channel_kind_name((enum channel_kind)i), &kind));
        CHECK((int)kind == i);
    }
    enum channel_kind kind = CHANNEL_MAIL;

    CHECK(!channel_kind_parse("sms", &kind));
}

TESTS("channel", each_way_to_write_a_channel_is_understood,
      what_is_no_channel_is_refused_without_being_repeated, kinds_have_names_that_read_back)
