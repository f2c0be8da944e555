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

TEST(the_length_of_a_former_chunk_is_expected_where_it_begins)
{
    AUTO(bench) struct bench b;

    bench_init(&b, 4);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(former_expect(&b.former), length_of(i));
        ck_assert_uint_eq(next(&b, length_of(i)), i);
    }
    (void)next(&b, length_of(2) / 2); /* in the middle of a former chunk */
    ck_assert_uint_eq(former_expect(&b.former), 0);
    former_begin(&b.former, b.reader,
                 &(struct entry){.content = SLICE_OF(b.ids[0].bytes, HASH_SIZE)});
    ck_assert_uint_eq(next(&b, length_of(0) + 1), 0); /* as good as the same length */
    ck_assert_uint_eq(former_expect(&b.former), 0);   /* it was the last */
    former_clear(&b.former);
    ck_assert_uint_eq(former_expect(&b.former), 0);
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
      the_length_of_a_former_chunk_is_expected_where_it_begins,
      a_file_that_was_empty_or_is_not_known_gives_nothing, the_next_file_begins_anew,
      from_a_chunk_that_the_repository_lost_on_nothing_is_known,
      content_in_lists_is_found_and_a_list_that_is_lost_gives_nothing)
