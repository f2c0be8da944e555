/*
 * Where pushed bundles wait until a snapshot holds them.  Part of job.h.
 *
 * A spool is a folder, STATE/spool/SET, mode 0700:
 *
 *     recipients                    to whom bundles are sealed: a line "NAME ID KEY" for each
 *                                   repository of the set, id and public key in hex
 *     backup_....json.sealed        one bundle, an envelope (codec/envelope.h) around
 *                                   size of the note (u32) | note (bundle_note.h) | bytes as sent
 *
 * One process puts bundles there, and it needs no key of a repository; any other may list, and
 * remove what a committed snapshot holds.
 */
#ifndef JOB_SPOOL_H
#define JOB_SPOOL_H

#include "archive/bundle_note.h"
#include "codec/envelope.h"
#include "job/config.h"

/* The names of bundles are seconds; what becomes of several in one second. */
enum spool_names {
    SPOOL_EXACT,   /* the next free second, at most SPOOL_DRIFT_S ahead of the clock */
    SPOOL_COUNTED, /* a counter behind the second */
};
#define SPOOL_DRIFT_S 5

/* The form in which the published server writes is not made longer than this for an export. */
#define SPOOL_EXPORT_MAX ((size_t)64 << 20)

struct spool_options {
    const char *folder;    /* is made when it is not there */
    const char *export_to; /* a folder that also gets each bundle as the published server writes it,
                            * in plain text, folder 0700 and files 0600; or NULL */
    enum spool_names names;
    bool is_local_time; /* of the seconds; else UTC */
    bool needs_form;    /* bundle_require_form() */
    uint64_t bytes_max; /* of all that waits, as it lies there */
    uint64_t count_max;
};

/* What a set says of its spool; borrows. */
struct spool_options spool_options_from(const struct config_bundle *c);

struct spool;
/* ERR_TRANSIENT when another process puts bundles there. */
MUST_CHECK bool spool_open(const struct spool_options *o, struct spool **out, struct err *e);
void spool_close(struct spool *s); /* accepts NULL */
void spool_auto(struct spool **s);

/* Who sent a bundle; NULL, -1: not known. */
struct spool_sender {
    const char *peer, *token; /* cut to BUNDLE_SENDER_MAX; UTF-8 */
    int64_t uid;
};

struct spool_receipt {
    enum bundle_answer answer; /* also set on failure */
    struct bundle_note note;   /* with its name */
    char stamp[BUNDLE_STAMP_MAX];
};

/*
 * Keep a bundle.  True: it is sealed and durable, under a name that no other bundle has.  False: it
 * was refused or could not be stored, and out->answer says what to answer; then it may nevertheless
 * be in the spool when the failure came after it got its name.  Any thread; those that wait for the
 * disk at the same time share one fsync of the folder.  After a failed fsync nothing more is taken
 * until the spool is opened anew.  Blocks.
 */
MUST_CHECK bool spool_put(struct spool *s, struct slice bytes, const struct spool_sender *from,
                          struct spool_receipt *out, struct err *e);

/* Other processes (spool_folder.c) */

struct spool_item {
    char name[BUNDLE_NAME_MAX];
    uint64_t size; /* as it lies there */
};
struct spool_list {
    struct spool_item *items; /* ascending by name */
    size_t count;
    uint64_t bytes;
};
void spool_list_done(struct spool_list *l);
void spool_list_auto(struct spool_list *l);
/* What waits; a folder that is not there is empty. */
MUST_CHECK bool spool_list_read(const char *folder, struct spool_list *out, struct err *e);

/* Open one bundle: its note, and its bytes appended to *bytes.  ERR_NOT_FOUND when it is not there
 * or not sealed to this repository; ERR_CORRUPT. */
MUST_CHECK bool spool_read(const char *folder, const char *name, const struct repo *r,
                           struct bundle_note *note, struct buf *bytes, struct err *e);

/* Remove bundles durably; those that are gone count as removed. */
MUST_CHECK bool spool_remove(const char *folder, const char *const *names, size_t count,
                             struct err *e);

/*
 * What a backup of a set has to do with its spool (spool_source.c).  All of it does nothing for
 * sets without a source of bundles.
 *
 * Note a repository of the set, opened, among those to whom bundles are sealed.
 */
MUST_CHECK bool spool_introduce(const struct config_set *set, const struct config_repository *c,
                                const struct repo *r, struct err *e);

/* The feed of the member: what waits, and of the bundles of the set's previous snapshot in the
 * repository so many of the newest that there are keep of them. */
struct bundle_feed *spool_feed_new(const struct config_set *set, const struct config_bundle *c);

/* Let the members of a set that are about to be backed up take their bundles with, and from, this
 * repository. */
void spool_feeds_attach(const struct set *set, struct repo *r);

/* Remove from the spool what a committed snapshot holds, by what its manifest says; *removed is how
 * many.  r is a repository of the set that has the snapshot. */
MUST_CHECK bool spool_settle(const struct config_set *set, struct repo *r,
                             const struct hash *snapshot, uint64_t *removed, struct err *e);

/* To whom bundles are sealed. */
struct spool_recipient {
    char name[104]; /* of a repository in the configuration */
    struct envelope_recipient to;
};
struct spool_recipients {
    struct spool_recipient *items;
    size_t count;
};
void spool_recipients_auto(struct spool_recipients *l);
/* An absent file means none.  ERR_CORRUPT with the line. */
MUST_CHECK bool spool_recipients_read(const char *folder, struct spool_recipients *out,
                                      struct err *e);
/* Write the file, and make the folder, unless it says so already. */
MUST_CHECK bool spool_recipients_write(const char *folder, const struct spool_recipient *items,
                                       size_t count, struct err *e);

#endif
