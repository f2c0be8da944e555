/* Mails as they are written, byte by byte; tests/notify/mail_test.c has them read by another. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "notify/mail.h"
#include "notify/mail_text.h"

#define MOMENT (INT64_C(1795260600) * NS_PER_S) /* 2026-11-21T11:30:00Z */

static struct mail plain(void)
{
    return (struct mail){.id = "0123abcd",
                         .to = "ops@example.org",
                         .subject = "Backup Completed: shop",
                         .text = "one\ntwo\n",
                         .html = "<p>one</p>\n",
                         .time_ns = MOMENT};
}

TEST(a_mail_is_written_like_this)
{
    const struct mail m = plain();
    AUTO(buf) struct buf out = {0};

    CHECK_OK(mail_compose(&m, "backup@example.org", &out, e));
    ck_assert_str_eq(buf_string(&out), "Date: Sat, 21 Nov 2026 11:30:00 +0000\r\n"
                                       "From: <backup@example.org>\r\n"
                                       "To: <ops@example.org>\r\n"
                                       "Subject: Backup Completed: shop\r\n"
                                       "Message-ID: <0123abcd@example.org>\r\n"
                                       "Auto-Submitted: auto-generated\r\n"
                                       "MIME-Version: 1.0\r\n"
                                       "Content-Type: multipart/alternative; "
                                       "boundary=\"=_0123abcd\"\r\n"
                                       "\r\n"
                                       "--=_0123abcd\r\n"
                                       "Content-Type: text/plain; charset=utf-8\r\n"
                                       "Content-Transfer-Encoding: quoted-printable\r\n"
                                       "\r\n"
                                       "one\r\n"
                                       "two\r\n"
                                       "\r\n"
                                       "--=_0123abcd\r\n"
                                       "Content-Type: text/html; charset=utf-8\r\n"
                                       "Content-Transfer-Encoding: quoted-printable\r\n"
                                       "\r\n"
                                       "<p>one</p>\r\n"
                                       "\r\n"
                                       "--=_0123abcd--\r\n");
}

TEST(a_mail_without_html_has_one_part)
{
    struct mail m = plain();
    AUTO(buf) struct buf out = {0};

    m.html = NULL;
    CHECK_OK(mail_compose(&m, "backup@example.org", &out, e));
    CHECK(strstr(buf_string(&out), "multipart") == NULL);
    CHECK(strstr(buf_string(&out), "Content-Type: text/plain; charset=utf-8\r\n") != NULL);
    CHECK(strstr(buf_string(&out), "\r\n\r\none\r\ntwo\r\n") != NULL);
}

static void check_date(int64_t seconds, const char *wanted)
{
    AUTO(buf) struct buf out = {0};

    mail_put_date(seconds * NS_PER_S, &out);
    ck_assert_str_eq(buf_string(&out), wanted);
}

TEST(dates_name_their_day)
{
    check_date(0, "Thu, 01 Jan 1970 00:00:00 +0000");
    check_date(951782400, "Tue, 29 Feb 2000 00:00:00 +0000");
    check_date(1709251199, "Thu, 29 Feb 2024 23:59:59 +0000");
    check_date(1798761599, "Thu, 31 Dec 2026 23:59:59 +0000");
}

static void check_quoted(const char *text, const char *wanted)
{
    AUTO(buf) struct buf out = {0};

    mail_put_quoted(slice_string(text), &out);
    ck_assert_str_eq(buf_string(&out), wanted);
}

TEST(quoted_printable_is_ascii_in_lines)
{
    check_quoted("", "");
    check_quoted("a=b", "a=3Db\r\n");
    check_quoted("a\r\nb\n\nc", "a\r\nb\r\n\r\nc\r\n");
    check_quoted("end \nend\t\n", "end=20\r\nend=09\r\n");
    check_quoted("\xc3\xb6\x7f\r", "=C3=B6=7F=0D\r\n");
    check_quoted("a\rb", "a=0Db\r\n");
    check_quoted(".\n..\n", ".\r\n..\r\n");
}

TEST(lines_are_cut_at_76_characters_and_never_within_an_escape)
{
    for (size_t size = 60; size < 90; size++) {
        char text[100] = "";
        AUTO(buf) struct buf out = {0};

        memset(text, 'x', size);
        memcpy(text + size, "\xc3\xb6", 3);
        mail_put_quoted(slice_string(text), &out);
        for (const char *line = buf_string(&out); *line != '\0';) {
            const char *end = strstr(line, "\r\n");

            CHECK(end != NULL && end - line <= 76);
            CHECK(end < line + 2 || end[-1] != '=' || end[-2] != '=');
            line = end + 2;
        }
        CHECK(strstr(buf_string(&out), "=C3") != NULL && strstr(buf_string(&out), "B6") != NULL);
    }
}

static void check_head(const char *value, const char *wanted)
{
    AUTO(buf) struct buf out = {0};

    mail_put_head("Subject", slice_string(value), &out);
    ck_assert_str_eq(buf_string(&out), wanted);
}

TEST(subjects_that_are_not_short_ascii_become_encoded_words)
{
    check_head("", "Subject: \r\n");
    check_head("B\xc3\xb6rse", "Subject: =?utf-8?B?QsO2cnNl?=\r\n");
    check_head("a =?utf-8?q?b?=", "Subject: =?utf-8?B?YSA9P3V0Zi04P3E/Yj89?=\r\n");
    /* Room for 39 bytes beside the name, and the 39th is the first of two: they go on together. */
    check_head("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xb6",
               "Subject: =?utf-8?B?eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=?=\r\n "
               "=?utf-8?B?w7Y=?=\r\n");
}

static bool is_taken(const struct mail *m, const char *from)
{
    AUTO(buf) struct buf out = {0};
    struct err e = {0};
    const bool done = mail_compose(m, from, &out, &e);

    CHECK(done || (e.code == ERR_USAGE && e.text[0] != '\0' && out.size == 0));
    return done;
}

TEST(nothing_gets_a_line_into_the_head)
{
    static const char *const injections[] = {
        "a\r\nBcc: x@example.org",
        "a\nBcc: x@example.org",
        "a\rBcc: x@example.org",
        "a\r\n\r\nbody",
        "a\x0b\x62",
        "a\x7f",
        "\n",
    };
    struct mail m = plain();

    CHECK(is_taken(&m, "backup@example.org"));
    for (size_t i = 0; i < sizeof(injections) / sizeof(injections[0]); i++) {
        char address[100];

        m = plain();
        m.subject = injections[i];
        CHECK(!is_taken(&m, "backup@example.org"));
        m = plain();
        (void)snprintf(address, sizeof(address), "ops@example.org%s", injections[i]);
        m.to = address;
        CHECK(!is_taken(&m, "backup@example.org"));
        m = plain();
        CHECK(!is_taken(&m, address));
        (void)snprintf(address, sizeof(address), "Shop %s <backup@example.org>", injections[i]);
        CHECK(!is_taken(&m, address));
        m.id = injections[i];
        CHECK(!is_taken(&m, "backup@example.org"));
    }
}

TEST(texts_that_are_too_long_or_no_utf_8_are_refused)
{
    AUTO(buf) struct buf long_text = {0};
    struct mail m = plain();

    memset(buf_extend(&long_text, MAIL_TEXT_MAX + 1), 'x', MAIL_TEXT_MAX + 1);
    m.text = buf_string(&long_text);
    CHECK(!is_taken(&m, "backup@example.org"));
    m = plain();
    m.html = "\xff";
    CHECK(!is_taken(&m, "backup@example.org"));
    m = plain();
    m.subject = "\xc3";
    CHECK(!is_taken(&m, "backup@example.org"));
    m = plain();
    m.time_ns = -1;
    CHECK(!is_taken(&m, "backup@example.org"));
}

TEST(addresses_are_a_name_and_a_host)
{
    static const char *const good[] = {
        "ops@example.org", "a.b+c@example.org",       "o'neil@sub.example.org",
        "x@localhost",     "!#$%&'*+/=?^_`{|}~@a.bc", "ops@10gbit.example",
        "root@mail-1",
    };
    static const char *const bad[] = {
        "",
        "@",
        "ops",
        "ops@",
        "@example.org",
        "a@b@example.org",
        "ops@example.org ",
        " ops@example.org",
        "o ps@example.org",
        "ops@exa mple.org",
        "<ops@example.org>",
        "ops@example.org,x@example.org",
        "ops@example.org;x@example.org",
        "\"a b\"@example.org",
        "ops@[127.0.0.1]",
        "ops@127.0.0.1",
        "ops@example..org",
        "ops@.example.org",
        "ops@example.org.",
        ".ops@example.org",
        "ops.@example.org",
        "o..ps@example.org",
        "-f@example.org",
        "ops@-example.org",
        "\xc3\xb6ps@example.org",
        "ops@ex\xc3\xb6mple.org",
        "ops(comment)@example.org",
        "ops@example.org:25",
        "ops@::1",
        "ops@example.org\n",
        "ops\0@example.org",
        "a23456789012345678901234567890123456789012345678901234567890123456@example.org",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK_OK(mail_address_check(good[i], e));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(mail_address_check(bad[i], e), ERR_USAGE);
}

TEST(senders_may_have_a_name)
{
    AUTO(buf) struct buf out = {0};
    struct mail_from from;

    CHECK_OK(mail_from_parse("\"Shop, backup\" <backup@example.org>", &from, e));
    mail_put_from(&from, &out);
    ck_assert_str_eq(buf_string(&out),
                     "From: =?utf-8?B?U2hvcCwgYmFja3Vw?=\r\n <backup@example.org>\r\n");
    CHECK_ERR(mail_from_parse("Shop <backup@example.org", &from, e), ERR_USAGE);
    CHECK_ERR(mail_from_parse("Shop <>", &from, e), ERR_USAGE);
    CHECK_ERR(mail_from_parse("<", &from, e), ERR_USAGE);
    CHECK_ERR(mail_from_parse("", &from, e), ERR_USAGE);
    CHECK_ERR(mail_from_parse("\xff <backup@example.org>", &from, e), ERR_USAGE);
}

TESTS("mail_compose", a_mail_is_written_like_this, a_mail_without_html_has_one_part,
      dates_name_their_day, quoted_printable_is_ascii_in_lines,
      lines_are_cut_at_76_characters_and_never_within_an_escape,
      subjects_that_are_not_short_ascii_become_encoded_words, nothing_gets_a_line_into_the_head,
      texts_that_are_too_long_or_no_utf_8_are_refused, addresses_are_a_name_and_a_host,
      senders_may_have_a_name)
