/* Plans for real repositories, and what they remove. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/job.h"
#include "support/fixture.h"

#define DAY (INT64_C(86400) * NS_PER_S)
#define NOW (INT64_C(20000) * DAY + DAY / 2)

/* A snapshot that the store receives at a time, and that says it is of another. */
static struct hash put_at(struct repo *r, int64_t received_ns, int64_t claimed_ns, const char *tag,
                          const struct hash *original)
{
    AUTO(snapshot) struct snapshot *s = snapshot_new();

    s->time_ns = s->scan_started_ns = claimed_ns;
    s->host = mem_string("h");
    s->user = mem_string("u");
    s->program = mem_string("p");
    s->set = mem_string("shop");
    snapshot_add_path(s, "/");
    if (tag != NULL)
        snapshot_add_tag(s, tag);
    if (original != NULL) {
        s->has_original = true;
        s->original = *original;
    }
    clock_set_for_tests(received_ns);
    CHECK_OK(snapshot_put(r, s, e));
    CHECK_OK(snapshot_commit(r, &s->id, e));
    clock_set_for_tests(0);
    return s->id;
}

/* Received as many days ago as its age says, at noon. */
static struct hash put(struct repo *r, int age, const char *tag)
{
    return put_at(r, NOW - age * DAY, NOW - age * DAY, tag, NULL);
}

static void prove(struct repo *r, const struct hash *id, int age, const char *verdict)
{
    AUTO(buf) struct buf json = {0};
    char text[65], time[CLOCK_TEXT_MAX];

    snapshot_id_text(id, text);
    clock_format(NOW - age * DAY, time);
    buf_printf(&json, "{\"snapshot\": \"%s\", \"time\": \"%s\", \"verdict\": \"%s\"}", text, time,
               verdict);
    CHECK_OK(evidence_put(r, id, buf_slice(&json), e));
}

/* A repository, a set with rules, and what is known. */
struct shop {
    struct store *store;
    struct repo *repo;
    struct config_repository in;
    struct config_set set;
    struct retention_known known;
    struct retention_verified whole; /* what it points to */
};

static void shop_init(struct shop *s)
{
    *s = (struct shop){.in = {.name = "main"},
                       .set = {.name = "shop",
                               .retention = {.daily = 2},
                               .limits = {.min_keep = 1, .max_percent = 100}},
                       .known = {.now_ns = NOW}};
    s->store = store_memory_new();
    s->repo = fixture_repo(s->store);
}

static void shop_auto(struct shop *s)
{
    repo_close(s->repo);
    store_close(s->store);
}

/* All of it was read and found whole at a time. */
static void know_whole(struct shop *s, int64_t time_ns)
{
    repo_id_text(s->repo, s->whole.repository);
    s->whole.time_ns = time_ns;
    s->known.verified = &s->whole;
    s->known.verified_count = 1;
}

static struct retention_run *plan(struct shop *s)
{
    struct retention_run *run = NULL;

    CHECK_OK(retention_run_plan(s->repo, &s->set, &s->in, &s->known, &run, e));
    return run;
}

static const struct retention_decision *decision_of(const struct retention_run *run,
                                                    const struct hash *id)
{
    char text[65];

    snapshot_id_text(id, text);
    for (size_t i = 0; i < run->plan->count; i++)
        if (strcmp(run->plan->decisions[i].item->id, text) == 0)
            return &run->plan->decisions[i];
    return NULL;
}

static enum retention_action action_of(const struct retention_run *run, const struct hash *id)
{
    const struct retention_decision *d = decision_of(run, id);

    ck_assert_ptr_nonnull(d);
    return d->action;
}

static size_t count_committed(struct repo *r)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    return all.count;
}

TEST(the_time_at_which_the_store_got_a_snapshot_counts_not_the_one_it_claims)
{
    AUTO(shop) struct shop s;
    struct hash liar, honest;

    shop_init(&s);
    (void)put(s.repo, 30, NULL); /* the oldest is kept as the first */
    honest = put(s.repo, 2, NULL);
    liar = put_at(s.repo, NOW - 10 * DAY, NOW - DAY, NULL, NULL);
    (void)put(s.repo, 1, NULL);

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_int_eq(action_of(run, &honest), RETENTION_KEEP);
    ck_assert_int_eq(action_of(run, &liar), RETENTION_REMOVE);
}
END

TEST(copies_count_by_their_own_time_and_take_no_place_of_what_was_written_there)
{
    AUTO(shop) struct shop s;
    struct hash original = {{1}}, copies[3], written[2];

    shop_init(&s);
    for (int i = 0; i < 2; i++)
        written[i] = put(s.repo, i + 1, NULL);
    for (int i = 0; i < 3; i++) /* all came within a moment */
        copies[i] = put_at(s.repo, NOW - DAY / 4, NOW - (i + 1) * DAY, NULL, &original);

    AUTO(retention_run) struct retention_run *run = plan(&s);

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(action_of(run, &written[i]), RETENTION_KEEP);
        ck_assert_int_eq(action_of(run, &copies[i]), RETENTION_KEEP);
    }
    ck_assert_int_eq(action_of(run, &copies[2]), RETENTION_REMOVE);
}
END

TEST(evidence_of_drills_is_trust_and_the_newest_counts)
{
    AUTO(shop) struct shop s;
    struct hash old, failed, again;

    shop_init(&s);
    old = put(s.repo, 20, NULL);
    (void)put(s.repo, 19, NULL);
    again = put(s.repo, 2, NULL);
    failed = put(s.repo, 1, NULL);
    prove(s.repo, &old, 18, "proven");
    prove(s.repo, &failed, 1, "proven");
    prove(s.repo, &failed, 0, "failed");
    prove(s.repo, &again, 1, "failed");
    prove(s.repo, &again, 0, "not checked");

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_int_eq((int)decision_of(run, &old)->item->trust, TRUST_PROVEN);
    ck_assert_int_eq((int)decision_of(run, &failed)->item->trust, TRUST_FAILED);
    ck_assert_int_eq((int)decision_of(run, &again)->item->trust, TRUST_FAILED);
    ck_assert_int_eq(action_of(run, &old), RETENTION_KEEP);
}
END

TEST(what_was_made_from_a_proven_snapshot_is_proven)
{
    AUTO(shop) struct shop s;
    struct hash first, tagged;

    shop_init(&s);
    first = put(s.repo, 3, NULL);
    prove(s.repo, &first, 2, "proven");
    tagged = put_at(s.repo, NOW - DAY, NOW - 3 * DAY, "x", &first);

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_int_eq((int)decision_of(run, &tagged)->item->trust, TRUST_PROVEN);
}
END

TEST(what_was_there_when_everything_was_read_is_verified)
{
    AUTO(shop) struct shop s;
    struct hash before, after;

    shop_init(&s);
    before = put(s.repo, 3, NULL);
    after = put(s.repo, 1, NULL);
    know_whole(&s, NOW - 2 * DAY);

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_int_eq((int)decision_of(run, &before)->item->trust, TRUST_VERIFIED);
    ck_assert_int_eq((int)decision_of(run, &after)->item->trust, TRUST_NONE);
}
END

TEST(a_reading_that_is_doubtful_verifies_nothing)
{
    AUTO(shop) struct shop s;
    struct hash id;

    shop_init(&s);
    id = put(s.repo, 3, NULL);
    know_whole(&s, NOW + 2 * RETENTION_SKEW_NS); /* a clock that was wrong */

    AUTO(retention_run) struct retention_run *ahead = plan(&s);

    ck_assert_int_eq((int)decision_of(ahead, &id)->item->trust, TRUST_NONE);
    know_whole(&s, NOW - 3 * DAY + RETENTION_SKEW_NS); /* the store's clock may be behind */

    AUTO(retention_run) struct retention_run *close = plan(&s);

    ck_assert_int_eq((int)decision_of(close, &id)->item->trust, TRUST_NONE);
    know_whole(&s, NOW);
    s.whole.repository[0] ^= 1; /* another repository stood there */

    AUTO(retention_run) struct retention_run *other = plan(&s);

    ck_assert_int_eq((int)decision_of(other, &id)->item->trust, TRUST_NONE);
}
END

TEST(only_what_was_verified_fills_places_and_what_is_newer_waits)
{
    AUTO(shop) struct shop s;
    struct hash old[4], newer;

    shop_init(&s);
    for (int i = 0; i < 4; i++)
        old[i] = put(s.repo, 20 - i, NULL);
    newer = put(s.repo, 1, NULL);
    s.set.retention = (struct retention){.last = 1};
    s.set.limits.only = ONLY_VERIFIED;

    AUTO(retention_run) struct retention_run *none = plan(&s);

    ck_assert_uint_eq(none->plan->removed, 0);
    know_whole(&s, NOW - 10 * DAY);
    prove(s.repo, &old[0], 9, "proven");
    prove(s.repo, &old[3], 9, "failed");

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_int_eq(action_of(run, &old[0]), RETENTION_KEEP); /* the last proven */
    ck_assert_int_eq(action_of(run, &old[1]), RETENTION_REMOVE);
    ck_assert_int_eq(action_of(run, &old[2]), RETENTION_KEEP);
    ck_assert_int_eq(action_of(run, &newer), RETENTION_KEEP);
    CHECK(strstr(decision_of(run, &newer)->reason, "newer than the last one that counts") != NULL);
}
END

/* The first run of a version whose default looks at drills, in a set with one a week. */
TEST(a_set_with_a_drill_a_week_keeps_all_that_it_kept_and_what_was_proven_besides)
{
    AUTO(shop) struct shop s;
    struct hash daily[22]; /* by their age */
    const struct config_repository *in = &s.in;

    shop_init(&s);
    s.set.retention = (struct retention){.daily = 3};
    for (int age = 21; age > 0; age--) {
        daily[age] = put(s.repo, age, NULL);
        if (age % 7 == 0)
            prove(s.repo, &daily[age], age - 1, "proven");
    }
    s.set.repositories = &in;
    s.set.repository_count = 1;

    AUTO(retention_run) struct retention_run *before = plan(&s);

    s.set.limits.only = ONLY_AUTO;

    AUTO(retention_run) struct retention_run *without = plan(&s);

    ck_assert_uint_eq(without->plan->removed, before->plan->removed);
    s.set.drill = mem_string("0 5 * * 0");

    AUTO(retention_run) struct retention_run *after = plan(&s);

    for (int age = 1; age < 22; age++)
        if (action_of(before, &daily[age]) == RETENTION_KEEP || age < 7 || age % 7 == 0)
            ck_assert_int_eq(action_of(after, &daily[age]), RETENTION_KEEP);
        else
            ck_assert_int_eq(action_of(after, &daily[age]), RETENTION_REMOVE);
    mem_free(s.set.drill);
}
END

TEST(a_set_whose_drills_all_fail_keeps_its_last_proven_snapshot)
{
    AUTO(shop) struct shop s;
    struct hash proven;

    shop_init(&s);
    (void)put(s.repo, 41, NULL);
    proven = put(s.repo, 40, NULL);
    prove(s.repo, &proven, 39, "proven");
    for (int age = 20; age > 0; age--) {
        const struct hash id = put(s.repo, age, NULL);

        prove(s.repo, &id, age, "failed");
    }
    prove(s.repo, &proven, 0, "failed"); /* the drill itself has become unable */

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_int_eq((int)decision_of(run, &proven)->item->trust, TRUST_FAILED);
    ck_assert_int_eq(action_of(run, &proven), RETENTION_KEEP);
    CHECK(strstr(decision_of(run, &proven)->reason, "proven, and failed later") != NULL);
}
END

TEST(pins_restore_points_and_safety_snapshots_stay_and_expire)
{
    static const struct {
        const char *tag;
        int age;
        enum retention_action action;
    } rows[] = {
        {"pin", 20, RETENTION_KEEP},
        {"pinned", 20, RETENTION_REMOVE},
        {"restore-point", 20, RETENTION_KEEP},
        {"restore-points", 20, RETENTION_REMOVE},
        {"restore-point:2100-01-01T00:00:00Z", 20, RETENTION_KEEP},
        {"restore-point:2001-01-01T00:00:00Z", 20, RETENTION_REMOVE},
        {"restore-point:soon", 20, RETENTION_KEEP}, /* doubt keeps */
        {"safety", 29, RETENTION_KEEP},
        {"safety", 31, RETENTION_REMOVE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(shop) struct shop s;
        struct hash id;

        shop_init(&s);
        (void)put(s.repo, 40, NULL);
        id = put(s.repo, rows[i].age, rows[i].tag);
        (void)put(s.repo, 2, NULL);
        (void)put(s.repo, 1, NULL);

        AUTO(retention_run) struct retention_run *run = plan(&s);

        if (action_of(run, &id) != rows[i].action)
            ck_abort_msg("row %zu: %s", i, decision_of(run, &id)->reason);
    }
}
END

TEST(imports_are_shown_and_stay_and_fill_no_place)
{
    AUTO(shop) struct shop s;
    struct hash id, old;

    shop_init(&s);
    old = put(s.repo, 40, NULL);
    id = put(s.repo, 2, NULL);

    AUTO(retention_run) struct retention_run *before = plan(&s);

    for (int age = 1; age < 10; age++)
        old = put(s.repo, age, SNAPSHOT_IMPORT "wireguard");

    AUTO(retention_run) struct retention_run *after = plan(&s);

    ck_assert_uint_eq(after->plan->count, before->plan->count + 9);
    ck_assert_uint_eq(after->plan->removed, before->plan->removed);
    ck_assert_int_eq(action_of(after, &id), RETENTION_KEEP);
    ck_assert_int_eq(action_of(after, &old), RETENTION_KEEP);
    CHECK(strstr(decision_of(after, &old)->reason, "until it is forgotten by its id") != NULL);
    ck_assert_int_eq((int)decision_of(after, &old)->item->kind, RETENTION_IMPORT);
}
END

/* Something uploaded for a set, received that many days ago. */
static struct hash upload(struct repo *r, int age, const char *name, const char *set)
{
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    AUTO(buf) struct buf tag = {0};

    buf_printf(&tag, SNAPSHOT_UPLOAD "%s", set);
    s->time_ns = s->scan_started_ns = NOW - age * DAY;
    s->host = mem_string("h");
    s->user = mem_string("u");
    s->program = mem_string("p");
    snapshot_add_path(s, name);
    snapshot_add_tag(s, buf_string(&tag));
    clock_set_for_tests(NOW - age * DAY);
    CHECK_OK(snapshot_put(r, s, e));
    CHECK_OK(snapshot_commit(r, &s->id, e));
    clock_set_for_tests(0);
    return s->id;
}

TEST(uploads_are_judged_name_by_name_and_push_out_no_backup)
{
    AUTO(shop) struct shop s;
    struct hash backups[2], dumps[3], other, strange;

    shop_init(&s);
    s.set.retention = (struct retention){.last = 2};
    for (int i = 0; i < 2; i++)
        backups[i] = put(s.repo, 9 - i, NULL);
    for (int i = 0; i < 3; i++)
        dumps[i] = upload(s.repo, 3 - i, "/dump.sql", "shop");
    other = upload(s.repo, 5, "/other.sql", "shop");
    strange = upload(s.repo, 20, "/dump.sql", "till");

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_uint_eq(run->plan->count, 6);
    CHECK(action_of(run, &backups[0]) == RETENTION_KEEP &&
          action_of(run, &backups[1]) == RETENTION_KEEP);
    CHECK(action_of(run, &dumps[0]) == RETENTION_REMOVE &&
          action_of(run, &dumps[1]) == RETENTION_KEEP &&
          action_of(run, &dumps[2]) == RETENTION_KEEP);
    ck_assert_int_eq(action_of(run, &other), RETENTION_KEEP);
    CHECK(decision_of(run, &strange) == NULL);
}
END

TEST(no_drill_proves_an_upload_so_that_to_be_verified_is_enough)
{
    AUTO(shop) struct shop s;
    struct hash dumps[3];

    shop_init(&s);
    s.set.retention = (struct retention){.last = 1};
    s.set.limits.only = ONLY_PROVEN;
    for (int i = 0; i < 3; i++)
        dumps[i] = upload(s.repo, 9 - i, "/dump.sql", "shop");

    AUTO(retention_run) struct retention_run *none = plan(&s);

    ck_assert_uint_eq(none->plan->removed, 0);
    know_whole(&s, NOW - DAY);

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_uint_eq(run->plan->removed, 2);
    ck_assert_int_eq(action_of(run, &dumps[2]), RETENTION_KEEP);
}
END

TEST(snapshots_of_other_sets_are_left_alone)
{
    AUTO(shop) struct shop s;
    uint64_t removed = 0;

    shop_init(&s);
    for (int age = 5; age > 0; age--)
        (void)put(s.repo, age, NULL);
    s.set.name = "other";

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_uint_eq(run->plan->count, 0);
    CHECK_OK(retention_run_apply(s.repo, run, &removed, e));
    ck_assert_uint_eq(removed, 0);
    ck_assert_uint_eq(count_committed(s.repo), 5);
}
END

TEST(applying_removes_what_the_plan_says_and_a_second_plan_removes_nothing)
{
    AUTO(shop) struct shop s;
    uint64_t removed = 0;

    shop_init(&s);
    for (int age = 6; age > 0; age--)
        (void)put(s.repo, age, NULL);

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_uint_eq(run->plan->removed, 4);
    ck_assert_uint_eq(count_committed(s.repo), 6);
    CHECK_OK(retention_run_apply(s.repo, run, &removed, e));
    ck_assert_uint_eq(removed, 4);
    ck_assert_uint_eq(count_committed(s.repo), 2);

    AUTO(retention_run) struct retention_run *again = plan(&s);

    ck_assert_uint_eq(again->plan->removed, 0);
}
END

TEST(while_backups_fail_nothing_is_removed)
{
    AUTO(shop) struct shop s;
    uint64_t removed = 0;

    shop_init(&s);
    for (int age = 6; age > 0; age--)
        (void)put(s.repo, age, NULL);
    s.known.failed_runs = 1;

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_int_eq((int)run->plan->state, RETENTION_PAUSED);
    CHECK_OK(retention_run_apply(s.repo, run, &removed, e));
    ck_assert_uint_eq(removed, 0);
    ck_assert_uint_eq(count_committed(s.repo), 6);
}
END

TEST(a_digest_finds_the_plan_that_was_shown_the_approved_one_too_and_no_other)
{
    AUTO(shop) struct shop s;
    char limited[65], approved[65];

    shop_init(&s);
    s.set.limits.max_percent = 20;
    for (int age = 10; age > 0; age--)
        (void)put(s.repo, age, NULL);

    AUTO(retention_run) struct retention_run *a = plan(&s);

    s.known.is_approved = true;

    AUTO(retention_run) struct retention_run *b = plan(&s);

    s.known.is_approved = false;
    hex_encode(SLICE_OF(a->plan->digest.bytes, HASH_SIZE), limited);
    hex_encode(SLICE_OF(b->plan->digest.bytes, HASH_SIZE), approved);

    AUTO(retention_run) struct retention_run *found = NULL;
    AUTO(retention_run) struct retention_run *more = NULL;
    AUTO(retention_run) struct retention_run *none = NULL;

    CHECK_OK(retention_run_find(s.repo, &s.set, &s.in, &s.known, limited, &found, e));
    ck_assert_uint_eq(found->plan->removed, 2);
    CHECK_OK(retention_run_find(s.repo, &s.set, &s.in, &s.known, approved, &more, e));
    ck_assert_uint_eq(more->plan->removed, 8);
    (void)put(s.repo, 0, NULL);
    CHECK_ERR(retention_run_find(s.repo, &s.set, &s.in, &s.known, approved, &none, e), ERR_EXISTS);
}
END

TEST(the_rules_of_the_repository_come_before_those_of_the_set_and_none_is_a_mistake)
{
    AUTO(shop) struct shop s;
    struct retention_run *none = NULL;

    shop_init(&s);
    for (int age = 6; age > 0; age--)
        (void)put(s.repo, age, NULL);
    s.in.retention.last = 5;
    s.in.limits = (struct retention_limits){.min_keep = 1, .max_percent = 100};

    AUTO(retention_run) struct retention_run *run = plan(&s);

    ck_assert_uint_eq(run->plan->kept, 5);
    s.in.retention.last = 0;
    s.set.retention.daily = 0;
    CHECK_ERR(retention_run_plan(s.repo, &s.set, &s.in, &s.known, &none, e), ERR_USAGE);
}
END

TESTS("retention runs", the_time_at_which_the_store_got_a_snapshot_counts_not_the_one_it_claims,
      copies_count_by_their_own_time_and_take_no_place_of_what_was_written_there,
      evidence_of_drills_is_trust_and_the_newest_counts,
      what_was_made_from_a_proven_snapshot_is_proven,
      what_was_there_when_everything_was_read_is_verified,
      a_reading_that_is_doubtful_verifies_nothing,
      only_what_was_verified_fills_places_and_what_is_newer_waits,
      a_set_with_a_drill_a_week_keeps_all_that_it_kept_and_what_was_proven_besides,
      a_set_whose_drills_all_fail_keeps_its_last_proven_snapshot,
      pins_restore_points_and_safety_snapshots_stay_and_expire,
      imports_are_shown_and_stay_and_fill_no_place,
      uploads_are_judged_name_by_name_and_push_out_no_backup,
      no_drill_proves_an_upload_so_that_to_be_verified_is_enough,
      snapshots_of_other_sets_are_left_alone,
      applying_removes_what_the_plan_says_and_a_second_plan_removes_nothing,
      while_backups_fail_nothing_is_removed,
      a_digest_finds_the_plan_that_was_shown_the_approved_one_too_and_no_other,
      the_rules_of_the_repository_come_before_those_of_the_set_and_none_is_a_mistake)
