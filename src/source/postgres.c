#include "source/postgres.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/postgres_reuse.h"
#include "source/postgres_tool.h"

#define OLDEST_SERVER 130000
#define PER_MAJOR     10000 /* 150020 is 15.20 */

static struct postgres_member *member_of(struct member *m)
{
    return (struct postgres_member *)m;
}

static bool find_tools(struct postgres_member *m, struct err *e)
{
    const int major = PQserverVersion(m->link.conn) / PER_MAJOR;

    return postgres_tool_find("pg_dump", major, &m->pg_dump, e) &&
           (!m->o.with_globals || postgres_tool_find("pg_dumpall", major, &m->pg_dumpall, e));
}

/* May everything be read that is to be read? */
static bool check_rights(struct postgres_member *m, struct err *e)
{
    AUTO(postgres_selection) struct postgres_selection s = {0};
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {
        .sql = "SELECT current_user, has_table_privilege('pg_catalog.pg_authid', 'SELECT')"};

    if (!postgres_link_query(&m->link, &q, &r, e))
        return false;
    if (m->o.with_globals && m->o.with_role_passwords && !postgres_result_bool(r, 0, 1))
        return err_set(e, ERR_DENIED, "role %s may not read the passwords of roles",
                       PQgetvalue(r, 0, 0));
    return postgres_selection_load(&m->link, m->o.selection, &s, e) &&
           postgres_selection_check(&s, PQgetvalue(r, 0, 0), e);
}

static bool look(struct postgres_member *m, struct err *e)
{
    if (!postgres_link_open(&m->link, &m->address, e))
        return false;
    postgres_address_pin(&m->address, &m->link);
    if (PQserverVersion(m->link.conn) < OLDEST_SERVER)
        return err_set(e, ERR_USAGE, "the server is of version %d, needed is 13 or newer",
                       PQserverVersion(m->link.conn) / PER_MAJOR);
    return find_tools(m, e) && check_rights(m, e) &&
           (duration_is_zero(&m->o.reuse) || postgres_reuse_probe(&m->link, e));
}

/* The connection does not wait for send(): other members may take hours before it. */
static bool prepare(struct member *member, struct err *e)
{
    const bool is_well = look(member_of(member), e);

    postgres_link_close(&member_of(member)->link);
    return is_well || err_wrap(e, "database %s", member->name);
}

static void announce(struct member *member, struct listing *l)
{
    made_announce(l, member->name, ENTRY_DIRECTORY, member->now_ns);
}

static void release(struct member *member)
{
    struct postgres_member *m = member_of(member);

    postgres_link_close(&m->link);
    postgres_address_done(&m->address);
    if (m->password_fd >= 0)
        (void)close(m->password_fd); /* nothing is written to it */
    mem_free(m->pg_dump);
    mem_free(m->pg_dumpall);
    mem_free(m->member.name);
    mem_free(m);
}

static const struct member_ops ops = {
    .kind = "postgres",
    .prepare = prepare,
    .announce = announce,
    .send = postgres_send,
    .free = release,
};

static bool check_patterns(const struct postgres_options *o, struct err *e)
{
    for (unsigned c = 0; c < POSTGRES_CHOICES; c++)
        for (size_t i = 0; i < o->selection[c].count; i++) {
            AUTO(buf) struct buf schema = {0};
            AUTO(buf) struct buf name = {0};
            const bool is_schema = c == POSTGRES_SCHEMAS || c == POSTGRES_EXCLUDE_SCHEMAS;

            if (!postgres_pattern_parse(o->selection[c].items[i], is_schema, &schema, &name, e))
                return false;
        }
    return true;
}

bool postgres_member_new(const struct postgres_options *o, struct member **out, struct err *e)
{
    AUTO(member) struct member *member = NULL;
    struct postgres_member *m = mem_new(sizeof(*m));

    member = &m->member;
    m->member.ops = &ops;
    m->member.name = mem_string(o->name);
    m->o = *o;
    m->o.password = NULL;
    m->password_fd = -1;
    if (!member_check_name(o->name, e) || !check_patterns(o, e))
        return false;
    if (o->jobs < 0 || o->jobs > POSTGRES_JOBS_MAX)
        return err_set(e, ERR_USAGE, "%d is no number of jobs from 1 to %d", o->jobs,
                       POSTGRES_JOBS_MAX);
    if (!postgres_address_init(&m->address, o->dsn, o->password, e) ||
        (o->password != NULL && !postgres_passfile_open(o->password, &m->password_fd, e)))
        return err_wrap(e, "database %s", o->name);
    if (o->passfile != NULL)
        postgres_address_set_passfile(&m->address, o->passfile);
    *out = TAKE(member);
    return true;
}
