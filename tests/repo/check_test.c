/* What check finds of objects that are damaged, missing, or in the wrong place. */
#include <string.h>

#include "base/mem.h"
#include "repo/pack.h"
#include "support/test.h"
#include "told.h"

/* The check of a world with one changed object tells of it, and of none beside. */
static void check_finds(struct world *w, const char *key, size_t at)
{
    AUTO(told) struct told t = {0};

    check(w->repo, &t);
    ck_assert_msg(has_told(&t, "damaged", key, NULL), "%s at %zu: not found, but %s", key, at,
                  t.count == 0 ? "nothing" : t.lines[0]);
    ck_assert_msg(count_told(&t, "damaged") == 1, "%s at %zu: found more", key, at);
}

TEST(check_finds_nothing_in_a_sound_repository)
{
    AUTO(world) struct world w = small_new();
    AUTO(told) struct told t = {0};

    check(w.repo, &t);
    CHECK(t.count == 0);
    CHECK(t.stats.snapshots == 2 && t.stats.packs == world_count(w.store, "packs/"));
    CHECK(t.stats.packs_read == t.stats.packs && t.stats.bytes_read > 0);
    CHECK(t.stats.trees == 4 && t.stats.chunks == 9);
    CHECK(!t.stats.suggest_prune && !t.stats.suggest_repair_index);
}
END

/* Bytes of a key slot that show without its secret: magic to slot id. */
#define SLOT_PROVED 48

/* Every byte of the small parts, and of frames one here and there. */
static bool is_worth_a_flip(const char *key, size_t at, size_t size)
{
    if (strncmp(key, "keys/", 5) == 0)
        return at < SLOT_PROVED;
    return at < SEAL_HEADER_SIZE || size - at <= PACK_TRAILER_SIZE || at % 11 == 0;
}

TEST(check_finds_a_flipped_bit_in_every_part_of_every_object)
{
    AUTO(world) struct world w = small_new();
    const size_t count = world_count(w.store, "");
    int turn = test_first();

    for (size_t i = 0; i < count; i++) {
        AUTO(mem) char *key = world_key(w.store, "", i);
        AUTO(buf) struct buf bytes = {0};

        world_get(w.store, key, &bytes);
        for (size_t at = 0; at < bytes.size; at++) {
            if (!is_worth_a_flip(key, at, bytes.size) || turn++ % test_every() != 0)
                continue;
            bytes.data[at] ^= 1;
            world_replace(w.store, key, buf_slice(&bytes));
            check_finds(&w, key, at);
            bytes.data[at] ^= 1;
        }
        world_replace(w.store, key, buf_slice(&bytes));
    }
    check_sound(w.repo);
}
END

TEST(check_finds_objects_that_were_cut_off_or_lengthened)
{
    AUTO(world) struct world w = small_new();
    const size_t count = world_count(w.store, "");

    for (size_t i = 0; i < count; i++) {
        AUTO(mem) char *key = world_key(w.store, "", i);
        AUTO(buf) struct buf bytes = {0};

        world_get(w.store, key, &bytes);

        const size_t size = bytes.size;
        const size_t sizes[] = {0,        1,       SEAL_HEADER_SIZE - 1, SEAL_HEADER_SIZE, size / 2,
                                size - 1, size + 1};

        buf_append(&bytes, "x", 1);
        for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
            if (sizes[n] == size)
                continue;
            world_replace(w.store, key, SLICE_OF(bytes.data, sizes[n]));
            check_finds(&w, key, sizes[n]);
        }
        world_replace(w.store, key, SLICE_OF(bytes.data, size));
    }
    check_sound(w.repo);
}
END

TEST(check_finds_objects_that_were_swapped)
{
    static const char *const folders[] = {"packs/", "index/", "snapshots/", "commits/"};
    AUTO(world) struct world w = small_new();

    for (size_t i = 0; i < 4; i++) {
        AUTO(mem) char *one = world_key(w.store, folders[i], 0);
        AUTO(mem) char *two = world_key(w.store, folders[i], 1);
        AUTO(buf) struct buf one_bytes = {0};
        AUTO(buf) struct buf two_bytes = {0};
        AUTO(told) struct told t = {0};

        world_get(w.store, one, &one_bytes);
        world_get(w.store, two, &two_bytes);
        world_replace(w.store, one, buf_slice(&two_bytes));
        world_replace(w.store, two, buf_slice(&one_bytes));
        check(w.repo, &t);
        CHECK(has_told(&t, "damaged", one, NULL) && has_told(&t, "damaged", two, NULL));
        CHECK(count_told(&t, "damaged") == 2);
        world_replace(w.store, one, buf_slice(&one_bytes));
        world_replace(w.store, two, buf_slice(&two_bytes));
    }
    check_sound(w.repo);
}
END

TEST(check_finds_objects_from_another_repository)
{
    static const char *const folders[] = {"packs/",   "index/", "snapshots/",
                                          "commits/", "trash/", "keys/"};
    AUTO(world) struct world w = small_new();
    AUTO(world) struct world other = small_new();

    for (size_t i = 0; i < 6; i++) {
        AUTO(mem) char *key = world_key(w.store, folders[i], 0);
        AUTO(mem) char *foreign = world_key(other.store, folders[i], 0);
        AUTO(buf) struct buf bytes = {0};
        AUTO(buf) struct buf foreign_bytes = {0};
        AUTO(told) struct told t = {0};

        world_get(w.store, key, &bytes);
        world_get(other.store, foreign, &foreign_bytes);
        world_replace(w.store, key, buf_slice(&foreign_bytes));
        check_finds(&w, key, 0);
        world_replace(w.store, key, buf_slice(&bytes));

        /* Under its own name.  A commit says besides that a snapshot is missing. */
        world_replace(w.store, foreign, buf_slice(&foreign_bytes));
        check(w.repo, &t);
        CHECK(has_told(&t, "damaged", foreign, NULL));
        CHECK_OK(store_remove(w.store, foreign, e));
    }
    check_sound(w.repo);
}
END

TEST(check_finds_missing_packs_snapshots_and_config)
{
    static const char *const folders[] = {"packs/", "snapshots/", "config"};
    AUTO(world) struct world w = small_new();

    for (size_t i = 0; i < 3; i++) {
        const size_t count = world_count(w.store, folders[i]);

        for (size_t n = 0; n < count; n++) {
            AUTO(mem) char *key = world_key(w.store, folders[i], n);
            AUTO(buf) struct buf bytes = {0};
            char text[65];

            snapshot_id_text(&w.third, text);
            if (strstr(key, text) != NULL)
                continue;
            world_get(w.store, key, &bytes);
            CHECK_OK(store_remove(w.store, key, e));
            check_finds(&w, key, 0);
            world_replace(w.store, key, buf_slice(&bytes));
        }
    }
    check_sound(w.repo);
}
END

TEST(check_suggests_a_repair_when_the_index_is_damaged_or_missing)
{
    AUTO(world) struct world w = small_new();
    AUTO(mem) char *key = world_key(w.store, "index/", 0);
    AUTO(buf) struct buf bytes = {0};

    for (int i = 0; i < 2; i++) {
        AUTO(told) struct told t = {0};

        world_get(w.store, key, &bytes);
        if (i == 0) {
            bytes.data[200] ^= 1;
            world_replace(w.store, key, buf_slice(&bytes));
        } else {
            CHECK_OK(store_remove(w.store, key, e));
        }
        check(w.repo, &t);
        CHECK(t.count == 1 && has_told(&t, "damaged", i == 0 ? key : "index", NULL));
        CHECK(t.stats.suggest_repair_index && t.stats.affected_files == 0);
    }
}
END

TESTS("check", check_finds_nothing_in_a_sound_repository,
      check_finds_a_flipped_bit_in_every_part_of_every_object,
      check_finds_objects_that_were_cut_off_or_lengthened, check_finds_objects_that_were_swapped,
      check_finds_objects_from_another_repository, check_finds_missing_packs_snapshots_and_config,
      check_suggests_a_repair_when_the_index_is_damaged_or_missing)
