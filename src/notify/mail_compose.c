#include <string.h>

#include "base/text.h"
#include "notify/mail.h"
#include "notify/mail_text.h"

static bool check_text(const char *what, const char *text, size_t limit, struct err *e)
{
    if (strlen(text) > limit)
        return err_set(e, ERR_USAGE, "the %s is longer than %zu bytes", what, limit);
    if (!utf8_is_valid(slice_string(text)))
        return err_set(e, ERR_USAGE, "the %s is not UTF-8", what);
    return true;
}

static bool is_id(const char *id)
{
    const size_t size = strlen(id);

    return size > 0 && size <= 64 &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == size;
}

static bool check(const struct mail *m, struct err *e)
{
    if (!mail_address_check(m->to, e))
        return err_wrap(e, "the recipient");
    if (!is_id(m->id))
        return err_set(e, ERR_USAGE, "the id of the message is not 1 to 64 letters and digits");
    if (m->time_ns < 0)
        return err_set(e, ERR_USAGE, "the time of the message is before 1970");
    if (!check_text("subject", m->subject, MAIL_SUBJECT_MAX, e) ||
        !check_text("text", m->text, MAIL_TEXT_MAX, e) ||
        (m->html != NULL && !check_text("HTML", m->html, MAIL_TEXT_MAX, e)))
        return false;
    if (mail_has_control(slice_string(m->subject)))
        return err_set(e, ERR_USAGE, "the subject has control characters");
    return true;
}

static void put_part(const char *type, const char *text, struct buf *out)
{
    buf_printf(out,
               "Content-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               type);
    mail_put_quoted(slice_string(text), out);
}

bool mail_compose(const struct mail *m, const char *from, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf date = {0};
    struct mail_from sender;

    if (!check(m, e) || !mail_from_parse(from, &sender, e))
        return false;
    mail_put_date(m->time_ns, &date);
    mail_put_head("Date", buf_slice(&date), out);
    mail_put_from(&sender, out);
    /* Addresses are too long for one line with a name, never for 998 characters. */
    buf_printf(out, "To: <%s>\r\n", m->to);
    mail_put_head("Subject", slice_string(m->subject), out);
    buf_printf(out, "Message-ID: <%s%s>\r\n", m->id, strrchr(sender.address, '@'));
    /* RFC 3834: no machine answers this. */
    buf_printf(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
    if (m->html == NULL) {
        put_part("text/plain", m->text, out);
        return true;
    }
    /* "=_" stands in no quoted-printable text. */
    buf_printf(out, "Content-Type: multipart/alternative; boundary=\"=_%s\"\r\n\r\n", m->id);
    buf_printf(out, "--=_%s\r\n", m->id);
    put_part("text/plain", m->text, out);
    buf_printf(out, "\r\n--=_%s\r\n", m->id);
    put_part("text/html", m->html, out);
    buf_printf(out, "\r\n--=_%s--\r\n", m->id);
    return true;
}
