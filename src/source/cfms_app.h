/*
 * What CFMS keeps, read for an archive (archive/cfms.h): the tables of its database and the folder
 * "content" beside them (docs/applications/cfms.md).  Part of source.h.
 */
#ifndef SOURCE_CFMS_APP_H
#define SOURCE_CFMS_APP_H

#include "archive/cfms.h"

struct cfms_place {
    const char *file;        /* of SQLite; NULL: PostgreSQL */
    const char *dsn;         /* what libpq takes */
    const char *password;    /* for it; NULL: where libpq finds one */
    const char *content_dir; /* the application's folder "content" */
};

/*
 * All of the database as of one moment.  ERR_USAGE, saying what was found, when its tables are not
 * those of the server that writes such archives.
 */
struct cfms_app;
MUST_CHECK bool cfms_app_open(const struct cfms_place *p, struct cfms_app **out, struct err *e);
void cfms_app_close(struct cfms_app *a); /* accepts NULL */
void cfms_app_auto(struct cfms_app **a);

/* Records, streamed; cfms_rows_fn of which arg is a struct cfms_app.  Files: those that a revision
 * refers to. */
MUST_CHECK bool cfms_app_documents(void *arg, struct cfms_rows *to, struct err *e);
MUST_CHECK bool cfms_app_folders(void *arg, struct cfms_rows *to, struct err *e);
MUST_CHECK bool cfms_app_files(void *arg, struct cfms_rows *to, struct err *e);

/* A content cannot be had: of a file with its path, or of one that has no record (path NULL). */
typedef void cfms_missing_fn(void *arg, const char *id, const char *path, const struct err *why);

/*
 * Hand over the contents of those files, or that they are missing: not there, no regular file,
 * outside the content folder or behind a link, not to be read, or not what the file's SHA-256 says.
 * *missing counts them.  ERR_TRANSIENT when a content changes while it is read.
 */
MUST_CHECK bool cfms_app_contents(struct cfms_app *a, struct cfms_writer *to,
                                  cfms_missing_fn *missing_fn, void *arg, uint64_t *missing,
                                  struct err *e);

#endif
