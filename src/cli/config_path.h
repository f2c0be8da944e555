/*
 * Which file is the configuration.
 */
#ifndef CLI_CONFIG_PATH_H
#define CLI_CONFIG_PATH_H

#include "cli/options.h"

/* --config as an option of a command: a char *. */
/* clang-format off */
#define CONFIG_OPTION(type, member)                                                                \
    {"config", 'c', OPTION_TEXT, offsetof(struct type, member), "FILE",                            \
     "Read the configuration from FILE", "HOLDFAST_CONFIG", NULL, NULL}
/* clang-format on */

/*
 * The file that the option names, or without it (NULL) holdfast.yaml in the working directory, or
 * else in /etc/holdfast.  *path is borrowed from the option or lives as long as the program.
 * ERR_USAGE when there is none.
 */
MUST_CHECK bool config_path(const char *option, const char **path, struct err *e);

#endif
