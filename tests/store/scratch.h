/* A directory for one test, gone with its contents at the end of the scope. */
#ifndef TESTS_STORE_SCRATCH_H
#define TESTS_STORE_SCRATCH_H

#include "store/store.h"

/* The path of a new empty directory, mode 0700. */
char *scratch_new(void);

/* AUTO(scratch) */
void scratch_auto(char **path);

/* Room for the path of something inside. */
struct scratch_path {
    char text[256];
};
struct scratch_path scratch_join(const char *scratch, const char *name);

/* Write a text file. */
void scratch_write(const char *path, const char *text);

/* Make a directory a store, without retries. */
struct store *scratch_store(const char *dir);

/* How many objects a listing of everything below the prefix tells, and whether it ends well. */
bool scratch_list(struct store *s, const char *prefix, int *count, struct err *e);

/* The same for all objects; the listing must end well. */
int scratch_count(struct store *s);

/* Whether an object can be seen. */
bool scratch_has(struct store *s, const char *key);

#endif
