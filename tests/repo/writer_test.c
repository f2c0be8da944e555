#include <unistd.h>

#include "base/clock.h"
#include "repo/chunks.h"

#define KIB ((size_t)1 << 10)

TEST(ids_are_what_the_format_says)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    struct hash data, tree;

    run_open(&n, r, (struct writer_options){0});
    struct batch *b = writer_batch(n.w);

    b->cookie = &n.to;
    piece_add(b, slice_string("bytes of a chunk"));
    CHECK_OK(writer_submit(n.w, b, e));
    CHECK_OK(writer_put_tree(n.w, CHUNK_TREE, slice_string("bytes of a chunk"), NULL, &tree, e));
    (void)run_finish(&n);
    data = chunk_id(r, CHUNK_DATA, slice_string("bytes of a chunk"));
    CHECK(hash_is_equal(&n.to.last, &data));
    data = chunk_id(r, CHUNK_TREE, slice_string("bytes of a chunk"));
    CHECK(hash_is_equal(&tree, &data));
}
END

TEST(chunks_of_every_size_come_back)
{
    static const size_t sizes[] = {1, 1000, 256 * KIB, BATCH_BYTES - 1, BATCH_BYTES, CHUNK_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        const size_t count = sizes[i] < 100 * KIB ? 700 : 5;

        (void)chunks_store(r, 0, sizes[i] == 1 ? 100 : count, sizes[i], 3);
        chunks_check(r, 0, sizes[i] == 1 ? 100 : count, sizes[i]);
    }
}
END

TEST(a_chunk_in_two_batches_is_stored_once)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;

    run_open(&n, r, (struct writer_options){.workers = 4});
    for (int i = 0; i < 20; i++)
        CHECK_OK(chunks_submit(n.w, 0, 10, 100 * KIB, e));

    const struct writer_stats stats = run_finish(&n);

    ck_assert_uint_eq(stats.data_chunks, 10);
    ck_assert_uint_eq(stats.bytes_added, 1000 * KIB);
    CHECK(n.to.batches == 20 && n.to.pieces == 200 && n.to.fresh == 10);
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    ck_assert_uint_eq(index_chunk_count(r->index), 10);
    chunks_check(r, 0, 10, 100 * KIB);
}
END

TEST(a_chunk_of_an_earlier_run_is_not_stored_again)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    ck_assert_uint_eq(chunks_store(r, 0, 30, 10 * KIB, 30).data_chunks, 30);

    const struct writer_stats stats = chunks_store(r, 0, 30, 10 * KIB, 30);

    CHECK(stats.data_chunks == 0 && stats.packs == 0 && stats.frames == 0);
    ck_assert_uint_eq(object_count(s, "packs/"), 1);
    ck_assert_uint_eq(object_count(s, "index/"), 1);
}
END

TEST(a_tree_chunk_is_stored_once_and_in_a_pack_of_its_own)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    struct hash first, second;

    run_open(&n, r, (struct writer_options){0});
    CHECK_OK(chunks_submit(n.w, 0, 1, 10, e));
    CHECK_OK(writer_put_tree(n.w, CHUNK_TREE, slice_string("tree"), NULL, &first, e));
    CHECK_OK(writer_put_tree(n.w, CHUNK_TREE, slice_string("tree"), NULL, &second, e));
    CHECK_OK(writer_put_tree(n.w, CHUNK_LIST, slice_string("list"), NULL, &second, e));

    const struct writer_stats stats = run_finish(&n);

    CHECK(stats.data_chunks == 1 && stats.tree_chunks == 2 && stats.packs == 2);
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    for (uint32_t p = 0; p < 2; p++) {
        const struct index_pack *pack = index_pack_at(r->index, p);

        ck_assert_uint_eq(pack->chunk_count, pack->class == CLASS_TREE ? 2 : 1);
    }
}
END

TEST(packs_are_about_as_long_as_asked_and_never_longer_than_an_object)
{
    static const size_t sizes[] = {3 * BATCH_BYTES, 8 * BATCH_BYTES, STORE_OBJECT_MAX};

    for (size_t i = 0; i < 3; i++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        AUTO(run) struct run n;

        run_open(&n, r, (struct writer_options){.pack_size = sizes[i], .level = -1});
        for (uint64_t k = 0; k < 70; k++)
            CHECK_OK(chunks_submit(n.w, k, 1, BATCH_BYTES, e));
        (void)run_finish(&n);
        repo_drop_index(r);
        CHECK_OK(repo_load_index(r, e));
        CHECK(index_pack_count(r->index) >= 70 * BATCH_BYTES / sizes[i]);
        for (uint32_t p = 0; p < index_pack_count(r->index); p++)
            CHECK(index_pack_at(r->index, p)->size <= sizes[i]);
        chunks_check(r, 0, 70, BATCH_BYTES);
    }
}
END

TEST(a_pack_of_tiny_chunks_is_no_longer_than_an_object)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;

    /* The directory of such a pack is far longer than its frames. */
    run_open(&n, r, (struct writer_options){.pack_size = STORE_OBJECT_MAX, .level = -1});
    for (uint32_t k = 0; k < 3100000; k += 10000) {
        struct batch *b = writer_batch(n.w);

        for (uint32_t m = k; m < k + 10000; m++)
            piece_add(b, SLICE_OF(&m, 3));
        CHECK_OK(writer_submit(n.w, b, e));
    }
    const struct writer_stats stats = run_finish(&n);

    CHECK(stats.data_chunks == 3100000 && stats.packs == 2);
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    ck_assert_uint_eq(index_chunk_count(r->index), 3100000);
}
END

TEST(what_repeats_is_compressed_unless_it_must_not_be)
{
    static const int levels[] = {0, 1, 3, 19, -1};
    AUTO(mem) uint8_t *text = mem_new(600 * KIB);

    for (size_t i = 0; i < 5; i++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        AUTO(run) struct run n;

        run_open(&n, r, (struct writer_options){.level = levels[i]});
        struct batch *b = writer_batch(n.w);

        piece_add(b, SLICE_OF(text, 600 * KIB));
        CHECK_OK(writer_submit(n.w, b, e));
        const struct writer_stats stats = run_finish(&n);

        CHECK(levels[i] < 0 ? stats.bytes_stored > 600 * KIB : stats.bytes_stored < 10 * KIB);
    }
}
END

TEST(a_dry_run_names_chunks_and_stores_nothing)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    struct hash tree;

    (void)chunks_store(r, 0, 2, 1000, 2);
    const size_t before = object_count(s, "");

    run_open(&n, r, (struct writer_options){.is_dry_run = true});
    CHECK_OK(chunks_submit(n.w, 0, 4, 1000, e));
    CHECK_OK(writer_put_tree(n.w, CHUNK_TREE, slice_string("tree"), NULL, &tree, e));

    const struct writer_stats stats = run_finish(&n);

    CHECK(stats.data_chunks == 2 && stats.tree_chunks == 1 && stats.bytes_added == 2004);
    CHECK(stats.packs == 0 && stats.bytes_stored == 0);
    ck_assert_uint_eq(object_count(s, ""), before);
}
END

TEST(the_last_packs_are_read_back_before_they_are_stored)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct writer_stats stats = chunks_store(r, 0, 5, BATCH_BYTES, 1);

    ck_assert_uint_eq(stats.frames, 5);
    ck_assert_uint_eq(stats.frames_verified, 5);
}
END

TEST(a_writer_that_is_given_up_leaves_no_index)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;

    run_open(&n, r, (struct writer_options){.pack_size = 1 << 20});
    for (uint64_t k = 0; k < 8; k++)
        CHECK_OK(chunks_submit(n.w, k, 1, BATCH_BYTES, e));
    CHECK_OK(writer_drain(n.w, e));
    writer_free(TAKE(n.w));
    ck_assert_uint_eq(object_count(s, "index/"), 0);
}
END

TEST(what_a_long_run_stored_is_found_when_it_is_interrupted)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    const int64_t until_ns = clock_monotonic_ns() + 30 * NS_PER_S;

    run_open(&n, r, (struct writer_options){.pack_size = 1 << 20, .workers = 1});
    for (uint64_t k = 0; k < 120000; k += 1000)
        CHECK_OK(chunks_submit(n.w, k, 1000, 40, e));
    CHECK_OK(writer_drain(n.w, e));
    /* Who stores the packs may be behind. */
    while (object_count(s, "index/") == 0 && clock_monotonic_ns() < until_ns)
        (void)usleep(1000);
    writer_free(TAKE(n.w));
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    CHECK(index_chunk_count(r->index) > 20000);
    for (uint32_t p = 0; p < index_pack_count(r->index); p++)
        CHECK(index_pack_at(r->index, p)->state == PACK_LIVE);
}
END

/* Slow stores */

/* A store of which each put takes until enough frames were compressed more, or so long. */
struct slow {
    struct run *run;
    uint64_t wanted;
    int64_t most_ns;
};

static void be_slow(void *arg, enum hook_op op, const char *key)
{
    const struct slow *slow = arg;
    const int64_t end_ns = clock_monotonic_ns() + slow->most_ns;
    struct writer_stats now = {0};

    (void)key;
    while (op == HOOK_PUT && now.frames_harder < slow->wanted && clock_monotonic_ns() < end_ns) {
        (void)usleep(1000);
        writer_progress(slow->run->w, &now);
    }
}

/* Text of which each byte is one of sixteen, so that a frame takes half its room. */
static void submit_text(struct writer *w, uint64_t n)
{
    struct batch *b = writer_batch(w);
    const struct slice noise = chunk_bytes(n, BATCH_BYTES);
    AUTO(buf) struct buf text = {0};

    buf_append_slice(&text, noise);
    mem_free((void *)(uintptr_t)noise.data);
    for (size_t i = 0; i < text.size; i++)
        text.data[i] = (uint8_t)('a' + text.data[i] % 16);
    piece_add(b, buf_slice(&text));
    CHECK_OK(writer_submit(w, b, e));
}

/* How many of 120 frames, some forty in a pack, are compressed more by a writer of this level;
 * until so many are, each put takes most_ns. */
static uint64_t harder_frames(int level, uint64_t wanted, int64_t most_ns)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    struct slow slow = {.run = &n, .wanted = wanted, .most_ns = most_ns};
    struct hook h;

    hook_init(&h, s, be_slow, &slow);
    r->store = &h.store;
    run_open(&n, r, (struct writer_options){.level = level, .pack_size = 20 * BATCH_BYTES});
    for (uint64_t k = 0; k < 120; k++)
        submit_text(n.w, k);

    const struct writer_stats stats = run_finish(&n);

    ck_assert_uint_eq(stats.frames, 120);
    r->store = s;
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    ck_assert_uint_eq(index_chunk_count(r->index), 120);
    return stats.frames_harder;
}

TEST(frames_are_compressed_more_while_the_store_is_behind)
{
    CHECK(harder_frames(LEVEL_AUTO, 5, 30 * NS_PER_S) >= 5);
}
END

TEST(frames_are_not_compressed_more_for_a_store_that_keeps_up)
{
    ck_assert_uint_eq(harder_frames(LEVEL_AUTO, 0, 0), 0);
}
END

TEST(a_level_that_was_asked_for_stays_whatever_the_store_does)
{
    ck_assert_uint_eq(harder_frames(1, 1, NS_PER_S / 4), 0);
    ck_assert_uint_eq(harder_frames(LEVEL_RAW, 1, NS_PER_S / 4), 0);
}
END

/* Failing stores */

/* Submit until something fails; true when all of it is durable. */
static bool store_much(struct repo *r, struct store *flaky, struct err *e)
{
    AUTO(run) struct run n;
    struct writer_stats stats;
    struct hash id;

    run_open(&n, r, (struct writer_options){.pack_size = 1 << 20});
    r->store = flaky;
    for (uint64_t k = 0; k < 6; k++) {
        if (!chunks_submit(n.w, k, 1, BATCH_BYTES, e))
            return false;
        if (!writer_put_tree(n.w, CHUNK_TREE, SLICE_OF(&k, sizeof(k)), NULL, &id, e))
            return false;
    }
    return writer_drain(n.w, e) && writer_finish(n.w, &stats, e);
}

static void check_every_failure(enum fault_mode mode)
{
    for (int at = test_first();; at += test_every()) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);

        CHECK_OK(repo_load_index(r, e));
        AUTO(store)
        struct store *flaky =
            store_fault_new(s, (struct fault_plan){.at = at, .mode = mode, .code = ERR_TRANSIENT});
        struct err why = {0};

        const bool ok = store_much(r, flaky, &why);

        r->store = s;
        if (ok) {
            CHECK(at > 5 && store_fault_calls(flaky) <= at);
            repo_drop_index(r);
            CHECK_OK(repo_load_index(r, e));
            chunks_check(r, 0, 6, BATCH_BYTES);
            return;
        }
        ck_assert_int_eq(why.code, ERR_TRANSIENT);
        ck_assert_ptr_nonnull(strstr(why.text, "injected fault"));
    }
}

TEST(a_store_call_that_fails_once_fails_the_writer)
{
    check_every_failure(FAULT_ONCE);
}
END

TEST(a_store_that_fails_for_good_fails_the_writer)
{
    check_every_failure(FAULT_FROM);
}
END

TEST(an_answer_that_is_lost_fails_the_writer)
{
    check_every_failure(FAULT_LOST_REPLY);
}
END

TEST(after_a_failure_every_batch_comes_back)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    CHECK_OK(repo_load_index(r, e));
    AUTO(store)
    struct store *broken =
        store_fault_new(s, (struct fault_plan){.mode = FAULT_FROM, .code = ERR_FATAL});
    AUTO(run) struct run n;
    uint64_t accepted = 0;
    struct err e = {0};

    run_open(&n, r, (struct writer_options){.pack_size = 1 << 20});
    r->store = broken;
    for (uint64_t k = 0; k < 1000; k++)
        accepted += chunks_submit(n.w, k, 1, 512 * KIB, &e);
    CHECK(!writer_drain(n.w, &e));
    CHECK(accepted < 1000 && n.to.batches == accepted);
    r->store = s;
}
END

/* The check between snapshot and commit */

/* Two packs of an earlier run with one chunk each, 0 and 1. */
static void store_two(struct repo *r)
{
    (void)chunks_store(r, 0, 1, 1000, 1);
    (void)chunks_store(r, 1, 1, 1000, 1);
}

/* The key of the pack with chunk n. */
static void pack_of_chunk(struct repo *r, uint64_t n, char key[PACK_KEY_MAX])
{
    AUTO(index) struct index *ix = NULL;
    const struct hash id = chunk_number_id(r, n, 1000);
    struct place at;

    CHECK_OK(index_load(r, NULL, NULL, &ix, e));
    CHECK(index_find(ix, &id, &at));
    pack_key(&index_pack_at(ix, index_frame_at(ix, at.frame).pack)->id, key);
}

/* A run that finds chunk 0 and writes chunk 2. */
static void relying_run(struct run *n, struct repo *r)
{
    run_open(n, r, (struct writer_options){0});
    CHECK_OK(chunks_submit(n->w, 0, 1, 1000, e));
    CHECK_OK(chunks_submit(n->w, 2, 1, 1000, e));
    (void)run_finish(n);
}

TEST(a_snapshot_is_safe_while_its_packs_exist)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    char key[PACK_KEY_MAX];

    store_two(r);
    relying_run(&n, r);
    CHECK(is_safe(&n));
    pack_of_chunk(r, 1, key); /* which nothing relies on */
    pack_condemn(r, key);
    CHECK(is_safe(&n));
    CHECK_OK(store_remove(s, key, e));
    CHECK(is_safe(&n));
}
END

TEST(a_snapshot_is_not_safe_when_a_pack_it_found_vanishes_or_is_condemned)
{
    for (int way = 0; way < 2; way++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        AUTO(run) struct run n;
        char key[PACK_KEY_MAX];

        store_two(r);
        relying_run(&n, r);
        pack_of_chunk(r, 0, key);
        if (way == 0)
            pack_condemn(r, key);
        else
            CHECK_OK(store_remove(s, key, e));
        CHECK(!is_safe(&n));
    }
}
END

TEST(a_snapshot_is_not_safe_when_a_pack_it_wrote_vanishes_or_is_condemned)
{
    for (int way = 0; way < 2; way++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        AUTO(run) struct run n;
        char key[PACK_KEY_MAX];

        store_two(r);
        relying_run(&n, r);
        pack_of_chunk(r, 2, key);
        if (way == 0)
            pack_condemn(r, key);
        else
            CHECK_OK(store_remove(s, key, e));
        CHECK(!is_safe(&n));
    }
}
END

TEST(a_tree_that_was_found_is_relied_on_too)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    struct hash id = chunk_store(r, CHUNK_TREE, slice_string("tree"));
    char key[128];

    run_open(&n, r, (struct writer_options){0});
    CHECK_OK(writer_put_tree(n.w, CHUNK_TREE, slice_string("tree"), NULL, &id, e));
    (void)run_finish(&n);
    CHECK(is_safe(&n));
    object_name(s, "packs/", 0, key);
    pack_condemn(r, key);
    CHECK(!is_safe(&n));
}
END

TEST(content_of_the_parent_is_kept_only_while_all_of_it_is_live)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n, later;
    char key[PACK_KEY_MAX];

    store_two(r);
    const struct hash ids[] = {chunk_number_id(r, 0, 1000), chunk_number_id(r, 1, 1000),
                               chunk_number_id(r, 2, 1000)};

    run_open(&n, r, (struct writer_options){0});
    CHECK(writer_keep(n.w, SLICE_OF(ids, 0)));
    CHECK(writer_keep(n.w, SLICE_OF(ids, 2 * HASH_SIZE)));
    CHECK(!writer_keep(n.w, SLICE_OF(ids, 3 * HASH_SIZE)));
    (void)run_finish(&n);
    CHECK(is_safe(&n));
    pack_of_chunk(r, 1, key);
    pack_condemn(r, key);
    CHECK(!is_safe(&n));
    repo_drop_index(r);
    run_open(&later, r, (struct writer_options){0});
    CHECK(!writer_keep(later.w, SLICE_OF(ids, 2 * HASH_SIZE)));
    CHECK(writer_keep(later.w, SLICE_OF(ids, HASH_SIZE)));
}
END

TEST(a_condemned_chunk_is_stored_again)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char key[PACK_KEY_MAX];

    store_two(r);
    pack_of_chunk(r, 0, key);
    pack_condemn(r, key);
    repo_drop_index(r);
    ck_assert_uint_eq(chunks_store(r, 0, 2, 1000, 2).data_chunks, 1);
    CHECK_OK(store_remove(s, key, e));
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    chunks_check(r, 0, 2, 1000);
}
END

TESTS("writer", frames_are_compressed_more_while_the_store_is_behind,
      frames_are_not_compressed_more_for_a_store_that_keeps_up,
      a_level_that_was_asked_for_stays_whatever_the_store_does, ids_are_what_the_format_says,
      chunks_of_every_size_come_back, a_chunk_in_two_batches_is_stored_once,
      a_chunk_of_an_earlier_run_is_not_stored_again,
      a_tree_chunk_is_stored_once_and_in_a_pack_of_its_own,
      packs_are_about_as_long_as_asked_and_never_longer_than_an_object,
      a_pack_of_tiny_chunks_is_no_longer_than_an_object,
      what_repeats_is_compressed_unless_it_must_not_be, a_dry_run_names_chunks_and_stores_nothing,
      the_last_packs_are_read_back_before_they_are_stored,
      a_writer_that_is_given_up_leaves_no_index,
      what_a_long_run_stored_is_found_when_it_is_interrupted,
      a_store_call_that_fails_once_fails_the_writer, a_store_that_fails_for_good_fails_the_writer,
      an_answer_that_is_lost_fails_the_writer, after_a_failure_every_batch_comes_back,
      a_snapshot_is_safe_while_its_packs_exist,
      a_snapshot_is_not_safe_when_a_pack_it_found_vanishes_or_is_condemned,
      a_snapshot_is_not_safe_when_a_pack_it_wrote_vanishes_or_is_condemned,
      a_tree_that_was_found_is_relied_on_too,
      content_of_the_parent_is_kept_only_while_all_of_it_is_live, a_condemned_chunk_is_stored_again)
