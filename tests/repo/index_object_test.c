/* The index as the store has it: objects that are written, read, damaged, and rewritten meanwhile.
 */
#include <string.h>

#include "base/clock.h"
#include "repo/chunks.h"
#include "repo/index_rows.h"

TEST(an_index_is_loaded_with_the_states_of_its_packs)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    char key[128];
    struct hash gone, doomed;
    uint32_t number;

    for (uint64_t n = 0; n < 3; n++)
        (void)chunks_store(r, n, 1, 1000, 1);
    object_name(s, "packs/", 0, key);
    CHECK(key_hash(key, &gone));
    CHECK_OK(store_remove(s, key, e));
    object_name(s, "packs/", 0, key);
    CHECK(key_hash(key, &doomed));
    pack_condemn(r, key);
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    ck_assert_uint_eq(index_pack_count(r->index), 3);
    CHECK(index_has_pack(r->index, &gone, &number));
    CHECK(index_pack_at(r->index, number)->state == PACK_MISSING);
    CHECK(index_has_pack(r->index, &doomed, &number));
    CHECK(index_pack_at(r->index, number)->state == PACK_CONDEMNED);
}
END

/* Another process makes one index object of all, as a collector does, once. */
struct rewriter {
    struct repo *other;
    bool is_over;
};

static void rewrite(void *arg, enum hook_op op, const char *key)
{
    struct rewriter *w = arg;
    AUTO(key_list) struct key_list keys = {0};
    AUTO(index_document) struct index_document all = {0};

    if (w->is_over || op != HOOK_GET || strncmp(key, "index/", 6) != 0)
        return;
    w->is_over = true;
    CHECK_OK(key_list_read(w->other, "index/", &keys, e));
    for (size_t i = 0; i < keys.count; i++) {
        AUTO(buf) struct buf plain = {0};
        struct slice body;
        uint32_t count;

        CHECK_OK(document_get(w->other, CLASS_INDEX, keys.items[i], &plain, e));
        CHECK_OK(index_document_open(buf_slice(&plain), &count, &body, e));
        for (uint32_t n = 0; n < count; n++) {
            struct index_row row;

            CHECK_OK(index_document_next(&body, &row, e));
            index_document_add(&all, &row.id, row.class, row.pack_size, row.directory);
        }
    }
    CHECK_OK(index_document_put(w->other, &all, e));
    for (size_t i = 0; i < keys.count; i++)
        CHECK_OK(store_remove(w->other->store, keys.items[i], e));
}

TEST(an_index_that_is_rewritten_while_it_is_read_is_whole)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct rewriter w = {.other = r};
    struct hook h;

    for (uint64_t n = 0; n < 3; n++)
        (void)chunks_store(r, n * 4, 4, 1000, 4);
    ck_assert_uint_eq(object_count(s, "index/"), 3);
    hook_init(&h, s, rewrite, &w);

    AUTO(repo) struct repo *late = fixture_open(&h.store);

    CHECK_OK(repo_load_index(late, e));
    CHECK(w.is_over);
    ck_assert_uint_eq(object_count(s, "index/"), 1);
    ck_assert_uint_eq(index_pack_count(late->index), 3);
    chunks_check(late, 0, 12, 1000);
}
END

static void vanish(void *arg, enum hook_op op, const char *key)
{
    struct repo *other = arg;

    if (op != HOOK_GET || strncmp(key, "index/", 6) != 0)
        return;
    CHECK_OK(store_remove(other->store, key, e));
    (void)chunks_store(other, (uint64_t)clock_now_ns() % 1000000007, 1, 100, 1);
}

TEST(an_index_that_never_stands_still_is_a_passing_failure)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct hook h;

    (void)chunks_store(r, 0, 1, 1000, 1);
    hook_init(&h, s, vanish, r);

    AUTO(repo) struct repo *late = fixture_open(&h.store);

    CHECK_ERR(repo_load_index(late, e), ERR_TRANSIENT);
}
END

static void count_damage(void *arg, const char *key, const struct err *why)
{
    ck_assert_int_eq(why->code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why->text, key));
    ++*(int *)arg;
}

TEST(a_damaged_index_object_is_named_or_left_out)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(index) struct index *ix = NULL;
    char key[128];
    int damaged = 0;
    struct err why = {0};

    for (uint64_t n = 0; n < 3; n++)
        (void)chunks_store(r, n, 1, 1000, 1);
    object_name(s, "index/", 1, key);
    object_damage(s, key, -1);
    repo_drop_index(r);
    CHECK(!repo_load_index(r, &why));
    ck_assert_int_eq(why.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, key));
    CHECK_OK(index_load(r, count_damage, &damaged, &ix, e));
    ck_assert_int_eq(damaged, 1);
    ck_assert_uint_eq(index_pack_count(ix), 2);
}
END

TEST(an_index_document_with_impossible_rows_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(index_document) struct index_document d = {0};
    AUTO(buf) struct buf directory = {0}, plain = {0};
    const struct hash id = id_of(1);

    directory_of(0, 2, &directory);
    index_document_add(&d, &id, CLASS_CONTENT, 1000, buf_slice(&directory));
    buf_put_u32(&plain, 1);
    buf_append_slice(&plain, buf_slice(&d.body));
    buf_put_u8(&plain, 0); /* the last size is one byte too long */
    for (size_t size = 0; size <= plain.size; size++) {
        struct hash object;
        char key[OBJECT_KEY_MAX];

        CHECK_OK(
            document_put_hashed(r, CLASS_INDEX, "index", SLICE_OF(plain.data, size), &object, e));
        if (size == plain.size - 1)
            CHECK_OK(repo_load_index(r, e));
        else
            CHECK_ERR(repo_load_index(r, e), ERR_CORRUPT);
        repo_drop_index(r);
        object_key("index", &object, key);
        CHECK_OK(store_remove(s, key, e));
    }
}
END

TEST(a_long_index_is_written_as_several_objects)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(index_document) struct index_document d = {0};

    for (uint64_t p = 0; p < 25; p++) {
        AUTO(buf) struct buf directory = {0};
        const struct hash id = id_of(UINT64_C(1) << 40 | p);

        directory_of(p * 40000, 40000, &directory);
        index_document_add(&d, &id, CLASS_CONTENT, 1000, buf_slice(&directory));
    }
    CHECK_OK(index_document_put(r, &d, e));
    ck_assert_uint_eq(d.packs, 0);
    ck_assert_uint_eq(object_count(s, "index/"), 3);
    CHECK_OK(repo_load_index(r, e));
    ck_assert_uint_eq(index_pack_count(r->index), 25);
    ck_assert_uint_eq(index_chunk_count(r->index), 1000000);
}
END

TESTS("index object", an_index_is_loaded_with_the_states_of_its_packs,
      an_index_that_is_rewritten_while_it_is_read_is_whole,
      an_index_that_never_stands_still_is_a_passing_failure,
      a_damaged_index_object_is_named_or_left_out,
      an_index_document_with_impossible_rows_is_corrupt, a_long_index_is_written_as_several_objects)
