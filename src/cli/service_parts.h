/*
 * What the service consists of besides its HTTP server: the catalog, the jobs of this host, the
 * schedules and the messages.  `worker` runs it alone, `serve` with the server.
 */
#ifndef CLI_SERVICE_PARTS_H
#define CLI_SERVICE_PARTS_H

#include "cli/call.h"
#include "job/job.h"

struct service_parts;

/* Open the configuration, the catalog and everything else; nothing runs yet.  option is
 * --config. */
MUST_CHECK bool service_open(struct call *call, const char *option, struct service_parts **out,
                             struct err *e);
void service_close(struct service_parts *p); /* accepts NULL */
void service_auto(struct service_parts **p);

const struct config *service_config(const struct service_parts *p);
struct catalog *service_catalog(struct service_parts *p);
struct roster *service_roster(struct service_parts *p);
const struct template_set *service_templates(const struct service_parts *p);
const char *service_host(const struct service_parts *p);

/* Whoever wants to hear of jobs; before service_run(). */
void service_listen(struct service_parts *p, dispatch_told_fn *told, void *arg);

/* What SIGHUP does from here on, instead of asking to stop: called by service_run(), before which
 * this is. */
void service_on_hangup(struct service_parts *p, void (*fn)(void *arg), void *arg);

/*
 * Do jobs, queue what is due and send messages until somebody asks to stop (cancel.h).  What goes
 * wrong is told in lines on standard error, and tried again.  Jobs that run go on by themselves,
 * and the next service takes them over.  A supervisor (supervisor.h) hears that the service is
 * ready, and how it is.
 */
void service_run(struct service_parts *p);

#endif
