/*
 * The files of a PostgreSQL database in a snapshot, as its restore reads them.  Private to
 * src/job.
 */
#ifndef JOB_STORED_DATABASE_H
#define JOB_STORED_DATABASE_H

#include <pthread.h>

#include "job/job.h"

/* Streams are opened and read by several threads at a time. */
struct stored_database {
    struct repo *repo; /* with its index */
    const struct hash *tree;
    const char *path; /* of the database in it: "/postgres/shop" */
    struct postgres_files files;
    pthread_mutex_t lock; /* guards what follows */
    uint64_t opened;      /* streams so far */
    struct err failure;   /* the first time that the repository failed, not the database */
};
void stored_database_init(struct stored_database *s, struct repo *r, const struct hash *tree,
                          const char *path);
void stored_database_done(struct stored_database *s);
void stored_database_auto(struct stored_database *s);

#endif
