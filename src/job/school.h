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
#include "store/store.h"

/* Most files of a folder. */
#define SCHOOL_LIST_MAX 100000

/* The key that manifests are signed with (docs/formats/school-erp.md), which only we have. */
struct school_signer {
    uint8_t bytes[HASH_SIZE];
};
void school_signer_auto(struct school_signer *s); /* wipes it */

/* Read it from a file.  ERR_NOT_FOUND; ERR_USAGE: it holds no key. */
MUST_CHECK bool school_signer_read(const char *path, struct school_signer *out, struct err *e);

/* The same, and where the file is missing it is made, with a new key and mode 0600. */
MUST_CHECK bool school_signer_get(const char *path, struct school_signer *out, struct err *e);

/* Where backups are, and whose.  All of it is borrowed. */
struct school_place {
    const char *folder;                  /* BACKUP_DIR */
    struct table_json_database database; /* dsn NULL: none is known */
    const struct school_key *key;        /* NULL: nothing is to be opened or sealed */
    const struct school_signer *signer;  /* NULL: no manifest is made or looked at */
    const char *user;                    /* id of the application's user who asks; or NULL */
};

/* What DATABASE_URL has, or else a connection string of libpq.  Tables are those of schema public:
 * ERR_USAGE for a URL that names another schema. */
MUST_CHECK bool school_database_parse(const char *text, struct pos_database *out, struct err *e);

/* What the manifest beside a file shows. */
enum school_proof {
    SCHOOL_UNSIGNED, /* there is none, or nobody looked */
    SCHOOL_FOREIGN,  /* another key signed it: nothing */
    SCHOOL_PROVEN,   /* the file is the one that was written under this name, byte for byte */
    SCHOOL_REFUTED,  /* it is not, or the manifest was changed */
};

/* A file of the folder. */
struct school_backup {
    struct school_name name;
    char file[SCHOOL_FILE_MAX];
    uint64_t size;
    bool is_readable; /* not too short, and its tag is not all zero: it came to its end */
    enum school_proof proof;
    char doubt[64];   /* why it is not SCHOOL_PROVEN, for people; "" when nobody looked */
    char copies[400]; /* of a proven one: URLs with one blank between them, as many as fit */
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
 * first byte to its last and is on the disk; its manifest is there before.  Then the database is
 * told.  The folder is made where it is missing.  ERR_USAGE for a table that the application does
 * not back up, ERR_NOT_FOUND for one that was named and is not there, or when none of them is.
 * Failing, it leaves no file.
 */
MUST_CHECK bool school_backup_make(const struct school_place *p, const struct school_making *how,
                                   struct school_made *out, struct err *e);

/* Looking and removing (school.c).  An id is the name of a file or its 32 digits: ERR_USAGE
 * "Invalid backup ID" for anything else. */

struct school_list {
    struct school_backup *items; /* the newest first */
    size_t count, room;
};
void school_list_auto(struct school_list *l);
/* Files with such names that are regular files; others are not looked at.  With a signer all of
 * each file that has a manifest is read. */
MUST_CHECK bool school_backup_list(const struct school_place *p, struct school_list *out,
                                   struct err *e);

/* The database, if one is known, is told in the transaction within which the file goes.
 * ERR_NOT_FOUND: "File not found or could not be deleted". */
MUST_CHECK bool school_backup_remove(const struct school_place *p, const char *id,
                                     struct school_logged *out, struct err *e);

/* Removing with a delay (school_trash.c) */

/* Hide a backup until due_s (seconds since 1970), from the application too, and keep its file.  The
 * database is told as above.  Fails as above. */
MUST_CHECK bool school_backup_mark(const struct school_place *p, const char *id, int64_t due_s,
                                   struct school_logged *out, struct err *e);

/* Those that are hidden, what is due first in front. */
struct school_deleted {
    struct school_backup backup; /* name, file and size */
    int64_t due_s;
};
struct school_deleted_list {
    struct school_deleted *items;
    size_t count, room;
};
void school_deleted_list_auto(struct school_deleted_list *l);
MUST_CHECK bool school_deleted_get(const struct school_place *p, struct school_deleted_list *out,
                                   struct err *e);

/* Bring one back under its name.  ERR_NOT_FOUND: none is hidden that has this name or id;
 * ERR_EXISTS: there is another file of its name. */
MUST_CHECK bool school_backup_unmark(const struct school_place *p, const char *id,
                                     struct school_backup *out, struct school_logged *logged,
                                     struct err *e);

/* Remove those that are due, and their manifests; *removed counts, also when a later one fails. */
MUST_CHECK bool school_backup_sweep(const struct school_place *p, int64_t now_s, uint64_t *removed,
                                    struct school_logged *logged, struct err *e);

/* Copies elsewhere (school_copy.c) */

/* The name of the object that a copy is, in lower case as stores have it. */
void school_object_name(const char *file, char out[SCHOOL_FILE_MAX]);

/*
 * Copy the file and its manifest to a store, which url names, read both back, and note it in the
 * manifest here.  Takes a signer and a backup that its manifest proves.  ERR_USAGE: it is longer
 * than the store takes.
 */
MUST_CHECK bool school_backup_copy(const struct school_place *p, const char *id, struct store *to,
                                   const char *url, struct err *e);

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
 * have.  ERR_CORRUPT with a signer: the manifest refutes the file.
 */
MUST_CHECK bool school_backup_restore(const struct school_place *p, const char *id,
                                      const struct school_restoring *how,
                                      struct school_restored *out, struct err *e);

#endif
