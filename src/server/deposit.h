/*
 * An archive that comes as a form, written down as it comes where a job may read it
 * (service_arrival).  Nothing of it is looked at.
 */
#ifndef SERVER_DEPOSIT_H
#define SERVER_DEPOSIT_H

#include "server/multipart.h"
#include "server/service.h"

struct deposit {
    struct service_arrival arrival;
    int fd;       /* of the file that is being written, or -1 */
    bool is_ours; /* what failed is no fault of the form */
};
#define DEPOSIT_NONE               \
    {                              \
        .arrival.fd = -1, .fd = -1 \
    }
void deposit_auto(struct deposit *d);

/* A folder for it.  ERR_TRANSIENT when as many are there as may be. */
MUST_CHECK bool deposit_begin(struct deposit *d, const struct service *s, struct err *e);

/* Begin the archive, or a key, by the name it has there; bytes of it; and its end, durably. */
MUST_CHECK bool deposit_archive(struct deposit *d, const char *name, struct err *e);
MUST_CHECK bool deposit_key(struct deposit *d, int number, struct err *e);
MUST_CHECK bool deposit_bytes(struct deposit *d, struct slice bytes, struct err *e);
MUST_CHECK bool deposit_end(struct deposit *d, struct err *e);

/* Read the body to its end through a form.  ERR_CANCELLED: the client went away, or sent more than
 * the route allows. */
MUST_CHECK bool deposit_read(struct request *r, struct multipart *m, struct err *e);

#endif
