/*
 * A preloaded library that lets a disk fail under an unchanged program.
 *
 *   SHIM_CALL=write|fsync|link|remove|any   which calls count (default any):
 *       write   write, pwrite on descriptors above 2
 *       fsync   fsync, fdatasync, syncfs
 *       link    linkat, renameat, renameat2
 *       remove  unlinkat
 *   SHIM_AT=n      the n-th such call fails, counted from 1 in each process
 *   SHIM_ERRNO=e   with this number (default 5, EIO)
 *   SHIM_STICKY=1  and so does every later one
 *   SHIM_SHORT=1   writes of two bytes or more take only the first half
 *   SHIM_KILL=n    the process dies by SIGKILL at the n-th such call: a write takes its
 *                  first half before, every other call does not happen
 *   SHIM_NOTE=path  a file that is made when a call fails, since how many there are can
 *                  depend on which thread comes first
 *
 * A test can also hold it, set the variables itself and call shim_arm().
 *
 * Calls go to the kernel directly, so the library needs none of the ones it hides.
 */
#undef _FILE_OFFSET_BITS /* pwrite and pwrite64 are two names here */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/shim.h"

/* Read from the environment before main(). */
static struct {
    const char *kind;
    const char *note; /* or NULL */
    unsigned at, kill_at;
    int error;
    bool is_sticky, is_short;
} plan;

static atomic_uint calls;

/* The value of a variable, 0 when it is not set. */
static unsigned number_of(const char *name)
{
    const char *text = getenv(name);
    unsigned v = 0;

    for (; text != NULL && *text >= '0' && *text <= '9'; text++)
        v = v * 10 + (unsigned)(*text - '0');
    return v;
}

__attribute__((constructor)) void shim_arm(void)
{
    const char *kind = getenv("SHIM_CALL");
    const unsigned error = number_of("SHIM_ERRNO");

    plan.kind = kind == NULL ? "any" : kind;
    plan.note = getenv("SHIM_NOTE");
    plan.at = number_of("SHIM_AT");
    plan.kill_at = number_of("SHIM_KILL");
    plan.error = error == 0 ? EIO : (int)error;
    plan.is_sticky = number_of("SHIM_STICKY") != 0;
    plan.is_short = number_of("SHIM_SHORT") != 0;
    atomic_store(&calls, 0);
}

enum fate { PASS, FAIL, DIE };

/* Count a call of this kind and decide what becomes of it. */
static enum fate fate_of(const char *kind)
{
    if (strcmp(plan.kind, "any") != 0 && strcmp(plan.kind, kind) != 0)
        return PASS;

    const unsigned n = atomic_fetch_add(&calls, 1) + 1;

    if (n == plan.kill_at)
        return DIE;
    if (plan.at == 0 || n < plan.at || (n > plan.at && !plan.is_sticky))
        return PASS;
    if (plan.note != NULL)
        (void)syscall(SYS_close,
                      syscall(SYS_openat, AT_FDCWD, plan.note, O_CREAT | O_CLOEXEC, 0600));
    return FAIL;
}

__attribute__((noreturn)) static void die(void)
{
    for (;;)
        syscall(SYS_kill, getpid(), SIGKILL);
}

/* Whether a call without bytes happens; otherwise errno is set. */
static bool may_pass(const char *kind)
{
    const enum fate fate = fate_of(kind);

    if (fate == DIE)
        die();
    errno = fate == FAIL ? plan.error : errno;
    return fate == PASS;
}

/* write(), and pwrite() where offset is not negative. */
static ssize_t put(int fd, const void *bytes, size_t size, off_t offset)
{
    const enum fate fate = fd > STDERR_FILENO ? fate_of("write") : PASS;
    const bool is_half = fd > STDERR_FILENO && size > 1 && (plan.is_short || fate == DIE);
    const size_t part = is_half ? size / 2 : size;

    if (fate == FAIL) {
        errno = plan.error;
        return -1;
    }

    const ssize_t n = offset < 0 ? syscall(SYS_write, fd, bytes, part)
                                 : syscall(SYS_pwrite64, fd, bytes, part, offset);

    if (fate == DIE)
        die();
    return n;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return put(fd, bytes, size, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    if (offset < 0) {
        errno = EINVAL;
        return -1;
    }
    return put(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    return pwrite(fd, bytes, size, offset);
}

int fsync(int fd)
{
    return may_pass("fsync") ? (int)syscall(SYS_fsync, fd) : -1;
}

int fdatasync(int fd)
{
    return may_pass("fsync") ? (int)syscall(SYS_fdatasync, fd) : -1;
}

int syncfs(int fd)
{
    return may_pass("fsync") ? (int)syscall(SYS_syncfs, fd) : -1;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    return may_pass("link") ? (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags) : -1;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return may_pass("link") ? (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags) : -1;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

int unlinkat(int dirfd, const char *name, int flags)
{
    return may_pass("remove") ? (int)syscall(SYS_unlinkat, dirfd, name, flags) : -1;
}
