/*
 * Messages: what goes to one channel, ready to be sent now or later.  Part of notify.h.
 *
 * A message is a document that an outbox keeps between tries:
 *
 *     {"version":1,"id":"9f2c...","channel":"mail","target":"ops@example.org","time_ns":1795...,
 *      "subject":"...","text":"...","html":"..."}
 *     {"version":1,"id":...,"channel":"slack","target":"https://...","time_ns":...,"body":"{...}"}
 *     {"version":1,"id":...,"channel":"heartbeat","target":"https://...","time_ns":...,"body":"..."}
 *
 * with no body in a heartbeat after a success.  The target of a webhook is a secret, so the
 * document is one.
 */
#ifndef NOTIFY_MESSAGE_H
#define NOTIFY_MESSAGE_H

#include "notify/channel.h"
#include "notify/mail.h"

#define MESSAGE_SIZE_MAX ((size_t)8 << 20) /* bytes of a document */
#define MESSAGE_TRIES    12

/* Owns its texts, which are UTF-8.  Those that its kind has not are NULL. */
struct message {
    enum channel_kind kind;
    char *id;     /* equal for the same notice and channel, whenever it is made */
    char *target; /* as of struct channel */
    char *subject, *text, *html;
    char *body;
    int64_t time_ns; /* of the notice */
};
void message_auto(struct message *m);

/* Append the document. */
void message_encode(const struct message *m, struct buf *out);
/* ERR_CORRUPT for anything else than what message_encode() wrote. */
MUST_CHECK bool message_decode(struct slice text, struct message *out, struct err *e);

/* Borrows everything. */
struct message_settings {
    struct outbound_settings outbound;
    const struct mail_settings *mail; /* finished; NULL: there is no mail server */
    const char *webhook_secret;       /* that signs, or NULL */
};

enum message_fate {
    MESSAGE_SENT,
    MESSAGE_LATER, /* try again */
    MESSAGE_NEVER, /* it would end the same way */
};

struct message_result {
    enum message_fate fate;
    enum outbound_outcome outcome; /* why */
    int64_t retry_after_s;         /* not before, as the other side asked; 0: it did not */
};

/*
 * Try once; blocks for up to OUTBOUND_TOTAL_MS.  True when there was a try, whatever came of it.
 * ERR_CANCELLED: somebody asked to stop, and nothing counts.  ERR_NOT_FOUND: mail, and no mail
 * server.  ERR_USAGE: the message makes no sense, and never will.
 */
MUST_CHECK bool message_send(const struct message *m, const struct message_settings *s,
                             struct message_result *out, struct err *e);

/*
 * How long to wait after the try with this number (from 1): a random part of 2 minutes, of 4, of 8
 * and so on up to 12 hours, and never less than a second or than the other side asked for.  The
 * twelve tries take 20 hours on average and 41 at most.  False when that was the last.
 * random: 32 random bits.
 */
MUST_CHECK bool message_next_try(int tries, int64_t retry_after_s, uint32_t random,
                                 int64_t *wait_ms);

#endif
