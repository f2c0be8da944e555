#include "repo/base_cache.h"
#include "repo/edited.h"
#include "repo/pack.h"

#define SIZE ((size_t)30000)

/* Chunks this long are a frame each. */
#define LONG  BATCH_BYTES
#define LONGS 12 /* more than a reader keeps */

/* Chunks 0 and 1 in one frame, long ones behind them, and of each so many deltas, a pack each. */
static void store_all(struct repo *r, uint8_t deltas)
{
    (void)chunks_store(r, 0, 2, SIZE, 2);
    (void)chunks_store(r, 100, LONGS, LONG, 1);
    for (uint8_t times = 1; times <= deltas; times++)
        for (uint64_t n = 0; n < 2; n++) {
            const struct hash base = edited_id(r, n, SIZE, 0);
            const struct slice bytes = edited_bytes(n, SIZE, times);

            ck_assert_uint_eq(store_after(r, bytes, &base, (struct writer_options){0}).delta_chunks,
                              1);
            release(bytes);
        }
}

static uint32_t frame_of(struct repo *r, uint64_t n, uint8_t times)
{
    const struct hash id = edited_id(r, n, SIZE, times);
    struct place at;

    CHECK(index_find(r->index, &id, &at));
    return at.frame;
}

static void check_frame(struct reader *rd, struct repo *r, uint64_t n, uint8_t times)
{
    const struct slice wanted = edited_bytes(n, SIZE, times);
    struct slice plain;

    CHECK_OK(reader_frame(rd, frame_of(r, n, times), &plain, e));
    CHECK(slice_is_equal(plain, wanted));
    release(wanted);
}

/* So that no reader keeps what was read before. */
static void read_long_frames(struct reader *rd, struct repo *r)
{
    struct slice plain;

    for (uint32_t f = 0; f < index_frame_count(r->index); f++)
        if (repo_frame_size(r, f) == LONG)
            CHECK_OK(reader_frame(rd, f, &plain, e));
}

/* Requests for one pack. */
struct watch {
    char key[PACK_KEY_MAX];
    int gets;
};

static void watch_pack(void *arg, enum hook_op op, const char *key)
{
    struct watch *w = arg;

    w->gets += op == HOOK_GET && strcmp(key, w->key) == 0;
}

TEST(what_expected_deltas_rest_on_is_read_once_however_far_between_they_are)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct watch w = {0};
    struct hook h;
    struct slice plain;
    uint32_t frames[4], turns[4];

    store_all(r, 2);
    for (uint64_t i = 0; i < 4; i++)
        frames[i] = frame_of(r, i % 2, (uint8_t)(1 + i / 2));

    const uint32_t base = frame_of(r, 0, 0);

    pack_key(&index_pack_at(r->index, index_frame_at(r->index, base).pack)->id, w.key);
    hook_init(&h, s, watch_pack, &w);
    r->store = &h.store;

    AUTO(reader) struct reader *rd = reader_new(r);

    repo_expect_frames(r, frames, 4, turns);
    CHECK_OK(reader_frame(rd, base, &plain, e));
    CHECK(w.gets > 0);
    w.gets = 0;
    for (uint64_t i = 0; i < 4; i++) {
        read_long_frames(rd, r);
        check_frame(rd, r, i % 2, (uint8_t)(1 + i / 2));
    }
    ck_assert_int_eq(w.gets, 0);

    repo_expect_frames(r, NULL, 0, NULL);
    read_long_frames(rd, r);
    check_frame(rd, r, 0, 1);
    ck_assert_int_eq(w.gets, 1);
}
END

TEST(an_expected_delta_whose_base_never_passed_by_is_read_all_the_same)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    uint32_t frame;

    store_all(r, 1);
    frame = frame_of(r, 1, 1);

    AUTO(reader) struct reader *rd = reader_new(r);

    repo_expect_frames(r, &frame, 1, NULL);
    check_frame(rd, r, 1, 1);
    check_frame(rd, r, 0, 1);
    check_frame(rd, r, 1, 1);
}
END

TEST(a_delta_is_read_best_behind_the_packs_that_it_rests_on)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    store_all(r, 1);

    const uint32_t frames[] = {frame_of(r, 0, 0), frame_of(r, 0, 1)};
    const struct index_frame base = index_frame_at(r->index, frames[0]);
    const struct index_pack *p = index_pack_at(r->index, base.pack);
    uint32_t turns[2];

    repo_expect_frames(r, frames, 2, turns);
    ck_assert_uint_eq(turns[0], frames[0]);
    ck_assert_uint_eq(turns[1], p->first_frame + p->frame_count - 1);
}
END

/* Whether the base of a delta of chunk 0 is there, and is what it should be. */
static bool take(struct base_cache *c, struct repo *r)
{
    const struct slice wanted = edited_bytes(0, SIZE, 0);
    const struct hash id = edited_id(r, 0, SIZE, 0);
    AUTO(buf) struct buf got = {0};
    struct place at;

    CHECK(index_find_base(r->index, &id, &at));

    const bool is_there = base_cache_take(c, &at, &got);

    CHECK(is_there ? slice_is_equal(buf_slice(&got), wanted) : got.size == 0);
    release(wanted);
    return is_there;
}

TEST(a_base_is_kept_for_as_many_deltas_as_need_it_and_no_longer)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct slice plain;

    store_all(r, 2);

    const uint32_t frames[] = {frame_of(r, 0, 1), frame_of(r, 0, 2), frame_of(r, 1, 1)};
    const uint32_t base = frame_of(r, 0, 0);
    AUTO(reader) struct reader *rd = reader_new(r);
    struct base_cache *c = base_cache_new(r->index, frames, 3, NULL);

    CHECK_OK(reader_frame(rd, base, &plain, e));
    CHECK(!take(c, r)); /* not filled: one delta had to do without */
    base_cache_fill(c, base, plain);
    CHECK(take(c, r));
    CHECK(!take(c, r));
    base_cache_fill(c, base, plain);
    CHECK(!take(c, r));
    base_cache_free(c);
}
END

/* Bases of a megabyte, more of them than fit. */
TEST(no_more_is_kept_than_there_is_room_for)
{
    enum { MANY = 66 };
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    uint32_t frames[MANY];
    size_t kept = 0;

    (void)chunks_store(r, 0, MANY, LONG, 1);
    reload(r);
    run_open(&n, r, (struct writer_options){0});
    for (uint64_t i = 0; i < MANY; i++) {
        const struct hash base = edited_id(r, i, LONG, 0);
        const struct slice bytes = edited_bytes(i, LONG, 1);
        struct batch *b = writer_batch(n.w);

        piece_add_after(b, bytes, &base);
        CHECK_OK(writer_submit(n.w, b, e));
        release(bytes);
    }
    ck_assert_uint_eq(run_finish(&n).delta_chunks, MANY);
    reload(r);
    for (uint64_t i = 0; i < MANY; i++) {
        const struct hash id = edited_id(r, i, LONG, 1);
        struct place at;

        CHECK(index_find(r->index, &id, &at));
        frames[i] = at.frame;
    }

    struct base_cache *c = base_cache_new(r->index, frames, MANY, NULL);

    for (uint32_t i = 0; i < 2 * MANY; i++) {
        const struct slice bytes = chunk_bytes(i % MANY, LONG);
        const struct hash id = chunk_id(r, CHUNK_DATA, bytes);
        AUTO(buf) struct buf got = {0};
        struct place at;

        CHECK(index_find_base(r->index, &id, &at));
        if (i < MANY)
            base_cache_fill(c, at.frame, bytes);
        else
            kept += base_cache_take(c, &at, &got);
        release(bytes);
    }
    ck_assert_uint_eq(kept, BASE_CACHE_MAX / LONG);
    base_cache_free(c);
}
END

TESTS("base_cache", what_expected_deltas_rest_on_is_read_once_however_far_between_they_are,
      an_expected_delta_whose_base_never_passed_by_is_read_all_the_same,
      a_delta_is_read_best_behind_the_packs_that_it_rests_on,
      a_base_is_kept_for_as_many_deltas_as_need_it_and_no_longer,
      no_more_is_kept_than_there_is_room_for)
