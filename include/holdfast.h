/*
 * holdfast from C: backups of School ERP, as `holdfast school-erp` makes them.
 *
 * Functions return 1 on success.  On failure they return 0, say why in *error, and leave *out
 * alone.  Pointers are not NULL where it is not said that they may be.  A handle does not change
 * after hf_open(): several threads may use one at the same time, and any number of handles may be
 * open.  Nothing is kept outside of handles, no signal is caught and nothing is printed.  A process
 * that runs out of memory, or finds a fault of the library, is ended; files and databases survive
 * that at any instant.
 *
 * This is version 0 of the interface (libholdfast.so.0): until version 1 it may change.
 */
#ifndef HOLDFAST_H
#define HOLDFAST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_API __attribute__((visibility("default")))

/* What a caller may do about a failure. */
enum hf_code {
    HF_OK = 0,
    HF_NOT_FOUND = 1, /* the backup, table or column is not there */
    HF_EXISTS = 2,
    HF_CORRUPT = 3,   /* another key, a changed or cut file, another format */
    HF_DENIED = 4,    /* no permission; a key that everybody knows */
    HF_TRANSIENT = 5, /* the same request may succeed later: the database is away */
    HF_USAGE = 6,     /* the request itself makes no sense */
    HF_FATAL = 7,     /* everything else */
};

struct hf_error {
    int code; /* enum hf_code */
    char text[500];
};

/* Where backups are, and whose; hf_open() copies it. */
struct hf_place {
    const char *folder;   /* BACKUP_DIR */
    const char *key;      /* BACKUP_ENCRYPTION_KEY; NULL: only hf_backup_list() and _delete() */
    const char *database; /* DATABASE_URL or a connection string of libpq; NULL: none */
    const char *password; /* of the database; NULL: that of the URL, or where libpq finds one */
    const char *user;     /* id of the application's user who asks; NULL: nobody */
};

struct hf_backups;
HF_API int hf_open(const struct hf_place *place, struct hf_backups **out, struct hf_error *error);
HF_API void hf_close(struct hf_backups *b); /* NULL is nothing */

struct hf_backup {
    char id[33];        /* 32 hexadecimal digits */
    char file[72];      /* its name in the folder */
    uint64_t size;      /* of the file */
    int64_t created_ms; /* since 1970, UTC */
    int is_readable;    /* 0: its tag is all zero or it is too short; nobody can read it */
};

struct hf_created {
    struct hf_backup backup;
    uint64_t records;
    char checksum[65]; /* SHA-256 of the document */
    char problem[304]; /* why the database was not told; "" when it was, or keeps no such tables */
};

/* tables: names as in the backup ("users"); count 0: all 22, of which some may not be there.  On
 * success the file was read back and is durable. */
HF_API int hf_backup_create(const struct hf_backups *b, const char *const *tables, size_t count,
                            struct hf_created *out, struct hf_error *error);

/* The newest first.  Other than 0 ends the listing, which then counts as success. */
typedef int hf_backup_fn(void *arg, const struct hf_backup *backup);
HF_API int hf_backup_list(const struct hf_backups *b, hf_backup_fn *each, void *arg,
                          struct hf_error *error);

enum hf_restore {
    HF_IMPORT = 1,        /* write; without it the file is checked and nothing is written */
    HF_SKIP_FAILURES = 2, /* leave out records that the database refuses */
};

/* A record that was left out. */
typedef void hf_failure_fn(void *arg, const char *table, const char *id, const char *why);

struct hf_restored {
    struct hf_backup backup;
    uint64_t records; /* in the backup */
    uint64_t written; /* inserted or changed; 0 without HF_IMPORT */
    uint64_t failed;  /* left out */
    char problem[304];
};

/* id: the name of the file or its 32 digits.  All of the file is read and authenticated first; the
 * import is one transaction. */
struct hf_restoring {
    unsigned flags;      /* of enum hf_restore */
    hf_failure_fn *each; /* or NULL */
    void *arg;
};
HF_API int hf_backup_restore(const struct hf_backups *b, const char *id,
                             const struct hf_restoring *how, struct hf_restored *out,
                             struct hf_error *error);

/* problem: why the database was not told, or ""; may be NULL. */
HF_API int hf_backup_delete(const struct hf_backups *b, const char *id, char problem[304],
                            struct hf_error *error);

#ifdef __cplusplus
}
#endif

#endif
