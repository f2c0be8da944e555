/*
 * Large objects from the file that postgres_blobs.h describes to the server.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "source/postgres_blobs.h"
#include "source/postgres_restore_run.h"

#define NUMBER_TEXT 24

struct loading {
    const struct postgres_target *target;
    struct postgres_link *link;
};

/* Put a piece at an offset; the first one makes the object. */
static bool piece_put(void *arg, const struct postgres_blob_stored *b, uint64_t offset,
                      struct slice piece, struct err *e)
{
    const struct loading *to = arg;
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

    return postgres_link_query(to->link, offset == 0 ? &first : &further, NULL, e);
}

/* Statements that give the rights which the server itself reads from its text of them. */
static bool rights_format(struct postgres_link *l, const struct postgres_blob_stored *b,
                          struct buf *sql, struct err *e)
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

static bool blob_describe(void *arg, const struct postgres_blob_stored *b, struct err *e)
{
    const struct loading *to = arg;
    const struct postgres_target *t = to->target;
    struct postgres_link *l = to->link;
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
    struct loading to = {t, l};
    const struct postgres_blobs_visitor v = {&to, piece_put, blob_describe};

    return postgres_blobs_read(t->files, t->manifest.blobs.count, &v, e);
}
