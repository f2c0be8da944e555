/*
 * Entries that are made for a backup and exist nowhere else.  Private to src/source.
 *
 * Files have mode 0600 and directories 0700: what databases hold is nobody else's business.
 * Nothing of them is ever taken from an earlier backup unread.
 */
#ifndef SOURCE_MADE_H
#define SOURCE_MADE_H

#include "source/source.h"

/* ERR_USAGE unless text can be the name of a file, at most max bytes long. */
MUST_CHECK bool made_check_name(const char *text, size_t max, struct err *e);

/* Add an entry for a file or directory to a listing; valid until the next is added. */
struct entry *made_announce(struct listing *l, const char *name, enum entry_type type,
                            int64_t now_ns);

/* The slot of a name that is in a sorted listing. */
size_t made_slot(const struct listing *l, const char *name);

/*
 * A file being sent: bytes are gathered in the lane's room.  Between begin and end the lane is
 * used for nothing else; to give up, call the sink's skip().
 */
struct made_file {
    struct sink *sink;
    struct lane *lane;
    const struct entry *announced;
    uint8_t *room; /* NULL: none taken */
    size_t used;   /* of SINK_ROOM_MAX */
    uint64_t size;
};
MUST_CHECK bool made_file_begin(struct made_file *f, struct sink *k, struct lane *n,
                                struct sink_dir *dir, const struct listing *l, size_t slot,
                                struct err *e);
MUST_CHECK bool made_file_add(struct made_file *f, struct slice bytes, struct err *e);
/* All bytes of a file.  One that cannot be read to its end: true, and *why (clear before) says so;
 * then nothing more is added. */
MUST_CHECK bool made_file_add_fd(struct made_file *f, int fd, struct err *why, struct err *e);
MUST_CHECK bool made_file_end(struct made_file *f, struct err *e);

/* A whole file from memory. */
MUST_CHECK bool made_send(struct sink *k, struct lane *n, struct sink_dir *dir,
                          const struct listing *l, const char *name, struct slice bytes,
                          struct err *e);

#endif
