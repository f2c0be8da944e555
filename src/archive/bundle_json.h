/*
 * JSON as Python's json module reads and writes it: what json.dump(json.load(f), indent=2) makes of
 * a document, byte for byte, without holding more of it than the names of the objects under way.
 *
 *  - Two blanks for each level, ": " and "," with a newline, "[]" and "{}" in one piece, nothing at
 *    the end.  Members in the order of their first appearance; of a name that appears again the
 * last value counts.
 *  - All but printable ASCII is \uXXXX in lower-case digits, characters above U+FFFF as two of
 * them; halves of such pairs may stand alone.
 *  - Whole numbers keep their digits, however many ("-0" is 0); others are the nearest double in
 * the fewest digits that lead back to it, 1e400 is Infinity; NaN, Infinity and -Infinity are
 * numbers.
 *
 * Where this differs from Python 3.11: whole numbers may have more than 4300 digits, and depth is
 * bounded below.
 */
#ifndef ARCHIVE_BUNDLE_JSON_H
#define ARCHIVE_BUNDLE_JSON_H

#include "codec/json_reader.h"

#define BUNDLE_DEPTH_MAX 64
#define BUNDLE_NAMES_MAX 1000000 /* in all objects; bounds what has to be remembered of them */

/* Called for each token in turn; depth counts the groups around it, its own apart.  text is that of
 * names, texts and numbers. */
typedef void bundle_json_fn(void *arg, enum json_token token, size_t depth, struct slice text);

/* What becomes of one name that its object has several times. */
struct bundle_json_patch {
    uint32_t name;  /* which name of the document, counted from 0 */
    uint32_t value; /* where the value that counts begins, in bytes; 0: the name is left out */
    uint32_t first; /* the name that follows the beginning of that value */
};

/* A document that was read; {0} is none. */
struct bundle_json {
    struct bundle_json_patch *patches; /* ascending by name */
    size_t count;
};
void bundle_json_done(struct bundle_json *j);
void bundle_json_auto(struct bundle_json *j);

/* Read bytes (below 4 GiB) to their end.  ERR_CORRUPT when Python would not take them, or they are
 * beyond the limits above.  fn may be NULL. */
MUST_CHECK bool bundle_json_read(struct slice bytes, bundle_json_fn *fn, void *arg,
                                 struct bundle_json *out, struct err *e);

/* Takes what is written, piece by piece. */
typedef bool bundle_json_write_fn(void *arg, struct slice piece, struct err *e);

struct bundle_json_writing {
    bool without_sessions; /* the member "sessions" of the member "data" becomes [] */
    bundle_json_write_fn *write;
    void *arg;
};

/* Write what bundle_json_read() has read, from the same bytes.  Fails as write does only. */
MUST_CHECK bool bundle_json_write(const struct bundle_json *j, struct slice bytes,
                                  const struct bundle_json_writing *how, struct err *e);

/* Private to src/archive: append a number as Python writes it; text is one of a document. */
void bundle_number(struct slice text, struct buf *out);

#endif
