#include <unistd.h>

#include "base/clock.h"
#include "repo/edited.h"
#include "repo/pack.h"

#define KIB  ((size_t)1 << 10)
#define SIZE ((size_t)30000)

/* Submit a chunk that was edited with what it was before as its base. */
static void edited_submit(struct run *n, struct repo *r, uint64_t number, size_t size,
                          uint8_t times)
{
    const struct hash base = edited_id(r, number, size, (uint8_t)(times - 1));
    const struct slice bytes = edited_bytes(number, size, times);
    struct batch *b = writer_batch(n->w);

    piece_add_after(b, bytes, &base);
    release(bytes);
    CHECK_OK(writer_submit(n->w, b, e));
}

/* The same with chunk 0, edited so often. */
static struct writer_stats store_edited(struct repo *r, uint8_t times)
{
    const struct hash base = edited_id(r, 0, SIZE, (uint8_t)(times - 1));
    const struct slice bytes = edited_bytes(0, SIZE, times);
    const struct writer_stats stats = store_after(r, bytes, &base, (struct writer_options){0});

    release(bytes);
    return stats;
}

static void check_read(struct repo *r, uint64_t n, size_t size, uint8_t times)
{
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(buf) struct buf got = {0};
    const struct slice wanted = edited_bytes(n, size, times);
    const struct hash id = chunk_id(r, CHUNK_DATA, wanted);

    CHECK_OK(reader_chunk(rd, CHUNK_DATA, &id, &got, e));
    CHECK(slice_is_equal(buf_slice(&got), wanted));
    release(wanted);
}

/* The base of the copy that readers take of chunk 0, edited so often; NULL: it is plain. */
static const struct hash *base_of(struct repo *r, uint8_t times)
{
    const struct hash id = edited_id(r, 0, SIZE, times);
    struct place at;

    CHECK(index_find(r->index, &id, &at));
    return index_base_of(r->index, &at);
}

/* Key of the pack with a copy of chunk 0, edited so often. */
static void pack_of(struct repo *r, uint8_t times, char key[PACK_KEY_MAX])
{
    const struct hash id = edited_id(r, 0, SIZE, times);
    struct place at;

    CHECK(index_find(r->index, &id, &at));
    pack_key(&index_pack_at(r->index, index_frame_at(r->index, at.frame).pack)->id, key);
}

static void store_base(struct repo *r)
{
    (void)chunks_store(r, 0, 1, SIZE, 1);
}

/* Take back all that was condemned. */
static void pardon(struct store *s)
{
    char key[128];

    while (object_count(s, "condemned/") > 0) {
        object_name(s, "condemned/", 0, key);
        CHECK_OK(store_remove(s, key, e));
    }
}

TEST(a_chunk_with_a_base_is_stored_as_what_differs_and_read_back)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    store_base(r);
    const struct writer_stats stats = store_edited(r, 1);
    const struct hash base = edited_id(r, 0, SIZE, 0);

    CHECK(stats.data_chunks == 1 && stats.bytes_added == SIZE);
    CHECK(stats.delta_chunks == 1 && stats.delta_bytes == SIZE && stats.bytes_stored < 1000);
    CHECK(base_of(r, 1) != NULL && id_is_named(&base, base_of(r, 1)));
    check_read(r, 0, SIZE, 1);
    CHECK(store_edited(r, 1).data_chunks == 0);
}
END

TEST(a_chunk_whose_base_is_a_delta_gets_the_base_of_that)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    store_base(r);
    const struct hash base = edited_id(r, 0, SIZE, 0);

    for (uint8_t times = 1; times < 5; times++) {
        ck_assert_uint_eq(store_edited(r, times).delta_chunks, 1);
        CHECK(id_is_named(&base, base_of(r, times)));
        check_read(r, 0, SIZE, times);
    }
}
END

/* More bases than a prefix holds, with bases in turn, of several workers. */
TEST(many_deltas_of_many_sizes_come_back)
{
    static const size_t sizes[] = {100, 5000, 400 * KIB, 3 * KIB * KIB};
    static const size_t counts[] = {900, 400, 60, 7};

    for (size_t i = 0; i < 4; i++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        AUTO(run) struct run n;

        (void)chunks_store(r, 0, counts[i], sizes[i], 5);
        run_open(&n, r, (struct writer_options){.workers = 4});
        for (size_t k = 0; k < counts[i]; k++) {
            edited_submit(&n, r, k, sizes[i], 1);
            if (k % 3 == 0)
                CHECK_OK(chunks_submit(n.w, 1000 + k, 1, sizes[i], e));
        }
        const struct writer_stats stats = run_finish(&n);

        ck_assert_uint_eq(stats.delta_chunks, counts[i]);
        reload(r);
        for (size_t k = (size_t)test_first() % counts[i]; k < counts[i]; k += (size_t)test_every())
            check_read(r, k, sizes[i], 1);
    }
}
END

TEST(several_chunks_in_a_row_may_have_one_base)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;

    (void)chunks_store(r, 0, 2, SIZE, 2);
    run_open(&n, r, (struct writer_options){.workers = 1});
    struct batch *b = writer_batch(n.w);

    for (uint8_t k = 1; k < 30; k++) {
        const uint64_t number = k % 7 == 0;
        const struct hash base = edited_id(r, number, SIZE, 0);
        const struct slice bytes = edited_bytes(number, SIZE, k);

        piece_add_after(b, bytes, &base);
        release(bytes);
    }
    CHECK_OK(writer_submit(n.w, b, e));
    ck_assert_uint_eq(run_finish(&n).delta_chunks, 29);
    reload(r);
    for (uint8_t k = 1; k < 30; k++)
        check_read(r, k % 7 == 0, SIZE, k);
}
END

/* A store of which each put takes until a delta was made, or so long. */
struct slow {
    struct run *run;
    int64_t most_ns;
};

static void be_slow(void *arg, enum hook_op op, const char *key)
{
    const struct slow *slow = arg;
    const int64_t end_ns = clock_monotonic_ns() + slow->most_ns;
    struct writer_stats now = {0};

    (void)key;
    while (op == HOOK_PUT && now.delta_chunks == 0 && clock_monotonic_ns() < end_ns) {
        (void)usleep(1000);
        writer_progress(slow->run->w, &now);
    }
}

#define FAR_PARALLEL 4

/* How many of eight edited chunks of this size become deltas in a store that is far away, behind
 * as many packs as it takes at once and one more. */
static uint64_t far_deltas(size_t size, int64_t most_ns)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    struct slow slow = {.run = &n, .most_ns = most_ns};
    struct hook h;

    for (uint64_t k = 0; k < 8; k++)
        (void)chunks_store(r, k, 1, size, 1);
    hook_init(&h, s, be_slow, &slow);
    h.store.parallel = FAR_PARALLEL;
    r->store = &h.store;
    run_open(&n, r, (struct writer_options){.workers = 1, .pack_size = 1 << 20});
    for (uint64_t k = 100; k < 100 + FAR_PARALLEL + 2; k++)
        CHECK_OK(chunks_submit(n.w, k, 1, BATCH_BYTES, e));
    for (uint64_t k = 0; k < 8; k++)
        edited_submit(&n, r, k, size, 1);

    const struct writer_stats stats = run_finish(&n);

    r->store = s;
    reload(r);
    for (uint64_t k = 0; k < 8; k++) {
        const struct hash id = edited_id(r, k, size, 1);
        struct place at;

        CHECK(index_find_live(r->index, &id, &at));
    }
    return stats.delta_chunks;
}

TEST(a_store_that_is_far_away_has_deltas_of_long_chunks_while_it_is_behind)
{
    CHECK(far_deltas(300 * KIB, 20 * NS_PER_S) >= 4);
    ck_assert_uint_eq(far_deltas(100 * KIB, NS_PER_S / 4), 0);
}
END

TEST(a_base_of_very_different_length_is_no_base)
{
    static const size_t sizes[] = {SIZE / 5, SIZE / 3, 3 * SIZE, 5 * SIZE};

    for (size_t i = 0; i < 4; i++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        AUTO(mem) uint8_t *zeros = mem_new(5 * SIZE);
        const struct slice noise = chunk_bytes(0, SIZE);
        const size_t shared = sizes[i] < SIZE ? sizes[i] : SIZE;
        AUTO(buf) struct buf bytes = {0};

        store_base(r);
        buf_append(&bytes, noise.data, shared);
        buf_append(&bytes, zeros, sizes[i] - shared);
        bytes.data[0] ^= 1;

        const struct hash base = edited_id(r, 0, SIZE, 0);
        const struct writer_stats stats =
            store_after(r, buf_slice(&bytes), &base, (struct writer_options){0});

        ck_assert_uint_eq(stats.delta_chunks, i == 1 || i == 2);
        release(noise);
    }
}
END

TEST(a_base_that_nobody_knows_is_no_base)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    const struct writer_stats stats = store_edited(r, 1);

    CHECK(stats.data_chunks == 1 && stats.delta_chunks == 0);
    check_read(r, 0, SIZE, 1);
}
END

TEST(a_base_in_a_condemned_pack_is_no_base)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char key[PACK_KEY_MAX];

    store_base(r);
    pack_of(r, 0, key);
    pack_condemn(r, key);
    ck_assert_uint_eq(store_edited(r, 1).delta_chunks, 0);
    CHECK_OK(store_remove(s, key, e));
    reload(r);
    check_read(r, 0, SIZE, 1);
}
END

TEST(a_base_that_cannot_be_read_is_no_base)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char key[PACK_KEY_MAX];

    store_base(r);
    pack_of(r, 0, key);
    object_damage(s, key, SEAL_HEADER_SIZE + 100);
    ck_assert_uint_eq(store_edited(r, 1).delta_chunks, 0);
    check_read(r, 0, SIZE, 1);
}
END

/* The one copy of the base is damaged, the other one about to be removed. */
TEST(a_delta_rests_on_no_copy_of_its_base_but_the_one_that_is_relied_on)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char first[PACK_KEY_MAX], second[PACK_KEY_MAX];

    store_base(r);
    pack_of(r, 0, first);
    pack_condemn(r, first);
    store_base(r);
    reload(r);
    store_base(r);
    pack_of(r, 0, second);
    CHECK(strcmp(first, second) != 0);
    pardon(s);
    object_damage(s, first, SEAL_HEADER_SIZE + 100);
    pack_condemn(r, second);
    ck_assert_uint_eq(store_edited(r, 1).delta_chunks, 0);
    CHECK_OK(store_remove(s, second, e));
    reload(r);
    check_read(r, 0, SIZE, 1);
}
END

/* A pack with one chunk that is not what its id says, as no sound program writes it. */
static void put_liar(struct repo *r, const struct hash *id, struct slice bytes)
{
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(r, CLASS_CONTENT, 100000);
    AUTO(index_document) struct index_document d = {0};
    const struct pack_chunk chunk = {.id = *id, .type = CHUNK_DATA, .size = (uint32_t)bytes.size};
    struct slice object, directory;
    struct hash name;
    char key[PACK_KEY_MAX];

    (void)pack_builder_add(b, bytes, COMPRESSION_NONE, (uint32_t)bytes.size, &chunk, 1);
    pack_builder_finish(b, &name, &object, &directory);
    pack_key(&name, key);
    CHECK_OK(store_put(r->store, key, object, PUT_NEW, e));
    index_document_add(&d, &name, CLASS_CONTENT, object.size, directory);
    CHECK_OK(index_document_put(r, &d, e));
}

TEST(a_base_that_is_not_what_its_id_says_is_no_base)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash id = edited_id(r, 0, SIZE, 0);
    const struct slice other = edited_bytes(0, SIZE, 99);

    put_liar(r, &id, other);
    release(other);

    const struct writer_stats stats = store_edited(r, 1);

    CHECK(stats.data_chunks == 1 && stats.delta_chunks == 0);
    check_read(r, 0, SIZE, 1);
}
END

TEST(what_gains_less_than_half_from_its_base_is_stored_plain)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    AUTO(mem) uint8_t *zeros = mem_new(SIZE);

    store_base(r);
    const struct hash base = edited_id(r, 0, SIZE, 0);

    run_open(&n, r, (struct writer_options){.workers = 1});
    for (uint64_t k = 1; k <= 120; k++) {
        const struct slice noise = chunk_bytes(k, SIZE);
        struct batch *b = writer_batch(n.w);

        memcpy(zeros, &k, sizeof(k));
        piece_add_after(b, k < 60 ? noise : SLICE_OF(zeros, SIZE), &base);
        release(noise);
        CHECK_OK(writer_submit(n.w, b, e));
    }
    const struct writer_stats stats = run_finish(&n);

    CHECK(stats.data_chunks == 120 && stats.delta_chunks == 0);
    reload(r);
    chunks_check(r, 1, 59, SIZE);
}
END

TEST(a_writer_that_compresses_nothing_makes_no_deltas)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct slice bytes = edited_bytes(0, SIZE, 1);

    store_base(r);
    const struct hash base = edited_id(r, 0, SIZE, 0);

    ck_assert_uint_eq(
        store_after(r, bytes, &base, (struct writer_options){.level = -1}).delta_chunks, 0);
    check_read(r, 0, SIZE, 1);
    release(bytes);
}
END

TEST(a_delta_whose_base_is_condemned_or_gone_is_stored_again)
{
    for (int way = 0; way < 2; way++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        char key[PACK_KEY_MAX];

        store_base(r);
        (void)store_edited(r, 1);
        pack_of(r, 0, key);
        if (way == 0)
            pack_condemn(r, key);
        else
            CHECK_OK(store_remove(s, key, e));
        ck_assert_uint_eq(store_edited(r, 1).data_chunks, 1);
        CHECK(way == 0 ? store_remove(s, key, &(struct err){0}) : true);
        reload(r);
        CHECK(base_of(r, 1) == NULL);
        check_read(r, 0, SIZE, 1);
    }
}
END

/* One copy is a delta without its base, the other one in a pack that is about to go. */
TEST(a_reader_takes_no_delta_without_base_when_another_copy_can_be_read)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char base[PACK_KEY_MAX], key[PACK_KEY_MAX];

    store_base(r);
    (void)store_edited(r, 1);
    pack_of(r, 0, base);
    CHECK_OK(store_remove(s, base, e));
    (void)store_edited(r, 1);
    pack_of(r, 1, key);
    pack_condemn(r, key);
    reload(r);
    CHECK(base_of(r, 1) == NULL);
    check_read(r, 0, SIZE, 1);
    CHECK_OK(store_remove(s, key, e));
    reload(r);

    AUTO(reader) struct reader *rd = reader_new(r);
    const struct hash id = edited_id(r, 0, SIZE, 1);
    AUTO(buf) struct buf got = {0};
    struct err why = {0};

    CHECK(!reader_chunk(rd, CHUNK_DATA, &id, &got, &why) && why.code == ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, "base "));
}
END

TEST(a_reader_finds_the_base_in_another_pack_when_one_is_damaged)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char first[PACK_KEY_MAX], second[PACK_KEY_MAX];

    store_base(r);
    (void)store_edited(r, 1);
    pack_of(r, 0, first);
    pack_condemn(r, first);
    reload(r);
    store_base(r);
    pack_of(r, 0, second);
    pardon(s);
    for (int i = 0; i < 2; i++) {
        object_damage(s, i == 0 ? first : second, SEAL_HEADER_SIZE + 100);
        reload(r);
        check_read(r, 0, SIZE, 1);
        object_damage(s, i == 0 ? first : second, SEAL_HEADER_SIZE + 100);
    }
}
END

/* The check between snapshot and commit; both for a delta that is made and for one that is found.
 */
TEST(a_snapshot_is_not_safe_when_the_pack_of_a_base_vanishes_or_is_condemned)
{
    for (int way = 0; way < 4; way++) {
        AUTO(store) struct store *s = store_memory_new();
        AUTO(repo) struct repo *r = fixture_repo(s);
        AUTO(run) struct run n;
        const bool is_found = way % 2 == 1;
        char key[PACK_KEY_MAX];

        store_base(r);
        pack_of(r, 0, key);
        if (is_found)
            (void)store_edited(r, 1);
        run_open(&n, r, (struct writer_options){0});
        edited_submit(&n, r, 0, SIZE, 1);
        ck_assert_uint_eq(run_finish(&n).delta_chunks, !is_found);
        CHECK(is_safe(&n));
        if (way / 2 == 0)
            pack_condemn(r, key);
        else
            CHECK_OK(store_remove(s, key, e));
        CHECK(!is_safe(&n));
    }
}
END

TEST(content_that_is_kept_relies_on_the_packs_of_its_bases)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(run) struct run n;
    char key[PACK_KEY_MAX];

    store_base(r);
    (void)store_edited(r, 1);
    const struct hash id = edited_id(r, 0, SIZE, 1);

    pack_of(r, 0, key);
    run_open(&n, r, (struct writer_options){0});
    CHECK(writer_keep(n.w, SLICE_OF(id.bytes, HASH_SIZE)));
    (void)run_finish(&n);
    CHECK(is_safe(&n));
    pack_condemn(r, key);
    CHECK(!is_safe(&n));
}
END

TESTS("delta", a_chunk_with_a_base_is_stored_as_what_differs_and_read_back,
      a_chunk_whose_base_is_a_delta_gets_the_base_of_that, many_deltas_of_many_sizes_come_back,
      several_chunks_in_a_row_may_have_one_base,
      a_store_that_is_far_away_has_deltas_of_long_chunks_while_it_is_behind,
      a_base_of_very_different_length_is_no_base, a_base_that_nobody_knows_is_no_base,
      a_base_in_a_condemned_pack_is_no_base, a_base_that_cannot_be_read_is_no_base,
      a_delta_rests_on_no_copy_of_its_base_but_the_one_that_is_relied_on,
      a_base_that_is_not_what_its_id_says_is_no_base,
      what_gains_less_than_half_from_its_base_is_stored_plain,
      a_writer_that_compresses_nothing_makes_no_deltas,
      a_delta_whose_base_is_condemned_or_gone_is_stored_again,
      a_reader_takes_no_delta_without_base_when_another_copy_can_be_read,
      a_reader_finds_the_base_in_another_pack_when_one_is_damaged,
      a_snapshot_is_not_safe_when_the_pack_of_a_base_vanishes_or_is_condemned,
      content_that_is_kept_relies_on_the_packs_of_its_bases)
