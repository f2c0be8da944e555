#include <string.h>

#include "base/mem.h"
#include "repo/epochs.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"
#include "told.h"

#define TEST_SECONDS 200
#include "damage.h"
#include "meddle.h"
#include "support/test.h"

static const uint8_t secrets[4][32] = {{1}, {2}, {3}, {4}};

static struct unlock key_file(size_t n)
{
    return (struct unlock){UNLOCK_KEY_FILE, {secrets[n], sizeof(secrets[n])}};
}

/* The code with which a store refuses a secret; ERR_NONE when it opens. */
static enum err_code refusal(struct store *s, const struct unlock *with, struct err *e)
{
    AUTO(repo) struct repo *r = NULL;

    return repo_open(s, with, &r, e) ? ERR_NONE : e->code;
}

static bool opens(struct store *s, const struct unlock *with)
{
    struct err e = {0};

    return refusal(s, with, &e) == ERR_NONE;
}

/* With the secret in use. */
static bool rotate(struct repo *r, struct err *e)
{
    const struct key_rotation o = {.in_use = &world_unlock};
    struct key_rotated done;

    return key_rotate(r, &o, &done, e);
}

static struct epochs_figures measure(struct repo *r)
{
    struct epochs_figures f = {0};

    CHECK_OK(epochs_measure(r, NULL, NULL, &f, e));
    return f;
}

static uint64_t packs_left(struct repo *r)
{
    const struct epochs_figures f = measure(r);

    mem_free(f.of);
    return f.packs_left + f.indexes_left;
}

static bool reencrypt(struct repo *r, uint64_t round_bytes, struct err *e)
{
    const struct reencrypt_options o = {.round_bytes = round_bytes};
    struct reencrypt_stats stats;

    return key_reencrypt(r, &o, &stats, e);
}

TEST(rotated_repository_opens_reads_and_writes_in_the_new_epoch)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct epochs_figures f;

    CHECK(repo_epoch(w.repo) == 1);
    CHECK_OK(rotate(w.repo, e));
    CHECK(repo_epoch(w.repo) == 2 && world_count(w.store, "keys/") == 1);
    CHECK(world_is_sound(&w));

    AUTO(repo) struct repo *again = world_open(w.store);

    CHECK(repo_epoch(again) == 2);
    CHECK_OK(world_harvest(again, &w.snapshot, &world_files, e));
    f = measure(again);
    CHECK(f.of[0].packs == world_count(w.store, "packs/") && f.of[1].packs == 0);
    CHECK(f.packs_left == f.of[0].packs && f.pack_bytes_left > 0 && f.indexes_left > 0);
    CHECK(f.snapshots_left == 1 && f.records_left == 2 && f.unreadable == 0);
    CHECK(f.of[0].slots == 0 && f.of[1].slots == 1 && f.slots_past + f.slots_unfinished == 0);
    mem_free(f.of);
}
END

TEST(reencrypting_leaves_no_pack_of_a_past_epoch)
{
    AUTO(world) struct world w = world_new(&world_files);
    const struct reencrypt_options o = {.round_bytes = 1};
    const size_t packs = world_count(w.store, "packs/");
    struct reencrypt_stats stats;

    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(key_reencrypt(w.repo, &o, &stats, e));
    CHECK(stats.packs == packs && stats.rounds == packs);

    const struct epochs_figures f = measure(w.repo);

    CHECK(f.newest == 3 && f.packs_left == 0 && f.indexes_left == 0 && f.snapshots_left == 1);
    CHECK(f.of[2].packs > 0 && f.of[2].indexes > 0);
    mem_free(f.of);
    CHECK(world_is_sound(&w));
    CHECK_OK(key_reencrypt(w.repo, &o, &stats, e));
    CHECK(stats.packs == 0 && stats.rounds == 0);
}
END

static struct key_slot slot_add(struct repo *r, const struct unlock *with, const char *label)
{
    struct key_slot slot = {0};

    CHECK_OK(key_add(r, with, label, &slot, e));
    return slot;
}

TEST(secrets_that_are_not_given_are_lost_only_when_that_is_asked_for)
{
    AUTO(world) struct world w = world_new(&world_files);
    const struct unlock ann = key_file(1), bob = key_file(2), kept[] = {key_file(1)};
    struct key_rotation o = {.in_use = &world_unlock, .kept = kept, .kept_count = 1};
    struct key_rotated done;
    struct err why = {0};

    slot_add(w.repo, &ann, "ann");
    slot_add(w.repo, &bob, "bob");
    CHECK(!key_rotate(w.repo, &o, &done, &why));
    CHECK(why.code == ERR_USAGE && strstr(why.text, "(bob)") && !strstr(why.text, "(ann)"));
    CHECK(repo_epoch(w.repo) == 1 && world_count(w.store, "keys/") == 3);
    o.drops_others = o.is_dry_run = true;
    CHECK_OK(key_rotate(w.repo, &o, &done, e));
    CHECK(done.epoch == 2 && done.kept == 2 && done.dropped == 1 && opens(w.store, &bob));
    o.is_dry_run = false;
    CHECK_OK(key_rotate(w.repo, &o, &done, e));
    CHECK(opens(w.store, &ann) && opens(w.store, &world_unlock));
    CHECK(refusal(w.store, &bob, &why) == ERR_DENIED && strstr(why.text, "were rotated") != NULL);
    CHECK(world_count(w.store, "keys/") == 2 && world_count(w.store, "epochs/") == 1);
    o.kept = &bob;
    CHECK_ERR(key_rotate(w.repo, &o, &done, e), ERR_DENIED);
}
END

TEST(slot_in_use_may_get_another_secret_on_the_way)
{
    AUTO(world) struct world w = world_new(&world_files);
    const struct unlock fresh = key_file(3);
    const struct key_rotation o = {.in_use = &fresh};
    struct key_rotated done;

    CHECK_OK(key_rotate(w.repo, &o, &done, e));
    CHECK(opens(w.store, &fresh) && !opens(w.store, &world_unlock));
    CHECK(world_is_sound(&w));
}
END

/* A slot of the first epoch that is there again, as after a rotation that was cut short. */
TEST(slot_of_a_past_epoch_opens_nothing_and_is_told)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(store) struct store *before = world_copy(w.store);
    AUTO(mem) char *old = world_key(before, "keys/", 0);
    AUTO(buf) struct buf bytes = {0};
    AUTO(told) struct told t = {0};
    const struct unlock fresh = key_file(3);
    const struct key_rotation o = {.in_use = &fresh};
    struct key_rotated done;
    struct err why = {0};

    CHECK_OK(key_rotate(w.repo, &o, &done, e));
    world_get(before, old, &bytes);
    CHECK_OK(store_put(w.store, old, buf_slice(&bytes), PUT_NEW, e));
    CHECK(refusal(w.store, &world_unlock, &why) == ERR_DENIED);
    CHECK(strstr(why.text, "were rotated") && strstr(why.text, "epoch 1"));
    check(w.repo, &t);
    CHECK(has_told(&t, "litter", old, NULL) && t.stats.damaged_objects == 0);
    CHECK_OK(reencrypt(w.repo, 0, e));
    CHECK(world_count(w.store, "keys/") == 1 && opens(w.store, &fresh));
}
END

/* Whichever call fails, an old or a new secret opens, and what opens is whole. */
static void rotate_with_faults(enum fault_mode mode)
{
    static const struct parity_rule rule = {16, 2, 0};
    const struct unlock ann = key_file(1), fresh = key_file(3);
    const struct key_rotation o = {
        .in_use = &fresh, .kept = &ann, .kept_count = 1, .drops_others = true};
    AUTO(world) struct world w = world_new(&world_files);
    bool is_done = false;

    slot_add(w.repo, &ann, "ann");
    (void)enable(w.repo, &rule);
    for (int at = 0; !is_done; at++) {
        AUTO(store) struct store *disk = world_copy(w.store);
        AUTO(repo) struct repo *r = world_open(disk);
        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){at, mode, ERR_TRANSIENT, false});
        struct key_rotated done;
        struct err why = {0};

        CHECK(at < 200);
        r->store = flaky;
        is_done = key_rotate(r, &o, &done, &why);
        r->store = disk;
        CHECK(is_done || why.code == ERR_TRANSIENT);
        CHECK(opens(disk, &ann));
        CHECK(opens(disk, &world_unlock) || opens(disk, &fresh));
        CHECK(!is_done || (opens(disk, &fresh) && !opens(disk, &world_unlock)));

        /* What the handle is of now, and what is there, belong together; a further rotation clears
         * away what was left. */
        AUTO(repo) struct repo *again = NULL;
        const struct key_rotation once_more = {.in_use = &ann, .drops_others = true};

        CHECK_OK(repo_open(disk, &ann, &again, e));
        CHECK_OK(world_harvest(again, &w.snapshot, &world_files, e));
        CHECK_OK(key_rotate(again, &once_more, &done, e));
        CHECK(world_count(disk, "keys/") == 1 && is_clean(again));
        is_done = is_done && store_fault_calls(flaky) <= at;
    }
}

TEST(repository_opens_whichever_store_call_of_a_rotation_fails)
{
    rotate_with_faults(FAULT_ONCE);
    rotate_with_faults(FAULT_FROM);
    rotate_with_faults(FAULT_LOST_REPLY);
}
END

/* A rotation that dies before its object is there. */
static void cut_short(struct world *w, const struct unlock *fresh)
{
    const struct key_rotation o = {.in_use = fresh, .drops_others = true};
    AUTO(repo) struct repo *r = world_open(w->store);
    AUTO(store)
    struct store *flaky = store_fault_new(
        w->store, (struct fault_plan){1, FAULT_FROM, ERR_TRANSIENT, .writes_only = true});
    struct key_rotated done;

    r->store = flaky;
    CHECK_ERR(key_rotate(r, &o, &done, e), ERR_TRANSIENT);
    r->store = w->store;
    CHECK(world_count(w->store, "epochs/") == 0 && world_count(w->store, "keys/") == 2);
}

TEST(unfinished_rotation_locks_nobody_out_and_is_told)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(told) struct told t = {0};
    const struct unlock fresh = key_file(3);
    struct epochs_figures f;
    struct err why = {0};

    cut_short(&w, &fresh);
    CHECK(opens(w.store, &world_unlock));
    CHECK(refusal(w.store, &fresh, &why) == ERR_DENIED);
    CHECK(strstr(why.text, "was not finished") != NULL);
    check(w.repo, &t);
    CHECK(t.stats.damaged_objects == 0 && count_told(&t, "litter keys/") == 1);
    f = measure(w.repo);
    CHECK(f.slots_unfinished == 1 && f.of[0].slots == 1);
    mem_free(f.of);
}
END

TEST(secret_of_a_rotation_that_lost_opens_by_the_slot_of_the_one_that_won)
{
    for (int n = 0; n < 8; n++) {
        AUTO(world) struct world w = world_new(&world_files);
        AUTO(mem) char *litter = NULL;
        AUTO(mem) char *own = world_key(w.store, "keys/", 0);
        AUTO(buf) struct buf bytes = {0};
        const struct unlock fresh = key_file(3);
        const struct key_rotation o = {.in_use = &fresh};
        struct key_rotated done;

        cut_short(&w, &fresh);
        litter = world_key(w.store, "keys/", 0);
        if (strcmp(litter, own) == 0) {
            mem_free(litter);
            litter = world_key(w.store, "keys/", 1);
        }
        world_get(w.store, litter, &bytes);
        CHECK_OK(key_rotate(w.repo, &o, &done, e));
        CHECK(world_count(w.store, "keys/") == 1);
        CHECK_OK(store_put(w.store, litter, buf_slice(&bytes), PUT_NEW, e));
        CHECK(opens(w.store, &fresh));
    }
}
END

/* Somebody who rotates while another one does. */
struct rival {
    struct store *store;
    bool ok;
    struct err why;
};

static void rival_rotates(void *arg)
{
    struct rival *v = arg;
    const struct unlock with = key_file(2);
    const struct key_rotation o = {.in_use = &with, .drops_others = true};
    AUTO(repo) struct repo *r = NULL;
    struct key_rotated done;

    v->ok = repo_open(v->store, &world_unlock, &r, &v->why) && key_rotate(r, &o, &done, &v->why);
}

static int calls_of_rotation(struct store *of)
{
    AUTO(store) struct store *disk = world_copy(of);
    AUTO(repo) struct repo *r = world_open(disk);
    AUTO(store) struct store *s = meddler_new(disk, &(struct meddling){.at = -1});

    r->store = s;
    CHECK_OK(rotate(r, e));
    return meddler_calls(s);
}

TEST(of_two_rotations_at_once_one_wins_and_the_other_changes_nothing)
{
    const struct unlock with = key_file(1), rivals = key_file(2);
    const struct key_rotation o = {.in_use = &with, .drops_others = true};
    AUTO(world) struct world w = world_new(&world_files);
    const int calls = calls_of_rotation(w.store);
    int won = 0;
    int lost = 0;

    for (int at = 0; at < calls; at++) {
        AUTO(store) struct store *disk = world_copy(w.store);
        AUTO(repo) struct repo *r = world_open(disk);
        struct rival rival = {.store = disk};
        AUTO(store)
        struct store *s =
            meddler_new(disk, &(struct meddling){.at = at, .fn = rival_rotates, .arg = &rival});
        struct key_rotated done;
        struct err why = {0};

        r->store = s;
        const bool ok = key_rotate(r, &o, &done, &why);

        r->store = disk;
        won += ok ? 1 : 0;
        lost += ok ? 0 : 1;
        CHECK(ok != rival.ok);
        ck_assert_msg(ok || why.code == ERR_TRANSIENT, "%s", why.text);
        /* Behind the object of the epoch the old secret opens nothing. */
        CHECK(rival.ok || rival.why.code == ERR_DENIED);
        CHECK(opens(disk, ok ? &with : &rivals) && !opens(disk, ok ? &rivals : &with));
        CHECK(world_count(disk, "keys/") == 1);
    }
    CHECK(won > 0 && lost > 0);
}
END

TEST(whoever_opened_before_the_rotation_finishes_a_backup_in_the_old_epoch)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(repo) struct repo *old = world_open(w.store);
    struct growth g = {0};
    struct epochs_figures f;

    CHECK_OK(growth_open(&g, old, &other_files, e));
    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(growth_put(&g, e));
    CHECK_OK(growth_end(&g, true, e));
    CHECK_OK(world_harvest(w.repo, &g.snapshot, &other_files, e));
    f = measure(w.repo);
    CHECK(f.snapshots_left == 2 && f.of[1].snapshots == 0);
    mem_free(f.of);
    CHECK_OK(reencrypt(w.repo, 0, e));
    CHECK(packs_left(w.repo) == 0);
    CHECK_OK(world_harvest(w.repo, &g.snapshot, &other_files, e));
    growth_auto(&g);
}
END

static void count_fault(void *arg, const struct check_fault *f)
{
    int *count = arg;

    *count += f->kind == CHECK_DAMAGED ? 1 : 0;
}

TEST(whoever_opened_before_the_rotation_takes_nothing_of_the_new_epoch_for_damage)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(repo) struct repo *old = world_open(w.store);
    const struct prune_options o = {0};
    int damaged = 0;
    const struct check_options looking = {.fault = count_fault, .arg = &damaged};
    const struct unlock with = key_file(1);
    struct prune_stats pruned;
    struct repair_stats repaired;
    struct check_stats checked;
    struct key_slot slot;
    struct hash id;

    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(world_plant(w.repo, &other_files, &id, e));
    CHECK_ERR(prune_run(old, &o, &pruned, e), ERR_TRANSIENT);
    CHECK_ERR(repair_index(old, NULL, NULL, &repaired, e), ERR_TRANSIENT);
    CHECK_ERR(check_run(old, &looking, &checked, e), ERR_TRANSIENT);
    CHECK(damaged == 0);
    CHECK_ERR(key_add(old, &with, "", &slot, e), ERR_TRANSIENT);
    CHECK_ERR(key_remove(old, w.repo->slot, e), ERR_TRANSIENT);
    CHECK_ERR(world_plant(old, &other_files, &id, e), ERR_TRANSIENT);
    CHECK(is_clean(w.repo) && world_is_sound(&w));
}
END

TEST(bundles_sealed_before_a_rotation_still_open)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(buf) struct buf sealed = {0}, out = {0};
    struct envelope_recipient before, after;

    repo_recipient(w.repo, &before);
    envelope_seal(&before, 1, slice_string("bytes"), &sealed);
    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(rotate(w.repo, e));
    repo_recipient(w.repo, &after);
    CHECK(memcmp(before.key, after.key, sizeof(after.key)) != 0);
    CHECK_OK(repo_open_envelope(w.repo, buf_slice(&sealed), &out, e));
    ck_assert_str_eq(buf_string(&out), "bytes");
    sealed.data[sealed.size - 1] ^= 1;
    CHECK_ERR(repo_open_envelope(w.repo, buf_slice(&sealed), &out, e), ERR_CORRUPT);
}
END

TEST(damaged_or_missing_object_of_an_epoch_is_read_from_its_parity_and_healed)
{
    for (enum damage kind = 0; kind < DAMAGE_KINDS; kind++) {
        AUTO(world) struct world w = guarded_new();
        AUTO(found) struct found found = {0};

        CHECK_OK(rotate(w.repo, e));
        CHECK(is_clean(w.repo));
        hurt(w.store, "epochs/2", kind);

        AUTO(repo) struct repo *r = world_open(w.store);

        CHECK(repo_mended(r) != NULL && strcmp(repo_mended(r), "epochs/2") == 0);
        CHECK_OK(world_harvest(r, &w.snapshot, &world_files, e));
        find_damage(r, &found);
        CHECK(was_found(&found, "epochs/2"));
        recover(r);
        CHECK(is_clean(r));
    }
}
END

TEST(without_its_object_an_epoch_is_lost_and_that_is_said)
{
    AUTO(world) struct world w = world_new(&world_files);
    struct err why = {0};

    CHECK_OK(rotate(w.repo, e));
    hurt(w.store, "epochs/2", DAMAGE_REMOVE);
    CHECK(refusal(w.store, &world_unlock, &why) == ERR_CORRUPT);
    CHECK(strstr(why.text, "epochs/2") != NULL);
}
END

TEST(every_flipped_bit_of_the_object_of_an_epoch_is_noticed)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(buf) struct buf object = {0};

    CHECK_OK(rotate(w.repo, e));
    world_get(w.store, "epochs/2", &object);
    for (size_t i = 0; i < object.size; i++) {
        struct err why = {0};

        object.data[i] ^= (uint8_t)(1U << (i % 8));
        world_replace(w.store, "epochs/2", buf_slice(&object));
        refusal(w.store, &world_unlock, &why);
        CHECK(why.code == ERR_CORRUPT || why.code == ERR_USAGE);
        object.data[i] ^= (uint8_t)(1U << (i % 8));
    }
}
END

TEST(object_of_an_epoch_of_another_repository_is_passed_over)
{
    AUTO(world) struct world w = world_new(&world_files);
    AUTO(world) struct world other = world_new(&world_files);
    AUTO(store) struct store *next = store_memory_new();
    AUTO(repo) struct repo *alien = world_repo(next);
    AUTO(told) struct told t = {0};
    AUTO(buf) struct buf object = {0};
    const struct unlock with = key_file(1);

    CHECK_OK(rotate(alien, e));
    world_get(next, "epochs/2", &object);
    CHECK_OK(store_put(w.store, "epochs/2", buf_slice(&object), PUT_NEW, e));
    CHECK(opens(w.store, &world_unlock) && world_is_sound(&w));
    slot_add(w.repo, &with, "");
    check(w.repo, &t);
    CHECK(has_told(&t, "litter", "epochs/2", NULL) && t.stats.damaged_objects == 0);

    const struct key_rotation o = {.in_use = &world_unlock, .drops_others = true};
    struct key_rotated done;

    CHECK_ERR(key_rotate(w.repo, &o, &done, e), ERR_TRANSIENT);
    CHECK(opens(w.store, &world_unlock) && world_count(w.store, "keys/") == 2);
}
END

/* Reencrypting */

/* What is forgotten, deltas, and more than one epoch. */
static struct world aged_new(void)
{
    struct world w = small_new();

    CHECK_OK(rotate(w.repo, e));
    CHECK_OK(world_plant(w.repo, &other_files, &w.third, e));
    CHECK_OK(rotate(w.repo, e));
    return w;
}

static bool is_whole(struct store *s, const struct world *w)
{
    AUTO(repo) struct repo *r = world_open(s);
    struct err e = {0};

    return world_harvest(r, &w->snapshot, &small_files, &e) &&
           world_harvest(r, &w->third, &other_files, &e);
}

TEST(reencrypting_goes_on_whichever_store_call_fails)
{
    static const enum fault_mode modes[] = {FAULT_ONCE, FAULT_FROM, FAULT_LOST_REPLY};
    AUTO(world) struct world w = aged_new();

    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
        bool is_done = false;

        for (int at = test_first(); !is_done; at += test_every()) {
            AUTO(store) struct store *disk = world_copy(w.store);
            AUTO(repo) struct repo *r = world_open(disk);
            AUTO(store)
            struct store *flaky =
                store_fault_new(disk, (struct fault_plan){at, modes[m], ERR_TRANSIENT, false});
            struct err why = {0};

            CHECK(at < 2000);
            r->store = flaky;
            is_done = reencrypt(r, 30000, &why);
            CHECK(is_done || why.code == ERR_TRANSIENT);
            CHECK(is_whole(disk, &w));
            r->store = disk;
            CHECK_OK(reencrypt(r, 0, e));
            CHECK(packs_left(r) == 0 && is_whole(disk, &w));
            is_done = is_done && store_fault_calls(flaky) <= at;
        }
    }
}
END

struct beside {
    struct repo *repo;
    struct hash id;
    bool ok;
    struct err why;
};

static void back_up(void *arg)
{
    struct beside *b = arg;

    b->ok = world_plant(b->repo, &world_files, &b->id, &b->why);
}

/* By one who opened before the last rotation, or after it. */
static void back_up_beside(bool is_old)
{
    AUTO(world) struct world w = aged_new();
    int calls = 1;

    for (int at = test_first(); at < calls; at += test_every()) {
        AUTO(store) struct store *disk = world_copy(w.store);
        AUTO(repo) struct repo *early = world_open(disk);
        AUTO(repo) struct repo *r = NULL;
        struct beside b = {.repo = early};
        struct repo *const of = early;

        if (is_old) {
            AUTO(repo) struct repo *turning = world_open(disk);

            CHECK_OK(rotate(turning, e));
        }
        r = world_open(disk);
        CHECK(repo_epoch(of) + (is_old ? 1 : 0) == repo_epoch(r));

        AUTO(store)
        struct store *s = meddler_new(disk, &(struct meddling){.at = at, .fn = back_up, .arg = &b});
        struct err why = {0};

        r->store = s;
        /* A backup that ends between two listings fails a collector, which is then repeated. */
        CHECK(reencrypt(r, 30000, &why) || why.code == ERR_TRANSIENT);
        calls = meddler_calls(s) > calls ? meddler_calls(s) : calls;
        r->store = disk;
        CHECK(b.ok || b.why.code == ERR_TRANSIENT || b.why.code == ERR_NONE);
        CHECK(is_whole(disk, &w));
        CHECK(!b.ok || world_harvest(r, &b.id, &world_files, &why));
        CHECK_OK(reencrypt(r, 0, e));
        repo_drop_index(r);
        CHECK(!b.ok || world_harvest(r, &b.id, &world_files, &why));
        CHECK(is_whole(disk, &w));
    }
}

TEST(backup_at_any_moment_of_reencrypting_is_sound)
{
    back_up_beside(false);
}
END

TEST(backup_of_one_who_opened_before_the_rotation_is_sound_or_fails)
{
    back_up_beside(true);
}
END

TEST(one_run_packs_no_more_again_than_it_may)
{
    AUTO(world) struct world w = world_new(&world_files);
    const struct reencrypt_options o = {.max_bytes = 1};
    struct reencrypt_stats stats;
    const size_t packs = world_count(w.store, "packs/");

    CHECK_OK(rotate(w.repo, e));
    for (size_t left = packs; left > 0; left--) {
        const struct epochs_figures f = measure(w.repo);

        mem_free(f.of);
        CHECK(f.packs_left == left);
        CHECK_OK(key_reencrypt(w.repo, &o, &stats, e));
        CHECK(stats.packs == 1);
    }
    CHECK(packs_left(w.repo) == 0 && world_is_sound(&w));
}
END

TEST(switch_of_parity_gets_the_new_epoch_and_parity_stays_whole)
{
    AUTO(world) struct world w = guarded_new();
    struct epochs_figures f;

    CHECK_OK(rotate(w.repo, e));
    f = measure(w.repo);
    CHECK(f.records_left == 3 && f.snapshots_left == 1);
    mem_free(f.of);
    CHECK_OK(reencrypt(w.repo, 0, e));
    f = measure(w.repo);
    CHECK(f.records_left == 2 && f.packs_left + f.indexes_left == 0);
    mem_free(f.of);
    reopen(&w);
    CHECK(figures_of(w.repo).is_on && figures_of(w.repo).unprotected == 0 && is_clean(w.repo));
}
END

TESTS("epochs", rotated_repository_opens_reads_and_writes_in_the_new_epoch,
      reencrypting_leaves_no_pack_of_a_past_epoch,
      secrets_that_are_not_given_are_lost_only_when_that_is_asked_for,
      slot_in_use_may_get_another_secret_on_the_way, slot_of_a_past_epoch_opens_nothing_and_is_told,
      repository_opens_whichever_store_call_of_a_rotation_fails,
      unfinished_rotation_locks_nobody_out_and_is_told,
      secret_of_a_rotation_that_lost_opens_by_the_slot_of_the_one_that_won,
      of_two_rotations_at_once_one_wins_and_the_other_changes_nothing,
      whoever_opened_before_the_rotation_finishes_a_backup_in_the_old_epoch,
      whoever_opened_before_the_rotation_takes_nothing_of_the_new_epoch_for_damage,
      bundles_sealed_before_a_rotation_still_open,
      damaged_or_missing_object_of_an_epoch_is_read_from_its_parity_and_healed,
      without_its_object_an_epoch_is_lost_and_that_is_said,
      every_flipped_bit_of_the_object_of_an_epoch_is_noticed,
      object_of_an_epoch_of_another_repository_is_passed_over,
      reencrypting_goes_on_whichever_store_call_fails,
      backup_at_any_moment_of_reencrypting_is_sound,
      backup_of_one_who_opened_before_the_rotation_is_sound_or_fails,
      one_run_packs_no_more_again_than_it_may,
      switch_of_parity_gets_the_new_epoch_and_parity_stays_whole)
