/* Private to src/archive: the values of options in rules. */
#ifndef ARCHIVE_IPTABLES_VALUE_H
#define ARCHIVE_IPTABLES_VALUE_H

#include <stdbool.h>

enum iptables_value {
    VALUE_NONE,        /* the option has none */
    VALUE_ADDRESS,     /* 10.0.0.1, 10.0.0.0/8, 10.0.0.0/255.0.0.0 */
    VALUE_SPAN,        /* 10.0.0.1-10.0.0.9 */
    VALUE_NAT,         /* 10.0.0.1-10.0.0.9:1024-2048 and parts of it */
    VALUE_INTERFACE,   /* wg0, wg+ */
    VALUE_PROTOCOL,    /* tcp, 47 */
    VALUE_PORTS,       /* 53, 1024:65535 */
    VALUE_PORT_LIST,   /* 53,1024:65535 */
    VALUE_PORT_SPAN,   /* 1024-2048 */
    VALUE_NUMBER,      /* 7, 0x1f */
    VALUE_RANGE,       /* 7, 7:9 */
    VALUE_MASKED,      /* 0x1/0xff */
    VALUE_RATE,        /* 5/min */
    VALUE_PROBABILITY, /* 0.25000000000 */
    VALUE_MAC,         /* 00:11:22:33:44:55 */
    VALUE_NAME,        /* of a list that the kernel keeps */
    VALUE_TEXT,        /* printable */
    VALUE_WORD,        /* one of some */
    VALUE_WORDS,       /* some of some: A,B */
};

/* words: "A B C" for the last two. */
bool iptables_value_is(enum iptables_value kind, const char *words, const char *text);

#endif
