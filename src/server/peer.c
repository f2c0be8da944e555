/*
 * Connections: who is connected, how many, and what they are at.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "server/private.h"

#define ADDRESS_BITS 128

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct address *a)
{
    return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

static struct address address_of(const struct sockaddr *sa)
{
    struct address a = {0};

    if (sa->sa_family == AF_INET) {
        memcpy(a.bytes, mapped, sizeof(mapped));
        memcpy(a.bytes + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(a.bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
    }
    return a;
}

bool address_parse(const char *text, struct address *out)
{
    struct address a = {0};

    if (inet_pton(AF_INET, text, a.bytes + 12) == 1)
        memcpy(a.bytes, mapped, sizeof(mapped));
    else if (inet_pton(AF_INET6, text, a.bytes) != 1)
        return false;
    *out = a;
    return true;
}

static bool has_bit(const struct address *a, unsigned i)
{
    return (a->bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

bool network_parse(const char *text, struct network *out)
{
    const size_t size = strcspn(text, "/");
    struct network n = {.bits = ADDRESS_BITS};
    char first[INET6_ADDRSTRLEN];
    uint64_t bits = 0;
    struct err ignored;

    if (size >= sizeof(first))
        return false;
    memcpy(first, text, size);
    first[size] = '\0';
    if (!address_parse(first, &n.first))
        return false;
    if (text[size] == '/') {
        const unsigned most = is_v4(&n.first) ? 32 : ADDRESS_BITS;

        if (!parse_u64(text + size + 1, &bits, &ignored) || bits > most)
            return false;
        n.bits = ADDRESS_BITS - most + (unsigned)bits;
    }
    for (unsigned i = n.bits; i < ADDRESS_BITS; i++)
        if (has_bit(&n.first, i))
            return false;
    *out = n;
    return true;
}

static bool network_has(const struct network *n, const struct address *a)
{
    for (unsigned i = 0; i < n->bits; i++)
        if (has_bit(&n->first, i) != has_bit(a, i))
            return false;
    return true;
}

static bool is_served(const struct http_server *s, const struct address *a)
{
    for (size_t i = 0; i < s->options.client_count; i++)
        if (network_has(&s->clients[i], a))
            return true;
    return s->options.client_count == 0;
}

const char *address_text(const struct address *a, struct arena *arena)
{
    char text[INET6_ADDRSTRLEN];

    if (is_v4(a))
        (void)inet_ntop(AF_INET, a->bytes + 12, text, sizeof(text));
    else
        (void)inet_ntop(AF_INET6, a->bytes, text, sizeof(text));
    return arena_string(arena, slice_string(text));
}

bool address_is_loopback(const struct address *a)
{
    struct address one = {.bytes[15] = 1};

    return is_v4(a) ? a->bytes[12] == 127 : memcmp(a->bytes, one.bytes, 16) == 0;
}

static bool is_proxy(const struct http_server *s, const struct address *a)
{
    for (size_t i = 0; i < s->options.proxy_count; i++)
        if (memcmp(&s->proxies[i], a, sizeof(*a)) == 0)
            return true;
    return false;
}

/* One customer of an IPv6 provider has a /64: its first address stands for all. */
static struct address customer_of(const struct address *a)
{
    struct address first = *a;

    if (!is_v4(a))
        memset(first.bytes + 8, 0, 8);
    return first;
}

static bool is_same_customer(const struct address *a, const struct address *b)
{
    const struct address one = customer_of(a);
    const struct address other = customer_of(b);

    return memcmp(&one, &other, sizeof(one)) == 0;
}

/* With the lock held. */
static bool has_room(const struct http_server *s, const struct address *a)
{
    size_t same = 0;

    for (const struct peer *p = s->peers; p != NULL; p = p->next)
        same += is_same_customer(&p->address, a);
    return s->peer_count < s->options.connections_max &&
           (same < s->options.address_max || is_proxy(s, a)) && !s->is_stopping;
}

enum MHD_Result peer_accept(void *cls, const struct sockaddr *sa, socklen_t size)
{
    const struct listener *l = cls;
    struct http_server *s = l->server;
    const struct address a = address_of(sa);
    bool fits;

    (void)size;
    pthread_mutex_lock(&s->peers_lock);
    fits = has_room(s, &a);
    pthread_mutex_unlock(&s->peers_lock);
    s->refused_connections += !fits;
    return fits ? MHD_YES : MHD_NO;
}

static void peer_add(struct listener *l, struct MHD_Connection *c, void **context)
{
    struct http_server *s = l->server;
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *a =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct peer *p = mem_new(sizeof(*p));

    p->listener = l;
    p->fd = fd == NULL ? -1 : fd->connect_fd;
    if (a != NULL)
        p->address = address_of(a->client_addr);
    p->is_proxy = is_proxy(s, &p->address);
    p->since_ns = clock_monotonic_ns();
    *context = p;
    pthread_mutex_lock(&s->peers_lock);
    if (!has_room(s, &p->address)) { /* another thread accepted since peer_accept() */
        p->is_ended = true;
        s->refused_connections++;
        (void)shutdown(p->fd, SHUT_RDWR);
    }
    p->next = s->peers;
    if (p->next != NULL)
        p->next->previous = p;
    s->peers = p;
    s->peer_count++;
    pthread_mutex_unlock(&s->peers_lock);
}

static void peer_remove(struct peer *p)
{
    struct http_server *s = p->listener->server;

    pthread_mutex_lock(&s->peers_lock);
    if (p->previous != NULL)
        p->previous->next = p->next;
    else
        s->peers = p->next;
    if (p->next != NULL)
        p->next->previous = p->previous;
    s->peer_count--;
    pthread_mutex_unlock(&s->peers_lock);
    mem_free(p->who);
    mem_free(p);
}

void peer_notify(void *cls, struct MHD_Connection *c, void **context,
                 enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        peer_add(cls, c, context);
    } else if (*context != NULL) {
        peer_remove(*context);
        *context = NULL;
    }
}

bool peer_begin(struct request *r)
{
    pthread_mutex_lock(&r->server->peers_lock);

    const bool is_open = !r->peer->is_ended;

    r->peer->request = r;
    r->peer->state = PEER_BUSY;
    pthread_mutex_unlock(&r->server->peers_lock);
    return is_open;
}

void peer_set_state(struct http_server *s, struct peer *p, enum peer_state state)
{
    pthread_mutex_lock(&s->peers_lock);
    if (p->state != state) {
        p->state = state;
        p->since_ns = clock_monotonic_ns();
        p->moved = 0;
        p->stirred_ns = p->since_ns;
    }
    if (state == PEER_IDLE) {
        p->request = NULL;
        mem_free(p->who); /* the next one on this connection may be somebody else's */
        p->who = NULL;
    }
    pthread_mutex_unlock(&s->peers_lock);
}

void peer_know(struct request *r)
{
    struct principal *who = mem_dup(&r->principal, sizeof(r->principal));

    pthread_mutex_lock(&r->server->peers_lock);
    /* Not by r->peer: while the handler works the connection may end. */
    for (struct peer *p = r->server->peers; p != NULL; p = p->next)
        if (p->request == r) {
            mem_free(p->who);
            p->who = TAKE(who);
            break;
        }
    pthread_mutex_unlock(&r->server->peers_lock);
    mem_free(who);
}

void peer_set_stream(struct request *r, enum peer_state state)
{
    struct principal *who = mem_dup(&r->principal, sizeof(r->principal));

    pthread_mutex_lock(&r->server->peers_lock);
    mem_free(r->peer->who);
    r->peer->who = who;
    pthread_mutex_unlock(&r->server->peers_lock);
    peer_set_state(r->server, r->peer, state);
}

/* The last address in the list that is no proxy of ours was seen by one of them. */
static void look_through(struct request *r, struct address *a)
{
    const char *list = request_header(r, "X-Forwarded-For");
    size_t end = list == NULL ? 0 : strlen(list);

    while (end > 0) {
        size_t from = end;
        struct address found;

        while (from > 0 && list[from - 1] != ',')
            from--;

        const char *one = arena_string(&r->arena, SLICE_OF(list + from, end - from));

        one += strspn(one, " ");
        if (!address_parse(one, &found))
            return;
        *a = found;
        if (!is_proxy(r->server, a))
            return;
        end = from > 0 ? from - 1 : 0;
    }
}

void peer_look_behind(struct request *r)
{
    struct address a = r->peer->address;
    struct slice host = r->facts.host;
    struct address customer;
    AUTO(buf) struct buf origin = {0};

    r->is_secure = r->peer->listener->is_tls;
    if (r->peer->is_proxy) {
        const char *proto = request_header(r, "X-Forwarded-Proto");
        const char *behind = request_header(r, "X-Forwarded-Host");

        look_through(r, &a);
        r->is_secure = r->is_secure || (proto != NULL && strcasecmp(proto, "https") == 0);
        if (behind != NULL)
            host = slice_string(behind);
    }
    customer = customer_of(&a);
    r->is_served = is_served(r->server, &a);
    r->address_text = address_text(&a, &r->arena);
    r->customer_text = address_text(&customer, &r->arena);
    buf_printf(&origin, "%s://", r->is_secure ? "https" : "http");
    buf_append_slice(&origin, host);
    r->origin = arena_string(&r->arena, buf_slice(&origin));
}
