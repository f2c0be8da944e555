#include "cli/forget_set.h"

#include <ctype.h>
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

static bool ask_verified(struct call *call, struct catalog_tx *t, struct retention_known *out,
                         struct err *e)
{
    struct catalog_store_list stores = {0};
    struct retention_verified *all;

    if (!catalog_store_list(t, &call->arena, &stores, e))
        return false;
    all = arena_take(&call->arena, stores.count * sizeof(*all));
    for (size_t i = 0; i < stores.count; i++) {
        const struct catalog_store *s = &stores.items[i];

        if (s->verified_id == NULL || strlen(s->verified_id) >= sizeof(all->repository))
            continue;
        memcpy(all[out->verified_count].repository, s->verified_id, strlen(s->verified_id) + 1);
        all[out->verified_count++].time_ns = s->verified_ns;
    }
    out->verified = all;
    return true;
}

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
    if (!catalog_begin_read(catalog, &t, e) || !catalog_set_get(t, set, &a, &known, e) ||
        !ask_verified(call, t, out, e))
        return false;
    out->failed_runs = known.failures > INT_MAX ? INT_MAX : (int)known.failures;
    out->latest_ns = known.success_ns > known.failure_ns ? known.success_ns : known.failure_ns;
    return true;
}

/* "ID=TIME" */
static bool parse_verified(const char *text, struct retention_verified *out, struct err *e)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || (size_t)(equals - text) >= sizeof(out->repository))
        return err_set(e, ERR_USAGE, "%.100s is not the id of a repository, = and a time", text);
    *out = (struct retention_verified){0};
    memcpy(out->repository, text, (size_t)(equals - text));
    return clock_parse(equals + 1, &out->time_ns, e);
}

static bool take_told(struct call *call, const struct forget_told *told,
                      struct retention_known *out, struct err *e)
{
    const size_t verified = told->verified == NULL ? 0 : told->verified->count;
    struct retention_verified *all = arena_take(&call->arena, verified * sizeof(*all));
    uint64_t count = 0;

    if (!parse_u64(told->failed_runs, &count, e))
        return err_wrap(e, "--failed-runs");
    out->failed_runs = count > INT_MAX ? INT_MAX : (int)count;
    for (size_t i = 0; i < verified; i++)
        if (!parse_verified(told->verified->items[i], &all[i], e))
            return err_wrap(e, "--verified");
    out->verified = all;
    out->verified_count = verified;
    return true;
}

bool forget_learn(struct call *call, const struct config *c, const char *set,
                  const struct forget_told *told, struct retention_known *out, struct err *e)
{
    struct retention_known known = {0};

    if (told->failed_runs == NULL && !ask_catalog(call, c, set, &known, e))
        return err_wrap(e, "ask the catalog about the backups of %s", set);
    if (told->failed_runs != NULL && !take_told(call, told, &known, e))
        return false;
    if (told->clock_seen_ns > known.latest_ns)
        known.latest_ns = told->clock_seen_ns;
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
    char action[SHORT_MAX], kind[SHORT_MAX];
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
    desk_text(snapshot, "kind", kind, sizeof(kind));
    buf_printf(&cell, "%s: %s%s", what_of(action, is_dry_run),
               strcmp(kind, retention_kind_text(RETENTION_UPLOAD)) == 0 ? "upload, " : "", text);
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
    desk_text(plan, "places", text, sizeof(text));
    if (text[0] != '\0' && !is_brief)
        output_note(call->out, "%c%s", toupper((unsigned char)text[0]), text + 1);
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
