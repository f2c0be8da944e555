/*
 * Packs that come back from another repository, bit for bit or chunk by chunk.
 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "damage.h"
#include "meddle.h"
#include "repo/condemned_list.h"
#include "repo/index.h"
#include "support/test.h"
#include "world.h"

/* Its own snapshot later: small changes, stored as deltas. */
static const struct plant edited[] = {
    {"a/one", EDITED(1, 1), PACKFUL, false},
    {"b", 3, PACKFUL, false},
};
static const struct planting later = {edited, 2, PACK_SIZE, 0};

/* Another repository that names chunks as this one does, as init --copy-chunker-params makes it. */
static struct world twin_bare(const struct world *w)
{
    struct world twin = world_bare();

    memcpy(twin.repo->keys->chunk_id, w->repo->keys->chunk_id, SEAL_KEY_SIZE);
    return twin;
}

/* The same with the same files. */
static struct world twin_new(const struct world *w)
{
    struct world twin = twin_bare(w);

    CHECK_OK(world_plant(twin.repo, &world_files, &twin.snapshot, e));
    return twin;
}

struct seen {
    size_t from[5]; /* by enum heal_source */
    char last[500];
};

static void on_pack(void *arg, const struct healing *h)
{
    struct seen *s = arg;

    CHECK(strncmp(h->object, "packs/", 6) == 0 && h->sentence[0] != '\0');
    s->from[h->from]++;
    strncpy(s->last, h->sentence, sizeof(s->last) - 1);
}

static bool repair(struct repo *r, struct repo *from, struct seen *seen,
                   struct repair_packs_stats *out, struct err *e)
{
    const struct repair_packs_options o = {.from = from, .told = on_pack, .arg = seen};

    *seen = (struct seen){0};
    return repair_packs(r, &o, out, e);
}

TEST(a_repository_without_damage_is_left_as_it_is)
{
    AUTO(world) struct world w = world_new(&world_files);
    const size_t objects = world_count(w.store, "");
    struct repair_packs_stats stats;
    struct seen seen;

    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.packs == world_count(w.store, "packs/") && stats.damaged == 0);
    CHECK(world_count(w.store, "") == objects && world_is_sound(&w));
}
END

TEST(packs_come_from_parity_first)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct repair_packs_stats stats;
    struct seen seen;

    enable(w.repo, &parity_rule_default);
    for (size_t n = world_count(w.store, "packs/"); n-- > 0;) {
        AUTO(mem) char *key = world_key(w.store, "packs/", n);

        spoil(w.store, key, 300, 1);
    }
    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.damaged == stats.packs && stats.healed == stats.damaged && stats.left == 0);
    CHECK(seen.from[HEAL_PARITY] == stats.healed);
    CHECK(world_is_sound(&w) && is_clean(w.repo));
}
END

TEST(only_the_packs_that_are_named_are_looked_at)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(mem) char *key = world_key(w.store, "packs/", 0);
    struct hash id;
    struct repair_packs_stats stats;

    CHECK(pack_key_parse(key, &id));

    const struct repair_packs_options o = {.only = &id, .only_count = 1};

    spoil(w.store, key, 300, 1);
    CHECK_OK(repair_packs(w.repo, &o, &stats, e));
    CHECK(stats.packs == 1 && stats.damaged == 1 && stats.left == 1);
}
END

TEST(a_copy_of_the_repository_gives_the_same_pack_for_a_damaged_one_and_chunks_for_one_that_is_gone)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(store) struct store *mirror = world_copy(w.store);
    AUTO(repo) struct repo *from = world_repo(mirror);
    AUTO(mem) char *damaged = world_key(w.store, "packs/", 0);
    AUTO(mem) char *gone = world_key(w.store, "packs/", 1);
    struct repair_packs_stats stats;
    struct object_info info;
    struct seen seen;

    spoil(w.store, damaged, 0, SIZE_MAX / 2);
    CHECK_OK(store_remove(w.store, gone, e));
    CHECK_OK(repair(w.repo, from, &seen, &stats, e));
    CHECK(stats.damaged == 2 && stats.healed == 2 && seen.from[HEAL_REPOSITORY] == 2);
    CHECK_OK(store_stat(w.store, damaged, &info, e));
    CHECK_ERR(store_stat(w.store, gone, &info, e), ERR_NOT_FOUND);
    CHECK(world_is_sound(&w) && is_clean(w.repo));
}
END

TEST(chunks_come_from_another_repository)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world twin = twin_new(&w);
    const size_t packs = world_count(w.store, "packs/");
    struct repair_packs_stats stats;
    struct seen seen;
    bool is_gone = false;

    for (size_t n = packs; n-- > 0; is_gone = !is_gone) {
        AUTO(mem) char *key = world_key(w.store, "packs/", n);

        if (is_gone)
            CHECK_OK(store_remove(w.store, key, e));
        else
            spoil(w.store, key, 0, SIZE_MAX / 2);
    }
    CHECK(!world_is_sound(&w));
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.damaged == packs && stats.left == 0 && stats.chunks_lost == 0);
    CHECK(stats.chunks_copied > 10);
    CHECK(seen.from[HEAL_REPOSITORY] == packs && seen.from[HEAL_TRASH] == 0);
    CHECK(strstr(seen.last, "from the other repository") != NULL);
    CHECK(strstr(seen.last, "trash") == NULL);
    CHECK(world_is_sound(&w) && is_clean(w.repo));
    CHECK(world_count(w.store, "condemned/") == 0);
    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.damaged == 0);
}
END

TEST(what_is_left_of_a_pack_is_used_and_nothing_else_is_needed_from_elsewhere)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world twin = twin_bare(&w);
    struct repair_packs_stats stats;
    struct seen seen;

    /* It has nothing at all; the directories are what is damaged. */
    for (size_t n = world_count(w.store, "packs/"); n-- > 0;) {
        AUTO(mem) char *key = world_key(w.store, "packs/", n);
        struct object_info info;

        CHECK_OK(store_stat(w.store, key, &info, e));
        spoil(w.store, key, (size_t)info.size - 20, 20);
    }
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 0 && stats.chunks_lost == 0 && stats.chunks_copied > 10);
    CHECK(seen.from[HEAL_AGAIN] == stats.healed);
    CHECK(strstr(seen.last, "left of damaged packs") != NULL);
    CHECK(world_is_sound(&w) && is_clean(w.repo));
}
END

TEST(what_is_nowhere_stays_and_is_told)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world twin = twin_bare(&w);
    AUTO(mem) char *key = world_key(w.store, "packs/", 0);
    struct repair_packs_stats stats;
    struct seen seen;

    spoil(w.store, key, 0, SIZE_MAX / 2);
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 1 && seen.from[HEAL_NOT] == 1 && stats.chunks_lost > 0);
    CHECK(world_count(w.store, "condemned/") == 0 && !world_is_sound(&w));
    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.left == 1 && strstr(seen.last, "parity") != NULL);
}
END

TEST(a_repository_that_names_chunks_otherwise_is_refused)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world other = world_new(&world_files);
    struct repair_packs_stats stats;
    struct seen seen;

    CHECK_ERR(repair(w.repo, other.repo, &seen, &stats, e), ERR_USAGE);
}
END

/* A chunk that the other repository gives is proved by its id, whatever it claims. */
TEST(damage_in_the_other_repository_does_not_spread)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world twin = twin_new(&w);
    AUTO(mem) char *key = world_key(w.store, "packs/", 0);
    struct repair_packs_stats stats;
    struct seen seen;

    spoil(w.store, key, 0, SIZE_MAX / 2);
    for (size_t n = world_count(twin.store, "packs/"); n-- > 0;) {
        AUTO(mem) char *other = world_key(twin.store, "packs/", n);

        spoil(twin.store, other, 200, SIZE_MAX / 2);
    }
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 1 && stats.chunks_copied == 0);
}
END

TEST(bases_of_deltas_come_back_as_bases)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world twin = twin_new(&w);
    struct hash second;
    struct repair_packs_stats stats;
    struct seen seen;

    const size_t packs = world_count(w.store, "packs/");
    AUTO(mem) char **old = mem_array(packs, sizeof(*old));

    for (size_t n = 0; n < packs; n++)
        old[n] = world_key(w.store, "packs/", n);
    CHECK_OK(world_plant(w.repo, &later, &second, e));
    for (size_t n = 0; n < packs; n++) {
        spoil(w.store, old[n], 0, SIZE_MAX / 2);
        mem_free(old[n]);
    }
    CHECK(world_count(w.store, "packs/") > packs);
    CHECK_ERR(world_harvest(w.repo, &second, &later, e), ERR_CORRUPT);
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK_OK(world_harvest(w.repo, &second, &later, e));
    CHECK(world_is_sound(&w));
    CHECK(stats.left == 0 && is_clean(w.repo));
}
END

TEST(beside_a_prune_the_damaged_pack_stays)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world twin = twin_new(&w);
    AUTO(mem) char *key = world_key(w.store, "packs/", 0);
    AUTO(mem) char *list = NULL;
    struct hash none = {{1}};
    struct object_info info;
    struct repair_packs_stats stats;
    struct seen seen;

    CHECK_OK(condemned_list_put(w.repo, &(struct condemned_list){.packs = &none, .pack_count = 1},
                                &list, e));
    spoil(w.store, key, 0, SIZE_MAX / 2);
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 1 && strstr(seen.last, "prune") != NULL);
    CHECK_OK(store_stat(w.store, key, &info, e));
    CHECK(world_is_sound(&w) && world_count(w.store, "condemned/") == 1);
    CHECK_OK(store_remove(w.store, list, e));
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 0 && is_clean(w.repo));
}
END

TEST(repair_that_dies_at_any_call_is_repeated)
{
    bool was_hit = true;
    AUTO(world) struct world origin = world_new(&world_files);
    AUTO(world) struct world twin = twin_new(&origin);

    for (int n = test_first(); was_hit; n += test_every()) {
        AUTO(world) struct world w = world_clone(&origin);
        AUTO(mem) char *damaged = world_key(w.store, "packs/", 0);
        AUTO(mem) char *gone = world_key(w.store, "packs/", 2);
        struct repair_packs_stats stats;
        struct seen seen;
        struct err why;

        spoil(w.store, damaged, 0, SIZE_MAX / 2);
        CHECK_OK(store_remove(w.store, gone, e));

        AUTO(store)
        struct store *flaky = store_fault_new(
            w.store, (struct fault_plan){.at = n, .mode = FAULT_FROM, .code = ERR_TRANSIENT});

        w.repo->store = flaky;

        const bool ok = repair(w.repo, twin.repo, &seen, &stats, &why);

        was_hit = store_fault_calls(flaky) > n;
        CHECK(ok || was_hit);
        w.repo->store = w.store;

        /* What a dead collector left a prune takes away. */
        const struct prune_options o = {.max_unused_percent = 100, .max_repack_bytes = 1};
        struct prune_stats pruned;

        CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
        CHECK_OK(prune_run(w.repo, &o, &pruned, e));
        CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
        CHECK(stats.left == 0 && world_is_sound(&w) && is_clean(w.repo));
    }
}
END

static void prune_meanwhile(void *arg)
{
    const struct prune_options o = {.max_unused_percent = 0};
    struct world *w = arg;
    struct prune_stats stats;
    struct err why;
    AUTO(repo) struct repo *r = world_repo(w->store);

    /* It refuses as long as something is missing. */
    (void)!prune_run(r, &o, &stats, &why);
}

static void plant_meanwhile(void *arg)
{
    struct world *w = arg;
    struct hash snapshot;
    AUTO(repo) struct repo *r = world_repo(w->store);

    CHECK_OK(world_plant(r, &world_files, &snapshot, e));
}

/* A repair from a twin, with somebody else at work before each of its calls in turn. */
static void meddle_at_any_moment(void (*fn)(void *arg), bool always_succeeds, size_t commits)
{
    int calls = 1;
    AUTO(world) struct world origin = world_new(&world_files);
    AUTO(world) struct world twin = twin_new(&origin);

    for (int n = 0; n < calls; n += test_every()) {
        AUTO(world) struct world w = world_clone(&origin);
        AUTO(mem) char *key = world_key(w.store, "packs/", 0);
        struct repair_packs_stats stats;
        struct seen seen;
        struct err why;

        spoil(w.store, key, 0, SIZE_MAX / 2);

        AUTO(store)
        struct store *s = meddler_new(w.store, &(struct meddling){.at = n, .fn = fn, .arg = &w});

        w.repo->store = s;

        const bool ok = repair(w.repo, twin.repo, &seen, &stats, &why);

        calls = meddler_calls(s);
        w.repo->store = w.store;
        CHECK(ok || !always_succeeds);
        if (!always_succeeds)
            CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
        CHECK(stats.left == 0 && world_is_sound(&w) && is_clean(w.repo));
        CHECK(world_count(w.store, "commits/") == commits);
    }
    CHECK(calls > 20);
}

TEST(a_prune_at_any_moment_takes_nothing_that_is_needed)
{
    meddle_at_any_moment(prune_meanwhile, false, 1);
}
END

TEST(a_backup_at_any_moment_relies_on_nothing_that_goes)
{
    meddle_at_any_moment(plant_meanwhile, true, 2);
}
END

TESTS(
    "repair_packs", a_backup_at_any_moment_relies_on_nothing_that_goes,
    a_repository_without_damage_is_left_as_it_is, packs_come_from_parity_first,
    only_the_packs_that_are_named_are_looked_at,
    a_copy_of_the_repository_gives_the_same_pack_for_a_damaged_one_and_chunks_for_one_that_is_gone,
    chunks_come_from_another_repository,
    what_is_left_of_a_pack_is_used_and_nothing_else_is_needed_from_elsewhere,
    what_is_nowhere_stays_and_is_told, a_repository_that_names_chunks_otherwise_is_refused,
    damage_in_the_other_repository_does_not_spread, bases_of_deltas_come_back_as_bases,
    beside_a_prune_the_damaged_pack_stays, repair_that_dies_at_any_call_is_repeated,
    a_prune_at_any_moment_takes_nothing_that_is_needed)
