/*
 * Mappings of the configuration as tables: which keys there are, what they take, and where the
 * value goes.  One row reads a key, shows it, and stands in the sentence about an unknown one.
 * Private to src/job.
 */
#ifndef JOB_CONFIG_FIELDS_H
#define JOB_CONFIG_FIELDS_H

#include "codec/document.h"
#include "job/config.h"

enum field_kind {
    FIELD_TEXT,     /* char *, not empty */
    FIELD_PATH,     /* char *: absolute, made free of ".", doubled and trailing '/' */
    FIELD_TEXTS,    /* struct texts, none empty */
    FIELD_NOTICES,  /* the same: places that notice_check() takes, shown without their paths */
    FIELD_PATHS,    /* struct texts, each as FIELD_PATH */
    FIELD_ARGV,     /* struct texts, at least one and the first not empty */
    FIELD_PROGRAMS, /* struct programs, each as FIELD_ARGV */
    FIELD_FLAG,     /* bool */
    FIELD_NUMBER,   /* int, from 0 to FIELD_NUMBER_MAX */
    FIELD_KEEP,     /* int: the same, or "unlimited", which is -1; 0 is not shown */
    FIELD_CHOICE,   /* int: which of the choices, from 0 */
    FIELD_SIZE,     /* uint64_t, bytes, above 0 */
    FIELD_TIMEOUT,  /* int64_t, ms */
    FIELD_DURATION, /* struct duration; zero is not shown */
    FIELD_NODE,     /* const struct node *: read and shown by the caller */
};

#define FIELD_NUMBER_MAX 1000000

struct field {
    const char *key; /* NULL ends a table */
    enum field_kind kind;
    unsigned offset; /* in the structure */
    bool is_required;
    const char *const *choices; /* ends with NULL */
};

/* What reads a configuration. */
struct config_reader {
    const char *path;      /* in front of sentences */
    struct arena *arena;   /* takes what is copied */
    struct config *config; /* what is read so far */
};

/* Longer lists are nobody's; the limit bounds the time of comparing all with all. */
#define CONFIG_LIST_MAX 2000

/* Put "FILE:LINE: " before a sentence, and "what: " when it is not NULL.  Returns false. */
bool config_place(const struct config_reader *r, size_t line, const char *what, struct err *e);

/* Record ERR_USAGE "FILE:LINE: sentence".  Yields false: a macro, so that analyzers see it do so.
 */
#define CONFIG_FAIL(r, line, e, ...) \
    ((void)err_set((e), ERR_USAGE, __VA_ARGS__), (void)config_place((r), (line), NULL, (e)), false)

/* Fail unless n is a list or mapping, as kind says, of at most CONFIG_LIST_MAX items. */
MUST_CHECK bool config_expect(const struct config_reader *r, const struct node *n,
                              enum node_kind kind, struct err *e);

/* Say that there is no such key.  Returns false. */
bool config_unknown(const struct config_reader *r, const struct node *n, const char *const *names,
                    size_t count, struct err *e);

/*
 * Read the members of a mapping into a structure, which has the defaults.  what names the mapping
 * in sentences: "a set".
 */
MUST_CHECK bool fields_read(const struct config_reader *r, const struct node *n, const char *what,
                            const struct field *table, void *out, struct err *e);

/* The structure as an object with the keys of the table; empty lists and NULL are left out. */
json_t *fields_show(const struct field *table, const void *from);

json_t *texts_show(const struct texts *t);

/* Set a member whose value is given away. */
void config_show(json_t *o, const char *key, json_t *value);

/* The key of n is a name such as those of repositories and sets. */
MUST_CHECK bool config_name_check(const struct config_reader *r, const struct node *n,
                                  struct err *e);

/* Sources: the list below "sources" (config_source.c) */
MUST_CHECK bool sources_read(const struct config_reader *r, const struct node *list,
                             struct config_set *out, struct err *e);
json_t *source_show(const struct config_source *s);
/* Once the state folder is known: where sources keep what is theirs. */
void sources_settle(const struct config_reader *r);

/* Options of a store, "NAME=VALUE" each; n may be NULL (config_store.c) */
MUST_CHECK bool config_store_read(const struct config_reader *r, const struct node *n,
                                  struct texts *out, struct err *e);
json_t *config_store_show(const struct texts *t);

/* The service; n may be NULL, and the sets have been read (config_serve.c) */
MUST_CHECK bool config_serve_read(const struct config_reader *r, const struct node *n,
                                  struct config_serve *out, struct err *e);
json_t *config_serve_show(const struct config_serve *s);

/* At most one way to the secret is given, or exactly one. */
MUST_CHECK bool secret_check(const struct config_reader *r, const struct node *n,
                             const struct config_secret *s, bool is_required, struct err *e);

/* Schedules and retention (config_rules.c); n may be NULL: limits then have
 * their defaults, and a schedule is left as it is. */
MUST_CHECK bool retention_read(const struct config_reader *r, const struct node *n,
                               struct retention *rules, struct retention_limits *limits,
                               struct err *e);
json_t *retention_show(const struct retention *rules, const struct retention_limits *limits);
MUST_CHECK bool schedule_read(const struct config_reader *r, const struct node *n,
                              struct config_schedule *out, struct err *e);
json_t *schedule_show(const struct config_schedule *s);
MUST_CHECK bool check_read(const struct config_reader *r, const struct node *n,
                           struct config_check *out, struct err *e);
json_t *check_show(const struct config_check *c);
/* n: a scalar. */
MUST_CHECK bool drill_time_check(const struct config_reader *r, const struct node *n,
                                 struct err *e);

/* Tags are separated by commas elsewhere; n may be NULL. */
MUST_CHECK bool tags_check(const struct config_reader *r, const struct node *n, struct err *e);
/* The backup_config of a set, if any, is valid and that of the set. */
MUST_CHECK bool backup_config_check(const struct config_reader *r, const struct node *set,
                                    struct err *e);

/* Texts that have a form of their own: ERR_USAGE with a sentence (config_text.c) */
MUST_CHECK bool notice_check(const char *place, struct err *e);
/* Such a place as everybody may see it: of an address of http or https, whose path and query may
 * be secrets, the scheme and the host.  It is one that notice_check() takes. */
void notice_show(const char *place, struct buf *out);
MUST_CHECK bool repository_check(const char *url, struct err *e);
/* A connection string of PostgreSQL; *database (mem_free()) is NULL when it names none. */
MUST_CHECK bool dsn_check(const char *dsn, char **database, struct err *e);

#endif
