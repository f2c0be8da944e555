#include "job/child_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "codec/json.h"
#include "job/child_keep.h"
#include "job/child_lines.h"
#include "job/child_log.h"
#include "job/child_plan.h"
#include "job/child_watch.h"

enum {
    NAME_ROOM = CHILD_ID_MAX + 16,
    SMALL_MAX = 64 << 10, /* process and exit */
    PIECE = 64 << 10,
    ERRORS_FILE_MAX = 512 << 10,
};

struct child_run {
    struct child_job job;
    char name[NAME_ROOM];
    int jobs_fd; /* of the folder of all jobs; ours */
    int folder_fd;
    int lock_fd;      /* request, opened anew: locked by us means that the keeper is gone */
    int end_fd;       /* of the keeper, or -1 */
    int lines_fd;     /* or -1 */
    bool is_unwanted; /* child_run_cancel() was called */
    pid_t keeper;     /* our child, to be reaped; 0: it is not */
    struct child_lines lines;
    json_t *result;
    json_t *found; /* what an import says of the archive */
    struct err bad_line;
    struct stat status;   /* of the file, as it was read last */
    child_message_fn *fn; /* during child_run_look() */
    void *arg;
};

void child_run_free(struct child_run *r)
{
    if (r == NULL)
        return;
    child_job_done(&r->job);
    fd_auto(&r->jobs_fd);
    fd_auto(&r->folder_fd);
    fd_auto(&r->lock_fd);
    fd_auto(&r->end_fd);
    fd_auto(&r->lines_fd);
    child_lines_auto(&r->lines);
    json_decref(r->result);
    json_decref(r->found);
    mem_free(r);
}

void child_run_auto(struct child_run **r)
{
    child_run_free(*r);
}

const struct child_job *child_run_job(const struct child_run *r)
{
    return &r->job;
}

int child_run_end_fd(const struct child_run *r)
{
    return r->end_fd;
}

static struct child_run *run_new(void)
{
    struct child_run *r = mem_new(sizeof(*r));

    r->jobs_fd = r->folder_fd = r->lock_fd = r->end_fd = r->lines_fd = -1;
    return r;
}

static bool copy_fd(int from, int *to, struct err *e)
{
    *to = fcntl(from, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return *to >= 0 || err_sys(e, "folder of jobs");
}

/* A file of the folder for reading; false when it is not there, or no file. */
static bool open_file(const struct child_run *r, const char *name, int *fd)
{
    struct stat st;
    AUTO(fd)
    int opened = openat(r->folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (opened < 0 || fstat(opened, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    *fd = opened;
    opened = -1;
    return true;
}

static bool read_whole(const struct child_run *r, const char *name, size_t limit, struct buf *out)
{
    AUTO(fd) int fd = -1;
    struct err ignored;
    size_t got = 0;

    if (!open_file(r, name, &fd) || !fd_read(fd, buf_extend(out, limit), limit, &got, &ignored))
        return false;
    out->size = got;
    return true;
}

/* An object that the keeper wrote, or NULL. */
static json_t *read_object(const struct child_run *r, const char *name)
{
    AUTO(buf) struct buf text = {0};

    if (!read_whole(r, name, SMALL_MAX, &text))
        return NULL;
    return json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
}

/* Starting */

static bool start_keeper(struct child_run *r, const char *jobs_path, const struct config *c,
                         struct err *e)
{
    AUTO(child_plan) struct child_plan names = {0};
    AUTO(child) struct child keeper = CHILD_NONE;
    AUTO(buf) struct buf folder = {0};
    AUTO(fd) int request = -1;

    if (!open_file(r, "request", &request) || !open_file(r, "request", &r->lock_fd) ||
        flock(request, LOCK_EX | LOCK_NB) < 0)
        return err_sys(e, "lock the request");
    buf_printf(&folder, "%s/%s", jobs_path, r->name);

    char *const argv[] = {(char *)(uintptr_t)SANDBOX_SELF, (char *)(uintptr_t)CHILD_KEEP_OPTION,
                          (char *)(uintptr_t)buf_string(&folder), NULL};
    const struct child_spec spec = {.argv = argv,
                                    .keep = child_plan_variables(&names, &r->job, c),
                                    .has_input = true,
                                    .input_fd = request,
                                    .has_group = true};

    if (!child_start_with(&spec, &keeper, e) || !child_end_open(&keeper, &r->end_fd, e))
        return false;
    r->keeper = keeper.pid;
    fd_auto(&keeper.out_fd);
    keeper = CHILD_NONE; /* it goes on */
    return true;
}

bool child_run_start(int jobs_fd, const char *jobs_path, const struct child_job *j,
                     struct child_run **out, struct err *e)
{
    AUTO(child_run) struct child_run *r = run_new();
    AUTO(config) struct config *c = NULL;
    AUTO(child_plan) struct child_plan plan = {0};
    AUTO(buf) struct buf text = {0};
    bool is_suspect = false;

    if (!child_job_check(j, e) || !config_load(j->config, &c, e) ||
        !child_plan_make(j, c, &plan, e) || !copy_fd(jobs_fd, &r->jobs_fd, e))
        return false;
    child_job_copy(j, &r->job);
    (void)snprintf(r->name, sizeof(r->name), "%s.%d", j->id, j->attempt); /* has room */
    child_job_format(j, &text);
    if (!beneath_mkdir(jobs_fd, r->name, 0700, e) ||
        !beneath_open_dir(jobs_fd, r->name, &r->folder_fd, e) ||
        !file_publish(r->folder_fd, "request", "tmp", buf_slice(&text), &is_suspect, e) ||
        !start_keeper(r, jobs_path, c, e))
        return err_wrap(e, "start job %s", j->id);
    *out = TAKE(r);
    return true;
}

/* Adopting */

static bool name_parse(const char *name, struct child_job *j, struct err *e)
{
    const char *dot = strrchr(name, '.');
    const size_t size = dot == NULL ? 0 : (size_t)(dot - name);
    uint64_t attempt = 0;
    struct err ignored;

    if (size == 0 || size > CHILD_ID_MAX || !parse_u64(dot + 1, &attempt, &ignored) ||
        attempt < 1 || attempt > INT32_MAX)
        return err_set(e, ERR_USAGE, "\"%.80s\" is no folder of a job", name);
    memcpy(j->id, name, size);
    j->id[size] = '\0';
    j->attempt = (int)attempt;
    return true;
}

/* By number and the lock: whoever has the number while the keeper's lock is held is the keeper. */
static void watch_keeper(struct child_run *r)
{
    AUTO(json) json_t *process = read_object(r, "process");
    const pid_t keeper = (pid_t)json_integer_value(json_object_get(process, "keeper"));

    if (keeper > 0)
        r->end_fd = pidfd_open(keeper, 0);
    /* Between reading the number and opening it the keeper may have ended; then the lock is free.
     */
    if (r->end_fd >= 0 && r->lock_fd >= 0 && flock(r->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        (void)close(r->end_fd); /* nothing was written to it */
        r->end_fd = -1;
    }
}

bool child_run_adopt(int jobs_fd, const char *jobs_path, const char *name, struct child_run **out,
                     struct err *e)
{
    AUTO(child_run) struct child_run *r = run_new();
    AUTO(child_job) struct child_job whole = {0};
    AUTO(buf) struct buf text = {0};
    struct err ignored;

    (void)jobs_path;
    if (strlen(name) >= sizeof(r->name))
        return err_set(e, ERR_USAGE, "\"%.80s\" is no folder of a job", name);
    memcpy(r->name, name, strlen(name) + 1);
    if (!name_parse(name, &r->job, e) || !copy_fd(jobs_fd, &r->jobs_fd, e) ||
        !beneath_open_dir(jobs_fd, name, &r->folder_fd, e))
        return false;
    if (read_whole(r, "request", CHILD_LINE_MAX, &text) &&
        child_job_parse(buf_slice(&text), &whole, &ignored) && strcmp(whole.id, r->job.id) == 0 &&
        whole.attempt == r->job.attempt) {
        r->job = whole;
        whole = (struct child_job){0};
    }
    if (open_file(r, "request", &r->lock_fd))
        watch_keeper(r);
    *out = TAKE(r);
    return true;
}

/* Looking */

static bool is_promised(const struct child_job *j, const json_t *line)
{
    const struct child_promise p = child_plan_promise(j);
    const char *type = child_line_type(line);

    return p.message == NULL ? type == NULL : type != NULL && strcmp(type, p.message) == 0;
}

static void take_line(void *arg, struct slice line)
{
    struct child_run *r = arg;
    AUTO(json) json_t *j = NULL;

    if (!child_line_parse(line, &j, &r->bad_line))
        return;
    if (is_promised(&r->job, j)) {
        /* A plan of each repository. */
        if (json_is_array(r->result) && json_is_array(j)) {
            (void)json_array_extend(r->result, j);
        } else {
            json_decref(r->result);
            r->result = json_incref(j);
        }
    }
    if (r->job.verb == CHILD_IMPORT && child_line_type(j) != NULL &&
        strcmp(child_line_type(j), "import") == 0) {
        json_decref(r->found);
        r->found = json_incref(j);
    }
    if (r->fn != NULL)
        r->fn(r->arg, &r->job, j);
}

static void read_lines(struct child_run *r)
{
    AUTO(mem) uint8_t *bytes = mem_array(PIECE, 1);
    struct err ignored;
    size_t got = 0;

    if (r->lines_fd < 0 && !open_file(r, "lines", &r->lines_fd))
        return;
    do {
        if (!fd_read(r->lines_fd, bytes, PIECE, &got, &ignored))
            return;
        if (!child_lines_add(&r->lines, SLICE_OF(bytes, got), take_line, r))
            (void)err_set(&r->bad_line, ERR_CORRUPT, "a line is longer than %zu bytes",
                          CHILD_LINE_MAX);
    } while (got == PIECE);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void read_status(struct child_run *r)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = NULL;
    struct stat st;
    struct err ignored;

    if (fstatat(r->folder_fd, "status", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        is_same_file(&st, &r->status))
        return;
    r->status = st;
    if (r->fn != NULL && read_whole(r, "status", CHILD_LINE_MAX, &text) &&
        child_line_parse(buf_slice(&text), &j, &ignored))
        r->fn(r->arg, &r->job, j);
}

/* A job whose keeper was killed gets SIGKILL from the kernel, and here again until it is gone. */
static bool job_is_gone(const struct child_run *r)
{
    AUTO(json) json_t *process = read_object(r, "process");
    const pid_t pid = (pid_t)json_integer_value(json_object_get(process, "pid"));
    const uint64_t started = (uint64_t)json_integer_value(json_object_get(process, "started"));

    if (pid <= 0)
        return true;

    AUTO(fd) int fd = pidfd_open(pid, 0);

    if (fd < 0 || child_watch_started(pid) != started)
        return true;

    struct pollfd end = {.fd = fd, .events = POLLIN};

    if (poll(&end, 1, 0) > 0) /* ended, and somebody has yet to reap it */
        return true;
    (void)pidfd_send_signal(fd, SIGKILL, NULL, 0); /* fails when it has ended */
    return false;
}

static bool keeper_is_gone(struct child_run *r)
{
    if (r->keeper > 0 && waitpid(r->keeper, NULL, WNOHANG) == r->keeper)
        r->keeper = 0;
    if (r->lock_fd < 0) /* the request was never written */
        return true;
    return r->keeper == 0 && flock(r->lock_fd, LOCK_EX | LOCK_NB) == 0 && job_is_gone(r);
}

/* A keeper listens from when it has written "process" on; before that a signal would kill it, and
 * the job would count as interrupted. */
static void ask_to_stop(const struct child_run *r)
{
    if (r->end_fd >= 0 && faccessat(r->folder_fd, "process", F_OK, 0) == 0)
        (void)pidfd_send_signal(r->end_fd, SIGTERM, NULL, 0); /* fails when it has ended */
}

void child_run_cancel(struct child_run *r)
{
    r->is_unwanted = true;
}

void child_run_log(const struct child_run *r, struct buf *out)
{
    const size_t before = out->size;

    (void)read_whole(r, "log", CHILD_LOG_MAX, out); /* none is an empty one */
    while (out->size > before && out->data[out->size - 1] != '\n')
        out->size--;
    if (!utf8_is_valid(SLICE_OF(out->data + before, out->size - before)))
        out->size = before; /* no keeper writes such a thing */
}

void child_run_look(struct child_run *r, child_message_fn *fn, void *arg, bool *has_ended,
                    struct child_outcome *out)
{
    const bool is_gone = keeper_is_gone(r); /* before the last words are read */
    AUTO(buf) struct buf errors = {0};

    r->fn = fn;
    r->arg = arg;
    if (r->end_fd < 0 && !is_gone)
        watch_keeper(r);
    if (r->is_unwanted && !is_gone)
        ask_to_stop(r);
    read_lines(r);
    if (!is_gone)
        read_status(r);
    *has_ended = is_gone;
    if (!is_gone)
        return;

    AUTO(json) json_t *exit = read_object(r, "exit");
    AUTO(json) json_t *process = read_object(r, "process");
    if (json_is_object(r->result) && r->found != NULL && r->result != r->found)
        (void)json_object_set(r->result, "import", r->found);

    struct child_end end = {exit, r->result, r->bad_line, NULL};

    if (r->lines.rest.size > 0 && end.bad_line.code == ERR_NONE)
        (void)err_set(&end.bad_line, ERR_CORRUPT, "its last line has no end");
    if (read_whole(r, "errors", ERRORS_FILE_MAX, &errors))
        end.errors = buf_string(&errors);
    child_outcome_judge(&r->job, &end, out);

    AUTO(buf) struct buf log = {0};

    child_run_log(r, &log);
    out->log = mem_string(buf_string(&log));
    out->gaps = json_incref(json_object_get(process, "gaps"));
}

bool child_run_remove(struct child_run *r, struct err *e)
{
    static const char *const names[] = {"request", "process", "status", "status.new", "lines",
                                        "errors",  "log",     "exit",   "tmp"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!file_remove(r->folder_fd, names[i], e))
            return err_wrap(e, "job %s", r->job.id);
    return dir_remove(r->jobs_fd, r->name, e) || err_wrap(e, "job %s", r->job.id);
}
