/*
 * What somebody would get before he saves it: when an expression of cron comes, and what rules of
 * retention would keep; and how a set is configured, without what is the machine's alone.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/civil.h"
#include "codec/cron.h"
#include "server/api_private.h"

#define NEXT       10 /* runs, when the request does not say */
#define NEXT_MAX   100
#define SHOWN_MAX  1000 /* snapshots of a simulation */
#define DAYS_MAX   731  /* as of job/simulation.h */
#define RULES_BODY 262144

/* When it comes */

/* "2026-11-23T02:00:00+01:00" */
static json_t *local_json(int64_t moment, int32_t offset_s)
{
    const int64_t local = moment + offset_s;
    const int64_t day = civil_day_of(local);
    const struct civil c = civil_from_days(day);
    const int second = (int)(local - day * CIVIL_DAY_S);
    const int offset = (offset_s < 0 ? -offset_s : offset_s) / 60;
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", c.year, c.month, c.day,
               second / 3600, second / 60 % 60, second % 60, offset_s < 0 ? '-' : '+', offset / 60,
               offset % 60);
    return json_string(buf_string(&text));
}

/* What a change of the clocks does to a run: "moved" behind a gap, at a time that comes "twice", or
 * NULL. */
static const char *change_of(const struct cron *c, const struct zone *z, int64_t moment)
{
    const int64_t local = zone_to_local(z, moment);
    const int second = (int)(local - civil_day_of(local) * CIVIL_DAY_S);

    if ((c->hours >> (second / 3600) & 1U) == 0 || (c->minutes >> (second / 60 % 60) & 1U) == 0)
        return "moved";
    return zone_from_local(z, local).fit == ZONE_TWICE ? "twice" : NULL;
}

static json_t *next_json(const struct cron *c, const struct zone *z, int64_t count)
{
    json_t *list = json_array();
    int64_t moment = clock_now_ns() / NS_PER_S;

    for (int64_t i = 0; i < count && cron_next(c, z, moment, &moment); i++)
        (void)json_array_append_new(
            list, json_pack("{s:o, s:o, s:s?}", "at", auth_time_json(moment * NS_PER_S), "local",
                            local_json(moment, zone_span_at(z, moment).offset_s), "clock",
                            change_of(c, z, moment)));
    return list;
}

static void get_next(struct request *r)
{
    const char *expression = request_query(r, "cron");
    const char *name = request_query(r, "timezone");
    const char *wanted = request_query(r, "count");
    AUTO(zone) struct zone *z = NULL;
    struct cron c;
    uint64_t count = NEXT;
    struct err e = {0};

    if (name == NULL)
        name = ZONE_LOCAL;
    if (wanted != NULL && (!parse_u64(wanted, &count, &e) || count < 1 || count > NEXT_MAX)) {
        reply_problem(r, 400, "invalid_query", "count: must be 1 to 100");
    } else if (expression == NULL) {
        reply_problem(r, 400, "invalid_query", "cron: is missing");
    } else if (!cron_parse(expression, &c, &e)) {
        (void)err_wrap(&e, "cron");
        reply_problem(r, 400, "invalid_query", e.text);
    } else if (!zone_open(name, NULL, &z, &e)) {
        reply_problem(r, 400, "invalid_query", "timezone: there is none of this name");
    } else {
        reply_json(r, 200,
                   json_pack("{s:s, s:s, s:o}", "cron", expression, "timezone", name, "next",
                             next_json(&c, z, (int64_t)count)));
    }
}

/* What is kept */

static void post_simulation(struct request *r)
{
    static const struct field snapshot[] = {{"id", FIELD_TEXT, FIELD_REQUIRED, 1, 64},
                                            {"time", FIELD_TEXT, FIELD_REQUIRED, 1, 40},
                                            {"pinned", FIELD_BOOL},
                                            {0}};
    static const struct field item[] = {{"", FIELD_OBJECT, .members = snapshot}};
    static const struct field table[] = {
        {"retention", FIELD_OBJECT, FIELD_REQUIRED},
        {"schedule", FIELD_ANY},
        {"drill", FIELD_ANY},
        {"check", FIELD_ANY},
        {"days", FIELD_INTEGER, 0, 0, DAYS_MAX},
        {"snapshots", FIELD_LIST, 0, 0, SHOWN_MAX, .members = item},
        {0}};
    const struct service *s = auth_service(r);
    const json_t *body = NULL;
    json_t *out = NULL;
    struct err e = {0};

    if (!request_json(r, table, &body))
        return;
    if (s->simulate == NULL)
        reply_problem(r, 503, "unavailable", "this service simulates nothing");
    else if (s->simulate(s->arg, body, &out, &e))
        reply_json(r, 200, out);
    else if (e.code == ERR_USAGE)
        reply_problem(r, 400, "invalid_field", e.text);
    else
        reply_err(r, &e);
}

/* How a set is configured */

static void get_settings(struct request *r)
{
    const struct service *s = auth_service(r);
    json_t *settings =
        s->describe_set == NULL ? NULL : s->describe_set(s->arg, request_parameter(r, "set"));

    if (settings == NULL)
        reply_problem(r, 404, "not_found", "there is no such set on this host");
    else
        reply_json(r, 200, settings);
}

const struct route api_forecast_routes[] = {
    {METHOD_GET, "/api/v1/schedules/next", API_READ, .handler = get_next,
     .summary = "When an expression of cron comes next"},
    {METHOD_POST, "/api/v1/retention/simulation", API_READ, ROUTE_CSRF, RULES_BODY, AUTH_JSON, 30,
     post_simulation, "Which snapshots rules would keep, now and in the days to come"},
    {METHOD_GET, "/api/v1/sets/{set}/settings", API_PEOPLE, ROLES_FROM(ROLE_ADMIN),
     "backup:configure", .handler = get_settings, .summary = "How a set is configured"},
};
const size_t api_forecast_route_count =
    sizeof(api_forecast_routes) / sizeof(api_forecast_routes[0]);
