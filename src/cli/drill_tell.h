/*
 * What a drill says in the end.
 */
#ifndef CLI_DRILL_TELL_H
#define CLI_DRILL_TELL_H

#include "cli/call.h"
#include "job/job.h"

/* Print evidence as JSON, Markdown or a table. */
MUST_CHECK bool drill_print(struct call *call, struct slice json, bool is_markdown, struct err *e);

/* The same, and set the call's status by the verdict. */
MUST_CHECK bool drill_tell(struct call *call, struct slice json, bool is_markdown, enum verdict v,
                           struct err *e);

#endif
