/*
 * The catalog's outbox: messages go in with what they tell of, and are sent from there.  Part of
 * job.h.
 */
#ifndef JOB_SENDER_H
#define JOB_SENDER_H

#include "catalog/catalog.h"
#include "notify/notify.h"

/* Put messages into the outbox; those that were there before, by their ids, are not put again.  run
 * is what they tell of, or NULL.  ERR_TRANSIENT when it is full. */
MUST_CHECK bool sender_queue(struct catalog_tx *t, const char *run, const struct message_list *list,
                             struct err *e);

/* The same as far as there is room: *lost grows by those that were left out.  A full outbox must
 * not keep what they tell of from being written down. */
MUST_CHECK bool sender_queue_some(struct catalog_tx *t, const char *run,
                                  const struct message_list *list, size_t *lost, struct err *e);

/*
 * Take messages whose time has come, try each once and note what came of it; *sent counts those
 * that arrived.  Blocks for as long as message_send() does.  False when the catalog fails, or
 * ERR_CANCELLED: what was taken is tried again when its lease is over.
 */
MUST_CHECK bool sender_step(struct catalog *c, const struct message_settings *s, size_t *sent,
                            struct err *e);

/* How long until there is something to send, at most limit_ms. */
MUST_CHECK bool sender_due(struct catalog *c, int limit_ms, int *out, struct err *e);

#endif
