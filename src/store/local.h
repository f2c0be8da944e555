/*
 * Objects as files below a directory, one file each, named by the key.
 */
#ifndef STORE_LOCAL_H
#define STORE_LOCAL_H

#include "store/store.h"

/* As store_open() and store_create() without retries; path may be a symbolic link. */
MUST_CHECK bool local_open(const char *path, struct store **out, struct err *e);
MUST_CHECK bool local_create(const char *path, struct store **out, struct err *e);

#endif
