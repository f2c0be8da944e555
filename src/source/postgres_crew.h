/*
 * Threads that share out numbered work, each with a connection of its own.  Private to src/source.
 */
#ifndef SOURCE_POSTGRES_CREW_H
#define SOURCE_POSTGRES_CREW_H

#include "source/postgres_link.h"

/* One piece of the work; called once for each number, in ascending order of their beginnings. */
typedef bool postgres_piece_of_work_fn(void *arg, struct postgres_link *l, size_t number,
                                       struct err *e);

struct postgres_crew {
    const struct postgres_address *address;
    int jobs; /* 0: processors, at most 8 */
    size_t count;
    postgres_piece_of_work_fn *fn;
    void *arg;
};

/* Do it all; the first failure stops the rest and comes back. */
MUST_CHECK bool postgres_crew_run(const struct postgres_crew *c, struct err *e);

/* How many threads that makes. */
int postgres_crew_jobs(int wanted);

#endif
