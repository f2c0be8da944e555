/*
 * Threads and the order of their work.
 *
 * Directories with work left stand on a stack.  A thread takes from the top one: first its
 * files, in batches that several threads can share, then its subdirectories, each of which
 * goes on top in turn.  So the walk goes down before it goes on, few directories are open at
 * a time, and names come roughly in order.
 *
 * A thread whose last files came from a disk asks for all of the next ones before it reads the
 * first: a disk is fastest when much is asked of it at once.  Where files come from memory that
 * would be work for nothing.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "source/walk.h"

#define BATCH_FILES 64
#define BATCH_BYTES ((uint64_t)8 << 20)

#define THREADS_MAX 256

/* What a thread does next; folder is used once for it. */
struct piece {
    struct folder *folder; /* NULL: visit the root */
    size_t first, count;   /* in folder->order: files to send, or one directory to visit */
    bool is_directory;
};

static bool sink_skip(struct worker *w, struct sink_dir *d, size_t slot, const char *path,
                      const struct err *why, struct err *e)
{
    return w->run->sink->ops->skip(w->lane, d, slot, path, why, e);
}

bool worker_skip(struct worker *w, const struct folder *f, size_t slot, const struct err *why,
                 struct err *e)
{
    AUTO(buf) struct buf path = {0};

    folder_path(f, (const char *)f->entries[slot].name.data, &path);
    return sink_skip(w, f->dir, slot, buf_string(&path), why, e);
}

bool worker_miss(struct worker *w, const struct folder *f, const char *name, const struct err *why,
                 struct err *e)
{
    AUTO(buf) struct buf path = {0};

    folder_path(f, name, &path);
    return sink_skip(w, NULL, 0, buf_string(&path), why, e);
}

bool worker_note(struct worker *w, const struct folder *f, const char *name, const struct err *why,
                 struct err *e)
{
    AUTO(buf) struct buf path = {0};

    folder_path(f, name, &path);
    return w->run->sink->ops->note(w->lane, buf_string(&path), why, e);
}

bool worker_go_on(const struct worker *w, struct err *e)
{
    if (cancel_is_requested())
        return cancel_err(e);
    /* The failure of the other thread came first and is the one that is returned. */
    return !atomic_load(&w->run->is_stopping) || err_set(e, ERR_CANCELLED, "another thread failed");
}

/* Take the next files or the next directory of the folder on top. */
static void piece_cut(struct run *r, struct piece *p)
{
    struct folder *f = r->top;
    uint64_t bytes = 0;

    *p = (struct piece){.folder = f, .first = f->next};
    if (f->next >= f->file_count) {
        p->is_directory = true;
        p->count = 1;
    }
    while (f->next + p->count < f->file_count && p->count < BATCH_FILES && bytes < BATCH_BYTES)
        bytes += f->entries[f->order[f->next + p->count++]].size;
    f->next += p->count;

    /* The stack's own use of the folder passes to the last piece. */
    if (f->next == f->count)
        r->top = f->below;
    else
        folder_use(f);
}

/* Wait for work; false when there is none left or there is a failure. */
static bool piece_take(struct run *r, struct piece *p)
{
    bool found = false;

    (void)pthread_mutex_lock(&r->lock);
    while (r->is_root_visited && r->top == NULL && r->working > 0 && !r->is_stopping) {
        r->waiting++;
        (void)pthread_cond_wait(&r->change, &r->lock);
        r->waiting--;
    }
    if (!r->is_stopping && (!r->is_root_visited || r->top != NULL)) {
        found = true;
        r->working++;
        if (r->is_root_visited)
            piece_cut(r, p);
        else
            *p = (struct piece){.is_directory = true};
        r->is_root_visited = true;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return found;
}

/* Put new work (or NULL) on the stack and let others know. */
static void piece_done(struct run *r, struct folder *added)
{
    (void)pthread_mutex_lock(&r->lock);
    r->working--;
    if (added != NULL) {
        added->below = r->top;
        r->top = added;
    }
    if (r->waiting > 0 && (added != NULL || r->working == 0))
        (void)pthread_cond_broadcast(&r->change);
    (void)pthread_mutex_unlock(&r->lock);
}

static void run_fail(struct run *r, const struct err *e)
{
    (void)pthread_mutex_lock(&r->lock);
    if (!r->is_stopping)
        r->failure = *e;
    r->is_stopping = true;
    (void)pthread_cond_broadcast(&r->change);
    (void)pthread_mutex_unlock(&r->lock);
}

/* What this thread has had read from disks so far; 0 where the kernel does not count it. */
static long blocks_read(void)
{
    struct rusage used;

    return getrusage(RUSAGE_THREAD, &used) == 0 ? used.ru_inblock : 0;
}

static bool files_send(struct worker *w, const struct piece *p, struct err *e)
{
    const struct folder *f = p->folder;
    const size_t end = p->first + p->count;
    const long before = blocks_read();

    for (size_t i = p->first; w->is_cold && p->count > 1 && i < end; i++)
        content_read_ahead(w, f, f->order[i]);
    for (size_t i = p->first; i < end; i++)
        if (!worker_go_on(w, e) || !content_send(w, f, f->order[i], e))
            return false;
    w->is_cold = blocks_read() != before;
    return true;
}

static bool piece_work(struct worker *w, const struct piece *p, struct folder **added,
                       struct err *e)
{
    struct folder *f = p->folder;

    if (!worker_go_on(w, e))
        return false;
    if (p->is_directory)
        return walk_visit(w, f, f == NULL ? 0 : f->order[p->first], added, e);
    return files_send(w, p, e);
}

static void worker_done(struct worker *w)
{
    names_done(&w->names);
    owners_done(&w->owners);
    xattrs_done(&w->xattrs);
    buf_done(&w->path);
    buf_done(&w->link);
    buf_done(&w->holes);
    mem_free(w);
}

static void *worker_run(void *arg)
{
    struct run *r = arg;
    struct worker *w = mem_new(sizeof(*w));
    struct piece p = {0};
    struct err e = {0};

    w->run = r;
    if (!r->sink->ops->lane_open(r->sink, &w->lane, &e))
        run_fail(r, &e);
    while (piece_take(r, &p)) {
        struct folder *added = NULL;

        if (!piece_work(w, &p, &added, &e))
            run_fail(r, &e);
        piece_done(r, added);
        if (p.folder != NULL)
            folder_release(p.folder);
    }
    r->sink->ops->lane_close(w->lane);
    worker_done(w);
    return NULL;
}

static int thread_count(const struct files_options *o)
{
    const int wanted = o->threads > 0 ? o->threads : thread_processors();

    return wanted < THREADS_MAX ? wanted : THREADS_MAX;
}

static bool run_threads(struct run *r, struct err *e)
{
    const int count = thread_count(r->o);
    AUTO(mem) pthread_t *threads = mem_array((size_t)count, sizeof(threads[0]));

    for (int i = 1; i < count; i++)
        thread_start(&threads[i], worker_run, r, "source");
    (void)worker_run(r);
    for (int i = 1; i < count; i++)
        thread_join(threads[i]);
    while (r->top != NULL) {
        struct folder *f = r->top;

        r->top = f->below;
        folder_release(f);
    }
    if (!r->is_stopping)
        return true;
    *e = r->failure;
    return false;
}

/* Can the last component of a path be read? */
static bool probe_last(int dirfd, const char *name, const char *path, struct err *e)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    struct stat st = {0};

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, "%s", path);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return true;

    AUTO(fd) int fd = openat(dirfd, name, flags);

    return fd >= 0 || err_sys(e, "open %s", path);
}

/* Step by step, since the path may be longer than the kernel takes at once. */
static bool probe(const char *path, struct err *e)
{
    AUTO(fd) int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *at = path + 1;

    if (fd < 0)
        return err_sys(e, "open /");
    if (*at == '\0')
        return probe_last(fd, ".", path, e);
    for (;;) {
        const size_t size = strcspn(at, "/");
        AUTO(mem) char *name = mem_dup(at, size);

        if (at[size] == '\0')
            return probe_last(fd, name, path, e);

        const int next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (next < 0)
            return err_sys(e, "%s", path);
        fd_auto(&fd);
        fd = next;
        at += size + 1;
    }
}

bool files_probe(const struct files_options *o, struct err *e)
{
    struct err first = {0};

    for (size_t i = 0; i < o->path_count; i++) {
        struct err why = {0};

        if (probe(o->paths[i], &why))
            return true;
        if (i == 0)
            first = why;
    }
    *e = first;
    return false;
}

#define CACHE_TAG "CACHEDIR.TAG:Signature: 8a477f597d28d172789f06886806bc55"

static bool tag_parse(const char *text, struct tag *out, struct err *e)
{
    const size_t size = strcspn(text, ":");

    if (size == 0 || memchr(text, '/', size) != NULL)
        return err_set(e, ERR_USAGE, "\"%s\" does not begin with the name of a file", text);
    out->name = SLICE_OF(text, size);
    if (text[size] == ':')
        out->begins_with = slice_string(text + size + 1);
    return true;
}

static bool tags_parse(const struct files_options *o, struct run *r, struct err *e)
{
    for (size_t i = 0; i < o->exclude_if_present_count; i++)
        if (!tag_parse(o->exclude_if_present[i], &r->tags[r->tag_count++], e))
            return false;
    return !o->exclude_caches || tag_parse(CACHE_TAG, &r->tags[r->tag_count++], e);
}

bool files_backup(const struct files_options *o, struct sink *k, struct err *e)
{
    AUTO(mem) const char **paths = mem_array(o->path_count, sizeof(paths[0]));
    AUTO(mem) struct tag *tags = mem_array(o->exclude_if_present_count + 1, sizeof(tags[0]));
    struct run r = {
        .o = o,
        .sink = k,
        .route = {paths, o->path_count, 1},
        .tags = tags,
        .has_proc = access("/proc/self/fd", X_OK) == 0,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .change = PTHREAD_COND_INITIALIZER,
    };

    assert(o->path_count > 0);
    for (size_t i = 0; i < o->path_count; i++) {
        paths[i] = o->paths[i];
        assert(paths[i][0] == '/');
    }
    route_sort(paths, o->path_count);
    if (paths[0][1] == '\0')
        r.route.count = 0;
    names_raise_limit();
    if (!tags_parse(o, &r, e) || (o->above == NULL && !files_probe(o, e)))
        return false;
    return run_threads(&r, e);
}
