/*
 * Packs that come back from another repository, bit for bit or chunk by chunk.
 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "meddle.h"
#include "repo/condemned_list.h"
#include "repo/index.h"
#include "support/test.h"
#include "world.h"

#define PACK_SIZE ((size_t)100000)
#define PACKFUL   (BATCH_BYTES + 6000)
static const struct plant plants[] = {
    {"a/one", 1, PACKFUL, false},
    {"a/two", 2, 90000, true},
    {"b", 3, PACKFUL, false},
};
static const struct planting planting = {plants, 3, PACK_SIZE, 0};
/* Its own snapshot later: small changes, stored as deltas. */
static const struct plant edited[] = {
    {"a/one", EDITED(1, 1), PACKFUL, false},
    {"b", 3, PACKFUL, false},
};
static const struct planting later = {edited, 2, PACK_SIZE, 0};

struct world {
    struct store *store;
    struct repo *repo;
    struct hash snapshot;
};

static struct world world_new(void)
{
    struct world w = {.store = store_memory_new()};

    w.repo = world_repo(w.store);
    CHECK_OK(world_plant(w.repo, &planting, &w.snapshot, e));
    return w;
}

/* Another repository that names chunks as this one does, as init --copy-chunker-params makes it. */
static struct world world_twin(const struct world *w)
{
    struct world twin = {.store = store_memory_new()};

    twin.repo = world_repo(twin.store);
    memcpy(twin.repo->keys->chunk_id, w->repo->keys->chunk_id, SEAL_KEY_SIZE);
    CHECK_OK(world_plant(twin.repo, &planting, &twin.snapshot, e));
    return twin;
}

static void world_auto(struct world *w)
{
    repo_close(w->repo);
    store_close(w->store);
}

static bool is_sound(struct world *w)
{
    struct err why;

    return world_harvest(w->repo, &w->snapshot, &planting, &why);
}

struct seen {
    size_t from[4]; /* by enum heal_source */
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

static void count_fault(void *arg, const struct check_fault *f)
{
    *(size_t *)arg += f->kind == CHECK_DAMAGED;
}

static size_t damage_in(struct repo *r)
{
    size_t count = 0;
    const struct check_options o = {.read_data = true, .fault = count_fault, .arg = &count};
    struct check_stats stats;

    CHECK_OK(check_run(r, &o, &stats, e));
    return count;
}

/* All of the content of a pack, or one byte at a place. */
static void spoil(struct store *s, const char *key, size_t from, size_t size)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));
    for (size_t i = from; i < from + size && i < bytes.size; i++)
        bytes.data[i] ^= 0x55;
    world_replace(s, key, buf_slice(&bytes));
}

TEST(a_repository_without_damage_is_left_as_it_is)
{
    AUTO(world) struct world w = world_new();
    const size_t objects = world_count(w.store, "");
    struct repair_packs_stats stats;
    struct seen seen;

    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.packs == world_count(w.store, "packs/") && stats.damaged == 0);
    CHECK(world_count(w.store, "") == objects && is_sound(&w));
}
END

TEST(packs_come_from_parity_first)
{
    AUTO(world) struct world w = world_new();
    const struct parity_work quiet = {0};
    struct parity_figures figures;
    struct repair_packs_stats stats;
    struct seen seen;

    CHECK_OK(parity_enable(w.repo, &parity_rule_default, &quiet, &figures, e));
    for (size_t n = world_count(w.store, "packs/"); n-- > 0;) {
        AUTO(mem) char *key = world_key(w.store, "packs/", n);

        spoil(w.store, key, 300, 1);
    }
    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.damaged == stats.packs && stats.healed == stats.damaged && stats.left == 0);
    CHECK(seen.from[HEAL_PARITY] == stats.healed);
    CHECK(is_sound(&w) && damage_in(w.repo) == 0);
}
END

TEST(only_the_packs_that_are_named_are_looked_at)
{
    AUTO(world) struct world w = world_new();
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
    AUTO(world) struct world w = world_new();
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
    CHECK(is_sound(&w) && damage_in(w.repo) == 0);
}
END

TEST(chunks_come_from_another_repository)
{
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world twin = world_twin(&w);
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
    CHECK(!is_sound(&w));
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.damaged == packs && stats.left == 0 && stats.chunks_lost == 0);
    CHECK(stats.chunks_copied > 10);
    CHECK(is_sound(&w) && damage_in(w.repo) == 0);
    CHECK(world_count(w.store, "condemned/") == 0);
    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.damaged == 0);
}
END

TEST(what_is_left_of_a_pack_is_used_and_nothing_else_is_needed_from_elsewhere)
{
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world twin = {.store = store_memory_new()};
    struct repair_packs_stats stats;
    struct seen seen;

    /* It has nothing at all; the directories are what is damaged. */
    twin.repo = world_repo(twin.store);
    memcpy(twin.repo->keys->chunk_id, w.repo->keys->chunk_id, SEAL_KEY_SIZE);
    for (size_t n = world_count(w.store, "packs/"); n-- > 0;) {
        AUTO(mem) char *key = world_key(w.store, "packs/", n);
        struct object_info info;

        CHECK_OK(store_stat(w.store, key, &info, e));
        spoil(w.store, key, (size_t)info.size - 20, 20);
    }
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 0 && stats.chunks_lost == 0 && stats.chunks_copied > 10);
    CHECK(is_sound(&w) && damage_in(w.repo) == 0);
}
END

TEST(what_is_nowhere_stays_and_is_told)
{
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world twin = {.store = store_memory_new()};
    AUTO(mem) char *key = world_key(w.store, "packs/", 0);
    struct repair_packs_stats stats;
    struct seen seen;

    twin.repo = world_repo(twin.store);
    memcpy(twin.repo->keys->chunk_id, w.repo->keys->chunk_id, SEAL_KEY_SIZE);
    spoil(w.store, key, 0, SIZE_MAX / 2);
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 1 && seen.from[HEAL_NOT] == 1 && stats.chunks_lost > 0);
    CHECK(world_count(w.store, "condemned/") == 0 && !is_sound(&w));
    CHECK_OK(repair(w.repo, NULL, &seen, &stats, e));
    CHECK(stats.left == 1 && strstr(seen.last, "parity") != NULL);
}
END

TEST(a_repository_that_names_chunks_otherwise_is_refused)
{
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world other = world_new();
    struct repair_packs_stats stats;
    struct seen seen;

    CHECK_ERR(repair(w.repo, other.repo, &seen, &stats, e), ERR_USAGE);
}
END

/* A chunk that the other repository gives is proved by its id, whatever it claims. */
TEST(damage_in_the_other_repository_does_not_spread)
{
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world twin = world_twin(&w);
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
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world twin = world_twin(&w);
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
    CHECK(is_sound(&w));
    CHECK(stats.left == 0 && damage_in(w.repo) == 0);
}
END

TEST(beside_a_prune_the_damaged_pack_stays)
{
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world twin = world_twin(&w);
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
    CHECK(is_sound(&w) && world_count(w.store, "condemned/") == 1);
    CHECK_OK(store_remove(w.store, list, e));
    CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
    CHECK(stats.left == 0 && damage_in(w.repo) == 0);
}
END

TEST(repair_that_dies_at_any_call_is_repeated)
{
    bool was_hit = true;
    AUTO(world) struct world origin = world_new();
    AUTO(world) struct world twin = world_twin(&origin);

    for (int n = 0; was_hit; n++) {
        AUTO(world)
        struct world w = {.store = world_copy(origin.store), .snapshot = origin.snapshot};
        AUTO(mem) char *damaged = world_key(w.store, "packs/", 0);
        AUTO(mem) char *gone = world_key(w.store, "packs/", 2);
        struct repair_packs_stats stats;
        struct seen seen;
        struct err why;

        w.repo = world_repo(w.store);
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
        CHECK(stats.left == 0 && is_sound(&w) && damage_in(w.repo) == 0);
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

TEST(a_prune_at_any_moment_takes_nothing_that_is_needed)
{
    int calls = 1;
    AUTO(world) struct world origin = world_new();
    AUTO(world) struct world twin = world_twin(&origin);

    for (int n = 0; n < calls; n++) {
        AUTO(world)
        struct world w = {.store = world_copy(origin.store), .snapshot = origin.snapshot};
        AUTO(mem) char *key = world_key(w.store, "packs/", 0);
        struct repair_packs_stats stats;
        struct seen seen;
        struct err why;

        w.repo = world_repo(w.store);
        spoil(w.store, key, 0, SIZE_MAX / 2);

        AUTO(store)
        struct store *s =
            meddler_new(w.store, &(struct meddling){.at = n, .fn = prune_meanwhile, .arg = &w});

        w.repo->store = s;
        (void)!repair(w.repo, twin.repo, &seen, &stats, &why);
        calls = meddler_calls(s);
        w.repo->store = w.store;
        CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
        CHECK(stats.left == 0 && is_sound(&w) && damage_in(w.repo) == 0);
    }
    CHECK(calls > 20);
}
END

static void plant_meanwhile(void *arg)
{
    struct world *w = arg;
    struct hash snapshot;
    AUTO(repo) struct repo *r = world_repo(w->store);

    CHECK_OK(world_plant(r, &planting, &snapshot, e));
}

TEST(a_backup_at_any_moment_relies_on_nothing_that_goes)
{
    int calls = 1;
    AUTO(world) struct world origin = world_new();
    AUTO(world) struct world twin = world_twin(&origin);

    for (int n = 0; n < calls; n++) {
        AUTO(world)
        struct world w = {.store = world_copy(origin.store), .snapshot = origin.snapshot};
        AUTO(mem) char *key = world_key(w.store, "packs/", 0);
        struct repair_packs_stats stats;
        struct seen seen;

        w.repo = world_repo(w.store);
        spoil(w.store, key, 0, SIZE_MAX / 2);

        AUTO(store)
        struct store *s =
            meddler_new(w.store, &(struct meddling){.at = n, .fn = plant_meanwhile, .arg = &w});

        w.repo->store = s;
        CHECK_OK(repair(w.repo, twin.repo, &seen, &stats, e));
        calls = meddler_calls(s);
        w.repo->store = w.store;
        CHECK(stats.left == 0 && is_sound(&w) && damage_in(w.repo) == 0);
        CHECK(world_count(w.store, "commits/") == 2);
    }
    CHECK(calls > 20);
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
