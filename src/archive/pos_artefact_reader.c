#include <string.h>

#include "archive/bzip2.h"
#include "archive/cbc.h"
#include "archive/pos_artefact.h"
#include "base/mem.h"
#include "base/text.h"

#define PIECE    ((size_t)64 << 10)
#define HEAD_MAX ((size_t)1024) /* of the SQL: looked at */
#define TAIL_MAX ((size_t)512)
#define PEEK     10

const struct zip_rules pos_zip_rules = {.file_max = (uint64_t)UINT32_MAX - 1,
                                        .plain_max = (uint64_t)64 << 30,
                                        .count_max = 65534,
                                        .ratio_max = POS_RATIO_MAX,
                                        .has_descriptors = true,
                                        .has_utf8 = true};

struct pos_reader {
    struct pos_found found;
    struct cbc_reader *cbc; /* of an encrypted one */
    struct input plain;
    struct zip zip;
};

void pos_reader_close(struct pos_reader *r)
{
    if (r == NULL)
        return;
    zip_auto(&r->zip);
    cbc_reader_close(r->cbc);
    mem_free(r);
}

void pos_reader_auto(struct pos_reader **r)
{
    pos_reader_close(*r);
}

const struct pos_found *pos_reader_found(const struct pos_reader *r)
{
    return &r->found;
}

const struct zip *pos_reader_zip(const struct pos_reader *r)
{
    return &r->zip;
}

/* What pg_dump writes in front and at the end; newer ones have a line "\unrestrict TOKEN" behind.
 */
static const char sql_head[] = "--\n-- PostgreSQL database dump\n--\n";
static const char sql_tail[] = "\n--\n-- PostgreSQL database dump complete\n--\n";
static const char sql_restrict[] = "\\unrestrict ";
static const char sql_version[] = "-- Dumped by pg_dump version ";

static bool begins_with(const uint8_t *bytes, size_t size, const char *text)
{
    const size_t n = strlen(text);

    return size >= n && memcmp(bytes, text, n) == 0;
}

/* By its first bytes. */
static bool recognise(const struct input *plain, struct pos_found *out, struct err *e)
{
    uint8_t bytes[PEEK];
    const size_t size = plain->size < sizeof(bytes) ? (size_t)plain->size : sizeof(bytes);

    if (!input_read(plain, 0, bytes, size, e))
        return false;
    out->kind = POS_KIND_DATABASE;
    out->compression = POS_NONE;
    if (begins_with(bytes, size, "PK\3\4") || begins_with(bytes, size, "PK\5\6"))
        out->kind = POS_KIND_FILES;
    else if (begins_with(bytes, size, "\x1f\x8b\x08"))
        out->compression = POS_GZIP;
    else if (begins_with(bytes, size, "BZh"))
        out->compression = POS_BZIP2;
    else if (size < PEEK || memcmp(bytes, sql_head, PEEK) != 0)
        return err_set(
            e, ERR_CORRUPT,
            "it is no text of pg_dump and no zip file, or it is encrypted and its key is "
            "missing");
    return true;
}

/* An encrypted file has nothing in front that would tell; what the key makes of it has. */
static bool open_sealed(struct pos_reader *r, const struct input *from, const struct pos_key *key,
                        struct err *e)
{
    struct err why = {0};

    if (!cbc_reader_open(from, key->bytes, &r->cbc, e))
        return false;
    r->plain = cbc_reader_input(r->cbc);
    if (!recognise(&r->plain, &r->found, &why))
        return why.code == ERR_CORRUPT ? cbc_does_not_fit(e) : (*e = why, false);
    r->found.is_sealed = true;
    return true;
}

/* With a key, encrypted first: random bytes may look like a gzip stream, but no other file opens.
 */
static bool open_any(struct pos_reader *r, const struct input *from, const struct pos_key *key,
                     struct err *e)
{
    struct err sealed = {0};

    if (key != NULL) {
        if (open_sealed(r, from, key, &sealed))
            return true;
        if (sealed.code != ERR_CORRUPT) {
            *e = sealed;
            return false;
        }
    }
    r->plain = *from;
    if (recognise(from, &r->found, e))
        return true;
    if (key != NULL && e->code == ERR_CORRUPT)
        *e = sealed;
    return false;
}

bool pos_reader_open(const struct input *from, const struct pos_key *key, struct pos_reader **out,
                     struct err *e)
{
    AUTO(pos_reader) struct pos_reader *r = mem_new(sizeof(*r));

    if (!open_any(r, from, key, e))
        return false;
    if (r->found.kind == POS_KIND_FILES && !zip_open(&r->plain, &pos_zip_rules, &r->zip, e))
        return false;
    *out = TAKE(r);
    return true;
}

/* SQL */

struct packed {
    const struct input *from;
    uint64_t at;
};

static bool read_packed(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct packed *p = arg;
    const uint64_t left = p->from->size - p->at;
    const size_t n = left < room ? (size_t)left : room;

    if (!input_read(p->from, p->at, to, n, e))
        return false;
    p->at += n;
    *got = n;
    return true;
}

/* The ends of a text that passes. */
struct ends {
    struct buf head, tail;
};

static void ends_auto(struct ends *s)
{
    buf_done(&s->head);
    buf_done(&s->tail);
}

static void ends_add(struct ends *s, struct slice bytes)
{
    const size_t room = HEAD_MAX - s->head.size;

    buf_append(&s->head, bytes.data, bytes.size < room ? bytes.size : room);
    if (bytes.size > TAIL_MAX)
        bytes = SLICE_OF(bytes.data + bytes.size - TAIL_MAX, TAIL_MAX);
    buf_append_slice(&s->tail, bytes);
    if (s->tail.size > TAIL_MAX) {
        const size_t over = s->tail.size - TAIL_MAX;

        memmove(s->tail.data, s->tail.data + over, TAIL_MAX);
        s->tail.size = TAIL_MAX;
    }
}

/* Behind pg_dump's last words stand empty lines, and perhaps "\unrestrict TOKEN". */
static bool is_whole(struct slice tail)
{
    const uint8_t *found = memmem(tail.data, tail.size, sql_tail, sizeof(sql_tail) - 1);
    const uint8_t *end = tail.data + tail.size;
    bool has_token = false;

    if (found == NULL)
        return false;
    for (found += sizeof(sql_tail) - 1; found < end; found++) {
        if (*found == '\n')
            continue;
        if (has_token || !begins_with(found, (size_t)(end - found), sql_restrict))
            return false;
        has_token = true;
        found = memchr(found, '\n', (size_t)(end - found));
        if (found == NULL)
            return false;
    }
    return true;
}

static void find_version(struct slice head, char out[POS_VERSION_MAX])
{
    const uint8_t *found = memmem(head.data, head.size, sql_version, sizeof(sql_version) - 1);
    const uint8_t *end = NULL;

    out[0] = '\0';
    if (found != NULL) {
        found += sizeof(sql_version) - 1;
        end = memchr(found, '\n', (size_t)(head.data + head.size - found));
    }
    if (end != NULL)
        text_flatten(SLICE_OF(found, (size_t)(end - found)), out, POS_VERSION_MAX);
}

static bool check_ends(const struct ends *s, struct err *e)
{
    if (!begins_with(s->head.data, s->head.size, sql_head))
        return err_set(e, ERR_CORRUPT, "it does not begin as the text of pg_dump does");
    return is_whole(buf_slice(&s->tail)) ||
           err_set(e, ERR_CORRUPT,
                   "it does not end as the text of pg_dump does: it was cut off, or changed");
}

/* All of it, through the two ends. */
static bool copy_sql(json_read_fn *read, void *from, struct ends *ends, output_fn *put, void *arg,
                     struct err *e)
{
    AUTO(mem) uint8_t *piece = mem_new(PIECE);
    bool is_good = true;
    size_t got;

    do {
        if (!read(from, piece, PIECE, &got, e)) {
            is_good = false;
            break;
        }
        ends_add(ends, SLICE_OF(piece, got));
        is_good = got == 0 || put(arg, SLICE_OF(piece, got), e);
    } while (is_good && got > 0);
    mem_wipe(piece, PIECE);
    return is_good;
}

bool pos_reader_sql(struct pos_reader *r, output_fn *put, void *arg, char version[POS_VERSION_MAX],
                    struct err *e)
{
    static const struct inflate_limits limits = {POS_SQL_MAX, POS_RATIO_MAX};
    struct packed packed = {&r->plain, 0};
    AUTO(inflater) struct inflater *gzip = NULL;
    AUTO(bzip2_reader) struct bzip2_reader *bzip2 = NULL;
    AUTO(ends) struct ends ends = {{0}, {0}};
    json_read_fn *read = read_packed;
    void *from = &packed;

    if (r->found.compression == POS_GZIP) {
        from = gzip = inflater_new(DEFLATE_GZIP, &limits, read_packed, &packed);
        read = inflater_read;
    }
    if (r->found.compression == POS_BZIP2) {
        from = bzip2 = bzip2_reader_new(&limits, read_packed, &packed);
        read = bzip2_reader_read;
    }
    if (!copy_sql(read, from, &ends, put, arg, e) || !check_ends(&ends, e))
        return false;
    find_version(buf_slice(&ends.head), version);
    return true;
}

/* Files */

static bool is_known(const char *name)
{
    static const char *const folders[] = {"uploads/", "reports/", "exports/"};
    static const char *const names[] = {"config/", "config/.env.example", "config/package.json",
                                        "config/schema.prisma"};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (strncmp(name, folders[i], strlen(folders[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

bool pos_zip_is_known(const struct zip *z)
{
    for (size_t i = 0; i < z->count; i++)
        if (!is_known(z->entries[i].name))
            return false;
    return z->count > 0;
}
