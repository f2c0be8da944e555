/*
 * Which file is the configuration, and reading it.
 */
#ifndef CLI_CONFIG_PATH_H
#define CLI_CONFIG_PATH_H

#include "cli/options.h"
#include "job/job.h"

/*
 * The file that the option --config names, or without it (NULL) holdfast.yaml in the working
 * directory, or else in /etc/holdfast.  *path is borrowed from the option or lives as long as the
 * program. ERR_USAGE when there is none.
 */
MUST_CHECK bool config_path(const char *option, const char **path, struct err *e);

/* Read it, and find a set in it (name NULL: none; set is then not looked at).  The caller owns
 * *out, which *set points into. */
MUST_CHECK bool config_path_load(const char *option, const char *name, struct config **out,
                                 const struct config_set **set, struct err *e);

#endif
