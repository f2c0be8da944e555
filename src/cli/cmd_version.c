#include <sys/utsname.h>

#include "cli/call.h"
#include "cli/commands.h"
#include "cli/render.h"

enum { FORMAT_VERSION = 1 };

struct version_args {
    struct common common;
};

static bool run_version(struct call *call, struct err *e)
{
    struct utsname system;

    if (uname(&system) != 0)
        return err_sys(e, "name the system");
    if (call->out->json) {
        json_t *line = json_message("version");

        json_set_text(line, "version", HOLDFAST_VERSION);
        json_set_u64(line, "repository_format", FORMAT_VERSION);
        json_set_text(line, "os", system.sysname);
        json_set_text(line, "arch", system.machine);
        output_json(call->out, line);
        return true;
    }
    output_line(call->out, "holdfast %s, repository format %d, %s %s", HOLDFAST_VERSION,
                FORMAT_VERSION, system.sysname, system.machine);
    return true;
}

const struct command command_version = {
    .name = "version",
    .summary = "Show the version",
    .examples = "holdfast version\n"
                "holdfast version --json",
    .words = "",
    .args_size = sizeof(struct version_args),
    .run = run_version,
};
