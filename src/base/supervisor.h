/*
 * Who supervises this process, in the words of sd_notify(3): systemd, or another that sets
 * NOTIFY_SOCKET.  Without it nothing is sent and nothing fails.
 *
 * Each message is a datagram of lines NAME=value to a Unix socket, with a path or abstract.  A
 * supervisor with WATCHDOG_USEC kills who gives no sign of life for so long.
 */
#ifndef BASE_SUPERVISOR_H
#define BASE_SUPERVISOR_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

struct supervisor {
    int fd; /* -1: there is none */
    struct sockaddr_un address;
    socklen_t size;
    int64_t watchdog_ns; /* most between two signs of life; 0: none are asked for */
    int64_t beat_ns;     /* when the last one was given */
    char status[300];    /* as told last */
};
#define SUPERVISOR_NONE ((struct supervisor){.fd = -1})

/*
 * Take the variables of sd_notify(3) out of the environment, before there are threads: no child
 * speaks in our name.  ERR_USAGE when NOTIFY_SOCKET or WATCHDOG_USEC cannot be understood.
 */
MUST_CHECK bool supervisor_open(struct supervisor *out, struct err *e);
void supervisor_auto(struct supervisor *s);

/* The service does its work: READY=1.  A supervisor that takes nothing for five seconds is an
 * error, here and below. */
MUST_CHECK bool supervisor_ready(struct supervisor *s, struct err *e);
/* It was asked to end, and does: STOPPING=1. */
MUST_CHECK bool supervisor_stopping(struct supervisor *s, struct err *e);
/* One line for people; sent when it is another than the last. */
MUST_CHECK bool supervisor_status(struct supervisor *s, const char *text, struct err *e);
/* A sign of life, sent when half the time since the last has gone; to be called oftener. */
MUST_CHECK bool supervisor_beat(struct supervisor *s, struct err *e);

#endif
