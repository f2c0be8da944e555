/*
 * Mail: one message to one recipient, made whole and then handed to a mail server (RFC 5321, with
 * libcurl).  Part of notify.h.
 *
 * A message is multipart/alternative with a text and an HTML part, both UTF-8 as
 * quoted-printable, so that its lines are short ASCII ended by CR LF whatever was in the texts.
 * Nothing from outside gets into the head but a checked address and a subject without control
 * characters.
 */
#ifndef NOTIFY_MAIL_H
#define NOTIFY_MAIL_H

#include "notify/outbound.h"

#define MAIL_TEXT_MAX    ((size_t)1 << 20) /* bytes, of each part */
#define MAIL_SUBJECT_MAX 1000              /* bytes */

enum mail_security {
    MAIL_STARTTLS, /* demanded before anything is said */
    MAIL_TLS,      /* from the first byte (smtps) */
    MAIL_PLAIN,    /* no TLS, and then no password either */
};

/* The mail server and who writes.  {0}, then mail_settings_set() and mail_settings_finish().
 * libcurl and OpenSSL make copies of the password that are released without being wiped. */
struct mail_settings {
    char *host;
    uint16_t port;
    enum mail_security security;
    bool has_security; /* it was said, and is not a default */
    char *user;        /* or NULL */
    char *password;    /* secret memory, or NULL */
    char *from;        /* "NAME@HOST" or "A name <NAME@HOST>" */
};
void mail_settings_auto(struct mail_settings *s);

/*
 * Take a variable by its name: SMTP_HOST, SMTP_PORT, SMTP_SECURE ("true": TLS from the first byte,
 * except at port 587 where STARTTLS is what servers speak; "false": STARTTLS; "none": no TLS),
 * SMTP_USER, SMTP_PASSWORD, SMTP_PASSWORD_FILE, SMTP_FROM.  The caller wipes its own copy of the
 * value.  ERR_NOT_FOUND for another name, ERR_USAGE for a bad value; a password is in no sentence.
 */
MUST_CHECK bool mail_settings_set(struct mail_settings *s, const char *name, const char *value,
                                  struct err *e);

/*
 * Fill in defaults (port 587, or 465 with TLS and 25 without; the sender is the user; with a user
 * and no host smtp.gmail.com) and check what belongs together.  ERR_NOT_FOUND when no mail server
 * was named at all, else ERR_USAGE.
 */
MUST_CHECK bool mail_settings_finish(struct mail_settings *s, struct err *e);

/*
 * An address as of RFC 5321 without quotes, comments, literals and other characters than ASCII:
 * NAME@HOST.  ERR_USAGE.
 */
MUST_CHECK bool mail_address_check(const char *text, struct err *e);

struct mail {
    const char *id; /* letters and digits; equal ids are one message sent twice */
    const char *to; /* one address */
    const char *subject;
    const char *text; /* UTF-8; lines end by LF or CR LF */
    const char *html; /* or NULL: then there is one part */
    int64_t time_ns;  /* the date in its head */
};

/* The whole message, appended.  ERR_USAGE when an address is none, a text too long or not UTF-8, or
 * the subject has control characters. */
MUST_CHECK bool mail_compose(const struct mail *m, const char *from, struct buf *out,
                             struct err *e);

/* Hand it to the server.  Fails as mail_compose(), before anything is sent.  The server has to be a
 * place that outbound allows, like any other. */
MUST_CHECK bool mail_send(const struct mail_settings *s, const struct outbound_settings *o,
                          const struct mail *m, struct outbound_reply *out, struct err *e);

#endif
