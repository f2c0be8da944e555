/*
 * audit list and audit verify: who did what with the service.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "cli/catalog_call.h"
#include "cli/commands.h"
#include "cli/render.h"

struct audit_args {
    struct common common;
    char *actor, *object;
    int limit;
};

#define AT(member)  offsetof(struct audit_args, member)
#define PAGE        1000 /* records read at a time */
#define LIMIT_UNSET 50   /* records shown unless an option says otherwise */

static const struct option audit_options[] = {
    {0},
};

static const struct option audit_list_options[] = {
    {"actor", 0, OPTION_TEXT, AT(actor), "NAME", "Show only what NAME did", NULL, "filter", NULL},
    {"object", 0, OPTION_TEXT, AT(object), "NAME", "Show only what was done to NAME", NULL,
     "filter", NULL},
    {"limit", 0, OPTION_COUNT, AT(limit), "N", "Show the newest N records, 50 unless given", NULL,
     NULL, NULL},
    {0},
};

static void show(struct call *call, const struct catalog_audit_record *r)
{
    AUTO(buf) struct buf actor = {0};
    AUTO(buf) struct buf object = {0};
    char time[CLOCK_TEXT_MAX];

    if (call->out->json) {
        json_t *line = json_message("audit_record");

        json_set_u64(line, "seq", (uint64_t)r->seq);
        json_set_time(line, "time", r->time_ns);
        json_set_text(line, "actor", r->actor);
        json_set_text(line, "action", r->action);
        json_set_text(line, "object", r->object);
        json_set_text(line, "outcome", r->outcome);
        json_set(line, "details",
                 r->details != NULL ? json_loads(r->details, 0, NULL) : json_object());
        output_json(call->out, line);
        return;
    }
    clock_format_local(r->time_ns, time);
    output_line(call->out, "%" PRId64 "  %s  %s  %s %s: %s", r->seq, time,
                path_for_people(r->actor, &actor), r->action, path_for_people(r->object, &object),
                r->outcome);
}

static bool run_audit_list(struct call *call, struct err *e)
{
    const struct audit_args *args = call->args;
    uint64_t left = args->limit < 0    ? UINT64_MAX
                    : args->limit == 0 ? LIMIT_UNSET
                                       : (uint64_t)args->limit;
    struct catalog_audit_filter f = {.actor = args->actor, .object = args->object};
    AUTO(catalog) struct catalog *c = NULL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    bool is_more = true;

    if (!catalog_call_open(call, args->common.config, &c, e) || !catalog_begin_read(c, &t, e))
        return false;
    while (is_more && left > 0) {
        AUTO(arena) struct arena a = {0};
        struct catalog_audit_list list = {0};

        f.limit = left < PAGE ? (size_t)left : PAGE;
        if (!catalog_audit_list(t, &f, &a, &list, e))
            return false;
        for (size_t i = 0; i < list.count; i++)
            show(call, &list.items[i]);
        if (!output_is_good(call->out, e))
            return false;
        is_more = list.count == f.limit;
        left -= list.count;
        f.before_seq = list.count > 0 ? list.items[list.count - 1].seq : 0;
    }
    return true;
}

static bool run_audit_verify(struct call *call, struct err *e)
{
    const struct audit_args *args = call->args;
    struct catalog_audit_verdict v = {0};
    AUTO(catalog) struct catalog *c = NULL;

    if (!catalog_call_open(call, args->common.config, &c, e) || !catalog_audit_verify(c, &v, e))
        return false;
    call->status = v.is_sound ? EXIT_OK : EXIT_DAMAGED;
    if (call->out->json) {
        json_t *line = json_message("audit_verdict");

        json_set(line, "sound", json_boolean(v.is_sound));
        json_set_u64(line, "records", (uint64_t)v.count);
        if (!v.is_sound) {
            json_set_u64(line, "bad_record", (uint64_t)v.bad_seq);
            json_set_text(line, "reason", v.reason);
        }
        output_json(call->out, line);
    }
    if (v.is_sound)
        output_line(call->out, "%" PRId64 " record%s, unchanged.", v.count,
                    plural((uint64_t)v.count));
    else
        output_line(call->out, "Record %" PRId64 ": %s.", v.bad_seq, v.reason);
    return true;
}

const struct command command_audit_list = {
    .name = "audit list",
    .summary = "Show who did what with the service",
    .details = "Newest first.",
    .examples = "holdfast audit list\n"
                "holdfast audit list --actor ann --limit unlimited",
    .words = "",
    .options = audit_list_options,
    .args_size = sizeof(struct audit_args),
    .run = run_audit_list,
};

const struct command command_audit_verify = {
    .name = "audit verify",
    .summary = "Check that nobody changed the audit log",
    .details = "Exit status 13 when a record was changed, moved, put in or taken out.",
    .examples = "holdfast audit verify",
    .words = "",
    .options = audit_options,
    .args_size = sizeof(struct audit_args),
    .run = run_audit_verify,
};
