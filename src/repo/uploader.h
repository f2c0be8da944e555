/*
 * Private to the writer: the threads that read packs back, store them, and collect what the
 * index has to say of them.  There are as many as the store can make use of.
 */
#ifndef REPO_UPLOADER_H
#define REPO_UPLOADER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "repo/nearby.h"
#include "repo/needed_packs.h"

/* The first thing that went wrong in any of several threads. */
struct first_failure {
    pthread_mutex_t lock; /* guards err until is_set */
    struct err err;
    atomic_bool is_set;
};
void first_failure_set(struct first_failure *f, const struct err *e);
bool first_failure_is_set(struct first_failure *f);
/* True, with *e, when there is one. */
bool first_failure_get(struct first_failure *f, struct err *e);

struct uploader {
    struct repo *repo;
    struct queue *packs;           /* finished pack builders; leave here in any case */
    struct queue *spare;           /* for them, to be used again; room for all, never closed */
    struct first_failure *failure; /* packs are not stored any more once it is set */
    struct queue *work;            /* nothing in it: there is time to read a pack back */
    atomic_bool is_finishing;      /* only the last packs are to come */
    pthread_t *threads;
    int count; /* of threads that run */
    struct aside parity;
    _Atomic uint64_t stored, bytes_stored, frames_verified;

    pthread_mutex_t lock;        /* guards what follows while threads run */
    struct index_document index; /* packs that no index object names yet */
    struct needed_packs *needed; /* hears of the packs written */
};
void uploader_start(struct uploader *u);
/* Upload what is in the queue and end the threads; does nothing the second time. */
void uploader_stop(struct uploader *u);
/* Put what the index does not say yet into it; by whoever has ended the threads. */
MUST_CHECK bool uploader_publish(struct uploader *u, struct err *e);
void uploader_done(struct uploader *u);

#endif
