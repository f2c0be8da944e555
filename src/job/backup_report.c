/*
 * What a backup tells while it runs: items dealt with, and what is incomplete, which the
 * snapshot names too.
 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/backup_run.h"

/* A snapshot is one object of at most 64 MiB, and its list of what is incomplete is only a part
 * of that even when every byte of it takes six in JSON. */
#define INCOMPLETE_BYTES_MAX ((size_t)8 << 20)

/* Not recursive: a source may have more levels than a stack has room for. */
static void sink_path(const struct sink_dir *d, size_t slot, struct buf *out)
{
    size_t depth = 0;

    for (const struct sink_dir *p = d; p != NULL; p = p->parent)
        depth++;

    AUTO(mem) const struct entry **way = mem_array(depth, sizeof(way[0]));

    for (size_t i = depth; d != NULL; slot = d->parent_slot, d = d->parent)
        way[--i] = &d->listing->entries[slot];
    for (size_t i = 0; i < depth; i++) {
        buf_put_u8(out, '/');
        path_escape(way[i]->name, out);
    }
}

void backup_run_tell_item(struct backup_run *run, const char *action, const struct sink_dir *d,
                          size_t slot)
{
    AUTO(buf) struct buf path = {0};

    if (run->report->item == NULL)
        return;
    sink_path(d, slot, &path);
    pthread_mutex_lock(&run->lock);
    run->report->item(run->report->arg, action, buf_string(&path), d->listing->entries[slot].size);
    pthread_mutex_unlock(&run->lock);
}

/* With the lock held. */
static void name_incomplete(struct backup_run *run, const char *path, const struct err *why)
{
    AUTO(buf) struct buf reason = {0};

    /* A sentence may hold a name that is no UTF-8, which no snapshot may. */
    if (utf8_is_valid(slice_string(why->text)))
        buf_append_slice(&reason, slice_string(why->text));
    else
        path_escape(slice_string(why->text), &reason);

    const size_t size = strlen(path) + reason.size;

    if (size > INCOMPLETE_BYTES_MAX - run->incomplete_bytes) {
        run->unnamed++;
        return;
    }
    run->incomplete_bytes += size;
    snapshot_add_incomplete(run->snapshot, path, buf_string(&reason));
}

void backup_run_close_list(struct backup_run *run)
{
    AUTO(buf) struct buf text = {0};

    if (run->unnamed == 0)
        return;
    buf_printf(&text, "%llu more are not named here", (unsigned long long)run->unnamed);
    snapshot_add_incomplete(run->snapshot, "/", buf_string(&text));
}

void backup_run_tell_error(struct backup_run *run, const char *path, const struct err *why)
{
    AUTO(buf) struct buf text = {0};

    path_escape(slice_string(path), &text);
    atomic_fetch_add(&run->counters.errors, 1);
    pthread_mutex_lock(&run->lock);
    name_incomplete(run, buf_string(&text), why);
    if (run->report->item_error != NULL)
        run->report->item_error(run->report->arg, "read", buf_string(&text), why);
    pthread_mutex_unlock(&run->lock);
}
