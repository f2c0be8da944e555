#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/render.h"

enum {
    RATE_MAX = 10, /* updates a second unless the user wants another rate */
    PLAIN_INTERVAL_S = 10,
    COLUMNS_DEFAULT = 80,
    COLUMNS_MIN = 20,
};

bool progress_init(struct progress_view *v, struct output *out, enum progress_verb verb,
                   struct err *e)
{
    const char *text = getenv("HOLDFAST_PROGRESS_FPS");
    double rate = RATE_MAX;

    if (text != NULL && *text != '\0' && !parse_decimal(text, &rate, e))
        return err_wrap(e, "HOLDFAST_PROGRESS_FPS");
    if (rate < 1e-6) /* once in eleven days; also keeps the interval within 64 bits */
        return err_set(e, ERR_USAGE, "HOLDFAST_PROGRESS_FPS must be above 0");
    if (rate > RATE_MAX)
        rate = RATE_MAX;
    *v = (struct progress_view){.out = out,
                                .verb = verb,
                                .interval_ns = (int64_t)((double)NS_PER_S / rate),
                                .started_ns = clock_monotonic_ns()};
    if (text == NULL && !out->json && !out->is_terminal)
        v->interval_ns = PLAIN_INTERVAL_S * NS_PER_S;
    return true;
}

/* Whether it is time for another update. */
static bool is_due(struct progress_view *v)
{
    const int64_t now_ns = clock_monotonic_ns();
    const bool is_plain = !v->out->json && !v->out->is_terminal;
    const int64_t since_ns = v->last_ns == 0 && is_plain ? v->started_ns : v->last_ns;

    if (v->out->quiet || (since_ns != 0 && now_ns - since_ns < v->interval_ns))
        return false;
    v->last_ns = now_ns;
    return true;
}

/* Share of the work that is done: of bytes, or of files where there are only empty ones. */
static double share(const struct progress *p)
{
    if (p->bytes_total > 0)
        return p->bytes_done >= p->bytes_total ? 1 : (double)p->bytes_done / (double)p->bytes_total;
    if (p->files_total > 0)
        return p->files_done >= p->files_total ? 1 : (double)p->files_done / (double)p->files_total;
    return 0;
}

/* Seconds that are left at the average speed; false while that says little. */
static bool remaining_s(const struct progress *p, double *out)
{
    const double done = share(p);

    if (done < 0.001 || p->elapsed_ns < NS_PER_S)
        return false;
    *out = (double)p->elapsed_ns / (double)NS_PER_S * (1 - done) / done;
    return true;
}

json_t *progress_json(const struct progress *p, enum progress_verb verb)
{
    const bool is_backup = verb == PROGRESS_BACKUP;
    json_t *o = json_message("status");
    double left_s = 0;

    json_set_u64(o, "seconds_elapsed", (uint64_t)(p->elapsed_ns / NS_PER_S));
    if (remaining_s(p, &left_s))
        json_set_u64(o, "seconds_remaining", (uint64_t)left_s);
    json_set(o, "percent_done", json_real(share(p)));
    json_set_u64(o, "total_files", p->files_total);
    json_set_u64(o, is_backup ? "files_done" : "files_restored", p->files_done);
    json_set_u64(o, "total_bytes", p->bytes_total);
    json_set_u64(o, is_backup ? "bytes_done" : "bytes_restored", p->bytes_done);
    json_set_u64(o, "error_count", p->errors);
    if (p->source != NULL) {
        json_set_text(o, "source", p->source);
        json_set_u64(o, "rows_done", p->rows_done);
    }
    if (p->current != NULL) {
        AUTO(json) json_t *one = json_object();

        json_set_path_text(one, "path", p->current);
        json_set(o, "current_files", json_pack("[O]", json_object_get(one, "path")));
    }
    return o;
}

/* Cut what is longer than columns, at the border of a character. */
static void cut(struct buf *line, size_t columns)
{
    size_t width = 0;

    for (size_t i = 0; i < line->size; i++)
        if ((line->data[i] & 0xC0U) != 0x80U && ++width > columns) {
            line->size = i;
            return;
        }
}

/* What the lines of bytes have in common. */
static void bytes_format(const struct progress *p, struct buf *out)
{
    char done[TEXT_SIZE_MAX];
    char text[TEXT_SIZE_MAX];
    char left[ELAPSED_TEXT_MAX];
    double left_s = 0;

    size_format(p->bytes_done, done);
    buf_append_slice(out, slice_string(done));
    if (p->bytes_total > 0) {
        size_format(p->bytes_total, text);
        buf_printf(out, " of %s", text);
    }
    if (p->elapsed_ns >= NS_PER_S) {
        size_format((uint64_t)((double)p->bytes_done * (double)NS_PER_S / (double)p->elapsed_ns),
                    text);
        buf_printf(out, ", %s/s", text);
    }
    if (remaining_s(p, &left_s)) {
        elapsed_format((int64_t)(left_s * (double)NS_PER_S), left);
        buf_printf(out, ", %s left", left);
    }
}

void progress_format(const struct progress *p, size_t columns, struct buf *out)
{
    AUTO(buf) struct buf line = {0};
    char elapsed[ELAPSED_TEXT_MAX];

    elapsed_format(p->elapsed_ns, elapsed);
    buf_printf(&line, "[%s] ", elapsed);
    if (p->bytes_total > 0 || p->files_total > 0)
        buf_printf(&line, "%.1f%%  ", 100 * share(p));
    buf_printf(&line, "%llu files, ", (unsigned long long)p->files_done);
    bytes_format(p, &line);
    if (p->errors > 0)
        buf_printf(&line, ", %llu error%s", (unsigned long long)p->errors, plural(p->errors));
    if (p->source != NULL)
        buf_printf(&line, "  %s", p->source);
    if (p->rows_done > 0)
        buf_printf(&line, ", %llu rows", (unsigned long long)p->rows_done);
    if (p->current != NULL)
        buf_printf(&line, "  %s", p->current);
    cut(&line, columns);
    buf_append_slice(out, buf_slice(&line));
}

static size_t terminal_columns(void)
{
    struct winsize size = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < COLUMNS_MIN)
        return COLUMNS_DEFAULT;
    return size.ws_col - 1U; /* the last column would wrap */
}

static void show(struct progress_view *v, const char *line)
{
    if (v->out->is_terminal)
        output_bar(v->out, line);
    else
        output_progress(v->out, line);
}

static void on_progress(void *arg, const struct progress *p)
{
    struct progress_view *v = arg;
    AUTO(buf) struct buf line = {0};

    if (!is_due(v))
        return;
    if (v->out->json) {
        output_json_now(v->out, progress_json(p, v->verb));
        return;
    }
    progress_format(p, v->out->is_terminal ? terminal_columns() : SIZE_MAX, &line);
    show(v, buf_string(&line));
}

static void on_item_error(void *arg, const char *during, const char *path, const struct err *why)
{
    struct progress_view *v = arg;

    output_item_error(v->out, during, path, why->text);
}

static void on_item_warning(void *arg, const char *path, const struct err *why)
{
    struct progress_view *v = arg;

    output_item_warning(v->out, path, why->text);
}

static void on_item(void *arg, const char *action, const char *path, uint64_t size)
{
    struct progress_view *v = arg;
    char text[TEXT_SIZE_MAX];

    if (v->out->json) {
        json_t *line = json_message("verbose_status");

        json_set(line, "action", json_string(action));
        json_set_path_text(line, "item", path);
        json_set_u64(line, v->verb == PROGRESS_BACKUP ? "data_size" : "size", size);
        output_json(v->out, line);
        return;
    }
    size_format(size, text);
    output_line(v->out, "%-9s %s, %s", action, path, text);
}

struct report progress_report(struct progress_view *v)
{
    return (struct report){.arg = v,
                           .progress = on_progress,
                           .item_error = on_item_error,
                           .item_warning = on_item_warning,
                           .item = v->out->verbose ? on_item : NULL};
}

void progress_step(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct progress_view *v = arg;
    AUTO(buf) struct buf line = {0};

    if (!is_due(v))
        return;
    if (v->out->json) {
        json_t *o = json_message("status");

        json_set_text(o, "step", step);
        json_set_u64(o, "done", done);
        json_set_u64(o, "total", total);
        json_set(o, "percent_done", json_real(total == 0 ? 0 : (double)done / (double)total));
        output_json_now(v->out, o);
        return;
    }
    buf_printf(&line, "%s: %llu", step, (unsigned long long)done);
    if (total > 0)
        buf_printf(&line, " of %llu", (unsigned long long)total);
    if (v->out->is_terminal)
        cut(&line, terminal_columns());
    show(v, buf_string(&line));
}

static json_t *bytes_json(const char *step, const struct progress *p)
{
    json_t *o = json_message("status");
    double left_s = 0;

    json_set_text(o, "step", step);
    json_set_u64(o, "seconds_elapsed", (uint64_t)(p->elapsed_ns / NS_PER_S));
    if (remaining_s(p, &left_s))
        json_set_u64(o, "seconds_remaining", (uint64_t)left_s);
    json_set(o, "percent_done", json_real(share(p)));
    json_set_u64(o, "total_bytes", p->bytes_total);
    json_set_u64(o, "bytes_done", p->bytes_done);
    return o;
}

void progress_bytes(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct progress_view *v = arg;
    const struct progress p = {.bytes_done = done,
                               .bytes_total = total,
                               .elapsed_ns = clock_monotonic_ns() - v->started_ns};
    AUTO(buf) struct buf line = {0};

    if (!is_due(v))
        return;
    if (v->out->json) {
        output_json_now(v->out, bytes_json(step, &p));
        return;
    }
    buf_printf(&line, "%s: ", step);
    bytes_format(&p, &line);
    if (v->out->is_terminal)
        cut(&line, terminal_columns());
    show(v, buf_string(&line));
}

void progress_end(struct progress_view *v)
{
    output_bar(v->out, "");
}
