/*
 * Private to src/job: one attempt at a backup, shared by the sink (which sources push into)
 * and the assembler (which makes trees of what has arrived).
 *
 *     source threads: lanes cut files into chunks and fill batches
 *     writer workers: name and store the chunks, then post the batch to the assembler
 *     assembler thread: puts ids into entries, writes the tree of each directory that is
 *                       complete, up to the root
 *
 * A directory and everything in it belongs to the assembler from the moment that nothing in
 * it is expected from the source any more; pending is the assembler's alone.
 */
#ifndef JOB_BACKUP_RUN_H
#define JOB_BACKUP_RUN_H

#include <stdatomic.h>

#include "base/thread.h"
#include "job/job.h"
#include "job/moved.h"

/* What the assembler's queue carries; the first member of each tells which. */
enum message_kind {
    MESSAGE_DIRECTORY, /* struct sink_dir: complete as it is */
    MESSAGE_BATCH,     /* struct lane_batch: ids are known */
    MESSAGE_SKIP,      /* struct skip: leave an entry out */
};

enum slot_state {
    SLOT_READY,   /* the entry is complete */
    SLOT_WAITING, /* a file to be sent, a directory to be entered */
    SLOT_LEFT_OUT,
};

/* A page of a directory in the previous snapshot. */
struct page_before {
    struct hash id;
    size_t slot; /* the first in the listing whose name is not before all of its names */
};

struct sink_dir {
    enum message_kind kind;
    struct sink_dir *parent;
    size_t parent_slot;
    struct listing *listing;
    uint8_t *states;               /* enum slot_state */
    bool *had_before;              /* the previous backup has an entry of this name and type */
    struct content_before *before; /* of what is read again, or was moved; NULL: no snapshot */
    struct page_before *pages;     /* of a directory that had several, in their order */
    size_t page_count;
    size_t pending;                 /* slots that are waiting */
    struct sink_dir *newer, *older; /* all directories alive */
};

/* A file between begin() and the moment when all its chunks have ids. */
struct file_record {
    struct sink_dir *dir;
    size_t slot;
    struct buf ids;
    struct buf final;                  /* the entry as end() gave it, encoded; empty: dropped */
    uint64_t chunk_count;              /* cut so far; final once it has ended */
    uint64_t known;                    /* chunks that have ids; assembler's */
    bool has_ended;                    /* assembler's */
    struct file_record *next_ended;    /* in the same batch */
    struct file_record *newer, *older; /* all records alive */
};

struct lane_batch {
    enum message_kind kind;
    struct batch *batch;
    struct file_record *ended; /* files whose last byte is in this batch or before */
    size_t ended_count;
};

struct skip {
    enum message_kind kind;
    struct sink_dir *dir;
    size_t slot;
};

struct backup_counters {
    _Atomic uint64_t files_new, files_changed, files_unmodified;
    _Atomic uint64_t dirs_new, dirs_changed, dirs_unmodified;
    _Atomic uint64_t total_files, total_bytes; /* announced by the source */
    _Atomic uint64_t done_files, done_bytes;   /* read, or kept */
    _Atomic uint64_t rows;                     /* of the source that is being read */
    _Atomic uint64_t reused;                   /* files that a source did not read */
    _Atomic uint64_t errors;
};

struct backup_run {
    struct sink sink; /* first: sources hold a pointer to it */
    struct repo *repo;
    struct writer *writer;
    const struct report *report;
    const struct snapshot *before; /* or NULL */
    struct snapshot *snapshot;     /* receives the names of what is incomplete */
    struct backup_counters counters;
    struct queue *messages;
    pthread_t assembler;

    pthread_mutex_t moved_lock; /* guards moved while it is NULL */
    struct moved *moved;        /* all of the previous snapshot; NULL: nothing asked for it yet */

    pthread_mutex_t lock; /* guards what follows, and the report's item callbacks */
    struct sink_dir *dirs;
    struct file_record *records;
    struct err failure;
    struct buf source; /* of a set, that is being read: "postgres/shop" */
    atomic_bool has_failed;
    size_t incomplete_bytes; /* of the texts in the snapshot's list of what is incomplete */
    uint64_t unnamed;        /* what that list had no room for */

    struct hash root; /* once is_complete */
    bool is_complete;
    bool is_source_failure; /* what ended the run came from the source */
};

/* sink.c */
extern const struct sink_ops backup_sink_ops;
void backup_run_done_batch(void *arg, struct batch *b); /* a batch_done_fn */
void sink_dir_free(struct backup_run *run, struct sink_dir *d);
void file_record_free(struct backup_run *run, struct file_record *f);
void backup_run_fail(struct backup_run *run, const struct err *e);

/* backup_compare.c */
/* Find what the previous snapshot, which there is, has of a directory and its entries. */
void backup_run_compare(struct backup_run *run, struct reader *rd, struct sink_dir *d);
/* Take over the content of a file: append its ids.  False unless every chunk is still there. */
bool backup_run_keep(struct backup_run *run, struct reader *rd, const struct entry *before,
                     struct buf *ids);
/* The tree that the previous snapshot has of a directory, or of what it probably was; false: none.
 */
MUST_CHECK bool backup_run_tree_before(const struct backup_run *run, const struct sink_dir *d,
                                       struct hash *out);

/* backup_report.c */
/* action as in struct report. */
void backup_run_tell_item(struct backup_run *run, const char *action, const struct sink_dir *d,
                          size_t slot);
/* path is raw bytes. */
void backup_run_tell_error(struct backup_run *run, const char *path, const struct err *why);
/* Say in the snapshot how much its list of what is incomplete had no room for. */
void backup_run_close_list(struct backup_run *run);

/* assembler.c */
void assembler_start(struct backup_run *run);
/* After the source has ended and the writer was drained: take what is left and end. */
void assembler_finish(struct backup_run *run);

#endif
