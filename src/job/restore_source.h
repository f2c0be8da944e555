/*
 * One source of a set on its way back to its place.  Private to src/job.
 *
 * What a source has to know to go on in another process stands in note, its object in the journal,
 * written before anything is made.  Each step may be taken again after a crash.
 */
#ifndef JOB_RESTORE_SOURCE_H
#define JOB_RESTORE_SOURCE_H

#include <jansson.h>

#include "job/job.h"
#include "job/restore_journal.h"

struct restore_source {
    const struct restore_source_ops *ops;
    const struct config_source *source;
    const char *id; /* of the restore */
    json_t *note;   /* borrowed from the journal */
    char *place;    /* in the snapshot, without the first '/' */

    /* Not in the way back of another process, unless it opens a repository. */
    struct repo *repo;
    const struct snapshot *snapshot, *safety; /* safety: NULL when there is none */
    const struct restore_set_options *options;
    const struct report *report;
};

struct restore_source_ops {
    /* Look what would happen; out is zeroed but for place. */
    MUST_CHECK bool (*plan)(struct restore_source *p, struct source_plan *out, struct err *e);
    /* Fill in the note: what will be made, and how it is called.  Changes nothing else. */
    MUST_CHECK bool (*begin)(struct restore_source *p, struct err *e);
    /* Prepare it beside its place and compare it with its manifest.  *what: what was prepared. */
    MUST_CHECK bool (*stage)(struct restore_source *p, struct buf *what, struct err *e);
    /* Exchange what is in place and what was prepared, unless that was done. */
    MUST_CHECK bool (*forward)(struct restore_source *p, struct err *e);
    /* Whether back() can do its work: ERR_EXISTS when something else than the restore put there
     * stands in a place by now, ERR_TRANSIENT while it is in use.  Changes nothing. */
    MUST_CHECK bool (*check_back)(struct restore_source *p, struct err *e);
    /* The other way round, unless that was done; goes on after a request to stop. */
    MUST_CHECK bool (*back)(struct restore_source *p, struct err *e);
    /* Remove what is beside the place, whichever state it is; goes on too. */
    MUST_CHECK bool (*discard)(struct restore_source *p, struct err *e);
    /* ERR_TRANSIENT while somebody uses what stands in its place, begin() having run.  NULL: that
     * is in nobody's way, or cannot be told. */
    MUST_CHECK bool (*check_idle)(struct restore_source *p, struct err *e);
};

extern const struct restore_source_ops restore_files_ops, restore_sqlite_ops, restore_postgres_ops,
    restore_command_ops, restore_bundle_ops;

/* The operations of a kind. */
const struct restore_source_ops *restore_source_ops_of(enum config_source_kind kind);

/* The place of a source in a snapshot, "postgres/shop", "bundle"; owned by the caller. */
char *restore_source_place(const struct config_source *s);

/* A text of the note; ERR_CORRUPT when it is not there. */
MUST_CHECK bool restore_source_note_text(const struct restore_source *p, const char *name,
                                         const char **out, struct err *e);
void restore_source_note_set(struct restore_source *p, const char *name, const char *text);

/* For the name of what is made beside one place of the source ("": it has one only): trees in one
 * folder and databases of one server each have their own.  16 hex digits, the same each time. */
#define RESTORE_PLACE_ID 17 /* with NUL */
void restore_place_id(const struct restore_source *p, const char *place,
                      char out[RESTORE_PLACE_ID]);

/* "3 tables, 1 row" */
void restore_put_rows(struct buf *out, uint64_t tables, uint64_t rows);

/* The sources of one restore, in the order in which they are put in place. */
struct restore_sources {
    struct restore_source *items;
    size_t count;
};
void restore_sources_auto(struct restore_sources *p);

/* Add one for a source. */
struct restore_source *restore_sources_add(struct restore_sources *p,
                                           const struct config_source *s);

/* Take the last one away again. */
void restore_sources_drop_last(struct restore_sources *p);

/* What a journal names; ERR_NOT_FOUND when the set has no such source any more. */
MUST_CHECK bool restore_sources_read(const struct restore_journal *j, const struct config_set *set,
                                     struct restore_sources *out, struct err *e);

/* Whether all of them can go back; the first that cannot fails it. */
MUST_CHECK bool restore_sources_check_back(struct restore_sources *p, struct err *e);

/* Whether nobody uses what would go. */
MUST_CHECK bool restore_sources_check_idle(struct restore_sources *p, struct err *e);

/*
 * All of them back, the last first, while the application is stopped, which it is already with
 * is_stopped.  It is started before outputs of commands go back, which its start may change, and
 * only when all else is back.  Goes on after a failure and returns the first.  True: *late is what
 * the application's stop or start failed for (ERR_NONE: both are well).
 */
MUST_CHECK bool restore_sources_back(struct restore_sources *p, const struct restore_set_options *o,
                                     bool is_stopped, struct err *late, struct err *e);
/* Remove what is beside; goes on after a failure and returns the first. */
MUST_CHECK bool restore_sources_discard(struct restore_sources *p, struct err *e);

/*
 * Bring a restore of the set that was interrupted to an end, backwards: each journal but those
 * whose restore, undo or removal is complete.  The folder is locked.  open_repo as in struct
 * restore_undo_options.
 */
MUST_CHECK bool restore_settle(const struct restore_undo_options *o, int folder_fd,
                               const struct config_set *set, struct err *e);

/* Whether restore_confirm() was called for it. */
bool restore_is_confirmed(const char *state, const char *id);

/* ERR_USAGE when a file tree holds what must not move with it: the state folder, a repository,
 * another source's place.  An SQLite database may lie in it when the tree's patterns leave it out.
 */
MUST_CHECK bool restore_places_check(const struct restore_set_options *o,
                                     const struct config_source *tree, struct err *e);

/* The manifest beside the entry. */
MUST_CHECK bool restore_source_manifest(struct restore_source *p, struct reader *rd,
                                        struct buf *out, struct err *e);

#endif
