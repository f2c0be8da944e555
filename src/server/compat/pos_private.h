/*
 * What the files of the POS service's API share.
 */
#ifndef SERVER_COMPAT_POS_PRIVATE_H
#define SERVER_COMPAT_POS_PRIVATE_H

#include "server/auth.h"
#include "server/compat/order.h"
#include "server/compat/pos.h"

/* pos_reply.c: answers in the words of that API. */

/* For rows of its table. */
route_refuse_fn pos_reply_refuse;

/* {"success": true, "message": text} */
void pos_reply_done(struct request *r, const char *text);

/* 404 for what has no row. */
route_fn pos_reply_nowhere;

/*
 * The body as an object with the fields of a table, or NULL when there is none.  False after
 * answering with 400.
 */
MUST_CHECK bool pos_reply_body(struct request *r, const struct field *table, const json_t **out);

/* pos_record.c: what ran, as that API shows it; more of it in pos.h. */

/* The same of a set that has a configuration; "full" when there is none. */
MUST_CHECK bool pos_record_type_of(struct catalog_tx *t, const char *config, const char **out,
                                   struct err *e);

/* Of the handlers. */
route_fn pos_configs_get, pos_configs_post, pos_configs_put, pos_configs_delete;
route_fn pos_backup_create, pos_backup_restore_point;
route_fn pos_history_get, pos_history_stats;
route_fn pos_proof_verify, pos_proof_restore;
route_fn pos_retention_apply;
route_fn pos_trial_test;

#endif
