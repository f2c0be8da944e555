/*
 * worker: do the jobs of the catalog on this host.
 */
#include "cli/commands.h"
#include "cli/service_parts.h"

static bool run_worker(struct call *call, struct err *e)
{
    AUTO(service) struct service_parts *p = NULL;

    if (!service_open(call, call->common->config, &p, e))
        return false;
    output_note(call->out, "working on the jobs of the %s catalog",
                catalog_kind(service_catalog(p)));
    if (!output_flush(call->out, e))
        return false;
    service_run(p);
    return true;
}

const struct command command_worker = {
    .name = "worker",
    .summary = "Do scheduled and queued jobs on this host",
    .details = "Runs until it is asked to stop. Jobs that run then go on by themselves, and the "
               "next worker takes\nthem over. Each job is a process of its own, in a sandbox.",
    .examples = "holdfast worker\n"
                "holdfast worker --config /etc/holdfast/holdfast.yaml",
    .words = "",
    .args_size = sizeof(struct common),
    .run = run_worker,
};
