/*
 * Parity beside objects, and what comes back from it.
 */
#include <string.h>

#include "base/mem.h"
#include "meddle.h"
#include "repo/index.h"
#include "repo/parity_objects.h"
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
static const struct plant other_plants[] = {{"c", 9, PACKFUL, false}};
static const struct planting other_planting = {other_plants, 1, PACK_SIZE, 0};
static const struct parity_work quiet;
static const uint8_t secret[32] = {7}; /* of world_repo() */
static const struct unlock unlock = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};

struct world {
    struct store *store;
    struct repo *repo;
    struct hash snapshot;
};

static struct parity_figures enable(struct repo *r, const struct parity_rule *rule)
{
    struct parity_figures f;

    CHECK_OK(parity_enable(r, rule, &quiet, &f, e));
    return f;
}

static struct parity_figures figures_of(struct repo *r)
{
    struct parity_figures f;

    CHECK_OK(parity_measure(r, &f, e));
    return f;
}

static void world_open(struct world *w)
{
    repo_close(TAKE(w->repo));
    CHECK_OK(repo_open(w->store, &unlock, &w->repo, e));
}

static struct world world_new(void)
{
    struct world w = {.store = store_memory_new()};

    w.repo = world_repo(w.store);
    enable(w.repo, &parity_rule_default);
    CHECK_OK(world_plant(w.repo, &planting, &w.snapshot, e));
    return w;
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

/* Objects as they should be */

static void get(struct store *s, const char *key, struct buf *out)
{
    CHECK_OK(store_get_all(s, key, out, e));
}

static bool has(struct store *s, const char *key)
{
    struct object_info info;
    struct err e;

    return store_stat(s, key, &info, &e);
}

/* Every object of one is in the other with the same bytes, parity apart. */
static bool holds(struct store *s, struct store *wanted)
{
    for (size_t n = world_count(wanted, ""); n-- > 0;) {
        AUTO(mem) char *key = world_key(wanted, "", n);
        AUTO(buf) struct buf one = {0};
        AUTO(buf) struct buf two = {0};
        struct err e;

        if (strncmp(key, "parity/", 7) == 0)
            continue;
        get(wanted, key, &one);
        if (!store_get_all(s, key, &two, &e) || !slice_is_equal(buf_slice(&one), buf_slice(&two)))
            return false;
    }
    return true;
}

/* Checking and healing */

struct found {
    char *keys[200];
    size_t count;
    struct check_stats stats;
};

static void found_auto(struct found *f)
{
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->keys[i]);
}

static void on_fault(void *arg, const struct check_fault *fault)
{
    struct found *f = arg;

    if (fault->kind != CHECK_DAMAGED)
        return;
    CHECK(f->count < 200);
    f->keys[f->count++] = mem_string(fault->object);
}

static bool was_found(const struct found *f, const char *key)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->keys[i], key) == 0)
            return true;
    return false;
}

static void check(struct repo *r, struct found *f)
{
    const struct check_options o = {.read_data = true, .fault = on_fault, .arg = f};

    *f = (struct found){0};
    CHECK_OK(check_run(r, &o, &f->stats, e));
}

static bool is_clean(struct repo *r)
{
    AUTO(found) struct found f;

    check(r, &f);
    return f.count == 0;
}

static struct heal_stats heal(struct repo *r, const struct found *f)
{
    struct heal_stats stats;

    CHECK_OK(heal_objects(r, (const char *const *)f->keys, f->count, NULL, NULL, &stats, e));
    return stats;
}

/* Check and heal until there is nothing left to find. */
static void recover(struct world *w)
{
    for (int round = 0; round < 3; round++) {
        AUTO(found) struct found f;

        check(w->repo, &f);
        if (f.count == 0)
            return;
        heal(w->repo, &f);
    }
    CHECK(is_clean(w->repo));
}

static uint64_t state = 7;

static size_t below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

enum damage {
    DAMAGE_REMOVE,
    DAMAGE_RUBBISH,
    DAMAGE_CUT,
    DAMAGE_FLIP,
    DAMAGE_KINDS,
};

static void hurt(struct store *s, const char *key, enum damage kind)
{
    AUTO(buf) struct buf bytes = {0};

    get(s, key, &bytes);
    if (kind == DAMAGE_REMOVE) {
        CHECK_OK(store_remove(s, key, e));
        return;
    }
    if (kind == DAMAGE_CUT)
        bytes.size /= 2;
    else if (kind == DAMAGE_FLIP)
        bytes.data[below(bytes.size)] ^= (uint8_t)(1 + below(255));
    world_replace(s, key, kind == DAMAGE_RUBBISH ? slice_string("rubbish") : buf_slice(&bytes));
}

TEST(parity_and_its_switch_can_be_looked_at)
{
    AUTO(world) struct world w = world_new();
    AUTO(mem) char *pack = world_key(w.store, "parity/packs/", 0);
    AUTO(buf) struct buf text = {0};

    CHECK_OK(repo_inspect(w.repo, pack, &text, e));
    CHECK(strstr(buf_string(&text), "\"parity_shards\": ") != NULL);
    buf_clear(&text);
    CHECK_OK(repo_inspect(w.repo, PARITY_SWITCH, &text, e));
    CHECK(strstr(buf_string(&text), "\"data\": 128") != NULL);
    CHECK_ERR(repo_inspect(w.repo, "parity/x", &text, e), ERR_USAGE);
}
END

/* Making it */

TEST(every_object_gets_parity_when_it_is_written)
{
    AUTO(world) struct world w = world_new();
    const struct parity_figures f = figures_of(w.repo);

    CHECK(f.is_on && f.unprotected == 0 && f.objects > 5);
    CHECK(world_count(w.store, "parity/packs/") == world_count(w.store, "packs/"));
    CHECK(world_count(w.store, "parity/commits/") == 1);
    CHECK(is_sound(&w) && is_clean(w.repo));
    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, NULL, e));
    CHECK(world_count(w.store, "parity/trash/") == 1);
    CHECK(figures_of(w.repo).unprotected == 0);
}
END

TEST(parity_is_added_to_a_repository_that_has_none_and_removed)
{
    AUTO(world) struct world w = {.store = store_memory_new()};
    struct parity_figures f;

    w.repo = world_repo(w.store);
    CHECK_OK(world_plant(w.repo, &planting, &w.snapshot, e));

    const size_t objects = world_count(w.store, "");

    CHECK(!figures_of(w.repo).is_on && figures_of(w.repo).unprotected == objects);
    f = enable(w.repo, &parity_rule_default);
    CHECK(f.is_on && f.made == objects && f.unprotected == 0 && f.damaged == 0);
    CHECK(enable(w.repo, &parity_rule_default).made == 0);
    CHECK(world_count(w.store, "") == 2 * objects + 1);
    CHECK_OK(parity_disable(w.repo, &quiet, &f, e));
    CHECK(!f.is_on && f.removed == objects && world_count(w.store, "") == objects);
    CHECK(is_sound(&w) && is_clean(w.repo));
}
END

TEST(another_rule_makes_parity_of_packs_again)
{
    AUTO(world) struct world w = world_new();
    const struct parity_rule rule = {16, 4, 0};
    const uint64_t before = figures_of(w.repo).parity_bytes;
    const struct parity_figures f = enable(w.repo, &rule);

    CHECK(f.made >= 2 && f.made <= world_count(w.store, "packs/") + world_count(w.store, "index/"));
    CHECK(f.parity_bytes > before && f.rule.data == 16);
    CHECK(is_clean(w.repo));
    world_open(&w);
    CHECK(figures_of(w.repo).rule.data == 16);
}
END

TEST(damaged_objects_get_no_parity)
{
    AUTO(world) struct world w = {.store = store_memory_new()};

    w.repo = world_repo(w.store);
    CHECK_OK(world_plant(w.repo, &planting, &w.snapshot, e));

    AUTO(mem) char *pack = world_key(w.store, "packs/", 0);
    AUTO(mem) char *commit = world_key(w.store, "commits/", 0);

    hurt(w.store, pack, DAMAGE_FLIP);
    hurt(w.store, commit, DAMAGE_CUT);
    CHECK(enable(w.repo, &parity_rule_default).damaged == 2);
    CHECK(figures_of(w.repo).unprotected == 2);
}
END

/* Bringing back */

TEST(each_object_that_is_damaged_or_gone_comes_back_bit_for_bit)
{
    AUTO(world) struct world w = world_new();
    AUTO(store) struct store *wanted = world_copy(w.store);
    const size_t count = world_count(wanted, "");

    for (size_t n = 0; n < count; n++)
        for (enum damage kind = DAMAGE_REMOVE; kind < DAMAGE_KINDS; kind++) {
            AUTO(mem) char *key = world_key(wanted, "", n);
            const bool is_pack = strncmp(key, "packs/", 6) == 0;

            if (strcmp(key, PARITY_SWITCH) == 0 || (is_pack && kind != DAMAGE_FLIP) ||
                (strncmp(key, "parity/", 7) == 0 && kind == DAMAGE_REMOVE))
                continue;
            hurt(w.store, key, kind);
            world_open(&w);
            recover(&w);
            world_open(&w);
            CHECK(repo_mended(w.repo) == NULL);
            ck_assert_msg(holds(w.store, wanted), "%s, damage %d", key, (int)kind);
            CHECK(is_sound(&w));
        }
}
END

TEST(a_damaged_switch_counts_as_on_and_is_written_again)
{
    AUTO(world) struct world w = world_new();
    AUTO(found) struct found f;

    world_replace(w.store, PARITY_SWITCH, slice_string("rubbish"));
    world_open(&w);
    CHECK(figures_of(w.repo).is_on && figures_of(w.repo).is_damaged);
    CHECK_OK(world_plant(w.repo, &other_planting, &(struct hash){0}, e));
    check(w.repo, &f);
    CHECK(f.count == 1 && was_found(&f, PARITY_SWITCH));
    CHECK(heal(w.repo, &f).healed == 1 && is_clean(w.repo));
    CHECK(figures_of(w.repo).unprotected == 0);
}
END

/* 300 patterns over all objects at once, all of them within what parity can do. */
TEST(a_repository_heals_bit_for_bit_whatever_is_damaged_in_it)
{
    AUTO(world) struct world w = world_new();

    CHECK_OK(world_plant(w.repo, &other_planting, &(struct hash){0}, e));

    AUTO(store) struct store *wanted = world_copy(w.store);
    const size_t count = world_count(wanted, "");

    for (int round = 0; round < 300; round++) {
        for (size_t n = 0; n < count; n++) {
            AUTO(mem) char *key = world_key(wanted, "", n);
            AUTO(buf) struct buf bytes = {0};

            if (strncmp(key, "parity/", 7) == 0 || below(3) == 0)
                continue;
            if (strncmp(key, "packs/", 6) != 0) {
                hurt(w.store, key, (enum damage)below(DAMAGE_KINDS));
                continue;
            }
            get(wanted, key, &bytes);

            const struct parity_shape shape = parity_shape_of(&parity_rule_default, bytes.size);
            const size_t longest = shape.data == 1 ? bytes.size : shape.shard_size - PARITY_BLOCK;

            for (uint32_t i = 0; i < shape.parity; i++) {
                const size_t at = below(bytes.size);
                const size_t size = 1 + below(longest + 1);

                for (size_t k = at; k < at + size && k < bytes.size; k++)
                    bytes.data[k] ^= (uint8_t)(1 + below(255));
            }
            world_replace(w.store, key, buf_slice(&bytes));
        }
        world_open(&w);
        recover(&w);
        CHECK(holds(w.store, wanted));
    }
    world_open(&w);
    CHECK(is_sound(&w));
}
END

TEST(a_repository_opens_although_its_config_and_key_slots_are_gone)
{
    AUTO(world) struct world w = world_new();
    AUTO(mem) char *slot = world_key(w.store, "keys/", 0);
    static const uint8_t wrong[32] = {8};
    struct repo *none = NULL;

    hurt(w.store, "config", DAMAGE_REMOVE);
    hurt(w.store, slot, DAMAGE_RUBBISH);
    CHECK_ERR(repo_open(w.store, &(struct unlock){UNLOCK_KEY_FILE, {wrong, 32}}, &none, e),
              ERR_DENIED);

    world_open(&w);
    CHECK(repo_mended(w.repo) != NULL && is_sound(&w));
    CHECK_ERR(repo_create(w.store, &unlock, "", &none, e), ERR_EXISTS);
    recover(&w);
    CHECK(has(w.store, "config") && has(w.store, slot));
}
END

TEST(without_parity_a_lost_config_is_no_repository)
{
    AUTO(store) struct store *s = store_memory_new();
    struct repo *none = NULL;

    repo_close(world_repo(s));
    hurt(s, "config", DAMAGE_REMOVE);
    CHECK_ERR(repo_open(s, &unlock, &none, e), ERR_NOT_FOUND);
}
END

TEST(a_key_that_was_removed_does_not_come_back)
{
    AUTO(world) struct world w = world_new();
    static const uint8_t second[32] = {70};
    const struct unlock with = {UNLOCK_KEY_FILE, {second, 32}};
    struct key_slot added;
    struct repo *none = NULL;

    CHECK_OK(key_add(w.repo, &with, "", &added, e));
    CHECK(figures_of(w.repo).unprotected == 0 && world_count(w.store, "parity/keys/") == 2);
    CHECK_OK(key_remove(w.repo, added.id, e));
    CHECK(world_count(w.store, "parity/keys/") == 1);
    CHECK_ERR(repo_open(w.store, &with, &none, e), ERR_DENIED);
    CHECK(is_clean(w.repo));
}
END

/* Damage to parity */

TEST(damaged_parity_is_told_and_made_again)
{
    AUTO(world) struct world w = world_new();
    AUTO(store) struct store *wanted = world_copy(w.store);
    AUTO(mem) char *pack = world_key(w.store, "parity/packs/", 0);
    AUTO(mem) char *commit = world_key(w.store, "parity/commits/", 0);
    AUTO(mem) char *gone = world_key(w.store, "parity/packs/", 1);
    AUTO(found) struct found f;

    hurt(w.store, pack, DAMAGE_FLIP);
    hurt(w.store, commit, DAMAGE_RUBBISH);
    hurt(w.store, gone, DAMAGE_REMOVE);
    check(w.repo, &f);
    CHECK(f.count == 2 && was_found(&f, pack) && was_found(&f, commit));
    CHECK(f.stats.unprotected == 1);
    CHECK(heal(w.repo, &f).healed == 2);
    CHECK(is_clean(w.repo) && holds(w.store, wanted));
    CHECK(enable(w.repo, &parity_rule_default).made == 1);
}
END

TEST(parity_of_another_pack_in_its_place_is_seen)
{
    AUTO(world) struct world w = world_new();
    AUTO(mem) char *first = world_key(w.store, "parity/packs/", 0);
    AUTO(mem) char *second = world_key(w.store, "parity/packs/", 1);
    AUTO(mem) char *pack = world_key(w.store, "packs/", 0);
    AUTO(buf) struct buf bytes = {0};
    AUTO(found) struct found f;
    struct err e = {0};

    get(w.store, second, &bytes);
    world_replace(w.store, first, buf_slice(&bytes));
    check(w.repo, &f);
    CHECK(f.count == 1 && was_found(&f, first));

    /* It would even give bytes, those of the other pack. */
    hurt(w.store, pack, DAMAGE_FLIP);
    CHECK(!parity_heal_object(w.repo, pack, &e) && e.code == ERR_CORRUPT);
    CHECK(has(w.store, pack));
}
END

/* What an attacker who can write the store puts in the place of parity steers nothing. */
TEST(an_object_from_elsewhere_is_not_published)
{
    AUTO(world) struct world w = world_new();
    AUTO(world) struct world other = world_new();
    AUTO(buf) struct buf config = {0};
    AUTO(mem) char *commit = world_key(w.store, "commits/", 0);
    AUTO(mem) char *other_commit = world_key(other.store, "parity/commits/", 0);
    AUTO(buf) struct buf mark = {0};
    AUTO(found) struct found f;
    AUTO(buf) struct buf key = {0};

    get(other.store, "parity/config", &config);
    world_replace(w.store, "parity/config", buf_slice(&config));
    get(other.store, other_commit, &mark);
    buf_printf(&key, "parity/%s", commit);
    world_replace(w.store, buf_string(&key), buf_slice(&mark));
    hurt(w.store, "config", DAMAGE_CUT);
    hurt(w.store, commit, DAMAGE_RUBBISH);
    check(w.repo, &f);
    CHECK(was_found(&f, "config") && was_found(&f, commit));

    const struct heal_stats stats = heal(w.repo, &f);

    CHECK(stats.healed == 0 && stats.lost >= 2);
}
END

/* Removing */

static void object_lose(struct store *s, const char *folder, const struct hash *id)
{
    char key[OBJECT_KEY_MAX];

    object_key(folder, id, key);
    CHECK_OK(store_remove(s, key, e));
}

static void prune(struct repo *r)
{
    const struct prune_options o = {.max_unused_percent = 0};
    struct prune_stats stats;

    CHECK_OK(prune_run(r, &o, &stats, e));
}

TEST(prune_removes_parity_with_what_it_is_of)
{
    AUTO(world) struct world w = world_new();
    struct hash other;

    CHECK_OK(world_plant(w.repo, &other_planting, &other, e));
    CHECK_OK(snapshot_forget(w.repo, &other, NULL, e));
    CHECK_OK(store_put(w.store,
                       "parity/packs/00/"
                       "0000000000000000000000000000000000000000000000000000000000000000",
                       slice_string("left over"), PUT_NEW, e));
    prune(w.repo);
    CHECK(world_count(w.store, "parity/packs/") == world_count(w.store, "packs/"));
    CHECK(world_count(w.store, "parity/index/") == world_count(w.store, "index/"));
    CHECK(world_count(w.store, "parity/snapshots/") == 1);
    CHECK(world_count(w.store, "parity/trash/") == 0);
    CHECK(figures_of(w.repo).unprotected == 0);
    CHECK(is_sound(&w) && is_clean(w.repo));
}
END

TEST(prune_takes_nothing_of_a_snapshot_that_was_lost)
{
    AUTO(world) struct world w = world_new();
    const struct prune_options o = {.max_unused_percent = 0};
    struct prune_stats stats;
    struct hash other;

    CHECK_OK(world_plant(w.repo, &other_planting, &other, e));
    object_lose(w.store, "commits", &w.snapshot);
    CHECK_ERR(prune_run(w.repo, &o, &stats, e), ERR_CORRUPT);
    object_lose(w.store, "snapshots", &w.snapshot);
    CHECK_ERR(prune_run(w.repo, &o, &stats, e), ERR_CORRUPT);
    recover(&w);
    CHECK_OK(prune_run(w.repo, &o, &stats, e));
    CHECK(is_sound(&w));
}
END

TEST(a_snapshot_brought_back_has_no_parity_of_its_tombstone)
{
    AUTO(world) struct world w = world_new();
    AUTO(found) struct found f;
    struct hash back;
    char text[65];

    snapshot_id_text(&w.snapshot, text);
    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, NULL, e));
    CHECK_OK(snapshot_unforget(w.repo, text, &back, e));
    CHECK(world_count(w.store, "parity/trash/") == 0);
    check(w.repo, &f);
    CHECK(f.count == 0 && is_sound(&w));
}
END

/* Interruptions */

typedef bool operation(struct world *w, struct err *e);

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

    return world_plant(w->repo, &other_planting, &id, e);
}

static bool forget_and_prune(struct world *w, struct err *e)
{
    const struct prune_options o = {.max_unused_percent = 0};
    struct prune_stats stats;
    AUTO(snapshot_list) struct snapshot_list l = {0};

    if (!snapshot_load_all(w->repo, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &l, e))
        return false;
    for (size_t i = 0; i < l.count; i++)
        if (!hash_is_equal(&l.items[i]->id, &w->snapshot) &&
            !snapshot_forget(w->repo, &l.items[i]->id, NULL, e))
            return false;
    return prune_run(w->repo, &o, &stats, e);
}

/* Whatever call fails: nothing is damaged, nothing comes back that went, and it can be repeated. */
static void fail_each_call(operation *fn, operation *before, enum fault_mode mode)
{
    bool was_hit = true;

    for (int n = 0; was_hit; n++) {
        AUTO(world) struct world w = world_new();

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
        world_open(&w);
        CHECK(is_clean(w.repo) && is_sound(&w));
        CHECK_OK(fn(&w, e));
        CHECK(is_clean(w.repo) && is_sound(&w));

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

    for (int n = 0; was_hit; n++) {
        AUTO(world) struct world w = world_new();
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
        check(w.repo, &f);
        CHECK(f.count == 4);

        AUTO(store)
        struct store *flaky = store_fault_new(
            w.store, (struct fault_plan){.at = n, .mode = FAULT_FROM, .code = ERR_TRANSIENT});

        w.repo->store = flaky;
        (void)!heal_objects(w.repo, (const char *const *)f.keys, f.count, NULL, NULL, &stats, &why);
        was_hit = store_fault_calls(flaky) > n;
        w.repo->store = w.store;
        world_open(&w);
        recover(&w);
        CHECK(holds(w.store, wanted));
    }
}
END

/* Others meanwhile */

static void prune_meanwhile(void *arg)
{
    struct world *w = arg;
    AUTO(repo) struct repo *r = world_repo(w->store);

    prune(r);
}

TEST(what_a_prune_removes_meanwhile_does_not_come_back)
{
    int calls = 1;

    for (int n = 0; n < calls; n++) {
        AUTO(world) struct world w = {.store = store_memory_new()};
        struct hash other;
        struct parity_figures f;

        w.repo = world_repo(w.store);
        CHECK_OK(world_plant(w.repo, &planting, &w.snapshot, e));
        CHECK_OK(world_plant(w.repo, &other_planting, &other, e));
        CHECK_OK(snapshot_forget(w.repo, &other, NULL, e));

        AUTO(store)
        struct store *s =
            meddler_new(w.store, &(struct meddling){.at = n, .fn = prune_meanwhile, .arg = &w});

        w.repo->store = s;
        CHECK_OK(parity_enable(w.repo, &parity_rule_default, &quiet, &f, e));
        calls = meddler_calls(s);
        w.repo->store = w.store;
        CHECK(is_clean(w.repo) && is_sound(&w));
        CHECK(world_count(w.store, "parity/commits/") == world_count(w.store, "commits/"));
        CHECK(world_count(w.store, "parity/snapshots/") == world_count(w.store, "snapshots/"));
    }
    CHECK(calls > 20);
}
END

TESTS("parity", prune_takes_nothing_of_a_snapshot_that_was_lost,
      parity_and_its_switch_can_be_looked_at, every_object_gets_parity_when_it_is_written,
      parity_is_added_to_a_repository_that_has_none_and_removed,
      another_rule_makes_parity_of_packs_again, damaged_objects_get_no_parity,
      each_object_that_is_damaged_or_gone_comes_back_bit_for_bit,
      a_damaged_switch_counts_as_on_and_is_written_again,
      a_repository_heals_bit_for_bit_whatever_is_damaged_in_it,
      a_repository_opens_although_its_config_and_key_slots_are_gone,
      without_parity_a_lost_config_is_no_repository, a_key_that_was_removed_does_not_come_back,
      damaged_parity_is_told_and_made_again, parity_of_another_pack_in_its_place_is_seen,
      an_object_from_elsewhere_is_not_published, prune_removes_parity_with_what_it_is_of,
      a_snapshot_brought_back_has_no_parity_of_its_tombstone, interrupted_switching_is_repeated,
      interrupted_writers_and_collectors_leave_parity_that_is_right,
      healing_that_dies_at_any_call_is_repeated, what_a_prune_removes_meanwhile_does_not_come_back)
