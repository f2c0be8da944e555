/*
 * Text that does not fit loses its middle, not its end: the beginning says which thing
 * failed and the end says why.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ERR_LINE_MAX = 6000, /* a longest path (4096) and its context, before the cut */
    ERR_HEAD_MAX = 240,  /* bytes kept in front of the cut */
};

static bool is_utf8_tail(char c)
{
    return ((unsigned char)c & 0xC0U) == 0x80U;
}

/* Copy line into e->text, cut at character boundaries where it is too long. */
static void err_store(struct err *e, const char *line)
{
    static const char gap[] = "...";
    const size_t length = strlen(line);

    if (length < sizeof(e->text)) {
        memcpy(e->text, line, length + 1);
        return;
    }

    size_t head = ERR_HEAD_MAX;
    size_t tail = length - (sizeof(e->text) - sizeof(gap) - ERR_HEAD_MAX);

    while (head > 0 && is_utf8_tail(line[head]))
        head--;
    while (is_utf8_tail(line[tail]))
        tail++;
    memcpy(e->text, line, head);
    memcpy(e->text + head, gap, sizeof(gap) - 1);
    memcpy(e->text + head + sizeof(gap) - 1, line + tail, length - tail + 1);
}

/* Format "context: rest" and store it; a context that is too long gives way to rest. */
static void err_join(struct err *e, const char *rest, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
static void err_join(struct err *e, const char *rest, const char *fmt, va_list args)
{
    char line[ERR_LINE_MAX];
    const size_t rest_size = strlen(rest) + 1;
    const size_t room = sizeof(line) - 2 - rest_size;
    const int wanted = vsnprintf(line, room, fmt, args);
    size_t used = wanted < 0 ? 0 : (size_t)wanted;

    if (used >= room)
        used = room - 1;
    memcpy(line + used, ": ", 2);
    memcpy(line + used + 2, rest, rest_size);
    err_store(e, line);
}

static enum err_code code_of_errno(int number)
{
    switch (number) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EAGAIN:
    case EINTR:
    case ETIMEDOUT:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
        return ERR_TRANSIENT;
    default:
        return ERR_FATAL;
    }
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    char line[ERR_LINE_MAX];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(line, sizeof(line), fmt, args) < 0)
        line[0] = '\0';
    va_end(args);
    e->code = code;
    err_store(e, line);
    return false;
}

bool err_sys(struct err *e, const char *fmt, ...)
{
    const int number = errno;
    char room[100];
    const char *reason = strerror_r(number, room, sizeof(room));
    va_list args;

    va_start(args, fmt);
    err_join(e, reason, fmt, args);
    va_end(args);
    e->code = code_of_errno(number);
    errno = number;
    return false;
}

bool err_wrap(struct err *e, const char *fmt, ...)
{
    char rest[sizeof(e->text)];
    va_list args;

    memcpy(rest, e->text, sizeof(rest));
    va_start(args, fmt);
    err_join(e, rest, fmt, args);
    va_end(args);
    return false;
}
