/*
 * What the files of the gateway's routes share.
 */
#ifndef SERVER_COMPAT_GATEWAY_PRIVATE_H
#define SERVER_COMPAT_GATEWAY_PRIVATE_H

#include "server/auth.h"
#include "server/compat/gateway.h"

#define GATEWAY_NAME_SIZE 37 /* "wireguard_backup_20261120_205152.zip", with NUL */

/* What the application calls a backup of this time, RFC 3339 in UTC; false: it is no such time. */
MUST_CHECK bool gateway_name_format(const char *time, char out[GATEWAY_NAME_SIZE]);

/*
 * Backups of the set, the newest first, at most GATEWAY_LIST_MAX: a list of {"filename", "id",
 * "time", "size"}.  Imports are none.  The caller owns it.  Fails as read_set() does.
 */
#define GATEWAY_LIST_MAX 100
MUST_CHECK bool gateway_list(struct request *r, json_t **out, struct err *e);

/*
 * Answer with a snapshot as the application's zip file, as it is made, with its size: nothing is
 * written down.  False before anything was answered: why in *e.
 */
MUST_CHECK bool gateway_send(struct request *r, const char *snapshot, struct err *e);

#endif
