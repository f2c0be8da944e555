#include "repo/index.h"

#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "repo/index_rows.h"
#include "support/test.h"

/* Add pack number p with these chunks; returns the number in the index. */
static uint32_t add_pack(struct index *ix, uint64_t p, enum pack_state state, uint64_t first,
                         size_t count)
{
    AUTO(buf) struct buf directory = {0};
    const struct hash id = id_of(UINT64_C(1) << 40 | p);
    uint32_t number = UINT32_MAX;

    directory_of(first, count, &directory);
    CHECK_OK(index_add_pack(ix, &id, CLASS_CONTENT, state, buf_slice(&directory), &number, e));
    return number;
}

/* Add pack number p with chunks first .. first + count - 1 in one delta, whose bases are base ..
 * base + count - 1; returns the number of its frame. */
static uint32_t add_deltas(struct index *ix, uint64_t p, enum pack_state state, uint64_t first,
                           uint32_t count, uint64_t base)
{
    AUTO(buf) struct buf directory = {0};
    const struct hash id = id_of(UINT64_C(1) << 40 | p);
    uint32_t number = UINT32_MAX;

    delta_directory_of(first, count, base, &directory);
    CHECK_OK(index_add_pack(ix, &id, CLASS_CONTENT, state, buf_slice(&directory), &number, e));
    return index_pack_at(ix, number)->first_frame;
}

static uint32_t pack_of(const struct index *ix, const struct place *at)
{
    return index_frame_at(ix, at->frame).pack;
}

TEST(each_of_200000_chunks_is_found_where_it_stands)
{
    AUTO(index) struct index *ix = index_new();
    struct place at;

    for (uint32_t p = 0; p < 100; p++)
        ck_assert_uint_eq(add_pack(ix, p, PACK_LIVE, p * 2000, 2000), p);
    ck_assert_uint_eq(index_chunk_count(ix), 200000);
    for (uint64_t n = 0; n < 200000; n++) {
        const struct hash id = id_of(n);

        CHECK(index_find(ix, &id, &at) && at.size == CHUNK_SIZE);
        CHECK(pack_of(ix, &at) == n / 2000 && at.frame == n / 1000);
        CHECK(at.offset == n % 1000 * CHUNK_SIZE);
    }
    for (uint64_t n = 200000; n < 300000; n++) {
        const struct hash id = id_of(n);

        CHECK(!index_find(ix, &id, &at));
    }
}
END

TEST(frames_and_packs_have_the_numbers_and_sizes_of_the_directory)
{
    AUTO(index) struct index *ix = index_new();

    (void)add_pack(ix, 0, PACK_LIVE, 0, 1500);
    const uint32_t second = add_pack(ix, 1, PACK_CONDEMNED, 5000, 700);
    const struct index_pack *p = index_pack_at(ix, second);

    CHECK(p->state == PACK_CONDEMNED && p->class == CLASS_CONTENT && p->chunk_count == 700);
    CHECK(p->first_frame == 2 && p->frame_count == 1);
    ck_assert_uint_eq(p->size, SEAL_HEADER_SIZE + 700 * CHUNK_SIZE + SEAL_TAG_SIZE +
                                   (8 + 13 + 700 * 38) + SEAL_TAG_SIZE + PACK_TRAILER_SIZE);
    ck_assert_uint_eq(index_frame_at(ix, 0).offset, SEAL_HEADER_SIZE);
    ck_assert_uint_eq(index_frame_at(ix, 1).offset,
                      SEAL_HEADER_SIZE + 1000 * CHUNK_SIZE + SEAL_TAG_SIZE);
    ck_assert_uint_eq(index_frame_at(ix, 1).plain_size, 500 * CHUNK_SIZE);
}
END

TEST(a_pack_that_is_added_twice_counts_once)
{
    AUTO(index) struct index *ix = index_new();

    (void)add_pack(ix, 0, PACK_LIVE, 0, 10);
    const uint32_t number = add_pack(ix, 1, PACK_LIVE, 10, 10);

    ck_assert_uint_eq(add_pack(ix, 1, PACK_MISSING, 10, 10), number);
    ck_assert_uint_eq(index_pack_count(ix), 2);
    ck_assert_uint_eq(index_chunk_count(ix), 20);
    CHECK(index_pack_at(ix, number)->state == PACK_LIVE);
}
END

TEST(a_chunk_is_claimed_once)
{
    AUTO(index) struct index *ix = index_new();
    const struct hash id = id_of(1);
    struct place at;

    CHECK(!index_find_or_claim(ix, &id, 77, &at));
    CHECK(index_find_or_claim(ix, &id, 77, &at) && at.frame == INDEX_PENDING);
    CHECK(!index_find(ix, &id, &at) && !index_find_live(ix, &id, &at));
    ck_assert_uint_eq(index_copies(ix, &id, NULL, 0), 0);
}
END

TEST(a_live_chunk_cannot_be_claimed)
{
    AUTO(index) struct index *ix = index_new();
    struct claim claims[3] = {{.id = id_of(5), .size = CHUNK_SIZE},
                              {.id = id_of(50), .size = 9},
                              {.id = id_of(50), .size = 9}};

    (void)add_pack(ix, 0, PACK_LIVE, 0, 10);
    index_claim_all(ix, claims, 3);
    CHECK(claims[0].is_found && claims[0].place.offset == 5 * CHUNK_SIZE);
    CHECK(!claims[1].is_found);
    CHECK(claims[2].is_found && claims[2].place.frame == INDEX_PENDING);
}
END

TEST(a_condemned_chunk_can_be_read_but_not_relied_on)
{
    AUTO(index) struct index *ix = index_new();
    const struct hash id = id_of(3);
    struct place at;

    (void)add_pack(ix, 0, PACK_CONDEMNED, 0, 10);
    CHECK(index_find(ix, &id, &at));
    CHECK(!index_find_live(ix, &id, &at));
    CHECK(!index_find_or_claim(ix, &id, CHUNK_SIZE, &at));
    CHECK(index_find(ix, &id, &at) && at.frame == 0);
}
END

TEST(a_chunk_in_a_missing_pack_is_not_there)
{
    AUTO(index) struct index *ix = index_new();
    const struct hash id = id_of(3);
    struct place at;
    const uint32_t number = add_pack(ix, 0, PACK_MISSING, 0, 10);

    CHECK(!index_find(ix, &id, &at) && !index_find_live(ix, &id, &at));
    index_set_pack_state(ix, number, PACK_LIVE);
    CHECK(index_find(ix, &id, &at) && index_find_live(ix, &id, &at));
}
END

TEST(of_several_copies_a_live_one_comes_first)
{
    static const enum pack_state orders[][3] = {{PACK_LIVE, PACK_CONDEMNED, PACK_MISSING},
                                                {PACK_CONDEMNED, PACK_LIVE, PACK_MISSING},
                                                {PACK_MISSING, PACK_CONDEMNED, PACK_LIVE}};

    for (size_t i = 0; i < 3; i++) {
        AUTO(index) struct index *ix = index_new();
        const struct hash id = id_of(3);
        struct place at, copies[3];

        for (uint32_t p = 0; p < 3; p++)
            (void)add_pack(ix, p, orders[i][p], 0, 10);
        ck_assert_uint_eq(index_copies(ix, &id, copies, 3), 3);
        CHECK(index_find(ix, &id, &at));
        CHECK(index_pack_at(ix, pack_of(ix, &at))->state == PACK_LIVE);
        CHECK(index_find_or_claim(ix, &id, CHUNK_SIZE, &at));
        CHECK(index_pack_at(ix, pack_of(ix, &at))->state == PACK_LIVE);
    }
}
END

TEST(each_chunk_of_a_delta_has_its_base)
{
    AUTO(index) struct index *ix = index_new();
    const uint32_t plain = add_pack(ix, 0, PACK_LIVE, 0, 10);
    const uint32_t first = add_deltas(ix, 1, PACK_LIVE, 100, 10, 0);
    const uint32_t second = add_deltas(ix, 2, PACK_LIVE, 200, 3, 5);
    struct place at;

    CHECK(index_bases_at(ix, plain) == NULL && index_holds_bases(ix, plain));
    CHECK(!index_holds_bases(ix, first) && !index_holds_bases(ix, second));
    ck_assert_uint_eq(index_frame_at(ix, second).base_count, 3);
    for (uint64_t n = 0; n < 13; n++) {
        const struct hash id = id_of(n < 10 ? 100 + n : 190 + n);
        const struct hash base = id_of(n < 10 ? n : n - 5);

        CHECK(index_find_live(ix, &id, &at) && index_base_of(ix, &at) != NULL);
        CHECK(id_is_named(&base, index_base_of(ix, &at)));
        CHECK(index_find(ix, &base, &at) && index_base_of(ix, &at) == NULL);
    }
}
END

TEST(a_base_is_found_in_plain_frames_only)
{
    AUTO(index) struct index *ix = index_new();
    const struct hash id = id_of(3);
    struct place at;

    (void)add_deltas(ix, 0, PACK_LIVE, 0, 10, 500);
    CHECK(index_find_live(ix, &id, &at));
    CHECK(!index_find_base(ix, &id, &at) && !index_find_live_base(ix, &id, &at));

    const uint32_t pack = add_pack(ix, 1, PACK_CONDEMNED, 0, 10);

    CHECK(index_find_base(ix, &id, &at) && pack_of(ix, &at) == pack);
    CHECK(!index_find_live_base(ix, &id, &at));
    index_set_pack_state(ix, pack, PACK_LIVE);
    CHECK(index_find_live_base(ix, &id, &at) && pack_of(ix, &at) == pack);
    index_set_pack_state(ix, pack, PACK_MISSING);
    CHECK(!index_find_base(ix, &id, &at));
}
END

TEST(a_delta_is_as_live_as_the_best_copies_of_its_bases)
{
    static const struct {
        enum pack_state delta, first, other, wanted;
    } cases[] = {{PACK_LIVE, PACK_LIVE, PACK_MISSING, PACK_LIVE},
                 {PACK_LIVE, PACK_CONDEMNED, PACK_LIVE, PACK_LIVE},
                 {PACK_LIVE, PACK_CONDEMNED, PACK_MISSING, PACK_CONDEMNED},
                 {PACK_LIVE, PACK_MISSING, PACK_MISSING, PACK_MISSING},
                 {PACK_CONDEMNED, PACK_LIVE, PACK_LIVE, PACK_CONDEMNED},
                 {PACK_MISSING, PACK_LIVE, PACK_LIVE, PACK_MISSING}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(index) struct index *ix = index_new();
        const struct hash id = id_of(100);
        struct place at;

        (void)add_pack(ix, 0, PACK_LIVE, 0, 9);
        (void)add_pack(ix, 1, cases[i].first, 9, 1);
        (void)add_pack(ix, 2, cases[i].other, 9, 1);

        const uint32_t frame = add_deltas(ix, 3, cases[i].delta, 100, 10, 0);

        index_judge_deltas(ix);
        CHECK(index_frame_state(ix, frame) == cases[i].wanted);
        CHECK(index_find_live(ix, &id, &at) == (cases[i].wanted == PACK_LIVE));
        CHECK(index_find(ix, &id, &at) == (cases[i].delta != PACK_MISSING));
        CHECK(index_find_or_claim(ix, &id, CHUNK_SIZE, &at) == (cases[i].wanted == PACK_LIVE));
    }
}
END

TEST(a_delta_without_base_is_the_last_choice_in_whatever_order_copies_come)
{
    for (int order = 0; order < 2; order++) {
        AUTO(index) struct index *ix = index_new();
        const struct hash id = id_of(100);
        struct place at;

        if (order == 0)
            (void)add_deltas(ix, 0, PACK_LIVE, 100, 1, 0);

        const uint32_t pack = add_pack(ix, 1, PACK_CONDEMNED, 100, 1);

        if (order == 1)
            (void)add_deltas(ix, 0, PACK_LIVE, 100, 1, 0);
        index_judge_deltas(ix);
        CHECK(index_find(ix, &id, &at) && pack_of(ix, &at) == pack);
        index_set_pack_state(ix, pack, PACK_MISSING);
        CHECK(index_find(ix, &id, &at) && pack_of(ix, &at) != pack);
    }
}
END

TEST(deltas_on_a_pack_that_is_distrusted_do_not_count_any_more)
{
    AUTO(index) struct index *ix = index_new();
    const struct hash id = id_of(100);
    struct place at;
    const uint32_t base = add_pack(ix, 0, PACK_LIVE, 0, 10);

    (void)add_deltas(ix, 1, PACK_LIVE, 100, 10, 0);
    index_judge_deltas(ix);
    CHECK(index_find_live(ix, &id, &at));
    index_distrust_pack(ix, base);
    CHECK(!index_find_live(ix, &id, &at) && index_find(ix, &id, &at));
    (void)add_pack(ix, 2, PACK_LIVE, 0, 10);
    index_judge_deltas(ix);
    CHECK(index_find_live(ix, &id, &at));
}
END

static void count_entry(void *arg, const uint8_t prefix[16], struct place at)
{
    const struct hash id = id_of(at.frame * 1000 + at.offset / CHUNK_SIZE);

    ck_assert_int_eq(memcmp(prefix, id.bytes, 16), 0);
    ++*(size_t *)arg;
}

TEST(all_entries_are_visited_and_none_that_is_pending)
{
    AUTO(index) struct index *ix = index_new();
    const struct hash pending = id_of(1 << 20);
    uint8_t prefix[16];
    struct place at;
    size_t each = 0, numbered = 0;

    (void)add_pack(ix, 0, PACK_LIVE, 0, 3000);
    CHECK(!index_find_or_claim(ix, &pending, 1, &at));
    index_each(ix, count_entry, &each);
    for (size_t i = 0; i < index_entry_room(ix); i++)
        numbered += index_entry_at(ix, i, prefix, &at);
    ck_assert_uint_eq(each, 3000);
    ck_assert_uint_eq(numbered, 3000);
}
END

TEST(the_copies_of_a_chunk_come_one_with_each_call)
{
    AUTO(index) struct index *ix = index_new();
    const struct hash id = id_of(7);
    struct place at;
    size_t number = INDEX_NO_ENTRY, count = 0;
    bool seen[5] = {0};

    for (uint32_t p = 0; p < 5; p++)
        (void)add_pack(ix, p, p == 2 ? PACK_MISSING : PACK_LIVE, 0, 400);
    while (index_entry_next(ix, id.bytes, &number, &at)) {
        CHECK(!seen[pack_of(ix, &at)]);
        seen[pack_of(ix, &at)] = true;
        count++;
    }
    ck_assert_uint_eq(count, 5);
}
END

#define THREADS 8
#define CLAIMS  20000

struct claimer {
    pthread_t thread;
    struct index *index;
    uint64_t seed;
    uint8_t *claimed; /* by number: this thread was first */
};

static void *claim_all(void *arg)
{
    struct claimer *c = arg;

    /* Each thread goes its own way through the same numbers, half of them in batches. */
    for (uint64_t i = 0; i < CLAIMS; i += 4) {
        struct claim claims[4];

        for (uint64_t k = 0; k < 4; k++)
            claims[k] =
                (struct claim){.id = id_of((i + k) * (2 * c->seed + 1) % CLAIMS), .size = 8};
        index_claim_all(c->index, claims, 3);
        claims[3].is_found = index_find_or_claim(c->index, &claims[3].id, 8, &claims[3].place);
        for (uint64_t k = 0; k < 4; k++)
            c->claimed[(i + k) * (2 * c->seed + 1) % CLAIMS] = !claims[k].is_found;
    }
    return NULL;
}

TEST(of_eight_threads_exactly_one_gets_each_chunk)
{
    static const uint64_t odd[THREADS] = {0, 1, 3, 4, 5, 6, 8, 9}; /* 2n+1 prime to 20,000 */
    AUTO(index) struct index *ix = index_new();
    struct claimer claimers[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        claimers[i] = (struct claimer){.index = ix, .seed = odd[i], .claimed = mem_new(CLAIMS)};
        thread_start(&claimers[i].thread, claim_all, &claimers[i], "claimer");
    }
    for (size_t i = 0; i < THREADS; i++)
        thread_join(claimers[i].thread);
    for (size_t n = 0; n < CLAIMS; n++) {
        int count = 0;

        for (size_t i = 0; i < THREADS; i++)
            count += claimers[i].claimed[n];
        ck_assert_int_eq(count, 1);
    }
    for (size_t i = 0; i < THREADS; i++)
        mem_free(claimers[i].claimed);
}
END

TESTS("index", each_of_200000_chunks_is_found_where_it_stands,
      frames_and_packs_have_the_numbers_and_sizes_of_the_directory,
      a_pack_that_is_added_twice_counts_once, a_chunk_is_claimed_once,
      a_live_chunk_cannot_be_claimed, a_condemned_chunk_can_be_read_but_not_relied_on,
      a_chunk_in_a_missing_pack_is_not_there, of_several_copies_a_live_one_comes_first,
      each_chunk_of_a_delta_has_its_base, a_base_is_found_in_plain_frames_only,
      a_delta_is_as_live_as_the_best_copies_of_its_bases,
      a_delta_without_base_is_the_last_choice_in_whatever_order_copies_come,
      deltas_on_a_pack_that_is_distrusted_do_not_count_any_more,
      all_entries_are_visited_and_none_that_is_pending,
      the_copies_of_a_chunk_come_one_with_each_call, of_eight_threads_exactly_one_gets_each_chunk)
