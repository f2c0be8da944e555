/*
 * The table of commands as help, manual pages and completion.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/options.h"
#include "cli/output.h"

/* All commands with one line each. */
void help_overview_format(struct buf *out);

/* Usage, examples and options of one command. */
void help_command_format(const struct command *c, struct buf *out);
void help_command(struct output *out, const struct command *c);

/* Manual pages in the macros of man(7): of the program and of one command. */
void man_overview_format(struct buf *out);
void man_command_format(const struct command *c, struct buf *out);

/* Scripts that complete command lines. */
void completion_bash_format(struct buf *out);
void completion_zsh_format(struct buf *out);
void completion_fish_format(struct buf *out);

#endif
