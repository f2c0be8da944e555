/*
 * The journal of restores of sets.  Private to src/job.
 *
 * "<state>/restores/<id>.json", one object, replaced as a whole and durably at each step:
 *
 *   {"format": 1, "id": "<16 hex>", "set": "shop", "phase": "staging", "snapshot": "<id>",
 *    "safety": "<id>" or null, "started": "2026-...Z", "changed": "2026-...Z", "why": null,
 *    "moves": 1, "stopped": false, "sources": [{"place": "files", ...}]}
 *
 * moves counts how often what is in use began to change places; stopped says whether the
 * application may have been stopped and not started again.  Journals of before lack them.
 *
 * What a source keeps is its own (restore_source.h).  The folder is locked (flock) by the one
 * process that restores or undoes.
 */
#ifndef JOB_RESTORE_JOURNAL_H
#define JOB_RESTORE_JOURNAL_H

#include <jansson.h>

#include "job/restore_set.h"

struct restore_journal {
    int folder_fd; /* locked */
    struct restore_record record;
    json_t *document; /* what record borrows from, and sources */
};
#define RESTORE_JOURNAL_NONE ((struct restore_journal){.folder_fd = -1})
void restore_journal_auto(struct restore_journal *j);

/* Lock the folder, which is made if need be; ERR_TRANSIENT when somebody else has it. */
MUST_CHECK bool restore_folder_lock(const char *state, int *fd, struct err *e);

/* Make one, with an id of its own; it is in memory until the first change of phase. */
void restore_journal_new(struct restore_journal *j, int folder_fd, const char *set,
                         const struct hash *snapshot);
/* The array of sources; borrowed. */
json_t *restore_journal_sources(const struct restore_journal *j);
void restore_journal_set_safety(struct restore_journal *j, const struct hash *snapshot);
void restore_journal_set_why(struct restore_journal *j, const char *why);
void restore_journal_set_stopped(struct restore_journal *j, bool is_stopped);

/* Write it down, durably, with this phase. */
MUST_CHECK bool restore_journal_enter(struct restore_journal *j, enum restore_phase p,
                                      struct err *e);

/* Read the one of this name ("<id>.json"); ERR_CORRUPT unless it is as above, ERR_DENIED when
 * others than its owner could have written it. */
MUST_CHECK bool restore_journal_read(int folder_fd, const char *name, struct restore_journal *out,
                                     struct err *e);

/* Names of all in the folder, the latest first; each and the array are released with mem_free(). */
MUST_CHECK bool restore_journal_list(int folder_fd, char ***out, size_t *count, struct err *e);

#endif
