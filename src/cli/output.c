#include "cli/output.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/render.h"

enum { REAL_DIGITS = 12 }; /* more only show how doubles round */

#define COLOR_RED   "\033[31m"
#define COLOR_RESET "\033[0m"

void output_init(struct output *o)
{
    const char *no_color = getenv("NO_COLOR");

    *o = (struct output){.out = stdout, .err = stderr, .is_terminal = isatty(STDERR_FILENO) == 1};
    o->has_color = o->is_terminal && (no_color == NULL || *no_color == '\0');
    pthread_mutex_init(&o->lock, NULL);
}

void output_done(struct output *o)
{
    pthread_mutex_destroy(&o->lock);
}

/* The bar gives way to a line; the next figures draw it again. */
static void hide_bar(struct output *o)
{
    if (o->is_bar_shown)
        (void)fputs("\r\033[K", o->err); /* a terminal that is gone is no reason to stop */
    o->is_bar_shown = false;
}

static void print_line(struct output *o, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static void print_line(struct output *o, const char *fmt, va_list args)
{
    pthread_mutex_lock(&o->lock);
    hide_bar(o);
    (void)vfprintf(o->out, fmt, args); /* failures stay in the stream: output_flush() tells */
    (void)fputc('\n', o->out);
    pthread_mutex_unlock(&o->lock);
}

void output_line(struct output *o, const char *fmt, ...)
{
    va_list args;

    if (o->json)
        return;
    va_start(args, fmt);
    print_line(o, fmt, args);
    va_end(args);
}

void output_note(struct output *o, const char *fmt, ...)
{
    va_list args;

    if (o->json || o->quiet)
        return;
    va_start(args, fmt);
    print_line(o, fmt, args);
    va_end(args);
}

void output_raw(struct output *o, struct slice bytes)
{
    pthread_mutex_lock(&o->lock);
    hide_bar(o);
    if (bytes.size > 0)
        (void)fwrite(bytes.data, 1, bytes.size, o->out); /* as in print_line() */
    pthread_mutex_unlock(&o->lock);
}

static int to_stream(const char *bytes, size_t size, void *stream)
{
    return fwrite(bytes, 1, size, stream) == size ? 0 : -1;
}

static void print_json(struct output *o, FILE *to, json_t *line, bool is_urgent)
{
    assert(line != NULL); /* a text that is not UTF-8 got in without json_from_text() */
    pthread_mutex_lock(&o->lock);
    hide_bar(o);
    (void)json_dump_callback(line, to_stream, to,
                             JSON_COMPACT |
                                 JSON_REAL_PRECISION(REAL_DIGITS)); /* as in print_line() */
    (void)fputc('\n', to);
    if (is_urgent)
        (void)fflush(to); /* as in print_line() */
    pthread_mutex_unlock(&o->lock);
    json_decref(line);
}

void output_json(struct output *o, json_t *line)
{
    print_json(o, o->out, line, false);
}

void output_json_err(struct output *o, json_t *line)
{
    print_json(o, o->err, line, true);
}

void output_json_now(struct output *o, json_t *line)
{
    print_json(o, o->out, line, true);
}

/* Sentences quote names that others chose: what a terminal would obey is escaped. */
static const char *printable(const char *text, struct buf *keep)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            buf_printf(keep, "\\x%02x", (unsigned)(unsigned char)*c);
        else
            buf_append(keep, c, 1);
    return buf_string(keep);
}

/* kind is "error" or "warning"; during may be NULL. */
static void tell_item(struct output *o, const char *kind, const char *during, const char *path,
                      const char *sentence)
{
    AUTO(buf) struct buf safe = {0};

    if (o->json) {
        json_t *line = json_pack("{s:s, s:{s:o}}", "message_type", kind, kind, "message",
                                 json_from_text(sentence));

        if (during != NULL)
            json_set(line, "during", json_string(during));
        if (path != NULL)
            json_set_path_text(line, "item", path);
        output_json_err(o, line);
        return;
    }
    pthread_mutex_lock(&o->lock);
    (void)fflush(o->out); /* so that lines stand in order; failures stay in the stream */
    hide_bar(o);
    if (path != NULL && strstr(sentence, path) == NULL)
        buf_printf(&safe, "%s: ", path);
    (void)fprintf(o->err, "%s%s:%s %s\n", o->has_color ? COLOR_RED : "", kind,
                  o->has_color ? COLOR_RESET : "", printable(sentence, &safe));
    pthread_mutex_unlock(&o->lock);
}

void output_item_error(struct output *o, const char *during, const char *path, const char *sentence)
{
    tell_item(o, "error", during, path, sentence);
}

void output_item_warning(struct output *o, const char *path, const char *sentence)
{
    tell_item(o, "warning", NULL, path, sentence);
}

void output_failure(struct output *o, const struct output_failure *f)
{
    AUTO(buf) struct buf safe = {0};

    if (o->json) {
        json_t *line = json_pack("{s:s, s:i, s:o}", "message_type", "exit_error", "code", f->status,
                                 "message", json_from_text(f->sentence));

        if (f->is_opening)
            (void)json_object_set_new(line, "opening", json_true()); /* cannot fail */
        if (f->cause != NULL)
            (void)json_object_set_new(line, "cause", json_string(f->cause)); /* cannot fail */
        if (f->hint != NULL)
            (void)json_object_set_new(line, "hint", json_from_text(f->hint)); /* cannot fail */
        output_json_err(o, line);
        return;
    }
    pthread_mutex_lock(&o->lock);
    (void)fflush(o->out); /* as in output_item_error() */
    hide_bar(o);
    (void)fprintf(o->err, "%sholdfast:%s %s\n", o->has_color ? COLOR_RED : "",
                  o->has_color ? COLOR_RESET : "", printable(f->sentence, &safe));
    if (f->hint != NULL)
        (void)fprintf(o->err, "hint: %s\n", f->hint);
    pthread_mutex_unlock(&o->lock);
}

void output_bar(struct output *o, const char *line)
{
    pthread_mutex_lock(&o->lock);
    if (o->is_bar_shown || *line != '\0')
        (void)fprintf(o->err, "\r%s\033[K", line);
    (void)fflush(o->err);
    o->is_bar_shown = *line != '\0';
    pthread_mutex_unlock(&o->lock);
}

void output_progress(struct output *o, const char *line)
{
    pthread_mutex_lock(&o->lock);
    hide_bar(o);
    (void)fprintf(o->err, "%s\n", line);
    pthread_mutex_unlock(&o->lock);
}

bool output_is_good(struct output *o, struct err *e)
{
    return ferror(o->out) == 0 || err_set(e, ERR_FATAL, "standard output cannot be written");
}

bool output_flush(struct output *o, struct err *e)
{
    pthread_mutex_lock(&o->lock);

    const bool had_failed = ferror(o->out) != 0;
    const bool is_good = fflush(o->out) == 0;
    const int number = errno;

    pthread_mutex_unlock(&o->lock);
    if (had_failed)
        return output_is_good(o, e);
    errno = number;
    return is_good || err_sys(e, "write standard output");
}
