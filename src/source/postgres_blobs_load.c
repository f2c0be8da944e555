/*
 * Large objects from the file that postgres_blobs.h describes to the server.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "source/postgres_blobs.h"
#include "source/postgres_restore_run.h"

#define PIECE_MAX   ((size_t)1 << 20)  /* bytes at a time, as they are stored */
#define HEAD_MAX    ((size_t)16 << 20) /* of owner, rights and comment */
#define NUMBER_TEXT 24

/* The file, and how far it is read. */
struct source {
    struct postgres_file file;
    struct buf bytes;
    size_t taken;
    bool is_ended;
};

static void source_auto(struct source *s)
{
    postgres_file_auto(&s->file);
    buf_done(&s->bytes);
}

static struct slice rest_of(const struct source *s)
{
    return SLICE_OF(s->bytes.data + s->taken, s->bytes.size - s->taken);
}

static bool source_more(struct source *s, struct err *e)
{
    const size_t left = s->bytes.size - s->taken;

    if (left > 0)
        memmove(s->bytes.data, s->bytes.data + s->taken, left);
    s->bytes.size = left;
    s->taken = 0;
    if (!postgres_file_next(&s->file, &s->bytes, e))
        return false;
    s->is_ended = s->bytes.size == left;
    return true;
}

static bool cut_short(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "their file is damaged");
}

/* The next size bytes, valid until the next call. */
static bool source_take(struct source *s, size_t size, struct slice *out, struct err *e)
{
    while (s->bytes.size - s->taken < size) {
        if (s->is_ended)
            return cut_short(e);
        if (!source_more(s, e))
            return false;
    }
    *out = SLICE_OF(s->bytes.data + s->taken, size);
    s->taken += size;
    return true;
}

struct blob {
    uint32_t oid;
    char number[NUMBER_TEXT];
    const char *owner, *rights, *comment;
    struct arena arena;
};

static void blob_auto(struct blob *b)
{
    arena_done(&b->arena);
}

/* *is_there: there is one more. */
static bool head_take(struct source *s, struct blob *b, bool *is_there, struct err *e)
{
    struct postgres_blob head = {0};
    struct slice rest = rest_of(s);

    while (!postgres_blob_take(&rest, &head)) {
        if (s->is_ended && rest.size == 0) {
            *is_there = false;
            return true;
        }
        if (s->is_ended || rest.size > HEAD_MAX)
            return cut_short(e);
        if (!source_more(s, e))
            return false;
        rest = rest_of(s);
    }
    s->taken = s->bytes.size - rest.size;
    b->oid = head.oid;
    b->owner = arena_string(&b->arena, head.owner);
    b->rights = arena_string(&b->arena, head.rights);
    b->comment = arena_string(&b->arena, head.comment);
    (void)snprintf(b->number, sizeof(b->number), "%" PRIu32, head.oid); /* 10 digits at most */
    *is_there = true;
    return true;
}

/* Put a piece at an offset; the first one makes the object. */
static bool piece_put(struct postgres_link *l, const struct blob *b, uint64_t offset,
                      struct slice piece, struct err *e)
{
    AUTO(buf) struct buf hex = {0};
    char at[NUMBER_TEXT];

    buf_append(&hex, "\\x", 2);
    hex_encode(piece, (char *)buf_extend(&hex, 2 * piece.size + 1)); /* with its NUL */
    (void)snprintf(at, sizeof(at), "%" PRIu64, offset);              /* 20 digits at most */

    const struct postgres_query first = {
        .sql = "SELECT lo_from_bytea($1::oid, $2::bytea)",
        .values = {b->number, (const char *)hex.data},
        .count = 2,
    };
    const struct postgres_query further = {
        .sql = "SELECT lo_put($1::oid, $2::bigint, $3::bytea)",
        .values = {b->number, at, (const char *)hex.data},
        .count = 3,
    };

    return postgres_link_query(l, offset == 0 ? &first : &further, NULL, e);
}

static bool content_load(struct source *s, struct postgres_link *l, const struct blob *b,
                         struct err *e)
{
    uint64_t offset = 0;

    for (;;) {
        struct slice bytes = {0};
        uint32_t size = 0;

        if (!source_take(s, sizeof(size), &bytes, e))
            return false;
        if (!take_u32(&bytes, &size) || size > PIECE_MAX)
            return cut_short(e);
        if (size == 0)
            return offset > 0 || piece_put(l, b, 0, (struct slice){0}, e);
        if (!source_take(s, size, &bytes, e) || !piece_put(l, b, offset, bytes, e))
            return false;
        offset += size;
    }
}

/* Statements that give the rights which the server itself reads from its text of them. */
static bool rights_format(struct postgres_link *l, const struct blob *b, struct buf *sql,
                          struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {
        .sql = "SELECT privilege_type, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE"
               " quote_ident(pg_get_userbyid(grantee)) END,"
               " CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"
               " FROM aclexplode($1::aclitem[])",
        .values = {b->rights},
        .count = 1,
    };

    if (!postgres_link_query(l, &q, &r, e))
        return false;
    buf_printf(sql, "REVOKE ALL ON LARGE OBJECT %s FROM ", b->number);
    postgres_name_quote(b->owner, sql);
    buf_printf(sql, ";");
    for (int i = 0; i < PQntuples(r); i++)
        buf_printf(sql, "GRANT %s ON LARGE OBJECT %s TO %s%s;", PQgetvalue(r, i, 0), b->number,
                   PQgetvalue(r, i, 1), PQgetvalue(r, i, 2));
    return true;
}

static bool blob_describe(const struct postgres_target *t, struct postgres_link *l,
                          const struct blob *b, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    if (!t->o->without_owners && strcmp(b->owner, PQuser(l->conn)) != 0) {
        buf_printf(&sql, "ALTER LARGE OBJECT %s OWNER TO ", b->number);
        postgres_name_quote(b->owner, &sql);
        buf_printf(&sql, ";");
    }
    if (!t->o->without_owners && b->rights[0] != '\0' && !rights_format(l, b, &sql, e))
        return false;
    if (b->comment[0] != '\0') {
        buf_printf(&sql, "COMMENT ON LARGE OBJECT %s IS ", b->number);
        postgres_text_quote(b->comment, &sql);
    }
    return sql.size == 0 || postgres_link_run(l, buf_string(&sql), e);
}

bool postgres_blobs_load(const struct postgres_target *t, struct postgres_link *l, struct err *e)
{
    AUTO(source) struct source s = {0};
    uint64_t count = 0;

    if (!postgres_file_open(&s.file, t->files, "blobs.bin", e))
        return false;
    for (;;) {
        AUTO(blob) struct blob b = {0};
        bool is_there = false;

        if (!head_take(&s, &b, &is_there, e))
            return false;
        if (!is_there)
            break;
        if (!content_load(&s, l, &b, e) || !blob_describe(t, l, &b, e))
            return err_wrap(e, "number %s", b.number);
        count++;
    }
    return count == t->manifest.blobs.count ||
           err_set(e, ERR_CORRUPT, "their file has %" PRIu64 ", and the manifest tells of %" PRIu64,
                   count, t->manifest.blobs.count);
}
