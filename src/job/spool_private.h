/* Private to src/job: what both halves of the spool know. */
#ifndef JOB_SPOOL_PRIVATE_H
#define JOB_SPOOL_PRIVATE_H

#include "job/spool.h"

#define SPOOL_SUFFIX ".sealed"

/* What waits in an open folder. */
MUST_CHECK bool spool_folder_list(int dirfd, struct spool_list *out, struct err *e);

#endif
