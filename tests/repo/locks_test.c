/* Locks that the store keeps: what is locked, for how long, and what that costs. */
#include "repo/object_locks.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../store/scratch.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "lockable.h"
#include "pair.h"
#include "repo/mark.h"
#include "support/test.h"

#define DAY_NS (24 * 60 * 60 * NS_PER_S)

static const struct prune_options keeping = {
    .max_unused_percent = 100, .max_repack_bytes = 1, .keeps_locked = true};
static const struct prune_options eager_keeping = {.max_unused_percent = 10, .keeps_locked = true};
static const struct prune_options extending = {.only_extends_locks = true};

static struct store *new_store(void)
{
    const struct lock_rule rule = lockable_days(10, 15);

    return lockable_new(store_memory_new(), &rule);
}

static void let_pass(int days)
{
    clock_set_for_tests(clock_now_ns() + days * DAY_NS);
}

static int64_t now_s(void)
{
    return clock_now_ns() / NS_PER_S;
}

/* What a lock may fall short of when it is looked at: the clock goes on behind whoever set it. */
#define SLACK_S 60

struct search {
    struct store *store;
    int64_t until_s;
    size_t locked, unlocked;
};

static bool look_at(void *arg, const struct object_info *info, struct err *e)
{
    struct search *s = arg;

    (void)e;
    if (lockable_lock(s->store, info->key).until_s >= s->until_s)
        s->locked++;
    else
        s->unlocked++;
    return true;
}

/* How many objects below a prefix are locked for so many days from now on, and how many are not. */
static struct search locked_below(struct store *s, const char *prefix, int days)
{
    struct search out = {.store = s, .until_s = now_s() + (int64_t)days * 86400 - SLACK_S};

    CHECK_OK(store_list(s, prefix, look_at, &out, e));
    return out;
}

/* Whether everything that a snapshot needs is locked for as long as promised. */
static bool is_protected(struct store *s, const struct hash *id)
{
    static const char *const folders[] = {"snapshots", "commits"};
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    const int64_t until_s = now_s() + s->locks.promise_s - SLACK_S;
    bool is_good = locked_below(s, "config", 10).unlocked == 0 &&
                   locked_below(s, "keys/", 10).unlocked == 0 &&
                   locked_below(s, "index/", 10).unlocked == 0;

    for (size_t i = 0; i < 2; i++) {
        char key[OBJECT_KEY_MAX];

        object_key(folders[i], id, key);
        is_good = is_good && lockable_lock(s, key).until_s >= until_s;
    }
    CHECK_OK(snapshot_load(r, id, &snapshot, e));
    CHECK_OK(repo_load_index(r, e));

    AUTO(marks) struct marks *m = marks_new(r);

    CHECK_OK(marks_add(m, &snapshot->tree, NULL, NULL, e));
    for (size_t i = 0; i < index_entry_room(r->index); i++) {
        char key[PACK_KEY_MAX];
        uint8_t prefix[16];
        struct place at;

        if (!marks_has(m, i) || !index_entry_at(r->index, i, prefix, &at))
            continue;
        pack_key(&index_pack_at(r->index, index_frame_at(r->index, at.frame).pack)->id, key);
        is_good = is_good && lockable_lock(s, key).until_s >= until_s;
    }
    return is_good;
}

/* As a run of the program does: a handle of its own, and a record near by. */
static struct lock_stats plant_near(struct store *s, const char *folder, const struct planting *p,
                                    struct hash *id)
{
    AUTO(repo) struct repo *r = world_repo(s);
    struct lock_stats stats;

    if (folder != NULL)
        repo_keep_in(r, folder, true);
    CHECK_OK(world_plant(r, p, id, e));
    repo_lock_stats(r, &stats);
    return stats;
}

TEST(what_a_snapshot_shares_with_older_ones_is_locked_for_as_long_as_the_rest)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);

    CHECK(is_protected(s, &first));
    let_pass(6);
    CHECK(!is_protected(s, &first));

    const struct hash second = plant(s, &new);
    const struct lockable_counts counts = lockable_counts(s);

    CHECK(is_protected(s, &second));
    CHECK(counts.extended > 0 && !is_protected(s, &first));
    CHECK(locked_below(s, "packs/", 10).unlocked > 0);
}
END

TEST(what_is_locked_for_long_enough_is_not_extended)
{
    AUTO(store) struct store *s = new_store();

    (void)plant(s, &old);
    let_pass(4);
    (void)lockable_counts(s);

    const struct hash second = plant(s, &new);

    CHECK(lockable_counts(s).extended == 0 && is_protected(s, &second));
}
END

TEST(tombstones_and_condemned_lists_are_not_locked)
{
    AUTO(store) struct store *s = new_store();
    const struct hash id = plant(s, &old);

    forget(s, &id);
    CHECK(world_count(s, "trash/") == 1 && locked_below(s, "trash/", 0).locked == 0);
    CHECK(!object_key_is_lasting("condemned/1") && !object_key_is_lasting("parity/packs/1"));
    CHECK(!object_key_is_lasting("drills/1") && !object_key_is_lasting("configuration"));
    CHECK(object_key_is_lasting("keys/1") && object_key_is_lasting("config"));
}
END

TEST(nothing_is_asked_twice_while_a_record_is_near)
{
    AUTO(store) struct store *s = new_store();
    AUTO(scratch) char *near = scratch_new();
    struct lock_stats stats;
    struct hash id;

    stats = plant_near(s, near, &old, &id);
    CHECK(stats.is_on && stats.extended == 0);
    stats = plant_near(s, near, &old, &id);
    CHECK(stats.asked == 0 && stats.extended == 0);
    let_pass(6);
    stats = plant_near(s, near, &old, &id);
    CHECK(stats.asked == 0 && stats.extended > 0 && is_protected(s, &id));
    stats = plant_near(s, near, &old, &id);
    CHECK(stats.asked == 0 && stats.extended == 0);
    stats = plant_near(s, NULL, &old, &id);
    CHECK(stats.asked > 0 && stats.extended == 0);
}
END

static void damage(const char *path, struct slice whole, size_t size, size_t flip)
{
    AUTO(buf) struct buf bytes = {0};
    FILE *f = fopen(path, "w");

    CHECK(f != NULL);
    buf_append(&bytes, whole.data, size);
    if (flip < size)
        bytes.data[flip] ^= 1;
    CHECK(size == 0 || fwrite(bytes.data, 1, bytes.size, f) == bytes.size);
    CHECK(fclose(f) == 0);
}

TEST(a_damaged_record_costs_requests_and_nothing_else)
{
    AUTO(store) struct store *s = new_store();
    AUTO(scratch) char *near = scratch_new();
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf whole = {0};
    struct lock_record record;
    struct hash id;

    (void)plant_near(s, near, &old, &id);
    buf_printf(&path, "%s/locks", near);
    CHECK_OK(file_read(buf_string(&path), 1 << 20, &whole, e));
    for (size_t i = (size_t)test_first(); i < whole.size; i += (size_t)test_every()) {
        damage(buf_string(&path), buf_slice(&whole), i, SIZE_MAX);
        lock_record_read(near, &record);
        CHECK(record.count == 0);
        damage(buf_string(&path), buf_slice(&whole), whole.size, i);
        lock_record_read(near, &record);
        CHECK(record.count == 0);
    }
    CHECK(plant_near(s, near, &old, &id).asked > 0 && is_protected(s, &id));
    CHECK(plant_near(s, near, &old, &id).asked == 0);
    CHECK(plant_near(s, "/proc/no-such-folder", &old, &id).asked > 0 && is_protected(s, &id));
}
END

TEST(a_record_of_another_repository_says_nothing)
{
    AUTO(store) struct store *s = new_store();
    AUTO(store) struct store *other = new_store();
    AUTO(scratch) char *near = scratch_new();
    struct hash id;

    (void)plant_near(s, near, &old, &id);
    lockable_set(other, "config", 0);
    (void)plant(other, &old);
    lockable_set(other, "config", 0);
    (void)plant_near(other, near, &old, &id);
    CHECK(is_protected(other, &id));
}
END

TEST(an_extension_that_is_refused_commits_nothing_and_goes_on_where_it_was)
{
    AUTO(store) struct store *s = new_store();
    AUTO(scratch) char *near = scratch_new();
    struct hash id;
    uint64_t needed = 0;
    uint64_t left = 0;

    (void)plant_near(s, near, &old, &id);
    let_pass(6);
    needed = locked_below(s, "", 10).unlocked;
    CHECK(needed > 6);

    AUTO(repo) struct repo *r = world_repo(s);

    repo_keep_in(r, near, true);
    lockable_extend_only(s, 3);
    CHECK_ERR(world_plant(r, &old, &id, e), ERR_DENIED);
    CHECK(world_count(s, "commits/") == 1);
    CHECK(lockable_counts(s).extended == 3);
    lockable_extend_only(s, -1);
    left = plant_near(s, near, &old, &id).extended;
    /* All but the first snapshot and its commit are needed. */
    CHECK(left == needed - 3 - 2 && is_protected(s, &id));
}
END

/* Whichever call fails: what is committed is locked. */
TEST(a_committed_snapshot_is_locked_whatever_fails)
{
    for (int n = 0;; n++) {
        AUTO(store) struct store *s = new_store();
        const struct hash first = plant(s, &old);
        struct hash id = {0};
        struct err why = {0};

        let_pass(6);

        AUTO(repo) struct repo *fill = world_repo(s);
        AUTO(store)
        struct store *flaky =
            store_fault_new(s, (struct fault_plan){n, FAULT_ONCE, ERR_FATAL, false});
        static const uint8_t secret[32] = {7};
        const struct unlock with = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};
        AUTO(repo) struct repo *r = NULL;
        const bool is_done = repo_open(flaky, &with, &r, &why) && world_plant(r, &new, &id, &why);

        if (is_done) {
            CHECK(is_protected(s, &id));
            if (store_fault_calls(flaky) <= n)
                break;
            continue;
        }
        CHECK(why.code == ERR_FATAL);
        /* A commit that failed may stand, then it is one. */
        if (world_count(s, "commits/") == 2) {
            AUTO(snapshot_list) struct snapshot_list l = {0};

            CHECK_OK(snapshot_load_all(fill, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &l, e));
            CHECK(l.count == 2);
            CHECK(is_protected(s, &l.items[hash_is_equal(&l.items[0]->id, &first)]->id));
        }
    }
}
END

TEST(prune_leaves_alone_what_is_locked_and_takes_it_when_the_lock_has_ended)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    const size_t packs = world_count(s, "packs/");
    struct prune_stats stats;

    (void)plant(s, &new);
    forget(s, &first);
    CHECK_OK(prune(s, &keeping, &stats, e));
    CHECK(stats.snapshots_locked == 1 && stats.snapshots_removed == 0);
    CHECK(stats.packs_removed == 0 && stats.packs_freed == 0 && stats.packs_hidden == 0);
    CHECK(stats.first_lock_ends_s > now_s() + 14 * 86400 && world_count(s, "packs/") > packs);
    CHECK(lockable_counts(s).removed_locked == 0);

    let_pass(16);

    const struct hash third = plant(s, &new);

    (void)lockable_counts(s);
    CHECK_OK(prune(s, &keeping, &stats, e));
    CHECK(stats.snapshots_locked == 0 && stats.snapshots_removed == 1);
    CHECK(stats.packs_hidden > 0 && stats.packs_freed == 0 && stats.bytes_freed == 0);
    CHECK(stats.packs_hidden == stats.packs_removed && stats.bytes_hidden == stats.bytes_removed);
    CHECK(is_sound(s, &third, &new));
    check_clean(s);
}
END

TEST(packs_that_nobody_needs_stay_while_they_are_locked)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    char key[OBJECT_KEY_MAX];
    struct prune_stats stats;

    (void)plant(s, &new);
    forget(s, &first);
    object_key("snapshots", &first, key);
    lockable_set(s, key, 0); /* as one that was stored before there were locks */

    const size_t packs = world_count(s, "packs/");

    CHECK_OK(prune(s, &eager_keeping, &stats, e));
    CHECK(stats.snapshots_removed == 1 && stats.packs_locked > 0 && stats.bytes_locked > 0);
    CHECK(stats.packs_removed == 0 && stats.packs_repacked == 0 && stats.packs_hidden == 0);
    CHECK(world_count(s, "packs/") == packs);
    let_pass(16);
    (void)plant(s, &new);
    CHECK_OK(prune(s, &eager_keeping, &stats, e));
    CHECK(stats.packs_removed > 0 && world_count(s, "packs/") < packs);
    check_clean(s);
}
END

TEST(without_being_asked_to_keep_it_prune_hides_what_is_locked_and_says_so)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    struct prune_options dry = eager;
    struct prune_stats stats, would;

    const struct hash second = plant(s, &new);

    forget(s, &first);
    dry.is_dry_run = true;
    CHECK_OK(prune(s, &dry, &would, e));
    CHECK(would.packs_hidden > 0 && would.packs_freed == 0);
    CHECK_OK(prune(s, &eager, &stats, e));
    CHECK(stats.packs_hidden == stats.packs_removed && stats.packs_freed == 0);
    CHECK(stats.packs_hidden == would.packs_hidden && stats.snapshots_removed == 1);
    CHECK(is_sound(s, &second, &new) && is_protected(s, &second));
}
END

TEST(a_forgotten_snapshot_comes_back_while_it_is_locked)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    struct prune_stats stats;
    struct hash done;
    char id[65];

    let_pass(3);
    (void)plant(s, &new);
    forget(s, &first);
    let_pass(5);
    CHECK_OK(prune(s, &eager_keeping, &stats, e));
    CHECK_OK(prune(s, &eager_keeping, &stats, e));

    AUTO(repo) struct repo *r = world_repo(s);

    snapshot_id_text(&first, id);
    CHECK_OK(snapshot_unforget(r, id, &done, e));
    CHECK(is_sound(s, &first, &old));
    CHECK_OK(prune(s, &eager_keeping, &stats, e));
    CHECK(is_sound(s, &first, &old) && is_protected(s, &first));
}
END

/* Take every lock off, as time does for what was stored before the rest. */
static void unlock_packs(struct store *s)
{
    for (size_t i = 0; i < world_count(s, "packs/"); i++) {
        AUTO(mem) char *key = world_key(s, "packs/", i);

        lockable_set(s, key, 0);
    }
}

TEST(what_a_locked_snapshot_needs_stays_although_it_was_forgotten)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    const struct hash second = plant(s, &new);
    struct prune_stats stats;

    forget(s, &first);
    unlock_packs(s);
    CHECK_OK(prune(s, &eager_keeping, &stats, e));
    CHECK(stats.snapshots_locked == 1);
    CHECK(is_sound(s, &first, &old) && is_sound(s, &second, &new));
}
END

static bool deny_remove(struct store *s, const char *key, struct err *e)
{
    (void)s;
    return err_set(e, ERR_DENIED, "%s: the policy does not allow that", key);
}

TEST(a_list_that_another_prune_left_is_worked_off_locks_or_not)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    const struct hash second = plant(s, &new);
    const struct store_ops *whole = s->ops;
    struct store_ops ops = *whole;
    struct prune_stats stats;

    forget(s, &first);
    ops.remove = deny_remove;
    s->ops = &ops;
    CHECK_ERR(prune(s, &eager, &stats, e), ERR_DENIED);
    s->ops = whole;
    CHECK(world_count(s, "condemned/") == 1);
    CHECK_OK(prune(s, &keeping, &stats, e));
    CHECK(world_count(s, "condemned/") == 0 && lockable_counts(s).removed_locked > 0);
    CHECK(stats.packs_hidden > 0 && stats.packs_freed == 0);
    CHECK(stats.snapshots_locked == 0 && stats.snapshots_removed == 1);
    CHECK(is_sound(s, &second, &new));
    check_clean(s);
}
END

TEST(prune_extends_what_snapshots_need_and_nothing_that_was_forgotten)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    const struct hash second = plant(s, &new);
    struct prune_stats stats;
    char key[OBJECT_KEY_MAX];

    forget(s, &first);
    let_pass(8);
    CHECK(!is_protected(s, &second));
    CHECK_OK(prune(s, &keeping, &stats, e));
    CHECK(is_protected(s, &second) && stats.locks_extended > 0);
    CHECK(stats.snapshots_locked == 1);
    object_key("snapshots", &first, key);
    CHECK(lockable_lock(s, key).until_s < now_s() + 8 * 86400);
    CHECK(locked_below(s, "packs/", 8).unlocked > 0);
    CHECK_OK(prune(s, &keeping, &stats, e));
    CHECK(stats.locks_extended == 0);
}
END

TEST(locks_alone_are_extended_with_keys_that_may_remove_nothing)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);
    const struct hash second = plant(s, &new);
    const size_t objects = world_count(s, "");
    struct prune_stats stats;

    forget(s, &first);
    let_pass(8);

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_OK(prune(counter, &extending, &stats, e));
    CHECK(is_protected(s, &second) && stats.locks_extended > 0);
    CHECK((uint64_t)store_fault_calls(counter) == stats.locks_extended);
    CHECK(world_count(s, "") == objects + 1);

    AUTO(store) struct store *plain_store = store_memory_new();

    (void)plant(plain_store, &old);
    CHECK_ERR(prune(plain_store, &extending, &stats, e), ERR_USAGE);
}
END

TEST(damage_in_a_forgotten_snapshot_is_not_in_the_way_of_prune)
{
    AUTO(store) struct store *s = new_store();
    const struct hash first = plant(s, &old);

    AUTO(mem) char *tree = world_key(s, "snapshots/", 0);
    const struct hash second = plant(s, &new);
    struct prune_stats stats;

    forget(s, &first);
    world_replace(s, tree, slice_string("not a snapshot"));
    CHECK_OK(prune(s, &keeping, &stats, e));
    CHECK(stats.snapshots_locked == 1 && is_sound(s, &second, &new));
}
END

static void note_copy(void *arg, const struct snapshot *s, enum copy_outcome outcome,
                      const struct hash *copy, const struct err *why)
{
    (void)s;
    (void)why;
    CHECK(outcome == COPY_DONE);
    *(struct hash *)arg = *copy;
}

/* Copy what the destination lacks, which is one snapshot; returns its id there. */
static struct hash copy_all(struct repo *from, struct repo *to)
{
    AUTO(snapshot_list) struct snapshot_list l = {0};
    struct hash made = {0};
    const struct copy_options o = {.told = note_copy, .arg = &made};
    struct copy_stats stats;

    CHECK_OK(snapshot_load_all(from, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &l, e));
    CHECK_OK(copy_run(from, to, l.items, l.count, &o, &stats, e));
    CHECK(stats.snapshots_copied == 1);
    return made;
}

TEST(what_a_copy_shares_with_older_ones_is_locked_for_as_long_as_the_rest)
{
    static const uint8_t secret[32] = {7};
    const struct unlock with = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};
    AUTO(store) struct store *near = store_memory_new();
    AUTO(store) struct store *s = new_store();
    AUTO(repo) struct repo *from = world_repo(near);
    AUTO(repo) struct repo *to = NULL;
    struct hash made, id;

    CHECK_OK(repo_create_like(s, from, &with, "", &to, e));
    CHECK_OK(world_plant(from, &old, &id, e));
    made = copy_all(from, to);
    CHECK(is_protected(s, &made));
    let_pass(6);
    CHECK_OK(world_plant(from, &new, &id, e));
    made = copy_all(from, to);
    CHECK(is_protected(s, &made) && lockable_counts(s).extended > 0);
}
END

TESTS("repo locks", what_a_snapshot_shares_with_older_ones_is_locked_for_as_long_as_the_rest,
      what_is_locked_for_long_enough_is_not_extended, tombstones_and_condemned_lists_are_not_locked,
      nothing_is_asked_twice_while_a_record_is_near,
      a_damaged_record_costs_requests_and_nothing_else, a_record_of_another_repository_says_nothing,
      an_extension_that_is_refused_commits_nothing_and_goes_on_where_it_was,
      a_committed_snapshot_is_locked_whatever_fails,
      prune_leaves_alone_what_is_locked_and_takes_it_when_the_lock_has_ended,
      packs_that_nobody_needs_stay_while_they_are_locked,
      without_being_asked_to_keep_it_prune_hides_what_is_locked_and_says_so,
      a_forgotten_snapshot_comes_back_while_it_is_locked,
      what_a_locked_snapshot_needs_stays_although_it_was_forgotten,
      a_list_that_another_prune_left_is_worked_off_locks_or_not,
      prune_extends_what_snapshots_need_and_nothing_that_was_forgotten,
      locks_alone_are_extended_with_keys_that_may_remove_nothing,
      damage_in_a_forgotten_snapshot_is_not_in_the_way_of_prune,
      what_a_copy_shares_with_older_ones_is_locked_for_as_long_as_the_rest)
