/*
 * The filters of system calls, as tables.  A rule names a call, at most one of its arguments, and
 * what comes of it; the first that fits counts.  What is refused fails with EPERM, so that programs
 * can say so; nothing is killed.  Only the lower half of an argument is looked at, which is all
 * that the kernel takes of those that are named here.
 */
#include <asm/unistd.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sandbox.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* Calls of the second table of x86-64 (x32) have this bit. */
#define X32_BIT 0x40000000U

#define REFUSE  (SECCOMP_RET_ERRNO | EPERM)
#define MISSING (SECCOMP_RET_ERRNO | ENOSYS)
#define ALLOW   SECCOMP_RET_ALLOW

enum fit {
    FIT_ALWAYS,
    FIT_EQUAL, /* (argument & mask) == value */
    FIT_OTHER, /* (argument & mask) != value */
};

struct rule {
    unsigned call;
    uint32_t result;
    enum fit fit;
    unsigned argument; /* from 0 */
    uint32_t mask, value;
};

#define CALL(name) __NR_##name
#define ALL_BITS   0xffffffffU

/* Namespaces that clone() and unshare() make. */
#define CLONE_SPACES                                                                              \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

/* Refused to everybody: looking into other processes, changing the machine, and parts of the kernel
 * that no backup needs and that had many holes. */
static const struct rule always[] = {
    {CALL(ptrace), REFUSE},
    {CALL(process_vm_readv), REFUSE},
    {CALL(process_vm_writev), REFUSE},
    {CALL(process_madvise), REFUSE},
    {CALL(kcmp), REFUSE},
    {CALL(pidfd_getfd), REFUSE},
    {CALL(prlimit64), REFUSE, FIT_OTHER, 0, ALL_BITS, 0}, /* of other processes */
    {CALL(bpf), REFUSE},
    {CALL(perf_event_open), REFUSE},
    {CALL(userfaultfd), REFUSE},
    {CALL(io_uring_setup), REFUSE},
    {CALL(io_uring_enter), REFUSE},
    {CALL(io_uring_register), REFUSE},
    {CALL(keyctl), REFUSE},
    {CALL(add_key), REFUSE},
    {CALL(request_key), REFUSE},
    {CALL(mount), REFUSE},
    {CALL(umount2), REFUSE},
    {CALL(move_mount), REFUSE},
    {CALL(open_tree), REFUSE},
    {CALL(fsopen), REFUSE},
    {CALL(fsconfig), REFUSE},
    {CALL(fsmount), REFUSE},
    {CALL(fspick), REFUSE},
    {CALL(mount_setattr), REFUSE},
    {CALL(pivot_root), REFUSE},
    {CALL(chroot), REFUSE},
    {CALL(unshare), REFUSE},
    {CALL(setns), REFUSE},
    {CALL(clone), REFUSE, FIT_OTHER, 0, CLONE_SPACES, 0},
    {CALL(clone3), MISSING},           /* its flags are out of reach; libraries then take clone() */
    {CALL(open_by_handle_at), REFUSE}, /* files without their paths */
    {CALL(fanotify_init), REFUSE},
    {CALL(kexec_load), REFUSE},
    {CALL(init_module), REFUSE},
    {CALL(finit_module), REFUSE},
    {CALL(delete_module), REFUSE},
    {CALL(reboot), REFUSE},
    {CALL(swapon), REFUSE},
    {CALL(swapoff), REFUSE},
    {CALL(settimeofday), REFUSE},
    {CALL(clock_settime), REFUSE},
    {CALL(clock_adjtime), REFUSE},
    {CALL(adjtimex), REFUSE},
    {CALL(sethostname), REFUSE},
    {CALL(setdomainname), REFUSE},
    {CALL(syslog), REFUSE},
    {CALL(acct), REFUSE},
    {CALL(quotactl), REFUSE},
    {CALL(vhangup), REFUSE},
    {CALL(personality), REFUSE, FIT_OTHER, 0, ALL_BITS, ALL_BITS}, /* which only asks */
    {CALL(ioctl), REFUSE, FIT_EQUAL, 1, ALL_BITS, TIOCSTI}, /* types on somebody's terminal */
    {CALL(ioctl), REFUSE, FIT_EQUAL, 1, ALL_BITS, TIOCLINUX},
#ifdef __x86_64__
    {CALL(iopl), REFUSE},
    {CALL(ioperm), REFUSE},
    {CALL(modify_ldt), REFUSE},
    {CALL(kexec_file_load), REFUSE},
#endif
};

/* Sockets of these families, all others are refused. */
static const struct rule client_sockets[] = {
    {CALL(socket), ALLOW, FIT_EQUAL, 0, ALL_BITS, AF_UNIX},
    {CALL(socket), ALLOW, FIT_EQUAL, 0, ALL_BITS, AF_INET},
    {CALL(socket), ALLOW, FIT_EQUAL, 0, ALL_BITS, AF_INET6},
    {CALL(socket), ALLOW, FIT_EQUAL, 0, ALL_BITS, AF_NETLINK},
    {CALL(socket), REFUSE},
};
static const struct rule local_sockets[] = {
    {CALL(socket), REFUSE, FIT_OTHER, 0, ALL_BITS, AF_UNIX},
};

/* Landlock has no word on these, so that they would reach any file by its path. */
static const struct rule owners[] = {
    {CALL(fchmod), REFUSE},
    {CALL(fchown), REFUSE},
    {CALL(fsetxattr), REFUSE},
    {CALL(fremovexattr), REFUSE},
    {CALL(fchmodat), REFUSE},
    {CALL(fchownat), REFUSE},
    {CALL(setxattr), REFUSE},
    {CALL(lsetxattr), REFUSE},
    {CALL(removexattr), REFUSE},
    {CALL(lremovexattr), REFUSE},
    {CALL(mknodat), REFUSE, FIT_EQUAL, 2, S_IFMT, S_IFCHR},
    {CALL(mknodat), REFUSE, FIT_EQUAL, 2, S_IFMT, S_IFBLK},
#ifdef __x86_64__
    {CALL(chmod), REFUSE},
    {CALL(chown), REFUSE},
    {CALL(lchown), REFUSE},
    {CALL(mknod), REFUSE, FIT_EQUAL, 1, S_IFMT, S_IFCHR},
    {CALL(mknod), REFUSE, FIT_EQUAL, 1, S_IFMT, S_IFBLK},
#endif
#ifdef __NR_fchmodat2
    {CALL(fchmodat2), REFUSE},
#endif
};

static const struct rule no_exec[] = {
    {CALL(execve), REFUSE},
    {CALL(execveat), REFUSE},
};

/* All that a parser may do: bytes in, bytes out, memory that nobody executes, threads, time. */
static const struct rule parser[] = {
    {CALL(read), ALLOW},
    {CALL(readv), ALLOW},
    {CALL(pread64), ALLOW},
    {CALL(write), ALLOW},
    {CALL(writev), ALLOW},
    {CALL(close), ALLOW},
    {CALL(lseek), ALLOW},
    {CALL(fstat), ALLOW},
    {CALL(newfstatat), ALLOW, FIT_EQUAL, 3, AT_EMPTY_PATH, AT_EMPTY_PATH}, /* is fstat() */
    {CALL(fcntl), ALLOW, FIT_EQUAL, 1, ALL_BITS, F_GETFL},
    {CALL(mmap), ALLOW, FIT_EQUAL, 2, PROT_EXEC, 0},
    {CALL(mprotect), ALLOW, FIT_EQUAL, 2, PROT_EXEC, 0},
    {CALL(munmap), ALLOW},
    {CALL(mremap), ALLOW},
    {CALL(madvise), ALLOW},
    {CALL(mlock), ALLOW},
    {CALL(munlock), ALLOW},
    {CALL(brk), ALLOW},
    {CALL(futex), ALLOW},
    {CALL(clone), ALLOW, FIT_EQUAL, 0, CLONE_THREAD | CLONE_SPACES, CLONE_THREAD},
    {CALL(clone3), MISSING},
    {CALL(set_robust_list), ALLOW},
    {CALL(rseq), ALLOW},
    {CALL(rt_sigaction), ALLOW},
    {CALL(rt_sigprocmask), ALLOW},
    {CALL(rt_sigreturn), ALLOW},
    {CALL(sigaltstack), ALLOW},
    {CALL(restart_syscall), ALLOW},
    {CALL(sched_yield), ALLOW},
    {CALL(sched_getaffinity), ALLOW},
    {CALL(clock_gettime), ALLOW},
    {CALL(clock_nanosleep), ALLOW},
    {CALL(getrandom), ALLOW},
    {CALL(getpid), ALLOW},
    {CALL(gettid), ALLOW},
    {CALL(tgkill), ALLOW}, /* abort(); others are out of its reach by Landlock */
    {CALL(getuid), ALLOW},
    {CALL(geteuid), ALLOW},
    {CALL(umask), ALLOW},
    {CALL(ppoll), ALLOW},
#ifdef __x86_64__
    {CALL(poll), ALLOW},
#endif
    {CALL(prctl), ALLOW, FIT_EQUAL, 0, ALL_BITS, PR_SET_NAME},
    {CALL(ioctl), MISSING},
    {CALL(exit), ALLOW},
    {CALL(exit_group), ALLOW},
};

enum { CODE_MAX = 512 }; /* instructions; all tables together need about 300 */

struct code {
    struct sock_filter items[CODE_MAX];
    unsigned short count;
};

static void put(struct code *c, struct sock_filter instruction)
{
    assert(c->count < CODE_MAX);
    c->items[c->count++] = instruction;
}

static void put_load(struct code *c, size_t offset)
{
    put(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void put_result(struct code *c, uint32_t result)
{
    put(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, result));
}

/* The number of the call stands in the accumulator before and behind. */
static void put_rule(struct code *c, const struct rule *r)
{
    if (r->fit == FIT_ALWAYS) {
        put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, 1));
        put_result(c, r->result);
        return;
    }
    put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, 5));
    /* Both architectures are little endian: the lower half stands first. */
    put_load(c, offsetof(struct seccomp_data, args) + 8 * (size_t)r->argument);
    put(c, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->mask));
    put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->value,
                                        r->fit == FIT_EQUAL ? 0 : 1, r->fit == FIT_EQUAL ? 1 : 0));
    put_result(c, r->result);
    put_load(c, offsetof(struct seccomp_data, nr));
}

#define PUT_RULES(code, table)                                         \
    for (size_t i_ = 0; i_ < sizeof(table) / sizeof((table)[0]); i_++) \
    put_rule((code), &(table)[i_])

#ifdef ARCHITECTURE
/* Calls by another architecture's numbers do not exist. */
static void put_beginning(struct code *c)
{
    put_load(c, offsetof(struct seccomp_data, arch));
    put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    put_result(c, MISSING);
    put_load(c, offsetof(struct seccomp_data, nr));
    put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
    put_result(c, MISSING);
}

static bool install(struct code *c, uint32_t otherwise)
{
    put_result(c, otherwise);

    struct sock_fprog program = {c->count, c->items};

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
#else
static void put_beginning(struct code *c)
{
    (void)c;
}

static bool install(struct code *c, uint32_t otherwise)
{
    put_result(c, otherwise);
    errno = ENOSYS; /* numbers of calls are known for two architectures */
    return false;
}
#endif

bool sandbox_filter_enter(const struct sandbox_profile *p)
{
    struct code c = {0};

    put_beginning(&c);
    PUT_RULES(&c, always);
    if (!p->may_set_owners)
        PUT_RULES(&c, owners);
    if (p->network == SANDBOX_NETWORK_CLIENT)
        PUT_RULES(&c, client_sockets);
    else
        PUT_RULES(&c, local_sockets);
    return install(&c, ALLOW);
}

bool sandbox_filter_seal(const struct sandbox_profile *p)
{
    struct code c = {0};

    if (p->may_exec && !p->is_parser)
        return true;
    put_beginning(&c);
    if (p->is_parser)
        PUT_RULES(&c, parser);
    else
        PUT_RULES(&c, no_exec);
    return install(&c, p->is_parser ? REFUSE : ALLOW);
}
