/*
 * From frames to packs in the destination: the second half of a writer.
 */
#include "base/mem.h"
#include "repo/copy.h"

#define FULL_ROOM 1

/* All there can be but those with the uploader's threads: two open packs, the queue's, and one
 * that each worker waits to hand over. */
#define BUILDERS (2 + FULL_ROOM + COPY_WORKERS_MAX)

void landing_start(struct landing *l, struct repo *to, struct needed_packs *needed)
{
    const size_t room = pack_size_usual(to);

    *l = (struct landing){.full = queue_new(FULL_ROOM),
                          .spare = queue_new(BUILDERS + (size_t)store_parallel(to->store)),
                          .busy = queue_new(1)};
    pthread_mutex_init(&l->failure.lock, NULL);
    open_pack_init(&l->content, to, CLASS_CONTENT, room, l->full, l->spare);
    open_pack_init(&l->tree, to, CLASS_TREE, room, l->full, l->spare);
    l->uploader = (struct uploader){.repo = to,
                                    .packs = l->full,
                                    .spare = l->spare,
                                    .failure = &l->failure,
                                    .work = l->busy,
                                    .needed = needed};
    /* Workers never wait for input, so packs are read back at the end only. */
    if (!queue_put(l->busy, l))
        return;
    uploader_start(&l->uploader);
}

bool landing_finish(struct landing *l, struct err *e)
{
    atomic_store(&l->uploader.is_finishing, true);
    open_pack_flush(&l->content);
    open_pack_flush(&l->tree);
    uploader_stop(&l->uploader);
    return !first_failure_get(&l->failure, e) && uploader_publish(&l->uploader, e);
}

void landing_auto(struct landing *l)
{
    if (l->uploader.count > 0) {
        const struct err abandoned = {.code = ERR_CANCELLED, .text = "the copy was given up"};

        first_failure_set(&l->failure, &abandoned);
    }
    uploader_stop(&l->uploader);
    open_pack_done(&l->content);
    open_pack_done(&l->tree);
    uploader_done(&l->uploader);
    for (struct pack_builder *b; (b = queue_try_take(l->spare)) != NULL;)
        pack_builder_free(b);
    queue_free(l->full);
    queue_free(l->spare);
    queue_free(l->busy);
    pthread_mutex_destroy(&l->failure.lock);
}
