/* What HTTP and SMTP have in common on their way out.  Private to this folder. */
#ifndef NOTIFY_OUTBOUND_CALL_H
#define NOTIFY_OUTBOUND_CALL_H

#include <curl/curl.h>

#include "notify/outbound.h"

/* One conversation with the other side. */
struct outbound_call {
    CURL *curl;
    struct curl_slist *lines; /* headers or recipients */
    struct outbound_place place;
    bool is_refused;  /* an address that the name led to */
    bool is_too_long; /* the reply */
    size_t received;  /* bytes of the reply */
};

/* Everything that holds for every call; the caller adds what is its own.  c does not move until
 * it is done. */
void outbound_call_init(struct outbound_call *c, const struct outbound_settings *s,
                        const struct outbound_place *place);
void outbound_call_auto(struct outbound_call *c);

void outbound_call_add_line(struct outbound_call *c, const char *line);

/* Count bytes of a reply; false once they are too many. */
bool outbound_call_count(struct outbound_call *c, size_t size);

/* Talk.  status: the last that the other side gave, or 0.  What curl says in more than these two
 * stays here. */
CURLcode outbound_call_run(struct outbound_call *c, long *status);

/* What a failure means that is neither HTTP's nor SMTP's own. */
enum outbound_outcome outbound_call_outcome(const struct outbound_call *c, CURLcode code);

/* Every option is one that this curl has, and strings are copied, so only memory can fail. */
void outbound_call_require(CURLcode code, const char *sentence);
#define CALL_SET(call, option, value)                                    \
    outbound_call_require(curl_easy_setopt((call)->curl, option, value), \
                          "the library for HTTP and SMTP refuses " #option)

#endif
