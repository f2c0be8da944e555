/*
 * Pushed bundles: the JSON documents that applications post to /backup, as the published client and
 * server of "Main Private Files" know them.
 *
 *     {"timestamp": text, "version": text, "data": {"users": [text, ...], "sessions": [text, ...],
 *      "firewall_state": object, "metadata": object}}
 *
 * Each member of data may be absent, and there may be more members than these.
 *
 * Which body is taken:
 *
 *  - The listener that stands in for the published server takes what that one takes: any JSON
 * value, as Python reads it (bundle_json.h), in UTF-8 without byte order mark; but at most
 * BUNDLE_SIZE_MAX bytes and BUNDLE_DEPTH_MAX levels.  Whether it has the form above is noted with
 * it.
 *  - Our own push, and a set that says so, take the form above only: bundle_require_form().
 *
 * Bytes are kept as they came; the form that the published server writes to its folder is made when
 * it is asked for: bundle_json_write().
 */
#ifndef ARCHIVE_BUNDLE_H
#define ARCHIVE_BUNDLE_H

#include "archive/bundle_json.h"

#define BUNDLE_SIZE_MAX ((size_t)16 << 20) /* of a body; security, not the format */
#define BUNDLE_TEXT_MAX 64                 /* of a time stamp or version that is noted, with NUL */

enum bundle_kind {
    BUNDLE_OTHER,   /* some JSON value */
    BUNDLE_PRIVATE, /* the form above */
    BUNDLE_CHALK,   /* "type": "chalk-bundle": meant for the other server that uses the same port */
};
/* "other", "bundle", "chalk"; and back. */
const char *bundle_kind_name(enum bundle_kind kind);
MUST_CHECK bool bundle_kind_parse(const char *name, enum bundle_kind *out);

/* What a document says of itself. */
struct bundle_facts {
    enum bundle_kind kind;
    char why[120];                   /* it does not have the form above; empty when it has */
    char timestamp[BUNDLE_TEXT_MAX]; /* empty: there is none, it is no text, or too long */
    char version[BUNDLE_TEXT_MAX];   /* the same */
    bool has_users, has_sessions;    /* they are lists */
    uint64_t users, sessions;        /* how many are in them */
    uint64_t indented_size;          /* of the form that the published server stores */
};

struct bundle {
    struct bundle_facts facts;
    struct bundle_json json;
};
void bundle_done(struct bundle *b);
void bundle_auto(struct bundle *b);

/* ERR_CORRUPT when it is not taken; ERR_USAGE when it is longer than BUNDLE_SIZE_MAX. */
MUST_CHECK bool bundle_read(struct slice bytes, struct bundle *out, struct err *e);

/* ERR_CORRUPT, naming what is missing or of another type, unless it has the form above. */
MUST_CHECK bool bundle_require_form(const struct bundle_facts *f, struct err *e);

/* Append it as the published server stores it; the bytes are those that it was read from. */
void bundle_indent(const struct bundle *b, struct slice bytes, bool without_sessions,
                   struct buf *out);

/*
 * The names of bundles: backup_YYYYMMDD_HHMMSS.json, and where several may have the same second
 * backup_YYYYMMDD_HHMMSS_NNNN.json from 0002 on.
 */
#define BUNDLE_NAME_MAX  40
#define BUNDLE_STAMP_MAX 16 /* YYYYMMDD_HHMMSS and NUL */
/* Whether a name is one of these; *stamp (may be NULL) is its time. */
bool bundle_name_is(const char *name, char stamp[BUNDLE_STAMP_MAX]);

/* What the listener answers (bundle_reply.c); bodies are those of the published server, byte for
 * byte, where it has them: text of json.dumps(). */
enum bundle_answer {
    BUNDLE_SAVED,       /* 200 */
    BUNDLE_NOT_FOUND,   /* 404: another path, also "/backup/" and "/backup?x=1" */
    BUNDLE_FAILED,      /* 500: it is not JSON, is too deep, or could not be stored */
    BUNDLE_BAD_REQUEST, /* 400: not as the listener's guard wants it */
    BUNDLE_NO_TOKEN,    /* 401 */
    BUNDLE_FORBIDDEN,   /* 403 */
    BUNDLE_BAD_FORM,    /* 422: it lacks the form that the set requires */
    BUNDLE_TOO_LARGE,   /* 413 */
    BUNDLE_BAD_TYPE,    /* 415 */
    BUNDLE_TOO_FAST,    /* 429 */
    BUNDLE_BUSY,        /* 503: nobody has said yet to which key bundles are sealed */
    BUNDLE_FULL,        /* 507: the disk is full, or the quota of the spool is used up */
};
int bundle_status(enum bundle_answer a);
/* The reason phrase, which the published client shows. */
const char *bundle_reason(enum bundle_answer a);
/* Append the body; not for BUNDLE_SAVED. */
void bundle_refusal(enum bundle_answer a, struct buf *out);
/* Append the body of BUNDLE_SAVED; size is that of the indented form. */
void bundle_saved(const char *name, const char *stamp, uint64_t size, struct buf *out);

#endif
