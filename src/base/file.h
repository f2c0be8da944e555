/*
 * System calls on files, with short reads and writes, EINTR and the result of close()
 * taken care of.  Every call of the program that writes to a file system stands in
 * file.c and beneath.c.  Messages name the path given.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"

/* AUTO(fd): closes a descriptor that is not negative and ignores the result. */
void fd_auto(int *fd);

/* Close and report what close() says; *fd becomes -1 in any case. */
MUST_CHECK bool fd_close(int *fd, const char *name, struct err *e);

/* Read until size bytes or the end of the file; *got says how many. */
MUST_CHECK bool fd_read(int fd, void *to, size_t size, size_t *got, struct err *e);
MUST_CHECK bool fd_read_at(int fd, uint64_t offset, void *to, size_t size, size_t *got,
                           struct err *e);

/* Write all bytes. */
MUST_CHECK bool fd_write(int fd, struct slice bytes, struct err *e);
MUST_CHECK bool fd_write_at(int fd, uint64_t offset, struct slice bytes, struct err *e);

/* Open a file for reading. */
MUST_CHECK bool file_open(const char *path, int *fd, struct err *e);

/*
 * Map a regular file of an open directory for reading, until file_unmap().  ERR_CORRUPT for
 * anything else, ERR_NOT_FOUND.  Whoever makes the file shorter meanwhile ends this process: for
 * files that are only ever replaced.
 */
MUST_CHECK bool file_map(int dirfd, const char *name, struct slice *out, struct err *e);
void file_unmap(struct slice map); /* accepts {0} */

/* Append the whole of a file to *out.  ERR_CORRUPT when it is longer than limit. */
MUST_CHECK bool file_read(const char *path, size_t limit, struct buf *out, struct err *e);

/*
 * A directory being written to: the handle that the calls below take names against.
 * name may hold slashes; nothing below follows a symbolic link at its last component,
 * but dir_open() does: its path is the user's own.
 */
MUST_CHECK bool dir_open(const char *path, int *fd, struct err *e);

/* Make a directory and its missing parents durably (each parent is fsynced). */
MUST_CHECK bool dir_make_all(const char *path, mode_t mode, struct err *e);

/*
 * Publish bytes under dirfd/name so that they are seen whole or not at all, and are
 * durable when this returns: unnamed temporary file (or an exclusively created one named
 * tmp_name where O_TMPFILE is not supported), write, fsync, link without replacing, fsync
 * of the directory.  ERR_EXISTS when the name is taken.  After a failed fsync of the file
 * nothing is linked.  ERR_FATAL with *is_suspect = true when an fsync failed: what the disk
 * holds is unknown and the caller must not go on writing there.  *is_suspect is left alone
 * otherwise, so that one flag serves many calls.  tmp_name must be on the same file system;
 * a file of that name is litter and is replaced.  Files get mode 0600.
 */
MUST_CHECK bool file_publish(int dirfd, const char *name, const char *tmp_name, struct slice bytes,
                             bool *is_suspect, struct err *e);

/* The same, but an existing file is replaced atomically. */
MUST_CHECK bool file_publish_replace(int dirfd, const char *name, const char *tmp_name,
                                     struct slice bytes, bool *is_suspect, struct err *e);

/*
 * file_publish() in two halves, for those who publish many files at once: bytes are durable and
 * have a name when file_place() returns, but the name is durable only after a dir_sync() that began
 * later. next is asked for a name, in the directory itself, until one is free.
 */
typedef bool file_name_fn(void *arg, const char **name, struct err *e);
struct file_placing {
    int dirfd;
    const char *tmp_name; /* as of file_publish() */
    file_name_fn *next;
    void *arg;
    bool is_suspect; /* set when an fsync failed */
    bool is_full;    /* set when the file system has no room */
};
MUST_CHECK bool file_place(struct file_placing *p, struct slice bytes, struct err *e);

/*
 * file_publish() for bytes that come piece by piece: they are written to fd, and the name that
 * file_draft_link() gives, in the directory itself and not to replace anything (ERR_EXISTS), is
 * durable after a dir_sync().  What has no name by the end of the scope is gone.
 */
struct file_draft {
    int fd;               /* -1: none */
    int dirfd;            /* where tmp_name stands; borrowed */
    const char *tmp_name; /* NULL when the file has no name; borrowed */
};
#define FILE_DRAFT_NONE ((struct file_draft){-1, -1, NULL})
void file_draft_auto(struct file_draft *d);
MUST_CHECK bool file_draft_open(int dirfd, const char *tmp_name, struct file_draft *out,
                                struct err *e);
MUST_CHECK bool file_draft_link(struct file_draft *d, int dirfd, const char *name, struct err *e);

/* unlinkat(); a name that is not there counts as removed. */
MUST_CHECK bool file_remove(int dirfd, const char *name, struct err *e);
MUST_CHECK bool dir_remove(int dirfd, const char *name, struct err *e);
MUST_CHECK bool dir_sync(int dirfd, const char *name, struct err *e);

/* Make everything that was written to the file system of an open directory durable. */
MUST_CHECK bool fs_sync(int dirfd, const char *name, struct err *e);

/* fsync() of a file.  After a failure (ERR_FATAL) what the disk holds is unknown. */
MUST_CHECK bool fd_sync(int fd, const char *name, struct err *e);

/* Where large temporary files belong: $TMPDIR, else /var/tmp. */
const char *file_scratch_folder(void);

/*
 * A file for reading and writing, mode 0600, that has no name in the folder and is gone when it is
 * closed, whatever ends the process.  Where O_TMPFILE is not supported it has the name
 * ".holdfast-unnamed-UID" for a moment; one that a kill left there gives way to the next.
 */
MUST_CHECK bool file_unnamed(const char *folder, int *fd, struct err *e);

/* One that is in memory only. */
MUST_CHECK bool file_in_memory(int *fd, struct err *e);

/*
 * For restoring below a target.  Every path is resolved with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), so nothing outside root is ever reached;
 * ERR_DENIED when a path would lead there.  Names may hold slashes, but their last
 * component is a name: not empty, "." or "..".  beneath_create() makes a new file, open
 * for reading and writing; "" or "." as the path of beneath_open_dir() is root itself.
 * beneath_rename() replaces what is there.
 */
MUST_CHECK bool beneath_open_dir(int root, const char *path, int *fd, struct err *e);
MUST_CHECK bool beneath_create(int dirfd, const char *name, int *fd, struct err *e);
/* Open an existing file for reading, or for reading and writing; the caller checks which one it is.
 */
MUST_CHECK bool beneath_open(int dirfd, const char *name, int *fd, struct err *e);
MUST_CHECK bool beneath_reopen(int dirfd, const char *name, int *fd, struct err *e);
MUST_CHECK bool beneath_mkdir(int dirfd, const char *name, mode_t mode, struct err *e);
MUST_CHECK bool beneath_symlink(int dirfd, const char *name, const char *target, struct err *e);
MUST_CHECK bool beneath_mknod(int dirfd, const char *name, mode_t mode, dev_t rdev, struct err *e);
MUST_CHECK bool beneath_link(int from_dir, const char *from, int dirfd, const char *name,
                             struct err *e);
MUST_CHECK bool beneath_rename(int dirfd, const char *from, const char *to, struct err *e);

/* A name in an open directory, as the calls above take them. */
struct beneath_name {
    int dirfd;
    const char *name;
};
/* Rename on one file system.  move: ERR_EXISTS when the new name is taken.  exchange: both are
 * there and change names at one moment; ERR_USAGE where the file system cannot do that. */
MUST_CHECK bool beneath_move(const struct beneath_name *from, const struct beneath_name *to,
                             struct err *e);
MUST_CHECK bool beneath_exchange(const struct beneath_name *a, const struct beneath_name *b,
                                 struct err *e);

/* Metadata; fd forms for open files, at forms never follow a symbolic link. */
MUST_CHECK bool fd_set_size(int fd, uint64_t size, struct err *e);
MUST_CHECK bool fd_set_owner(int fd, uid_t uid, gid_t gid, struct err *e);
MUST_CHECK bool fd_set_mode(int fd, mode_t mode, struct err *e);
MUST_CHECK bool fd_set_mtime(int fd, int64_t mtime_ns, struct err *e);
MUST_CHECK bool fd_set_xattr(int fd, const char *name, struct slice value, struct err *e);
/* One that is not there, or that the file system does not know, counts as removed. */
MUST_CHECK bool fd_remove_xattr(int fd, const char *name, struct err *e);
MUST_CHECK bool at_set_owner(int dirfd, const char *name, uid_t uid, gid_t gid, struct err *e);
MUST_CHECK bool at_set_mode(int dirfd, const char *name, mode_t mode, struct err *e);
MUST_CHECK bool at_set_mtime(int dirfd, const char *name, int64_t mtime_ns, struct err *e);
MUST_CHECK bool at_set_xattr(int dirfd, const char *name, const char *xattr, struct slice value,
                             struct err *e);

/* The path without symbolic links, as far as it is there; the rest as it is written.  mem_free().
 */
char *file_resolve(const char *path);

#endif
