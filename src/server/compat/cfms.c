#include "server/compat/cfms.h"

#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/random.h"
#include "server/compat/cfms_private.h"
#include "server/reply.h"

/* Looks after imports. */
static void *look_after(void *arg)
{
    struct cfms *c = arg;
    bool is_stopping = false;

    while (!is_stopping) {
        int64_t until_ns;
        struct timespec until;

        cfms_imports_look(c);
        until_ns = clock_monotonic_ns() + NS_PER_S;
        until = (struct timespec){.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
        pthread_mutex_lock(&c->lock);
        if (!c->is_stopping)
            (void)pthread_cond_timedwait(&c->changed, &c->lock, &until);
        is_stopping = c->is_stopping;
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

bool cfms_open(const struct cfms_options *o, struct cfms **out, struct err *e)
{
    struct cfms *c = mem_new(sizeof(*c));
    pthread_condattr_t monotonic;

    c->options = *o;
    random_bytes(c->key, sizeof(c->key));
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (!cfms_tasks_open(c, e)) {
        cfms_close(c);
        return false;
    }
    c->is_running = true;
    thread_start(&c->thread, look_after, c, "cfms imports");
    *out = c;
    return true;
}

void cfms_close(struct cfms *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    pthread_cond_broadcast(&c->changed);
    while (c->connections > 0)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
    if (c->is_running)
        thread_join(c->thread);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    mem_wipe(c->key, sizeof(c->key));
    mem_free(c->tasks);
    mem_free(c->folder);
    mem_free(c);
}

static void get_socket(struct request *r)
{
    reply_websocket(r, &cfms_protocol, request_app(r));
}

#define ANYONE PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)

/* Any path will do, as with the published server. */
const struct route cfms_routes[] = {
    {METHOD_GET, "/", ANYONE, 0, NULL, ROUTE_NO_HEAD, .handler = get_socket,
     .summary = "CFMS over WebSocket"},
    {METHOD_GET, "/{path...}", ANYONE, 0, NULL, ROUTE_NO_HEAD, .handler = get_socket,
     .summary = "CFMS over WebSocket"},
};
const size_t cfms_route_count = sizeof(cfms_routes) / sizeof(cfms_routes[0]);
