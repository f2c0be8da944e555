/*
 * Rules of a firewall as iptables-save and `iptables -S` print them, taken as data: what is not on
 * a list is refused, and what goes to iptables-restore is written anew.
 *
 *     *filter                                   :CHAIN POLICY [packets:bytes]
 *     :INPUT ACCEPT [0:0]                       user chains have the policy "-"
 *     -A INPUT -i wg0 -p udp -m udp --dport 53 -j ACCEPT
 *     COMMIT
 *
 * Only IPv4, the tables filter and nat, and the matches, targets and options of iptables_words.c in
 * the form in which iptables-save prints them: numbers instead of names of hosts, ports and users,
 * each option behind its own -m or -j.  No option here names a file, a set or a queue.
 */
#ifndef ARCHIVE_IPTABLES_RULES_H
#define ARCHIVE_IPTABLES_RULES_H

#include "base/arena.h"
#include "base/buf.h"

#define IPTABLES_TEXT_MAX   ((size_t)4 << 20)
#define IPTABLES_LINE_MAX   ((size_t)1024)
#define IPTABLES_CHAINS_MAX ((size_t)1000)  /* of a table */
#define IPTABLES_RULES_MAX  ((size_t)20000) /* of a table */
#define IPTABLES_WORDS_MAX  ((size_t)100)   /* of a rule */
#define IPTABLES_CHAIN_MAX  ((size_t)28)    /* bytes of a name */

enum iptables_table {
    IPTABLES_FILTER,
    IPTABLES_NAT,
    IPTABLES_TABLES,
};
/* "filter", "nat". */
const char *iptables_table_name(enum iptables_table t);

struct iptables_chain {
    const char *name;
    const char *policy; /* "ACCEPT", "DROP"; "-" of a chain that a user made */
    uint64_t packets, bytes;
};

/* "-A chain" and what follows; a text is one word without its quotation marks. */
struct iptables_rule {
    const char *chain;
    const char **words;
    size_t count;
};

struct iptables_part {
    bool is_there;
    struct iptables_chain *chains; /* in the order of the text, as rules */
    size_t chain_count;
    struct iptables_rule *rules;
    size_t rule_count;
};

struct iptables_rules {
    struct iptables_part tables[IPTABLES_TABLES];
    struct arena texts;
};
void iptables_rules_done(struct iptables_rules *r);
void iptables_rules_auto(struct iptables_rules *r);

/*
 * What iptables-save prints.  ERR_CORRUPT with the line: beyond the limits, a table that is not
 * restored here, a chain that is not declared, anything that is on no list.  Comments are passed
 * over.  A text without a table is refused.
 */
MUST_CHECK bool iptables_rules_parse(struct slice text, struct iptables_rules *out, struct err *e);

/*
 * What `iptables -t TABLE -S [CHAIN]` prints.  It may be a part of the table, so chains may be
 * jumped to that are not declared in it.
 */
MUST_CHECK bool iptables_listing_parse(struct slice text, enum iptables_table table,
                                       struct iptables_rules *out, struct err *e);

/*
 * Let both tables be there, one that is not as iptables-save would print it when it is empty: what
 * iptables-restore is not told of it leaves alone, and rules that came since would stay.
 */
void iptables_rules_complete(struct iptables_rules *r);

/* Append it as iptables-restore takes it; parsed again it is the same. */
void iptables_rules_write(const struct iptables_rules *r, struct buf *out);

#endif
