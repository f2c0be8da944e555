/* Figures about runs. */
#include "notify/statistics.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "support/test.h"

#define NOW (INT64_C(1795260600) * NS_PER_S) /* 2026-11-21T11:30:00Z */
#define DAY (24 * 3600 * NS_PER_S)

static struct run_record backup(enum figure_state state, const char *type, int64_t ago_ns,
                                int64_t duration_ms, uint64_t size)
{
    return (struct run_record){.kind = FIGURE_BACKUP,
                               .state = state,
                               .type = type,
                               .set = "shop",
                               .time_ns = NOW - ago_ns,
                               .duration_ms = duration_ms,
                               .size = size};
}

static const struct statistics_scope scope = {
    .now_ns = NOW, .days = 3, .configs = 3, .configs_enabled = 2};

static void check_text(json_t *j, const char *wanted)
{
    AUTO(buf) struct buf text = {0};

    json_append(j, &text);
    ck_assert_str_eq(buf_string(&text), wanted);
    json_decref(j);
}

TEST(the_answer_of_the_pos_application_is_the_same_text)
{
    const struct run_record runs[] = {
        backup(FIGURE_SUCCESS, "database", 0, 1500, 1000),
        backup(FIGURE_SUCCESS, "files", DAY, 2000, 20),
        backup(FIGURE_FAILURE, "database", 6 * DAY, 1000, 0),
        backup(FIGURE_SUCCESS, "full", 30 * DAY, 60000, 300),
        backup(FIGURE_SUCCESS, "incremental", 30 * DAY, 0, 7),
        backup(FIGURE_INCOMPLETE, "full", 30 * DAY, 500, 4),
        backup(FIGURE_UNFINISHED, "full", 0, 999000, 999),
        {.kind = FIGURE_DRILL,
         .state = FIGURE_FAILURE,
         .type = "full",
         .set = "shop",
         .time_ns = NOW},
    };

    /* 65 s over six backups, four of six. */
    check_text(statistics_pos_json(runs, sizeof(runs) / sizeof(runs[0]), &scope),
               "{\"stats\":{\"total\":{\"backups\":6,\"successful\":4,\"failed\":1,\"size\":1331,"
               "\"avgDuration\":11},\"recent\":{\"count\":3,\"successful\":2,\"failed\":1},"
               "\"storage\":{\"database\":1000,\"files\":20,\"full\":304},"
               "\"configs\":{\"total\":3,\"enabled\":2,\"disabled\":1},\"successRate\":67}}");
}

TEST(without_runs_the_answer_is_zeros)
{
    check_text(statistics_pos_json(NULL, 0, &scope),
               "{\"stats\":{\"total\":{\"backups\":0,\"successful\":0,\"failed\":0,\"size\":0,"
               "\"avgDuration\":0},\"recent\":{\"count\":0,\"successful\":0,\"failed\":0},"
               "\"storage\":{\"database\":0,\"files\":0,\"full\":0},"
               "\"configs\":{\"total\":3,\"enabled\":2,\"disabled\":1},\"successRate\":0}}");
}

static int64_t pos_number(const struct run_record *runs, size_t count, const char *group,
                          const char *name)
{
    AUTO(json) json_t *j = statistics_pos_json(runs, count, &scope);
    json_t *stats = json_object_get(j, "stats");

    return json_integer_value(
        json_object_get(group == NULL ? stats : json_object_get(stats, group), name));
}

/* As Math.round() of JavaScript does. */
TEST(halves_are_rounded_up)
{
    struct run_record runs[200];

    for (size_t i = 0; i < 200; i++)
        runs[i] = backup(i == 0 ? FIGURE_SUCCESS : FIGURE_FAILURE, "full", 0, 500, 0);
    ck_assert_int_eq(pos_number(runs, 200, NULL, "successRate"), 1); /* 0.5 % */
    ck_assert_int_eq(pos_number(runs, 200, "total", "avgDuration"), 1);
    runs[0].duration_ms = 499;
    ck_assert_int_eq(pos_number(runs, 1, "total", "avgDuration"), 0);
}

TEST(recent_is_less_than_seven_days_ago)
{
    const struct run_record runs[] = {backup(FIGURE_SUCCESS, "full", 7 * DAY, 1, 1),
                                      backup(FIGURE_SUCCESS, "full", 7 * DAY - 1, 1, 1)};

    ck_assert_int_eq(pos_number(runs, 2, "recent", "count"), 1);
}

static json_t *at(json_t *j, const char *name)
{
    json_t *member = json_object_get(j, name);

    ck_assert_msg(member != NULL, "%s", name);
    return member;
}

static double seconds(json_t *figures, const char *name)
{
    return json_real_value(at(at(figures, "duration_s"), name));
}

TEST(ranks_of_durations_are_those_of_a_run_that_was)
{
    enum { COUNT = 100 };
    struct run_record runs[COUNT];

    for (int i = 0; i < COUNT; i++) /* 1 to 100 seconds, shuffled */
        runs[i] = backup(FIGURE_SUCCESS, "full", 0, (i * 37 % COUNT + 1) * 1000, 1);

    AUTO(json) json_t *j = statistics_json(runs, COUNT, &scope);
    json_t *backups = at(at(j, "kinds"), "backup");

    CHECK(seconds(backups, "p50") == 50 && seconds(backups, "p95") == 95);
    CHECK(seconds(backups, "longest") == 100 && seconds(backups, "mean") == 50.5);

    AUTO(json) json_t *one = statistics_json(runs, 1, &scope);
    json_t *single = at(at(one, "kinds"), "backup");

    CHECK(seconds(single, "p50") == 1 && seconds(single, "p95") == 1);
}

TEST(kinds_without_runs_have_null_and_not_zero)
{
    AUTO(json) json_t *j = statistics_json(NULL, 0, &scope);
    const char *name = NULL;
    json_t *kind = NULL;

    ck_assert_uint_eq(json_object_size(at(j, "kinds")), FIGURE_KINDS);
    json_object_foreach(at(j, "kinds"), name, kind)
    {
        CHECK(json_is_null(at(kind, "duration_s")) && json_is_null(at(kind, "success_rate")) &&
              json_is_null(at(kind, "last_success")));
        ck_assert_int_eq(json_integer_value(at(kind, "runs")), 0);
    }
    ck_assert_uint_eq(json_array_size(at(j, "types")), 0);
    ck_assert_uint_eq(json_array_size(at(j, "sets")), 0);
}

TEST(sets_and_types_are_told_apart_in_order)
{
    struct run_record runs[] = {
        backup(FIGURE_SUCCESS, "files", DAY, 1000, 10),
        backup(FIGURE_FAILURE, "full", 0, 1000, 0),
        backup(FIGURE_SUCCESS, "full", 2 * DAY, 3000, 5),
        backup(FIGURE_SUCCESS, "full", 3 * DAY, 1000, 1),
        backup(FIGURE_UNFINISHED, "full", 0, 0, 0),
        {.kind = FIGURE_RESTORE,
         .state = FIGURE_SUCCESS,
         .type = "zip",
         .set = "zoo",
         .time_ns = NOW},
    };

    runs[2].set = "crm";

    AUTO(json) json_t *j = statistics_json(runs, sizeof(runs) / sizeof(runs[0]), &scope);
    json_t *types = at(j, "types");
    json_t *sets = at(j, "sets");
    json_t *full = json_array_get(types, 1);

    ck_assert_uint_eq(json_array_size(types), 2);
    ck_assert_uint_eq(json_array_size(sets), 2);
    ck_assert_str_eq(json_string_value(at(json_array_get(types, 0), "name")), "files");
    ck_assert_str_eq(json_string_value(at(full, "name")), "full");
    ck_assert_str_eq(json_string_value(at(json_array_get(sets, 0), "name")), "crm");
    ck_assert_str_eq(json_string_value(at(json_array_get(sets, 1), "name")), "shop");
    ck_assert_int_eq(json_integer_value(at(full, "runs")), 3);
    ck_assert_int_eq(json_integer_value(at(full, "failed")), 1);
    ck_assert_int_eq(json_integer_value(at(full, "size_bytes")), 6);
    CHECK(json_real_value(at(full, "success_rate")) == 66.7);
    ck_assert_str_eq(json_string_value(at(full, "last_success")), "2026-11-19T11:30:00.000000000Z");
    ck_assert_int_eq(json_integer_value(at(at(at(j, "kinds"), "restore"), "runs")), 1);
}

TEST(the_trend_has_one_element_a_day_up_to_today)
{
    struct run_record runs[] = {
        backup(FIGURE_SUCCESS, "full", 0, 1, 5),
        backup(FIGURE_FAILURE, "full", 0, 1, 0),
        backup(FIGURE_SUCCESS, "full", 2 * DAY, 1, 7),
        backup(FIGURE_SUCCESS, "full", 3 * DAY, 1, 100),
        backup(FIGURE_SUCCESS, "full", -DAY, 1, 100), /* a clock that was wrong */
    };

    runs[0].added = 3;
    runs[1].duration_ms = 500;

    AUTO(json) json_t *j = statistics_json(runs, sizeof(runs) / sizeof(runs[0]), &scope);

    check_text(
        json_incref(at(j, "days")),
        "[{\"day\":\"2026-11-19\",\"runs\":1,\"successful\":1,\"incomplete\":0,\"failed\":0,"
        "\"size_bytes\":7,\"added_bytes\":0,\"duration_s\":{\"mean\":0.001,\"longest\":0.001}},"
        "{\"day\":\"2026-11-20\",\"runs\":0,\"successful\":0,\"incomplete\":0,\"failed\":0,"
        "\"size_bytes\":0,\"added_bytes\":0,\"duration_s\":null},"
        "{\"day\":\"2026-11-21\",\"runs\":2,\"successful\":1,\"incomplete\":0,\"failed\":1,"
        "\"size_bytes\":5,\"added_bytes\":3,\"duration_s\":{\"mean\":0.251,\"longest\":0.5}}]");
}

TEST(a_hundred_thousand_runs_take_no_time)
{
    enum { COUNT = 100000 };
    AUTO(mem) struct run_record *runs = mem_array(COUNT, sizeof(*runs));
    static const char *const types[] = {"full", "database", "files"};
    const clock_t begin = clock();

    for (int i = 0; i < COUNT; i++)
        runs[i] = backup(FIGURE_SUCCESS, types[i % 3], (int64_t)i * NS_PER_S, i * 7919 % COUNT, 1);

    AUTO(json) json_t *j = statistics_json(runs, COUNT, &scope);

    ck_assert_int_eq(json_integer_value(at(at(at(j, "kinds"), "backup"), "runs")), COUNT);
    CHECK((clock() - begin) / CLOCKS_PER_SEC < 10); /* of the processor */
}

TESTS("statistics", the_answer_of_the_pos_application_is_the_same_text,
      without_runs_the_answer_is_zeros, halves_are_rounded_up, recent_is_less_than_seven_days_ago,
      ranks_of_durations_are_those_of_a_run_that_was, kinds_without_runs_have_null_and_not_zero,
      sets_and_types_are_told_apart_in_order, the_trend_has_one_element_a_day_up_to_today,
      a_hundred_thousand_runs_take_no_time)
