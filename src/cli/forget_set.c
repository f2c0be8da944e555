#include "cli/forget_set.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "cli/catalog_call.h"
#include "cli/desk_tell.h"
#include "cli/render.h"

enum {
    TELL_MAX = 512,
    SHORT_MAX = 32,
};

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

/* Telling.  A plan may come from elsewhere: nothing in it is trusted to be fit for a terminal. */

static const char *what_of(const char *action, bool is_dry_run)
{
    if (strcmp(action, retention_action_text(RETENTION_REMOVE)) == 0)
        return is_dry_run ? "would be forgotten" : "forgotten";
    return action;
}

static void add_row(struct table *t, const json_t *snapshot, bool is_dry_run)
{
    char text[TELL_MAX];
    char action[SHORT_MAX];
    char time[CLOCK_TEXT_MAX];
    int64_t time_ns = 0;
    struct err none;
    AUTO(buf) struct buf cell = {0};

    desk_text(snapshot, "id", text, SHORT_ID_MAX);
    table_add(t, text);
    desk_text(snapshot, "time", text, sizeof(text));
    if (clock_parse(text, &time_ns, &none)) {
        clock_format_local(time_ns, time);
        table_add(t, time);
    } else {
        table_add(t, text);
    }
    desk_text(snapshot, "trust", text, sizeof(text));
    table_add(t, text);
    desk_text(snapshot, "action", action, sizeof(action));
    desk_text(snapshot, "reason", text, sizeof(text));
    buf_printf(&cell, "%s: %s", what_of(action, is_dry_run), text);
    table_add(t, buf_string(&cell));
}

static void tell_rows(struct call *call, const json_t *snapshots, bool is_dry_run)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};
    const json_t *one;
    size_t i;

    table_init(&t, 4);
    table_add(&t, "ID");
    table_add(&t, "Received");
    table_add(&t, "Trust");
    table_add(&t, "What, and why");
    json_array_foreach(snapshots, i, one)
    {
        add_row(&t, one, is_dry_run);
    }
    table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
}

void forget_tell(struct call *call, const json_t *plan, bool is_brief)
{
    const json_t *snapshots = json_object_get(plan, "snapshots");
    const bool is_dry_run = json_is_true(json_object_get(plan, "dry_run"));
    const uint64_t removed = desk_size(plan, "remove"), held = desk_size(plan, "hold");
    char text[TELL_MAX];
    char digest[2 * HASH_SIZE + 1];

    if (!call->out->json && !call->out->quiet && !is_brief && json_array_size(snapshots) > 0)
        tell_rows(call, snapshots, is_dry_run);
    desk_text(plan, "sentence", text, sizeof(text));
    if (text[0] != '\0')
        output_note(call->out, "%s", text);
    output_note(call->out, "%" PRIu64 " snapshot%s %s, %" PRIu64 " kept, %" PRIu64 " waiting",
                removed, plural(removed),
                what_of(retention_action_text(RETENTION_REMOVE), is_dry_run),
                desk_size(plan, "keep"), held);
    desk_text(plan, "approve", digest, sizeof(digest));
    desk_text(plan, "set", text, sizeof(text));
    if (digest[0] != '\0')
        output_note(call->out, "All %" PRIu64 " go with: holdfast forget --set %s --approve %s",
                    removed + held, text, digest);
}

/* What lets go what waits. */
static bool add_approval(const struct forget_plan *p, json_t *line, struct err *e)
{
    AUTO(retention_run) struct retention_run *more = NULL;
    struct retention_known known = *p->known;
    char digest[2 * HASH_SIZE + 1];

    known.is_approved = true;
    if (!retention_run_plan(p->repo, p->set, p->in, &known, &more, e))
        return false;
    hex_encode(SLICE_OF(more->plan->digest.bytes, HASH_SIZE), digest);
    json_set_text(line, "approve", digest);
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
    if (plan->state == RETENTION_LIMITED && !add_approval(p, line, e))
        return false;
    forget_tell(call, line, p->is_brief);
    return output_is_good(call->out, e);
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
