#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repo/index.h"
#include "support/test.h"

/* Repositories */

static const uint8_t secret[32] = {7};
const struct unlock world_unlock = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};

struct repo *world_open(struct store *s)
{
    struct repo *r = NULL;

    CHECK_OK(repo_open(s, &world_unlock, &r, e));
    return r;
}

struct repo *world_repo(struct store *s)
{
    struct repo *r = NULL;

    if (world_count(s, "config") > 0)
        return world_open(s);
    CHECK_OK(repo_create(s, &world_unlock, "", &r, e));
    return r;
}

/* The bytes of one chunk of a plant: xorshift64, and in front how often it was edited. */
static void grow(const struct plant *p, size_t piece, struct buf *out)
{
    const size_t offset = piece * PIECE_SIZE;
    const size_t size = p->size - offset < PIECE_SIZE ? p->size - offset : PIECE_SIZE;
    const uint64_t seed = p->seed & UINT32_MAX;
    uint64_t state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + piece;

    uint8_t *to = buf_extend(out, size);

    for (size_t i = 0; i < size; i += sizeof(state)) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(to + i, &state, size - i < sizeof(state) ? size - i : sizeof(state));
    }
    for (size_t i = 0; p->is_text && i < size; i++)
        to[i] = 'a' + to[i] % 16;
    to[0] ^= (uint8_t)(p->seed >> 32);
}

/* What the chunk was before it was edited the last time. */
static struct hash former_id(struct mac *m, const struct plant *p, size_t piece)
{
    const struct plant former = {
        .seed = p->seed - EDITED(0, 1), .size = p->size, .is_text = p->is_text};
    AUTO(buf) struct buf bytes = {0};
    struct hash id;

    grow(&former, piece, &bytes);
    mac_sum(m, CHUNK_DATA, buf_slice(&bytes), &id);
    return id;
}

static struct piece piece_of(struct mac *m, const struct plant *p, size_t number)
{
    struct piece out = {.type = CHUNK_DATA, .number = number, .has_base = p->seed > UINT32_MAX};

    if (out.has_base)
        out.base = former_id(m, p, number);
    return out;
}

static size_t pieces_of(const struct plant *p)
{
    return (p->size + PIECE_SIZE - 1) / PIECE_SIZE;
}

/* Backups */

static void on_done(void *arg, struct batch *b)
{
    const struct growth *g = arg;

    for (size_t i = 0; i < b->count; i++)
        memcpy((uint8_t *)b->pieces[i].cookie + b->pieces[i].number * HASH_SIZE,
               b->pieces[i].id.bytes, HASH_SIZE);
    writer_release(g->writer, b);
}

static bool put_content(struct growth *g, struct err *e)
{
    AUTO(mac) struct mac *m = mac_new(g->repo->keys->chunk_id);

    for (size_t i = 0; i < g->planting->count; i++) {
        const struct plant *p = &g->planting->plants[i];
        struct batch *b = writer_batch(g->writer);

        buf_extend(&g->ids[i], pieces_of(p) * HASH_SIZE);
        for (size_t n = 0; n < pieces_of(p); n++) {
            const size_t offset = b->bytes.size;

            struct piece piece = piece_of(m, p, n);

            grow(p, n, &b->bytes);
            piece.offset = offset;
            piece.size = b->bytes.size - offset;
            piece.cookie = g->ids[i].data;
            batch_add(b, &piece);
        }
        if (!writer_submit(g->writer, b, e))
            return false;
    }
    return writer_drain(g->writer, e);
}

/* Pages of a directory that is being written. */
struct pages {
    struct growth *growth;
    const struct hash *base; /* of each; may be NULL */
    struct buf page, ids;
    uint32_t count, page_count;
};

static void pages_auto(struct pages *p)
{
    buf_done(&p->page);
    buf_done(&p->ids);
}

static bool end_page(struct pages *p, struct hash *id, struct err *e)
{
    page_finish(&p->page, p->count);
    if (!writer_put_tree(p->growth->writer, CHUNK_TREE, buf_slice(&p->page), p->base, id, e))
        return false;
    buf_append(&p->ids, id->bytes, HASH_SIZE);
    p->page_count++;
    p->count = 0;
    page_begin(&p->page, PAGE_ENTRIES);
    return true;
}

static bool add_entry(struct pages *p, const struct entry *en, struct err *e)
{
    struct hash id;

    entry_encode(en, &p->page);
    p->count++;
    return p->count != p->growth->planting->in_page || end_page(p, &id, e);
}

static bool end_pages(struct pages *p, struct hash *id, struct err *e)
{
    if ((p->count > 0 || p->page_count == 0) && !end_page(p, id, e))
        return false;
    memcpy(id->bytes, p->ids.data, HASH_SIZE);
    if (p->page_count == 1)
        return true;
    page_begin(&p->page, PAGE_PAGES);
    buf_append_slice(&p->page, buf_slice(&p->ids));
    page_finish(&p->page, p->page_count);
    return writer_put_tree(p->growth->writer, CHUNK_TREE, buf_slice(&p->page), p->base, id, e);
}

static bool add_file(struct pages *p, size_t number, struct slice name, struct err *e)
{
    const struct plant *plant = &p->growth->planting->plants[number];
    struct hash list;
    struct entry en = {.type = ENTRY_FILE,
                       .name = name,
                       .mode = 0644,
                       .inode = number + 1,
                       .links = 1,
                       .size = plant->size,
                       .cut = CUT_GENERAL,
                       .content = buf_slice(&p->growth->ids[number])};

    if (plant->is_indirect) {
        if (!writer_put_tree(p->growth->writer, CHUNK_LIST, en.content, NULL, &list, e))
            return false;
        en.flags = ENTRY_INDIRECT;
        en.content = SLICE_OF(list.bytes, HASH_SIZE);
    }
    return add_entry(p, &en, e);
}

/* The tree that the snapshot before has of the directory of a path's first bytes. */
static bool find_former(const struct growth *g, const char *path, size_t size, struct hash *out)
{
    AUTO(buf) struct buf text = {0}, keep = {0};
    struct err ignored;
    struct entry en;

    buf_append(&text, path, size);
    if (g->reader == NULL ||
        !tree_find(g->reader, &g->former, buf_string(&text), &keep, &en, &ignored))
        return false;
    *out = en.subtree;
    return en.type == ENTRY_DIRECTORY;
}

/* The directory of plants from *next on whose paths begin with the first depth bytes. */
static bool put_directory(struct growth *g, size_t *next, size_t depth, struct hash *id,
                          struct err *e)
{
    const struct planting *planting = g->planting;
    const char *prefix = planting->count == 0 ? "" : planting->plants[*next].path;
    AUTO(pages) struct pages p = {.growth = g};
    struct hash former;

    if (find_former(g, prefix, depth, &former))
        p.base = &former;
    page_begin(&p.page, PAGE_ENTRIES);
    while (*next < planting->count && strncmp(planting->plants[*next].path, prefix, depth) == 0) {
        const char *name = planting->plants[*next].path + depth;
        const char *slash = strchr(name, '/');
        struct entry en = {.type = ENTRY_DIRECTORY, .mode = 0755, .inode = 1, .links = 2};

        if (slash == NULL) {
            if (!add_file(&p, *next, slice_string(name), e))
                return false;
            (*next)++;
            continue;
        }
        en.name = SLICE_OF(name, (size_t)(slash - name));
        if (!put_directory(g, next, depth + en.name.size + 1, &en.subtree, e) ||
            !add_entry(&p, &en, e))
            return false;
    }
    return end_pages(&p, id, e);
}

static struct snapshot *describe(const struct hash *tree)
{
    struct snapshot *s = snapshot_new();

    s->host = mem_string("host");
    s->user = mem_string("user");
    s->program = mem_string("test");
    s->tree = *tree;
    snapshot_add_path(s, "/");
    return s;
}

/* Let pages have those of the newest snapshot as bases. */
static bool find_bases(struct growth *g, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list l = {0};

    if (!snapshot_load_all(g->repo, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &l, e))
        return false;
    if (l.count == 0)
        return true;

    size_t newest = 0; /* they are all of one moment */

    for (size_t i = 1; i < l.count; i++)
        newest = l.items[i]->seq > l.items[newest]->seq ? i : newest;
    g->former = l.items[newest]->tree;
    g->reader = reader_new(g->repo);
    return true;
}

bool growth_open(struct growth *g, struct repo *r, const struct planting *p, struct err *e)
{
    const struct writer_options o = {
        .level = p->level, .workers = 1, .pack_size = p->pack_size, .done = on_done, .arg = g};

    *g = (struct growth){.repo = r, .planting = p, .ids = mem_array(p->count, sizeof(struct buf))};
    repo_drop_index(r);
    return writer_open(r, &o, &g->writer, e) && (!p->has_bases || find_bases(g, e));
}

bool growth_put(struct growth *g, struct err *e)
{
    struct writer_stats stats;
    struct hash tree;
    size_t next = 0;

    if (!put_content(g, e) || !put_directory(g, &next, 0, &tree, e) ||
        !writer_finish(g->writer, &stats, e))
        return false;

    AUTO(snapshot) struct snapshot *s = describe(&tree);

    if (!snapshot_put(g->repo, s, e))
        return false;
    g->snapshot = s->id;
    return true;
}

bool growth_confirm(struct growth *g, bool *is_safe, struct err *e)
{
    return writer_confirm(g->writer, is_safe, e);
}

bool growth_end(struct growth *g, bool is_safe, struct err *e)
{
    return is_safe ? snapshot_commit(g->repo, &g->snapshot, e)
                   : snapshot_withdraw(g->repo, &g->snapshot, e);
}

void growth_auto(struct growth *g)
{
    /* Its workers use the ids. */
    writer_free(g->writer);
    reader_free(g->reader);
    for (size_t i = 0; g->ids != NULL && i < g->planting->count; i++)
        buf_done(&g->ids[i]);
    mem_free(g->ids);
    if (g->repo != NULL)
        repo_drop_index(g->repo);
    *g = (struct growth){0};
}

bool world_plant(struct repo *r, const struct planting *p, struct hash *snapshot, struct err *e)
{
    for (int round = 0; round < 3; round++) {
        AUTO(growth) struct growth g = {0};
        bool is_safe;

        if (!growth_open(&g, r, p, e) || !growth_put(&g, e) || !growth_confirm(&g, &is_safe, e) ||
            !growth_end(&g, is_safe, e))
            return false;
        *snapshot = g.snapshot;
        if (is_safe)
            return true;
    }
    return err_set(e, ERR_TRANSIENT, "packs keep going away");
}

/* Restores */

static bool harvest(struct reader *rd, const struct hash *tree, const struct plant *p,
                    struct err *e)
{
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf ids = {0};
    struct entry en;

    if (!tree_find(rd, tree, p->path, &keep, &en, e) || !reader_content(rd, &en, &ids, e))
        return false;
    if (en.size != p->size || ids.size != pieces_of(p) * HASH_SIZE)
        return err_set(e, ERR_CORRUPT, "%s: another size", p->path);
    for (size_t i = 0; i < pieces_of(p); i++) {
        AUTO(buf) struct buf wanted = {0};
        AUTO(buf) struct buf got = {0};
        struct hash id;

        memcpy(id.bytes, ids.data + i * HASH_SIZE, HASH_SIZE);
        grow(p, i, &wanted);
        if (!reader_chunk(rd, CHUNK_DATA, &id, &got, e))
            return err_wrap(e, "%s", p->path);
        if (!slice_is_equal(buf_slice(&wanted), buf_slice(&got)))
            return err_set(e, ERR_CORRUPT, "%s: other bytes", p->path);
    }
    return true;
}

bool world_harvest(struct repo *r, const struct hash *snapshot, const struct planting *p,
                   struct err *e)
{
    AUTO(snapshot) struct snapshot *s = NULL;

    repo_drop_index(r);
    if (!snapshot_mark_read(r, CLASS_COMMIT, snapshot, e) || !snapshot_load(r, snapshot, &s, e) ||
        !repo_load_index(r, e))
        return false;

    AUTO(reader) struct reader *rd = reader_new(r);

    for (size_t i = 0; i < p->count; i++)
        if (!harvest(rd, &s->tree, &p->plants[i], e))
            return false;
    return true;
}

/* Worlds */

static const struct plant files[] = {
    {"a/one", 1, PACKFUL, false},
    {"a/two", 2, 90000, true},
    {"b", 3, PACKFUL, false},
};
const struct planting world_files = {files, 3, PACK_SIZE, 0};

struct world world_bare(void)
{
    struct world w = {.store = store_memory_new()};

    w.repo = world_repo(w.store);
    return w;
}

struct world world_new(const struct planting *p)
{
    struct world w = world_bare();

    w.planting = p;
    CHECK_OK(world_plant(w.repo, p, &w.snapshot, e));
    return w;
}

struct world world_clone(const struct world *w)
{
    struct world clone = *w;

    clone.store = world_copy(w->store);
    clone.repo = world_repo(clone.store);
    return clone;
}

void world_auto(struct world *w)
{
    repo_close(w->repo);
    store_close(w->store);
}

bool world_is_sound(struct world *w)
{
    struct err why;

    return world_harvest(w->repo, &w->snapshot, w->planting, &why);
}

/* Stores */

struct keys {
    char *items[1000];
    size_t count;
};

static bool add_key(void *arg, const struct object_info *info, struct err *e)
{
    struct keys *k = arg;

    (void)e;
    CHECK(k->count < 1000);
    k->items[k->count++] = mem_string(info->key);
    return true;
}

static int key_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void keys_done(struct keys *k)
{
    for (size_t i = 0; i < k->count; i++)
        mem_free(k->items[i]);
}

size_t world_count(struct store *s, const char *prefix)
{
    struct keys k = {0};

    CHECK_OK(store_list(s, prefix, add_key, &k, e));
    keys_done(&k);
    return k.count;
}

char *world_key(struct store *s, const char *prefix, size_t n)
{
    struct keys k = {0};

    CHECK_OK(store_list(s, prefix, add_key, &k, e));
    CHECK(n < k.count);
    qsort(k.items, k.count, sizeof(*k.items), key_compare);

    char *key = mem_string(k.items[n]);

    keys_done(&k);
    return key;
}

void world_get(struct store *s, const char *key, struct buf *out)
{
    buf_clear(out);
    CHECK_OK(store_get_all(s, key, out, e));
}

void world_replace(struct store *s, const char *key, struct slice bytes)
{
    CHECK_OK(store_put(s, key, bytes, PUT_REPLACE, e));
}

struct copying {
    struct store *from, *to;
};

static bool copy_object(void *arg, const struct object_info *info, struct err *e)
{
    const struct copying *c = arg;
    AUTO(buf) struct buf bytes = {0};

    return store_get_all(c->from, info->key, &bytes, e) &&
           store_put(c->to, info->key, buf_slice(&bytes), PUT_NEW, e);
}

struct store *world_copy(struct store *s)
{
    struct copying c = {s, store_memory_new()};

    CHECK_OK(store_list(s, "", copy_object, &c, e));
    return c.to;
}
