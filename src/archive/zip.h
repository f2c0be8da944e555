/*
 * Zip files as Python's zipfile writes them (deflated or stored entries one behind the other, each
 * with its sizes in front, then the directory), and as Node's archiver does (deflated entries with
 * their sizes behind them).  Whatever two programs could read differently is refused; who unpacks a
 * file gets from here only what everybody else would see in it.
 *
 * Refused, with ERR_CORRUPT and one sentence: bytes that belong to no entry, overlaps, gaps, a
 * comment; entries that differ between the directory and their own head; encryption, parts on other
 * disks, data descriptors unless the rules take them, zip64, methods besides stored and deflated,
 * extra fields besides times and owners of Info-ZIP; links and special files; names that are not
 * printable ASCII (or UTF-8, by the rules), lead out of the folder, mean something on other
 * systems, or are there twice, also in the other case; more than the limits below; wrong sums and
 * sizes.
 */
#ifndef ARCHIVE_ZIP_H
#define ARCHIVE_ZIP_H

#include "archive/in_out.h"

#define ZIP_FILE_MAX  ((uint64_t)50 << 20)  /* bytes of the file */
#define ZIP_PLAIN_MAX ((uint64_t)100 << 20) /* bytes of all entries */
#define ZIP_COUNT_MAX 10000
#define ZIP_NAME_MAX  255
#define ZIP_DEPTH_MAX 16
#define ZIP_RATIO_MAX 100 /* of all entries to the file, beyond the first MiB of them */

/* What a program's zip files are like.  A file, an entry and the count stay below zip64's. */
struct zip_rules {
    uint64_t file_max, plain_max; /* bytes of the file, of all entries */
    unsigned count_max, ratio_max;
    bool has_descriptors; /* sums and sizes may stand behind an entry, and are written there: what
                           * is written needs no place that can be gone back to */
    bool has_utf8;        /* names may be UTF-8 without control characters */
};
extern const struct zip_rules zip_rules_python; /* the limits above, and neither */

struct zip_entry {
    char *name; /* a folder's ends with '/' */
    bool is_folder;
    bool is_deflated;
    uint32_t crc;
    uint64_t size, packed_size;
    uint64_t offset; /* of its own head in the file */
    uint64_t data;   /* of its packed bytes */
};

/* Whether a name may stand in a zip file: ERR_CORRUPT "Malicious path detected: X" as the published
 * reader says it, or another sentence. */
MUST_CHECK bool zip_name_check(const struct zip_rules *rules, struct slice name, struct err *e);

struct zip {
    struct input from;
    const struct zip_rules *rules;
    struct zip_entry *entries; /* in the file's order */
    size_t count;
};
void zip_auto(struct zip *z);

/* Read the directory and all heads, not the entries.  from and rules stay until z is
 * done with. */
MUST_CHECK bool zip_open(const struct input *from, const struct zip_rules *rules, struct zip *out,
                         struct err *e);

/* NULL when there is none of this name. */
const struct zip_entry *zip_find(const struct zip *z, const char *name);

/* The bytes of an entry.  They were handed out before the sum is known to be right. */
MUST_CHECK bool zip_read(const struct zip *z, const struct zip_entry *entry, output_fn *put,
                         void *arg, struct err *e);

/* Writing (zip_writer.c) */

struct zip_member {
    const char *name;
    int64_t time_ns; /* noted in the process's time zone, as zipfile does, with two seconds */
    struct input data;
};

/*
 * All members deflated, as files with mode 0644 of a Unix system; what was written can be opened by
 * zip_open(), whose rules hold: ERR_USAGE beyond them and for names that it would refuse.
 */
struct zip_writer;
struct zip_writer *zip_writer_new(const struct output *to, const struct zip_rules *rules);
MUST_CHECK bool zip_writer_add(struct zip_writer *w, const struct zip_member *m, struct err *e);
/* The same in steps, when the size is not known before: begin, bytes any number of times, end. */
MUST_CHECK bool zip_writer_begin(struct zip_writer *w, const char *name, int64_t time_ns,
                                 struct err *e);
MUST_CHECK bool zip_writer_bytes(struct zip_writer *w, struct slice bytes, struct err *e);
MUST_CHECK bool zip_writer_end(struct zip_writer *w, struct err *e);
MUST_CHECK bool zip_writer_finish(struct zip_writer *w, struct err *e);
void zip_writer_free(struct zip_writer *w);
void zip_writer_auto(struct zip_writer **w);

#endif
