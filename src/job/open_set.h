/*
 * A set as it is configured, ready to be backed up.  Part of job.h.
 */
#ifndef JOB_OPEN_SET_H
#define JOB_OPEN_SET_H

#include "job/config.h"

/* Owns what set points at; the configuration must live as long. */
struct open_set {
    struct set set; /* without times and threads: a backup fills them in */
    struct set_files *files;
    struct files_options *options; /* of the file trees */
    struct exclude **excludes;
    struct member **members;
};

/*
 * Make the members and read files of patterns and of passwords.  Nothing that is to be backed up
 * is looked at yet.  scratch is a folder for copies of databases (NULL: that of the system).
 */
MUST_CHECK bool open_set_new(const struct config_set *c, const char *scratch, struct open_set **out,
                             struct err *e);
/* The password that the configuration leads to, for mem_secret_free(); *out stays NULL when it is
 * elsewhere.  May run a program. */
MUST_CHECK bool config_secret_read(const struct config_secret *c, char **out, struct err *e);

/* What a configured command is to its source; borrows. */
struct command_options command_options_of(const struct config_source *c);
void open_set_free(struct open_set *s); /* accepts NULL */
void open_set_auto(struct open_set **s);

#endif
