/*
 * Rules of time zones in POSIX form, with the extension of RFC 8536 that changes may lie from 167
 * hours before to 167 hours after midnight.  Private to src/codec.
 */
#ifndef CODEC_ZONE_RULE_H
#define CODEC_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ZONE_OFFSET_MAX 93600 /* 26 hours; RFC 8536 has from -25 to 26 */

enum zone_date_kind {
    ZONE_JULIAN,   /* "J60": a day of the year from 1, never the leap day */
    ZONE_DAY,      /* "59": a day of the year from 0 */
    ZONE_NTH_WEEK, /* "M3.5.0": the last Sunday of March */
};

struct zone_date {
    enum zone_date_kind kind;
    int day;         /* by kind; of ZONE_NTH_WEEK the day of the week, 0 is Sunday */
    int month, week; /* week 5: the last */
    int32_t time_s;  /* local time before the change, from midnight */
};

struct zone_rule {
    int32_t standard_s, summer_s; /* local time - UTC */
    bool has_summer;
    struct zone_date begin, end; /* of summer time */
};

MUST_CHECK bool zone_rule_parse(const char *text, size_t size, struct zone_rule *out);

/* A change of the clocks. */
struct zone_change {
    int64_t at;
    int32_t offset_s; /* from then on */
};

/* The changes of the year before, the same and the next, in order. */
enum { ZONE_RULE_CHANGES = 6 };
void zone_rule_changes(const struct zone_rule *r, int64_t year,
                       struct zone_change out[ZONE_RULE_CHANGES]);

#endif
