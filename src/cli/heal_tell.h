/*
 * What became of damaged objects, for people and programs.
 */
#ifndef CLI_HEAL_TELL_H
#define CLI_HEAL_TELL_H

#include "cli/output.h"
#include "repo/repo.h"

/* A line for one object: healed, and from where, or not. */
void heal_tell(struct output *out, const struct healing *h);

#endif
