/*
 * Archives of other programs on their way into a snapshot.  Part of job.h.
 *
 * What is in such a file somebody else has chosen.  It is read by a process that may do nothing but
 * read it and say what it found (import_parser.h); this process, which may have a repository open,
 * sees names, sizes, sums and bytes, and believes none of them unchecked.
 */
#ifndef JOB_IMPORT_H
#define JOB_IMPORT_H

#include "archive/foreign.h"
#include "source/source.h"

#define IMPORT_KEYS_MAX 16

struct import_options {
    const char *path;         /* of a file, or of a folder of bundles as their server keeps it */
    const char *name;         /* in the snapshot; NULL: that of the file.  Bundles keep theirs */
    const char *as;           /* the kind that it is said to be; NULL: what it turns out to be */
    const struct slice *keys; /* what key files hold, each at most FOREIGN_KEY_MAX bytes */
    size_t key_count;         /* at most IMPORT_KEYS_MAX */
};

/* What was found. */
struct import_found {
    enum foreign_kind kind;
    struct foreign_facts facts; /* of several bundles: those of the first */
    const char *name;           /* in the snapshot: of the file, or "backup" for bundles */
    size_t count;               /* parts, or bundles */
    uint64_t file_bytes, part_bytes;
};

/*
 * Look at all of it.  When this has succeeded the whole of the file was read and is right, as far
 * as its format can tell.  This process has one thread.  ERR_CORRUPT: it is no archive of a known
 * kind, or damaged; ERR_USAGE: it is of several kinds, or a name makes no sense.
 */
struct import;
MUST_CHECK bool import_look(const struct import_options *o, struct import **out, struct err *e);
const struct import_found *import_found(const struct import *i);

/*
 * The member of a set that brings it into a backup; stays the import's.  A file that is another one
 * by then ends the backup: ERR_TRANSIENT.
 */
struct member *import_member(struct import *i);
void import_free(struct import *i); /* accepts NULL; ends the process that reads */
void import_auto(struct import **i);

/*
 * The zip file of a WireGuard Gateway as a snapshot of its set, of the same form as its backups,
 * for restore_set_run() to bring back in place (import_members.c).
 *
 *     sqlite/NAME        a database, where the set has one of this name
 *     command/iptables   the rules, parsed and written anew, with both tables
 *     configs, etc       the trees as they are now, with the zip file's .conf files over them
 *
 * What the zip file does not hold is not in the snapshot, so a restore leaves it alone; nothing
 * that stands in the trees is removed.
 */
struct config;
struct config_set;
struct backup_result;
struct report;
struct repo;
struct import_members_options {
    const char *path; /* of the zip file */
    const struct config *config;
    const struct config_set *set;
};
struct import_members;
/*
 * Look at all of it, and at what is present, and change nothing.  This process has one thread.
 * ERR_CORRUPT: it is no such file, or holds what is not taken: commands in .conf files that are not
 * those installed, odd rules, a database that is damaged or has another schema than the present
 * one; ERR_USAGE: the set has no place for something in it.
 */
MUST_CHECK bool import_members_look(const struct import_members_options *o,
                                    struct import_members **out, struct err *e);
/* Stays the import's.  It is never authenticated. */
const struct import_found *import_members_found(const struct import_members *m);
/* What it holds for the set: the i-th database and .conf file, from 0 until NULL; and rules. */
const char *import_members_database(const struct import_members *m, size_t i);
const char *import_members_conf(const struct import_members *m, size_t i);
bool import_members_has_rules(const struct import_members *m);

/* What somebody should know who restores it, a sentence at a time. */
typedef void import_tell_fn(void *arg, const char *sentence);
void import_members_tell(const struct import_members *m, import_tell_fn *fn, void *arg);
/* Make the snapshot, with the tags of what it is: SNAPSHOT_IMPORT, SNAPSHOT_UNAUTHENTICATED and
 * "sha256:" with the sum of the zip file, and those of the set.  Once. */
MUST_CHECK bool import_members_store(struct import_members *m, struct repo *r,
                                     const struct report *report, struct backup_result *out,
                                     struct err *e);
void import_members_free(struct import_members *m); /* accepts NULL */
void import_members_auto(struct import_members **m);

/* What the program does that is started with one of these arguments, in its sandbox: the exit
 * status. */
#define IMPORT_OPTION          "--import-parser"
#define IMPORT_DATABASE_OPTION "--import-database"
int import_child(void);
int import_database_child(void);

#endif
