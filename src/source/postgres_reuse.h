/*
 * Tables that are taken over from the previous backup of the same database, because they did not
 * change since.  Private to src/source.
 *
 * Who writes gets a number of a transaction, a row that is changed becomes a new one with the
 * number of who changed it, and numbers grow for as long as a server lives without a crash.  So
 * when no row that is seen now has a number that was not over at the moment of the previous backup,
 * every row was there then; and when there are as many as then, no other was.  That is looked up in
 * all rows, but without reading values that are stored apart, printing them or sending them.
 *
 * The manifest has what must be equal for that to hold: the life of the server (instance), and of
 * each table what its rows look like and how much was written to it as far as the server has
 * counted (state).  Counters are late and are lost: they only tell which tables are not worth
 * looking at.  docs/decisions/0081-unchanged-tables-are-proved.md has the reasons.
 */
#ifndef SOURCE_POSTGRES_REUSE_H
#define SOURCE_POSTGRES_REUSE_H

#include "source/postgres_run.h"

/* The previous backup, as far as it counts for the one under way. */
struct postgres_reuse {
    struct postgres_manifest before; /* {0}: it does not */
    int64_t oldest_ns;               /* rows read earlier are read again */
    int64_t now_ns;
};

/* Can this server be asked?  The sentence of a failure names the setting. */
MUST_CHECK bool postgres_reuse_probe(struct postgres_link *l, struct err *e);

/* Note what the next backup compares, of the moment that the member's connection holds.  Of a
 * standby server nothing is noted. */
MUST_CHECK bool postgres_reuse_describe(struct postgres_snapshot *s, struct err *e);

/* json is the manifest of the previous backup; one that cannot be read, or is of another life of
 * the server, counts as none.  Release with postgres_reuse_auto(). */
void postgres_reuse_begin(const struct postgres_member *m, const struct postgres_manifest *now,
                          struct slice json, struct postgres_reuse *out);
void postgres_reuse_auto(struct postgres_reuse *r);

/*
 * *out is what the previous backup tells of a table when it has the same rows, else NULL; valid as
 * long as r.  The connection looks at the moment of the backup under way and has the table locked;
 * a server that does not answer leaves it as it was, and *out is NULL.  Blocks while all rows are
 * looked at.  Any thread.
 */
MUST_CHECK bool postgres_reuse_find(const struct postgres_reuse *r, struct postgres_link *l,
                                    const struct postgres_item *item,
                                    const struct postgres_table **out, struct err *e);

/*
 * Leave the file of a table that was found, and that was begun, to the sink as it was
 * (to->is_kept), and complete the item.  Not so when its rows were read too long ago, or the sink
 * lacks some: then the table is to be read.
 */
MUST_CHECK bool postgres_reuse_keep(const struct postgres_reuse *r,
                                    const struct postgres_table *then, struct postgres_item *item,
                                    struct postgres_sender *to, struct err *e);

/* Note at path when the rows of a table that was found, and read all the same, are not those of
 * then. */
MUST_CHECK bool postgres_reuse_compare(const struct postgres_reuse *r,
                                       const struct postgres_table *then,
                                       const struct postgres_table *now, const char *path,
                                       struct postgres_sender *to, struct err *e);

#endif
