/*
 * undo: take restores of sets back, remove what they kept, confirm what they applied, list them.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/backup_stores.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/desk.h"
#include "cli/desk_private.h"
#include "cli/render.h"
#include "cli/session.h"

struct undo_args {
    struct common common;
    char *set;
    bool list, discard, confirm;
};

#define AT(member) offsetof(struct undo_args, member)

static const struct option undo_options[] = {
    {"set", 0, OPTION_TEXT, AT(set), "SET",
     "Only restores of SET, which may be a configuration of the API", NULL, NULL},
    {"list", 'l', OPTION_FLAG, AT(list), NULL, "Show all restores of sets, change nothing", NULL,
     "what"},
    {"discard", 0, OPTION_FLAG, AT(discard), NULL,
     "Remove what the restore or the undo has kept of the other state", NULL, "what"},
    {"confirm", 0, OPTION_FLAG, AT(confirm), NULL, "Keep what a restore has applied and waits for",
     NULL, "what"},
    {0},
};

/* What opening a repository takes. */
struct opening {
    struct call *call;
    struct session *session;
    const struct config *config;
    const char *id;
};

static const struct config_set *set_of(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->set_count; i++)
        if (strcmp(c->sets[i].name, name) == 0)
            return &c->sets[i];
    return NULL;
}

static bool open_repository(void *arg, const char *set_name, const char *id, struct repo **out,
                            struct err *e)
{
    const struct opening *o = arg;
    const struct config_set *set = set_of(o->config, set_name);
    const struct filter_args all = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *sub = NULL;

    if (!(set_has_several(o->call, set)
              ? set_open_snapshot(o->call, set, id, &all, o->session, &snapshot, &sub, e)
              : set_choose_repository(o->call, set, e) &&
                    session_open_indexed(o->call, o->session, e)))
        return false;
    *out = o->session->repo;
    return true;
}

/* Where restores are listed. */
struct rows {
    struct call *call;
    struct table table;
};

static bool is_listed(const struct call *call, const struct restore_record *r)
{
    const struct undo_args *args = call->args;

    return args->set == NULL || strcmp(r->set, args->set) == 0;
}

static bool add_row(void *arg, const struct restore_record *r, struct err *e)
{
    struct rows *rows = arg;
    struct table *t = &rows->table;
    char time[CLOCK_TEXT_MAX];

    (void)e; /* nothing fails */
    if (!is_listed(rows->call, r))
        return true;
    clock_format_local(r->started_ns, time);
    table_add(t, r->id);
    table_add(t, time);
    table_add(t, r->set);
    table_add(t, restore_phase_text(r->phase));
    table_add(t, r->why != NULL ? r->why : "");
    return true;
}

static bool print_json(void *arg, const struct restore_record *r, struct err *e)
{
    struct call *call = arg;
    json_t *line;

    (void)e; /* nothing fails */
    if (!is_listed(call, r))
        return true;
    line = json_message("restore");
    json_set_text(line, "restore_id", r->id);
    json_set_text(line, "set", r->set);
    json_set_text(line, "phase", restore_phase_text(r->phase));
    json_set_text(line, "snapshot_id", r->snapshot);
    if (r->safety != NULL)
        json_set_text(line, "safety_snapshot_id", r->safety);
    if (r->why != NULL)
        json_set_text(line, "why", r->why);
    json_set_time(line, "started", r->started_ns);
    json_set_time(line, "changed", r->changed_ns);
    output_json(call->out, line);
    return true;
}

static void rows_auto(struct rows *r)
{
    table_auto(&r->table);
}

static bool list(struct call *call, const struct config *c, struct err *e)
{
    AUTO(rows) struct rows rows = {.call = call};
    AUTO(buf) struct buf text = {0};

    table_init(&rows.table, 5);
    if (call->out->json)
        return restore_record_each(c->state, print_json, call, e);
    if (!restore_record_each(c->state, add_row, &rows, e))
        return false;
    table_print(&rows.table, &text);
    output_raw(call->out, buf_slice(&text));
    return true;
}

static void tell(struct call *call, const char *id, enum restore_phase phase)
{
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_text(line, "restore_id", id);
        json_set_text(line, "phase", restore_phase_text(phase));
        output_json(call->out, line);
    }
    if (phase == RESTORE_UNDONE)
        output_note(call->out,
                    "Restore %s is undone; what it had restored is kept until \"holdfast undo "
                    "--discard %s\"",
                    id, id);
    else if (phase == RESTORE_FAILED)
        output_note(call->out, "Restore %s had been interrupted; the state before it is back", id);
    else
        output_note(call->out, "Nothing is kept of restore %s any more", id);
}

/* The configuration that a set is in: the file's, or one of the API, which desk keeps. */
static bool find_config(struct call *call, const struct config *file, const char *set,
                        struct desk **desk, const struct config **out, struct err *e)
{
    const struct undo_args *args = call->args;
    const struct desk_args at = {.config_file = args->common.config};
    struct desk_set found;

    *out = file;
    if (set_of(file, set) != NULL)
        return true;
    if (!desk_open(call, &at, false, desk, e) || !desk_find_set(*desk, set, &found, e))
        return false;
    *out = found.config;
    return true;
}

/* The restore that is meant has a set, which may be a configuration of the API. */
static bool undo(struct call *call, const struct config *c, struct restore_undo_options o,
                 struct err *e)
{
    AUTO(desk) struct desk *desk = NULL;
    AUTO(session) struct session s = {0};
    struct opening opening = {.call = call, .session = &s};
    AUTO(mem) char *set = NULL;
    char id[RESTORE_ID_MAX];
    char found[RESTORE_ID_MAX];
    enum restore_phase phase = RESTORE_FAILED;

    if (o.set == NULL) {
        if (!restore_undo_find(&o, c->state, id, &set, e))
            return false;
        o.id = id;
        o.set = set;
    }
    if (!find_config(call, c, o.set, &desk, &opening.config, e))
        return false;
    o.config = opening.config;
    o.open_repo = open_repository;
    o.arg = &opening;
    if (!restore_undo(&o, found, &phase, e))
        return false;
    tell(call, found, phase);
    return true;
}

static bool run_undo(struct call *call, struct err *e)
{
    const struct undo_args *args = call->args;
    const char *id = args->common.words.count > 0 ? args->common.words.items[0] : NULL;
    const struct restore_undo_options o = {.id = id, .set = args->set, .discard = args->discard};
    AUTO(config) struct config *c = NULL;

    if (args->confirm && (id == NULL || args->set != NULL))
        return err_set(e, ERR_USAGE, "undo --confirm needs the id of the restore, and no --set");
    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path_load(args->common.config, NULL, &c, NULL, e))
        return false;
    call->stage = STAGE_WORK;
    if (args->list)
        return list(call, c, e);
    if (args->confirm)
        return restore_confirm(c->state, id, e);
    return undo(call, c, o, e);
}

const struct command command_undo = {
    .name = "undo",
    .summary = "Take a restore of a set back",
    .details =
        "RESTORE is the id that \"restore --in-place\" told, or its beginning; without it the\n"
        "latest restore is meant that was not undone.  What was there before the restore takes\n"
        "its places again, and what was restored is kept until it is discarded.\n"
        "A restore that was interrupted is taken back too.",
    .examples = "holdfast undo\n"
                "holdfast undo --list\n"
                "holdfast undo --set shop\n"
                "holdfast undo --discard 1a2b3c4d",
    .words = "[RESTORE]",
    .words_max = 1,
    .options = undo_options,
    .args_size = sizeof(struct undo_args),
    .run = run_undo,
};
