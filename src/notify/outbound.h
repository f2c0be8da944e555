/*
 * The one way out for requests whose destination somebody else chose: addresses of webhooks and
 * heartbeats, and the mail server.  Part of notify.h.
 *
 * Without it whoever may name an address could let this process, which stands inside, ask the
 * services of the machine and its network.  So a destination is a name that leads to the open
 * internet, or one that the owner of the machine has listed:
 *
 *  - https only; http to listed places alone.  No user or password in an address.
 *  - The address that a socket is about to be connected to is checked, not one that was looked up
 *    before: a name that answers differently the second time gains nothing.
 *  - Certificates are verified, nothing is followed, no variable names a proxy.
 *  - A call ends after connect_ms and total_ms, or when somebody asks to stop.
 *  - Of a reply at most OUTBOUND_REPLY_MAX bytes are read, and none of them leaves this folder: a
 *    caller learns one of the outcomes below.
 *
 * Everything here blocks and may be called from several threads of a process that ignores SIGPIPE.
 */
#ifndef NOTIFY_OUTBOUND_H
#define NOTIFY_OUTBOUND_H

#include <netinet/in.h>

#include "base/buf.h"
#include "codec/address.h"

#define OUTBOUND_URL_MAX    2048                   /* bytes */
#define OUTBOUND_HOST_MAX   (ADDRESS_HOST_MAX + 1) /* with a NUL */
#define OUTBOUND_REPLY_MAX  ((size_t)64 << 10)     /* bytes, head and body */
#define OUTBOUND_CONNECT_MS INT64_C(5000)          /* name, connection and TLS */
#define OUTBOUND_TOTAL_MS   INT64_C(30000)
#define OUTBOUND_RETRY_S    (INT64_C(12) * 3600) /* longest wait that a service may ask for */

/* What the owner of the machine allows.  Borrows the strings. */
struct outbound_settings {
    const char *const *allowed; /* "host:port", "[::1]:port": may be inside, and may be http */
    size_t allowed_count;
    const char *ca_file;          /* certificates to trust instead of the system's, or NULL */
    int64_t connect_ms, total_ms; /* 0: as above */
};

enum outbound_outcome {
    OUTBOUND_DONE,            /* the other side has it */
    OUTBOUND_REFUSED,         /* by us: the destination is not allowed */
    OUTBOUND_NO_NAME,         /* it has no address */
    OUTBOUND_NO_ANSWER,       /* no connection, or it broke, or took too long */
    OUTBOUND_BAD_CERTIFICATE, /* TLS without a certificate that holds */
    OUTBOUND_NO_TLS,          /* TLS is not offered */
    OUTBOUND_NO_LOGIN,        /* user or password is wrong, or the server wants one */
    OUTBOUND_BUSY,            /* the other side asks to come again */
    OUTBOUND_REJECTED,        /* the other side will never take it */
    OUTBOUND_REDIRECTED,      /* it points elsewhere, where nobody goes */
    OUTBOUND_TOO_LONG,        /* the beginning of the reply is longer than a whole one may be */
    OUTBOUND_CANCELLED,
};

/* "refused", "no_name", ...: for documents. */
const char *outbound_outcome_name(enum outbound_outcome outcome);
/* One sentence for people, without a full stop. */
const char *outbound_outcome_sentence(enum outbound_outcome outcome);

struct outbound_reply {
    enum outbound_outcome outcome;
    int64_t retry_after_s; /* asked for with BUSY, at most OUTBOUND_RETRY_S; 0: nothing asked */
};

/* Whether packets to this address go to the open internet, as far as the registries of special
 * purpose addresses say (RFC 6890 and IANA's tables of 2024).  IPv4 or IPv6. */
bool outbound_address_is_public(const struct sockaddr *address);

/* Where something goes. */
struct outbound_place {
    char scheme[8];
    char host[OUTBOUND_HOST_MAX]; /* lower case; an IPv6 address without brackets */
    uint16_t port;
    bool is_listed;
};

/*
 * Take an address of http or https apart and say whether it may be asked, as far as that is known
 * without looking up its name.  ERR_USAGE: it is none, or written in one of the ways that programs
 * read differently.  ERR_DENIED: not allowed.  No text of it is in the sentence, for an address
 * of a webhook is a secret.
 */
MUST_CHECK bool outbound_place_parse(const struct outbound_settings *s, const char *url,
                                     struct outbound_place *out, struct err *e);

/* The same for a host and a port, as of a mail server.  scheme: at most 7 characters. */
MUST_CHECK bool outbound_place_make(const struct outbound_settings *s, const char *scheme,
                                    const char *host, uint16_t port, struct outbound_place *out,
                                    struct err *e);

/* An entry of the list.  ERR_USAGE. */
MUST_CHECK bool outbound_allowed_check(const char *text, struct err *e);

struct outbound_request {
    const char *method; /* "GET", or "POST" with body */
    const char *url;
    const char *const *headers; /* "name: value" */
    size_t header_count;
    struct slice body;
};

/* Ask once.  A head with a status of 200 to 299 is DONE, whatever becomes of the body behind it. */
void outbound_send(const struct outbound_settings *s, const struct outbound_request *r,
                   struct outbound_reply *out);

#endif
