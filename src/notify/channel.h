/*
 * Channels: where notices go, as it is written in a configuration.  Part of notify.h.
 *
 *     mailto:ops@example.org, ops@example.org      mail
 *     https://hooks.example.org/x                  a webhook that takes our JSON
 *     slack+https://hooks.slack.com/services/...   Slack, and what takes the same
 *     discord+https://discord.com/api/webhooks/... Discord
 *     heartbeat+https://hc-ping.com/...            a service that waits for a sign of life
 *
 * http instead of https is for places that the owner of the machine has listed (outbound.h).
 */
#ifndef NOTIFY_CHANNEL_H
#define NOTIFY_CHANNEL_H

#include "base/err.h"

enum channel_kind {
    CHANNEL_MAIL,
    CHANNEL_WEBHOOK,
    CHANNEL_SLACK,
    CHANNEL_DISCORD,
    CHANNEL_HEARTBEAT,
};

struct channel {
    enum channel_kind kind;
    const char *target; /* address of mail or of http; points into the text */
};

/* "mail", "webhook", "slack", "discord", "heartbeat". */
const char *channel_kind_name(enum channel_kind kind);
MUST_CHECK bool channel_kind_parse(const char *name, enum channel_kind *out);

/* ERR_USAGE with a sentence that does not repeat the text: an address may be a secret.  Whether the
 * place may be asked is known when it is. */
MUST_CHECK bool channel_parse(const char *text, struct channel *out, struct err *e);

#endif
