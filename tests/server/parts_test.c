/* Rates, metrics and the hub of events by themselves. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/events.h"
#include "server/metrics.h"
#include "server/rate.h"
#include "support/test.h"

TEST(a_bucket_holds_a_minute_and_fills_evenly)
{
    AUTO(rate) struct rate *r = rate_new(64);
    struct rate_state s;
    int allowed = 0;

    for (int i = 0; i < 100; i++) {
        rate_take(r, "a", 60, 0, &s);
        allowed += s.is_allowed;
    }
    CHECK(allowed == 60 && s.remaining == 0 && s.reset_s == 1 && s.limit == 60);
    rate_take(r, "a", 60, 2 * NS_PER_S, &s);
    CHECK(s.is_allowed && s.remaining == 1);
    rate_take(r, "b", 60, 0, &s);
    CHECK(s.is_allowed && s.remaining == 59);
}

TEST(many_names_do_not_make_a_drained_bucket_full)
{
    AUTO(rate) struct rate *r = rate_new(4096);
    struct rate_state s;

    for (int i = 0; i < 60; i++)
        rate_take(r, "attacker", 60, 0, &s);
    for (int i = 0; i < 100000; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "ip %d", i);
        rate_take(r, name, 60, 0, &s);
    }
    rate_take(r, "attacker", 60, 0, &s);
    CHECK(!s.is_allowed);
}

TEST(metrics_are_written_in_the_text_form)
{
    AUTO(buf) struct buf out = {0};
    struct metrics m = {.out = &out};
    const struct metric_label label = {"set", "a\"b\\c\nd"};
    struct metric_histogram h = {0};

    metrics_family(&m, "holdfast_runs_total", METRIC_COUNTER, "Runs");
    metrics_sample(&m, &label, 1, 3);
    metrics_family(&m, "holdfast_run_seconds", METRIC_HISTOGRAM, "Durations");
    metric_observe(&h, 2 * NS_PER_S);
    metric_observe(&h, 100 * NS_PER_S);
    metrics_histogram(&m, NULL, 0, &h);
    CHECK(strstr(buf_string(&out), "# TYPE holdfast_runs_total counter\n"
                                   "holdfast_runs_total{set=\"a\\\"b\\\\c\\nd\"} 3\n") != NULL);
    CHECK(strstr(buf_string(&out), "_bucket{le=\"1\"} 0\n") != NULL);
    CHECK(strstr(buf_string(&out), "_bucket{le=\"60\"} 1\n") != NULL);
    CHECK(strstr(buf_string(&out), "_bucket{le=\"+Inf\"} 2\nholdfast_run_seconds_sum 102\n"
                                   "holdfast_run_seconds_count 2\n") != NULL);
}

static void count_wakes(void *arg)
{
    ++*(int *)arg;
}

TEST(a_listener_is_woken_once_and_takes_what_it_missed)
{
    AUTO(events) struct events *h = events_new();
    int wakes = 0;
    const struct events_ear ear = {count_wakes, &wakes};
    struct events_listener *l = events_listen(h, "jobs", 0, &ear);
    uint8_t bytes[64];
    size_t n;

    CHECK(events_take(l, bytes, sizeof(bytes), &n) == EVENTS_NONE);
    events_publish(h, "jobsx", "n", slice_string("0"));
    CHECK(wakes == 0);
    events_publish(h, "jobs/7", "n", slice_string("1"));
    events_publish(h, "jobs", "n", slice_string("2"));
    CHECK(wakes == 1);
    CHECK(events_take(l, bytes, sizeof(bytes), &n) == EVENTS_SOME);
    CHECK(n == 48 && memcmp(bytes, "id: 2\nevent: n\ndata: 1\n\nid: 3\n", 30) == 0);
    CHECK(events_take(l, bytes, sizeof(bytes), &n) == EVENTS_NONE);
    events_beat(h, clock_monotonic_ns() + EVENTS_BEAT_NS + NS_PER_S);
    CHECK(wakes == 2 && events_take(l, bytes, sizeof(bytes), &n) == EVENTS_SOME && n == 3);
    events_close(h);
    CHECK(events_take(l, bytes, sizeof(bytes), &n) == EVENTS_ENDED);
    CHECK(events_listen(h, "jobs", 0, &ear) == NULL);
    events_leave(l);
}

TEST(a_listener_that_falls_behind_is_ended_and_told_what_it_lost)
{
    AUTO(events) struct events *h = events_new();
    int wakes = 0;
    const struct events_ear ear = {count_wakes, &wakes};
    struct events_listener *l = events_listen(h, "", 0, &ear);
    AUTO(buf) struct buf json = {0};
    uint8_t bytes[64];
    size_t n;

    for (int i = 0; i <= EVENTS_PAST_MAX + 1; i++)
        events_publish(h, "t", "n", slice_string("{}"));
    CHECK(events_take(l, bytes, sizeof(bytes), &n) == EVENTS_ENDED);
    events_leave(l);
    l = events_listen(h, "", 1, &ear);
    CHECK(events_take(l, bytes, sizeof(bytes), &n) == EVENTS_SOME &&
          memcmp(bytes, "event: lost", 11) == 0);
    events_leave(l);
    l = events_listen(h, "", EVENTS_PAST_MAX + 1, &ear);
    CHECK(events_take_json(l, &json) == EVENTS_SOME);
    CHECK(strcmp(buf_string(&json), "{\"id\":1026,\"topic\":\"t\",\"event\":\"n\",\"data\":{}}") ==
          0);
    CHECK(events_take_json(l, &json) == EVENTS_NONE);
    events_leave(l);
}

TESTS("server parts", a_bucket_holds_a_minute_and_fills_evenly,
      many_names_do_not_make_a_drained_bucket_full, metrics_are_written_in_the_text_form,
      a_listener_is_woken_once_and_takes_what_it_missed,
      a_listener_that_falls_behind_is_ended_and_told_what_it_lost)
