/*
 * Prune beside another prune that relies on a delta where this one relies on a plain copy.
 */
#include <string.h>

#include "base/mem.h"
#include "meddle.h"
#include "pair.h"
#include "repo/condemned_list.h"
#include "support/test.h"

static const struct plant x_plants[] = {{"x", 11, PIECE_SIZE, false}};
static const struct planting x = {x_plants, 1, 0, 0};

struct taker {
    struct writer *writer;
    struct hash id;
};

static void take(void *arg, struct batch *b)
{
    struct taker *t = arg;

    t->id = b->pieces[0].id;
    writer_release(t->writer, b);
}

/* Open a writer on a handle of its own, which knows the packs of now. */
static struct writer *writer_of(struct repo *r, struct taker *t)
{
    const struct writer_options o = {.workers = 1, .done = take, .arg = t};

    CHECK_OK(repo_load_index(r, e));
    CHECK_OK(writer_open(r, &o, &t->writer, e));
    return t->writer;
}

/* Store a chunk, the base NULL or given, and say in which pack it is. */
static struct hash store_chunk(struct store *s, struct writer *w, struct slice bytes,
                               const struct hash *base)
{
    struct batch *b = writer_batch(w);
    struct piece p = {.size = bytes.size, .type = CHUNK_DATA, .has_base = base != NULL};
    AUTO(store) struct store *before = world_copy(s);
    struct writer_stats stats;
    struct hash pack = {{0}};

    if (base != NULL)
        p.base = *base;
    buf_append_slice(&b->bytes, bytes);
    batch_add(b, &p);
    CHECK_OK(writer_submit(w, b, e));
    CHECK_OK(writer_drain(w, e));
    CHECK_OK(writer_finish(w, &stats, e));
    CHECK(stats.delta_chunks == (base != NULL ? 1 : 0));
    for (size_t i = 0; i < world_count(s, "packs/"); i++) {
        AUTO(mem) char *key = world_key(s, "packs/", i);
        AUTO(buf) struct buf bytes_before = {0};
        struct err why;

        if (!store_get(before, key, 0, 1, &bytes_before, &why))
            CHECK(key_hash(key, &pack));
    }
    return pack;
}

struct rival {
    struct store *store;
    struct repo *repo;
    struct hash plain; /* the pack with the plain copy */
    size_t packs;      /* before */
    char *list;
};

/* It has relied on the delta, and looked before the prune condemned anything. */
static void rival_condemn(void *arg)
{
    struct rival *v = arg;

    if (world_count(v->store, "condemned/") > 0 || world_count(v->store, "packs/") < v->packs)
        return;
    CHECK_OK(condemned_list_put(
        v->repo, &(struct condemned_list){.packs = &v->plain, .pack_count = 1}, &v->list, e));
}

static void rival_remove(struct rival *v)
{
    char key[PACK_KEY_MAX];

    pack_key(&v->plain, key);
    CHECK_OK(store_remove(v->store, key, e));
    CHECK_OK(store_remove(v->store, v->list, e));
    mem_free(v->list);
}

/* The bytes of the chunk of x, by way of another repository. */
static void bytes_of_x(struct buf *out)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(buf) struct buf keep = {0}, ids = {0};
    AUTO(snapshot) struct snapshot *sn = NULL;
    struct hash other, id;
    struct entry en;

    CHECK_OK(world_plant(r, &x, &other, e));
    CHECK_OK(snapshot_load(r, &other, &sn, e));
    CHECK_OK(repo_load_index(r, e));
    AUTO(reader) struct reader *rd = reader_new(r);
    CHECK_OK(tree_find(rd, &sn->tree, "x", &keep, &en, e));
    CHECK_OK(reader_content(rd, &en, &ids, e));
    memcpy(id.bytes, ids.data, HASH_SIZE);
    CHECK_OK(reader_chunk(rd, CHUNK_DATA, &id, out, e));
}

/* A base; the chunk of x as a delta of it, and plain: the two writers do not see each other's.
 * Returns the pack with the plain copy. */
static struct hash store_both(struct store *s)
{
    AUTO(repo) struct repo *first = world_repo(s);
    AUTO(repo) struct repo *second = world_repo(s);
    AUTO(repo) struct repo *third = world_repo(s);
    AUTO(buf) struct buf bytes = {0};
    struct taker t[3] = {0};

    bytes_of_x(&bytes);
    bytes.data[100] ^= 1;
    AUTO(writer) struct writer *of_base = writer_of(first, &t[0]);
    (void)store_chunk(s, of_base, buf_slice(&bytes), NULL);
    bytes.data[100] ^= 1;
    AUTO(writer) struct writer *of_delta = writer_of(second, &t[1]);
    AUTO(writer) struct writer *of_plain = writer_of(third, &t[2]);
    (void)store_chunk(s, of_delta, buf_slice(&bytes), &t[0].id);
    return store_chunk(s, of_plain, buf_slice(&bytes), NULL);
}

/* One prune, into which the rival comes before its n-th operation.  False: it never came. */
static bool race(struct store *model, int n, const struct hash *plain_pack,
                 const struct hash *snapshot, bool *is_kept)
{
    AUTO(store) struct store *store = world_copy(model);
    AUTO(repo) struct repo *r = world_repo(store);
    struct rival v = {
        .store = store, .repo = r, .plain = *plain_pack, .packs = world_count(store, "packs/")};
    AUTO(store)
    struct store *s =
        meddler_new(store, &(struct meddling){.at = n, .fn = rival_condemn, .arg = &v});
    struct prune_stats stats;
    struct err why;
    const bool ok = prune(s, &plain, &stats, &why);

    ck_assert_msg(ok || why.code == ERR_TRANSIENT, "%d: %s", n, why.text);
    if (v.list == NULL)
        return false;
    rival_remove(&v);
    *is_kept = is_sound(store, snapshot, &x);
    return true;
}

TEST(prune_keeps_the_base_of_a_delta_that_another_relies_on_at_any_moment)
{
    AUTO(store) struct store *model = store_memory_new();
    const struct hash plain_pack = store_both(model);
    const struct hash snapshot = plant(model, &x);
    int lost = 0, raced = 0;

    CHECK(is_sound(model, &snapshot, &x));
    for (int n = 0; n < 60; n++) {
        bool is_kept;

        if (!race(model, n, &plain_pack, &snapshot, &is_kept))
            continue;
        raced++;
        lost += is_kept ? 0 : 1;
    }
    CHECK(raced > 0);
    ck_assert_msg(lost == 0, "lost in %d of %d runs", lost, raced);
}
END

TESTS("delta race", prune_keeps_the_base_of_a_delta_that_another_relies_on_at_any_moment)
