/* What becomes of packs that a prune took away. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pair.h"
#include "repo/discarded.h"
#include "support/test.h"

#define DAY_NS (24 * 60 * 60 * NS_PER_S)

static const struct prune_options empty = {.only_empties_trash = true};

static uint64_t bytes_below(struct store *s, const char *prefix)
{
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(key_list) struct key_list l = {0};
    uint64_t sum = 0;

    CHECK_OK(key_list_read(r, prefix, &l, e));
    for (size_t i = 0; i < l.count; i++)
        sum += l.sizes[i];
    return sum;
}

TEST(prune_moves_packs_to_the_trash_and_calls_nothing_of_them_free)
{
    AUTO(pair) struct pair p = pair_new();
    const size_t packs = world_count(p.store, "packs/");
    const uint64_t bytes = bytes_below(p.store, "packs/");
    struct prune_stats stats;

    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK(stats.packs_discarded == stats.packs_removed && stats.packs_discarded > 0);
    CHECK(stats.bytes_discarded == stats.bytes_removed);
    CHECK(stats.packs_freed == 0 && stats.bytes_freed == 0);
    CHECK(world_count(p.store, "discarded/") == stats.packs_discarded);
    CHECK(world_count(p.store, "packs/") == packs - stats.packs_discarded);
    CHECK(bytes_below(p.store, "packs/") + bytes_below(p.store, "discarded/") == bytes);
    CHECK(stats.packs_in_trash == stats.packs_discarded);
    CHECK(stats.bytes_in_trash == stats.bytes_discarded);
    CHECK(is_sound(p.store, &p.new, &new));
    check_clean(p.store);
}
END

TEST(what_was_taken_away_goes_for_good_after_a_week_and_not_before)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_stats first, stats;

    CHECK_OK(prune(p.store, &plain, &first, e));
    clock_set_for_tests(clock_now_ns() + 7 * DAY_NS - 60 * NS_PER_S);
    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK(stats.packs_freed == 0 && stats.packs_in_trash == first.packs_discarded);
    clock_set_for_tests(clock_now_ns() + 120 * NS_PER_S);
    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK(stats.packs_freed == first.packs_discarded);
    CHECK(stats.bytes_freed == first.bytes_discarded);
    CHECK(stats.packs_in_trash == 0 && world_count(p.store, "discarded/") == 0);
    CHECK(is_sound(p.store, &p.new, &new));
}
END

TEST(a_clock_that_went_back_keeps_the_trash)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_stats first, stats;

    CHECK_OK(prune(p.store, &plain, &first, e));
    clock_set_for_tests(clock_now_ns() - 30 * DAY_NS);
    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK(stats.packs_freed == 0 && stats.packs_in_trash == first.packs_discarded);
}
END

static bool refuse_to_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                          struct err *e)
{
    (void)s;
    (void)data;
    (void)mode;
    return err_set(e, ERR_FATAL, "no space left for %s", key);
}

TEST(the_trash_is_emptied_at_once_on_request_without_writing)
{
    struct store_ops full; /* the store needs them until the pair goes */
    AUTO(pair) struct pair p = pair_new();
    struct prune_stats first, stats;
    size_t packs = 0;

    CHECK_OK(prune(p.store, &plain, &first, e));
    packs = world_count(p.store, "packs/");
    full = *p.store->ops;
    full.put = refuse_to_put;
    p.store->ops = &full;
    CHECK_OK(prune(p.store, &empty, &stats, e));
    CHECK(stats.packs_freed == first.packs_discarded && stats.packs_discarded == 0);
    CHECK(world_count(p.store, "discarded/") == 0 && world_count(p.store, "packs/") == packs);
    CHECK(is_sound(p.store, &p.new, &new));
}
END

TEST(the_trash_stays_while_a_snapshot_lacks_something)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_stats first, stats;

    CHECK_OK(prune(p.store, &plain, &first, e));

    AUTO(mem) char *needed = world_key(p.store, "packs/", 0);

    CHECK_OK(store_remove(p.store, needed, e));
    CHECK_ERR(prune(p.store, &empty, &stats, e), ERR_CORRUPT);
    clock_set_for_tests(clock_now_ns() + 8 * DAY_NS);
    CHECK_ERR(prune(p.store, &plain, &stats, e), ERR_CORRUPT);
    CHECK(world_count(p.store, "discarded/") == first.packs_discarded);
}
END

TEST(a_dry_run_says_what_would_be_moved_and_what_would_be_free)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_options dry = plain;
    struct prune_options dry_empty = empty;
    struct prune_stats said, done;

    dry.is_dry_run = dry_empty.is_dry_run = true;
    CHECK_OK(prune(p.store, &dry, &said, e));
    CHECK_OK(prune(p.store, &plain, &done, e));
    CHECK(said.packs_discarded == done.packs_discarded && said.packs_freed == 0);
    CHECK_OK(prune(p.store, &dry_empty, &said, e));
    CHECK(said.packs_freed == done.packs_discarded && said.packs_in_trash == 0);
    CHECK(world_count(p.store, "discarded/") == done.packs_discarded);
}
END

TEST(a_store_that_cannot_move_frees_at_once)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_stats stats;

    p.store->can_move = false;
    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK(stats.packs_freed == stats.packs_removed && stats.packs_freed > 0);
    CHECK(stats.packs_discarded == 0 && world_count(p.store, "discarded/") == 0);
    CHECK(stats.packs_kept == world_count(p.store, "packs/"));
    CHECK(is_sound(p.store, &p.new, &new));
}
END

TEST(a_prune_that_dies_between_two_moves_is_finished_by_the_next)
{
    for (int at = 0;; at++) {
        AUTO(pair) struct pair p = pair_new();
        const size_t packs = world_count(p.store, "packs/");
        AUTO(store)
        struct store *dying =
            store_fault_new(p.store, (struct fault_plan){at, FAULT_FROM, ERR_FATAL, true});
        struct prune_stats stats;
        struct err why;
        const bool is_done = prune(dying, &plain, &stats, &why);

        CHECK(world_count(p.store, "packs/") + world_count(p.store, "discarded/") == packs);
        CHECK(is_sound(p.store, &p.new, &new));
        CHECK_OK(prune(p.store, &plain, &stats, e));
        CHECK(world_count(p.store, "packs/") + world_count(p.store, "discarded/") == packs);
        CHECK(is_sound(p.store, &p.new, &new));
        check_clean(p.store);
        if (is_done)
            return;
    }
}
END

/* Where the store cannot move, with parity and without. */
TEST(a_prune_that_dies_between_two_removals_is_finished_by_the_next)
{
    AUTO(pair) struct pair whole = pair_new();
    struct prune_stats stats;
    bool is_done = false;

    CHECK_OK(prune(whole.store, &plain, &stats, e));
    for (int at = 0; !is_done; at++) {
        AUTO(pair) struct pair p = pair_new();
        struct err why;

        p.store->can_move = false;
        if (at % 2 == 0) {
            AUTO(repo) struct repo *r = world_repo(p.store);
            struct parity_figures f;

            CHECK_OK(parity_enable(r, &parity_rule_default, &(struct parity_work){0}, &f, e));
        }

        AUTO(store)
        struct store *dying =
            store_fault_new(p.store, (struct fault_plan){at / 2, FAULT_FROM, ERR_FATAL, true});

        is_done = prune(dying, &plain, &stats, &why) && at % 2 == 0;
        CHECK(is_sound(p.store, &p.new, &new));
        CHECK_OK(prune(p.store, &plain, &stats, e));
        CHECK(is_sound(p.store, &p.new, &new) && world_count(p.store, "discarded/") == 0);
        CHECK(world_count(p.store, "packs/") == world_count(whole.store, "packs/"));
        CHECK(world_count(p.store, "parity/packs/") ==
              (at % 2 == 0 ? world_count(p.store, "packs/") : 0));
        check_clean(p.store);
    }
}
END

TEST(statistics_tell_what_the_trash_takes)
{
    AUTO(pair) struct pair p = pair_new();
    struct repo_sizes sizes = {0};
    struct prune_stats stats;

    CHECK_OK(prune(p.store, &plain, &stats, e));

    AUTO(repo) struct repo *r = world_repo(p.store);

    CHECK_OK(repo_measure(r, &sizes, e));
    CHECK(sizes.trash_packs == stats.packs_in_trash && sizes.trash_bytes == stats.bytes_in_trash);
    CHECK(sizes.packs == stats.packs_kept);
}
END

struct told {
    int in_trash;
    char key[DISCARDED_KEY_MAX];
};

static void note_fault(void *arg, const struct check_fault *f)
{
    struct told *t = arg;

    t->in_trash +=
        f->kind == CHECK_DAMAGED && strstr(f->sentence, "trash") && strstr(f->sentence, t->key);
}

TEST(check_says_of_a_missing_pack_that_it_stands_in_the_trash)
{
    AUTO(pair) struct pair p = pair_new();
    struct told told = {0};
    struct check_options o = {.fault = note_fault, .arg = &told};
    struct prune_stats pruned;
    struct check_stats stats;
    struct hash id;

    CHECK_OK(prune(p.store, &plain, &pruned, e));

    AUTO(repo) struct repo *r = world_repo(p.store);
    AUTO(mem) char *key = world_key(p.store, "packs/", 0);

    CHECK(pack_key_parse(key, &id));
    discarded_key(&id, 1700000000, told.key);
    CHECK_OK(store_move(p.store, key, told.key, e));
    CHECK_OK(check_run(r, &o, &stats, e));
    CHECK(stats.damaged_objects > 0 && told.in_trash == 1);
    CHECK_OK(store_move(p.store, told.key, key, e));
    CHECK_OK(check_run(r, &o, &stats, e));
    CHECK(stats.damaged_objects == 0);
}
END

static void note_source(void *arg, const struct healing *h)
{
    enum heal_source *from = arg;

    *from = h->from;
}

TEST(repairing_packs_brings_back_what_stands_in_the_trash_in_new_packs)
{
    AUTO(pair) struct pair p = pair_new();
    enum heal_source from = HEAL_NOT;
    const struct repair_packs_options o = {.told = note_source, .arg = &from};
    struct prune_stats pruned;
    struct check_stats stats;
    struct repair_packs_stats mended;

    CHECK_OK(prune(p.store, &plain, &pruned, e));

    const size_t packs = world_count(p.store, "packs/");

    for (size_t i = 0; i < packs; i++) {
        AUTO(mem) char *key = world_key(p.store, "packs/", 0);
        AUTO(repo) struct repo *r = world_repo(p.store);
        const struct check_options quiet = {0};
        char to[DISCARDED_KEY_MAX];
        struct hash id;

        CHECK(pack_key_parse(key, &id));
        discarded_key(&id, 1700000000, to);
        CHECK_OK(store_move(p.store, key, to, e));
        CHECK_OK(repair_packs(r, &o, &mended, e));
        CHECK(mended.damaged == 1 && mended.healed == 1 && mended.left == 0);
        CHECK(from == HEAL_TRASH);
        CHECK_OK(check_run(r, &quiet, &stats, e));
        CHECK(stats.damaged_objects == 0);
        CHECK(is_sound(p.store, &p.new, &new));
        CHECK_ERR(store_move(p.store, key, to, e), ERR_NOT_FOUND);
    }
}
END

TEST(only_keys_of_the_trash_are_taken_for_such)
{
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char *const parts[][3] = {
        {"discarded/", id + 1, ".17"},
        {"discarded/", id, ""},
        {"discarded/", id, "."},
        {"discarded/", id, ".x"},
        {"discarded/", id, ".017"},
        {"discarded/", id, ".1 "},
        {"discarded/", id, ".-1"},
        {"discarded/01/", id, ".17"},
        {"packs/01/", id, ""},
        {"discarded/", id, "0.17"},
        {"discarded/", id, "/17"},
        {"discarded/X", id + 1, ".17"},
        {"discarded/", id, ".9999999999999999999"},
    };
    struct hash pack;
    int64_t time_s = 0;
    char key[160];

    (void)snprintf(key, sizeof(key), "discarded/%s.1763719000", id);
    CHECK(discarded_key_parse(key, &pack, &time_s));
    CHECK(time_s == 1763719000 && pack.bytes[0] == 0x01 && pack.bytes[31] == 0xef);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        (void)snprintf(key, sizeof(key), "%s%s%s", parts[i][0], parts[i][1], parts[i][2]);
        ck_assert_msg(!discarded_key_parse(key, &pack, &time_s), "%s", key);
    }
}
END

TEST(foreign_files_in_the_trash_are_left_alone)
{
    AUTO(pair) struct pair p = pair_new();
    struct prune_stats stats;

    CHECK_OK(store_put(p.store, "discarded/readme", slice_string("x"), PUT_NEW, e));
    CHECK_OK(prune(p.store, &plain, &stats, e));
    CHECK_OK(prune(p.store, &empty, &stats, e));
    CHECK(stats.packs_in_trash == 0 && world_count(p.store, "discarded/") == 1);
}
END

TESTS("trash", prune_moves_packs_to_the_trash_and_calls_nothing_of_them_free,
      what_was_taken_away_goes_for_good_after_a_week_and_not_before,
      a_clock_that_went_back_keeps_the_trash,
      the_trash_is_emptied_at_once_on_request_without_writing,
      the_trash_stays_while_a_snapshot_lacks_something,
      a_dry_run_says_what_would_be_moved_and_what_would_be_free,
      a_store_that_cannot_move_frees_at_once,
      a_prune_that_dies_between_two_moves_is_finished_by_the_next,
      a_prune_that_dies_between_two_removals_is_finished_by_the_next,
      statistics_tell_what_the_trash_takes,
      check_says_of_a_missing_pack_that_it_stands_in_the_trash,
      repairing_packs_brings_back_what_stands_in_the_trash_in_new_packs,
      only_keys_of_the_trash_are_taken_for_such, foreign_files_in_the_trash_are_left_alone)
