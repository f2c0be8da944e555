/* Pages of trees and lists of chunks as what differs from others: what a writer does with them. */
#include "repo/chunks.h"

#define KIB  ((size_t)1 << 10)
#define SIZE (8 * KIB)

/* Page number n after so many small changes; released with release(). */
static struct slice page_bytes(uint64_t n, size_t size, uint8_t times)
{
    const struct slice bytes = chunk_bytes(n, size);

    ((uint8_t *)(uintptr_t)bytes.data)[size / 2] ^= times;
    return bytes;
}

static void release(struct slice bytes)
{
    mem_free((void *)(uintptr_t)bytes.data);
}

static struct hash page_id(const struct repo *r, enum chunk_type type, uint64_t n, size_t size,
                           uint8_t times)
{
    const struct slice bytes = page_bytes(n, size, times);
    const struct hash id = chunk_id(r, type, bytes);

    release(bytes);
    return id;
}

/* A page, with what it was before its last change as base. */
static void put(struct run *n, struct repo *r, enum chunk_type type, uint64_t number, size_t size,
                uint8_t times)
{
    const struct slice bytes = page_bytes(number, size, times);
    const struct hash base = page_id(r, type, number, size, (uint8_t)(times - 1));
    struct hash id;

    CHECK_OK(writer_put_tree(n->w, type, bytes, times == 0 ? NULL : &base, &id, e));
    release(bytes);
}

/* A run that stores count pages: numbers 0, every, 2 * every ... */
static struct writer_stats store(struct repo *r, enum chunk_type type, size_t count, size_t every,
                                 size_t size, uint8_t times)
{
    AUTO(run) struct run n;

    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    run_open(&n, r, (struct writer_options){0});
    for (size_t k = 0; k < count; k++)
        put(&n, r, type, k * every, size, times);

    const struct writer_stats stats = run_finish(&n);

    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    return stats;
}

static void check_page(struct reader *rd, struct repo *r, enum chunk_type type, uint64_t n,
                       size_t size, uint8_t times)
{
    AUTO(buf) struct buf got = {0};
    const struct slice wanted = page_bytes(n, size, times);
    const struct hash id = chunk_id(r, type, wanted);

    CHECK_OK(reader_chunk(rd, type, &id, &got, e));
    CHECK(slice_is_equal(buf_slice(&got), wanted));
    release(wanted);
}

static void check_pages(struct repo *r, size_t count, size_t every, size_t size, uint8_t times)
{
    AUTO(reader) struct reader *rd = reader_new(r);

    for (size_t k = 0; k < count; k++)
        check_page(rd, r, CHUNK_TREE, k * every, size, times);
}

/* The base of the copy that readers take of a page; NULL: it is plain. */
static const struct hash *base_of(struct repo *r, enum chunk_type type, uint64_t n, size_t size,
                                  uint8_t times)
{
    const struct hash id = page_id(r, type, n, size, times);
    struct place at;

    CHECK(index_find(r->index, &id, &at));
    return index_base_of(r->index, &at);
}

TEST(a_page_or_list_with_a_base_is_stored_as_what_differs_and_read_back)
{
    static const enum chunk_type types[] = {CHUNK_TREE, CHUNK_LIST};

    for (size_t i = 0; i < 2; i++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);

        (void)store(r, types[i], 1, 1, SIZE, 0);
        AUTO(reader) struct reader *rd = NULL;
        const struct writer_stats stats = store(r, types[i], 1, 1, SIZE, 1);
        const struct hash base = page_id(r, types[i], 0, SIZE, 0);
        const struct hash *found = base_of(r, types[i], 0, SIZE, 1);

        CHECK(stats.tree_chunks == 1 && stats.bytes_added == SIZE);
        CHECK(stats.delta_chunks == 1 && stats.delta_bytes == SIZE && stats.bytes_stored < 1000);
        CHECK(found != NULL && id_is_named(&base, found));
        rd = reader_new(r);
        check_page(rd, r, types[i], 0, SIZE, 1);
        CHECK(store(r, types[i], 1, 1, SIZE, 1).tree_chunks == 0);
    }
}
END

TEST(a_page_whose_base_is_a_delta_gets_the_base_of_that)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash base = page_id(r, CHUNK_TREE, 0, SIZE, 0);

    (void)store(r, CHUNK_TREE, 1, 1, SIZE, 0);
    for (uint8_t times = 1; times < 5; times++) {
        ck_assert_uint_eq(store(r, CHUNK_TREE, 1, 1, SIZE, times).delta_chunks, 1);
        CHECK(id_is_named(&base, base_of(r, CHUNK_TREE, 0, SIZE, times)));
        check_pages(r, 1, 1, SIZE, times);
    }
}
END

/* More of them than wait at once: where one lot ends and the next begins some may be stored whole.
 */
TEST(many_deltas_of_pages_come_back)
{
    static const size_t sizes[] = {600, 5000, 700 * KIB};
    static const size_t counts[] = {3000, 1200, 12};

    for (size_t i = 0; i < 3; i++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);

        (void)store(r, CHUNK_TREE, counts[i], 1, sizes[i], 0);
        ck_assert_uint_ge(store(r, CHUNK_TREE, counts[i], 1, sizes[i], 1).delta_chunks,
                          counts[i] * 9 / 10);
        check_pages(r, counts[i], 1, sizes[i], 1);
    }
}
END

/* The frames that deltas of trees rest on, as many as there are for one of them. */
static size_t most_base_frames(struct index *ix)
{
    size_t most = 0;

    for (uint32_t n = 0; n < index_frame_count(ix); n++) {
        const struct index_base *bases = index_bases_at(ix, n);
        const uint32_t count = index_frame_at(ix, n).base_count;
        uint32_t last = UINT32_MAX;
        size_t frames = 0;

        /* In the order of their places, so those of one frame stand together. */
        for (uint32_t i = 0; i < count; i++) {
            struct place at;

            CHECK(index_find_base(ix, &bases[i].id, &at));
            frames += at.frame != last;
            last = at.frame;
        }
        most = frames > most ? frames : most;
    }
    return most;
}

/* Every tenth page of a hundred frames and more: a reader of one of them reads few of these. */
TEST(a_delta_of_pages_rests_on_few_frames)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    (void)store(r, CHUNK_TREE, 3000, 1, SIZE, 0);
    ck_assert_uint_eq(store(r, CHUNK_TREE, 300, 10, SIZE, 1).delta_chunks, 300);
    CHECK(most_base_frames(r->index) > 1 && most_base_frames(r->index) <= 4);
    check_pages(r, 300, 10, SIZE, 1);
}
END

TEST(pages_for_which_whole_frames_would_be_read_are_stored_whole)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    (void)store(r, CHUNK_TREE, 3000, 1, SIZE, 0);

    const struct writer_stats stats = store(r, CHUNK_TREE, 6, 500, SIZE, 1);

    CHECK(stats.tree_chunks == 6 && stats.delta_chunks == 0);
    check_pages(r, 6, 500, SIZE, 1);
}
END

TEST(a_short_page_has_no_base)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    (void)store(r, CHUNK_TREE, 1, 1, 255, 0);
    ck_assert_uint_eq(store(r, CHUNK_TREE, 1, 1, 255, 1).delta_chunks, 0);
    check_pages(r, 1, 1, 255, 1);
}
END

TEST(a_store_that_is_far_away_gets_no_deltas_of_pages)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    (void)store(r, CHUNK_TREE, 50, 1, SIZE, 0);
    s->parallel = 8;
    ck_assert_uint_eq(store(r, CHUNK_TREE, 50, 1, SIZE, 1).delta_chunks, 0);
    check_pages(r, 50, 1, SIZE, 1);
}
END

TEST(a_writer_that_compresses_nothing_or_stores_nothing_makes_no_deltas_of_pages)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    (void)store(r, CHUNK_TREE, 1, 1, SIZE, 0);
    for (int dry = 1; dry >= 0; dry--) {
        AUTO(run) struct run n;

        repo_drop_index(r);
        CHECK_OK(repo_load_index(r, e));
        run_open(&n, r, (struct writer_options){.level = LEVEL_RAW, .is_dry_run = dry == 1});
        put(&n, r, CHUNK_TREE, 0, SIZE, 1);

        const struct writer_stats stats = run_finish(&n);

        CHECK(stats.tree_chunks == 1 && stats.delta_chunks == 0 && stats.packs == (dry == 0));
    }
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    check_pages(r, 1, 1, SIZE, 1);
}
END

TEST(a_page_whose_base_is_damaged_or_condemned_is_stored_whole)
{
    for (int way = 0; way < 2; way++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        const struct hash id = page_id(r, CHUNK_TREE, 0, SIZE, 0);
        char key[PACK_KEY_MAX];
        struct place at;

        (void)store(r, CHUNK_TREE, 1, 1, SIZE, 0);
        CHECK(index_find(r->index, &id, &at));
        pack_key(&index_pack_at(r->index, index_frame_at(r->index, at.frame).pack)->id, key);
        if (way == 0)
            object_damage(s, key, SEAL_HEADER_SIZE + 100);
        else
            pack_condemn(r, key);
        ck_assert_uint_eq(store(r, CHUNK_TREE, 1, 1, SIZE, 1).delta_chunks, 0);
        CHECK(base_of(r, CHUNK_TREE, 0, SIZE, 1) == NULL);
        check_pages(r, 1, 1, SIZE, 1);
    }
}
END

TESTS("page delta", a_page_or_list_with_a_base_is_stored_as_what_differs_and_read_back,
      a_page_whose_base_is_a_delta_gets_the_base_of_that, many_deltas_of_pages_come_back,
      a_delta_of_pages_rests_on_few_frames,
      pages_for_which_whole_frames_would_be_read_are_stored_whole, a_short_page_has_no_base,
      a_store_that_is_far_away_gets_no_deltas_of_pages,
      a_writer_that_compresses_nothing_or_stores_nothing_makes_no_deltas_of_pages,
      a_page_whose_base_is_damaged_or_condemned_is_stored_whole)
