/*
 * Packs of the trash under the names that they had, for a reader.
 */
#include "base/mem.h"
#include "repo/discarded.h"

struct view {
    struct store store;
    struct store *next; /* borrowed, like trash */
    const struct discarded *trash;
};

/* Where a pack stands now, or the key itself. */
static const char *place_of(const struct view *v, const char *key)
{
    const char *found = NULL;
    struct hash pack;

    if (pack_key_parse(key, &pack))
        found = discarded_find(v->trash, &pack);
    return found == NULL ? key : found;
}

static bool view_get(struct store *s, const char *key, uint64_t offset, size_t size,
                     struct buf *out, struct err *e)
{
    const struct view *v = (const struct view *)s;

    if (store_get(v->next, key, offset, size, out, e))
        return true;
    return e->code == ERR_NOT_FOUND && store_get(v->next, place_of(v, key), offset, size, out, e);
}

static bool view_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return store_stat(((struct view *)s)->next, key, info, e);
}

static bool view_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    return store_list(((struct view *)s)->next, prefix, fn, arg, e);
}

static bool view_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                     struct err *e)
{
    return store_put(((struct view *)s)->next, key, data, mode, e);
}

static bool view_remove(struct store *s, const char *key, struct err *e)
{
    return store_remove(((struct view *)s)->next, key, e);
}

static void view_close(struct store *s)
{
    mem_free(s);
}

struct store *discarded_view_new(struct store *next, const struct discarded *trash)
{
    static const struct store_ops ops = {.scheme = "trash",
                                         .get = view_get,
                                         .put = view_put,
                                         .stat = view_stat,
                                         .list = view_list,
                                         .remove = view_remove,
                                         .close = view_close};
    struct view *v = mem_new(sizeof(*v));

    *v = (struct view){.store = store_around(&ops, next), .next = next, .trash = trash};
    return &v->store;
}
