#include <string.h>

#include "base/mem.h"
#include "repo/epochs.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"
#include "repo/world.h"
#include "support/test.h"

/* With the secret in use. */
static bool rotate(struct repo *r, struct err *e)
{
    const struct key_rotation o = {.in_use = &world_unlock};
    struct key_rotated done;

    return key_rotate(r, &o, &done, e);
}

static struct epochs_figures measure(struct repo *r)
{
    struct epochs_figures f = {0};

    CHECK_OK(epochs_measure(r, NULL, NULL, &f, e));
    return f;
}

TEST(rotated_repository_opens_reads_and_writes_in_the_new_epoch)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct epochs_figures f;

    CHECK(repo_epoch(w.repo) == 1);
    CHECK_OK(rotate(w.repo, e));
    CHECK(repo_epoch(w.repo) == 2 && world_count(w.store, "keys/") == 1);
    CHECK(world_is_sound(&w));

    AUTO(repo) struct repo *again = world_open(w.store);

    CHECK(repo_epoch(again) == 2);
    CHECK_OK(world_harvest(again, &w.snapshot, &world_files, e));
    f = measure(again);
    CHECK(f.of[0].packs == world_count(w.store, "packs/") && f.of[1].packs == 0);
    CHECK(f.packs_left == f.of[0].packs && f.pack_bytes_left > 0 && f.indexes_left > 0);
    CHECK(f.snapshots_left == 1 && f.records_left == 2 && f.unreadable == 0);
    CHECK(f.of[0].slots == 0 && f.of[1].slots == 1 && f.slots_past + f.slots_unfinished == 0);
    mem_free(f.of);
}
END

TEST(reencrypting_leaves_no_pack_of_a_past_epoch)
{
    AUTO(world) struct world w = world_new(&world_files);
    const struct reencrypt_options o = {.round_bytes = 1};
    const size_t packs = world_count(w.store, "packs/");
    struct reencrypt_stats stats;

    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(key_reencrypt(w.repo, &o, &stats, e));
    CHECK(stats.packs == packs && stats.rounds == packs);

    const struct epochs_figures f = measure(w.repo);

    CHECK(f.newest == 3 && f.packs_left == 0 && f.indexes_left == 0 && f.snapshots_left == 1);
    CHECK(f.of[2].packs > 0 && f.of[2].indexes > 0);
    mem_free(f.of);
    CHECK(world_is_sound(&w));
    CHECK_OK(key_reencrypt(w.repo, &o, &stats, e));
    CHECK(stats.packs == 0 && stats.rounds == 0);
}
END

TESTS("epochs", rotated_repository_opens_reads_and_writes_in_the_new_epoch,
      reencrypting_leaves_no_pack_of_a_past_epoch)
