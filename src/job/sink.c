/*
 * The sink of a backup: compares what a source announces with the previous snapshot, cuts
 * the bytes of files into chunks, and fills batches for the writer.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/backup_run.h"
#include "job/feed.h"
#include "job/former.h"

/* Files that end in one batch at most: bounds what waits when files are tiny or empty. */
#define ENDED_MAX 512

struct lane {
    struct backup_run *run;
    struct reader *reader; /* of the previous snapshot's trees */
    struct batch *batch;   /* being filled, or NULL */
    struct lane_batch *wrap;
    struct file_record *file; /* begun and not ended, or NULL */
    size_t chunk_start;       /* of the unfinished chunk, in batch->bytes */
    size_t scanned;           /* cutter's position in it */
    enum cut_kind kind;       /* how the file is cut when it is large enough */
    uint64_t file_bytes;
    struct former former; /* content of the file in the previous snapshot */
};

void backup_run_fail(struct backup_run *run, const struct err *e)
{
    pthread_mutex_lock(&run->lock);
    if (!atomic_load(&run->has_failed)) {
        run->failure = *e;
        atomic_store(&run->has_failed, true);
    }
    pthread_mutex_unlock(&run->lock);
}

static bool failed(struct backup_run *run, struct err *e)
{
    if (!atomic_load(&run->has_failed))
        return false;
    *e = run->failure;
    return true;
}

/* Lanes and batches */

static bool lane_open(struct sink *k, struct lane **out, struct err *e)
{
    struct backup_run *run = (struct backup_run *)k;

    if (failed(run, e))
        return false;

    struct lane *n = mem_new(sizeof(*n));

    n->run = run;
    n->reader = reader_new(run->repo);
    n->former.repo = run->repo;
    *out = n;
    return true;
}

void backup_run_done_batch(void *arg, struct batch *b)
{
    struct backup_run *run = arg;
    const bool is_queued = queue_put(run->messages, b->cookie);

    assert(is_queued);
}

static void need_batch(struct lane *n)
{
    if (n->batch != NULL)
        return;
    n->batch = writer_batch(n->run->writer);
    n->wrap = mem_new(sizeof(*n->wrap));
    *n->wrap = (struct lane_batch){.kind = MESSAGE_BATCH, .batch = n->batch};
    n->batch->cookie = n->wrap;
    n->chunk_start = 0;
}

/* Send the batch; the bytes of an unfinished chunk move to the next one. */
static bool submit(struct lane *n, struct err *e)
{
    struct batch *b = n->batch;
    AUTO(buf) struct buf rest = {0};

    if (b == NULL)
        return true;
    buf_append(&rest, b->bytes.data + n->chunk_start, b->bytes.size - n->chunk_start);
    b->bytes.size = n->chunk_start;

    struct lane_batch *wrap = n->wrap;

    n->batch = NULL;
    n->wrap = NULL;
    if (!writer_submit(n->run->writer, b, e)) {
        mem_free(wrap);
        return false;
    }
    if (rest.size > 0) {
        need_batch(n);
        buf_append_slice(&n->batch->bytes, buf_slice(&rest));
    }
    return true;
}

static void lane_close(struct lane *n)
{
    struct err e = {0};

    if (n == NULL)
        return;
    if (n->batch != NULL) {
        /* What a run that was given up leaves of an unfinished chunk. */
        n->batch->bytes.size = n->chunk_start;
        if (!submit(n, &e))
            backup_run_fail(n->run, &e);
    }
    reader_free(n->reader);
    former_done(&n->former);
    mem_free(n);
}

/* Entering directories */

static void count_entries(struct backup_run *run, struct sink_dir *d)
{
    for (size_t i = 0; i < d->listing->count; i++) {
        const struct entry *en = &d->listing->entries[i];
        const bool is_waiting = d->states[i] == SLOT_WAITING;

        d->listing->wanted[i] = is_waiting && en->type == ENTRY_FILE;
        d->pending += is_waiting ? 1 : 0;
        if (en->type != ENTRY_FILE)
            continue;
        atomic_fetch_add(&run->counters.total_files, 1);
        atomic_fetch_add(&run->counters.total_bytes, en->size);
        if (is_waiting)
            continue;
        atomic_fetch_add(&run->counters.files_unmodified, 1);
        atomic_fetch_add(&run->counters.done_files, 1);
        atomic_fetch_add(&run->counters.done_bytes, en->size);
        backup_run_tell_item(run, "unchanged", d, i);
    }
}

static bool enter(struct lane *n, struct sink_dir *parent, size_t slot, struct listing *l,
                  struct sink_dir **out, struct err *e)
{
    struct backup_run *run = n->run;

    if (failed(run, e)) {
        listing_free(l);
        return false;
    }

    struct sink_dir *d = mem_new(sizeof(*d));

    *d = (struct sink_dir){
        .kind = MESSAGE_DIRECTORY, .parent = parent, .parent_slot = slot, .listing = l};
    d->states = mem_array(l->count, sizeof(*d->states));
    d->had_before = mem_array(l->count, sizeof(*d->had_before));
    d->before = run->before == NULL ? NULL : mem_array(l->count, sizeof(*d->before));
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].type == ENTRY_FILE || l->entries[i].type == ENTRY_DIRECTORY)
            d->states[i] = SLOT_WAITING;
    if (run->before != NULL)
        backup_run_compare(run, n->reader, d);
    count_entries(run, d);

    pthread_mutex_lock(&run->lock);
    d->older = run->dirs;
    if (run->dirs != NULL)
        run->dirs->newer = d;
    run->dirs = d;
    pthread_mutex_unlock(&run->lock);

    *out = d->pending > 0 ? d : NULL;
    if (d->pending == 0 && !queue_put(run->messages, d))
        assert(false);
    return true;
}

void sink_dir_free(struct backup_run *run, struct sink_dir *d)
{
    pthread_mutex_lock(&run->lock);
    if (d->newer != NULL)
        d->newer->older = d->older;
    else
        run->dirs = d->older;
    if (d->older != NULL)
        d->older->newer = d->newer;
    pthread_mutex_unlock(&run->lock);
    listing_free(d->listing);
    mem_free(d->states);
    mem_free(d->had_before);
    mem_free(d->before);
    mem_free(d->pages);
    mem_free(d);
}

/* Files */

static struct file_record *record_new(struct backup_run *run, struct sink_dir *d, size_t slot)
{
    struct file_record *f = mem_new(sizeof(*f));

    f->dir = d;
    f->slot = slot;
    pthread_mutex_lock(&run->lock);
    f->older = run->records;
    if (run->records != NULL)
        run->records->newer = f;
    run->records = f;
    pthread_mutex_unlock(&run->lock);
    return f;
}

void file_record_free(struct backup_run *run, struct file_record *f)
{
    pthread_mutex_lock(&run->lock);
    if (f->newer != NULL)
        f->newer->older = f->older;
    else
        run->records = f->older;
    if (f->older != NULL)
        f->older->newer = f->newer;
    pthread_mutex_unlock(&run->lock);
    buf_done(&f->ids);
    buf_done(&f->final);
    mem_free(f);
}

/* A file of the previous snapshot, as far as it is known. */
static struct entry entry_before(const struct content_before *b)
{
    return (struct entry){.type = ENTRY_FILE,
                          .flags = b->is_indirect ? ENTRY_INDIRECT : 0,
                          .cut = b->cut,
                          .size = b->size,
                          .content = b->content};
}

/* *out is the file of the same name; false: there is none without holes. */
static bool find_former(const struct sink_dir *d, size_t slot, struct entry *out)
{
    if (d->before == NULL || !d->had_before[slot] || d->before[slot].has_holes)
        return false;
    *out = entry_before(&d->before[slot]);
    return true;
}

static void begin_former(struct lane *n, const struct sink_dir *d, size_t slot)
{
    former_clear(&n->former);
    if (d->before == NULL || d->before[slot].content.size == 0)
        return;

    const struct entry before = entry_before(&d->before[slot]);

    former_begin(&n->former, n->reader, &before);
}

static void former(struct lane *n, struct sink_dir *d, size_t slot, size_t max, struct buf *out)
{
    AUTO(feed) struct feed f = {0};
    struct err unreadable = {0};
    struct entry before;

    if (!find_former(d, slot, &before) || before.size > max ||
        !feed_open(&f, n->reader, &before, &unreadable))
        return;
    do {
        if (!feed_next(&f, out, &unreadable))
            buf_clear(out);
    } while (out->size > 0 && out->size < before.size);
}

static bool begin(struct lane *n, struct sink_dir *d, size_t slot, struct err *e)
{
    assert(n->file == NULL);
    if (failed(n->run, e))
        return false;
    n->file = record_new(n->run, d, slot);
    n->scanned = 0;
    n->kind =
        d->listing->entries[slot].cut == CUT_WHOLE ? CUT_GENERAL : d->listing->entries[slot].cut;
    n->file_bytes = 0;
    begin_former(n, d, slot);
    return true;
}

/* Close a chunk of this size at chunk_start; send the batch when it is worth it. */
static bool close_chunk(struct lane *n, size_t size, struct err *e)
{
    struct piece p = {.offset = n->chunk_start,
                      .size = size,
                      .type = CHUNK_DATA,
                      .cookie = n->file,
                      .number = n->file->chunk_count++};

    p.has_base = former_next(&n->former, size, &p.base);
    batch_add(n->batch, &p);
    n->chunk_start += size;
    n->scanned = 0;
    return n->chunk_start < BATCH_BYTES || submit(n, e);
}

/*
 * The length of the first chunk of in, as cutter_cut() says it; 0: more bytes are needed.  A chunk
 * ends where the former one did when that can be told; a place before it where changed bytes would
 * end a chunk is passed over.
 */
static size_t find_size(struct lane *n, struct slice in, bool at_end)
{
    size_t size = 0;

    if (n->scanned == 0 && former_cut(&n->former, n->kind, in, at_end, &size))
        return size;
    return cutter_cut(repo_cutter(n->run->repo), n->kind, in, at_end, &n->scanned);
}

static bool cut(struct lane *n, bool at_end, struct err *e)
{
    while (n->batch != NULL && n->batch->bytes.size > n->chunk_start) {
        const struct buf *b = &n->batch->bytes;
        const size_t size =
            find_size(n, SLICE_OF(b->data + n->chunk_start, b->size - n->chunk_start), at_end);

        if (size == 0)
            return true;
        if (!close_chunk(n, size, e))
            return false;
    }
    return true;
}

/* In the batch itself: what is read stands where the writer takes it. */
static uint8_t *room(struct lane *n, size_t size)
{
    assert(n->file != NULL && size <= SINK_ROOM_MAX);
    need_batch(n);
    buf_reserve(&n->batch->bytes, size);
    return n->batch->bytes.data + n->batch->bytes.size;
}

static bool write_bytes(struct lane *n, size_t size, struct err *e)
{
    n->file_bytes += size;
    atomic_fetch_add(&n->run->counters.done_bytes, size);
    (void)buf_extend(&n->batch->bytes, size);
    return cut(n, false, e);
}

/* The record travels with the batch, so the assembler hears of it after all earlier bytes of
 * this lane were submitted. */
static bool end_record(struct lane *n, struct err *e)
{
    need_batch(n);
    n->file->next_ended = n->wrap->ended;
    n->wrap->ended = n->file;
    n->file = NULL;
    return ++n->wrap->ended_count < ENDED_MAX || submit(n, e);
}

static bool drop_record(struct lane *n, struct err *e)
{
    if (n->file == NULL)
        return true;
    if (n->batch != NULL)
        n->batch->bytes.size = n->chunk_start;
    atomic_fetch_sub(&n->run->counters.done_bytes, n->file_bytes);
    n->scanned = 0;
    n->file_bytes = 0;
    return end_record(n, e);
}

/* Sizes count with their holes, and in the end what was read, not what was announced. */
static void count_done(struct backup_run *run, const struct entry *announced,
                       const struct entry *final, uint64_t bytes_read)
{
    atomic_fetch_add(&run->counters.done_files, 1);
    atomic_fetch_add(&run->counters.done_bytes, final->size - bytes_read);
    atomic_fetch_add(&run->counters.total_bytes, final->size - announced->size);
}

static bool end(struct lane *n, const struct entry *final, struct err *e)
{
    struct backup_run *run = n->run;
    struct sink_dir *d = n->file->dir;
    const size_t slot = n->file->slot;
    struct entry en = *final;

    if (!cut(n, true, e))
        return false;
    en.content = (struct slice){0};
    en.cut = n->file_bytes < CUT_WHOLE_MAX ? CUT_WHOLE : n->kind;
    entry_encode(&en, &n->file->final);
    count_done(run, &d->listing->entries[slot], &en, n->file_bytes);
    atomic_fetch_add(d->had_before[slot] ? &run->counters.files_changed : &run->counters.files_new,
                     1);
    backup_run_tell_item(run, d->had_before[slot] ? "changed" : "new", d, slot);
    return end_record(n, e) && !failed(run, e);
}

/* The record goes the way of one that was read, with all its ids known. */
static bool keep(struct lane *n, uint64_t size, bool *is_kept, struct err *e)
{
    struct backup_run *run = n->run;
    struct file_record *f = n->file;
    const struct entry *announced = &f->dir->listing->entries[f->slot];
    struct entry before;

    assert(n->file_bytes == 0);
    if (failed(run, e))
        return false;
    *is_kept = find_former(f->dir, f->slot, &before) && before.size == size &&
               backup_run_keep(run, n->reader, &before, &f->ids);
    if (!*is_kept) {
        buf_clear(&f->ids);
        return true;
    }

    struct entry en = *announced;

    en.size = size;
    en.cut = before.cut;
    f->chunk_count = f->known = f->ids.size / HASH_SIZE;
    entry_encode(&en, &f->final);
    count_done(run, announced, &en, 0);
    atomic_fetch_add(&run->counters.files_unmodified, 1);
    atomic_fetch_add(&run->counters.reused, 1);
    backup_run_tell_item(run, "unchanged", f->dir, f->slot);
    return end_record(n, e) && !failed(run, e);
}

static bool restart(struct lane *n, struct err *e)
{
    struct sink_dir *d = n->file->dir;
    const size_t slot = n->file->slot;

    return drop_record(n, e) && begin(n, d, slot, e);
}

static bool skip(struct lane *n, struct sink_dir *d, size_t slot, const char *path,
                 const struct err *why, struct err *e)
{
    if (!drop_record(n, e))
        return false;

    backup_run_tell_error(n->run, path, why);
    if (d == NULL)
        return !failed(n->run, e);
    if (d->listing->entries[slot].type == ENTRY_FILE) {
        atomic_fetch_sub(&n->run->counters.total_files, 1);
        atomic_fetch_sub(&n->run->counters.total_bytes, d->listing->entries[slot].size);
    }

    struct skip *s = mem_new(sizeof(*s));

    *s = (struct skip){.kind = MESSAGE_SKIP, .dir = d, .slot = slot};
    if (!queue_put(n->run->messages, s))
        assert(false);
    return !failed(n->run, e);
}

static bool note(struct lane *n, const char *path, const struct err *why, struct err *e)
{
    backup_run_tell_error(n->run, path, why);
    return !failed(n->run, e);
}

static void source(struct sink *k, const char *kind, const char *name)
{
    struct backup_run *run = (struct backup_run *)k;

    pthread_mutex_lock(&run->lock);
    buf_clear(&run->source);
    if (kind != NULL)
        buf_printf(&run->source, "%s/", kind);
    path_escape(slice_string(name), &run->source);
    atomic_store(&run->counters.rows, 0);
    pthread_mutex_unlock(&run->lock);
}

static void rows(struct sink *k, uint64_t more)
{
    struct backup_run *run = (struct backup_run *)k;

    atomic_fetch_add(&run->counters.rows, more);
}

const struct sink_ops backup_sink_ops = {
    .lane_open = lane_open,
    .lane_close = lane_close,
    .enter = enter,
    .begin = begin,
    .room = room,
    .write = write_bytes,
    .end = end,
    .former = former,
    .keep = keep,
    .restart = restart,
    .skip = skip,
    .note = note,
    .source = source,
    .rows = rows,
};
