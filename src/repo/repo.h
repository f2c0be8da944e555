/*
 * The repository: everything outside src/repo includes this header only.
 *
 * It keeps chunks (deduplicated, compressed, sealed) in packs, directories as trees of
 * chunks, and one snapshot object per backup.  The format is docs/FORMAT.md.
 *
 * Codes that callers act on: ERR_NOT_FOUND (no repository, snapshot or path), ERR_DENIED
 * (wrong password or key file), ERR_CORRUPT (damage found; the sentence names the object),
 * ERR_EXISTS, ERR_TRANSIENT, ERR_CANCELLED, ERR_USAGE (newer format, bad selector).
 *
 * Threads: a struct repo may be shared once repo_load_index() has returned, and for snapshots
 * before that; readers and batches belong to one thread each.
 */
#ifndef REPO_REPO_H
#define REPO_REPO_H

#include <pthread.h>

#include "base/buf.h"
#include "base/text.h"
#include "codec/chunker.h"
#include "codec/compress.h"
#include "codec/entry.h"
#include "codec/envelope.h"
#include "codec/hash.h"
#include "codec/parity.h"
#include "store/store.h"

struct repo;

/* Opening and keys (repo.c, keys.c) */

enum unlock_kind {
    UNLOCK_PASSPHRASE = 1,
    UNLOCK_KEY_FILE = 2,
};

/* What opens a repository: the bytes of a passphrase, or the 32 bytes of a key file. */
struct unlock {
    enum unlock_kind kind;
    struct slice secret;
    const char *agent; /* socket of the key agent that is asked before a passphrase is derived
                          from, and told afterwards (agent/agent.h); NULL: none */
};

#define KEY_SLOT_MAX    16
#define KEY_SLOT_ID_MAX 33 /* 32 hex digits and a NUL */
#define KEY_LABEL_MAX   64
#define EPOCH_MAX       1000

struct key_slot {
    char id[KEY_SLOT_ID_MAX];
    enum unlock_kind kind;
    int64_t created_ns;
    char label[KEY_LABEL_MAX + 1];
    uint32_t epoch;  /* of the master key in it; repo_epoch() but where a rotation was cut short:
                        below,  it opens nothing any more; above, nothing yet */
    bool is_current; /* the slot that opened this handle */
    bool is_damaged; /* it opens with no secret; id is right, and it can be removed */
};

/*
 * Make a repository in an empty store and open it.  The store is borrowed until
 * repo_close().  ERR_EXISTS when a config is there already, or a key beside anything but
 * keys.  The config object is written last, so a crash leaves no half repository that opens, and
 * what it leaves is no hindrance to the next.
 */
MUST_CHECK bool repo_create(struct store *s, const struct unlock *with, const char *label,
                            struct repo **out, struct err *e);

/*
 * The same, but chunks are cut and named as in another repository, so that what they hold can be
 * copied between the two (like NULL: as in no other).  Whoever can open either learns both keys.
 */
MUST_CHECK bool repo_create_like(struct store *s, const struct repo *like,
                                 const struct unlock *with, const char *label, struct repo **out,
                                 struct err *e);

/* Whether chunks are cut and named alike in both. */
bool repo_is_like(const struct repo *a, const struct repo *b);

/*
 * Open.  ERR_NOT_FOUND when the store holds no config, ERR_DENIED when no slot of this kind
 * opens with the secret, ERR_CORRUPT for damaged or hostile slots or config (a slot with
 * parameters beyond FORMAT.md is refused before anything is computed with them; other slots
 * are still tried), ERR_USAGE for a newer version.  ERR_TRANSIENT from anything that reads later:
 * the keys were rotated meanwhile, and it met what is of the new epoch; open again.
 */
MUST_CHECK bool repo_open(struct store *s, const struct unlock *with, struct repo **out,
                          struct err *e);
/* The object that was damaged or missing and read from its parity to open the repository, as in
 * "config"; NULL when all was well.  check --repair puts it back. */
const char *repo_mended(const struct repo *r);
/* Remember on this machine, in a folder of this repository that need not be there, what takes long
 * to find out: which locks are known and, unless the repository itself is to be looked at, where
 * the chunks of a large one stand.  It need not be kept and is not relied on.  Before anything else
 * is done. */
void repo_keep_in(struct repo *r, const char *folder, bool keeps_index);
void repo_close(struct repo *r); /* accepts NULL */
void repo_auto(struct repo **r);

#define REPO_ID_TEXT 33 /* 32 hexadecimal digits and a NUL */
void repo_id_text(const struct repo *r, char out[REPO_ID_TEXT]);
struct store *repo_store(struct repo *r);
/* Threads that reading is worth: as many as can compute, or wait for the store. */
int repo_threads(const struct repo *r);

/*
 * Something that waits for the store, done beside something else that does.  Where the store takes
 * one call at a time there would be nothing to gain: it is done at once then, by aside_start().
 * work may use whatever of the repository any thread may; a and arg stay until aside_end(), which
 * waits and says how it went.  AUTO(aside) waits for one that nobody ended.
 */
struct aside {
    bool (*work)(void *arg, struct err *e);
    void *arg;
    struct err why;
    bool ok, has_thread;
    pthread_t thread;
};
void aside_start(struct aside *a, struct repo *r, bool (*work)(void *arg, struct err *e),
                 void *arg);
MUST_CHECK bool aside_end(struct aside *a, struct err *e);
void aside_auto(struct aside *a);
const struct cutter *repo_cutter(const struct repo *r);
void repo_created(const struct repo *r, int64_t *created_ns);

/* Slots sorted by creation; the array is released with mem_free(). */
MUST_CHECK bool key_list(struct repo *r, struct key_slot **out, size_t *count, struct err *e);
MUST_CHECK bool key_add(struct repo *r, const struct unlock *with, const char *label,
                        struct key_slot *out, struct err *e);
/* By id or unique prefix.  ERR_USAGE for the last slot or for the current one. */
MUST_CHECK bool key_remove(struct repo *r, const char *id, struct err *e);
/* Add a slot for the new secret, then remove the current one; the handle stays open. */
MUST_CHECK bool key_passwd(struct repo *r, const struct unlock *with, struct err *e);

/*
 * Epochs of the keys (rotate.c, epochs_measure.c, reencrypt.c; docs/decisions/0069).  A repository
 * begins in epoch 1.  What is written is of the newest epoch when the repository was opened, and
 * what is of any earlier one stays readable.
 */
uint32_t repo_epoch(const struct repo *r);

struct key_rotation {
    /* What the slot in use opens with afterwards: the secret that it opens with now, or another. */
    const struct unlock *in_use;
    /* Secrets of other slots, which stay what they are.  Of a slot none of which is known the
     * secret opens nothing afterwards. */
    const struct unlock *kept;
    size_t kept_count;
    bool drops_others; /* otherwise ERR_USAGE, naming them, when there are such slots */
    bool is_dry_run;   /* write nothing, only find out what becomes of the slots */
};
struct key_rotated {
    uint32_t epoch;       /* the new one */
    size_t kept, dropped; /* slots */
};
/*
 * Begin a new epoch: a new master key, in new slots.  Cheap, and nothing is written again: what was
 * stored before can be read with the old master key until key_reencrypt() is through.  The handle
 * is of the new epoch afterwards; no other thread, reader or writer uses it meanwhile.  Others who
 * have the repository open may finish what they do, in the old epoch.
 *
 * ERR_DENIED: a secret that was given opens no slot.  ERR_TRANSIENT: somebody else rotated the keys
 * or changed slots at the same moment; nothing is changed.  Whatever fails, the repository opens
 * with the old secrets or with those that were kept; a sentence that begins with "the keys are
 * rotated" says the latter, and that something is left to be removed.
 */
MUST_CHECK bool key_rotate(struct repo *r, const struct key_rotation *o, struct key_rotated *out,
                           struct err *e);

/* Objects of one epoch. */
struct epoch_sum {
    uint32_t epoch;
    uint64_t packs, pack_bytes;
    uint64_t indexes, index_bytes;
    uint64_t trash_packs, trash_bytes; /* taken away by prune, not gone yet */
    /* Sealed records, which keep their epoch as long as they are there: of snapshots, with their
     * commits and the evidence of drills, until these are forgotten and pruned; of the parity
     * switch; and lists of collectors at work. */
    uint64_t snapshots, records, record_bytes; /* records: snapshots among them */
    size_t slots;
};
struct epochs_figures {
    uint32_t newest;
    struct epoch_sum *of; /* of epochs 1 to newest: of[0] is epoch 1; released with mem_free() */
    uint64_t unreadable;  /* objects whose header cannot be read or is damaged */
    /* What key_reencrypt() has to do: packs and index objects of past epochs. */
    uint64_t packs_left, pack_bytes_left, indexes_left;
    uint64_t trash_packs_left, trash_bytes_left, records_left, snapshots_left; /* and does not */
    size_t slots_past, slots_unfinished; /* that open nothing any more, or nothing yet */
};
/*
 * Of which epochs the objects are, by their headers.  Reads the header of each object, many beside
 * each other where the store can; none when the keys were never rotated.
 */
MUST_CHECK bool epochs_measure(struct repo *r,
                               void (*progress)(void *arg, const char *step, uint64_t done,
                                                uint64_t total),
                               void *arg, struct epochs_figures *out, struct err *e);

struct reencrypt_options {
    uint64_t max_bytes;   /* of packs to pack again in this run, at least one; 0: all */
    uint64_t round_bytes; /* of them in one round, after which old packs go; 0: a good size */
    bool keeps_locked;    /* as in struct prune_options */
    /* step "reencrypt": bytes of packs that are done, of those to do in this run; others count
     * steps. */
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *arg;
};
struct reencrypt_stats {
    uint64_t rounds, packs, bytes;             /* of past epochs, packed again or removed */
    uint64_t packs_discarded, bytes_discarded; /* of those removed, what went to the trash */
    uint64_t packs_locked;                     /* left alone because the store has them locked */
    uint64_t snapshots_removed;                /* forgotten ones, as any prune does */
    size_t slots_removed;                      /* of past epochs */
};
/*
 * Pack again what is of past epochs, and write its index anew, by the collector's protocol
 * (prune_run()), so what prune removes goes too.  In rounds: killed at any time, what earlier
 * rounds did stays done, and another run goes on.  epochs_measure() says what is left.  Drops the
 * loaded index.  Codes as prune_run(); *out is set in any case.
 */
MUST_CHECK bool key_reencrypt(struct repo *r, const struct reencrypt_options *o,
                              struct reencrypt_stats *out, struct err *e);

/* Key files: 64 hex digits and a newline (key_file.c). */
MUST_CHECK bool key_file_read(const char *path, uint8_t out[32], struct err *e);
/* Make one with mode 0600 from random bytes.  ERR_EXISTS when the path is taken. */
MUST_CHECK bool key_file_make(const char *path, uint8_t out[32], struct err *e);

/*
 * The key pair of the repository (mailbox.c): whoever knows the public key can seal bytes that only
 * an open repository reads.  Each epoch has one; this is that of the newest.
 */
void repo_recipient(const struct repo *r, struct envelope_recipient *out);
/* As envelope_open(), with the key pairs of all epochs. */
MUST_CHECK bool repo_open_envelope(const struct repo *r, struct slice envelope, struct buf *out,
                                   struct err *e);

/* Snapshots (snapshot.c) */

struct snapshot_counts {
    uint64_t files_new, files_changed, files_unmodified;
    uint64_t dirs_new, dirs_changed, dirs_unmodified;
    uint64_t data_chunks, tree_chunks;  /* new ones stored by this run */
    uint64_t bytes_added, bytes_stored; /* new plain bytes; the same as stored in packs */
    uint64_t total_files, total_bytes;  /* seen in the source */
    int64_t started_ns, ended_ns;
};

#define SNAPSHOT_CONFIGURATION_MAX ((size_t)16 << 20)
#define SNAPSHOT_JOB_MAX           ((size_t)64)

struct incomplete {
    char *path; /* path text */
    char *error;
};

/* Text members are UTF-8; paths are path text (base/text.h). */
struct snapshot {
    struct hash id; /* of the object; zero before snapshot_put() */
    int64_t time_ns, scan_started_ns;
    struct hash tree;
    char *host, *user;
    uint32_t uid, gid;
    char **paths;
    size_t path_count;
    char *set; /* NULL: ad hoc */
    /* How the set was configured, as JSON of at most SNAPSHOT_CONFIGURATION_MAX bytes; or NULL. */
    char *configuration;
    /* The job that it was made for, all of whose attempts make one snapshot; 1 to SNAPSHOT_JOB_MAX
     * bytes, or NULL. */
    char *job;
    char **tags;
    size_t tag_count;
    bool has_parent, has_prev, has_original;
    struct hash parent, prev, original; /* original: what `tag` or `copy` made this one from */
    uint8_t writer[16];
    uint64_t seq;
    char *program;
    struct incomplete *incomplete;
    size_t incomplete_count;
    struct snapshot_counts counts;
};

struct snapshot *snapshot_new(void);
void snapshot_free(struct snapshot *s); /* accepts NULL */
void snapshot_auto(struct snapshot **s);
void snapshot_add_path(struct snapshot *s, const char *path);
void snapshot_add_tag(struct snapshot *s, const char *tag);
void snapshot_add_incomplete(struct snapshot *s, const char *path, const char *error);
bool snapshot_has_tag(const struct snapshot *s, const char *tag);

enum snapshot_state {
    SNAPSHOT_COMMITTED, /* a commit and no tombstone */
    SNAPSHOT_PREPARED,  /* no commit */
    SNAPSHOT_FORGOTTEN, /* a commit and a tombstone */
};

struct snapshot_list {
    struct snapshot **items; /* oldest first */
    enum snapshot_state *states;
    size_t count;
};
void snapshot_list_done(struct snapshot_list *l);
void snapshot_list_auto(struct snapshot_list *l);

/*
 * Read the snapshots in the states of the mask (1 << enum snapshot_state, or'ed).  Objects
 * that vanish meanwhile are skipped.  A damaged one: ERR_CORRUPT naming it, unless damaged is
 * given; then it is told (id, sentence) and skipped.  A commit without its snapshot object is
 * damage.
 */
typedef void damaged_fn(void *arg, const char *key, const struct err *why);
MUST_CHECK bool snapshot_load_all(struct repo *r, unsigned mask, damaged_fn *damaged, void *arg,
                                  struct snapshot_list *out, struct err *e);

/* When the store got the commit of each, by the store's clock; out has room for all of them.
 * ERR_TRANSIENT: one is committed no more. */
MUST_CHECK bool snapshot_received(struct repo *r, const struct snapshot_list *l, int64_t *out_ns,
                                  struct err *e);

/* Read one object by its id, whatever its state. */
MUST_CHECK bool snapshot_load(struct repo *r, const struct hash *id, struct snapshot **out,
                              struct err *e);

/* Which snapshots a command means; NULL or empty members match all. */
struct snapshot_filter {
    const char *host;
    const char *set;         /* only its snapshots; NULL: all */
    bool with_uploads;       /* and what was uploaded for it; the latest only when tags are named */
    const char *const *tags; /* each "a,b": all of these tags; any of the array matches */
    size_t tag_count;
    const char *const *paths; /* path text; the snapshot has all of them */
    size_t path_count;
};
bool snapshot_matches(const struct snapshot *s, const struct snapshot_filter *f);
/* set NULL: of any. */
bool snapshot_is_of_set(const struct snapshot *s, const char *set);

/* The tag of what was uploaded for a set, with the set's name behind it: a snapshot of its own,
 * which is of no set, so that nothing takes it for a backup of one. */
#define SNAPSHOT_UPLOAD "upload:"
bool snapshot_is_upload(const struct snapshot *s, const char *set);

/* The tag of a snapshot of a set that a restore takes of the state before it. */
#define SNAPSHOT_SAFETY "safety"

/*
 * How tags of imports begin, "import:wireguard": snapshots that hold what another program backed
 * up.  One of a set is no state of the set, so nothing that follows from its backups goes by it.
 */
#define SNAPSHOT_IMPORT "import:"
bool snapshot_is_import(const struct snapshot *s);

/* The tag of a snapshot whose content anybody can have made or changed, so that who restores it is
 * told. */
#define SNAPSHOT_UNAUTHENTICATED "unauthenticated"

/*
 * Resolve "latest", an id or a unique prefix of at least 4 digits, each optionally followed
 * by ":/sub/path" (*sub is then an owned string without leading '/', else NULL).  Only
 * committed snapshots; those of sets with the tag SNAPSHOT_SAFETY, and imports, are the latest
 * only when the filter names tags.  An id has to be one of the filter's set, whatever else the
 * filter says: who may work on a set names no snapshot of another.  ERR_NOT_FOUND, ERR_USAGE when
 * ambiguous.
 */
MUST_CHECK bool snapshot_resolve(struct repo *r, const char *selector,
                                 const struct snapshot_filter *f, struct snapshot **out, char **sub,
                                 struct err *e);

/* Write the object; fills in s->id, writer, seq and prev.  It is prepared, not committed. */
MUST_CHECK bool snapshot_put(struct repo *r, struct snapshot *s, struct err *e);
/* The same in two steps.  The first fills in writer, seq and prev, after all snapshots that exist
 * now, and may be taken beside the work whose result the second writes. */
MUST_CHECK bool snapshot_number(struct repo *r, struct snapshot *s, struct err *e);
MUST_CHECK bool snapshot_put_numbered(struct repo *r, struct snapshot *s, struct err *e);
/* ERR_TRANSIENT when somebody has forgotten the prepared snapshot meanwhile. */
MUST_CHECK bool snapshot_commit(struct repo *r, const struct hash *id, struct err *e);
/* Remove a prepared snapshot that will not be committed. */
MUST_CHECK bool snapshot_withdraw(struct repo *r, const struct hash *id, struct err *e);
/* Write a tombstone; it may exist already.  The snapshot may be committed or prepared. */
MUST_CHECK bool snapshot_forget(struct repo *r, const struct hash *id, const char *reason,
                                struct err *e);
/*
 * Remove the tombstone, by id or unique prefix among forgotten ones.  ERR_NOT_FOUND when
 * there is none; ERR_TRANSIENT (tombstone left in place) while a prune is running.
 */
MUST_CHECK bool snapshot_unforget(struct repo *r, const char *id, struct hash *done, struct err *e);
/* The forgotten one of this id or unique prefix, which can be read and is of the set (NULL: of any)
 * or was uploaded for it.  ERR_NOT_FOUND. */
MUST_CHECK bool snapshot_find_forgotten(struct repo *r, const char *id, const char *set,
                                        struct hash *out, struct err *e);

/* What is known of a forgotten snapshot besides itself. */
struct forgotten {
    int64_t time_ns;        /* when it was forgotten */
    char reason[64];        /* "" when none is known */
    int64_t locked_until_s; /* until then a prune leaves it alone; 0: it may go with the next */
    bool is_going;          /* a prune that runs or was interrupted takes it away: too late */
};
/* Of each of a list of forgotten ones; out has room.  ERR_TRANSIENT: one is forgotten no more. */
MUST_CHECK bool forgotten_look(struct repo *r, const struct snapshot_list *l, struct forgotten *out,
                               struct err *e);
void snapshot_id_text(const struct hash *id, char out[65]);

/*
 * Evidence of drills (evidence.c).  json is an object with at least the members "snapshot" (its id)
 * and "time"; it stays until its snapshot is removed.
 */
MUST_CHECK bool evidence_put(struct repo *r, const struct hash *snapshot, struct slice json,
                             struct err *e);
/* Call fn for all evidence of a snapshot (NULL: of all), in no order. */
typedef bool evidence_fn(void *arg, const struct hash *snapshot, int64_t time_ns, struct slice json,
                         struct err *e);
MUST_CHECK bool evidence_each(struct repo *r, const struct hash *snapshot, evidence_fn *fn,
                              void *arg, struct err *e);

/* All that there is; a damaged piece is told (as by snapshot_load_all()) and skipped. */
struct evidence_visit {
    evidence_fn *fn;
    damaged_fn *damaged;
    void *arg; /* of both */
};
MUST_CHECK bool evidence_load_all(struct repo *r, const struct evidence_visit *v, struct err *e);

/* Retention (retention.c): pure */

struct retention {
    /* -1: keep all in this rule; 0: rule off. */
    int last, hourly, daily, weekly, monthly, yearly;
    struct duration within, within_hourly, within_daily, within_weekly, within_monthly,
        within_yearly; /* all zero: rule off */
    const char *const *keep_tags;
    size_t keep_tag_count;
};

struct keep_reasons {
    bool is_kept;
    char text[200]; /* "last snapshot, daily snapshot"; empty when not kept */
};

/*
 * Apply the rules to one group, newest first.  reasons has count members.  Semantics are
 * restic's: rules are or'ed, each keeps the newest snapshot of a period in the process's time
 * zone, periods without a snapshot do not count, "within" is measured back from the newest
 * snapshot.  The first (oldest) snapshot fills a calendar rule that is not used up.
 */
void retention_apply(const struct retention *rules, struct snapshot *const *newest_first,
                     size_t count, struct keep_reasons *reasons);
/* The same at another time than that of the clock: it is of use only to tell what lies in the
 * future. */
void retention_apply_at(const struct retention *rules, struct snapshot *const *newest_first,
                        size_t count, int64_t now_ns, struct keep_reasons *reasons);
bool retention_is_empty(const struct retention *rules);

/* Reading (index.c, reader.c, tree.c) */

/* Load the index once; later calls do nothing.  Needed before readers and writers. */
MUST_CHECK bool repo_load_index(struct repo *r, struct err *e);
/* Begin to load it beside what the caller does with snapshots meanwhile, where the store makes that
 * worth while.  repo_load_index() waits for it and says how it went. */
void repo_expect_index(struct repo *r);

enum chunk_type {
    CHUNK_DATA = 1,
    CHUNK_TREE = 2,
    CHUNK_LIST = 3,
};

/* Where a chunk stands.  Frames are numbered across the packs of the loaded index, the
 * frames of one pack in ascending order. */
struct place {
    uint32_t frame;
    uint32_t offset; /* in the plain frame */
    uint32_t size;
};
MUST_CHECK bool repo_find(struct repo *r, const struct hash *id, struct place *out);
/* Fails: a chunk is in no pack that exists.  ERR_CORRUPT, or ERR_TRANSIENT when what is kept near
 * by was damaged, which another attempt does not use. */
MUST_CHECK bool repo_err_lost(const struct repo *r, const struct hash *id, struct err *e);
/* Size of a frame when decoded. */
uint32_t repo_frame_size(struct repo *r, uint32_t frame);

struct reader;
struct reader *reader_new(struct repo *r);
void reader_free(struct reader *rd);
void reader_auto(struct reader **rd);

/*
 * The plain bytes of a frame, valid until the next call with this reader.  Authentic, but
 * the ids of its chunks are not recomputed: reader_verify() does that for one chunk.  They may
 * have been read from the store before, by any reader of this repository that is still open or was
 * beside this one.
 */
MUST_CHECK bool reader_frame(struct reader *rd, uint32_t frame, struct slice *out, struct err *e);

/*
 * These frames are going to be read, each once: what deltas among them need of others is kept when
 * it passes by (up to 64 MiB).  Each is read best when all frames up to turns[i] were, a delta
 * after those that it rests on and a plain frame in its place; deltas of the same turn in their
 * order. turns may be NULL.  Until the next call; count 0: that was all.  No reader reads
 * meanwhile.
 */
void repo_expect_frames(struct repo *r, const uint32_t *frames, size_t count, uint32_t *turns);

/*
 * Fetching frames that stand close together with one request, where the store is far away.
 * repo_may_join(): whether next, the frame needed after last, is worth being fetched with
 * [first, last].  reader_fetch_ahead(): fetch frames [first, last] of one pack; reader_frame()
 * takes them from there until the next call.  What fails shows when a frame is asked for.
 */
bool repo_may_join(struct repo *r, uint32_t first, uint32_t last, uint32_t next);
void reader_fetch_ahead(struct reader *rd, uint32_t first, uint32_t last);

/* Whether bytes are those of a chunk: their id is computed and compared with this one, or, where a
 * directory names it (zeros behind 16 bytes), with so much of it. */
MUST_CHECK bool reader_verify(struct reader *rd, enum chunk_type type, struct slice bytes,
                              const struct hash *id, struct err *e);

/* Append one chunk, verified, from whichever of its copies can be read.  ERR_CORRUPT also when
 * the index does not know it. */
MUST_CHECK bool reader_chunk(struct reader *rd, enum chunk_type type, const struct hash *id,
                             struct buf *out, struct err *e);

/* Append one chunk, verified, from this copy and no other. */
MUST_CHECK bool reader_place(struct reader *rd, enum chunk_type type, const struct hash *id,
                             const struct place *at, struct buf *out, struct err *e);

/* Append the 32-byte ids of a file's data chunks, following lists. */
MUST_CHECK bool reader_content(struct reader *rd, const struct entry *file, struct buf *ids,
                               struct err *e);

/* The entries of a directory, one page in memory at a time. */
struct tree_cursor;
MUST_CHECK bool tree_open(struct reader *rd, const struct hash *tree, struct tree_cursor **out,
                          struct err *e);
/* *more = false at the end.  The entry's slices are valid until the next call. */
MUST_CHECK bool tree_next(struct tree_cursor *c, struct entry *out, bool *more, struct err *e);
/* The page that the last entry stands in; of a directory of one page its tree. */
const struct hash *tree_page(const struct tree_cursor *c);
void tree_close(struct tree_cursor *c); /* accepts NULL */
void tree_cursor_auto(struct tree_cursor **c);

/*
 * Find a path ("a/b/c" or "/a/b/c"; "" and "/" are the root) below a tree.  *keep owns what
 * the slices of *out point at.  The root comes out as a directory with an empty name.
 */
MUST_CHECK bool tree_find(struct reader *rd, const struct hash *root, const char *path,
                          struct buf *keep, struct entry *out, struct err *e);

/* Writing (writer.c) */

struct piece {
    size_t offset, size; /* in the batch's bytes */
    enum chunk_type type;
    void *cookie;    /* the caller's */
    uint64_t number; /* the caller's */
    bool has_base;
    struct hash base; /* a chunk of this type, of the repository, that is probably much like it */
    struct hash id;   /* set before done() */
    bool is_new;      /* set before done(): not in the repository before */
};

/* Bytes of some chunks on their way to the repository. */
struct batch {
    struct buf bytes;
    struct piece *pieces;
    size_t count, room;
    void *cookie; /* the caller's */
};

/*
 * Add a chunk over bytes that b->bytes holds already.  Pieces follow each other without gaps,
 * and when the batch is submitted they cover all of b->bytes.
 */
void batch_add(struct batch *b, const struct piece *p);

/* A batch is worth submitting from this many bytes on. */
#define BATCH_BYTES ((size_t)1 << 20)

/* Called on a worker thread when all ids of a batch are known; it then owns the batch and
 * gives it back with writer_release(). */
typedef void batch_done_fn(void *arg, struct batch *b);

struct writer_options {
    int workers;      /* 0: one per processor */
    int level;        /* of level_parse(); LEVEL_AUTO: 1, and up to 9 while the store is behind */
    size_t pack_size; /* 0: 32 MiB */
    bool is_dry_run;  /* hash and look up, store nothing */
    batch_done_fn *done;
    void *arg;
};

struct writer_stats {
    uint64_t data_chunks, tree_chunks; /* new */
    uint64_t bytes_added, bytes_stored;
    uint64_t frames;
    uint64_t frames_harder;             /* of these: compressed more because the store was behind */
    uint64_t frames_verified;           /* read back and compared before upload */
    uint64_t delta_chunks, delta_bytes; /* of the chunks: stored as what differs from a base */
    uint64_t packs;
};

struct writer;
MUST_CHECK bool writer_open(struct repo *r, const struct writer_options *o, struct writer **out,
                            struct err *e);

/* An empty batch; waits while too many are under way. */
struct batch *writer_batch(struct writer *w);
void writer_release(struct writer *w, struct batch *b);

/*
 * Hand over a batch.  Takes it in any case; when the writer has failed the batch is
 * released without done() and the first failure is reported.
 */
MUST_CHECK bool writer_submit(struct writer *w, struct batch *b, struct err *e);

/* Store one tree or list chunk; the id is known on return.  base, or NULL, is one of the repository
 * that is probably much like it.  Any thread, one at a time. */
MUST_CHECK bool writer_put_tree(struct writer *w, enum chunk_type type, struct slice bytes,
                                const struct hash *base, struct hash *id, struct err *e);

/* Wait until all submitted batches have been done(), without flushing. */
MUST_CHECK bool writer_drain(struct writer *w, struct err *e);

/* Make everything durable: last frames, packs, then the index. */
MUST_CHECK bool writer_finish(struct writer *w, struct writer_stats *out, struct err *e);

/* Whether bases of pieces are made use of whenever there are some: searching for them is for
 * nothing otherwise. */
bool writer_takes_bases(const struct writer *w);

/* Moment's figures for progress. */
void writer_progress(struct writer *w, struct writer_stats *out);

/*
 * Take over content that the parent snapshot has: true when every chunk (32-byte ids) has a
 * live copy; the packs then count as deduplicated against.  False: read the file.
 */
bool writer_keep(struct writer *w, struct slice ids);

/*
 * The check between snapshot and commit (FORMAT.md, "Order of writes", 3).  *is_safe = false:
 * a pack that the snapshot needs is going away; withdraw the snapshot,
 * repo_drop_index(), and run the backup again.
 */
MUST_CHECK bool writer_confirm(struct writer *w, bool *is_safe, struct err *e);

/* Free; a writer that was not finished leaves only unreferenced packs behind. */
void writer_free(struct writer *w); /* accepts NULL */
void writer_auto(struct writer **w);

/* Whether a collector has announced packs that it is about to remove, or has died doing so. */
MUST_CHECK bool repo_is_collecting(struct repo *r, bool *out, struct err *e);

/* Forget the loaded index, so that the next repo_load_index() sees the present state. */
void repo_drop_index(struct repo *r);

/*
 * Locks that the store keeps on objects (object_locks.c; docs/decisions/0017).  What a snapshot
 * needs is locked for as long as the store's rule promises when it is committed, and again by each
 * prune_run().
 */

struct lock_stats {
    bool is_on;               /* the store has a rule */
    uint64_t asked, extended; /* objects */
};
/* What this handle has done so far. */
void repo_lock_stats(const struct repo *r, struct lock_stats *out);

/* Copying (copy.c) */

/* The id that a snapshot and its copies share: that of the first of them. */
const struct hash *snapshot_origin(const struct snapshot *s);

/* Whether both are the same state of the same thing with the same tags: one is a copy of the other,
 * or they are copies of the same. */
bool snapshot_is_copy(const struct snapshot *a, const struct snapshot *b);

enum copy_outcome {
    COPY_DONE,
    COPY_FAILED, /* damaged in the source, or gone from it */
};

struct copy_options {
    bool is_dry_run;
    int level; /* of level_parse(), for what does not move as it is stored; LEVEL_AUTO: 3 */
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    /* A snapshot was dealt with.  copy is its id in the destination (zero in a dry run); why, when
     * it failed. */
    void (*told)(void *arg, const struct snapshot *s, enum copy_outcome outcome,
                 const struct hash *copy, const struct err *why);
    void *arg;
};

struct copy_stats {
    uint64_t snapshots_copied, snapshots_present, snapshots_failed;
    uint64_t chunks, bytes;         /* that the destination lacked, plain */
    uint64_t frames, frames_stored; /* read, and their bytes as stored */
    uint64_t packs, bytes_stored;   /* written */
    bool is_source_failure;         /* the source's store ended the run, not the destination's */
};

/*
 * Copy committed snapshots of one repository into another, in the order given, without those that
 * are there.  Each is committed when all that it needs is durable in the destination and proved by
 * its ids; what is damaged in the source fails that snapshot only (out->snapshots_failed).  False,
 * with the snapshots copied until then committed, when a store fails or the run is cancelled; a
 * further run finds what was moved.  ERR_USAGE when repo_is_like() is false or both are the same
 * repository.  *out is set in any case.  Drops the loaded index of both.
 */
MUST_CHECK bool copy_run(struct repo *from, struct repo *to, struct snapshot *const *snapshots,
                         size_t count, const struct copy_options *o, struct copy_stats *out,
                         struct err *e);

/* Collecting (prune.c), checking (check.c), repairing (repair.c) */

struct prune_options {
    bool is_dry_run;
    bool only_empties_trash; /* write nothing and collect nothing: check all references, and then
                                remove what stands in the trash, however young */
    bool only_extends_locks; /* write and remove nothing: extend the locks of what snapshots need */
    bool keeps_locked;       /* leave alone what is locked: packs, and forgotten snapshots with all
                                that they need */
    uint32_t below_epoch;    /* packs and index objects of epochs before this are packed or written
                                again; 0: as they are */
    uint64_t max_unused_percent; /* packs of which more than this is unused are repacked */
    uint64_t max_repack_bytes;   /* 0: no limit; 1: repack nothing */
    int level;                   /* of level_parse(), for what is repacked; LEVEL_AUTO: 3 */
    bool recompresses; /* packs that are shorter at this level, from 1, are repacked, too; at
                          most RECOMPRESS_BYTES of them where there is no limit */
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *arg;
};

#define RECOMPRESS_BYTES ((uint64_t)4 << 30)

struct prune_stats {
    uint64_t packs_before, packs_kept, packs_repacked, packs_removed, packs_rescued;
    uint64_t bytes_before, bytes_removed, bytes_repacked, bytes_used;
    uint64_t chunks_used, chunks_unused;
    uint64_t packs_recompressed, bytes_gained; /* of those repacked, and about what it saves */
    bool has_untried;           /* there may be more that would be shorter: another run looks */
    uint64_t snapshots_removed; /* forgotten ones whose objects are gone now */

    /* Of the packs removed those that went to the trash, where they take space as before; and
     * what was removed for good, with what had been in the trash for long enough. */
    uint64_t packs_discarded, bytes_discarded, packs_freed, bytes_freed;
    uint64_t packs_in_trash, bytes_in_trash; /* afterwards */

    /* Of the packs removed those that the store keeps as older versions: they take space as before,
     * until a rule of the store's own lets them go. */
    uint64_t packs_hidden, bytes_hidden;

    /* Left alone because they are locked, though no snapshot needs them as they are; the first
     * lock to end, of packs and snapshots, in seconds since 1970 (0: none). */
    uint64_t packs_locked, bytes_locked, snapshots_locked;
    int64_t first_lock_ends_s;

    /* With below_epoch: packs of epochs before it that were there, and of them those that stay. */
    uint64_t packs_past, bytes_past, packs_past_kept, bytes_past_kept, packs_past_locked;
    uint64_t locks_asked, locks_extended;
};

/* Remove what no snapshot needs.  docs/decisions/0003, and 0013 for the trash.  Refuses
 * (ERR_CORRUPT) when any snapshot or tree cannot be read. */
MUST_CHECK bool prune_run(struct repo *r, const struct prune_options *o, struct prune_stats *out,
                          struct err *e);

enum check_fault_kind {
    CHECK_DAMAGED,  /* an object's bytes are wrong, or it is missing: data is lost */
    CHECK_LITTER,   /* harmless leftover of an interrupted run */
    CHECK_AFFECTED, /* a file or directory of a snapshot that damage reaches */
};

struct check_fault {
    enum check_fault_kind kind;
    const char *object; /* key, or the snapshot's id for CHECK_AFFECTED */
    const char *path;   /* path text, CHECK_AFFECTED only, else NULL */
    const char *sentence;
};

struct check_options {
    bool read_data;
    /* With read_data: only the packs of subset n of t (1 <= n <= t); t = 0: all. */
    uint32_t subset_n, subset_t; /* check_subset_parse() */
    double subset_percent;       /* > 0: this share of packs, chosen at random */
    uint64_t subset_bytes;       /* > 0: about this many bytes, chosen at random */
    const struct hash *suspects; /* packs to read in any case */
    size_t suspect_count;
    void (*fault)(void *arg, const struct check_fault *f); /* one thread at a time */
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *arg;
};

/* Read the data of "n/t", "x%" or a size only, as `check --read-data-subset` has them.  ERR_USAGE.
 */
MUST_CHECK bool check_subset_parse(const char *text, struct check_options *o, struct err *e);

struct check_stats {
    uint64_t snapshots, trees, chunks, packs, packs_read, bytes_read;
    uint64_t damaged_objects, affected_files, litter;
    uint64_t unprotected; /* objects without parity although it is switched on */
    bool suggest_repair_index, suggest_prune;
};

/* True with out->damaged_objects > 0 when damage was found and told; false only when the
 * check itself could not be carried out. */
MUST_CHECK bool check_run(struct repo *r, const struct check_options *o, struct check_stats *out,
                          struct err *e);

struct repair_stats {
    uint64_t packs, packs_damaged, indexes_before, indexes_after;
};
/* Make the index again from the packs themselves. */
MUST_CHECK bool repair_index(struct repo *r, damaged_fn *damaged, void *arg,
                             struct repair_stats *out, struct err *e);

/* What was done about an object that was damaged or missing. */
enum heal_source {
    HEAL_NOT,
    HEAL_PARITY,
    HEAL_REPOSITORY, /* another repository */
    HEAL_AGAIN,      /* made again from other objects */
    HEAL_TRASH,      /* what prune had taken away */
};
struct healing {
    const char *object; /* key */
    enum heal_source from;
    const char *sentence; /* how, or why not */
};
typedef void healing_fn(void *arg, const struct healing *h);
struct heal_stats {
    uint64_t healed, lost;
};
/*
 * Put back the objects of these keys, which a check told as damaged (heal.c).  What is published
 * was proved.  True also when some of them are lost; fn may be NULL.
 */
MUST_CHECK bool heal_objects(struct repo *r, const char *const *keys, size_t count, healing_fn *fn,
                             void *arg, struct heal_stats *out, struct err *e);

struct repair_packs_options {
    const struct hash *only; /* these packs; none: all */
    size_t only_count;
    struct repo *from; /* another repository, or NULL; its index is loaded when needed */
    healing_fn *told;  /* of each damaged pack; may be NULL */
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *arg;
};
struct repair_packs_stats {
    uint64_t packs, damaged; /* looked at; damaged or missing */
    uint64_t healed, left;   /* of these */
    uint64_t chunks_copied, chunks_lost;
};
/*
 * Find damaged and missing packs by their names and put them back: from parity, from the same pack
 * in the other repository, or with its chunks.  ERR_USAGE when that one names chunks differently.
 */
MUST_CHECK bool repair_packs(struct repo *r, const struct repair_packs_options *o,
                             struct repair_packs_stats *out, struct err *e);

/*
 * Parity (parity_switch.c): damaged parts of objects are worked out again from what stands beside
 * them.  docs/decisions/0012.
 */
extern const struct parity_rule parity_rule_default; /* about 3 percent of packs */

struct parity_work {
    damaged_fn *damaged; /* an object that gets no parity, for it is damaged; may be NULL */
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *arg;
};

struct parity_figures {
    bool is_on;
    bool is_damaged; /* the switch is; it counts as on with the default rule */
    struct parity_rule rule;
    uint64_t objects, bytes; /* that get parity when it is on */
    uint64_t unprotected;    /* objects that have none */
    uint64_t parity_bytes;
    uint64_t made, removed, damaged; /* by the call; damaged: got none */
};
MUST_CHECK bool parity_measure(struct repo *r, struct parity_figures *out, struct err *e);
/* Switch it on, and make what is missing or was made by another rule.  Beside backups and prunes;
 * when interrupted it is repeated. */
MUST_CHECK bool parity_enable(struct repo *r, const struct parity_rule *rule,
                              const struct parity_work *w, struct parity_figures *out,
                              struct err *e);
MUST_CHECK bool parity_disable(struct repo *r, const struct parity_work *w,
                               struct parity_figures *out, struct err *e);

struct repo_sizes {
    uint64_t packs, pack_bytes;
    uint64_t trash_packs, trash_bytes; /* taken away by prune, not gone yet */
    uint64_t index_objects, index_bytes;
    uint64_t chunks, data_chunks, tree_chunks, chunk_bytes; /* each chunk once, plain */
    uint64_t delta_chunks, delta_bytes, delta_stored; /* copies in deltas: plain, and as stored */
    uint64_t snapshots;
};
MUST_CHECK bool repo_measure(struct repo *r, struct repo_sizes *out, struct err *e);

/* Append what an object holds as readable text (JSON): documents whole, packs and index
 * parts as their directories, key slots without secrets; config without its keys. */
MUST_CHECK bool repo_inspect(struct repo *r, const char *key, struct buf *out, struct err *e);

#endif
