/*
 * Keys, times and names of files, as texts.
 */
#include <stdio.h>
#include <string.h>

#include "archive/school_document.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

static const char public_key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#define NS_PER_MS INT64_C(1000000)

void school_key_auto(struct school_key *k)
{
    mem_wipe(k, sizeof(*k));
}

bool school_key_parse(const char *text, struct school_key *out, struct err *e)
{
    AUTO(school_key) struct school_key k = {0};

    if (strnlen(text, 2 * sizeof(k.bytes) + 1) != 2 * sizeof(k.bytes))
        return err_set(e, ERR_USAGE, "Encryption key must be 64 hex characters");
    if (!hex_decode(text, k.bytes, sizeof(k.bytes)))
        return err_set(e, ERR_USAGE, "Invalid key length");
    *out = k;
    return true;
}

bool school_key_is_public(const struct school_key *k)
{
    struct school_key known;

    return hex_decode(public_key, known.bytes, sizeof(known.bytes)) &&
           equal_ct(known.bytes, k->bytes, sizeof(known.bytes));
}

void school_stamp_format(int64_t time_ns, char out[SCHOOL_STAMP_MAX])
{
    char text[CLOCK_TEXT_MAX];

    clock_format(time_ns, text); /* with nine digits behind the point */
    memcpy(out, text, SCHOOL_STAMP_MAX - 2);
    memcpy(out + SCHOOL_STAMP_MAX - 2, "Z", 2);
}

/* Whether text is this moment to the letter, which also says that its fields are in range. */
static bool stamp_is(const char *text, int64_t time_ns)
{
    char again[SCHOOL_STAMP_MAX];

    school_stamp_format(time_ns, again);
    return time_ns % NS_PER_MS == 0 && strcmp(text, again) == 0;
}

bool school_stamp_parse(struct slice text, int64_t *time_ns, struct err *e)
{
    char copy[SCHOOL_STAMP_MAX] = {0};
    struct err why;
    int64_t found;

    if (text.size == SCHOOL_STAMP_MAX - 1) {
        memcpy(copy, text.data, text.size);
        if (clock_parse(copy, &found, &why) && stamp_is(copy, found)) {
            *time_ns = found;
            return true;
        }
    }
    return err_set(e, ERR_CORRUPT, "its timestamp is no moment such as 2025-11-21T10:28:30.846Z");
}

/* Where ':' and '.' stand in a time, and '-' in the name of a file. */
static const struct {
    uint8_t at;
    char mark;
} marks[] = {{13, ':'}, {16, ':'}, {19, '.'}};

void school_stamp_dashed_format(int64_t time_ns, char out[SCHOOL_STAMP_MAX])
{
    school_stamp_format(time_ns, out);
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        out[marks[i].at] = '-';
}

bool school_stamp_dashed_parse(const char text[SCHOOL_STAMP_SIZE], int64_t *time_ns, struct err *e)
{
    char stamp[SCHOOL_STAMP_SIZE];

    memcpy(stamp, text, sizeof(stamp));
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (stamp[marks[i].at] != '-')
            return err_set(e, ERR_CORRUPT, "it has no time such as 2025-11-21T10-28-30-846Z");
        stamp[marks[i].at] = marks[i].mark;
    }
    return school_stamp_parse(SLICE_OF((const uint8_t *)stamp, sizeof(stamp)), time_ns, e);
}

#define PREFIX      "backup-"
#define SUFFIX      ".enc"
#define ID_AT       (sizeof(PREFIX) - 1 + SCHOOL_STAMP_SIZE + 1)
#define ID_SIZE_HEX (2 * (size_t)SCHOOL_ID_SIZE)

void school_name_format(const struct school_name *n, char out[SCHOOL_FILE_MAX])
{
    char stamp[SCHOOL_STAMP_MAX];
    char id[ID_SIZE_HEX + 1];

    school_stamp_dashed_format(n->time_ns, stamp);
    hex_encode(SLICE_OF(n->id, SCHOOL_ID_SIZE), id);
    (void)snprintf(out, SCHOOL_FILE_MAX, PREFIX "%s-%s" SUFFIX, stamp, id); /* it fits exactly */
}

/* One name has one text: what parses is what school_name_format() makes. */
bool school_name_parse(const char *text, struct school_name *out, struct err *e)
{
    char again[SCHOOL_FILE_MAX];
    char id[ID_SIZE_HEX + 1] = {0};
    struct school_name n;
    struct err why;

    if (strnlen(text, SCHOOL_FILE_MAX) == SCHOOL_FILE_MAX - 1) {
        memcpy(id, text + ID_AT, ID_SIZE_HEX);
        if (school_stamp_dashed_parse(text + sizeof(PREFIX) - 1, &n.time_ns, &why) &&
            hex_decode(id, n.id, sizeof(n.id))) {
            school_name_format(&n, again);
            if (strcmp(text, again) == 0) {
                *out = n;
                return true;
            }
        }
    }
    return err_set(e, ERR_USAGE, "Invalid backup ID");
}
