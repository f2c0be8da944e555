#include "cli/restore_set_call.h"

#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/backup_stores.h"
#include "cli/config_path.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/terminal.h"

/* Plan */

static json_t *source_json(const struct source_plan *p)
{
    json_t *j = json_object();

    json_set_text(j, "place", p->place);
    json_set_text(j, "where", p->where);
    json_set(j, "why_not", p->why == NULL ? json_null() : json_from_text(p->why));
    json_set(j, "is_there", json_boolean(p->is_there));
    json_set_u64(j, "files_new", p->added);
    json_set_u64(j, "files_replaced", p->replaced);
    json_set_u64(j, "files_removed", p->removed);
    json_set_u64(j, "files_unchanged", p->unchanged);
    json_set_u64(j, "tables", p->tables);
    json_set_u64(j, "tables_without_rows", p->tables_without_rows);
    json_set_u64(j, "rows", p->rows);
    json_set_u64(j, "bytes", p->bytes);
    json_set_u64(j, "present_bytes", p->present_bytes);
    return j;
}

/* Names of programs: their arguments may be secrets. */
static json_t *programs_json(const struct programs *p)
{
    json_t *names = json_array();

    for (size_t i = 0; i < p->count; i++)
        (void)json_array_append_new(names, json_from_text(p->items[i].items[0]));
    return names;
}

static void plan_json(struct call *call, const struct restore_set_options *o,
                      const struct restore_set_plan *plan)
{
    json_t *line = json_message("plan");
    json_t *sources = json_array();

    for (size_t i = 0; i < plan->count; i++)
        (void)json_array_append_new(sources, source_json(&plan->sources[i]));
    json_set_text(line, "set", o->set->name);
    json_set_hash(line, "snapshot_id", &o->snapshot->id);
    json_set(line, "imported", json_boolean(snapshot_is_import(o->snapshot)));
    json_set(line, "authenticated",
             json_boolean(!snapshot_has_tag(o->snapshot, SNAPSHOT_UNAUTHENTICATED)));
    json_set(line, "sources", sources);
    json_set(line, "stop", programs_json(&o->set->restore.stop));
    json_set(line, "start", programs_json(&o->set->restore.start));
    json_set_u64(line, "health_checks", o->set->health_checks.count);
    output_json_now(call->out, line);
}

/* "12 tables, 3400 rows, 1.2 MiB", "3 new, 1 replaced, 0 removed, 17 unchanged, 1.2 MiB" */
static void put_amount(const struct source_plan *p, struct buf *out)
{
    char size[TEXT_SIZE_MAX];

    size_format(p->bytes, size);
    if (p->tables > 0)
        buf_printf(out, "%llu table%s, %llu row%s, ", (unsigned long long)p->tables,
                   plural(p->tables), (unsigned long long)p->rows, plural(p->rows));
    if (p->tables_without_rows > 0)
        buf_printf(out, "%llu of the tables without rows, as stored, ",
                   (unsigned long long)p->tables_without_rows);
    if (p->added + p->replaced + p->removed + p->unchanged > 0)
        buf_printf(out, "%llu new, %llu replaced, %llu removed, %llu unchanged, ",
                   (unsigned long long)p->added, (unsigned long long)p->replaced,
                   (unsigned long long)p->removed, (unsigned long long)p->unchanged);
    buf_printf(out, "%s", size);
}

static void put_present(const struct source_plan *p, struct buf *out)
{
    char size[TEXT_SIZE_MAX];

    if (p->why != NULL) {
        buf_printf(out, "stays as it is: %s", p->why);
        return;
    }
    size_format(p->present_bytes, size);
    if (!p->is_there)
        buf_printf(out, "is made, nothing is there");
    else if (p->present_bytes > 0)
        buf_printf(out, "takes the place of %s, which is kept", size);
    else
        buf_printf(out, "what is there is kept");
}

/* "stop: systemctl, wg-quick" */
static void switch_line(struct call *call, const char *word, const struct programs *p)
{
    AUTO(buf) struct buf names = {0};

    for (size_t i = 0; i < p->count; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", p->items[i].items[0]);
    if (p->count > 0)
        output_line(call->out, "%s: %s", word, buf_string(&names));
}

static void plan_lines(struct call *call, const struct restore_set_options *o,
                       const struct restore_set_plan *plan)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};

    table_init(&t, 4);
    for (size_t i = 0; i < plan->count; i++) {
        const struct source_plan *p = &plan->sources[i];
        AUTO(buf) struct buf amount = {0};
        AUTO(buf) struct buf present = {0};

        put_amount(p, &amount);
        put_present(p, &present);
        table_add(&t, p->place);
        table_add(&t, p->where);
        table_add(&t, buf_string(&amount));
        table_add(&t, buf_string(&present));
    }
    table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
    switch_line(call, "stop", &o->set->restore.stop);
    switch_line(call, "start", &o->set->restore.start);
}

static void tell_plan(struct call *call, const struct restore_set_options *o,
                      const struct restore_set_plan *plan)
{
    if (call->out->json)
        plan_json(call, o, plan);
    else
        plan_lines(call, o, plan);
}

/* The run */

static void on_step(void *arg, const char *sentence)
{
    struct call *call = arg;

    if (call->out->json) {
        json_t *line = json_message("step");

        json_set_text(line, "text", sentence);
        output_json_now(call->out, line);
        return;
    }
    output_note(call->out, "%s", sentence);
}

/* For programs: people have read what happens. */
static void on_stand(void *arg, const char *id, enum restore_stand now)
{
    static const char *const phases[] = {[RESTORE_STAND_STOPPING] = "stopping",
                                         [RESTORE_STAND_SWAPPING] = "swapping",
                                         [RESTORE_STAND_UNCONFIRMED] = "unconfirmed"};
    struct call *call = arg;
    json_t *line;

    if (!call->out->json)
        return;
    line = json_message("restore_state");
    json_set_text(line, "restore_id", id);
    json_set_text(line, "phase", phases[now]);
    output_json_now(call->out, line);
}

static enum command_answer on_ask(void *arg)
{
    (void)arg;
    switch (terminal_listen()) {
    case TERMINAL_YES:
        return COMMAND_KEEP;
    case TERMINAL_NO:
        return COMMAND_GO_BACK;
    case TERMINAL_SILENT:
        break;
    }
    return COMMAND_UNDECIDED;
}

static bool ask_first(struct call *call, const struct restore_set_args *args, struct err *e)
{
    struct err why = {0};
    bool is_yes = false;

    if (args->yes)
        return true;
    if (call->out->json || !terminal_confirm("Restore this?", &is_yes, &why))
        return why.code == ERR_CANCELLED
                   ? cancel_err(e)
                   : err_set(e, ERR_USAGE,
                             "restore --in-place changes what is in use: say --yes, or answer on "
                             "a terminal");
    return is_yes || err_set(e, ERR_CANCELLED, "nothing was changed");
}

/* Sources that were restored, or those that stay as they are. */
static json_t *places_json(const struct restore_set_plan *p, bool is_restored)
{
    json_t *places = json_array();

    for (size_t i = 0; i < p->count; i++)
        if ((p->sources[i].why == NULL) == is_restored)
            (void)json_array_append_new(places, json_from_text(p->sources[i].place));
    return places;
}

/* "Set shop is restored", "postgres/shop of set shop is restored", and what is not. */
static void put_restored(const struct restore_set_options *o, const struct restore_set_plan *p,
                         struct buf *out)
{
    size_t stays = 0;

    if (o->place != NULL)
        buf_printf(out, "%s", o->place);
    buf_printf(out, "%s %s is restored", o->place != NULL ? " of set" : "Set", o->set->name);
    for (size_t i = 0; i < p->count; i++)
        if (p->sources[i].why != NULL)
            buf_printf(out, "%s %s", stays++ == 0 ? ", but for" : ",", p->sources[i].place);
    if (stays > 0)
        buf_printf(out, ", which stay%s as %s", stays == 1 ? "s" : "",
                   stays == 1 ? "it is" : "they are");
}

static bool has_kept(const struct restore_set_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->sources[i].why == NULL && p->sources[i].is_there)
            return true;
    return false;
}

static void tell_result(struct call *call, const struct restore_set_options *o,
                        const struct restore_set_result *r)
{
    AUTO(buf) struct buf text = {0};

    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_text(line, "restore_id", r->id);
        json_set_text(line, "set", o->set->name);
        json_set_hash(line, "snapshot_id", &o->snapshot->id);
        if (r->has_safety)
            json_set_hash(line, "safety_snapshot_id", &r->safety);
        json_set(line, "restored", places_json(&r->plan, true));
        json_set(line, "stays", places_json(&r->plan, false));
        json_set_u64(line, "health_checks", o->set->health_checks.count);
        output_json(call->out, line);
    }
    put_restored(o, &r->plan, &text);
    if (has_kept(&r->plan))
        buf_printf(&text, "; what was there is kept until \"holdfast undo --discard %s\"", r->id);
    output_note(call->out, "%s", buf_string(&text));
    output_note(call->out, "To go back: holdfast undo %s", r->id);
}

static bool run(struct call *call, struct session *s, const struct restore_set_args *args,
                struct restore_set_options *o, bool *is_begun, struct err *e)
{
    bool is_wanted = false;
    AUTO(restore_set_plan) struct restore_set_plan plan = {0};
    AUTO(restore_set_result) struct restore_set_result result = {0};
    struct progress_view view;

    if (!restore_set_plan(s->repo, o, &plan, e))
        return err_wrap(e, "restore of set %s", o->set->name);
    tell_plan(call, o, &plan);
    if (args->plan_only)
        return true;
    if (args->agree != NULL && !args->yes) {
        if (!output_flush(call->out, e) || !args->agree(call, &is_wanted, e))
            return false;
        if (!is_wanted)
            return true;
    } else if (!ask_first(call, args, e)) {
        return false;
    }
    *is_begun = true;
    if (!progress_init(&view, call->out, PROGRESS_RESTORE, e))
        return false;

    const struct report report = progress_report(&view);

    if (!restore_set_run(s->repo, o, &report, &result, e))
        return err_wrap(e, "restore of set %s", o->set->name);
    progress_end(&view);
    tell_result(call, o, &result);
    return true;
}

bool restore_set_call(struct call *call, const struct restore_set_args *args, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    bool is_begun = false;

    if (args->filter->set == NULL)
        return err_set(e, ERR_USAGE, "restore --in-place needs --set, or --into and a database");
    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    return config_path_load(args->config, NULL, &c, NULL, e) &&
           restore_set_from(call, c, args, &is_begun, e);
}

bool restore_set_from(struct call *call, const struct config *c,
                      const struct restore_set_args *args, bool *is_begun, struct err *e)
{
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *sub = NULL;
    const struct config_set *set = NULL;
    int64_t confirm_ms = 0;

    if (args->confirm_within != NULL && !parse_timeout(args->confirm_within, &confirm_ms, e))
        return err_wrap(e, "--confirm-within");
    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_find_set(c, args->filter->set, &set, e) ||
        !set_open_snapshot(call, set, args->selector, args->filter, &s, &snapshot, &sub, e))
        return false;

    struct restore_set_options o = {.config = c,
                                    .set = set,
                                    .snapshot = snapshot,
                                    .place = sub,
                                    .with_commands = args->apply,
                                    .confirm_ms = (uint64_t)confirm_ms,
                                    .ask = on_ask,
                                    .confirms_by_checks = args->confirm_by_checks,
                                    .stand = on_stand,
                                    .tell = on_step,
                                    .tell_arg = call};

    return run(call, &s, args, &o, is_begun, e);
}
