/*
 * What S3 answers in XML.  Replies come from somebody else's server: document types (and so
 * entities), deep nesting and long texts are refused, and whoever calls bounds their size.
 *
 * What is no such reply is ERR_TRANSIENT: it was cut off, or something between us and the store
 * answered.
 */
#ifndef STORE_S3_XML_H
#define STORE_S3_XML_H

#include "base/buf.h"

/* <Error>, in the reply of a failure or inside one of success; texts are cut to fit. */
struct s3_error {
    char code[64]; /* "" when the reply is none */
    char message[240];
    char region[40]; /* that the bucket is in, or "" */
};
void s3_error_parse(struct slice reply, struct s3_error *out);

/* One object, with the whole of its name in the bucket, decoded; borrowed. */
struct s3_item {
    const char *key;
    uint64_t size;
    int64_t mtime; /* seconds since 1970 */
};
typedef bool s3_item_fn(void *arg, const struct s3_item *item, struct err *e);

/* Whether there are more pages, and what asks for the next one. */
struct s3_page {
    bool is_truncated;
    struct buf token;
    struct buf upload; /* beside it, of listings of uploads */
};
void s3_page_auto(struct s3_page *p);

/* A page of ListObjectsV2 with encoding-type=url. */
MUST_CHECK bool s3_list_parse(struct slice reply, s3_item_fn *fn, void *arg, struct s3_page *out,
                              struct err *e);

/* Append a text as it may stand in an element. */
void s3_xml_escape(const char *text, struct buf *out);

/* DeleteObjects, quiet: the first failure in it, or code "". */
MUST_CHECK bool s3_deleted_parse(struct slice reply, struct s3_error *out, struct err *e);

/* The id of an upload in parts that was begun.  Appends. */
MUST_CHECK bool s3_begun_parse(struct slice reply, struct buf *id, struct err *e);

/* CompleteMultipartUpload: whether it says so. */
MUST_CHECK bool s3_completed_parse(struct slice reply, struct err *e);

/* ListMultipartUploads with encoding-type=url; token is the next key marker, decoded.  Of an
 * item size is 0 and mtime the beginning; id is given beside it. */
typedef bool s3_upload_fn(void *arg, const struct s3_item *item, const char *id, struct err *e);
MUST_CHECK bool s3_uploads_parse(struct slice reply, s3_upload_fn *fn, void *arg,
                                 struct s3_page *out, struct err *e);

/* Append the text of the element NAME in the root element; nothing when there is none. */
MUST_CHECK bool s3_element_parse(struct slice reply, const char *root, const char *name,
                                 struct buf *out, struct err *e);

#endif
