/*
 * Sets: all that belongs to one application, backed up as one tree.  Part of source.h.
 */
#ifndef SOURCE_SET_H
#define SOURCE_SET_H

#include "source/member.h"

struct files_options;

/* A file tree in a set: its own directory of the snapshot stands for "/". */
struct set_files {
    const char *name; /* of the directory: "files" */
    const struct files_options *options;
};

struct set {
    const char *name;
    const struct set_files *files;
    size_t files_count;
    struct member *const *members;
    size_t member_count;
    /* A source that fails is left out and named instead of ending the backup. */
    bool may_be_incomplete;

    int64_t time_ns;         /* what made entries get as their time */
    int64_t scan_started_ns; /* as in struct files_options, for all of them */
    int threads;
};

/* ERR_USAGE when two sources of a set want the same place in the tree. */
MUST_CHECK bool set_check(const struct set *s, struct err *e);

/*
 * Push all sources into the sink, one after the other: first each is asked whether it is there,
 * then the root is announced.  Fails with the sentence of the first source that fails, naming it,
 * unless the set may be incomplete: then what is missing is told with skip(), and only a set none
 * of whose sources is there fails.
 */
MUST_CHECK bool set_backup(const struct set *s, struct sink *k, struct err *e);

#endif
