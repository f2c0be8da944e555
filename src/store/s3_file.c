/*
 * Files in S3 that may be longer than any object: their parts are sent by a few threads, each with
 * one part in memory.
 */
#include <assert.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "store/s3_ops.h"
#include "store/s3_upload.h"

enum {
    PART = 16 << 20,                 /* bytes; more where there would be too many parts */
    STALE_AFTER_S = 7 * 24 * 60 * 60 /* an upload that was begun so long ago is nobody's any more */
};

/* One file on its way. */
struct sending {
    struct s3_upload *upload;
    int fd;
    uint64_t size;
    size_t part;

    pthread_mutex_t lock; /* guards what follows */
    int begun;            /* parts that a thread has taken */
    bool has_failed;
    struct err e; /* of the first failure */
};

/* The number of a part that nobody has; 0: there is none, or it is no use any more. */
static int take_part(struct sending *g)
{
    int number = 0;

    pthread_mutex_lock(&g->lock);
    if (!g->has_failed && (uint64_t)g->begun * g->part < g->size)
        number = ++g->begun;
    pthread_mutex_unlock(&g->lock);
    return number;
}

static bool send_part(struct sending *g, int number, struct buf *room, struct err *e)
{
    const uint64_t at = (uint64_t)(number - 1) * g->part;
    const size_t size = g->size - at < g->part ? (size_t)(g->size - at) : g->part;
    size_t got = 0;

    buf_clear(room);
    if (!fd_read_at(g->fd, at, buf_extend(room, size), size, &got, e))
        return false;
    return (got == size || err_set(e, ERR_CORRUPT, "the file became shorter")) &&
           s3_upload_part(g->upload, number, buf_slice(room), e);
}

static void *send_parts(void *arg)
{
    struct sending *g = arg;
    AUTO(buf) struct buf room = {0};
    struct err e;

    for (int number = take_part(g); number > 0; number = take_part(g)) {
        if (send_part(g, number, &room, &e))
            continue;
        pthread_mutex_lock(&g->lock);
        if (!g->has_failed)
            g->e = e;
        g->has_failed = true;
        pthread_mutex_unlock(&g->lock);
    }
    return NULL;
}

static bool send_all(struct sending *g, int threads, struct err *e)
{
    AUTO(mem) pthread_t *started = mem_array((size_t)threads, sizeof(*started));

    if (pthread_mutex_init(&g->lock, NULL) != 0)
        mem_exit("no lock can be made");
    for (int i = 0; i < threads; i++)
        thread_start(&started[i], send_parts, g, "send-part");
    for (int i = 0; i < threads; i++)
        thread_join(started[i]);
    pthread_mutex_destroy(&g->lock);
    if (g->has_failed)
        *e = g->e;
    return !g->has_failed;
}

bool s3_put_file(struct store *store, const char *key, int fd, uint64_t size, struct err *e)
{
    struct s3 *s = (struct s3 *)store;
    const uint64_t least = (size + S3_PARTS_MAX - 1) / S3_PARTS_MAX;
    AUTO(s3_upload) struct s3_upload *upload = NULL;
    struct err ignored;
    int count = 0;

    assert(size > 0 && size <= store->file_max);
    /* Keys that may not list uploads store files all the same. */
    (void)!s3_upload_reap(store, key, s3_now_s(s) - STALE_AFTER_S, &count, &ignored);
    if (cancel_is_requested())
        return cancel_err(e);
    if (!s3_upload_open(store, key, &upload, e))
        return false;

    struct sending g = {
        .upload = upload, .fd = fd, .size = size, .part = least > PART ? (size_t)least : PART};

    return send_all(&g, s->senders, e) && s3_upload_complete(upload, e);
}
