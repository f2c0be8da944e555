#include "base/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/acts.h"
#include "base/file.h"
#include "base/mem.h"

static int acts_tests(void);
static int probe(int argc, char **argv);
int main(int argc, char **argv)
{
    acts_main(argc, argv);
    return argc > 1 ? probe(argc, argv) : acts_tests();
}

/* What every program takes that is linked with libraries. */
#define SYSTEM "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc"

struct world {
    struct acts acts;
    const char *readable[8], *writable[3], *executable[5];
    struct sandbox_profile profile;
};

static void world_init(struct world *w)
{
    static const char *const system_paths[] = {SYSTEM};
    static const char *const programs[] = {"/usr", "/lib", "/lib64", "/bin"};

    *w = (struct world){0};
    acts_init(&w->acts);
    memcpy(w->readable, system_paths, sizeof(system_paths));
    w->readable[5] = mem_string(acts_path(&w->acts, "readable"));
    w->writable[0] = mem_string(acts_path(&w->acts, "inside"));
    memcpy(w->executable, programs, sizeof(programs));
    w->profile.readable = w->readable;
    w->profile.writable = w->writable;
}

static void world_auto(struct world *w)
{
    mem_free((char *)(uintptr_t)w->readable[5]);
    mem_free((char *)(uintptr_t)w->writable[0]);
    acts_auto(&w->acts);
}

#define FILES " read_readable read_inside write_inside make_inside unix_connect "

TEST(most_acts_are_possible_without_a_sandbox)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf done = {0};
    size_t count = 0;

    world_init(&w);
    acts_try_free(&w.acts, &done);
    for (size_t i = 0; i < done.size; i++)
        count += done.data[i] == ' ';
    CHECK(acts_count() >= 70);
    if (geteuid() == 0)
        ck_assert_uint_ge(count, 60);
}
END

TEST(a_profile_without_anything_leaves_its_files_and_named_sockets)
{
    AUTO(world) struct world w;

    world_init(&w);
    acts_check(&w.acts, &w.profile, FILES);
}
END

TEST(a_client_gets_sockets_and_nothing_else_besides)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.profile.network = SANDBOX_NETWORK_CLIENT;
    acts_check(&w.acts, &w.profile,
               FILES "tcp_connect tcp_bind udp_socket tcp6_socket netlink_socket");
}
END

TEST(programs_run_from_where_they_may_and_not_from_where_files_are_written)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.profile.executable = w.executable;
    w.profile.may_exec = true;
    acts_check(&w.acts, &w.profile, FILES "exec_shell");
}
END

TEST(owners_and_devices_are_for_those_who_restore)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.profile.may_set_owners = true;
    acts_check(&w.acts, &w.profile,
               FILES "chmod_outside chown_outside xattr_outside device_inside");
}
END

TEST(a_parser_gets_nothing_at_all)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.profile = (struct sandbox_profile){.readable = (const char *const[]){SYSTEM, NULL},
                                         .is_parser = true};
    acts_check(&w.acts, &w.profile, "");
}
END

/* Start this program as a probe that does what. */
static void start(const struct sandbox_profile *p, const char *what, struct child *c)
{
    char *argv[] = {(char *)(uintptr_t) "probe", (char *)(uintptr_t)what, NULL};
    char *environment[] = {(char *)(uintptr_t) "ONLY=this", NULL};
    const struct sandbox_start s = {SANDBOX_SELF, argv, environment, p, -1};
    unsigned gaps = 0;

    CHECK_OK(sandbox_start(&s, c, &gaps, e));
}

static void run(const struct sandbox_profile *p, const char *what, const char *wanted)
{
    AUTO(child) struct child c = CHILD_NONE;
    char text[4096] = {0};
    size_t got = 0;

    start(p, what, &c);
    CHECK_OK(fd_read(c.out_fd, text, sizeof(text) - 1, &got, e));
    ck_assert_str_eq(text, wanted);
}

static int probe(int argc, char **argv)
{
    extern char **environ;

    if (argc != 2)
        return 1;
    if (strcmp(argv[1], "sleep") == 0)
        return pause();
    if (strcmp(argv[1], "environment") == 0)
        for (char **one = environ; *one != NULL; one++)
            (void)printf("%s\n", *one);
    if (strcmp(argv[1], "descriptors") == 0)
        for (int fd = 0; fd < 1024; fd++)
            if (fcntl(fd, F_GETFD) >= 0)
                (void)printf("%d\n", fd);
    if (strcmp(argv[1], "standing") == 0) {
        struct rlimit core;
        struct rlimit files;
        int death = 0;

        if (getrlimit(RLIMIT_CORE, &core) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0 ||
            prctl(PR_GET_PDEATHSIG, &death) != 0)
            return 1;
        (void)printf("core %d files %d death %d new %d session %d\n", (int)core.rlim_max,
                     (int)files.rlim_max, death, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
                     getsid(0) == getpid());
    }
    if (strcmp(argv[1], "memory") == 0)
        (void)printf("%d\n", calloc(64, 1 << 20) != NULL);
    return 0;
}

TEST(a_child_has_the_environment_that_was_given)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(setenv("CANARY", "secret", 1) == 0);
    run(&w.profile, "environment", "ONLY=this\n");
}
END

TEST(a_child_has_three_descriptors)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(dup(1) > 2); /* one without close-on-exec */
    run(&w.profile, "descriptors", "0\n1\n2\n");
}
END

TEST(a_child_may_have_one_descriptor_more)
{
    AUTO(world) struct world w;
    AUTO(child) struct child c = CHILD_NONE;
    AUTO(fd) int fd = open(SANDBOX_SELF, O_RDONLY | O_CLOEXEC);
    char *argv[] = {(char *)(uintptr_t) "probe", (char *)(uintptr_t) "descriptors", NULL};
    char *environment[] = {NULL};
    char text[4096] = {0};
    unsigned gaps = 0;
    size_t got = 0;

    world_init(&w);
    CHECK(dup(1) > 2);
    CHECK_OK(
        sandbox_start(&(struct sandbox_start){SANDBOX_SELF, argv, environment, &w.profile, -1, &fd},
                      &c, &gaps, e));
    CHECK_OK(fd_read(c.out_fd, text, sizeof(text) - 1, &got, e));
    ck_assert_str_eq(text, "0\n1\n2\n3\n");
}
END

TEST(a_child_stands_alone_and_dies_with_its_parent)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.profile.open_files = 64;
    run(&w.profile, "standing", "core 0 files 64 death 9 new 1 session 1\n");
}
END

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(memory_ends_where_the_profile_says)
{
    AUTO(world) struct world w;

    world_init(&w);
    run(&w.profile, "memory", "1\n");
    w.profile.memory = 32 << 20;
    run(&w.profile, "memory", "0\n");
    w.profile.memory = 0;
    w.profile.space = 48 << 20;
    run(&w.profile, "memory", "0\n");
}
END
#define MEMORY_TEST memory_ends_where_the_profile_says,
#else
#define MEMORY_TEST /* a sanitizer's own memory does not fit */
#endif

TEST(what_cannot_be_started_says_why)
{
    AUTO(child) struct child c = CHILD_NONE;
    char *argv[] = {(char *)(uintptr_t) "nothing", NULL};
    char *none[] = {NULL};
    const char *const readable[] = {SYSTEM, NULL};
    const struct sandbox_profile p = {.readable = readable};
    struct sandbox_start s = {"/nonexistent/program", argv, none, &p, -1};
    unsigned gaps = 0;

    CHECK_ERR(sandbox_start(&s, &c, &gaps, e), ERR_NOT_FOUND);
    s.path = "/bin/sh"; /* there, but not to be executed */
    CHECK_ERR(sandbox_start(&s, &c, &gaps, e), ERR_DENIED);
    CHECK(c.pid == 0);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0); /* nobody is left */
}
END

TEST(a_child_ends_when_its_parent_is_killed)
{
    AUTO(world) struct world w;
    int ends[2];
    pid_t grandchild = 0;

    world_init(&w);
    CHECK(pipe(ends) == 0);

    const pid_t parent = fork();

    if (parent == 0) {
        struct child c = CHILD_NONE;

        start(&w.profile, "sleep", &c);
        CHECK(write(ends[1], &c.pid, sizeof(c.pid)) == sizeof(c.pid));
        for (;;)
            pause();
    }
    CHECK(read(ends[0], &grandchild, sizeof(grandchild)) == sizeof(grandchild));
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    CHECK(kill(parent, SIGKILL) == 0);
    CHECK(waitpid(parent, NULL, 0) == parent);

    int status = 0;

    CHECK(waitpid(grandchild, &status, 0) == grandchild);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END

#define main acts_tests
TESTS("sandbox", most_acts_are_possible_without_a_sandbox,
      a_profile_without_anything_leaves_its_files_and_named_sockets,
      a_client_gets_sockets_and_nothing_else_besides,
      programs_run_from_where_they_may_and_not_from_where_files_are_written,
      owners_and_devices_are_for_those_who_restore, a_parser_gets_nothing_at_all,
      a_child_has_the_environment_that_was_given, a_child_has_three_descriptors,
      a_child_may_have_one_descriptor_more, a_child_stands_alone_and_dies_with_its_parent,
      MEMORY_TEST what_cannot_be_started_says_why, a_child_ends_when_its_parent_is_killed)
