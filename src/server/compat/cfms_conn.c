/*
 * A connection: the thread of all sockets brings messages and sends answers, a thread of its own
 * works on one request after the other.  The two meet in the lists below; the connection is
 * released by its own thread, once the socket is closed.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "server/compat/cfms_private.h"
#include "server/reply.h"

/* Messages that wait; a client that sends more is not listened to until they are fewer. */
enum { WAITING_MAX = 2 };

struct message {
    struct message *next;
    bool is_text;
    struct buf bytes;
};

/* First in, first out. */
struct messages {
    struct message *first, **end;
    size_t count;
};

struct cfms_conn {
    struct cfms *cfms;
    char *address;
    int64_t began_ns;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct websocket *socket; /* NULL: closed */
    struct messages in, out;
    uint16_t end_code; /* of a close that is wanted; 0: none */
    bool is_known;

    struct cfms_conn *next_listener; /* guarded by the lock of the struct cfms */
};

static void messages_put(struct messages *m, bool is_text, struct slice bytes)
{
    struct message *one = mem_new(sizeof(*one));

    one->is_text = is_text;
    buf_append_slice(&one->bytes, bytes);
    *(m->count == 0 ? &m->first : m->end) = one;
    m->end = &one->next;
    m->count++;
}

static struct message *messages_take(struct messages *m)
{
    struct message *one = m->first;

    if (one != NULL) {
        m->first = one->next;
        m->count--;
    }
    return one;
}

/* Passwords are in some. */
static void message_free(struct message *m)
{
    if (m->bytes.size > 0)
        mem_wipe(m->bytes.data, m->bytes.size);
    buf_done(&m->bytes);
    mem_free(m);
}

static void messages_done(struct messages *m)
{
    while (m->count > 0)
        message_free(messages_take(m));
}

static void conn_free(struct cfms_conn *c)
{
    struct cfms *all = c->cfms;

    pthread_mutex_lock(&all->lock);
    for (struct cfms_conn **at = &all->listeners; *at != NULL; at = &(*at)->next_listener)
        if (*at == c) {
            *at = c->next_listener;
            break;
        }
    pthread_mutex_unlock(&all->lock);
    messages_done(&c->in);
    messages_done(&c->out);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c->address);
    mem_free(c);
    pthread_mutex_lock(&all->lock);
    all->connections--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

struct cfms *cfms_conn_cfms(const struct cfms_conn *c)
{
    return c->cfms;
}

const char *cfms_conn_address(const struct cfms_conn *c)
{
    return c->address;
}

/* On the connection's thread */

/* With the lock; the socket's thread looks at the lists. */
static void wake(struct cfms_conn *c)
{
    if (c->socket != NULL)
        websocket_wake(c->socket);
}

void cfms_conn_end(struct cfms_conn *c, uint16_t code)
{
    pthread_mutex_lock(&c->lock);
    if (c->end_code == 0)
        c->end_code = code;
    wake(c);
    pthread_mutex_unlock(&c->lock);
}

void cfms_conn_say(struct cfms_conn *c, bool is_text, struct slice bytes)
{
    pthread_mutex_lock(&c->lock);
    messages_put(&c->out, is_text, bytes);
    wake(c);
    pthread_mutex_unlock(&c->lock);
}

void cfms_conn_listen(struct cfms_conn *c)
{
    struct cfms *all = c->cfms;
    const struct cfms_conn *known;

    pthread_mutex_lock(&all->lock);
    for (known = all->listeners; known != NULL && known != c; known = known->next_listener)
        ;
    if (known == NULL) {
        c->next_listener = all->listeners;
        all->listeners = c;
    }
    pthread_mutex_unlock(&all->lock);
}

void cfms_broadcast(struct cfms *c, struct slice bytes)
{
    pthread_mutex_lock(&c->lock);
    for (struct cfms_conn *one = c->listeners; one != NULL; one = one->next_listener)
        cfms_conn_say(one, false, bytes);
    pthread_mutex_unlock(&c->lock);
}

void cfms_conn_answer(struct cfms_conn *c, unsigned code, json_t *data, const char *message)
{
    AUTO(buf) struct buf text = {0};

    cfms_envelope(code, data, message, clock_now_ns(), &text);
    cfms_conn_say(c, true, buf_slice(&text));
}

void cfms_conn_fail(struct cfms_conn *c, const struct err *e)
{
    const struct cfms_options *o = &c->cfms->options;

    o->log(o->arg, e->text);
    cfms_conn_answer(c, 500, NULL, "Internal server error");
}

void cfms_conn_know(struct cfms_conn *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_known = true;
    pthread_mutex_unlock(&c->lock);
}

static struct timespec time_at(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

bool cfms_conn_wait(struct cfms_conn *c, int64_t ms)
{
    const struct timespec until = time_at(clock_monotonic_ns() + ms * (NS_PER_S / 1000));
    int result = 0;
    bool is_there;

    pthread_mutex_lock(&c->lock);
    while (c->socket != NULL && result == 0)
        result = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    is_there = c->socket != NULL;
    pthread_mutex_unlock(&c->lock);
    return is_there;
}

/* The next message, or NULL when the socket is closed. */
static struct message *conn_take(struct cfms_conn *c)
{
    const struct timespec limit = time_at(c->began_ns + CFMS_AWAITS_MS * (NS_PER_S / 1000));
    struct message *m = NULL;

    pthread_mutex_lock(&c->lock);
    while (c->socket != NULL && c->in.count == 0) {
        if (c->is_known || c->end_code != 0) {
            (void)pthread_cond_wait(&c->changed, &c->lock);
        } else if (pthread_cond_timedwait(&c->changed, &c->lock, &limit) != 0) {
            c->end_code = CFMS_POLICY; /* nobody who is somebody */
            wake(c);
        }
    }
    if (c->socket != NULL)
        m = messages_take(&c->in);
    wake(c); /* it may be listened to again */
    pthread_mutex_unlock(&c->lock);
    return m;
}

bool cfms_conn_take(struct cfms_conn *c, int64_t ms, bool *is_text, struct buf *out)
{
    const struct timespec limit = time_at(clock_monotonic_ns() + ms * (NS_PER_S / 1000));
    struct message *m = NULL;
    int result = 0;

    pthread_mutex_lock(&c->lock);
    while (c->socket != NULL && c->in.count == 0 && result == 0)
        result = pthread_cond_timedwait(&c->changed, &c->lock, &limit);
    if (c->socket != NULL)
        m = messages_take(&c->in);
    if (m == NULL && c->end_code == 0)
        c->end_code = CFMS_POLICY;
    wake(c);
    pthread_mutex_unlock(&c->lock);
    if (m == NULL)
        return false;
    *is_text = m->is_text;
    buf_append_slice(out, buf_slice(&m->bytes));
    message_free(m);
    return true;
}

static void work_on(struct cfms_conn *c, const struct message *m)
{
    AUTO(cfms_request) struct cfms_request q = {0};

    if (!m->is_text)
        cfms_conn_end(c, CFMS_NO_BINARY);
    else if (m->bytes.size > CFMS_REQUEST_MAX)
        cfms_conn_end(c, CFMS_TOO_BIG);
    else if (!cfms_request_parse(buf_slice(&m->bytes), &q))
        cfms_conn_end(c, CFMS_BAD_MESSAGE);
    else
        cfms_act(c, &q);
}

static void *run(void *arg)
{
    struct cfms_conn *c = arg;
    struct message *m;

    while ((m = conn_take(c)) != NULL) {
        work_on(c, m);
        message_free(m);
    }
    conn_free(c);
    return NULL;
}

/* On the thread of all sockets */

static void *opened(struct websocket *w, void *arg)
{
    struct cfms_conn *c = mem_new(sizeof(*c));
    pthread_condattr_t monotonic;
    pthread_t thread;

    c->cfms = arg;
    c->address = mem_string(websocket_address(w));
    c->began_ns = clock_monotonic_ns();
    c->socket = w;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    pthread_mutex_lock(&c->cfms->lock);
    c->cfms->connections++;
    pthread_mutex_unlock(&c->cfms->lock);
    thread_start(&thread, run, c, "cfms");
    (void)pthread_detach(thread); /* cfms_free() waits for it all the same */
    return c;
}

static void heard(struct websocket *w, void *state, bool is_text, struct slice bytes)
{
    struct cfms_conn *c = state;

    pthread_mutex_lock(&c->lock);
    messages_put(&c->in, is_text, bytes);
    if (c->in.count >= WAITING_MAX)
        websocket_pause(w, true);
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void woken(struct websocket *w, void *state)
{
    struct cfms_conn *c = state;
    struct messages out;
    struct message *m;
    uint16_t end_code;

    pthread_mutex_lock(&c->lock);
    out = c->out;
    c->out = (struct messages){0};
    end_code = c->end_code;
    if (c->in.count < WAITING_MAX)
        websocket_pause(w, false);
    pthread_mutex_unlock(&c->lock);
    while ((m = messages_take(&out)) != NULL) {
        websocket_send(w, m->is_text, buf_slice(&m->bytes));
        message_free(m);
    }
    if (end_code != 0)
        websocket_end(w, end_code);
}

static void closed(void *state)
{
    struct cfms_conn *c = state;

    pthread_mutex_lock(&c->lock);
    c->socket = NULL;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

const struct websocket_protocol cfms_protocol = {
    .open = opened, .message = heard, .closed = closed, .woken = woken, .counts_binary = true};
