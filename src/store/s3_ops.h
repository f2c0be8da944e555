/*
 * Operations of the driver of S3 that have files of their own.  Private to s3.c, which has the
 * rest.
 */
#ifndef STORE_S3_OPS_H
#define STORE_S3_OPS_H

#include "store/s3_call.h"

/* Longest reply to a request for a listing: 1,000 names of 1,024 bytes, each three times as long
 * encoded. */
#define S3_LISTING_MAX ((size_t)16 << 20)

/* As struct store_ops says (s3_get.c, s3_list.c) */
MUST_CHECK bool s3_get(struct store *store, const char *key, uint64_t offset, size_t size,
                       struct buf *out, struct err *e);
MUST_CHECK bool s3_get_info(struct store *store, const char *key, struct object_info *info,
                            struct err *e);
MUST_CHECK bool s3_list(struct store *store, const char *prefix, object_fn *fn, void *arg,
                        struct err *e);

/* What HEAD says of an object. */
MUST_CHECK bool s3_get_size(struct s3 *s, const char *key, uint64_t *size, int64_t *mtime,
                            struct err *e);

/* The sum that the store tells in a reply, if it does, must be this one: ERR_TRANSIENT. */
MUST_CHECK bool s3_get_sum_is_told(const struct http_reply *reply, const char *key,
                                   const struct hash *sum, struct err *e);

/* Files in parts (s3_file.c), as struct store_ops says */
MUST_CHECK bool s3_put_file(struct store *store, const char *key, int fd, uint64_t size,
                            struct err *e);

/* Object Lock (s3_lock.c) */

/* What the options ask for; all 0 when that is nothing. */
MUST_CHECK bool s3_lock_rule(const struct s3_options *o, struct lock_rule *out, struct err *e);

/* The mode, and the end of a lock that begins at this moment, as S3 writes them. */
const char *s3_lock_mode(const struct s3 *s);
void s3_lock_end(struct s3 *s, int64_t *until_s, struct buf *text);

/* ERR_USAGE when locks are asked for and the bucket was not made for them. */
MUST_CHECK bool s3_lock_check_bucket(struct s3 *s, struct err *e);

/* As struct store_ops says */
MUST_CHECK bool s3_lock_get(struct store *store, const char *key, struct object_lock *out,
                            struct err *e);
MUST_CHECK bool s3_lock_extend(struct store *store, const char *key, const struct object_lock *was,
                               struct object_lock *out, struct err *e);
MUST_CHECK bool s3_keeps_versions(struct store *store, bool *out, struct err *e);

/* The base64 MD5 sum that some requests must have, at every store. */
void s3_append_md5(struct slice in, struct buf *out);

#endif
