/*
 * Stores through which others come in between: at one call, or at all of them.
 */
#ifndef TESTS_REPO_MEDDLE_H
#define TESTS_REPO_MEDDLE_H

#include "store/store.h"

/* A store that calls fn before a call of it, or after a put() below a prefix. */
struct meddling {
    int at;             /* before this call, counted from 0; -1: never */
    const char *prefix; /* after the first put() below it; NULL: never */
    void (*fn)(void *arg);
    void *arg;
};
struct store *meddler_new(struct store *next, const struct meddling *m);
int meddler_calls(struct store *s);

/*
 * Several actors on one store, one call at a time, in an order that follows from the seed as
 * far as each actor has one thread.
 */
struct relay;
struct relay *relay_new(size_t actors, uint64_t seed);
void relay_free(struct relay *r);
struct store *relay_store(struct relay *r, size_t actor, struct store *next);
/* The actor makes no more calls. */
void relay_leave(struct relay *r, size_t actor);

#endif
