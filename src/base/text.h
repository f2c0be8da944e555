/*
 * Text forms of bytes, numbers and times, and the parsers that read them back.  All
 * parsers take the whole string or fail with ERR_USAGE and a sentence naming it.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"

/* Lower-case hexadecimal with a NUL; out has room for 2 * in.size + 1 bytes. */
void hex_encode(struct slice in, char *out);

/* Decode exactly size bytes from 2 * size digits of either case; false otherwise. */
MUST_CHECK bool hex_decode(const char *text, uint8_t *out, size_t size);

/* RFC 4648 base64 with padding, appended to *out. */
void base64_encode(struct slice in, struct buf *out);

/* The inverse, without line breaks; false, with *out as it was, when text is no such form. */
MUST_CHECK bool base64_decode(struct slice text, struct buf *out);

/* As part of a URL: all but A-Z a-z 0-9 - . _ ~ and the characters of kept becomes "%HH".  Appends.
 */
void percent_encode(struct slice in, const char *kept, struct buf *out);

/*
 * Bytes of a file name as text that reads back without loss: valid UTF-8 stays as it is,
 * except that backslash becomes "\\" and control characters, DEL and bytes that are not
 * valid UTF-8 become "\xHH".  Appends.
 */
void path_escape(struct slice path, struct buf *out);

/* The inverse of path_escape(); false when text is no such form. */
MUST_CHECK bool path_unescape(const char *text, struct buf *out);

bool utf8_is_valid(struct slice s);

/*
 * What somebody else said as one line for a sentence of ours: blanks, newlines and control
 * characters become one space and vanish at the ends, bytes that are not UTF-8 become '?'.  As much
 * of it as fits, with a NUL.
 */
void text_flatten(struct slice in, char *out, size_t room);

MUST_CHECK bool parse_u64(const char *text, uint64_t *out, struct err *e);

/* The double nearest to a number as JSON writes it; infinite when it is beyond their range. */
double parse_double(const char *text);

/* A decimal number such as "2.5" without sign.  ERR_USAGE. */
MUST_CHECK bool parse_decimal(const char *text, double *out, struct err *e);

/* "512", "64K", "32M", "1.5G", "2T": powers of 1024; suffixes B, iB and lower case too. */
MUST_CHECK bool parse_size(const char *text, uint64_t *out, struct err *e);

/* "2y5m7d3h": years, months, days, hours, each at most once, in this order. */
struct duration {
    uint32_t years, months, days, hours;
};
MUST_CHECK bool parse_duration(const char *text, struct duration *out, struct err *e);
bool duration_is_zero(const struct duration *d);
/* The moment (ns since 1970) that lies d before time_ns by the calendar of the process's time zone;
 * as early as can be when d reaches beyond all clocks. */
int64_t duration_before(int64_t time_ns, const struct duration *d);

/* "500ms", "60s", "5m", "2h": one whole number and one unit, above 0 and below 100 days. */
MUST_CHECK bool parse_timeout(const char *text, int64_t *out_ms, struct err *e);

/* The name among names that a mistyped word is nearest to, or NULL when none is near. */
const char *nearest_name(const char *word, const char *const *names, size_t count);

/* "1.234 GiB", "17 B"; out has room for TEXT_SIZE_MAX bytes. */
#define TEXT_SIZE_MAX 24
void size_format(uint64_t bytes, char *out);

#endif
