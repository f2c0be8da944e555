/* Messages kept as documents, sent, and sent again. */
#include "notify/message.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "server.h"

static struct scratch dir;
static struct server web, smtp;
static const char *allowed[2];
static struct message_settings settings;
static struct mail_settings mail;

static void server_begin(void)
{
    char port[8];

    scratch_init(&dir);
    server_start(&web, "https_server.py", dir.path, HTTPS_PORTS);
    server_start(&smtp, "smtp_server.py", dir.path, SMTP_PORTS);
    allowed[0] = server_place("localhost", web.ports[HTTPS_GOOD]);
    allowed[1] = server_place("localhost", smtp.ports[SMTP_STARTTLS]);
    (void)snprintf(port, sizeof(port), "%u", (unsigned)smtp.ports[SMTP_STARTTLS]);
    CHECK_OK(mail_settings_set(&mail, "SMTP_HOST", "localhost", e));
    CHECK_OK(mail_settings_set(&mail, "SMTP_PORT", port, e));
    CHECK_OK(mail_settings_set(&mail, "SMTP_USER", "backup@example.org", e));
    CHECK_OK(mail_settings_set(&mail, "SMTP_PASSWORD", "correct horse", e));
    CHECK_OK(mail_settings_finish(&mail, e));
    settings = (struct message_settings){.outbound = {.allowed = allowed,
                                                      .allowed_count = 2,
                                                      .ca_file = path_in(dir.path, "ca.pem"),
                                                      .total_ms = 10000},
                                         .mail = &mail,
                                         .webhook_secret = "secret"};
}

static void server_end(void)
{
    mail_settings_auto(&mail);
    server_stop(&web);
    server_stop(&smtp);
    scratch_done(&dir);
}

static struct message mail_to(const char *to)
{
    return (struct message){.kind = CHANNEL_MAIL,
                            .id = mem_string("0a1b"),
                            .target = mem_string(to),
                            .subject = mem_string("Backup Completed: \xc3\xb6"),
                            .text = mem_string("one\n"),
                            .html = mem_string("<p>one</p>"),
                            .time_ns = INT64_C(1795260600000000000)};
}

static struct message hook(enum channel_kind kind, const char *url, const char *body)
{
    return (struct message){.kind = kind,
                            .id = mem_string("0a1b"),
                            .target = mem_string(url),
                            .body = mem_string(body),
                            .time_ns = 5};
}

static bool is_same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void check_reads_back(const struct message *m)
{
    AUTO(buf) struct buf text = {0};
    AUTO(message) struct message read = {0};

    message_encode(m, &text);
    CHECK_OK(message_decode(buf_slice(&text), &read, e));
    CHECK(read.kind == m->kind && read.time_ns == m->time_ns && is_same_text(read.id, m->id) &&
          is_same_text(read.target, m->target) && is_same_text(read.subject, m->subject) &&
          is_same_text(read.text, m->text) && is_same_text(read.html, m->html) &&
          is_same_text(read.body, m->body));
}

TEST(every_kind_of_message_reads_back)
{
    AUTO(message) struct message to = mail_to("ops@example.org");
    AUTO(message)
    struct message slack = hook(CHANNEL_SLACK, "https://a.example.org/x", "{\"a\":1}");
    AUTO(message) struct message alive = hook(CHANNEL_HEARTBEAT, "https://a.example.org/x", NULL);
    AUTO(message) struct message dead = hook(CHANNEL_HEARTBEAT, "https://a.example.org/x", "why");

    check_reads_back(&to);
    check_reads_back(&slack);
    check_reads_back(&alive);
    check_reads_back(&dead);
}

/* A document of these members and the rest of a whole one. */
static bool is_message(const char *members)
{
    AUTO(message) struct message m = {0};
    AUTO(buf) struct buf text = {0};
    struct err e = {0};

    buf_printf(&text, "{%s,\"id\":\"0a1b\",\"target\":\"https://a.example.org/x\",\"time_ns\":5}",
               members);

    const bool done = message_decode(buf_slice(&text), &m, &e);

    CHECK(done || (e.code == ERR_CORRUPT && m.id == NULL));
    return done;
}

TEST(what_is_no_message_is_refused)
{
    static const char *const bad[] = {
        "\"version\":2,\"channel\":\"slack\",\"body\":\"{}\"",
        "\"version\":\"1\",\"channel\":\"slack\",\"body\":\"{}\"",
        "\"version\":1,\"channel\":\"sms\",\"body\":\"{}\"",
        "\"version\":1,\"channel\":\"slack\"",
        "\"version\":1,\"channel\":\"slack\",\"body\":{}",
        "\"version\":1,\"channel\":\"slack\",\"body\":\"{}\",\"text\":\"x\"",
        "\"version\":1,\"channel\":\"slack\",\"body\":\"{}\",\"more\":1",
        "\"version\":1,\"channel\":\"slack\",\"body\":\"{}\",\"body\":\"{}\"",
        "\"version\":1,\"channel\":\"slack\",\"body\":\"a\\u0000b\"",
        "\"version\":1,\"channel\":\"mail\",\"subject\":\"x\"",
        "\"version\":1,\"channel\":\"mail\",\"text\":\"x\"",
        "\"version\":1,\"channel\":\"mail\",\"subject\":\"x\",\"text\":\"x\",\"body\":\"x\"",
        "\"version\":1,\"channel\":\"heartbeat\",\"html\":\"x\"",
    };
    static const char *const whole[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"version\":1,\"channel\":\"heartbeat\",\"id\":\"0a\",\"target\":\"x\",\"time_ns\":-1}",
        "{\"version\":1,\"channel\":\"heartbeat\",\"id\":\"0a\",\"target\":\"x\",\"time_ns\":1} x",
    };

    CHECK(is_message("\"version\":1,\"channel\":\"slack\",\"body\":\"{}\""));
    CHECK(is_message("\"version\":1,\"channel\":\"mail\",\"subject\":\"x\",\"text\":\"x\""));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!is_message(bad[i]), "%s", bad[i]);
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        struct message m = {.id = NULL};

        CHECK_ERR(message_decode(slice_string(whole[i]), &m, e), ERR_CORRUPT);
    }
}

static void check_sent(struct message m, enum message_fate fate, enum outbound_outcome outcome)
{
    struct message_result result;

    CHECK_OK(message_send(&m, &settings, &result, e));
    ck_assert_str_eq(outbound_outcome_name(result.outcome), outbound_outcome_name(outcome));
    CHECK(result.fate == fate);
    ck_assert_int_eq(result.retry_after_s, outcome == OUTBOUND_BUSY && m.body != NULL ? 120 : 0);
    message_auto(&m);
}

static const char *url(const char *path)
{
    return server_url("https", "localhost", web.ports[HTTPS_GOOD], path);
}

TEST(messages_of_every_kind_are_sent)
{
    json_t *notes = NULL;

    check_sent(mail_to("ops@example.org"), MESSAGE_SENT, OUTBOUND_DONE);
    check_sent(hook(CHANNEL_WEBHOOK, url("/json"), "{\"a\":1}"), MESSAGE_SENT, OUTBOUND_DONE);
    check_sent(hook(CHANNEL_SLACK, url("/slack"), "{\"b\":1}"), MESSAGE_SENT, OUTBOUND_DONE);
    check_sent(hook(CHANNEL_DISCORD, url("/discord"), "{\"c\":1}"), MESSAGE_SENT, OUTBOUND_DONE);
    check_sent(hook(CHANNEL_HEARTBEAT, url("/beat"), NULL), MESSAGE_SENT, OUTBOUND_DONE);
    notes = server_notes(dir.path, "mails");
    ck_assert_uint_eq(json_array_size(notes), 1);
    json_decref(notes);
    notes = server_notes(dir.path, "requests");
    ck_assert_uint_eq(json_array_size(notes), 4);
    for (size_t i = 0; i < 4; i++) {
        static const char *const bodies[] = {"{\"a\":1}", "{\"b\":1}", "{\"c\":1}", ""};

        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(notes, i), "body")),
                         bodies[i]);
    }
    json_decref(notes);
}

TEST(what_may_come_right_is_tried_later_and_what_cannot_is_not)
{
    check_sent(mail_to("full@example.org"), MESSAGE_LATER, OUTBOUND_BUSY);
    check_sent(mail_to("unknown@example.org"), MESSAGE_NEVER, OUTBOUND_REJECTED);
    check_sent(hook(CHANNEL_WEBHOOK, url("/503"), "{}"), MESSAGE_LATER, OUTBOUND_BUSY);
    check_sent(hook(CHANNEL_WEBHOOK, url("/404"), "{}"), MESSAGE_NEVER, OUTBOUND_REJECTED);
    check_sent(hook(CHANNEL_WEBHOOK, url("/302"), "{}"), MESSAGE_NEVER, OUTBOUND_REDIRECTED);
    check_sent(hook(CHANNEL_WEBHOOK, url("/break"), "{}"), MESSAGE_LATER, OUTBOUND_NO_ANSWER);
    check_sent(hook(CHANNEL_WEBHOOK, "https://127.0.0.1/x", "{}"), MESSAGE_NEVER, OUTBOUND_REFUSED);
    check_sent(hook(CHANNEL_SLACK, "ftp://a.example.org", "{}"), MESSAGE_NEVER, OUTBOUND_REFUSED);
}

TEST(a_mail_server_that_is_not_listed_condemns_no_mail)
{
    AUTO(message) struct message m = mail_to("ops@example.org");
    struct message_settings none = settings;
    struct message_result result;

    none.outbound.allowed_count = 0;
    CHECK_OK(message_send(&m, &none, &result, e));
    CHECK(result.outcome == OUTBOUND_REFUSED && result.fate == MESSAGE_LATER);
}

TEST(a_message_that_makes_no_sense_is_told_apart_from_a_try)
{
    AUTO(message) struct message address = mail_to("nobody");
    AUTO(message) struct message id = hook(CHANNEL_SLACK, url("/200"), "{}");
    AUTO(message) struct message body = hook(CHANNEL_SLACK, url("/200"), NULL);
    AUTO(message) struct message post = mail_to("ops@example.org");
    struct message_settings none = settings;
    struct message_result result;

    CHECK_ERR(message_send(&address, &settings, &result, e), ERR_USAGE);
    mem_free(id.id);
    id.id = mem_string("a\r\nX-Evil: 1");
    CHECK_ERR(message_send(&id, &settings, &result, e), ERR_USAGE);
    CHECK_ERR(message_send(&body, &settings, &result, e), ERR_USAGE);
    none.mail = NULL;
    CHECK_ERR(message_send(&post, &none, &result, e), ERR_NOT_FOUND);
    cancel_request();
    CHECK_ERR(message_send(&post, &settings, &result, e), ERR_CANCELLED);
}

TEST(waits_double_up_to_half_a_day_and_end_with_the_twelfth_try)
{
    static const int64_t minutes[] = {2, 4, 8, 16, 32, 64, 128, 256, 512, 720, 720};
    int64_t wait_ms = 0;
    int64_t longest_ms = 0;

    for (int tries = 1; tries < MESSAGE_TRIES; tries++) {
        const int64_t bound_ms = minutes[tries - 1] * 60 * 1000;

        CHECK(message_next_try(tries, 0, UINT32_MAX, &wait_ms));
        CHECK(wait_ms < bound_ms && wait_ms > bound_ms - 1000);
        longest_ms += wait_ms;
        CHECK(message_next_try(tries, 0, UINT32_C(1) << 31, &wait_ms));
        ck_assert_int_eq(wait_ms, bound_ms / 2);
        CHECK(message_next_try(tries, 0, 0, &wait_ms));
        ck_assert_int_eq(wait_ms, 1000);
    }
    CHECK(longest_ms / 3600 / 1000 == 41);
    CHECK(!message_next_try(MESSAGE_TRIES, 0, 0, &wait_ms));
    CHECK(!message_next_try(MESSAGE_TRIES + 5, 0, 0, &wait_ms));
}

TEST(a_wait_that_the_other_side_asks_for_is_kept)
{
    int64_t wait_ms = 0;

    CHECK(message_next_try(1, 600, UINT32_MAX, &wait_ms));
    ck_assert_int_eq(wait_ms, 600 * 1000);
    CHECK(message_next_try(9, 600, UINT32_C(1) << 31, &wait_ms));
    ck_assert_int_eq(wait_ms, 256 * 60 * 1000);
}

TESTS_BETWEEN("message", server_begin, server_end, every_kind_of_message_reads_back,
              what_is_no_message_is_refused, messages_of_every_kind_are_sent,
              what_may_come_right_is_tried_later_and_what_cannot_is_not,
              a_mail_server_that_is_not_listed_condemns_no_mail,
              a_message_that_makes_no_sense_is_told_apart_from_a_try,
              waits_double_up_to_half_a_day_and_end_with_the_twelfth_try,
              a_wait_that_the_other_side_asks_for_is_kept)
