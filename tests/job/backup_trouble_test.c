/* Backups that are stopped, or whose repository is damaged or collected meanwhile. */
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "job/world.h"

TEST(a_cancelled_backup_commits_nothing)
{
    AUTO(world) struct world w;

    world_init(&w);
    tree_make(w.dir.path);
    const struct backup_options o = options_of(&w);

    cancel_request();
    CHECK_ERR(run(&w, &o, e), ERR_CANCELLED);
    ck_assert_uint_eq(object_count(w.store, "snapshots/"), 0);
}
END

struct canceller {
    const char *prefix;
    int after;
};

static void cancel_at_put(void *arg, enum hook_op op, const char *key)
{
    struct canceller *c = arg;

    if (op == HOOK_PUT && strncmp(key, c->prefix, strlen(c->prefix)) == 0 && c->after-- == 0)
        cancel_request();
}

static void check_cancel(const char *prefix, int after)
{
    AUTO(world) struct world w;
    struct canceller c = {prefix, after};
    struct hook h;

    world_init(&w);
    file_put(path_in(w.dir.path, "large"), 1, 30 * MIB);
    hook_init(&h, w.store, cancel_at_put, &c);

    AUTO(repo) struct repo *r = fixture_open(&h.store);
    struct backup_options o = options_of(&w);

    o.pack_size = MIB;
    CHECK_ERR(backup_run(r, &o, &w.seen.report, &w.result, e), ERR_CANCELLED);
    ck_assert_uint_eq(object_count(w.store, "commits/"), 0);
    ck_assert_uint_eq(object_count(w.store, "snapshots/"), 0);
}

TEST(a_backup_that_is_cancelled_in_the_middle_of_a_file_commits_nothing)
{
    check_cancel("packs/", 3);
}
END

TEST(a_backup_that_is_cancelled_at_its_end_commits_nothing)
{
    check_cancel("snapshots/", 0);
}
END

/* Trouble in the repository */

TEST(a_damaged_snapshot_does_not_stop_backups)
{
    AUTO(world) struct world w;
    char key[128];

    world_init(&w);
    file_put_text(path_in(w.dir.path, "a"), "a");
    back_up(&w);
    object_name(w.store, "snapshots/", 0, key);
    object_damage(w.store, key, -1);
    back_up(&w);
    CHECK(!w.result.has_parent);
    check_restores(&w);
}
END

/* Flip a bit in each frame of every pack of a kind. */
static void damage_packs(struct store *s, bool of_trees)
{
    const size_t count = object_count(s, "packs/");

    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf head = {0};
        char key[128];

        object_name(s, "packs/", i, key);
        CHECK_OK(store_get(s, key, 0, 128, &head, e));
        if ((head.data[9] == 3) == of_trees)
            object_damage(s, key, 140);
    }
}

TEST(a_damaged_tree_of_the_parent_is_stored_again)
{
    AUTO(world) struct world w;

    world_init(&w);
    tree_make(w.dir.path);
    clock_ahead();
    back_up(&w);
    damage_packs(w.store, true);
    back_up(&w);
    ck_assert_uint_eq(w.result.errors, 0);
    ck_assert_uint_eq(w.result.counts.data_chunks, 0);
    check_restores(&w);
}
END

TEST(a_prune_never_prefers_a_damaged_tree_to_the_one_stored_instead)
{
    for (int round = 0; round < 6; round++) {
        AUTO(world) struct world w;
        const struct prune_options o = {.max_unused_percent = 50};
        struct prune_stats stats;
        struct err e = {0};

        world_init(&w);
        file_put_text(path_in(w.dir.path, "a"), "a");
        clock_ahead();
        back_up(&w);
        damage_packs(w.store, true);
        back_up(&w);
        const bool ok = prune_run(w.repo, &o, &stats, &e);

        CHECK(ok || e.code == ERR_CORRUPT);
        repo_drop_index(w.repo);
        check_restores(&w);
    }
}
END

TEST(a_lost_pack_is_stored_again)
{
    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;
        char key[128];

        world_init(&w);
        tree_make(w.dir.path);
        clock_ahead();
        back_up(&w);
        ck_assert_uint_eq(object_count(w.store, "packs/"), 2);
        object_name(w.store, "packs/", (size_t)i, key);
        CHECK_OK(store_remove(w.store, key, e));
        back_up(&w);
        ck_assert_uint_eq(w.result.errors, 0);
        /* The first snapshot too, unless a directory above the source has changed meanwhile. */
        check_restores(&w);
    }
}
END

/* A collector that condemns all packs when a snapshot is about to be written. */
struct collector {
    struct repo *other;
    int times;
    size_t condemned;
    char packs[16][128]; /* the first ones */
};

static void condemn_all(void *arg, enum hook_op op, const char *key)
{
    struct collector *c = arg;

    if (op != HOOK_PUT || strncmp(key, "snapshots/", 10) != 0 || c->times-- <= 0)
        return;
    for (size_t n = object_count(repo_store(c->other), "packs/"); n-- > 0;) {
        char pack[128];

        object_name(repo_store(c->other), "packs/", n, pack);
        pack_condemn(c->other, pack);
        if (c->condemned < 16)
            memcpy(c->packs[c->condemned], pack, sizeof(pack));
        c->condemned++;
    }
}

/* Go through with it. */
static void collect(struct collector *c)
{
    struct store *s = repo_store(c->other);

    for (size_t i = 0; i < c->condemned; i++)
        CHECK_OK(store_remove(s, c->packs[i], e));
    while (object_count(s, "condemned/") > 0) {
        char key[128];

        object_name(s, "condemned/", 0, key);
        CHECK_OK(store_remove(s, key, e));
    }
}

TEST(a_backup_whose_packs_are_condemned_is_repeated_and_succeeds)
{
    AUTO(world) struct world w;
    struct collector c = {.times = 1};
    struct hook h;

    world_init(&w);
    tree_make(w.dir.path);
    clock_ahead();
    c.other = w.repo;
    hook_init(&h, w.store, condemn_all, &c);

    AUTO(repo) struct repo *r = fixture_open(&h.store);
    const struct backup_options o = options_of(&w);

    CHECK_OK(backup_run(r, &o, &w.seen.report, &w.result, e));
    CHECK(w.result.is_committed && c.condemned == 2);
    ck_assert_uint_eq(object_count(w.store, "snapshots/"), 1);
    ck_assert_uint_eq(object_count(w.store, "packs/"), 4);
    collect(&c);
    check_restores(&w);
}
END

TEST(a_backup_whose_packs_are_always_condemned_gives_up)
{
    AUTO(world) struct world w;
    struct collector c = {.times = 100};
    struct hook h;

    world_init(&w);
    file_put_text(path_in(w.dir.path, "a"), "a");
    c.other = w.repo;
    hook_init(&h, w.store, condemn_all, &c);

    AUTO(repo) struct repo *r = fixture_open(&h.store);
    const struct backup_options o = options_of(&w);

    CHECK_ERR(backup_run(r, &o, &w.seen.report, &w.result, e), ERR_TRANSIENT);
    ck_assert_uint_eq(object_count(w.store, "commits/"), 0);
    ck_assert_uint_eq(object_count(w.store, "snapshots/"), 0);
}
END

TESTS("backup_trouble", a_cancelled_backup_commits_nothing,
      a_backup_that_is_cancelled_in_the_middle_of_a_file_commits_nothing,
      a_backup_that_is_cancelled_at_its_end_commits_nothing,
      a_damaged_snapshot_does_not_stop_backups, a_damaged_tree_of_the_parent_is_stored_again,
      a_prune_never_prefers_a_damaged_tree_to_the_one_stored_instead, a_lost_pack_is_stored_again,
      a_backup_whose_packs_are_condemned_is_repeated_and_succeeds,
      a_backup_whose_packs_are_always_condemned_gives_up)
