/*
 * Giving up rights for good, before bytes are touched that others chose: Landlock for files, TCP
 * ports, signals and abstract sockets, a seccomp filter for system calls, resource limits, fewer
 * capabilities, no new privileges, and a network namespace of its own.  docs/sandbox.md says what
 * that forbids and what not.
 *
 * Two steps, because a program cannot be forbidden to start programs before it has been started:
 * sandbox_enter() ahead of execve(), sandbox_seal() first thing after it.  Whatever one of them
 * took away, nothing gives back.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/process.h"

/* What the kernel could not do; bits, 0 when all that the profile says is in force. */
enum sandbox_gap {
    SANDBOX_GAP_FILES = 1 << 0,    /* no Landlock: files and programs are not restricted */
    SANDBOX_GAP_TRUNCATE = 1 << 1, /* files may be cut off wherever they may be opened by rights */
    SANDBOX_GAP_TCP = 1 << 2,      /* TCP is kept away by the filter of families alone */
    SANDBOX_GAP_DEVICES = 1 << 3,  /* ioctl() on devices is not restricted */
    SANDBOX_GAP_SIGNALS = 1 << 4,  /* signals and abstract sockets may leave the sandbox */
    SANDBOX_GAP_NETWORK = 1 << 5,  /* no network namespace of its own */
    SANDBOX_GAP_CALLS = 1 << 6,    /* no filter of system calls */
};
#define SANDBOX_GAPS 7

/* What a gap means, as a sentence without full stop; bit from 0 to SANDBOX_GAPS - 1. */
const char *sandbox_gap_text(unsigned bit);

enum sandbox_network {
    SANDBOX_NETWORK_NONE,   /* Unix sockets that have a path; a network namespace of its own */
    SANDBOX_NETWORK_LOCAL,  /* the same without such a namespace */
    SANDBOX_NETWORK_CLIENT, /* also TCP and UDP to anywhere, and netlink */
};

/*
 * Lists of absolute paths end with NULL, and NULL is an empty one.  A path stands for itself and
 * all that is below it; one that is not there is passed over.  They are followed as they are at the
 * moment of sandbox_enter(): what takes such a name later is not meant.
 */
struct sandbox_profile {
    const char *const *listable;   /* names may be listed */
    const char *const *readable;   /* the same, and files read */
    const char *const *writable;   /* the same, and changed, made, removed */
    const char *const *executable; /* files may be read and executed */
    enum sandbox_network network;
    bool may_exec;       /* may start programs: of executable, by sandbox_seal() */
    bool may_set_owners; /* may change owners, modes and attributes, and make devices */
    bool may_signal;     /* may send signals to processes outside */
    bool keeps_admin;    /* CAP_SYS_ADMIN stays: attributes "trusted.*" take it, and who has it
                            may look at the environment of other processes of its user */
    bool is_parser;      /* no files at all, no sockets, and a list of what is allowed instead */
    uint64_t memory;     /* bytes of data of each process; 0: no limit */
    uint64_t space;      /* bytes of address space of each process; 0: no limit */
    uint64_t file_size;  /* of each file that is written; 0: no limit */
    unsigned cpu_s;      /* of each process; 0: no limit */
    unsigned open_files; /* of each process; 0: as it was */
};

/*
 * Restrict this thread and what it will start to the profile, but for execve(): that is left to
 * executable, and to this very program, until sandbox_seal().  The thread is the only one of its
 * process.  *gaps gets the bits of what the kernel lacks.  On failure some of it may be in force:
 * the caller ends.
 */
MUST_CHECK bool sandbox_enter(const struct sandbox_profile *p, unsigned *gaps, struct err *e);

/*
 * The second step, in the program that was started: no further programs unless may_exec, the list
 * of allowed calls if is_parser, and without may_exec nobody may look into its memory unless
 * privileged: with it, what it starts does (pg_restore reads from its descriptors).  Looks at these
 * two members only.
 */
MUST_CHECK bool sandbox_seal(const struct sandbox_profile *p, unsigned *gaps, struct err *e);

/* This program, which file ever took its place since it was started. */
#define SANDBOX_SELF "/proc/self/exe"

struct sandbox_start {
    const char
        *path; /* of the program, SANDBOX_SELF in most cases; may be executed in any profile */
    char *const *argv;
    char *const *environment;
    const struct sandbox_profile *profile;
    int input_fd;        /* becomes standard input; -1: /dev/null */
    const int *extra_fd; /* becomes descriptor SANDBOX_EXTRA_FD; NULL: none */
};
#define SANDBOX_EXTRA_FD 3

/*
 * Start a program in a sandbox: in a session and group of its own, with the environment given and
 * no descriptor but standard input, the two pipes and extra_fd, killed when this process ends. This
 * process has one thread.  Fails when the sandbox or the program could not be started.
 */
MUST_CHECK bool sandbox_start(const struct sandbox_start *s, struct child *out, unsigned *gaps,
                              struct err *e);

/* Private to the files of the sandbox: the two filters.  False with errno. */
bool sandbox_filter_enter(const struct sandbox_profile *p);
bool sandbox_filter_seal(const struct sandbox_profile *p);

#endif
