/*
 * create: back up a set, by the name of its configuration.
 */
#include "cli/backup_set.h"
#include "cli/commands.h"

struct create_args {
    struct common common;
    char *set, *config_file;
    bool dry_run;
};

#define AT(member) offsetof(struct create_args, member)

static const struct option create_options[] = {
    {"config", 'c', OPTION_TEXT, AT(set), "SET", "Back up the set SET of the configuration", NULL,
     NULL},
    {"config-file", 0, OPTION_TEXT, AT(config_file), "FILE", "Read the configuration from FILE",
     "HOLDFAST_CONFIG", NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "Store nothing, tell what would be stored",
     NULL, NULL},
    {0},
};

static bool run_create(struct call *call, struct err *e)
{
    const struct create_args *args = call->args;
    const struct backup_options o = {.stream_fd = -1, .is_dry_run = args->dry_run};

    if (args->set == NULL)
        return err_set(e, ERR_USAGE, "create needs --config and the name of a set");
    return backup_set(call, args->config_file, args->set, &o, e);
}

const struct command command_create = {
    .name = "create",
    .summary = "Back up a set of the configuration",
    .details = "The same as \"holdfast backup --set SET\".",
    .examples = "holdfast create --config shop\n"
                "holdfast create --config shop --dry-run",
    .words = "",
    .options = create_options,
    .args_size = sizeof(struct create_args),
    .run = run_create,
};
