/*
 * A backup from beginning to end: parent, source, trees, snapshot, confirmation, commit.
 *
 * The only success is a durable commit.  When a collector is about to remove a pack that was
 * deduplicated against, the whole run is repeated with a fresh index: what was stored already
 * is found then, so only what is going away is stored again.
 */
#include <assert.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/backup_former.h"
#include "job/backup_run.h"
#include "job/ticker.h"

/* Each round needs another collector that condemns a pack just then. */
#define BACKUP_ROUNDS 4

#define MESSAGES_ROOM 1024

/* Fewer lanes than the writer has batches, of which an idle lane may hold one: otherwise the
 * last lane at work could wait for a batch for ever. */
#define SOURCE_THREADS_MAX 64

static void tick(void *arg)
{
    struct backup_run *run = arg;
    const struct backup_counters *c = &run->counters;
    struct progress p = {.elapsed_ns = clock_now_ns() - run->snapshot->counts.started_ns,
                         .files_done = atomic_load(&c->done_files),
                         .files_total = atomic_load(&c->total_files),
                         .bytes_done = atomic_load(&c->done_bytes),
                         .bytes_total = atomic_load(&c->total_bytes),
                         .errors = atomic_load(&c->errors)};

    pthread_mutex_lock(&run->lock);
    if (run->source.size > 0) {
        p.source = buf_string(&run->source);
        p.rows_done = atomic_load(&c->rows);
    }
    run->report->progress(run->report->arg, &p);
    pthread_mutex_unlock(&run->lock);
}

static char *user_name(void)
{
    struct passwd entry, *found = NULL;
    char text[4096];

    if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) != 0 || found == NULL)
        return mem_string("");
    return mem_string(found->pw_name);
}

static void set_origin(struct snapshot *s, const struct backup_options *o)
{
    char host[256] = "localhost";

    (void)gethostname(host, sizeof(host) - 1); /* keeps the default when it fails */
    s->host = mem_string(o->host != NULL ? o->host : host);
    s->user = user_name();
    s->uid = geteuid();
    s->gid = getegid();
    s->program = mem_string("holdfast " HOLDFAST_VERSION);
    for (size_t i = 0; i < o->tag_count; i++)
        snapshot_add_tag(s, o->tags[i]);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The path of "/kind/name", or of what is not below a kind when that is NULL. */
static void add_path(struct snapshot *s, const char *kind, const char *name)
{
    AUTO(buf) struct buf path = {0};

    if (kind != NULL)
        buf_printf(&path, "/%s", kind);
    if (*name != '/')
        buf_put_u8(&path, '/');
    path_escape(slice_string(name), &path);
    snapshot_add_path(s, buf_string(&path));
}

/* What the snapshot holds, as its listing shows it. */
static void add_paths(struct snapshot *s, const struct backup_options *o)
{
    if (o->set != NULL) {
        s->set = mem_string(o->set->name);
        s->configuration = o->configuration == NULL ? NULL : mem_string(o->configuration);
        s->job = o->job == NULL ? NULL : mem_string(o->job);
        for (size_t i = 0; i < o->set->files_count; i++)
            add_path(s, NULL, o->set->files[i].name);
        for (size_t i = 0; i < o->set->member_count; i++)
            add_path(s, o->set->members[i]->ops->kind, o->set->members[i]->name);
        return;
    }
    if (o->stream_fd >= 0)
        add_path(s, NULL, o->stream_name);
    for (size_t i = 0; o->stream_fd < 0 && i < o->files.path_count; i++)
        add_path(s, NULL, o->files.paths[i]);
}

static struct snapshot *describe(const struct backup_options *o, int64_t started_ns)
{
    struct snapshot *s = snapshot_new();

    set_origin(s, o);
    s->time_ns = o->time_ns != 0 ? o->time_ns : started_ns;
    s->scan_started_ns = started_ns;
    s->counts.started_ns = started_ns;
    add_paths(s, o);
    /* The same paths in another order are the same backup. */
    qsort(s->paths, s->path_count, sizeof(char *), compare_texts);
    return s;
}

/* The same thing backed up: of a set the name, else the paths; what was imported is another. */
static bool has_same_source(const struct snapshot *a, const struct snapshot *b)
{
    if (snapshot_is_import(a) != snapshot_is_import(b))
        return false;
    if (a->set != NULL || b->set != NULL)
        return a->set != NULL && b->set != NULL && strcmp(a->set, b->set) == 0;
    if (a->path_count != b->path_count)
        return false;
    for (size_t i = 0; i < a->path_count; i++)
        if (strcmp(a->paths[i], b->paths[i]) != 0)
            return false;
    return true;
}

/* A damaged snapshot is no parent; telling of it is what check is for. */
static void damage_ignored(void *arg, const char *key, const struct err *why)
{
    (void)arg;
    (void)key;
    (void)why;
}

static bool resolve_parent(struct repo *r, const char *selector, struct snapshot **out,
                           struct err *e)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(mem) char *sub = NULL;

    if (!snapshot_resolve(r, selector, &(struct snapshot_filter){0}, &s, &sub, e))
        return false;
    if (sub != NULL)
        return err_set(e, ERR_USAGE, "%s: a parent is a whole snapshot", selector);
    *out = TAKE(s);
    return true;
}

/* The snapshot that unchanged files are taken from; *out stays NULL when there is none. */
static bool find_parent(struct repo *r, const struct backup_options *o, const struct snapshot *now,
                        struct snapshot **out, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};

    if (o->force || o->stream_fd >= 0)
        return true;
    if (o->parent != NULL)
        return resolve_parent(r, o->parent, out, e);
    if (!snapshot_load_all(r, 1u << SNAPSHOT_COMMITTED, damage_ignored, NULL, &all, e))
        return false;
    for (size_t i = all.count; i-- > 0;)
        if (strcmp(all.items[i]->host, now->host) == 0 && has_same_source(all.items[i], now)) {
            *out = TAKE(all.items[i]);
            return true;
        }
    return true;
}

/* Find the parent, and load the index beside that. */
static bool begin(struct repo *r, const struct backup_options *o, struct snapshot *now,
                  struct snapshot **before, struct err *e)
{
    repo_expect_index(r);
    if (!find_parent(r, o, now, before, e) || !repo_load_index(r, e))
        return false;
    if (*before != NULL) {
        now->has_parent = true;
        now->parent = (*before)->id;
    }
    return true;
}

static bool is_whole(const struct backup_options *o, struct err *e)
{
    return o->is_whole == NULL || o->is_whole(o->is_whole_arg, e);
}

static bool run_source(struct backup_run *run, const struct backup_options *o, struct err *e)
{
    if (o->stream_fd >= 0)
        return stream_backup(o->stream_fd, o->stream_name, run->snapshot->time_ns, &run->sink, e) &&
               is_whole(o, e);

    const int threads = thread_processors() < SOURCE_THREADS_MAX ? 0 : SOURCE_THREADS_MAX;

    if (o->set != NULL) {
        struct set set = *o->set;

        set.time_ns = run->snapshot->time_ns;
        set.scan_started_ns = run->snapshot->scan_started_ns;
        set.threads = threads;
        spool_feeds_attach(&set, run->repo);
        return set_backup(&set, &run->sink, e) && is_whole(o, e);
    }

    struct files_options files = o->files;

    files.scan_started_ns = run->snapshot->scan_started_ns;
    files.threads = threads;
    return files_backup(&files, &run->sink, e);
}

static void take_counts(struct backup_run *run, const struct writer_stats *w)
{
    const struct backup_counters *c = &run->counters;
    struct snapshot_counts *s = &run->snapshot->counts;

    s->files_new = atomic_load(&c->files_new);
    s->files_changed = atomic_load(&c->files_changed);
    s->files_unmodified = atomic_load(&c->files_unmodified);
    s->dirs_new = atomic_load(&c->dirs_new);
    s->dirs_changed = atomic_load(&c->dirs_changed);
    s->dirs_unmodified = atomic_load(&c->dirs_unmodified);
    s->total_files = s->files_new + s->files_changed + s->files_unmodified;
    s->total_bytes = atomic_load(&c->done_bytes);
    s->data_chunks = w->data_chunks;
    s->tree_chunks = w->tree_chunks;
    s->bytes_added = w->bytes_added;
    s->bytes_stored = w->bytes_stored;
    s->ended_ns = clock_now_ns();
}

static bool number_snapshot(void *arg, struct err *e)
{
    struct backup_run *run = arg;

    return snapshot_number(run->repo, run->snapshot, e);
}

/* Store what is left; the snapshot gets its number meanwhile. */
static bool finish(struct backup_run *run, const struct backup_options *o,
                   struct writer_stats *stats, struct err *e)
{
    AUTO(aside) struct aside numbering = {0};

    if (o->is_dry_run)
        return writer_finish(run->writer, stats, e);
    aside_start(&numbering, run->repo, number_snapshot, run);
    return writer_finish(run->writer, stats, e) && aside_end(&numbering, e);
}

/* Push the source through sink, workers and assembler until everything is durable. */
static bool store_all(struct backup_run *run, const struct backup_options *o,
                      struct writer_stats *stats, struct err *e)
{
    struct err drained = {0};

    run->messages = queue_new(MESSAGES_ROOM);
    assembler_start(run);

    bool ok = run_source(run, o, e);
    const bool is_drained = writer_drain(run->writer, &drained);

    assembler_finish(run);
    queue_free(TAKE(run->messages));
    /* What went wrong below is the cause; the source only saw its consequence. */
    if (!is_drained)
        *e = drained;
    else if (atomic_load(&run->has_failed))
        *e = run->failure;
    else if (ok)
        assert(run->is_complete);
    run->is_source_failure = !ok && is_drained && !atomic_load(&run->has_failed);
    ok = ok && is_drained && !atomic_load(&run->has_failed);
    return ok && finish(run, o, stats, e);
}

static bool confirm(struct backup_run *run, bool *is_safe, struct err *e)
{
    return writer_confirm(run->writer, is_safe, e) && (!cancel_is_requested() || cancel_err(e));
}

static bool commit(struct backup_run *run, bool *is_safe, struct err *e)
{
    struct snapshot *s = run->snapshot;
    struct err ignored = {0};

    s->tree = run->root;
    backup_run_close_list(run);
    if (!snapshot_put_numbered(run->repo, s, e))
        return false;
    if (!confirm(run, is_safe, e)) {
        /* When this fails too, what is left is a prepared snapshot, which check calls litter. */
        const bool is_withdrawn = snapshot_withdraw(run->repo, &s->id, &ignored);

        (void)is_withdrawn;
        return false;
    }
    return *is_safe ? snapshot_commit(run->repo, &s->id, e)
                    : snapshot_withdraw(run->repo, &s->id, e);
}

static void fill_result(struct backup_run *run, const struct writer_stats *stats,
                        struct backup_result *out)
{
    *out = (struct backup_result){.counts = run->snapshot->counts,
                                  .errors = atomic_load(&run->counters.errors),
                                  .reused = atomic_load(&run->counters.reused),
                                  .frames = stats->frames,
                                  .frames_verified = stats->frames_verified};
    if (run->before != NULL) {
        out->has_parent = true;
        out->parent = run->before->id;
    }
}

/* One attempt.  *is_safe = false: nothing was committed, and another attempt may succeed. */
static bool attempt(struct backup_run *run, const struct backup_options *o,
                    struct backup_result *out, bool *is_safe, struct err *e)
{
    const struct writer_options options = {.level = o->level,
                                           .pack_size = o->pack_size,
                                           .is_dry_run = o->is_dry_run,
                                           .done = backup_run_done_batch,
                                           .arg = run};
    AUTO(writer) struct writer *w = NULL;
    struct writer_stats stats;

    *is_safe = true;
    if (!writer_open(run->repo, &options, &w, e))
        return false;
    run->writer = w;
    {
        AUTO(ticker)
        struct ticker *ticker = ticker_start(run->report->progress != NULL ? tick : NULL, run);

        if (!store_all(run, o, &stats, e))
            return false;
        (void)ticker;
    }
    take_counts(run, &stats);
    fill_result(run, &stats, out);
    if (o->is_dry_run || (o->skip_if_unchanged && run->before != NULL &&
                          hash_is_equal(&run->root, &run->before->tree)))
        return true;
    if (!commit(run, is_safe, e))
        return false;
    repo_lock_stats(run->repo, &out->locks);
    out->snapshot = run->snapshot->id;
    out->is_committed = *is_safe;
    return true;
}

/* What a former attempt at the same job committed. */
static bool find_former(struct repo *r, const struct backup_options *o, struct backup_result *out,
                        bool *is_found, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};
    const struct snapshot *made;

    *is_found = false;
    if (!backup_former_is_wanted(o))
        return true;
    if (!snapshot_load_all(r, 1u << SNAPSHOT_COMMITTED, damage_ignored, NULL, &all, e))
        return false;
    made = backup_former_find(&all, o);
    if (made == NULL)
        return true;
    backup_former_result(made, out);
    *is_found = true;
    return true;
}

bool backup_run(struct repo *r, const struct backup_options *o, const struct report *report,
                struct backup_result *out, struct err *e)
{
    const int64_t started_ns = clock_now_ns();
    bool is_found = false;

    if (!find_former(r, o, out, &is_found, e))
        return false;
    if (is_found)
        return true;
    for (int round = 0; round < BACKUP_ROUNDS; round++) {
        AUTO(snapshot) struct snapshot *now = describe(o, started_ns);
        AUTO(snapshot) struct snapshot *before = NULL;
        struct backup_result result = {0};
        bool is_safe;

        if (!begin(r, o, now, &before, e))
            return false;

        struct backup_run run = {.sink = {&backup_sink_ops},
                                 .repo = r,
                                 .report = report,
                                 .before = before,
                                 .snapshot = now,
                                 .moved_lock = PTHREAD_MUTEX_INITIALIZER,
                                 .lock = PTHREAD_MUTEX_INITIALIZER};

        const bool ok = attempt(&run, o, &result, &is_safe, e);

        /* It holds claims of this attempt. */
        repo_drop_index(r);
        buf_done(&run.source);
        moved_free(run.moved);
        out->is_source_failure = run.is_source_failure;
        if (!ok)
            return false;
        if (is_safe) {
            *out = result;
            return true;
        }
        /* A stream cannot be read twice, and what a set was asked holds for one moment. */
        if (o->stream_fd >= 0 || o->set != NULL)
            break;
    }
    return err_set(e, ERR_TRANSIENT,
                   "a prune is removing what this backup relies on; nothing was committed");
}
