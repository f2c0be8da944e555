/*
 * What the answers of the desk look like in print.  They may come from elsewhere: nothing in them
 * is trusted to be there, of its type, or fit for a terminal.
 */
#ifndef CLI_DESK_TELL_H
#define CLI_DESK_TELL_H

#include "cli/desk.h"
#include "cli/render.h"

/* A text member as one line, cut to room; "" when there is none. */
void desk_text(const json_t *o, const char *key, char *out, size_t room);

/* A number member from 0, 0 when there is none. */
uint64_t desk_size(const json_t *o, const char *key);

/* Tables. */
void desk_tell_configs(struct output *out, const json_t *configs);
void desk_tell_backups(struct output *out, const json_t *backups);

/* Figures. */
void desk_tell_stats(struct output *out, const json_t *stats);

#endif
