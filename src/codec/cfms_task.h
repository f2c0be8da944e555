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

/* The same of an import: something stands in its way, and nothing was changed. */
#define CFMS_FAILED_INVALID "invalid"

/* A task of an import: the name of its folder, in a folder of that of the state, and what was
 * uploaded for it. */
#define CFMS_TASK_DIGITS  64 /* hexadecimal, lower case */
#define CFMS_TASK_FOLDER  "cfms"
#define CFMS_TASK_ARCHIVE "archive"
#define CFMS_TASK_KEY     "key"
bool cfms_task_is(const char *id);

/* Names of backups. */
#define CFMS_NAME_MAX   200 /* bytes */
#define CFMS_NAME_CHARS "a letter or digit, then letters, digits, dots, \"-\" and \"_\""
bool cfms_name_is(const char *name);

#endif
