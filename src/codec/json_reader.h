/*
 * JSON read piece by piece (RFC 8259, strictly; UTF-8 without a byte order mark), in memory
 * that does not grow with the document.  Names that appear twice in an object are the caller's
 * to refuse.
 */
#ifndef CODEC_JSON_READER_H
#define CODEC_JSON_READER_H

#include "base/buf.h"

/* Objects and arrays inside each other.  More than most readers take, because a column may hold
 * any JSON that a database let in. */
#define JSON_DEPTH_MAX 1024

/* Up to room bytes to to; *got is 0 at the end only. */
typedef bool json_read_fn(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e);

enum json_token {
    JSON_TOKEN_OBJECT,
    JSON_TOKEN_OBJECT_END,
    JSON_TOKEN_ARRAY,
    JSON_TOKEN_ARRAY_END,
    JSON_TOKEN_NAME,
    JSON_TOKEN_TEXT,
    JSON_TOKEN_NUMBER,
    JSON_TOKEN_TRUE,
    JSON_TOKEN_FALSE,
    JSON_TOKEN_NULL,
    JSON_TOKEN_END, /* of the document; nothing but whitespace is behind it */
};

struct json_reader {
    json_read_fn *read;
    void *arg;
    struct buf window; /* bytes read, those from at on not looked at */
    size_t at;
    uint64_t offset;     /* of the window */
    struct buf text;     /* of the last name, text or number */
    struct buf *capture; /* gets every byte that is passed, or NULL */
    size_t budget;       /* bytes that text and capture may still take */
    bool is_raw;         /* texts are passed, not decoded */
    bool is_python;      /* see json_reader_like_python() */
    int state;
    size_t depth;
    uint8_t is_object[JSON_DEPTH_MAX / 8]; /* one bit for each depth */
};

/* limit: see json_reader_limit().  Borrows arg. */
void json_reader_init(struct json_reader *r, json_read_fn *read, void *arg, size_t limit);
void json_reader_auto(struct json_reader *r);

/* Names, texts, numbers and raw values from here on may be this long together: ERR_CORRUPT
 * otherwise. */
void json_reader_limit(struct json_reader *r, size_t limit);

/*
 * The next token.  A name, a text (decoded) or a number (as it was written) stands in r->text
 * until the next call.  ERR_CORRUPT saying at which byte it is not JSON; nothing can be read
 * after a failure.
 */
MUST_CHECK bool json_reader_next(struct json_reader *r, enum json_token *out, struct err *e);

/* Whether another value or name stands in the array or object we are in; passes its end when not.
 */
MUST_CHECK bool json_reader_more(struct json_reader *r, bool *more, struct err *e);

/* Pass one whole value and append its bytes, as they are, to *out. */
MUST_CHECK bool json_reader_raw(struct json_reader *r, struct buf *out, struct err *e);

/* Pass one whole value of any length; bytes in its texts may be anything. */
MUST_CHECK bool json_reader_skip(struct json_reader *r, struct err *e);

/*
 * Take what Python's json module takes: NaN, Infinity and -Infinity are numbers, and \u escapes may
 * be halves of a character, each of which comes as the three bytes that UTF-8 would have for it.
 * The caller knows that the document is UTF-8.
 */
void json_reader_like_python(struct json_reader *r);

/* json_read_fn over a struct slice, which loses what is read. */
bool json_read_slice(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e);

#endif
