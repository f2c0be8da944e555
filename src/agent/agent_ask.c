#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/agent_record.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

/* For each wait; an agent answers within a millisecond, on a machine that is busy within some. */
#define PATIENCE_S 1

static bool no_answer(struct err *e)
{
    return errno == EAGAIN ? err_set(e, ERR_TRANSIENT, "it does not answer")
                           : err_sys(e, "talk to it");
}

static bool connect_to(const char *path, int *out, struct err *e)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;

    if (!agent_address(path, &address, e))
        return false;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        return err_sys(e, "make a socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED
                   ? err_set(e, ERR_NOT_FOUND, "there is none")
                   : no_answer(e);
    /* What is sent helps to guess the password, so it is for nobody else. */
    if (!agent_peer_check(fd, e))
        return false;
    *out = fd;
    fd = -1;
    return true;
}

static bool send_all(int fd, const uint8_t *bytes, size_t size, struct err *e)
{
    size_t sent = 0;

    while (sent < size) {
        const ssize_t n = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return no_answer(e);
        sent += n < 0 ? 0 : (size_t)n;
    }
    return true;
}

/* Until it closes the connection, or size bytes are there. */
static bool receive_all(int fd, uint8_t *bytes, size_t size, size_t *got, struct err *e)
{
    const int64_t end_ns = clock_monotonic_ns() + PATIENCE_S * NS_PER_S;
    size_t have = 0;
    ssize_t n = 1;

    while (n != 0 && have < size) {
        if (clock_monotonic_ns() > end_ns)
            return err_set(e, ERR_TRANSIENT, "it does not come to an end");
        n = recv(fd, bytes + have, size - have, 0);
        if (n < 0 && errno != EINTR)
            return no_answer(e);
        have += n < 0 ? 0 : (size_t)n;
    }
    *got = have;
    return true;
}

/* A request and its answer on their way; both help to guess the password. */
struct exchange {
    uint8_t request[AGENT_REQUEST_SIZE];
    uint8_t answer[AGENT_ANSWER_MAX + 1]; /* one more, to see what is too long */
};

static void exchange_auto(struct exchange *x)
{
    mem_wipe(x, sizeof(*x));
}

static bool ask(const char *path, const struct agent_request *request, struct agent_answer *out,
                struct err *e)
{
    AUTO(exchange) struct exchange x = {0};
    AUTO(fd) int fd = -1;
    size_t got = 0;

    agent_request_encode(request, x.request);
    if (!connect_to(path, &fd, e) || !send_all(fd, x.request, sizeof(x.request), e) ||
        !receive_all(fd, x.answer, sizeof(x.answer), &got, e) ||
        !agent_answer_decode(SLICE_OF(x.answer, got), request->operation, out, e))
        return err_wrap(e, "key agent %s", path);
    return out->result != AGENT_REFUSED ||
           err_set(e, ERR_CORRUPT, "key agent %s does not understand the request", path);
}

bool agent_get(const char *path, const uint8_t name[AGENT_NAME_SIZE],
               uint8_t sealed[AGENT_SEALED_SIZE], bool *is_found, struct err *e)
{
    struct agent_request request = {.operation = AGENT_GET};
    struct agent_answer answer = {0};

    memcpy(request.key.name, name, AGENT_NAME_SIZE);

    const bool is_asked = ask(path, &request, &answer, e);

    if (is_asked) {
        *is_found = answer.result == AGENT_DONE;
        memcpy(sealed, answer.sealed, AGENT_SEALED_SIZE);
    }
    mem_wipe(&request, sizeof(request));
    mem_wipe(&answer, sizeof(answer));
    return is_asked;
}

bool agent_put(const char *path, const struct agent_key *key, struct err *e)
{
    struct agent_request request = {.operation = AGENT_PUT, .key = *key};
    struct agent_answer answer = {0};
    const bool is_asked = ask(path, &request, &answer, e);

    mem_wipe(&request, sizeof(request));
    return is_asked;
}

bool agent_list(const char *path, struct agent_rows *out, struct err *e)
{
    const struct agent_request request = {.operation = AGENT_LIST};
    struct agent_answer answer = {0};

    if (!ask(path, &request, &answer, e))
        return false;
    memcpy(out->items, answer.rows, sizeof(out->items));
    out->count = answer.count;
    return true;
}

static bool ask_to(const char *path, enum agent_operation operation, uint32_t *count, struct err *e)
{
    const struct agent_request request = {.operation = operation};
    struct agent_answer answer = {0};

    if (!ask(path, &request, &answer, e))
        return false;
    *count = answer.count;
    return true;
}

bool agent_forget(const char *path, uint32_t *count, struct err *e)
{
    return ask_to(path, AGENT_FORGET, count, e);
}

bool agent_stop(const char *path, uint32_t *count, struct err *e)
{
    return ask_to(path, AGENT_STOP, count, e);
}
