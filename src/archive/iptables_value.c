#include "archive/iptables_value.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PORT_MAX       65535
#define PORT_LIST_MAX  15 /* as multiport takes them */
#define INTERFACE_MAX  15
#define NAME_MAX_BYTES 31
#define TEXT_MAX_BYTES 255

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Each of these takes something from the front, or leaves *at alone. */

static bool take(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* Without zeros in front, which some programs read as octal. */
static bool take_decimal(const char **at, uint64_t max)
{
    const char *p = *at;
    uint64_t n = 0;

    for (; is_digit(*p); p++) {
        n = 10 * n + (uint64_t)(*p - '0');
        if (n > max || (p > *at && **at == '0'))
            return false;
    }
    if (p == *at)
        return false;
    *at = p;
    return true;
}

static bool take_number(const char **at)
{
    const char *p = *at;
    size_t digits = 0;

    if (p[0] != '0' || p[1] != 'x')
        return take_decimal(at, UINT32_MAX);
    for (p += 2; is_hex(*p); p++)
        digits++;
    if (digits == 0 || digits > 8)
        return false;
    *at = p;
    return true;
}

static bool take_quad(const char **at)
{
    const char *p = *at;

    for (int i = 0; i < 4; i++)
        if ((i > 0 && !take(&p, '.')) || !take_decimal(&p, 255))
            return false;
    *at = p;
    return true;
}

/* One port, or two with something between. */
static bool take_ports(const char **at, char between)
{
    return take_decimal(at, PORT_MAX) && (!take(at, between) || take_decimal(at, PORT_MAX));
}

/* Whole values */

static bool is_address(const char *p)
{
    if (!take_quad(&p))
        return false;
    if (take(&p, '/') && !take_quad(&p) && !take_decimal(&p, 32))
        return false;
    return *p == '\0';
}

static bool is_span(const char *p)
{
    return take_quad(&p) && take(&p, '-') && take_quad(&p) && *p == '\0';
}

static bool is_nat(const char *p)
{
    if (*p != ':' && (!take_quad(&p) || (take(&p, '-') && !take_quad(&p))))
        return false;
    return (!take(&p, ':') || take_ports(&p, '-')) && *p == '\0';
}

static bool is_interface(const char *p)
{
    const size_t size = strlen(p);

    if (size == 0 || size > INTERFACE_MAX || *p == '-')
        return false;
    for (; *p != '\0'; p++)
        if (!is_letter(*p) && !is_digit(*p) && strchr("_.:@=+-", *p) == NULL)
            return false;
    return true;
}

static bool is_name(const char *p)
{
    const size_t size = strlen(p);

    if (size == 0 || size > NAME_MAX_BYTES || *p == '-' || *p == '.')
        return false;
    for (; *p != '\0'; p++)
        if (!is_letter(*p) && !is_digit(*p) && strchr("_.-", *p) == NULL)
            return false;
    return true;
}

static bool is_port_list(const char *p)
{
    for (int n = 0; n < PORT_LIST_MAX; n++) {
        if (!take_ports(&p, ':'))
            return false;
        if (!take(&p, ','))
            return *p == '\0';
    }
    return false;
}

static bool is_one(const char *words, const char *text, size_t size)
{
    for (const char *at = words; size > 0 && *at != '\0'; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == size && memcmp(at, text, size) == 0)
            return true;
    }
    return false;
}

static bool are_words(const char *words, const char *p)
{
    for (;; p++) {
        const size_t size = strcspn(p, ",");

        if (!is_one(words, p, size))
            return false;
        p += size;
        if (*p == '\0')
            return true;
    }
}

static bool is_rate(const char *p)
{
    static const char units[] = "sec second min minute hour day";

    return take_decimal(&p, UINT32_MAX) && take(&p, '/') && is_one(units, p, strlen(p));
}

static bool is_probability(const char *p)
{
    size_t digits = 0;

    if (!take(&p, '0') && !take(&p, '1'))
        return false;
    if (take(&p, '.'))
        for (; is_digit(*p) && digits < 20; p++)
            digits++;
    return *p == '\0';
}

static bool is_mac(const char *p)
{
    for (int i = 0; i < 6; i++, p += 2)
        if ((i > 0 && !take(&p, ':')) || !is_hex(p[0]) || !is_hex(p[1]))
            return false;
    return *p == '\0';
}

/* Nothing that iptables-restore, which looks for options by their first byte, could take for one.
 */
static bool is_text(const char *p)
{
    const size_t size = strlen(p);

    if (size == 0 || size > TEXT_MAX_BYTES || *p == '-' || *p == '!')
        return false;
    for (; *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            return false;
    return true;
}

static bool is_protocol(const char *p)
{
    static const char names[] = "all tcp udp udplite icmp igmp esp ah gre ipip ipv6 sctp ospf vrrp";

    return is_one(names, p, strlen(p)) || (take_decimal(&p, 255) && *p == '\0');
}

static bool is_pair(const char *p, char between)
{
    return take_number(&p) && (!take(&p, between) || take_number(&p)) && *p == '\0';
}

bool iptables_value_is(enum iptables_value kind, const char *words, const char *text)
{
    const char *p = text;

    switch (kind) {
    case VALUE_NONE:
        return false;
    case VALUE_ADDRESS:
        return is_address(text);
    case VALUE_SPAN:
        return is_span(text);
    case VALUE_NAT:
        return is_nat(text) && *text != '\0';
    case VALUE_INTERFACE:
        return is_interface(text);
    case VALUE_PROTOCOL:
        return is_protocol(text);
    case VALUE_PORTS:
        return take_ports(&p, ':') && *p == '\0';
    case VALUE_PORT_LIST:
        return is_port_list(text);
    case VALUE_PORT_SPAN:
        return take_ports(&p, '-') && *p == '\0';
    case VALUE_NUMBER:
        return take_number(&p) && *p == '\0';
    case VALUE_RANGE:
        return is_pair(text, ':');
    case VALUE_MASKED:
        return is_pair(text, '/');
    case VALUE_RATE:
        return is_rate(text);
    case VALUE_PROBABILITY:
        return is_probability(text);
    case VALUE_MAC:
        return is_mac(text);
    case VALUE_NAME:
        return is_name(text);
    case VALUE_TEXT:
        return is_text(text);
    case VALUE_WORD:
        return is_one(words, text, strlen(text));
    case VALUE_WORDS:
        return are_words(words, text);
    }
    return false;
}
