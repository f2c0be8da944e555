/*
 * verify: whether a backup can be brought back.
 */
#include "cli/commands.h"
#include "cli/desk.h"
#include "cli/render.h"
#include "codec/json.h"

struct verify_args {
    struct common common;
    struct desk_args desk;
    char *backup;
};

static const struct option verify_options[] = {
    {"backup", 'b', OPTION_TEXT, offsetof(struct verify_args, backup), "ID",
     "The backup: its id in the list, or a snapshot of a set", NULL, NULL, NULL},
    DESK_OPTIONS(verify_args, desk),
    {0},
};

static bool run_verify(struct call *call, struct err *e)
{
    const struct verify_args *args = call->args;
    AUTO(desk) struct desk *d = NULL;
    bool is_valid = false;

    if (args->backup == NULL)
        return err_set(e, ERR_USAGE, "verify needs --backup and the id of a backup");
    if (!desk_open(call, &args->desk, false, &d, e) || !desk_verify(d, args->backup, &is_valid, e))
        return false;

    const char *sentence = is_valid ? "Backup integrity verified" : "Backup integrity check failed";

    if (!is_valid)
        call->status = EXIT_FAILED;
    if (call->out->json) {
        json_t *line = json_object();

        json_set_text(line, "backupId", args->backup);
        json_set(line, "isValid", json_boolean(is_valid));
        json_set_text(line, "message", sentence);
        output_json(call->out, line);
        return true;
    }
    output_line(call->out, "%s", sentence);
    return true;
}

const struct command command_verify = {
    .name = "verify",
    .summary = "Prove that a backup can be brought back",
    .details = "The backup is restored in scratch space and compared with what was noted when it "
               "was made, as by\n\"holdfast drill\".  Exit status 1: it is not valid, or nobody "
               "knows it.",
    .examples = "holdfast verify --backup 0f3c5a7d9b1e2f40617283940a5b6c7d\n"
                "holdfast verify --backup 0f3c5a7d9b1e2f40617283940a5b6c7d --server "
                "https://backup.example.org --token-file /etc/holdfast/token",
    .words = "",
    .options = verify_options,
    .args_size = sizeof(struct verify_args),
    .run = run_verify,
};
