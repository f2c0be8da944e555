/* Large indexes, of which most stands in segments in the cache's folder. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/fuse.h"
#include "repo/index_cache.h"
#include "repo/large.h"
#include "repo/segment_format.h"
#include "support/test.h"

/* How many segments the folder has; the path of the last to *path. */
static int count_segments(const char *folder, struct scratch_path *path)
{
    const struct scratch_path at = scratch_join(folder, "segments");
    DIR *d = opendir(at.text);
    const struct dirent *entry;
    int count = 0;

    while (d != NULL && (entry = readdir(d)) != NULL)
        if (strncmp(entry->d_name, "segment-", 8) == 0) {
            count++;
            if (path != NULL)
                *path = scratch_join(at.text, entry->d_name);
        }
    if (d != NULL)
        closedir(d);
    return count;
}

/* The chunk is found as memory says, in the same pack, in every way of asking. */
static void check_same(struct index *ix, struct index *memory, const struct hash *id)
{
    bool (*const ways[])(struct index *, const struct hash *, struct place *) = {
        index_find, index_find_live, index_find_base, index_find_live_base};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct place at, other;
        const bool is_there = ways[i](ix, id, &at);

        CHECK(is_there == ways[i](memory, id, &other));
        if (!is_there)
            continue;

        const struct index_frame f = index_frame_at(ix, at.frame);
        const struct index_frame g = index_frame_at(memory, other.frame);
        const struct hash *base = index_base_of(ix, &at);
        const struct hash *same = index_base_of(memory, &other);

        CHECK(at.offset == other.offset && at.size == other.size);
        CHECK(f.offset == g.offset && f.sealed_size == g.sealed_size &&
              f.plain_size == g.plain_size && f.compression == g.compression &&
              f.base_count == g.base_count);
        CHECK(hash_is_equal(&index_pack_at(ix, f.pack)->id, &index_pack_at(memory, g.pack)->id));
        CHECK((base == NULL) == (same == NULL) && (base == NULL || hash_is_equal(base, same)));
        CHECK(index_frame_state(ix, at.frame) == index_frame_state(memory, other.frame));
    }
    CHECK(index_copies(ix, id, NULL, 0) == index_copies(memory, id, NULL, 0));
}

/* What the index says is what one says that was read from the objects alone. */
static void check_index(struct repo *r, uint64_t objects)
{
    AUTO(index) struct index *memory = NULL;
    AUTO(mem) char *folder = TAKE(r->cache_folder);
    size_t entries = 0;

    CHECK_OK(index_load(r, NULL, NULL, &memory, e));
    r->cache_folder = TAKE(folder);
    CHECK(memory->segment_count == 0);
    ck_assert_uint_eq(index_chunk_count(r->index), index_chunk_count(memory));
    ck_assert_uint_eq(index_pack_count(r->index), index_pack_count(memory));
    ck_assert_uint_eq(index_frame_count(r->index), index_frame_count(memory));
    for (uint64_t n = 0; n < (objects + 1) * OBJECT_CHUNKS; n += 7) {
        const struct hash id = id_of(n), delta = id_of(DELTAS + n);

        check_same(r->index, memory, &id);
        check_same(r->index, memory, &delta);
    }
    for (size_t i = 0; i < index_entry_room(r->index); i++) {
        uint8_t prefix[16];
        struct place at, again;
        size_t number = INDEX_NO_ENTRY;
        bool is_met = false;

        if (!index_entry_at(r->index, i, prefix, &at))
            continue;
        entries++;
        while (i % 16 == 0 && index_entry_next(r->index, prefix, &number, &again))
            is_met = is_met || number == i;
        CHECK(is_met || i % 16 != 0);
    }
    ck_assert_uint_eq(entries, index_chunk_count(memory));
    CHECK(!index_is_damaged(r->index));
}

TEST(a_filter_has_all_that_went_in_and_little_else)
{
    const size_t counts[] = {0, 1, 2, 3, 10, 100, 5000, 300000};

    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        AUTO(mem) uint64_t *numbers = mem_array(counts[c] + 1, sizeof(*numbers));
        struct fuse f;
        size_t wrong = 0;

        for (size_t i = 0; i < counts[c]; i++)
            numbers[i] = i * UINT64_C(0x9e3779b97f4a7c15) >> 3;

        AUTO(mem) uint8_t *bytes = fuse_new(numbers, counts[c], &f);

        CHECK(bytes != NULL);
        for (size_t i = 0; i < counts[c]; i++) {
            const struct fuse_slots s = fuse_slots(&f, numbers[i]);

            CHECK(s.at[2] < fuse_size(&f) && fuse_has(bytes, &s));
        }
        for (uint64_t i = 0; i < 100000; i++) {
            const struct fuse_slots s = fuse_slots(&f, UINT64_MAX - i);

            wrong += fuse_has(bytes, &s) ? 1 : 0;
        }
        CHECK(wrong < 600 || counts[c] < 100);
        CHECK(counts[c] < 5000 || fuse_size(&f) * 8 < counts[c] * 11);
    }
}
END

TEST(a_filter_of_a_number_twice_is_none)
{
    const uint64_t numbers[] = {5, 6, 5};
    struct fuse f;

    CHECK(fuse_new(numbers, 3, &f) == NULL);
}
END

TEST(a_large_index_says_the_same_from_segments)
{
    AUTO(large) struct large l = large_new(3);

    reload(l.repo);
    CHECK(count_segments(l.folder, NULL) == 1 && l.repo->index->segment_count == 1);
    check_index(l.repo, 3);
    put_object(l.repo, 3 * OBJECT_CHUNKS, 4 * PACK_CHUNKS);
    reload(l.repo);
    CHECK(l.repo->index->segment_count == 1 &&
          l.repo->index->used == 4 * PACK_CHUNKS + DELTA_CHUNKS);
    check_index(l.repo, 4);
}
END

TEST(ids_that_crowd_together_are_found_as_well)
{
    ids_are_crowded = true;
    AUTO(large) struct large l = large_new(1);

    reload(l.repo);
    CHECK(count_segments(l.folder, NULL) == 1);
    check_index(l.repo, 1);
}
END

TEST(a_small_index_makes_no_file)
{
    AUTO(large) struct large l = large_new(0);

    put_object(l.repo, 0, OBJECT_CHUNKS / 2);
    reload(l.repo);
    CHECK(count_segments(l.folder, NULL) == 0);
    CHECK(access(scratch_join(l.folder, "segments").text, F_OK) < 0);
}
END

TEST(segments_of_like_size_become_one)
{
    AUTO(large) struct large l = large_new(1);

    for (uint64_t i = 1; i < 6; i++) {
        reload(l.repo);
        put_object(l.repo, i * OBJECT_CHUNKS, OBJECT_CHUNKS);
        CHECK(count_segments(l.folder, NULL) <= 2);
    }
    reload(l.repo);
    reload(l.repo);
    CHECK(count_segments(l.folder, NULL) <= 2 && l.repo->index->used == 0);
    check_index(l.repo, 6);
}
END

/* Those that are there, once and in two packs, in segments and in memory, and those that are not.
 */
TEST(chunks_that_are_located_together_are_where_one_by_one_they_are)
{
    enum { COUNT = 30000 };
    AUTO(large) struct large l = large_new(2);
    AUTO(mem) struct hash *ids = mem_array(COUNT, sizeof(*ids));
    AUTO(mem) struct index_spot *spots = mem_array(COUNT, sizeof(*spots));
    size_t kinds[3] = {0};

    put_copies(l.repo, COPIES, 10, 1000);
    reload(l.repo);
    put_copies(l.repo, COPIES + 1, 500, 1000);
    put_object(l.repo, 2 * OBJECT_CHUNKS, PACK_CHUNKS);
    reload(l.repo);
    CHECK(l.repo->index->segment_count > 0 && l.repo->index->used > 0);
    for (uint64_t i = 0; i < COUNT; i++)
        ids[i] = id_of(i % 8 == 0 ? i % 1600 : i * 17 % (4 * OBJECT_CHUNKS));
    CHECK_OK(index_locate(l.repo->index, ids, COUNT, spots, e));
    for (size_t i = 0; i < COUNT; i++) {
        size_t number = INDEX_NO_ENTRY, copies = 0;
        struct place at;
        bool is_met = false;

        for (; index_entry_next(l.repo->index, ids[i].bytes, &number, &at); copies++)
            is_met = is_met || (number == spots[i].entry && at.frame == spots[i].frame);
        CHECK(is_met == (copies > 0) && spots[i].is_only == (copies == 1));
        CHECK(copies > 0 || spots[i].entry == INDEX_NO_ENTRY);
        kinds[copies < 2 ? copies : 2]++;
    }
    CHECK(kinds[0] > 100 && kinds[1] > 100 && kinds[2] > 100);
}
END

TEST(claims_beside_segments_are_pending_once)
{
    AUTO(large) struct large l = large_new(1);
    const struct hash known = id_of(5), fresh = id_of(OBJECT_CHUNKS * 9);
    struct place at;

    reload(l.repo);
    CHECK(index_find_or_claim(l.repo->index, &known, 1, &at) && at.frame != INDEX_PENDING);
    CHECK(!index_find_or_claim(l.repo->index, &fresh, 1, &at));
    CHECK(index_find_or_claim(l.repo->index, &fresh, 1, &at) && at.frame == INDEX_PENDING);
    CHECK(!index_find(l.repo->index, &fresh, &at));
    CHECK(index_copies(l.repo->index, &fresh, NULL, 0) == 0);
}
END

TEST(a_delta_in_a_segment_is_as_live_as_its_bases)
{
    AUTO(large) struct large l = large_new(1);
    const struct hash delta = id_of(DELTAS), pack = pack_id(0);
    struct place at;
    char key[PACK_KEY_MAX];
    uint32_t number;

    reload(l.repo);
    CHECK(index_find_live(l.repo->index, &delta, &at));
    CHECK(index_has_pack(l.repo->index, &pack, &number));
    index_distrust_pack(l.repo->index, number);
    CHECK(!index_find_live(l.repo->index, &delta, &at) && index_find(l.repo->index, &delta, &at));
    CHECK(!index_has_lost_bases(l.repo->index, at.frame));
    pack_key(&pack, key);
    CHECK_OK(store_remove(l.store, key, e));
    reload(l.repo);
    CHECK(l.repo->index->segment_count == 1);
    CHECK(index_find(l.repo->index, &delta, &at) && index_has_lost_bases(l.repo->index, at.frame));
    check_index(l.repo, 1);
}
END

/* The key of the n-th index object. */
static void nth_object(struct repo *r, size_t n, char key[OBJECT_KEY_MAX])
{
    AUTO(key_list) struct key_list keys = {0};

    CHECK_OK(key_list_read(r, "index/", &keys, e));
    CHECK(n < keys.count);
    (void)snprintf(key, OBJECT_KEY_MAX, "%s", keys.items[n]);
}

TEST(what_only_a_removed_index_object_named_is_gone)
{
    AUTO(large) struct large l = large_new(3);
    char key[OBJECT_KEY_MAX];

    reload(l.repo);
    for (size_t left = 3; left-- > 0;) {
        nth_object(l.repo, left / 2, key);
        CHECK_OK(store_remove(l.store, key, e));
        reload(l.repo);
        ck_assert_uint_eq(index_chunk_count(l.repo->index), left * (OBJECT_CHUNKS + DELTA_CHUNKS));
        CHECK(count_segments(l.folder, NULL) == (left > 0 ? 1 : 0));
        check_index(l.repo, 3);
    }
}
END

TEST(packs_that_two_index_objects_name_stay_with_either)
{
    for (size_t gone = 0; gone < 2; gone++) {
        AUTO(large) struct large l = large_new(1);
        char key[OBJECT_KEY_MAX];

        /* Half of its packs are those of the first. */
        put_object(l.repo, OBJECT_CHUNKS / 2, OBJECT_CHUNKS);
        reload(l.repo);
        ck_assert_uint_eq(index_chunk_count(l.repo->index),
                          OBJECT_CHUNKS / 2 * 3 + 2 * DELTA_CHUNKS);
        nth_object(l.repo, gone, key);
        CHECK_OK(store_remove(l.store, key, e));
        reload(l.repo);
        ck_assert_uint_eq(index_chunk_count(l.repo->index), OBJECT_CHUNKS + DELTA_CHUNKS);
        check_index(l.repo, 2);
    }
}
END

/* Change a byte of a file. */
static void flip(const char *path, size_t at)
{
    AUTO(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    size_t got;

    CHECK_OK(fd_read_at(fd, at, &byte, 1, &got, e));
    byte ^= 1;
    CHECK_OK(fd_write_at(fd, at, SLICE_OF(&byte, 1), e));
}

/* Nothing wrong is found: a chunk is where it is, or it is not found and the index says why. */
static void check_honest(struct index *ix)
{
    for (uint64_t n = 0; n < OBJECT_CHUNKS + PACK_CHUNKS; n += 97) {
        const struct hash id = id_of(n);
        struct place at;

        if (!index_find(ix, &id, &at)) {
            CHECK(n >= OBJECT_CHUNKS || index_is_damaged(ix));
            continue;
        }

        const struct hash pack = pack_id(n / PACK_CHUNKS * PACK_CHUNKS);
        const struct index_frame f = index_frame_at(ix, at.frame);

        CHECK(n < OBJECT_CHUNKS && at.offset == n % 1000 * CHUNK_SIZE);
        CHECK(hash_is_equal(&index_pack_at(ix, f.pack)->id, &pack));
    }
}

TEST(a_damaged_byte_anywhere_is_found_before_it_misleads)
{
    AUTO(large) struct large l = large_new(1);
    AUTO(buf) struct buf whole = {0};
    struct scratch_path path;
    int kept = 0;

    reload(l.repo);
    CHECK(count_segments(l.folder, &path) == 1);
    CHECK_OK(file_read(path.text, 1 << 30, &whole, e));
    int number = 0;

    for (size_t at = 0; at < whole.size;
         at += at < sizeof(struct segment_head) ? 29 : 4 * 16411 + 1) {
        AUTO(index) struct index *ix = NULL;

        if (at >= sizeof(struct segment_head) && at < SEGMENT_HEAD_SIZE)
            at = SEGMENT_HEAD_SIZE;
        if (number++ % test_every() != test_first())
            continue;
        flip(path.text, at);
        if (at % 2 == 0) { /* who looks at everything first */
            CHECK_OK(index_load(l.repo, NULL, NULL, &ix, e));
            CHECK(index_is_sound(ix) && index_chunk_count(ix) == OBJECT_CHUNKS + DELTA_CHUNKS);
            check_honest(ix);
            CHECK(!index_is_damaged(ix));
        } else {
            reload(l.repo);
            check_honest(l.repo->index);
            if (!index_is_sound(l.repo->index))
                kept++;
            repo_drop_index(l.repo);
            reload(l.repo);
            CHECK(index_is_sound(l.repo->index));
        }
        /* It was made anew, the same. */
        CHECK(count_segments(l.folder, &path) == 1);
    }
    CHECK(kept > 5 || test_every() > 1);
}
END

/* What was compared is not compared again: damage that comes later is not seen. */
TEST(who_looks_at_everything_first_has_looked_at_what_was_just_written_too)
{
    AUTO(large) struct large l = large_new(1);
    AUTO(index) struct index *ix = NULL;
    struct scratch_path path;
    struct stat st;

    CHECK_OK(index_load(l.repo, NULL, NULL, &ix, e));
    CHECK(ix->segment_count == 1 && count_segments(l.folder, &path) == 1);
    CHECK(stat(path.text, &st) == 0);
    flip(path.text, (size_t)st.st_size / 2);
    CHECK(index_is_sound(ix));
}
END

TEST(a_segment_that_was_cut_short_is_made_anew)
{
    AUTO(large) struct large l = large_new(1);
    struct scratch_path path;
    struct stat st;

    reload(l.repo);
    for (int i = 0; i < 5; i++) {
        repo_drop_index(l.repo);
        CHECK(count_segments(l.folder, &path) == 1 && stat(path.text, &st) == 0);
        CHECK(truncate(path.text, i == 0 ? 0 : st.st_size / 5 * i) == 0);
        reload(l.repo);
        CHECK(l.repo->index->segment_count == 1);
        check_honest(l.repo->index);
    }
}
END

TEST(a_segment_of_another_repository_is_not_used)
{
    AUTO(large) struct large l = large_new(1);
    AUTO(large) struct large other = large_new(1);

    reload(l.repo);
    repo_keep_in(other.repo, l.folder, true);
    put_object(other.repo, 5 * OBJECT_CHUNKS, OBJECT_CHUNKS);
    reload(other.repo);
    check_index(other.repo, 6);
    reload(l.repo);
    check_index(l.repo, 1);
}
END

TEST(without_room_for_a_segment_the_index_is_in_memory)
{
    AUTO(large) struct large l = large_new(1);
    const rlim_t sizes[] = {0, 4096, 100000, 1000000, 3000000};

    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct rlimit was, limit;

        CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
        limit = (struct rlimit){sizes[i], was.rlim_max};
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        reload(l.repo);
        CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
        CHECK(l.repo->index->segment_count == 0 && count_segments(l.folder, NULL) == 0);
        check_honest(l.repo->index);
    }
    reload(l.repo);
    CHECK(l.repo->index->segment_count == 1);
}
END

TEST(a_folder_that_cannot_be_written_is_done_without)
{
    AUTO(large) struct large l = large_new(1);
    const struct scratch_path file = scratch_join(l.folder, "file");

    scratch_write(file.text, "no folder");
    repo_keep_in(l.repo, file.text, true);
    reload(l.repo);
    CHECK(l.repo->index->segment_count == 0);
    check_honest(l.repo->index);
}
END

/* Load the index in another process. */
static pid_t load_beside(struct large *l)
{
    const pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        struct err ignored;

        repo_drop_index(l->repo);
        _exit(repo_load_index(l->repo, &ignored) &&
                      index_chunk_count(l->repo->index) == OBJECT_CHUNKS + DELTA_CHUNKS
                  ? 0
                  : 1);
    }
    return child;
}

TEST(a_process_that_is_killed_while_it_builds_leaves_nothing_wrong)
{
    AUTO(large) struct large l = large_new(1);
    int killed = 0;

    for (int i = 0; i < 25; i++) {
        const pid_t child = load_beside(&l);
        struct scratch_path path;
        int status;

        usleep((useconds_t)i * 4000);
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
        killed += WIFSIGNALED(status) ? 1 : 0;
        CHECK(count_segments(l.folder, &path) <= 1);
        reload(l.repo);
        CHECK(index_is_sound(l.repo->index));
        check_honest(l.repo->index);
        repo_drop_index(l.repo);
        CHECK(count_segments(l.folder, &path) == 1 && unlink(path.text) == 0);
    }
    CHECK(killed > 5);
}
END

TEST(processes_that_build_at_once_end_up_with_one_segment)
{
    AUTO(large) struct large l = large_new(1);

    for (int i = 0; i < 5; i++) {
        const pid_t children[] = {load_beside(&l), load_beside(&l), load_beside(&l)};
        struct scratch_path path;
        int status;

        for (size_t n = 0; n < 3; n++)
            CHECK(waitpid(children[n], &status, 0) == children[n] && status == 0);
        reload(l.repo);
        CHECK(count_segments(l.folder, &path) == 1 && l.repo->index->segment_count == 1);
        check_honest(l.repo->index);
        repo_drop_index(l.repo);
        CHECK(unlink(path.text) == 0);
    }
}
END

TESTS("index cache", a_filter_has_all_that_went_in_and_little_else,
      a_filter_of_a_number_twice_is_none, a_large_index_says_the_same_from_segments,
      ids_that_crowd_together_are_found_as_well, a_small_index_makes_no_file,
      segments_of_like_size_become_one,
      chunks_that_are_located_together_are_where_one_by_one_they_are,
      claims_beside_segments_are_pending_once, a_delta_in_a_segment_is_as_live_as_its_bases,
      what_only_a_removed_index_object_named_is_gone,
      packs_that_two_index_objects_name_stay_with_either,
      a_damaged_byte_anywhere_is_found_before_it_misleads,
      who_looks_at_everything_first_has_looked_at_what_was_just_written_too,
      a_segment_that_was_cut_short_is_made_anew, a_segment_of_another_repository_is_not_used,
      without_room_for_a_segment_the_index_is_in_memory,
      a_folder_that_cannot_be_written_is_done_without,
      a_process_that_is_killed_while_it_builds_leaves_nothing_wrong,
      processes_that_build_at_once_end_up_with_one_segment)
