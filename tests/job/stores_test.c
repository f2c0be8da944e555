/* Sets with several repositories: one reading, stores that are away or fail, catching up. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    int opening;                      /* calls that opening a repository takes */
    int calls[STORES];                /* of the last run, without those */
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
    const struct backup_options o = {.set = &w->set, .stream_fd = -1, .host = "h"};
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

            for (int n = 0; was_hit; n++)
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

/* Opened as the configuration says */

struct location {
    struct config_repository config;
    char url[128], key[128];
};

static void place_make(struct location *p, const char *directory, const char *name,
                       const struct repo *like, struct repo **out)
{
    uint8_t key[32];
    AUTO(store) struct store *s = NULL;
    const struct unlock with = {UNLOCK_KEY_FILE, SLICE_OF(key, sizeof(key))};

    (void)snprintf(p->url, sizeof(p->url), "%s/%s", directory, name);
    (void)snprintf(p->key, sizeof(p->key), "%s/%s.key", directory, name);
    p->config =
        (struct config_repository){.name = name, .url = p->url, .secret = {.key_file = p->key}};
    CHECK_OK(key_file_make(p->key, key, e));
    CHECK_OK(store_create(p->url, &(struct store_options){0}, &s, e));
    CHECK_OK(repo_create_like(s, like, &with, "", out, e));
}

static bool open_location(void *arg, const struct config_repository *c, struct store **store,
                          struct repo **repo, struct err *e)
{
    uint8_t key[32];
    AUTO(store) struct store *s = NULL;
    const struct unlock with = {UNLOCK_KEY_FILE, SLICE_OF(key, sizeof(key))};

    (void)arg;
    if (!key_file_read(c->secret.key_file, key, e) ||
        !store_open(c->url, &(struct store_options){0}, &s, e) || !repo_open(s, &with, repo, e))
        return err_wrap(e, "repository %s", c->name);
    *store = TAKE(s);
    return true;
}

TEST(stores_whose_secrets_differ_are_refused_and_what_cannot_be_opened_is_said)
{
    AUTO(scratch) struct scratch dir = {0};
    AUTO(repo) struct repo *a = NULL;
    AUTO(repo) struct repo *b = NULL;
    AUTO(repo) struct repo *c = NULL;
    AUTO(set_stores) struct set_stores *good = NULL;
    AUTO(set_stores) struct set_stores *one = NULL;
    AUTO(set_stores) struct set_stores *none = NULL;
    struct location places[3];
    const struct config_repository *list[3];
    struct config_set set = {.name = "shop", .repositories = list};

    scratch_init(&dir);
    place_make(&places[0], dir.path, "a", NULL, &a);
    place_make(&places[1], dir.path, "b", a, &b);
    place_make(&places[2], dir.path, "c", NULL, &c);
    list[0] = &places[0].config;
    list[1] = &places[1].config;
    list[2] = &places[2].config;
    set.repository_count = 2;
    CHECK_OK(set_stores_open(&set, open_location, NULL, &good, e));
    CHECK(good->items[0].repo != NULL && good->items[1].repo != NULL);
    set.repository_count = 3;
    CHECK_ERR(set_stores_open(&set, open_location, NULL, &none, e), ERR_USAGE);
    set.repository_count = 2;
    CHECK(unlink(places[0].key) == 0);
    CHECK_OK(set_stores_open(&set, open_location, NULL, &one, e));
    CHECK(one->items[0].repo == NULL && strstr(one->items[0].why.text, "repository a") != NULL);
    CHECK(unlink(places[1].key) == 0);
    CHECK_ERR(set_stores_open(&set, open_location, NULL, &none, e), ERR_NOT_FOUND);
}
END

TESTS("stores", one_backup_is_in_every_store, a_store_that_was_away_is_caught_up_by_the_next_run,
      without_the_first_store_the_next_takes_the_backup_and_the_first_is_caught_up_from_it,
      a_store_that_is_full_leaves_the_backup_to_the_next,
      a_source_that_fails_is_not_read_again_for_the_other_stores, with_no_store_there_is_no_backup,
      a_failure_of_any_call_of_any_store_stops_no_other,
      a_store_gets_no_more_than_its_rules_would_keep_and_nothing_that_was_forgotten,
      the_latest_is_the_newest_of_all_stores_and_an_id_is_known_everywhere,
      stores_whose_secrets_differ_are_refused_and_what_cannot_be_opened_is_said)
