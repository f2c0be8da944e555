#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "source/postgres_restore_run.h"

#define NAME_SIZE_MAX 63 /* bytes of any name that the server keeps */
#define STAMP_MAX     40
#define ATTEMPTS      3 /* the server waits for 5 s in each */
#define IN_USE        "55006"

/* Databases are shown by these names; one that is not there cannot be renamed. */
static bool check_is_there(struct postgres_link *l, const char *name, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {
        .sql = "SELECT 1 FROM pg_database WHERE datname = $1", .values = {name}, .count = 1};

    if (!postgres_link_query(l, &q, &r, e))
        return false;
    return PQntuples(r) == 1 || err_set(e, ERR_NOT_FOUND, "there is no database %s", name);
}

/* "shop_before_20261121T103000.125Z"; a long name is cut. */
static void kept_format(const char *to, struct buf *out)
{
    char time[CLOCK_TEXT_MAX];
    char stamp[STAMP_MAX];

    clock_format(clock_now_ns(), time); /* 2026-11-21T10:30:00.000000000Z */
    (void)snprintf(stamp, sizeof(stamp), "_before_%.4s%.2s%.5s%.2s%.6sZ", time, time + 5, time + 8,
                   time + 14, time + 17);
    buf_append_slice(out, slice_string(to));
    if (out->size + strlen(stamp) > NAME_SIZE_MAX)
        out->size = NAME_SIZE_MAX - strlen(stamp);
    while (!utf8_is_valid(buf_slice(out)))
        out->size--;
    buf_printf(out, "%s", stamp);
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
static bool swap(struct postgres_target *t, const char *from, const char *to, const char *kept,
                 struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    if (!check_is_there(&t->link, from, e) || !check_is_there(&t->link, to, e))
        return false;
    sessions_format(from, to, &sql);
    rename_format(to, kept, &sql);
    rename_format(from, to, &sql);
    for (int i = 1; !postgres_link_run(&t->link, buf_string(&sql), e); i++)
        if (i == ATTEMPTS || strcmp(t->link.sqlstate, IN_USE) != 0)
            return false;
    return true;
}

bool postgres_swap(const struct postgres_restore_options *o, const char *from, const char *to,
                   char **kept, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;
    AUTO(buf) struct buf name = {0};

    kept_format(to, &name);
    if (!postgres_target_open(&t, o, e) || !swap(&t, from, to, buf_string(&name), e))
        return err_wrap(e, "put database %s in the place of %s", from, to);
    *kept = mem_string(buf_string(&name));
    return true;
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
