/*
 * Objects in a bucket of S3, one each, named PREFIX/KEY.
 */
#ifndef STORE_S3_H
#define STORE_S3_H

#include "store/store.h"

/* Attempts that a call is worth: with waits of about 50 s in all, at most 102 s. */
#define S3_ATTEMPTS 12

/* The driver, without retries.  Nothing is asked of the store yet. */
MUST_CHECK bool s3_open(const char *place, const struct store_options *o, struct store **out,
                        struct err *e);

/* Make the bucket unless it is there, with retries.  ERR_EXISTS when something is below the prefix.
 */
MUST_CHECK bool s3_prepare(struct store *s, struct err *e);

#endif
