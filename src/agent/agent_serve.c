/*
 * The agent itself: one thread, one poll() over the connections that are open.  Whoever connects
 * is of the same user and says 128 bytes within a second, or sooner when others wait, or is cut
 * off.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_keys.h"
#include "agent/agent_record.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sandbox.h"

enum {
    PEERS_MAX = 16,
    WAITING_MAX = 64, /* connections that the kernel holds for us beside them */
    LOOK_MS = 1000,   /* whether somebody's time is over */
    FILES_MAX = 64,   /* descriptors, far above what this takes */
};
#define PEER_NS NS_PER_S

/* A connection whose request has not come to its end. */
struct peer {
    int fd;
    int64_t until_ns;
    size_t got;
    uint8_t bytes[AGENT_REQUEST_SIZE];
};

/* All that the agent knows; in secret memory. */
struct agent {
    struct agent_keys keys;
    struct peer peers[PEERS_MAX];
    size_t peer_count;
    struct agent_request request;
    struct agent_answer answer;
    uint8_t bytes[AGENT_ANSWER_MAX];
    bool is_weary; /* accepting failed: no use in trying again at once */
    bool is_stopping;
};

static struct agent *agent_new(const struct agent_settings *s)
{
    struct agent *a = mem_secret_new(sizeof(*a));

    a->keys.idle_ns = s->idle_ns;
    a->keys.life_ns = s->life_ns;
    return a;
}

static void peer_end(struct agent *a, size_t at)
{
    fd_auto(&a->peers[at].fd);
    a->peers[at] = a->peers[--a->peer_count];
    mem_wipe(&a->peers[a->peer_count], sizeof(a->peers[0]));
}

static void agent_auto(struct agent **a)
{
    while (*a != NULL && (*a)->peer_count > 0)
        peer_end(*a, 0);
    mem_secret_free(*a);
}

/* The socket's folder, locked as long as the agent lives, and the socket. */
struct place {
    char *folder;
    const char *name; /* of the socket in it; NULL: there is none */
    int folder_fd, fd;
};

static void place_auto(struct place *p)
{
    struct err ignored;

    /* The next agent removes what stays. */
    if (p->name != NULL)
        (void)!file_remove(p->folder_fd, p->name, &ignored);
    fd_auto(&p->fd);
    fd_auto(&p->folder_fd);
    mem_free(p->folder);
}

/* Open the folder of the socket, and see that it is ours alone. */
static bool folder_open(struct place *p, struct err *e)
{
    struct stat st;

    if (!dir_make_all(p->folder, 0700, e) || !dir_open(p->folder, &p->folder_fd, e))
        return false;
    if (fstat(p->folder_fd, &st) < 0)
        return err_sys(e, "%s", p->folder);
    if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(e, ERR_DENIED,
                       "%s must belong to the user of the key agent and be closed to all others "
                       "(mode 0700)",
                       p->folder);
    if (flock(p->folder_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    return errno == EWOULDBLOCK
               ? err_set(e, ERR_EXISTS, "a key agent serves in %s already", p->folder)
               : err_sys(e, "lock %s", p->folder);
}

/* Whoever holds the lock of the folder knows that nobody serves at a socket in it. */
static bool remove_left(const struct place *p, const char *name, struct err *e)
{
    struct stat st;

    if (fstatat(p->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || err_sys(e, "%s/%s", p->folder, name);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_EXISTS, "%s/%s is there and is no socket", p->folder, name);
    return file_remove(p->folder_fd, name, e);
}

static bool place_open(const char *path, struct place *p, struct err *e)
{
    struct sockaddr_un address;

    if (!agent_address(path, &address, e))
        return false;

    const char *name = strrchr(path, '/') + 1;

    p->folder = mem_dup(path, (size_t)(name - path));
    if (!folder_open(p, e) || !remove_left(p, name, e))
        return false;
    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0 || bind(p->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return err_sys(e, "socket %s", path);
    p->name = name;
    return listen(p->fd, WAITING_MAX) == 0 || err_sys(e, "socket %s", path);
}

/* What is left is to answer, and to remove the socket. */
static bool give_up_rights(const struct place *p, struct err *e)
{
    const char *const writable[] = {p->folder, NULL};
    const struct sandbox_profile profile = {
        .writable = writable, .network = SANDBOX_NETWORK_LOCAL, .open_files = FILES_MAX};
    unsigned gaps = 0; /* what an older kernel lacks is no reason to do without an agent */

    return sandbox_enter(&profile, &gaps, e) && sandbox_seal(&profile, &gaps, e);
}

static void request_carry_out(struct agent *a, int64_t now_ns)
{
    const struct agent_key *key = &a->request.key;
    struct agent_answer *out = &a->answer;

    out->result = AGENT_DONE;
    switch (a->request.operation) {
    case AGENT_GET:
        if (!agent_keys_get(&a->keys, key->name, now_ns, out->sealed))
            out->result = AGENT_NONE;
        return;
    case AGENT_PUT:
        agent_keys_put(&a->keys, key, now_ns);
        return;
    case AGENT_LIST:
        out->has_rows = true;
        out->count = agent_keys_list(&a->keys, now_ns, out->rows);
        return;
    case AGENT_STOP:
        a->is_stopping = true;
        __attribute__((fallthrough));
    case AGENT_FORGET:
        out->count = agent_keys_forget(&a->keys, now_ns);
        return;
    }
}

/* An answer fits into what the kernel holds for a socket: who does not read it misses it. */
static void peer_answer(struct agent *a, const struct peer *p, int64_t now_ns)
{
    struct err ignored;

    if (agent_request_decode(p->bytes, &a->request, &ignored))
        request_carry_out(a, now_ns);
    else
        a->answer.result = AGENT_REFUSED;
    (void)!send(p->fd, a->bytes, agent_answer_encode(&a->answer, a->bytes),
                MSG_NOSIGNAL | MSG_DONTWAIT);
    mem_wipe(&a->request, sizeof(a->request));
    mem_wipe(&a->answer, sizeof(a->answer));
    mem_wipe(a->bytes, sizeof(a->bytes));
}

/* Take what has come; false when the connection is at its end. */
static bool peer_read(struct agent *a, struct peer *p, int64_t now_ns)
{
    const ssize_t n = recv(p->fd, p->bytes + p->got, sizeof(p->bytes) - p->got, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    p->got += (size_t)n;
    if (n == 0 || p->got < sizeof(p->bytes))
        return n > 0;
    peer_answer(a, p, now_ns);
    return false;
}

/* Who was let in first, and has not come to the end of a request since. */
static size_t slowest(const struct agent *a)
{
    size_t found = 0;

    for (size_t i = 1; i < a->peer_count; i++)
        if (a->peers[i].until_ns < a->peers[found].until_ns)
            found = i;
    return found;
}

/* Not more at once than there is room for: those that are let in are heard first. */
static void accept_peers(struct agent *a, int listener, int64_t now_ns)
{
    for (size_t n = 0; n < PEERS_MAX; n++) {
        /* cppcheck-suppress nullPointer ; accept4() need not tell an address */
        AUTO(fd) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct err ignored;

        if (fd < 0) {
            a->is_weary = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
            return;
        }
        if (!agent_peer_check(fd, &ignored))
            continue;
        if (a->peer_count == PEERS_MAX)
            peer_end(a, slowest(a));
        a->peers[a->peer_count++] = (struct peer){.fd = fd, .until_ns = now_ns + PEER_NS};
        fd = -1;
    }
}

/* One wait, and what it brought. */
static bool serve_once(struct agent *a, int listener, struct err *e)
{
    struct pollfd waits[PEERS_MAX + 1];
    const size_t count = a->peer_count;

    for (size_t i = 0; i < count; i++)
        waits[i] = (struct pollfd){.fd = a->peers[i].fd, .events = POLLIN};
    waits[count] = (struct pollfd){.fd = a->is_weary ? -1 : listener, .events = POLLIN};
    a->is_weary = false;
    if (poll(waits, count + 1, LOOK_MS) < 0)
        return errno == EINTR || err_sys(e, "wait for requests");

    const int64_t now_ns = clock_boot_ns();

    /* From the last: one that ends gives its place to the last of all. */
    for (size_t i = count; i-- > 0;)
        if ((waits[i].revents != 0 && !peer_read(a, &a->peers[i], now_ns)) ||
            a->peers[i].until_ns <= now_ns)
            peer_end(a, i);
    agent_keys_expire(&a->keys, now_ns);
    if (waits[count].revents != 0)
        accept_peers(a, listener, now_ns);
    return true;
}

bool agent_serve(const struct agent_settings *s, agent_ready_fn *ready, void *arg, struct err *e)
{
    AUTO(place) struct place p = {.folder_fd = -1, .fd = -1};
    AUTO(agent) struct agent *a = NULL;

    if (!place_open(s->path, &p, e))
        return false;
    a = agent_new(s);
    if (mlock(a, sizeof(*a)) < 0)
        return err_sys(e, "lock %zu bytes of memory, so that no key is ever swapped out",
                       sizeof(*a));
    if (!give_up_rights(&p, e) || !ready(arg, e))
        return false;
    while (!a->is_stopping && !cancel_is_requested())
        if (!serve_once(a, p.fd, e))
            return false;
    return true;
}
