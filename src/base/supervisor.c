#include "base/supervisor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#define SEND_S 5 /* a supervisor that is alive reads at once; a start takes 90 s at most */

void supervisor_auto(struct supervisor *s)
{
    fd_auto(&s->fd);
    s->fd = -1;
}

/* A variable, which is gone afterwards; NULL when it was not there. */
static char *take_variable(const char *name)
{
    const char *value = getenv(name);
    char *copy = value != NULL ? mem_string(value) : NULL;

    (void)unsetenv(name); /* fails for names that are none */
    return copy;
}

static bool parse_address(const char *text, struct supervisor *s, struct err *e)
{
    const size_t size = strlen(text);

    s->address.sun_family = AF_UNIX;
    if ((text[0] != '/' && text[0] != '@') || size < 2 || size >= sizeof(s->address.sun_path))
        return err_set(e, ERR_USAGE, "NOTIFY_SOCKET: no Unix socket: %.200s", text);
    memcpy(s->address.sun_path, text, size);
    s->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (text[0] == '@')
        s->address.sun_path[0] = '\0'; /* abstract: exactly these bytes */
    else
        s->size++;
    return true;
}

/* The time is for one process: others inherit the variables of their parents. */
static bool parse_watchdog(const char *usec, const char *pid, struct supervisor *s, struct err *e)
{
    uint64_t n = 0;

    if (usec == NULL)
        return true;
    if (pid != NULL && !parse_u64(pid, &n, e))
        return err_wrap(e, "WATCHDOG_PID");
    if (pid != NULL && n != (uint64_t)getpid())
        return true;
    if (!parse_u64(usec, &n, e))
        return err_wrap(e, "WATCHDOG_USEC");
    if (n == 0 || n > INT64_MAX / 1000)
        return err_set(e, ERR_USAGE, "WATCHDOG_USEC: out of bounds: %s", usec);
    s->watchdog_ns = (int64_t)n * 1000;
    return true;
}

bool supervisor_open(struct supervisor *out, struct err *e)
{
    AUTO(mem) char *place = take_variable("NOTIFY_SOCKET");
    AUTO(mem) char *usec = take_variable("WATCHDOG_USEC");
    AUTO(mem) char *pid = take_variable("WATCHDOG_PID");
    const struct timeval limit = {.tv_sec = SEND_S};
    AUTO(supervisor) struct supervisor s = SUPERVISOR_NONE;

    if (place != NULL && place[0] != '\0') {
        if (!parse_address(place, &s, e) || !parse_watchdog(usec, pid, &s, e))
            return false;
        s.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (s.fd < 0 || setsockopt(s.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
            return err_sys(e, "a socket for NOTIFY_SOCKET");
    }
    *out = s;
    s.fd = -1;
    return true;
}

static bool tell(const struct supervisor *s, const char *lines, struct err *e)
{
    const size_t size = strlen(lines);

    if (s->fd < 0)
        return true;
    if (sendto(s->fd, lines, size, MSG_NOSIGNAL, (const struct sockaddr *)&s->address, s->size) !=
        (ssize_t)size)
        return err_sys(e, "tell the supervisor");
    return true;
}

bool supervisor_ready(struct supervisor *s, struct err *e)
{
    s->beat_ns = clock_monotonic_ns();
    return tell(s, "READY=1", e);
}

bool supervisor_stopping(struct supervisor *s, struct err *e)
{
    return tell(s, "STOPPING=1", e);
}

bool supervisor_status(struct supervisor *s, const char *text, struct err *e)
{
    char line[sizeof("STATUS=") + sizeof(s->status)] = "STATUS=";
    char *value = line + strlen(line);

    text_flatten(slice_string(text), value, sizeof(s->status));
    if (s->fd < 0 || strcmp(value, s->status) == 0)
        return true;
    if (!tell(s, line, e))
        return false;
    memcpy(s->status, value, sizeof(s->status));
    return true;
}

bool supervisor_beat(struct supervisor *s, struct err *e)
{
    const int64_t now = clock_monotonic_ns();

    if (s->watchdog_ns == 0 || now - s->beat_ns < s->watchdog_ns / 2)
        return true;
    if (!tell(s, "WATCHDOG=1", e))
        return false;
    s->beat_ns = now;
    return true;
}
