/*
 * Backups of School ERP as its own backup service makes and keeps them: sealed files in a folder
 * (archive/school.h, docs/formats/school-erp.md) of tables of its PostgreSQL database, and what the
 * database remembers of them.  Part of job.h.
 */
#ifndef JOB_SCHOOL_H
#define JOB_SCHOOL_H

#include "archive/school_document.h"
#include "job/pos_database.h"
#include "source/source.h"

/* Most files of a folder. */
#define SCHOOL_LIST_MAX 100000

/* Where backups are, and whose.  All of it is borrowed. */
struct school_place {
    const char *folder;                  /* BACKUP_DIR */
    struct table_json_database database; /* dsn NULL: none is known */
    const struct school_key *key;        /* NULL: nothing is to be opened or sealed */
    const char *user;                    /* id of the application's user who asks; or NULL */
};

/* What DATABASE_URL has, or else a connection string of libpq.  Tables are those of schema public:
 * ERR_USAGE for a URL that names another schema. */
MUST_CHECK bool school_database_parse(const char *text, struct pos_database *out, struct err *e);

/* A file of the folder. */
struct school_backup {
    struct school_name name;
    char file[SCHOOL_FILE_MAX];
    uint64_t size;
    bool is_readable; /* not too short, and its tag is not all zero: it came to its end */
};

/* The id for people and the application's first version: 32 hexadecimal digits. */
#define SCHOOL_ID_MAX (2 * SCHOOL_ID_SIZE + 1)
void school_backup_id(const struct school_backup *b, char out[SCHOOL_ID_MAX]);

/* Making one (school_make.c) */

struct school_making {
    const char *const *tables; /* by their names in the document */
    size_t table_count;        /* 0: all that the database has */
    bool allows_public_key;
};

struct school_made {
    struct school_backup backup;
    struct school_facts facts; /* of the file as it was read back */
    struct school_logged logged;
};

/*
 * Seal the tables as of one moment.  The file has no name until it has been read back from its
 * first byte to its last and is on the disk; then the database is told.  The folder is made where
 * it is missing.  ERR_USAGE for a table that the application does not back up, ERR_NOT_FOUND for
 * one that was named and is not there, or when none of them is.  Failing, it leaves no file.
 */
MUST_CHECK bool school_backup_make(const struct school_place *p, const struct school_making *how,
                                   struct school_made *out, struct err *e);

/* Looking and removing (school.c).  An id is the name of a file or its 32 digits: ERR_USAGE
 * "Invalid backup ID" for anything else. */

struct school_list {
    struct school_backup *items; /* the newest first */
    size_t count;
};
void school_list_auto(struct school_list *l);
/* Files with such names that are regular files; others are not looked at. */
MUST_CHECK bool school_backup_list(const struct school_place *p, struct school_list *out,
                                   struct err *e);

/* The database, if one is known, is told in the transaction within which the file goes.
 * ERR_NOT_FOUND: "File not found or could not be deleted". */
MUST_CHECK bool school_backup_remove(const struct school_place *p, const char *id,
                                     struct school_logged *out, struct err *e);

/* Bringing one back (school_restore.c) */

struct school_restoring {
    bool imports;               /* otherwise nothing is written: what would be is counted */
    bool skips_failures;        /* leave rows out that the database refuses */
    table_json_failed_fn *each; /* gets those; or NULL */
    void *arg;
};

struct school_restored {
    struct school_backup backup;
    struct school_facts facts;       /* of the whole file */
    struct table_json_counts counts; /* in the application's order; none without a database */
    uint64_t written;                /* rows inserted or changed: "recordsRestored" */
    uint64_t failed;                 /* rows left out */
    struct school_logged logged;
};
void school_restored_auto(struct school_restored *r);

/*
 * Read the file to its end, and only when all of it is authentic and right, upsert its rows by
 * their primary key in one transaction: all of them or, without skips_failures, none.  Rows that
 * the file does not have stay.  Without imports and with a database the rows go into temporary
 * tables only, which shows that their columns take them; with neither the file alone is read.
 * ERR_NOT_FOUND: "Backup file not found on disk", or a table or column that the database does not
 * have.
 */
MUST_CHECK bool school_backup_restore(const struct school_place *p, const char *id,
                                      const struct school_restoring *how,
                                      struct school_restored *out, struct err *e);

#endif
