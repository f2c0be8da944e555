/*
 * cleanup: apply the retention of sets.
 */
#include "cli/commands.h"
#include "cli/desk_tell.h"
#include "codec/json.h"

struct cleanup_args {
    struct common common;
    struct desk_args desk;
    char *config;
    bool dry_run, explain;
};

#define AT(member) offsetof(struct cleanup_args, member)

static const struct option cleanup_options[] = {
    {"config", 'c', OPTION_TEXT, AT(config), "ID", "Only of the configuration or set ID", NULL,
     NULL, NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "Remove nothing, tell what would be removed",
     NULL, NULL, NULL},
    {"explain", 0, OPTION_FLAG, AT(explain), NULL, "Tell why each snapshot stays or goes", NULL,
     NULL, NULL},
    DESK_OPTIONS(cleanup_args, desk),
    {0},
};

static bool run_cleanup(struct call *call, struct err *e)
{
    const struct cleanup_args *args = call->args;
    const struct desk_cleanup w = {
        .config = args->config, .is_dry_run = args->dry_run, .explain = args->explain};
    AUTO(desk) struct desk *d = NULL;
    AUTO(json) json_t *list = json_array();

    if (!desk_open(call, &args->desk, false, &d, e))
        return false;

    const bool is_done = desk_cleanup(d, &w, list, e);

    if (call->out->json && (is_done || json_array_size(list) > 0))
        output_json(call->out, json_pack("{s:s, s:b, s:O}", "message_type", "cleanup", "dry_run",
                                         args->dry_run, "sets", list));
    if (is_done)
        output_note(call->out, "%s",
                    args->dry_run ? "Dry run: nothing was removed"
                                  : "Retention policies applied successfully");
    return is_done;
}

const struct command command_cleanup = {
    .name = "cleanup",
    .summary = "Apply the retention of sets",
    .details = "In each repository of each set that has a retention, as \"holdfast forget --set\" "
               "does it.\nWith --server the service does it: for all configurations kept in it, or "
               "the set that "
               "--config names.",
    .examples = "holdfast cleanup --dry-run --explain\n"
                "holdfast cleanup --config shop\n"
                "holdfast cleanup --server https://backup.example.org --token-file "
                "/etc/holdfast/token",
    .words = "",
    .options = cleanup_options,
    .args_size = sizeof(struct cleanup_args),
    .run = run_cleanup,
};
