#include "notify/syslog_sink.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "codec/json.h"

enum {
    FACILITY = 13,    /* log audit */
    SEND_S = 5,       /* longest wait for a connection or for room in it */
    RETRY_MS = 5000,  /* between tries */
    LINGER_MS = 2000, /* for what waits at the end */
    TELL_S = 60,      /* between two sentences */
    TIME_MICROS = 26, /* "2026-11-22T01:02:03.123456": RFC 5424 takes six digits of nine */
    MSGID_MAX = 32,   /* RFC 5424 */
    HOST_MAX = 255,   /* RFC 5424 */
};

enum way { WAY_UNIX, WAY_UDP, WAY_TCP };
static const char *const ways[] = {"unix:", "udp:", "tcp:"};

struct place {
    enum way way;
    char host[256]; /* or the path */
    char port[16];
};

struct syslog_sink {
    struct place place;
    char *address;
    char host[HOST_MAX + 1];
    void (*told)(void *arg, const char *sentence);
    void *arg;
    struct queue *queue; /* of char *, messages */
    pthread_t thread;
    _Atomic uint64_t lost;
    _Atomic int64_t ends_ns; /* when to give up; 0: not yet */
    /* Of the thread */
    int fd;
    bool is_away;
    uint64_t lost_told;
    int64_t told_ns;
};

/* Addresses */

static bool place_parse(const char *text, struct place *out, struct err *e)
{
    struct place p = {0};
    uint64_t port = 0;

    while (p.way <= WAY_TCP && strncmp(text, ways[p.way], strlen(ways[p.way])) != 0)
        p.way++;
    if (p.way > WAY_TCP)
        return err_set(e, ERR_USAGE, "syslog takes unix:PATH, udp:HOST:PORT or tcp:HOST:PORT");
    text += strlen(ways[p.way]);

    const char *colon = strrchr(text, ':');
    const bool is_six = text[0] == '[';
    size_t size = p.way == WAY_UNIX || colon == NULL ? strlen(text) : (size_t)(colon - text);

    if (p.way == WAY_UNIX) {
        if (text[0] != '/' || size >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
            return err_set(e, ERR_USAGE, "syslog: no path of a socket: %.200s", text);
    } else if (colon == NULL || !parse_u64(colon + 1, &port, e) || port == 0 || port > UINT16_MAX) {
        return err_set(e, ERR_USAGE, "syslog: no port in %.200s", text);
    }
    if (is_six && size >= 2 && text[size - 1] == ']') {
        text++;
        size -= 2;
    } else if (p.way != WAY_UNIX && memchr(text, ':', size) != NULL) {
        return err_set(e, ERR_USAGE, "syslog: an address of IPv6 stands in []: %.200s", text);
    }
    if (size == 0 || size >= sizeof(p.host))
        return err_set(e, ERR_USAGE, "syslog: no host in the address");
    memcpy(p.host, text, size);
    (void)snprintf(p.port, sizeof(p.port), "%u", (unsigned)port); /* has room */
    *out = p;
    return true;
}

bool syslog_check(const char *address, struct err *e)
{
    struct place ignored;

    return place_parse(address, &ignored, e);
}

/* Messages */

/* Printable ASCII without blanks, as a field of the header; "-" when nothing is left. */
static void field_copy(const char *text, char *out, size_t room)
{
    size_t used = 0;

    for (; text != NULL && *text != '\0' && used + 1 < room; text++)
        if (*text > ' ' && *text < 0x7F)
            out[used++] = *text;
    if (used == 0)
        out[used++] = '-';
    out[used] = '\0';
}

static int severity_of(const char *outcome)
{
    if (outcome != NULL && strcmp(outcome, "refused") == 0)
        return 4;
    return outcome != NULL && strcmp(outcome, "failed") == 0 ? 3 : 6;
}

static char *message_format(const struct syslog_sink *s, const char *record)
{
    AUTO(json) json_t *j = json_loads(record, 0, NULL);
    const char *time = json_string_value(json_object_get(j, "time"));
    char action[MSGID_MAX + 1];
    AUTO(buf) struct buf line = {0};

    field_copy(json_string_value(json_object_get(j, "action")), action, sizeof(action));
    buf_printf(&line, "<%d>1 ",
               FACILITY * 8 + severity_of(json_string_value(json_object_get(j, "outcome"))));
    if (time != NULL && strlen(time) > TIME_MICROS)
        buf_printf(&line, "%.*sZ", TIME_MICROS, time);
    else
        buf_printf(&line, "-");
    buf_printf(&line, " %s holdfast %d %s - %s", s->host, (int)getpid(), action, record);
    return mem_string(buf_string(&line));
}

/* Sending; all in the thread */

static bool limit_waits(int fd, struct err *e)
{
    const struct timeval limit = {.tv_sec = SEND_S};

    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 ||
           err_sys(e, "limit the time of a socket");
}

static bool link_unix(struct syslog_sink *s, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    AUTO(fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path, s->place.host, strlen(s->place.host));
    if (fd < 0)
        return err_sys(e, "socket");
    if (!limit_waits(fd, e))
        return false;
    if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
        return err_sys(e, "connect");
    s->fd = fd;
    fd = -1;
    return true;
}

static bool link_network(struct syslog_sink *s, struct err *e)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = s->place.way == WAY_TCP ? SOCK_STREAM : SOCK_DGRAM};
    struct addrinfo *list = NULL;
    const int why = getaddrinfo(s->place.host, s->place.port, &hints, &list);

    if (why != 0)
        return err_set(e, ERR_TRANSIENT, "%s", gai_strerror(why));
    for (const struct addrinfo *one = list; one != NULL && s->fd < 0; one = one->ai_next) {
        AUTO(fd) int fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, 0);

        if (fd < 0)
            (void)err_sys(e, "socket"); /* the last one's is told */
        else if (!limit_waits(fd, e))
            continue;
        else if (connect(fd, one->ai_addr, one->ai_addrlen) < 0)
            (void)err_sys(e, "connect"); /* the same */
        else {
            s->fd = fd;
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return s->fd >= 0;
}

/* A server that has hung up is known by that only: what is written next would vanish. */
static void unlink_if_gone(struct syslog_sink *s)
{
    char byte;

    if (s->fd < 0 || s->place.way != WAY_TCP)
        return;

    const ssize_t got = recv(s->fd, &byte, 1, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        fd_auto(&s->fd);
        s->fd = -1;
    }
}

static bool send_all(struct syslog_sink *s, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const ssize_t done = send(s->fd, bytes.data, bytes.size, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EMSGSIZE)
            return err_set(e, ERR_USAGE, "a record of %zu bytes is too long", bytes.size);
        if (done < 0)
            return err_sys(e, "send");
        bytes = SLICE_OF(bytes.data + done, bytes.size - (size_t)done);
    }
    return true;
}

static bool send_message(struct syslog_sink *s, const char *message, struct err *e)
{
    AUTO(buf) struct buf frame = {0};

    unlink_if_gone(s);
    if (s->fd < 0 && !(s->place.way == WAY_UNIX ? link_unix(s, e) : link_network(s, e)))
        return false;
    if (s->place.way == WAY_TCP)
        buf_printf(&frame, "%zu ", strlen(message));
    buf_printf(&frame, "%s", message);
    if (send_all(s, buf_slice(&frame), e))
        return true;
    if (e->code != ERR_USAGE) {
        fd_auto(&s->fd); /* half a frame may have gone: the next begins anew */
        s->fd = -1;
    }
    return false;
}

/* Telling */

static void tell(struct syslog_sink *s, const char *why)
{
    const uint64_t lost = atomic_load(&s->lost);
    const int64_t now = clock_monotonic_ns();
    AUTO(buf) struct buf sentence = {0};

    if (s->told_ns != 0 && now - s->told_ns < TELL_S * NS_PER_S)
        return;
    if (lost > s->lost_told)
        buf_printf(&sentence, "audit: %llu records did not reach %s: %s",
                   (unsigned long long)(lost - s->lost_told), s->address, why);
    else
        buf_printf(&sentence, "audit: records wait for %s: %s", s->address, why);
    s->told_ns = now;
    s->lost_told = lost;
    s->told(s->arg, buf_string(&sentence));
}

static bool is_over(const struct syslog_sink *s)
{
    const int64_t end = atomic_load(&s->ends_ns);

    return end != 0 && clock_monotonic_ns() >= end;
}

/* Wait between two tries, shorter when the end is near. */
static void pause_until_next(const struct syslog_sink *s)
{
    const int64_t start = clock_monotonic_ns();

    while (clock_monotonic_ns() - start < RETRY_MS * INT64_C(1000000) && !is_over(s)) {
        (void)poll(NULL, 0, 100);
        if (atomic_load(&s->ends_ns) != 0 && clock_monotonic_ns() - start > NS_PER_S / 2)
            return;
    }
}

/* Try until it has gone, it never can, or all is over. */
static void deliver(struct syslog_sink *s, const char *message)
{
    struct err e = {0};

    while (!is_over(s)) {
        if (send_message(s, message, &e)) {
            if (s->is_away && atomic_load(&s->lost) > s->lost_told)
                tell(s, "it was away");
            s->is_away = false;
            return;
        }
        s->is_away = true;
        if (e.code == ERR_USAGE)
            break;
        tell(s, e.text);
        pause_until_next(s);
    }
    atomic_fetch_add(&s->lost, 1);
    if (e.code == ERR_USAGE)
        tell(s, e.text);
}

static void *sink_main(void *arg)
{
    struct syslog_sink *s = arg;
    char *message;

    while ((message = queue_take(s->queue)) != NULL) {
        deliver(s, message);
        mem_free(message);
    }
    return NULL;
}

bool syslog_sink_new(const struct syslog_options *o, struct syslog_sink **out, struct err *e)
{
    struct place place;

    if (!place_parse(o->address, &place, e))
        return false;

    struct syslog_sink *s = mem_new(sizeof(*s));

    s->place = place;
    s->fd = -1;
    s->told = o->told;
    s->arg = o->arg;
    s->address = mem_string(o->address);
    field_copy(o->host, s->host, sizeof(s->host));
    s->queue = queue_new(SYSLOG_WAITING);
    thread_start(&s->thread, sink_main, s, "syslog");
    *out = s;
    return true;
}

void syslog_sink_free(struct syslog_sink *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->ends_ns, clock_monotonic_ns() + LINGER_MS * INT64_C(1000000));
    queue_close(s->queue);
    thread_join(s->thread);
    if (atomic_load(&s->lost) > s->lost_told) {
        s->told_ns = 0;
        tell(s, "the service ends");
    }
    fd_auto(&s->fd);
    queue_free(s->queue);
    mem_free(s->address);
    mem_free(s);
}

void syslog_sink_auto(struct syslog_sink **s)
{
    syslog_sink_free(*s);
}

void syslog_sink_put(void *sink, const char *record)
{
    struct syslog_sink *s = sink;
    /* Only this thread adds, so there is room when there was. */
    char *message = queue_count(s->queue) < SYSLOG_WAITING ? message_format(s, record) : NULL;

    if (message != NULL && queue_put(s->queue, message))
        return;
    mem_free(message);
    atomic_fetch_add(&s->lost, 1);
}

uint64_t syslog_sink_lost(const struct syslog_sink *s)
{
    return atomic_load(&s->lost);
}
