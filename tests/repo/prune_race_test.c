/*
 * Prune beside backups, an undo of forget and other prunes, and prune that dies.
 */
#include "base/mem.h"
#include "meddle.h"
#include "pair.h"
#include "repo/condemned_list.h"
#include "support/test.h"

/* Something that another process does while a prune runs. */
struct other {
    struct store *store;
    struct repo *repo;
    struct growth growth;
    struct hash snapshot;
    bool ok, is_safe;
    struct err why;
};

static void other_auto(struct other *o)
{
    growth_auto(&o->growth);
}

static void put_old(void *arg)
{
    struct other *o = arg;

    o->ok = growth_put(&o->growth, &o->why) && growth_confirm(&o->growth, &o->is_safe, &o->why);
}

TEST(prune_rescues_what_a_snapshot_put_behind_its_list_needs)
{
    AUTO(pair) struct pair p = pair_new();
    AUTO(repo) struct repo *r = world_repo(p.store);
    AUTO(other) struct other o = {.repo = r};
    struct prune_stats stats;

    CHECK_OK(growth_open(&o.growth, r, &old, e));

    AUTO(store)
    struct store *s = meddler_new(
        p.store, &(struct meddling){.at = -1, .prefix = "condemned/", .fn = put_old, .arg = &o});

    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(o.ok && !o.is_safe && stats.packs_rescued > 0);
    /* Now the list is gone, and what it named is there. */
    CHECK_OK(growth_confirm(&o.growth, &o.is_safe, e));
    CHECK(o.is_safe);
    CHECK_OK(growth_end(&o.growth, true, e));
    CHECK(is_sound(p.store, &o.growth.snapshot, &old));
    CHECK(is_sound(p.store, &p.new, &new));
}
END

static void plant_old(void *arg)
{
    struct other *o = arg;

    o->ok = world_plant(o->repo, &old, &o->snapshot, &o->why);
}

/* Calls that a prune of a pair makes. */
static int calls_of_prune(const struct prune_options *o)
{
    AUTO(pair) struct pair p = pair_new();
    AUTO(store) struct store *s = meddler_new(p.store, &(struct meddling){.at = -1});
    struct prune_stats stats;

    CHECK_OK(prune(s, o, &stats, e));
    return meddler_calls(s);
}

TEST(prune_and_a_backup_at_any_moment_of_it_leave_sound_snapshots)
{
    const int calls = calls_of_prune(&eager);

    for (int n = test_first(); n < calls; n += test_every()) {
        AUTO(pair) struct pair p = pair_new();
        AUTO(repo) struct repo *r = world_repo(p.store);
        struct other o = {.repo = r};
        AUTO(store)
        struct store *s =
            meddler_new(p.store, &(struct meddling){.at = n, .fn = plant_old, .arg = &o});
        struct prune_stats stats;

        CHECK_OK(prune(s, &eager, &stats, e));
        /* A list that is being worked off fails a backup in the end; it can come again. */
        if (!o.ok)
            CHECK(o.why.code == ERR_TRANSIENT && world_count(p.store, "condemned/") == 0);
        else
            CHECK(is_sound(p.store, &o.snapshot, &old));
        CHECK(is_sound(p.store, &p.new, &new));
        CHECK_OK(prune(p.store, &plain, &stats, e));
        CHECK(!o.ok || is_sound(p.store, &o.snapshot, &old));
    }
}
END

TEST(prune_spares_a_snapshot_confirmed_at_any_moment_and_committed_behind_it)
{
    const int calls = calls_of_prune(&eager);
    int committed = 0;

    for (int n = test_first(); n < calls; n += test_every()) {
        AUTO(pair) struct pair p = pair_new();
        AUTO(repo) struct repo *r = world_repo(p.store);
        AUTO(other) struct other o = {.repo = r};
        AUTO(store)
        struct store *s =
            meddler_new(p.store, &(struct meddling){.at = n, .fn = put_old, .arg = &o});
        struct prune_stats stats;

        CHECK_OK(growth_open(&o.growth, r, &old, e));
        CHECK_OK(prune(s, &eager, &stats, e));
        CHECK(o.ok);
        CHECK_OK(growth_end(&o.growth, o.is_safe, e));
        CHECK(!o.is_safe || is_sound(p.store, &o.growth.snapshot, &old));
        CHECK(is_sound(p.store, &p.new, &new));
        committed += o.is_safe ? 1 : 0;
    }
    CHECK((committed > 0 || test_every() > 1) && committed < calls);
}
END

static void unforget(void *arg)
{
    struct other *o = arg;
    char text[65];
    struct hash done;

    snapshot_id_text(&o->snapshot, text);
    o->ok = snapshot_unforget(o->repo, text, &done, &o->why);
}

TEST(prune_and_an_undo_of_forget_agree_at_any_moment)
{
    const int calls = calls_of_prune(&eager);
    int undone = 0;

    for (int n = test_first(); n < calls; n += test_every()) {
        AUTO(pair) struct pair p = pair_new();
        AUTO(repo) struct repo *r = world_repo(p.store);
        struct other o = {.repo = r, .snapshot = p.old};
        AUTO(store)
        struct store *s =
            meddler_new(p.store, &(struct meddling){.at = n, .fn = unforget, .arg = &o});
        struct prune_stats stats;

        CHECK_OK(prune(s, &eager, &stats, e));
        CHECK(is_sound(p.store, &p.new, &new));
        CHECK(is_sound(p.store, &p.old, &old) == o.ok);
        undone += o.ok ? 1 : 0;
    }
    CHECK((undone > 0 || test_every() > 1) && undone < calls);
}
END

static void prune_too(void *arg)
{
    struct other *o = arg;
    struct prune_stats stats;

    o->ok = prune(o->store, &eager, &stats, &o->why);
}

TEST(prune_and_another_prune_at_any_moment_lose_nothing)
{
    const int calls = calls_of_prune(&eager);

    for (int n = test_first(); n < calls; n += test_every()) {
        AUTO(pair) struct pair p = pair_new();
        struct other o = {.store = p.store};
        AUTO(store)
        struct store *s =
            meddler_new(p.store, &(struct meddling){.at = n, .fn = prune_too, .arg = &o});
        struct prune_stats stats;
        struct err why;

        const bool ok = prune(s, &eager, &stats, &why);

        ck_assert_msg(ok || why.code == ERR_TRANSIENT, "%d: %s", n, why.text);
        CHECK(o.ok || o.why.code == ERR_TRANSIENT);
        CHECK(is_sound(p.store, &p.new, &new));
        CHECK_OK(prune(p.store, &eager, &stats, e));
        CHECK(is_sound(p.store, &p.new, &new));
        check_clean(p.store);
    }
}
END

static void forget_new(void *arg)
{
    const struct other *o = arg;

    CHECK_OK(snapshot_forget(o->repo, &o->snapshot, "test", e));
}

TEST(prune_keeps_a_snapshot_that_was_forgotten_behind_its_list)
{
    AUTO(pair) struct pair p = pair_new();
    AUTO(repo) struct repo *r = world_repo(p.store);
    AUTO(other) struct other o = {.repo = r, .snapshot = p.new};
    AUTO(store)
    struct store *s = meddler_new(
        p.store, &(struct meddling){.at = -1, .prefix = "condemned/", .fn = forget_new, .arg = &o});
    struct prune_stats stats;

    CHECK_OK(prune(s, &eager, &stats, e));
    CHECK(stats.snapshots_removed == 1);
    unforget(&o);
    CHECK(o.ok);
    CHECK(is_sound(p.store, &p.new, &new));
}
END

/* Another collector, which condemns what a prune has copied and removes it some time later. */
struct rival {
    struct store *store;
    struct repo *repo;
    size_t known; /* packs before */
    struct hash before[50], copies[50];
    size_t copy_count;
    char *list;
};

static struct rival rival_new(struct store *s)
{
    struct rival v = {.store = s, .repo = world_repo(s), .known = world_count(s, "packs/")};

    CHECK(v.known < 50);
    for (size_t i = 0; i < v.known; i++) {
        AUTO(mem) char *key = world_key(s, "packs/", i);

        CHECK(key_hash(key, &v.before[i]));
    }
    return v;
}

static void rival_auto(struct rival *v)
{
    repo_close(v->repo);
    mem_free(v->list);
}

static void rival_condemn(void *arg)
{
    struct rival *v = arg;

    for (size_t i = 0; i < world_count(v->store, "packs/"); i++) {
        AUTO(mem) char *key = world_key(v->store, "packs/", i);
        bool is_known = false;

        CHECK(key_hash(key, &v->copies[v->copy_count]));
        for (size_t n = 0; n < v->known && !is_known; n++)
            is_known = hash_is_equal(&v->before[n], &v->copies[v->copy_count]);
        v->copy_count += is_known ? 0 : 1;
    }
    CHECK_OK(condemned_list_put(
        v->repo, &(struct condemned_list){.packs = v->copies, .pack_count = v->copy_count},
        &v->list, e));
}

static void rival_remove(void *arg)
{
    struct rival *v = arg;

    if (v->list == NULL)
        return;
    for (size_t i = 0; i < v->copy_count; i++) {
        char key[PACK_KEY_MAX];

        pack_key(&v->copies[i], key);
        CHECK_OK(store_remove(v->store, key, e));
    }
    CHECK_OK(store_remove(v->store, v->list, e));
}

TEST(prune_does_not_rely_on_copies_that_another_condemns_and_removes_at_any_moment)
{
    const int calls = calls_of_prune(&eager) + 10;

    for (int n = test_first(); n < calls; n += test_every()) {
        AUTO(pair) struct pair p = pair_new();
        AUTO(rival) struct rival v = rival_new(p.store);
        AUTO(store)
        struct store *condemning = meddler_new(
            p.store,
            &(struct meddling){.at = -1, .prefix = "condemned/", .fn = rival_condemn, .arg = &v});
        AUTO(store)
        struct store *s =
            meddler_new(condemning, &(struct meddling){.at = n, .fn = rival_remove, .arg = &v});
        struct prune_stats stats;
        struct err why;

        CHECK(prune(s, &eager, &stats, &why) || why.code == ERR_TRANSIENT);
        CHECK(v.copy_count > 0);
        rival_remove(&v);
        CHECK(is_sound(p.store, &p.new, &new));
    }
}
END

TEST(prune_is_not_stopped_by_a_prepared_snapshot_that_lacks_chunks)
{
    AUTO(pair) struct pair p = pair_new();
    AUTO(repo) struct repo *r = world_repo(p.store);
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    struct prune_stats stats;

    s->host = mem_string("host");
    s->user = mem_string("user");
    s->program = mem_string("test");
    s->tree = (struct hash){{42}};
    CHECK_OK(snapshot_put(r, s, e));
    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(is_sound(p.store, &p.new, &new));
    CHECK(world_count(p.store, "snapshots/") == 2);
}
END

/* Crashes */

static void check_crash(int at, enum fault_mode mode, bool *was_hit)
{
    AUTO(pair) struct pair p = pair_new();
    AUTO(store)
    struct store *flaky =
        store_fault_new(p.store, (struct fault_plan){.at = at, .mode = mode, .code = ERR_FATAL});
    AUTO(repo) struct repo *r = world_repo(p.store);
    struct prune_stats stats;
    struct err why;

    r->store = flaky;

    const bool ok = prune_run(r, &eager, &stats, &why);

    *was_hit = store_fault_calls(flaky) > at;
    CHECK(ok || *was_hit);
    CHECK(is_sound(p.store, &p.new, &new));
    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(is_sound(p.store, &p.new, &new));
    check_clean(p.store);
    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(stats.chunks_unused == 0 && stats.packs_removed == 0);
}

TEST(prune_that_dies_at_any_call_loses_nothing_and_can_be_finished)
{
    static const enum fault_mode modes[] = {FAULT_FROM, FAULT_ONCE, FAULT_LOST_REPLY};
    for (size_t i = 0; i < 3; i++) {
        bool was_hit = true;

        for (int n = test_first(); was_hit; n += test_every())
            check_crash(n, modes[i], &was_hit);
    }
}
END

/* The index of the backup is from before the prune. */
static void check_backup_behind_failure(int at, enum fault_mode mode)
{
    AUTO(pair) struct pair p = pair_new();
    AUTO(store)
    struct store *flaky =
        store_fault_new(p.store, (struct fault_plan){.at = at, .mode = mode, .code = ERR_FATAL});
    AUTO(repo) struct repo *r = world_repo(p.store);
    AUTO(repo) struct repo *pruned = world_repo(p.store);
    AUTO(other) struct other o = {.repo = r};
    struct prune_stats stats;
    struct err ignored;
    struct hash again;

    CHECK_OK(growth_open(&o.growth, r, &old, e));
    pruned->store = flaky;
    (void)!prune_run(pruned, &eager, &stats, &ignored);
    put_old(&o);
    CHECK(o.ok);
    CHECK_OK(growth_end(&o.growth, o.is_safe, e));
    CHECK(!o.is_safe || is_sound(p.store, &o.growth.snapshot, &old));

    again = plant(p.store, &old);
    CHECK(is_sound(p.store, &again, &old));
    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(is_sound(p.store, &again, &old) && is_sound(p.store, &p.new, &new));
    CHECK(!o.is_safe || is_sound(p.store, &o.growth.snapshot, &old));
}

TEST(backup_behind_a_prune_that_failed_at_any_call_relies_on_nothing_condemned)
{
    const int calls = calls_of_prune(&eager);

    for (int n = test_first(); n < calls; n += test_every()) {
        check_backup_behind_failure(n, FAULT_FROM);
        check_backup_behind_failure(n, FAULT_ONCE);
    }
}
END

TEST(prune_clears_away_the_list_of_a_dead_one_and_no_other)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    const struct hash id = plant(s, &old);
    struct condemned_list dead = {.packs = &(struct hash){{1}}, .pack_count = 1};
    struct condemned_list slow = {.snapshots = &(struct hash){{0}}, .snapshot_count = 1};
    AUTO(mem) char *dead_key = NULL;
    AUTO(mem) char *slow_key = NULL;
    struct prune_stats stats;
    struct object_info info;

    slow.snapshots[0] = id;
    CHECK_OK(condemned_list_put(r, &dead, &dead_key, e));
    CHECK_OK(condemned_list_put(r, &slow, &slow_key, e));
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK_ERR(store_stat(s, dead_key, &info, e), ERR_NOT_FOUND);
    CHECK_OK(store_stat(s, slow_key, &info, e));
}
END

TEST(prune_copies_what_is_needed_out_of_packs_that_others_condemned)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    const struct hash id = plant(s, &old);
    AUTO(mem) char *first = world_key(s, "packs/", 0);
    AUTO(mem) char *key = NULL;
    struct condemned_list list = {.packs = &(struct hash){{0}}, .pack_count = 1};
    struct prune_stats stats;
    struct object_info info;

    CHECK(key_hash(first, &list.packs[0]));
    CHECK_OK(condemned_list_put(r, &list, &key, e));
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(stats.packs_repacked == 1 && stats.packs_removed == 1);
    CHECK_ERR(store_stat(s, first, &info, e), ERR_NOT_FOUND);
    CHECK(is_sound(s, &id, &old));
    check_clean(s);
}
END

TESTS("prune race", prune_rescues_what_a_snapshot_put_behind_its_list_needs,
      prune_and_a_backup_at_any_moment_of_it_leave_sound_snapshots,
      prune_spares_a_snapshot_confirmed_at_any_moment_and_committed_behind_it,
      prune_and_an_undo_of_forget_agree_at_any_moment,
      prune_and_another_prune_at_any_moment_lose_nothing,
      prune_keeps_a_snapshot_that_was_forgotten_behind_its_list,
      prune_does_not_rely_on_copies_that_another_condemns_and_removes_at_any_moment,
      prune_is_not_stopped_by_a_prepared_snapshot_that_lacks_chunks,
      prune_that_dies_at_any_call_loses_nothing_and_can_be_finished,
      backup_behind_a_prune_that_failed_at_any_call_relies_on_nothing_condemned,
      prune_clears_away_the_list_of_a_dead_one_and_no_other,
      prune_copies_what_is_needed_out_of_packs_that_others_condemned)
