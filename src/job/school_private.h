/*
 * What the operations on backups of School ERP share.  Private to school*.c.
 */
#ifndef JOB_SCHOOL_PRIVATE_H
#define JOB_SCHOOL_PRIVATE_H

#include "archive/school.h"
#include "job/school.h"

/* A file of the folder, open for reading. */
struct school_file {
    int fd;
    struct school_backup backup;
};
void school_file_auto(struct school_file *f);

/* missing: what is said with ERR_NOT_FOUND when there is none. */
MUST_CHECK bool school_file_open(int dirfd, const char *id, const char *missing,
                                 struct school_file *out, struct err *e);

/* A reader for a file that its key opens, and the document read to its end.  Reads from the
 * beginning each time. */
MUST_CHECK bool school_reader_begin(const int *fd, const struct school_key *key,
                                    struct school_reader **out, struct err *e);
MUST_CHECK bool school_file_check(const int *fd, const struct school_key *key,
                                  struct school_facts *out, struct err *e);

/* Append {"filename":...,"size":...,"location":"LOCAL"}, and "action" unless that is NULL: of an
 * audit row. */
void school_changes(const struct school_backup *b, const char *action, struct buf *out);

/* Call fn for each name in the folder. */
typedef bool school_folder_fn(void *arg, int dirfd, const char *name, struct err *e);
MUST_CHECK bool school_folder_each(int dirfd, school_folder_fn *fn, void *arg, struct err *e);

/* As both orders have them: of the application's table number i. */
struct table_json_pick school_pick(size_t i);

#endif
