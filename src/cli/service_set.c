#include "cli/service_set.h"

static struct service_set set_of(const struct config_set *set, struct arena *a)
{
    const char **names = arena_take(a, set->repository_count * sizeof(*names));

    for (size_t i = 0; i < set->repository_count; i++)
        names[i] = set->repositories[i]->name;
    return (struct service_set){.name = set->name,
                                .schedule = set->schedule.cron,
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
    names = (const char **)(uintptr_t)out->repositories;
    for (size_t i = 0; i < out->repository_count; i++)
        names[i] = keep(names[i], a);
    return true;
}
