#include "job/backup_former.h"

#include <string.h>

bool backup_former_is_wanted(const struct backup_options *o)
{
    return o->is_again && o->job != NULL && o->set != NULL && !o->is_dry_run;
}

static bool is_text(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

const struct snapshot *backup_former_find(const struct snapshot_list *l,
                                          const struct backup_options *o)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->states[i] == SNAPSHOT_COMMITTED && is_text(l->items[i]->set, o->set->name) &&
            is_text(l->items[i]->job, o->job))
            return l->items[i];
    return NULL;
}

const struct snapshot *backup_former_copy(const struct snapshot_list *l, const struct snapshot *s)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->states[i] == SNAPSHOT_COMMITTED && snapshot_is_copy(l->items[i], s))
            return l->items[i];
    return NULL;
}

void backup_former_result(const struct snapshot *s, struct backup_result *out)
{
    *out = (struct backup_result){.counts = s->counts,
                                  .snapshot = s->id,
                                  .is_committed = true,
                                  .is_found = true,
                                  .errors = s->incomplete_count,
                                  .has_parent = s->has_parent,
                                  .parent = s->parent};
}
