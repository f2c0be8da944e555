/* Mail to a real server (aiosmtpd), whose parser says what arrived. */
#include "notify/mail.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "server.h"

#define MOMENT (INT64_C(1795260600) * NS_PER_S) /* 2026-11-21T11:30:00Z */

static struct scratch dir;
static struct server web, smtp;
static const char *allowed[SMTP_PORTS];
static struct outbound_settings outbound;

static void server_begin(void)
{
    scratch_init(&dir);
    server_start(&web, "https_server.py", dir.path, HTTPS_PORTS); /* makes the certificates */
    server_stop(&web);
    server_start(&smtp, "smtp_server.py", dir.path, SMTP_PORTS);
    for (size_t i = 0; i < SMTP_PORTS; i++)
        allowed[i] = server_place("localhost", smtp.ports[i]);
    outbound = (struct outbound_settings){.allowed = allowed,
                                          .allowed_count = SMTP_PORTS,
                                          .ca_file = path_in(dir.path, "ca.pem"),
                                          .total_ms = 10000};
}

static void server_end(void)
{
    server_stop(&smtp);
    scratch_done(&dir);
}

static void settings_init(struct mail_settings *s, int port, const char *password)
{
    static const char *const secure[SMTP_PORTS] = {"false", "true", "none",
                                                   "false", "none", "none"};
    char digits[8];

    *s = (struct mail_settings){0};
    (void)snprintf(digits, sizeof(digits), "%u", (unsigned)smtp.ports[port]);
    CHECK_OK(mail_settings_set(s, "SMTP_HOST", "localhost", e));
    CHECK_OK(mail_settings_set(s, "SMTP_PORT", digits, e));
    CHECK_OK(mail_settings_set(s, "SMTP_SECURE", secure[port], e));
    CHECK_OK(mail_settings_set(s, "SMTP_FROM", "Shop <backup@example.org>", e));
    if (password != NULL) {
        CHECK_OK(mail_settings_set(s, "SMTP_USER", "backup@example.org", e));
        CHECK_OK(mail_settings_set(s, "SMTP_PASSWORD", password, e));
    }
    CHECK_OK(mail_settings_finish(s, e));
}

static enum outbound_outcome send_to(int port, const char *password, const char *to)
{
    AUTO(mail_settings) struct mail_settings s;
    const struct mail m = {.id = "0123abcd",
                           .to = to,
                           .subject = "Backup Completed: shop",
                           .text = "one\n.\ntwo\n",
                           .html = "<p>one</p>\n",
                           .time_ns = MOMENT};
    struct outbound_reply reply;

    settings_init(&s, port, password);
    CHECK_OK(mail_send(&s, &outbound, &m, &reply, e));
    return reply.outcome;
}

static json_t *only_mail(void)
{
    json_t *notes = server_notes(dir.path, "mails");
    json_t *mail = json_incref(json_array_get(notes, 0));

    ck_assert_uint_eq(json_array_size(notes), 1);
    json_decref(notes);
    return mail;
}

static const char *text_in(json_t *mail, const char *name)
{
    return json_string_value(json_object_get(mail, name));
}

static const char *part_in(json_t *mail, const char *type)
{
    return json_string_value(json_object_get(json_object_get(mail, "parts"), type));
}

TEST(a_mail_arrives_over_tls_with_a_login)
{
    static const int ports[] = {SMTP_STARTTLS, SMTP_TLS};

    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        ck_assert_str_eq(
            outbound_outcome_name(send_to(ports[i], "correct horse", "ops@example.org")), "done");

        json_t *mail = only_mail();

        ck_assert_str_eq(text_in(mail, "from"), "backup@example.org");
        ck_assert_str_eq(json_string_value(json_array_get(json_object_get(mail, "to"), 0)),
                         "ops@example.org");
        ck_assert_str_eq(text_in(mail, "subject"), "Backup Completed: shop");
        ck_assert_str_eq(text_in(mail, "type"), "multipart/alternative");
        ck_assert_str_eq(text_in(mail, "date"), "2026-11-21T11:30:00+00:00");
        ck_assert_str_eq(text_in(mail, "author"), "Shop <backup@example.org>");
        ck_assert_int_eq(json_integer_value(json_object_get(mail, "defects")), 0);
        /* What is a single dot ends a message over SMTP. */
        ck_assert_str_eq(part_in(mail, "text/plain"), "one\n.\ntwo\n");
        ck_assert_str_eq(part_in(mail, "text/html"), "<p>one</p>\n");
        json_decref(mail);
    }
}

TEST(a_mail_without_a_login_may_go_without_tls)
{
    CHECK(send_to(SMTP_PLAIN, NULL, "ops@example.org") == OUTBOUND_DONE);
    json_decref(only_mail());
}

TEST(whatever_the_texts_are_lines_are_short_ascii_and_read_back)
{
    AUTO(mail_settings) struct mail_settings s;
    AUTO(buf) struct buf text = {0};
    char subject[] = "\xe2\x9a\xa0 sch\xc3\xb6ne Gr\xc3\xbc\xc3\x9f"
                     "e, "
                     "\xf0\x9f\x92\xbe\xf0\x9f\x92\xbe\xf0\x9f\x92\xbe\xf0\x9f\x92\xbe "
                     "and as much again, so that it takes several words =?utf-8?q?x?=";
    struct outbound_reply reply;

    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "%s", i % 100 == 99 ? "\n" : "\xc3\xb6 .=");
    buf_printf(&text, "\nFrom here\n.hidden\n..\n   \n");

    const struct mail m = {.id = "a1",
                           .to = "ops@example.org",
                           .subject = subject,
                           .text = buf_string(&text),
                           .html = buf_string(&text),
                           .time_ns = MOMENT};

    settings_init(&s, SMTP_PLAIN, NULL);
    CHECK_OK(mail_send(&s, &outbound, &m, &reply, e));
    CHECK(reply.outcome == OUTBOUND_DONE);

    json_t *mail = only_mail();

    ck_assert_str_eq(text_in(mail, "subject"), subject);
    ck_assert_str_eq(part_in(mail, "text/plain"), buf_string(&text));
    ck_assert_str_eq(part_in(mail, "text/html"), buf_string(&text));
    ck_assert_int_eq(json_integer_value(json_object_get(mail, "bare")), 0);
    CHECK(json_integer_value(json_object_get(mail, "longest")) <= 78);
    ck_assert_int_eq(json_integer_value(json_object_get(mail, "defects")), 0);
    json_decref(mail);
}

TEST(a_recipient_who_is_not_there_is_told_from_one_who_has_no_room)
{
    CHECK(send_to(SMTP_PLAIN, NULL, "unknown@example.org") == OUTBOUND_REJECTED);
    CHECK(send_to(SMTP_PLAIN, NULL, "spam@example.org") == OUTBOUND_REJECTED);
    CHECK(send_to(SMTP_PLAIN, NULL, "full@example.org") == OUTBOUND_BUSY);
    CHECK(send_to(SMTP_PLAIN, NULL, "slow@example.org") == OUTBOUND_BUSY);
    CHECK(send_to(SMTP_PLAIN, NULL, "gone@example.org") == OUTBOUND_NO_ANSWER);
}

TEST(a_login_that_fails_is_not_the_messages_fault)
{
    ck_assert_str_eq(outbound_outcome_name(send_to(SMTP_STARTTLS, "wrong", "ops@example.org")),
                     "no_login");
    ck_assert_str_eq(outbound_outcome_name(send_to(SMTP_STARTTLS, NULL, "ops@example.org")),
                     "no_login");
}

/* The password would go over the wire otherwise. */
TEST(a_server_without_starttls_gets_no_password)
{
    CHECK(send_to(SMTP_LOGIN_ONLY, "correct horse", "ops@example.org") == OUTBOUND_NO_TLS);
}

TEST(a_greeting_that_turns_us_away_does_not_condemn_the_message)
{
    CHECK(send_to(SMTP_AWAY, NULL, "ops@example.org") == OUTBOUND_NO_ANSWER);
}

TEST(a_greeting_without_end_is_not_read_to_it)
{
    CHECK(send_to(SMTP_ENDLESS, NULL, "ops@example.org") == OUTBOUND_TOO_LONG);
}

TEST(the_mail_server_has_to_be_a_place_to_go_to)
{
    AUTO(mail_settings) struct mail_settings s;
    const struct outbound_settings none = {.ca_file = outbound.ca_file};
    struct outbound_settings system = outbound;
    const struct mail m = {
        .id = "a1", .to = "ops@example.org", .subject = "s", .text = "t", .time_ns = MOMENT};
    struct outbound_reply reply;

    settings_init(&s, SMTP_STARTTLS, "correct horse");
    CHECK_OK(mail_send(&s, &none, &m, &reply, e));
    CHECK(reply.outcome == OUTBOUND_REFUSED);
    system.ca_file = NULL;
    CHECK_OK(mail_send(&s, &system, &m, &reply, e));
    CHECK(reply.outcome == OUTBOUND_BAD_CERTIFICATE);
}

TESTS_BETWEEN("mail", server_begin, server_end, a_mail_arrives_over_tls_with_a_login,
              a_mail_without_a_login_may_go_without_tls,
              whatever_the_texts_are_lines_are_short_ascii_and_read_back,
              a_recipient_who_is_not_there_is_told_from_one_who_has_no_room,
              a_login_that_fails_is_not_the_messages_fault,
              a_server_without_starttls_gets_no_password,
              a_greeting_that_turns_us_away_does_not_condemn_the_message,
              a_greeting_without_end_is_not_read_to_it, the_mail_server_has_to_be_a_place_to_go_to)
