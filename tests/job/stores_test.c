/* Sets with several repositories: one reading, stores that are away or fail, catching up. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "support/fixture.h"

#define STORES 3

static const struct fault_plan no_fault = {.at = -1, .mode = FAULT_ONCE};

/* A set of one small tree and its repositories in memory. */
struct world {
    struct scratch dir;
    struct store *stores[STORES];
    struct config_repository repositories[STORES];
    const struct config_repository *names[STORES];
    struct config_set config;
    const char *path;
    struct files_options files;
    struct set_files tree;
    struct set set;
    struct seen seen;
    bool is_down[STORES];
    struct fault_plan faults[STORES]; /* of the next run; at < 0: none */
    const char *job;                  /* of the next run, or NULL */
    bool is_again;
    int opening;       /* calls that opening a repository takes */
    int calls[STORES]; /* of the last run, without those */
    struct backup_result backup;
    struct stores_result result;
};

static int calls_of_opening(struct store *s)
{
    AUTO(store) struct store *counting = store_fault_new(s, no_fault);

    repo_close(fixture_open(counting));
    return store_fault_calls(counting);
}

static void world_init(struct world *w)
{
    static const char *const names[STORES] = {"main", "remote", "vault"};
    AUTO(repo) struct repo *first = NULL;

    *w = (struct world){0};
    scratch_init(&w->dir);
    seen_init(&w->seen);
    for (size_t i = 0; i < STORES; i++) {
        AUTO(repo) struct repo *r = NULL;

        w->stores[i] = store_memory_new();
        w->repositories[i].name = names[i];
        w->names[i] = &w->repositories[i];
        w->faults[i] = no_fault;
        if (i == 0)
            first = fixture_repo(w->stores[i]);
        else
            CHECK_OK(repo_create_like(w->stores[i], first, &fixture_unlock, "", &r, e));
    }
    w->opening = calls_of_opening(w->stores[0]);
    w->config = (struct config_set){.name = "shop",
                                    .repositories = w->names,
                                    .repository_count = STORES,
                                    .required_repositories = STORES};
    w->path = w->dir.path;
    w->files = (struct files_options){.paths = &w->path, .path_count = 1};
    w->tree = (struct set_files){"files", &w->files};
    w->set = (struct set){.name = "shop", .files = &w->tree, .files_count = 1};
    for (unsigned i = 0; i < 5; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "f%u", i);
        file_put(path_in(w->path, name), i, 3000);
    }
}

static void world_auto(struct world *w)
{
    for (size_t i = 0; i < STORES; i++)
        store_close(w->stores[i]);
    scratch_done(&w->dir);
    seen_auto(&w->seen);
    stores_result_done(&w->result);
}

/* Something new to back up. */
static void change(struct world *w, uint64_t seed)
{
    file_put(path_in(w->path, "f0"), seed, 40000);
}

/* Faults count from what comes after opening. */
static void open_store(struct world *w, size_t n, struct set_store *out)
{
    struct fault_plan plan = w->faults[n];

    if (plan.at >= 0)
        plan.at += plan.writes_only ? 0 : w->opening;
    out->store = store_fault_new(w->stores[n], plan);
    out->repo = fixture_open(out->store);
}

/* As set_stores_open() would. */
static struct set_stores *open_stores(struct world *w)
{
    struct set_stores *s = mem_new(sizeof(*s));

    *s = (struct set_stores){
        .set = &w->config, .items = mem_array(STORES, sizeof(*s->items)), .count = STORES};
    for (size_t i = 0; i < STORES; i++) {
        struct set_store *one = &s->items[i];

        one->config = w->names[i];
        if (w->is_down[i]) {
            (void)err_set(&one->why, ERR_FATAL, "%s is down", one->config->name);
            continue;
        }
        open_store(w, i, one);
    }
    return s;
}

/* What one run tells. */
static struct copy_options copy_to(void *arg, const char *to)
{
    (void)arg, (void)to;
    return (struct copy_options){0};
}

static bool run(struct world *w, struct err *e)
{
    AUTO(set_stores) struct set_stores *s = open_stores(w);
    const struct backup_options o = {
        .set = &w->set, .stream_fd = -1, .host = "h", .job = w->job, .is_again = w->is_again};
    const struct stores_report report = {.backup = &w->seen.report, .copy = copy_to};

    stores_result_done(&w->result);

    const bool ok = stores_backup(s, &o, &report, &w->backup, &w->result, e);

    for (size_t i = 0; i < STORES; i++)
        w->calls[i] = w->is_down[i] ? 0
                      : s->items[i].store == NULL
                          ? INT_MAX /* given up */
                          : store_fault_calls(s->items[i].store) - w->opening;
    return ok;
}

static void catch_up(struct world *w, struct stores_result *out)
{
    AUTO(set_stores) struct set_stores *s = open_stores(w);
    const struct stores_report report = {.copy = copy_to};

    CHECK_OK(stores_catch_up(s, &report, out, e));
}

static void heal(struct world *w)
{
    for (size_t i = 0; i < STORES; i++) {
        w->is_down[i] = false;
        w->faults[i] = no_fault;
    }
}

/* Committed snapshots of a store; everything that they need is there and right. */
static size_t check_store(struct world *w, size_t n)
{
    AUTO(repo) struct repo *r = fixture_open(w->stores[n]);
    AUTO(snapshot_list) struct snapshot_list all = {0};
    const struct check_options o = {.read_data = true};
    struct check_stats stats;

    CHECK_OK(check_run(r, &o, &stats, e));
    ck_assert_uint_eq(stats.damaged_objects, 0);
    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    return all.count;
}

/* That a store has the snapshot that the last run made, as the run says. */
static bool has_last(struct world *w, size_t n)
{
    AUTO(repo) struct repo *r = fixture_open(w->stores[n]);
    AUTO(snapshot_list) struct snapshot_list all = {0};

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    for (size_t i = 0; i < all.count; i++)
        if (hash_is_equal(snapshot_origin(all.items[i]), &w->backup.snapshot)) {
            CHECK(!w->result.stores[n].has_it ||
                  hash_is_equal(&all.items[i]->id, &w->result.stores[n].snapshot));
            return true;
        }
    return false;
}

TEST(one_backup_is_in_every_store)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK_OK(run(&w, e));
    CHECK(w.result.holders == STORES && !w.result.is_degraded && w.result.first == 0);
    ck_assert_uint_eq(w.backup.counts.files_new, 5);
    for (size_t i = 0; i < STORES; i++)
        CHECK(check_store(&w, i) == 1 && has_last(&w, i));
}
END

TEST(a_store_that_was_away_is_caught_up_by_the_next_run)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK_OK(run(&w, e));
    w.is_down[1] = true;
    change(&w, 90);
    CHECK_OK(run(&w, e));
    CHECK(w.result.holders == 2 && w.result.is_degraded && w.result.stores[1].has_failed);
    ck_assert_str_eq(w.result.stores[1].why.text, "remote is down");
    heal(&w);
    change(&w, 91);
    CHECK_OK(run(&w, e));
    CHECK(w.result.holders == STORES && !w.result.is_degraded);
    ck_assert_uint_eq(w.result.stores[1].copied, 2);
    for (size_t i = 0; i < STORES; i++)
        ck_assert_uint_eq(check_store(&w, i), 3);
}
END

TEST(without_the_first_store_the_next_takes_the_backup_and_the_first_is_caught_up_from_it)
{
    AUTO(world) struct world w;
    AUTO(stores_result) struct stores_result caught = {0};

    world_init(&w);
    CHECK_OK(run(&w, e));
    w.is_down[0] = true;
    change(&w, 90);
    CHECK_OK(run(&w, e));
    CHECK(w.result.first == 1 && w.result.holders == 2 && w.backup.has_parent);
    heal(&w);
    catch_up(&w, &caught);
    CHECK(caught.stores[0].copied == 1 && caught.stores[1].copied == 0 &&
          caught.stores[2].copied == 0 && !caught.is_degraded);
    for (size_t i = 0; i < STORES; i++)
        ck_assert_uint_eq(check_store(&w, i), 2);
}
END

TEST(a_store_that_is_full_leaves_the_backup_to_the_next)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.faults[0] = (struct fault_plan){0, FAULT_FROM, ERR_FATAL, true};
    CHECK_OK(run(&w, e));
    CHECK(w.result.first == 1 && w.result.holders == 2 && w.result.stores[0].has_failed);
    CHECK(strstr(w.result.stores[0].why.text, "injected fault") != NULL);
}
END

TEST(a_source_that_fails_is_not_read_again_for_the_other_stores)
{
    static const char *nowhere = "/there/is/no/such/path";
    AUTO(world) struct world w;
    struct err why = {0};

    world_init(&w);
    w.files.paths = &nowhere;
    CHECK(!run(&w, &why) && strstr(why.text, nowhere) != NULL);
    for (size_t i = 0; i < STORES; i++)
        ck_assert_uint_eq(check_store(&w, i), 0);
    CHECK(w.calls[1] == 0 && w.calls[2] == 0);
}
END

TEST(with_no_store_there_is_no_backup)
{
    AUTO(world) struct world w;
    struct err why = {0};

    world_init(&w);
    for (size_t i = 0; i < STORES; i++)
        w.faults[i] = (struct fault_plan){0, FAULT_FROM, ERR_FATAL, false};
    CHECK(!run(&w, &why) && strstr(why.text, "no repository took the backup") != NULL);
}
END

/* Each call of each store, in a world where one has something to catch up. */
static void fail_at(size_t store, int at, enum fault_mode mode, bool *was_hit)
{
    AUTO(world) struct world w;
    struct err why = {0};

    world_init(&w);
    w.is_down[2] = true;
    CHECK_OK(run(&w, e));
    heal(&w);
    change(&w, 90);
    w.faults[store] = (struct fault_plan){at, mode, ERR_FATAL, false};

    const bool ok = run(&w, &why);

    *was_hit = w.calls[store] > at;
    ck_assert_msg(ok, "call %d of store %zu: %s", at, store, why.text);
    for (size_t i = 0; i < STORES; i++)
        ck_assert_msg(i == store || !w.result.stores[i].has_failed, "call %d of store %zu: %s", at,
                      store, w.result.stores[i].why.text);
    ck_assert_msg(w.result.holders >= STORES - 1 &&
                      w.result.is_degraded == w.result.stores[store].has_failed,
                  "call %d of store %zu: %zu have it, %d: %s", at, store, w.result.holders,
                  w.result.is_degraded, w.result.stores[store].why.text);
    for (size_t i = 0; i < STORES; i++) {
        (void)check_store(&w, i);
        CHECK(!w.result.stores[i].has_it || has_last(&w, i));
    }
    heal(&w);
    change(&w, 91);
    CHECK_OK(run(&w, e));
    CHECK(w.result.holders == STORES && !w.result.is_degraded);
    for (size_t i = 0; i < STORES; i++)
        CHECK(check_store(&w, i) >= 3);
}

TEST(a_failure_of_any_call_of_any_store_stops_no_other)
{
    static const enum fault_mode modes[] = {FAULT_ONCE, FAULT_FROM, FAULT_LOST_REPLY};

    for (size_t store = 0; store < STORES; store++)
        for (size_t mode = 0; mode < 3; mode++) {
            bool was_hit = true;

            for (int n = test_first(); was_hit; n += test_every())
                fail_at(store, n, modes[mode], &was_hit);
        }
}
END

TEST(a_store_gets_no_more_than_its_rules_would_keep_and_nothing_that_was_forgotten)
{
    AUTO(world) struct world w;
    AUTO(stores_result) struct stores_result caught = {0};

    world_init(&w);
    w.repositories[1].retention.last = 2;
    w.is_down[1] = w.is_down[2] = true;
    for (uint64_t i = 0; i < 4; i++) {
        change(&w, 90 + i);
        CHECK_OK(run(&w, e));
    }
    heal(&w);
    catch_up(&w, &caught);
    CHECK(caught.stores[1].copied == 2 && caught.stores[2].copied == 4);

    AUTO(repo) struct repo *r = fixture_open(w.stores[2]);
    AUTO(snapshot_list) struct snapshot_list all = {0};

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    CHECK_OK(snapshot_forget(r, &all.items[0]->id, "test", e));
    stores_result_done(&caught);
    catch_up(&w, &caught);
    CHECK(check_store(&w, 0) == 4 && check_store(&w, 1) == 2 && check_store(&w, 2) == 3);
}
END

/* Into the first store: of no set with a name, as an upload is, or else of the set. */
static void store_beside(struct world *w, const char *name, const char *tag)
{
    AUTO(repo) struct repo *r = fixture_open(w->stores[0]);
    AUTO(fd) int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    const struct backup_options o = {.set = name == NULL ? &w->set : NULL,
                                     .stream_fd = name == NULL ? -1 : fd,
                                     .stream_name = name,
                                     .host = "h",
                                     .tags = &tag,
                                     .tag_count = 1};
    struct backup_result done;

    CHECK_OK(backup_run(r, &o, &w->seen.report, &done, e));
}

/* Committed snapshots of a store with a tag. */
static size_t count_tag(struct world *w, size_t n, const char *tag)
{
    AUTO(repo) struct repo *r = fixture_open(w->stores[n]);
    AUTO(snapshot_list) struct snapshot_list all = {0};
    size_t count = 0;

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    for (size_t i = 0; i < all.count; i++)
        count += snapshot_has_tag(all.items[i], tag);
    return count;
}

TEST(uploads_and_imports_of_a_set_are_copied_and_cost_no_backup_its_place)
{
    AUTO(world) struct world w;
    AUTO(stores_result) struct stores_result caught = {0};

    world_init(&w);
    w.config.retention.last = 1;
    w.is_down[1] = w.is_down[2] = true;
    CHECK_OK(run(&w, e));
    store_beside(&w, NULL, SNAPSHOT_IMPORT "wireguard"); /* of the same paths */
    store_beside(&w, NULL, SNAPSHOT_IMPORT "wireguard");
    store_beside(&w, "dump.sql", SNAPSHOT_UPLOAD "shop");
    store_beside(&w, "dump.sql", SNAPSHOT_UPLOAD "shop"); /* the rules keep the newer one */
    store_beside(&w, "other.sql", SNAPSHOT_UPLOAD "shop");
    store_beside(&w, "dump.sql", SNAPSHOT_UPLOAD "till"); /* of another set */
    heal(&w);
    catch_up(&w, &caught);
    for (size_t i = 1; i < STORES; i++) {
        ck_assert_uint_eq(caught.stores[i].copied, 5);
        CHECK(has_last(&w, i) && check_store(&w, i) == 5);
        CHECK(count_tag(&w, i, SNAPSHOT_IMPORT "wireguard") == 2);
        CHECK(count_tag(&w, i, SNAPSHOT_UPLOAD "shop") == 2);
        CHECK(count_tag(&w, i, SNAPSHOT_UPLOAD "till") == 0);
    }
    stores_result_done(&caught);
    catch_up(&w, &caught);
    CHECK(caught.stores[0].copied == 0 && caught.stores[1].copied == 0);
}
END

TEST(the_latest_is_the_newest_of_all_stores_and_an_id_is_known_everywhere)
{
    AUTO(world) struct world w;
    AUTO(snapshot) struct snapshot *found = NULL;
    AUTO(snapshot) struct snapshot *copy = NULL;
    AUTO(mem) char *sub = NULL;
    AUTO(mem) char *no_sub = NULL;
    AUTO(buf) struct buf selector = {0};
    const struct snapshot_filter all = {0};
    char id[65];
    size_t which = 0;

    world_init(&w);
    CHECK_OK(run(&w, e));
    snapshot_id_text(&w.backup.snapshot, id);
    w.is_down[0] = true;
    change(&w, 90);
    CHECK_OK(run(&w, e));
    heal(&w);

    AUTO(set_stores) struct set_stores *s = open_stores(&w);

    CHECK_OK(stores_find(s, "latest", &all, &which, &found, &no_sub, e));
    CHECK(which == 1 && hash_is_equal(&found->id, &w.backup.snapshot) && no_sub == NULL);

    /* The first store has its own, the others know it as that of which theirs is a copy. */
    w.is_down[0] = true;

    AUTO(set_stores) struct set_stores *rest = open_stores(&w);

    buf_printf(&selector, "%.12s:/files", id);
    CHECK_OK(stores_find(rest, buf_string(&selector), &all, &which, &copy, &sub, e));
    CHECK(which == 1 && copy->has_original);
    ck_assert_str_eq(sub, "files");
    CHECK_ERR(stores_find(rest, "0123456789abcdef", &all, &which, &copy, &sub, e), ERR_NOT_FOUND);
}
END

/* A run of a job.  True when it tells of what a former attempt made. */
static bool run_job(struct world *w, const char *job, bool is_again)
{
    static uint64_t seed = 500;

    change(w, seed++);
    w->job = job;
    w->is_again = is_again;
    CHECK_OK(run(w, e));
    CHECK(w->backup.is_committed);
    return w->backup.is_found;
}

TEST(a_second_attempt_at_a_job_finds_what_the_first_stored_and_makes_no_second)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(!run_job(&w, "a", false));

    const struct backup_result first = w.backup;

    CHECK(run_job(&w, "a", true));
    CHECK(hash_is_equal(&w.backup.snapshot, &first.snapshot) && w.backup.errors == 0 &&
          memcmp(&w.backup.counts, &first.counts, sizeof(first.counts)) == 0);
    CHECK(w.result.holders == STORES && !w.result.is_degraded);
    for (size_t i = 0; i < STORES; i++)
        CHECK(check_store(&w, i) == 1 && has_last(&w, i));
}
END

TEST(a_second_attempt_finds_what_one_store_alone_has_and_the_others_get_copies)
{
    for (size_t holder = 0; holder < STORES; holder++) {
        AUTO(world) struct world w;

        world_init(&w);
        for (size_t i = 0; i < STORES; i++)
            w.is_down[i] = i != holder;
        CHECK(!run_job(&w, "a", false));
        heal(&w);

        const struct hash first = w.backup.snapshot;

        CHECK(run_job(&w, "a", true) && w.result.first == holder);
        CHECK(hash_is_equal(&w.backup.snapshot, &first));
        CHECK(w.result.holders == STORES && !w.result.is_degraded);
        for (size_t i = 0; i < STORES; i++)
            CHECK(check_store(&w, i) == 1 && has_last(&w, i) &&
                  w.result.stores[i].copied == (i == holder ? 0 : 1));
    }
}
END

TEST(a_copy_is_found_when_the_store_that_it_came_from_is_away)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(!run_job(&w, "a", false));
    w.is_down[0] = true;
    CHECK(run_job(&w, "a", true) && w.result.first == 1);
    CHECK(hash_is_equal(&w.backup.snapshot, &w.result.stores[1].snapshot) &&
          w.result.stores[2].has_it && w.result.holders == 2 && w.result.is_degraded);
    for (size_t i = 0; i < STORES; i++)
        CHECK(check_store(&w, i) == 1);
}
END

TEST(what_another_job_or_set_stored_or_was_forgotten_is_not_taken_for_it)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(!run_job(&w, NULL, false) && !run_job(&w, "a", false));
    CHECK(!run_job(&w, "b", true));
    w.set.name = w.config.name = "till";
    CHECK(!run_job(&w, "a", true));
    w.set.name = w.config.name = "shop";
    CHECK(!run_job(&w, "a", false)); /* a first attempt does not look */
    CHECK(check_store(&w, 0) == 5 && run_job(&w, "a", true));
    for (size_t i = 0; i < STORES; i++) {
        AUTO(repo) struct repo *r = fixture_open(w.stores[i]);
        AUTO(snapshot_list) struct snapshot_list all = {0};

        CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
        for (size_t k = 0; k < all.count; k++)
            CHECK_OK(snapshot_forget(r, &all.items[k]->id, "test", e));
    }
    CHECK(!run_job(&w, "a", true) && w.result.holders == STORES && check_store(&w, 0) == 1);
}
END

/* As a process leaves it that dies between its snapshot and the commit. */
static void prepare(struct world *w, const char *job)
{
    AUTO(repo) struct repo *r = fixture_open(w->stores[0]);
    AUTO(snapshot) struct snapshot *s = NULL;

    CHECK_OK(snapshot_load(r, &w->result.stores[0].snapshot, &s, e));
    mem_free(s->job);
    s->job = mem_string(job);
    CHECK_OK(snapshot_put(r, s, e));
}

TEST(a_snapshot_that_was_not_committed_is_not_found)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(!run_job(&w, "a", false));
    prepare(&w, "b");
    CHECK(!run_job(&w, "b", true) && check_store(&w, 0) == 2 && run_job(&w, "b", true));
}
END

/* A run of a job into the first store alone; what it made or found. */
static struct backup_result run_alone(struct world *w, bool is_again, bool is_dry_run)
{
    AUTO(repo) struct repo *r = fixture_open(w->stores[0]);
    const struct backup_options o = {.set = &w->set,
                                     .stream_fd = -1,
                                     .host = "h",
                                     .job = "a",
                                     .is_again = is_again,
                                     .is_dry_run = is_dry_run};
    struct backup_result out = {0};

    CHECK_OK(backup_run(r, &o, &w->seen.report, &out, e));
    return out;
}

TEST(of_one_repository_too_a_second_attempt_makes_no_second_snapshot)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(!run_alone(&w, true, true).is_found);

    const struct backup_result first = run_alone(&w, true, false);

    CHECK(first.is_committed && !first.is_found);
    CHECK(!run_alone(&w, true, true).is_found && !run_alone(&w, true, true).is_committed);

    const struct backup_result second = run_alone(&w, true, false);

    CHECK(second.is_committed && second.is_found);
    CHECK(hash_is_equal(&second.snapshot, &first.snapshot) && check_store(&w, 0) == 1);
}
END

TEST(a_failure_of_any_call_of_a_second_attempt_leaves_one_snapshot_where_it_was)
{
    for (size_t store = 0; store < STORES; store++)
        for (int at = test_first(), was_hit = 1; was_hit; at += test_every()) {
            AUTO(world) struct world w;
            struct err why = {0};

            world_init(&w);
            w.is_down[2] = true;
            CHECK(!run_job(&w, "a", false));
            heal(&w);
            w.is_again = true;
            w.faults[store] = (struct fault_plan){at, FAULT_FROM, ERR_FATAL, false};
            CHECK(run(&w, &why) && w.backup.is_found);
            was_hit = w.calls[store] > at;
            CHECK(w.result.holders >= STORES - 1 &&
                  w.result.is_degraded == w.result.stores[store].has_failed);
            CHECK(check_store(&w, 0) == 1 && check_store(&w, 1) == 1 && check_store(&w, 2) <= 1);
        }
}
END

TESTS("stores", one_backup_is_in_every_store, a_store_that_was_away_is_caught_up_by_the_next_run,
      without_the_first_store_the_next_takes_the_backup_and_the_first_is_caught_up_from_it,
      a_store_that_is_full_leaves_the_backup_to_the_next,
      a_source_that_fails_is_not_read_again_for_the_other_stores, with_no_store_there_is_no_backup,
      a_failure_of_any_call_of_any_store_stops_no_other,
      a_store_gets_no_more_than_its_rules_would_keep_and_nothing_that_was_forgotten,
      uploads_and_imports_of_a_set_are_copied_and_cost_no_backup_its_place,
      the_latest_is_the_newest_of_all_stores_and_an_id_is_known_everywhere,
      a_second_attempt_at_a_job_finds_what_the_first_stored_and_makes_no_second,
      a_second_attempt_finds_what_one_store_alone_has_and_the_others_get_copies,
      a_copy_is_found_when_the_store_that_it_came_from_is_away,
      what_another_job_or_set_stored_or_was_forgotten_is_not_taken_for_it,
      a_snapshot_that_was_not_committed_is_not_found,
      of_one_repository_too_a_second_attempt_makes_no_second_snapshot,
      a_failure_of_any_call_of_a_second_attempt_leaves_one_snapshot_where_it_was)
