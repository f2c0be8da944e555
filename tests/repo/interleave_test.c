/*
 * Prunes, a backup and an undo of forget on one store, call by call in many orders, some of
 * them dying or meeting an error on the way.
 */
#include "base/mem.h"
#include "base/thread.h"
#include "meddle.h"
#include "repo/index.h"
#include "support/test.h"
#include "world.h"

#define SEEDS 80

static const struct plant old_plants[] = {
    {"a", 1, PACKFUL, false},
    {"b", 2, 90000, true},
    {"part", 7, (BATCH_BYTES / PIECE_SIZE + 1) * PIECE_SIZE, false},
};
static const struct plant new_plants[] = {
    {"part", 7, 7 * PIECE_SIZE, false},
    {"z", 5, 60000, true},
};
/* Two fifths of its pack are unused once the old snapshot is gone. */
static const struct plant kept_plants[] = {
    {"part", 7, (BATCH_BYTES / PIECE_SIZE * 3 / 5) * PIECE_SIZE, false},
};
static const struct planting kept = {kept_plants, 1, PACK_SIZE, 0};
static const struct planting old = {old_plants, 3, PACK_SIZE, 0};
static const struct planting new = {new_plants, 2, PACK_SIZE, 0};

enum { FIRST_PRUNE, SECOND_PRUNE, BACKUP, OPERATOR, ACTORS };

struct actor {
    struct relay *relay;
    size_t number;
    struct store *flaky, *store;
    struct repo *repo;
    pthread_t thread;
    struct growth growth;
    struct hash forgotten;
    bool repacks, is_committed, was_forgotten, was_undone;
};

static void run_prune(const struct actor *a)
{
    const struct prune_options o = {.max_unused_percent = a->repacks ? 10 : 100,
                                    .max_repack_bytes = a->repacks ? 0 : 1};
    struct prune_stats stats;
    struct err ignored;

    (void)!prune_run(a->repo, &o, &stats, &ignored);
}

static void run_backup(struct actor *a)
{
    struct err ignored;
    bool is_safe;

    a->is_committed = growth_put(&a->growth, &ignored) &&
                      growth_confirm(&a->growth, &is_safe, &ignored) &&
                      growth_end(&a->growth, is_safe, &ignored) && is_safe;
}

static void run_operator(struct actor *a)
{
    struct err ignored;
    struct hash done;
    char text[65];

    a->was_forgotten = true;
    if (!snapshot_forget(a->repo, &a->forgotten, "test", &ignored))
        return;
    snapshot_id_text(&a->forgotten, text);
    a->was_undone = snapshot_unforget(a->repo, text, &done, &ignored);
}

static void *actor_main(void *arg)
{
    struct actor *a = arg;

    if (a->number == BACKUP)
        run_backup(a);
    else if (a->number == OPERATOR)
        run_operator(a);
    else
        run_prune(a);
    relay_leave(a->relay, a->number);
    return NULL;
}

/* Every other seed lets somebody die at a call, or meet one failure. */
static struct fault_plan plan_of(uint64_t seed, size_t number)
{
    const uint64_t mixed = (seed * ACTORS + number + 1) * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    const bool fails = seed % 2 == 1 && mixed % 2 == 1;

    return (struct fault_plan){.at = fails ? (int)(mixed / 2 % 60) : -1,
                               .mode = mixed / 128 % 2 == 0 ? FAULT_ONCE : FAULT_FROM,
                               .code = ERR_FATAL};
}

struct stage {
    struct store *store;
    struct relay *relay;
    struct actor actors[ACTORS];
    struct hash old, new, kept;
};

static void stage_init(struct stage *st, uint64_t seed)
{
    *st = (struct stage){.store = store_memory_new(), .relay = relay_new(ACTORS, seed)};

    AUTO(repo) struct repo *r = world_repo(st->store);

    CHECK_OK(world_plant(r, &old, &st->old, e));
    CHECK_OK(world_plant(r, &new, &st->new, e));
    CHECK_OK(world_plant(r, &kept, &st->kept, e));
    CHECK_OK(snapshot_forget(r, &st->old, "test", e));
    for (size_t i = 0; i < ACTORS; i++) {
        struct actor *a = &st->actors[i];

        *a = (struct actor){.relay = st->relay, .number = i, .forgotten = st->new};
        a->repacks = i == FIRST_PRUNE || seed % 3 == 0;
        a->flaky = store_fault_new(st->store, plan_of(seed, i));
        a->store = relay_store(st->relay, i, a->flaky);
        a->repo = world_repo(st->store);
        /* It knows of what the prunes condemn. */
        if (i == BACKUP)
            CHECK_OK(growth_open(&a->growth, a->repo, &old, e));
        a->repo->store = a->store;
    }
}

static void stage_auto(struct stage *st)
{
    for (size_t i = 0; i < ACTORS; i++) {
        growth_auto(&st->actors[i].growth);
        repo_close(st->actors[i].repo);
        store_close(st->actors[i].store);
        store_close(st->actors[i].flaky);
    }
    relay_free(st->relay);
    store_close(st->store);
}

static void check_stage(struct stage *st, uint64_t seed)
{
    AUTO(repo) struct repo *r = world_repo(st->store);
    const struct actor *backup = &st->actors[BACKUP];
    const struct actor *operator= & st->actors[OPERATOR];
    struct err why = {0};

    if (backup->is_committed)
        ck_assert_msg(world_harvest(r, &backup->growth.snapshot, &old, &why),
                      "seed %d: the backup lost data: %s", (int)seed, why.text);
    if (!operator->was_forgotten || operator->was_undone)
        ck_assert_msg(world_harvest(r, &st->new, &new, &why), "seed %d: a snapshot lost data: %s",
                      (int)seed, why.text);
}

TEST(prunes_a_backup_and_an_undo_lose_nothing_in_any_order)
{
    int committed = 0, undone = 0;

    for (uint64_t seed = (uint64_t)test_first(); seed < SEEDS; seed += (uint64_t)test_every()) {
        AUTO(stage) struct stage st;
        struct prune_stats stats;

        stage_init(&st, seed);
        for (size_t i = 0; i < ACTORS; i++)
            thread_start(&st.actors[i].thread, actor_main, &st.actors[i], "actor");
        for (size_t i = 0; i < ACTORS; i++)
            thread_join(st.actors[i].thread);
        check_stage(&st, seed);

        AUTO(repo) struct repo *r = world_repo(st.store);

        CHECK_OK(prune_run(r, &(struct prune_options){.max_unused_percent = 0}, &stats, e));
        check_stage(&st, seed);
        committed += st.actors[BACKUP].is_committed ? 1 : 0;
        undone += st.actors[OPERATOR].was_undone ? 1 : 0;
    }
    CHECK((committed > SEEDS / 20 && undone > SEEDS / 20) || test_every() > 1);
}
END

TESTS("interleave", prunes_a_backup_and_an_undo_lose_nothing_in_any_order)
