/*
 * A whole file as one object of a store, in no repository: a copy of what was exported.  Part of
 * job.h.
 */
#ifndef JOB_OBJECT_FILE_H
#define JOB_OBJECT_FILE_H

#include "store/store.h"

/*
 * Store the file, which is read from its beginning, under a key that is free; true only when the
 * object was read back and is the same.  Files longer than an object go in parts, where the store
 * takes them.  ERR_USAGE: it is longer than the store takes.  ERR_EXISTS: something else is there;
 * of two who write one key in parts at the same moment both may think that it was free.
 */
MUST_CHECK bool object_file_put(struct store *s, const char *key, int fd, struct err *e);

#endif
