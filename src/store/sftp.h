/*
 * Objects as files below a directory of another machine, through SFTP.
 */
#ifndef STORE_SFTP_H
#define STORE_SFTP_H

#include "store/store.h"

/* As store_open() and store_create() without retries.  Strings of options are copied; place is what
 * follows "sftp:". */
MUST_CHECK bool sftp_open(const char *place, const struct sftp_options *options, struct store **out,
                          struct err *e);
MUST_CHECK bool sftp_create(const char *place, const struct sftp_options *options,
                            struct store **out, struct err *e);

#endif
