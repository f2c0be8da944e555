/*
 * Copies near by of objects that are read often.  A copy is the SHA-256 of the object's bytes and
 * then these bytes, under the same key; it is checked when this handle uses it for the
 * first time.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "store/store.h"

/* Where FORMAT.md, "Sealing", puts the class of an object, and that of packs of trees. */
#define CLASS_OFFSET 9
#define CLASS_TREE   3

#define PACKS        "packs/"
#define PACKS_LENGTH (sizeof(PACKS) - 1)

struct cache {
    struct store store;
    struct store *next, *near; /* owned */

    pthread_mutex_t lock; /* guards what follows */
    char **checked;       /* keys of packs whose copies are right */
    size_t checked_count;
};

static struct cache *cache_of(struct store *s)
{
    return (struct cache *)s;
}

static bool has_prefix(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

static bool is_pack(const char *key)
{
    return has_prefix(key, PACKS);
}

/* Whether there may be a copy. */
static bool is_kept(const char *key)
{
    return object_key_is_lasting(key);
}

/* Whether an object is to have a copy, seen its bytes. */
static bool is_wanted(const char *key, struct slice bytes)
{
    return is_kept(key) && bytes.size <= STORE_OBJECT_MAX - HASH_SIZE &&
           (!is_pack(key) || (bytes.size > CLASS_OFFSET && bytes.data[CLASS_OFFSET] == CLASS_TREE));
}

/*
 * Whether bytes that a store gave may be those of a key.  A store that answers wrongly once must
 * not do so for ever: what is named by its hash is compared, and of the rest whoever opens it says
 * store_distrust().
 */
static bool is_plausible(const char *key, struct slice bytes)
{
    static const char *const named[] = {PACKS, "index/", "snapshots/"};
    const char *slash = strrchr(key, '/');
    struct hash name, sum;

    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
        if (has_prefix(key, named[i]) && hex_decode(slash + 1, name.bytes, HASH_SIZE)) {
            sha256(bytes, &sum);
            return hash_is_equal(&sum, &name);
        }
    return true;
}

/* Copies that were checked */

static bool is_checked(struct cache *c, const char *key)
{
    bool found = false;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; !found && i < c->checked_count; i++)
        found = strcmp(c->checked[i], key) == 0;
    pthread_mutex_unlock(&c->lock);
    return found;
}

static void set_checked(struct cache *c, const char *key)
{
    if (!is_pack(key) || is_checked(c, key))
        return;
    pthread_mutex_lock(&c->lock);
    c->checked = mem_resize(c->checked, c->checked_count + 1, sizeof(*c->checked));
    c->checked[c->checked_count++] = mem_string(key);
    pthread_mutex_unlock(&c->lock);
}

/* Copies */

static void copy_remove(struct cache *c, const char *key)
{
    struct err ignored;

    (void)!store_remove(c->near, key, &ignored);
}

/* Whoever keeps a copy has its bytes from the store, so it need not be checked again. */
static void copy_put(struct cache *c, const char *key, struct slice bytes)
{
    AUTO(buf) struct buf copy = {0};
    struct hash sum;
    struct err ignored;

    if (!is_wanted(key, bytes))
        return;
    sha256(bytes, &sum);
    buf_reserve(&copy, HASH_SIZE + bytes.size);
    buf_append(&copy, sum.bytes, HASH_SIZE);
    buf_append_slice(&copy, bytes);
    if (store_put(c->near, key, buf_slice(&copy), PUT_REPLACE, &ignored))
        set_checked(c, key);
}

/* Read a copy whole; one that is wrong is removed. */
static bool copy_read(struct cache *c, const char *key, struct buf *copy)
{
    struct hash sum;
    struct err ignored;

    if (!store_get_all(c->near, key, copy, &ignored))
        return false;
    if (copy->size >= HASH_SIZE) {
        sha256(SLICE_OF(copy->data + HASH_SIZE, copy->size - HASH_SIZE), &sum);
        if (memcmp(sum.bytes, copy->data, HASH_SIZE) == 0) {
            set_checked(c, key);
            return true;
        }
    }
    copy_remove(c, key);
    return false;
}

/* True when a copy had the range. */
static bool copy_get(struct cache *c, const char *key, uint64_t offset, size_t size,
                     struct buf *out)
{
    AUTO(buf) struct buf copy = {0};
    struct err ignored;

    if (!is_kept(key) || offset > STORE_OBJECT_MAX)
        return false;
    if (is_checked(c, key))
        return store_get(c->near, key, offset + HASH_SIZE, size, out, &ignored);
    if (!copy_read(c, key, &copy))
        return false;

    const size_t length = copy.size - HASH_SIZE;

    if (offset > length || (size != STORE_WHOLE && size > length - offset))
        return false;
    buf_append(out, copy.data + HASH_SIZE + offset, size == STORE_WHOLE ? length - offset : size);
    return true;
}

/* The store's calls */

static bool cache_get(struct store *s, const char *key, uint64_t offset, size_t size,
                      struct buf *out, struct err *e)
{
    struct cache *c = cache_of(s);
    const size_t before = out->size;

    if (copy_get(c, key, offset, size, out))
        return true;
    if (!store_get(c->next, key, offset, size, out, e))
        return false;

    const struct slice bytes = SLICE_OF(out->data + before, out->size - before);

    if (offset == 0 && size == STORE_WHOLE && is_plausible(key, bytes))
        copy_put(c, key, bytes);
    return true;
}

static void cache_distrust(struct store *s, const char *key)
{
    if (is_kept(key))
        copy_remove(cache_of(s), key);
}

static bool cache_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                      struct err *e)
{
    struct cache *c = cache_of(s);

    if (!store_put(c->next, key, data, mode, e))
        return false;
    copy_put(c, key, data);
    return true;
}

static bool cache_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return store_stat(cache_of(s)->next, key, info, e);
}

static bool cache_remove(struct store *s, const char *key, struct err *e)
{
    struct cache *c = cache_of(s);

    if (is_kept(key))
        copy_remove(c, key);
    return store_remove(c->next, key, e);
}

/* A listing under way, beside the copies that were there before it began. */
struct look {
    object_fn *fn;
    void *arg;
    struct copy {
        char *key;
        bool is_listed;
    } * copies; /* ascending */
    size_t count;
};

static void look_auto(struct look *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->copies[i].key);
    mem_free(l->copies);
}

static bool look_add(void *arg, const struct object_info *info, struct err *e)
{
    struct look *l = arg;

    (void)e; /* a callback that cannot fail */
    l->copies = mem_resize(l->copies, l->count + 1, sizeof(*l->copies));
    l->copies[l->count++] = (struct copy){.key = mem_string(info->key)};
    return true;
}

static int copy_order(const void *a, const void *b)
{
    const struct copy *left = a;
    const struct copy *right = b;

    return strcmp(left->key, right->key);
}

static bool look_see(void *arg, const struct object_info *info, struct err *e)
{
    struct look *l = arg;
    const struct copy wanted = {.key = (char *)(uintptr_t)info->key};
    struct copy *found =
        l->count == 0 ? NULL
                      : bsearch(&wanted, l->copies, l->count, sizeof(*l->copies), copy_order);

    if (found != NULL)
        found->is_listed = true;
    return l->fn(l->arg, info, e);
}

static bool cache_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    struct cache *c = cache_of(s);
    AUTO(look) struct look l = {.fn = fn, .arg = arg};
    struct err ignored;

    (void)!store_list(c->near, prefix, look_add, &l, &ignored);
    if (l.count > 0)
        qsort(l.copies, l.count, sizeof(*l.copies), copy_order);
    if (!store_list(c->next, prefix, look_see, &l, e))
        return false;
    for (size_t i = 0; i < l.count; i++)
        if (!l.copies[i].is_listed)
            copy_remove(c, l.copies[i].key);
    return true;
}

static bool cache_lock_get(struct store *s, const char *key, struct object_lock *out, struct err *e)
{
    return store_lock_get(cache_of(s)->next, key, out, e);
}

static bool cache_lock_extend(struct store *s, const char *key, const struct object_lock *was,
                              struct object_lock *out, struct err *e)
{
    return store_lock_extend(cache_of(s)->next, key, was, out, e);
}

static bool cache_keeps_versions(struct store *s, bool *out, struct err *e)
{
    return store_keeps_versions(cache_of(s)->next, out, e);
}

static void cache_close(struct store *s)
{
    struct cache *c = cache_of(s);

    store_close(c->next);
    store_close(c->near);
    for (size_t i = 0; i < c->checked_count; i++)
        mem_free(c->checked[i]);
    mem_free(c->checked);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

static bool cache_remove_all(struct store *s, const char *const *keys, size_t count, struct err *e)
{
    struct cache *c = cache_of(s);

    for (size_t i = 0; i < count; i++)
        if (is_kept(keys[i]))
            copy_remove(c, keys[i]);
    return store_remove_all(c->next, keys, count, e);
}

static bool cache_move(struct store *s, const char *from, const char *to, struct err *e)
{
    struct cache *c = cache_of(s);

    if (is_kept(from))
        copy_remove(c, from);
    if (is_kept(to))
        copy_remove(c, to);
    return store_move(c->next, from, to, e);
}

static const struct store_ops cache_ops = {
    .scheme = "cache",
    .get = cache_get,
    .distrust = cache_distrust,
    .put = cache_put,
    .stat = cache_stat,
    .list = cache_list,
    .remove = cache_remove,
    .remove_all = cache_remove_all,
    .move = cache_move,
    .lock_get = cache_lock_get,
    .lock_extend = cache_lock_extend,
    .keeps_versions = cache_keeps_versions,
    .close = cache_close,
};

struct store *store_cache_new(struct store *next, struct store *near)
{
    struct cache *c = mem_new(sizeof(*c));

    c->store = store_around(&cache_ops, next);
    c->store.has_cache = true;
    c->next = next;
    c->near = near;
    pthread_mutex_init(&c->lock, NULL);
    return &c->store;
}
