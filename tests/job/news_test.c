/* What other processes do is told here, once each. */
#include "job/news.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "catalog_world.h"
#include "codec/json.h"
#include "support/test.h"

static const struct catalog_job_offer elsewhere = {"other:1", "other", 60000};

/* Adds "EVENT DETAIL;" to the text. */
static void on_told(void *arg, const char *topic, const char *event, const json_t *data)
{
    static const char *const keys[] = {"percent_done", "state", "again"};

    CHECK(strncmp(topic, "jobs/", 5) == 0);
    buf_printf(arg, "%s", event);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(data, keys[i]);

        if (json_is_string(value))
            buf_printf(arg, " %s", json_string_value(value));
        else if (json_is_integer(value))
            buf_printf(arg, " %d", (int)json_integer_value(value));
        else if (json_is_true(value))
            buf_printf(arg, " again");
    }
    buf_printf(arg, ";");
}

/* A listener, a job that another process took, and what was told so far. */
struct hearing {
    struct world world;
    struct news *news;
    struct buf text;
    struct arena arena;
    struct catalog_job job;
};

static void hearing_init(struct hearing *h)
{
    *h = (struct hearing){0};
    world_init(&h->world, "");
    h->news = news_new(h->world.catalog, on_told, &h->text);
}

static void hearing_auto(struct hearing *h)
{
    news_free(h->news);
    buf_done(&h->text);
    arena_done(&h->arena);
    world_auto(&h->world);
}

static void take_job(struct hearing *h, int attempts)
{
    const struct catalog_job_request q = {.kind = RUN_BACKUP,
                                          .set = "shop",
                                          .arguments = "{}",
                                          .requested_by = "test",
                                          .attempts_max = attempts};
    struct catalog_tx *t = NULL;
    struct catalog_job_ids ids;
    bool found = false;

    CHECK_OK(catalog_begin(h->world.catalog, &t, e));
    CHECK_OK(catalog_job_enqueue(t, &q, &ids, e));
    CHECK_OK(catalog_commit(&t, e));
    CHECK_OK(catalog_job_claim(h->world.catalog, &elsewhere, &h->arena, &h->job, &found, e));
    CHECK(found);
}

static struct catalog_job_hold hold_of(const struct hearing *h)
{
    return (struct catalog_job_hold){h->job.id, h->job.fence};
}

static void say(const struct hearing *h, const char *progress)
{
    const struct catalog_job_hold hold = hold_of(h);
    bool is_cancelled = false;

    CHECK_OK(catalog_job_extend(h->world.catalog, &hold, 60000, progress, &is_cancelled, e));
}

static void end(const struct hearing *h, enum catalog_run_state state, bool may_retry)
{
    const struct catalog_job_hold hold = hold_of(h);
    const struct catalog_job_end how = {.outcome.state = state, .may_retry = may_retry};
    struct catalog_tx *t = NULL;
    bool again = false;

    CHECK_OK(catalog_begin(h->world.catalog, &t, e));
    CHECK_OK(catalog_job_finish(t, &hold, &how, &again, e));
    CHECK_OK(catalog_commit(&t, e));
}

static void check_told(struct hearing *h, const char *wanted)
{
    CHECK_OK(news_look(h->news, e));
    ck_assert_str_eq(buf_string(&h->text), wanted);
    buf_clear(&h->text);
}

TEST(each_step_of_a_job_of_another_process_is_told_once)
{
    AUTO(hearing) struct hearing h;

    hearing_init(&h);
    check_told(&h, "");
    take_job(&h, 1);
    check_told(&h, "started;");
    check_told(&h, "");
    say(&h, "{\"percent_done\": 10}");
    check_told(&h, "progress 10;");
    say(&h, "{\"percent_done\": 10}");
    check_told(&h, "");
    say(&h, "{\"percent_done\": 20}");
    say(&h, "{\"percent_done\": 30}");
    check_told(&h, "progress 30;");
    end(&h, RUN_SUCCESS, false);
    check_told(&h, "ended success;");
    check_told(&h, "");
}
END

TEST(a_log_that_has_more_is_told)
{
    AUTO(hearing) struct hearing h;
    struct catalog_job_hold hold;
    struct catalog_tx *t = NULL;

    hearing_init(&h);
    take_job(&h, 1);
    hold = hold_of(&h);
    CHECK_OK(catalog_begin(h.world.catalog, &t, e));
    CHECK_OK(catalog_job_log(t, &hold, "one line\n", e));
    CHECK_OK(catalog_commit(&t, e));
    check_told(&h, "started;logged;");
}
END

TEST(a_job_that_is_done_before_anybody_looks_is_told_but_none_of_before)
{
    AUTO(hearing) struct hearing h;

    hearing_init(&h);
    take_job(&h, 1);
    end(&h, RUN_SUCCESS, false);
    check_told(&h, "");
    take_job(&h, 1);
    say(&h, "{\"percent_done\": 50}");
    end(&h, RUN_FAILED, false);
    check_told(&h, "started;progress 50;ended failed;");
    check_told(&h, "");
}
END

TEST(an_attempt_that_fails_is_told_with_the_next_to_come)
{
    AUTO(hearing) struct hearing h;

    hearing_init(&h);
    take_job(&h, 3);
    check_told(&h, "started;");
    end(&h, RUN_FAILED, true);
    check_told(&h, "ended failed again;");
    check_told(&h, "");
}
END

TEST(a_job_that_is_given_back_has_not_ended)
{
    AUTO(hearing) struct hearing h;
    struct catalog_job_hold hold;

    hearing_init(&h);
    take_job(&h, 1);
    check_told(&h, "started;");
    hold = hold_of(&h);
    CHECK_OK(catalog_job_release(h.world.catalog, &hold, 60000, e));
    check_told(&h, "");
}
END

TEST(jobs_of_this_process_are_left_to_whoever_tells_of_them_already)
{
    AUTO(hearing) struct hearing h;
    AUTO(buf) struct buf topic = {0};

    hearing_init(&h);
    check_told(&h, "");
    take_job(&h, 1);
    buf_printf(&topic, "jobs/%s", h.job.id);
    news_leave(h.news, buf_string(&topic));
    say(&h, "{\"percent_done\": 10}");
    check_told(&h, "");
    end(&h, RUN_SUCCESS, false);
    check_told(&h, "");
}
END

TEST(what_is_no_object_is_no_progress)
{
    AUTO(hearing) struct hearing h;

    hearing_init(&h);
    take_job(&h, 1);
    say(&h, "[1]");
    check_told(&h, "started;");
}
END

TEST(a_ring_ends_the_wait_and_two_looks_are_apart)
{
    AUTO(hearing) struct hearing h;
    const int64_t begun_ns = clock_monotonic_ns();

    hearing_init(&h);
    for (int i = 0; i < 4; i++) { /* each is rung for: no wait lasts as long as the poll */
        take_job(&h, 1);
        CHECK_OK(news_wait(h.news, e));
    }

    const int64_t ms = (clock_monotonic_ns() - begun_ns) / 1000000;

    ck_assert_msg(ms >= 4 * NEWS_PAUSE_MS && ms < NEWS_POLL_MS, "%d ms", (int)ms);
}
END

TESTS("news", each_step_of_a_job_of_another_process_is_told_once, a_log_that_has_more_is_told,
      a_job_that_is_done_before_anybody_looks_is_told_but_none_of_before,
      an_attempt_that_fails_is_told_with_the_next_to_come, a_job_that_is_given_back_has_not_ended,
      jobs_of_this_process_are_left_to_whoever_tells_of_them_already,
      what_is_no_object_is_no_progress, a_ring_ends_the_wait_and_two_looks_are_apart)
