/*
 * Journals of states that were applied and not yet confirmed; command.h shows their format.
 * Private to src/source.
 */
#ifndef SOURCE_COMMAND_JOURNAL_H
#define SOURCE_COMMAND_JOURNAL_H

#include "source/command.h"

/* A journal that is open and locked. */
struct command_journal {
    int folder_fd, fd;
    char *path; /* for messages; its last component is the name in the folder */
};
#define COMMAND_JOURNAL_NONE ((struct command_journal){-1, -1, NULL})
void command_journal_auto(struct command_journal *j); /* leaves the file */

/* Write one, durably, with the state to go back to.  ERR_EXISTS when there is one of that name. */
MUST_CHECK bool command_journal_begin(const struct command_options *o, const char *folder,
                                      struct slice state, struct command_journal *out,
                                      struct err *e);

/* Remove it, durably. */
MUST_CHECK bool command_journal_remove(const struct command_journal *j, struct err *e);

/* Open one that is there; *is_free is false when a living process holds it or it has gone. */
MUST_CHECK bool command_journal_open(const char *folder, const char *file,
                                     struct command_journal *out, bool *is_free, struct err *e);

/* What a journal says. */
struct command_saved {
    char *name;
    char **apply, **environment;
    uint64_t timeout_ms;
    struct buf file;    /* the whole */
    struct slice state; /* within it */
};
MUST_CHECK bool command_journal_read(const struct command_journal *j, struct command_saved *out,
                                     struct err *e);
void command_saved_auto(struct command_saved *s);

/* Names of all journals in a folder, ending with NULL; an empty list when there is no folder. */
MUST_CHECK bool command_journal_list(const char *folder, char ***out, struct err *e);

#endif
