#include "job/news.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/dispatch_end.h"

enum {
    OWN_MAX = 256, /* jobs of this process that are remembered; it does a few at a time */
};

#define SINCE_NS (10 * NS_PER_S) /* jobs that are done for longer were seen before */
#define LOG_NS   NS_PER_S        /* between looks at logs */

/* A job of another process, as it was told. */
struct story {
    char id[CATALOG_ID_SIZE], run[CATALOG_ID_SIZE];
    char *progress; /* or NULL */
    int64_t log_size;
    bool is_done, is_seen;
};

struct news {
    struct catalog *catalog;
    dispatch_told_fn *told;
    void *arg;
    struct story *stories;
    size_t count;
    bool has_looked;
    int64_t logs_ns; /* when logs were looked at */
    uint64_t seen;   /* of rings */

    pthread_mutex_t lock; /* guards what follows */
    char own[OWN_MAX][CATALOG_ID_SIZE];
    size_t own_next;
};

struct news *news_new(struct catalog *c, dispatch_told_fn *told, void *arg)
{
    struct news *n = mem_new(sizeof(*n));

    n->catalog = c;
    n->told = told;
    n->arg = arg;
    (void)pthread_mutex_init(&n->lock, NULL);
    return n;
}

void news_free(struct news *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->count; i++)
        mem_free(n->stories[i].progress);
    mem_free(n->stories);
    (void)pthread_mutex_destroy(&n->lock);
    mem_free(n);
}

void news_auto(struct news **n)
{
    news_free(*n);
}

/* Jobs of this process */

static bool is_own(struct news *n, const char *id)
{
    bool is_there = false;

    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < OWN_MAX && !is_there; i++)
        is_there = strcmp(n->own[i], id) == 0;
    pthread_mutex_unlock(&n->lock);
    return is_there;
}

void news_leave(struct news *n, const char *topic)
{
    const char *slash = strchr(topic, '/');

    if (slash == NULL || is_own(n, slash + 1))
        return;
    pthread_mutex_lock(&n->lock);
    (void)snprintf(n->own[n->own_next], CATALOG_ID_SIZE, "%s", slash + 1); /* ids of jobs fit */
    n->own_next = (n->own_next + 1) % OWN_MAX;
    pthread_mutex_unlock(&n->lock);
}

/* Telling */

static void tell(const struct news *n, const struct story *p, const char *event, const json_t *data)
{
    char topic[8 + CATALOG_ID_SIZE];

    (void)snprintf(topic, sizeof(topic), "jobs/%s", p->id); /* has room */
    n->told(n->arg, topic, event, data);
}

static void tell_progress(const struct news *n, struct story *p, const char *progress)
{
    AUTO(json) json_t *data = NULL;

    if (progress == NULL || (p->progress != NULL && strcmp(p->progress, progress) == 0))
        return;
    mem_free(p->progress);
    p->progress = mem_string(progress);
    data = json_loads(progress, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(data))
        tell(n, p, "progress", data);
}

/* What came of the run, once there is something: one that was given back goes on being none. */
static bool tell_end(struct news *n, struct catalog_tx *t, const struct story *p, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    AUTO(json) json_t *data = NULL;
    struct catalog_job j;
    struct catalog_run r;

    if (!catalog_job_get(t, p->id, &a, &j, e) || !catalog_run_get(t, p->run, &a, &r, e))
        return e->code == ERR_NOT_FOUND; /* forgotten meanwhile */
    if (!catalog_run_state_is_final(r.outcome.state))
        return true;
    j.run = r.id;
    data = dispatch_event(&j, &r.outcome, !p->is_done);
    tell(n, p, "ended", data);
    return true;
}

/* Looking */

static struct story *find(struct news *n, const struct catalog_job_news *j)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->stories[i].id, j->id) == 0 && strcmp(n->stories[i].run, j->run) == 0)
            return &n->stories[i];
    return NULL;
}

static struct story *add(struct news *n, const struct catalog_job_news *j)
{
    struct story *p;

    n->stories = mem_resize(n->stories, n->count + 1, sizeof(*n->stories));
    p = &n->stories[n->count++];
    *p = (struct story){.is_done = j->is_done && !n->has_looked};
    (void)snprintf(p->id, sizeof(p->id), "%s", j->id);
    (void)snprintf(p->run, sizeof(p->run), "%s", j->run);
    if (!p->is_done)
        tell(n, p, "started", NULL);
    return p;
}

static bool take(struct news *n, struct catalog_tx *t, const struct catalog_job_news *j,
                 bool with_logs, struct err *e)
{
    struct story *p = find(n, j);

    if (p == NULL)
        p = add(n, j);
    p->is_seen = true;
    if (p->is_done)
        return true;
    tell_progress(n, p, j->progress);
    if (with_logs && j->log_size != p->log_size) {
        p->log_size = j->log_size;
        tell(n, p, "logged", NULL);
    }
    p->is_done = j->is_done;
    return !p->is_done || tell_end(n, t, p, e);
}

/* What is under way no more, and not among those that are done: given back, or to be tried again,
 * or done a while ago. */
static bool drop_others(struct news *n, struct catalog_tx *t, struct err *e)
{
    bool ok = true;

    for (size_t i = 0; i < n->count && ok;) {
        struct story *p = &n->stories[i];

        if (p->is_seen) {
            i++;
            continue;
        }
        ok = p->is_done || is_own(n, p->id) || tell_end(n, t, p, e);
        if (!ok)
            break;
        mem_free(p->progress);
        *p = n->stories[--n->count];
    }
    return ok;
}

bool news_look(struct news *n, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_job_news_list list = {0};
    const int64_t now_ns = clock_monotonic_ns();
    const bool with_logs = now_ns - n->logs_ns >= LOG_NS;

    if (!catalog_begin_read(n->catalog, &t, e) ||
        !catalog_job_news(t, catalog_tx_now(t) - SINCE_NS, with_logs, &a, &list, e))
        return false;
    for (size_t i = 0; i < n->count; i++)
        n->stories[i].is_seen = false;
    for (size_t i = 0; i < list.count; i++)
        if (!is_own(n, list.items[i].id) && !take(n, t, &list.items[i], with_logs, e))
            return false;
    if (with_logs)
        n->logs_ns = now_ns;
    n->has_looked = true;
    return drop_others(n, t, e);
}

bool news_wait(struct news *n, struct err *e)
{
    const int64_t until_ns = clock_monotonic_ns() + (int64_t)NEWS_PAUSE_MS * 1000000;

    if (!catalog_job_hear(n->catalog, NEWS_POLL_MS, &n->seen, e))
        return false;
    while (!cancel_is_requested() && clock_monotonic_ns() < until_ns)
        (void)poll(NULL, 0, (int)((until_ns - clock_monotonic_ns()) / 1000000) + 1);
    return true;
}
