/*
 * The configuration: holdfast.yaml as one structure.  Part of job.h.
 *
 * Everything is checked when it is read, as far as it can be without looking at databases, paths
 * and repositories: unknown keys, types, names that are used twice or refer to nothing.  There are
 * no secrets in it, only where they are, and nothing is taken from the environment.
 */
#ifndef JOB_CONFIG_H
#define JOB_CONFIG_H

#include <jansson.h>

#include "repo/repo.h"
#include "source/source.h"

#define CONFIG_STATE "/var/lib/holdfast" /* the default of state */

/* A list of texts; NULL stands behind the last, so that it can be an argument vector. */
struct texts {
    char **items; /* NULL when the list is empty */
    size_t count;
};

/* Where a secret is; at most one member is set. */
struct config_secret {
    char *password_file;
    struct texts password_command;
    char *key_file; /* of repositories */
    char *passfile; /* of PostgreSQL: a .pgpass */
};

struct config_repository {
    const char *name;
    char *url;
    struct config_secret secret; /* one member is set */
    struct texts options;        /* of its store, as store_option_set() takes them */
    struct retention retention;  /* instead of that of the sets; empty: as these say */
};

/* A file tree.  options has all but the patterns, which config_excludes() reads. */
struct config_files {
    struct texts paths; /* absolute, as text: free of ".", ".." and doubled '/' */
    struct texts exclude, exclude_files, exclude_if_present;
    bool exclude_caches, one_file_system;
    struct files_options options; /* says the same; without times and threads */
};

struct config_postgres {
    char *dsn;      /* what libpq takes; without a password */
    char *database; /* that it names, or NULL */
    struct config_secret secret;
    struct texts schemas, exclude_schemas, tables, exclude_tables, exclude_table_data;
    bool globals, role_passwords;
    int jobs; /* 0: as many as the source chooses */
};

struct config_sqlite {
    char *path;
};

struct config_command {
    struct texts argv;
    struct texts environment; /* names of our variables that it gets */
    int64_t timeout_ms;
    uint64_t max_output; /* bytes */
    struct texts check, apply;
};

enum config_source_kind {
    SOURCE_FILES,
    SOURCE_POSTGRES,
    SOURCE_SQLITE,
    SOURCE_COMMAND,
};

struct config_source {
    enum config_source_kind kind;
    char *name; /* passes member_check_name(); unique among the set's sources of this kind */
    union {     /* by kind */
        struct config_files files;
        struct config_postgres postgres;
        struct config_sqlite sqlite;
        struct config_command command;
    };
};

enum config_on_error {
    ON_ERROR_FAIL,       /* a source that fails ends the backup of its set */
    ON_ERROR_INCOMPLETE, /* it is left out and named */
};

struct config_notify {
    struct texts on_success, on_failure; /* "mailto:..." or "http(s)://..." */
};

struct config_set {
    const char *name;
    struct config_source *sources;
    size_t source_count; /* > 0 */
    const struct config_repository **repositories;
    size_t repository_count;    /* > 0 */
    int required_repositories;  /* how many must have a backup for its success, from 1 */
    struct retention retention; /* empty: everything is kept */
    int on_error;               /* enum config_on_error */
    char *schedule;             /* a cron expression, or NULL */
    char *drill;                /* "after_backup", a cron expression, or NULL */
    struct config_notify notify;
    struct texts *health_checks; /* argument vectors */
    size_t health_check_count;
};

/* Owns all that it points at, until config_free(). */
struct config {
    char *path;    /* of the file */
    char *state;   /* folder */
    char *catalog; /* "sqlite" or a connection string of PostgreSQL */
    struct config_repository *repositories;
    size_t repository_count; /* > 0 */
    struct config_set *sets;
    size_t set_count;
    struct arena arena;
};

/*
 * Read a file.  Every failure is ERR_USAGE, with "FILE:LINE: sentence" when it is about a line.
 * A file that others than root and the caller may change is refused: it names programs to run.
 */
MUST_CHECK bool config_load(const char *path, struct config **out, struct err *e);
void config_free(struct config *c); /* accepts NULL */
void config_auto(struct config **c);

/* ERR_USAGE, with the nearest name, when there is none of this name. */
MUST_CHECK bool config_find_set(const struct config *c, const char *name,
                                const struct config_set **out, struct err *e);

/* "files", "postgres", "sqlite", "command". */
const char *config_kind_name(enum config_source_kind kind);

/* Add a file tree's patterns, those in files too; the files are read now. */
MUST_CHECK bool config_excludes(const struct config_files *f, struct exclude *out, struct err *e);

/*
 * The configuration with all defaults, as a document that config_load() takes: of all sets, or
 * of one (not NULL) and its repositories.  serve is not in it: nothing reads it.  Addresses of
 * notices end behind their host, since the rest of them may be a secret.
 */
json_t *config_json(const struct config *c, const struct config_set *only);

#endif
