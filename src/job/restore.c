/*
 * Restoring a snapshot, or a part of it, into a directory: restore_walk.c goes through it, here
 * is what surrounds that.
 */
#include <unistd.h>

#include "base/clock.h"
#include "job/restore_plan.h"
#include "job/ticker.h"

static void fill_result(const struct restore_counters *c, struct restore_result *out)
{
    *out = (struct restore_result){.files_total = atomic_load(&c->files_total),
                                   .files_restored = atomic_load(&c->files_restored),
                                   .files_updated = atomic_load(&c->files_updated),
                                   .files_skipped = atomic_load(&c->files_skipped),
                                   .files_deleted = atomic_load(&c->files_deleted),
                                   .bytes_total = atomic_load(&c->bytes_total),
                                   .bytes_restored = atomic_load(&c->bytes_restored),
                                   .bytes_skipped = atomic_load(&c->bytes_skipped),
                                   .files_verified = atomic_load(&c->files_verified),
                                   .errors = atomic_load(&c->errors),
                                   .warnings = atomic_load(&c->warnings)};
}

struct restore_ticker {
    struct restore_run *run;
    int64_t started_ns;
};

static void tick(void *arg)
{
    const struct restore_ticker *t = arg;
    const struct restore_options *o = t->run->options;
    const struct restore_counters *c = &t->run->counters;
    const bool is_whole = o->include == NULL && o->exclude == NULL && o->sub == NULL;
    const struct progress p = {
        .elapsed_ns = clock_monotonic_ns() - t->started_ns,
        .files_done = atomic_load(&c->files_restored) + atomic_load(&c->files_skipped),
        .files_total = is_whole ? o->snapshot->counts.total_files : 0,
        .bytes_done = atomic_load(&c->bytes_restored) + atomic_load(&c->bytes_skipped),
        .bytes_total = is_whole ? o->snapshot->counts.total_bytes : 0,
        .errors = atomic_load(&c->errors)};

    pthread_mutex_lock(&t->run->lock);
    t->run->report->progress(t->run->report->arg, &p);
    pthread_mutex_unlock(&t->run->lock);
}

static bool open_target(const struct restore_options *o, struct target **out, struct err *e)
{
    if (o->into != NULL)
        return true;
    /* A dry run makes nothing, not even the directory itself. */
    if (o->is_dry_run && access(o->target, F_OK) != 0)
        return true;
    return target_open(o->target, &o->how, out, e);
}

bool restore_run(struct repo *r, const struct restore_options *o, const struct report *report,
                 struct restore_result *out, struct err *e)
{
    AUTO(target) struct target *target = NULL;
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf keep = {0};
    struct restore_run run = {
        .repo = r, .options = o, .report = report, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct restore_ticker timing = {&run, clock_monotonic_ns()};
    struct entry root;

    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    if (!tree_find(rd, &o->snapshot->tree, o->sub != NULL ? o->sub : "", &keep, &root, e) ||
        !open_target(o, &target, e))
        return false;
    run.target = o->into != NULL ? o->into : target;

    struct ticker *ticker = ticker_start(report->progress != NULL ? tick : NULL, &timing);
    const bool ok = restore_walk(&run, &root, false, e) &&
                    (!o->verify || o->is_dry_run || restore_walk(&run, &root, true, e));

    ticker_stop(ticker);
    path_set_done(&run.left);
    fill_result(&run.counters, out);
    if (!ok)
        return false;
    if (run.damage.code == ERR_NONE)
        return true;
    *e = run.damage;
    return err_wrap(e, "the repository is damaged; what it touches was not restored");
}
