/*
 * Writing the manifest of a command's output; command.h shows it and has what reads it.  Private
 * to src/source.
 */
#ifndef SOURCE_COMMAND_MANIFEST_H
#define SOURCE_COMMAND_MANIFEST_H

#include "codec/hash.h"
#include "source/command_run.h"

void command_manifest_print(const struct command_options *o, const struct command_outcome *run,
                            const struct hash *sum, struct buf *out);

#endif
