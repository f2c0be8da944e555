/*
 * Names that lead elsewhere than they seem to.  The resolver and connect() of libcurl are the ones
 * below: they answer what a test says, note where connections go, and let none leave this machine.
 */
#include "notify/outbound.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "support/test.h"

enum { ANSWERS_MAX = 4, ADDRESSES_MAX = 4 };

/* What the resolver says at the first, second, ... question; the last goes on. */
static const char *answers[ANSWERS_MAX][ADDRESSES_MAX];
static size_t answer_count;
static int slow_ms;
static atomic_size_t questions;
static atomic_size_t public_connections, inside_connections;

static struct addrinfo *address_new(const char *text, const char *service)
{
    struct addrinfo *a = mem_new(sizeof(*a));
    struct sockaddr_storage *to = mem_new(sizeof(*to));
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    const in_port_t port = htons((uint16_t)strtoul(service == NULL ? "0" : service, NULL, 10));
    const bool is_v4 = inet_pton(AF_INET, text, &v4->sin_addr) == 1;

    to->ss_family = is_v4 ? AF_INET : AF_INET6;
    v4->sin_port = port; /* the same place in both */
    CHECK(is_v4 || inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
    a->ai_family = to->ss_family;
    a->ai_socktype = SOCK_STREAM;
    a->ai_protocol = IPPROTO_TCP;
    a->ai_addr = (struct sockaddr *)to;
    a->ai_addrlen = is_v4 ? sizeof(*v4) : sizeof(*v6);
    return a;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    const size_t asked = atomic_fetch_add(&questions, 1);
    const size_t n = asked < answer_count ? asked : answer_count - 1;
    struct addrinfo **to = out;

    (void)name;
    (void)hints;
    if (slow_ms > 0)
        (void)poll(NULL, 0, slow_ms);
    *out = NULL;
    for (size_t i = 0; answer_count > 0 && i < ADDRESSES_MAX && answers[n][i] != NULL; i++) {
        *to = address_new(answers[n][i], service);
        to = &(*to)->ai_next;
    }
    return *out == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *first)
{
    while (first != NULL) {
        struct addrinfo *next = first->ai_next;

        mem_free(first->ai_addr);
        mem_free(first);
        first = next;
    }
}

int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    if (to->sa_family != AF_UNIX)
        (void)atomic_fetch_add(
            outbound_address_is_public(to) ? &public_connections : &inside_connections, 1);
    (void)fd;
    (void)size;
    errno = ECONNREFUSED;
    return -1;
}

static enum outbound_outcome ask(const struct outbound_settings *s)
{
    const struct outbound_request r = {.method = "GET", .url = "https://hooks.example.org/x"};
    struct outbound_reply reply;

    outbound_send(s, &r, &reply);
    return reply.outcome;
}

static const struct outbound_settings nothing_listed;

TEST(a_name_that_leads_inside_is_never_connected_to)
{
    static const char *const inside[] = {
        "127.0.0.1",     "10.1.2.3",  "169.254.169.254",  "100.64.0.1",      "0.0.0.0",
        "168.63.129.16", "::1",       "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1",
        "fd00:ec2::254", "224.0.0.1", "ff02::1"};

    answer_count = 1;
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        answers[0][0] = inside[i];
        ck_assert_msg(ask(&nothing_listed) == OUTBOUND_REFUSED, "%s", inside[i]);
    }
    CHECK(atomic_load(&questions) > 0 && atomic_load(&public_connections) == 0 &&
          atomic_load(&inside_connections) == 0);
}

TEST(of_several_addresses_only_the_public_ones_are_connected_to)
{
    answers[0][0] = "93.184.216.34";
    answers[0][1] = "127.0.0.1";
    answers[0][2] = "::1";
    answer_count = 1;
    CHECK(ask(&nothing_listed) == OUTBOUND_REFUSED);
    CHECK(atomic_load(&public_connections) == 1 && atomic_load(&inside_connections) == 0);
}

/* Whoever looked it up and connected to the name afterwards would ask 127.0.0.1. */
TEST(a_name_that_answers_differently_the_second_time_gains_nothing)
{
    answers[0][0] = "93.184.216.34";
    answers[1][0] = "127.0.0.1";
    answer_count = 2;
    CHECK(ask(&nothing_listed) == OUTBOUND_NO_ANSWER);
    ck_assert_uint_eq(atomic_load(&questions), 1);
    CHECK(ask(&nothing_listed) == OUTBOUND_REFUSED);
    ck_assert_uint_eq(atomic_load(&questions), 2);
    CHECK(atomic_load(&public_connections) == 1 && atomic_load(&inside_connections) == 0);
}

TEST(a_listed_name_may_lead_inside)
{
    static const char *const allowed[] = {"other.example.org:443", "hooks.example.org:443"};
    const struct outbound_settings s = {.allowed = allowed, .allowed_count = 2};

    answers[0][0] = "127.0.0.1";
    answer_count = 1;
    CHECK(ask(&s) == OUTBOUND_NO_ANSWER);
    CHECK(atomic_load(&inside_connections) == 1);
}

TEST(a_name_without_address_is_told_apart)
{
    CHECK(ask(&nothing_listed) == OUTBOUND_NO_NAME);
    CHECK(atomic_load(&public_connections) == 0);
}

TEST(proxies_of_the_environment_are_not_asked)
{
    setenv("https_proxy", "http://127.0.0.1:3128", 1);
    setenv("ALL_PROXY", "socks5://127.0.0.1:1080", 1);
    answers[0][0] = "93.184.216.34";
    answer_count = 1;
    CHECK(ask(&nothing_listed) == OUTBOUND_NO_ANSWER);
    CHECK(atomic_load(&public_connections) == 1 && atomic_load(&inside_connections) == 0);
}

static int64_t ms_since(int64_t begin_ns)
{
    return (clock_monotonic_ns() - begin_ns) / (NS_PER_S / 1000);
}

TEST(a_silent_name_server_does_not_hold_a_call)
{
    const struct outbound_settings s = {.connect_ms = 300};
    const int64_t begin_ns = clock_monotonic_ns();

    slow_ms = 4000;
    CHECK(ask(&s) == OUTBOUND_NO_ANSWER);
    CHECK(ms_since(begin_ns) < 2500);
}

static void *cancel_soon(void *arg)
{
    (void)poll(NULL, 0, 300);
    cancel_request();
    return arg;
}

TEST(a_call_that_waits_for_a_name_can_be_stopped)
{
    const int64_t begin_ns = clock_monotonic_ns();
    pthread_t t;

    slow_ms = 4000;
    thread_start(&t, cancel_soon, NULL, "cancel");
    CHECK(ask(&nothing_listed) == OUTBOUND_CANCELLED);
    CHECK(ms_since(begin_ns) < 2500);
    thread_join(t);
}

TESTS("outbound_name", a_name_that_leads_inside_is_never_connected_to,
      of_several_addresses_only_the_public_ones_are_connected_to,
      a_name_that_answers_differently_the_second_time_gains_nothing, a_listed_name_may_lead_inside,
      a_name_without_address_is_told_apart, proxies_of_the_environment_are_not_asked,
      a_silent_name_server_does_not_hold_a_call, a_call_that_waits_for_a_name_can_be_stopped)
