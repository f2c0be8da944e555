/*
 * Stores that are far away: several packs under way at once, and metadata that is kept near by.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "meddle.h"
#include "repo/index.h"
#include "support/fixture.h"
#include "world.h"

static const struct plant plants[] = {{"a/b/x", 1, 40 * PIECE_SIZE, false},
                                      {"a/y", 2, 40 * PIECE_SIZE, false},
                                      {"z", 3, 40 * PIECE_SIZE, false}};
static const struct planting planting = {plants, 3, 256 << 10, 0};
static const struct planting all_in_one = {plants, 3, 8 << 20, 0};

/* Packs wait in put() until enough of them have met there. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside, most, wanted;
};

static void gate_hook(void *arg, enum hook_op op, const char *key)
{
    struct gate *g = arg;
    struct timespec end;

    if (op != HOOK_PUT || strncmp(key, "packs/", 6) != 0)
        return;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 5;
    pthread_mutex_lock(&g->lock);
    g->inside++;
    if (g->inside > g->most)
        g->most = g->inside;
    pthread_cond_broadcast(&g->changed);
    while (g->most < g->wanted && pthread_cond_timedwait(&g->changed, &g->lock, &end) == 0)
        continue;
    g->inside--;
    pthread_mutex_unlock(&g->lock);
}

TEST(as_many_packs_are_stored_at_once_as_the_store_says)
{
    for (int wanted = 1; wanted <= 4; wanted += 3) {
        AUTO(store) struct store *memory = store_memory_new();
        struct gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, wanted};
        struct hook h;
        struct hash id;

        memory->parallel = wanted;
        hook_init(&h, memory, gate_hook, &g);

        AUTO(repo) struct repo *r = world_repo(&h.store);

        CHECK_OK(world_plant(r, &planting, &id, e));
        ck_assert_int_eq(g.most, wanted);
        repo_drop_index(r);
        CHECK_OK(world_harvest(r, &id, &planting, e));
    }
}

/* Every write fails from the n-th on, with others under way; true when none is left to fail. */
static bool plant_with_fault(int at)
{
    const struct fault_plan plan = {
        .at = at, .mode = FAULT_FROM, .code = ERR_FATAL, .writes_only = true};
    AUTO(store) struct store *memory = store_memory_new();

    repo_close(world_repo(memory));
    memory->parallel = 4;

    AUTO(store) struct store *s = store_fault_new(memory, plan);
    AUTO(repo) struct repo *r = world_repo(s);
    struct hash id;
    struct err e;
    const bool is_done = world_plant(r, &planting, &id, &e);

    ck_assert_uint_eq(world_count(memory, "commits/"), is_done ? 1 : 0);
    return is_done;
}

TEST(a_pack_that_cannot_be_stored_beside_others_fails_the_backup)
{
    int at = 0;

    while (!plant_with_fault(at))
        at++;
    CHECK(at >= 6);
}

static bool take_largest(void *arg, const struct object_info *info, struct err *e)
{
    uint64_t *largest = arg;

    (void)e;
    *largest = info->size > *largest ? info->size : *largest;
    return true;
}

static uint64_t largest_pack(struct store *s)
{
    uint64_t largest = 0;

    CHECK_OK(store_list(s, "packs/", take_largest, &largest, e));
    return largest;
}

TEST(packs_of_backups_and_copies_are_smaller_where_several_travel_at_once)
{
    static const struct plant large[] = {{"large", 1, 20 << 20, true}};
    static const struct planting usual = {large, 1, 0, 0};
    static const uint8_t secret[32] = {7};
    const struct unlock with = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};
    AUTO(store) struct store *local = store_memory_new();
    AUTO(store) struct store *far = store_memory_new();
    AUTO(repo) struct repo *from = world_repo(local);
    AUTO(repo) struct repo *to = NULL;
    AUTO(snapshot) struct snapshot *kept = NULL;
    struct copy_stats stats;
    struct hash id;

    CHECK_OK(world_plant(from, &usual, &id, e));
    CHECK(largest_pack(local) > 20 << 20);
    far->parallel = 8;
    CHECK_OK(repo_create_like(far, from, &with, "", &to, e));
    CHECK_OK(snapshot_load(from, &id, &kept, e));
    CHECK_OK(copy_run(from, to, &kept, 1, &(struct copy_options){0}, &stats, e));
    CHECK(largest_pack(far) < 17 << 20);

    AUTO(store) struct store *other = store_memory_new();
    AUTO(repo) struct repo *straight = world_repo(other);

    other->parallel = 8;
    CHECK_OK(world_plant(straight, &usual, &id, e));
    CHECK(largest_pack(other) < 17 << 20);
}

struct count {
    atomic_int packs, index;
};

static void count_hook(void *arg, enum hook_op op, const char *key)
{
    struct count *c = arg;

    if (op != HOOK_GET)
        return;
    atomic_fetch_add(&c->packs, strncmp(key, "packs/", 6) == 0 ? 1 : 0);
    atomic_fetch_add(&c->index, strncmp(key, "index/", 6) == 0 ? 1 : 0);
}

TEST(trees_and_the_index_are_fetched_once_and_never_again)
{
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(repo) struct repo *far = world_repo(memory);
    AUTO(store) struct store *near = store_memory_new();
    struct hash id;

    CHECK_OK(world_plant(far, &planting, &id, e));
    memory->parallel = 8;
    for (int run = 0; run < 3; run++) {
        struct count c = {0, 0};
        struct hook h;

        hook_init(&h, memory, count_hook, &c);

        AUTO(store) struct store *s = store_cache_new(&h.store, store_memory_share(near));
        AUTO(repo) struct repo *r = world_repo(s);
        AUTO(snapshot) struct snapshot *snapshot = NULL;
        AUTO(reader) struct reader *rd = NULL;
        AUTO(buf) struct buf keep = {0};
        struct entry entry;

        CHECK_OK(snapshot_load(r, &id, &snapshot, e));
        CHECK_OK(repo_load_index(r, e));
        rd = reader_new(r);
        CHECK_OK(tree_find(rd, &snapshot->tree, "a/b/x", &keep, &entry, e));
        CHECK_OK(tree_find(rd, &snapshot->tree, "z", &keep, &entry, e));
        ck_assert_int_eq(c.packs, run == 0 ? 1 : 0);
        CHECK(run == 0 ? c.index >= 1 : c.index == 0);
    }
}

/* Frames of one pack that a store far away is asked for at once. */
struct stretch {
    uint32_t first, last;
};

static struct stretch find_stretch(struct repo *r)
{
    const uint32_t count = (uint32_t)index_frame_count(r->index);
    struct stretch s = {0, 0};

    while (s.first + 1 < count && !repo_may_join(r, s.first, s.first, s.first + 1))
        s.first++; /* a pack of one frame */
    s.last = s.first;
    while (s.last + 1 < count && repo_may_join(r, s.first, s.last, s.last + 1))
        s.last++;
    CHECK(s.last > s.first && s.last < count);
    return s;
}

/* The frames are what another reader finds, without anything fetched ahead. */
static void check_frames(struct reader *rd, struct repo *far, struct stretch s)
{
    for (uint32_t frame = s.first; frame <= s.last; frame++) {
        struct slice ahead, alone;
        AUTO(reader) struct reader *other = reader_new(far);

        CHECK_OK(reader_frame(rd, frame, &ahead, e));
        CHECK_OK(reader_frame(other, frame, &alone, e));
        CHECK(slice_is_equal(ahead, alone));
    }
}

TEST(frames_that_stand_together_are_fetched_with_one_request)
{
    AUTO(world) struct world w = world_new(&all_in_one);
    struct count c = {0, 0};
    struct hook h;

    CHECK_OK(repo_load_index(w.repo, e));
    hook_init(&h, w.store, count_hook, &c);

    AUTO(repo) struct repo *r = world_repo(&h.store);

    CHECK_OK(repo_load_index(r, e));
    CHECK(!repo_may_join(r, 0, 0, 1));
    h.store.parallel = 8;

    const struct stretch s = find_stretch(r);
    AUTO(reader) struct reader *rd = reader_new(r);

    reader_fetch_ahead(rd, s.first, s.last);
    check_frames(rd, w.repo, s);
    ck_assert_int_eq(c.packs, 2); /* the frames, and the pack's header */
}
END

TEST(a_header_that_cannot_be_fetched_ahead_is_fetched_when_it_is_needed)
{
    AUTO(world) struct world w = world_new(&all_in_one);

    CHECK_OK(repo_load_index(w.repo, e));
    for (int at = 0; at < 2; at++) { /* the header or the frames: which comes first is chance */
        AUTO(repo) struct repo *r = world_repo(w.store);

        CHECK_OK(repo_load_index(r, e));
        w.store->parallel = 8;

        const struct stretch s = find_stretch(r);
        AUTO(reader) struct reader *rd = reader_new(r);
        AUTO(store)
        struct store *flaky = store_fault_new(
            w.store, (struct fault_plan){.at = at, .mode = FAULT_ONCE, .code = ERR_TRANSIENT});

        r->store = flaky;
        reader_fetch_ahead(rd, s.first, s.last);
        check_frames(rd, w.repo, s);
        CHECK(store_fault_calls(flaky) >= 3);
        r->store = w.store;
    }
}
END

TEST(an_index_that_is_expected_is_there_when_it_is_loaded)
{
    AUTO(world) struct world w = world_new(&all_in_one);
    AUTO(repo) struct repo *r = world_repo(w.store);
    AUTO(repo) struct repo *left = world_repo(w.store);
    struct err why = {0};

    CHECK_OK(repo_load_index(w.repo, e));
    w.store->parallel = 8;
    repo_expect_index(r);
    repo_expect_index(r); /* it is expected already */
    CHECK_OK(repo_load_index(r, e));
    CHECK_OK(repo_load_index(r, e));
    ck_assert_uint_eq(index_pack_count(r->index), index_pack_count(w.repo->index));
    repo_expect_index(r); /* it is there */
    CHECK_OK(repo_load_index(r, e));

    AUTO(store)
    struct store *flaky = store_fault_new(
        w.store, (struct fault_plan){.at = 0, .mode = FAULT_FROM, .code = ERR_TRANSIENT});

    repo_drop_index(r);
    r->store = flaky;
    repo_expect_index(r);
    CHECK(!repo_load_index(r, &why));
    ck_assert_int_eq(why.code, ERR_TRANSIENT);
    r->store = w.store;
    CHECK_OK(repo_load_index(r, e)); /* from the beginning */
    repo_expect_index(left);         /* nobody asks for it before the repository is closed */
}
END

TEST(frames_that_cannot_be_fetched_ahead_are_fetched_one_by_one)
{
    AUTO(world) struct world w = world_new(&all_in_one);
    AUTO(repo) struct repo *r = world_repo(w.store);

    CHECK_OK(repo_load_index(w.repo, e));
    CHECK_OK(repo_load_index(r, e));
    w.store->parallel = 8;

    const struct stretch s = find_stretch(r);
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(store)
    struct store *flaky = store_fault_new(
        w.store, (struct fault_plan){.at = 2, .mode = FAULT_ONCE, .code = ERR_TRANSIENT});

    r->store = flaky;
    reader_fetch_ahead(rd, s.first, s.last); /* and the pack's header beside that */
    reader_fetch_ahead(rd, s.first,
                       s.last); /* this one fails, and what the first got is not used */
    check_frames(rd, w.repo, s);
    CHECK(store_fault_calls(flaky) >= 4 + (int)(s.last - s.first));
    r->store = w.store;
}
END

/* Reading the base would cost more than storing the chunk. */
TEST(no_delta_is_made_where_the_store_is_far_away)
{
    static const struct plant before[] = {{"x", 7, 40 * PIECE_SIZE, false}};
    static const struct plant after[] = {{"x", EDITED(7, 1), 40 * PIECE_SIZE, false}};

    for (int parallel = 1; parallel <= 8; parallel += 7) {
        AUTO(store) struct store *memory = store_memory_new();
        AUTO(repo) struct repo *r = world_repo(memory);
        const struct planting first = {before, 1, 0, 0};
        const struct planting second = {after, 1, 0, 0};
        struct repo_sizes sizes;
        struct hash id;

        memory->parallel = parallel;
        CHECK_OK(world_plant(r, &first, &id, e));
        CHECK_OK(world_plant(r, &second, &id, e));
        CHECK_OK(world_harvest(r, &id, &second, e));
        CHECK_OK(repo_measure(r, &sizes, e));
        CHECK(parallel == 1 ? sizes.delta_chunks > 0 : sizes.delta_chunks == 0);
    }
}

struct rival {
    struct store *memory;
    struct hash forgotten;
};

/* Another process moves what is needed into new packs, and makes the index anew. */
static void repack(void *arg)
{
    struct rival *v = arg;
    const struct prune_options o = {.max_unused_percent = 0};
    AUTO(repo) struct repo *r = world_repo(v->memory);
    struct prune_stats stats;

    CHECK_OK(snapshot_forget(r, &v->forgotten, NULL, e));
    CHECK_OK(prune_run(r, &o, &stats, e));
    CHECK(stats.packs_repacked > 0);
}

/* A file is there, as far as the loaded index knows. */
static void check_file(struct repo *r, const struct hash *snapshot, const char *path)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf bytes = {0};
    struct entry file;
    struct hash id;

    CHECK_OK(snapshot_load(r, snapshot, &s, e));
    CHECK_OK(tree_find(rd, &s->tree, path, &keep, &file, e));
    for (size_t i = 0; i < file.content.size; i += HASH_SIZE) {
        memcpy(id.bytes, file.content.data + i, HASH_SIZE);
        CHECK_OK(reader_chunk(rd, CHUNK_DATA, &id, &bytes, e));
    }
    CHECK(bytes.size == file.size && bytes.size > 0);
}

/* Load the index, with the other process before this call; how many calls it took. */
static int load_beside(int at, bool has_copies)
{
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(repo) struct repo *far = world_repo(memory);
    AUTO(store) struct store *near = store_memory_new();
    struct rival v = {.memory = memory};
    const struct meddling m = {.at = at, .fn = repack, .arg = &v};
    struct store *meddler = meddler_new(memory, &m); /* owned by s */
    struct store *counted = meddler;
    const struct planting less = {plants, 2, 8 << 20, 0};
    struct hash kept;

    CHECK_OK(world_plant(far, &all_in_one, &v.forgotten, e));
    CHECK_OK(world_plant(far, &less, &kept, e));

    AUTO(store)
    struct store *warm = store_cache_new(store_memory_share(memory), store_memory_share(near));
    AUTO(repo) struct repo *before = world_repo(warm);

    CHECK_OK(repo_load_index(before, e));

    AUTO(store)
    struct store *s =
        has_copies ? store_cache_new(meddler, store_memory_share(near)) : TAKE(meddler);
    AUTO(repo) struct repo *r = world_repo(s);

    CHECK_OK(repo_load_index(r, e));

    const int calls = meddler_calls(counted);

    check_file(r, &kept, "a/y");
    return calls;
}

TEST(an_index_that_moves_while_copies_of_it_are_read_is_loaded_as_it_is_now)
{
    for (int has_copies = 0; has_copies < 2; has_copies++) {
        const int calls = load_beside(-1, has_copies);

        CHECK(calls >= 4);
        for (int at = test_first() % calls; at < calls; at += test_every())
            (void)load_beside(at, has_copies);
    }
}

/* A repository behind a cache that was filled while the store answered wrongly for one object. */
static void open_after_a_lie(const char *prefix)
{
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(mem) char *key = NULL;
    AUTO(buf) struct buf right = {0};
    AUTO(buf) struct buf ignored = {0};
    struct hash id;

    {
        AUTO(repo) struct repo *r = world_repo(memory);

        CHECK_OK(world_plant(r, &planting, &id, e));
    }
    key = world_key(memory, prefix, 0);
    CHECK_OK(store_get_all(memory, key, &right, e));

    struct store *far = store_fault_new(memory, (struct fault_plan){.at = -1});
    AUTO(store) struct store *cached = store_cache_new(far, store_memory_new());

    world_replace(memory, key, slice_string("something else"));
    CHECK_OK(store_get_all(cached, key, &ignored, e));
    world_replace(memory, key, buf_slice(&right));

    AUTO(repo) struct repo *r = world_repo(cached);

    CHECK_OK(world_harvest(r, &id, &planting, e));
}

TEST(an_answer_that_was_wrong_once_does_no_harm_the_next_time)
{
    static const char *const prefixes[] = {"config",     "keys/",  "commits/",
                                           "snapshots/", "index/", "packs/"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        open_after_a_lie(prefixes[i]);
}

TEST(a_store_that_is_away_is_asked_once_when_a_repository_is_opened)
{
    AUTO(store) struct store *memory = store_memory_new();

    repo_close(world_repo(memory));

    struct store *far = store_fault_new(
        memory, (struct fault_plan){.at = 0, .mode = FAULT_FROM, .code = ERR_TRANSIENT});
    AUTO(store) struct store *cached = store_cache_new(far, store_memory_new());
    struct repo *r = NULL;

    CHECK_ERR(repo_open(cached, &world_unlock, &r, e), ERR_TRANSIENT);
    ck_assert_int_eq(store_fault_calls(far), 1);
}
END

TESTS("repo parallel", an_answer_that_was_wrong_once_does_no_harm_the_next_time,
      a_store_that_is_away_is_asked_once_when_a_repository_is_opened,
      frames_that_stand_together_are_fetched_with_one_request,
      a_header_that_cannot_be_fetched_ahead_is_fetched_when_it_is_needed,
      an_index_that_is_expected_is_there_when_it_is_loaded,
      frames_that_cannot_be_fetched_ahead_are_fetched_one_by_one,
      no_delta_is_made_where_the_store_is_far_away,
      as_many_packs_are_stored_at_once_as_the_store_says,
      packs_of_backups_and_copies_are_smaller_where_several_travel_at_once,
      a_pack_that_cannot_be_stored_beside_others_fails_the_backup,
      trees_and_the_index_are_fetched_once_and_never_again,
      an_index_that_moves_while_copies_of_it_are_read_is_loaded_as_it_is_now)
