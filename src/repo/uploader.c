#include "repo/uploader.h"

#include <assert.h>

#include "base/mem.h"
#include "repo/object_locks.h"
#include "repo/parity_objects.h"

/* The last packs of a run are read back before upload when that takes no time to speak of. */
#define VERIFY_LAST_MAX ((size_t)8 << 20)

/*
 * What is durable goes to the index at the latest after this many bytes of directories, some 55,000
 * chunks: a run that is interrupted later finds them again when it is repeated.
 */
#define INDEX_PART ((size_t)1 << 20)

void first_failure_set(struct first_failure *f, const struct err *e)
{
    pthread_mutex_lock(&f->lock);
    if (!atomic_load(&f->is_set)) {
        f->err = *e;
        atomic_store(&f->is_set, true);
    }
    pthread_mutex_unlock(&f->lock);
}

bool first_failure_is_set(struct first_failure *f)
{
    return atomic_load(&f->is_set);
}

bool first_failure_get(struct first_failure *f, struct err *e)
{
    if (!atomic_load(&f->is_set))
        return false;
    *e = f->err;
    return true;
}

/* Read a pack back before it goes: always when it is one of the last and small, otherwise
 * when the workers wait for input, so that it costs no time.  The framer has expanded its deltas.
 */
static bool verify(struct uploader *u, struct pack_scan *scan, struct slice object, size_t frames,
                   struct err *e)
{
    const bool is_idle =
        atomic_load(&u->is_finishing) ? object.size <= VERIFY_LAST_MAX : queue_count(u->work) == 0;

    if (!is_idle)
        return true;
    if (!pack_scan_open(scan, object, e) || !pack_scan_plain(scan, e)) {
        e->code = ERR_FATAL;
        return err_wrap(e, "a pack does not read back before upload (faulty memory or library)");
    }
    atomic_fetch_add(&u->frames_verified, frames);
    return true;
}

static bool publish(struct uploader *u, struct index_document *d, struct err *e)
{
    if (d->packs == 0 || index_document_put(u->repo, d, e))
        return true;
    return err_wrap(e, "store index");
}

bool uploader_publish(struct uploader *u, struct err *e)
{
    return publish(u, &u->index, e);
}

/* Note a pack that is durable, and put what is known of many into the index. */
static bool note_stored(struct uploader *u, const struct hash *id, enum object_class class,
                        size_t size, struct slice directory, struct err *e)
{
    AUTO(index_document) struct index_document full = {0};

    pthread_mutex_lock(&u->lock);
    index_document_add(&u->index, id, class, size, directory);
    needed_packs_written(u->needed, id);
    if (u->index.body.size >= INDEX_PART) {
        full = u->index;
        u->index = (struct index_document){0};
    }
    pthread_mutex_unlock(&u->lock);
    atomic_fetch_add(&u->stored, 1);
    atomic_fetch_add(&u->bytes_stored, size);
    return publish(u, &full, e);
}

static bool upload(struct uploader *u, struct pack_scan *scan, struct pack_builder *b,
                   struct err *e)
{
    struct slice object, directory;
    struct hash id;
    char key[PACK_KEY_MAX];

    pack_builder_finish(b, &id, &object, &directory);
    if (!verify(u, scan, object, pack_builder_frames(b), e))
        return false;
    pack_key(&id, key);
    if (!store_put(u->repo->store, key, object, PUT_NEW, e) || !parity_put(u->repo, key, object, e))
        return err_wrap(e, "store pack");
    object_locks_note_put(u->repo, key);
    return note_stored(u, &id, pack_builder_class(b), object.size, directory, e);
}

static void *uploader_main(void *arg)
{
    struct uploader *u = arg;
    AUTO(pack_scan) struct pack_scan *scan = pack_scan_new(u->repo);
    struct pack_builder *b;

    while ((b = queue_take(u->packs)) != NULL) {
        struct err e = {0};

        if (!first_failure_is_set(u->failure) && !upload(u, scan, b, &e))
            first_failure_set(u->failure, &e);

        const bool is_kept = queue_put(u->spare, b);

        assert(is_kept);
    }
    return NULL;
}

void uploader_start(struct uploader *u)
{
    const int wanted = store_parallel(u->repo->store);

    u->threads = mem_array((size_t)wanted, sizeof(*u->threads));
    pthread_mutex_init(&u->lock, NULL);
    nearby_ask_parity(u->repo, &u->parity);
    for (u->count = 0; u->count < wanted; u->count++)
        thread_start(&u->threads[u->count], uploader_main, u, "uploader");
}

void uploader_stop(struct uploader *u)
{
    if (u->count == 0)
        return;
    queue_close(u->packs);
    while (u->count > 0)
        thread_join(u->threads[--u->count]);
}

void uploader_done(struct uploader *u)
{
    aside_auto(&u->parity);
    index_document_done(&u->index);
    pthread_mutex_destroy(&u->lock);
    mem_free(u->threads);
}
