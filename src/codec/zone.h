/*
 * Time zones: from UTC to local time and back, with an answer for local times that a change of the
 * clocks leaves out or shows twice.
 *
 * Rules come from compiled files (TZif, RFC 8536) as the package tzdata installs them, and what
 * lies behind the last change that a file lists from the rule in POSIX form at its end.  The
 * process's own zone stays as it is, and any number of zones may be in use at once.
 *
 * Moments are seconds since 1970.  A local time is written the same way: what the clock on the wall
 * shows, counted as if it were UTC.
 */
#ifndef CODEC_ZONE_H
#define CODEC_ZONE_H

#include "base/buf.h"

#define ZONE_FOLDER   "/usr/share/zoneinfo"
#define ZONE_LOCAL    "local" /* the name of the machine's own zone */
#define ZONE_NAME_MAX 64

/* The largest file in tzdata 2025b, fat, is below 4 KiB and has 236 changes. */
#define ZONE_FILE_MAX    ((size_t)64 << 10)
#define ZONE_CHANGES_MAX 2000

/* Moments asked about lie between these, some 30,000 years around 1970. */
#define ZONE_MOMENT_MAX (INT64_C(1) << 40)

/* Does not change after it was opened: threads may share it. */
struct zone;

/*
 * Open a zone by its name, "Europe/Berlin".  folder: where compiled zones are, NULL means
 * ZONE_FOLDER.  "UTC" needs no file.  "local" is what the variable TZ says as tzset(3) reads it (a
 * name, a path, a rule in POSIX form), and without it /etc/localtime; where that is missing, UTC.
 * ERR_USAGE: no name of a zone; ERR_NOT_FOUND: there is none of this name; ERR_CORRUPT: the file is
 * damaged, or counts leap seconds ("right/..."), which the clock does not.
 */
MUST_CHECK bool zone_open(const char *name, const char *folder, struct zone **out, struct err *e);

/* Read a compiled zone, version 2 or newer.  ERR_CORRUPT. */
MUST_CHECK bool zone_read(struct slice bytes, struct zone **out, struct err *e);

/* A rule in POSIX form, "CET-1CEST,M3.5.0,M10.5.0/3".  ERR_USAGE. */
MUST_CHECK bool zone_parse(const char *rule, struct zone **out, struct err *e);

void zone_free(struct zone *z); /* accepts NULL */
void zone_auto(struct zone **z);

/* A time during which the clocks are not changed. */
struct zone_span {
    int64_t begin, end; /* [begin, end); INT64_MIN and INT64_MAX: without an end */
    int32_t offset_s;   /* local time - UTC; within a day and two hours */
};
struct zone_span zone_span_at(const struct zone *z, int64_t moment);

static inline int64_t zone_to_local(const struct zone *z, int64_t moment)
{
    return moment + zone_span_at(z, moment).offset_s;
}

enum zone_fit {
    ZONE_ONCE,  /* first == last */
    ZONE_NEVER, /* left out: both are the first moment behind the gap */
    ZONE_TWICE, /* shown at first and again at last */
};

struct zone_answer {
    enum zone_fit fit;
    int64_t first, last;
};

/* When a clock on the wall shows a local time. */
struct zone_answer zone_from_local(const struct zone *z, int64_t local);

#endif
