#include "agent/agent_rig.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"

static bool tell_ready(void *arg, struct err *e)
{
    return write(*(const int *)arg, "r", 1) == 1 || err_sys(e, "tell");
}

/* In the child; the exit status. */
static int serve(const struct agent_rig *r, int64_t idle_ns, int64_t life_ns, int told)
{
    const struct agent_settings settings = {
        .path = r->path, .idle_ns = idle_ns, .life_ns = life_ns};
    struct err e = {0};

    /* Whoever runs the tests may ignore some of them, as nohup does. */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    cancel_install();
    (void)umask(077);
    return agent_serve(&settings, tell_ready, &told, &e) ? 0 : (int)e.code;
}

bool agent_rig_start(struct agent_rig *r, int64_t idle_ns, int64_t life_ns)
{
    int ends[2];
    char byte = 0;

    CHECK(pipe(ends) == 0);
    r->pid = fork();
    CHECK(r->pid >= 0);
    if (r->pid == 0) {
        (void)close(ends[0]);
        _exit(serve(r, idle_ns, life_ns, ends[1]));
    }
    (void)close(ends[1]);

    const bool is_ready = read(ends[0], &byte, 1) == 1;

    (void)close(ends[0]);
    return is_ready;
}

void agent_rig_init(struct agent_rig *r, int64_t idle_ns, int64_t life_ns)
{
    *r = (struct agent_rig){0};
    scratch_init(&r->scratch);
    (void)snprintf(r->folder, sizeof(r->folder), "%s/agent", r->scratch.path);
    (void)snprintf(r->path, sizeof(r->path), "%s/agent.sock", r->folder);
    CHECK(agent_rig_start(r, idle_ns, life_ns));
}

int agent_rig_wait(struct agent_rig *r)
{
    int status = 0;

    CHECK(waitpid(r->pid, &status, 0) == r->pid);
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void agent_rig_auto(struct agent_rig *r)
{
    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL);
        (void)agent_rig_wait(r);
    }
    scratch_done(&r->scratch);
}

struct agent_key agent_rig_key(uint8_t fill)
{
    struct agent_key key;

    memset(&key, fill, sizeof(key));
    return key;
}

bool agent_rig_has(const struct agent_rig *r, uint8_t fill)
{
    const struct agent_key key = agent_rig_key(fill);
    uint8_t sealed[AGENT_SEALED_SIZE];
    bool is_found = false;

    CHECK_OK(agent_get(r->path, key.name, sealed, &is_found, e));
    return is_found && memcmp(sealed, key.sealed, sizeof(sealed)) == 0;
}

int agent_rig_socket(const char *path, bool is_server)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    CHECK(fd >= 0 && strlen(path) < sizeof(at.sun_path));
    memcpy(at.sun_path, path, strlen(path));
    if (is_server)
        CHECK(bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 8) == 0);
    else
        CHECK(connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0);
    return fd;
}
