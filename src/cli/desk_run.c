#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/catalog_call.h"
#include "cli/desk_private.h"

/* The sentence has to live as long as the outcome: it is borrowed. */
struct catalog_outcome desk_run_failure(const struct err *why)
{
    return (struct catalog_outcome){.state =
                                        why->code == ERR_CANCELLED ? RUN_CANCELLED : RUN_FAILED,
                                    .error_code = why->code == ERR_CANCELLED   ? "cancelled"
                                                  : why->code == ERR_TRANSIENT ? "conflict"
                                                                               : "failed",
                                    .error = why->text};
}

struct adding {
    struct call *call;
    struct catalog_run *run;
    char id[CATALOG_ID_SIZE];
};

/* The configuration that the set is made of, when the catalog has it. */
static bool name_config(struct catalog_tx *t, struct catalog_run *run, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_config_list list = {0};

    if (!catalog_config_list(t, &a, &list, e))
        return false;
    run->config = NULL;
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.items[i].id, run->set) == 0)
            run->config = run->set;
    return true;
}

static bool add(struct catalog_tx *t, void *arg, struct err *e)
{
    struct adding *g = arg;
    const struct catalog_outcome *o = &g->run->outcome;
    json_t *details = json_pack("{s:s, s:s*}", "state", catalog_run_state_name(o->state),
                                "snapshot", o->snapshot);

    if (name_config(t, g->run, e) && catalog_run_add(t, g->run, g->id, e))
        return catalog_call_audit(g->call, t, catalog_run_kind_name(g->run->kind), g->run->set,
                                  details, e);
    json_decref(details);
    return false;
}

void desk_run_end(struct desk *d, const struct desk_run *r, const struct catalog_outcome *o,
                  struct catalog_run *out)
{
    struct adding g = {.call = d->call, .run = out};
    struct err why = {0};

    *out = (struct catalog_run){.set = r->set->name,
                                .kind = r->kind,
                                .variant = r->variant,
                                .cause = CAUSE_MANUAL,
                                .requested_by = catalog_call_actor(d->call),
                                .created_ns = r->begun_ns,
                                .started_ns = r->begun_ns,
                                .ended_ns = clock_now_ns(),
                                .outcome = *o};
    if (d->catalog == NULL)
        return;
    if (catalog_write(d->catalog, add, &g, &why)) {
        out->id = arena_string(&d->call->arena, slice_string(g.id));
        return;
    }
    (void)err_wrap(&why, "the catalog does not know of this run");
    output_item_warning(d->call->out, NULL, why.text);
}
