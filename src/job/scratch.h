/*
 * Folders to work in for a while.  Private to src/job.
 *
 * Each is called "holdfast-scratch-<random>" and holds a file that its owner keeps locked, so that
 * what a killed program left is known as such and removed by the next one.
 */
#ifndef JOB_SCRATCH_H
#define JOB_SCRATCH_H

#include "base/buf.h"

struct scratch_folder {
    int parent_fd, lock_fd;
    char name[48];
    char *path; /* whole, without a slash at the end */
};
#define SCRATCH_FOLDER_NONE ((struct scratch_folder){.parent_fd = -1, .lock_fd = -1})

/*
 * Make one below parent (NULL: $TMPDIR, else /var/tmp), mode 0700, after removing those there that
 * nobody owns any more.
 */
MUST_CHECK bool scratch_folder_open(const char *parent, struct scratch_folder *out, struct err *e);
/* Remove it with all that is in it. */
void scratch_folder_close(struct scratch_folder *s); /* also of SCRATCH_FOLDER_NONE */
void scratch_folder_auto(struct scratch_folder *s);

#endif
