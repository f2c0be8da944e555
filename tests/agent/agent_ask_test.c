/* Asking what is no agent, or none that means it well. */
#include "agent/agent_rig.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent_record.h"
#include "base/clock.h"
#include "base/thread.h"

/* Somebody who listens, takes one connection and a request, and answers with these bytes. */
struct impostor {
    int fd;
    const uint8_t *bytes;
    size_t size;
    bool is_patient; /* does not close the connection */
    int connection;
};

static void *impostor_run(void *arg)
{
    struct impostor *i = arg;
    uint8_t request[AGENT_REQUEST_SIZE];

    i->connection = accept(i->fd, NULL, NULL);
    if (recv(i->connection, request, sizeof(request), MSG_WAITALL) == sizeof(request))
        (void)!send(i->connection, i->bytes, i->size, MSG_NOSIGNAL);
    if (!i->is_patient)
        (void)close(i->connection);
    return NULL;
}

/* Ask such a one for a key, and return the code of the error, ERR_NONE when it is believed. */
static enum err_code asked(const uint8_t *bytes, size_t size, bool is_patient)
{
    AUTO(scratch) struct scratch s;
    struct impostor i = {.bytes = bytes, .size = size, .is_patient = is_patient};
    const struct agent_key key = agent_rig_key(1);
    uint8_t sealed[AGENT_SEALED_SIZE];
    bool is_found = false;
    pthread_t thread;
    struct err e = {0};

    scratch_init(&s);
    i.fd = agent_rig_socket(path_in(s.path, "socket"), true);
    thread_start(&thread, impostor_run, &i, "impostor");
    (void)!agent_get(path_in(s.path, "socket"), key.name, sealed, &is_found, &e);
    thread_join(thread);
    (void)close(i.fd);
    if (is_patient)
        (void)close(i.connection);
    return e.code;
}

TEST(answers_that_are_none_are_not_believed)
{
    struct agent_answer a = {.result = AGENT_DONE, .sealed = {1}};
    uint8_t bytes[AGENT_ANSWER_MAX + 100] = {0};

    CHECK(asked(bytes, 0, false) == ERR_CORRUPT);
    CHECK(asked(bytes, AGENT_ANSWER_SIZE, false) == ERR_CORRUPT);
    CHECK(asked(bytes, sizeof(bytes), false) == ERR_CORRUPT);
    CHECK(agent_answer_encode(&a, bytes) == AGENT_ANSWER_SIZE);
    CHECK(asked(bytes, AGENT_ANSWER_SIZE, false) == ERR_NONE);
    CHECK(asked(bytes, AGENT_ANSWER_SIZE - 1, false) == ERR_CORRUPT);
    CHECK(asked(bytes, AGENT_ANSWER_SIZE + AGENT_ROW_SIZE, false) == ERR_CORRUPT);
    a = (struct agent_answer){.result = AGENT_REFUSED};
    (void)agent_answer_encode(&a, bytes);
    CHECK(asked(bytes, AGENT_ANSWER_SIZE, false) == ERR_CORRUPT);
}
END

TEST(who_does_not_answer_is_waited_for_two_seconds_at_most)
{
    uint8_t bytes[AGENT_ANSWER_SIZE] = {0};
    const int64_t begin_ns = clock_monotonic_ns();

    CHECK(asked(bytes, 1, true) == ERR_TRANSIENT);
    CHECK(clock_monotonic_ns() - begin_ns < 4 * NS_PER_S); /* and some for the machine */
}
END

TEST(where_no_agent_is_there_is_none)
{
    AUTO(scratch) struct scratch s;
    struct agent_rows rows;

    scratch_init(&s);
    CHECK_ERR(agent_list(path_in(s.path, "socket"), &rows, e), ERR_NOT_FOUND);
    CHECK_ERR(agent_list(path_in(s.path, "folder/socket"), &rows, e), ERR_NOT_FOUND);
    (void)close(agent_rig_socket(path_in(s.path, "left"), true));
    CHECK_ERR(agent_list(path_in(s.path, "left"), &rows, e), ERR_NOT_FOUND);
    file_put_text(path_in(s.path, "file"), "text");
    CHECK_ERR(agent_list(path_in(s.path, "file"), &rows, e), ERR_NOT_FOUND);
    CHECK_ERR(agent_list("socket", &rows, e), ERR_USAGE);
}
END

/* What is sent would let its reader try passwords. */
TEST(nothing_is_sent_to_a_process_of_another_user)
{
    AUTO(scratch) struct scratch s;
    struct agent_rows rows;
    uint8_t byte;
    int status = 0;

    if (geteuid() != 0)
        return;
    scratch_init(&s);
    CHECK(chmod(s.path, 0777) == 0);

    const char *path = path_in(s.path, "socket");
    const pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(100);

        const int fd = agent_rig_socket(path, true);
        const int connection = accept(fd, NULL, NULL);

        _exit(recv(connection, &byte, 1, 0) == 0 ? 0 : 1);
    }
    while (access(path, F_OK) != 0)
        (void)usleep(1000);

    struct err e = {0};

    do {
        CHECK(!agent_list(path, &rows, &e));
    } while (e.code == ERR_NOT_FOUND); /* it does not listen yet */
    CHECK(e.code == ERR_DENIED);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END

TESTS("agent_ask", answers_that_are_none_are_not_believed,
      who_does_not_answer_is_waited_for_two_seconds_at_most, where_no_agent_is_there_is_none,
      nothing_is_sent_to_a_process_of_another_user)
