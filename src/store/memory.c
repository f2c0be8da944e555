/*
 * Objects in memory: an array of them in the order of their keys, shared by all handles and
 * guarded by one lock.  Callbacks run without the lock, so they may use the store.
 */
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/object_key.h"
#include "store/object_list.h"

struct object {
    char *key;
    uint8_t *bytes;
    size_t size;
    int64_t mtime; /* seconds since 1970 */
};

/* All handles on one set of objects; lock guards every member. */
struct shelf {
    pthread_mutex_t lock;
    int handles;
    struct object *objects; /* room of them, the first count set, ascending by key */
    size_t count;
    size_t room;
};

struct memory {
    struct store store;
    struct shelf *shelf;
};

static struct shelf *shelf_locked(struct store *s)
{
    struct shelf *sh = ((struct memory *)s)->shelf;

    pthread_mutex_lock(&sh->lock);
    return sh;
}

static void shelf_unlock(struct shelf *sh)
{
    pthread_mutex_unlock(&sh->lock);
}

/* Index of the first object whose key is not below key. */
static size_t shelf_search(const struct shelf *sh, const char *key)
{
    size_t low = 0;
    size_t high = sh->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (strcmp(sh->objects[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct object *shelf_find(const struct shelf *sh, const char *key)
{
    const size_t at = shelf_search(sh, key);

    return at < sh->count && strcmp(sh->objects[at].key, key) == 0 ? &sh->objects[at] : NULL;
}

/* Make room for an object with this key, which must not be there yet. */
static struct object *shelf_insert(struct shelf *sh, const char *key)
{
    const size_t at = shelf_search(sh, key);

    if (sh->count == sh->room) {
        sh->room = sh->room == 0 ? 16 : sh->room * 2;
        sh->objects = mem_resize(sh->objects, sh->room, sizeof(*sh->objects));
    }
    memmove(&sh->objects[at + 1], &sh->objects[at], (sh->count - at) * sizeof(*sh->objects));
    sh->count++;
    sh->objects[at] = (struct object){.key = mem_string(key)};
    return &sh->objects[at];
}

static void object_done(struct object *o)
{
    mem_free(o->key);
    mem_free(o->bytes);
}

static struct object_info object_describe(const struct object *o)
{
    return (struct object_info){.key = o->key, .size = o->size, .mtime = o->mtime};
}

static bool missing(const char *key, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "no object %s", key);
}

static bool memory_get(struct store *s, const char *key, uint64_t offset, size_t size,
                       struct buf *out, struct err *e)
{
    struct shelf *sh = shelf_locked(s);
    const struct object *o = shelf_find(sh, key);
    const bool is_there = o != NULL;
    const size_t rest = is_there && offset <= o->size ? o->size - (size_t)offset : 0;
    const bool is_inside = is_there && offset <= o->size && (size == STORE_WHOLE || size <= rest);

    if (is_inside)
        buf_append(out, o->bytes + offset, size == STORE_WHOLE ? rest : size);
    shelf_unlock(sh);
    if (!is_there)
        return missing(key, e);
    if (!is_inside)
        return err_set(e, ERR_CORRUPT, "object %s is shorter than expected", key);
    return true;
}

static bool memory_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                       struct err *e)
{
    assert(object_key_is_valid(key));
    assert(data.size <= STORE_OBJECT_MAX);

    uint8_t *bytes = mem_dup(data.size == 0 ? (const uint8_t *)"" : data.data, data.size);
    struct shelf *sh = shelf_locked(s);
    struct object *o = shelf_find(sh, key);

    if (o != NULL && mode == PUT_NEW) {
        shelf_unlock(sh);
        mem_free(bytes);
        return err_set(e, ERR_EXISTS, "object %s exists", key);
    }
    if (o == NULL)
        o = shelf_insert(sh, key);
    mem_free(o->bytes);
    o->bytes = bytes;
    o->size = data.size;
    o->mtime = clock_now_ns() / NS_PER_S;
    shelf_unlock(sh);
    return true;
}

static bool memory_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    struct shelf *sh = shelf_locked(s);
    const struct object *o = shelf_find(sh, key);
    const bool is_there = o != NULL;

    if (is_there) {
        *info = object_describe(o);
        info->key = key;
    }
    shelf_unlock(sh);
    return is_there || missing(key, e);
}

static bool memory_list(struct store *s, const char *prefix, object_fn *fn, void *arg,
                        struct err *e)
{
    AUTO(object_list) struct object_list found = {0};
    struct shelf *sh = shelf_locked(s);
    const size_t length = strlen(prefix);

    for (size_t i = shelf_search(sh, prefix); i < sh->count; i++) {
        if (strncmp(sh->objects[i].key, prefix, length) != 0)
            break;

        const struct object_info info = object_describe(&sh->objects[i]);

        (void)object_list_add(&found, &info, e); /* cannot fail */
    }
    shelf_unlock(sh);
    return object_list_tell(&found, fn, arg, e);
}

/* Take an object out of the order of keys; false when there is none. */
static bool shelf_take(struct shelf *sh, const char *key, struct object *out)
{
    struct object *o = shelf_find(sh, key);

    if (o == NULL)
        return false;

    const size_t behind = sh->count - (size_t)(o - sh->objects) - 1;

    *out = *o;
    memmove(o, o + 1, behind * sizeof(*o));
    sh->count--;
    return true;
}

static bool memory_remove(struct store *s, const char *key, struct err *e)
{
    struct shelf *sh = shelf_locked(s);
    struct object o = {0};

    (void)e; /* nothing can go wrong in memory */
    if (shelf_take(sh, key, &o))
        object_done(&o);
    shelf_unlock(sh);
    return true;
}

static bool memory_move(struct store *s, const char *from, const char *to, struct err *e)
{
    assert(object_key_is_valid(to));

    struct shelf *sh = shelf_locked(s);
    struct object moved = {0};
    struct object replaced = {0};
    const bool is_there = shelf_take(sh, from, &moved);

    if (is_there) {
        (void)shelf_take(sh, to, &replaced); /* there need not be one */

        struct object *o = shelf_insert(sh, to);

        o->bytes = moved.bytes;
        o->size = moved.size;
        o->mtime = moved.mtime;
        mem_free(moved.key);
        object_done(&replaced);
    }
    shelf_unlock(sh);
    return is_there || missing(from, e);
}

static void memory_close(struct store *s)
{
    struct shelf *sh = shelf_locked(s);
    const bool is_last = --sh->handles == 0;

    shelf_unlock(sh);
    mem_free(s);
    if (!is_last)
        return;
    for (size_t i = 0; i < sh->count; i++)
        object_done(&sh->objects[i]);
    mem_free(sh->objects);
    pthread_mutex_destroy(&sh->lock);
    mem_free(sh);
}

static const struct store_ops memory_ops = {
    .scheme = "memory",
    .get = memory_get,
    .put = memory_put,
    .stat = memory_stat,
    .list = memory_list,
    .remove = memory_remove,
    .move = memory_move,
    .close = memory_close,
};

static struct store *memory_handle(struct shelf *sh)
{
    struct memory *m = mem_new(sizeof(*m));

    *m = (struct memory){.store = {.ops = &memory_ops, .can_move = true}, .shelf = sh};
    return &m->store;
}

struct store *store_memory_new(void)
{
    struct shelf *sh = mem_new(sizeof(*sh));

    pthread_mutex_init(&sh->lock, NULL);
    sh->handles = 1;
    return memory_handle(sh);
}

struct store *store_memory_share(struct store *s)
{
    assert(s->ops == &memory_ops);

    struct shelf *sh = shelf_locked(s);

    sh->handles++;
    shelf_unlock(sh);
    return memory_handle(sh);
}
