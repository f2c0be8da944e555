/*
 * Where an S3 repository is: "https://host:port/bucket/prefix", with "s3:" taken off.  Without a
 * scheme it is https; "//host/..." is taken as well.
 */
#ifndef STORE_S3_PLACE_H
#define STORE_S3_PLACE_H

#include "store/store.h"

struct s3_place {
    bool is_tls;
    bool is_aws;            /* Amazon's own: hosts are named by regions */
    bool is_bucket_in_host; /* https://bucket.host/key and not https://host/bucket/key */
    char *host;             /* with ":port" where it is not the scheme's */
    char *bucket;
    char *prefix; /* "" or "a/b/" */
    char *region; /* that the host names, or NULL */
};
void s3_place_done(struct s3_place *p);
void s3_place_auto(struct s3_place *p);

/* ERR_USAGE saying what is wrong.  No part of the text is a secret: a URL with user and password
 * is refused without being repeated. */
MUST_CHECK bool s3_place_parse(const char *text, enum s3_style style, struct s3_place *out,
                               struct err *e);

/* Whether a name can be a part of a host name of Amazon: letters, digits and '-'. */
bool s3_region_is_valid(const char *region);

#endif
