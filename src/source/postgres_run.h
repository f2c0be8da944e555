/*
 * What the parts of a backup of a database share.  Private to src/source.
 *
 * postgres.c is the member, postgres_snapshot.c holds the moment that the backup is of,
 * postgres_send.c hands out the work; postgres_dump.c runs programs, postgres_rows.c and
 * postgres_blobs.c read data.
 */
#ifndef SOURCE_POSTGRES_RUN_H
#define SOURCE_POSTGRES_RUN_H

#include <pthread.h>

#include "source/made.h"
#include "source/postgres_selection.h"

struct postgres_member {
    struct member member;      /* first */
    struct postgres_options o; /* without the password, which is in the address */
    struct postgres_address address;
    struct postgres_link link; /* open in prepare() and in send(), where it holds the snapshot */
    char *pg_dump, *pg_dumpall;
    int password_fd; /* for programs; -1: there is no password */
};

/*
 * One moment of a database, held by a transaction of the member's connection: its tables are
 * locked against being changed in shape, and other connections can look at the same moment.
 */
struct postgres_snapshot {
    struct postgres_link *link;
    char id[100];
    struct postgres_selection selection;
    struct postgres_manifest manifest; /* arrays and texts are in the arena of the selection */
};

/* Connect and fix the moment.  ERR_TRANSIENT when somebody changes tables for longer than
 * POSTGRES_LOCK_WAIT_MS. */
MUST_CHECK bool postgres_snapshot_begin(struct postgres_member *m, struct postgres_snapshot *s,
                                        struct err *e);
/* Let another connection look at that moment. */
MUST_CHECK bool postgres_snapshot_join(const struct postgres_snapshot *s, struct postgres_link *l,
                                       struct err *e);
/* Read what is short: the values of sequences, extensions.  The moment must still be held. */
MUST_CHECK bool postgres_snapshot_describe(struct postgres_snapshot *s, struct err *e);
/* Let go of it; what ends before that was never lost. */
MUST_CHECK bool postgres_snapshot_end(struct postgres_snapshot *s, struct err *e);
void postgres_snapshot_auto(struct postgres_snapshot *s);

/* An entry under way: tells failures of the sink from those of the source. */
struct postgres_sender {
    struct made_file file;
    bool has_sink_failed;
    bool is_kept; /* the file ended as the previous backup has it */
};
/* NULL keeps nothing: then what is sent is only counted and hashed. */
MUST_CHECK bool postgres_sender_add(struct postgres_sender *s, struct slice bytes, struct err *e);

/* Send the definitions of one section ("pre-data") as of a moment, by its id. */
MUST_CHECK bool postgres_dump_definitions(const struct postgres_member *m, const char *snapshot,
                                          const char *section, const atomic_bool *is_stopping,
                                          struct postgres_sender *to, struct err *e);
/* Send roles and tablespaces of the whole server. */
MUST_CHECK bool postgres_dump_globals(const struct postgres_member *m,
                                      const atomic_bool *is_stopping, struct postgres_sender *to,
                                      struct err *e);

/* Send the rows of a table, and count them in its part of the manifest. */
MUST_CHECK bool postgres_rows_send(struct postgres_link *l, struct postgres_item *item,
                                   const char *encoding, struct postgres_sender *to, struct err *e);

/* Send all large objects. */
MUST_CHECK bool postgres_blobs_send(struct postgres_link *l, struct postgres_blobs *counts,
                                    struct postgres_sender *to, struct err *e);

/* The name of a table's file in "data/". */
void postgres_file_name(const struct postgres_table *t, struct buf *out);

/* Send everything; see struct member_ops. */
MUST_CHECK bool postgres_send(struct member *m, struct sink *k, struct sink_dir *dir,
                              const struct listing *l, struct err *failure, struct err *e);

#endif
