/* Programs that are called, and the way of a command's output back: a check, and applying it until
 * it is confirmed. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "source/argv.h"
#include "source/command_journal.h"
#include "source/command_run.h"

#define ASK_EVERY_MS 100
#define NS_PER_MS    INT64_C(1000000)
#define READ_STEP    ((size_t)64 << 10)

/* What is shown of a reason when another sentence stands behind it. */
#define REASON_MAX 300

void command_report_done(struct command_report *r)
{
    buf_done(&r->text);
}

void command_report_auto(struct command_report *r)
{
    command_report_done(r);
}

/* A run whose failure is ours. */
static bool run_well(const struct command_run *what, struct err *e)
{
    AUTO(mem) struct command_outcome *run = mem_new(sizeof(*run));

    if (!command_run(what, run, e))
        return false;
    if (run->failure.code == ERR_NONE)
        return true;
    *e = run->failure;
    return false;
}

bool command_call(const struct command_options *o, bool goes_on, struct err *e)
{
    const struct command_run what = {.options = o, .argv = o->argv, .is_not_cancelled = goes_on};

    return run_well(&what, e);
}

bool command_check_state(const struct command_options *o, const struct command_feed *feed,
                         struct command_report *report, struct err *e)
{
    AUTO(mem) struct command_outcome *run = mem_new(sizeof(*run));
    const struct command_run what = {.options = o, .argv = o->check, .input = feed};

    if (argv_count(o->check) == 0)
        return err_set(e, ERR_USAGE, "command %s has no check", o->name);
    if (!command_run(&what, run, e))
        return false;
    if (run->failure.code != ERR_NONE) {
        *e = run->failure;
        if (run->has_refused)
            e->code = ERR_CORRUPT;
        return false;
    }
    *report = (struct command_report){.duration_ms = run->duration_ms};
    excerpt_text(&run->errors, &report->text);
    return true;
}

/* Bytes in memory as input. */
static bool read_slice(void *arg, void *to, size_t room, size_t *got, struct err *e)
{
    struct slice *rest = arg;

    (void)e; /* there is nothing that fails */
    *got = rest->size < room ? rest->size : room;
    if (*got > 0)
        memcpy(to, rest->data, *got);
    *rest = SLICE_OF(rest->data + *got, rest->size - *got);
    return true;
}

static bool check_state(const struct command_options *o, struct slice state, struct err *e)
{
    AUTO(command_report) struct command_report report = {0};
    const struct command_feed feed = {read_slice, &state};

    return argv_count(o->check) == 0 || command_check_state(o, &feed, &report, e);
}

/* Run apply; going back is done also when somebody asked to stop. */
static bool apply_state(const struct command_options *o, struct slice state, bool is_way_back,
                        struct err *e)
{
    const struct command_feed feed = {read_slice, &state};
    const struct command_run what = {
        .options = o,
        .argv = o->apply,
        .input = &feed,
        .is_not_cancelled = is_way_back,
    };

    return run_well(&what, e);
}

static bool gather(void *arg, struct slice bytes, struct err *e)
{
    (void)e; /* command_run() keeps to the limit */
    buf_append_slice(arg, bytes);
    return true;
}

/* The present state is what the backup would hold of it. */
static bool save_state(const struct command_options *o, struct buf *out, struct err *e)
{
    const struct command_run what = {.options = o, .argv = o->argv, .output = gather, .arg = out};

    return run_well(&what, e);
}

static bool read_feed(const struct command_options *o, const struct command_feed *feed,
                      struct buf *out, struct err *e)
{
    const uint64_t limit = o->output_max == 0 ? COMMAND_OUTPUT_MAX : o->output_max;
    char text[TEXT_SIZE_MAX];
    size_t got = 0;

    do {
        const size_t size = out->size;

        if (!feed->read(feed->arg, buf_extend(out, READ_STEP), READ_STEP, &got, e))
            return false;
        out->size = size + got;
    } while (got > 0 && out->size <= limit);
    size_format(limit, text);
    return got == 0 || err_set(e, ERR_USAGE, "command %s: what is to be applied is longer than %s",
                               o->name, text);
}

/* Wait for the answer; false says why it is not yes. */
static bool confirm(const struct command_options *o, const struct command_confirm *how,
                    struct err *e)
{
    const uint64_t limit_ms = how->confirm_ms == 0 ? COMMAND_CONFIRM_MS : how->confirm_ms;
    const int64_t begun = clock_monotonic_ns();

    for (;;) {
        const enum command_answer answer = how->ask(how->arg);

        if (answer == COMMAND_KEEP)
            return true;
        if (answer == COMMAND_GO_BACK)
            return err_set(e, ERR_CANCELLED, "command %s: the new state was refused", o->name);
        if (cancel_is_requested())
            return cancel_err(e);
        if ((uint64_t)((clock_monotonic_ns() - begun) / NS_PER_MS) >= limit_ms)
            return err_set(e, ERR_CANCELLED,
                           "command %s: the new state was not confirmed within %g s", o->name,
                           (double)limit_ms / 1000);
        (void)poll(NULL, 0, ASK_EVERY_MS); /* a signal only lets us ask earlier */
    }
}

/* Put the saved state back because of *e, and say so in it. */
static bool go_back(const struct command_options *o, struct slice saved,
                    const struct command_journal *j, struct err *e)
{
    const struct err why = *e;
    struct err failure = {0};

    if (!apply_state(o, saved, true, &failure))
        return err_set(e, why.code == ERR_CANCELLED ? ERR_FATAL : why.code,
                       "%.*s; going back failed too, %s keeps the earlier state: %s",
                       REASON_MAX / 2, why.text, j->path, failure.text);
    if (!command_journal_remove(j, &failure))
        return err_set(e, why.code, "%.*s; the earlier state is back, but: %s", REASON_MAX,
                       why.text, failure.text);
    return err_set(e, why.code, "%.*s; the earlier state is back", REASON_MAX, why.text);
}

bool command_apply_state(const struct command_options *o, const struct command_confirm *how,
                         const struct command_feed *feed, struct err *e)
{
    AUTO(command_journal) struct command_journal j = COMMAND_JOURNAL_NONE;
    AUTO(buf) struct buf wanted = {0};
    AUTO(buf) struct buf saved = {0};

    if (argv_count(o->apply) == 0)
        return err_set(e, ERR_USAGE, "command %s has no apply", o->name);
    if (!read_feed(o, feed, &wanted, e) || !check_state(o, buf_slice(&wanted), e))
        return false;
    if (!save_state(o, &saved, e) || !check_state(o, buf_slice(&saved), e))
        return err_wrap(e, "the present state cannot be kept");
    if (!command_journal_begin(o, how->folder, buf_slice(&saved), &j, e))
        return err_wrap(e, "command %s", o->name);
    if (!apply_state(o, buf_slice(&wanted), false, e) || !confirm(o, how, e))
        return go_back(o, buf_slice(&saved), &j, e);
    return command_journal_remove(&j, e) ||
           err_wrap(e, "command %s is confirmed, but a restart will go back", o->name);
}

bool command_put_state(const struct command_options *o, const struct command_feed *feed,
                       struct err *e)
{
    AUTO(buf) struct buf wanted = {0};

    if (argv_count(o->apply) == 0)
        return err_set(e, ERR_USAGE, "command %s has no apply", o->name);
    return read_feed(o, feed, &wanted, e) && apply_state(o, buf_slice(&wanted), true, e);
}

/* False with the reason when this state could not be put back. */
static bool recover(const char *folder, const char *file, size_t *count, struct err *e)
{
    AUTO(command_journal) struct command_journal j = COMMAND_JOURNAL_NONE;
    AUTO(command_saved) struct command_saved s = {0};
    bool is_free = false;

    if (!command_journal_open(folder, file, &j, &is_free, e))
        return false;
    if (!is_free)
        return true;
    if (!command_journal_read(&j, &s, e))
        return false;

    const struct command_options o = {
        .name = s.name,
        .apply = (const char *const *)s.apply,
        .environment = (const char *const *)s.environment,
        .timeout_ms = s.timeout_ms,
    };

    if (!apply_state(&o, s.state, true, e))
        return err_wrap(e, "go back to the state that %s keeps", j.path);
    (*count)++;
    return command_journal_remove(&j, e);
}

bool command_recover_states(const char *folder, size_t *count, struct err *e)
{
    AUTO(argv) char **files = NULL;
    struct err first = {0};

    *count = 0;
    if (!command_journal_list(folder, &files, e))
        return false;
    for (size_t i = 0; files[i] != NULL; i++) {
        struct err failure = {0};

        if (!recover(folder, files[i], count, &failure) && first.code == ERR_NONE)
            first = failure;
    }
    if (first.code == ERR_NONE)
        return true;
    *e = first;
    return false;
}
