/*
 * schedule: keep a backup configuration, which runs from then on.
 */
#include "base/clock.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/desk.h"
#include "cli/render.h"
#include "codec/cron.h"
#include "codec/json.h"
#include "codec/pos_config.h"
#include "codec/zone.h"

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

/* The next runs by the clock of this machine; none when it is not enabled. */
static bool next_runs(const struct pos_config *c, json_t *out, struct err *e)
{
    AUTO(zone) struct zone *zone = NULL;
    struct cron cron;
    int64_t moment = clock_now_ns() / NS_PER_S;

    if (!c->enabled)
        return true;
    if (!zone_open(ZONE_LOCAL, NULL, &zone, e) || !cron_parse(c->schedule, &cron, e))
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
                desk_is_remote(d) ? ", if the service is in the time zone of this machine" : "");
    json_array_foreach(runs, i, one)
    {
        output_note(call->out, "  %s", json_string_value(one));
    }
}

static bool run_schedule(struct call *call, struct err *e)
{
    const struct schedule_args *args = call->args;
    AUTO(desk) struct desk *d = NULL;
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *runs = json_array();

    if (args->file == NULL)
        return err_set(e, ERR_USAGE, "schedule needs --file and a configuration in JSON");
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
    .summary = "Keep a backup configuration and run it by its schedule",
    .details = "The configuration is checked, and kept in the catalog as a new version.  serve and "
               "worker run it.\nWhat it may say: docs/applications/vevurn-pos.md.",
    .examples = "holdfast schedule --file backup-daily-db.json\n"
                "holdfast schedule --file backup-daily-db.json --server https://backup.example.org "
                "--token-file /etc/holdfast/token",
    .words = "",
    .options = schedule_options,
    .args_size = sizeof(struct schedule_args),
    .run = run_schedule,
};
