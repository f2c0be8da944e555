/*
 * Records of the audit log to a syslog server, as RFC 5424 has them.  Part of notify.h.
 *
 *     <PRI>1 TIME HOST holdfast PID ACTION - RECORD
 *
 * Facility 13 (log audit); severity 6, or 4 when the act was refused and 3 when it failed.  RECORD
 * is the record's JSON, whole.  To a Unix datagram socket and by UDP one message a datagram, by TCP
 * with octet counting (RFC 6587).
 *
 * A thread of its own sends, so nobody waits.  What cannot be sent is tried again every few
 * seconds; up to SYSLOG_WAITING records wait, and those beyond are lost, counted and told.  TCP
 * confirms nothing: what a server that dies had in its buffers is lost unseen.
 */
#ifndef NOTIFY_SYSLOG_SINK_H
#define NOTIFY_SYSLOG_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SYSLOG_WAITING 1000

/* "unix:/dev/log", "udp:HOST:PORT", "tcp:HOST:PORT", with [] around an address of IPv6; ERR_USAGE
 * otherwise. */
MUST_CHECK bool syslog_check(const char *address, struct err *e);

struct syslog_options {
    const char *address; /* as syslog_check() takes it */
    const char *host;    /* the name of this one */
    /* What went wrong, as a sentence, when it begins and when records were lost; from the sending
     * thread and from syslog_sink_free(). */
    void (*told)(void *arg, const char *sentence);
    void *arg;
};

struct syslog_sink;
MUST_CHECK bool syslog_sink_new(const struct syslog_options *o, struct syslog_sink **out,
                                struct err *e);
/* Give what waits two seconds, and end.  Accepts NULL. */
void syslog_sink_free(struct syslog_sink *s);
void syslog_sink_auto(struct syslog_sink **s);

/* A record of the audit log (catalog_audit_sink_fn); by one thread at a time, and never waits. */
void syslog_sink_put(void *sink, const char *record);
/* Records that did not arrive, as far as that is known. */
uint64_t syslog_sink_lost(const struct syslog_sink *s);

#endif
