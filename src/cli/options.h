/*
 * Commands and options as data.  One row of a table feeds the parser, --help, the manual
 * pages and the completion of shells.
 *
 * A command's values land in a structure of its own, whose first member is struct common;
 * the rows say where.  Structures are zeroed first, so 0 is every option's default.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Borrowed strings: what an option that may be repeated collects. */
struct strings {
    char **items;
    size_t count, room;
};
void strings_add(struct strings *s, char *item);
void strings_done(struct strings *s);
void strings_auto(struct strings *s);
static inline const char *const *strings_items(const struct strings *s)
{
    return (const char *const *)s->items;
}

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* char *, not empty; NULL when not given */
    OPTION_ANY_TEXT, /* the same, but may be empty */
    OPTION_MAY_TEXT, /* the same, "" when it stands alone: a value is only what is behind '=' */
    OPTION_LIST,     /* struct strings */
    OPTION_CHOICE,   /* int: which of the choices, from 0 */
    OPTION_COUNT,    /* int: from 0; "unlimited" is -1 */
    OPTION_SIZE,     /* uint64_t, bytes */
    OPTION_DURATION, /* struct duration */
    OPTION_TIME,     /* int64_t, ns since 1970 */
};

struct option {
    const char *name; /* NULL ends a table */
    char letter;      /* 0: none */
    enum option_kind kind;
    size_t offset;              /* of the value in the command's structure */
    const char *value;          /* what the value is called in help; NULL for flags */
    const char *help;           /* one line, imperative, no full stop */
    const char *variable;       /* of the environment, used when the option is not given, or NULL */
    const char *group;          /* options of a group exclude each other; NULL: none */
    const char *const *choices; /* ends with NULL */
};

/* Whether an option of this kind has a value, and whether that may be the next argument. */
static inline bool option_has_value(const struct option *o)
{
    return o->kind != OPTION_FLAG;
}
static inline bool option_takes_next(const struct option *o)
{
    return option_has_value(o) && o->kind != OPTION_MAY_TEXT;
}

/* What every command has.  First member of each command's structure. */
struct common {
    char *repository, *repository_file;
    char *config;
    char *key_file, *password_file, *password_command;
    char *const *password_argv; /* what password_command is in a configuration; no option */
    const char *prompt;         /* for the password, NULL: the usual one; no option */
    char *cache_dir;
    struct strings store_options;          /* "NAME=VALUE", of stores */
    const char *const *configured_options; /* the same of a configuration, ends with NULL, or
                                              NULL; no option */
    int limit_upload, limit_download;      /* KiB a second; 0: no limit */
    char *agent;                           /* socket of the key agent, or NULL */
    bool no_agent, no_cache, json, quiet, verbose, help, version;
    struct strings words; /* arguments that are no options */
};

struct call;
/* False with *e on failure; call->status is the exit status of success. */
typedef bool command_fn(struct call *call, struct err *e);

struct command {
    const char *name;     /* "backup", "key list" */
    const char *summary;  /* one line, imperative, no full stop */
    const char *details;  /* a paragraph for help, or NULL */
    const char *examples; /* lines of a shell */
    const char *words;    /* what stands behind the name, "SNAPSHOT PATH"; "" for nothing */
    size_t words_min, words_max;
    bool wants_store_itself;      /* no copies of what it holds: nearby.h */
    bool has_files;               /* words are names of files, for completion */
    const struct option *options; /* besides the common ones; ends with a row without name */
    size_t args_size;
    command_fn *run;
};

/* More words than any command line has. */
#define WORDS_ANY ((size_t)-1)

extern const struct option common_options[];

/* Whether a command (or NULL) has an option of its own of the name of a common one, which it then
 * lacks. */
bool option_is_hidden(const struct command *command, const struct option *common);

/* Row number n of a command, common ones last; NULL behind the end.  command may be NULL. */
const struct option *option_at(const struct command *command, size_t n);
size_t option_count(const struct command *command);

/* By its whole name; NULL when there is none. */
const struct option *option_by_name(const struct command *command, const char *name, size_t size);
/* What the command line gave for an OPTION_TEXT of that name of the command itself; or NULL. */
const char *option_text(const struct command *command, const void *args, const char *name);
const struct option *option_by_letter(const struct command *command, char letter);

/* What a command line says. */
struct parsed {
    const struct command *command;
    void *args;      /* command->args_size bytes, begins with struct common */
    struct buf hint; /* text set together with a failure, or empty */
};
void parsed_done(struct parsed *p);

/*
 * Read a command line.  ERR_USAGE with p->hint set where there is something better to type;
 * p->command is set as soon as it is known.  Without any command, --help is the command help
 * and --version the command version.
 */
MUST_CHECK bool options_parse(int argc, char **argv, struct parsed *p, struct err *e);

/* Store one value (option_value.c).  text is NULL for flags.  ERR_USAGE naming the option. */
MUST_CHECK bool option_set(const struct option *o, void *args, char *text, struct err *e);

#endif
