/*
 * WebSockets (RFC 6455): frames by wslay, one thread for all connections, no compression.
 *
 * Limits: messages of 1 MiB, 10 messages in a second (bursts of 20), 256 KiB waiting to be sent; a
 * ping after 30 s of silence, and an end after another 30.  Who breaks one is closed with 1009,
 * 1008 or just cut.
 */
#ifndef SERVER_WEBSOCKET_H
#define SERVER_WEBSOCKET_H

#include "base/buf.h"

#define WEBSOCKET_MESSAGE_MAX ((size_t)1 << 20)
#define WEBSOCKET_QUEUE_MAX   ((size_t)256 << 10)
#define WEBSOCKET_PER_SECOND  10
#define WEBSOCKET_PING_NS     (INT64_C(30) * 1000000000)

struct websocket;

/*
 * What is spoken.  All are called on the one thread of the sockets: they do not block.  state is
 * what open() made of the arg given to reply_websocket().
 */
struct websocket_protocol {
    const char *name; /* Sec-WebSocket-Protocol that the client must offer; NULL: none */
    /* A socket was opened; NULL keeps arg as the state. */
    void *(*open)(struct websocket *w, void *arg);
    /* A whole message; text is valid UTF-8. */
    void (*message)(struct websocket *w, void *state, bool is_text, struct slice message);
    /* The socket is closed; w is gone afterwards.  May be NULL. */
    void (*closed)(void *state);
    /* websocket_wake() was called, once or more.  May be NULL. */
    void (*woken)(struct websocket *w, void *state);
    bool counts_binary; /* bounds binary messages itself: they are free of the limit per second */
};

/* Queue a message, on the thread of the sockets only.  A socket whose queue is full is dropped. */
void websocket_send(struct websocket *w, bool is_text, struct slice message);

/* Have woken() called; on any thread, as long as the socket is not closed. */
void websocket_wake(struct websocket *w);

/* Read nothing more, but what is in memory already, until it is called again; on the thread of the
 * sockets only. */
void websocket_pause(struct websocket *w, bool is_paused);

/* Of the client, as text. */
const char *websocket_address(const struct websocket *w);

/* Close with a status code of RFC 6455 7.4, on the thread of the sockets only. */
void websocket_end(struct websocket *w, uint16_t code);

/*
 * The protocol of events: sends {"id","topic","event","data"} for what is published below the topic
 * that is given to reply_websocket() as arg, a string of the request; what the client sends is
 * ignored.
 */
extern const struct websocket_protocol websocket_events;

#endif
