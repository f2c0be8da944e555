/*
 * Commands: the output of a program as a member of a set, and its way back into the machine.
 * Part of source.h.
 *
 * Programs are run with an argument vector, never through a shell, in a process group of their
 * own.  Of our environment they get PATH, LANG, LC_ALL, HOME, USER, TZ and what is named.
 */
#ifndef SOURCE_COMMAND_H
#define SOURCE_COMMAND_H

#include "base/buf.h"
#include "source/member.h"

#define COMMAND_TIMEOUT_MS 60000
#define COMMAND_OUTPUT_MAX ((uint64_t)64 << 20)
#define COMMAND_CONFIRM_MS 90000

/* A command as it is configured.  Arrays end with NULL. */
struct command_options {
    const char *name;
    const char *const *argv;        /* prints what is backed up */
    const char *const *check;       /* reads that, and fails unless it could be applied; or NULL */
    const char *const *apply;       /* reads that, and makes it the present state; or NULL */
    const char *const *environment; /* names of further variables to pass, or NULL */
    uint64_t timeout_ms;            /* of each run; 0: COMMAND_TIMEOUT_MS */
    uint64_t output_max;            /* bytes; 0: COMMAND_OUTPUT_MAX */
};

/*
 * The member "command/NAME" with "command/NAME.manifest.json"; copies what it needs.  Its backup
 * fails, and both are left out, unless the program closes its output and ends with exit status 0,
 * within its time and with no more output than it may print.  Time that the sink takes does not
 * count.  ERR_USAGE for what cannot be a name, and for check and apply that are not UTF-8.
 */
MUST_CHECK bool command_member_new(const struct command_options *o, struct member **out,
                                   struct err *e);

/*
 * A member of this kind whose output is known already, as if the program had printed it at now_ns;
 * copies all.
 */
MUST_CHECK bool command_member_of_output(const struct command_options *o, struct slice output,
                                         int64_t now_ns, struct member **out, struct err *e);

/*
 * What the manifest says:
 *
 *   {"format": 1, "name": "fw", "argv0": "iptables-save", "argument_count": 1,
 *    "started": "2026-11-21T02:00:00.000000000Z", "duration_ms": 12, "exit_status": 0,
 *    "bytes": 4711, "sha256": "...", "stderr": "...", "stderr_bytes": 0,
 *    "stderr_truncated": false, "check": ["iptables-restore", "--test"], "apply": [...]}
 *
 * Arguments of the program itself are left out, because they may hold secrets.  stderr is its first
 * and last 16 KiB, with "\xHH" for what is not text; check and apply are null when there is none.
 */
struct command_manifest {
    char *name, *argv0;
    char **check, **apply; /* NULL: none */
    int64_t started_ns;
    uint64_t duration_ms, bytes;
    uint8_t sha256[32];
};
/* ERR_CORRUPT for what is no such manifest; members that are not known are passed over. */
MUST_CHECK bool command_manifest_parse(struct slice text, struct command_manifest *out,
                                       struct err *e);
void command_manifest_done(struct command_manifest *m);
void command_manifest_auto(struct command_manifest *m);

/* Where a program's input comes from: at most room bytes at a time, *got is 0 at the end. */
typedef bool command_feed_fn(void *arg, void *to, size_t room, size_t *got, struct err *e);
struct command_feed {
    command_feed_fn *read;
    void *arg;
};

/* What a check has to say although it passed: the first and last 16 KiB of standard error. */
struct command_report {
    uint64_t duration_ms;
    struct buf text;
};
void command_report_done(struct command_report *r);
void command_report_auto(struct command_report *r);

/*
 * Run the check on what a backup holds.  ERR_CORRUPT when the check refuses it; a failure of
 * the feed comes back unchanged; ERR_USAGE when no check is configured.
 */
MUST_CHECK bool command_check_state(const struct command_options *o,
                                    const struct command_feed *feed, struct command_report *report,
                                    struct err *e);

/*
 * Run argv of a command that gets no input and whose output is of no interest: exit status 0 within
 * its time is success.  With goes_on it is not ended when somebody asked us to stop.  ERR_CANCELLED
 * when it was; else e names the command, the program and its last line of standard error.
 */
MUST_CHECK bool command_call(const struct command_options *o, bool goes_on, struct err *e);

enum command_answer { COMMAND_UNDECIDED, COMMAND_KEEP, COMMAND_GO_BACK };
typedef enum command_answer command_answer_fn(void *arg);

/* How an applied state is confirmed. */
struct command_confirm {
    const char *folder;     /* of journals; made with mode 0700 unless it is there */
    uint64_t confirm_ms;    /* 0: COMMAND_CONFIRM_MS */
    command_answer_fn *ask; /* called ten times a second once the state is applied */
    void *arg;
};

/*
 * Make what a backup holds the present state, and go back unless that is confirmed: so that who
 * locks himself out by a firewall rule is let in again.
 *
 * Reads the feed to its end (at most output_max bytes), checks it, keeps the present state (the
 * output of argv) in a journal, checks that too, applies, and asks.  True: confirmed, and the
 * journal is gone.  False: the state is the one before, or *e says that going back failed and
 * which journal keeps it.  ERR_CORRUPT when the check refuses, ERR_CANCELLED when the answer was
 * no, or there was none in time, or somebody asked to stop; ERR_EXISTS when an earlier apply of
 * the same name was never finished.
 *
 * A journal is the file NAME.journal, mode 0600: one line of JSON
 *
 *   {"format": 1, "name": "fw", "apply": [...], "environment": [...] or null,
 *    "timeout_ms": 60000, "saved": "2026-...Z", "bytes": 4711, "sha256": "..."}
 *
 * and the bytes of the state behind it.  It is there exactly as long as a state may be in force
 * that nobody confirmed, and locked (flock) by the process that waits for an answer.
 */
MUST_CHECK bool command_apply_state(const struct command_options *o,
                                    const struct command_confirm *how,
                                    const struct command_feed *feed, struct err *e);

/*
 * Make what a backup holds the present state without asking anybody, also after a request to stop:
 * for going back to what was in force before.
 */
MUST_CHECK bool command_put_state(const struct command_options *o, const struct command_feed *feed,
                                  struct err *e);

/*
 * After a crash: apply the states that journals in folder keep, except those that a living
 * process waits for, and remove the journals.  *count says how many were put back, also on
 * failure; a journal that cannot be stays where it is, and the others are put back all the same.
 * ERR_DENIED for a journal that somebody else could have written.  No folder: nothing to do.
 */
MUST_CHECK bool command_recover_states(const char *folder, size_t *count, struct err *e);

#endif
