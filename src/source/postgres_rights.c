/*
 * Rights on a database and its comment: what takes the place of another gets those of it, and not
 * those of the backup.
 */
#include <string.h>

#include "base/mem.h"
#include "source/postgres_restore_run.h"

/* The statements that give $2 what $1 has, whoever gave it; what an owner has comes with that. */
static const char statements[] =
    "WITH d AS (SELECT * FROM pg_database WHERE datname = $1)"
    " SELECT string_agg(s, '; ' ORDER BY n, s) FROM ("
    "SELECT 1 AS n, format('COMMENT ON DATABASE %I IS %L', $2::text,"
    " shobj_description(d.oid, 'pg_database')) AS s FROM d"
    " UNION ALL SELECT 2, format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text)"
    " FROM d WHERE d.datacl IS NOT NULL"
    " UNION ALL SELECT 3, format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text,"
    " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
    " CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
    " FROM (SELECT privilege_type, grantee, bool_or(is_grantable) AS is_grantable"
    " FROM d, aclexplode(d.datacl) WHERE grantee NOT IN"
    " (SELECT datdba FROM pg_database WHERE datname IN ($1, $2::text)) GROUP BY 1, 2) a) t";

static bool look(struct postgres_link *l, const char *of, const char *to, struct buf *out,
                 struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {.sql = statements, .values = {of, to}, .count = 2};

    if (!postgres_link_query(l, &q, &r, e))
        return false;
    buf_printf(out, "%s", PQgetvalue(r, 0, 0));
    return true;
}

/* The server only warns who may not give rights, so they are looked at. */
static bool copy(struct postgres_link *l, const char *from, const char *to, struct err *e)
{
    AUTO(buf) struct buf wanted = {0};
    AUTO(buf) struct buf found = {0};

    if (!look(l, from, to, &wanted, e) || !postgres_link_run(l, buf_string(&wanted), e) ||
        !look(l, to, to, &found, e))
        return false;
    return strcmp(buf_string(&wanted), buf_string(&found)) == 0 ||
           err_set(e, ERR_DENIED, "the role that connects may not give them");
}

bool postgres_copy_rights(const struct postgres_restore_options *o, const char *from,
                          const char *to, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;

    return (postgres_target_open(&t, o, e) && copy(&t.link, from, to, e)) ||
           err_wrap(e, "give database %s the rights of %s", to, from);
}
