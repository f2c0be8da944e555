/*
 * Tasks of imports.  One is a folder below that of the state, mode 0700: "task" says what it is,
 * "archive" and "key" are what was uploaded for it.  All are known in memory; the folder is what a
 * later process finds.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "server/compat/cfms_private.h"

enum { RECORD_MAX = 4096, TASKS_MAX = 64, OPEN_MAX = 4 };

/* A task is forgotten so long after it was made. */
#define FORGET_NS (INT64_C(24) * 3600 * NS_PER_S)

static void make_id(char out[CFMS_TASK_SIZE])
{
    uint8_t bytes[CFMS_TASK_DIGITS / 2];

    random_bytes(bytes, sizeof(bytes));
    hex_encode(SLICE_OF(bytes, sizeof(bytes)), out);
}

/* cfms_task_is() says yes to it. */
static void set_id(struct cfms_task *t, const char *id)
{
    memcpy(t->id, id, CFMS_TASK_SIZE);
}

static bool open_folder(const struct cfms *c, const char *id, int *fd, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/%s", c->folder, id);
    return dir_open(buf_string(&path), fd, e);
}

static bool write_task(const struct cfms *c, const struct cfms_task *t, struct err *e)
{
    AUTO(json)
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "archive", t->uploads[0], "key",
                          t->uploads[1], "user", t->user, "job", t->job, "created",
                          (json_int_t)t->created_ns, "until", (json_int_t)t->until_ns, "started",
                          (json_int_t)t->started_ns);
    AUTO(buf) struct buf text = {0};
    AUTO(fd) int fd = -1;
    bool is_suspect = false;

    json_append(o, &text);
    return open_folder(c, t->id, &fd, e) &&
           file_publish_replace(fd, "task", ".task", buf_slice(&text), &is_suspect, e);
}

static void take_text(const json_t *o, const char *name, char *out, size_t room)
{
    const char *text = json_string_value(json_object_get(o, name));

    (void)snprintf(out, room, "%s", text == NULL ? "" : text); /* what we wrote has room */
}

static int64_t take_number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

/* What a process before us left; one that it did not finish writing is none. */
static bool read_task(const struct cfms *c, const char *id, struct cfms_task *out)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *o = NULL;
    struct cfms_task t = {.created_ns = 0};
    struct err ignored;

    buf_printf(&path, "%s/%s/task", c->folder, id);
    if (!file_read(buf_string(&path), RECORD_MAX, &text, &ignored))
        return false;
    o = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    set_id(&t, id);
    take_text(o, "archive", t.uploads[0], CFMS_TASK_SIZE);
    take_text(o, "key", t.uploads[1], CFMS_TASK_SIZE);
    take_text(o, "user", t.user, sizeof(t.user));
    take_text(o, "job", t.job, sizeof(t.job));
    t.created_ns = take_number(o, "created");
    t.until_ns = take_number(o, "until");
    t.started_ns = take_number(o, "started");
    *out = t;
    return cfms_task_is(t.uploads[0]) && cfms_task_is(t.uploads[1]);
}

/* What was uploaded, or all of it. */
static void remove_files(const struct cfms *c, const struct cfms_task *t, bool with_record)
{
    AUTO(fd) int fd = -1;
    AUTO(fd) int all = -1;
    struct err ignored;

    /* What cannot be removed is tried again by the next sweep. */
    if (!open_folder(c, t->id, &fd, &ignored))
        return;
    (void)!file_remove(fd, CFMS_TASK_ARCHIVE, &ignored);
    (void)!file_remove(fd, CFMS_TASK_KEY, &ignored);
    if (!with_record)
        return;
    (void)!file_remove(fd, "task", &ignored);
    if (dir_open(c->folder, &all, &ignored))
        (void)!dir_remove(all, t->id, &ignored);
}

bool cfms_tasks_open(struct cfms *c, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    DIR *d;

    buf_printf(&path, "%s/" CFMS_TASK_FOLDER, c->options.state);
    c->folder = mem_string(buf_string(&path));
    if (!dir_make_all(c->folder, 0700, e))
        return false;
    d = opendir(c->folder);
    if (d == NULL)
        return err_sys(e, "list %s", c->folder);
    for (const struct dirent *en; (en = readdir(d)) != NULL;) {
        struct cfms_task t = {.created_ns = 0};

        if (!cfms_task_is(en->d_name))
            continue;
        if (c->task_count == TASKS_MAX || !read_task(c, en->d_name, &t)) {
            set_id(&t, en->d_name);
            remove_files(c, &t, true);
            continue;
        }
        c->tasks = mem_resize(c->tasks, c->task_count + 1, sizeof(*c->tasks));
        c->tasks[c->task_count++] = t;
    }
    (void)closedir(d); /* only read */
    return true;
}

/* With the lock. */

static struct cfms_task *find(struct cfms *c, const char *id)
{
    for (size_t i = 0; i < c->task_count; i++)
        if (strcmp(c->tasks[i].id, id) == 0)
            return &c->tasks[i];
    return NULL;
}

bool cfms_task_new(struct cfms *c, const char *user, int64_t seconds, struct cfms_task *out,
                   struct err *e)
{
    struct cfms_task t = {.created_ns = clock_now_ns()};
    AUTO(buf) struct buf path = {0};
    size_t own = 0;

    t.until_ns = t.created_ns + seconds * NS_PER_S;
    make_id(t.id);
    make_id(t.uploads[0]);
    make_id(t.uploads[1]);
    (void)snprintf(t.user, sizeof(t.user), "%s", user); /* has room */
    buf_printf(&path, "%s/%s", c->folder, t.id);
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->task_count; i++)
        own += strcmp(c->tasks[i].user, user) == 0 && c->tasks[i].job[0] == '\0' &&
               c->tasks[i].until_ns > t.created_ns;
    if (own >= OPEN_MAX || c->task_count >= TASKS_MAX) {
        pthread_mutex_unlock(&c->lock);
        return err_set(e, ERR_TRANSIENT, "too many imports are open");
    }
    if (!dir_make_all(buf_string(&path), 0700, e) || !write_task(c, &t, e)) {
        pthread_mutex_unlock(&c->lock);
        return false;
    }
    c->tasks = mem_resize(c->tasks, c->task_count + 1, sizeof(*c->tasks));
    c->tasks[c->task_count++] = t;
    pthread_mutex_unlock(&c->lock);
    *out = t;
    return true;
}

bool cfms_task_get(struct cfms *c, const char *id, struct cfms_task *out)
{
    const struct cfms_task *t;

    pthread_mutex_lock(&c->lock);
    t = find(c, id);
    if (t != NULL)
        *out = *t;
    pthread_mutex_unlock(&c->lock);
    return t != NULL;
}

enum cfms_upload_answer cfms_upload_begin(struct cfms *c, const char *secret, struct cfms_task *out,
                                          int *which)
{
    enum cfms_upload_answer answer = CFMS_UPLOAD_NONE;
    const int64_t now_ns = clock_now_ns();

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->task_count; i++)
        for (int n = 0; n < 2; n++) {
            struct cfms_task *t = &c->tasks[i];

            if (strlen(secret) != CFMS_TASK_DIGITS ||
                !equal_ct(secret, t->uploads[n], CFMS_TASK_DIGITS))
                continue;
            answer = t->until_ns <= now_ns ? CFMS_UPLOAD_OVER
                     : t->job[0] != '\0' || t->is_busy[n] || cfms_task_has(c, t, n)
                         ? CFMS_UPLOAD_WRONG
                         : CFMS_UPLOAD_YES;
            if (answer == CFMS_UPLOAD_YES)
                t->is_busy[n] = true;
            *out = *t;
            *which = n;
        }
    pthread_mutex_unlock(&c->lock);
    return answer;
}

void cfms_upload_end(struct cfms *c, const char *id, int which)
{
    struct cfms_task *t;

    pthread_mutex_lock(&c->lock);
    t = find(c, id);
    if (t != NULL)
        t->is_busy[which] = false;
    pthread_mutex_unlock(&c->lock);
}

bool cfms_task_has(const struct cfms *c, const struct cfms_task *t, int which)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/%s/%s", c->folder, t->id, which == 0 ? CFMS_TASK_ARCHIVE : CFMS_TASK_KEY);
    return access(buf_string(&path), F_OK) == 0;
}

bool cfms_task_start(struct cfms *c, const char *id, const char *job, struct err *e)
{
    struct cfms_task *t;
    bool is_good = false;

    pthread_mutex_lock(&c->lock);
    t = find(c, id);
    if (t != NULL) {
        (void)snprintf(t->job, sizeof(t->job), "%s", job); /* ids of the catalog fit */
        t->started_ns = clock_now_ns();
        is_good = write_task(c, t, e);
    } else {
        (void)err_set(e, ERR_NOT_FOUND, "the task is gone");
    }
    pthread_mutex_unlock(&c->lock);
    return is_good;
}

void cfms_task_clear(struct cfms *c, const struct cfms_task *t)
{
    struct cfms_task *kept;

    remove_files(c, t, false);
    pthread_mutex_lock(&c->lock);
    kept = find(c, t->id);
    if (kept != NULL)
        kept->is_ended = true;
    pthread_mutex_unlock(&c->lock);
}

void cfms_tasks_sweep(struct cfms *c)
{
    const int64_t now_ns = clock_now_ns();

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->task_count;) {
        struct cfms_task *t = &c->tasks[i];
        const bool is_busy = t->is_busy[0] || t->is_busy[1];
        const bool is_open = t->job[0] != '\0' && !t->is_ended;

        if (!is_busy && !is_open && t->until_ns <= now_ns)
            remove_files(c, t, now_ns - t->created_ns > FORGET_NS);
        if (!is_busy && !is_open && now_ns - t->created_ns > FORGET_NS)
            *t = c->tasks[--c->task_count];
        else
            i++;
    }
    pthread_mutex_unlock(&c->lock);
}

size_t cfms_tasks_running(struct cfms *c, struct cfms_task **out)
{
    size_t count = 0;

    pthread_mutex_lock(&c->lock);
    *out = mem_array(c->task_count + 1, sizeof(**out));
    for (size_t i = 0; i < c->task_count; i++)
        if (c->tasks[i].job[0] != '\0' && !c->tasks[i].is_ended)
            (*out)[count++] = c->tasks[i];
    pthread_mutex_unlock(&c->lock);
    return count;
}
