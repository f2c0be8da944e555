#include "job/runner.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { LOOK_MS = 200 }; /* progress is looked for so often */

struct slot {
    struct child_run *run;
    bool has_ended;
    struct child_outcome outcome; /* of one that has ended and could not be told yet */
};

struct runner {
    struct runner_options options;
    char *path;  /* "<state>/jobs" */
    int jobs_fd; /* locked */
    struct slot *items;
    size_t count, room; /* count may be above slots: jobs that were found */
};

static void slot_done(struct slot *s)
{
    child_run_free(s->run);
    child_outcome_auto(&s->outcome);
}

void runner_close(struct runner *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        slot_done(&r->items[i]);
    mem_free(r->items);
    mem_free(r->path);
    fd_auto(&r->jobs_fd);
    mem_free(r);
}

void runner_auto(struct runner **r)
{
    runner_close(*r);
}

static void slot_add(struct runner *r, struct child_run *run)
{
    if (r->count == r->room) {
        r->room = r->room == 0 ? 8 : 2 * r->room;
        r->items = mem_resize(r->items, r->room, sizeof(*r->items));
    }
    r->items[r->count++] = (struct slot){.run = run};
}

/* Whatever is no folder of a job is left alone. */
static bool adopt_all(struct runner *r, struct err *e)
{
    AUTO(fd) int fd = openat(r->jobs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct err ignored;

    if (d == NULL)
        return err_sys(e, "list %s", r->path);
    fd = -1;
    for (const struct dirent *en; (en = readdir(d)) != NULL;) {
        struct child_run *run = NULL;

        if (en->d_name[0] != '.' &&
            child_run_adopt(r->jobs_fd, r->path, en->d_name, &run, &ignored))
            slot_add(r, run);
    }
    (void)closedir(d); /* only read */
    return true;
}

bool runner_open(const struct runner_options *o, struct runner **out, struct err *e)
{
    AUTO(runner) struct runner *r = mem_new(sizeof(*r));
    AUTO(buf) struct buf path = {0};

    assert(o->slots > 0 && o->ended != NULL);
    r->options = *o;
    r->jobs_fd = -1;
    buf_printf(&path, "%s/jobs", o->state);
    r->path = mem_string(buf_string(&path));
    if (!dir_make_all(r->path, 0700, e) || !dir_open(r->path, &r->jobs_fd, e))
        return false;
    if (flock(r->jobs_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(e, ERR_TRANSIENT, "another process runs the jobs of %s", r->path);
    if (!adopt_all(r, e))
        return false;
    *out = TAKE(r);
    return true;
}

static bool is_writer(enum child_verb v)
{
    return v == CHILD_BACKUP || v == CHILD_RESTORE || v == CHILD_UNDO;
}

/* It removes what nobody needs; several in one repository would only wait for each other. */
static bool is_collector(enum child_verb v)
{
    return v == CHILD_PRUNE || v == CHILD_REENCRYPT;
}

bool runner_collide(enum child_verb a, const char *set_a, enum child_verb b, const char *set_b)
{
    /* Nobody knows whose restore it is before it runs, and one at a time is what there can be. */
    if ((a == CHILD_UNDO && is_writer(b)) || (b == CHILD_UNDO && is_writer(a)))
        return true;
    if (is_collector(a) && is_collector(b))
        return true;
    return set_a != NULL && set_b != NULL && strcmp(set_a, set_b) == 0 &&
           (is_writer(a) || is_writer(b));
}

bool runner_can_start(const struct runner *r, enum child_verb verb, const char *set)
{
    if (r->count >= r->options.slots)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        const struct child_job *j = child_run_job(r->items[i].run);

        if (runner_collide(verb, set, j->verb, j->set))
            return false;
    }
    return true;
}

bool runner_start(struct runner *r, const struct child_job *j, struct err *e)
{
    struct child_run *run = NULL;

    if (runner_has(r, j->id))
        return err_set(e, ERR_EXISTS, "job %s is running", j->id);
    if (!runner_can_start(r, j->verb, j->set))
        return err_set(e, ERR_TRANSIENT, "job %s has to wait for others", j->id);
    if (!child_run_start(r->jobs_fd, r->path, j, &run, e))
        return false;
    slot_add(r, run);
    return true;
}

static struct slot *slot_find(const struct runner *r, const char *id)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(child_run_job(r->items[i].run)->id, id) == 0)
            return &r->items[i];
    return NULL;
}

bool runner_cancel(struct runner *r, const char *id)
{
    struct slot *s = slot_find(r, id);

    if (s != NULL)
        child_run_cancel(s->run);
    return s != NULL;
}

void runner_log(const struct runner *r, const char *id, struct buf *out)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(child_run_job(r->items[i].run)->id, id) == 0)
            child_run_log(r->items[i].run, out);
}

bool runner_has(const struct runner *r, const char *id)
{
    return slot_find(r, id) != NULL;
}

size_t runner_count(const struct runner *r)
{
    return r->count;
}

const struct child_job *runner_job(const struct runner *r, size_t i)
{
    assert(i < r->count);
    return child_run_job(r->items[i].run);
}

bool runner_uses(const struct runner *r, const char *config)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct child_job *j = child_run_job(r->items[i].run);

        if (j->config != NULL && strcmp(j->config, config) == 0)
            return true;
    }
    return false;
}

static void wait_for_some(const struct runner *r, int timeout_ms)
{
    AUTO(mem) struct pollfd *fds = mem_array(r->count + 1, sizeof(*fds));

    for (size_t i = 0; i < r->count; i++)
        fds[i] = (struct pollfd){.fd = child_run_end_fd(r->items[i].run), .events = POLLIN};
    /* Fails for a signal only, and then all are looked at a little earlier. */
    (void)poll(fds, (nfds_t)r->count, timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS);
}

/* True when the job is over, told, and its folder gone. */
static bool settle(struct runner *r, struct slot *s)
{
    struct err ignored;

    if (!s->has_ended)
        child_run_look(s->run, r->options.message, r->options.arg, &s->has_ended, &s->outcome);
    /* A folder that cannot be removed is told again and then tried again. */
    return s->has_ended && r->options.ended(r->options.arg, child_run_job(s->run), &s->outcome) &&
           child_run_remove(s->run, &ignored);
}

void runner_look(struct runner *r, int timeout_ms)
{
    wait_for_some(r, timeout_ms);
    for (size_t i = 0; i < r->count;)
        if (settle(r, &r->items[i])) {
            slot_done(&r->items[i]);
            r->items[i] = r->items[--r->count];
        } else {
            i++;
        }
}
