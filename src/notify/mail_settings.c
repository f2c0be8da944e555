#include <string.h>

#include "base/mem.h"
#include "base/password.h"
#include "base/text.h"
#include "notify/mail.h"
#include "notify/mail_text.h"

void mail_settings_auto(struct mail_settings *s)
{
    mem_free(s->host);
    mem_free(s->user);
    mem_free(s->from);
    mem_secret_free(s->password);
}

static bool text_set(char **to, const char *name, const char *value, struct err *e)
{
    if (strlen(value) >= OUTBOUND_URL_MAX || mail_has_control(slice_string(value)))
        return err_set(e, ERR_USAGE, "%s is too long or has control characters", name);
    mem_free(*to);
    *to = mem_string(value);
    return true;
}

static bool port_set(struct mail_settings *s, const char *value, struct err *e)
{
    uint64_t port = 0;

    if (!parse_u64(value, &port, e) || port == 0 || port > UINT16_MAX)
        return err_set(e, ERR_USAGE, "SMTP_PORT is not a port from 1 to 65535");
    s->port = (uint16_t)port;
    return true;
}

static bool security_set(struct mail_settings *s, const char *value, struct err *e)
{
    static const char *const words[] = {
        [MAIL_STARTTLS] = "false", [MAIL_TLS] = "true", [MAIL_PLAIN] = "none"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(value, words[i]) == 0) {
            s->security = (enum mail_security)i;
            s->has_security = true;
            return true;
        }
    return err_set(e, ERR_USAGE, "SMTP_SECURE is not true, false or none");
}

static bool password_set(struct mail_settings *s, const char *value, bool is_file, struct err *e)
{
    AUTO(mem_secret) char *password = NULL;

    if (is_file ? !password_from_file(value, &password, e)
                : !password_take(slice_string(value), &password, e))
        return err_wrap(e, is_file ? "SMTP_PASSWORD_FILE" : "SMTP_PASSWORD");
    mem_secret_free(s->password);
    s->password = TAKE(password);
    return true;
}

bool mail_settings_set(struct mail_settings *s, const char *name, const char *value, struct err *e)
{
    if (strcmp(name, "SMTP_HOST") == 0)
        return text_set(&s->host, name, value, e);
    if (strcmp(name, "SMTP_USER") == 0)
        return text_set(&s->user, name, value, e);
    if (strcmp(name, "SMTP_FROM") == 0)
        return text_set(&s->from, name, value, e);
    if (strcmp(name, "SMTP_PORT") == 0)
        return port_set(s, value, e);
    if (strcmp(name, "SMTP_SECURE") == 0)
        return security_set(s, value, e);
    if (strcmp(name, "SMTP_PASSWORD") == 0)
        return password_set(s, value, false, e);
    if (strcmp(name, "SMTP_PASSWORD_FILE") == 0)
        return password_set(s, value, true, e);
    return err_set(e, ERR_NOT_FOUND, "%s is no setting of mail", name);
}

enum {
    PORT_PLAIN = 25,
    PORT_TLS = 465,        /* RFC 8314 3.3 */
    PORT_SUBMISSION = 587, /* RFC 6409 */
};

static void set_defaults(struct mail_settings *s)
{
    static const uint16_t ports[] = {
        [MAIL_STARTTLS] = PORT_SUBMISSION, [MAIL_TLS] = PORT_TLS, [MAIL_PLAIN] = PORT_PLAIN};

    if (!s->has_security && s->port == PORT_TLS)
        s->security = MAIL_TLS;
    if (s->port == 0)
        s->port = ports[s->security];
    if (s->security == MAIL_TLS && s->port == PORT_SUBMISSION)
        s->security = MAIL_STARTTLS;
    if (s->host == NULL && s->user != NULL)
        s->host = mem_string("smtp.gmail.com");
    if (s->from == NULL)
        s->from = mem_string(s->user);
}

bool mail_settings_finish(struct mail_settings *s, struct err *e)
{
    struct mail_from ignored;

    set_defaults(s);
    if (s->host == NULL)
        return err_set(e, ERR_NOT_FOUND, "no mail server is named (SMTP_HOST)");
    if ((s->user == NULL) != (s->password == NULL))
        return err_set(e, ERR_USAGE, "SMTP_USER and a password go together");
    if (s->password != NULL && s->security == MAIL_PLAIN)
        return err_set(e, ERR_USAGE, "a password is not sent without TLS");
    if (s->from == NULL)
        return err_set(e, ERR_USAGE, "no sender is named (SMTP_FROM)");
    if (!mail_from_parse(s->from, &ignored, e))
        return err_wrap(e, "SMTP_FROM");
    return true;
}
