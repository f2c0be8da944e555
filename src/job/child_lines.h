/*
 * What a job says on its standard output: one JSON object or array a line, from a process that may
 * have been taken over.  Part of child.h.
 */
#ifndef JOB_CHILD_LINES_H
#define JOB_CHILD_LINES_H

#include <jansson.h>

#include "base/buf.h"

#define CHILD_LINE_MAX  ((size_t)1 << 20) /* bytes of a line, without its newline */
#define CHILD_DEPTH_MAX 32                /* objects and arrays inside each other */

/*
 * Read one line, without its newline.  ERR_CORRUPT when it is longer or deeper than that, not
 * JSON, has a name twice in an object, a NUL in a text, or is neither an array nor an object
 * with a text message_type.  What message_type says may be anything: unknown ones are passed on.
 */
MUST_CHECK bool child_line_parse(struct slice line, json_t **out, struct err *e);

/* message_type of a line; NULL for an array. */
const char *child_line_type(const json_t *line);

/* Lines out of pieces: {0} is empty. */
struct child_lines {
    struct buf rest; /* a line without its end */
    bool is_broken;  /* one was too long, and nothing more is taken */
};
void child_lines_auto(struct child_lines *l);
typedef void child_line_fn(void *arg, struct slice line);

/* Call fn for each line that these bytes complete.  False when a line is longer than
 * CHILD_LINE_MAX, and ever after. */
bool child_lines_add(struct child_lines *l, struct slice bytes, child_line_fn *fn, void *arg);

#endif
