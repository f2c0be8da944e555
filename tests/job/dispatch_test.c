/* What comes of jobs gets into the catalog, and into the outbox what is to be told of it. */
#include "job/dispatch_end.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "catalog_world.h"
#include "codec/cfms_task.h"
#include "codec/json.h"
#include "job/dispatch_stores.h"
#include "job/sender.h"

/* A job that is under way, as a dispatcher holds it. */
static struct child_job taken_job(const struct world *w, enum catalog_run_kind kind, int attempts)
{
    const struct catalog_job_request q = {.kind = kind,
                                          .set = "shop",
                                          .arguments = "{}",
                                          .requested_by = "test",
                                          .writer = "shop",
                                          .attempts_max = attempts};
    const struct catalog_job_offer offer = {"test", "here", 60000};
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids ids;
    struct catalog_job j;
    struct catalog_tx *t = NULL;
    struct child_job c = {.verb = kind == RUN_DRILL ? CHILD_DRILL : CHILD_BACKUP};
    bool found = false;

    CHECK_OK(catalog_begin(w->catalog, &t, e));
    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    CHECK_OK(catalog_commit(&t, e));
    CHECK_OK(catalog_job_claim(w->catalog, &offer, &a, &j, &found, e));
    CHECK(found);
    (void)snprintf(c.id, sizeof(c.id), "%s", j.id);
    c.attempt = (int)j.fence;
    return c;
}

static struct child_outcome outcome_of(enum child_state state, int status, const char *result)
{
    static char none[] = "";
    struct child_outcome o = {.state = state, .status = status, .errors = none};

    if (result != NULL)
        CHECK((o.result = json_loads(result, 0, NULL)) != NULL);
    if (state != CHILD_SUCCEEDED)
        CHECK(!err_set(&o.why, ERR_FATAL, "the disk is full"));
    return o;
}

/* End a job like this; the newest run, in the arena. */
static struct catalog_run end_job(const struct world *w, const struct child_job *c,
                                  enum child_state state, int status, const char *result,
                                  struct arena *a)
{
    const struct dispatch_options options = {
        .catalog = w->catalog, .config = w->config, .templates = w->templates, .host = "here"};
    struct child_outcome o = outcome_of(state, status, result);
    AUTO(json) json_t *event = NULL;
    struct catalog_run_filter all = CATALOG_RUNS_ALL;
    struct catalog_run_list runs = {0};

    CHECK_OK(dispatch_end(&options, c, &o, &event, e));
    json_decref(o.result);

    AUTO(catalog_tx) struct catalog_tx *t = world_read(w);

    CHECK_OK(catalog_run_list(t, &all, &(struct catalog_page){.limit = 10}, a, &runs, e));
    CHECK(runs.count > 0);
    return runs.items[runs.count - 1];
}

TEST(a_backup_that_succeeded_is_recorded_with_its_snapshot_and_told)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);
    const struct catalog_run r =
        end_job(&w, &c, CHILD_SUCCEEDED, 0,
                "{\"message_type\":\"summary\",\"snapshot_id\":\"abc\",\"data_added\":7,"
                "\"total_bytes_processed\":9,\"total_files_processed\":2}",
                &a);

    ck_assert_int_eq((int)r.outcome.state, RUN_SUCCESS);
    ck_assert_str_eq(r.outcome.snapshot, "abc");
    CHECK(r.outcome.bytes == 9 && r.outcome.bytes_added == 7 && r.outcome.files == 2);
    CHECK(r.outcome.error == NULL);
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 1);
}
END

TEST(a_failure_is_recorded_with_its_sentence_and_told_to_others)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);
    const struct catalog_run r = end_job(&w, &c, CHILD_FAILED, 13, NULL, &a);

    ck_assert_int_eq((int)r.outcome.state, RUN_FAILED);
    ck_assert_str_eq(r.outcome.error, "the disk is full");
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2);
}
END

static void on_failed(void *arg, const struct err *e)
{
    struct err *told = arg;

    *told = *e;
}

TEST(an_end_is_recorded_when_no_more_messages_may_wait_and_their_loss_is_told)
{
    AUTO(world) struct world w;
    struct err told = {0};

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);
    const struct dispatch_options options = {.catalog = w.catalog,
                                             .config = w.config,
                                             .templates = w.templates,
                                             .host = "here",
                                             .failed = on_failed,
                                             .arg = &told};
    const struct child_outcome o = outcome_of(CHILD_FAILED, 13, NULL);
    const struct catalog_run_filter all = CATALOG_RUNS_ALL;
    struct catalog_run_list runs = {0};
    AUTO(json) json_t *event = NULL;

    world_fill_outbox(&w);
    CHECK_OK(dispatch_end(&options, &c, &o, &event, e));

    AUTO(catalog_tx) struct catalog_tx *t = world_read(&w);

    CHECK_OK(catalog_run_list(t, &all, &(struct catalog_page){.limit = 10}, &a, &runs, e));
    ck_assert_int_eq((int)runs.items[0].outcome.state, RUN_FAILED);
    ck_assert_msg(strncmp(told.text, "2 messages about job ", 21) == 0, "%s", told.text);
}
END

static struct catalog_set set_of(const struct world *w, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = world_read(w);
    struct catalog_set s = {0};

    CHECK_OK(catalog_set_get(t, "shop", a, &s, e));
    return s;
}

TEST(a_degraded_backup_is_a_success_that_names_who_lacks_it)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);
    const struct catalog_run r =
        end_job(&w, &c, CHILD_SUCCEEDED, 0,
                "{\"message_type\":\"summary\",\"snapshot_id\":\"abc\",\"degraded\":true,"
                "\"repositories\":[{\"name\":\"main\",\"snapshot_id\":\"abc\"},"
                "{\"name\":\"away\",\"error\":\"connection refused\"},{\"name\":\"late\"}]}",
                &a);

    ck_assert_int_eq((int)r.outcome.state, RUN_DEGRADED);
    ck_assert_str_eq(r.outcome.error_code, "degraded");
    ck_assert_str_eq(r.outcome.error, "away: connection refused; late");
    CHECK(set_of(&w, &a).success_ns != 0 && set_of(&w, &a).failures == 0);
    ck_assert_str_eq(set_of(&w, &a).success_run, r.id);
    /* One hears of the success, two of what is wrong with it. */
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 3);
}
END

/* Of a repository; all zero when nothing is known. */
static struct catalog_store store_of(const struct world *w, const char *name, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = world_read(w);
    struct catalog_store_list list = {0};

    CHECK_OK(catalog_store_list(t, a, &list, e));
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.items[i].name, name) == 0)
            return list.items[i];
    return (struct catalog_store){0};
}

/* What a job told of its set's repositories. */
static void tell(const struct world *w, enum child_verb verb, const char *arguments,
                 const struct child_outcome *o)
{
    AUTO(json) json_t *fields = json_loads(arguments, 0, NULL);
    const struct child_job j = {.verb = verb, .arguments = fields};
    const struct config_set *set = NULL;
    struct catalog_tx *t = NULL;

    CHECK_OK(config_find_set(w->config, "shop", &set, e));
    CHECK_OK(catalog_begin(w->catalog, &t, e));
    CHECK_OK(dispatch_stores(t, set, &j, o, e));
    CHECK_OK(catalog_commit(&t, e));
}

static void tell_end(const struct world *w, enum child_verb verb, enum child_state state,
                     const char *result)
{
    const struct child_outcome o = outcome_of(state, 0, result);

    tell(w, verb, "{}", &o);
    json_decref(o.result);
}

TEST(a_store_is_up_when_a_job_was_done_and_down_when_it_could_not_be_opened)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    struct child_outcome down = outcome_of(CHILD_FAILED, 1, NULL);
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);

    (void)end_job(&w, &c, CHILD_SUCCEEDED, 0, "{\"snapshot_id\":\"abc\"}", &a);

    const struct catalog_store first = store_of(&w, "main", &a);

    ck_assert_str_eq(first.state, "up");
    CHECK(first.seen_ns != 0 && first.error == NULL && first.bytes < 0 && first.snapshots < 0);

    down.is_opening = true;
    tell(&w, CHILD_PRUNE, "{}", &down);
    ck_assert_str_eq(store_of(&w, "main", &a).state, "down");
    ck_assert_str_eq(store_of(&w, "main", &a).error, "the disk is full");
    ck_assert_int_eq(store_of(&w, "main", &a).seen_ns, first.seen_ns);

    tell_end(&w, CHILD_CHECK, CHILD_SUCCEEDED, "{\"num_errors\":0,\"snapshots\":12}");
    ck_assert_str_eq(store_of(&w, "main", &a).state, "up");
    CHECK(store_of(&w, "main", &a).error == NULL && store_of(&w, "main", &a).snapshots == 12);
    tell_end(&w, CHILD_BACKUP, CHILD_INCOMPLETE, "{\"snapshot_id\":\"abc\"}");
    ck_assert_int_eq(store_of(&w, "main", &a).snapshots, 12);
}
END

TEST(a_failure_of_something_else_says_nothing_of_the_store)
{
    static const enum child_state others[] = {CHILD_CONFLICT, CHILD_DRILL_FAILED, CHILD_REFUSED,
                                              CHILD_FAILED,   CHILD_CANCELLED,    CHILD_TIMED_OUT,
                                              CHILD_STALLED,  CHILD_INTERRUPTED};
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        tell_end(&w, CHILD_BACKUP, others[i], "{\"snapshot_id\":\"abc\"}");
    tell_end(&w, CHILD_UNDO, CHILD_SUCCEEDED, "{}");
    tell_end(&w, CHILD_PRUNE, CHILD_SUCCEEDED, NULL);

    const struct child_outcome done = outcome_of(CHILD_SUCCEEDED, 0, "{}");

    tell(&w, CHILD_PRUNE, "{\"repository\":\"of-others\"}", &done);
    json_decref(done.result);
    CHECK(store_of(&w, "main", &a).name == NULL && store_of(&w, "of-others", &a).name == NULL);
}
END

#define OF_CHECK "\"repository\":\"ab\",\"began\":\"1970-01-02T00:00:00Z\""

#define SEVERAL                                           \
    "state: /nowhere\n"                                   \
    "repositories:\n"                                     \
    "  main: {url: /srv/main, key_file: /etc/main.key}\n" \
    "  away: {url: /srv/away, key_file: /etc/main.key}\n" \
    "  late: {url: /srv/late, key_file: /etc/main.key}\n" \
    "sets:\n"                                             \
    "  shop:\n"                                           \
    "    repositories: [main, away, late]\n"              \
    "    sources: [{files: {paths: [/srv/shop]}}]\n"

TEST(each_of_several_stores_is_what_the_job_says_of_it)
{
    AUTO(world) struct world w;

    world_init(&w, "");
    config_free(w.config);
    w.config = NULL;
    CHECK_OK(config_read("test", slice_string(SEVERAL), &w.config, e));

    AUTO(arena) struct arena a = {0};
    struct child_outcome down = outcome_of(CHILD_FAILED, 1, NULL);

    /* Which one it was, nobody knows, unless the job is about one. */
    down.is_opening = true;
    tell(&w, CHILD_PRUNE, "{}", &down);
    CHECK(store_of(&w, "main", &a).name == NULL);
    tell(&w, CHILD_PRUNE, "{\"repository\":\"late\"}", &down);
    ck_assert_str_eq(store_of(&w, "late", &a).state, "down");

    tell_end(&w, CHILD_BACKUP, CHILD_SUCCEEDED,
             "{\"snapshot_id\":\"abc\",\"degraded\":true,\"repositories\":["
             "{\"name\":\"main\",\"snapshot_id\":\"abc\"},"
             "{\"name\":\"away\",\"error\":\"connection refused\"},{\"name\":\"late\"},"
             "{\"name\":\"of-others\",\"snapshot_id\":\"abc\"},{},7]}");
    ck_assert_str_eq(store_of(&w, "main", &a).state, "up");
    ck_assert_str_eq(store_of(&w, "away", &a).state, "down");
    ck_assert_str_eq(store_of(&w, "away", &a).error, "connection refused");
    CHECK(store_of(&w, "away", &a).seen_ns == 0);
    ck_assert_str_eq(store_of(&w, "late", &a).state, "down");
    CHECK(store_of(&w, "of-others", &a).name == NULL);

    tell_end(&w, CHILD_COPY, CHILD_INCOMPLETE,
             "{\"repositories\":[{\"name\":\"main\",\"snapshots_failed\":1},"
             "{\"name\":\"away\",\"error\":\"no route\"},{\"name\":\"late\"}]}");
    ck_assert_str_eq(store_of(&w, "main", &a).state, "up");
    ck_assert_str_eq(store_of(&w, "away", &a).error, "no route");
    ck_assert_str_eq(store_of(&w, "late", &a).state, "up");
}
END

TEST(a_store_is_verified_by_a_check_that_read_all_and_until_one_finds_damage)
{
    static const struct {
        enum child_state state;
        const char *result;
        bool is_verified; /* when it was not before; and when it was */
        bool stays_verified;
        bool is_checked; /* no damage was found */
    } rows[] = {
        {CHILD_SUCCEEDED, "{\"num_errors\":0,\"read_all\":true," OF_CHECK "}", true, true, true},
        {CHILD_SUCCEEDED, "{\"num_errors\":0,\"read_all\":false," OF_CHECK "}", false, true, true},
        {CHILD_SUCCEEDED, "{\"num_errors\":0,\"read_all\":true}", false, true},
        {CHILD_SUCCEEDED,
         "{\"num_errors\":0,\"read_all\":true,\"repository\":\"ab\",\"began\":\"soon\"}", false,
         true},
        {CHILD_FAILED, "{\"num_errors\":1,\"read_all\":true," OF_CHECK "}", false, false},
        {CHILD_FAILED, "{\"num_errors\":1,\"read_all\":false," OF_CHECK "}", false, false},
        {CHILD_CANCELLED, "{\"num_errors\":0,\"read_all\":true," OF_CHECK "}", false, true},
        {CHILD_FAILED, NULL, false, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(world) struct world w;
        AUTO(arena) struct arena a = {0};

        world_init(&w, "");
        tell_end(&w, CHILD_BACKUP, CHILD_SUCCEEDED, "{\"snapshot_id\":\"abc\"}");
        tell_end(&w, CHILD_CHECK, rows[i].state, rows[i].result);
        ck_assert_int_eq(store_of(&w, "main", &a).verified_id != NULL, rows[i].is_verified);
        ck_assert_int_eq(store_of(&w, "main", &a).checked_ns,
                         rows[i].is_checked ? INT64_C(86400) * NS_PER_S : 0);
        tell_end(&w, CHILD_CHECK, CHILD_SUCCEEDED, rows[0].result);

        const struct catalog_store s = store_of(&w, "main", &a);

        ck_assert_str_eq(s.verified_id, "ab");
        ck_assert_int_eq(s.verified_ns, INT64_C(86400) * NS_PER_S);
        tell_end(&w, CHILD_CHECK, rows[i].state, rows[i].result);
        ck_assert_int_eq(store_of(&w, "main", &a).verified_id != NULL, rows[i].stays_verified);
    }
}
END

#define EPOCH(n, packs, bytes)                                                          \
    "{\"epoch\":" #n ",\"keys\":1,\"packs\":" #packs ",\"pack_bytes\":" #bytes          \
    ",\"index_objects\":1,\"index_bytes\":9,\"packs_in_trash\":0,\"bytes_in_trash\":0," \
    "\"snapshots\":1,\"records\":2,\"record_bytes\":9}"
#define LEFT                                                                                      \
    "\"epoch\":2,\"packs_left\":3,\"bytes_left\":40,\"index_objects_left\":1,\"records_left\":2," \
    "\"snapshots_left\":1,\"packs_left_in_trash\":0,\"bytes_left_in_trash\":0,"                   \
    "\"unreadable\":0,\"keys_past\":0"

TEST(what_is_left_of_past_keys_is_what_a_measuring_said_in_full)
{
    static const char *const bad[] = {
        "{" LEFT ",\"epochs\":[" EPOCH(1, 3, 40) "]}",
        "{" LEFT ",\"keys_unfinished\":0}",
        "{" LEFT ",\"keys_unfinished\":0,\"epochs\":[]}",
        "{" LEFT ",\"keys_unfinished\":0,\"epochs\":[{\"epoch\":1}]}",
        "{" LEFT ",\"keys_unfinished\":-1,\"epochs\":[" EPOCH(1, 3, 40) "]}",
        "{" LEFT ",\"keys_unfinished\":\"0\",\"epochs\":[" EPOCH(1, 3, 40) "]}",
    };
    static const char good[] = "{" LEFT ",\"keys_unfinished\":0,\"more\":\"\",\"epochs\":[" EPOCH(
        1, 3, 40) "," EPOCH(2, 5, 60) "]}";
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    AUTO(json) json_t *keys = NULL;

    world_init(&w, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        tell_end(&w, CHILD_REENCRYPT, CHILD_SUCCEEDED, bad[i]);
    tell_end(&w, CHILD_REENCRYPT, CHILD_CANCELLED, good);
    tell_end(&w, CHILD_PRUNE, CHILD_SUCCEEDED, good);
    CHECK(store_of(&w, "main", &a).name != NULL && store_of(&w, "main", &a).keys == NULL);

    tell_end(&w, CHILD_REENCRYPT, CHILD_SUCCEEDED, good);
    tell_end(&w, CHILD_REENCRYPT, CHILD_SUCCEEDED, bad[0]);
    keys = json_loads(store_of(&w, "main", &a).keys, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(keys, "bytes_left")), 40);
    CHECK(json_object_get(keys, "more") == NULL && store_of(&w, "main", &a).keys_ns != 0);

    const json_t *newest = json_array_get(json_object_get(keys, "epochs"), 1);

    ck_assert_int_eq(json_integer_value(json_object_get(newest, "pack_bytes")), 60);
    CHECK(json_object_get(newest, "index_bytes") == NULL);
}
END

TEST(a_check_that_did_not_read_everything_has_no_verdict)
{
    static const char *const results[] = {"{\"read_all\":false}", "{\"read_all\":true}"};

    for (size_t i = 0; i < 2; i++) {
        AUTO(arena) struct arena a = {0};
        const struct child_outcome o = outcome_of(CHILD_SUCCEEDED, 0, results[i]);
        const struct child_job j = {.verb = CHILD_CHECK};
        struct catalog_outcome out;

        dispatch_outcome(&j, &o, &a, &out);
        json_decref(o.result);
        CHECK(i == 0 ? out.verdict == NULL : strcmp(out.verdict, "verified") == 0);
    }
}
END

TEST(an_incomplete_backup_is_a_success_only_of_a_set_that_may_be_incomplete)
{
    static const char *const rules[] = {"", "    on_error: incomplete\n"};

    for (size_t i = 0; i < 2; i++) {
        AUTO(world) struct world w;
        AUTO(arena) struct arena a = {0};

        world_init(&w, rules[i]);

        const struct child_job c = taken_job(&w, RUN_BACKUP, 1);
        const struct catalog_run r =
            end_job(&w, &c, CHILD_INCOMPLETE, 3, "{\"snapshot_id\":\"abc\"}", &a);

        ck_assert_int_eq((int)r.outcome.state, RUN_INCOMPLETE);
        CHECK((set_of(&w, &a).success_ns != 0) == (i == 1));
        CHECK(set_of(&w, &a).failures == (i == 1 ? 0 : 1));
        /* Its success is no heartbeat here, and told to nobody as one. */
        ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2);
    }
}
END

TEST(who_counts_the_time_hears_of_an_incomplete_backup_that_is_allowed)
{
    static const char text[] =
        "repositories: {main: {url: /srv/main, key_file: /etc/main.key}}\n"
        "sets: {shop: {repositories: [main], sources: [{files: {paths: [/srv/shop]}}],"
        " on_error: incomplete, notify: {on_success: ['https://h.example.org/x',"
        " 'heartbeat+https://h.example.org/beat'],"
        " on_failure: ['heartbeat+https://h.example.org/beat']}}}\n";
    AUTO(world) struct world w;

    world_init(&w, "");
    config_free(w.config);
    CHECK_OK(config_read("test", slice_string(text), &w.config, e));

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);

    (void)end_job(&w, &c, CHILD_INCOMPLETE, 3, "{\"snapshot_id\":\"abc\"}", &a);
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 1);
}
END

TEST(a_failure_that_may_pass_is_tried_again_before_anybody_is_told)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 2);
    struct catalog_job_list jobs = {0};

    (void)end_job(&w, &c, CHILD_CONFLICT, 11, NULL, &a);
    ck_assert_uint_eq(world_messages(&w, -1), 0);

    AUTO(catalog_tx) struct catalog_tx *t = world_read(&w);

    CHECK_OK(catalog_job_list(t, &a, &jobs, e));
    CHECK(jobs.count == 1 && jobs.items[0].attempt == 2);
}
END

TEST(a_job_that_somebody_killed_is_tried_again)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    const struct child_job c = taken_job(&w, RUN_BACKUP, 2);
    const struct dispatch_options options = {
        .catalog = w.catalog, .config = w.config, .templates = w.templates, .host = "here"};
    struct child_outcome o = outcome_of(CHILD_FAILED, -1, NULL);
    AUTO(json) json_t *event = NULL;

    o.signal = 9;
    CHECK_OK(dispatch_end(&options, &c, &o, &event, e));
    CHECK(json_is_true(json_object_get(event, "again")));
    ck_assert_uint_eq(world_messages(&w, -1), 0);
}
END

/* The jobs that wait. */
static struct catalog_job_list waiting(const struct world *w, struct arena *a)
{
    AUTO(catalog_tx) struct catalog_tx *t = world_read(w);
    struct catalog_job_list jobs = {0};

    CHECK_OK(catalog_job_list(t, a, &jobs, e));
    return jobs;
}

TEST(retention_follows_a_backup_that_succeeded_and_no_other)
{
    static const struct {
        const char *rules;
        enum child_state state;
        size_t jobs;
    } rows[] = {
        {"    retention: {daily: 7}\n", CHILD_SUCCEEDED, 1},
        {"    retention: {daily: 7}\n", CHILD_FAILED, 0},
        {"", CHILD_SUCCEEDED, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(world) struct world w;
        AUTO(arena) struct arena a = {0};

        world_init(&w, rows[i].rules);

        const struct child_job c = taken_job(&w, RUN_BACKUP, 1);

        (void)end_job(&w, &c, rows[i].state, 0, "{}", &a);

        const struct catalog_job_list jobs = waiting(&w, &a);

        ck_assert_uint_eq(jobs.count, rows[i].jobs);
        CHECK(jobs.count == 0 ||
              (jobs.items[0].kind == RUN_RETENTION && strcmp(jobs.items[0].set, "shop") == 0));
    }
}
END

TEST(retention_that_is_paused_is_skipped_and_nobody_is_told)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    AUTO(json) json_t *failing = json_pack("{s:i}", "failed_runs", 2);

    world_init(&w, "");

    struct child_job c = taken_job(&w, RUN_RETENTION, 1);

    c.verb = CHILD_FORGET;
    c.arguments = failing;
    ck_assert_int_eq((int)end_job(&w, &c, CHILD_CONFLICT, 11, NULL, &a).outcome.state, RUN_SKIPPED);
    ck_assert_uint_eq(world_messages(&w, -1), 0);
}
END

TEST(a_drill_that_failed_proves_nothing)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job first = taken_job(&w, RUN_DRILL, 1);
    const struct catalog_run bad =
        end_job(&w, &first, CHILD_DRILL_FAILED, 14, "{\"snapshot\":\"abc\"}", &a);

    ck_assert_int_eq((int)bad.outcome.state, RUN_FAILED);
    ck_assert_str_eq(bad.outcome.verdict, "failed");
    ck_assert_str_eq(bad.outcome.snapshot, "abc");
}
END

TEST(what_another_host_holds_by_now_is_not_written)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    struct child_job c = taken_job(&w, RUN_BACKUP, 1);

    c.attempt++;
    ck_assert_int_eq((int)end_job(&w, &c, CHILD_SUCCEEDED, 0, "{}", &a).outcome.state, RUN_RUNNING);
    ck_assert_uint_eq(world_messages(&w, -1), 0);
}
END

TEST(an_interrupted_job_is_left_to_its_lease)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);

    ck_assert_int_eq((int)end_job(&w, &c, CHILD_INTERRUPTED, -1, NULL, &a).outcome.state,
                     RUN_RUNNING);
}
END

TEST(what_was_only_rehearsed_counts_as_nothing_and_is_told_to_nobody)
{
    static const struct {
        enum catalog_run_kind kind;
        enum child_verb verb;
        const char *arguments;
        enum catalog_run_state state;
    } rows[] = {
        {RUN_BACKUP, CHILD_BACKUP, "{\"dry_run\":true}", RUN_SKIPPED},
        {RUN_RESTORE, CHILD_RESTORE, "{\"plan\":true}", RUN_SUCCESS},
        {RUN_RETENTION, CHILD_FORGET, "{\"dry_run\":true}", RUN_SUCCESS},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(world) struct world w;
        AUTO(arena) struct arena a = {0};
        AUTO(json) json_t *arguments = json_loads(rows[i].arguments, 0, NULL);

        world_init(&w, "    retention: {daily: 7}\n");

        struct child_job c = taken_job(&w, rows[i].kind, 1);

        c.verb = rows[i].verb;
        c.arguments = arguments;
        ck_assert_int_eq((int)end_job(&w, &c, CHILD_SUCCEEDED, 0, "{}", &a).outcome.state,
                         (int)rows[i].state);
        CHECK(set_of(&w, &a).success_ns == 0);
        ck_assert_uint_eq(world_messages(&w, -1), 0);
        ck_assert_uint_eq(waiting(&w, &a).count, 0);
    }
}
END

/* Let leases of no length end, and say what is taken then: whether there was something. */
static bool take_again(const struct world *w, const struct dispatch_options *o)
{
    struct dispatch_options options = *o;
    const struct catalog_job_listener listener = {dispatch_given_up, &options};
    const struct catalog_job_offer offer = {
        .holder = "test", .place = "here", .lease_ms = 1, .listener = &listener};
    AUTO(arena) struct arena a = {0};
    struct catalog_job j;
    bool found = false;

    (void)poll(NULL, 0, 20);
    CHECK_OK(catalog_job_claim(w->catalog, &offer, &a, &j, &found, e));
    return found;
}

static void queue_job(const struct world *w, struct catalog_job_ids *ids)
{
    const struct catalog_job_request q = {
        .kind = RUN_BACKUP, .set = "shop", .arguments = "{}", .requested_by = "test"};
    struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin(w->catalog, &t, e));
    CHECK_OK(catalog_job_enqueue(t, &q, ids, e));
    CHECK_OK(catalog_commit(&t, e));
}

TEST(a_job_that_was_interrupted_for_good_is_told_once_as_a_failure)
{
    AUTO(world) struct world w;
    AUTO(arena) struct arena a = {0};
    struct catalog_job_ids ids;
    struct catalog_message_list list = {0};

    world_init(&w, "");

    const struct dispatch_options o = {
        .catalog = w.catalog, .config = w.config, .templates = w.templates, .host = "here"};

    queue_job(&w, &ids);
    CHECK(take_again(&w, &o));
    CHECK(take_again(&w, &o));
    ck_assert_uint_eq(world_messages(&w, -1), 0); /* it was tried again first */
    CHECK(!take_again(&w, &o));
    CHECK(!take_again(&w, &o));
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2);
    ck_assert_int_eq((int)set_of(&w, &a).failures, 2);

    AUTO(catalog_tx) struct catalog_tx *t = world_read(&w);

    CHECK_OK(catalog_outbox_list(t, -1, &(struct catalog_page){.limit = 10}, &a, &list, e));
    for (size_t i = 0; i < list.count; i++) {
        CHECK(strstr(list.items[i].payload, "has not been heard of any more") != NULL);
        CHECK(strstr(list.items[i].payload, "Backup Failed") != NULL);
        CHECK(strcmp(list.items[i].recipient, "https://h.example.org/good") != 0);
    }
}
END

TEST(one_that_was_to_be_cancelled_is_told_to_nobody)
{
    AUTO(world) struct world w;
    struct catalog_job_ids ids;
    struct catalog_tx *t = NULL;

    world_init(&w, "");

    const struct dispatch_options o = {
        .catalog = w.catalog, .config = w.config, .templates = w.templates, .host = "here"};

    queue_job(&w, &ids);
    CHECK(take_again(&w, &o));
    CHECK_OK(catalog_begin(w.catalog, &t, e));
    CHECK_OK(catalog_job_cancel(t, ids.job, e));
    CHECK_OK(catalog_commit(&t, e));
    CHECK(!take_again(&w, &o));
    ck_assert_uint_eq(world_messages(&w, -1), 0);
}
END

TEST(a_job_that_no_host_took_is_told_where_its_set_is_known)
{
    AUTO(world) struct world w;
    struct catalog_job_ids ids;
    struct catalog_tx *t = NULL;
    int64_t count = 0;

    world_init(&w, "");

    struct dispatch_options o = {
        .catalog = w.catalog, .config = w.config, .templates = w.templates, .host = "here"};
    const struct catalog_job_listener listener = {dispatch_given_up, &o};

    queue_job(&w, &ids);
    CHECK_OK(catalog_begin(w.catalog, &t, e));
    CHECK_OK(catalog_job_give_up(t, INT64_MAX, &listener, &count, e));
    CHECK_OK(catalog_commit(&t, e));
    ck_assert_int_eq((int)count, 1);
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2);
}
END

TEST(each_kind_of_run_has_its_command_and_others_are_refused)
{
    AUTO(json) json_t *none = json_object();
    AUTO(json) json_t *undo = json_pack("{s:s}", "restore", "x");
    AUTO(json) json_t *trial = json_pack("{s:s}", "document", "{}");
    AUTO(json) json_t *test = json_pack("{s:s}", "command", "config test");
    struct catalog_job j = {.kind = RUN_RESTORE};
    enum child_verb verb;

    CHECK_OK(dispatch_verb(&j, none, &verb, e));
    CHECK(verb == CHILD_RESTORE);
    CHECK_OK(dispatch_verb(&j, undo, &verb, e));
    CHECK(verb == CHILD_UNDO);
    j.kind = RUN_CHECK;
    CHECK_OK(dispatch_verb(&j, none, &verb, e));
    CHECK(verb == CHILD_CHECK);
    CHECK_OK(dispatch_verb(&j, trial, &verb, e));
    CHECK(verb == CHILD_TRY);
    CHECK_OK(dispatch_verb(&j, test, &verb, e));
    CHECK(verb == CHILD_TRY);
    j.kind = RUN_IMPORT;
    CHECK_OK(dispatch_verb(&j, none, &verb, e));
    CHECK(verb == CHILD_IMPORT);
    j.set = CFMS_JOB_SET;
    CHECK_OK(dispatch_verb(&j, none, &verb, e));
    CHECK(verb == CHILD_CFMS_IMPORT);
    j.kind = RUN_EXPORT;
    CHECK_OK(dispatch_verb(&j, none, &verb, e));
    CHECK(verb == CHILD_CFMS_EXPORT);
    j.set = "shop";
    CHECK_ERR(dispatch_verb(&j, none, &verb, e), ERR_USAGE);
    j.kind = RUN_PUSH;
    CHECK_ERR(dispatch_verb(&j, none, &verb, e), ERR_USAGE);
}
END

/* The outbox */

TEST(a_message_that_cannot_arrive_now_waits_and_one_that_never_can_is_given_up)
{
    AUTO(world) struct world w;

    world_init(&w, "");

    AUTO(arena) struct arena a = {0};
    const struct child_job c = taken_job(&w, RUN_BACKUP, 1);
    static const char *const allowed[] = {"h.example.org:443"};
    const struct message_settings settings = {
        .outbound = {.allowed = allowed, .allowed_count = 1, .connect_ms = 200, .total_ms = 400}};
    size_t sent = 9;
    int wait_ms = 0;

    (void)end_job(&w, &c, CHILD_FAILED, 13, NULL, &a);
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 2);
    CHECK_OK(sender_step(w.catalog, &settings, &sent, e));
    CHECK(sent == 0);
    ck_assert_uint_eq(world_messages(&w, OUTBOX_WAITING), 1); /* the address that does not answer */
    ck_assert_uint_eq(world_messages(&w, OUTBOX_FAILED), 1);  /* mail, and no mail server */
    CHECK_OK(sender_due(w.catalog, 500, &wait_ms, e));
    ck_assert_int_eq(wait_ms, 500);
}
END

TESTS("job dispatch", a_backup_that_succeeded_is_recorded_with_its_snapshot_and_told,
      a_failure_is_recorded_with_its_sentence_and_told_to_others,
      an_end_is_recorded_when_no_more_messages_may_wait_and_their_loss_is_told,
      a_degraded_backup_is_a_success_that_names_who_lacks_it,
      a_store_is_up_when_a_job_was_done_and_down_when_it_could_not_be_opened,
      a_failure_of_something_else_says_nothing_of_the_store,
      each_of_several_stores_is_what_the_job_says_of_it,
      a_store_is_verified_by_a_check_that_read_all_and_until_one_finds_damage,
      what_is_left_of_past_keys_is_what_a_measuring_said_in_full,
      a_check_that_did_not_read_everything_has_no_verdict,
      an_incomplete_backup_is_a_success_only_of_a_set_that_may_be_incomplete,
      who_counts_the_time_hears_of_an_incomplete_backup_that_is_allowed,
      a_failure_that_may_pass_is_tried_again_before_anybody_is_told,
      a_job_that_somebody_killed_is_tried_again,
      retention_follows_a_backup_that_succeeded_and_no_other,
      retention_that_is_paused_is_skipped_and_nobody_is_told, a_drill_that_failed_proves_nothing,
      what_another_host_holds_by_now_is_not_written, an_interrupted_job_is_left_to_its_lease,
      what_was_only_rehearsed_counts_as_nothing_and_is_told_to_nobody,
      a_job_that_was_interrupted_for_good_is_told_once_as_a_failure,
      one_that_was_to_be_cancelled_is_told_to_nobody,
      a_job_that_no_host_took_is_told_where_its_set_is_known,
      each_kind_of_run_has_its_command_and_others_are_refused,
      a_message_that_cannot_arrive_now_waits_and_one_that_never_can_is_given_up)
