/*
 * How a job becomes a command line, an environment and a sandbox: from typed fields and the
 * configuration, never from text that could be an option.  Part of child.h.
 */
#ifndef JOB_CHILD_PLAN_H
#define JOB_CHILD_PLAN_H

#include "base/arena.h"
#include "base/sandbox.h"
#include "job/child_job.h"
#include "job/config.h"

/* What sandbox_seal() has to do in the program, as its first argument: "--sandbox=no-exec". */
#define CHILD_SANDBOX_OPTION "--sandbox="

#define CHILD_LIST_MAX       1000 /* texts in one argument of a job */

struct child_plan {
    struct arena arena; /* owns all that follows */
    char **argv;
    char **environment;
    const char *const *folders; /* to be made, mode 0700, before the sandbox is entered */
    struct sandbox_profile profile;
};
void child_plan_auto(struct child_plan *p);

/*
 * ERR_USAGE naming the field that the verb does not know, that has another type, or that lacks.
 * Looks at the job, the configuration and our environment only.
 */
MUST_CHECK bool child_plan_make(const struct child_job *j, const struct config *c,
                                struct child_plan *out, struct err *e);

/* The same with the configuration that the job names, read now, and with the folders made. */
MUST_CHECK bool child_plan_load(const struct child_job *j, struct child_plan *out, struct err *e);

/* Names of the variables that a job may get from us, ends with NULL. */
const char *const *child_plan_variables(struct child_plan *p, const struct child_job *j,
                                        const struct config *c);

/*
 * Commands that share a kind of run with others: the argument "command" of a job names one, "parity
 * enable" or "tag".  False: there is none of the name.
 */
bool child_verb_of(const char *command, enum child_verb *out);

/* Whether the verb is about a set; others take none. */
bool child_verb_takes_set(enum child_verb v);

/* Whether the job promises a snapshot or a restore with an id, and which field of which message of
 * the child says it; key is NULL when only the message is needed. */
struct child_promise {
    const char *message; /* its message_type; NULL: an array; "": none */
    const char *key;
};
struct child_promise child_plan_promise(const struct child_job *j);

/* The profile of a process that reads an archive which others chose and writes what it found to its
 * standard output: no files, sockets or programs, 256 MiB, 30 s. */
extern const struct sandbox_profile child_parser_profile;

/* Whether a job is a restore of tables or schemas of a database. */
bool child_restores_part(const struct child_job *j);

/* Whether a job of CHILD_FORGET goes by the rules of its set: it names no others. */
bool child_forgets_by_set(const struct child_job *j);

/* Private to the two files of the plan. */
struct child_texts { /* of the arena; ends with NULL once child_texts_end() was called */
    struct buf items;
};
void child_texts_add(struct child_texts *t, struct arena *a, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
char **child_texts_end(struct child_texts *t, struct arena *a);
void child_texts_auto(struct child_texts *t);
bool child_flag(const struct child_job *j, const char *name);
const char *child_text(const struct child_job *j, const char *name);
/* repository: the one that the command line names, or NULL. */
void child_plan_places(const struct child_job *j, const struct config *c,
                       const struct config_repository *repository, struct child_plan *p);

#endif
