/*
 * Webhooks: a document posted to an address, signed.  Part of notify.h.
 *
 *     POST /hook
 *     Content-Type: application/json
 *     X-Holdfast-Delivery: the id of the message, the same when it is sent again
 *     X-Holdfast-Signature: t=1795293000,v1=5f2b...
 *
 * v1 is HMAC-SHA-256 in hexadecimal, with the secret that both sides know, of the digits behind
 * t=, a full stop, and the body as it is.  t is the time of sending in seconds since 1970: a
 * receiver that refuses what is older than some minutes cannot be shown an old message again.
 * Without a secret there is no signature.
 *
 * A heartbeat is a GET of its address after a success and a POST to that address with "/fail"
 * behind its path after anything else, with the sentence of the failure as its body, as
 * healthchecks.io has it.
 */
#ifndef NOTIFY_WEBHOOK_H
#define NOTIFY_WEBHOOK_H

#include "notify/outbound.h"

/* "t=..,v1=..", appended.  time_s >= 0. */
void webhook_sign(const char *secret, int64_t time_s, struct slice body, struct buf *out);

struct webhook {
    const char *url;
    const char *id;     /* letters and digits */
    struct slice body;  /* JSON */
    const char *secret; /* or NULL */
};
void webhook_send(const struct outbound_settings *s, const struct webhook *w,
                  struct outbound_reply *out);

/* sentence: NULL after a success. */
void webhook_send_heartbeat(const struct outbound_settings *s, const char *url,
                            const char *sentence, struct outbound_reply *out);

#endif
