#include <arpa/inet.h>
#include <string.h>

#include "notify/outbound.h"

struct block4 {
    uint32_t first;
    int bits;
};

#define V4(a, b, c, d) (((uint32_t)(a) << 24) | ((uint32_t)(b) << 16) | ((uint32_t)(c) << 8) | (d))

/* What does not lead to the open internet. */
static const struct block4 closed4[] = {
    {V4(0, 0, 0, 0), 8},        /* this network */
    {V4(10, 0, 0, 0), 8},       /* private */
    {V4(100, 64, 0, 0), 10},    /* behind a carrier's translation; 100.100.100.200 tells metadata */
    {V4(127, 0, 0, 0), 8},      /* loopback */
    {V4(168, 63, 129, 16), 32}, /* Azure's host, which tells metadata */
    {V4(169, 254, 0, 0), 16},   /* link-local; 169.254.169.254 tells metadata */
    {V4(172, 16, 0, 0), 12},    /* private */
    {V4(192, 0, 0, 0), 24},     /* protocol assignments; 192.0.0.192 tells metadata */
    {V4(192, 0, 2, 0), 24},     /* documentation */
    {V4(192, 88, 99, 0), 24},   /* relays of 6to4 */
    {V4(192, 168, 0, 0), 16},   /* private */
    {V4(198, 18, 0, 0), 15},    /* benchmarks */
    {V4(198, 51, 100, 0), 24},  /* documentation */
    {V4(203, 0, 113, 0), 24},   /* documentation */
    {V4(224, 0, 0, 0), 4},      /* multicast */
    {V4(240, 0, 0, 0), 4},      /* reserved, broadcast */
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < sizeof(closed4) / sizeof(closed4[0]); i++)
        if ((address ^ closed4[i].first) >> (32 - closed4[i].bits) == 0)
            return false;
    return true;
}

struct block6 {
    uint8_t first[4];
    int bits; /* <= 32 */
};

/*
 * Of IPv6 only 2000::/3 is handed out, so that loopback, mapped and translated (64:ff9b::) IPv4,
 * unique-local, link-local and multicast addresses are out at once.  These are the exceptions in
 * it.
 */
static const struct block6 closed6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02, 0x00, 0x00}, 16}, /* 6to4: holds an IPv4 address */
    {{0x3f, 0xff, 0x00, 0x00}, 20}, /* documentation */
};

static bool is_public6(const struct in6_addr *address)
{
    const uint8_t *a = address->s6_addr;
    const uint32_t head = V4(a[0], a[1], a[2], a[3]);

    if (a[0] >> 5 != 1)
        return false;
    for (size_t i = 0; i < sizeof(closed6) / sizeof(closed6[0]); i++) {
        const uint8_t *f = closed6[i].first;

        if ((head ^ V4(f[0], f[1], f[2], f[3])) >> (32 - closed6[i].bits) == 0)
            return false;
    }
    return true;
}

bool outbound_address_is_public(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    switch (address->sa_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof(v4));
        return is_public4(ntohl(v4.sin_addr.s_addr));
    case AF_INET6:
        memcpy(&v6, address, sizeof(v6));
        return is_public6(&v6.sin6_addr);
    default:
        return false;
    }
}
