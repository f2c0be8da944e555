/*
 * Objects as files below a directory of another machine, through SFTP.
 */
#ifndef STORE_SFTP_H
#define STORE_SFTP_H

#include "store/store.h"

struct sftp_options {
    const char *command; /* the whole command that leads to an SFTP server; NULL: ssh */
    const char *args;    /* further arguments for ssh, or NULL */
    int connections;     /* at most; 0: the default */
    int64_t timeout_ms;  /* a server that says nothing for so long is given up; 0: the default */
};

/* As store_open() and store_create() without retries.  place is what follows "sftp:". */
MUST_CHECK bool sftp_open(const char *place, const struct sftp_options *options, struct store **out,
                          struct err *e);
MUST_CHECK bool sftp_create(const char *place, const struct sftp_options *options,
                            struct store **out, struct err *e);

#endif
