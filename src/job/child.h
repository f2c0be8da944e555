/*
 * Jobs as child processes.  Part of job.h.
 */
#ifndef JOB_CHILD_H
#define JOB_CHILD_H

#include "job/child_job.h"
#include "job/child_keep.h"
#include "job/child_lines.h"
#include "job/child_log.h"
#include "job/child_outcome.h"
#include "job/child_plan.h"
#include "job/child_run.h"
#include "job/reading.h"
#include "job/runner.h"

#endif
