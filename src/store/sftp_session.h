/*
 * Private to src/store/sftp*.c: a store behind SFTP, and what its operations share.
 *
 * Whoever asks something waits for the answer, or the link is broken: no request is under way
 * when the function that holds it returns.
 */
#ifndef STORE_SFTP_SESSION_H
#define STORE_SFTP_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/sftp.h"
#include "store/sftp_link.h"
#include "store/sftp_place.h"

enum {
    SFTP_CONNECTIONS_MAX = 16,
    SFTP_WINDOW = 64,            /* requests of one call under way at once */
    SFTP_WINDOW_BYTES = 4 << 20, /* and the bytes they carry */
    SFTP_DIR_MODE = 0700,
    SFTP_FILE_MODE = 0600,
};

/* A connection of a store, guarded by the store's lock. */
struct sftp_slot {
    struct sftp_link *link; /* NULL: none */
    int users;              /* calls under way; one while it is opened */
};

struct sftp {
    struct store store;
    struct arena arena; /* of the strings below */
    struct sftp_place place;
    const char *root; /* a path without a slash at its end, or "/" */
    char **command;   /* NULL: ssh */
    const char *args; /* for ssh, or NULL */
    int timeout_s;

    atomic_bool is_suspect;     /* an fsync failed: nothing is written any more */
    atomic_bool lacks_dir_sync; /* the server makes no directory durable */

    pthread_mutex_t lock; /* guards the members below */
    pthread_cond_t released;
    struct sftp_slot slots[SFTP_CONNECTIONS_MAX];
    int slot_count;
    char **settled; /* paths of directories known to be durable, settled_count of them */
    size_t settled_count;
};

/* One operation: a call on a connection of the store. */
struct sftp_session {
    struct sftp *sftp;
    struct sftp_slot *slot;
    struct sftp_call call;
};
MUST_CHECK bool sftp_session_begin(struct sftp_session *s, struct sftp *sftp, struct err *e);
void sftp_session_auto(struct sftp_session *s);

/* On the server: the path of an object, of a directory of them, or with "" of the root. */
char *sftp_path(const struct sftp *s, const char *key);
/* What is in front of the last slash of a path; "/" or "." where nothing is. */
char *sftp_parent(const char *path);

/* Packets: what asks something about a path, of a handle, of an extension. */
void sftp_path_packet(enum sftp_kind kind, const char *path, struct buf *packet);
void sftp_handle_packet(enum sftp_kind kind, struct slice handle, struct buf *packet);
void sftp_extended_packet(const char *name, struct buf *packet);

/* Send a packet without payload; and wait for the answer, too. */
MUST_CHECK bool sftp_send(struct sftp_session *s, struct sftp_request *r, struct buf *packet,
                          struct err *e);
MUST_CHECK bool sftp_exchange(struct sftp_session *s, struct sftp_request *r, struct buf *packet,
                              struct err *e);

/* Attributes of what stands at a path; kind is SFTP_LSTAT or, to follow links, SFTP_STAT. */
MUST_CHECK bool sftp_attributes(struct sftp_session *s, enum sftp_kind kind, const char *path,
                                struct sftp_attributes *out, struct err *e);
bool sftp_is_file(const struct sftp_attributes *a);
bool sftp_is_directory(const struct sftp_attributes *a);
/* They say the kind, size and time of a file.  ERR_FATAL otherwise. */
MUST_CHECK bool sftp_are_whole(const struct sftp_attributes *a, struct err *e);

/* Begin to open a file; the answer is a HANDLE. */
MUST_CHECK bool sftp_ask_open(struct sftp_session *s, struct sftp_request *r, const char *path,
                              enum sftp_open how, struct err *e);
/* Let go of a handle, or of a file, without waiting. */
void sftp_close_later(struct sftp_session *s, struct slice handle);
void sftp_remove_later(struct sftp_session *s, const char *path);

/* Make the bytes behind a handle durable where the server can, and close it in any case. */
MUST_CHECK bool sftp_sync_file(struct sftp_session *s, struct slice handle, struct err *e);

/*
 * A directory that is opened to be made durable, as far as the server can: begin asks, sync waits
 * and does it, drop only closes it.  One of the two follows.
 */
struct sftp_folder {
    struct sftp_request opened;
    bool is_asked;
};
MUST_CHECK bool sftp_folder_begin(struct sftp_session *s, struct sftp_folder *f, const char *path,
                                  struct err *e);
MUST_CHECK bool sftp_folder_sync(struct sftp_session *s, struct sftp_folder *f, struct err *e);
void sftp_folder_drop(struct sftp_session *s, struct sftp_folder *f);
void sftp_folder_auto(struct sftp_folder *f);

/* Make one directory unless it is there, and make its name durable. */
MUST_CHECK bool sftp_make_directory(struct sftp_session *s, const char *path, struct err *e);
/* The same for the directory that a key is in and those above it, once for a store. */
MUST_CHECK bool sftp_settle(struct sftp_session *s, const char *key, struct err *e);

MUST_CHECK bool sftp_is_sound(struct sftp *s, struct err *e);

/* Members of struct store_ops, in sftp_get.c, sftp_put.c and sftp_list.c. */
bool sftp_get(struct store *s, const char *key, uint64_t offset, size_t size, struct buf *out,
              struct err *e);
bool sftp_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
              struct err *e);
bool sftp_move(struct store *s, const char *from, const char *to, struct err *e);
bool sftp_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e);

/* Read a directory to its end, "." and ".." too; returning false ends it with *e as its error. */
typedef bool sftp_entry_fn(void *arg, const struct sftp_entry *entry, struct err *e);
MUST_CHECK bool sftp_read_directory(struct sftp_session *s, const char *path, sftp_entry_fn *fn,
                                    void *arg, struct err *e);

#endif
