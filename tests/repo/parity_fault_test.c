/*
 * Parity beside calls that fail and others at work: whatever happens, it is right or made again.
 */
#include "base/mem.h"
#include "damage.h"
#include "meddle.h"
#include "repo/index.h"
#define TEST_SECONDS 200
#include "support/test.h"

/* Interruptions */

typedef bool operation(struct world *w, struct err *e);

static bool prune(struct repo *r, struct err *e)
{
    const struct prune_options o = {.max_unused_percent = 0};
    struct prune_stats stats;

    return prune_run(r, &o, &stats, e);
}

static bool enable_again(struct world *w, struct err *e)
{
    static const struct parity_rule rule = {32, 2, 0};
    struct parity_figures f;

    return parity_enable(w->repo, &rule, &quiet, &f, e);
}

static bool disable(struct world *w, struct err *e)
{
    struct parity_figures f;

    return parity_disable(w->repo, &quiet, &f, e);
}

static bool plant_other(struct world *w, struct err *e)
{
    struct hash id;

    return world_plant(w->repo, &other_files, &id, e);
}

static bool forget_and_prune(struct world *w, struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list l = {0};

    if (!snapshot_load_all(w->repo, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &l, e))
        return false;
    for (size_t i = 0; i < l.count; i++)
        if (!hash_is_equal(&l.items[i]->id, &w->snapshot) &&
            !snapshot_forget(w->repo, &l.items[i]->id, NULL, e))
            return false;
    return prune(w->repo, e);
}

/* Whatever call fails: nothing is damaged, nothing comes back that went, and it can be repeated. */
static void fail_each_call(operation *fn, operation *before, enum fault_mode mode)
{
    bool was_hit = true;

    for (int n = test_first(); was_hit; n += test_every()) {
        AUTO(world) struct world w = guarded_new();

        if (before != NULL)
            CHECK_OK(before(&w, e));

        AUTO(store)
        struct store *flaky =
            store_fault_new(w.store, (struct fault_plan){.at = n, .mode = mode, .code = ERR_FATAL});
        struct err why = {0};

        w.repo->store = flaky;
        (void)!fn(&w, &why);
        was_hit = store_fault_calls(flaky) > n;
        w.repo->store = w.store;
        reopen(&w);
        CHECK(is_clean(w.repo) && world_is_sound(&w));
        CHECK_OK(fn(&w, e));
        CHECK(is_clean(w.repo) && world_is_sound(&w));

        const struct parity_figures f = figures_of(w.repo);

        CHECK(!f.is_on || enable(w.repo, &f.rule).unprotected == 0);
    }
}

TEST(interrupted_switching_is_repeated)
{
    fail_each_call(enable_again, NULL, FAULT_FROM);
    fail_each_call(disable, NULL, FAULT_FROM);
}
END

TEST(interrupted_writers_and_collectors_leave_parity_that_is_right)
{
    fail_each_call(plant_other, NULL, FAULT_FROM);
    fail_each_call(forget_and_prune, plant_other, FAULT_FROM);
    fail_each_call(forget_and_prune, plant_other, FAULT_ONCE);
}
END

TEST(healing_that_dies_at_any_call_is_repeated)
{
    bool was_hit = true;

    for (int n = test_first(); was_hit; n += test_every()) {
        AUTO(world) struct world w = guarded_new();
        AUTO(store) struct store *wanted = world_copy(w.store);
        AUTO(mem) char *pack = world_key(w.store, "packs/", 0);
        AUTO(mem) char *commit = world_key(w.store, "commits/", 0);
        AUTO(mem) char *slot = world_key(w.store, "keys/", 0);
        AUTO(found) struct found f;
        struct heal_stats stats;
        struct err why;

        hurt(w.store, pack, DAMAGE_FLIP);
        hurt(w.store, commit, DAMAGE_REMOVE);
        hurt(w.store, slot, DAMAGE_CUT);
        hurt(w.store, "config", DAMAGE_RUBBISH);
        find_damage(w.repo, &f);
        CHECK(f.count == 4);

        AUTO(store)
        struct store *flaky = store_fault_new(
            w.store, (struct fault_plan){.at = n, .mode = FAULT_FROM, .code = ERR_TRANSIENT});

        w.repo->store = flaky;
        (void)!heal_objects(w.repo, (const char *const *)f.keys, f.count, NULL, NULL, &stats, &why);
        was_hit = store_fault_calls(flaky) > n;
        w.repo->store = w.store;
        reopen(&w);
        recover(w.repo);
        CHECK(holds(w.store, wanted));
    }
}
END

/* Others meanwhile */

static void prune_meanwhile(void *arg)
{
    struct world *w = arg;
    AUTO(repo) struct repo *r = world_repo(w->store);

    CHECK_OK(prune(r, e));
}

TEST(what_a_prune_removes_meanwhile_does_not_come_back)
{
    int calls = 1;

    for (int n = 0; n < calls; n += test_every()) {
        AUTO(world) struct world w = world_new(&world_files);
        struct hash other;
        struct parity_figures f;

        CHECK_OK(world_plant(w.repo, &other_files, &other, e));
        CHECK_OK(snapshot_forget(w.repo, &other, NULL, e));

        AUTO(store)
        struct store *s =
            meddler_new(w.store, &(struct meddling){.at = n, .fn = prune_meanwhile, .arg = &w});

        w.repo->store = s;
        CHECK_OK(parity_enable(w.repo, &parity_rule_default, &quiet, &f, e));
        calls = meddler_calls(s);
        w.repo->store = w.store;
        CHECK(is_clean(w.repo) && world_is_sound(&w));
        CHECK(world_count(w.store, "parity/commits/") == world_count(w.store, "commits/"));
        CHECK(world_count(w.store, "parity/snapshots/") == world_count(w.store, "snapshots/"));
    }
    CHECK(calls > 20);
}
END

TESTS("parity fault", interrupted_switching_is_repeated,
      interrupted_writers_and_collectors_leave_parity_that_is_right,
      healing_that_dies_at_any_call_is_repeated, what_a_prune_removes_meanwhile_does_not_come_back)
