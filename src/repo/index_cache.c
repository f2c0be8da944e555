#include "repo/index_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "repo/index_image.h"

#define FOLDER "segments"
#define BEGIN  "segment-"

/* A segment is joined with smaller ones that have more than one in so many of its entries. */
#define MERGE_FACTOR 4

/* Segments in the folder. */
struct found {
    struct segment *file; /* NULL: taken, or not to be used */
    bool *drops;          /* by source */
    bool drops_any;
};

struct found_list {
    struct found *items;
    size_t count;
};

static void found_list_auto(struct found_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        segment_free(l->items[i].file);
        mem_free(l->items[i].drops);
    }
    mem_free(l->items);
}

static void stream_auto(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d);
}

/* The folder, made when it is missing and something is to be kept. */
static bool folder_open(struct index_cache *c, bool makes_it)
{
    AUTO(buf) struct buf path = {0};
    struct err ignored;

    if (c->dir >= 0)
        return true;
    if (c->owner == NULL)
        return false;
    buf_printf(&path, "%s/" FOLDER, c->repo->cache_folder);
    return (!makes_it || dir_make_all(buf_string(&path), 0700, &ignored)) &&
           dir_open(buf_string(&path), &c->dir, &ignored);
}

void index_cache_open(struct repo *r, struct index_cache *out)
{
    *out = (struct index_cache){.repo = r, .dir = -1};
    if (r->cache_folder == NULL || !r->keeps_index)
        return;
    out->owner = mem_secret_new(sizeof(*out->owner));
    memcpy(out->owner->repository, r->id, sizeof(r->id));
    hkdf(SLICE_OF(repo_newest(r)->master, SEAL_KEY_SIZE), SLICE_OF(NULL, 0),
         slice_string("holdfast index segment"), out->owner->key, SEAL_KEY_SIZE);
}

/* Go on without. */
static void give_up(struct index_cache *c)
{
    mem_secret_free(TAKE(c->owner));
    fd_auto(&c->dir);
    c->dir = -1;
}

void index_cache_auto(struct index_cache *c)
{
    give_up(c);
}

static void remove_file(const struct index_cache *c, const char *name)
{
    struct err ignored;

    (void)!file_remove(c->dir, name, &ignored);
}

/* Open what the folder has. */

static void find_one(const struct index_cache *c, const char *name, bool checks_all,
                     struct found_list *l)
{
    AUTO(segment) struct segment *s = NULL;
    struct err why;

    if (!segment_open(c->dir, name, c->owner, &s, &why)) {
        if (why.code == ERR_CORRUPT)
            remove_file(c, name);
        return;
    }
    if (checks_all && !segment_is_sound(s)) {
        remove_file(c, name);
        return;
    }
    l->items = mem_resize(l->items, l->count + 1, sizeof(*l->items));
    l->items[l->count].drops = mem_array(segment_tables(s)->source_count, sizeof(bool));
    l->items[l->count].drops_any = false;
    l->items[l->count++].file = TAKE(s);
}

static int larger_first(const void *a, const void *b)
{
    const struct found *left = a;
    const struct found *right = b;
    const size_t l = segment_tables(left->file)->entry_count;
    const size_t r = segment_tables(right->file)->entry_count;

    return l != r ? (l > r ? -1 : 1) : strcmp(segment_name(left->file), segment_name(right->file));
}

static void find_all(const struct index_cache *c, bool checks_all, struct found_list *l)
{
    const int fd = fcntl(c->dir, F_DUPFD_CLOEXEC, 0);
    AUTO(stream) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (d != NULL)
        rewinddir(d);
    while (d != NULL && (entry = readdir(d)) != NULL)
        if (strncmp(entry->d_name, BEGIN, strlen(BEGIN)) == 0)
            find_one(c, entry->d_name, checks_all, l);
    if (l->count > 0)
        qsort(l->items, l->count, sizeof(*l->items), larger_first);
}

/* What of it still holds */

/* An index object that is listed. */
struct listed {
    struct hash id;
    size_t key;
    bool is_taken;
};

static struct listed *listed_find(struct listed *l, size_t count, const struct hash *id)
{
    return count == 0 ? NULL : bsearch(id, l, count, sizeof(*l), hash_order);
}

/*
 * Objects that are gone: what only they named is not in the index any more.  What another names
 * too is in the segment for one of them; once any is gone, those others are read anew.
 */
static void find_gone(struct found_list *l, struct listed *listed, size_t count)
{
    bool is_any_gone = false;

    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < l->count; i++) {
            struct found *f = &l->items[i];
            const struct segment_tables *t = segment_tables(f->file);

            for (size_t n = 0; n < t->source_count; n++)
                if (listed_find(listed, count, &t->sources[n].id) == NULL ||
                    (is_any_gone && t->sources[n].is_shared != 0))
                    f->drops[n] = f->drops_any = is_any_gone = true;
        }
}

/* Replace a segment by one without what it drops; false when nothing is left of it. */
static bool compact(const struct index_cache *c, struct found *f)
{
    const struct segment_input input = {.tables = segment_tables(f->file), .drops = f->drops};
    AUTO(segment) struct segment *old = TAKE(f->file);
    char name[SEGMENT_NAME_MAX];
    struct err ignored;
    bool is_written = false;

    for (size_t n = 0; n < input.tables->source_count && !is_written; n++)
        is_written = !f->drops[n];
    is_written = is_written && segment_is_sound(old) &&
                 segment_write(c->dir, c->owner, &input, 1, name, &ignored);
    remove_file(c, segment_name(old));
    return is_written && segment_open(c->dir, name, c->owner, &f->file, &ignored);
}

/* Whether none of its objects is in the index already. */
static bool is_apart(const struct segment_tables *t, struct listed *listed, size_t count)
{
    for (size_t n = 0; n < t->source_count; n++) {
        const struct listed *l = listed_find(listed, count, &t->sources[n].id);

        if (l == NULL || l->is_taken)
            return false;
    }
    return true;
}

void index_cache_attach(struct index_cache *c, struct index *ix, const struct key_list *keys,
                        bool checks_all, bool *has_it)
{
    AUTO(found_list) struct found_list l = {0};
    AUTO(mem) struct listed *listed = mem_array(keys->count, sizeof(*listed));
    size_t count = 0;

    if (!folder_open(c, false))
        return;
    for (size_t i = 0; i < keys->count; i++)
        if (key_hash(keys->items[i], &listed[count].id))
            listed[count++].key = i;
    if (count > 0)
        qsort(listed, count, sizeof(*listed), hash_order);
    find_all(c, checks_all, &l);
    find_gone(&l, listed, count);
    for (size_t i = 0; i < l.count; i++) {
        struct found *f = &l.items[i];

        if (f->drops_any && !compact(c, f))
            continue;

        const struct segment_tables *t = segment_tables(f->file);

        /* What another process wrote beside this one says the same once more. */
        if (!is_apart(t, listed, count) || !index_can_attach(ix, t)) {
            remove_file(c, segment_name(f->file));
            continue;
        }
        for (size_t n = 0; n < t->source_count; n++) {
            struct listed *seen = listed_find(listed, count, &t->sources[n].id);

            seen->is_taken = has_it[seen->key] = true;
        }
        index_attach(ix, TAKE(f->file), c->dir);
    }
}

/* Keeping */

void index_cache_flush(struct index_cache *c, struct index *ix, size_t least)
{
    AUTO(index_image) struct index_image image = {0};
    AUTO(segment) struct segment *s = NULL;
    char name[SEGMENT_NAME_MAX];
    struct err ignored;

    if (ix->used < least || ix->has_loose || !folder_open(c, true))
        return;
    index_image_make(ix, &image);

    const struct segment_input input = {.tables = &image.tables};

    if (segment_write(c->dir, c->owner, &input, 1, name, &ignored) &&
        segment_open(c->dir, name, c->owner, &s, &ignored) &&
        segment_tables(s)->entry_count == ix->used)
        index_settle(ix, TAKE(s), c->dir);
    else
        give_up(c);
}

static int smaller_first(const void *a, const void *b)
{
    const struct index_segment *const *left = a;
    const struct index_segment *const *right = b;
    const size_t l = segment_tables((*left)->file)->entry_count;
    const size_t r = segment_tables((*right)->file)->entry_count;

    return l != r ? (l < r ? -1 : 1)
                  : strcmp(segment_name((*left)->file), segment_name((*right)->file));
}

void index_cache_merge(struct index_cache *c, const struct index *ix)
{
    AUTO(mem) struct index_segment **order = mem_array(ix->segment_count, sizeof(*order));
    AUTO(mem) struct segment_input *inputs = mem_array(ix->segment_count, sizeof(*inputs));
    size_t count = 0, entries = 0;
    char name[SEGMENT_NAME_MAX];
    struct err ignored;

    if (ix->segment_count < 2 || c->dir < 0)
        return;
    for (size_t i = 0; i < ix->segment_count; i++)
        order[i] = &ix->segments[i];
    qsort(order, ix->segment_count, sizeof(struct index_segment *), smaller_first);
    for (; count < ix->segment_count; count++) {
        const struct segment_tables *t = segment_tables(order[count]->file);

        if (count > 0 && t->entry_count >= entries * MERGE_FACTOR)
            break;
        if (!segment_is_sound(order[count]->file))
            return;
        inputs[count].tables = t;
        entries += t->entry_count;
    }
    if (count < 2 || !segment_write(c->dir, c->owner, inputs, count, name, &ignored))
        return;
    for (size_t i = 0; i < count; i++)
        remove_file(c, segment_name(order[i]->file));
}
