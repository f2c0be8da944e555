#include "repo/chunks.h"

/* Chunks this long are a frame each. */
#define FRAME BATCH_BYTES

TEST(a_chunk_that_no_pack_has_is_corrupt_and_named)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(buf) struct buf out = {0};
    const struct hash id = {{0xab, 0xcd}};
    struct err why = {0};

    CHECK_OK(repo_load_index(r, e));
    AUTO(reader) struct reader *rd = reader_new(r);

    CHECK(!reader_chunk(rd, CHUNK_DATA, &id, &out, &why));
    ck_assert_int_eq(why.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, "abcd000000000000"));
    ck_assert_uint_eq(out.size, 0);
}
END

TEST(chunks_of_many_frames_are_read_in_any_order)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct slice wanted[20];
    struct hash ids[20];

    ck_assert_uint_eq(chunks_store(r, 0, 20, FRAME, 1).frames, 20);
    for (uint64_t n = 0; n < 20; n++) {
        wanted[n] = chunk_bytes(n, FRAME);
        ids[n] = chunk_id(r, CHUNK_DATA, wanted[n]);
    }
    AUTO(reader) struct reader *rd = reader_new(r);

    for (uint64_t i = 0; i < 200; i++) {
        AUTO(buf) struct buf got = {0};
        const uint64_t n = i * i * 7 % 20;

        CHECK_OK(reader_chunk(rd, CHUNK_DATA, &ids[n], &got, e));
        CHECK(slice_is_equal(buf_slice(&got), wanted[n]));
    }
    for (uint64_t n = 0; n < 20; n++)
        mem_free((void *)(uintptr_t)wanted[n].data);
}
END

static void count_gets(void *arg, enum hook_op op, const char *key)
{
    (void)key;
    *(int *)arg += op == HOOK_GET;
}

TEST(the_last_eight_long_frames_are_not_read_again)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct hook h;
    int gets = 0;

    (void)chunks_store(r, 0, 9, FRAME, 1);
    hook_init(&h, s, count_gets, &gets);
    r->store = &h.store;

    AUTO(reader) struct reader *rd = reader_new(r);
    struct slice plain;

    for (uint32_t f = 0; f < 8; f++)
        CHECK_OK(reader_frame(rd, f, &plain, e));
    ck_assert_int_eq(gets, 9); /* and the header of the pack */
    for (uint32_t f = 0; f < 8; f++)
        CHECK_OK(reader_frame(rd, f, &plain, e));
    ck_assert_int_eq(gets, 9);
    CHECK_OK(reader_frame(rd, 8, &plain, e));
    CHECK_OK(reader_frame(rd, 1, &plain, e));
    ck_assert_int_eq(gets, 10);
    CHECK_OK(reader_frame(rd, 0, &plain, e));
    ck_assert_int_eq(gets, 11);
}
END

/* Read frames of one size, all of the others left out. */
static void read_frames(struct reader *rd, struct repo *r, size_t size)
{
    struct slice plain;

    for (uint32_t f = 0; f < index_frame_count(r->index); f++)
        if (repo_frame_size(r, f) == size)
            CHECK_OK(reader_frame(rd, f, &plain, e));
}

/* Pages of a tree of which each night left some, as a walk meets them. */
TEST(of_short_frames_many_are_kept_until_long_ones_take_their_place)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct hook h;
    int gets = 0;

    for (uint64_t n = 0; n < 60; n++)
        (void)chunks_store(r, n, 1, 10000, 1);
    (void)chunks_store(r, 100, 12, FRAME, 1);
    hook_init(&h, s, count_gets, &gets);
    r->store = &h.store;

    AUTO(reader) struct reader *rd = reader_new(r);

    read_frames(rd, r, 10000);
    CHECK(gets >= 60);
    gets = 0;
    read_frames(rd, r, 10000);
    ck_assert_int_eq(gets, 0);
    read_frames(rd, r, FRAME);
    gets = 0;
    read_frames(rd, r, 10000);
    ck_assert_int_eq(gets, 60);
}
END

TEST(chunks_of_more_packs_than_headers_are_kept_are_read)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    for (uint64_t n = 0; n < 20; n++)
        (void)chunks_store(r, n, 1, 100, 1);
    for (int round = 0; round < 2; round++)
        chunks_check(r, 0, 20, 100);
}
END

TEST(a_damaged_frame_is_named_with_its_pack_and_the_others_are_read)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char key[128];
    struct err why = {0};

    (void)chunks_store(r, 0, 3, FRAME, 1);
    object_name(s, "packs/", 0, key);
    object_damage(s, key, (int64_t)(SEAL_HEADER_SIZE + FRAME + FRAME / 2));

    AUTO(reader) struct reader *rd = reader_new(r);
    struct slice plain;

    CHECK(!reader_frame(rd, 1, &plain, &why));
    ck_assert_int_eq(why.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, key));
    ck_assert_ptr_nonnull(strstr(why.text, "frame 1"));
    CHECK_OK(reader_frame(rd, 0, &plain, e));
    CHECK_OK(reader_frame(rd, 2, &plain, e));
    CHECK_ERR(reader_frame(rd, 1, &plain, e), ERR_CORRUPT);
}
END

TEST(a_damaged_header_of_a_pack_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char key[128];
    struct slice plain;

    (void)chunks_store(r, 0, 1, 100, 1);
    object_name(s, "packs/", 0, key);
    object_damage(s, key, 60); /* in the salt */

    AUTO(reader) struct reader *rd = reader_new(r);

    for (int round = 0; round < 2; round++)
        CHECK_ERR(reader_frame(rd, 0, &plain, e), ERR_CORRUPT);
}
END

TEST(a_pack_that_vanishes_after_the_index_was_loaded_is_damage)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(buf) struct buf got = {0};
    char key[128];
    struct err why = {0};

    (void)chunks_store(r, 0, 1, 100, 1);
    object_name(s, "packs/", 0, key);
    CHECK_OK(store_remove(s, key, e));

    AUTO(reader) struct reader *rd = reader_new(r);
    const struct hash id = chunk_number_id(r, 0, 100);

    /* ERR_NOT_FOUND would look like a path that is not in the snapshot. */
    CHECK(!reader_chunk(rd, CHUNK_DATA, &id, &got, &why));
    ck_assert_int_eq(why.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, key));
}
END

TEST(a_store_that_fails_once_is_asked_again)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    (void)chunks_store(r, 0, 1, 100, 1);
    for (int at = 0; at < 2; at++) {
        AUTO(store)
        struct store *flaky =
            store_fault_new(s, (struct fault_plan){.at = at, .code = ERR_TRANSIENT});
        struct slice plain;

        repo_drop_index(r); /* with the headers that readers share */
        CHECK_OK(repo_load_index(r, e));
        r->store = flaky;
        AUTO(reader) struct reader *rd = reader_new(r);

        CHECK_ERR(reader_frame(rd, 0, &plain, e), ERR_TRANSIENT);
        CHECK_OK(reader_frame(rd, 0, &plain, e));
        r->store = s;
    }
}
END

TEST(bytes_that_are_not_those_of_the_id_are_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    CHECK_OK(repo_load_index(r, e));
    AUTO(reader) struct reader *rd = reader_new(r);
    const struct hash id = chunk_id(r, CHUNK_DATA, slice_string("these"));

    CHECK_OK(reader_verify(rd, CHUNK_DATA, slice_string("these"), &id, e));
    CHECK_ERR(reader_verify(rd, CHUNK_DATA, slice_string("those"), &id, e), ERR_CORRUPT);
    CHECK_ERR(reader_verify(rd, CHUNK_TREE, slice_string("these"), &id, e), ERR_CORRUPT);
}
END

TEST(a_chunk_of_another_type_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(buf) struct buf got = {0};

    (void)chunks_store(r, 0, 1, 100, 1);
    AUTO(reader) struct reader *rd = reader_new(r);
    const struct hash id = chunk_number_id(r, 0, 100);

    CHECK_ERR(reader_chunk(rd, CHUNK_TREE, &id, &got, e), ERR_CORRUPT);
    ck_assert_uint_eq(got.size, 0);
}
END

TEST(the_lists_of_a_large_file_are_followed)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(buf) struct buf ids = {0};
    uint8_t list[10 * HASH_SIZE];
    struct hash lists[2];

    noise_fill(1, list, sizeof(list));
    lists[0] = chunk_store(r, CHUNK_LIST, SLICE_OF(list, 7 * HASH_SIZE));
    lists[1] = chunk_store(r, CHUNK_LIST, SLICE_OF(list + 7 * HASH_SIZE, 3 * HASH_SIZE));

    const struct entry large = {
        .type = ENTRY_FILE, .flags = ENTRY_INDIRECT, .content = SLICE_OF(lists, sizeof(lists))};
    const struct entry small = {.type = ENTRY_FILE, .content = SLICE_OF(lists, sizeof(lists))};
    AUTO(reader) struct reader *rd = reader_new(r);

    CHECK_OK(reader_content(rd, &large, &ids, e));
    CHECK(slice_is_equal(buf_slice(&ids), SLICE_OF(list, sizeof(list))));
    buf_clear(&ids);
    CHECK_OK(reader_content(rd, &small, &ids, e));
    CHECK(slice_is_equal(buf_slice(&ids), SLICE_OF(lists, sizeof(lists))));
}
END

TEST(a_list_with_half_an_id_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(buf) struct buf ids = {0};
    uint8_t list[HASH_SIZE + HASH_SIZE / 2] = {0};
    const struct hash id = chunk_store(r, CHUNK_LIST, SLICE_OF(list, sizeof(list)));
    const struct entry file = {
        .type = ENTRY_FILE, .flags = ENTRY_INDIRECT, .content = SLICE_OF(id.bytes, HASH_SIZE)};
    AUTO(reader) struct reader *rd = reader_new(r);

    CHECK_ERR(reader_content(rd, &file, &ids, e), ERR_CORRUPT);
}
END

TESTS("reader", a_chunk_that_no_pack_has_is_corrupt_and_named,
      chunks_of_many_frames_are_read_in_any_order, the_last_eight_long_frames_are_not_read_again,
      of_short_frames_many_are_kept_until_long_ones_take_their_place,
      chunks_of_more_packs_than_headers_are_kept_are_read,
      a_damaged_frame_is_named_with_its_pack_and_the_others_are_read,
      a_damaged_header_of_a_pack_is_corrupt,
      a_pack_that_vanishes_after_the_index_was_loaded_is_damage,
      a_store_that_fails_once_is_asked_again, bytes_that_are_not_those_of_the_id_are_corrupt,
      a_chunk_of_another_type_is_corrupt, the_lists_of_a_large_file_are_followed,
      a_list_with_half_an_id_is_corrupt)
