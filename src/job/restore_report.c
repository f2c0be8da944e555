/*
 * What a restore tells while it runs: failed items, warnings, items dealt with.
 */
#include "base/text.h"
#include "job/restore_plan.h"

void restore_item_error(struct restore_run *run, const char *during, const char *path,
                        const struct err *why)
{
    AUTO(buf) struct buf text = {0};

    path_escape(slice_string(path), &text);
    pthread_mutex_lock(&run->lock);
    atomic_fetch_add(&run->counters.errors, 1);
    path_set_add(&run->left, path);
    if (run->failure.code == ERR_NONE) {
        run->failure = *why;
        (void)err_wrap(&run->failure, "%s", buf_string(&text));
    }
    if (why->code == ERR_CORRUPT && run->damage.code == ERR_NONE)
        run->damage = *why;
    if (run->report->item_error != NULL)
        run->report->item_error(run->report->arg, during, buf_string(&text), why);
    pthread_mutex_unlock(&run->lock);
}

bool restore_goes_on(struct restore_run *run, struct err *e)
{
    if (!run->options->stop_at_error || atomic_load(&run->counters.errors) == 0)
        return true;
    if (e == NULL)
        return false;
    pthread_mutex_lock(&run->lock);
    *e = run->failure;
    pthread_mutex_unlock(&run->lock);
    return false;
}

void restore_left(struct restore_run *run, const char *path)
{
    pthread_mutex_lock(&run->lock);
    path_set_add(&run->left, path);
    pthread_mutex_unlock(&run->lock);
}

bool restore_was_left(struct restore_run *run, const char *path)
{
    pthread_mutex_lock(&run->lock);
    const bool was_left = path_set_has(&run->left, path);
    pthread_mutex_unlock(&run->lock);

    return was_left;
}

void restore_warning(struct restore_run *run, const char *path, const struct err *why)
{
    AUTO(buf) struct buf text = {0};

    path_escape(slice_string(path), &text);
    atomic_fetch_add(&run->counters.warnings, 1);
    pthread_mutex_lock(&run->lock);
    if (run->report->item_warning != NULL)
        run->report->item_warning(run->report->arg, buf_string(&text), why);
    pthread_mutex_unlock(&run->lock);
}

void restore_item(struct restore_run *run, const char *action, const char *path, uint64_t size)
{
    AUTO(buf) struct buf text = {0};

    if (run->report->item == NULL)
        return;
    path_escape(slice_string(path), &text);
    pthread_mutex_lock(&run->lock);
    run->report->item(run->report->arg, action, buf_string(&text), size);
    pthread_mutex_unlock(&run->lock);
}
