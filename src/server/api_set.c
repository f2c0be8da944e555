/* Sets: what is known of them, and letting their schedules rest. */
#include <stdlib.h>
#include <string.h>

#include "server/api_private.h"

#define RECENT 10 /* runs that are shown with a set */

/* Everything that a list of sets is made of. */
struct sets {
    const struct service *service;
    struct arena arena;
    struct catalog_config_list configs;
    struct catalog_set_list known;
    struct catalog_schedule_list schedules;
    struct catalog_drill_list drills;
};

static bool read_sets(struct catalog_tx *t, struct sets *s, struct err *e)
{
    return catalog_config_list(t, &s->arena, &s->configs, e) &&
           catalog_set_list(t, &s->arena, &s->known, e) &&
           catalog_schedule_list(t, &s->arena, &s->schedules, e) &&
           catalog_drill_list(t, &s->arena, &s->drills, e);
}

static json_t *texts_json(const char *const *items, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(items[i]));
    return list;
}

static const char *state_of(const struct catalog_set *k)
{
    if (k->pause_reason != NULL)
        return "paused";
    if (k->failures > 0)
        return "failing";
    return k->success_ns > 0 ? "ok" : "new";
}

/* By name, among sorted ones. */
static const struct catalog_set *find_known(const struct sets *s, const char *name)
{
    for (size_t i = 0; i < s->known.count; i++)
        if (strcmp(s->known.items[i].name, name) == 0)
            return &s->known.items[i];
    return NULL;
}

static const struct catalog_config *find_config(const struct sets *s, const char *name)
{
    for (size_t i = 0; i < s->configs.count; i++)
        if (strcmp(s->configs.items[i].id, name) == 0)
            return &s->configs.items[i];
    return NULL;
}

static int64_t next_of(const struct sets *s, const char *name)
{
    for (size_t i = 0; i < s->schedules.count; i++)
        if (strcmp(s->schedules.items[i].config, name) == 0)
            return s->schedules.items[i].next_ns;
    return 0;
}

/* The last drill of a set that came to an end of its own, or null. */
static json_t *drill_json(const struct sets *s, const char *name)
{
    for (size_t i = 0; i < s->drills.count; i++) {
        const struct catalog_drill *d = &s->drills.items[i];

        if (strcmp(d->set, name) == 0)
            return json_pack("{s:s, s:s, s:o}", "run", d->run, "state",
                             catalog_run_state_name(d->state), "ended_at",
                             auth_time_json(d->ended_ns));
    }
    return json_null();
}

static json_t *set_json(const struct sets *s, const char *name)
{
    static const struct catalog_set nothing;
    const struct service_set *own = service_find_set(s->service, name);
    const struct catalog_set *k = find_known(s, name);
    const char *origin = own != NULL ? "file" : find_config(s, name) != NULL ? "api" : "history";

    if (k == NULL)
        k = &nothing;
    return json_pack(
        "{s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:s?, s:o, s:I, s:o, s:o, s:s?, s:o}", "name",
        name, "origin", origin, "state", state_of(k), "schedule",
        own != NULL ? own->schedule : NULL, "time_zone",
        api_time_zone(s->service, &s->configs, name), "repositories",
        texts_json(own != NULL ? own->repositories : NULL, own != NULL ? own->repository_count : 0),
        "next_at", auth_time_json(next_of(s, name)), "last_success_at",
        auth_time_json(k->success_ns), "last_success_run", k->success_run, "last_failure_at",
        auth_time_json(k->failure_ns), "failures", (json_int_t)k->failures, "verified_at",
        auth_time_json(k->verified_ns), "proven_at", auth_time_json(k->proven_ns), "pause_reason",
        k->pause_reason, "last_drill", drill_json(s, name));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the file, of the API and of what ran once; each once, in order. */
static const char **names_of(struct sets *s, size_t *count)
{
    const size_t most = s->service->set_count + s->configs.count + s->known.count;
    const char **names = arena_take(&s->arena, (most + 1) * sizeof(*names));
    size_t n = 0;
    size_t kept = 0;

    for (size_t i = 0; i < s->service->set_count; i++)
        names[n++] = s->service->sets[i].name;
    for (size_t i = 0; i < s->configs.count; i++)
        names[n++] = s->configs.items[i].id;
    for (size_t i = 0; i < s->known.count; i++)
        names[n++] = s->known.items[i].name;
    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    *count = kept;
    return names;
}

/* Those that who asks may see. */
static json_t *list_json(const struct request *r, struct sets *s)
{
    json_t *items = json_array();
    size_t count = 0;
    const char **names = names_of(s, &count);

    for (size_t i = 0; i < count; i++)
        if (principal_has_set(request_principal(r), names[i]))
            (void)json_array_append_new(items, set_json(s, names[i])); /* cannot fail */
    return items;
}

static void get_sets(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct sets s = {.service = auth_service(r)};
    struct err e = {0};

    if (catalog_begin_read(s.service->catalog, &t, &e) && read_sets(t, &s, &e))
        reply_json(r, 200, json_pack("{s:o}", "sets", list_json(r, &s)));
    else
        reply_err(r, &e);
    arena_done(&s.arena);
}

/* With its newest runs.  ERR_NOT_FOUND. */
static bool read_one(struct catalog *c, struct sets *s, const char *name, json_t **out,
                     struct err *e)
{
    const struct catalog_page page = {.limit = RECENT};
    struct catalog_run_filter f = CATALOG_RUNS_ALL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_run_list runs = {0};
    json_t *items;

    f.set = name;
    if (!catalog_begin_read(c, &t, e) || !read_sets(t, s, e) ||
        !catalog_run_list(t, &f, &page, &s->arena, &runs, e))
        return false;
    if (service_find_set(s->service, name) == NULL && find_config(s, name) == NULL &&
        find_known(s, name) == NULL && runs.count == 0)
        return err_set(e, ERR_NOT_FOUND, "no such set");
    items = json_array();
    for (size_t i = 0; i < runs.count; i++)
        (void)json_array_append_new(items, api_run_json(&runs.items[i], false));
    *out = set_json(s, name);
    (void)json_object_set_new(*out, "runs", items);
    return true;
}

static void reply_set(struct request *r)
{
    struct sets s = {.service = auth_service(r)};
    json_t *out = NULL;
    struct err e = {0};

    if (read_one(s.service->catalog, &s, request_parameter(r, "set"), &out, &e))
        reply_json(r, 200, out);
    else
        reply_err(r, &e);
    arena_done(&s.arena);
}

/* Pausing */

struct pause {
    struct request *r;
    const char *reason; /* NULL: go on */
};

static bool write_pause(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct pause *p = arg;
    const char *set = request_parameter(p->r, "set");
    bool is_known = false;

    if (!api_set_is_known(auth_service(p->r), t, set, &is_known, e))
        return false;
    if (!is_known)
        return err_set(e, ERR_NOT_FOUND, "no such set");
    return catalog_set_pause(t, set, p->reason, e) &&
           auth_audit(
               t, p->r,
               &(struct auth_record){
                   .action = p->reason != NULL ? "set.pause" : "set.resume",
                   .object = set,
                   .outcome = "done",
                   .details = p->reason != NULL ? json_pack("{s:s}", "reason", p->reason) : NULL},
               e);
}

static void post_pause(struct request *r)
{
    static const struct field table[] = {{"reason", FIELD_TEXT, FIELD_REQUIRED, 1, 500}, {0}};
    const json_t *body = NULL;
    struct pause p = {.r = r};

    if (!request_json(r, table, &body))
        return;
    p.reason = auth_text(body, "reason");
    if (auth_write(r, write_pause, &p))
        reply_set(r);
}

static void post_resume(struct request *r)
{
    struct pause p = {.r = r};

    if (auth_write(r, write_pause, &p))
        reply_set(r);
}

const struct route api_set_routes[] = {
    {METHOD_GET, "/api/v1/sets", API_READ, ROUTE_CHECKS_SETS, .handler = get_sets,
     .summary = "Sets and how they are"},
    {METHOD_GET, "/api/v1/sets/{set}", API_READ, .handler = reply_set,
     .summary = "One set with its newest runs"},
    {METHOD_POST, "/api/v1/sets/{set}/pause", API_RUN, ROUTE_CSRF, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_pause, .summary = "Let the set's schedule rest"},
    {METHOD_POST, "/api/v1/sets/{set}/resume", API_RUN, ROUTE_CSRF, .handler = post_resume,
     .summary = "Let the schedule go on"},
};
const size_t api_set_route_count = sizeof(api_set_routes) / sizeof(api_set_routes[0]);
