/*
 * What the pieces of restoring parts of a database share.  Private to src/source.
 *
 * postgres_part.c is the order of work, postgres_part_look.c what of it only looks,
 * postgres_part_choose.c finds the definitions,
 * postgres_part_rows.c replaces and compares rows, postgres_part_rename.c gives a table another
 * name.
 */
#ifndef SOURCE_POSTGRES_PART_H
#define SOURCE_POSTGRES_PART_H

#include "source/postgres_definitions.h"

/* Tables of the manifest; an array that grows. */
struct part_tables {
    const struct postgres_table **items;
    size_t count;
};
void part_tables_add(struct part_tables *t, const struct postgres_table *table);
bool part_tables_has(const struct part_tables *t, const struct postgres_table *table);

struct part {
    struct postgres_target target;
    const struct postgres_part *what;
    struct postgres_link link;                 /* to the database, in the transaction */
    struct part_tables tables;                 /* wanted */
    bool is_empty;                             /* nothing is there: the database is not either */
    char *program;                             /* pg_restore */
    struct postgres_definitions before, after; /* the data */
};

void part_auto(struct part *p);
#define PART_NONE(wanted, stored)                                    \
    ((struct part){.target = {.password_fd = -1, .files = (stored)}, \
                   .what = (wanted),                                 \
                   .before = POSTGRES_DEFINITIONS_NONE,              \
                   .after = POSTGRES_DEFINITIONS_NONE})

/* Look the wanted tables up in the manifest, and connect to their database. */
MUST_CHECK bool part_find(struct part *p, struct err *e);
/* Read the definitions of what is to be new, choose among them, and see that none of it is there.
 */
MUST_CHECK bool part_prepare(struct part *p, struct err *e);

/* Mark the definitions of the tables and schemas that are wanted; partitions of a table that is
 * wanted are added to the tables. */
MUST_CHECK bool part_choose(struct part *p, struct err *e);

/* The rows of the tables, which are there, give way to the stored ones. */
MUST_CHECK bool part_replace_rows(struct part *p, struct err *e);
/* The stored rows come to those that the tables have; foreign keys of other tables to them are
 * checked when all are there. */
MUST_CHECK bool part_add_rows(struct part *p, struct err *e);
/* ERR_CORRUPT unless a table, of this name now, has the stored rows and no others. */
MUST_CHECK bool part_compare(struct part *p, const struct postgres_table *t, struct err *e);
/* No sequence of the tables is behind where it was. */
MUST_CHECK bool part_advance_sequences(struct part *p, struct err *e);

/* A table that comes back beside the one of its name. */
struct part_aside {
    char schema[40];  /* of a name that nobody has */
    bool is_occupied; /* the present table is in it */
};
/* Make way for a table, and, once it is complete, give it the name that it is to have and the
 * present one its own again. */
MUST_CHECK bool part_move_aside(struct part *p, struct part_aside *aside, struct err *e);
MUST_CHECK bool part_move_back(struct part *p, const struct part_aside *aside, struct err *e);

/* Whether there is a table, view or the like of that name. */
MUST_CHECK bool part_is_there(struct part *p, const char *schema, const char *name, bool *is_there,
                              struct err *e);

#endif
