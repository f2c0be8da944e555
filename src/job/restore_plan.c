/*
 * Planning and writing files.
 *
 * Workers take frames in the order in which they are stored, deltas behind what they rest on.  A
 * file is opened by whoever writes its first piece and finished (size, owner, mode, times) by
 * whoever writes its last, so small files are opened, written and closed in one go, in the order of
 * their paths.
 */
#include "job/restore_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "codec/extent.h"

/* Bounds of a plan: some 30 MiB of memory. */
#define PLAN_FILES_MAX  ((size_t)64 << 10)
#define PLAN_WRITES_MAX ((size_t)256 << 10)

/* Files with pieces still to come that are kept open at one moment. */
#define OPEN_FILES_MAX 512
#define FILE_LOCKS     64

struct planned_file {
    const char *path;
    struct slice encoded; /* the entry; in the plan's arena */
    enum target_action action;
    struct target_file out;
    uint32_t writes_left;
    bool is_begun, has_failed;
    bool is_counted; /* in open_files */
};

struct planned_write {
    uint32_t frame, offset, size;
    uint32_t file;
    uint64_t file_offset;
    const uint8_t *id;
};

/* The writes [first, end) out of one frame. */
struct planned_frame {
    uint32_t frame, turn; /* repo_expect_frames() */
    uint32_t first, end;
};

struct restore_plan {
    struct restore_run *run;
    struct arena arena;
    struct planned_file *files;
    size_t file_count, file_room;
    struct planned_write *writes;
    size_t write_count, write_room;
    struct planned_frame *frames; /* of all writes, in the order in which they are read */
    size_t frame_count;
    pthread_mutex_t locks[FILE_LOCKS]; /* by file: guard planned_file */
    pthread_mutex_t take_lock;         /* guards next_frame */
    size_t next_frame;                 /* the first one nobody has taken */
    _Atomic int open_files;
};

struct restore_plan *restore_plan_new(struct restore_run *run)
{
    struct restore_plan *p = mem_new(sizeof(*p));

    p->run = run;
    for (size_t i = 0; i < FILE_LOCKS; i++)
        pthread_mutex_init(&p->locks[i], NULL);
    pthread_mutex_init(&p->take_lock, NULL);
    return p;
}

void restore_plan_free(struct restore_plan *p)
{
    if (p == NULL)
        return;
    arena_done(&p->arena);
    mem_free(p->files);
    mem_free(p->writes);
    mem_free(p->frames);
    mem_free(p);
}

void restore_plan_auto(struct restore_plan **p)
{
    restore_plan_free(*p);
}

bool restore_plan_is_full(const struct restore_plan *p)
{
    return p->file_count >= PLAN_FILES_MAX || p->write_count >= PLAN_WRITES_MAX;
}

/* Planning */

static struct planned_write *new_write(struct restore_plan *p)
{
    if (p->write_count == p->write_room) {
        p->write_room = p->write_room == 0 ? 1024 : p->write_room * 2;
        p->writes = mem_resize(p->writes, p->write_room, sizeof(*p->writes));
    }
    return &p->writes[p->write_count++];
}

/* Writes for one chunk: several when a hole falls inside it. */
static bool add_chunk(struct restore_plan *p, uint32_t file, const uint8_t *id, struct extent *x,
                      struct err *e)
{
    struct hash hash;
    struct place at;

    memcpy(hash.bytes, id, HASH_SIZE);
    if (!repo_find(p->run->repo, &hash, &at))
        return repo_err_lost(p->run->repo, &hash, e);
    for (uint32_t done = 0; done < at.size;) {
        (void)extent_skip(x);

        const uint64_t n = extent_room(x, at.size - done);

        *new_write(p) = (struct planned_write){.frame = at.frame,
                                               .offset = at.offset + done,
                                               .size = (uint32_t)n,
                                               .file = file,
                                               .file_offset = x->at,
                                               .id = id};
        x->at += n;
        done += (uint32_t)n;
    }
    return true;
}

static struct planned_file *new_file(struct restore_plan *p, const char *path,
                                     const struct entry *en, enum target_action action)
{
    AUTO(buf) struct buf encoded = {0};

    if (p->file_count == p->file_room) {
        p->file_room = p->file_room == 0 ? 1024 : p->file_room * 2;
        p->files = mem_resize(p->files, p->file_room, sizeof(*p->files));
    }
    entry_encode(en, &encoded);

    struct planned_file *f = &p->files[p->file_count++];

    *f = (struct planned_file){.path = arena_string(&p->arena, slice_string(path)),
                               .encoded = arena_copy(&p->arena, buf_slice(&encoded)),
                               .action = action,
                               .out = {.fd = -1}};
    return f;
}

bool restore_plan_add(struct restore_plan *p, struct reader *rd, const char *path,
                      const struct entry *en, enum target_action action, struct err *e)
{
    AUTO(buf) struct buf ids = {0};
    const size_t first = p->write_count;
    const uint32_t number = (uint32_t)p->file_count;
    struct extent x;

    if (!reader_content(rd, en, &ids, e))
        return false;

    const struct slice kept = arena_copy(&p->arena, buf_slice(&ids));

    extent_begin(&x, en->holes);
    for (size_t at = 0; at < kept.size; at += HASH_SIZE)
        if (!add_chunk(p, number, kept.data + at, &x, e)) {
            p->write_count = first;
            return false;
        }
    (void)extent_skip(&x);
    if (x.at != en->size) {
        p->write_count = first;
        return err_set(e, ERR_CORRUPT, "its chunks do not add up to its size");
    }
    new_file(p, path, en, action)->writes_left = (uint32_t)(p->write_count - first);
    return true;
}

/* Writing */

static pthread_mutex_t *lock_of(struct restore_plan *p, uint32_t file)
{
    return &p->locks[file % FILE_LOCKS];
}

static void uncount(struct restore_plan *p, struct planned_file *f)
{
    if (f->is_counted)
        atomic_fetch_sub(&p->open_files, 1);
    f->is_counted = false;
}

static void give_up(struct restore_plan *p, struct planned_file *f, const struct err *why)
{
    if (f->has_failed)
        return;
    f->has_failed = true;
    uncount(p, f);
    if (f->is_begun)
        target_file_abort(p->run->target, f->path, &f->out);
    restore_item_error(p->run, "restore", f->path, why);
}

static bool open_file(struct restore_plan *p, struct planned_file *f, struct err *e)
{
    if (f->out.fd >= 0)
        return true;
    if (!f->is_begun) {
        if (!target_file_begin(p->run->target, f->path, f->action, &f->out, e))
            return false;
        f->is_begun = true;
    } else if (!target_file_resume(p->run->target, f->path, &f->out, e)) {
        return false;
    }
    atomic_fetch_add(&p->open_files, 1);
    f->is_counted = true;
    return true;
}

static void finish_file(struct restore_plan *p, struct planned_file *f)
{
    struct restore_run *run = p->run;
    struct slice encoded = f->encoded;
    struct entry en;
    struct err warning = {0}, e = {0};

    if (!entry_decode(&encoded, &en, &e) || !open_file(p, f, &e) ||
        !target_file_finish(run->target, f->path, &en, &f->out, &warning, &e)) {
        give_up(p, f, &e);
        return;
    }
    uncount(p, f);
    if (warning.code != ERR_NONE)
        restore_warning(run, f->path, &warning);
    atomic_fetch_add(&run->counters.files_restored, 1);
    atomic_fetch_add(&run->counters.bytes_restored, en.size);
    restore_item(run, "restored", f->path, en.size);
}

/* One piece to one file; the file's lock is held, so pieces of a file are written one by one
 * while other files go on. */
static void write_piece(struct restore_plan *p, const struct planned_write *w, struct slice bytes)
{
    struct planned_file *f = &p->files[w->file];
    struct err e = {0};

    pthread_mutex_lock(lock_of(p, w->file));
    if (!f->has_failed &&
        (!open_file(p, f, &e) || !fd_write_at(f->out.fd, w->file_offset, bytes, &e)))
        give_up(p, f, &e);
    if (--f->writes_left == 0) {
        if (!f->has_failed)
            finish_file(p, f);
    } else if (!f->has_failed && atomic_load(&p->open_files) > OPEN_FILES_MAX) {
        uncount(p, f);
        if (!target_file_park(&f->out, &e))
            give_up(p, f, &e);
    }
    pthread_mutex_unlock(lock_of(p, w->file));
}

static void fail_piece(struct restore_plan *p, const struct planned_write *w, const struct err *why)
{
    struct planned_file *f = &p->files[w->file];

    pthread_mutex_lock(lock_of(p, w->file));
    give_up(p, f, why);
    f->writes_left--;
    pthread_mutex_unlock(lock_of(p, w->file));
}

/* All pieces out of one frame.  Pieces of the same chunk stand together, so its id is
 * computed once. */
static void restore_frame(struct restore_plan *p, struct reader *rd, const struct planned_frame *f)
{
    struct slice frame;
    struct err e = {0};
    bool ok = reader_frame(rd, f->frame, &frame, &e);
    const bool is_open = ok;

    for (size_t i = f->first; i < f->end; i++) {
        const struct planned_write *w = &p->writes[i];
        struct hash id;
        struct place at;

        memcpy(id.bytes, w->id, HASH_SIZE);
        if (is_open && (i == f->first || memcmp(w->id, p->writes[i - 1].id, HASH_SIZE) != 0))
            ok = repo_find(p->run->repo, &id, &at) &&
                 reader_verify(rd, CHUNK_DATA, SLICE_OF(frame.data + at.offset, at.size), &id, &e);
        if (ok)
            write_piece(p, w, SLICE_OF(frame.data + w->offset, w->size));
        else
            fail_piece(p, w, &e);
    }
}

/* Take the next frame, and those behind it that one request may fetch with it. */
static bool take_frames(struct restore_plan *p, size_t *first, size_t *end)
{
    const struct planned_frame *f = p->frames;

    pthread_mutex_lock(&p->take_lock);
    *first = p->next_frame;
    *end = *first < p->frame_count ? *first + 1 : *first;
    while (*first < *end && *end < p->frame_count &&
           repo_may_join(p->run->repo, f[*first].frame, f[*end - 1].frame, f[*end].frame))
        (*end)++;
    p->next_frame = *end;
    pthread_mutex_unlock(&p->take_lock);
    return *first < *end;
}

static void *writer_main(void *arg)
{
    struct restore_plan *p = arg;
    AUTO(reader) struct reader *rd = reader_new(p->run->repo);
    size_t first, end;

    while (!cancel_is_requested() && restore_goes_on(p->run, NULL) &&
           take_frames(p, &first, &end)) {
        reader_fetch_ahead(rd, p->frames[first].frame, p->frames[end - 1].frame);
        for (size_t i = first; i < end; i++)
            restore_frame(p, rd, &p->frames[i]);
    }
    return NULL;
}

static int compare_writes(const void *a, const void *b)
{
    const struct planned_write *x = a, *y = b;

    if (x->frame != y->frame)
        return x->frame < y->frame ? -1 : 1;

    const int order = memcmp(x->id, y->id, HASH_SIZE);

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (order != 0)
        return order;
    return x->file < y->file ? -1 : x->file > y->file;
}

static int compare_frames(const void *a, const void *b)
{
    const struct planned_frame *x = a, *y = b;

    if (x->turn != y->turn)
        return x->turn < y->turn ? -1 : 1;
    return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* Put the writes in order, and the frames that they are out of. */
static void order_frames(struct restore_plan *p)
{
    AUTO(mem) uint32_t *numbers = mem_array(p->write_count, sizeof(*numbers));
    AUTO(mem) uint32_t *turns = NULL;
    size_t first = 0;

    qsort(p->writes, p->write_count, sizeof(*p->writes), compare_writes);
    for (size_t i = 0; i < p->write_count; i++)
        if (i == 0 || p->writes[i].frame != p->writes[i - 1].frame)
            numbers[p->frame_count++] = p->writes[i].frame;
    turns = mem_array(p->frame_count, sizeof(*turns));
    p->frames = mem_array(p->frame_count, sizeof(*p->frames));
    repo_expect_frames(p->run->repo, numbers, p->frame_count, turns);
    for (size_t i = 0; i < p->frame_count; i++) {
        struct planned_frame *f = &p->frames[i];

        *f = (struct planned_frame){numbers[i], turns[i], (uint32_t)first, (uint32_t)first};
        while (f->end < p->write_count && p->writes[f->end].frame == f->frame)
            f->end++;
        first = f->end;
    }
    qsort(p->frames, p->frame_count, sizeof(*p->frames), compare_frames);
}

/* Files without any content have no piece that would finish them. */
static void restore_empty_files(struct restore_plan *p)
{
    for (size_t i = 0; i < p->file_count && !cancel_is_requested(); i++)
        if (p->files[i].writes_left == 0)
            finish_file(p, &p->files[i]);
}

static void clear(struct restore_plan *p)
{
    for (size_t i = 0; i < p->file_count; i++) {
        struct planned_file *f = &p->files[i];

        if (f->writes_left > 0 && f->is_begun && !f->has_failed)
            target_file_abort(p->run->target, f->path, &f->out);
    }
    arena_done(&p->arena);
    p->file_count = 0;
    p->write_count = 0;
    repo_expect_frames(p->run->repo, NULL, 0, NULL);
    mem_free(TAKE(p->frames));
    p->frame_count = 0;
    p->next_frame = 0;
    p->open_files = 0;
}

bool restore_plan_run(struct restore_plan *p, struct err *e)
{
    const int count = repo_threads(p->run->repo);
    AUTO(mem) pthread_t *threads = mem_array((size_t)count, sizeof(*threads));

    restore_empty_files(p);
    if (p->write_count > 0)
        order_frames(p);
    for (int i = 0; i < count; i++)
        thread_start(&threads[i], writer_main, p, "restore");
    for (int i = 0; i < count; i++)
        thread_join(threads[i]);
    clear(p);
    if (cancel_is_requested())
        return cancel_err(e);
    return restore_goes_on(p->run, e);
}
