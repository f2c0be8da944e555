/* Prunes that pack again what more compression makes shorter. */
#include "base/mem.h"
#include "pair.h"
#include "repo/index.h"
#include "support/test.h"

/* Stored raw; one file is text, the other nothing compresses. */
static const struct plant first_plants[] = {{"noise", 1, 300000, false, false},
                                            {"text", 2, 300000, true, true}};
static const struct plant second_plants[] = {{"noise", 1, 300000, false, false},
                                             {"text", EDITED(2, 1), 300000, true, true}};
static const struct planting first = {first_plants, 2, 0, 0, LEVEL_RAW};
static const struct planting second = {second_plants, 2, 0, 0, 0};

static const struct prune_options join = {.max_unused_percent = 100, .level = LEVEL_RAW};
static const struct prune_options again = {
    .max_unused_percent = 100, .level = 9, .recompresses = true};

/* A snapshot in one pack of content and one of trees, all raw: none is joined with another. */
static struct hash plant_raw(struct store *s)
{
    const struct hash id = plant(s, &first);
    struct prune_stats stats;

    CHECK_OK(prune(s, &join, &stats, e));
    CHECK(world_count(s, "packs/") == 2);
    return id;
}

static size_t delta_frames(struct store *s)
{
    AUTO(repo) struct repo *r = world_repo(s);
    size_t count = 0;

    CHECK_OK(repo_load_index(r, e));
    for (uint32_t n = 0; n < index_frame_count(r->index); n++)
        count += index_frame_at(r->index, n).base_count > 0;
    return count;
}

TEST(what_was_stored_raw_takes_less_afterwards_and_a_second_run_does_nothing)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant_raw(s);
    struct prune_stats stats;

    CHECK_OK(prune(s, &again, &stats, e));
    CHECK(stats.packs_recompressed >= 1 && stats.packs_repacked >= 1 && !stats.has_untried);
    CHECK(stats.bytes_gained > 100000 && stats.bytes_gained < 300000);
    CHECK(is_sound(s, &id, &first));
    check_clean(s);

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_OK(prune(counter, &again, &stats, e));
    CHECK(store_fault_calls(counter) == 0);
    CHECK(stats.packs_recompressed == 0 && stats.packs_repacked == 0 && stats.bytes_gained == 0);
    CHECK(stats.bytes_before < 500000);
}
END

TEST(a_dry_run_says_what_would_be_gained_and_writes_nothing)
{
    AUTO(store) struct store *s = store_memory_new();
    struct prune_options o = again;
    struct prune_stats said, done;

    (void)plant_raw(s);
    o.is_dry_run = true;

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_OK(prune(counter, &o, &said, e));
    CHECK(store_fault_calls(counter) == 0);
    CHECK_OK(prune(s, &again, &done, e));
    CHECK(said.packs_recompressed == done.packs_recompressed && said.packs_recompressed > 0);
    CHECK(said.bytes_gained == done.bytes_gained);
}
END

TEST(what_nothing_compresses_stays_as_it_is)
{
    static const struct planting noise = {first_plants, 1, 0, 0, LEVEL_RAW};
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &noise);
    const size_t packs = world_count(s, "packs/");
    struct prune_options o = again;
    struct prune_stats stats;

    o.max_repack_bytes = 250000; /* too little for the pack of content, enough for that of trees */
    CHECK_OK(prune(s, &o, &stats, e));
    CHECK(stats.bytes_gained < 10000 && world_count(s, "packs/") == packs);
    CHECK(is_sound(s, &id, &noise));
}
END

TEST(no_more_is_packed_again_than_the_limit_says)
{
    AUTO(store) struct store *s = store_memory_new();
    struct prune_options o = again;
    struct prune_stats stats;

    (void)plant_raw(s);
    o.max_repack_bytes = 1;
    CHECK_OK(prune(s, &o, &stats, e));
    CHECK(stats.packs_recompressed == 0 && stats.packs_repacked == 0 && stats.has_untried);
}
END

TEST(deltas_stay_deltas_when_their_bases_are_compressed_more)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash old_id = plant_raw(s);
    const struct hash new_id = plant(s, &second);
    const size_t deltas = delta_frames(s);
    struct prune_stats stats;

    CHECK(deltas > 0);
    CHECK_OK(prune(s, &again, &stats, e));
    CHECK(stats.packs_recompressed > 0);
    CHECK(delta_frames(s) > 0);
    CHECK(is_sound(s, &old_id, &first) && is_sound(s, &new_id, &second));
    check_clean(s);
    CHECK_OK(prune(s, &again, &stats, e));
    CHECK(stats.packs_recompressed == 0);
}
END

TEST(a_store_that_fails_at_any_call_leaves_every_snapshot_whole)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash old_id = plant_raw(s);
    const struct hash new_id = plant(s, &second);
    bool is_done = false;

    for (int at = test_first(); !is_done; at += test_every()) {
        AUTO(store) struct store *copy = world_copy(s);
        AUTO(store)
        struct store *flaky =
            store_fault_new(copy, (struct fault_plan){.at = at, .mode = FAULT_FROM});
        AUTO(repo) struct repo *r = NULL;
        struct prune_stats stats;
        struct err failure = {0};

        CHECK(at < 1000);
        is_done =
            repo_open(flaky, &world_unlock, &r, &failure) && prune_run(r, &again, &stats, &failure);
        CHECK(is_sound(copy, &old_id, &first) && is_sound(copy, &new_id, &second));
        CHECK_OK(prune(copy, &again, &stats, e));
        CHECK(is_sound(copy, &old_id, &first) && is_sound(copy, &new_id, &second));
    }
}
END

TEST(a_damaged_frame_ends_the_run_before_anything_is_written)
{
    AUTO(store) struct store *s = store_memory_new();
    struct prune_stats stats;
    size_t damaged = 0;

    (void)plant_raw(s);
    for (size_t n = 0; n < 2; n++) {
        AUTO(mem) char *key = world_key(s, "packs/", n);
        AUTO(buf) struct buf bytes = {0};

        world_get(s, key, &bytes);
        if (bytes.size < 400000)
            continue; /* of trees: their damage is found when they are marked */
        for (size_t at = 1000; at + 1000 < bytes.size; at += 1000)
            bytes.data[at] ^= 1;
        world_replace(s, key, buf_slice(&bytes));
        damaged++;
    }
    CHECK(damaged == 1);

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_ERR(prune(counter, &again, &stats, e), ERR_CORRUPT);
    CHECK(store_fault_calls(counter) == 0);
}
END

TESTS("recompress", what_was_stored_raw_takes_less_afterwards_and_a_second_run_does_nothing,
      a_dry_run_says_what_would_be_gained_and_writes_nothing,
      what_nothing_compresses_stays_as_it_is, no_more_is_packed_again_than_the_limit_says,
      deltas_stay_deltas_when_their_bases_are_compressed_more,
      a_store_that_fails_at_any_call_leaves_every_snapshot_whole,
      a_damaged_frame_ends_the_run_before_anything_is_written)
