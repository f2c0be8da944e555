/* Copies of snapshots from one repository into another, beside prunes and with stores that fail. */
#include <string.h>

#include "base/mem.h"
#include "meddle.h"
#include "pair.h"
#include "repo/index.h"
#define TEST_SECONDS 200
#include "support/test.h"

/* A file and what became of it, beside a directory of which one file changes: chunks of the one and
 * the page of the other are deltas in the second and third. */
static const struct plant first_plants[] = {
    FORTY_FILES(5), {"file", 1, 400000, false}, {"other", 2, 90000, true}};
static const struct plant second_plants[] = {
    FORTY_FILES(6), {"file", EDITED(1, 1), 400000, false}, {"other", 3, 90000, true}};
static const struct plant third_plants[] = {
    FORTY_FILES(7), {"file", EDITED(1, 2), 400000, false}, {"other", 4, 90000, true}};
static const struct planting first = {first_plants, FORTY + 2, .has_bases = true};
static const struct planting second = {second_plants, FORTY + 2, .has_bases = true};
static const struct planting third = {third_plants, FORTY + 2, PACK_SIZE, .has_bases = true};

#define MANY 5

/* Two stores with repositories of equal chunk keys; the first has some snapshots. */
struct sides {
    struct store *from, *to;
    const struct planting *plantings[MANY];
    struct hash ids[MANY];
    size_t count;
};

static struct store *twin_of(struct store *s)
{
    AUTO(repo) struct repo *like = world_repo(s);
    AUTO(repo) struct repo *made = NULL;
    struct store *to = store_memory_new();

    CHECK_OK(repo_create_like(to, like, &world_unlock, "", &made, e));
    return to;
}

static void sides_plant(struct sides *s, const struct planting *p)
{
    s->plantings[s->count] = p;
    s->ids[s->count++] = plant(s->from, p);
}

/* Made once in a process, then copied. */
static struct sides sides_of(struct sides *model, const struct planting *const *list, size_t count)
{
    if (model->from == NULL) {
        model->from = store_memory_new();
        for (size_t i = 0; i < count; i++)
            sides_plant(model, list[i]);
        model->to = twin_of(model->from);
    }

    struct sides s = *model;

    s.from = world_copy(model->from);
    s.to = world_copy(model->to);
    return s;
}

static struct sides sides_new(void)
{
    static const struct planting *const list[] = {&old, &new, &first, &second, &third};
    static struct sides model;

    return sides_of(&model, list, sizeof(list) / sizeof(list[0]));
}

/* The same with a few small snapshots only, for what is done hundreds of times. */
static struct sides sides_small(void)
{
    static const struct planting *const list[] = {&first, &second};
    static struct sides model;

    return sides_of(&model, list, sizeof(list) / sizeof(list[0]));
}

static void sides_auto(struct sides *s)
{
    store_close(s->from);
    store_close(s->to);
}

/* What a copy told. */
struct telling {
    struct hash source[MANY * 2], copy[MANY * 2];
    size_t done, failed;
    struct err why;
};

static void on_told(void *arg, const struct snapshot *s, enum copy_outcome outcome,
                    const struct hash *copy, const struct err *why)
{
    struct telling *t = arg;

    if (outcome == COPY_FAILED) {
        t->failed++;
        t->why = *why;
        return;
    }
    t->source[t->done] = s->id;
    t->copy[t->done++] = *copy;
}

/* Copy all snapshots of the first store with handles of its own. */
static bool copy_all(struct store *from, struct store *to, bool is_dry_run, struct telling *t,
                     struct copy_stats *stats, struct err *e)
{
    AUTO(repo) struct repo *source = world_repo(from);
    AUTO(repo) struct repo *destination = world_repo(to);
    AUTO(snapshot_list) struct snapshot_list all = {0};
    const struct copy_options o = {.is_dry_run = is_dry_run, .told = on_told, .arg = t};

    *t = (struct telling){0};
    return snapshot_load_all(source, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e) &&
           copy_run(source, destination, all.items, all.count, &o, stats, e);
}

static size_t number_of(const struct sides *s, const struct hash *source)
{
    size_t n = 0;

    while (n < s->count && !hash_is_equal(&s->ids[n], source))
        n++;
    CHECK(n < s->count);
    return n;
}

/* Every committed snapshot of the destination holds what its source does; returns how many. */
static size_t check_copies(const struct sides *s)
{
    AUTO(repo) struct repo *r = world_repo(s->to);
    AUTO(snapshot_list) struct snapshot_list all = {0};

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    for (size_t i = 0; i < all.count; i++) {
        const size_t n = number_of(s, snapshot_origin(all.items[i]));

        CHECK_OK(world_harvest(r, &all.items[i]->id, s->plantings[n], e));
    }
    return all.count;
}

static void on_damage(void *arg, const struct check_fault *f)
{
    (void)arg;
    ck_assert_msg(f->kind == CHECK_LITTER, "%s: %s", f->object, f->sentence);
}

/* A check that reads all finds nothing. */
static void check_whole(struct store *s)
{
    const struct check_options o = {.read_data = true, .fault = on_damage};
    AUTO(repo) struct repo *r = world_repo(s);
    struct check_stats stats;

    CHECK_OK(check_run(r, &o, &stats, e));
    CHECK(stats.damaged_objects == 0);
}

/* Chunks that stand in deltas. */
static size_t deltas_of(struct store *s)
{
    AUTO(repo) struct repo *r = world_repo(s);
    struct repo_sizes sizes;

    CHECK_OK(repo_measure(r, &sizes, e));
    return sizes.delta_chunks;
}

/* Pages of trees among them. */
static size_t page_deltas_of(struct store *s)
{
    AUTO(repo) struct repo *r = world_repo(s);
    size_t count = 0;

    CHECK_OK(repo_load_index(r, e));
    for (uint32_t i = 0; i < index_frame_count(r->index); i++) {
        const struct index_frame f = index_frame_at(r->index, i);

        if (index_pack_at(r->index, f.pack)->class == CLASS_TREE)
            count += f.base_count;
    }
    return count;
}

TEST(a_copy_has_all_snapshots_bit_for_bit_and_deltas_stay_deltas)
{
    AUTO(sides) struct sides s = sides_new();
    struct telling t;
    struct copy_stats stats;

    CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
    ck_assert_uint_eq(stats.snapshots_copied, s.count);
    ck_assert_uint_eq(check_copies(&s), s.count);
    CHECK(deltas_of(s.from) > 0);
    ck_assert_uint_eq(deltas_of(s.to), deltas_of(s.from));
    CHECK(page_deltas_of(s.from) == 2 && page_deltas_of(s.to) == 2);
    check_whole(s.to);
}
END

TEST(a_copy_says_what_it_is_a_copy_of_and_is_not_copied_again_or_back)
{
    AUTO(sides) struct sides s = sides_new();
    struct telling t;
    struct copy_stats stats;

    CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));

    AUTO(repo) struct repo *r = world_repo(s.to);
    AUTO(snapshot) struct snapshot *one = NULL;

    CHECK_OK(snapshot_load(r, &t.copy[0], &one, e));
    CHECK(one->has_original && hash_is_equal(&one->original, &t.source[0]) && !one->has_parent);

    AUTO(store)
    struct store *quiet =
        store_fault_new(s.to, (struct fault_plan){0, FAULT_FROM, ERR_FATAL, true});
    AUTO(store)
    struct store *back =
        store_fault_new(s.from, (struct fault_plan){0, FAULT_FROM, ERR_FATAL, true});

    CHECK_OK(copy_all(s.from, quiet, false, &t, &stats, e));
    ck_assert_uint_eq(stats.snapshots_present, s.count);
    CHECK_OK(copy_all(s.to, back, false, &t, &stats, e));
    ck_assert_uint_eq(stats.snapshots_present, s.count);
}
END

TEST(a_copy_back_into_a_third_repository_keeps_the_first_id)
{
    AUTO(sides) struct sides s = sides_new();
    AUTO(store) struct store *far = twin_of(s.to);
    struct telling t;
    struct copy_stats stats;

    CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
    CHECK_OK(copy_all(s.to, far, false, &t, &stats, e));
    ck_assert_uint_eq(stats.snapshots_copied, s.count);
    CHECK_OK(copy_all(s.from, far, false, &t, &stats, e));
    ck_assert_uint_eq(stats.snapshots_present, s.count);
}
END

TEST(only_what_the_destination_lacks_moves)
{
    AUTO(sides) struct sides s = sides_new();
    struct telling t;
    struct copy_stats all, rest;
    AUTO(store) struct store *empty = world_copy(s.to);

    /* The destination has backups of its own of most of it. */
    (void)plant(s.to, &old);
    (void)plant(s.to, &first);
    CHECK_OK(copy_all(s.from, empty, false, &t, &all, e));
    CHECK_OK(copy_all(s.from, s.to, false, &t, &rest, e));
    ck_assert_uint_eq(rest.snapshots_copied, s.count);
    CHECK(rest.bytes * 2 < all.bytes && rest.bytes_stored * 2 < all.bytes_stored);
    check_whole(s.to);
}
END

/* The destination has the bases as deltas, which nothing can rest on. */
TEST(a_base_moves_although_the_destination_has_the_chunk_in_a_delta)
{
    static const struct plant base[] = {{"file", 1, 400000, false}};
    static const struct plant middle[] = {{"file", EDITED(1, 1), 400000, false}};
    static const struct plant last[] = {{"file", EDITED(1, 2), 400000, false}};
    static const struct planting of_base = {base, 1, 0, 0}, of_middle = {middle, 1, 0, 0},
                                 of_last = {last, 1, 0, 0};
    AUTO(sides) struct sides s = {.from = store_memory_new()};
    struct telling t;
    struct copy_stats stats;

    s.to = twin_of(s.from);
    sides_plant(&s, &of_middle); /* plain: its base is not there */
    sides_plant(&s, &of_last);
    CHECK(deltas_of(s.from) == 10);
    s.plantings[s.count] = &of_base;
    s.ids[s.count++] = plant(s.to, &of_base);
    s.plantings[s.count] = &of_middle;
    s.ids[s.count++] = plant(s.to, &of_middle);
    CHECK(deltas_of(s.to) == 10);
    CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
    CHECK(stats.snapshots_copied == 2 && check_copies(&s) == 4);
    CHECK(deltas_of(s.to) == 20);
    check_whole(s.to);
}
END

TEST(a_dry_run_counts_and_writes_nothing)
{
    AUTO(sides) struct sides s = sides_new();
    AUTO(store)
    struct store *quiet =
        store_fault_new(s.to, (struct fault_plan){0, FAULT_FROM, ERR_FATAL, true});
    struct telling t;
    struct copy_stats dry, wet;

    CHECK_OK(copy_all(s.from, quiet, true, &t, &dry, e));
    CHECK(store_fault_calls(quiet) == 0 && t.done == s.count);
    CHECK_OK(copy_all(s.from, s.to, false, &t, &wet, e));
    ck_assert_uint_eq(dry.chunks, wet.chunks);
    ck_assert_uint_eq(dry.bytes, wet.bytes);
}
END

TEST(repositories_that_name_chunks_otherwise_and_the_same_one_are_refused)
{
    AUTO(sides) struct sides s = sides_new();
    AUTO(store) struct store *other = store_memory_new();
    struct telling t;
    struct copy_stats stats;

    repo_close(world_repo(other));
    CHECK_ERR(copy_all(s.from, other, false, &t, &stats, e), ERR_USAGE);
    CHECK_ERR(copy_all(s.from, s.from, false, &t, &stats, e), ERR_USAGE);
}
END

/* Damage */

static bool merge_object(void *arg, const struct object_info *info, struct err *e)
{
    struct store **stores = arg;
    AUTO(buf) struct buf bytes = {0};

    if (!store_get_all(stores[0], info->key, &bytes, e))
        return false;
    return store_put(stores[1], info->key, buf_slice(&bytes), PUT_NEW, e) || e->code == ERR_EXISTS;
}

/* Add the objects of one store to another. */
static void world_merge(struct store *from, struct store *to)
{
    struct store *stores[] = {from, to};

    CHECK_OK(store_list(from, "", merge_object, stores, e));
}

static void flip(struct store *s, const char *key, size_t at)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));
    bytes.data[at] ^= 1;
    world_replace(s, key, buf_slice(&bytes));
}

/* Each pack of the source damaged or gone: what is copied is whole, what is not is told. */
TEST(a_damaged_source_pack_fails_the_snapshots_that_need_it_and_no_other)
{
    AUTO(sides) struct sides model = sides_new();
    const size_t packs = world_count(model.from, "packs/");

    for (size_t n = (size_t)test_first() % (packs * 2); n < packs * 2; n += (size_t)test_every()) {
        AUTO(sides) struct sides s = sides_new();
        AUTO(mem) char *key = world_key(s.from, "packs/", n / 2);
        AUTO(buf) struct buf before = {0};
        struct telling t;
        struct copy_stats stats;

        CHECK_OK(store_get_all(s.from, key, &before, e));
        if (n % 2 == 0)
            flip(s.from, key, 128 + 20);
        else
            CHECK_OK(store_remove(s.from, key, e));
        CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
        CHECK(stats.snapshots_failed > 0);
        ck_assert_uint_eq(stats.snapshots_failed + stats.snapshots_copied, s.count);
        ck_assert_uint_eq(t.failed, stats.snapshots_failed);
        ck_assert_int_eq(t.why.code, ERR_CORRUPT);
        CHECK(n % 2 != 0 || strstr(t.why.text, key) != NULL);
        ck_assert_uint_eq(check_copies(&s), stats.snapshots_copied);
        check_whole(s.to);

        CHECK_OK(store_put(s.from, key, buf_slice(&before), PUT_REPLACE, e));
        CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
        ck_assert_uint_eq(stats.snapshots_failed, 0);
        ck_assert_uint_eq(check_copies(&s), s.count);
    }
}
END

/* Of a chunk that stands in two packs either will do. */
TEST(another_copy_of_the_chunks_in_the_source_makes_damage_good)
{
    static const struct plant alone_plants[] = {{"file", 1, 400000, false}};
    static const struct planting alone = {alone_plants, 1, 0, 0};
    AUTO(sides) struct sides s = {.from = store_memory_new()};
    AUTO(store) struct store *again = NULL;
    struct telling t;
    struct copy_stats stats;

    s.to = twin_of(s.from);
    again = world_copy(s.from);
    sides_plant(&s, &alone);
    /* The same from the same repository at another time: other packs. */
    (void)plant(again, &alone);
    world_merge(again, s.from);

    const size_t packs = world_count(s.from, "packs/");

    ck_assert_uint_eq(packs, 4);
    for (size_t n = 0; n < packs; n++) {
        AUTO(store) struct store *spoiled = world_copy(s.from);
        AUTO(store) struct store *to = world_copy(s.to);
        AUTO(mem) char *key = world_key(s.from, "packs/", n);

        flip(spoiled, key, 128 + 20);
        CHECK_OK(copy_all(spoiled, to, false, &t, &stats, e));
        CHECK(stats.snapshots_copied == 2 && stats.snapshots_failed == 0);
        check_whole(to);
    }
}
END

/* Two packs and the index are there, the snapshot is not. */
TEST(what_a_broken_off_copy_has_stored_is_found_by_the_next)
{
    AUTO(sides) struct sides s = {.from = store_memory_new()};
    struct telling t;
    struct copy_stats stats;

    s.to = twin_of(s.from);
    sides_plant(&s, &first);

    AUTO(store)
    struct store *dying =
        store_fault_new(s.to, (struct fault_plan){3, FAULT_FROM, ERR_FATAL, true});

    CHECK_ERR(copy_all(s.from, dying, false, &t, &stats, e), ERR_FATAL);
    CHECK(stats.packs == 2 && world_count(s.to, "index/") == 1 &&
          world_count(s.to, "snapshots/") == 0);
    CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
    CHECK(stats.snapshots_copied == 1 && stats.chunks == 0 && stats.packs == 0);
    ck_assert_uint_eq(check_copies(&s), 1);
}
END

/* Beside prunes */

struct pruning {
    struct store *store;
    const struct prune_options *options;
    bool ok;
    struct err why;
};

static void prune_now(void *arg)
{
    struct pruning *p = arg;
    struct prune_stats stats;

    p->ok = prune(p->store, p->options, &stats, &p->why);
}

/* Calls that a copy makes of one of its stores. */
static int calls_of_copy(struct sides *s, bool of_source)
{
    AUTO(store) struct store *to = world_copy(s->to);
    AUTO(store)
    struct store *counting = meddler_new(of_source ? s->from : to, &(struct meddling){.at = -1});
    struct telling t;
    struct copy_stats stats;

    CHECK_OK(
        copy_all(of_source ? counting : s->from, of_source ? to : counting, false, &t, &stats, e));
    return meddler_calls(counting);
}

TEST(a_prune_of_the_destination_at_any_moment_leaves_sound_copies)
{
    AUTO(sides) struct sides model = sides_new();
    const int calls = calls_of_copy(&model, false);

    for (int n = test_first(); n < calls; n += test_every()) {
        AUTO(sides) struct sides s = sides_new();
        /* Something that a prune takes away and the copy relies on. */
        const struct hash gone = plant(s.to, &second);
        struct pruning p = {.store = s.to, .options = n % 2 == 0 ? &plain : &eager};
        AUTO(store)
        struct store *to =
            meddler_new(s.to, &(struct meddling){.at = n, .fn = prune_now, .arg = &p});
        struct telling t;
        struct copy_stats stats;
        struct err why = {0};

        forget(s.to, &gone);

        const bool ok = copy_all(s.from, to, false, &t, &stats, &why);

        ck_assert_msg(p.ok, "%s", p.why.text);
        ck_assert_msg(ok || why.code == ERR_TRANSIENT, "call %d: %s", n, why.text);
        CHECK(stats.snapshots_failed == 0);
        ck_assert_uint_eq(check_copies(&s), ok ? s.count : t.done);
        CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
        prune_now(&p);
        ck_assert_uint_eq(check_copies(&s), s.count);
        check_whole(s.to);
    }
}
END

TEST(a_prune_of_the_source_at_any_moment_fails_no_copy)
{
    AUTO(sides) struct sides model = sides_new();

    /* What is to be copied stands beside what goes. */
    forget(model.from, &model.ids[0]);
    forget(model.from, &model.ids[2]);

    const int calls = calls_of_copy(&model, true);

    for (int n = test_first(); n < calls; n += test_every()) {
        AUTO(sides) struct sides s = model;
        struct pruning p = {.options = &eager};
        struct telling t;
        struct copy_stats stats;

        s.from = world_copy(model.from);
        s.to = world_copy(model.to);
        p.store = s.from;

        AUTO(store)
        struct store *from =
            meddler_new(s.from, &(struct meddling){.at = n, .fn = prune_now, .arg = &p});

        CHECK_OK(copy_all(from, s.to, false, &t, &stats, e));
        ck_assert_msg(p.ok, "%s", p.why.text);
        ck_assert_msg(stats.snapshots_failed == 0, "call %d: %s", n, t.why.text);
        ck_assert_uint_eq(check_copies(&s), s.count - 2);
        check_whole(s.to);
    }
}
END

/* Stores that fail */

static void fail_at(int n, bool of_source, enum fault_mode mode, bool *was_hit)
{
    AUTO(sides) struct sides s = sides_small();
    AUTO(store)
    struct store *flaky =
        store_fault_new(of_source ? s.from : s.to, (struct fault_plan){n, mode, ERR_FATAL, false});
    struct telling t;
    struct copy_stats stats;
    struct err why = {0};
    AUTO(repo) struct repo *from = world_repo(s.from);
    AUTO(repo) struct repo *to = world_repo(s.to);
    AUTO(snapshot_list) struct snapshot_list all = {0};
    const struct copy_options o = {.told = on_told, .arg = &t};

    t = (struct telling){0};
    CHECK_OK(snapshot_load_all(from, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    *(of_source ? &from->store : &to->store) = flaky;

    const bool ok = copy_run(from, to, all.items, all.count, &o, &stats, &why);

    *was_hit = store_fault_calls(flaky) > n;
    CHECK(t.failed == 0);
    if (ok) {
        ck_assert_uint_eq(check_copies(&s), s.count);
    } else {
        CHECK(*was_hit && why.text[0] != '\0');
        /* The commit may be there, and the looks behind it have failed. */
        const size_t copies = check_copies(&s);

        CHECK(copies == t.done || (!of_source && copies == t.done + 1));
    }
    CHECK_OK(copy_all(s.from, s.to, false, &t, &stats, e));
    ck_assert_uint_eq(check_copies(&s), s.count);
}

TEST(a_failure_of_any_call_of_the_destination_leaves_sound_copies)
{
    static const enum fault_mode modes[] = {FAULT_ONCE, FAULT_FROM, FAULT_LOST_REPLY};

    for (size_t i = 0; i < 3; i++) {
        bool was_hit = true;

        for (int n = test_first(); was_hit; n += test_every())
            fail_at(n, false, modes[i], &was_hit);
    }
}
END

TEST(a_failure_of_any_call_of_the_source_leaves_sound_copies)
{
    for (int once = 0; once < 2; once++) {
        bool was_hit = true;

        for (int n = test_first(); was_hit; n += test_every())
            fail_at(n, true, once == 1 ? FAULT_ONCE : FAULT_FROM, &was_hit);
    }
}
END

TESTS("copy", a_copy_has_all_snapshots_bit_for_bit_and_deltas_stay_deltas,
      a_copy_says_what_it_is_a_copy_of_and_is_not_copied_again_or_back,
      a_copy_back_into_a_third_repository_keeps_the_first_id, only_what_the_destination_lacks_moves,
      a_base_moves_although_the_destination_has_the_chunk_in_a_delta,
      a_dry_run_counts_and_writes_nothing,
      repositories_that_name_chunks_otherwise_and_the_same_one_are_refused,
      a_damaged_source_pack_fails_the_snapshots_that_need_it_and_no_other,
      another_copy_of_the_chunks_in_the_source_makes_damage_good,
      what_a_broken_off_copy_has_stored_is_found_by_the_next,
      a_prune_of_the_destination_at_any_moment_leaves_sound_copies,
      a_prune_of_the_source_at_any_moment_fails_no_copy,
      a_failure_of_any_call_of_the_destination_leaves_sound_copies,
      a_failure_of_any_call_of_the_source_leaves_sound_copies)
