#include "server/service.h"

#include <string.h>

const struct service_set *service_find_set(const struct service *s, const char *name)
{
    for (size_t i = 0; i < s->set_count; i++)
        if (strcmp(s->sets[i].name, name) == 0)
            return &s->sets[i];
    return NULL;
}

bool service_look_set(const struct service *s, const char *name, struct arena *a,
                      struct service_set *out)
{
    const struct service_set *known = service_find_set(s, name);

    if (known == NULL)
        return s->find_set != NULL && s->find_set(s->arg, name, a, out);
    *out = *known;
    return true;
}
