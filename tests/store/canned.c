#include "canned.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "support/test.h"

enum { REQUESTS_MAX = 64 };

struct canned {
    const struct canned_reply *replies;
    size_t reply_count;
    int listener, port;
    int stop[2]; /* a pipe that is closed to say so */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    char *requests[REQUESTS_MAX];
    size_t count;
};

/* Wait until there is something to read; false when it is time to stop. */
static bool wait_for(const struct canned *c, int fd)
{
    struct pollfd polls[] = {{.fd = fd, .events = POLLIN}, {.fd = c->stop[0], .events = POLLIN}};

    return poll(polls, 2, -1) > 0 && polls[1].revents == 0;
}

static size_t body_size(const char *head)
{
    static const char name[] = "content-length:";
    const char *at = strcasestr(head, name);
    size_t size = 0;

    if (at == NULL)
        return 0;
    at += sizeof(name) - 1;
    for (at += strspn(at, " "); *at >= '0' && *at <= '9'; at++)
        size = 10 * size + (size_t)(*at - '0');
    return size;
}

/* One request; false at the end of the connection. */
static bool read_request(const struct canned *c, int fd, struct buf *out)
{
    for (;;) {
        const char *end = strstr(buf_string(out), "\r\n\r\n");
        const size_t size = out->size;
        ssize_t n = 0;

        if (end != NULL &&
            size >= (size_t)(end + 4 - (const char *)out->data) + body_size(buf_string(out)))
            return true;
        if (!wait_for(c, fd))
            return false;
        n = read(fd, buf_extend(out, 65536), 65536);
        out->size = size + (n > 0 ? (size_t)n : 0);
        if (n <= 0)
            return false;
    }
}

static const struct canned_reply *note_request(struct canned *c, struct buf *request)
{
    pthread_mutex_lock(&c->lock);

    const size_t n = c->count < c->reply_count ? c->count : c->reply_count - 1;

    if (c->count < REQUESTS_MAX)
        c->requests[c->count++] = mem_string(buf_string(request));
    pthread_mutex_unlock(&c->lock);
    return &c->replies[n];
}

static void serve(struct canned *c, int fd)
{
    for (;;) {
        AUTO(buf) struct buf request = {0};
        const struct canned_reply *reply = NULL;

        if (!read_request(c, fd, &request))
            return;
        reply = note_request(c, &request);
        if (reply->text == NULL && !reply->closes) {
            (void)!wait_for(c, fd); /* until the client is gone */
            return;
        }
        if (reply->text != NULL && send(fd, reply->text, strlen(reply->text), MSG_NOSIGNAL) < 0)
            return;
        if (reply->closes)
            return;
    }
}

static void *run(void *arg)
{
    struct canned *c = arg;

    while (wait_for(c, c->listener)) {
        const int fd = accept(c->listener, NULL, NULL);

        if (fd < 0)
            continue;
        serve(c, fd);
        (void)close(fd);
    }
    return NULL;
}

struct canned *canned_new(const struct canned_reply *replies, size_t count)
{
    struct canned *c = mem_new(sizeof(*c));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);

    c->replies = replies;
    c->reply_count = count;
    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(c->listener, (struct sockaddr *)&at, size) == 0 && listen(c->listener, 8) == 0);
    CHECK(getsockname(c->listener, (struct sockaddr *)&at, &size) == 0);
    CHECK(pipe(c->stop) == 0);
    c->port = ntohs(at.sin_port);
    CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
    CHECK(pthread_create(&c->thread, NULL, run, c) == 0);
    return c;
}

void canned_auto(struct canned **server)
{
    struct canned *c = *server;

    (void)close(c->stop[1]);
    CHECK(pthread_join(c->thread, NULL) == 0);
    (void)close(c->stop[0]);
    (void)close(c->listener);
    for (size_t i = 0; i < c->count; i++)
        mem_free(c->requests[i]);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

int canned_port(const struct canned *c)
{
    return c->port;
}

size_t canned_count(struct canned *c)
{
    pthread_mutex_lock(&c->lock);

    const size_t count = c->count;

    pthread_mutex_unlock(&c->lock);
    return count;
}

const char *canned_request(struct canned *c, size_t n)
{
    pthread_mutex_lock(&c->lock);

    const char *text = n < c->count ? c->requests[n] : "";

    pthread_mutex_unlock(&c->lock);
    return text;
}
