/*
 * Objects in a bucket of S3, one each, named PREFIX/KEY.
 */
#ifndef STORE_S3_H
#define STORE_S3_H

#include "store/retry.h"
#include "store/store.h"

/* How often what fails for a moment is worth another request. */
struct patience s3_patience(const struct s3_options *o);

/* The driver, without retries.  Nothing is asked of the store yet. */
MUST_CHECK bool s3_open(const char *place, const struct store_options *o, struct store **out,
                        struct err *e);

/* Make the bucket unless it is there, with retries.  ERR_EXISTS when something is below the prefix.
 */
MUST_CHECK bool s3_prepare(struct store *s, struct err *e);

#endif
