/*
 * Putting things that were built beside others in their place, and back.
 *
 * Both are steps that a process may die in and another take up: what is at a place is known by
 * its inode, so either function may be called again at any time, whatever was done before.
 */
#ifndef JOB_SWAP_H
#define JOB_SWAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct swap {
    char *place;  /* absolute path */
    char *staged; /* absolute; what it changes names with, in a folder of ours, same file system */
    uint64_t inode;     /* what is to be at place; 0: nothing */
    uint64_t old_inode; /* what was there; 0: nothing */
};

/* {0} is a valid empty list. */
struct swap_list {
    struct swap *items;
    size_t count, room;
};
void swap_list_done(struct swap_list *l);
void swap_list_auto(struct swap_list *l);
/* Copies the paths. */
void swap_list_add(struct swap_list *l, const char *place, const char *staged, uint64_t inode,
                   uint64_t old_inode);

/*
 * Let each place have what is to be there, durably; back: what was there, the last one first.
 * After a failure, which names the place, some items are forward and some are not: call either.
 * ERR_EXISTS: at a place, or in the folder, is something else than the list knows; nothing of it
 * was touched.
 */
MUST_CHECK bool swap_forward(const struct swap_list *l, struct err *e);
MUST_CHECK bool swap_back(const struct swap_list *l, struct err *e);

/* Fails as swap_back() would for what stands where; changes nothing. */
MUST_CHECK bool swap_check_back(const struct swap_list *l, struct err *e);

#endif
