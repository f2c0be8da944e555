#include "job/dispatch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/cfms_task.h"
#include "codec/json.h"
#include "codec/pos_config.h"
#include "job/arrival.h"
#include "job/child_plan.h"
#include "job/config_fields.h"
#include "job/dispatch_end.h"
#include "job/pos_first.h"
#include "job/restore_set.h"
#include "job/runner.h"

/* Logs are kept so often, when they have grown. */
#define LOG_NS (3 * NS_PER_S)

/* Children are looked at so often. */
#define LOOK_MS 500

/* Where others listen too, what a job says is written down so often. */
#define NEWS_MS 500

/* Jobs that have to wait for others here are tried again so often. */
#define WAIT_MS 5000

/* From asking a job to stop to insisting. */
#define GRACE_S 30

/* Attempts at taking a killed restore back. */
#define WAYS_BACK 5

/* Files that nobody needs any more are looked for so often. */
#define SWEEP_NS (5 * NS_PER_S)

/* A job that this host holds. */
struct held {
    char id[CHILD_ID_MAX + 1];
    int64_t fence;
    bool is_adopted;              /* from the dispatcher before, and its lease not extended yet */
    int64_t beat_ns;              /* when its lease was extended last, by the monotonic clock */
    char *progress;               /* what it said since; or NULL */
    bool is_urgent;               /* somebody waits for that */
    char restore[RESTORE_ID_MAX]; /* whose swap it has begun; or empty */
    int64_t logged_ns;            /* when its log was kept last */
    size_t logged;                /* bytes of it */
};

struct dispatch {
    struct dispatch_options options;
    struct catalog_job_listener listener; /* of jobs that nobody does */
    struct runner *runner;
    struct held *held;
    size_t count;
    uint64_t seen; /* of the queue, see catalog_job_wait() */
    int64_t swept_ns;
    char holder[128];
};

static void tell_failure(const struct dispatch *d, const struct err *e)
{
    if (d->options.failed != NULL)
        d->options.failed(d->options.arg, e);
}

static void tell(const struct dispatch *d, const char *id, const char *event, const json_t *data)
{
    char topic[8 + CHILD_ID_MAX];

    if (d->options.told == NULL)
        return;
    (void)snprintf(topic, sizeof(topic), "jobs/%s", id); /* has room */
    d->options.told(d->options.arg, topic, event, data);
}

/* Jobs held */

static struct held *held_find(struct dispatch *d, const char *id)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->held[i].id, id) == 0)
            return &d->held[i];
    return NULL;
}

static void held_add(struct dispatch *d, const char *id, int64_t fence)
{
    struct held *h;

    d->held = mem_resize(d->held, d->count + 1, sizeof(*d->held));
    h = &d->held[d->count++];
    *h = (struct held){.fence = fence, .beat_ns = clock_monotonic_ns()};
    (void)snprintf(h->id, sizeof(h->id), "%s", id); /* ids of jobs fit */
}

static void held_drop(struct dispatch *d, const char *id)
{
    struct held *h = held_find(d, id);

    if (h == NULL)
        return;
    mem_free(h->progress);
    *h = d->held[--d->count];
}

/* What children say */

/* What it says of itself, as far as that can be. */
static bool is_restore_id(const char *id)
{
    return id != NULL && strlen(id) == RESTORE_ID_MAX - 1 &&
           strspn(id, "0123456789abcdef") == RESTORE_ID_MAX - 1;
}

static void on_message(void *arg, const struct child_job *j, const json_t *message)
{
    struct dispatch *d = arg;
    struct held *h = held_find(d, j->id);
    const char *type = json_string_value(json_object_get(message, "message_type"));
    const char *restore = json_string_value(json_object_get(message, "restore_id"));
    AUTO(buf) struct buf text = {0};

    if (h == NULL || type == NULL ||
        (strcmp(type, "status") != 0 && strcmp(type, "cfms_import_status") != 0 &&
         strcmp(type, "restore_state") != 0))
        return;
    if (strcmp(type, "restore_state") == 0) {
        if (!is_restore_id(restore))
            return;
        h->is_urgent = true;
        (void)snprintf(h->restore, sizeof(h->restore), "%s", restore); /* as long */
    } else if (h->restore[0] != '\0') {
        return; /* of the preparation: it comes by another file, and may come late */
    }
    json_append(message, &text);
    mem_free(h->progress);
    h->progress = mem_string(buf_string(&text));
    tell(d, j->id, "progress", message);
}

/* A restore that was killed while it changed what is in use goes back, and an undo that was killed
 * goes on, and not only when the next one begins: rules of a firewall may have locked somebody out.
 */
struct way_back {
    const struct child_job *job;
    const char *restore;
};

static bool queue_way_back(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct way_back *w = arg;
    AUTO(buf) struct buf arguments = {0};
    AUTO(buf) struct buf dedup = {0};
    struct catalog_job_ids ids;

    buf_printf(&arguments, "{\"restore\":\"%s\"}", w->restore); /* digits */
    /* Once for each: a way back that is killed itself is tried again as a job that fails is. */
    buf_printf(&dedup, "back@%s", w->restore);

    const struct catalog_job_request q = {.kind = RUN_RESTORE,
                                          .set = w->job->set,
                                          .arguments = buf_string(&arguments),
                                          .cause = CAUSE_CATCH_UP,
                                          .requested_by = "system",
                                          .writer = w->job->set,
                                          .dedup = buf_string(&dedup),
                                          .attempts_max = WAYS_BACK,
                                          .backoff_ms = WAIT_MS};

    return catalog_job_enqueue(t, &q, &ids, e);
}

/* Whether it has ended without a word on whether the state before is back. */
static bool is_killed(const struct child_outcome *o)
{
    return o->signal != 0 || o->state == CHILD_INTERRUPTED;
}

/* Which one is between two states, as far as is known; or NULL.  What an undo discards or confirms
 * stays where it is, and one that was interrupted has a second chance by its lease. */
static const char *killed_restore(const struct child_job *j, const struct held *h,
                                  const struct child_outcome *o)
{
    const char *undone = child_text(j, "restore");
    const bool is_undo = o->signal != 0 && !child_flag(j, "discard") && !child_flag(j, "confirm");

    if (j->verb == CHILD_UNDO)
        return is_undo && is_restore_id(undone) ? undone : NULL;
    return j->verb == CHILD_RESTORE && is_killed(o) && h != NULL && h->restore[0] != '\0'
               ? h->restore
               : NULL;
}

static bool go_back(const struct dispatch *d, const struct child_job *j, const struct held *h,
                    const struct child_outcome *o, struct err *e)
{
    struct way_back w = {j, killed_restore(j, h, o)};

    return w.restore == NULL || catalog_write(d->options.catalog, queue_way_back, &w, e);
}

static bool on_ended(void *arg, const struct child_job *j, const struct child_outcome *o)
{
    struct dispatch *d = arg;
    AUTO(json) json_t *event = NULL;
    struct err e = {0};

    if (!go_back(d, j, held_find(d, j->id), o, &e) ||
        !dispatch_end(&d->options, j, o, &event, &e)) {
        tell_failure(d, &e);
        return false;
    }
    held_drop(d, j->id);
    tell(d, j->id, "ended", event);
    return true;
}

/* Beginning and end */

/* Children that were found go on under the fences that they were started with, and the first beat
 * tells whether these still hold: somebody else may have their jobs by now. */
static void adopt_held(struct dispatch *d)
{
    for (size_t i = 0; i < runner_count(d->runner); i++) {
        const struct child_job *j = runner_job(d->runner, i);

        held_add(d, j->id, j->attempt);
        d->held[i].is_adopted = true;
    }
}

bool dispatch_open(const struct dispatch_options *o, struct dispatch **out, struct err *e)
{
    AUTO(dispatch) struct dispatch *d = mem_new(sizeof(*d));
    const struct runner_options runner = {.state = o->config->state,
                                          .slots = (unsigned)o->config->serve.jobs,
                                          .message = on_message,
                                          .ended = on_ended,
                                          .arg = d};

    d->options = *o;
    if (d->options.lease_ms == 0)
        d->options.lease_ms = DISPATCH_LEASE_MS;
    d->listener = (struct catalog_job_listener){dispatch_given_up, &d->options};
    (void)snprintf(d->holder, sizeof(d->holder), "%.100s:%d", o->host, (int)getpid());
    if (!runner_open(&runner, &d->runner, e))
        return false;
    adopt_held(d);
    *out = TAKE(d);
    return true;
}

void dispatch_close(struct dispatch *d)
{
    if (d == NULL)
        return;
    runner_close(d->runner);
    for (size_t i = 0; i < d->count; i++)
        mem_free(d->held[i].progress);
    mem_free(d->held);
    mem_free(d);
}

void dispatch_auto(struct dispatch **d)
{
    dispatch_close(*d);
}

const struct catalog_job_listener *dispatch_listener(const struct dispatch *d)
{
    return &d->listener;
}

size_t dispatch_count(const struct dispatch *d)
{
    return runner_count(d->runner);
}

/* Starting */

bool dispatch_verb(const struct catalog_job *j, const json_t *arguments, enum child_verb *out,
                   struct err *e)
{
    static const struct {
        enum catalog_run_kind kind;
        enum child_verb verb;
    } verbs[] = {
        {RUN_BACKUP, CHILD_BACKUP}, {RUN_VERIFY, CHILD_CHECK},     {RUN_CHECK, CHILD_CHECK},
        {RUN_DRILL, CHILD_DRILL},   {RUN_RETENTION, CHILD_FORGET}, {RUN_PRUNE, CHILD_PRUNE},
        {RUN_COPY, CHILD_COPY},     {RUN_IMPORT, CHILD_IMPORT},
    };
    const char *command = json_string_value(json_object_get(arguments, "command"));

    if (j->set != NULL && strcmp(j->set, CFMS_JOB_SET) == 0 &&
        (j->kind == RUN_EXPORT || j->kind == RUN_IMPORT)) {
        *out = j->kind == RUN_EXPORT ? CHILD_CFMS_EXPORT : CHILD_CFMS_IMPORT;
        return true;
    }
    if (j->kind == RUN_RESTORE) {
        *out = json_object_get(arguments, "restore") != NULL ? CHILD_UNDO : CHILD_RESTORE;
        return true;
    }
    if (command != NULL)
        return child_verb_of(command, out) ||
               err_set(e, ERR_USAGE, "no job does \"%.40s\"", command);
    if (j->kind == RUN_CHECK && json_object_get(arguments, "document") != NULL) {
        *out = CHILD_TRY;
        return true;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (verbs[i].kind == j->kind) {
            *out = verbs[i].verb;
            return true;
        }
    return err_set(e, ERR_USAGE, "no job does \"%s\"", catalog_run_kind_name(j->kind));
}

/* The configuration that a job runs with, as it is now; and what a first backup by it may make. */
static bool take_config(const struct dispatch *d, struct child_job *c, struct err *e)
{
    AUTO(roster_view) struct roster_view *v = NULL;
    const struct roster_set *set = NULL;
    bool has_changed;

    if (d->options.roster != NULL) {
        if (!roster_look(d->options.roster, &has_changed, e))
            return false;
        v = roster_take(d->options.roster);
        set = c->set == NULL ? NULL : roster_find(v, c->set);
    }
    if (set == NULL || set->version == 0) {
        c->config = mem_string(d->options.config->path);
        return true;
    }
    return roster_publish(d->options.roster, set, &c->config, e) &&
           (c->verb != CHILD_TRY ||
            pos_first_try(d->options.catalog, d->options.config, d->options.host, set, e)) &&
           (c->verb != CHILD_BACKUP || pos_first_allow(d->options.catalog, d->options.config,
                                                       d->options.host, set, c->arguments, e));
}

/* A configuration that is tried comes with the job, and is in no catalog. */
static bool take_trial(const struct dispatch *d, struct child_job *c, struct err *e)
{
    const char *document = child_text(c, "document");
    AUTO(config) struct config *made = NULL;

    if (d->options.roster == NULL)
        return err_set(e, ERR_USAGE, "there is nowhere to try a configuration");
    if (!roster_publish_trial(d->options.roster, document, c->id, &made, &c->config, e))
        return false;

    const struct roster_set set = {.set = &made->sets[0], .config = made};

    if (!pos_first_try(d->options.catalog, d->options.config, d->options.host, &set, e))
        return false;
    mem_free(c->set);
    c->set = mem_string(made->sets[0].name);
    (void)json_object_del(c->arguments, "document"); /* it was there */
    return true;
}

/* Which repositories were read and found whole, and as they were when. */
static bool add_verified(struct catalog_tx *t, struct child_job *c, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_store_list stores = {0};
    json_t *list;

    if (!catalog_store_list(t, &a, &stores, e))
        return false;
    list = json_array();
    for (size_t i = 0; i < stores.count; i++) {
        AUTO(buf) struct buf one = {0};
        char time[CLOCK_TEXT_MAX];

        if (json_array_size(list) == CHILD_LIST_MAX)
            break; /* fewer are verified */
        if (stores.items[i].verified_id == NULL)
            continue;
        clock_format(stores.items[i].verified_ns, time);
        buf_printf(&one, "%s=%s", stores.items[i].verified_id, time);
        (void)json_array_append_new(list, json_string(buf_string(&one)));
    }
    config_show(c->arguments, "verified", list);
    return true;
}

/* What a job that forgets cannot ask the catalog for, as it is now. */
static bool take_facts(const struct dispatch *d, struct child_job *c, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_set set;
    char seen[CLOCK_TEXT_MAX];

    if (c->verb != CHILD_FORGET || c->set == NULL || !child_forgets_by_set(c))
        return true;
    if (!catalog_begin_read(d->options.catalog, &t, e) || !catalog_set_get(t, c->set, &a, &set, e))
        return false;
    if (!add_verified(t, c, e))
        return false;
    clock_format(set.success_ns > set.failure_ns ? set.success_ns : set.failure_ns, seen);
    config_show(c->arguments, "failed_runs",
                json_integer(set.failures < INT32_MAX ? set.failures : INT32_MAX));
    config_show(c->arguments, "clock_seen", json_string(seen));
    return true;
}

/* A set that this configuration does not have is refused by the child. */
static bool check_host(const struct dispatch *d, const char *name, struct err *e)
{
    const struct config_set *set = NULL;
    struct err ignored;

    return name == NULL || !config_find_set(d->options.config, name, &set, &ignored) ||
           config_set_is_here(set, d->options.host) ||
           err_set(e, ERR_USAGE, "set %s is not one of this host, which is %s", name,
                   d->options.host);
}

/* What its host allows a job. */
static void take_limits(const struct dispatch *d, struct child_job *c)
{
    const struct config_job_limits *l = &d->options.config->serve.job_limits;

    c->limits = (struct child_limits){.time_s = l->time_ms / 1000,
                                      .stall_s = l->stall_ms / 1000,
                                      .grace_s = GRACE_S,
                                      .cpu_s = l->cpu_ms / 1000,
                                      .memory = l->memory};
    c->must_confine = l->must_confine;
}

static bool make_child(const struct dispatch *d, const struct catalog_job *j, struct child_job *out,
                       struct err *e)
{
    AUTO(child_job) struct child_job c = {.attempt = (int)j->fence};
    const char *text = j->arguments != NULL ? j->arguments : "{}";

    take_limits(d, &c);
    c.arguments = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (c.arguments == NULL)
        return err_set(e, ERR_USAGE, "the arguments of the job are no JSON");
    if (!dispatch_verb(j, c.arguments, &c.verb, e) || !check_host(d, j->set, e))
        return false;
    (void)snprintf(c.id, sizeof(c.id), "%s", j->id); /* ids of the catalog fit */
    c.set = j->set == NULL || j->set[0] == '\0' ? NULL : mem_string(j->set);
    if (!(child_text(&c, "document") != NULL ? take_trial(d, &c, e) : take_config(d, &c, e)) ||
        !take_facts(d, &c, e))
        return false;
    if (!child_verb_takes_set(c.verb)) { /* the queue knows it, the command does not ask */
        mem_free(c.set);
        c.set = NULL;
    }
    *out = c;
    c = (struct child_job){0};
    return true;
}

/* A job that cannot even begin has failed, and would the next time. */
static bool refuse(struct dispatch *d, const struct catalog_job *j, const struct err *why,
                   struct err *e)
{
    AUTO(child_job) struct child_job c = {.attempt = (int)j->fence};
    char none[] = "";
    const struct child_outcome o = {.state =
                                        why->code == ERR_CANCELLED ? CHILD_CANCELLED : CHILD_FAILED,
                                    .status = -1,
                                    .errors = none,
                                    .why = *why};
    AUTO(json) json_t *event = NULL;

    (void)snprintf(c.id, sizeof(c.id), "%s", j->id);
    c.set = j->set == NULL ? NULL : mem_string(j->set);
    if (!dispatch_end(&d->options, &c, &o, &event, e))
        return false;
    tell(d, j->id, "ended", event);
    return true;
}

static bool start(struct dispatch *d, const struct catalog_job *j, struct err *e)
{
    const struct catalog_job_hold hold = {j->id, j->fence};
    AUTO(child_job) struct child_job c = {0};
    struct err why = {0};

    if (j->is_cancelled)
        return err_set(&why, ERR_CANCELLED, "cancelled before it began") || refuse(d, j, &why, e);
    if (make_child(d, j, &c, &why) && runner_start(d->runner, &c, &why)) {
        held_add(d, j->id, j->fence);
        tell(d, j->id, "started", NULL);
        return true;
    }
    /* Something that is not the job's fault: it may not run beside one of another set, or an
     * attempt of it still runs here. */
    if (why.code == ERR_TRANSIENT || why.code == ERR_EXISTS)
        return catalog_job_release(d->options.catalog, &hold, WAIT_MS, e);
    return refuse(d, j, &why, e);
}

/* The sets whose jobs this host does, in the arena. */
static size_t list_sets(const struct dispatch *d, struct arena *a, const char ***out)
{
    AUTO(roster_view)
    struct roster_view *v = d->options.roster == NULL ? NULL : roster_take(d->options.roster);
    const struct config *c = d->options.config;
    const size_t all = v == NULL ? c->set_count : roster_count(v);
    size_t count = 0;

    *out = arena_take(a, (all + 2) * sizeof(**out));
    if (c->serve.has_pos)
        (*out)[count++] = POS_TRIAL_SET;
    if (c->serve.has_cfms)
        (*out)[count++] = CFMS_JOB_SET;
    for (size_t i = 0; i < all; i++) {
        const struct config_set *set = v == NULL ? &c->sets[i] : roster_at(v, i)->set;

        if (set != NULL && config_set_is_here(set, d->options.host))
            (*out)[count++] = arena_string(a, slice_string(set->name));
    }
    return count;
}

/* Take jobs while there is room for them. */
static bool take_jobs(struct dispatch *d, struct err *e)
{
    AUTO(arena) struct arena mine = {0};
    struct catalog_job_offer offer = {.holder = d->holder,
                                      .place = d->options.host,
                                      .lease_ms = d->options.lease_ms,
                                      .listener = &d->listener};
    const char **sets = NULL;

    /* Of an SQLite catalog nobody else takes jobs: what cannot be done here fails at once. */
    if (catalog_is_shared(d->options.catalog)) {
        offer.set_count = list_sets(d, &mine, &sets);
        offer.sets = sets;
    }

    while (runner_count(d->runner) < (size_t)d->options.config->serve.jobs &&
           !cancel_is_requested()) {
        AUTO(arena) struct arena a = {0};
        struct catalog_job j;
        bool found = false;

        if (!catalog_job_claim(d->options.catalog, &offer, &a, &j, &found, e))
            return false;
        if (!found)
            return true;
        if (!start(d, &j, e))
            return false;
    }
    return true;
}

/* Leases */

/* Whether the lease was extended longer ago than that. */
static bool is_older(const struct held *h, int64_t age_ms)
{
    return clock_monotonic_ns() - h->beat_ns >= age_ms * 1000000;
}

static bool extend(struct dispatch *d, struct held *h, struct err *e)
{
    const struct catalog_job_hold hold = {h->id, h->fence};
    bool is_cancelled = false;

    if (!catalog_job_extend(d->options.catalog, &hold, d->options.lease_ms, h->progress,
                            &is_cancelled, e)) {
        if (e->code != ERR_DENIED)
            return false;
        is_cancelled = true; /* somebody else has it */
    }
    h->beat_ns = clock_monotonic_ns();
    h->is_adopted = false;
    h->is_urgent = false;
    mem_free(h->progress);
    h->progress = NULL;
    if (is_cancelled)
        (void)runner_cancel(d->runner, h->id); /* one that has ended meanwhile needs none */
    return true;
}

struct logging {
    struct catalog_job_hold hold;
    const char *text;
};

static bool write_log(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct logging *g = arg;

    return catalog_job_log(t, &g->hold, g->text, e);
}

/* Keep what a job has told so far, and say that there is more of it.  A lease that is lost shows
 * when it is extended. */
static bool keep_log(struct dispatch *d, struct held *h, struct err *e)
{
    AUTO(buf) struct buf log = {0};
    struct logging g = {.hold = {h->id, h->fence}};

    h->logged_ns = clock_monotonic_ns();
    runner_log(d->runner, h->id, &log);
    if (log.size == h->logged)
        return true;
    g.text = buf_string(&log);
    if (!catalog_write(d->options.catalog, write_log, &g, e))
        return e->code == ERR_DENIED;
    h->logged = log.size;
    tell(d, h->id, "logged", NULL);
    return true;
}

static bool beat(struct dispatch *d, struct err *e)
{
    const bool is_shared = catalog_is_shared(d->options.catalog);
    bool ok = true;

    for (size_t i = 0; i < d->count && ok; i++) {
        struct held *h = &d->held[i];

        if (h->is_adopted || h->is_urgent || is_older(h, d->options.lease_ms / 3) ||
            (is_shared && h->progress != NULL && is_older(h, NEWS_MS)))
            ok = extend(d, h, e);
        if (ok && clock_monotonic_ns() - h->logged_ns >= LOG_NS)
            ok = keep_log(d, h, e);
    }
    /* Not heard of for a whole lease: another host may have it by now. */
    for (size_t i = 0; i < d->count; i++)
        if (is_older(&d->held[i], d->options.lease_ms))
            (void)runner_cancel(d->runner, d->held[i].id);
    return ok;
}

static bool is_in_use(void *arg, const char *path)
{
    const struct dispatch *d = arg;

    return runner_uses(d->runner, path);
}

/* Files of configurations that were changed or deleted, and archives, once no job needs them. */
static bool sweep(struct dispatch *d, struct err *e)
{
    const int64_t now = clock_monotonic_ns();

    if (d->swept_ns != 0 && now - d->swept_ns < SWEEP_NS)
        return true;
    d->swept_ns = now;
    return arrival_sweep(d->options.config->state, d->options.catalog, e) &&
           (d->options.roster == NULL || roster_sweep(d->options.roster, is_in_use, d, e));
}

void dispatch_step(struct dispatch *d, int timeout_ms)
{
    const int look_ms = timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS;
    struct err e = {0};

    if (!beat(d, &e) || !take_jobs(d, &e) || !sweep(d, &e))
        tell_failure(d, &e);
    if (runner_count(d->runner) > 0) {
        runner_look(d->runner, look_ms);
    } else if (!catalog_job_wait(d->options.catalog, timeout_ms, &d->seen, &e)) {
        tell_failure(d, &e);
        (void)poll(NULL, 0, look_ms); /* a signal ends it */
    }
}
