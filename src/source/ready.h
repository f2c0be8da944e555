/*
 * Members of a set whose content and manifest are there before the backup begins.  Private to
 * src/source.
 *
 *     KIND/NAME and KIND/NAME.manifest.json, as the kind's own members send them
 */
#ifndef SOURCE_READY_H
#define SOURCE_READY_H

#include "source/member.h"

struct ready_options {
    const char *kind; /* a constant */
    const char *name;
    int fd;             /* of a file with the content, borrowed; -1: it is in bytes */
    struct slice bytes; /* copied, as the manifest is */
    struct slice manifest;
};
/* ERR_USAGE for what cannot be a name. */
MUST_CHECK bool ready_member_new(const struct ready_options *o, struct member **out, struct err *e);

#endif
