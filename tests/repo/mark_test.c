/* What snapshots need of a large index.  Trees are real; content is in the index only. */
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "repo/bits.h"
#include "repo/condemned_list.h"
#include "repo/index_parts.h"
#include "repo/large.h"
#include "repo/mark.h"
#include "support/test.h"

#define OBJECTS ((uint64_t)2)
#define CHUNKS  (OBJECTS * OBJECT_CHUNKS)
#define IN_FILE 100

/* Put a tree with a file for every so many of these chunks; every fourth file has lists. */
static struct hash put_tree(struct repo *r, const uint64_t *numbers, size_t count)
{
    const struct writer_options o = {.level = 1, .workers = 1};
    AUTO(writer) struct writer *w = NULL;
    AUTO(buf) struct buf page = {0};
    struct writer_stats stats;
    uint32_t files = 0;
    struct hash root;

    repo_drop_index(r);
    CHECK_OK(writer_open(r, &o, &w, e));
    page_begin(&page, PAGE_ENTRIES);
    for (size_t at = 0; at < count; at += IN_FILE, files++) {
        const size_t room = count - at < IN_FILE ? count - at : IN_FILE;
        AUTO(buf) struct buf ids = {0};
        char name[16];
        struct hash list;
        struct entry en = {.type = ENTRY_FILE, .mode = 0644, .links = 1, .cut = CUT_GENERAL};

        for (size_t i = 0; i < room; i++) {
            const struct hash id = id_of(numbers[at + i]);

            buf_append(&ids, id.bytes, HASH_SIZE);
        }
        (void)snprintf(name, sizeof(name), "%08zu", at);
        en.name = slice_string(name);
        en.size = room * CHUNK_SIZE;
        en.content = buf_slice(&ids);
        if (files % 4 == 0) {
            CHECK_OK(writer_put_tree(w, CHUNK_LIST, buf_slice(&ids), NULL, &list, e));
            en.flags = ENTRY_INDIRECT;
            en.content = SLICE_OF(list.bytes, HASH_SIZE);
        }
        entry_encode(&en, &page);
    }
    page_finish(&page, files);
    CHECK_OK(writer_put_tree(w, CHUNK_TREE, buf_slice(&page), NULL, &root, e));
    CHECK_OK(writer_finish(w, &stats, e));
    return root;
}

/* So many chunks from all over the index, some of them more than once. */
static uint64_t *some_chunks(size_t count, uint64_t seed)
{
    uint64_t *numbers = mem_array(count, sizeof(*numbers));

    for (size_t i = 0; i < count; i++) {
        const struct hash id = id_of(seed + i);
        uint64_t random;

        memcpy(&random, id.bytes, sizeof(random));
        numbers[i] = random % CHUNKS;
    }
    return numbers;
}

/* With the index in segments, or in memory. */
static void load(struct large *l, bool in_segments)
{
    repo_drop_index(l->repo);
    repo_keep_in(l->repo, l->folder, in_segments);
    CHECK_OK(repo_load_index(l->repo, e));
    CHECK((l->repo->index->segment_count > 0) == in_segments);
}

static bool refuse(void *arg, enum mark_fault kind, const struct hash *chunk, struct err *why)
{
    (void)arg, (void)kind, (void)chunk, (void)why;
    return false;
}

/* Which copies of a chunk are marked: how many, and the pack of the last. */
static size_t marked_copies(const struct index *ix, const struct marks *m, uint64_t n,
                            struct hash *pack)
{
    const struct hash id = id_of(n);
    size_t number = INDEX_NO_ENTRY, count = 0;
    struct place at;

    while (index_entry_next(ix, id.bytes, &number, &at))
        if (marks_has(m, number)) {
            *pack = index_pack_at(ix, index_frame_at(ix, at.frame).pack)->id;
            count++;
        }
    return count;
}

/* Of content exactly these chunks are marked, once each; and so are so many trees and lists. */
static void check_marked(const struct index *ix, const struct marks *m, const uint64_t *wanted,
                         size_t nodes)
{
    size_t count = 0;
    struct hash pack;

    for (uint64_t n = 0; n < CHUNKS; n++) {
        const size_t copies = bits_have(wanted, n) ? 1 : 0;

        ck_assert_uint_eq(marked_copies(ix, m, n, &pack), copies);
        count += copies;
    }
    ck_assert_uint_eq(marks_count(m), count + nodes);
}

static size_t lists_of(size_t count)
{
    return ((count + IN_FILE - 1) / IN_FILE + 3) / 4;
}

TEST(what_snapshots_need_is_marked_and_nothing_else_however_much_waits)
{
    static const size_t counts[] = {1, 5000, 70000, 30};
    AUTO(large) struct large l = large_new(OBJECTS);
    struct hash roots[4];

    for (size_t i = 0; i < 4; i++) {
        AUTO(mem) uint64_t *numbers = some_chunks(counts[i], i << 32);

        roots[i] = put_tree(l.repo, numbers, counts[i]);
    }
    for (int in_segments = 0; in_segments < 2; in_segments++) {
        AUTO(mem) uint64_t *wanted = bits_new(CHUNKS);
        size_t nodes = 0;

        load(&l, in_segments != 0);

        AUTO(marks) struct marks *m = marks_new(l.repo);

        for (size_t i = 0; i < 4; i++) {
            AUTO(mem) uint64_t *numbers = some_chunks(counts[i], i << 32);

            CHECK_OK(marks_add(m, &roots[i], refuse, NULL, e));
            for (size_t n = 0; n < counts[i]; n++)
                bits_add(wanted, numbers[n]);
            nodes += 1 + lists_of(counts[i]);
            check_marked(l.repo->index, m, wanted, nodes);
        }
        CHECK_OK(marks_add(m, &roots[2], refuse, NULL, e));
        check_marked(l.repo->index, m, wanted, nodes);
    }
}
END

TEST(the_bases_of_what_waits_are_marked_with_it)
{
    AUTO(large) struct large l = large_new(OBJECTS);
    const uint64_t numbers[] = {7, DELTAS + OBJECT_CHUNKS + 3, 9};
    const struct hash root = put_tree(l.repo, numbers, 3);

    for (int in_segments = 0; in_segments < 2; in_segments++) {
        AUTO(mem) uint64_t *wanted = bits_new(CHUNKS);
        struct hash pack;

        load(&l, in_segments != 0);

        AUTO(marks) struct marks *m = marks_new(l.repo);

        CHECK_OK(marks_add(m, &root, refuse, NULL, e));
        bits_add(wanted, 7);
        bits_add(wanted, 9);
        for (uint64_t n = 0; n < DELTA_CHUNKS; n++)
            bits_add(wanted, OBJECT_CHUNKS + n);
        ck_assert_uint_eq(marked_copies(l.repo->index, m, numbers[1], &pack), 1);
        check_marked(l.repo->index, m, wanted, 3);
    }
}
END

/* Let a list condemn this pack. */
static void condemn(struct repo *r, struct hash *pack)
{
    const struct condemned_list list = {.packs = pack, .pack_count = 1};
    AUTO(mem) char *key = NULL;

    CHECK_OK(condemned_list_put(r, &list, &key, e));
}

/* The second and the third pack have chunks 0 .. 9 too; the last two have 10 .. 19 too. */
TEST(of_several_copies_the_best_one_is_marked_wherever_they_stand)
{
    AUTO(large) struct large l = large_new(OBJECTS);
    const uint64_t numbers[] = {0, 5, 15, 25};
    struct hash condemned = pack_id(0), marked;
    const struct hash root = put_tree(l.repo, numbers, 4), live = pack_id(COPIES + 1);

    load(&l, true);
    put_copies(l.repo, COPIES, 0, 10); /* its pack is not there */
    put_copies(l.repo, COPIES + 1, 0, 10);
    put_copies(l.repo, COPIES + 2, 10, 10);
    put_pack(l.store, COPIES + 1);
    condemn(l.repo, &condemned);
    for (int in_segments = 0; in_segments < 2; in_segments++) {
        load(&l, in_segments != 0);

        AUTO(marks) struct marks *m = marks_new(l.repo);

        CHECK_OK(marks_add(m, &root, refuse, NULL, e));
        for (size_t i = 0; i < 4; i++) {
            const struct hash *wanted = numbers[i] < 10 ? &live : &condemned;

            ck_assert_uint_eq(marked_copies(l.repo->index, m, numbers[i], &marked), 1);
            CHECK(hash_is_equal(&marked, wanted));
        }
        ck_assert_uint_eq(marks_count(m), 4 + 2);
    }
}
END

/* What was told. */
struct told {
    size_t missing, unreadable;
    struct hash last;
};

static bool note(void *arg, enum mark_fault kind, const struct hash *chunk, struct err *why)
{
    struct told *t = arg;

    CHECK(why->code == ERR_CORRUPT);
    t->missing += kind == MARK_MISSING ? 1 : 0;
    t->unreadable += kind == MARK_UNREADABLE ? 1 : 0;
    t->last = *chunk;
    return true;
}

static void remove_pack(struct large *l, uint64_t n)
{
    const struct hash id = pack_id(n);
    char key[PACK_KEY_MAX];

    pack_key(&id, key);
    CHECK_OK(store_remove(l->store, key, e));
}

TEST(a_missing_chunk_is_told_to_the_snapshot_that_needs_it)
{
    AUTO(large) struct large l = large_new(OBJECTS);
    const uint64_t first[] = {1, PACK_CHUNKS + 1, CHUNKS + 1}, second[] = {2, 3, 4};
    const struct hash damaged = put_tree(l.repo, first, 3), whole = put_tree(l.repo, second, 3);
    const struct hash nowhere = id_of(CHUNKS + 1);

    remove_pack(&l, PACK_CHUNKS);
    for (int in_segments = 0; in_segments < 2; in_segments++) {
        struct told told = {0};

        load(&l, in_segments != 0);

        AUTO(marks) struct marks *m = marks_new(l.repo);

        CHECK_OK(marks_add(m, &whole, note, &told, e));
        CHECK(told.missing == 0);
        CHECK_OK(marks_add(m, &damaged, note, &told, e));
        CHECK(told.missing == 2 && told.unreadable == 0 && hash_is_equal(&told.last, &nowhere));
        ck_assert_uint_eq(marks_count(m), 4 + 4);

        AUTO(marks) struct marks *other = marks_new(l.repo);

        CHECK_ERR(marks_add(other, &damaged, refuse, NULL, e), ERR_CORRUPT);
    }
}
END

TEST(a_missing_base_is_told_as_often_as_there_are_frames_that_need_it)
{
    AUTO(large) struct large l = large_new(OBJECTS);
    const uint64_t numbers[] = {DELTAS, DELTAS + 1, DELTAS + 2};
    const struct hash root = put_tree(l.repo, numbers, 3);
    struct told told = {0};

    remove_pack(&l, 0);
    load(&l, true);

    AUTO(marks) struct marks *m = marks_new(l.repo);

    CHECK_OK(marks_add(m, &root, note, &told, e));
    ck_assert_uint_eq(told.missing, DELTA_CHUNKS);
    ck_assert_uint_eq(marks_count(m), 3 + 2);
}
END

/* A file that says that a tree is its content. */
TEST(a_chunk_of_another_type_is_told_and_not_marked)
{
    const struct writer_options o = {.level = 1, .workers = 1};
    AUTO(large) struct large l = large_new(1);
    AUTO(buf) struct buf page = {0};
    struct told told = {0};
    struct writer_stats stats;
    struct hash inner, root;
    struct entry en = {.type = ENTRY_FILE, .name = slice_string("a"), .cut = CUT_GENERAL};

    repo_drop_index(l.repo);
    AUTO(writer) struct writer *w = NULL;

    CHECK_OK(writer_open(l.repo, &o, &w, e));
    page_begin(&page, PAGE_ENTRIES);
    page_finish(&page, 0);
    CHECK_OK(writer_put_tree(w, CHUNK_TREE, buf_slice(&page), NULL, &inner, e));
    page_begin(&page, PAGE_ENTRIES);
    en.content = SLICE_OF(inner.bytes, HASH_SIZE);
    en.size = 8;
    entry_encode(&en, &page);
    page_finish(&page, 1);
    CHECK_OK(writer_put_tree(w, CHUNK_TREE, buf_slice(&page), NULL, &root, e));
    CHECK_OK(writer_finish(w, &stats, e));
    load(&l, true);

    AUTO(marks) struct marks *m = marks_new(l.repo);

    CHECK_OK(marks_add(m, &root, note, &told, e));
    CHECK(told.unreadable == 1 && told.missing == 0 && hash_is_equal(&told.last, &inner));
    ck_assert_uint_eq(marks_count(m), 1);
}
END

TEST(marking_ends_when_it_is_cancelled_while_chunks_are_looked_up)
{
    AUTO(large) struct large l = large_new(OBJECTS);
    AUTO(mem) struct hash *ids = mem_array(10, sizeof(*ids));
    struct index_spot spots[10];

    load(&l, true);
    cancel_request();
    CHECK_ERR(index_locate(l.repo->index, ids, 10, spots, e), ERR_CANCELLED);
}
END

TESTS("mark", what_snapshots_need_is_marked_and_nothing_else_however_much_waits,
      the_bases_of_what_waits_are_marked_with_it,
      of_several_copies_the_best_one_is_marked_wherever_they_stand,
      a_missing_chunk_is_told_to_the_snapshot_that_needs_it,
      a_missing_base_is_told_as_often_as_there_are_frames_that_need_it,
      a_chunk_of_another_type_is_told_and_not_marked,
      marking_ends_when_it_is_cancelled_while_chunks_are_looked_up)
