#include "job/child_log.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/json.h"

void child_log_auto(struct child_log *l)
{
    fd_auto(&l->fd);
    buf_done(&l->tail);
    child_lines_auto(&l->errors);
}

static void format_line(const char *from, const char *text, struct buf *out)
{
    char time[CLOCK_TEXT_MAX];

    clock_format(clock_now_ns(), time);

    AUTO(json) json_t *j = json_pack("{s:s, s:s, s:s}", "from", from, "text", text, "time", time);

    json_append(j, out);
    buf_printf(out, "\n");
}

/* Whole lines go, in large steps so that not every line moves all others. */
static void trim_tail(struct child_log *l)
{
    size_t gone = 0;

    if (l->tail.size <= CHILD_LOG_PART + CHILD_LOG_PART / 2)
        return;
    while (l->tail.size - gone > CHILD_LOG_PART) {
        const uint8_t *end = memchr(l->tail.data + gone, '\n', l->tail.size - gone);

        gone = (size_t)(end - l->tail.data) + 1; /* each line has one */
        l->left_out++;
    }
    l->tail.size -= gone;
    memmove(l->tail.data, l->tail.data + gone, l->tail.size);
}

static void add(struct child_log *l, const char *from, struct slice line)
{
    AUTO(buf) struct buf text = {0};
    char flat[CHILD_LOG_TEXT];
    struct err ignored;

    text_flatten(line, flat, sizeof(flat));
    if (l->fd < 0 || flat[0] == '\0')
        return;
    format_line(from, flat, &text);
    if (l->tail.size == 0 && l->size + text.size <= CHILD_LOG_PART) {
        l->size += text.size;
        (void)!fd_write(l->fd, buf_slice(&text), &ignored); /* see child_log_end() */
        return;
    }
    buf_append_slice(&l->tail, buf_slice(&text));
    trim_tail(l);
}

void child_log_output(struct child_log *l, struct slice line)
{
    add(l, "output", line);
}

static void add_error(void *arg, struct slice line)
{
    add(arg, "errors", line);
}

void child_log_errors(struct child_log *l, struct slice bytes)
{
    if (child_lines_add(&l->errors, bytes, add_error, l))
        return;
    /* A line without an end: those that come may have one. */
    add(l, "errors", buf_slice(&l->errors.rest));
    child_lines_auto(&l->errors);
    l->errors = (struct child_lines){0};
}

void child_log_end(struct child_log *l)
{
    AUTO(buf) struct buf text = {0};
    struct err ignored;

    add(l, "errors", buf_slice(&l->errors.rest));
    if (l->left_out > 0) {
        AUTO(buf) struct buf gap = {0};

        buf_printf(&gap, "%" PRIu64 " lines are left out here", l->left_out);
        format_line("keeper", buf_string(&gap), &text);
    }
    buf_append_slice(&text, buf_slice(&l->tail));
    if (l->fd >= 0 && text.size > 0)
        (void)!fd_write(l->fd, buf_slice(&text), &ignored); /* as the header says */
}
