/*
 * What the listener for CFMS and the jobs that it orders agree upon.
 */
#ifndef CODEC_CFMS_TASK_H
#define CODEC_CFMS_TASK_H

#include <stdbool.h>

/* What its jobs have for a set, which none is called; one of them runs at a time. */
#define CFMS_JOB_SET ":cfms"

/* Words of a failure in the record of its run, besides those of all jobs: there is a backup of this
 * name. */
#define CFMS_FAILED_EXISTS "exists"

/* Names of backups. */
#define CFMS_NAME_MAX   200 /* bytes */
#define CFMS_NAME_CHARS "a letter or digit, then letters, digits, dots, \"-\" and \"_\""
bool cfms_name_is(const char *name);

#endif
