/*
 * What the commands of school-erp share: their options, what those name, and what is told.
 */
#ifndef CLI_SCHOOL_CALL_H
#define CLI_SCHOOL_CALL_H

#include "cli/call.h"
#include "cli/options.h"
#include "job/job.h"

struct school_args {
    struct common common;
    char *folder, *dsn, *password_file, *key_file, *signer_file, *user, *tables, *to, *grace;
    bool allow_public_key, import, skip_failures, now, yes, deleted;
};

#define SCHOOL_AT(member) offsetof(struct school_args, member)

/* clang-format off */
#define SCHOOL_FOLDER_OPTION                                                                              \
    {"backup-dir", 0, OPTION_TEXT, SCHOOL_AT(folder), "DIR", "Folder of the backups; ./backups by default", \
     "BACKUP_DIR", NULL, NULL}
#define SCHOOL_DATABASE_OPTIONS                                                                           \
    {"dsn", 0, OPTION_TEXT, SCHOOL_AT(dsn), "DSN",                                                        \
     "The database: keywords and values of libpq or a URI, without a password",                    \
     "DATABASE_URL", NULL, NULL},                                                                  \
    {"dsn-password-file", 0, OPTION_TEXT, SCHOOL_AT(password_file), "FILE",                               \
     "Take the database's password from FILE instead of where libpq finds one", NULL, NULL, NULL}, \
    {"as-user", 0, OPTION_TEXT, SCHOOL_AT(user), "ID",                                                    \
     "Note the user ID of the application as who did it", NULL, NULL, NULL}
#define SCHOOL_KEY_OPTION                                                                                 \
    {"encryption-key-file", 0, OPTION_TEXT, SCHOOL_AT(key_file), "FILE",                                  \
     "Take the key, 64 hexadecimal digits, from FILE instead of " SCHOOL_KEY_VARIABLE, NULL, NULL, NULL}
#define SCHOOL_SIGNER_OPTION                                                                       \
    {"manifest-key-file", 0, OPTION_TEXT, SCHOOL_AT(signer_file), "FILE",                          \
     "Key of manifests; create makes it where it is missing",                     \
     "HOLDFAST_MANIFEST_KEY_FILE", NULL, NULL}
/* clang-format on */

#define SCHOOL_KEY_VARIABLE "BACKUP_ENCRYPTION_KEY"

/* What the options name; place points into the rest. */
struct school_call {
    struct school_place place;
    struct pos_database database;
    struct school_key key;
    struct school_signer signer;
    char *password;
};
void school_call_auto(struct school_call *n);

enum school_need {
    SCHOOL_NEED_KEY = 1,       /* that opens backups */
    SCHOOL_READ_MANIFESTS = 2, /* with the key that signed them, if it is there */
    SCHOOL_MAKE_MANIFESTS = 4, /* with that key, which is made where it is missing */
};

/* Find what the options name, and what is needed besides (enum school_need).  Where the key of
 * manifests is not, they are neither made nor looked at, which is told; one that was named has to
 * be there for reading. */
MUST_CHECK bool school_call_find(struct call *call, unsigned needs, struct school_call *n,
                                 struct err *e);

/* A backup in a line of JSON. */
void school_call_put(json_t *line, const struct school_backup *b);

/* What the database does not say although it could: never hidden, and no whole success. */
void school_call_tell_logged(struct call *call, const struct school_logged *l, json_t *line);

/* That what is due has been removed (or not): the backups that were deleted long enough ago. */
void school_call_sweep(struct call *call, const struct school_place *p);

#endif
