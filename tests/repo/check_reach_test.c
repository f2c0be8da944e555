/* What check says of damage: the files that it reaches, and what is no damage. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "meddle.h"
#include "repo/pack.h"
#include "repo/prune.h"
#include "support/test.h"
#include "told.h"

#define DAY_NS (24 * 60 * 60 * NS_PER_S)

/* Large ones: a frame and a pack for each file. */
static const struct plant large_plants[] = {
    {"a/one", 1, PACKFUL, false},
    {"a/tw\x01o", 2, PACKFUL, true},
    {"b/c/three", 3, PACKFUL, false},
    {"empty", 4, 0, false},
};
static const struct planting large = {large_plants, 4, PACK_SIZE, 2};

/* A frame for each file, all in one pack. */
static const struct plant many_plants[] = {
    {"0", 10, PACKFUL, false}, {"1", 11, PACKFUL, false}, {"2", 12, PACKFUL, false},
    {"3", 13, PACKFUL, false}, {"4", 14, PACKFUL, false}, {"5", 15, PACKFUL, false},
    {"6", 16, PACKFUL, false}, {"7", 17, PACKFUL, false}, {"8", 18, PACKFUL, false},
    {"9", 19, PACKFUL, false},
};
#define MANY (sizeof(many_plants) / sizeof(many_plants[0]))
static const struct planting many = {many_plants, MANY, 0, 0};

/* The frame that holds the content of a plant. */
static struct index_frame frame_of(struct world *w, const struct plant *p)
{
    AUTO(reader) struct reader *rd = NULL;
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf ids = {0};
    struct entry en;
    struct hash id;
    struct place at;

    CHECK_OK(repo_load_index(w->repo, e));
    rd = reader_new(w->repo);
    CHECK_OK(snapshot_load(w->repo, &w->snapshot, &s, e));
    CHECK_OK(tree_find(rd, &s->tree, p->path, &keep, &en, e));
    CHECK_OK(reader_content(rd, &en, &ids, e));
    memcpy(id.bytes, ids.data, HASH_SIZE);
    CHECK(index_find(w->repo->index, &id, &at));
    return index_frame_at(w->repo->index, at.frame);
}

/* The key of the pack that holds the content of a plant. */
static char *pack_of(struct world *w, const struct plant *p)
{
    const uint32_t pack = frame_of(w, p).pack;
    char key[PACK_KEY_MAX];

    pack_key(&index_pack_at(w->repo->index, pack)->id, key);
    return mem_string(key);
}

static void check_affects(struct world *w, const struct check_options *o, const char *path)
{
    AUTO(told) struct told t = {0};
    char id[65];

    snapshot_id_text(&w->snapshot, id);
    check_with(w->repo, *o, &t);
    CHECK(t.stats.damaged_objects == 1);
    ck_assert_msg(path == NULL || has_told(&t, "affected", id, path), "%s: %s", path,
                  t.lines[t.count - 1]);
    CHECK(t.stats.affected_files == (path == NULL ? 0 : 1));
}

TEST(check_names_the_file_that_damage_reaches_and_no_other)
{
    static const char *const paths[] = {"/a/one", "/a/tw\\x01o", "/b/c/three"};
    const struct check_options all = {.read_data = true}, quick = {.read_data = false};
    AUTO(world) struct world w = world_new(&large);

    for (size_t i = 0; i < 3; i++) {
        AUTO(mem) char *key = pack_of(&w, &large_plants[i]);
        AUTO(buf) struct buf bytes = {0};

        world_get(w.store, key, &bytes);
        bytes.data[bytes.size / 2] ^= 1;
        world_replace(w.store, key, buf_slice(&bytes));
        check_affects(&w, &all, paths[i]);
        bytes.data[bytes.size / 2] ^= 1;

        world_replace(w.store, key, SLICE_OF(bytes.data, bytes.size / 2));
        check_affects(&w, &all, paths[i]);
        check_affects(&w, &quick, paths[i]);
        CHECK_OK(store_remove(w.store, key, e));
        check_affects(&w, &quick, paths[i]);
        world_replace(w.store, key, buf_slice(&bytes));
    }
    check_sound(w.repo);
}
END

static void damage_frame_of(struct world *w, const struct plant *p)
{
    AUTO(mem) char *key = pack_of(w, p);
    AUTO(buf) struct buf bytes = {0};
    const struct index_frame f = frame_of(w, p);

    world_get(w->store, key, &bytes);
    bytes.data[f.offset + f.sealed_size / 2] ^= 1;
    world_replace(w->store, key, buf_slice(&bytes));
}

TEST(check_names_each_file_with_a_damaged_frame_once_when_threads_share_a_pack)
{
    AUTO(world) struct world w = world_new(&many);
    AUTO(mem) char *key = pack_of(&w, &many_plants[0]);
    const uint32_t pack = frame_of(&w, &many_plants[0]).pack;
    AUTO(told) struct told t = {0};
    char id[65];

    CHECK(index_pack_at(w.repo->index, pack)->frame_count == MANY);
    for (size_t i = 1; i < MANY; i += 2)
        damage_frame_of(&w, &many_plants[i]);
    check(w.repo, &t);
    CHECK(t.stats.packs_read == t.stats.packs);
    CHECK(t.stats.damaged_objects == 1 && has_told(&t, "damaged", key, NULL));
    CHECK(t.stats.affected_files == MANY / 2);
    snapshot_id_text(&w.snapshot, id);
    for (size_t i = 1; i < MANY; i += 2) {
        const char path[] = {'/', many_plants[i].path[0], '\0'};

        CHECK(has_told(&t, "affected", id, path));
    }
}
END

TEST(check_names_no_file_when_only_the_directory_of_a_pack_is_damaged)
{
    AUTO(world) struct world w = world_new(&large);
    AUTO(mem) char *key = pack_of(&w, &large_plants[0]);
    AUTO(buf) struct buf bytes = {0};

    world_get(w.store, key, &bytes);
    bytes.data[bytes.size - PACK_TRAILER_SIZE - 1] ^= 1;
    world_replace(w.store, key, buf_slice(&bytes));
    check_affects(&w, &(struct check_options){.read_data = true}, NULL);
}
END

TEST(check_names_the_directory_that_cannot_be_read)
{
    AUTO(world) struct world w = small_new();
    AUTO(told) struct told t = {0};
    const size_t count = world_count(w.store, "packs/");
    char one[65], two[65];

    /* Trees of the second snapshot are in a pack of its own, those of the first too. */
    for (size_t i = 0; i < count; i++) {
        AUTO(mem) char *key = world_key(w.store, "packs/", i);
        AUTO(buf) struct buf bytes = {0};

        world_get(w.store, key, &bytes);
        if (bytes.data[9] == CLASS_TREE) {
            bytes.data[SEAL_HEADER_SIZE] ^= 1;
            world_replace(w.store, key, buf_slice(&bytes));
        }
    }
    check_with(w.repo, (struct check_options){0}, &t);
    snapshot_id_text(&w.snapshot, one);
    snapshot_id_text(&w.second, two);
    CHECK(t.stats.damaged_objects == 2 && t.stats.affected_files == 2);
    CHECK(has_told(&t, "affected", one, "/") && has_told(&t, "affected", two, "/"));
}
END

TEST(check_names_all_snapshots_that_share_a_damaged_file)
{
    AUTO(world) struct world w = world_new(&large);
    AUTO(mem) char *key = pack_of(&w, &large_plants[2]);
    AUTO(told) struct told t = {0};
    struct hash again;
    char one[65], two[65];

    clock_set_for_tests(clock_now_ns() + DAY_NS);
    CHECK_OK(world_plant(w.repo, &large, &again, e));
    CHECK_OK(store_remove(w.store, key, e));
    check(w.repo, &t);
    snapshot_id_text(&w.snapshot, one);
    snapshot_id_text(&again, two);
    CHECK(t.stats.affected_files == 2);
    CHECK(has_told(&t, "affected", one, "/b/c/three"));
    CHECK(has_told(&t, "affected", two, "/b/c/three"));
}
END

TEST(check_tells_leftovers_from_damage)
{
    AUTO(world) struct world w = small_new();
    AUTO(growth) struct growth prepared = {0};
    AUTO(told) struct told t = {0};
    AUTO(mem) char *list = NULL;
    const struct condemned_list nothing = {0};
    char gone[OBJECT_KEY_MAX], left[OBJECT_KEY_MAX], key[OBJECT_KEY_MAX];

    CHECK_OK(growth_open(&prepared, w.repo, &small_files, e));
    CHECK_OK(growth_put(&prepared, e));
    object_key("snapshots", &prepared.snapshot, key);
    CHECK_OK(condemned_list_put(w.repo, &nothing, &list, e));
    object_key("snapshots", &w.third, gone);
    object_key("trash", &w.third, left);
    CHECK_OK(store_remove(w.store, gone, e));
    check(w.repo, &t);
    CHECK(t.stats.damaged_objects == 0 && t.stats.suggest_prune);
    CHECK(t.count == 3 && has_told(&t, "litter", key, NULL));
    CHECK(has_told(&t, "litter", list, NULL) && has_told(&t, "litter", left, NULL));
}
END

TEST(check_tells_unneeded_packs_that_are_missing_or_not_in_the_index_as_leftovers)
{
    AUTO(world) struct world w = world_new(&large);
    AUTO(told) struct told missing = {0};
    AUTO(told) struct told unnamed = {0};
    AUTO(mem) char *key = pack_of(&w, &large_plants[0]);
    AUTO(buf) struct buf bytes = {0};
    struct hash id;

    CHECK_OK(world_plant(w.repo, &small_files, &id, e));
    world_get(w.store, key, &bytes);
    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
    CHECK_OK(store_remove(w.store, key, e));
    check(w.repo, &missing);
    CHECK(missing.count == 1 && has_told(&missing, "litter", key, NULL));

    CHECK_OK(prune_run(w.repo, &(struct prune_options){.max_unused_percent = 50},
                       &(struct prune_stats){0}, e));
    world_replace(w.store, key, buf_slice(&bytes));
    check(w.repo, &unnamed);
    CHECK(unnamed.count == 1 && has_told(&unnamed, "litter", key, NULL));
}
END

TEST(check_reads_the_packs_of_a_subset)
{
    AUTO(world) struct world w = world_new(&large);
    const size_t packs = world_count(w.store, "packs/");
    uint64_t sum = 0;

    for (uint32_t n = 1; n <= 3; n++) {
        AUTO(told) struct told t = {0};

        check_with(w.repo, (struct check_options){.read_data = true, .subset_n = n, .subset_t = 3},
                   &t);
        sum += t.stats.packs_read;
    }
    CHECK(sum == packs);
    for (size_t i = 0; i < 2; i++) {
        AUTO(told) struct told t = {0};
        const struct check_options percent = {.read_data = true, .subset_percent = 50};
        const struct check_options bytes = {.read_data = true, .subset_bytes = PACKFUL / 2};

        check_with(w.repo, i == 0 ? percent : bytes, &t);
        CHECK(i == 0 ? t.stats.packs_read == packs / 2
                     : t.stats.packs_read >= 1 && t.stats.bytes_read < 2 * PACKFUL);
    }
}
END

TEST(check_without_reading_data_reads_no_content)
{
    AUTO(world) struct world w = world_new(&large);
    AUTO(told) struct told t = {0};

    check_with(w.repo, (struct check_options){0}, &t);
    CHECK(t.count == 0 && t.stats.packs_read == 0 && t.stats.bytes_read == 0);
    CHECK(t.stats.trees > 3);
}
END

static void prune_now(void *arg)
{
    struct world *w = arg;
    AUTO(repo) struct repo *r = world_repo(w->store);

    CHECK_OK(prune_run(r, &(struct prune_options){.max_unused_percent = 1},
                       &(struct prune_stats){0}, e));
}

TEST(check_takes_no_prune_for_damage)
{
    int calls = 0;

    for (int n = -1; n < calls; n++) {
        AUTO(world) struct world w = small_new();
        AUTO(store)
        struct store *s =
            meddler_new(w.store, &(struct meddling){.at = n, .fn = prune_now, .arg = &w});
        struct check_stats stats;
        struct err why;

        w.repo->store = s;
        if (check_run(w.repo, &(struct check_options){.read_data = true}, &stats, &why))
            ck_assert_msg(stats.damaged_objects == 0, "at call %d", n);
        else
            CHECK(why.code == ERR_TRANSIENT);
        calls = n < 0 ? meddler_calls(s) : calls;
        w.repo->store = w.store;
    }
    CHECK(calls > 20);
}
END

TESTS("check reach", check_names_the_file_that_damage_reaches_and_no_other,
      check_names_each_file_with_a_damaged_frame_once_when_threads_share_a_pack,
      check_names_no_file_when_only_the_directory_of_a_pack_is_damaged,
      check_names_the_directory_that_cannot_be_read,
      check_names_all_snapshots_that_share_a_damaged_file, check_tells_leftovers_from_damage,
      check_tells_unneeded_packs_that_are_missing_or_not_in_the_index_as_leftovers,
      check_reads_the_packs_of_a_subset, check_without_reading_data_reads_no_content,
      check_takes_no_prune_for_damage)
