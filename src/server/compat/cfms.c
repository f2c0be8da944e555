#include "server/compat/cfms.h"

#include "base/mem.h"
#include "codec/random.h"
#include "server/compat/cfms_private.h"
#include "server/reply.h"

struct cfms *cfms_new(const struct cfms_options *o)
{
    struct cfms *c = mem_new(sizeof(*c));

    c->options = *o;
    random_bytes(c->key, sizeof(c->key));
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->changed, NULL);
    return c;
}

void cfms_free(struct cfms *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    while (c->connections > 0)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    mem_wipe(c->key, sizeof(c->key));
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
