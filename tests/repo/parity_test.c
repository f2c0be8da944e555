/*
 * Parity beside objects, and what comes back from it.
 */
#include <string.h>

#include "base/mem.h"
#include "damage.h"
#include "repo/index.h"
#include "repo/parity_objects.h"
#include "support/test.h"
#include "world.h"

static bool has(struct store *s, const char *key)
{
    struct object_info info;
    struct err e;

    return store_stat(s, key, &info, &e);
}

TEST(parity_and_its_switch_can_be_looked_at)
{
    AUTO(world) struct world w = guarded_new();
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
    AUTO(world) struct world w = guarded_new();
    const struct parity_figures f = figures_of(w.repo);

    CHECK(f.is_on && f.unprotected == 0 && f.objects > 5);
    CHECK(world_count(w.store, "parity/packs/") == world_count(w.store, "packs/"));
    CHECK(world_count(w.store, "parity/commits/") == 1);
    CHECK(world_is_sound(&w) && is_clean(w.repo));
    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, NULL, e));
    CHECK(world_count(w.store, "parity/trash/") == 1);
    CHECK(figures_of(w.repo).unprotected == 0);
}
END

TEST(parity_is_added_to_a_repository_that_has_none_and_removed)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct parity_figures f;
    const size_t objects = world_count(w.store, "");

    CHECK(!figures_of(w.repo).is_on && figures_of(w.repo).unprotected == objects);
    f = enable(w.repo, &parity_rule_default);
    CHECK(f.is_on && f.made == objects && f.unprotected == 0 && f.damaged == 0);
    CHECK(enable(w.repo, &parity_rule_default).made == 0);
    CHECK(world_count(w.store, "") == 2 * objects + 1);
    CHECK_OK(parity_disable(w.repo, &quiet, &f, e));
    CHECK(!f.is_on && f.removed == objects && world_count(w.store, "") == objects);
    CHECK(world_is_sound(&w) && is_clean(w.repo));
}
END

TEST(another_rule_makes_parity_of_packs_again)
{
    AUTO(world) struct world w = guarded_new();
    const struct parity_rule rule = {16, 4, 0};
    const uint64_t before = figures_of(w.repo).parity_bytes;
    const struct parity_figures f = enable(w.repo, &rule);

    CHECK(f.made >= 2 && f.made <= world_count(w.store, "packs/") + world_count(w.store, "index/"));
    CHECK(f.parity_bytes > before && f.rule.data == 16);
    CHECK(is_clean(w.repo));
    reopen(&w);
    CHECK(figures_of(w.repo).rule.data == 16);
}
END

TEST(damaged_objects_get_no_parity)
{
    AUTO(world) struct world w = world_new(&world_files);
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
    AUTO(world) struct world w = guarded_new();
    AUTO(store) struct store *wanted = world_copy(w.store);
    const size_t count = world_count(wanted, "");

    for (size_t n = (size_t)test_first(); n < count; n += (size_t)test_every())
        for (enum damage kind = DAMAGE_REMOVE; kind < DAMAGE_KINDS; kind++) {
            AUTO(mem) char *key = world_key(wanted, "", n);
            const bool is_pack = strncmp(key, "packs/", 6) == 0;

            if (strcmp(key, PARITY_SWITCH) == 0 || (is_pack && kind != DAMAGE_FLIP) ||
                (strncmp(key, "parity/", 7) == 0 && kind == DAMAGE_REMOVE))
                continue;
            hurt(w.store, key, kind);
            reopen(&w);
            recover(w.repo);
            reopen(&w);
            CHECK(repo_mended(w.repo) == NULL);
            ck_assert_msg(holds(w.store, wanted), "%s, damage %d", key, (int)kind);
            CHECK(world_is_sound(&w));
        }
}
END

TEST(a_damaged_switch_counts_as_on_and_is_written_again)
{
    AUTO(world) struct world w = guarded_new();
    AUTO(found) struct found f;

    world_replace(w.store, PARITY_SWITCH, slice_string("rubbish"));
    reopen(&w);
    CHECK(figures_of(w.repo).is_on && figures_of(w.repo).is_damaged);
    CHECK_OK(world_plant(w.repo, &other_files, &(struct hash){0}, e));
    find_damage(w.repo, &f);
    CHECK(f.count == 1 && was_found(&f, PARITY_SWITCH));
    CHECK(heal(w.repo, &f).healed == 1 && is_clean(w.repo));
    CHECK(figures_of(w.repo).unprotected == 0);
}
END

/* 300 patterns over all objects at once, all of them within what parity can do. */
TEST(a_repository_heals_bit_for_bit_whatever_is_damaged_in_it)
{
    AUTO(world) struct world w = guarded_new();

    CHECK_OK(world_plant(w.repo, &other_files, &(struct hash){0}, e));

    AUTO(store) struct store *wanted = world_copy(w.store);
    const size_t count = world_count(wanted, "");

    for (int round = 0; round < 300; round += test_every()) {
        for (size_t n = 0; n < count; n++) {
            AUTO(mem) char *key = world_key(wanted, "", n);
            AUTO(buf) struct buf bytes = {0};

            if (strncmp(key, "parity/", 7) == 0 || below(3) == 0)
                continue;
            if (strncmp(key, "packs/", 6) != 0) {
                hurt(w.store, key, (enum damage)below(DAMAGE_KINDS));
                continue;
            }
            world_get(wanted, key, &bytes);

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
        reopen(&w);
        recover(w.repo);
        CHECK(holds(w.store, wanted));
    }
    reopen(&w);
    CHECK(world_is_sound(&w));
}
END

TEST(a_repository_opens_although_its_config_and_key_slots_are_gone)
{
    AUTO(world) struct world w = guarded_new();
    AUTO(mem) char *slot = world_key(w.store, "keys/", 0);
    static const uint8_t wrong[32] = {8};
    struct repo *none = NULL;

    hurt(w.store, "config", DAMAGE_REMOVE);
    hurt(w.store, slot, DAMAGE_RUBBISH);
    CHECK_ERR(repo_open(w.store, &(struct unlock){UNLOCK_KEY_FILE, {wrong, 32}}, &none, e),
              ERR_DENIED);

    reopen(&w);
    CHECK(repo_mended(w.repo) != NULL && world_is_sound(&w));
    CHECK_ERR(repo_create(w.store, &world_unlock, "", &none, e), ERR_EXISTS);
    recover(w.repo);
    CHECK(has(w.store, "config") && has(w.store, slot));
}
END

TEST(without_parity_a_lost_config_is_no_repository)
{
    AUTO(store) struct store *s = store_memory_new();
    struct repo *none = NULL;

    repo_close(world_repo(s));
    hurt(s, "config", DAMAGE_REMOVE);
    CHECK_ERR(repo_open(s, &world_unlock, &none, e), ERR_NOT_FOUND);
}
END

TEST(a_key_that_was_removed_does_not_come_back)
{
    AUTO(world) struct world w = guarded_new();
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
    AUTO(world) struct world w = guarded_new();
    AUTO(store) struct store *wanted = world_copy(w.store);
    AUTO(mem) char *pack = world_key(w.store, "parity/packs/", 0);
    AUTO(mem) char *commit = world_key(w.store, "parity/commits/", 0);
    AUTO(mem) char *gone = world_key(w.store, "parity/packs/", 1);
    AUTO(found) struct found f;

    hurt(w.store, pack, DAMAGE_FLIP);
    hurt(w.store, commit, DAMAGE_RUBBISH);
    hurt(w.store, gone, DAMAGE_REMOVE);
    find_damage(w.repo, &f);
    CHECK(f.count == 2 && was_found(&f, pack) && was_found(&f, commit));
    CHECK(f.stats.unprotected == 1);
    CHECK(heal(w.repo, &f).healed == 2);
    CHECK(is_clean(w.repo) && holds(w.store, wanted));
    CHECK(enable(w.repo, &parity_rule_default).made == 1);
}
END

TEST(parity_of_another_pack_in_its_place_is_seen)
{
    AUTO(world) struct world w = guarded_new();
    AUTO(mem) char *first = world_key(w.store, "parity/packs/", 0);
    AUTO(mem) char *second = world_key(w.store, "parity/packs/", 1);
    AUTO(mem) char *pack = world_key(w.store, "packs/", 0);
    AUTO(buf) struct buf bytes = {0};
    AUTO(found) struct found f;
    struct err e = {0};

    world_get(w.store, second, &bytes);
    world_replace(w.store, first, buf_slice(&bytes));
    find_damage(w.repo, &f);
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
    AUTO(world) struct world w = guarded_new();
    AUTO(world) struct world other = guarded_new();
    AUTO(buf) struct buf config = {0};
    AUTO(mem) char *commit = world_key(w.store, "commits/", 0);
    AUTO(mem) char *other_commit = world_key(other.store, "parity/commits/", 0);
    AUTO(buf) struct buf mark = {0};
    AUTO(found) struct found f;
    AUTO(buf) struct buf key = {0};

    world_get(other.store, "parity/config", &config);
    world_replace(w.store, "parity/config", buf_slice(&config));
    world_get(other.store, other_commit, &mark);
    buf_printf(&key, "parity/%s", commit);
    world_replace(w.store, buf_string(&key), buf_slice(&mark));
    hurt(w.store, "config", DAMAGE_CUT);
    hurt(w.store, commit, DAMAGE_RUBBISH);
    find_damage(w.repo, &f);
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
    AUTO(world) struct world w = guarded_new();
    struct hash other;

    CHECK_OK(world_plant(w.repo, &other_files, &other, e));
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
    CHECK(world_is_sound(&w) && is_clean(w.repo));
}
END

TEST(prune_takes_nothing_of_a_snapshot_that_was_lost)
{
    AUTO(world) struct world w = guarded_new();
    const struct prune_options o = {.max_unused_percent = 0};
    struct prune_stats stats;
    struct hash other;

    CHECK_OK(world_plant(w.repo, &other_files, &other, e));
    object_lose(w.store, "commits", &w.snapshot);
    CHECK_ERR(prune_run(w.repo, &o, &stats, e), ERR_CORRUPT);
    object_lose(w.store, "snapshots", &w.snapshot);
    CHECK_ERR(prune_run(w.repo, &o, &stats, e), ERR_CORRUPT);
    recover(w.repo);
    CHECK_OK(prune_run(w.repo, &o, &stats, e));
    CHECK(world_is_sound(&w));
}
END

TEST(a_snapshot_brought_back_has_no_parity_of_its_tombstone)
{
    AUTO(world) struct world w = guarded_new();
    AUTO(found) struct found f;
    struct hash back;
    char text[65];

    snapshot_id_text(&w.snapshot, text);
    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, NULL, e));
    CHECK_OK(snapshot_unforget(w.repo, text, &back, e));
    CHECK(world_count(w.store, "parity/trash/") == 0);
    find_damage(w.repo, &f);
    CHECK(f.count == 0 && world_is_sound(&w));
}
END

TESTS("parity", parity_and_its_switch_can_be_looked_at, every_object_gets_parity_when_it_is_written,
      parity_is_added_to_a_repository_that_has_none_and_removed,
      another_rule_makes_parity_of_packs_again, damaged_objects_get_no_parity,
      each_object_that_is_damaged_or_gone_comes_back_bit_for_bit,
      a_damaged_switch_counts_as_on_and_is_written_again,
      a_repository_heals_bit_for_bit_whatever_is_damaged_in_it,
      a_repository_opens_although_its_config_and_key_slots_are_gone,
      without_parity_a_lost_config_is_no_repository, a_key_that_was_removed_does_not_come_back,
      damaged_parity_is_told_and_made_again, parity_of_another_pack_in_its_place_is_seen,
      an_object_from_elsewhere_is_not_published, prune_removes_parity_with_what_it_is_of,
      a_snapshot_brought_back_has_no_parity_of_its_tombstone,
      prune_takes_nothing_of_a_snapshot_that_was_lost)
