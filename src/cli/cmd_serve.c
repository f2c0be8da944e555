/*
 * serve: the service, HTTP and jobs.
 */
#include "cli/commands.h"
#include "cli/serve_http.h"

static bool run_serve(struct call *call, struct err *e)
{
    AUTO(service) struct service_parts *p = NULL;
    AUTO(serve_http) struct serve_http *h = NULL;

    if (!service_open(call, call->common->config, &p, e) || !serve_http_start(call, p, &h, e))
        return false;
    service_run(p);
    return true;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "Run the service: the HTTP API, schedules and jobs",
    .details = "Everything that \"holdfast worker\" does, and the API for users, tokens and backup "
               "configurations.\nThe first start prints the password of the user admin, once.",
    .examples = "holdfast serve\n"
                "holdfast serve --config /etc/holdfast/holdfast.yaml",
    .words = "",
    .args_size = sizeof(struct common),
    .run = run_serve,
};
