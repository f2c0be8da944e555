/*
 * Acts that a sandbox should forbid, tried one by one by a process inside it.  Each is harmless
 * where it is allowed: most ask the kernel for what cannot be, and any answer but "not permitted"
 * counts as done.
 *
 * A test program that uses them is its own probe: its main() begins with acts_main().
 */
#ifndef BASE_ACTS_H
#define BASE_ACTS_H

#include "base/sandbox.h"
#include "support/fixture.h"

/* What they act upon. */
struct acts {
    struct scratch scratch; /* with folders outside, readable, inside, and a file "kept" in each */
    int listener;           /* TCP, on loopback */
    int port;
    int abstract; /* a Unix socket that the process "acts-PID" listens on, without a path */
};
void acts_init(struct acts *a);
void acts_auto(struct acts *a);

/* "scratch/name", valid for a while (path_in()). */
const char *acts_path(const struct acts *a, const char *name);

/* Try all acts inside the profile; *done gets the names of those that were not refused, each with a
 * blank around it. */
void acts_try(const struct acts *a, const struct sandbox_profile *p, struct buf *done);

/* The same outside of any sandbox: what can be seen to be forbidden at all. */
void acts_try_free(const struct acts *a, struct buf *done);

/* Fails the test unless exactly these acts of those that are possible here were done. */
void acts_check(const struct acts *a, const struct sandbox_profile *p, const char *wanted);

size_t acts_count(void);

/* Never returns when the program was started as a probe. */
void acts_main(int argc, char **argv);

#endif
