/*
 * The roles of globals.sql, which pg_dumpall wrote: those that are missing are made with all that
 * the file says of them, those that exist stay as they are.
 *
 * What it says of tablespaces, which are places on a machine's disks, and of single databases is
 * left out.
 */
#include <string.h>

#include "base/mem.h"
#include "source/postgres_restore_run.h"
#include "source/postgres_script.h"

#define GLOBALS_MAX ((size_t)256 << 20)
#define DUPLICATE   "42710"

struct making {
    struct postgres_target *target;
    struct postgres_link *link;
    struct buf kept; /* roles that exist: names as in the file, each with a NUL behind it */
};

static void making_auto(struct making *m)
{
    buf_done(&m->kept);
}

/* Lists of names */

static void name_add(struct buf *list, struct slice name)
{
    buf_append_slice(list, name);
    buf_append(list, "", 1);
}

static bool is_listed(const struct buf *list, struct slice name)
{
    for (size_t at = 0; at < list->size; at += strlen((const char *)list->data + at) + 1)
        if (slice_is_equal(slice_string((const char *)list->data + at), name))
            return true;
    return false;
}

/* Making */

/* The role that a statement is about; no bytes: none. */
static struct slice role_of(struct slice s)
{
    static const char *const beginnings[] = {"CREATE ROLE ", "ALTER ROLE ", "COMMENT ON ROLE "};

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (postgres_script_begins(s, beginnings[i]))
            return postgres_script_name(postgres_script_after(s, strlen(beginnings[i])));
    if (!postgres_script_begins(s, "GRANT "))
        return (struct slice){0};

    const struct slice group = postgres_script_name(postgres_script_after(s, strlen("GRANT ")));
    const struct slice rest = postgres_script_after(s, strlen("GRANT ") + group.size);

    return postgres_script_begins(rest, " TO ")
               ? postgres_script_name(postgres_script_after(rest, strlen(" TO ")))
               : (struct slice){0};
}

static bool is_left_out(const struct making *m, struct slice s)
{
    const struct slice role = role_of(s);
    const struct slice rest =
        role.size > 0 ? postgres_script_after(s, (size_t)(role.data - s.data) + role.size)
                      : (struct slice){0};

    if (role.size > 0)
        return is_listed(&m->kept, role) || postgres_script_begins(rest, " IN DATABASE ");
    return postgres_script_begins(s, "CREATE TABLESPACE ") ||
           postgres_script_begins(s, "ALTER TABLESPACE ") ||
           postgres_script_begins(s, "COMMENT ON TABLESPACE ") ||
           memmem(s.data, s.size, " ON TABLESPACE ", strlen(" ON TABLESPACE ")) != NULL;
}

/* Asked before, because who may make no role is told so even of one that exists. */
static bool has_role(struct making *m, struct slice role, bool *out, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(mem) char *name = mem_dup(role.data, role.size);
    const struct postgres_query q = {
        .sql = "SELECT to_regrole($1) IS NOT NULL", .values = {name}, .count = 1};

    if (!postgres_link_query(m->link, &q, &r, e))
        return false;
    *out = postgres_result_bool(r, 0, 0);
    return true;
}

static bool make(struct making *m, struct slice s, struct err *e)
{
    const bool is_creation = postgres_script_begins(s, "CREATE ROLE ");
    const struct slice role = role_of(s);
    AUTO(buf) struct buf sql = {0};
    bool is_there = false;

    if (is_left_out(m, s))
        return true;
    if (is_creation && !has_role(m, role, &is_there, e))
        return false;
    if (is_there) {
        name_add(&m->kept, role);
        return true;
    }
    buf_append_slice(&sql, s);
    if (postgres_link_run(m->link, buf_string(&sql), e)) {
        if (is_creation)
            name_add(&m->target->roles, role);
        return true;
    }
    if (!is_creation || strcmp(m->link->sqlstate, DUPLICATE) != 0)
        return role.size == 0 ? false
                              : err_wrap(e, "role %.*s", (int)role.size, (const char *)role.data);
    name_add(&m->kept, role);
    return true;
}

/* By a connection of its own: the file changes settings. */
bool postgres_roles_make(struct postgres_target *t, struct err *e)
{
    AUTO(postgres_link) struct postgres_link l = {0};
    AUTO(making) struct making m = {.target = t, .link = &l};
    AUTO(buf) struct buf text = {0};
    struct slice script = {0};
    struct slice statement = {0};

    if (!postgres_file_read(t->files, "globals.sql", GLOBALS_MAX, &text, e) ||
        !postgres_link_open(&l, &t->server, e))
        return false;
    script = buf_slice(&text);
    do
        if (!postgres_script_next(&script, &statement, e) ||
            (statement.size > 0 && !make(&m, statement, e)))
            return false;
    while (statement.size > 0);
    return true;
}

bool postgres_roles_drop(const struct postgres_target *t, struct postgres_link *l, struct err *e)
{
    for (size_t at = 0; at < t->roles.size; at += strlen((const char *)t->roles.data + at) + 1) {
        AUTO(buf) struct buf sql = {0};

        buf_printf(&sql, "DROP ROLE IF EXISTS %s", (const char *)t->roles.data + at);
        if (!postgres_link_run(l, buf_string(&sql), e))
            return false;
    }
    return true;
}
