/* Prunes of repositories in which chunks are stored as what differs from others. */
#include <string.h>

#include "base/mem.h"
#include "meddle.h"
#include "pair.h"
#include "repo/condemned_list.h"
#include "repo/mark.h"
#include "support/test.h"

/* A file and what became of it, and a directory in which one file changes; "other" changes wholly,
 * so that packs are partly used. */
static const struct plant first_plants[] = {
    FORTY_FILES(5), {"file", 1, 400000, false}, {"other", 2, 90000, true}};
static const struct plant second_plants[] = {
    FORTY_FILES(6), {"file", EDITED(1, 1), 400000, false}, {"other", 3, 90000, true}};
static const struct plant third_plants[] = {
    FORTY_FILES(7), {"file", EDITED(1, 2), 400000, false}, {"other", 4, 90000, true}};
static const struct planting first = {first_plants, FORTY + 2, .has_bases = true};
static const struct planting second = {second_plants, FORTY + 2, .has_bases = true};
static const struct planting third = {third_plants, FORTY + 2, .has_bases = true};

/* The file alone. */
static const struct planting alone = {first_plants + FORTY, 1, 0, 0};
static const struct planting changed = {second_plants + FORTY, 1, 0, 0};

#define FILE_CHUNKS 10

/* Where the chunks of "file" and the page of "d" stand, as readers find them. */
struct places {
    size_t deltas;
    struct hash packs[FILE_CHUNKS], bases[FILE_CHUNKS]; /* names of packs */
    bool is_page_delta;
    struct hash page, page_base; /* packs */
};

static struct hash pack_of(const struct index *ix, const struct place *at)
{
    return index_pack_at(ix, index_frame_at(ix, at->frame).pack)->id;
}

/* Whether a chunk is a delta; its pack, and that of its base. */
static bool find_chunk(struct index *ix, const struct hash *id, struct hash *pack,
                       struct hash *base_pack)
{
    struct place at, base;

    CHECK(index_find(ix, id, &at));
    *pack = pack_of(ix, &at);
    if (index_base_of(ix, &at) == NULL)
        return false;
    CHECK(index_find_base(ix, index_base_of(ix, &at), &base));
    *base_pack = pack_of(ix, &base);
    return true;
}

static struct places places_of(struct store *s, const struct hash *snapshot)
{
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(snapshot) struct snapshot *shot = NULL;
    AUTO(buf) struct buf keep = {0};
    struct places out = {0};
    struct entry en;

    CHECK_OK(snapshot_load(r, snapshot, &shot, e));
    CHECK_OK(repo_load_index(r, e));
    AUTO(reader) struct reader *rd = reader_new(r);

    CHECK_OK(tree_find(rd, &shot->tree, "file", &keep, &en, e));
    CHECK(en.content.size == (size_t)FILE_CHUNKS * HASH_SIZE);
    for (size_t i = 0; i < FILE_CHUNKS; i++) {
        struct hash id;

        memcpy(id.bytes, en.content.data + i * HASH_SIZE, HASH_SIZE);
        out.deltas += find_chunk(r->index, &id, &out.packs[i], &out.bases[i]);
    }
    if (tree_find(rd, &shot->tree, "d", &keep, &en, &(struct err){0}))
        out.is_page_delta = find_chunk(r->index, &en.subtree, &out.page, &out.page_base);
    return out;
}

static bool exists(struct store *s, const struct hash *pack)
{
    struct object_info info;
    struct err e = {0};
    char key[PACK_KEY_MAX];

    pack_key(pack, key);
    return store_stat(s, key, &info, &e);
}

static void remove_pack(struct store *s, const struct hash *pack)
{
    char key[PACK_KEY_MAX];

    pack_key(pack, key);
    CHECK_OK(store_remove(s, key, e));
}

/* A list of somebody else's; its key, owned. */
static char *condemn(struct store *s, const struct hash *packs, size_t count)
{
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(mem) struct hash *sorted = mem_array(count, sizeof(*sorted));
    char *key = NULL;

    memcpy(sorted, packs, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), hash_order);
    CHECK_OK(condemned_list_put(r, &(struct condemned_list){.packs = sorted, .pack_count = count},
                                &key, e));
    return key;
}

static void check_sound(struct store *s, const struct hash *id, const struct planting *p)
{
    AUTO(repo) struct repo *r = world_repo(s);

    CHECK_OK(world_harvest(r, id, p, e));
}

/* A prune that may repack as it likes, or only remove. */
static struct prune_stats prune_now(struct store *s, const struct prune_options *o)
{
    struct prune_stats stats;

    CHECK_OK(prune(s, o, &stats, e));
    return stats;
}

TEST(prune_keeps_a_base_that_only_deltas_need_and_removes_it_with_them)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash one = plant(s, &first);
    const struct hash two = plant(s, &second);
    const struct places at = places_of(s, &two);

    ck_assert_uint_eq(at.deltas, FILE_CHUNKS);
    CHECK(at.is_page_delta && !hash_is_equal(&at.page, &at.page_base));
    forget(s, &one);
    (void)prune_now(s, &plain);
    CHECK(exists(s, &at.bases[0]) && exists(s, &at.packs[0]));
    CHECK(exists(s, &at.page_base) && exists(s, &at.page));
    check_sound(s, &two, &second);

    const struct hash three = plant(s, &third);
    const struct places then = places_of(s, &three);

    CHECK(then.deltas == FILE_CHUNKS && then.is_page_delta);
    CHECK(hash_is_equal(&then.page_base, &at.page_base));
    forget(s, &two);
    (void)prune_now(s, &plain);
    CHECK(exists(s, &at.bases[0]) && exists(s, &at.page_base));
    check_sound(s, &three, &third);
    forget(s, &three);
    (void)prune_now(s, &plain);
    CHECK(!exists(s, &at.bases[0]) && world_count(s, "packs/") == 0);
    check_clean(s);
}
END

static struct hash tree_of(struct repo *r, const struct hash *snapshot)
{
    AUTO(snapshot) struct snapshot *shot = NULL;

    CHECK_OK(snapshot_load(r, snapshot, &shot, e));
    return shot->tree;
}

static bool on_fault(void *arg, enum mark_fault kind, const struct hash *chunk, struct err *why)
{
    (void)arg;
    (void)kind;
    (void)chunk;
    ck_abort_msg("%s", why->text);
    return false;
}

/* How many chunks two snapshots need, looked at in this order. */
static uint64_t count_needed(struct repo *r, const struct hash *one, const struct hash *two)
{
    AUTO(marks) struct marks *m = marks_new(r);
    const struct hash trees[] = {tree_of(r, one), tree_of(r, two)};

    for (size_t i = 0; i < 2; i++)
        CHECK_OK(marks_add(m, &trees[i], on_fault, NULL, e));
    return marks_count(m);
}

/* What it names is needed although it was marked before, as a base, when the walk comes to it. */
TEST(prune_keeps_what_a_page_names_that_is_the_base_of_another_in_whatever_order_it_looks)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash one = plant(s, &first);
    const struct hash two = plant(s, &second);
    AUTO(repo) struct repo *r = world_repo(s);

    CHECK(places_of(s, &two).is_page_delta);
    CHECK_OK(repo_load_index(r, e));
    ck_assert_uint_eq(count_needed(r, &two, &one), count_needed(r, &one, &two));
    for (int round = 0; round < 8; round++) {
        const struct hash three = plant(s, round % 2 == 0 ? &third : &first);

        forget(s, &three);
        (void)prune_now(s, &eager);
        check_sound(s, &one, &first);
        check_sound(s, &two, &second);
    }
}
END

TEST(prune_that_repacks_bases_and_deltas_leaves_deltas)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash one = plant(s, &first);
    const struct hash two = plant(s, &second);
    const struct hash three = plant(s, &third);
    const struct places before = places_of(s, &three);

    forget(s, &one);
    forget(s, &two);
    CHECK(prune_now(s, &eager).packs_repacked > 0);

    const struct places after = places_of(s, &three);

    CHECK(after.deltas == FILE_CHUNKS && after.is_page_delta);
    CHECK(!exists(s, &before.bases[0]) && !exists(s, &before.packs[0]));
    CHECK(!exists(s, &before.page_base) && !exists(s, &before.page));
    check_sound(s, &three, &third);
    check_clean(s);
    CHECK(prune_now(s, &eager).packs_removed == 0);
}
END

/* Each by itself, because somebody else condemned it: first those of content, then those of trees.
 */
TEST(prune_repacks_the_pack_of_bases_alone_and_that_of_deltas_alone)
{
    for (int way = 0; way < 4; way++) {
        AUTO(store) struct store *s = store_memory_new();
        const struct hash one = plant(s, &first);
        const struct hash two = plant(s, &second);
        const struct places before = places_of(s, &two);
        const struct hash *of[][2] = {{&before.bases[0], &before.packs[0]},
                                      {&before.page_base, &before.page}};
        const struct hash *gone = of[way / 2][way % 2];
        const struct hash *kept = of[way / 2][1 - way % 2];
        AUTO(mem) char *list = condemn(s, gone, 1);
        CHECK(list != NULL);

        forget(s, &one);
        CHECK(prune_now(s, &plain).packs_repacked == 1);
        CHECK(!exists(s, gone) && exists(s, kept));

        const struct places after = places_of(s, &two);

        CHECK(after.deltas == FILE_CHUNKS && after.is_page_delta);
        check_sound(s, &two, &second);
        check_clean(s);
    }
}
END

/* Chunks of a file twice: as deltas, and plain in another pack. */
struct twice {
    struct store *store;
    struct hash snapshot;
    struct hash base, delta, plain; /* packs */
};

static struct twice twice_new(void)
{
    struct twice t = {.store = store_memory_new()};
    const struct hash one = plant(t.store, &alone);
    const struct hash two = plant(t.store, &changed);
    const struct places at = places_of(t.store, &two);

    t.base = at.bases[0];
    t.delta = at.packs[0];

    AUTO(mem) char *list = condemn(t.store, (struct hash[]){t.base, t.delta}, 2);

    t.snapshot = plant(t.store, &changed);
    CHECK(places_of(t.store, &t.snapshot).deltas == 0);
    t.plain = places_of(t.store, &t.snapshot).packs[0];
    CHECK_OK(store_remove(t.store, list, e));
    forget(t.store, &one);
    forget(t.store, &two);
    return t;
}

static void twice_auto(struct twice *t)
{
    store_close(t->store);
}

TEST(prune_prefers_the_plain_copy_and_lets_deltas_and_bases_go)
{
    AUTO(twice) struct twice t = twice_new();

    (void)prune_now(t.store, &plain);
    CHECK(!exists(t.store, &t.base) && !exists(t.store, &t.delta) && exists(t.store, &t.plain));
    check_sound(t.store, &t.snapshot, &changed);
}
END

/* What others do once a prune has published its list. */
struct others {
    struct twice *t;
    const struct hash *pack; /* they condemn */
    char *early;             /* a list that they take back, or NULL */
    char *late;
};

static void come_between(void *arg)
{
    struct others *o = arg;

    o->late = condemn(o->t->store, o->pack, 1);
    if (o->early != NULL)
        CHECK_OK(store_remove(o->t->store, o->early, e));
}

/* A prune, others at work, which remove their pack in the end. */
static void prune_among(struct twice *t, struct others *o)
{
    AUTO(store)
    struct store *s = meddler_new(
        t->store,
        &(struct meddling){.at = -1, .prefix = "condemned/", .fn = come_between, .arg = o});
    struct prune_stats stats;
    struct err why;

    CHECK(prune(s, &plain, &stats, &why) || why.code == ERR_TRANSIENT);
    CHECK(o->late != NULL);
    if (exists(t->store, o->pack))
        remove_pack(t->store, o->pack);
    CHECK_OK(store_remove(t->store, o->late, e));
    check_sound(t->store, &t->snapshot, &changed);
    mem_free(o->late);
    mem_free(o->early);
}

/* They rely on the deltas, which this prune has no need of, and condemn the plain copies. */
TEST(prune_takes_back_bases_too_when_others_condemned_the_plain_copies)
{
    AUTO(twice) struct twice t = twice_new();

    prune_among(&t, &(struct others){.t = &t, .pack = &t.plain});
    CHECK(exists(t.store, &t.base) && exists(t.store, &t.delta));
}
END

/* The plain copies were condemned at first, so this prune relies on the deltas; others, who do
 * not, condemn the bases. */
TEST(prune_takes_back_plain_copies_when_others_condemned_the_bases)
{
    AUTO(twice) struct twice t = twice_new();

    prune_among(&t,
                &(struct others){.t = &t, .pack = &t.base, .early = condemn(t.store, &t.plain, 1)});
    CHECK(exists(t.store, &t.plain));
}
END

/* With a backup at any moment that finds deltas, makes new ones, and commits when that is safe. */
struct between {
    struct store *store;
    struct hash id;
    bool is_done;
};

static void back_up(void *arg)
{
    struct between *b = arg;
    AUTO(repo) struct repo *r = world_repo(b->store);
    struct err ignored;

    b->is_done = world_plant(r, &third, &b->id, &ignored);
}

static struct store *grown(struct hash *two)
{
    static struct store *model;
    static struct hash id;

    if (model == NULL) {
        model = store_memory_new();
        const struct hash one = plant(model, &first);

        id = plant(model, &second);
        forget(model, &one);
        forget(model, &id);
    }
    *two = id;
    return world_copy(model);
}

static void check_backup_at_any_moment(const struct prune_options *o)
{
    bool has_happened = true;

    for (int n = test_first(); has_happened; n += test_every()) {
        struct hash two;
        AUTO(store) struct store *inner = grown(&two);
        struct between b = {.store = inner};
        AUTO(store)
        struct store *s = meddler_new(inner, &(struct meddling){.at = n, .fn = back_up, .arg = &b});
        struct prune_stats stats;
        struct err why;

        const bool ok = prune(s, o, &stats, &why);

        CHECK(ok || why.code == ERR_TRANSIENT);
        has_happened = meddler_calls(s) > n;
        if (b.is_done)
            check_sound(inner, &b.id, &third);
        CHECK(!has_happened || n < 3 || b.is_done);
    }
}

TEST(prune_and_a_backup_of_deltas_at_any_moment_leave_sound_snapshots)
{
    check_backup_at_any_moment(&plain);
    check_backup_at_any_moment(&eager);
}
END

/* Two prunes that both move bases and deltas. */
static void prune_too(void *arg)
{
    struct between *b = arg;
    struct prune_stats stats;
    struct err why;

    b->is_done = prune(b->store, &eager, &stats, &why);
    ck_assert_msg(b->is_done || why.code == ERR_TRANSIENT, "%s", why.text);
}

TEST(prune_and_another_prune_of_deltas_at_any_moment_lose_nothing_and_blame_nobody)
{
    bool has_happened = true;

    for (int n = test_first(); has_happened; n += test_every()) {
        AUTO(store) struct store *inner = store_memory_new();
        struct between b = {.store = inner};
        AUTO(store)
        struct store *s =
            meddler_new(inner, &(struct meddling){.at = n, .fn = prune_too, .arg = &b});
        const struct hash one = plant(inner, &first);
        const struct hash two = plant(inner, &second);
        const struct hash three = plant(inner, &third);
        struct prune_stats stats;
        struct err why = {0};

        forget(inner, &one);
        forget(inner, &two);
        const bool ok = prune(s, &eager, &stats, &why);

        ck_assert_msg(ok || why.code == ERR_TRANSIENT, "call %d: %s", n, why.text);
        has_happened = meddler_calls(s) > n;
        check_sound(inner, &three, &third);
    }
}
END

TEST(prune_of_deltas_that_dies_at_any_call_loses_nothing)
{
    bool has_died = true;

    for (int n = test_first(); has_died; n += test_every()) {
        AUTO(store) struct store *s = store_memory_new();
        const struct hash one = plant(s, &first);
        const struct hash two = plant(s, &second);
        const struct hash three = plant(s, &third);

        forget(s, &one);
        forget(s, &two);
        AUTO(store)
        struct store *dying = store_fault_new(
            s, (struct fault_plan){.at = n, .mode = FAULT_FROM, .code = ERR_TRANSIENT});
        AUTO(repo) struct repo *r = world_repo(s);
        struct prune_stats stats;
        struct err why;

        r->store = dying;
        has_died = !prune_run(r, &eager, &stats, &why);
        r->store = s;
        ck_assert_msg(!has_died || why.code == ERR_TRANSIENT, "call %d: %s", n, why.text);
        check_sound(s, &three, &third);
        (void)prune_now(s, &eager);
        check_sound(s, &three, &third);
        check_clean(s);
    }
}
END

TESTS("delta prune", prune_keeps_a_base_that_only_deltas_need_and_removes_it_with_them,
      prune_keeps_what_a_page_names_that_is_the_base_of_another_in_whatever_order_it_looks,
      prune_that_repacks_bases_and_deltas_leaves_deltas,
      prune_repacks_the_pack_of_bases_alone_and_that_of_deltas_alone,
      prune_prefers_the_plain_copy_and_lets_deltas_and_bases_go,
      prune_takes_back_bases_too_when_others_condemned_the_plain_copies,
      prune_takes_back_plain_copies_when_others_condemned_the_bases,
      prune_and_a_backup_of_deltas_at_any_moment_leave_sound_snapshots,
      prune_and_another_prune_of_deltas_at_any_moment_lose_nothing_and_blame_nobody,
      prune_of_deltas_that_dies_at_any_call_loses_nothing)
