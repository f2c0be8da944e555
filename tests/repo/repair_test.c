#include <string.h>

#include "base/mem.h"
#include "meddle.h"
#include "repo/index.h"
#include "support/test.h"
#include "world.h"

static void count_damage(void *arg, const char *key, const struct err *why)
{
    CHECK(strncmp(key, "packs/", 6) == 0 && why->text[0] != '\0');
    (*(size_t *)arg)++;
}

static void drop_index(struct world *w)
{
    for (size_t n = world_count(w->store, "index/"); n > 0; n--) {
        AUTO(mem) char *key = world_key(w->store, "index/", 0);

        CHECK_OK(store_remove(w->store, key, e));
    }
}

TEST(repair_makes_a_lost_index_again)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct repair_stats stats;
    size_t damaged = 0;

    drop_index(&w);
    CHECK(!world_is_sound(&w));
    CHECK_OK(repair_index(w.repo, count_damage, &damaged, &stats, e));
    CHECK(world_is_sound(&w));
    CHECK(damaged == 0 && stats.packs == world_count(w.store, "packs/"));
    CHECK(stats.indexes_before == 0 && stats.indexes_after == 1);
}
END

TEST(repair_replaces_a_damaged_index)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(mem) char *key = world_key(w.store, "index/", 0);
    struct repair_stats stats;
    struct object_info info;

    world_replace(w.store, key, slice_string("rubbish"));
    CHECK(!world_is_sound(&w));
    CHECK_OK(repair_index(w.repo, NULL, NULL, &stats, e));
    CHECK(world_is_sound(&w));
    CHECK(stats.indexes_before == 1 && stats.indexes_after == 1);
    CHECK_ERR(store_stat(w.store, key, &info, e), ERR_NOT_FOUND);
}
END

/* Flip a byte of every pack, counted from its beginning or, below 0, from its end. */
static void flip_packs(struct world *w, int at)
{
    for (size_t n = world_count(w->store, "packs/"); n-- > 0;) {
        AUTO(mem) char *key = world_key(w->store, "packs/", n);
        AUTO(buf) struct buf bytes = {0};

        CHECK_OK(store_get_all(w->store, key, &bytes, e));
        bytes.data[at < 0 ? bytes.size - (size_t)-at : (size_t)at] ^= 1;
        world_replace(w->store, key, buf_slice(&bytes));
    }
}

TEST(repair_keeps_what_the_old_index_says_of_packs_with_a_damaged_directory)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct repair_stats stats;
    size_t damaged = 0;

    flip_packs(&w, -PACK_TRAILER_SIZE - 1);
    CHECK(world_is_sound(&w));
    CHECK_OK(repair_index(w.repo, count_damage, &damaged, &stats, e));
    CHECK(damaged == world_count(w.store, "packs/") && stats.packs_damaged == damaged);
    CHECK(world_is_sound(&w));
}
END

TEST(repair_leaves_out_packs_whose_header_is_damaged)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct repair_stats stats;
    size_t damaged = 0;
    struct hash again;

    flip_packs(&w, 40);
    CHECK_OK(repair_index(w.repo, count_damage, &damaged, &stats, e));
    CHECK(damaged == stats.packs_damaged && stats.packs == 0 && stats.indexes_after == 0);

    /* The next backup stores again what is lost. */
    CHECK_OK(world_plant(w.repo, &world_files, &again, e));
    CHECK(world_is_sound(&w));
}
END

TEST(repair_that_dies_at_any_call_leaves_a_whole_index)
{
    bool was_hit = true;

    for (int n = 0; was_hit; n++) {
        AUTO(world) struct world w = world_new(&world_files);
        AUTO(store)
        struct store *flaky = store_fault_new(
            w.store, (struct fault_plan){.at = n, .mode = FAULT_FROM, .code = ERR_FATAL});
        struct repair_stats stats;
        struct err why;

        w.repo->store = flaky;

        const bool ok = repair_index(w.repo, NULL, NULL, &stats, &why);

        was_hit = store_fault_calls(flaky) > n;
        CHECK(ok != was_hit);
        w.repo->store = w.store;
        CHECK(world_is_sound(&w));
    }
}
END

static void plant_more(void *arg)
{
    struct world *other = arg;

    CHECK_OK(world_plant(other->repo, &world_files, &other->snapshot, e));
}

TEST(repair_keeps_the_index_of_a_backup_made_meanwhile)
{
    int calls = 1;

    for (int n = 0; n < calls; n++) {
        AUTO(world) struct world w = world_new(&world_files);
        struct world other = {.repo = world_repo(w.store)};
        AUTO(store)
        struct store *s =
            meddler_new(w.store, &(struct meddling){.at = n, .fn = plant_more, .arg = &other});
        struct repair_stats stats;

        drop_index(&w);
        w.repo->store = s;
        CHECK_OK(repair_index(w.repo, NULL, NULL, &stats, e));
        calls = meddler_calls(s);
        w.repo->store = w.store;
        CHECK(world_is_sound(&w));
        repo_close(other.repo);
        w.snapshot = other.snapshot;
        CHECK(world_is_sound(&w));
    }
    CHECK(calls > 5);
}
END

TESTS("repair", repair_makes_a_lost_index_again, repair_replaces_a_damaged_index,
      repair_keeps_what_the_old_index_says_of_packs_with_a_damaged_directory,
      repair_leaves_out_packs_whose_header_is_damaged,
      repair_that_dies_at_any_call_leaves_a_whole_index,
      repair_keeps_the_index_of_a_backup_made_meanwhile)
