/*
 * Bringing a PostgreSQL database back from what a backup stored of it.  Part of source.h.
 */
#ifndef SOURCE_POSTGRES_RESTORE_H
#define SOURCE_POSTGRES_RESTORE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "source/postgres.h"

/* How the stored files are read; names are as in docs/sources/postgres.md ("manifest.json",
 * "data/public.t.copy").  Any thread opens streams, each uses its own. */
struct postgres_stream;
struct postgres_files {
    MUST_CHECK bool (*open)(void *arg, const char *name, struct postgres_stream **out,
                            struct err *e);
    /* Append the next piece, at most some MiB; nothing at the end. */
    MUST_CHECK bool (*read)(struct postgres_stream *s, struct buf *out, struct err *e);
    void (*close)(struct postgres_stream *s);
    void *arg;
};

/* What must be known before anything is restored. */
struct postgres_stored {
    int major;                    /* version of the server that the database was on */
    bool has_globals;             /* its roles are stored too */
    bool is_part;                 /* only some schemas or tables of the database were asked for */
    uint64_t tables, rows, bytes; /* of rows and large objects */
    uint64_t tables_without_rows; /* of the tables, those whose rows were to be left out */
};
MUST_CHECK bool postgres_stored_read(const struct postgres_files *files,
                                     struct postgres_stored *out, struct err *e);

/* The longest name of any object, in bytes. */
#define POSTGRES_NAME_MAX 63

struct postgres_restore_options {
    const char *dsn;      /* of the server, with a database to connect to; without a password */
    const char *connect;  /* the database to connect to instead, or NULL */
    const char *password; /* NULL: from where libpq gets one */
    const char *passfile; /* a .pgpass of its own, or NULL */
    const char *database; /* to be made */
    const char *scratch;  /* folder for the definitions; NULL: $TMPDIR or /var/tmp */
    bool with_globals;    /* make the roles that are missing first, if the backup has them */
    bool without_owners;  /* everything belongs to the role that connects, and nobody has rights */
    bool without_rights; /* on the database itself, and its comment: postgres_copy_rights() comes */
    int jobs;            /* tables at a time; 0: processors, at most 8 */
};

struct postgres_restore_report {
    bool is_made; /* the server made the database: what failed later is not for lack of room */
    uint64_t tables, rows, bytes, blobs;
    _Atomic uint64_t rows_done, bytes_done; /* so far: for who looks from another thread */
};

/*
 * Make the database and fill it.  ERR_EXISTS when there is one of that name.  Whatever fails, and
 * also when it is cancelled, the database and roles that were made are dropped again, and the
 * sentence names the object.  A restore that is killed leaves a database whose comment says that it
 * is incomplete.  *report is set in any case.
 *
 * Roles that exist stay as they are.  Everything goes to the default tablespace.
 */
MUST_CHECK bool postgres_restore(const struct postgres_restore_options *o,
                                 const struct postgres_files *files,
                                 struct postgres_restore_report *report, struct err *e);

/* Parts of a backup for a database that exists. */
struct postgres_table_name {
    const char *schema, *name;
};
enum postgres_part_way {
    POSTGRES_PART_NEW,          /* with their definitions, where none of them is */
    POSTGRES_PART_REPLACE_ROWS, /* of tables that are there */
    POSTGRES_PART_ADD_ROWS,     /* to tables that are there */
};
struct postgres_part {
    enum postgres_part_way way;
    const struct postgres_table_name *tables;
    size_t table_count;
    struct postgres_texts schemas;        /* all that is in them; of tables that are there, those
                                           * of which the backup has rows and that belong to no
                                           * extension.  Neither these nor tables: of all */
    const struct postgres_table_name *as; /* what the one table is called; or NULL.  The same */
    bool makes_database;                  /* that is not there yet.  The same */
};

/*
 * Bring single tables or schemas of a backup into o->database, in one transaction: all or nothing.
 * Of the data only what is wanted is read.
 *
 * POSTGRES_PART_NEW: a table comes with its sequences, defaults, keys, indexes, triggers, rules,
 * policies, statistics, comments and rights, and a partitioned one with its partitions; not with
 * what others say of it: foreign keys to it, views, publications.  ERR_EXISTS when it is there.
 * Whatever else it needs must be there, or the server says what is missing.  With `as` it is beside
 * the present one, which is locked meanwhile; names of its indexes and sequences change as its own
 * does, and statistics are left out.
 * POSTGRES_PART_REPLACE_ROWS: definitions stay as they are, triggers do not fire, foreign keys to
 * the table are checked in the end.  Sequences never go back.
 * POSTGRES_PART_ADD_ROWS: keys, triggers and row security apply as to any COPY; with several
 * tables, which are locked for that, foreign keys to them are checked in the end.
 *
 * makes_database: a database is made first, with nothing but these tables and the schemas that they
 * are in, and dropped again whatever fails.  ERR_EXISTS when there is one of that name.
 *
 * Except for the last, rows are hashed before the end and must be those of the manifest: else
 * ERR_CORRUPT.  ERR_NOT_FOUND when the backup, or for the latter two the database, has no such
 * table, ERR_USAGE when rows are wanted of which none are stored: those of a partitioned table are
 * in its partitions.
 */
MUST_CHECK bool postgres_restore_part(const struct postgres_restore_options *o,
                                      const struct postgres_files *files,
                                      const struct postgres_part *part,
                                      struct postgres_restore_report *report, struct err *e);

/* A table that would be brought, and what stands where it goes. */
struct postgres_part_table {
    struct postgres_table_name stored, to;
    uint64_t rows, bytes; /* stored */
    bool is_there;
    uint64_t present_bytes; /* of the rows that are there */
};
struct postgres_part_plan {
    struct arena arena; /* owns the names */
    struct postgres_part_table *tables;
    size_t count;
    uint64_t rows, bytes; /* of all */
};
void postgres_part_plan_auto(struct postgres_part_plan *p);

/* Look what postgres_restore_part() would bring, and fail as it would as far as looking tells.
 * Nothing is changed. */
MUST_CHECK bool postgres_part_look(const struct postgres_restore_options *o,
                                   const struct postgres_files *files,
                                   const struct postgres_part *part, struct postgres_part_plan *out,
                                   struct err *e);

struct postgres_verify_report {
    uint64_t tables, rows, bytes; /* that were compared */
    uint64_t differences;
    struct buf text; /* the first 100 differences, a sentence on a line each */
};
void postgres_verify_report_done(struct postgres_verify_report *r);
void postgres_verify_report_auto(struct postgres_verify_report *r);

/*
 * Compare a restored database (o->database) with the stored manifest: the rows of every table
 * hashed as the backup did it, large objects, sequences, extensions, encoding.  True when that
 * could be done, whatever was found.
 */
MUST_CHECK bool postgres_verify(const struct postgres_restore_options *o,
                                const struct postgres_files *files,
                                struct postgres_verify_report *out, struct err *e);

/*
 * The whole database as one script, as pg_dump writes it with --no-owner --no-acl: definitions,
 * rows as COPY, values of sequences, large objects, and what needs the data.  No server is asked;
 * psql makes an equal database of it.  scratch: as in struct postgres_restore_options.
 *
 * ERR_USAGE for a backup of some schemas or tables.  ERR_CORRUPT when a file has other rows than
 * the manifest tells.  A failure of write ends the work and comes back unchanged; what was
 * written until then is a part of a script.
 */
typedef bool postgres_script_fn(void *arg, struct slice bytes, struct err *e);
MUST_CHECK bool postgres_script_write(const struct postgres_files *files, const char *scratch,
                                      postgres_script_fn *write, void *arg,
                                      struct postgres_stored *out, struct err *e);

/* Drop database o->database with its sessions, as after a restore that is not wanted; one that is
 * not there counts as dropped.  Goes on after a request to stop. */
MUST_CHECK bool postgres_drop(const struct postgres_restore_options *o, struct err *e);

/* What there is of a database; tables and bytes are 0 for those who may not look.  Goes on after a
 * request to stop. */
struct postgres_present {
    bool is_there;
    uint64_t tables, bytes;
};
MUST_CHECK bool postgres_present(const struct postgres_restore_options *o, const char *name,
                                 struct postgres_present *out, struct err *e);

/* The number that the server knows a database by, whatever its name; 0: there is none. */
MUST_CHECK bool postgres_number(const struct postgres_restore_options *o, const char *name,
                                uint32_t *out, struct err *e);

/* Give database `to`, which was made without rights, those on `from` and its comment.  ERR_DENIED
 * when the role may not. */
MUST_CHECK bool postgres_copy_rights(const struct postgres_restore_options *o, const char *from,
                                     const char *to, struct err *e);

/*
 * Put database `from` in the place of database `to` of the same server, which has the name `kept`
 * from then on; there need be no `to`.  o->dsn leads to a third one.  Sessions of both are ended.
 * The renamings are one transaction, so that a crash leaves the old state or the new one, and the
 * names tell which: in the new one there is no `from`.  The same with kept as `from` and from as
 * `kept` undoes it.  ERR_NOT_FOUND when there is no `from`, ERR_EXISTS when `kept` is taken,
 * ERR_TRANSIENT when sessions come faster than they are ended.  Goes on after a request to stop.
 */
MUST_CHECK bool postgres_swap(const struct postgres_restore_options *o, const char *from,
                              const char *to, const char *kept, struct err *e);

#endif
