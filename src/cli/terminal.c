#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"

enum { POLL_MS = 200 };

/* Wait for bytes; a signal that asks to stop ends the wait. */
static bool wait_readable(int fd, struct err *e)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        const int n = poll(&p, 1, POLL_MS);

        if (cancel_is_requested())
            return cancel_err(e);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_sys(e, "wait for the terminal");
    }
}

static bool read_line(int fd, char *line, size_t room, struct err *e)
{
    size_t size = 0;

    for (;;) {
        char c = 0;
        size_t got = 0;

        if (!wait_readable(fd, e) || !fd_read(fd, &c, 1, &got, e))
            return false;
        if (got == 0 || c == '\n')
            break;
        if (size + 1 >= room)
            return err_set(e, ERR_USAGE, "the answer is longer than %zu bytes", room - 1);
        line[size++] = c;
    }
    line[size] = '\0';
    return true;
}

bool terminal_ask(const char *prompt, char *answer, size_t room, struct err *e)
{
    AUTO(fd) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;

    if (fd < 0 || tcgetattr(fd, &before) != 0)
        return err_set(e, ERR_NOT_FOUND, "there is no terminal to ask for the password");

    struct termios silent = before;

    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    silent.c_lflag |= ICANON;
    if (tcsetattr(fd, TCSAFLUSH, &silent) != 0)
        return err_sys(e, "turn off the terminal's echo");

    struct err ignored = {0};
    const bool is_read = fd_write(fd, slice_string(prompt), e) && read_line(fd, answer, room, e);

    (void)tcsetattr(fd, TCSAFLUSH, &before); /* nothing better is left to try */
    return fd_write(fd, slice_string("\n"), is_read ? e : &ignored) && is_read;
}

static bool is_yes_text(const char *answer)
{
    return answer[0] == 'y' || answer[0] == 'Y';
}

static bool ask_line(const char *question, const char *choice, char *answer, size_t room,
                     struct err *e)
{
    AUTO(fd) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return err_set(e, ERR_NOT_FOUND, "there is no terminal to ask");
    return fd_write(fd, slice_string(question), e) && fd_write(fd, slice_string(choice), e) &&
           read_line(fd, answer, room, e);
}

bool terminal_confirm(const char *question, bool *is_yes, struct err *e)
{
    char answer[16];

    if (!ask_line(question, " [y/N] ", answer, sizeof(answer), e))
        return false;
    *is_yes = is_yes_text(answer);
    return true;
}

bool terminal_agree(const char *question, bool *is_yes, struct err *e)
{
    char answer[64];

    if (!ask_line(question, " (yes/no): ", answer, sizeof(answer), e))
        return false;
    *is_yes = strcasecmp(answer, "yes") == 0;
    return true;
}

/* The terminal hands over whole lines. */
enum terminal_answer terminal_listen(void)
{
    AUTO(fd) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char answer[16] = "";

    if (fd < 0 || poll(&p, 1, 0) <= 0 || read(fd, answer, sizeof(answer) - 1) <= 0)
        return TERMINAL_SILENT;
    return is_yes_text(answer) ? TERMINAL_YES : TERMINAL_NO;
}
