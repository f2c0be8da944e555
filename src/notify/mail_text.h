/* The text forms of mail: addresses, heads, quoted-printable.  Private to this folder. */
#ifndef NOTIFY_MAIL_TEXT_H
#define NOTIFY_MAIL_TEXT_H

#include "base/buf.h"

/* Who writes; points into the text. */
struct mail_from {
    struct slice name; /* without quotes; may be empty */
    char address[256];
};
MUST_CHECK bool mail_from_parse(const char *text, struct mail_from *out, struct err *e);

/* "Name: value" with CR LF; value as it is when it is short plain ASCII, else as encoded words (RFC
 * 2047), folded.  value is UTF-8 without control characters. */
void mail_put_head(const char *name, struct slice value, struct buf *out);

/* The same for an address with a name before it. */
void mail_put_from(const struct mail_from *from, struct buf *out);

/* "Sat, 21 Nov 2026 21:00:00 +0000" (RFC 5322). */
void mail_put_date(int64_t time_ns, struct buf *out);

/* Quoted-printable (RFC 2045 6.7): lines of at most 76 characters, ended by CR LF. */
void mail_put_quoted(struct slice text, struct buf *out);

bool mail_has_control(struct slice text);

#endif
