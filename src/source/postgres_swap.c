#include <string.h>

#include "source/postgres_restore_run.h"

#define ATTEMPTS 3 /* the server waits for 5 s in each */
#define IN_USE   "55006"

/* 0: there is no database of that name. */
static bool find(struct postgres_link *l, const char *name, uint32_t *number, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {
        .sql = "SELECT oid FROM pg_database WHERE datname = $1", .values = {name}, .count = 1};

    if (strlen(name) > POSTGRES_NAME_MAX) /* the server would cut it without a word */
        return err_set(e, ERR_USAGE, "the name of a database has at most %d bytes",
                       POSTGRES_NAME_MAX);
    if (!postgres_link_query(l, &q, &r, e))
        return false;
    *number = PQntuples(r) == 1 ? (uint32_t)postgres_result_u64(r, 0, 0) : 0;
    return true;
}

bool postgres_number(const struct postgres_restore_options *o, const char *name, uint32_t *out,
                     struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;

    t.link.is_tidying = true;
    return (postgres_target_open(&t, o, e) && find(&t.link, name, out, e)) ||
           err_wrap(e, "look for database %s", name);
}

static void sessions_format(const char *from, const char *to, struct buf *sql)
{
    buf_printf(sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname IN (");
    postgres_text_quote(from, sql);
    buf_printf(sql, ", ");
    postgres_text_quote(to, sql);
    buf_printf(sql, ");");
}

static void rename_format(const char *from, const char *to, struct buf *sql)
{
    buf_printf(sql, "ALTER DATABASE ");
    postgres_name_quote(from, sql);
    buf_printf(sql, " RENAME TO ");
    postgres_name_quote(to, sql);
    buf_printf(sql, ";");
}

/*
 * The server lets nobody in while it renames a database, but somebody may come between the end of
 * the sessions and that: then once more.  One message of several statements is one transaction.
 */
static bool swap(struct postgres_link *l, const char *from, const char *to, const char *kept,
                 struct err *e)
{
    AUTO(buf) struct buf sql = {0};
    uint32_t from_number = 0, to_number = 0, kept_number = 0;

    if (!find(l, from, &from_number, e) || !find(l, to, &to_number, e) ||
        !find(l, kept, &kept_number, e))
        return false;
    if (from_number == 0)
        return err_set(e, ERR_NOT_FOUND, "there is no database %s", from);
    if (kept_number != 0)
        return err_set(e, ERR_EXISTS, "there is a database %s already", kept);
    sessions_format(from, to, &sql);
    if (to_number != 0)
        rename_format(to, kept, &sql);
    rename_format(from, to, &sql);
    for (int i = 1; !postgres_link_run(l, buf_string(&sql), e); i++)
        if (i == ATTEMPTS || strcmp(l->sqlstate, IN_USE) != 0)
            return false;
    return true;
}

bool postgres_swap(const struct postgres_restore_options *o, const char *from, const char *to,
                   const char *kept, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;

    t.link.is_tidying = true;
    return (postgres_target_open(&t, o, e) && swap(&t.link, from, to, kept, e)) ||
           err_wrap(e, "put database %s in the place of %s", from, to);
}

bool postgres_drop(const struct postgres_restore_options *o, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "DROP DATABASE IF EXISTS ");
    postgres_name_quote(o->database, &sql);
    buf_printf(&sql, " WITH (FORCE)");
    t.link.is_tidying = true;
    return (postgres_target_open(&t, o, e) && postgres_link_run(&t.link, buf_string(&sql), e)) ||
           err_wrap(e, "drop database %s", o->database);
}

/* $1 is the name.  The size is told to those who may connect, or read all statistics. */
static const char look[] =
    "SELECT may.connect, CASE WHEN may.connect OR pg_has_role('pg_read_all_stats', 'MEMBER')"
    " THEN pg_database_size(d.oid) ELSE 0 END FROM pg_database d,"
    " LATERAL (SELECT d.datallowconn AND has_database_privilege(d.oid, 'CONNECT') AS connect) may"
    " WHERE d.datname = $1";

/* Tables as a backup counts them. */
static const char count_tables[] =
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'"
    " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
    " AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')";

static bool count_in(const struct postgres_target *t, uint64_t *tables, struct err *e)
{
    AUTO(postgres_link) struct postgres_link l = {.is_tidying = true};
    AUTO(postgres_result) PGresult *r = NULL;

    if (!postgres_link_open(&l, &t->address, e))
        return e->code == ERR_DENIED; /* pg_hba.conf may have its own opinion */
    if (!postgres_link_query(&l, &(struct postgres_query){.sql = count_tables}, &r, e))
        return false;
    *tables = postgres_result_u64(r, 0, 0);
    return true;
}

bool postgres_present(const struct postgres_restore_options *o, const char *name,
                      struct postgres_present *out, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;
    AUTO(postgres_result) PGresult *r = NULL;
    struct postgres_restore_options at = *o;
    struct postgres_present found = {0};

    at.database = name;
    t.link.is_tidying = true;
    if (!postgres_target_open(&t, &at, e) ||
        !postgres_link_query(
            &t.link, &(struct postgres_query){.sql = look, .values = {name}, .count = 1}, &r, e))
        return err_wrap(e, "look for database %s", name);
    if (PQntuples(r) == 1) {
        found.is_there = true;
        found.bytes = postgres_result_u64(r, 0, 1);
        if (postgres_result_bool(r, 0, 0) && !count_in(&t, &found.tables, e))
            return err_wrap(e, "look into database %s", name);
    }
    *out = found;
    return true;
}
