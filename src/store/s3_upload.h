/*
 * Objects in S3 that are longer than any object of a repository, sent in parts: exports.
 *
 * Nothing is seen of an object before it is complete.  An upload that is not completed is aborted;
 * what a crash leaves costs space that no listing shows, until s3_upload_reap().
 *
 * Every request is repeated while it fails for a moment.
 */
#ifndef STORE_S3_UPLOAD_H
#define STORE_S3_UPLOAD_H

#include "store/store.h"

#define S3_PART_MIN  ((size_t)5 << 20) /* of all but the last */
#define S3_PART_MAX  STORE_OBJECT_MAX
#define S3_PARTS_MAX 10000

struct s3_upload;

/* Begin.  store is what s3_open() opened; key may be any name, put below its prefix. */
MUST_CHECK bool s3_upload_open(struct store *store, const char *key, struct s3_upload **out,
                               struct err *e);

/* Send part number, from 1; any thread, parts in any order. */
MUST_CHECK bool s3_upload_part(struct s3_upload *u, int number, struct slice data, struct err *e);

/* Make the object of parts 1 to the highest; ERR_USAGE when one is missing.  It replaces another
 * of the same key. */
MUST_CHECK bool s3_upload_complete(struct s3_upload *u, struct err *e);

/* Abort unless it is complete.  Accepts NULL. */
void s3_upload_close(struct s3_upload *u);
void s3_upload_auto(struct s3_upload **u);

/*
 * Abort uploads that were begun before that time (seconds since 1970), and say how many: of keys
 * that are like this one, that is the same but for hexadecimal digits.  Others may be somebody
 * else's.
 */
MUST_CHECK bool s3_upload_reap(struct store *store, const char *key, int64_t before_s, int *count,
                               struct err *e);

#endif
