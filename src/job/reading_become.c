/*
 * The other side of reading.c: the process that becomes the command.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "codec/json.h"
#include "job/child_plan.h"
#include "job/reading.h"

enum { REQUEST_MAX = 1 << 20 };

static bool take_request(struct child_job *out, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    uint32_t size = 0;
    size_t got = 0;

    if (!fd_read(STDIN_FILENO, &size, sizeof(size), &got, e))
        return false;
    if (got < sizeof(size) || size > REQUEST_MAX)
        return err_set(e, ERR_CORRUPT, "there is no job");
    if (!fd_read(STDIN_FILENO, buf_extend(&text, size), size, &got, e))
        return false;
    if (got < size)
        return err_set(e, ERR_CORRUPT, "the job has no end");
    return child_job_parse(buf_slice(&text), out, e);
}

/* Who asked may have ended before the kernel was told to end us with it. */
static bool is_wanted(struct err *e)
{
    struct pollfd p = {.fd = STDIN_FILENO};

    return poll(&p, 1, 0) == 0 || err_set(e, ERR_CANCELLED, "nobody waits for it any more");
}

static bool close_input(struct err *e)
{
    AUTO(fd) int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0) || err_sys(e, "/dev/null");
}

/* Returns only when it failed. */
static bool become(struct err *e)
{
    AUTO(child_job) struct child_job j = {0};
    AUTO(child_plan) struct child_plan p = {0};
    unsigned gaps = 0;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return err_sys(e, "end with the service");
    if (!take_request(&j, e) || !is_wanted(e) || !child_plan_load(&j, &p, e) ||
        (child_verb_reads(j.verb) && !close_input(e)) || !sandbox_enter(&p.profile, &gaps, e))
        return false;
    if (gaps != 0 && j.must_confine)
        return err_set(e, ERR_DENIED, "the sandbox has gaps, and it must not run with any");
    (void)execve(SANDBOX_SELF, p.argv, p.environment);
    return err_sys(e, "start");
}

int reading_become(void)
{
    AUTO(json) json_t *line = NULL;
    AUTO(buf) struct buf text = {0};
    struct err e = {0};
    struct err ignored;
    char why[sizeof(e.text)];

    (void)become(&e); /* else nobody is here any more */
    text_flatten(slice_string(e.text), why, sizeof(why));
    line = json_pack("{s:s, s:i, s:s}", "message_type", "exit_error", "code", 1, "message", why);
    json_append(line, &text);
    buf_printf(&text, "\n");
    (void)!fd_write(STDERR_FILENO, buf_slice(&text), &ignored); /* the status says as much */
    return 1;
}
