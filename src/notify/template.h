/*
 * Templates: texts with fields in double braces that a notice fills in.  Part of notify.h.
 *
 *     {{set}}                          the value of a field
 *     {{#error}}Error: {{error}}{{/error}}   only when the field has a value
 *     {{^error}}all is well{{/error}}        only when it has none
 *
 * Sections may stand in each other.  Anything else in double braces, an unknown field above all,
 * is an error when the template is read.  How a value is written depends on the template alone, and
 * no value can end what it stands in: in HTML its markup is escaped; in JSON it is the inside of
 * a text when it stands between quotation marks, and a whole value (a number for *_bytes, *_s and
 * *_number, else a text; null for none) when it does not.  In templates for Slack and Discord what
 * these services take for markup is escaped as well.
 */
#ifndef NOTIFY_TEMPLATE_H
#define NOTIFY_TEMPLATE_H

#include "base/buf.h"

#define TEMPLATE_SIZE_MAX   ((size_t)64 << 10) /* bytes of one */
#define TEMPLATE_PIECES_MAX 1000               /* fields and ends of sections in one */
#define TEMPLATE_VALUE_MAX  500                /* bytes of a value; what is longer is cut */

enum template_field {
    BLANK_ID,      /* of the run */
    BLANK_EVENT,   /* "backup", "drill", ... */
    BLANK_OUTCOME, /* "success", "incomplete", "failure" */
    BLANK_SUCCESS, /* "true", or none; so are the next two */
    BLANK_INCOMPLETE,
    BLANK_FAILURE,
    BLANK_SUBJECT, /* "Backup Completed: shop" */
    BLANK_TITLE,   /* "Backup Completed Successfully" */
    BLANK_LABEL,   /* "Backup": what the set's name stands behind */
    BLANK_SET,
    BLANK_TYPE,       /* "full", "database", ... */
    BLANK_SIZE,       /* "1.5 MB" */
    BLANK_SIZE_BYTES, /* "1572864" */
    BLANK_DURATION,   /* "12.345s" */
    BLANK_DURATION_S, /* "12.345" */
    BLANK_ERROR,      /* a sentence */
    BLANK_SNAPSHOT,   /* its id */
    BLANK_TIME,       /* "2026-11-21T21:00:00.123Z" */
    BLANK_TIME_S,     /* seconds since 1970 */
    BLANK_HOST,
    BLANK_COLOR,        /* "#2eb67d", by the outcome */
    BLANK_COLOR_NUMBER, /* the same as a decimal number */
    BLANK_COUNT,
};

/* By field; NULL or "": none.  Valid UTF-8 in one line. */
struct template_values {
    const char *text[BLANK_COUNT];
};

enum template_kind {
    TEMPLATE_SUBJECT,
    TEMPLATE_TEXT,
    TEMPLATE_HTML,
    TEMPLATE_JSON,
    TEMPLATE_SLACK,
    TEMPLATE_DISCORD,
    TEMPLATE_KINDS,
};

struct template;

/* name is for sentences.  ERR_USAGE "NAME:LINE: sentence". */
MUST_CHECK bool template_parse(enum template_kind kind, const char *name, struct slice text,
                               struct template **out, struct err *e);
void template_free(struct template *t); /* accepts NULL */
void template_auto(struct template **t);

/* Fill it in.  Appends; at most some MiB. */
void template_write(const struct template *t, const struct template_values *v, struct buf *out);

/* One of each kind. */
struct template_set;

/*
 * Those that are built in, except for kinds that have a file in folder (may be NULL):
 * mail-subject.txt mail.txt mail.html webhook.json slack.json discord.json.  Each is filled in on
 * trial, so that one whose outcome is no JSON, or an empty subject, is an error (ERR_USAGE) here
 * and not on the night of the failure.
 */
MUST_CHECK bool template_set_load(const char *folder, struct template_set **out, struct err *e);
void template_set_free(struct template_set *s); /* accepts NULL */
void template_set_auto(struct template_set **s);

/* Fill in the one of a kind; should a file's come to no JSON with these values, the built-in one.
 */
void template_set_write(const struct template_set *s, enum template_kind kind,
                        const struct template_values *v, struct buf *out);

#endif
