/*
 * A backup of a database, a place for it with what others left there, and processes that put it
 * back, which may be killed at any call.
 */
#ifndef SOURCE_SQLITE_CASE_H
#define SOURCE_SQLITE_CASE_H

#include "source/sqlite_world.h"
#include "support/test.h"

/* A backup, and a folder with a database that it is to replace. */
struct world {
    struct scratch s; /* first: removed by scratch_auto() */
    char copy[100], manifest[100], target[100];
};
void world_auto(struct world *w);
/* The backup has 100 rows that add up to SUM_NEW; mode is its journal mode. */
void world_init(struct world *w, const char *mode);

enum { SUM_OLD = 6, SUM_NEW = 5050 };
/* Of the rows of a database that must be sound. */
int64_t sum_of(const char *path);

/* The names in the folder of the target, each followed by a space, in ascending order. */
const char *names_in_place(const struct world *w);

/* Have sqlite_restore_once take an action ("restore", "force", "stage", "exchange", "discard") on
 * the target: "ok", its error's code and text, or "killed". */
const char *world_run(const struct world *w, const char *action, const char *staged);

/* What a killed process leaves: a database with 3 rows that add up to SUM_OLD. */
enum left { LEFT_PLAIN, LEFT_LOG, LEFT_JOURNAL, LEFT_NOTHING, LEFT_KINDS };
void leave(const char *path, enum left kind);

/* Let the n-th call of a kind fail or kill in the processes that are started. */
void shim_set(const char *what, int n);

#endif
