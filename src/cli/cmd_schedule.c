/*
 * schedule: keep a backup configuration, which runs from then on; or what runs when.
 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/desk.h"
#include "cli/render.h"
#include "codec/cron.h"
#include "codec/json.h"
#include "codec/pos_config.h"
#include "codec/zone.h"
#include "job/job.h"

#define NEXT_RUNS 3 /* that are shown */

struct schedule_args {
    struct common common;
    struct desk_args desk;
    char *file;
};

static const struct option schedule_options[] = {
    {"file", 'f', OPTION_TEXT, offsetof(struct schedule_args, file), "FILE",
     "The configuration, in JSON", NULL, NULL, NULL},
    DESK_OPTIONS(schedule_args, desk),
    {0},
};

/* The next runs, by the clock of this machine when it names no zone, and shown so; none when it is
 * not enabled. */
static bool next_runs(const struct pos_config *c, json_t *out, struct err *e)
{
    AUTO(zone) struct zone *zone = NULL;
    struct cron cron;
    int64_t moment = clock_now_ns() / NS_PER_S;

    if (!c->enabled)
        return true;
    if (!zone_open(c->timezone != NULL ? c->timezone : ZONE_LOCAL, NULL, &zone, e) ||
        !cron_parse(c->schedule, &cron, e))
        return false;
    for (int i = 0; i < NEXT_RUNS && cron_next(&cron, zone, moment, &moment); i++) {
        char text[CLOCK_TEXT_MAX];

        clock_format_local(moment * NS_PER_S, text);
        (void)json_array_append_new(out, json_from_text(text));
    }
    return true;
}

static void tell(struct call *call, const struct desk *d, const struct pos_config *c,
                 const json_t *runs)
{
    const json_t *one;
    size_t i;

    if (call->out->json) {
        output_json(call->out, json_pack("{s:s, s:s, s:b, s:O}", "message_type", "scheduled", "id",
                                         c->id, "enabled", c->enabled, "next_runs", runs));
        return;
    }
    output_note(call->out, "Backup configuration saved successfully");
    if (!c->enabled) {
        output_note(call->out, "%s is not enabled: nothing will run", c->id);
        return;
    }
    output_note(call->out, "Next runs of %s%s:", c->id,
                c->timezone != NULL ? ", by the clock of this machine"
                : desk_is_remote(d) ? ", if the service is in the time zone of this machine"
                                    : "");
    json_array_foreach(runs, i, one)
    {
        output_note(call->out, "  %s", json_string_value(one));
    }
}

/* What comes next by holdfast.yaml */

static json_t *next_json(const struct timetable_next *n)
{
    json_t *o = json_message("next_runs");
    json_t *runs = json_array();

    json_set_text(o, "set", n->set);
    json_set_text(o, "kind", catalog_run_kind_name(n->kind));
    if (n->repository != NULL)
        json_set_text(o, "repository", n->repository);
    for (size_t i = 0; i < n->count; i++) {
        char text[CLOCK_TEXT_MAX];

        clock_format_local(n->begins_s[i] * NS_PER_S, text);
        (void)json_array_append_new(runs, json_from_text(text));
    }
    json_set(o, "next_runs", runs);
    return o;
}

static void add_next(struct table *t, const struct timetable_next *n)
{
    AUTO(buf) struct buf begins = {0};

    table_add(t, n->set);
    table_add(t, catalog_run_kind_name(n->kind));
    table_add(t, n->repository != NULL ? n->repository : "");
    for (size_t i = 0; i < n->count; i++) {
        char text[CLOCK_TEXT_MAX];

        clock_format_local(n->begins_s[i] * NS_PER_S, text);
        buf_printf(&begins, "%s%s", i == 0 ? "" : "\n", text);
    }
    table_add(t, buf_string(&begins));
}

static void tell_next(struct call *call, const struct timetable *timetable, const char *set)
{
    static const char *const heads[] = {"Set", "Kind", "Repository", "Next runs"};
    const int64_t now_s = clock_now_ns() / NS_PER_S;
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};

    table_init(&t, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_add(&t, heads[i]);
    for (size_t i = 0; i < timetable_count(timetable); i++) {
        const struct timetable_next n = timetable_next(timetable, i, now_s);

        if (set != NULL && strcmp(n.set, set) != 0)
            continue;
        if (call->out->json)
            output_json(call->out, next_json(&n));
        else
            add_next(&t, &n);
    }
    if (call->out->json)
        return;
    table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
}

static bool show_next(struct call *call, const char *set, struct err *e)
{
    const struct schedule_args *args = call->args;
    AUTO(config) struct config *c = NULL;
    AUTO(timetable) struct timetable *t = NULL;
    const struct config_set *only = NULL;
    char host[256] = "";

    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (args->desk.remote.server != NULL)
        return err_set(e, ERR_USAGE,
                       "--server goes with --file; a service tells what it runs by "
                       "GET /api/v1/schedules");
    (void)gethostname(host, sizeof(host) - 1); /* without a name none of a set's hosts is this */
    if (!config_path_load(args->desk.config_file, set, &c, &only, e) ||
        !timetable_open(&(struct timetable_options){.config = c, .host = host}, &t, e))
        return false;
    tell_next(call, t, set);
    return true;
}

static bool run_schedule(struct call *call, struct err *e)
{
    const struct schedule_args *args = call->args;
    const struct strings *words = &args->common.words;
    AUTO(desk) struct desk *d = NULL;
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *runs = json_array();

    if (args->file == NULL)
        return show_next(call, words->count > 0 ? words->items[0] : NULL, e);
    if (words->count > 0)
        return err_set(e, ERR_USAGE, "--file goes with no set: the configuration names its own");
    call->stage = STAGE_SECRET; /* what follows is a matter of arguments */
    if (!file_read(args->file, POS_CONFIG_MAX, &text, e) ||
        !pos_config_parse(buf_slice(&text), POS_SAVE, &c, e) || !next_runs(c, runs, e)) {
        if (e->code == ERR_CORRUPT)
            e->code = ERR_USAGE; /* too long */
        return e->code == ERR_USAGE ? err_wrap(e, "%s", args->file) : false;
    }
    if (!desk_open(call, &args->desk, true, &d, e) || !desk_save(d, buf_slice(&text), e))
        return false;
    tell(call, d, c, runs);
    return true;
}

const struct command command_schedule = {
    .name = "schedule",
    .summary = "Keep a backup configuration and run it by its schedule; or show what runs when",
    .details =
        "Without --file: the next runs of the sets of holdfast.yaml on this host.  With it "
        "the\nconfiguration is checked, and kept in the catalog as a new version.  serve and "
        "worker run it.\nWhat it may say: docs/applications/vevurn-pos.md.",
    .examples = "holdfast schedule\n"
                "holdfast schedule shop --json\n"
                "holdfast schedule --file backup-daily-db.json\n"
                "holdfast schedule --file backup-daily-db.json --server https://backup.example.org "
                "--token-file /etc/holdfast/token",
    .words = "[SET]",
    .words_max = 1,
    .options = schedule_options,
    .args_size = sizeof(struct schedule_args),
    .run = run_schedule,
};
