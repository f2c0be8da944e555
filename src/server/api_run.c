/* What ran. */
#include <string.h>

#include "server/api_private.h"

/* Whether the record may be shown to who asks, whose token may be for some sets only. */
static bool is_shown(const struct request *r, const struct catalog_run *run)
{
    return principal_has_set(request_principal(r), run->set);
}

static bool read_filter(struct request *r, struct catalog_run_filter *f)
{
    const char *ended = request_query(r, "ended");

    *f = CATALOG_RUNS_ALL;
    f->config = request_query(r, "config");
    f->job = request_query(r, "job");
    f->snapshot = request_query(r, "snapshot");
    f->is_ended = ended != NULL && ended[0] == '1';
    return api_query_set(r, &f->set) &&
           api_query_word(r, "kind", catalog_run_kind_find, &f->kind) &&
           api_query_word(r, "state", catalog_run_state_find, &f->state) &&
           api_query_time(r, "from", &f->from_ns) && api_query_time(r, "until", &f->until_ns);
}

static void get_runs(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_run_filter f;
    struct catalog_page page;
    struct catalog_run_list runs = {0};
    struct err e = {0};

    if (!read_filter(r, &f) || !api_page(r, &page))
        return;
    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_run_list(t, &f, &page, &a, &runs, &e)) {
        reply_err(r, &e);
        return;
    }

    const struct catalog_run *last = runs.count > 0 ? &runs.items[runs.count - 1] : NULL;
    json_t *items = json_array();

    for (size_t i = 0; i < runs.count; i++)
        (void)json_array_append_new(items, api_run_json(&runs.items[i], false));
    reply_json(r, 200,
               json_pack("{s:o, s:o}", "runs", items, "next",
                         api_next(&page, runs.count, last != NULL ? last->created_ns : 0,
                                  last != NULL ? last->id : "")));
}

static void get_run(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_run_get(t, request_parameter(r, "run"), &a, &run, &e))
        reply_err(r, &e);
    else if (!is_shown(r, &run))
        reply_problem(r, 404, "not_found", "no such run");
    else
        reply_json(r, 200, api_run_json(&run, true));
}

/* The lines of a log as it is kept. */
static json_t *log_json(const char *text)
{
    json_t *lines = json_array();

    for (const char *at = text; *at != '\0';) {
        const size_t size = strcspn(at, "\n");
        AUTO(json) json_t *line = json_loadb(at, size, JSON_REJECT_DUPLICATES, NULL);
        const char *time, *from, *said;

        if (json_unpack(line, "{s:s, s:s, s:s}", "time", &time, "from", &from, "text", &said) == 0)
            (void)json_array_append_new(
                lines, json_pack("{s:s, s:s, s:s}", "time", time, "from", from, "text", said));
        at += size + (at[size] != '\0');
    }
    return lines;
}

/* For admins: a command that a set names may say anything. */
static void get_log(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    const char *id = request_parameter(r, "run");
    const char *log = NULL;
    struct catalog_run run;
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_run_get(t, id, &a, &run, &e)) {
        reply_err(r, &e);
        return;
    }
    if (!is_shown(r, &run)) {
        reply_problem(r, 404, "not_found", "no such run");
        return;
    }
    if (catalog_run_log_get(t, id, &a, &log, &e))
        reply_json(r, 200, json_pack("{s:o}", "lines", log_json(log)));
    else
        reply_err(r, &e);
}

const struct route api_run_routes[] = {
    {METHOD_GET, "/api/v1/runs", API_READ, ROUTE_CHECKS_SETS, .handler = get_runs,
     .summary = "What ran, runs and waits, newest first"},
    {METHOD_GET, "/api/v1/runs/{run}", API_READ, ROUTE_CHECKS_SETS, .handler = get_run,
     .summary = "One run with what it told"},
    {METHOD_GET, "/api/v1/runs/{run}/log", API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "backup:read",
     ROUTE_CHECKS_SETS, .handler = get_log, .summary = "The log of a run"},
};
const size_t api_run_route_count = sizeof(api_run_routes) / sizeof(api_run_routes[0]);
