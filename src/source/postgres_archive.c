/*
 * The beginning of a file of pg_dump's custom format, versions 1.14 (of PostgreSQL 12) to 1.16 (of
 * 17 and since).  An integer is a byte for its sign and then its bytes, the lowest first; a text is
 * an integer for its length, -1 for none, and its bytes.
 *
 *     "PGDMP", major, minor, revision   a byte each
 *     size of integers, size of offsets, format (1)   a byte each
 *     compression: an integer; from 1.15 on a byte
 *     second, minute, hour, day, month, year, daylight saving   integers
 *     database, version of the server, version of pg_dump   texts
 *     number of entries   integer, and for each of them:
 *         id, whether it has data   integers
 *         number of its catalog, its number there, tag, kind   texts
 *         section   integer
 *         definition, how to drop it, how to copy into it, schema, tablespace, access method texts
 *         from 1.16 on: kind of relation   integer
 *         owner, "false"   texts
 *         ids of what it needs: any number of texts, and none for the end
 *         where its data is: a byte and an offset
 */
#include "source/postgres_archive.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    MINOR_OLDEST = 14,
    MINOR_BYTE = 15, /* compression is a byte */
    MINOR_RELATION = 16,
    FORMAT_CUSTOM = 1,
    INT_SIZE_MAX = 8,
    OFFSET_SIZE_MAX = 8,
    TIME_PARTS = 7,
    ENTRY_SIZE_MIN = 60, /* more than an entry of empty texts takes; bounds their number */
};

struct cursor {
    struct slice rest;
    uint8_t minor, int_size, offset_size;
};

static bool is_cut(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "it is no file of pg_dump, or cut short");
}

static bool take_int(struct cursor *c, int64_t *out)
{
    struct slice bytes = {0};
    uint64_t value = 0;
    uint8_t is_negative = 0;

    if (!take_u8(&c->rest, &is_negative) || !take_slice(&c->rest, c->int_size, &bytes))
        return false;
    for (size_t i = bytes.size; i-- > 0;)
        value = value << 8 | bytes.data[i];
    if (value > INT64_MAX)
        return false;
    *out = is_negative != 0 ? -(int64_t)value : (int64_t)value;
    return true;
}

/* No text is one without bytes, and *is_there says so. */
static bool take_text(struct cursor *c, struct slice *out, bool *is_there)
{
    int64_t size = 0;

    if (!take_int(c, &size) || (size >= 0 && !take_slice(&c->rest, (uint64_t)size, out)))
        return false;
    *is_there = size >= 0;
    if (size < 0)
        *out = (struct slice){0};
    return true;
}

static bool skip_texts(struct cursor *c, size_t count)
{
    struct slice text = {0};
    bool is_there = false;

    while (count-- > 0)
        if (!take_text(c, &text, &is_there))
            return false;
    return true;
}

static bool skip_ints(struct cursor *c, size_t count)
{
    int64_t number = 0;

    while (count-- > 0)
        if (!take_int(c, &number))
            return false;
    return true;
}

static bool take_head(struct cursor *c, struct err *e)
{
    static const char magic[] = "PGDMP\x01";
    struct slice found = {0};
    uint8_t revision = 0, format = 0, compression = 0;

    if (!take_slice(&c->rest, sizeof(magic) - 1, &found) ||
        !slice_is_equal(found, slice_string(magic)) || !take_u8(&c->rest, &c->minor) ||
        !take_u8(&c->rest, &revision))
        return is_cut(e);
    if (c->minor < MINOR_OLDEST || c->minor > MINOR_RELATION)
        return err_set(e, ERR_USAGE,
                       "it is of version 1.%d of pg_dump's format, known are %d to %d", c->minor,
                       MINOR_OLDEST, MINOR_RELATION);
    if (!take_u8(&c->rest, &c->int_size) || c->int_size == 0 || c->int_size > INT_SIZE_MAX ||
        !take_u8(&c->rest, &c->offset_size) || c->offset_size > OFFSET_SIZE_MAX ||
        !take_u8(&c->rest, &format) || format != FORMAT_CUSTOM ||
        !(c->minor >= MINOR_BYTE ? take_u8(&c->rest, &compression) : skip_ints(c, 1)) ||
        !skip_ints(c, TIME_PARTS) || !skip_texts(c, 3))
        return is_cut(e);
    return true;
}

static bool take_needs(struct cursor *c, struct postgres_archive_entry *entry, struct arena *arena)
{
    AUTO(buf) struct buf ids = {0};
    struct slice text = {0};
    bool is_there = false;

    for (;;) {
        AUTO(buf) struct buf digits = {0};
        struct err e = {0};
        uint64_t id = 0;

        if (!take_text(c, &text, &is_there))
            return false;
        if (!is_there)
            break;
        buf_append_slice(&digits, text);
        if (!parse_u64(buf_string(&digits), &id, &e) || id > INT64_MAX)
            return false;
        buf_append(&ids, &id, sizeof(id));
    }
    entry->need_count = ids.size / sizeof(entry->needs[0]);
    entry->needs = (const int64_t *)(const void *)arena_copy(arena, buf_slice(&ids)).data;
    return true;
}

static bool take_entry(struct cursor *c, struct postgres_archive_entry *entry, struct arena *arena)
{
    struct slice offset = {0};
    bool is_there = false;

    return take_int(c, &entry->id) && skip_ints(c, 1) && skip_texts(c, 2) &&
           take_text(c, &entry->tag, &is_there) && take_text(c, &entry->kind, &is_there) &&
           skip_ints(c, 1) && take_text(c, &entry->sql, &is_there) && skip_texts(c, 2) &&
           take_text(c, &entry->schema, &is_there) && skip_texts(c, 2) &&
           (c->minor < MINOR_RELATION || skip_ints(c, 1)) && skip_texts(c, 2) &&
           take_needs(c, entry, arena) && take_slice(&c->rest, 1U + c->offset_size, &offset);
}

/* Texts */

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.data[i] >= 0x80)
            return false;
    return true;
}

/* Make a text last, in UTF-8. */
static bool keep(struct postgres_archive *a, struct postgres_link *l, struct slice *text,
                 struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf hex = {0};
    const bool is_as_it_is = is_ascii(*text) || strcmp(a->encoding, "UTF8") == 0 ||
                             strcmp(a->encoding, "SQL_ASCII") == 0;

    if (is_as_it_is) {
        *text = arena_copy(&a->arena, *text);
        return true;
    }
    buf_append(&hex, "\\x", 2);
    hex_encode(*text, (char *)buf_extend(&hex, 2 * text->size + 1));

    const struct postgres_query q = {.sql = "SELECT convert_from($1::bytea, $2)",
                                     .values = {(const char *)hex.data, a->encoding},
                                     .count = 2};

    if (!postgres_link_query(l, &q, &r, e))
        return false;
    *text = arena_copy(&a->arena, slice_string(PQgetvalue(r, 0, 0)));
    return true;
}

static bool keep_texts(struct postgres_archive *a, struct postgres_link *l, struct err *e)
{
    for (size_t i = 0; i < a->count; i++) {
        struct postgres_archive_entry *entry = &a->entries[i];

        if (!keep(a, l, &entry->kind, e) || !keep(a, l, &entry->tag, e) ||
            !keep(a, l, &entry->schema, e) || !keep(a, l, &entry->sql, e))
            return false;
    }
    return true;
}

/* "SET client_encoding = 'UTF8';" */
static bool find_encoding(struct postgres_archive *a, struct err *e)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct postgres_archive_entry *entry = &a->entries[i];

        if (!postgres_archive_is(entry->kind, "ENCODING"))
            continue;

        const char *sql = arena_string(&a->arena, entry->sql);
        const char *begin = strchr(sql, '\'');
        const char *end = begin == NULL ? NULL : strchr(begin + 1, '\'');

        if (end == NULL)
            break;
        a->encoding = arena_string(&a->arena, SLICE_OF(begin + 1, (size_t)(end - begin - 1)));
        return true;
    }
    return err_set(e, ERR_CORRUPT, "it does not tell its encoding");
}

static int compare_ids(const void *a, const void *b)
{
    const struct postgres_archive_entry *const *one = a;
    const struct postgres_archive_entry *const *other = b;

    return ((*one)->id > (*other)->id) - ((*one)->id < (*other)->id);
}

static void sort_by_id(struct postgres_archive *a)
{
    a->by_id = mem_array(a->count, sizeof(const struct postgres_archive_entry *));
    for (size_t i = 0; i < a->count; i++)
        a->by_id[i] = &a->entries[i];
    qsort(a->by_id, a->count, sizeof(a->by_id[0]), compare_ids);
}

const struct postgres_archive_entry *postgres_archive_find(const struct postgres_archive *a,
                                                           int64_t id)
{
    const struct postgres_archive_entry wanted = {.id = id};
    const struct postgres_archive_entry *key = &wanted;
    const struct postgres_archive_entry **found =
        bsearch(&key, a->by_id, a->count, sizeof(a->by_id[0]), compare_ids);

    return found == NULL ? NULL : *found;
}

void postgres_archive_auto(struct postgres_archive *a)
{
    mem_free(a->entries);
    mem_free(a->by_id);
    arena_done(&a->arena);
}

bool postgres_archive_read(struct slice bytes, struct postgres_link *l,
                           struct postgres_archive *out, struct err *e)
{
    AUTO(postgres_archive) struct postgres_archive a = {0};
    struct cursor c = {.rest = bytes};
    int64_t count = 0;

    if (!take_head(&c, e))
        return false;
    if (!take_int(&c, &count) || count < 0 || (uint64_t)count > c.rest.size / ENTRY_SIZE_MIN)
        return is_cut(e);
    a.entries = mem_array((size_t)count, sizeof(a.entries[0]));
    for (; a.count < (size_t)count; a.count++)
        if (!take_entry(&c, &a.entries[a.count], &a.arena))
            return is_cut(e);
    if (!find_encoding(&a, e) || !keep_texts(&a, l, e))
        return false;
    sort_by_id(&a);
    *out = a;
    a = (struct postgres_archive){0};
    return true;
}

bool postgres_archive_is(struct slice text, const char *wanted)
{
    return slice_is_equal(text, slice_string(wanted));
}
