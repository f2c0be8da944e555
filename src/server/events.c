/*
 * The past is a ring of events; a listener is a place in it.  Publishing costs a copy of the event
 * and a look at each listener.
 */
#include "server/events.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json_writer.h"

struct event {
    uint64_t id; /* from 1, without gaps */
    char *topic, *name;
    struct buf json;
    struct buf text; /* as text/event-stream */
};

struct events_listener {
    struct events *hub;
    struct events_listener *next, *previous;
    struct events_ear ear;
    char *topic;
    uint64_t at;   /* the id of the event to look at next */
    size_t offset; /* bytes of it taken */
    bool is_asleep, is_ended, is_beating;
    bool is_lost; /* to be told that events were missed */
    int64_t taken_ns;
};

struct events {
    pthread_mutex_t lock;               /* guards all, listeners included */
    struct event past[EVENTS_PAST_MAX]; /* id at id % EVENTS_PAST_MAX */
    uint64_t oldest, next;              /* ids kept: [oldest, next) */
    size_t bytes;
    struct events_listener *listeners;
    bool is_closed;
};

struct events *events_new(void)
{
    struct events *h = mem_new(sizeof(*h));

    (void)pthread_mutex_init(&h->lock, NULL);
    h->oldest = 1;
    h->next = 1;
    return h;
}

static struct event *event_at(struct events *h, uint64_t id)
{
    return &h->past[id % EVENTS_PAST_MAX];
}

static void forget_oldest(struct events *h)
{
    struct event *ev = event_at(h, h->oldest++);

    h->bytes -= ev->text.size + ev->json.size;
    mem_free(ev->topic);
    mem_free(ev->name);
    buf_done(&ev->json);
    buf_done(&ev->text);
    *ev = (struct event){0};
}

void events_free(struct events *h)
{
    if (h == NULL)
        return;
    assert(h->listeners == NULL);
    while (h->oldest < h->next)
        forget_oldest(h);
    (void)pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

void events_auto(struct events **h)
{
    events_free(*h);
}

/* With the lock. */
static void wake(struct events_listener *l)
{
    if (!l->is_asleep)
        return;
    l->is_asleep = false;
    l->ear.wake(l->ear.arg);
}

static bool is_below(const char *topic, const char *heard)
{
    const size_t size = strlen(heard);

    return size == 0 ||
           (strncmp(topic, heard, size) == 0 && (topic[size] == '\0' || topic[size] == '/'));
}

void events_publish(struct events *h, const char *topic, const char *name, struct slice json)
{
    assert(strpbrk(name, "\r\n") == NULL && memchr(json.data, '\n', json.size) == NULL);
    pthread_mutex_lock(&h->lock);
    if (h->next - h->oldest == EVENTS_PAST_MAX)
        forget_oldest(h);

    struct event *ev = event_at(h, h->next);

    ev->id = h->next++;
    ev->topic = mem_string(topic);
    ev->name = mem_string(name);
    buf_append_slice(&ev->json, json);
    buf_printf(&ev->text, "id: %" PRIu64 "\nevent: %s\ndata: ", ev->id, name);
    buf_append_slice(&ev->text, json);
    buf_append(&ev->text, "\n\n", 2);
    h->bytes += ev->text.size + ev->json.size;
    while (h->bytes > EVENTS_PAST_BYTES && h->next - h->oldest > 1)
        forget_oldest(h);
    for (struct events_listener *l = h->listeners; l != NULL; l = l->next) {
        /* Who sleeps has read all that was for him. */
        if (l->is_asleep && !is_below(topic, l->topic))
            l->at = h->next;
        else
            wake(l);
    }
    pthread_mutex_unlock(&h->lock);
}

struct events_listener *events_listen(struct events *h, const char *topic, uint64_t after,
                                      const struct events_ear *ear)
{
    struct events_listener *l = NULL;

    pthread_mutex_lock(&h->lock);
    if (!h->is_closed) {
        l = mem_new(sizeof(*l));
        l->hub = h;
        l->ear = *ear;
        l->topic = mem_string(topic);
        l->at = after == 0 ? h->next : after + 1;
        l->taken_ns = clock_monotonic_ns();
        /* Numbers begin anew with the process: one that is ahead is of another. */
        if (l->at < h->oldest || l->at > h->next) {
            l->is_lost = true;
            l->at = h->next;
        }
        l->next = h->listeners;
        if (l->next != NULL)
            l->next->previous = l;
        h->listeners = l;
    }
    pthread_mutex_unlock(&h->lock);
    return l;
}

void events_leave(struct events_listener *l)
{
    if (l == NULL)
        return;

    struct events *h = l->hub;

    pthread_mutex_lock(&h->lock);
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        h->listeners = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    pthread_mutex_unlock(&h->lock);
    mem_free(l->topic);
    mem_free(l);
}

/* The event that a listener takes next, or NULL.  Ends one that fell behind. */
static struct event *due(struct events_listener *l)
{
    struct events *h = l->hub;

    if (h->is_closed || l->at < h->oldest)
        l->is_ended = true;
    if (l->is_ended)
        return NULL;
    while (l->at < h->next) {
        struct event *ev = event_at(h, l->at);

        if (is_below(ev->topic, l->topic))
            return ev;
        l->at++;
    }
    return NULL;
}

static size_t take_text(const char *text, uint8_t *to, size_t room)
{
    const size_t size = strlen(text);

    if (size > room)
        return 0;
    memcpy(to, text, size);
    return size;
}

/* Nothing is there: the listener goes to sleep. */
static enum events_state nothing(struct events_listener *l)
{
    if (l->is_ended)
        return EVENTS_ENDED;
    l->is_asleep = true;
    return EVENTS_NONE;
}

enum events_state events_take(struct events_listener *l, uint8_t *to, size_t room, size_t *got)
{
    enum events_state state = EVENTS_SOME;
    size_t n = 0;

    pthread_mutex_lock(&l->hub->lock);
    if (l->is_lost) {
        n = take_text("event: lost\ndata: {}\n\n", to, room);
        l->is_lost = false;
    }
    for (struct event *ev; n < room && (ev = due(l)) != NULL;) {
        const size_t left = ev->text.size - l->offset;
        const size_t part = left < room - n ? left : room - n;

        memcpy(to + n, ev->text.data + l->offset, part);
        n += part;
        l->offset += part;
        if (l->offset == ev->text.size) {
            l->offset = 0;
            l->at++;
        }
    }
    if (n == 0 && l->is_beating && !l->is_ended)
        n = take_text(":\n\n", to, room);
    l->is_beating = false;
    if (n == 0)
        state = nothing(l);
    else
        l->taken_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&l->hub->lock);
    *got = n;
    return state;
}

static void put_text(struct json_writer *w, const char *name, const char *text)
{
    json_writer_name(w, slice_string(name));
    json_writer_text(w, slice_string(text));
}

enum events_state events_take_json(struct events_listener *l, struct buf *out)
{
    enum events_state state = EVENTS_SOME;

    pthread_mutex_lock(&l->hub->lock);

    const struct event *ev = l->is_lost ? NULL : due(l);

    if (l->is_lost) {
        buf_printf(out, "{\"event\":\"lost\"}");
        l->is_lost = false;
    } else if (ev == NULL) {
        l->is_beating = false;
        state = nothing(l);
    } else {
        AUTO(json_writer) struct json_writer w = {0};
        AUTO(buf) struct buf id = {0};

        buf_printf(&id, "%" PRIu64, ev->id);
        json_writer_open(&w, '{');
        json_writer_name(&w, slice_string("id"));
        json_writer_raw(&w, buf_slice(&id));
        put_text(&w, "topic", ev->topic);
        put_text(&w, "event", ev->name);
        json_writer_name(&w, slice_string("data"));
        json_writer_raw(&w, buf_slice(&ev->json));
        json_writer_close(&w, '}');
        buf_append_slice(out, buf_slice(&w.out));
        l->at++;
        l->taken_ns = clock_monotonic_ns();
    }
    pthread_mutex_unlock(&l->hub->lock);
    return state;
}

void events_beat(struct events *h, int64_t monotonic_ns)
{
    pthread_mutex_lock(&h->lock);
    for (struct events_listener *l = h->listeners; l != NULL; l = l->next)
        if (l->is_asleep && monotonic_ns - l->taken_ns >= EVENTS_BEAT_NS) {
            l->is_beating = true;
            wake(l);
        }
    pthread_mutex_unlock(&h->lock);
}

void events_close(struct events *h)
{
    pthread_mutex_lock(&h->lock);
    h->is_closed = true;
    for (struct events_listener *l = h->listeners; l != NULL; l = l->next) {
        l->is_ended = true;
        wake(l);
    }
    pthread_mutex_unlock(&h->lock);
}
