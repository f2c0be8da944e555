/*
 * All printing.  Results go to standard output, as text or, with --json, as one JSON object
 * a line; progress and errors go to standard error.  Both may be called from any thread.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

#include "base/buf.h"

struct output {
    FILE *out, *err;
    bool json, quiet, verbose;
    bool has_color;       /* of err */
    bool is_terminal;     /* err is one */
    bool is_bar_shown;    /* the last line of the terminal is a progress bar; under lock */
    pthread_mutex_t lock; /* keeps lines of several threads apart */
};

/* "3 files", "1 file": what stands behind the noun. */
static inline const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* On the process's own streams; colours only on a terminal and without NO_COLOR. */
void output_init(struct output *o);
void output_done(struct output *o);

/* A line of results, for people; nothing with --json.  The newline is added. */
void output_line(struct output *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same, unless --quiet. */
void output_note(struct output *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Bytes as they are, whatever the mode. */
void output_raw(struct output *o, struct slice bytes);

/* A line of JSON on standard output; takes the reference. */
void output_json(struct output *o, json_t *line);

/* The same on standard error. */
void output_json_err(struct output *o, json_t *line);

/* A line of JSON whose reader may be waiting: flushed. */
void output_json_now(struct output *o, json_t *line);

/* Something went wrong with one item and the run goes on.  path is path text or NULL. */
void output_item_error(struct output *o, const char *during, const char *path,
                       const char *sentence);

/* An item is not quite as it should be; the run counts as good.  path is path text or NULL. */
void output_item_warning(struct output *o, const char *path, const char *sentence);

/* The failure that ends the program. */
struct output_failure {
    int status;
    bool is_opening;   /* the repository could not be opened */
    const char *cause; /* "not-found", "invalid": of what was asked for; NULL: anything else */
    const char *sentence;
    const char *hint; /* or NULL */
};
void output_failure(struct output *o, const struct output_failure *f);

/* Draw the last line of the terminal, or with an empty line remove it. */
void output_bar(struct output *o, const char *line);

/* A line of progress on standard error. */
void output_progress(struct output *o, const char *line);

/* False once standard output cannot be written: long listings ask and end. */
MUST_CHECK bool output_is_good(struct output *o, struct err *e);

/* Write out what is buffered. */
MUST_CHECK bool output_flush(struct output *o, struct err *e);

#endif
