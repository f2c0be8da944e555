/* Which chunk of a file's former content a new chunk is compared with. */
#include "job/former.h"

#include <string.h>

#include "repo/chunks.h"

/* Lengths of chunks as a cutter makes them, from 400 to about 2,400 bytes. */
static size_t length_of(uint64_t n)
{
    return 400 + (size_t)((n * UINT64_C(2654435761) >> 7) % 2000);
}

#define COUNT 40

/* A repository with a file of so many chunks. */
struct bench {
    struct store *store;
    struct repo *repo;
    struct reader *reader;
    struct former former;
    struct hash ids[COUNT];
};

static void bench_init(struct bench *b, size_t count)
{
    AUTO(run) struct run n;
    struct batch *batch;

    *b = (struct bench){.store = store_memory_new()};
    b->repo = fixture_repo(b->store);
    run_open(&n, b->repo, (struct writer_options){0});
    batch = writer_batch(n.w);
    for (uint64_t i = 0; i < count; i++) {
        pieces_add(batch, i, 1, length_of(i));
        b->ids[i] = chunk_number_id(b->repo, i, length_of(i));
    }
    CHECK_OK(writer_submit(n.w, batch, e));
    (void)run_finish(&n);
    repo_drop_index(b->repo);
    CHECK_OK(repo_load_index(b->repo, e));
    b->reader = reader_new(b->repo);
    b->former = (struct former){.repo = b->repo};
    former_begin(&b->former, b->reader,
                 &(struct entry){.content = SLICE_OF(b->ids[0].bytes, count * HASH_SIZE)});
}

static void bench_auto(struct bench *b)
{
    former_done(&b->former);
    reader_free(b->reader);
    repo_close(b->repo);
    store_close(b->store);
}

#define NONE SIZE_MAX

/* The number of the counterpart of the next chunk, which has this size. */
static size_t next(struct bench *b, size_t size)
{
    struct hash id;

    if (!former_next(&b->former, size, &id))
        return NONE;
    for (size_t i = 0; i < COUNT; i++)
        if (hash_is_equal(&id, &b->ids[i]))
            return i;
    ck_abort_msg("no chunk of the file");
    return NONE;
}

TEST(each_chunk_of_an_unchanged_file_is_its_own_counterpart)
{
    AUTO(bench) struct bench b;

    bench_init(&b, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_uint_eq(next(&b, length_of(i)), i);
    ck_assert_uint_eq(next(&b, 1000), NONE);
}
END

TEST(bytes_taken_away_all_over_a_file_leave_each_chunk_its_counterpart)
{
    AUTO(bench) struct bench b;

    bench_init(&b, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_uint_eq(next(&b, length_of(i) - length_of(i) / 20), i);
}
END

TEST(bytes_added_all_over_a_file_leave_each_chunk_its_counterpart)
{
    AUTO(bench) struct bench b;

    bench_init(&b, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_uint_eq(next(&b, length_of(i) + length_of(i) / 20), i);
}
END

TEST(a_chunk_that_grew_at_the_front_leaves_the_others_their_counterparts)
{
    AUTO(bench) struct bench b;

    bench_init(&b, COUNT);
    ck_assert_uint_eq(next(&b, length_of(0) + length_of(0) / 17), 0);
    for (size_t i = 1; i < COUNT; i++)
        ck_assert_uint_eq(next(&b, length_of(i)), i);
}
END

/* What follows stands elsewhere: a neighbour is good enough, and none is given far away. */
TEST(chunks_behind_an_insertion_at_the_front_find_neighbours)
{
    AUTO(bench) struct bench b;

    bench_init(&b, COUNT);
    (void)next(&b, 1500);
    for (size_t i = 0; i < COUNT; i++) {
        const size_t found = next(&b, length_of(i));

        CHECK(found == NONE ? i + 3 >= COUNT : found + 3 >= i && found <= i + 3);
    }
}
END

TEST(what_a_file_grew_by_at_its_end_has_no_counterpart)
{
    AUTO(bench) struct bench b;

    bench_init(&b, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(next(&b, length_of(i)), i);
    for (size_t i = 0; i < 10; i++)
        ck_assert_uint_eq(next(&b, 300), NONE);
}
END

TEST(a_last_chunk_that_grew_or_shrank_much_has_its_counterpart)
{
    static const size_t sizes[] = {10, 5000};

    for (size_t n = 0; n < 2; n++) {
        AUTO(bench) struct bench b;

        bench_init(&b, 5);
        for (size_t i = 0; i < 4; i++)
            ck_assert_uint_eq(next(&b, length_of(i)), i);
        ck_assert_uint_eq(next(&b, sizes[n]), 4);
    }
}
END

TEST(the_only_chunk_of_a_small_file_is_the_counterpart_of_its_first_one_whatever_its_length)
{
    static const size_t sizes[] = {1, 100, 400, 2000, 100000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(bench) struct bench b;

        bench_init(&b, 1);
        ck_assert_uint_eq(next(&b, sizes[i]), 0);
    }
}
END

/* A file of noise, backed up before and about to be cut again. */
struct again {
    struct bench b;
    struct buf bytes;
    size_t ends[COUNT]; /* of its former chunks */
    size_t count;
};

static void again_cut_all(struct again *a)
{
    a->count = 0;
    for (size_t at = 0; at < a->bytes.size; at = a->ends[a->count++]) {
        const struct slice rest = SLICE_OF(a->bytes.data + at, a->bytes.size - at);
        size_t scanned = 0;

        ck_assert_uint_lt(a->count, COUNT);
        a->ends[a->count] =
            at + cutter_cut(repo_cutter(a->b.repo), CUT_GENERAL, rest, true, &scanned);
    }
}

static void again_init(struct again *a)
{
    struct hash ids[COUNT];

    *a = (struct again){0};
    bench_init(&a->b, 1);
    (void)buf_extend(&a->bytes, (size_t)5 << 20);
    /* Until there are enough ends, near enough to tell of each other. */
    for (uint64_t seed = 1; a->count < 5 || a->ends[2] > CHUNK_MAX; seed++) {
        noise_fill(seed, a->bytes.data, a->bytes.size);
        again_cut_all(a);
    }
    for (size_t i = 0, at = 0; i < a->count; at = a->ends[i++])
        ids[i] = chunk_store(a->b.repo, CHUNK_DATA, SLICE_OF(a->bytes.data + at, a->ends[i] - at));
    reader_free(TAKE(a->b.reader));
    a->b.reader = reader_new(a->b.repo);
    former_begin(&a->b.former, a->b.reader,
                 &(struct entry){.content = SLICE_OF(ids[0].bytes, a->count * HASH_SIZE)});
}

static void again_auto(struct again *a)
{
    buf_done(&a->bytes);
    bench_auto(&a->b);
}

/* Other bytes where a former chunk ends. */
static void again_change_end(struct again *a, size_t number)
{
    memset(a->bytes.data + a->ends[number] - 8, 0, 8);
}

/* What is said of the next chunk, which begins at from, when bytes up to end have been seen. */
static size_t again_cut(struct again *a, size_t from, size_t end, bool at_end)
{
    const struct slice in = SLICE_OF(a->bytes.data + from, end - from);
    size_t size = 0;

    return former_cut(&a->b.former, CUT_GENERAL, in, at_end, &size) ? size : NONE;
}

TEST(a_chunk_ends_where_the_former_one_did_when_it_may)
{
    AUTO(again) struct again a;
    struct hash id;

    again_init(&a);
    ck_assert_uint_eq(again_cut(&a, 0, a.ends[0] - 1, false), 0);
    ck_assert_uint_eq(again_cut(&a, 0, a.ends[0], false), a.ends[0]);
    ck_assert_uint_eq(again_cut(&a, 0, a.ends[0] - 1, true), NONE); /* the file got shorter */
    for (size_t i = 0, from = 0; i < a.count; from = a.ends[i++]) {
        ck_assert_uint_eq(again_cut(&a, from, a.bytes.size, true), a.ends[i] - from);
        CHECK(former_next(&a.b.former, a.ends[i] - from, &id));
    }
    ck_assert_uint_eq(again_cut(&a, 0, a.bytes.size, true), NONE); /* none is left */
    former_clear(&a.b.former);
    ck_assert_uint_eq(again_cut(&a, 0, a.bytes.size, true), NONE);
}
END

TEST(where_a_former_end_changed_in_its_place_a_chunk_ends_all_the_same)
{
    AUTO(again) struct again a;

    again_init(&a);
    again_change_end(&a, 0);
    ck_assert_uint_eq(again_cut(&a, 0, a.ends[0], false), 0); /* the next end has to be seen */
    ck_assert_uint_eq(again_cut(&a, 0, a.ends[1], false), a.ends[0]);
    again_change_end(&a, 1);
    ck_assert_uint_eq(again_cut(&a, 0, a.ends[1], false), 0);
    ck_assert_uint_eq(again_cut(&a, 0, a.ends[2], false), a.ends[0]);
}
END

TEST(behind_bytes_that_came_or_went_no_former_end_counts)
{
    AUTO(again) struct again a;

    again_init(&a);
    ck_assert_uint_eq(again_cut(&a, 1, a.bytes.size, true), NONE);
    ck_assert_uint_eq(again_cut(&a, 1, a.bytes.size, false), NONE);
    (void)buf_extend(&a.bytes, 1);
    memmove(a.bytes.data + 1, a.bytes.data, a.bytes.size - 1);
    ck_assert_uint_eq(again_cut(&a, 0, a.bytes.size, true), NONE);
}
END

TEST(the_end_of_a_file_that_is_as_long_as_before_stands_for_those_before_it)
{
    AUTO(again) struct again a;
    struct hash id;
    size_t from = 0;

    again_init(&a);
    for (size_t i = 0; i + 2 < a.count; from = a.ends[i++])
        CHECK(former_next(&a.b.former, a.ends[i] - from, &id));
    again_change_end(&a, a.count - 2);
    ck_assert_uint_eq(again_cut(&a, from, a.bytes.size, false), 0);
    ck_assert_uint_eq(again_cut(&a, from, a.bytes.size, true), a.ends[a.count - 2] - from);
    ck_assert_uint_eq(again_cut(&a, from, a.bytes.size - 1, true), NONE);
    buf_append(&a.bytes, "x", 1);
    ck_assert_uint_eq(again_cut(&a, from, a.bytes.size, false), NONE);
}
END

TEST(a_file_that_was_empty_or_is_not_known_gives_nothing)
{
    AUTO(bench) struct bench b;
    struct hash id;

    bench_init(&b, 3);
    former_begin(&b.former, b.reader, &(struct entry){0});
    CHECK(!former_next(&b.former, 1000, &id));
    former_begin(&b.former, b.reader,
                 &(struct entry){.content = SLICE_OF(b.ids[0].bytes, HASH_SIZE)});
    former_clear(&b.former);
    CHECK(!former_next(&b.former, 1000, &id) && !former_next(&b.former, 1000, &id));
}
END

TEST(the_next_file_begins_anew)
{
    AUTO(bench) struct bench b;

    bench_init(&b, 3);
    (void)next(&b, length_of(0));
    (void)next(&b, length_of(1));
    former_begin(&b.former, b.reader,
                 &(struct entry){.content = SLICE_OF(b.ids[0].bytes, 3 * HASH_SIZE)});
    ck_assert_uint_eq(next(&b, length_of(0)), 0);
}
END

TEST(from_a_chunk_that_the_repository_lost_on_nothing_is_known)
{
    AUTO(bench) struct bench b;
    struct hash ids[3];

    bench_init(&b, 3);
    memcpy(ids, b.ids, sizeof(ids));
    ids[1].bytes[0] ^= 1;
    former_begin(&b.former, b.reader, &(struct entry){.content = SLICE_OF(ids, sizeof(ids))});
    ck_assert_uint_eq(next(&b, length_of(0)), 0);
    ck_assert_uint_eq(next(&b, length_of(1)), NONE);
    ck_assert_uint_eq(next(&b, length_of(2)), NONE);
}
END

TEST(content_in_lists_is_found_and_a_list_that_is_lost_gives_nothing)
{
    AUTO(bench) struct bench b;
    struct hash list, id;
    struct entry en = {.flags = ENTRY_INDIRECT, .content = SLICE_OF(list.bytes, HASH_SIZE)};

    bench_init(&b, 3);
    reader_free(TAKE(b.reader));
    list = chunk_store(b.repo, CHUNK_LIST, SLICE_OF(b.ids[0].bytes, 3 * HASH_SIZE));
    b.reader = reader_new(b.repo);
    former_begin(&b.former, b.reader, &en);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(next(&b, length_of(i)), i);
    list.bytes[0] ^= 1;
    former_begin(&b.former, b.reader, &en);
    CHECK(!former_next(&b.former, 1000, &id));
}
END

TESTS("former", each_chunk_of_an_unchanged_file_is_its_own_counterpart,
      bytes_taken_away_all_over_a_file_leave_each_chunk_its_counterpart,
      bytes_added_all_over_a_file_leave_each_chunk_its_counterpart,
      a_chunk_that_grew_at_the_front_leaves_the_others_their_counterparts,
      chunks_behind_an_insertion_at_the_front_find_neighbours,
      what_a_file_grew_by_at_its_end_has_no_counterpart,
      a_last_chunk_that_grew_or_shrank_much_has_its_counterpart,
      the_only_chunk_of_a_small_file_is_the_counterpart_of_its_first_one_whatever_its_length,
      a_chunk_ends_where_the_former_one_did_when_it_may,
      where_a_former_end_changed_in_its_place_a_chunk_ends_all_the_same,
      behind_bytes_that_came_or_went_no_former_end_counts,
      the_end_of_a_file_that_is_as_long_as_before_stands_for_those_before_it,
      a_file_that_was_empty_or_is_not_known_gives_nothing, the_next_file_begins_anew,
      from_a_chunk_that_the_repository_lost_on_nothing_is_known,
      content_in_lists_is_found_and_a_list_that_is_lost_gives_nothing)
