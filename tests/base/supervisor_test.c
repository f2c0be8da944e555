/* A supervisor that listens on real sockets. */
#include "support/test.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/supervisor.h"
#include "support/fixture.h"

static struct sockaddr_un address_of(const char *name, socklen_t *size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    memcpy(a.sun_path, name, strlen(name));
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    if (name[0] == '@')
        a.sun_path[0] = '\0';
    return a;
}

/* Listen under a name, as NOTIFY_SOCKET has it, and say so. */
static int listen_as(const char *name)
{
    socklen_t size;
    const struct sockaddr_un a = address_of(name, &size);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK(bind(fd, (const struct sockaddr *)&a, size) == 0);
    CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
    return fd;
}

static int listen_abstract(void)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "@holdfast-supervisor-%d", (int)getpid());
    return listen_as(name);
}

/* The next message; "" when there is none. */
static const char *heard(int fd)
{
    static char text[1000];
    const ssize_t got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    text[got < 0 ? 0 : got] = '\0';
    return text;
}

TEST(a_supervisor_hears_the_life_of_the_service)
{
    AUTO(fd) int fd = listen_abstract();
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;

    CHECK_OK(supervisor_open(&s, e));
    CHECK_OK(supervisor_ready(&s, e));
    ck_assert_str_eq(heard(fd), "READY=1");
    CHECK_OK(supervisor_status(&s, "2 jobs\nREADY=0\tand more", e));
    ck_assert_str_eq(heard(fd), "STATUS=2 jobs READY=0 and more");
    CHECK_OK(supervisor_status(&s, "2 jobs READY=0 and more", e));
    ck_assert_str_eq(heard(fd), "");
    CHECK_OK(supervisor_status(&s, "3 jobs", e));
    ck_assert_str_eq(heard(fd), "STATUS=3 jobs");
    CHECK_OK(supervisor_stopping(&s, e));
    ck_assert_str_eq(heard(fd), "STOPPING=1");
}
END

TEST(a_socket_with_a_path_is_as_good)
{
    AUTO(scratch) struct scratch folder;

    scratch_init(&folder);

    AUTO(fd) int fd = listen_as(path_in(folder.path, "notify"));
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;

    CHECK_OK(supervisor_open(&s, e));
    CHECK_OK(supervisor_ready(&s, e));
    ck_assert_str_eq(heard(fd), "READY=1");
}
END

TEST(children_do_not_inherit_the_supervisor)
{
    AUTO(fd) int fd = listen_abstract();
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;

    CHECK(setenv("WATCHDOG_USEC", "1000000", 1) == 0);
    CHECK(setenv("WATCHDOG_PID", "1", 1) == 0);
    CHECK_OK(supervisor_open(&s, e));
    CHECK(fd >= 0);
    CHECK(getenv("NOTIFY_SOCKET") == NULL);
    CHECK(getenv("WATCHDOG_USEC") == NULL);
    CHECK(getenv("WATCHDOG_PID") == NULL);
    CHECK(s.watchdog_ns == 0); /* it was for another process */
}
END

TEST(signs_of_life_come_twice_in_the_time_asked_for)
{
    AUTO(fd) int fd = listen_abstract();
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;
    char pid[20];

    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    CHECK(setenv("WATCHDOG_USEC", "1000000", 1) == 0);
    CHECK(setenv("WATCHDOG_PID", pid, 1) == 0);
    CHECK_OK(supervisor_open(&s, e));
    CHECK_OK(supervisor_ready(&s, e));
    ck_assert_str_eq(heard(fd), "READY=1");
    s.watchdog_ns = INT64_MAX; /* half of it is far away, however slow this machine is */
    CHECK_OK(supervisor_beat(&s, e));
    ck_assert_str_eq(heard(fd), "");
    s.watchdog_ns = INT64_C(1000000000);
    s.beat_ns = clock_monotonic_ns() - INT64_C(600000000);
    CHECK_OK(supervisor_beat(&s, e));
    ck_assert_str_eq(heard(fd), "WATCHDOG=1");
    CHECK(clock_monotonic_ns() - s.beat_ns < 60 * NS_PER_S);
}
END

TEST(nothing_is_sent_where_nobody_supervises)
{
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;

    CHECK(unsetenv("NOTIFY_SOCKET") == 0);
    CHECK(setenv("WATCHDOG_USEC", "nonsense", 1) == 0); /* of somebody else */
    CHECK_OK(supervisor_open(&s, e));
    ck_assert_int_eq(s.fd, -1);
    CHECK_OK(supervisor_ready(&s, e));
    CHECK_OK(supervisor_status(&s, "fine", e));
    CHECK_OK(supervisor_beat(&s, e));
    CHECK_OK(supervisor_stopping(&s, e));
}
END

static void check_refused(const char *name, const char *usec)
{
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;

    CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
    CHECK(setenv("WATCHDOG_USEC", usec, 1) == 0);
    CHECK_ERR(supervisor_open(&s, e), ERR_USAGE);
    ck_assert_int_eq(s.fd, -1);
}

TEST(variables_that_make_no_sense_are_refused)
{
    char name[200];

    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    check_refused(name, "1000000");
    check_refused("vsock:2:1234", "1000000");
    check_refused("relative", "1000000");
    check_refused("@", "1000000");
    check_refused("/run/notify", "");
    check_refused("/run/notify", "-1");
    check_refused("/run/notify", "0");
    check_refused("/run/notify", "18446744073709551615");
}
END

TEST(a_supervisor_that_is_gone_or_reads_nothing_is_told_as_a_failure_in_time)
{
    AUTO(fd) int fd = listen_abstract();
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;
    struct err failure = {0};
    size_t taken = 0;

    CHECK_OK(supervisor_open(&s, e));
    /* The kernel keeps a few (net.unix.max_dgram_qlen), then the sender waits. */
    while (supervisor_ready(&s, &failure) && taken < 100000)
        taken++;
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_lt(taken, 100000);
    fd_auto(&fd);
    fd = -1;
    CHECK(!supervisor_ready(&s, &failure));
    CHECK(strstr(failure.text, "tell the supervisor") != NULL);
}
END

TESTS("supervisor", a_supervisor_hears_the_life_of_the_service, a_socket_with_a_path_is_as_good,
      children_do_not_inherit_the_supervisor, signs_of_life_come_twice_in_the_time_asked_for,
      nothing_is_sent_where_nobody_supervises, variables_that_make_no_sense_are_refused,
      a_supervisor_that_is_gone_or_reads_nothing_is_told_as_a_failure_in_time)
