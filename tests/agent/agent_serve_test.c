/* The agent as a process, with those who mean it well and those who do not. */
#include "agent/agent_rig.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent_record.h"
#include "base/clock.h"
#include "base/file.h"

static void put(const struct agent_rig *r, uint8_t fill)
{
    const struct agent_key key = agent_rig_key(fill);

    CHECK_OK(agent_put(r->path, &key, e));
}

TEST(what_was_put_is_got_and_nothing_else)
{
    AUTO(agent_rig) struct agent_rig r;
    struct agent_rows rows;

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    CHECK(!agent_rig_has(&r, 1));
    put(&r, 1);
    put(&r, 2);
    CHECK(agent_rig_has(&r, 1) && agent_rig_has(&r, 2) && !agent_rig_has(&r, 3));
    CHECK_OK(agent_list(r.path, &rows, e));
    CHECK(rows.count == 2 && rows.items[0].uses == 1 && rows.items[0].left_s > 3500);
}
END

TEST(forgetting_leaves_the_agent_and_stopping_ends_it)
{
    AUTO(agent_rig) struct agent_rig r;
    uint32_t count = 0;

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    put(&r, 1);
    CHECK_OK(agent_forget(r.path, &count, e));
    CHECK(count == 1 && !agent_rig_has(&r, 1));
    put(&r, 1);
    put(&r, 2);
    CHECK_OK(agent_stop(r.path, &count, e));
    CHECK(count == 2);
    CHECK(agent_rig_wait(&r) == 0);
    CHECK(directory_count(r.folder) == 0);
    CHECK_ERR(agent_forget(r.path, &count, e), ERR_NOT_FOUND);
}
END

TEST(a_signal_ends_it_and_removes_its_socket)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        AUTO(agent_rig) struct agent_rig r;

        agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
        CHECK(kill(r.pid, signals[i]) == 0);
        CHECK(agent_rig_wait(&r) == 0);
        CHECK(directory_count(r.folder) == 0);
    }
}
END

/* The time of a key has to be over, and the agent asks no clock but the machine's. */
TEST(a_key_is_gone_when_its_time_is_over)
{
    AUTO(agent_rig) struct agent_rig r;
    struct agent_rows rows;

    agent_rig_init(&r, NS_PER_S / 5, RIG_LONG_NS);
    put(&r, 1);
    (void)poll(NULL, 0, 300);
    CHECK(!agent_rig_has(&r, 1));
    CHECK_OK(agent_list(r.path, &rows, e));
    CHECK(rows.count == 0);
}
END

TEST(a_second_agent_in_one_folder_is_refused)
{
    AUTO(agent_rig) struct agent_rig r;
    struct agent_rig second;

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    put(&r, 1);
    second = r;
    CHECK(!agent_rig_start(&second, RIG_LONG_NS, RIG_LONG_NS));
    CHECK(agent_rig_wait(&second) == ERR_EXISTS);
    CHECK(agent_rig_has(&r, 1));
}
END

TEST(a_socket_that_a_kill_left_gives_way)
{
    AUTO(agent_rig) struct agent_rig r;

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    put(&r, 1);
    CHECK(kill(r.pid, SIGKILL) == 0);
    CHECK(agent_rig_wait(&r) == -SIGKILL);
    CHECK(directory_count(r.folder) == 1);
    CHECK(agent_rig_start(&r, RIG_LONG_NS, RIG_LONG_NS));
    CHECK(!agent_rig_has(&r, 1));
}
END

/* Stop the agent and see how one ends that is started there anew. */
static int start_anew(struct agent_rig *r)
{
    uint32_t count = 0;

    if (r->pid > 0) {
        CHECK_OK(agent_stop(r->path, &count, e));
        CHECK(agent_rig_wait(r) == 0);
    }
    CHECK(!agent_rig_start(r, RIG_LONG_NS, RIG_LONG_NS));
    return agent_rig_wait(r);
}

TEST(a_folder_that_others_can_reach_into_is_refused)
{
    AUTO(agent_rig) struct agent_rig r;
    uint32_t count = 0;

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    CHECK_OK(agent_stop(r.path, &count, e));
    CHECK(agent_rig_wait(&r) == 0);
    CHECK(chmod(r.folder, 0710) == 0);
    CHECK(start_anew(&r) == ERR_DENIED);
    CHECK(chmod(r.folder, 0700) == 0);
    CHECK(chown(r.folder, geteuid() == 0 ? 65534 : geteuid(), (gid_t)-1) == 0);
    if (geteuid() == 0)
        CHECK(start_anew(&r) == ERR_DENIED);
}
END

TEST(a_file_that_is_no_socket_stays)
{
    AUTO(agent_rig) struct agent_rig r;
    AUTO(buf) struct buf text = {0};
    uint32_t count = 0;

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    CHECK_OK(agent_stop(r.path, &count, e));
    CHECK(agent_rig_wait(&r) == 0);
    file_put_text(r.path, "precious");
    CHECK(start_anew(&r) == ERR_EXISTS);
    file_take(r.path, &text);
    ck_assert_str_eq(buf_string(&text), "precious");
}
END

/* What the agent says to these bytes until it closes the connection; -1: it only closed it. */
static int result_of(const struct agent_rig *r, const void *bytes, size_t size)
{
    const int fd = agent_rig_socket(r->path, false);
    uint8_t answer[AGENT_ANSWER_MAX];
    size_t got = 0;
    ssize_t n = 0;

    CHECK(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    while ((n = recv(fd, answer + got, sizeof(answer) - got, 0)) > 0)
        got += (size_t)n;
    (void)close(fd);
    return got >= AGENT_ANSWER_SIZE ? answer[8] : -1;
}

TEST(bytes_that_are_no_request_are_refused_and_change_nothing)
{
    AUTO(agent_rig) struct agent_rig r;
    uint8_t bytes[AGENT_REQUEST_SIZE];

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    put(&r, 1);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        noise_fill(seed, bytes, sizeof(bytes));
        CHECK(result_of(&r, bytes, sizeof(bytes)) == AGENT_REFUSED);
    }
    CHECK(result_of(&r, bytes, 0) == -1);
    CHECK(result_of(&r, bytes, AGENT_REQUEST_SIZE - 1) == -1);
    CHECK(agent_rig_has(&r, 1));
}
END

TEST(who_says_nothing_is_cut_off_and_hinders_nobody)
{
    AUTO(agent_rig) struct agent_rig r;
    enum { MANY = 200 };
    int fds[MANY];
    char byte;

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    put(&r, 1);
    for (size_t i = 0; i < MANY; i++) {
        fds[i] = agent_rig_socket(r.path, false);
        CHECK(send(fds[i], "HFAGENT", 1 + i % 7, MSG_NOSIGNAL) > 0);
    }

    const int64_t begin_ns = clock_monotonic_ns();

    CHECK(agent_rig_has(&r, 1));
    CHECK(clock_monotonic_ns() - begin_ns < NS_PER_S);
    for (size_t i = 0; i < MANY; i++) {
        CHECK(recv(fds[i], &byte, 1, 0) <= 0);
        (void)close(fds[i]);
    }
    CHECK(clock_monotonic_ns() - begin_ns < 20 * NS_PER_S);
    CHECK(agent_rig_has(&r, 1));
}
END

TEST(who_goes_away_before_the_answer_hinders_nobody)
{
    AUTO(agent_rig) struct agent_rig r;
    const struct agent_request list = {.operation = AGENT_LIST};
    uint8_t bytes[AGENT_REQUEST_SIZE];

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    put(&r, 1);
    agent_request_encode(&list, bytes);
    for (size_t i = 0; i < 50; i++) {
        const int fd = agent_rig_socket(r.path, false);

        CHECK(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) == sizeof(bytes));
        (void)close(fd);
    }
    CHECK(agent_rig_has(&r, 1));
}
END

/* In a child that becomes another user behind the permissions of folder and socket. */
static int ask_as_other(const struct agent_rig *r)
{
    const pid_t pid = fork();
    int status = 0;

    CHECK(pid >= 0);
    if (pid == 0) {
        struct err e = {0};
        struct agent_rows rows;

        if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
            _exit(100);
        _exit(agent_list(r->path, &rows, &e) ? 0 : (int)e.code);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(another_user_gets_no_answer_even_where_permissions_are_given_away)
{
    AUTO(agent_rig) struct agent_rig r;
    AUTO(fd) int fd = -1;
    uint8_t bytes[AGENT_REQUEST_SIZE];
    const struct agent_request stop = {.operation = AGENT_STOP};

    if (geteuid() != 0)
        return;
    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    put(&r, 1);
    CHECK(ask_as_other(&r) == ERR_DENIED); /* by the folder */
    CHECK(chmod(r.scratch.path, 0755) == 0 && chmod(r.folder, 0755) == 0 &&
          chmod(r.path, 0777) == 0);
    CHECK(ask_as_other(&r) == ERR_DENIED); /* the asker sees that the agent is another's */

    /* Who does not care is not heard. */
    CHECK(seteuid(65534) == 0);
    fd = agent_rig_socket(r.path, false);
    CHECK(seteuid(0) == 0);
    agent_request_encode(&stop, bytes);
    (void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
    CHECK(recv(fd, bytes, sizeof(bytes), 0) <= 0);
    CHECK(agent_rig_has(&r, 1));
}
END

TEST(it_can_neither_be_dumped_nor_start_or_open_anything)
{
    AUTO(agent_rig) struct agent_rig r;
    AUTO(buf) struct buf text = {0};
    char path[64];

    agent_rig_init(&r, RIG_LONG_NS, RIG_LONG_NS);
    (void)snprintf(path, sizeof(path), "/proc/%d/limits", (int)r.pid);
    file_take(path, &text);
    CHECK(strstr(buf_string(&text), "Max core file size        0                    0") != NULL);
    buf_clear(&text);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)r.pid);
    file_take(path, &text);
    CHECK(strstr(buf_string(&text), "NoNewPrivs:\t1") != NULL);
    CHECK(strstr(buf_string(&text), "Seccomp:\t2") != NULL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which lock nothing */
    CHECK(strstr(buf_string(&text), "VmLck:\t       0 kB") == NULL);
#endif
}
END

TESTS("agent_serve", what_was_put_is_got_and_nothing_else,
      forgetting_leaves_the_agent_and_stopping_ends_it, a_signal_ends_it_and_removes_its_socket,
      a_key_is_gone_when_its_time_is_over, a_second_agent_in_one_folder_is_refused,
      a_socket_that_a_kill_left_gives_way, a_folder_that_others_can_reach_into_is_refused,
      a_file_that_is_no_socket_stays, bytes_that_are_no_request_are_refused_and_change_nothing,
      who_says_nothing_is_cut_off_and_hinders_nobody,
      who_goes_away_before_the_answer_hinders_nobody,
      another_user_gets_no_answer_even_where_permissions_are_given_away,
      it_can_neither_be_dumped_nor_start_or_open_anything)
