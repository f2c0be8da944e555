#include "cli/forget_set.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "cli/catalog_call.h"
#include "cli/render.h"

/* What the catalog knows */

/* Nothing is learnt where there is no catalog. */
static bool ask_catalog(struct call *call, const struct config *c, const char *set,
                        struct retention_known *out, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    AUTO(catalog) struct catalog *catalog = NULL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_set known;

    if (!catalog_call_find(call, c, false, &catalog, e))
        return false;
    if (catalog == NULL)
        return true;
    if (!catalog_begin_read(catalog, &t, e) || !catalog_set_get(t, set, &a, &known, e))
        return false;
    out->failed_runs = known.failures > INT_MAX ? INT_MAX : (int)known.failures;
    out->latest_ns = known.success_ns > known.failure_ns ? known.success_ns : known.failure_ns;
    return true;
}

bool forget_learn(struct call *call, const struct config *c, const char *set,
                  const char *failed_runs, int64_t clock_seen_ns, struct retention_known *out,
                  struct err *e)
{
    struct retention_known known = {.latest_ns = clock_seen_ns};
    uint64_t count = 0;

    if (failed_runs != NULL) {
        if (!parse_u64(failed_runs, &count, e))
            return err_wrap(e, "--failed-runs");
        known.failed_runs = count > INT_MAX ? INT_MAX : (int)count;
    } else if (!ask_catalog(call, c, set, &known, e)) {
        return err_wrap(e, "ask the catalog whether backups of %s fail", set);
    }
    if (clock_seen_ns > known.latest_ns)
        known.latest_ns = clock_seen_ns;
    *out = known;
    return true;
}

/* Telling */

static const char *what_of(enum retention_action a, bool is_dry_run)
{
    if (a == RETENTION_REMOVE)
        return is_dry_run ? "would be forgotten" : "forgotten";
    return retention_action_text(a);
}

static void tell_rows(struct call *call, const struct forget_plan *p,
                      const struct retention_plan *plan)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};

    table_init(&t, 4);
    table_add(&t, "ID");
    table_add(&t, "Received");
    table_add(&t, "Trust");
    table_add(&t, "What, and why");
    for (size_t i = 0; i < plan->count; i++) {
        const struct retention_decision *d = &plan->decisions[i];
        AUTO(buf) struct buf cell = {0};
        char time[CLOCK_TEXT_MAX];

        buf_printf(&cell, "%.8s", d->item->id);
        table_add(&t, buf_string(&cell));
        clock_format_local(d->item->received_ns, time);
        table_add(&t, time);
        table_add(&t, trust_text(d->item->trust));
        buf_clear(&cell);
        buf_printf(&cell, "%s: %s", what_of(d->action, p->is_dry_run), d->reason);
        table_add(&t, buf_string(&cell));
    }
    table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
}

/* How to let go what waits. */
static bool tell_approval(struct call *call, const struct forget_plan *p, json_t *line,
                          struct err *e)
{
    AUTO(retention_run) struct retention_run *more = NULL;
    struct retention_known known = *p->known;
    char digest[2 * HASH_SIZE + 1];

    known.is_approved = true;
    if (!retention_run_plan(p->repo, p->set, p->in, &known, &more, e))
        return false;
    hex_encode(SLICE_OF(more->plan->digest.bytes, HASH_SIZE), digest);
    json_set_text(line, "approve", digest);
    output_note(call->out, "All %zu go with: holdfast forget --set %s --approve %s",
                more->plan->removed, p->set->name, digest);
    return true;
}

static bool tell(struct call *call, const struct forget_plan *p, const struct retention_plan *plan,
                 json_t *list, struct err *e)
{
    json_t *line = retention_plan_json(plan);

    json_set_text(line, "set", p->set->name);
    json_set_text(line, "repository", p->in->name);
    json_set(line, "dry_run", json_boolean(p->is_dry_run));
    json_array_append_new(list, line);
    if (!call->out->json && !call->out->quiet && !p->is_brief && plan->count > 0)
        tell_rows(call, p, plan);
    if (plan->sentence != NULL)
        output_note(call->out, "%s", plan->sentence);
    output_note(call->out, "%zu snapshot%s %s, %zu kept, %zu waiting", plan->removed,
                plural(plan->removed), what_of(RETENTION_REMOVE, p->is_dry_run), plan->kept,
                plan->held);
    return (plan->state != RETENTION_LIMITED || tell_approval(call, p, line, e)) &&
           output_is_good(call->out, e);
}

bool forget_plan(struct call *call, const struct forget_plan *p, json_t *list, struct err *e)
{
    AUTO(retention_run) struct retention_run *run = NULL;
    uint64_t removed = 0;

    if (!retention_run_find(p->repo, p->set, p->in, p->known, p->approve, &run, e) ||
        (!p->is_dry_run && !retention_run_apply(p->repo, run, &removed, e)) ||
        !tell(call, p, run->plan, list, e))
        return false;
    if (p->is_dry_run || run->plan->state == RETENTION_READY ||
        run->plan->state == RETENTION_LIMITED)
        return true;
    return err_set(e, run->plan->state == RETENTION_PAUSED ? ERR_TRANSIENT : ERR_FATAL,
                   "nothing is forgotten of set %s in %s: %s", p->set->name, p->in->name,
                   run->plan->sentence);
}
