/*
 * A compiled zone (RFC 8536), all numbers big-endian: a header of 44 bytes ("TZif", the version as
 * a digit, 15 bytes of nothing, six counts of 32 bits: UT marks, standard marks, leap seconds,
 * changes, types, bytes of names), a body with changes of 32 bits, which is skipped, and then both
 * again with changes of 64 bits:
 *
 *     changes       8 bytes each, ascending
 *     their types   1 byte each
 *     types         6 bytes each: offset (32 bits), is summer time, place of the name
 *     names, leap seconds (12 bytes each), standard marks, UT marks
 *
 * followed by "\n", a rule in POSIX form or nothing, "\n".  Before the first change type 0 holds;
 * from the last one on the rule, or without one its type.
 */
#include "codec/zone.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "codec/civil.h"
#include "codec/zone_rule.h"

enum {
    HEADER_SIZE = 44,
    TYPE_SIZE = 6,
    LEAP_SIZE = 12,
    TYPES_MAX = 256, /* their number is a byte */
};

struct zone {
    struct zone_change *changes; /* ascending */
    size_t count;
    int32_t before_s; /* the offset before the first change */
    bool has_rule;
    struct zone_rule rule; /* from the last change on */
};

void zone_free(struct zone *z)
{
    if (z == NULL)
        return;
    mem_free(z->changes);
    mem_free(z);
}

void zone_auto(struct zone **z)
{
    zone_free(*z);
}

/* Reading */

struct header {
    uint8_t version;
    uint32_t ut_marks, standard_marks, leaps, changes, types, names;
};

static uint32_t number_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t wide_number_at(const uint8_t *p)
{
    return (int64_t)((uint64_t)number_at(p) << 32 | number_at(p + 4));
}

static bool take_header(struct slice *s, struct header *out)
{
    struct slice bytes;

    if (!take_slice(s, HEADER_SIZE, &bytes) || memcmp(bytes.data, "TZif", 4) != 0)
        return false;
    *out = (struct header){
        .version = bytes.data[4],
        .ut_marks = number_at(bytes.data + 20),
        .standard_marks = number_at(bytes.data + 24),
        .leaps = number_at(bytes.data + 28),
        .changes = number_at(bytes.data + 32),
        .types = number_at(bytes.data + 36),
        .names = number_at(bytes.data + 40),
    };
    return true;
}

/* The body of 32-bit changes, which says nothing that the other does not. */
static bool skip_body(struct slice *s, const struct header *h)
{
    const uint64_t size = (uint64_t)h->changes * 5 + (uint64_t)h->types * TYPE_SIZE + h->names +
                          (uint64_t)h->leaps * 8 + h->standard_marks + h->ut_marks;
    struct slice skipped;

    return take_slice(s, size, &skipped);
}

static bool read_offset(const struct slice *types, size_t type, int32_t *out)
{
    const int32_t offset_s = (int32_t)number_at(types->data + type * TYPE_SIZE);

    if (offset_s > ZONE_OFFSET_MAX || offset_s < -ZONE_OFFSET_MAX)
        return false;
    *out = offset_s;
    return true;
}

static bool read_changes(struct slice *s, const struct header *h, struct zone *z)
{
    struct slice times;
    struct slice kinds;
    struct slice types;

    if (!take_slice(s, (uint64_t)h->changes * 8, &times) || !take_slice(s, h->changes, &kinds) ||
        !take_slice(s, (uint64_t)h->types * TYPE_SIZE, &types) ||
        !read_offset(&types, 0, &z->before_s))
        return false;
    z->changes = mem_array(h->changes, sizeof(*z->changes));
    z->count = h->changes;
    for (size_t i = 0; i < z->count; i++) {
        struct zone_change *c = &z->changes[i];

        c->at = wide_number_at(times.data + i * 8);
        if (kinds.data[i] >= h->types || !read_offset(&types, kinds.data[i], &c->offset_s) ||
            (i > 0 && c->at <= z->changes[i - 1].at))
            return false;
    }
    return true;
}

/* What stands behind the body. */
static bool read_footer(struct slice s, struct zone *z)
{
    if (s.size < 2 || s.data[0] != '\n' || s.data[s.size - 1] != '\n')
        return false;
    z->has_rule = s.size > 2;
    return !z->has_rule || zone_rule_parse((const char *)s.data + 1, s.size - 2, &z->rule);
}

bool zone_read(struct slice bytes, struct zone **out, struct err *e)
{
    AUTO(zone) struct zone *z = mem_new(sizeof(*z));
    struct slice s = bytes;
    struct header h;
    struct slice skipped;

    if (bytes.size > ZONE_FILE_MAX)
        return err_set(e, ERR_CORRUPT, "it is longer than %zu bytes", ZONE_FILE_MAX);
    if (!take_header(&s, &h))
        return err_set(e, ERR_CORRUPT, "it is no compiled time zone");
    if (h.version < '2')
        return err_set(e, ERR_CORRUPT, "it is of version 1, which ends in the year 2037");
    if (!skip_body(&s, &h) || !take_header(&s, &h))
        return err_set(e, ERR_CORRUPT, "it ends too early");
    if (h.leaps > 0)
        return err_set(e, ERR_CORRUPT, "it counts leap seconds, which the clock does not");
    if (h.types == 0 || h.types > TYPES_MAX || h.changes > ZONE_CHANGES_MAX)
        return err_set(e, ERR_CORRUPT, "it has %u changes and %u types of time", h.changes,
                       h.types);
    if (!read_changes(&s, &h, z) ||
        !take_slice(&s, (uint64_t)h.names + h.standard_marks + h.ut_marks, &skipped))
        return err_set(e, ERR_CORRUPT, "its changes are damaged");
    if (!read_footer(s, z))
        return err_set(e, ERR_CORRUPT, "the rule at its end is damaged");
    *out = TAKE(z);
    return true;
}

bool zone_parse(const char *rule, struct zone **out, struct err *e)
{
    struct zone_rule r;

    if (!zone_rule_parse(rule, strlen(rule), &r))
        return err_set(e, ERR_USAGE, "\"%.80s\" is no rule of a time zone", rule);
    *out = mem_new(sizeof(**out));
    (*out)->has_rule = true;
    (*out)->rule = r;
    return true;
}

/* Names */

/* Letters, digits, "_", "+", "-" in parts between slashes: nothing that leads out of the folder. */
static bool is_name(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-";

    if (strlen(name) > ZONE_NAME_MAX)
        return false;
    for (;;) {
        const size_t size = strspn(name, letters);

        if (size == 0 || name[0] == '-')
            return false;
        name += size;
        if (*name == '\0')
            return true;
        if (*name++ != '/')
            return false;
    }
}

static bool open_file(const char *path, struct zone **out, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    if (!file_read(path, ZONE_FILE_MAX, &bytes, e))
        return false;
    return zone_read(buf_slice(&bytes), out, e) || err_wrap(e, "%s", path);
}

static bool open_named(const char *name, const char *folder, struct zone **out, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    if (!is_name(name))
        return err_set(e, ERR_USAGE,
                       "\"%.80s\" is no name of a time zone such as Europe/Berlin, UTC or local",
                       name);
    buf_printf(&path, "%s/%s", folder, name);
    if (open_file(buf_string(&path), out, e))
        return true;
    /* What is there and is no file is no zone either: "Europe". */
    if (e->code == ERR_NOT_FOUND || e->code == ERR_FATAL)
        return err_set(e, ERR_NOT_FOUND,
                       "there is no time zone \"%s\" in %s, which the package tzdata fills", name,
                       folder);
    return false;
}

static bool open_local(const char *folder, struct zone **out, struct err *e)
{
    const char *tz = getenv("TZ");

    if (tz == NULL) {
        if (open_file("/etc/localtime", out, e))
            return true;
        return e->code == ERR_NOT_FOUND && zone_parse("UTC0", out, e);
    }
    if (tz[0] == ':')
        tz++;
    if (tz[0] == '\0')
        return zone_parse("UTC0", out, e);
    if (tz[0] == '/')
        return open_file(tz, out, e);
    if (is_name(tz) && open_named(tz, folder, out, e))
        return true;
    return zone_parse(tz, out, e) || err_wrap(e, "variable TZ");
}

bool zone_open(const char *name, const char *folder, struct zone **out, struct err *e)
{
    if (folder == NULL)
        folder = ZONE_FOLDER;
    if (strcmp(name, "UTC") == 0)
        return zone_parse("UTC0", out, e);
    if (strcmp(name, ZONE_LOCAL) == 0)
        return open_local(folder, out, e);
    return open_named(name, folder, out, e);
}

/* Asking */

static struct zone_span rule_span(const struct zone_rule *r, int64_t moment)
{
    struct zone_span span = {INT64_MIN, INT64_MAX, r->standard_s};
    struct zone_change changes[ZONE_RULE_CHANGES];

    if (!r->has_summer)
        return span;
    zone_rule_changes(r, civil_from_days(civil_day_of(moment)).year, changes);
    for (int i = 0; i < ZONE_RULE_CHANGES; i++) {
        if (changes[i].at > moment) {
            span.end = changes[i].at;
            break;
        }
        span.begin = changes[i].at;
        span.offset_s = changes[i].offset_s;
    }
    return span;
}

struct zone_span zone_span_at(const struct zone *z, int64_t moment)
{
    size_t low = 0;
    size_t high =
        z->count; /* changes before low are not after the moment, those from high on are */

    assert(moment > -ZONE_MOMENT_MAX && moment < ZONE_MOMENT_MAX);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (z->changes[middle].at <= moment)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == z->count && z->has_rule) {
        struct zone_span span = rule_span(&z->rule, moment);

        if (low > 0 && span.begin < z->changes[low - 1].at)
            span.begin = z->changes[low - 1].at;
        return span;
    }
    return (struct zone_span){
        low == 0 ? INT64_MIN : z->changes[low - 1].at,
        low == z->count ? INT64_MAX : z->changes[low].at,
        low == 0 ? z->before_s : z->changes[low - 1].offset_s,
    };
}

struct zone_answer zone_from_local(const struct zone *z, int64_t local)
{
    struct zone_answer a = {.fit = ZONE_NEVER};
    struct zone_span span = zone_span_at(z, local - ZONE_OFFSET_MAX);

    /* Every span in which the moment could lie: it is at most this far away from UTC. */
    for (;;) {
        const int64_t moment = local - span.offset_s;

        if (moment >= span.begin && moment < span.end) {
            if (a.fit == ZONE_NEVER)
                a = (struct zone_answer){ZONE_ONCE, moment, moment};
            else
                a = (struct zone_answer){ZONE_TWICE, a.first, moment};
        } else if (a.fit == ZONE_NEVER && moment >= span.end) {
            a.first = a.last = span.end; /* unless a later span has it */
        }
        if (span.end > local + ZONE_OFFSET_MAX)
            return a;
        span = zone_span_at(z, span.end);
    }
}
