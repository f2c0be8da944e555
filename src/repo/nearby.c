#include "repo/nearby.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "base/thread.h"
#include "repo/parity_objects.h"

#define THREADS_MAX 64

int repo_threads(const struct repo *r)
{
    const int processors = thread_processors();
    const int parallel = store_parallel(r->store);

    return processors > parallel ? processors : parallel;
}

static void *aside_main(void *arg)
{
    struct aside *a = arg;

    a->ok = a->work(a->arg, &a->why);
    return NULL;
}

void aside_start(struct aside *a, struct repo *r, bool (*work)(void *arg, struct err *e), void *arg)
{
    *a = (struct aside){.work = work, .arg = arg, .has_thread = store_parallel(r->store) > 1};
    if (a->has_thread)
        thread_start(&a->thread, aside_main, a, "aside");
    else
        (void)aside_main(a);
}

bool aside_end(struct aside *a, struct err *e)
{
    aside_auto(a);
    if (!a->ok)
        *e = a->why;
    return a->ok;
}

void aside_auto(struct aside *a)
{
    if (!a->has_thread)
        return;
    thread_join(a->thread);
    a->has_thread = false;
}

static bool ask_parity(void *arg, struct err *e)
{
    struct parity_rule rule;
    bool is_on;

    return parity_ask(arg, &is_on, &rule, e);
}

void nearby_ask_parity(struct repo *r, struct aside *a)
{
    if (store_parallel(r->store) > 1)
        aside_start(a, r, ask_parity, r);
}

/* Objects that several threads fetch. */
struct fetch {
    struct repo *repo;
    const char *folder;
    const struct hash *ids;
    size_t count;
    atomic_size_t next;
};

static void *fetch_main(void *arg)
{
    struct fetch *f = arg;
    AUTO(buf) struct buf object = {0};

    for (size_t i = 0; (i = atomic_fetch_add(&f->next, 1)) < f->count;) {
        struct err ignored;
        char key[OBJECT_KEY_MAX];

        object_key(f->folder, &f->ids[i], key);
        buf_clear(&object);
        (void)!store_get_all(f->repo->store, key, &object, &ignored);
    }
    return NULL;
}

void nearby_fetch(struct repo *r, const char *folder, const struct hash *ids, size_t count)
{
    struct fetch f = {.repo = r, .folder = folder, .ids = ids, .count = count};
    const size_t wanted = (size_t)store_parallel(r->store);
    pthread_t threads[THREADS_MAX];
    size_t started = 0;

    if (!r->store->has_cache || count < 2)
        return;
    for (; started < wanted && started < count && started < THREADS_MAX; started++)
        thread_start(&threads[started], fetch_main, &f, "fetch");
    while (started > 0)
        thread_join(threads[--started]);
}

void nearby_fetch_pack(struct repo *r, uint32_t pack)
{
    const struct index_pack *p = index_pack_at(r->index, pack);
    AUTO(buf) struct buf object = {0};
    struct err ignored;
    char key[PACK_KEY_MAX];

    if (!r->store->has_cache || p->class != CLASS_TREE || pack >= r->near_count ||
        __atomic_exchange_n(&r->near[pack], true, __ATOMIC_RELAXED))
        return;
    pack_key(&p->id, key);
    (void)!store_get_all(r->store, key, &object, &ignored);
}

const uint8_t *nearby_header(const struct repo *r, uint32_t pack)
{
    return pack >= r->near_count ? NULL : __atomic_load_n(&r->headers[pack], __ATOMIC_ACQUIRE);
}

void nearby_keep_header(struct repo *r, uint32_t pack, const uint8_t *header)
{
    uint8_t *none = NULL;
    uint8_t *copy;

    if (pack >= r->near_count)
        return;
    copy = mem_dup(header, SEAL_HEADER_SIZE);
    if (!__atomic_compare_exchange_n(&r->headers[pack], &none, copy, false, __ATOMIC_RELEASE,
                                     __ATOMIC_RELAXED))
        mem_free(copy);
}

void nearby_init(struct repo *r)
{
    r->near_count = index_pack_count(r->index);
    r->near = mem_array(r->near_count, sizeof(*r->near));
    r->headers = mem_array(r->near_count, sizeof(*r->headers));
}

void nearby_done(struct repo *r)
{
    for (size_t i = 0; i < r->near_count; i++)
        mem_free(r->headers[i]);
    mem_free(r->near);
    mem_free(r->headers);
    r->near = NULL;
    r->headers = NULL;
    r->near_count = 0;
}
