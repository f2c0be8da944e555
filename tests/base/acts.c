#include "base/acts.h"

#include <arpa/inet.h>
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#ifdef __SANITIZE_ADDRESS__
/* Leaks are looked for by ptrace(), which the sandbox refuses; in the tests themselves they are. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

#define PROBE "--probe-acts"

/* What the probe was told. */
static const char *top;
static int port;
static int peer; /* a process outside: the one that started it */

/* Whether a call got beyond permission. */
static bool passed(long result)
{
    return result >= 0 ||
           (errno != EPERM && errno != EACCES && errno != ENOSYS && errno != EAFNOSUPPORT);
}

static bool can_open(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    const bool is_done = passed(fd);

    if (fd >= 0)
        (void)close(fd);
    return is_done;
}

/* path_in() is for processes that Check started. */
static const char *at(const char *name)
{
    static char paths[4][200];
    static size_t next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
    return path;
}

static const char *of_peer(const char *name)
{
    static char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", peer, name);
    return path;
}

static bool can_socket(int family, int type, int protocol)
{
    const int fd = socket(family, type, protocol);
    const bool is_done = passed(fd);

    if (fd >= 0)
        (void)close(fd);
    return is_done;
}

static bool tcp(bool binds)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)(binds ? 0 : port))};
    const struct sockaddr *a = (const struct sockaddr *)&address;
    bool is_done = false;

    if (fd < 0)
        return false;
    is_done = (binds ? bind(fd, a, sizeof(address)) : connect(fd, a, sizeof(address))) == 0;
    (void)close(fd);
    return is_done;
}

static bool exec_of(const char *path)
{
    char *const argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t) "-c",
                          (char *)(uintptr_t) "exit 0", NULL};
    char *const none[] = {NULL};
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0) {
        (void)execve(path, argv, none);
        _exit(passed(-1) ? 0 : 99);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) != 99;
}

static bool unix_connect(const char *path, size_t skip)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + skip + strlen(path));
    bool is_done = false;

    if (fd < 0)
        return false;
    memcpy(address.sun_path + skip, path, strlen(path));
    is_done = connect(fd, (const struct sockaddr *)&address, size) == 0;
    (void)close(fd);
    return is_done;
}

static bool abstract_connect(void)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "acts-%d", peer);
    return unix_connect(name, 1);
}

static bool new_space(long flag)
{
    const long pid = syscall(SYS_clone, flag | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        (void)waitpid((pid_t)pid, NULL, 0);
    return passed(pid);
}

static bool write_file(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    (void)close(fd);
    (void)unlink(path);
    return true;
}

/* Back where it came from, if it went. */
static bool move(const char *from, const char *to)
{
    if (rename(at(from), at(to)) < 0)
        return passed(-1) && errno != EXDEV;
    (void)rename(at(to), at(from));
    return true;
}

/* Landlock says EXDEV of what must not change its folder. */
static bool made(int result, const char *path)
{
    const bool is_done = passed(result) && (result == 0 || errno != EXDEV);

    if (result == 0)
        (void)(unlink(path) < 0 ? rmdir(path) : 0);
    return is_done;
}

/* clang-format off */
#define ACTS(ACT) \
    ACT(read_shadow, can_open("/etc/shadow", O_RDONLY)) \
    ACT(read_outside, can_open(at("outside/kept"), O_RDONLY)) \
    ACT(read_readable, can_open(at("readable/kept"), O_RDONLY)) \
    ACT(read_inside, can_open(at("inside/kept"), O_RDONLY)) \
    ACT(list_outside, can_open(at("outside"), O_RDONLY | O_DIRECTORY)) \
    ACT(write_outside, can_open(at("outside/kept"), O_WRONLY)) \
    ACT(write_readable, can_open(at("readable/kept"), O_WRONLY)) \
    ACT(write_inside, can_open(at("inside/kept"), O_WRONLY)) \
    ACT(make_outside, write_file(at("outside/new"))) \
    ACT(make_readable, write_file(at("readable/new"))) \
    ACT(make_inside, write_file(at("inside/new"))) \
    ACT(mkdir_outside, made(mkdir(at("outside/d"), 0700), at("outside/d"))) \
    ACT(symlink_outside, made(symlink("x", at("outside/l")), at("outside/l"))) \
    ACT(fifo_outside, made(mkfifo(at("outside/f"), 0600), at("outside/f"))) \
    ACT(link_in, made(link(at("readable/kept"), at("inside/linked")), at("inside/linked"))) \
    ACT(remove_outside, passed(unlink(at("outside/absent"))) && write_file(at("outside/n2"))) \
    ACT(move_out, move("inside/kept", "outside/moved")) \
    ACT(move_in, move("outside/kept", "inside/moved")) \
    ACT(truncate_outside, passed(truncate(at("outside/kept"), 4))) \
    ACT(truncate_readable, passed(truncate(at("readable/kept"), 4))) \
    ACT(chmod_outside, passed(chmod(at("outside/kept"), 0600))) \
    ACT(chown_outside, passed(chown(at("outside/kept"), getuid(), getgid()))) \
    ACT(xattr_outside, passed(setxattr(at("outside/kept"), "user.x", "y", 1, 0))) \
    ACT(device_inside, made(mknod(at("inside/dev"), S_IFCHR | 0600, 0x103), at("inside/dev"))) \
    ACT(kernel_messages, open("/dev/kmsg", O_RDONLY | O_CLOEXEC) >= 0) \
    ACT(exec_shell, exec_of("/bin/sh")) \
    ACT(exec_inside, exec_of(at("inside/program"))) \
    ACT(tcp_connect, tcp(false)) \
    ACT(tcp_bind, tcp(true)) \
    ACT(udp_socket, can_socket(AF_INET, SOCK_DGRAM, 0)) \
    ACT(tcp6_socket, can_socket(AF_INET6, SOCK_STREAM, 0)) \
    ACT(packet_socket, can_socket(AF_PACKET, SOCK_RAW, 0)) \
    ACT(raw_socket, can_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)) \
    ACT(crypto_socket, can_socket(AF_ALG, SOCK_SEQPACKET, 0)) \
    ACT(vm_socket, can_socket(AF_VSOCK, SOCK_STREAM, 0)) \
    ACT(netlink_socket, can_socket(AF_NETLINK, SOCK_RAW, 0)) \
    ACT(unix_connect, unix_connect(at("socket"), 0)) \
    ACT(abstract_connect, abstract_connect()) \
    ACT(signal_peer, passed(kill(peer, 0))) \
    ACT(ptrace_peer, passed(ptrace(PTRACE_SEIZE, peer, NULL, NULL))) \
    ACT(environment_of_peer, can_open(of_peer("environ"), O_RDONLY)) \
    ACT(memory_of_peer, can_open(of_peer("mem"), O_RDWR)) \
    ACT(read_peer, passed(syscall(SYS_process_vm_readv, peer, NULL, 0, NULL, 0, 0))) \
    ACT(compare_peer, passed(syscall(SYS_kcmp, peer, getpid(), 99, 0, 0))) \
    ACT(limit_peer, passed(prlimit(peer, RLIMIT_NICE, NULL, &(struct rlimit){0}))) \
    ACT(take_descriptor, passed(syscall(SYS_pidfd_getfd, -1, 0, 0))) \
    ACT(bpf, passed(syscall(SYS_bpf, 0, NULL, 0))) \
    ACT(perf, passed(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))) \
    ACT(userfaultfd, passed(syscall(SYS_userfaultfd, ~0))) \
    ACT(io_uring, passed(syscall(SYS_io_uring_setup, 0, NULL))) \
    ACT(keyctl, passed(syscall(SYS_keyctl, 0, -3, 0, 0, 0))) \
    ACT(add_key, passed(syscall(SYS_add_key, NULL, NULL, NULL, 0, 0))) \
    ACT(mount, passed(syscall(SYS_mount, "none", at("absent"), "tmpfs", 0, NULL))) \
    ACT(umount, passed(umount2(at("absent"), 0))) \
    ACT(fsopen, passed(syscall(SYS_fsopen, NULL, 0))) \
    ACT(open_tree, passed(syscall(SYS_open_tree, -1, "", ~0U))) \
    ACT(unshare_user, passed(unshare(CLONE_NEWUSER))) \
    ACT(unshare_files, passed(unshare(CLONE_NEWNS))) \
    ACT(clone_space, new_space(CLONE_NEWUTS)) \
    ACT(setns, passed(setns(-1, 0))) \
    ACT(chroot, passed(chroot(at("absent")))) \
    ACT(pivot_root, passed(syscall(SYS_pivot_root, at("absent"), at("absent")))) \
    ACT(open_by_handle, passed(syscall(SYS_open_by_handle_at, -1, NULL, 0))) \
    ACT(fanotify, passed(syscall(SYS_fanotify_init, ~0U, 0))) \
    ACT(reboot, passed(syscall(SYS_reboot, 0, 0, 0, NULL))) \
    ACT(swapon, passed(syscall(SYS_swapon, at("absent"), 0))) \
    ACT(sethostname, passed(syscall(SYS_sethostname, NULL, -1))) \
    ACT(set_time, passed(syscall(SYS_clock_settime, 99, NULL))) \
    ACT(load_module, passed(syscall(SYS_init_module, NULL, 0, NULL))) \
    ACT(kexec, passed(syscall(SYS_kexec_load, 0, 999, NULL, ~0UL))) \
    ACT(quota, passed(syscall(SYS_quotactl, ~0, NULL, 0, NULL))) \
    ACT(accounting, passed(syscall(SYS_acct, at("absent")))) \
    ACT(kernel_log, passed(syscall(SYS_syslog, 10, NULL, 0))) \
    ACT(personality, passed(syscall(SYS_personality, 0))) \
    ACT(type_on_terminal, passed(ioctl(0, TIOCSTI, "x")))
/* clang-format on */

struct act {
    const char *name;
    bool (*is_done)(void);
};

#define DEFINE(name, expression) \
    static bool act_##name(void) \
    {                            \
        return expression;       \
    }
ACTS(DEFINE)

#define ROW(name, expression) {#name, act_##name},
static const struct act all[] = {ACTS(ROW)};

size_t acts_count(void)
{
    return sizeof(all) / sizeof(all[0]);
}

static void try_all(void)
{
    for (size_t i = 0; i < acts_count(); i++) {
        int status = 0;
        const pid_t pid = fork(); /* some change the process that does them */

        if (pid == 0)
            _exit(all[i].is_done() ? 0 : 1);
        /* In a parser nothing can be forked: it tries them itself, and all are refused. */
        const bool is_done = pid < 0 ? all[i].is_done()
                                     : waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
                                           WEXITSTATUS(status) == 0;

        if (is_done) {
            (void)!write(STDOUT_FILENO, all[i].name, strlen(all[i].name));
            (void)!write(STDOUT_FILENO, " ", 1);
        }
    }
}

void acts_main(int argc, char **argv)
{
    struct sandbox_profile p = {0};
    struct err e = {0};
    unsigned gaps = 0;

    if (argc < 6 || strcmp(argv[1], PROBE) != 0)
        return;
    top = argv[2];
    port = (int)strtol(argv[3], NULL, 10);
    peer = (int)strtol(argv[4], NULL, 10);
    p.may_exec = strchr(argv[5], 'x') != NULL;
    p.is_parser = strchr(argv[5], 'p') != NULL;
    if (strchr(argv[5], 'f') == NULL && !sandbox_seal(&p, &gaps, &e))
        _exit(98);
    try_all();
    (void)!write(STDOUT_FILENO, "end", 3);
    _exit(0);
}

static void listen_on(int fd, const void *address, size_t size)
{
    CHECK(fd >= 0);
    CHECK(bind(fd, address, (socklen_t)size) == 0);
    CHECK(listen(fd, 50) == 0);
}

static void listen_all(struct acts *a)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(in);
    const int named = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listen_on(a->listener, &in, sizeof(in));
    CHECK(getsockname(a->listener, (struct sockaddr *)&in, &size) == 0);
    a->port = ntohs(in.sin_port);
    a->abstract = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "acts-%d", (int)getpid());
    listen_on(a->abstract, &un,
              offsetof(struct sockaddr_un, sun_path) + 1 + strlen(un.sun_path + 1));
    un = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", acts_path(a, "socket"));
    listen_on(named, &un, sizeof(un)); /* goes with the process */
}

void acts_init(struct acts *a)
{
    static const char *const folders[] = {"outside", "readable", "inside"};

    /* Not in shared memory, which is a place of its own in some profiles. */
    (void)snprintf(a->scratch.path, sizeof(a->scratch.path), "/tmp/holdfast-acts-XXXXXX");
    CHECK(mkdtemp(a->scratch.path) != NULL);
    for (size_t i = 0; i < 3; i++) {
        CHECK(mkdir(acts_path(a, folders[i]), 0755) == 0);
        file_put_text(path_in(acts_path(a, folders[i]), "kept"), "kept");
    }
    file_put_text(acts_path(a, "inside/program"), "#!/bin/sh\n");
    CHECK(chmod(acts_path(a, "inside/program"), 0755) == 0);
    listen_all(a);
}

void acts_auto(struct acts *a)
{
    (void)close(a->listener);
    (void)close(a->abstract);
    scratch_done(&a->scratch);
}

const char *acts_path(const struct acts *a, const char *name)
{
    return path_in(a->scratch.path, name);
}

/* how: "x" may exec, "p" parser, "f" no sandbox at all. */
static void probe(const struct acts *a, const struct sandbox_profile *p, const char *how,
                  struct buf *done)
{
    AUTO(child) struct child c = CHILD_NONE;
    char port_text[16];
    char peer_text[16];
    char *argv[] = {(char *)(uintptr_t) "probe",
                    (char *)(uintptr_t)PROBE,
                    (char *)(uintptr_t)a->scratch.path,
                    port_text,
                    peer_text,
                    (char *)(uintptr_t)how,
                    NULL};
    char *none[] = {NULL};
    char *free_argv[] = {
        (char *)(uintptr_t)SANDBOX_SELF, argv[1], argv[2], argv[3], argv[4], argv[5], NULL};
    const struct sandbox_start s = {SANDBOX_SELF, argv, none, p, -1};
    const struct child_spec spec = {.argv = free_argv, .takes_errors = true};
    unsigned gaps = 0;
    size_t got = 0;

    (void)snprintf(port_text, sizeof(port_text), "%d", a->port);
    (void)snprintf(peer_text, sizeof(peer_text), "%d", (int)getpid());
    if (p != NULL)
        CHECK_OK(sandbox_start(&s, &c, &gaps, e));
    else
        CHECK_OK(child_start_with(&spec, &c, e));
    buf_append(done, " ", 1);
    CHECK_OK(fd_read(c.out_fd, buf_extend(done, 4096), 4096, &got, e));
    done->size = got + 1;
    CHECK(got >= 3 && memcmp(done->data + done->size - 3, "end", 3) == 0);
    done->size -= 3;
    CHECK_OK(child_wait(&c, e));
}

void acts_try(const struct acts *a, const struct sandbox_profile *p, struct buf *done)
{
    probe(a, p, p->is_parser ? "p" : p->may_exec ? "x" : "-", done);
}

void acts_try_free(const struct acts *a, struct buf *done)
{
    probe(a, NULL, "f", done);
}

static bool has_word(const char *words, const char *word)
{
    char one[64];
    AUTO(buf) struct buf padded = {0};

    (void)snprintf(one, sizeof(one), " %s ", word);
    buf_printf(&padded, " %s ", words);
    return strstr(buf_string(&padded), one) != NULL;
}

void acts_check(const struct acts *a, const struct sandbox_profile *p, const char *wanted)
{
    AUTO(buf) struct buf possible = {0};
    AUTO(buf) struct buf done = {0};

    acts_try_free(a, &possible);
    acts_try(a, p, &done);
    for (size_t i = 0; i < acts_count(); i++) {
        const bool is_done = has_word(buf_string(&done), all[i].name);
        const bool is_wanted =
            has_word(wanted, all[i].name) && has_word(buf_string(&possible), all[i].name);

        ck_assert_msg(!is_done || is_wanted, "%s should have been refused", all[i].name);
        ck_assert_msg(is_done || !is_wanted, "%s should have been possible", all[i].name);
    }
}
