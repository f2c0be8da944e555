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

#include "job/retention.h"
#include "repo/repo.h"
#include "source/source.h"

#define CONFIG_STATE "/var/lib/holdfast" /* the default of state */

/* A list of texts; NULL stands behind the last, so that it can be an argument vector. */
struct texts {
    char **items; /* NULL when the list is empty */
    size_t count;
};

/* A list of programs, each an argument vector. */
struct programs {
    struct texts *items;
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
    struct config_secret secret;    /* one member is set */
    char *agent;                    /* socket of the key agent, or NULL */
    struct texts options;           /* of its store, as store_option_set() takes them */
    struct retention retention;     /* instead of that of the sets; empty: as these say */
    struct retention_limits limits; /* of that retention */
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
    int jobs;                               /* 0: as many as the source chooses */
    struct duration reuse_unchanged_tables; /* as struct postgres_options says */
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

/* Bundles that are pushed to the service. */
struct config_bundle {
    int keep;        /* how many a snapshot holds at least, when there were as many */
    int names;       /* enum spool_names */
    int time;        /* of names: 0 UTC, 1 local */
    int form;        /* 0 any JSON, 1 the published form */
    char *export_to; /* a folder that gets them in plain text too; or NULL */
    uint64_t max_size;
    int max_count;
    char *spool; /* the folder where they wait: STATE/spool/SET */
};

enum config_source_kind {
    SOURCE_FILES,
    SOURCE_POSTGRES,
    SOURCE_SQLITE,
    SOURCE_COMMAND,
    SOURCE_BUNDLE,
};

struct config_source {
    enum config_source_kind kind;
    char *name; /* passes member_check_name(); unique among the set's sources of this kind */
    union {     /* by kind */
        struct config_files files;
        struct config_postgres postgres;
        struct config_sqlite sqlite;
        struct config_command command;
        struct config_bundle bundle;
    };
};

enum config_on_error {
    ON_ERROR_FAIL,       /* a source that fails ends the backup of its set */
    ON_ERROR_INCOMPLETE, /* it is left out and named */
};

struct config_notify {
    struct texts on_success, on_failure; /* "mailto:..." or "http(s)://..." */
};

/* What becomes of backups whose time passed while nothing ran. */
enum run_missed {
    MISSED_ONCE, /* the latest is made up for */
    MISSED_SKIP, /* none is */
    MISSED_ALL,  /* each is, as many as SCHEDULE_CATCH_UP_MAX */
};

struct config_schedule {
    char *cron;        /* an expression that cron_parse() takes, or NULL: no schedule */
    char *timezone;    /* a name that zone_open() takes */
    int64_t jitter_ms; /* the run begins up to this much later */
    int run_missed;    /* enum run_missed */
};

/* When each repository of a set is checked, in the zone of its schedule. */
struct config_check {
    char *cron;     /* an expression that cron_parse() takes, or NULL: never */
    bool reads_all; /* all data too */
    char *subset;   /* else what check_subset_parse() takes, chosen at random; or NULL: no data */
};

/* What is run around each restore in place of a set, and its undo. */
struct config_restore {
    struct programs stop, start; /* the application */
    int64_t timeout_ms;          /* of each program; 0: there are none */
};

struct config_set {
    const char *name;
    struct config_source *sources;
    size_t source_count; /* > 0 */
    const struct config_repository **repositories;
    size_t repository_count;    /* > 0 */
    int required_repositories;  /* how many must have a backup for its success, from 1 */
    struct retention retention; /* empty: everything is kept */
    struct retention_limits limits;
    int on_error;      /* enum config_on_error */
    char *compression; /* what level_parse() takes, or NULL */
    int level;         /* the same */
    struct config_schedule schedule;
    char *drill; /* "after_backup", a cron expression in the zone of the schedule, or NULL */
    struct config_check check;
    struct config_notify notify;
    struct texts tags;   /* that its snapshots get */
    struct texts hosts;  /* where its sources are; none: wherever this configuration is */
    char *backup_config; /* JSON of the POS service (codec/pos_config.h) that it was made from */
    struct programs health_checks;
    struct config_restore restore;
};

/* Either both files or self_signed: the service makes its own in the state folder. */
struct config_tls {
    char *certificate, *key; /* PEM */
    bool self_signed;
};

enum config_mail_security {
    MAIL_SECURITY_STARTTLS, /* demanded before anything is said */
    MAIL_SECURITY_TLS,      /* from the first byte */
    MAIL_SECURITY_NONE,     /* and no password then */
};

struct config_mail {
    char *host, *from;
    int port;            /* 0: the usual one of its security */
    int security;        /* enum config_mail_security */
    char *user;          /* or NULL */
    char *password_file; /* or NULL */
};

/* What the service may reach inside although others name it. */
struct config_outbound {
    struct texts allowed; /* "host:port" */
    char *ca_file;        /* instead of the system's, or NULL */
};

/* Pushed bundles: POST /backup. */
struct config_bundle_listener {
    char *set; /* one of sets */
    struct texts listen;
    bool without_token; /* from this machine only */
};

/* A server of PostgreSQL that backup configurations of the API may name. */
struct config_server {
    char *name;
    char *dsn;      /* what libpq takes; without a password */
    char *database; /* that it names, or NULL: a configuration says which */
    struct config_secret secret;
};

/* Where backup configurations of the API find what they do not say (job/pos_set.h). */
struct config_pos {
    char *database_url_file; /* holds DATABASE_URL; or NULL: there is no database */
    char *upload_dir, *reports_dir, *exports_dir; /* or NULL */
    char *key_file, *password_file;               /* of repositories: one of both is set */
    struct texts roots;                           /* where local destinations may lie */
    struct texts source_roots;                    /* where files and databases of sources may lie */
    struct config_server *servers;
    size_t server_count;
};

/* The routes /system/... of WireGuard Gateway. */
/* Who says that rules of a restored firewall may stay. */
enum config_gateway_confirm { GATEWAY_CONFIRM_ADMIN, GATEWAY_CONFIRM_HEALTH_CHECKS };

struct config_gateway {
    char *set;   /* that the gateway is */
    int confirm; /* enum config_gateway_confirm */
};

/* A server of CFMS, for whose clients there is a listener. */
struct config_cfms {
    struct texts listen;
    char *database;          /* its file of SQLite; or */
    char *dsn;               /* what libpq takes; without a password */
    char *dsn_password_file; /* or NULL */
    char *content_dir, *output_dir, *key_dir;
    bool remap, allow_unauthenticated; /* of imports, as of cfms_import.h */
    uint64_t upload_max;               /* bytes of an archive that is uploaded */
};

#define CONFIG_CFMS_UPLOAD_MAX ((uint64_t)1 << 30) /* the default of that */

/* Bounds of each job of the service (job/child_job.h); 0 is none. */
struct config_job_limits {
    int64_t time_ms;   /* from start to end */
    int64_t stall_ms;  /* without anything that moves */
    int64_t cpu_ms;    /* of each process */
    uint64_t memory;   /* bytes of data of each process */
    bool must_confine; /* rather not run than with a gap in the sandbox */
};

/* The default: a first backup of a large server takes days. */
#define CONFIG_JOB_LIMITS \
    ((struct config_job_limits){.time_ms = INT64_C(168) * 3600000, .stall_ms = INT64_C(3600000)})

#define CONFIG_JOBS       2                    /* the default of jobs */
#define CONFIG_UPLOAD_MAX ((uint64_t)64 << 30) /* and of upload_max */
#define CONFIG_IMPORT_MAX ((uint64_t)1 << 30)  /* and of import_max */

struct config_serve {
    struct texts listen;          /* "127.0.0.1:8080"; never empty */
    struct texts hosts;           /* names by which it may be asked, besides its addresses */
    struct texts restore_targets; /* folders that the API may restore into */
    struct texts proxies;         /* addresses whose word about the client is believed */
    struct texts clients;         /* addresses and networks that are served; none: all */
    bool insecure_plain;          /* without TLS on addresses that others reach */
    bool has_console;             /* answers with the page at "/" */
    int jobs;                     /* at a time, from 1 */
    struct config_job_limits job_limits;
    uint64_t upload_max; /* bytes of an upload by the API */
    uint64_t import_max; /* and of an archive to import, which lies in the state folder */
    bool has_tls, has_mail, has_bundle, has_cfms, has_gateway, has_pos;
    struct config_tls tls;
    struct config_mail mail;
    struct config_outbound outbound;
    char *webhook_secret_file;   /* or NULL */
    char *templates;             /* folder of those of messages, or NULL */
    char *catalog_password_file; /* of PostgreSQL, or NULL */
    char *audit_syslog;          /* where records of the audit log go too, or NULL */
    struct config_bundle_listener bundle;
    struct config_pos pos;
    struct config_cfms cfms;
    struct config_gateway gateway;
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
    struct config_serve serve;
    struct document *document; /* that it was read from */
    struct arena arena;
};

/*
 * Read a file.  Every failure is ERR_USAGE, with "FILE:LINE: sentence" when it is about a line.
 * A file that others than root and the caller may change is refused: it names programs to run.
 */
MUST_CHECK bool config_load(const char *path, struct config **out, struct err *e);
/* The same from memory; name stands in sentences for the file. */
MUST_CHECK bool config_read(const char *name, struct slice text, struct config **out,
                            struct err *e);
void config_free(struct config *c); /* accepts NULL */
void config_auto(struct config **c);

/* ERR_USAGE, with the nearest name, when there is none of this name. */
MUST_CHECK bool config_find_set(const struct config *c, const char *name,
                                const struct config_set **out, struct err *e);

/* Whether a host does the jobs of a set. */
bool config_set_is_here(const struct config_set *set, const char *host);

/*
 * Whether anything verifies or proves a set's snapshots in one of its repositories: a check that
 * reads all data does in each, a drill in the first, where it looks, unless the set has a source
 * that no drill can prove.
 */
struct retention_looks config_set_looks(const struct config_set *set,
                                        const struct config_repository *in);

/* What fills places of the rules that hold there (retention_places()); NULL: there are no rules, or
 * they say it. */
const char *config_set_places(const struct config_set *set, const struct config_repository *in);

/* "files", "postgres", "sqlite", "command", "bundle". */
const char *config_kind_name(enum config_source_kind kind);

/* The source of pushed bundles that a set has, or NULL: there is one at most. */
const struct config_bundle *config_set_bundle(const struct config_set *set);

/* Add a file tree's patterns, those in files too; the files are read now. */
MUST_CHECK bool config_excludes(const struct config_files *f, struct exclude *out, struct err *e);

/*
 * The configuration with all defaults, as a document that config_load() takes: of all sets, or
 * of one (not NULL) and its repositories, without the service then.  Addresses of notices end
 * behind their host, since the rest of them may be a secret.
 */
json_t *config_json(const struct config *c, const struct config_set *only);

/*
 * The same value by value (config_origin.c).  path is a JSON pointer (RFC 6901), line where the
 * value stands in the file, 0 when it stands nowhere: a default.  A list or mapping without members
 * is a value.
 */
typedef void config_value_fn(void *arg, const char *path, const json_t *value, size_t line);
void config_origins(const struct config *c, const struct config_set *only, config_value_fn *fn,
                    void *arg);

#endif
