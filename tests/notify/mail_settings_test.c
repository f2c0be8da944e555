/* The mail server as variables name it. */
#include <string.h>

#include "notify/mail.h"
#include "support/fixture.h"

static void set(struct mail_settings *s, const char *name, const char *value)
{
    CHECK_OK(mail_settings_set(s, name, value, e));
}

TEST(the_variables_of_the_pos_application_are_taken)
{
    AUTO(mail_settings) struct mail_settings s = {0};

    set(&s, "SMTP_HOST", "mail.example.org");
    set(&s, "SMTP_PORT", "2525");
    set(&s, "SMTP_SECURE", "true");
    set(&s, "SMTP_USER", "shop@example.org");
    set(&s, "SMTP_PASSWORD", "correct horse");
    set(&s, "SMTP_FROM", "Shop <backup@example.org>");
    CHECK_OK(mail_settings_finish(&s, e));
    ck_assert_str_eq(s.host, "mail.example.org");
    ck_assert_uint_eq(s.port, 2525);
    CHECK(s.security == MAIL_TLS);
    ck_assert_str_eq(s.user, "shop@example.org");
    ck_assert_str_eq(s.password, "correct horse");
    ck_assert_str_eq(s.from, "Shop <backup@example.org>");
}

TEST(what_is_not_said_has_defaults)
{
    static const struct {
        const char *port, *secure;
        enum mail_security security;
        uint16_t wanted;
    } rows[] = {
        {NULL, NULL, MAIL_STARTTLS, 587},    {NULL, "false", MAIL_STARTTLS, 587},
        {NULL, "true", MAIL_TLS, 465},       {NULL, "none", MAIL_PLAIN, 25},
        {"465", NULL, MAIL_TLS, 465},        {"465", "false", MAIL_STARTTLS, 465},
        {"587", "true", MAIL_STARTTLS, 587}, {"25", NULL, MAIL_STARTTLS, 25},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(mail_settings) struct mail_settings s = {0};

        set(&s, "SMTP_HOST", "mail.example.org");
        set(&s, "SMTP_FROM", "backup@example.org");
        if (rows[i].port != NULL)
            set(&s, "SMTP_PORT", rows[i].port);
        if (rows[i].secure != NULL)
            set(&s, "SMTP_SECURE", rows[i].secure);
        CHECK_OK(mail_settings_finish(&s, e));
        ck_assert_uint_eq(s.port, rows[i].wanted);
        ck_assert_int_eq(s.security, rows[i].security);
    }
}

TEST(the_user_is_the_sender_and_names_the_host_when_nobody_does)
{
    AUTO(mail_settings) struct mail_settings s = {0};

    set(&s, "SMTP_USER", "shop@example.org");
    set(&s, "SMTP_PASSWORD", "x");
    CHECK_OK(mail_settings_finish(&s, e));
    ck_assert_str_eq(s.host, "smtp.gmail.com");
    ck_assert_str_eq(s.from, "shop@example.org");
}

TEST(the_password_may_stand_in_a_file)
{
    AUTO(scratch) struct scratch dir;
    AUTO(mail_settings) struct mail_settings s = {0};

    scratch_init(&dir);
    file_put_text(path_in(dir.path, "password"), "correct horse\n");
    set(&s, "SMTP_PASSWORD_FILE", path_in(dir.path, "password"));
    ck_assert_str_eq(s.password, "correct horse");
    CHECK_ERR(mail_settings_set(&s, "SMTP_PASSWORD_FILE", path_in(dir.path, "none"), e),
              ERR_NOT_FOUND);
}

TEST(bad_values_are_refused_and_change_nothing)
{
    static const char *const bad[][2] = {
        {"SMTP_PORT", "0"},      {"SMTP_PORT", "65536"},        {"SMTP_PORT", "smtp"},
        {"SMTP_PORT", ""},       {"SMTP_SECURE", "yes"},        {"SMTP_SECURE", ""},
        {"SMTP_HOST", "a\r\nb"}, {"SMTP_USER", "a\nb"},         {"SMTP_FROM", "a\tb"},
        {"SMTP_PASSWORD", ""},   {"SMTP_PASSWORD", "one\ntwo"},
    };
    AUTO(mail_settings) struct mail_settings s = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(mail_settings_set(&s, bad[i][0], bad[i][1], e), ERR_USAGE);
    CHECK(s.port == 0 && s.host == NULL && s.user == NULL && s.from == NULL && s.password == NULL);
    CHECK_ERR(mail_settings_set(&s, "SMTP_NAME", "x", e), ERR_NOT_FOUND);
}

static enum err_code finish(const char *const (*pairs)[2], size_t count)
{
    AUTO(mail_settings) struct mail_settings s = {0};
    struct err error = {0};

    for (size_t i = 0; i < count; i++)
        set(&s, pairs[i][0], pairs[i][1]);
    return mail_settings_finish(&s, &error) ? ERR_NONE : error.code;
}
#define FINISH(...)                               \
    finish((const char *const[][2]){__VA_ARGS__}, \
           sizeof((const char *const[][2]){__VA_ARGS__}) / sizeof(const char *[2]))

TEST(what_does_not_go_together_is_refused)
{
    CHECK(FINISH({"SMTP_PORT", "25"}) == ERR_NOT_FOUND);
    CHECK(FINISH({"SMTP_HOST", "mail.example.org"}) == ERR_USAGE);
    CHECK(FINISH({"SMTP_HOST", "mail.example.org"}, {"SMTP_FROM", "nobody"}) == ERR_USAGE);
    CHECK(FINISH({"SMTP_USER", "a@example.org"}) == ERR_USAGE);
    CHECK(FINISH({"SMTP_HOST", "mail.example.org"}, {"SMTP_FROM", "a@example.org"},
                 {"SMTP_PASSWORD", "x"}) == ERR_USAGE);
    CHECK(FINISH({"SMTP_USER", "a@example.org"}, {"SMTP_PASSWORD", "x"}, {"SMTP_SECURE", "none"}) ==
          ERR_USAGE);
    CHECK(FINISH({"SMTP_HOST", "mail.example.org"}, {"SMTP_FROM", "a@example.org"}) == ERR_NONE);
}

TESTS("mail_settings", the_variables_of_the_pos_application_are_taken,
      what_is_not_said_has_defaults, the_user_is_the_sender_and_names_the_host_when_nobody_does,
      the_password_may_stand_in_a_file, bad_values_are_refused_and_change_nothing,
      what_does_not_go_together_is_refused)
