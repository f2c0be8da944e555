/* What repositories tell of backups gets back into a catalog, once, beside what is there. */
#include "job/catalog_rebuild.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catalog/world.h"
#include "codec/json.h"
#include "support/fixture.h"

#define DAY (INT64_C(86400) * NS_PER_S)

/* Repositories in memory, and a configuration with the set shop. */
struct scene {
    struct world world;
    struct store *stores[2];
    struct repo *repos[2];
    struct config *config;
    int64_t now_ns;
    size_t damaged; /* pieces that were told */
    bool may_not_record;
    struct rebuild_counts recorded;
};

static void scene_init(struct scene *s)
{
    static const char text[] = "repositories: {main: {url: /srv/main, key_file: /etc/main.key}}\n"
                               "sets: {shop: {repositories: [main],"
                               " sources: [{files: {paths: [/srv/shop]}}]}}\n";

    *s = (struct scene){.now_ns = clock_now_ns()};
    world_init(&s->world);
    for (size_t i = 0; i < 2; i++) {
        s->stores[i] = store_memory_new();
        s->repos[i] = fixture_repo(s->stores[i]);
    }
    CHECK_OK(config_read("test", slice_string(text), &s->config, e));
}

static void scene_auto(struct scene *s)
{
    for (size_t i = 0; i < 2; i++) {
        repo_close(s->repos[i]);
        store_close(s->stores[i]);
    }
    config_free(s->config);
    world_auto(&s->world);
}

/* A snapshot that began some time ago and took a second. */
static struct snapshot *made(const struct scene *s, const char *set, int64_t ago_ns)
{
    struct snapshot *n = snapshot_new();

    n->time_ns = s->now_ns - ago_ns;
    n->host = mem_string("web1");
    n->user = mem_string("root");
    n->program = mem_string("holdfast test");
    n->set = set == NULL ? NULL : mem_string(set);
    n->counts.started_ns = n->time_ns;
    n->counts.ended_ns = n->time_ns + NS_PER_S;
    n->counts.total_bytes = 900;
    n->counts.bytes_added = 70;
    n->counts.total_files = 3;
    return n;
}

/* Committed; the snapshot is released, its id stays. */
static struct hash keep(struct repo *r, struct snapshot *n)
{
    struct hash id;

    CHECK_OK(snapshot_put(r, n, e));
    id = n->id;
    CHECK_OK(snapshot_commit(r, &id, e));
    snapshot_free(n);
    return id;
}

static struct hash kept(const struct scene *s, const char *set, int64_t ago_ns)
{
    return keep(s->repos[0], made(s, set, ago_ns));
}

static void put_evidence(const struct scene *s, size_t repo, const struct hash *snapshot,
                         const char *verdict, int64_t ago_ns)
{
    char id[65], time[CLOCK_TEXT_MAX], text[600];

    snapshot_id_text(snapshot, id);
    clock_format(s->now_ns - ago_ns, time);
    (void)snprintf(text, sizeof(text),
                   "{\"version\":1,\"snapshot\":\"%s\",\"set\":\"shop\",\"time\":\"%s\","
                   "\"duration_ms\":1500,\"verdict\":\"%s\",\"members\":[{\"place\":\"files\","
                   "\"verdict\":\"%s\",\"why\":%s}]}",
                   id, time, verdict, verdict,
                   strcmp(verdict, "proven") == 0 ? "null" : "\"one byte differs\"");
    CHECK_OK(evidence_put(s->repos[repo], snapshot, slice_string(text), e));
}

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    struct scene *s = arg;

    CHECK(key[0] != '\0' && why->code == ERR_CORRUPT);
    s->damaged++;
}

static bool on_record(void *arg, struct catalog_tx *t, const struct rebuild_counts *n,
                      struct err *e)
{
    struct scene *s = arg;

    (void)t;
    if (s->may_not_record)
        return err_set(e, ERR_DENIED, "the audit log is closed");
    s->recorded = *n;
    return true;
}

static struct rebuild *read_all(struct scene *s, size_t repos)
{
    static const char *const names[] = {"main", "remote"};
    struct rebuild *b = rebuild_new();

    for (size_t i = 0; i < repos; i++)
        CHECK_OK(rebuild_read(b, names[i], s->repos[i], on_damaged, s, e));
    return b;
}

static bool try_rebuild(struct scene *s, size_t repos, struct rebuild_counts *out, struct err *e)
{
    const struct rebuild_options o = {s->world.catalog, s->config, on_record, s};
    AUTO(rebuild) struct rebuild *b = read_all(s, repos);

    return rebuild_write(b, &o, out, e);
}

static struct rebuild_counts rebuilt(struct scene *s, size_t repos)
{
    struct rebuild_counts n = {0};

    CHECK_OK(try_rebuild(s, repos, &n, e));
    return n;
}

/* The runs of a kind, newest first. */
static struct catalog_run_list runs(const struct scene *s, int kind, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&s->world);
    struct catalog_run_filter f = CATALOG_RUNS_ALL;
    struct catalog_run_list list = {0};

    f.kind = kind;
    CHECK_OK(catalog_run_list(t, &f, &(struct catalog_page){.limit = 1000}, a, &list, e));
    return list;
}

static struct catalog_set known(const struct scene *s, const char *set, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&s->world);
    struct catalog_set out = {0};

    CHECK_OK(catalog_set_get(t, set, a, &out, e));
    return out;
}

TEST(a_backup_comes_back_with_all_that_its_snapshot_tells)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct snapshot *n;
    struct hash id;
    char text[65];

    scene_init(&s);
    n = made(&s, "shop", DAY);
    snapshot_add_tag(n, "type:incremental");
    id = keep(s.repos[0], n);
    snapshot_id_text(&id, text);
    ck_assert_uint_eq(rebuilt(&s, 1).backups, 1);
    ck_assert_uint_eq(s.recorded.backups, 1);

    const struct catalog_run_list list = runs(&s, RUN_BACKUP, &a);
    const struct catalog_run *r = &list.items[0];

    ck_assert_uint_eq(list.count, 1);
    CHECK(strcmp(r->set, "shop") == 0 && strcmp(r->outcome.snapshot, text) == 0);
    CHECK(strcmp(r->variant, "incremental") == 0 && r->config == NULL);
    CHECK(r->outcome.state == RUN_SUCCESS && r->outcome.error == NULL);
    CHECK(r->outcome.bytes == 900 && r->outcome.bytes_added == 70 && r->outcome.files == 3);
    CHECK(r->started_ns == s.now_ns - DAY && r->ended_ns == r->started_ns + NS_PER_S);
    CHECK(strstr(r->outcome.details, "\"host\":\"web1\"") != NULL);
    CHECK(known(&s, "shop", &a).success_ns == r->ended_ns);
    CHECK(strcmp(known(&s, "shop", &a).success_run, r->id) == 0);
}
END

TEST(copies_of_a_snapshot_are_one_run_and_a_second_rebuild_changes_nothing)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct snapshot *copy;

    scene_init(&s);
    copy = made(&s, "shop", 2 * DAY);
    copy->original = kept(&s, "shop", 2 * DAY);
    copy->has_original = true;
    (void)keep(s.repos[1], copy);
    (void)kept(&s, "shop", DAY);
    ck_assert_uint_eq(rebuilt(&s, 2).backups, 2);
    CHECK(strstr(runs(&s, RUN_BACKUP, &a).items[1].outcome.details, "[\"main\",\"remote\"]"));

    for (int i = 0; i < 2; i++) {
        s.recorded = (struct rebuild_counts){0};
        const struct rebuild_counts again = rebuilt(&s, 2);

        CHECK(again.backups == 0 && again.known == 2);
        /* Nothing happened that the audit log would have to tell. */
        CHECK(s.recorded.backups == 0 && s.recorded.known == 0);
    }
    ck_assert_uint_eq(runs(&s, RUN_BACKUP, &a).count, 2);
    ck_assert_int_eq((int)known(&s, "shop", &a).failures, 0);
}
END

/* As the service writes what came of a job. */
static void add_run(const struct scene *s, enum catalog_run_kind kind, const struct hash *snapshot,
                    const char *details)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&s->world);
    char id[CATALOG_ID_SIZE], text[65];

    snapshot_id_text(snapshot, text);
    CHECK_OK(catalog_run_add(
        t,
        &(struct catalog_run){
            .set = "shop",
            .kind = kind,
            .requested_by = "system",
            .started_ns = s->now_ns - 5 * DAY,
            .ended_ns = s->now_ns - 5 * DAY,
            .outcome = {.state = RUN_SUCCESS, .snapshot = text, .details = details}},
        id, e));
    tx_commit(&t);
}

TEST(a_run_that_the_catalog_knows_by_any_copy_of_its_snapshot_is_not_doubled)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct snapshot *copy;
    struct hash original, its_copy;

    scene_init(&s);
    original = kept(&s, "shop", 5 * DAY);
    copy = made(&s, "shop", 5 * DAY);
    copy->original = original;
    copy->has_original = true;
    its_copy = keep(s.repos[1], copy);
    add_run(&s, RUN_BACKUP, &original, NULL);
    /* Only the other repository is left. */
    AUTO(rebuild) struct rebuild *b = rebuild_new();
    const struct rebuild_options o = {s.world.catalog, s.config, on_record, &s};
    struct rebuild_counts n = {0};

    CHECK_OK(rebuild_read(b, "remote", s.repos[1], on_damaged, &s, e));
    CHECK_OK(rebuild_write(b, &o, &n, e));
    CHECK(n.backups == 0 && n.known == 1);

    /* A restore of it is no backup. */
    original = kept(&s, "shop", 4 * DAY);
    add_run(&s, RUN_RESTORE, &original, NULL);
    ck_assert_uint_eq(rebuilt(&s, 2).backups, 1);
    ck_assert_uint_eq(runs(&s, RUN_BACKUP, &a).count, 2);
    (void)its_copy;
}
END

TEST(drills_come_back_with_their_verdicts_once)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct hash id;

    scene_init(&s);
    id = kept(&s, "shop", 3 * DAY);
    put_evidence(&s, 0, &id, "failed", 3 * DAY);
    put_evidence(&s, 0, &id, "proven", 2 * DAY);
    put_evidence(&s, 0, &id, "not checked", DAY);
    ck_assert_uint_eq(rebuilt(&s, 1).drills, 3);
    ck_assert_uint_eq(rebuilt(&s, 1).drills, 0);

    const struct catalog_run_list list = runs(&s, RUN_DRILL, &a);

    ck_assert_uint_eq(list.count, 3);
    CHECK(list.items[0].outcome.state == RUN_INCOMPLETE && list.items[0].outcome.verdict == NULL);
    CHECK(list.items[1].outcome.state == RUN_SUCCESS);
    ck_assert_str_eq(list.items[1].outcome.verdict, "proven");
    CHECK(list.items[2].outcome.state == RUN_FAILED);
    ck_assert_str_eq(list.items[2].outcome.verdict, "failed");
    ck_assert_str_eq(list.items[2].outcome.error, "one byte differs");
    CHECK(list.items[1].ended_ns - list.items[1].started_ns == 3 * NS_PER_S / 2);
    CHECK(known(&s, "shop", &a).proven_ns == list.items[1].ended_ns);
}
END

TEST(a_drill_that_the_catalog_knows_is_found_by_the_time_that_it_noted)
{
    AUTO(scene) struct scene s;
    struct hash id;
    char time[CLOCK_TEXT_MAX], details[200];

    scene_init(&s);
    id = kept(&s, "shop", 3 * DAY);
    put_evidence(&s, 0, &id, "proven", 2 * DAY);
    put_evidence(&s, 0, &id, "proven", DAY);
    clock_format(s.now_ns - 2 * DAY, time);
    (void)snprintf(details, sizeof(details), "{\"message_type\":\"drill\",\"time\":\"%s\"}", time);
    add_run(&s, RUN_DRILL, &id, details);

    const struct rebuild_counts n = rebuilt(&s, 1);

    CHECK(n.drills == 1 && n.known == 1);
}
END

TEST(what_a_run_under_way_made_is_left_to_it)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids ids;
    struct catalog_job j;
    bool found = false;

    scene_init(&s);
    ids = job_put(&s.world, "shop", "a");
    CHECK_OK(catalog_job_claim(s.world.catalog,
                               &(struct catalog_job_offer){.holder = "h", .lease_ms = 60000}, &a,
                               &j, &found, e));
    CHECK(found && strcmp(j.id, ids.job) == 0);
    s.now_ns = clock_now_ns();
    (void)kept(&s, "shop", 0);
    (void)kept(&s, "shop", DAY);
    (void)kept(&s, "blog", 0);

    const struct rebuild_counts n = rebuilt(&s, 1);

    CHECK(n.backups == 2 && n.under_way == 1);
}
END

TEST(what_is_no_backup_of_a_set_or_would_be_forgotten_is_left_out)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct snapshot *safety, *imported;
    struct rebuild_found found;

    scene_init(&s);
    (void)kept(&s, NULL, DAY);
    (void)kept(&s, "a\tname", DAY);
    safety = made(&s, "shop", DAY);
    snapshot_add_tag(safety, SNAPSHOT_SAFETY);
    (void)keep(s.repos[0], safety);
    imported = made(&s, "shop", DAY);
    snapshot_add_tag(imported, SNAPSHOT_IMPORT "wireguard");
    (void)keep(s.repos[0], imported);
    (void)kept(&s, "shop", (CATALOG_RUN_DAYS + 20) * DAY);
    (void)kept(&s, "shop", (CATALOG_RUN_DAYS + 10) * DAY);

    const struct rebuild_counts n = rebuilt(&s, 1);
    AUTO(rebuild) struct rebuild *b = read_all(&s, 1);

    rebuild_found(b, &found);
    CHECK(found.without_set == 2 && found.safety == 1 && found.imports == 1 &&
          found.snapshots == 2);
    CHECK(n.backups == 1 && n.old == 1);
    /* The newest of the set stays known, whatever its age. */
    CHECK_OK(catalog_clean(s.world.catalog, NULL, e));
    ck_assert_uint_eq(runs(&s, RUN_BACKUP, &a).count, 1);
    CHECK(known(&s, "shop", &a).success_ns != 0);
}
END

TEST(an_older_success_does_not_end_the_failures_that_came_after_it)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    char id[CATALOG_ID_SIZE];

    scene_init(&s);
    t = tx_write(&s.world);
    CHECK_OK(catalog_run_add(t,
                             &(struct catalog_run){.set = "shop",
                                                   .requested_by = "system",
                                                   .ended_ns = s.now_ns - DAY,
                                                   .outcome.state = RUN_FAILED},
                             id, e));
    tx_commit(&t);
    (void)kept(&s, "shop", 2 * DAY);
    ck_assert_uint_eq(rebuilt(&s, 1).backups, 1);
    CHECK(known(&s, "shop", &a).success_ns != 0);
    ck_assert_int_eq((int)known(&s, "shop", &a).failures, 1);
    (void)kept(&s, "shop", DAY / 2);
    ck_assert_uint_eq(rebuilt(&s, 1).backups, 1);
    ck_assert_int_eq((int)known(&s, "shop", &a).failures, 0);
}
END

TEST(an_act_that_cannot_be_recorded_does_not_happen)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct rebuild_counts n = {0};

    scene_init(&s);
    (void)kept(&s, "shop", DAY);
    s.may_not_record = true;
    CHECK_ERR(try_rebuild(&s, 1, &n, e), ERR_DENIED);
    ck_assert_uint_eq(runs(&s, RUN_BACKUP, &a).count, 0);
}
END

TEST(damaged_snapshots_and_evidence_are_told_and_the_rest_comes_back)
{
    AUTO(scene) struct scene s;
    struct hash id;
    char key[128];

    scene_init(&s);
    (void)kept(&s, "shop", 3 * DAY);
    id = kept(&s, "shop", 2 * DAY);
    put_evidence(&s, 0, &id, "proven", 2 * DAY);
    put_evidence(&s, 0, &id, "proven", DAY);
    object_name(s.stores[0], "snapshots/", 0, key);
    object_damage(s.stores[0], key, -1);
    object_name(s.stores[0], "drills/", 0, key);
    object_damage(s.stores[0], key, -1);

    const struct rebuild_counts n = rebuilt(&s, 1);

    CHECK(n.backups == 1 && n.drills == 1);
    ck_assert_uint_eq(s.damaged, 2);
}
END

/* Configurations */

#define API_DOCUMENT(name)                                                                      \
    "{\"id\":\"pos\",\"name\":\"" name "\",\"type\":\"files\",\"schedule\":\"0 2 * * *\","      \
    "\"retention\":{\"daily\":7,\"weekly\":4,\"monthly\":12},\"compression\":\"gzip\","         \
    "\"encryption\":true,\"destinations\":[{\"type\":\"local\",\"config\":{\"path\":\"/b\"}}]," \
    "\"notifications\":{\"onSuccess\":[],\"onFailure\":[]},\"enabled\":false}"

/* A snapshot of the set pos with the configuration that it was made from. */
static void keep_api(const struct scene *s, const char *document, int64_t ago_ns)
{
    struct snapshot *n = made(s, "pos", ago_ns);
    AUTO(json)
    json_t *all =
        json_pack("{s:{s:{s:s, s:s}}, s:{s:{s:[s], s:[{s:{s:[s]}}], s:s}}}", "repositories", "main",
                  "url", "/b", "key_file", "/k", "sets", "pos", "repositories", "main", "sources",
                  "files", "paths", "/srv", "backup_config", document);
    AUTO(buf) struct buf text = {0};

    CHECK(all != NULL);
    json_append(all, &text);
    n->configuration = mem_string(buf_string(&text));
    (void)keep(s->repos[0], n);
}

static bool has_config(const struct scene *s, struct arena *a, struct catalog_config *out)
{
    AUTO(catalog_tx) struct catalog_tx *t = tx_read(&s->world);
    struct err e;

    return catalog_config_get(t, "pos", a, out, &e);
}

TEST(a_configuration_of_the_api_comes_back_as_the_newest_snapshot_knew_it)
{
    AUTO(scene) struct scene s;
    AUTO(arena) struct arena a = {0};
    struct catalog_config c = {0};

    scene_init(&s);
    keep_api(&s, API_DOCUMENT("newer"), DAY);
    keep_api(&s, API_DOCUMENT("older"), 2 * DAY);
    ck_assert_uint_eq(rebuilt(&s, 1).configs, 1);
    CHECK(has_config(&s, &a, &c));
    ck_assert_str_eq(c.document, API_DOCUMENT("newer"));
    CHECK(strcmp(c.name, "newer") == 0 && !c.is_enabled && c.version == 1);
    ck_assert_str_eq(runs(&s, RUN_BACKUP, &a).items[0].config, "pos");

    /* One that was deleted since stays so. */
    AUTO(catalog_tx) struct catalog_tx *t = tx_write(&s.world);

    CHECK_OK(catalog_config_delete(t, "pos", 1, e));
    tx_commit(&t);
    ck_assert_uint_eq(rebuilt(&s, 1).configs, 0);
    CHECK(!has_config(&s, &a, &c));
}
END

TEST(what_travelled_with_the_snapshots_is_a_configuration_again)
{
    AUTO(scene) struct scene s;
    AUTO(mem) char *travelling = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *all = NULL;
    AUTO(config) struct config *again = NULL;
    const struct config_set *shop = NULL;
    struct snapshot *n;

    scene_init(&s);
    config_free(s.config);
    CHECK_OK(
        config_read("test",
                    slice_string("repositories: {main: {url: /srv/main, key_file: /etc/main.key},"
                                 " spare: {url: /srv/spare, key_file: /etc/spare.key}}\n"
                                 "sets: {shop: {repositories: [main], on_error: incomplete,"
                                 " sources: [{files: {paths: [/srv/shop]}}], schedule: '0 2 * * *',"
                                 " notify: {on_failure: ['https://h.example.org/secret/way']}}}\n"),
                    &s.config, e));
    CHECK_OK(config_find_set(s.config, "shop", &shop, e));
    travelling = config_travel(s.config, shop);
    n = made(&s, "shop", DAY);
    n->configuration = mem_string(travelling);
    (void)keep(s.repos[0], n);
    keep_api(&s, API_DOCUMENT("x"), DAY);

    AUTO(rebuild) struct rebuild *b = read_all(&s, 1);

    all = rebuild_configuration(b);
    json_append(all, &text);
    CHECK_OK(config_read("again", buf_slice(&text), &again, e));
    /* The set of the API comes back into the catalog, and not into the file. */
    CHECK(again->set_count == 1 && again->repository_count == 1);
    CHECK_OK(config_find_set(again, "shop", &shop, e));
    CHECK(shop->on_error == ON_ERROR_INCOMPLETE && strcmp(shop->schedule.cron, "0 2 * * *") == 0);
    ck_assert_str_eq(shop->notify.on_failure.items[0], "https://h.example.org/secret/way");
    mem_free(travelling);
    travelling = config_travel(again, shop);
    CHECK(strstr(travelling, "/secret/way") != NULL);
}
END

TEST(what_is_no_configuration_is_refused_and_changes_nothing)
{
    static const char *const bad[] = {"", "{", "[]", "{\"sets\":{}}",
                                      "{\"sets\":[],\"repositories\":{}}"};
    json_t *all = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(config_travel_join(&all, bad[i], e), ERR_CORRUPT);
    CHECK(all == NULL);
}
END

TESTS_BETWEEN("rebuild", world_begin, world_end,
              a_backup_comes_back_with_all_that_its_snapshot_tells,
              copies_of_a_snapshot_are_one_run_and_a_second_rebuild_changes_nothing,
              a_run_that_the_catalog_knows_by_any_copy_of_its_snapshot_is_not_doubled,
              drills_come_back_with_their_verdicts_once,
              a_drill_that_the_catalog_knows_is_found_by_the_time_that_it_noted,
              what_a_run_under_way_made_is_left_to_it,
              what_is_no_backup_of_a_set_or_would_be_forgotten_is_left_out,
              an_older_success_does_not_end_the_failures_that_came_after_it,
              an_act_that_cannot_be_recorded_does_not_happen,
              damaged_snapshots_and_evidence_are_told_and_the_rest_comes_back,
              a_configuration_of_the_api_comes_back_as_the_newest_snapshot_knew_it,
              what_travelled_with_the_snapshots_is_a_configuration_again,
              what_is_no_configuration_is_refused_and_changes_nothing)
