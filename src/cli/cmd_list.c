/*
 * list: configurations, and what was backed up by them.
 */
#include "cli/commands.h"
#include "cli/desk_tell.h"
#include "codec/json.h"

#define OVERVIEW      3 /* backups of each configuration in the overview */
#define LIMIT_DEFAULT 20

struct list_args {
    struct common common;
    struct desk_args desk;
    char *config;
    bool configs;
    int limit;
};

#define AT(member) offsetof(struct list_args, member)

static const struct option list_options[] = {
    {"config", 'c', OPTION_TEXT, AT(config), "ID", "Backups of the configuration or set ID", NULL,
     "what", NULL},
    {"configs", 0, OPTION_FLAG, AT(configs), NULL, "Configurations, not backups", NULL, "what",
     NULL},
    {"limit", 0, OPTION_COUNT, AT(limit), "N", "With --config: at most N backups; 20 by default",
     NULL, NULL, NULL},
    DESK_OPTIONS(list_args, desk),
    {0},
};

static bool list_backups(struct call *call, struct desk *d, struct err *e)
{
    const struct list_args *args = call->args;
    AUTO(json) json_t *history = NULL;

    if (!desk_history(d, args->config, args->limit == 0 ? LIMIT_DEFAULT : args->limit, &history, e))
        return false;
    if (call->out->json)
        output_json(call->out, TAKE(history));
    else
        desk_tell_backups(call->out, json_object_get(history, "backups"));
    return true;
}

/* The newest of one configuration. */
static bool list_newest(struct call *call, struct desk *d, const json_t *config, json_t *all,
                        struct err *e)
{
    AUTO(json) json_t *history = NULL;
    const char *id = json_string_value(json_object_get(config, "id"));
    char text[120];

    if (id == NULL)
        return true;
    if (!desk_history(d, id, OVERVIEW, &history, e))
        return false;
    if (call->out->json) {
        json_set(all, id, json_incref(json_object_get(history, "backups")));
        return true;
    }
    desk_text(config, "id", text, sizeof(text));
    output_line(call->out, "%s (%llu):", text, (unsigned long long)desk_size(history, "total"));
    desk_tell_backups(call->out, json_object_get(history, "backups"));
    output_line(call->out, "%s", "");
    return output_is_good(call->out, e);
}

static bool list_overview(struct call *call, struct desk *d, struct err *e)
{
    const struct list_args *args = call->args;
    AUTO(json) json_t *configs = NULL;
    AUTO(json) json_t *all = json_object();
    const json_t *one;
    size_t i;

    if (!desk_configs(d, &configs, e))
        return false;
    if (args->configs || json_array_size(configs) == 0) {
        if (call->out->json)
            output_json(call->out, json_pack("{s:O}", "configs", configs));
        else
            desk_tell_configs(call->out, configs);
        return true;
    }
    json_array_foreach(configs, i, one)
    {
        if (!list_newest(call, d, one, all, e))
            return false;
    }
    if (call->out->json)
        output_json(call->out, json_pack("{s:O, s:O}", "configs", configs, "backups", all));
    return true;
}

static bool run_list(struct call *call, struct err *e)
{
    const struct list_args *args = call->args;
    AUTO(desk) struct desk *d = NULL;

    if (args->limit < 0 || args->limit > DESK_LIMIT_MAX)
        return err_set(e, ERR_USAGE, "--limit is at most %d", DESK_LIMIT_MAX);
    return desk_open(call, &args->desk, false, &d, e) &&
           (args->config != NULL ? list_backups(call, d, e) : list_overview(call, d, e));
}

const struct command command_list = {
    .name = "list",
    .summary = "List configurations and their backups",
    .details = "Without options: the three newest backups of each configuration.  What was backed "
               "up is known\nby the catalog; \"holdfast snapshots\" reads a repository.",
    .examples = "holdfast list\n"
                "holdfast list --config daily-db-backup --limit 50\n"
                "holdfast list --configs --server https://backup.example.org --token-file "
                "/etc/holdfast/token",
    .words = "",
    .options = list_options,
    .args_size = sizeof(struct list_args),
    .run = run_list,
};
