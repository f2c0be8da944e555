/*
 * Events for whoever listens: Server-Sent Events and WebSockets.  A hub keeps a short past, so that
 * a client that lost its connection can go on where it was.  Listeners read from that past, so none
 * of them can slow the publisher or fill memory: one that falls behind all that is kept is dropped,
 * and comes back with the number of its last event.  Any thread.
 */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define EVENTS_PAST_MAX   1024                       /* events kept for those who come back */
#define EVENTS_PAST_BYTES ((size_t)4 << 20)          /* and their bytes together */
#define EVENTS_BEAT_NS    (INT64_C(15) * 1000000000) /* a comment after so much silence */

struct events;
struct events_listener;

/*
 * What a listener gave to be woken with: called once after events_take() said that there is
 * nothing, with the hub locked, so it returns at once and calls nothing of the hub.
 */
struct events_ear {
    void (*wake)(void *arg);
    void *arg;
};

struct events *events_new(void);
void events_free(struct events *h); /* accepts NULL; without listeners */
void events_auto(struct events **h);

/*
 * Tell all listeners of a topic; those of "" hear all, those of "jobs" hear "jobs/7", too.  name:
 * of the event, one word; json: one line of JSON.
 */
void events_publish(struct events *h, const char *topic, const char *name, struct slice json);

/*
 * Listen from now on, or after an event (0: from now on).  When what followed it is not kept any
 * more, the first event is "lost": the client reads everything anew.  NULL when the hub is closed.
 */
struct events_listener *events_listen(struct events *h, const char *topic, uint64_t after,
                                      const struct events_ear *ear);
void events_leave(struct events_listener *l); /* accepts NULL */

enum events_state {
    EVENTS_SOME,  /* bytes were taken */
    EVENTS_NONE,  /* nothing there: wake() will be called */
    EVENTS_ENDED, /* dropped or closed: leave */
};

/* Up to room bytes as text/event-stream. */
enum events_state events_take(struct events_listener *l, uint8_t *to, size_t room, size_t *got);

/* One event as {"id","topic","event","data"}, appended to *out; none for silence. */
enum events_state events_take_json(struct events_listener *l, struct buf *out);

/* A comment for all that had nothing to read for EVENTS_BEAT_NS; called about every second. */
void events_beat(struct events *h, int64_t monotonic_ns);

/* End all listeners, and those to come. */
void events_close(struct events *h);

#endif
