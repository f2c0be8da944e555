/*
 * One PostgreSQL database as a member of a set.  Part of source.h.
 *
 * Its entry is a directory: the schema as pg_dump writes it, the data of each table as COPY
 * writes it, all of one moment, and a manifest that tells what a restored copy must have.
 * docs/sources/postgres.md is the format.
 */
#ifndef SOURCE_POSTGRES_H
#define SOURCE_POSTGRES_H

#include "base/text.h"
#include "source/member.h"

/* What part of a database is wanted; each as pg_dump's option of that name. */
enum postgres_choice {
    POSTGRES_SCHEMAS,
    POSTGRES_EXCLUDE_SCHEMAS,
    POSTGRES_TABLES,
    POSTGRES_EXCLUDE_TABLES,
    POSTGRES_EXCLUDE_TABLE_DATA,
    POSTGRES_CHOICES,
};

struct postgres_texts {
    const char *const *items;
    size_t count;
};

/* What the pointers lead to must live as long as the member; the password is copied. */
struct postgres_options {
    const char *name;
    const char *dsn;      /* keywords and values, or a URI; a password has no place in it */
    const char *password; /* NULL: from where libpq gets one */
    const char *passfile; /* a .pgpass of its own, or NULL */
    /* Names, or patterns as pg_dump takes them. */
    struct postgres_texts selection[POSTGRES_CHOICES];
    bool with_globals;        /* roles and tablespaces of the server too */
    bool with_role_passwords; /* and the hashes of the roles' passwords: superusers only */
    int jobs;                 /* tables read at a time; 0: processors, at most 8 */
    /* A table that did not change since it was read is taken over from the previous backup, unless
     * it was read so long ago; zero: every table is read. */
    struct duration reuse;
};

#define POSTGRES_JOBS_MAX 64

/* ERR_USAGE for a name, dsn, password or pattern that cannot be used. */
MUST_CHECK bool postgres_member_new(const struct postgres_options *o, struct member **out,
                                    struct err *e);

#endif
