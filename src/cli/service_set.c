#include "cli/service_set.h"

#include <string.h>

#include "codec/zone.h"

/* NULL for what only the machine knows: its own zone, or one that has no name elsewhere. */
static const char *timezone_of(const char *zone)
{
    return zone == NULL || strcmp(zone, ZONE_LOCAL) == 0 ? NULL : zone;
}

static struct service_set set_of(const struct config_set *set, struct arena *a)
{
    const char **names = arena_take(a, set->repository_count * sizeof(*names));

    for (size_t i = 0; i < set->repository_count; i++)
        names[i] = set->repositories[i]->name;
    return (struct service_set){.name = set->name,
                                .schedule = set->schedule.cron,
                                .timezone = timezone_of(set->schedule.timezone),
                                .repositories = names,
                                .repository_count = set->repository_count};
}

void service_set_take(struct service *s, const struct config *c, struct arena *a)
{
    struct service_set *sets = arena_take(a, c->set_count * sizeof(*sets));

    for (size_t i = 0; i < c->set_count; i++)
        sets[i] = set_of(&c->sets[i], a);
    s->sets = sets;
    s->set_count = c->set_count;
}

static const char *keep(const char *text, struct arena *a)
{
    return text == NULL ? NULL : arena_string(a, slice_string(text));
}

bool service_set_find(const struct roster_view *v, const char *name, struct arena *a,
                      struct service_set *out)
{
    const struct roster_set *s = roster_find(v, name);
    const char **names;

    if (s == NULL || s->set == NULL)
        return false;
    *out = set_of(s->set, a);
    out->name = keep(s->name, a);
    out->schedule = keep(out->schedule, a);
    out->timezone = keep(out->timezone, a);
    names = (const char **)(uintptr_t)out->repositories;
    for (size_t i = 0; i < out->repository_count; i++)
        names[i] = keep(names[i], a);
    return true;
}

static json_t *sources_json(const struct config_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->source_count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "kind",
                                                    config_kind_name(set->sources[i].kind), "name",
                                                    set->sources[i].name));
    return list;
}

/* With the rules of those that have their own, and what fills places of the rules that hold there;
 * shown: the configuration with all defaults. */
static json_t *repositories_json(const struct config_set *set, const json_t *shown)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->repository_count; i++) {
        const char *name = set->repositories[i]->name;
        json_t *one = json_object_get(json_object_get(shown, "repositories"), name);

        (void)json_array_append_new(list, json_pack("{s:s, s:O?, s:s?}", "name", name, "retention",
                                                    json_object_get(one, "retention"), "places",
                                                    config_set_places(set, set->repositories[i])));
    }
    return list;
}

static json_t *schedule_json(const struct config_schedule *s)
{
    static const char *const missed[] = {"once", "skip", "all"}; /* of enum run_missed */

    if (s->cron == NULL)
        return json_null();
    return json_pack("{s:s, s:s, s:I, s:s}", "cron", s->cron, "timezone", s->timezone, "jitter_s",
                     (json_int_t)(s->jitter_ms / 1000), "run_missed", missed[s->run_missed]);
}

json_t *service_set_describe(const struct roster_view *v, const char *name)
{
    /* What a set of the file has under these keys is told as it stands there. */
    static const char *const same[] = {"retention", "drill", "check", "tags", "hosts", "notify"};
    const struct roster_set *s = roster_find(v, name);
    AUTO(json) json_t *shown = NULL;
    const json_t *set;
    json_t *out;

    if (s == NULL || s->set == NULL)
        return NULL;
    shown = config_json(s->config, s->set);
    set = json_object_get(json_object_get(shown, "sets"), name);
    out = json_pack(
        "{s:s, s:s, s:o, s:o, s:i, s:s, s:o, s:I}", "name", name, "origin",
        s->version == 0 ? "file" : "api", "sources", sources_json(s->set), "repositories",
        repositories_json(s->set, shown), "required_repositories", s->set->required_repositories,
        "on_error", s->set->on_error == ON_ERROR_FAIL ? "fail" : "incomplete", "schedule",
        schedule_json(&s->set->schedule), "health_checks", (json_int_t)s->set->health_checks.count);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        json_t *value = json_object_get(set, same[i]);

        (void)json_object_set_new(out, same[i], value == NULL ? json_null() : json_incref(value));
    }
    return out;
}
