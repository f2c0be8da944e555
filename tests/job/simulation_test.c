#include "support/test.h"

#include <string.h>

#include "base/clock.h"
#include "codec/json.h"
#include "job/job.h"

/* 2026-11-18T11:06:40Z, a Wednesday */
#define NOW (INT64_C(1795000000) * NS_PER_S)

static json_t *simulate(const char *question)
{
    AUTO(json) json_t *asked = json_loads(question, 0, NULL);
    json_t *out = NULL;

    CHECK(asked != NULL);
    CHECK_OK(simulation_run(asked, NOW, &out, e));
    return out;
}

static void refuse(const char *question, const char *said)
{
    AUTO(json) json_t *asked = json_loads(question, 0, NULL);
    json_t *out = NULL;
    struct err e = {0};

    CHECK(asked != NULL);
    ck_assert(!simulation_run(asked, NOW, &out, &e));
    ck_assert_msg(e.code == ERR_USAGE && strstr(e.text, said) == e.text, "%s", e.text);
}

/* How many have an action. */
static size_t count(const json_t *answer, const char *action)
{
    const json_t *list = json_object_get(answer, "snapshots");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        n += strcmp(json_string_value(json_object_get(json_array_get(list, i), "action")),
                    action) == 0;
    return n;
}

static const char *text_of(const json_t *answer, size_t i, const char *key)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(answer, "snapshots"), i), key));
}

TEST(without_days_it_is_told_what_the_rules_do_now)
{
    AUTO(json)
    json_t *a = simulate("{\"retention\":{\"last\":1,\"max_percent\":100},\"snapshots\":["
                         "{\"id\":\"new\",\"time\":\"2026-11-18T02:00:00Z\"},"
                         "{\"id\":\"old\",\"time\":\"2026-11-17T02:00:00Z\"},"
                         "{\"id\":\"pin\",\"time\":\"2026-11-16T02:00:00Z\",\"pinned\":true}]}");

    CHECK(json_array_size(json_object_get(a, "snapshots")) == 3);
    CHECK(strcmp(text_of(a, 0, "id"), "pin") == 0 &&
          strcmp(text_of(a, 0, "reason"), "pinned") == 0);
    CHECK(strcmp(text_of(a, 1, "action"), "remove") == 0);
    CHECK(strcmp(text_of(a, 1, "reason"), "no rule keeps it") == 0);
    CHECK(text_of(a, 1, "removed_at") == NULL);
    CHECK(strcmp(text_of(a, 2, "action"), "keep") == 0);
}
END

/* The grandfather, father and son of a year, and the oldest of all while months are not used up. */
TEST(a_year_of_nightly_backups_leaves_what_the_rules_say)
{
    AUTO(json)
    json_t *a =
        simulate("{\"retention\":{\"daily\":7,\"weekly\":4,\"monthly\":6,\"max_percent\":100},"
                 "\"schedule\":{\"cron\":\"0 2 * * *\",\"timezone\":\"UTC\"},\"days\":365}");
    const size_t kept = count(a, "keep");

    CHECK(json_array_size(json_object_get(a, "snapshots")) == 365);
    /* The newest of the weeks and months is among the days, and a second week may be. */
    ck_assert_msg(kept >= 7 + 2 + 4 && kept <= 7 + 3 + 5, "%zu", kept);
    CHECK(kept + count(a, "remove") == 365);
    CHECK(text_of(a, 0, "removed_at") != NULL);
    CHECK(text_of(a, 364, "removed_at") == NULL);
}
END

TEST(the_share_of_one_run_counts)
{
    AUTO(json)
    json_t *a = simulate("{\"retention\":{\"last\":1,\"max_percent\":0},"
                         "\"schedule\":{\"cron\":\"0 2 * * *\",\"timezone\":\"UTC\"},\"days\":10}");

    CHECK(count(a, "hold") == 9);
    CHECK(strcmp(json_string_value(json_object_get(a, "state")), "limited") == 0);
    CHECK(json_is_string(json_object_get(a, "sentence")));
}
END

TEST(what_fills_places_is_told_as_of_a_set_with_the_same_drill_and_check)
{
    AUTO(json) json_t *none = simulate("{\"retention\":{\"last\":1},\"drill\":null}");
    AUTO(json)
    json_t *drill = simulate("{\"retention\":{\"last\":1},\"drill\":\"after_backup\"}");
    AUTO(json)
    json_t *check = simulate("{\"retention\":{\"last\":1},\"check\":{\"cron\":\"0 4 * * 0\","
                             "\"read_data\":true}}");
    AUTO(json) json_t *said = simulate("{\"retention\":{\"last\":1,\"only\":\"any\"}}");

    CHECK(strstr(json_string_value(json_object_get(none, "places")), "nothing proves") != NULL);
    CHECK(strstr(json_string_value(json_object_get(drill, "places")), "no drill looks") != NULL);
    CHECK(strcmp(json_string_value(json_object_get(check, "places")),
                 "only verified and proven snapshots fill places") == 0);
    CHECK(json_is_null(json_object_get(said, "places")));
}
END

TEST(too_much_work_is_cut_and_said)
{
    AUTO(json)
    json_t *a =
        simulate("{\"retention\":{\"last\":\"unlimited\"},\"schedule\":{\"cron\":\"* * * * *\","
                 "\"timezone\":\"UTC\"},\"days\":731}");

    CHECK(json_is_true(json_object_get(a, "truncated")));
    CHECK(json_array_size(json_object_get(a, "snapshots")) < 1500);
}
END

TEST(what_is_wrong_is_said_as_for_the_file_and_without_its_place)
{
    refuse("{\"retention\":{}}", "retention has no rule");
    refuse("{\"retention\":{\"daly\":1}}", "unknown key \"daly\"");
    refuse("{\"retention\":[]}", "");
    refuse("{\"retention\":{\"last\":1},\"schedule\":\"61 * * * *\"}", "schedule: field 1");
    refuse(
        "{\"retention\":{\"last\":1},\"schedule\":{\"cron\":\"@daily\",\"timezone\":\"No/Where\"}}",
        "timezone: ");
    refuse("{\"retention\":{\"last\":1},\"drill\":\"often\"}", "drill ");
    refuse("{\"retention\":{\"last\":1},\"check\":7}", "check: ");
    refuse("{\"retention\":{\"last\":1},\"days\":1}", "schedule: ");
    refuse("{\"retention\":{\"last\":1},\"snapshots\":[{\"id\":\"a\",\"time\":\"soon\"}]}",
           "snapshots[0].time: ");
}
END

TESTS("simulation", without_days_it_is_told_what_the_rules_do_now,
      a_year_of_nightly_backups_leaves_what_the_rules_say, the_share_of_one_run_counts,
      what_fills_places_is_told_as_of_a_set_with_the_same_drill_and_check,
      too_much_work_is_cut_and_said, what_is_wrong_is_said_as_for_the_file_and_without_its_place)
