/*
 * Entries of a backup (file, directory, link, device ...) and the pages that hold the sorted
 * entries of one directory.  docs/FORMAT.md, "Trees".
 */
#ifndef CODEC_ENTRY_H
#define CODEC_ENTRY_H

#include "base/buf.h"
#include "codec/chunker.h"
#include "codec/hash.h"

enum entry_type {
    ENTRY_FILE = 1,
    ENTRY_DIRECTORY = 2,
    ENTRY_SYMLINK = 3,
    ENTRY_FIFO = 4,
    ENTRY_SOCKET = 5,
    ENTRY_CHARACTER_DEVICE = 6,
    ENTRY_BLOCK_DEVICE = 7,
};

enum entry_flag {
    ENTRY_FUZZY = 1,          /* changed while it was read: content may mix two states */
    ENTRY_INDIRECT = 2,       /* content names chunks of type list, which name the data chunks */
    ENTRY_UNTRUSTED_TIME = 4, /* changed too close to the scan: read again next time */
};

#define ENTRY_NAME_MAX   255
#define ENTRY_TARGET_MAX 65536
#define ENTRY_XATTR_MAX  65536             /* encoded xattrs of one entry, as buf_put_bytes pairs */
#define ENTRY_HOLES_MAX  ((size_t)1 << 20) /* encoded holes of one file */
/* Content with more chunks than this is stored as lists; bounds the size of an entry. */
#define ENTRY_DIRECT_MAX 256
#define LIST_CHUNK_IDS   32768 /* ids in a full list chunk: 1 MiB */

/*
 * One entry.  All slices are borrowed from whoever filled it in.
 */
struct entry {
    enum entry_type type;
    uint32_t flags; /* enum entry_flag */
    struct slice name;
    uint32_t mode; /* permission bits only, 07777 */
    uint32_t uid, gid;
    struct slice user, group; /* names; empty when unknown */
    int64_t mtime_ns, ctime_ns;
    uint64_t device, inode;
    uint64_t links;       /* st_nlink */
    uint64_t size;        /* file: bytes including holes; symlink: length of target */
    uint64_t rdev;        /* devices */
    struct slice target;  /* symlink */
    struct slice xattrs;  /* pairs name, value, each as by buf_put_bytes(); sorted by name */
    struct slice holes;   /* pairs varint offset, varint length; ascending, not touching */
    enum cut_kind cut;    /* file */
    struct slice content; /* file: 32-byte ids, or list ids when ENTRY_INDIRECT */
    struct hash subtree;  /* directory: id of the tree chunk */
};

/* Append the encoded form. */
void entry_encode(const struct entry *en, struct buf *out);

/*
 * Take one entry off the front of *s; slices in *out point into s.  ERR_CORRUPT for
 * anything FORMAT.md does not allow (names "." and "..", '/' or NUL in a name, ...).
 */
MUST_CHECK bool entry_decode(struct slice *s, struct entry *out, struct err *e);

/* True when metadata says that the content of now is that of before (both regular files). */
bool entry_is_unchanged(const struct entry *now, const struct entry *before);

/*
 * A page is what a tree chunk holds: either entries of a directory in order of names, or
 * the ids of the pages that together hold them.
 */
enum page_kind {
    PAGE_ENTRIES = 0,
    PAGE_PAGES = 1,
};

/* Start a page in *out (which is cleared); patch in the number of items when done. */
void page_begin(struct buf *out, enum page_kind kind);
void page_finish(struct buf *out, uint32_t count);

/* Check the head of a page; *body is left at the first item. */
MUST_CHECK bool page_open(struct slice page, enum page_kind *kind, uint32_t *count,
                          struct slice *body, struct err *e);

/*
 * Whether a page of entries ends after this entry: names decide (so that inserting one
 * name changes one page), between PAGE_ENTRIES_MIN and PAGE_ENTRIES_MAX entries and at
 * most PAGE_SIZE_MAX bytes.
 */
#define PAGE_ENTRIES_MIN 256
#define PAGE_ENTRIES_MAX 4096
#define PAGE_SIZE_MAX    ((size_t)1 << 20)
bool page_is_full(uint32_t count, size_t size, struct slice last_name);

#endif
