/*
 * What the files of the gateway's routes share.
 */
#ifndef SERVER_COMPAT_GATEWAY_PRIVATE_H
#define SERVER_COMPAT_GATEWAY_PRIVATE_H

#include "server/auth.h"
#include "server/compat/gateway.h"

#define GATEWAY_VARIANT   "gateway" /* of the runs of these routes */
#define GATEWAY_HOUR_NS   (INT64_C(3600) * 1000000000)
#define GATEWAY_LOOK_BACK 1000 /* runs that are looked through */

/* Whether there is a gateway here, and who asks may have to do with it.  False after answering. */
MUST_CHECK bool gateway_check(struct request *r);

/* {"error"}, as the application answers; details only where a handler has some. */
route_refuse_fn gateway_refuse;

/* The same of the route that restores. */
route_refuse_fn gateway_refuse_restore;

/* One of a kind an hour for each user, as the application's plan has it. */
struct gateway_hour {
    enum catalog_run_kind kind;
    int64_t wait_ns; /* answer: until who asks may ask again; 0: he may */
};
/* ERR_DENIED: one is under way, or succeeded within the hour. */
MUST_CHECK bool gateway_check_hour(struct catalog_tx *t, const struct request *r,
                                   struct gateway_hour *h, struct err *e);
void gateway_refuse_hour(struct request *r, const struct gateway_hour *h);

/* gateway_restore.c */
route_fn gateway_post_restore, gateway_post_confirm;

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
