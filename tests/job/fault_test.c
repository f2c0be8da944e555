/*
 * Whichever call of the store fails, and however: what is committed restores bit for bit, and
 * the next run succeeds.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/fixture.h"

#define TEST_CALLS_MAX 200

static const uint8_t other_secret[32] = {9, 9, 9};
static const struct unlock other_unlock = {UNLOCK_KEY_FILE, {other_secret, 32}};

/* Two trees that share most of their content, and a store to which the calls of one operation
 * fail. */
struct world {
    struct scratch dir;
    const char *old, *new;
    struct store *store;
};

static void make_tree(const char *path, uint64_t seed)
{
    CHECK(mkdir(path, 0755) == 0);
    CHECK(mkdir(path_in(path, "d"), 0755) == 0);
    for (int i = 0; i < 10; i++) {
        const char name[] = {'f', (char)('0' + i), '\0'};

        file_put(path_in(path, name), (uint64_t)i, 3000);
    }
    file_put(path_in(path, "large"), 50, 1 << 20);
    file_put(path_in(path, "d/own"), seed, 20000);
    CHECK(link(path_in(path, "large"), path_in(path, "d/again")) == 0);
    CHECK(symlink("own", path_in(path, "d/link")) == 0);
}

static void world_init(struct world *w)
{
    *w = (struct world){0};
    scratch_init(&w->dir);
    w->old = path_in(w->dir.path, "old");
    w->new = path_in(w->dir.path, "new");
    make_tree(w->old, 1);
    make_tree(w->new, 2);
}

static void world_auto(struct world *w)
{
    scratch_done(&w->dir);
}

static bool back_up(struct repo *r, const char *path, struct err *e)
{
    struct backup_result result;

    return fixture_backup(r, path, &result, e);
}

/* A store with one snapshot of the old tree. */
static struct store *store_with_snapshot(const struct world *w)
{
    struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);

    CHECK_OK(back_up(r, w->old, e));
    return s;
}

typedef bool operation(struct store *s, const struct world *w, struct err *e);
typedef void inspection(struct store *s, const struct world *w, bool was_done);

static void next_backup_works(struct store *s, const struct world *w)
{
    AUTO(repo) struct repo *r = fixture_open(s);

    CHECK_OK(back_up(r, w->new, e));
}

/* Run an operation again and again, each time with another call of the store failing. */
static void fail_each_call(operation *fn, inspection *look, enum fault_mode mode)
{
    AUTO(world) struct world w;

    world_init(&w);
    for (int at = test_first();; at += test_every()) {
        AUTO(store) struct store *disk = store_with_snapshot(&w);
        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){.at = at,
                                                      .mode = mode,
                                                      .code = ERR_TRANSIENT,
                                                      .writes_only = mode == FAULT_LOST_REPLY});
        struct err e = {0};
        const bool done = fn(flaky, &w, &e);

        ck_assert_msg(done || e.code == ERR_TRANSIENT, "call %d: %s", at, e.text);
        ck_assert_int_lt(at, TEST_CALLS_MAX);
        look(disk, &w, done);
        next_backup_works(disk, &w);
        CHECK(fixture_check_sound(disk) >= 1);
        if (store_fault_calls(flaky) <= at) {
            CHECK(done && at > 1);
            return;
        }
    }
}

static void fail_in_each_mode(operation *fn, inspection *look)
{
    fail_each_call(fn, look, FAULT_ONCE);
    fail_each_call(fn, look, FAULT_FROM);
    fail_each_call(fn, look, FAULT_LOST_REPLY);
}

/* How many snapshots there are of a tree. */
static size_t count_of(struct store *s, const char *path)
{
    AUTO(repo) struct repo *r = fixture_open(s);
    AUTO(snapshot_list) struct snapshot_list all = {0};
    size_t count = 0;

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    for (size_t i = 0; i < all.count; i++)
        count += strcmp(all.items[i]->paths[0], path) == 0;
    return count;
}

static bool open_and_back_up(struct store *s, const struct world *w, struct err *e)
{
    AUTO(repo) struct repo *r = NULL;

    return repo_open(s, &fixture_unlock, &r, e) && back_up(r, w->new, e);
}

static void old_stays_new_is_there_when_done(struct store *s, const struct world *w, bool was_done)
{
    ck_assert_uint_eq(count_of(s, w->old), 1);
    CHECK(!was_done || count_of(s, w->new) == 1);
}

TEST(backup_leaves_a_sound_repository_whichever_store_call_fails)
{
    fail_in_each_mode(open_and_back_up, old_stays_new_is_there_when_done);
}
END

/* As with a store that is far away: some calls are under way beside others. */
static bool open_and_back_up_far(struct store *s, const struct world *w, struct err *e)
{
    s->parallel = 4;
    return open_and_back_up(s, w, e);
}

TEST(backup_to_a_far_store_leaves_a_sound_repository_whichever_call_fails)
{
    fail_in_each_mode(open_and_back_up_far, old_stays_new_is_there_when_done);
}
END

static bool see_group(void *arg, const struct forget_group *g, struct err *e)
{
    (void)arg;
    (void)g;
    (void)e;
    return true;
}

static bool open_and_forget(struct store *s, const struct world *w, struct err *e)
{
    AUTO(repo) struct repo *r = NULL;
    const struct forget_options o = {.rules = {.last = 1}, .group_by_host = true};
    uint64_t removed;

    if (!repo_open(s, &fixture_unlock, &r, e) || !back_up(r, w->old, e))
        return false;
    return forget_run(r, &o, see_group, NULL, &removed, e);
}

static void one_or_two_are_left(struct store *s, const struct world *w, bool was_done)
{
    const size_t count = count_of(s, w->old);

    CHECK(was_done ? count == 1 : count == 1 || count == 2);
}

TEST(forget_leaves_a_sound_repository_whichever_store_call_fails)
{
    fail_in_each_mode(open_and_forget, one_or_two_are_left);
}
END

static bool load_latest(struct repo *r, struct snapshot **out, struct err *e)
{
    AUTO(mem) char *sub = NULL;

    return snapshot_resolve(r, "latest", &(struct snapshot_filter){0}, out, &sub, e);
}

static bool open_and_tag(struct store *s, const struct world *w, struct err *e)
{
    AUTO(repo) struct repo *r = NULL;
    AUTO(snapshot) struct snapshot *latest = NULL;
    const char *tags[] = {"kept"};
    struct hash id;

    (void)w;
    return repo_open(s, &fixture_unlock, &r, e) && load_latest(r, &latest, e) &&
           tag_run(r, latest, tags, 1, &id, e);
}

/* A lost answer may leave both, never none. */
static void old_is_there_with_or_without_tag(struct store *s, const struct world *w, bool was_done)
{
    const size_t count = count_of(s, w->old);

    CHECK(was_done ? count == 1 : count == 1 || count == 2);
}

TEST(tag_leaves_a_sound_repository_whichever_store_call_fails)
{
    fail_in_each_mode(open_and_tag, old_is_there_with_or_without_tag);
}
END

static bool open_and_change_key(struct store *s, const struct world *w, struct err *e)
{
    AUTO(repo) struct repo *r = NULL;

    (void)w;
    return repo_open(s, &fixture_unlock, &r, e) && key_passwd(r, &other_unlock, e);
}

static bool opens_with(struct store *s, const struct unlock *with)
{
    AUTO(repo) struct repo *r = NULL;
    struct err e = {0};
    const bool ok = repo_open(s, with, &r, &e);

    ck_assert_msg(ok || e.code == ERR_DENIED, "%s", e.text);
    return ok;
}

/* What follows opens with the old key, so it is put back. */
static void one_key_opens(struct store *s, const struct world *w, bool was_done)
{
    const bool has_old = opens_with(s, &fixture_unlock), has_new = opens_with(s, &other_unlock);

    (void)w;
    CHECK(was_done ? has_new && !has_old : has_old || has_new);
    if (!has_old) {
        AUTO(repo) struct repo *r = NULL;

        CHECK_OK(repo_open(s, &other_unlock, &r, e));
        CHECK_OK(key_passwd(r, &fixture_unlock, e));
    }
}

static void fail_key_change(enum fault_mode mode)
{
    AUTO(world) struct world w;

    world_init(&w);
    for (int at = test_first();; at += test_every()) {
        AUTO(store) struct store *disk = store_with_snapshot(&w);
        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){.at = at,
                                                      .mode = mode,
                                                      .code = ERR_TRANSIENT,
                                                      .writes_only = mode == FAULT_LOST_REPLY});
        struct err e = {0};
        const bool done = open_and_change_key(flaky, &w, &e);

        ck_assert_msg(done || e.code == ERR_TRANSIENT, "call %d: %s", at, e.text);
        one_key_opens(disk, &w, done);
        ck_assert_uint_eq(fixture_check_sound(disk), 1);
        if (store_fault_calls(flaky) <= at) {
            CHECK(done && at > 1);
            return;
        }
    }
}

TEST(a_key_opens_the_repository_whichever_store_call_of_its_change_fails)
{
    fail_key_change(FAULT_ONCE);
    fail_key_change(FAULT_FROM);
    fail_key_change(FAULT_LOST_REPLY);
}
END

/* Restoring */

/* From a store of which parallel requests are asked at once; returns how many failures did no harm.
 */
static int fail_restore(enum fault_mode mode, int parallel)
{
    AUTO(world) struct world w;
    int harmless = 0;

    world_init(&w);
    AUTO(store) struct store *disk = store_with_snapshot(&w);

    for (int at = test_first();; at += test_every()) {
        AUTO(scratch) struct scratch to = {0};
        AUTO(repo) struct repo *r = NULL;
        AUTO(snapshot) struct snapshot *latest = NULL;
        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){.at = at,
                                                      .mode = mode,
                                                      .code = ERR_TRANSIENT,
                                                      .writes_only = mode == FAULT_LOST_REPLY});
        struct restore_options o = {.sub = w.old, .how = {.keep_owner = geteuid() == 0}};
        const struct report none = {0};
        struct restore_result result = {0};
        struct err e = {0};

        flaky->parallel = parallel;
        scratch_init(&to);
        o.target = to.path;
        bool done = repo_open(flaky, &fixture_unlock, &r, &e) && load_latest(r, &latest, &e);

        o.snapshot = latest;
        done = done && restore_run(r, &o, &none, &result, &e);
        ck_assert_msg(done || e.code == ERR_TRANSIENT, "call %d: %s", at, e.text);
        if (done && result.errors == 0)
            tree_compare(w.old, to.path);
        if (store_fault_calls(flaky) <= at) {
            CHECK(done && result.errors == 0 && at > 5);
            return harmless;
        }
        harmless += done && result.errors == 0 ? 1 : 0;
    }
}

TEST(restore_is_whole_or_says_so_whichever_store_call_fails)
{
    /* What was to be fetched ahead is fetched when it is needed, and of two readers that ask for
     * the header of a pack one answer is enough. */
    (void)fail_restore(FAULT_ONCE, 1);
    ck_assert_int_eq(fail_restore(FAULT_FROM, 1), 0);
}
END

/* What was to be fetched ahead is fetched when it is needed. */
TEST(restore_from_far_away_is_whole_or_says_so_whichever_store_call_fails)
{
    CHECK(fail_restore(FAULT_ONCE, 8) > 0 || test_every() > 1);
    ck_assert_int_eq(fail_restore(FAULT_FROM, 8), 0);
}
END

TESTS("fault", backup_leaves_a_sound_repository_whichever_store_call_fails,
      backup_to_a_far_store_leaves_a_sound_repository_whichever_call_fails,
      forget_leaves_a_sound_repository_whichever_store_call_fails,
      tag_leaves_a_sound_repository_whichever_store_call_fails,
      a_key_opens_the_repository_whichever_store_call_of_its_change_fails,
      restore_is_whole_or_says_so_whichever_store_call_fails,
      restore_from_far_away_is_whole_or_says_so_whichever_store_call_fails)
