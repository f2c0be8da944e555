#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/job.h"

#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS  (24 * HOUR_NS)
#define NOW     (INT64_C(1795000000) * NS_PER_S)

enum { ITEMS_MAX = 200 };

/* A set and its snapshots. */
struct world {
    struct retention_case c;
    struct retention_item items[ITEMS_MAX];
    char ids[ITEMS_MAX][24];
};

static struct world *world_new(void)
{
    struct world *w = mem_new(sizeof(*w));

    w->c = (struct retention_case){
        .set = "shop", .limits = RETENTION_LIMITS, .items = w->items, .now_ns = NOW};
    w->c.limits.max_percent = 100;
    return w;
}

static void world_auto(struct world **w)
{
    mem_free(*w);
}

/* Add a snapshot, age_ns old. */
static struct retention_item *add(struct world *w, int64_t age_ns, enum trust trust)
{
    struct retention_item *i = &w->items[w->c.count];

    (void)snprintf(w->ids[w->c.count], sizeof(w->ids[0]), "s%zu", w->c.count);
    *i = (struct retention_item){
        .id = w->ids[w->c.count], .received_ns = NOW - age_ns, .trust = trust, .size = 1000};
    w->c.count++;
    return i;
}

/* One a day, the newest an hour old. */
static void add_days(struct world *w, int count, enum trust trust)
{
    for (int i = 0; i < count; i++)
        (void)add(w, HOUR_NS + i * DAY_NS, trust);
}

static const struct retention_decision *decision(const struct retention_plan *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->decisions[i].item->id, id) == 0)
            return &p->decisions[i];
    ck_abort_msg("no decision about %s", id);
}

/* Actions of s0, s1, ... as letters, and the plan for further looks. */
static struct retention_plan *check_actions(const struct world *w, const char *wanted)
{
    struct retention_plan *p = retention_plan_new(&w->c);
    char got[ITEMS_MAX + 1] = "";

    ck_assert_uint_eq(p->count, w->c.count);
    for (size_t i = 0; i < w->c.count; i++)
        got[i] = "KRH"[decision(p, w->ids[i])->action];
    ck_assert_str_eq(got, wanted);
    return p;
}

static void check_reason(const struct retention_plan *p, const char *id, const char *wanted)
{
    const char *reason = decision(p, id)->reason;

    ck_assert_msg(strstr(reason, wanted) != NULL, "%s: %s", id, reason);
}

TEST(what_no_rule_keeps_goes_and_each_reason_is_told)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 5, TRUST_NONE);
    w->c.rules = (struct retention){.daily = 3};

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKKRR");

    CHECK(p->state == RETENTION_READY && p->sentence == NULL);
    CHECK(p->kept == 3 && p->removed == 2 && p->held == 0 && p->bytes_removed == 2000);
    check_reason(p, "s0", "daily snapshot");
    check_reason(p, "s4", "no rule keeps it");
}
END

TEST(without_rules_everything_stays)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 3, TRUST_FAILED);

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKK");

    check_reason(p, "s2", "no rule is given");
}
END

TEST(no_snapshots_make_an_empty_plan)
{
    AUTO(world) struct world *w = world_new();

    w->c.rules = (struct retention){.daily = 3};

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "");

    CHECK(p->state == RETENTION_READY);
}
END

TEST(only_proven_snapshots_fill_places_when_the_set_says_so)
{
    AUTO(world) struct world *w = world_new();

    (void)add(w, HOUR_NS, TRUST_NONE); /* not proven yet */
    (void)add(w, DAY_NS, TRUST_PROVEN);
    (void)add(w, 2 * DAY_NS, TRUST_VERIFIED);
    (void)add(w, 3 * DAY_NS, TRUST_NONE);
    (void)add(w, 4 * DAY_NS, TRUST_PROVEN);
    (void)add(w, 5 * DAY_NS, TRUST_PROVEN);
    w->c.rules = (struct retention){.daily = 2};
    w->c.limits.only = ONLY_PROVEN;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKRRKR");

    check_reason(p, "s0", "newer than the last one that counts");
    check_reason(p, "s2", "not proven: fills no place");
    w->c.limits.only = ONLY_VERIFIED;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "KKKRRR");

    check_reason(q, "s3", "not verified: fills no place");
}
END

TEST(by_default_only_verified_snapshots_fill_places_where_something_looks_at_them)
{
    AUTO(world) struct world *w = world_new();

    (void)add(w, HOUR_NS, TRUST_NONE); /* not looked at yet */
    (void)add(w, DAY_NS, TRUST_PROVEN);
    (void)add(w, 2 * DAY_NS, TRUST_NONE);
    (void)add(w, 3 * DAY_NS, TRUST_NONE);
    (void)add(w, 4 * DAY_NS, TRUST_VERIFIED);
    (void)add(w, 5 * DAY_NS, TRUST_VERIFIED);
    w->c.rules = (struct retention){.daily = 3};
    w->c.looks.at_backups = true;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKKRKK");

    ck_assert_str_eq(p->places, "only verified and proven snapshots fill places; no drill looks at "
                                "uploads: any sound one of these does");
    check_reason(p, "s0", "daily snapshot, takes no place: not verified");
    check_reason(p, "s2", "daily snapshot, takes no place: not verified");
    check_reason(p, "s3", "not verified: fills no place");
    check_reason(p, "s5", "daily snapshot");
    w->c.looks.at_backups = false;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "KKKRRR");

    ck_assert_str_eq(q->places,
                     "nothing proves the snapshots of this set: any sound one fills a place");
    w->c.looks.at_backups = true;
    w->c.limits.only = ONLY_ANY;

    AUTO(retention_plan) struct retention_plan *r = check_actions(w, "KKKRRR");

    CHECK(r->places == NULL);
}
END

TEST(by_default_nothing_goes_while_nothing_that_is_looked_at_was_verified)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 9, TRUST_NONE);
    w->c.rules = (struct retention){.last = 1};
    w->c.looks.at_backups = true;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKKKKKKKK");

    check_reason(p, "s8", "newer than the last one that counts");
    for (int i = 0; i < 9; i++) /* a drill does not look at them */
        w->items[i].kind = RETENTION_UPLOAD;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "KRRRRRRRR");

    (void)q;
}
END

/* A number that looks random, the same each time. */
static unsigned next(unsigned *state, unsigned below)
{
    *state = *state * 1103515245U + 12345U;
    return (*state >> 16) % below;
}

/* Snapshots, rules and limits of which nothing is ordinary. */
static void add_anything(struct world *w, unsigned *state)
{
    const unsigned count = 1 + next(state, 40);

    for (unsigned i = 0; i < count; i++) {
        struct retention_item *item =
            add(w, HOUR_NS * (1 + next(state, 24 * 60)), (enum trust)next(state, 4));

        item->was_proven = item->trust == TRUST_PROVEN || next(state, 8) == 0;
        item->is_pinned = next(state, 10) == 0;
        item->is_incomplete = next(state, 10) == 0;
        item->is_restore_point = next(state, 10) == 0;
        item->writer = next(state, 3) == 0 ? "b" : "a";
    }
    w->c.rules = (struct retention){.last = (int)next(state, 4),
                                    .daily = (int)next(state, 9) - 1,
                                    .weekly = (int)next(state, 5),
                                    .within = {.days = next(state, 10)}};
    w->c.limits.min_keep = 1 + (int)next(state, 8);
}

/* What an earlier version, for which any sound snapshot filled a place, did with the same. */
TEST(by_default_nothing_goes_that_stayed_when_any_snapshot_filled_a_place)
{
    unsigned state = 7;
    size_t kept_more = 0, wrong = 0;

    for (int round = 0; round < 3000; round++) {
        AUTO(world) struct world *w = world_new();

        add_anything(w, &state);
        w->c.limits.only = ONLY_ANY;

        AUTO(retention_plan) struct retention_plan *before = retention_plan_new(&w->c);

        w->c.limits.only = ONLY_AUTO;
        w->c.looks.at_backups = true;

        AUTO(retention_plan) struct retention_plan *after = retention_plan_new(&w->c);

        for (size_t i = 0; i < w->c.count; i++)
            wrong += decision(before, w->ids[i])->action == RETENTION_KEEP &&
                     decision(after, w->ids[i])->action != RETENTION_KEEP;
        kept_more += after->kept - before->kept;
    }
    ck_assert_uint_eq(wrong, 0);
    CHECK(kept_more > 1000);
}
END

TEST(everything_stays_while_nothing_counts)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 5, TRUST_VERIFIED);
    w->c.rules = (struct retention){.last = 1};
    w->c.limits.only = ONLY_PROVEN;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKKKK");

    (void)p;
}
END

TEST(failed_and_incomplete_snapshots_fill_no_place)
{
    AUTO(world) struct world *w = world_new();

    (void)add(w, HOUR_NS, TRUST_NONE);
    (void)add(w, DAY_NS, TRUST_FAILED);
    add(w, 2 * DAY_NS, TRUST_PROVEN)->is_incomplete = true;
    (void)add(w, 3 * DAY_NS, TRUST_NONE);
    w->c.rules = (struct retention){.daily = 2};

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KRRK");

    check_reason(p, "s1", "failed its check");
    check_reason(p, "s2", "incomplete");
}
END

TEST(pins_and_restore_points_stay_until_they_expire)
{
    AUTO(world) struct world *w = world_new();
    struct retention_item *i;

    (void)add(w, HOUR_NS, TRUST_NONE);
    add(w, DAY_NS, TRUST_NONE)->is_pinned = true;
    i = add(w, 2 * DAY_NS, TRUST_NONE);
    i->is_restore_point = true;
    i->expires_ns = NOW + 1;
    i = add(w, 3 * DAY_NS, TRUST_NONE);
    i->is_restore_point = true;
    i->expires_ns = NOW;
    add(w, 4 * DAY_NS, TRUST_NONE)->is_restore_point = true;
    w->c.rules = (struct retention){.last = 1};

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKKRK");

    check_reason(p, "s1", "pinned");
    check_reason(p, "s2", "restore point until 2026-11-18T");
    check_reason(p, "s3", "restore point expired");
    check_reason(p, "s4", "restore point");
}
END

TEST(restore_point_takes_no_place_of_a_backup)
{
    AUTO(world) struct world *w = world_new();

    add(w, HOUR_NS, TRUST_NONE)->is_restore_point = true;
    (void)add(w, 2 * HOUR_NS, TRUST_NONE);
    (void)add(w, 3 * HOUR_NS, TRUST_NONE);
    w->c.rules = (struct retention){.last = 1};

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKR");

    (void)p;
}
END

TEST(last_proven_snapshot_stays_however_old)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 3, TRUST_NONE);
    (void)add(w, 400 * DAY_NS, TRUST_PROVEN);
    (void)add(w, 401 * DAY_NS, TRUST_PROVEN);
    w->c.rules = (struct retention){.last = 2};

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKRKR");

    check_reason(p, "s3", "the last that was proven");
    w->items[3].trust = w->items[4].trust = TRUST_VERIFIED;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "KKRKR");

    check_reason(q, "s3", "the last that was verified");
}
END

TEST(what_was_proven_and_failed_later_stays_until_another_is_proven)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 4, TRUST_FAILED);
    (void)add(w, 300 * DAY_NS, TRUST_VERIFIED);
    add(w, 400 * DAY_NS, TRUST_FAILED)->was_proven = true;
    add(w, 401 * DAY_NS, TRUST_FAILED)->was_proven = true;
    w->c.limits.min_keep = 0;
    (void)add(w, 200 * DAY_NS, TRUST_NONE);
    w->c.rules = (struct retention){.last = 1};

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKKKKKRK");

    check_reason(p, "s5", "the last that was proven, and failed later");
    check_reason(p, "s4", "the last that was verified");
    w->items[3].trust = TRUST_PROVEN;
    w->items[3].was_proven = true;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "KKKKRRRR");

    check_reason(q, "s3", "the last that was proven");
}
END

TEST(as_many_as_min_keep_stay_sound_ones_first)
{
    AUTO(world) struct world *w = world_new();

    (void)add(w, HOUR_NS, TRUST_NONE);
    (void)add(w, DAY_NS, TRUST_FAILED);
    (void)add(w, 2 * DAY_NS, TRUST_NONE);
    (void)add(w, 3 * DAY_NS, TRUST_NONE);
    w->c.rules = (struct retention){.last = 1};
    w->c.limits.min_keep = 2;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KRKR");

    check_reason(p, "s2", "min_keep");
    w->c.limits.min_keep = 4;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "KKKK");

    (void)q;
}
END

TEST(one_run_removes_a_limited_share_the_oldest_first)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 10, TRUST_NONE);
    w->c.rules = (struct retention){.daily = 4};
    w->c.limits.max_percent = 20;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KKKKHHHHRR");

    CHECK(p->state == RETENTION_LIMITED && p->held == 4);
    ck_assert_str_eq(p->sentence, "6 of 10 snapshots would go, and one run removes at most 20 % "
                                  "(max_percent) without approval: 4 wait");
    check_reason(p, "s4", "waits, one run removes at most 20 %");
    w->c.is_approved = true;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "KKKKRRRRRR");

    CHECK(q->state == RETENTION_READY);
    w->c.is_approved = false;
    w->c.limits.max_percent = 0;

    AUTO(retention_plan) struct retention_plan *r = check_actions(w, "KKKKHHHHHH");

    CHECK(r->removed == 0);
}
END

TEST(share_of_a_small_set_is_one_or_it_would_never_shrink)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 3, TRUST_NONE);
    w->c.rules = (struct retention){.daily = 1};
    w->c.limits.max_percent = 20;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KHR");

    (void)p;
}
END

TEST(nothing_goes_while_backups_fail)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 3, TRUST_NONE);
    w->c.rules = (struct retention){.daily = 1};
    w->c.failed_runs = 2;
    w->c.is_approved = true;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "KHH");

    CHECK(p->state == RETENTION_PAUSED && p->removed == 0);
    CHECK(strstr(p->sentence, "failed (2 in a row)") != NULL);
}
END

TEST(nothing_goes_when_the_clock_cannot_be_right)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 3, TRUST_NONE);
    w->c.rules = (struct retention){.daily = 1};
    w->items[2].received_ns = NOW + RETENTION_SKEW_NS + NS_PER_S;
    w->c.is_approved = true;

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, "HHK");

    CHECK(p->state == RETENTION_REFUSED && strstr(p->sentence, "601 s in the future") != NULL);
    w->items[2].received_ns = NOW + RETENTION_SKEW_NS;

    AUTO(retention_plan) struct retention_plan *q = check_actions(w, "RRK");

    CHECK(q->state == RETENTION_READY);
    w->c.latest_ns = NOW + DAY_NS;

    AUTO(retention_plan) struct retention_plan *r = check_actions(w, "HHK");

    CHECK(r->state == RETENTION_REFUSED && strstr(r->sentence, "went back by 86400 s") != NULL);
}
END

TEST(flood_of_one_writer_pushes_out_no_snapshot_of_another)
{
    AUTO(world) struct world *w = world_new();
    AUTO(buf) struct buf wanted = {0};

    for (int i = 0; i < 3; i++)
        add(w, (i + 1) * DAY_NS, TRUST_NONE)->writer = "web1";
    for (int i = 0; i < 50; i++)
        add(w, i * HOUR_NS, TRUST_NONE)->writer = "thief";
    w->c.rules = (struct retention){.last = 3};
    buf_printf(&wanted, "KKKKKK%.*s", 47,
               "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR");

    AUTO(retention_plan) struct retention_plan *p = check_actions(w, buf_string(&wanted));

    (void)p;
}
END

TEST(digest_is_that_of_what_becomes_of_each_snapshot)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 5, TRUST_NONE);
    w->c.rules = (struct retention){.daily = 3};

    AUTO(retention_plan) struct retention_plan *p = retention_plan_new(&w->c);

    w->c.now_ns += HOUR_NS; /* shown before, applied later */

    AUTO(retention_plan) struct retention_plan *later = retention_plan_new(&w->c);

    w->c.set = "other";

    AUTO(retention_plan) struct retention_plan *other = retention_plan_new(&w->c);

    w->c.set = "shop";
    w->items[4].is_pinned = true;

    AUTO(retention_plan) struct retention_plan *pinned = retention_plan_new(&w->c);

    w->items[4].is_pinned = false;
    (void)add(w, 0, TRUST_NONE);

    AUTO(retention_plan) struct retention_plan *grown = retention_plan_new(&w->c);

    CHECK(hash_is_equal(&p->digest, &later->digest));
    CHECK(!hash_is_equal(&p->digest, &other->digest));
    CHECK(!hash_is_equal(&p->digest, &pinned->digest));
    CHECK(!hash_is_equal(&p->digest, &grown->digest));
}
END

TEST(plan_is_shown_as_json)
{
    AUTO(world) struct world *w = world_new();

    add_days(w, 2, TRUST_VERIFIED);
    w->items[1].writer = "web1";
    w->c.rules = (struct retention){.last = 1};

    AUTO(retention_plan) struct retention_plan *p = retention_plan_new(&w->c);
    AUTO(json) json_t *j = retention_plan_json(p);
    const json_t *row = json_array_get(json_object_get(j, "snapshots"), 1);

    ck_assert_str_eq(json_string_value(json_object_get(j, "state")), "ready");
    CHECK(json_integer_value(json_object_get(j, "keep")) == 2);
    CHECK(json_string_length(json_object_get(j, "digest")) == 64);
    ck_assert_str_eq(json_string_value(json_object_get(row, "id")), "s1");
    ck_assert_str_eq(json_string_value(json_object_get(row, "writer")), "web1");
    ck_assert_str_eq(json_string_value(json_object_get(row, "trust")), "verified");
    ck_assert_str_eq(json_string_value(json_object_get(row, "action")), "keep");
    ck_assert_str_eq(json_string_value(json_object_get(row, "reason")),
                     "last snapshot, the last that was verified");
}
END

/* Histories by chance */

static uint64_t chance_state;

static int chance(int limit)
{
    chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
    return (int)((chance_state >> 33) % (uint64_t)limit);
}

static void fill_by_chance(struct world *w, uint64_t seed)
{
    static const char *const writers[] = {NULL, "a", "b"};
    chance_state = seed;

    const int ages = 1 + chance(900);

    for (int i = 0, n = chance(60); i < n; i++) {
        struct retention_item *it =
            add(w, (int64_t)chance(ages) * DAY_NS + chance(24) * HOUR_NS, (enum trust)chance(4));

        it->writer = writers[chance(3)];
        it->is_pinned = chance(15) == 0;
        it->is_incomplete = chance(12) == 0;
        it->is_restore_point = chance(12) == 0;
        it->expires_ns = chance(3) == 0 ? 0 : NOW + (chance(20) - 10) * DAY_NS;
    }
    w->c.rules = (struct retention){.last = chance(3),
                                    .daily = chance(8),
                                    .weekly = chance(5),
                                    .monthly = chance(12) - 1,
                                    .yearly = chance(3),
                                    .within = {.days = (uint32_t)chance(10)},
                                    .within_weekly = {.months = (uint32_t)chance(4)}};
    w->c.limits = (struct retention_limits){
        .min_keep = 1 + chance(6), .max_percent = chance(2) == 0 ? 20 : 100, .only = chance(3)};
}

/* How many snapshots of the same writer are as asked. */
static size_t count_of(const struct retention_plan *p, const char *writer, int action)
{
    size_t n = 0;

    for (size_t i = 0; i < p->count; i++) {
        const char *other = p->decisions[i].item->writer;

        n += (writer == NULL ? other == NULL : other != NULL && strcmp(writer, other) == 0) &&
             (action < 0 || (int)p->decisions[i].action == action);
    }
    return n;
}

static void check_laws(const struct world *w, const struct retention_plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct retention_decision *d = &p->decisions[i];
        const size_t all = count_of(p, d->item->writer, -1);
        const size_t gone = count_of(p, d->item->writer, RETENTION_REMOVE);
        const size_t least = (size_t)w->c.limits.min_keep;

        CHECK(d->reason[0] != '\0');
        CHECK(all - gone >= (least < all ? least : all));
        if (w->c.limits.max_percent == 20)
            CHECK(gone <= 1 || gone * 5 <= all);
        if (d->action != RETENTION_REMOVE)
            continue;
        CHECK(!d->item->is_pinned);
        CHECK(!d->item->is_restore_point ||
              (d->item->expires_ns != 0 && d->item->expires_ns <= NOW));
        /* Whatever is proven goes only when something newer that is proven stays. */
        if (d->item->trust == TRUST_PROVEN && !d->item->is_incomplete) {
            bool has_newer = false;

            for (size_t k = 0; k < p->count; k++)
                has_newer |= p->decisions[k].action != RETENTION_REMOVE &&
                             p->decisions[k].item->trust == TRUST_PROVEN &&
                             !p->decisions[k].item->is_incomplete &&
                             p->decisions[k].item->received_ns >= d->item->received_ns;
            CHECK(has_newer);
        }
    }
}

/* Remove what the plan removes. */
static void apply(struct world *w, const struct retention_plan *p)
{
    struct retention_item left[ITEMS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < p->count; i++)
        if (p->decisions[i].action != RETENTION_REMOVE)
            left[n++] = *p->decisions[i].item;
    memcpy(w->items, left, n * sizeof(left[0]));
    w->c.count = n;
}

TEST(plans_for_histories_by_chance_keep_their_promises_and_end)
{
    for (uint64_t seed = 1 + (uint64_t)test_first(); seed <= 3000; seed += (uint64_t)test_every()) {
        AUTO(world) struct world *w = world_new();
        int runs = 0;

        fill_by_chance(w, seed);
        for (;; runs++) {
            AUTO(retention_plan) struct retention_plan *p = retention_plan_new(&w->c);

            check_laws(w, p);
            if (p->removed == 0)
                break;

            const bool is_all = p->state == RETENTION_READY;

            apply(w, p);
            if (is_all) {
                AUTO(retention_plan) struct retention_plan *again = retention_plan_new(&w->c);

                ck_assert_msg(again->removed + again->held == 0, "seed %llu",
                              (unsigned long long)seed);
            }
            ck_assert_int_lt(runs, ITEMS_MAX);
        }
    }
}
END

TEST(approved_plan_of_sound_snapshots_is_that_of_forget)
{
    clock_set_for_tests(NOW);
    for (uint64_t seed = 1 + (uint64_t)test_first(); seed <= 500; seed += (uint64_t)test_every()) {
        AUTO(world) struct world *w = world_new();
        AUTO(mem) struct snapshot *snapshots = mem_array(ITEMS_MAX, sizeof(*snapshots));
        struct snapshot *list[ITEMS_MAX];
        bool is_kept[ITEMS_MAX];

        fill_by_chance(w, seed);
        w->c.limits = (struct retention_limits){.min_keep = 1, .max_percent = 100};
        if (retention_is_empty(&w->c.rules))
            continue;
        for (size_t i = 0; i < w->c.count; i++) {
            w->items[i] =
                (struct retention_item){.id = w->ids[i],
                                        .received_ns = w->items[i].received_ns + (int64_t)i,
                                        .trust = TRUST_NONE};
            if (w->items[i].received_ns > NOW)
                w->items[i].received_ns = NOW - (int64_t)i;
            snapshots[i].time_ns = w->items[i].received_ns;
            list[i] = &snapshots[i];
        }
        forget_choose(&w->c.rules, list, w->c.count, is_kept);

        AUTO(retention_plan) struct retention_plan *p = retention_plan_new(&w->c);

        for (size_t i = 0; i < w->c.count; i++) {
            CHECK(p->decisions[i].item->received_ns == list[i]->time_ns);
            /* But for the one that min_keep saves, where no rule keeps any. */
            if (strcmp(p->decisions[i].reason, "min_keep") != 0)
                ck_assert_msg((p->decisions[i].action == RETENTION_KEEP) == is_kept[i],
                              "seed %llu, %zu: %s", (unsigned long long)seed, i,
                              p->decisions[i].reason);
        }
    }
    clock_set_for_tests(0);
}
END

TESTS("retention", what_no_rule_keeps_goes_and_each_reason_is_told, without_rules_everything_stays,
      no_snapshots_make_an_empty_plan, only_proven_snapshots_fill_places_when_the_set_says_so,
      by_default_only_verified_snapshots_fill_places_where_something_looks_at_them,
      by_default_nothing_goes_while_nothing_that_is_looked_at_was_verified,
      by_default_nothing_goes_that_stayed_when_any_snapshot_filled_a_place,
      everything_stays_while_nothing_counts,
      what_was_proven_and_failed_later_stays_until_another_is_proven,
      failed_and_incomplete_snapshots_fill_no_place, pins_and_restore_points_stay_until_they_expire,
      restore_point_takes_no_place_of_a_backup, last_proven_snapshot_stays_however_old,
      as_many_as_min_keep_stay_sound_ones_first, one_run_removes_a_limited_share_the_oldest_first,
      share_of_a_small_set_is_one_or_it_would_never_shrink, nothing_goes_while_backups_fail,
      nothing_goes_when_the_clock_cannot_be_right,
      flood_of_one_writer_pushes_out_no_snapshot_of_another,
      digest_is_that_of_what_becomes_of_each_snapshot, plan_is_shown_as_json,
      plans_for_histories_by_chance_keep_their_promises_and_end,
      approved_plan_of_sound_snapshots_is_that_of_forget)
