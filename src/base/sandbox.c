/*
 * Landlock, limits and the rest of the sandbox.  Rights are named here as the kernel numbers them,
 * because Debian 12's headers end at Landlock's version 2 and the running kernel may know more.
 */
#include "base/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

/* linux/landlock.h; the version of the interface (ABI) that brought each. */
#define RIGHT_TRUNCATE  (UINT64_C(1) << 14) /* 3, Linux 6.2 */
#define RIGHT_IOCTL_DEV (UINT64_C(1) << 15) /* 5, Linux 6.10 */
#define NET_BIND_TCP    (UINT64_C(1) << 0)  /* 4, Linux 6.7 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)  /* 4 */
#define SCOPE_ABSTRACT  (UINT64_C(1) << 0)  /* 6, Linux 6.12 */
#define SCOPE_SIGNAL    (UINT64_C(1) << 1)  /* 6 */

enum {
    ABI_REFER = 2, /* Linux 5.19.  Before it no file can be linked into another folder at all,
                      which is how objects are published: such a Landlock is of no use. */
    ABI_TRUNCATE = 3,
    ABI_TCP = 4,
    ABI_IOCTL = 5,
    ABI_SCOPE = 6,
};

#define RIGHTS_LIST ((uint64_t)LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_READ (RIGHTS_LIST | LANDLOCK_ACCESS_FS_READ_FILE)
#define RIGHTS_EXEC ((uint64_t)LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define RIGHTS_WRITE                                                                              \
    (RIGHTS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |  \
     LANDLOCK_ACCESS_FS_REFER | RIGHT_TRUNCATE)
#define RIGHTS_DEVICES ((uint64_t)LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define RIGHTS_ALL     (RIGHTS_WRITE | RIGHTS_EXEC | RIGHTS_DEVICES | RIGHT_IOCTL_DEV)

/* What a rule on a file, not a directory, may say. */
#define RIGHTS_OF_FILE                                                     \
    ((uint64_t)LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)

/* struct landlock_ruleset_attr of version 6; a kernel takes as much of it as it knows, given the
 * size. */
struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

const char *sandbox_gap_text(unsigned bit)
{
    static const char *const texts[SANDBOX_GAPS] = {
        "the kernel has no Landlock (Linux 5.19), so files and programs are not restricted",
        "the kernel's Landlock (before Linux 6.2) does not keep files from being cut off",
        "the kernel's Landlock (before Linux 6.7) does not know TCP",
        "the kernel's Landlock (before Linux 6.10) does not keep from device controls",
        "the kernel's Landlock (before Linux 6.12) does not keep signals inside",
        "a network namespace of its own needs root",
        "there is no filter of system calls on this machine",
    };

    assert(bit < SANDBOX_GAPS);
    return texts[bit];
}

static size_t attr_size(int abi)
{
    if (abi < ABI_TCP)
        return offsetof(struct ruleset_attr, handled_access_net);
    return abi < ABI_SCOPE ? offsetof(struct ruleset_attr, scoped) : sizeof(struct ruleset_attr);
}

/* A ruleset being filled. */
struct ruleset {
    int fd;
    uint64_t handled;
};

static bool add_path(const struct ruleset *r, const char *path, uint64_t rights, struct err *e)
{
    AUTO(fd) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return true; /* what is not there, or out of reach anyway, cannot be used */
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(e, "%s", path);
    if (!S_ISDIR(st.st_mode))
        rights &= RIGHTS_OF_FILE;

    const struct landlock_path_beneath_attr attr = {rights & r->handled, fd};

    if (attr.allowed_access == 0)
        return true;
    return syscall(SYS_landlock_add_rule, r->fd, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) == 0 ||
           err_sys(e, "%s", path);
}

static bool add_paths(const struct ruleset *r, const char *const *paths, uint64_t rights,
                      struct err *e)
{
    for (; paths != NULL && *paths != NULL; paths++)
        if (!add_path(r, *paths, rights, e))
            return false;
    return true;
}

/* What the first execve() needs; sandbox_seal() forbids another. */
static const char *const first_program[] = {SANDBOX_SELF, "/lib64/ld-linux-x86-64.so.2",
                                            "/lib/ld-linux-aarch64.so.1", NULL};

static bool add_all(const struct ruleset *r, const struct sandbox_profile *p, struct err *e)
{
    const uint64_t writes = RIGHTS_WRITE | (p->may_set_owners ? RIGHTS_DEVICES : 0);

    return add_paths(r, p->listable, RIGHTS_LIST, e) && add_paths(r, p->readable, RIGHTS_READ, e) &&
           add_paths(r, p->writable, writes, e) &&
           add_paths(r, p->executable, RIGHTS_EXEC | RIGHTS_LIST, e) &&
           add_paths(r, first_program, RIGHTS_EXEC, e);
}

static unsigned gaps_of(int abi, const struct sandbox_profile *p)
{
    unsigned gaps = 0;

    if (abi < ABI_TRUNCATE)
        gaps |= SANDBOX_GAP_TRUNCATE;
    if (abi < ABI_TCP && p->network != SANDBOX_NETWORK_CLIENT)
        gaps |= SANDBOX_GAP_TCP;
    if (abi < ABI_IOCTL)
        gaps |= SANDBOX_GAP_DEVICES;
    if (abi < ABI_SCOPE)
        gaps |= SANDBOX_GAP_SIGNALS;
    return gaps;
}

static bool restrict_files(const struct sandbox_profile *p, unsigned *gaps, struct err *e)
{
    const int abi =
        (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset_attr attr = {.handled_access_fs = RIGHTS_ALL,
                                .scoped = SCOPE_ABSTRACT | (p->may_signal ? 0 : SCOPE_SIGNAL)};

    if (abi < ABI_REFER) {
        *gaps |= SANDBOX_GAP_FILES | gaps_of(0, p);
        return true;
    }
    *gaps |= gaps_of(abi, p);
    if (abi < ABI_TRUNCATE)
        attr.handled_access_fs &= ~RIGHT_TRUNCATE;
    if (abi < ABI_IOCTL)
        attr.handled_access_fs &= ~RIGHT_IOCTL_DEV;
    if (p->network != SANDBOX_NETWORK_CLIENT)
        attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;

    AUTO(fd) int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
    const struct ruleset r = {fd, attr.handled_access_fs};

    if (fd < 0)
        return err_sys(e, "make a Landlock ruleset");
    if (!add_all(&r, p, e))
        return err_wrap(e, "Landlock");
    return syscall(SYS_landlock_restrict_self, fd, 0) == 0 || err_sys(e, "enter Landlock");
}

/* At most as much as it is already; nothing for 0. */
static bool limit(__rlimit_resource_t resource, uint64_t value, struct err *e)
{
    struct rlimit now;

    if (value == 0)
        return true;
    if (getrlimit(resource, &now) < 0)
        return err_sys(e, "resource limits");
    if (now.rlim_max > value)
        now.rlim_max = value;
    now.rlim_cur = now.rlim_max;
    return setrlimit(resource, &now) == 0 || err_sys(e, "resource limits");
}

static bool set_limits(const struct sandbox_profile *p, struct err *e)
{
    const struct rlimit no_core = {0, 0};

    if (setrlimit(RLIMIT_CORE, &no_core) < 0)
        return err_sys(e, "resource limits");
    return limit(RLIMIT_DATA, p->memory, e) && limit(RLIMIT_AS, p->space, e) &&
           limit(RLIMIT_FSIZE, p->file_size, e) && limit(RLIMIT_CPU, p->cpu_s, e) &&
           limit(RLIMIT_NOFILE, p->open_files, e);
}

#define CAP_BIT(name) (UINT64_C(1) << CAP_##name)

/* What root keeps: reaching files of everybody, being others, ending what it started as others, and
 * keeping keys out of swap. */
static uint64_t kept_capabilities(const struct sandbox_profile *p)
{
    uint64_t kept = CAP_BIT(CHOWN) | CAP_BIT(DAC_OVERRIDE) | CAP_BIT(DAC_READ_SEARCH) |
                    CAP_BIT(FOWNER) | CAP_BIT(FSETID) | CAP_BIT(IPC_LOCK);

    if (p->is_parser)
        return 0;
    if (p->may_exec)
        kept |= CAP_BIT(SETUID) | CAP_BIT(SETGID) | CAP_BIT(KILL);
    if (p->may_exec && p->network == SANDBOX_NETWORK_CLIENT)
        kept |= CAP_BIT(NET_ADMIN) | CAP_BIT(NET_RAW); /* iptables-save */
    if (p->may_set_owners)
        kept |= CAP_BIT(MKNOD) | CAP_BIT(SETFCAP);
    if (p->keeps_admin)
        kept |= CAP_BIT(SYS_ADMIN);
    return kept;
}

static bool drop_capabilities(uint64_t kept, struct err *e)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct now[2];

    if (syscall(SYS_capget, &head, now) < 0)
        return err_sys(e, "capabilities");
    for (int n = 0; n <= CAP_LAST_CAP; n++) {
        if ((kept & UINT64_C(1) << n) != 0)
            continue;
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, n, 0, 0); /* also where it is not set */
        if ((now[0].effective & CAP_BIT(SETPCAP)) != 0 && prctl(PR_CAPBSET_DROP, n, 0, 0, 0) < 0 &&
            errno != EINVAL) /* newer than the kernel */
            return err_sys(e, "capabilities");
    }
    for (int i = 0; i < 2; i++) {
        const uint32_t half = (uint32_t)(kept >> (32 * i));

        now[i].effective &= half;
        now[i].permitted &= half;
        now[i].inheritable &= half;
    }
    return syscall(SYS_capset, &head, now) == 0 || err_sys(e, "capabilities");
}

bool sandbox_enter(const struct sandbox_profile *p, unsigned *gaps, struct err *e)
{
    unsigned found = 0;

    if (!set_limits(p, e))
        return false;
    if (p->network == SANDBOX_NETWORK_NONE && unshare(CLONE_NEWNET) < 0)
        found |= SANDBOX_GAP_NETWORK;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(e, "give up new privileges");
    if (!restrict_files(p, &found, e) || !drop_capabilities(kept_capabilities(p), e))
        return false;
    if (!sandbox_filter_enter(p)) {
        if (errno != ENOSYS && errno != EINVAL)
            return err_sys(e, "filter system calls");
        found |= SANDBOX_GAP_CALLS;
    }
    *gaps = found;
    return true;
}

bool sandbox_seal(const struct sandbox_profile *p, unsigned *gaps, struct err *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        (!p->may_exec && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
        return err_sys(e, "give up privileges");
    *gaps = 0;
    if (sandbox_filter_seal(p))
        return true;
    if (errno != ENOSYS && errno != EINVAL)
        return err_sys(e, "filter system calls");
    *gaps = SANDBOX_GAP_CALLS;
    return true;
}
