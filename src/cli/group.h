/*
 * Groups of snapshots: those that agree in host, paths or tags.
 */
#ifndef CLI_GROUP_H
#define CLI_GROUP_H

#include <jansson.h>

#include "repo/repo.h"

struct grouping {
    bool by_host, by_paths, by_tags;
};

/* "host,paths"; "" groups nothing.  ERR_USAGE. */
MUST_CHECK bool grouping_parse(const char *text, struct grouping *out, struct err *e);

bool group_is_same(const struct grouping *g, const struct snapshot *a, const struct snapshot *b);

/* What the members of a group agree in: for people (appended) and as JSON. */
void group_format(const struct grouping *g, const struct snapshot *sample, struct buf *out);
json_t *group_json(const struct grouping *g, const struct snapshot *sample);

#endif
