/*
 * The lists: matches, targets and their options as iptables-save prints them.
 *
 * Left out on purpose: what names something outside of the rules (set, bpf and cgroup with their
 * files, NFQUEUE, NFLOG), what changes packets beyond their addresses (MARK and CONNMARK with
 * --set-xmark, TCPMSS, TOS, DSCP), and names that would be looked up.
 */
#include "archive/iptables_words.h"

#include <string.h>

#include "archive/iptables_value.h"
#include "base/text.h"

#define STATES "INVALID NEW ESTABLISHED RELATED UNTRACKED"
#define FLAGS  "FIN SYN RST PSH ACK URG ALL NONE"
#define TYPES                                                                                    \
    "UNSPEC UNICAST LOCAL BROADCAST ANYCAST MULTICAST BLACKHOLE UNREACHABLE PROHIBIT THROW NAT " \
    "XRESOLVE"
#define REASONS                                                                                \
    "icmp-net-unreachable icmp-host-unreachable icmp-proto-unreachable icmp-port-unreachable " \
    "icmp-net-prohibited icmp-host-prohibited icmp-admin-prohibited tcp-reset"

struct option {
    const char *of; /* the match or target; NULL: any rule */
    const char *name;
    enum iptables_value value;
    bool can_invert; /* "!" may stand in front */
    const char *words;
    enum iptables_value second;
};

static const struct option options[] = {
    {NULL, "-s", VALUE_ADDRESS, true, NULL, VALUE_NONE},
    {NULL, "-d", VALUE_ADDRESS, true, NULL, VALUE_NONE},
    {NULL, "-i", VALUE_INTERFACE, true, NULL, VALUE_NONE},
    {NULL, "-o", VALUE_INTERFACE, true, NULL, VALUE_NONE},
    {NULL, "-p", VALUE_PROTOCOL, true, NULL, VALUE_NONE},
    {NULL, "-f", VALUE_NONE, true, NULL, VALUE_NONE},

    {"addrtype", "--src-type", VALUE_WORDS, true, TYPES, VALUE_NONE},
    {"addrtype", "--dst-type", VALUE_WORDS, true, TYPES, VALUE_NONE},
    {"addrtype", "--limit-iface-in", VALUE_NONE, false, NULL, VALUE_NONE},
    {"addrtype", "--limit-iface-out", VALUE_NONE, false, NULL, VALUE_NONE},
    {"comment", "--comment", VALUE_TEXT, false, NULL, VALUE_NONE},
    {"connlimit", "--connlimit-upto", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"connlimit", "--connlimit-above", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"connlimit", "--connlimit-mask", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"connlimit", "--connlimit-saddr", VALUE_NONE, false, NULL, VALUE_NONE},
    {"connlimit", "--connlimit-daddr", VALUE_NONE, false, NULL, VALUE_NONE},
    {"connmark", "--mark", VALUE_MASKED, true, NULL, VALUE_NONE},
    {"conntrack", "--ctstate", VALUE_WORDS, true, STATES " SNAT DNAT", VALUE_NONE},
    {"conntrack", "--ctproto", VALUE_PROTOCOL, true, NULL, VALUE_NONE},
    {"conntrack", "--ctorigsrc", VALUE_ADDRESS, true, NULL, VALUE_NONE},
    {"conntrack", "--ctorigdst", VALUE_ADDRESS, true, NULL, VALUE_NONE},
    {"conntrack", "--ctorigdstport", VALUE_PORTS, true, NULL, VALUE_NONE},
    {"conntrack", "--ctdir", VALUE_WORD, false, "ORIGINAL REPLY", VALUE_NONE},
    {"dscp", "--dscp", VALUE_NUMBER, true, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-upto", VALUE_RATE, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-above", VALUE_RATE, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-burst", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-mode", VALUE_WORDS, false, "srcip srcport dstip dstport",
     VALUE_NONE},
    {"hashlimit", "--hashlimit-name", VALUE_NAME, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-srcmask", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-dstmask", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-htable-size", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-htable-max", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-htable-expire", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"hashlimit", "--hashlimit-htable-gcinterval", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"icmp", "--icmp-type", VALUE_MASKED, true, NULL, VALUE_NONE},
    {"iprange", "--src-range", VALUE_SPAN, true, NULL, VALUE_NONE},
    {"iprange", "--dst-range", VALUE_SPAN, true, NULL, VALUE_NONE},
    {"length", "--length", VALUE_RANGE, true, NULL, VALUE_NONE},
    {"limit", "--limit", VALUE_RATE, false, NULL, VALUE_NONE},
    {"limit", "--limit-burst", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"mac", "--mac-source", VALUE_MAC, true, NULL, VALUE_NONE},
    {"mark", "--mark", VALUE_MASKED, true, NULL, VALUE_NONE},
    {"multiport", "--sports", VALUE_PORT_LIST, true, NULL, VALUE_NONE},
    {"multiport", "--dports", VALUE_PORT_LIST, true, NULL, VALUE_NONE},
    {"multiport", "--ports", VALUE_PORT_LIST, true, NULL, VALUE_NONE},
    {"owner", "--uid-owner", VALUE_NUMBER, true, NULL, VALUE_NONE},
    {"owner", "--gid-owner", VALUE_NUMBER, true, NULL, VALUE_NONE},
    {"physdev", "--physdev-in", VALUE_INTERFACE, true, NULL, VALUE_NONE},
    {"physdev", "--physdev-out", VALUE_INTERFACE, true, NULL, VALUE_NONE},
    {"physdev", "--physdev-is-in", VALUE_NONE, true, NULL, VALUE_NONE},
    {"physdev", "--physdev-is-out", VALUE_NONE, true, NULL, VALUE_NONE},
    {"physdev", "--physdev-is-bridged", VALUE_NONE, true, NULL, VALUE_NONE},
    {"pkttype", "--pkt-type", VALUE_WORD, true, "unicast broadcast multicast", VALUE_NONE},
    {"policy", "--dir", VALUE_WORD, false, "in out", VALUE_NONE},
    {"policy", "--pol", VALUE_WORD, false, "none ipsec", VALUE_NONE},
    {"recent", "--set", VALUE_NONE, true, NULL, VALUE_NONE},
    {"recent", "--rcheck", VALUE_NONE, true, NULL, VALUE_NONE},
    {"recent", "--update", VALUE_NONE, true, NULL, VALUE_NONE},
    {"recent", "--remove", VALUE_NONE, true, NULL, VALUE_NONE},
    {"recent", "--seconds", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"recent", "--hitcount", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"recent", "--name", VALUE_NAME, false, NULL, VALUE_NONE},
    {"recent", "--mask", VALUE_ADDRESS, false, NULL, VALUE_NONE},
    {"recent", "--rsource", VALUE_NONE, false, NULL, VALUE_NONE},
    {"recent", "--rdest", VALUE_NONE, false, NULL, VALUE_NONE},
    {"state", "--state", VALUE_WORDS, true, STATES, VALUE_NONE},
    {"statistic", "--mode", VALUE_WORD, false, "random nth", VALUE_NONE},
    {"statistic", "--probability", VALUE_PROBABILITY, true, NULL, VALUE_NONE},
    {"statistic", "--every", VALUE_NUMBER, true, NULL, VALUE_NONE},
    {"statistic", "--packet", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"tcp", "--sport", VALUE_PORTS, true, NULL, VALUE_NONE},
    {"tcp", "--dport", VALUE_PORTS, true, NULL, VALUE_NONE},
    {"tcp", "--tcp-flags", VALUE_WORDS, true, FLAGS, VALUE_WORDS},
    {"tcp", "--tcp-option", VALUE_NUMBER, true, NULL, VALUE_NONE},
    {"tos", "--tos", VALUE_MASKED, true, NULL, VALUE_NONE},
    {"ttl", "--ttl-eq", VALUE_NUMBER, true, NULL, VALUE_NONE},
    {"ttl", "--ttl-lt", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"ttl", "--ttl-gt", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"udp", "--sport", VALUE_PORTS, true, NULL, VALUE_NONE},
    {"udp", "--dport", VALUE_PORTS, true, NULL, VALUE_NONE},

    {"DNAT", "--to-destination", VALUE_NAT, false, NULL, VALUE_NONE},
    {"DNAT", "--random", VALUE_NONE, false, NULL, VALUE_NONE},
    {"DNAT", "--persistent", VALUE_NONE, false, NULL, VALUE_NONE},
    {"LOG", "--log-prefix", VALUE_TEXT, false, NULL, VALUE_NONE},
    {"LOG", "--log-level", VALUE_NUMBER, false, NULL, VALUE_NONE},
    {"LOG", "--log-tcp-sequence", VALUE_NONE, false, NULL, VALUE_NONE},
    {"LOG", "--log-tcp-options", VALUE_NONE, false, NULL, VALUE_NONE},
    {"LOG", "--log-ip-options", VALUE_NONE, false, NULL, VALUE_NONE},
    {"LOG", "--log-uid", VALUE_NONE, false, NULL, VALUE_NONE},
    {"MASQUERADE", "--to-ports", VALUE_PORT_SPAN, false, NULL, VALUE_NONE},
    {"MASQUERADE", "--random", VALUE_NONE, false, NULL, VALUE_NONE},
    {"MASQUERADE", "--random-fully", VALUE_NONE, false, NULL, VALUE_NONE},
    {"REDIRECT", "--to-ports", VALUE_PORT_SPAN, false, NULL, VALUE_NONE},
    {"REDIRECT", "--random", VALUE_NONE, false, NULL, VALUE_NONE},
    {"REJECT", "--reject-with", VALUE_WORD, false, REASONS, VALUE_NONE},
    {"SNAT", "--to-source", VALUE_NAT, false, NULL, VALUE_NONE},
    {"SNAT", "--random", VALUE_NONE, false, NULL, VALUE_NONE},
    {"SNAT", "--random-fully", VALUE_NONE, false, NULL, VALUE_NONE},
    {"SNAT", "--persistent", VALUE_NONE, false, NULL, VALUE_NONE},
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

#define IN(table)    (1U << (table))

static const struct {
    const char *name;
    unsigned tables;
} targets[] = {
    {"ACCEPT", IN(IPTABLES_FILTER) | IN(IPTABLES_NAT)},
    {"DROP", IN(IPTABLES_FILTER)},
    {"RETURN", IN(IPTABLES_FILTER) | IN(IPTABLES_NAT)},
    {"REJECT", IN(IPTABLES_FILTER)},
    {"LOG", IN(IPTABLES_FILTER) | IN(IPTABLES_NAT)},
    {"DNAT", IN(IPTABLES_NAT)},
    {"MASQUERADE", IN(IPTABLES_NAT)},
    {"REDIRECT", IN(IPTABLES_NAT)},
    {"SNAT", IN(IPTABLES_NAT)},
};
#define TARGET_COUNT (sizeof(targets) / sizeof(targets[0]))

static const char *const built_in[IPTABLES_TABLES][5] = {
    [IPTABLES_FILTER] = {"INPUT", "FORWARD", "OUTPUT"},
    [IPTABLES_NAT] = {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"},
};

const char *const *iptables_chains_built_in(enum iptables_table table)
{
    return built_in[table];
}

bool iptables_chain_is_built_in(enum iptables_table table, const char *name)
{
    for (const char *const *c = built_in[table]; *c != NULL; c++)
        if (strcmp(*c, name) == 0)
            return true;
    return false;
}

static bool refuse(const char *word, const char *why, struct err *e)
{
    char shown[60];

    text_flatten(slice_string(word), shown, sizeof(shown));
    return err_set(e, ERR_CORRUPT, "\"%s\" %s", shown, why);
}

/* The place in the list of targets; TARGET_COUNT: it is none. */
static size_t target_find(const char *name)
{
    size_t i = 0;

    while (i < TARGET_COUNT && strcmp(targets[i].name, name) != 0)
        i++;
    return i;
}

/* The names of targets that are not on the list mean themselves, wherever they are loaded from. */
static bool is_kernels(const char *name)
{
    static const char names[] =
        "QUEUE NFQUEUE NFLOG ULOG MARK CONNMARK TCPMSS TOS DSCP TTL CT NOTRACK "
        "SET TPROXY TEE TRACE AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNSECMARK "
        "DNPT ECN HL HMARK IDLETIMER LED NETMAP RATEEST SECMARK SNPT "
        "SYNPROXY MASQUERADE SNAT DNAT REDIRECT PREROUTING INPUT FORWARD "
        "OUTPUT POSTROUTING";

    return target_find(name) < TARGET_COUNT || iptables_value_is(VALUE_WORD, names, name);
}

bool iptables_chain_check(const char *name, struct err *e)
{
    const size_t size = strlen(name);

    if (size == 0 || size > IPTABLES_CHAIN_MAX)
        return refuse(name, "is no name of a chain", e);
    for (const char *p = name; *p != '\0'; p++) {
        const bool is_plain =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        if (!is_plain && (p == name ? *p != '_' : strchr("_.-", *p) == NULL))
            return refuse(name, "is no name of a chain", e);
    }
    return !is_kernels(name) || refuse(name, "cannot be the name of a chain", e);
}

static bool has_options(const char *match)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (options[i].of != NULL && strcmp(options[i].of, match) == 0)
            return true;
    return false;
}

static const struct option *option_find(const char *of, const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options[i].name, name) == 0 &&
            (options[i].of == NULL || (of != NULL && strcmp(options[i].of, of) == 0)))
            return &options[i];
    return NULL;
}

/* A rule on its way. */
struct rule {
    enum iptables_table table;
    const char *const *words;
    size_t count, at;
    const char *of;   /* the match or target that options belong to just now */
    const char *jump; /* a user's chain */
    bool has_jump;    /* of either kind */
};

static bool take_value(struct rule *r, enum iptables_value kind, const char *words, struct err *e)
{
    const char *option = r->words[r->at];

    if (++r->at == r->count)
        return refuse(option, "lacks its value", e);
    return iptables_value_is(kind, words, r->words[r->at]) ||
           refuse(r->words[r->at], "is no value that is taken here", e);
}

/* -m tcp */
static bool take_match(struct rule *r, struct err *e)
{
    if (++r->at == r->count)
        return refuse("-m", "lacks its value", e);

    const char *name = r->words[r->at];

    if (target_find(name) < TARGET_COUNT || !has_options(name))
        return refuse(name, "is a match that is not taken here", e);
    r->of = name;
    return true;
}

/* -j ACCEPT, -j CHAIN, -g CHAIN */
static bool take_jump(struct rule *r, struct err *e)
{
    const bool is_goto = strcmp(r->words[r->at], "-g") == 0;

    if (++r->at == r->count)
        return refuse("-j", "lacks its value", e);

    const char *name = r->words[r->at];
    const size_t target = is_goto ? TARGET_COUNT : target_find(name);

    r->has_jump = true;
    r->of = NULL;
    if (target == TARGET_COUNT) {
        r->jump = name;
        return iptables_chain_check(name, e) || err_wrap(e, "-j");
    }
    r->of = name;
    return (targets[target].tables & IN(r->table)) != 0 ||
           refuse(name, "is a target that this table does not take", e);
}

static bool take_option(struct rule *r, bool is_inverted, struct err *e)
{
    const char *name = r->words[r->at];
    const struct option *o = option_find(r->of, name);

    if (o == NULL || (o->of == NULL && r->has_jump))
        return refuse(name, "is not taken here", e);
    if (is_inverted && !o->can_invert)
        return refuse(name, "cannot be inverted", e);
    return (o->value == VALUE_NONE || take_value(r, o->value, o->words, e)) &&
           (o->second == VALUE_NONE || take_value(r, o->second, o->words, e));
}

bool iptables_words_check(enum iptables_table table, const char *const *words, size_t count,
                          const char **jump, struct err *e)
{
    struct rule r = {.table = table, .words = words, .count = count};

    for (; r.at < count; r.at++) {
        const char *word = words[r.at];
        const bool is_inverted = strcmp(word, "!") == 0;
        bool is_taken;

        if (is_inverted && ++r.at == count)
            return refuse("!", "has nothing behind it", e);
        if (!is_inverted && !r.has_jump && strcmp(word, "-m") == 0)
            is_taken = take_match(&r, e);
        else if (!is_inverted && !r.has_jump &&
                 (strcmp(word, "-j") == 0 || strcmp(word, "-g") == 0))
            is_taken = take_jump(&r, e);
        else
            is_taken = take_option(&r, is_inverted, e);
        if (!is_taken)
            return false;
    }
    *jump = r.jump;
    return true;
}
