#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/prune.h"
#include "support/test.h"
#include "world.h"

#define DAY_NS (24 * 60 * 60 * NS_PER_S)

/* A file of more than BATCH_BYTES is a frame, and with packs this small a pack. */
#define PACK_SIZE ((size_t)100000)
#define PACKFUL   (BATCH_BYTES + 6000)

/* Of "part" the newer one has the first seven chunks. */
static const struct plant old_plants[] = {
    {"a/one", 1, PACKFUL, false},
    {"a/two", 2, 90000, true},
    {"both", 3, 120000, false},
    {"c/d/three", 4, 1, false},
    {"part", 7, (BATCH_BYTES / PIECE_SIZE + 1) * PIECE_SIZE, false},
};
static const struct plant new_plants[] = {
    {"both", 3, 120000, false},
    {"part", 7, 7 * PIECE_SIZE, false},
    {"z/four", 5, 130000, true},
    {"z/y/five", 6, 60000, false},
};
static const struct planting old = {old_plants, 5, PACK_SIZE, 0};
static const struct planting new = {new_plants, 4, PACK_SIZE, 2};

static const struct prune_options plain = {.max_unused_percent = 100, .max_repack_bytes = 1};
static const struct prune_options eager = {.max_unused_percent = 10};

static bool prune(struct store *s, const struct prune_options *o, struct prune_stats *stats,
                  struct err *e)
{
    AUTO(repo) struct repo *r = world_repo(s);

    return prune_run(r, o, stats, e);
}

static struct hash plant(struct store *s, const struct planting *p)
{
    AUTO(repo) struct repo *r = world_repo(s);
    struct hash id;

    CHECK_OK(world_plant(r, p, &id, e));
    return id;
}

static void forget(struct store *s, const struct hash *id)
{
    AUTO(repo) struct repo *r = world_repo(s);

    CHECK_OK(snapshot_forget(r, id, "test", e));
}

static bool is_sound(struct store *s, const struct hash *id, const struct planting *p)
{
    AUTO(repo) struct repo *r = world_repo(s);
    struct err e;

    return world_harvest(r, id, p, &e);
}

/* A repository with a snapshot that was forgotten and one that shares a file with it. */
struct pair {
    struct store *store;
    struct hash old, new;
};

/* Made once in a process, then copied. */
static struct pair pair_new(void)
{
    static struct pair model;

    if (model.store == NULL) {
        model.store = store_memory_new();
        model.old = plant(model.store, &old);
        model.new = plant(model.store, &new);
        forget(model.store, &model.old);
    }
    return (struct pair){world_copy(model.store), model.old, model.new};
}

static void pair_auto(struct pair *p)
{
    store_close(p->store);
}

/* Nothing is left of what was forgotten, nor of the prune. */
static void check_clean(struct store *s)
{
    CHECK(world_count(s, "condemned/") == 0);
    CHECK(world_count(s, "trash/") == 0);
    CHECK(world_count(s, "snapshots/") == world_count(s, "commits/"));
}

TEST(prune_keeps_what_a_snapshot_needs_and_removes_the_rest)
{
    AUTO(pair) struct pair p = pair_new();
    const size_t packs = world_count(p.store, "packs/");
    struct prune_stats stats;

    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK(is_sound(p.store, &p.new, &new));
    CHECK(!is_sound(p.store, &p.old, &old));
    CHECK(stats.packs_before == packs);
    CHECK(stats.packs_removed > 0 && stats.packs_rescued == 0 && stats.snapshots_removed == 1);
    CHECK(world_count(p.store, "packs/") == packs - stats.packs_removed);
    CHECK(stats.packs_kept == packs - stats.packs_removed);
    check_clean(p.store);
}
END

TEST(prune_changes_nothing_when_all_is_needed)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    struct prune_stats stats;

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_OK(prune(counter, &plain, &stats, e));
    CHECK(store_fault_calls(counter) == 0);
    CHECK(stats.packs_removed == 0 && stats.chunks_unused == 0);
    CHECK(is_sound(s, &id, &old));
}
END

TEST(prune_writes_nothing_in_a_dry_run)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_options dry = eager;
    struct prune_stats said, done;

    AUTO(store)
    struct store *counter = store_fault_new(
        p.store, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    dry.is_dry_run = true;
    CHECK_OK(prune(counter, &dry, &said, e));
    CHECK(store_fault_calls(counter) == 0);
    CHECK_OK(prune(p.store, &eager, &done, e));
    CHECK(said.packs_removed == done.packs_removed && said.bytes_removed == done.bytes_removed);
    CHECK(said.snapshots_removed == 1 && done.snapshots_removed == 1);
}
END

TEST(prune_of_everything_leaves_no_pack_and_no_index)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    struct prune_stats stats;

    forget(s, &id);
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(world_count(s, "packs/") == 0 && world_count(s, "index/") == 0);
    CHECK(stats.packs_kept == 0);
    check_clean(s);
    CHECK_OK(prune(s, &plain, &stats, e));
}
END

TEST(prune_repacks_what_is_mostly_unused)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_options o = {.max_unused_percent = 100};
    struct prune_stats stats;

    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(stats.packs_repacked > 0 && stats.bytes_repacked > 0);
    CHECK(is_sound(p.store, &p.new, &new));
    check_clean(p.store);

    CHECK_OK(prune(p.store, &eager, &stats, e));
    CHECK(stats.packs_removed == 0 && stats.chunks_unused == 0);
    CHECK_OK(prune(p.store, &o, &stats, e));
    CHECK(stats.packs_repacked == 0);
}
END

TEST(prune_joins_small_packs_and_small_index_objects)
{
    AUTO(store) struct store *s = store_memory_new();
    struct plant plants[] = {{"file", 0, 50000, false}};
    struct planting p = {plants, 1, 0, 0};
    struct hash ids[10];
    struct prune_stats stats;

    for (size_t i = 0; i < 10; i++) {
        plants[0].seed = i;
        ids[i] = plant(s, &p);
    }
    CHECK(world_count(s, "packs/") == 20 && world_count(s, "index/") == 10);
    CHECK_OK(prune(s, &(struct prune_options){.max_unused_percent = 50}, &stats, e));
    CHECK(world_count(s, "packs/") == 2);
    CHECK(world_count(s, "index/") <= 2);
    for (size_t i = 0; i < 10; i++) {
        plants[0].seed = i;
        CHECK(is_sound(s, &ids[i], &p));
    }
}
END

TEST(prune_joins_small_index_objects_when_all_packs_stay)
{
    AUTO(store) struct store *s = store_memory_new();
    struct plant plants[] = {{"file", 0, 50000, false}};
    struct planting p = {plants, 1, 0, 0};
    struct prune_stats stats;
    struct hash id = {0};

    for (size_t i = 0; i < 10; i++) {
        plants[0].seed = i;
        id = plant(s, &p);
    }
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(world_count(s, "index/") == 1 && stats.packs_removed == 0);
    CHECK(is_sound(s, &id, &p));
}
END

TEST(prune_repacks_no_more_than_the_limit)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    const struct prune_options o = {.max_unused_percent = 0,
                                    .max_repack_bytes = 2 * PACKFUL + 200000};
    struct prune_stats stats;

    CHECK_OK(prune(s, &o, &stats, e));
    CHECK(stats.packs_repacked >= 2 && stats.packs_repacked < stats.packs_before);
    CHECK(stats.bytes_repacked <= o.max_repack_bytes);
    CHECK(is_sound(s, &id, &old));
}
END

/* Packs that no index names */

/* What a run leaves that ends before its index is written. */
static void leave_litter(struct store *s)
{
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(r, CLASS_CONTENT, 1000);
    const struct pack_chunk chunk = {.id = {{1}}, .type = CHUNK_DATA, .size = 6};
    struct slice object, directory;
    struct hash id;
    char key[PACK_KEY_MAX];

    pack_builder_add(b, slice_string("litter"), COMPRESSION_NONE, 6, &chunk, 1);
    pack_builder_finish(b, &object, &directory);
    sha256(object, &id);
    pack_key(&id, key);
    CHECK_OK(store_put(s, key, object, PUT_NEW, e));
}

TEST(prune_removes_packs_without_index_when_they_are_a_day_old)
{
    AUTO(store) struct store *s = store_memory_new();
    const struct hash id = plant(s, &old);
    struct prune_stats stats;

    leave_litter(s);
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(stats.packs_removed == 0);
    clock_set_for_tests(clock_now_ns() + DAY_NS);
    CHECK_OK(prune(s, &plain, &stats, e));
    CHECK(stats.packs_removed == 1);
    CHECK(is_sound(s, &id, &old));
}
END

/* Refusals */

static void check_refuses(struct store *s, enum err_code code)
{
    struct prune_stats stats;

    AUTO(store)
    struct store *counter =
        store_fault_new(s, (struct fault_plan){.at = -1, .mode = FAULT_ONCE, .writes_only = true});

    CHECK_ERR(prune(counter, &eager, &stats, e), code);
    CHECK(store_fault_calls(counter) == 0);
}

static void flip(struct store *s, const char *key)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));
    bytes.data[bytes.size / 2] ^= 1;
    world_replace(s, key, buf_slice(&bytes));
}

TEST(prune_refuses_when_a_snapshot_a_commit_or_the_index_is_damaged)
{
    static const char *const folders[] = {"snapshots/", "commits/", "index/", "trash/"};

    for (size_t i = 0; i < 4; i++) {
        AUTO(pair) struct pair p = pair_new();
        const size_t count = world_count(p.store, folders[i]);

        for (size_t n = 0; n < count; n++) {
            AUTO(mem) char *key = world_key(p.store, folders[i], n);

            /* What was forgotten is not read. */
            if (i < 2 && strstr(key, "/") != NULL) {
                char text[65];

                snapshot_id_text(&p.new, text);
                if (strstr(key, text) == NULL)
                    continue;
            }
            flip(p.store, key);
        }
        check_refuses(p.store, ERR_CORRUPT);
    }
}
END

TEST(prune_refuses_when_a_tree_is_damaged_or_a_pack_is_missing)
{
    AUTO(store) struct store *s = store_memory_new();

    plant(s, &old);

    const size_t count = world_count(s, "packs/");
    size_t refused = 0;

    for (size_t i = 0; i < count; i++) {
        AUTO(mem) char *key = world_key(s, "packs/", i);
        AUTO(buf) struct buf bytes = {0};
        struct prune_stats stats;
        struct err why;

        CHECK_OK(store_get_all(s, key, &bytes, e));
        CHECK_OK(store_remove(s, key, e));
        check_refuses(s, ERR_CORRUPT);
        CHECK_OK(store_put(s, key, buf_slice(&bytes), PUT_NEW, e));

        bytes.data[SEAL_HEADER_SIZE] ^= 1;
        world_replace(s, key, buf_slice(&bytes));
        refused += prune(s, &plain, &stats, &why) ? 0 : 1;
        bytes.data[SEAL_HEADER_SIZE] ^= 1;
        world_replace(s, key, buf_slice(&bytes));
    }
    CHECK(refused == 1); /* the pack of trees */
}
END

TEST(prune_refuses_to_empty_a_repository_that_shows_no_snapshot)
{
    AUTO(store) struct store *s = store_memory_new();

    plant(s, &old);
    for (size_t i = 0; i < 2; i++) {
        AUTO(mem) char *key = world_key(s, i == 0 ? "commits/" : "snapshots/", 0);

        CHECK_OK(store_remove(s, key, e));
    }
    check_refuses(s, ERR_CORRUPT);
}
END

TEST(prune_refuses_when_a_commit_has_lost_its_snapshot)
{
    AUTO(pair) struct pair p = pair_new();
    char key[OBJECT_KEY_MAX];

    object_key("snapshots", &p.new, key);
    CHECK_OK(store_remove(p.store, key, e));
    check_refuses(p.store, ERR_CORRUPT);
}
END

/* Beside others */

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

    for (int n = 0; n < calls; n++) {
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

    for (int n = 0; n < calls; n++) {
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
    CHECK(committed > 0 && committed < calls);
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

    for (int n = 0; n < calls; n++) {
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
    CHECK(undone > 0 && undone < calls);
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

    for (int n = 0; n < calls; n++) {
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

    for (int n = 0; n < calls; n++) {
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

        for (int n = 0; was_hit; n++)
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

    for (int n = 0; n < calls; n++) {
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

TESTS("prune", prune_keeps_what_a_snapshot_needs_and_removes_the_rest,
      prune_changes_nothing_when_all_is_needed, prune_writes_nothing_in_a_dry_run,
      prune_of_everything_leaves_no_pack_and_no_index, prune_repacks_what_is_mostly_unused,
      prune_joins_small_packs_and_small_index_objects,
      prune_joins_small_index_objects_when_all_packs_stay, prune_repacks_no_more_than_the_limit,
      prune_removes_packs_without_index_when_they_are_a_day_old,
      prune_refuses_when_a_snapshot_a_commit_or_the_index_is_damaged,
      prune_refuses_when_a_tree_is_damaged_or_a_pack_is_missing,
      prune_refuses_to_empty_a_repository_that_shows_no_snapshot,
      prune_refuses_when_a_commit_has_lost_its_snapshot,
      prune_rescues_what_a_snapshot_put_behind_its_list_needs,
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
