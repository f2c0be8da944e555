/*
 * Index objects without the packs that go, few large ones instead of many small, and none of past
 * epochs where those are to be left behind.
 */
#include "base/mem.h"
#include "repo/parity_objects.h"
#include "repo/prune.h"

/* Smaller ones are joined once there are more than this many of them. */
#define SMALL_INDEX     ((uint64_t)4 << 20)
#define SMALL_INDEX_MAX 8

/* Rows that wait to be written: about one object's worth. */
#define WAITING_MAX ((size_t)16 << 20)

struct rewrite {
    struct prune *prune;
    const struct look *now;
    bool join_small;
    bool *is_written; /* by number of the pack in the loaded index */
    struct index_document document;
    size_t *replaced; /* positions in index_keys */
    size_t replaced_count;
};

static void rewrite_auto(struct rewrite *w)
{
    mem_free(w->is_written);
    mem_free(w->replaced);
    index_document_done(&w->document);
}

static bool stays(const struct rewrite *w, const struct hash *pack)
{
    size_t number;

    return look_has_pack(w->now, pack, &number) && !prune_is_doomed(w->prune, pack);
}

/* True when all rows of an index document stay. */
static bool check_rows(const struct rewrite *w, struct slice plain, bool *all_stay, struct err *e)
{
    struct slice body;
    struct index_row row;
    uint32_t count;

    *all_stay = true;
    if (!index_document_open(plain, &count, &body, e))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!index_document_next(&body, &row, e))
            return false;
        *all_stay = *all_stay && stays(w, &row.id);
    }
    return true;
}

static bool copy_rows(struct rewrite *w, struct slice plain, struct err *e)
{
    struct slice body;
    struct index_row row;
    uint32_t count, number;

    if (!index_document_open(plain, &count, &body, e))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!index_document_next(&body, &row, e))
            return false;
        if (!stays(w, &row.id))
            continue;
        if (index_has_pack(w->prune->repo->index, &row.id, &number)) {
            if (w->is_written[number])
                continue;
            w->is_written[number] = true;
        }
        index_document_add(&w->document, &row.id, row.class, row.pack_size, row.directory);
    }
    return w->document.body.size < WAITING_MAX ||
           index_document_put(w->prune->repo, &w->document, e);
}

/* An object that is gone was rewritten by another collector. */
static bool rewrite_object(struct rewrite *w, size_t at, struct err *e)
{
    const struct key_list *keys = &w->prune->index_keys;
    const bool is_joined = w->join_small && keys->sizes[at] < SMALL_INDEX;
    AUTO(buf) struct buf plain = {0};
    uint32_t epoch;
    bool all_stay;

    if (!document_get_epoch(w->prune->repo, CLASS_INDEX, keys->items[at], &plain, &epoch, e))
        return e->code == ERR_NOT_FOUND;
    if (!check_rows(w, buf_slice(&plain), &all_stay, e))
        return err_wrap(e, "object %s", keys->items[at]);
    if (all_stay && !is_joined && epoch >= w->prune->below_epoch)
        return true;
    w->replaced[w->replaced_count++] = at;
    return copy_rows(w, buf_slice(&plain), e);
}

bool prune_index(struct prune *p, const struct look *now, struct err *e)
{
    const struct key_list *keys = &p->index_keys;
    size_t small = 0;

    for (size_t i = 0; i < keys->count; i++)
        small += keys->sizes[i] < SMALL_INDEX ? 1 : 0;

    AUTO(rewrite)
    struct rewrite w = {.prune = p,
                        .now = now,
                        .join_small = small > SMALL_INDEX_MAX,
                        .is_written = mem_array(index_pack_count(p->repo->index), sizeof(bool)),
                        .replaced = mem_array(keys->count, sizeof(size_t))};

    for (size_t i = 0; i < keys->count; i++)
        if (!rewrite_object(&w, i, e))
            return err_wrap(e, "rewrite the index");
    if (w.document.packs > 0 && !index_document_put(p->repo, &w.document, e))
        return err_wrap(e, "rewrite the index");

    AUTO(mem) const char **gone = mem_array(w.replaced_count, sizeof(*gone));

    for (size_t i = 0; i < w.replaced_count; i++)
        gone[i] = keys->items[w.replaced[i]];
    return objects_remove(p->repo, gone, w.replaced_count, e);
}
