/*
 * Memory.  The only file that calls the allocator.
 *
 * Running out of memory ends the process with a sentence on standard error: the
 * repository survives that at any instant, and no caller has an error path for it.
 * Sizes that come from outside are checked against a documented limit before they
 * get here.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#define NEVER_NULL __attribute__((returns_nonnull))

/* Zeroed memory; size 0 yields a valid pointer.  Released with mem_free(). */
NEVER_NULL void *mem_new(size_t size);

/* count * size bytes, zeroed; an overflow of the product ends the process. */
NEVER_NULL void *mem_array(size_t count, size_t size);

/* Grow or shrink to count * size bytes; bytes beyond the old size are undefined. */
NEVER_NULL void *mem_resize(void *p, size_t count, size_t size);

/* A copy of size bytes, followed by one NUL byte that is not counted. */
NEVER_NULL void *mem_dup(const void *p, size_t size);

/* A copy of a string.  NULL yields NULL. */
char *mem_string(const char *s);

/* Ask the kernel to back these bytes by huge pages where it has them: one fault for 2 MiB
 * that will all be used, not 512.  A hint; the content stays. */
void mem_prefer_huge(void *p, size_t size);

/* Accepts NULL. */
void mem_free(void *p);

/* AUTO(mem) on a pointer of any type. */
void mem_auto(void *pp);

/*
 * Memory for secrets: locked against swapping where the limits allow it, left out of
 * core dumps, wiped when released.  Accepts NULL.
 */
NEVER_NULL void *mem_secret_new(size_t size);
void mem_secret_free(void *p);
void mem_secret_auto(void *pp);

/* Overwrite size bytes in a way the compiler keeps. */
void mem_wipe(void *p, size_t size);

/* End the process with "holdfast: <sentence>" on standard error: a resource that no caller
 * can do without is exhausted. */
__attribute__((noreturn)) void mem_exit(const char *sentence);

#endif
