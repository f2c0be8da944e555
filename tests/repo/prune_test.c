#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pair.h"
#include "repo/pack.h"
#include "support/test.h"

#define DAY_NS (24 * 60 * 60 * NS_PER_S)

TEST(prune_keeps_what_a_snapshot_needs_and_removes_the_rest)
{
    AUTO(pair) struct pair p = pair_new();
    const size_t packs = world_count(p.store, "packs/");
    struct prune_stats stats;

    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK(is_sound(p.store, &p.new, &new));
    CHECK(!is_sound(p.store, &p.old, &old));
    CHECK(stats.packs_before == packs);
    CHECK(stats.packs_removed > 0 && stats.packs_rescued == 0 && stats.snapshots_removed == 1);
    CHECK(world_count(p.store, "packs/") == packs - stats.packs_removed);
    CHECK(stats.packs_kept == packs - stats.packs_removed);
    check_clean(p.store);
}
END

TEST(prune_changes_nothing_when_all_is_needed)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    struct prune_stats stats;

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_OK(prune(counter, &plain, &stats, e));
    CHECK(store_fault_calls(counter) == 0);
    CHECK(stats.packs_removed == 0 && stats.chunks_unused == 0);
    CHECK(is_sound(s, &id, &old));
}
END

static bool deny_remove(struct store *s, const char *key, struct err *e)
{
    (void)s;
    return err_set(e, ERR_DENIED, "%s: the policy does not allow that", key);
}

TEST(prune_leaves_no_trace_where_keys_may_not_remove_anything)
{
    struct store_ops ops; /* the store needs them until the pair goes */
    AUTO(pair) struct pair p = pair_new();
    const size_t objects = world_count(p.store, "");
    struct prune_stats stats;

    ops = *p.store->ops;
    ops.remove = deny_remove;
    p.store->ops = &ops;
    p.store->needs_probe = true;
    CHECK_ERR(prune(p.store, &eager, &stats, e), ERR_DENIED);
    CHECK(world_count(p.store, "") == objects);
    CHECK(is_sound(p.store, &p.new, &new));
}
END

TEST(prune_writes_nothing_in_a_dry_run)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_options dry = eager;
    struct prune_stats said, done;

    AUTO(store)
    struct store *counter = store_fault_new(
        p.store, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    dry.is_dry_run = true;
    CHECK_OK(prune(counter, &dry, &said, e));
    CHECK(store_fault_calls(counter) == 0);
    CHECK_OK(prune(p.store, &eager, &done, e));
    CHECK(said.packs_removed == done.packs_removed && said.bytes_removed == done.bytes_removed);
    CHECK(said.snapshots_removed == 1 && done.snapshots_removed == 1);
}
END

TEST(prune_of_everything_leaves_no_pack_and_no_index)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    struct prune_stats stats;

    forget(s, &id);
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(world_count(s, "packs/") == 0 && world_count(s, "index/") == 0);
    CHECK(stats.packs_kept == 0);
    check_clean(s);
    CHECK_OK(prune(s, &plain, &stats, e));
}
END

TEST(prune_repacks_what_is_mostly_unused)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_options o = {.max_unused_percent = 100};
    struct prune_stats stats;

    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(stats.packs_repacked > 0 && stats.bytes_repacked > 0);
    CHECK(is_sound(p.store, &p.new, &new));
    check_clean(p.store);

    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(stats.packs_removed == 0 && stats.chunks_unused == 0);
    CHECK_OK(prune(p.store, &o, &stats, e));
    CHECK(stats.packs_repacked == 0);
}
END

TEST(prune_joins_small_packs_and_small_index_objects)
{
    AUTO(store) struct store *s = store_memory_new();
    struct plant plants[] = {{"file", 0, 50000, false}};
    struct planting p = {plants, 1, 0, 0};
    struct hash ids[10];
    struct prune_stats stats;

    for (size_t i = 0; i < 10; i++) {
        plants[0].seed = i;
        ids[i] = plant(s, &p);
    }
    CHECK(world_count(s, "packs/") == 20 && world_count(s, "index/") == 10);
    CHECK_OK(prune(s, &(struct prune_options){.max_unused_percent = 50}, &stats, e));
    CHECK(world_count(s, "packs/") == 2);
    CHECK(world_count(s, "index/") <= 2);
    for (size_t i = 0; i < 10; i++) {
        plants[0].seed = i;
        CHECK(is_sound(s, &ids[i], &p));
    }
}
END

TEST(prune_joins_small_index_objects_when_all_packs_stay)
{
    AUTO(store) struct store *s = store_memory_new();
    struct plant plants[] = {{"file", 0, 50000, false}};
    struct planting p = {plants, 1, 0, 0};
    struct prune_stats stats;
    struct hash id = {0};

    for (size_t i = 0; i < 10; i++) {
        plants[0].seed = i;
        id = plant(s, &p);
    }
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(world_count(s, "index/") == 1 && stats.packs_removed == 0);
    CHECK(is_sound(s, &id, &p));
}
END

TEST(prune_repacks_no_more_than_the_limit)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    const struct prune_options o = {.max_unused_percent = 0,
                                    .max_repack_bytes = 2 * PACKFUL + 200000};
    struct prune_stats stats;

    CHECK_OK(prune(s, &o, &stats, e));
    CHECK(stats.packs_repacked >= 2 && stats.packs_repacked < stats.packs_before);
    CHECK(stats.bytes_repacked <= o.max_repack_bytes);
    CHECK(is_sound(s, &id, &old));
}
END

/* Packs that no index names */

/* What a run leaves that ends before its index is written. */
static void leave_litter(struct store *s)
{
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(r, CLASS_CONTENT, 1000);
    const struct pack_chunk chunk = {.id = {{1}}, .type = CHUNK_DATA, .size = 6};
    struct slice object, directory;
    struct hash id;
    char key[PACK_KEY_MAX];

    pack_builder_add(b, slice_string("litter"), COMPRESSION_NONE, 6, &chunk, 1);
    pack_builder_finish(b, &id, &object, &directory);
    pack_key(&id, key);
    CHECK_OK(store_put(s, key, object, PUT_NEW, e));
}

TEST(prune_removes_packs_without_index_when_they_are_a_day_old)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    struct prune_stats stats;

    leave_litter(s);
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(stats.packs_removed == 0);
    clock_set_for_tests(clock_now_ns() + DAY_NS);
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(stats.packs_removed == 1);
    CHECK(is_sound(s, &id, &old));
}
END

/* Refusals */

static void check_refuses(struct store *s, enum err_code code)
{
    struct prune_stats stats;

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_ERR(prune(counter, &eager, &stats, e), code);
    CHECK(store_fault_calls(counter) == 0);
}

static void flip(struct store *s, const char *key)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));
    bytes.data[bytes.size / 2] ^= 1;
    world_replace(s, key, buf_slice(&bytes));
}

TEST(prune_refuses_when_a_snapshot_a_commit_or_the_index_is_damaged)
{
    static const char *const folders[] = {"snapshots/", "commits/", "index/", "trash/"};

    for (size_t i = 0; i < 4; i++) {
        AUTO(pair) struct pair p = pair_new();
        const size_t count = world_count(p.store, folders[i]);

        for (size_t n = 0; n < count; n++) {
            AUTO(mem) char *key = world_key(p.store, folders[i], n);

            /* What was forgotten is not read. */
            if (i < 2 && strstr(key, "/") != NULL) {
                char text[65];

                snapshot_id_text(&p.new, text);
                if (strstr(key, text) == NULL)
                    continue;
            }
            flip(p.store, key);
        }
        check_refuses(p.store, ERR_CORRUPT);
    }
}
END

TEST(prune_refuses_when_a_tree_is_damaged_or_a_pack_is_missing)
{
    AUTO(store) struct store *s = store_memory_new();

    plant(s, &old);

    const size_t count = world_count(s, "packs/");
    size_t refused = 0;

    for (size_t i = 0; i < count; i++) {
        AUTO(mem) char *key = world_key(s, "packs/", i);
        AUTO(buf) struct buf bytes = {0};
        struct prune_stats stats;
        struct err why;

        CHECK_OK(store_get_all(s, key, &bytes, e));
        CHECK_OK(store_remove(s, key, e));
        check_refuses(s, ERR_CORRUPT);
        CHECK_OK(store_put(s, key, buf_slice(&bytes), PUT_NEW, e));

        bytes.data[SEAL_HEADER_SIZE] ^= 1;
        world_replace(s, key, buf_slice(&bytes));
        refused += prune(s, &plain, &stats, &why) ? 0 : 1;
        bytes.data[SEAL_HEADER_SIZE] ^= 1;
        world_replace(s, key, buf_slice(&bytes));
    }
    CHECK(refused == 1); /* the pack of trees */
}
END

TEST(prune_refuses_to_empty_a_repository_that_shows_no_snapshot)
{
    AUTO(store) struct store *s = store_memory_new();

    plant(s, &old);
    for (size_t i = 0; i < 2; i++) {
        AUTO(mem) char *key = world_key(s, i == 0 ? "commits/" : "snapshots/", 0);

        CHECK_OK(store_remove(s, key, e));
    }
    clock_set_for_tests(clock_now_ns() + DAY_NS);
    check_refuses(s, ERR_CORRUPT);
}
END

TEST(prune_beside_the_first_backup_waits_for_its_end)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(growth) struct growth g = {0};
    struct prune_stats stats;
    struct hash id;

    CHECK_OK(growth_open(&g, r, &old, e));
    CHECK_OK(growth_put(&g, e));
    id = g.snapshot;
    {
        AUTO(mem) char *prepared = world_key(s, "snapshots/", 0);
        AUTO(buf) struct buf bytes = {0};

        /* A moment before. */
        CHECK_OK(store_get_all(s, prepared, &bytes, e));
        CHECK_OK(store_remove(s, prepared, e));
        check_refuses(s, ERR_TRANSIENT);
        CHECK_OK(store_put(s, prepared, buf_slice(&bytes), PUT_NEW, e));
    }
    CHECK_OK(growth_end(&g, true, e));
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(stats.packs_removed == 0 && is_sound(s, &id, &old));
}
END

TEST(prune_refuses_when_a_commit_has_lost_its_snapshot)
{
    AUTO(pair) struct pair p = pair_new();
    char key[OBJECT_KEY_MAX];

    object_key("snapshots", &p.new, key);
    CHECK_OK(store_remove(p.store, key, e));
    check_refuses(p.store, ERR_CORRUPT);
}
END

TESTS("prune", prune_keeps_what_a_snapshot_needs_and_removes_the_rest,
      prune_changes_nothing_when_all_is_needed, prune_writes_nothing_in_a_dry_run,
      prune_leaves_no_trace_where_keys_may_not_remove_anything,
      prune_of_everything_leaves_no_pack_and_no_index, prune_repacks_what_is_mostly_unused,
      prune_joins_small_packs_and_small_index_objects,
      prune_joins_small_index_objects_when_all_packs_stay, prune_repacks_no_more_than_the_limit,
      prune_removes_packs_without_index_when_they_are_a_day_old,
      prune_refuses_when_a_snapshot_a_commit_or_the_index_is_damaged,
      prune_refuses_when_a_tree_is_damaged_or_a_pack_is_missing,
      prune_refuses_to_empty_a_repository_that_shows_no_snapshot,
      prune_beside_the_first_backup_waits_for_its_end,
      prune_refuses_when_a_commit_has_lost_its_snapshot)
