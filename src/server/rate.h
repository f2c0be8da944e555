/*
 * Token buckets: how often somebody may ask.  A bucket holds as many requests as its limit for one
 * minute and fills evenly.  Memory is bounded: when all places are taken the bucket that is nearest
 * to full goes, which forgets the least.  Any thread.
 */
#ifndef SERVER_RATE_H
#define SERVER_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate;

/* room: buckets kept at a time, 100 bytes each; keyed by a secret of the process, so that nobody
 * can choose names that meet. */
struct rate *rate_new(size_t room);
void rate_free(struct rate *r); /* accepts NULL */
void rate_auto(struct rate **r);

/* For the headers of an answer. */
struct rate_state {
    bool is_allowed;
    uint32_t limit;     /* requests in a minute */
    uint32_t remaining; /* at this moment */
    uint32_t reset_s;   /* until there is one again (refused) or the bucket is full */
};

/* Take one request of limit a minute from the bucket of a name, such as "ip 192.0.2.1". */
void rate_take(struct rate *r, const char *name, uint32_t limit, int64_t now_ns,
               struct rate_state *out);

#endif
