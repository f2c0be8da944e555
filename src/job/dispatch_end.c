#include "job/dispatch_end.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/cfms_task.h"
#include "codec/json.h"
#include "job/child_plan.h"
#include "job/config_fields.h"
#include "job/dispatch_stores.h"
#include "job/pos_first.h"
#include "job/sender.h"

/* Attempts at the retention behind a backup. */
#define RETENTION_ATTEMPTS   3
#define RETENTION_BACKOFF_MS 60000

static enum catalog_run_state state_of(enum child_state s)
{
    switch (s) {
    case CHILD_SUCCEEDED:
        return RUN_SUCCESS;
    case CHILD_INCOMPLETE:
        return RUN_INCOMPLETE;
    case CHILD_CANCELLED:
        return RUN_CANCELLED;
    case CHILD_INTERRUPTED:
        return RUN_INTERRUPTED;
    case CHILD_CONFLICT:
    case CHILD_DRILL_FAILED:
    case CHILD_REFUSED:
    case CHILD_FAILED:
    case CHILD_TIMED_OUT:
    case CHILD_STALLED:
        break;
    }
    return RUN_FAILED;
}

/* Nothing is forgotten while backups fail: who hears of failures has heard of that. */
static bool is_pause(const struct child_job *j, const struct child_outcome *o)
{
    return j->verb == CHILD_FORGET && o->state == CHILD_CONFLICT &&
           json_integer_value(json_object_get(j->arguments, "failed_runs")) > 0;
}

/* It was to say what it would do, and did nothing. */
static bool is_rehearsal(const struct child_job *j)
{
    return child_flag(j, "dry_run") || child_flag(j, "plan");
}

/* No backup was made: nobody may count it as one. */
static bool is_no_backup(const struct child_job *j, const struct child_outcome *o)
{
    return j->verb == CHILD_BACKUP && is_rehearsal(j) &&
           (o->state == CHILD_SUCCEEDED || o->state == CHILD_INCOMPLETE);
}

/* What may pass by itself, without anybody changing anything: who kills a job, a kernel short of
 * memory for one, may leave the next attempt alone. */
static bool may_pass(const struct child_outcome *o)
{
    return o->state == CHILD_CONFLICT || o->state == CHILD_STALLED ||
           (o->state == CHILD_FAILED && (o->status == 1 || o->signal != 0));
}

static const char *text_of(const json_t *result, const char *key, struct arena *a)
{
    const json_t *value = json_object_get(result, key);

    return json_is_string(value) ? arena_string(a, slice_string(json_string_value(value))) : NULL;
}

static int64_t number_of(const json_t *result, const char *key)
{
    const json_t *value = json_object_get(result, key);

    return json_is_integer(value) ? json_integer_value(value) : 0;
}

/* Some repository lacks what the job made, and the set's rule allows that. */
static bool is_degraded(const struct child_outcome *o)
{
    return o->state == CHILD_SUCCEEDED && json_is_true(json_object_get(o->result, "degraded"));
}

/* Which repositories, and why. */
static const char *lack_of(const json_t *result, struct arena *a)
{
    AUTO(buf) struct buf text = {0};
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(result, "repositories"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const char *why = json_string_value(json_object_get(one, "error"));

        if (name != NULL && (why != NULL || json_object_get(one, "snapshot_id") == NULL))
            buf_printf(&text, "%s%s%s%s", text.size == 0 ? "" : "; ", name, why != NULL ? ": " : "",
                       why != NULL ? why : "");
    }
    if (text.size == 0)
        return "not every repository is up to date";
    return arena_string(a, buf_slice(&text));
}

/* Of a failure. */
static const char *word_of(const struct child_job *j, const struct child_outcome *o)
{
    if (j->verb == CHILD_CFMS_EXPORT && o->is_taken)
        return CFMS_FAILED_EXISTS;
    if (j->verb == CHILD_CFMS_IMPORT && o->is_invalid)
        return CFMS_FAILED_INVALID;
    if (j->verb == CHILD_IMPORT && o->is_unfit)
        return "invalid"; /* the archive */
    return child_state_name(o->state);
}

/* A word and a sentence about what is wrong with it; NULL: nothing is. */
static void put_error(const struct child_job *j, const struct child_outcome *o, struct arena *a,
                      struct catalog_outcome *out)
{
    if (is_degraded(o)) {
        out->error_code = "degraded";
        out->error = lack_of(o->result, a);
    } else if (o->state != CHILD_SUCCEEDED) {
        out->error_code = word_of(j, o);
        out->error = arena_string(a, slice_string(o->why.text));
    }
}

static const char *verdict_of(const struct child_job *j, const struct child_outcome *o)
{
    if (j->verb != CHILD_CHECK && j->verb != CHILD_DRILL)
        return NULL;
    if (o->state == CHILD_SUCCEEDED)
        return j->verb == CHILD_DRILL ? "proven" : dispatch_verified(o) ? "verified" : NULL;
    return o->state == CHILD_DRILL_FAILED ? "failed" : NULL;
}

void dispatch_outcome(const struct child_job *j, const struct child_outcome *o, struct arena *a,
                      struct catalog_outcome *out)
{
    AUTO(buf) struct buf details = {0};

    if (o->result != NULL)
        json_append(o->result, &details);
    *out = (struct catalog_outcome){
        .state = is_pause(j, o) || is_no_backup(j, o) ? RUN_SKIPPED
                 : is_degraded(o)                     ? RUN_DEGRADED
                                                      : state_of(o->state),
        /* Of a drill it is what was tried. */
        .snapshot = text_of(o->result, j->verb == CHILD_DRILL ? "snapshot" : "snapshot_id", a),
        .verdict = verdict_of(j, o),
        .bytes = number_of(o->result, "total_bytes_processed"),
        .bytes_added = number_of(o->result, "data_added"),
        .files = number_of(o->result, "total_files_processed"),
        .details = details.size == 0 || details.size > CATALOG_DOCUMENT_MAX
                       ? NULL
                       : arena_string(a, buf_slice(&details))};
    put_error(j, o, a, out);
}

/* Telling */

static enum notice_event event_of(enum catalog_run_kind kind)
{
    if (kind == RUN_DRILL || kind == RUN_VERIFY)
        return NOTICE_DRILL;
    if (kind == RUN_CHECK)
        return NOTICE_CHECK;
    if (kind == RUN_RETENTION || kind == RUN_PRUNE)
        return NOTICE_RETENTION;
    return kind == RUN_RESTORE ? NOTICE_RESTORE : NOTICE_BACKUP;
}

/* What messages are made of. */
struct telling {
    const struct config_set *set;
    const struct template_set *templates;
    const struct catalog_job *job;
    const struct catalog_outcome *outcome;
    size_t *lost; /* messages for which there was no room */
};

static bool add_messages(struct catalog_tx *t, const struct telling *n, enum notice_outcome outcome,
                         const char *const *to, size_t count, struct err *e)
{
    const struct catalog_outcome *c = n->outcome;
    AUTO(message_list) struct message_list list = {0};
    char host[256] = "";
    uint64_t bad = 0; /* config_load() has checked them */

    if (count == 0)
        return true;
    (void)gethostname(host, sizeof(host) - 1); /* without a name there is none in the message */
    notice_messages(&(struct notice){.event = event_of(n->job->kind),
                                     .outcome = outcome,
                                     .id = n->job->run,
                                     .set = n->set->name,
                                     .type = catalog_run_kind_name(n->job->kind),
                                     .snapshot = c->snapshot,
                                     .error = outcome == NOTICE_SUCCESS ? NULL : c->error,
                                     .host = host,
                                     .has_size = c->bytes > 0,
                                     .size = (uint64_t)c->bytes,
                                     .time_ns = clock_now_ns()},
                    to, count, n->templates, &list, &bad);
    return sender_queue_some(t, n->job->run, &list, n->lost, e);
}

/* Of the channels those who only count the time since the last success, or the others; in the
 * arena. */
static size_t choose(const struct texts *all, bool are_heartbeats, struct arena *a,
                     const char *const **out)
{
    const char **chosen = arena_take(a, (all->count + 1) * sizeof(*chosen));
    size_t count = 0;

    for (size_t i = 0; i < all->count; i++) {
        struct channel c;
        struct err ignored; /* config_load() has checked them */

        if (channel_parse(all->items[i], &c, &ignored) &&
            (c.kind == CHANNEL_HEARTBEAT) == are_heartbeats)
            chosen[count++] = all->items[i];
    }
    *out = chosen;
    return count;
}

/* A success of the set with which something is wrong: to those who hear of failures, but for
 * heartbeats, which get no alarm. */
static bool tell_flawed(struct catalog_tx *t, const struct telling *n, struct err *e)
{
    const struct config_notify *to = &n->set->notify;
    const bool is_degraded = n->outcome->state == RUN_DEGRADED;
    AUTO(arena) struct arena a = {0};
    const char *const *beats = NULL, *const *others = NULL;
    const size_t beat_count = choose(&to->on_success, true, &a, &beats);
    const size_t other_count = choose(&to->on_failure, false, &a, &others);

    /* That all is there may be told of a degraded one only. */
    return add_messages(t, n, NOTICE_SUCCESS,
                        is_degraded ? (const char *const *)to->on_success.items : beats,
                        is_degraded ? to->on_success.count : beat_count, e) &&
           add_messages(t, n, NOTICE_INCOMPLETE, others, other_count, e);
}

static bool tell_all(struct catalog_tx *t, const struct telling *n, struct err *e)
{
    const enum catalog_run_state state = n->outcome->state;
    const bool is_success = state == RUN_SUCCESS;
    const struct texts *to = is_success ? &n->set->notify.on_success : &n->set->notify.on_failure;

    /* Who imports something asked for it and looks at the job. */
    if (state == RUN_CANCELLED || state == RUN_SKIPPED || n->job->kind == RUN_IMPORT ||
        (is_success && n->job->kind == RUN_RETENTION && n->job->cause != CAUSE_API))
        return true;
    if (!is_success && n->job->kind == RUN_BACKUP && catalog_outcome_is_success(n->outcome))
        return tell_flawed(t, n, e);
    return add_messages(t, n,
                        is_success                ? NOTICE_SUCCESS
                        : state == RUN_INCOMPLETE ? NOTICE_INCOMPLETE
                                                  : NOTICE_FAILURE,
                        (const char *const *)to->items, to->count, e);
}

/* Retention */

/* What follows a backup that succeeded. */
struct following {
    const char *run;
    const char *config; /* or NULL */
    const struct config_set *set;
};

/* repository NULL: all of the set's. */
static bool queue_one(struct catalog_tx *t, const struct following *f, const char *repository,
                      struct err *e)
{
    AUTO(json) json_t *arguments = json_object();
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf dedup = {0};
    struct catalog_job_ids ids;

    if (repository != NULL)
        config_show(arguments, "repository", json_string(repository));
    json_append(arguments, &text);
    buf_printf(&dedup, "retention@%s/%s", f->run, repository != NULL ? repository : "");

    const struct catalog_job_request q = {.kind = RUN_RETENTION,
                                          .set = f->set->name,
                                          .config = f->config,
                                          .arguments = buf_string(&text),
                                          .cause = CAUSE_SCHEDULE,
                                          .requested_by = "system",
                                          .writer = f->set->name,
                                          .dedup = buf_string(&dedup),
                                          .attempts_max = RETENTION_ATTEMPTS,
                                          .backoff_ms = RETENTION_BACKOFF_MS};

    return catalog_job_enqueue(t, &q, &ids, e);
}

static bool queue_retention(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct following *f = arg;

    if (!retention_is_empty(&f->set->retention))
        return queue_one(t, f, NULL, e);
    for (size_t i = 0; i < f->set->repository_count; i++)
        if (!retention_is_empty(&f->set->repositories[i]->retention) &&
            !queue_one(t, f, f->set->repositories[i]->name, e))
            return false;
    return true;
}

/* The transaction of an ending. */
struct ending {
    const struct dispatch_options *options;
    const struct child_job *child;
    const struct child_outcome *outcome;
    const struct roster_view *view; /* or NULL */
    json_t *event;                  /* owned */
    struct arena arena;
    struct following following; /* set NULL: nothing follows */
    size_t lost;                /* messages */
};

json_t *dispatch_event(const struct catalog_job *j, const struct catalog_outcome *c,
                       bool is_queued_again)
{
    return json_pack("{s:s, s:s, s:s?, s:s, s:s, s:s*, s:s*, s:b}", "job", j->id, "run", j->run,
                     "set", j->set, "kind", catalog_run_kind_name(j->kind), "state",
                     catalog_run_state_name(c->state), "snapshot", c->snapshot, "error", c->error,
                     "again", is_queued_again);
}

/* The set of a job as it is now; NULL: it was taken out of the configuration.  known: what the view
 * (or NULL) has of it, or NULL. */
static const struct config_set *set_of(const struct dispatch_options *o,
                                       const struct roster_view *view, const char *name,
                                       const struct roster_set **known)
{
    const struct config_set *set = NULL;
    struct err none;

    *known = name != NULL && view != NULL ? roster_find(view, name) : NULL;
    if (*known != NULL)
        return (*known)->set;
    return name != NULL && config_find_set(o->config, name, &set, &none) ? set : NULL;
}

static bool write_ending(struct catalog_tx *t, void *arg, struct err *e)
{
    struct ending *g = arg;
    const struct catalog_job_hold hold = {g->child->id, g->child->attempt};
    const bool is_success = g->outcome->state == CHILD_SUCCEEDED;
    const bool is_done = is_success && !is_rehearsal(g->child);
    /* Who asked looks at the job. */
    const bool is_answer = is_success && child_text(g->child, "command") != NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j;
    struct catalog_job_end end = {.may_retry = may_pass(g->outcome)};
    const struct roster_set *known;
    const struct config_set *set;
    bool is_queued_again = false;

    g->lost = 0;
    dispatch_outcome(g->child, g->outcome, &a, &end.outcome);
    if (!catalog_job_get(t, hold.id, &a, &j, e))
        return false;
    set = set_of(g->options, g->view, j.set, &known);
    /* A set that was taken out of the configuration has nobody to tell. */
    if (set != NULL)
        end.outcome.may_be_incomplete = set->on_error == ON_ERROR_INCOMPLETE;
    if (g->outcome->log != NULL && g->outcome->log[0] != '\0' &&
        !catalog_job_log(t, &hold, g->outcome->log, e))
        return false;
    if (!catalog_job_finish(t, &hold, &end, &is_queued_again, e) ||
        !dispatch_stores(t, set, g->child, g->outcome, e))
        return false;
    if (!is_queued_again && set != NULL && (is_done || !is_success) && !is_answer &&
        !tell_all(t,
                  &(struct telling){.set = set,
                                    .templates = g->options->templates,
                                    .job = &j,
                                    .outcome = &end.outcome,
                                    .lost = &g->lost},
                  e))
        return false;
    if (known != NULL && j.kind == RUN_BACKUP &&
        !pos_first_note(t, g->options->host, known, is_done, e))
        return false;
    g->following = (struct following){0};
    if (is_done && j.kind == RUN_BACKUP)
        g->following = (struct following){
            .run = arena_string(&g->arena, slice_string(j.run)),
            .config = j.config == NULL ? NULL : arena_string(&g->arena, slice_string(j.config)),
            .set = set};
    json_decref(g->event);
    g->event = dispatch_event(&j, &end.outcome, is_queued_again);
    return true;
}

static void tell_lost(const struct dispatch_options *o, const char *job, size_t lost)
{
    struct err e = {0};

    if (lost == 0 || o->failed == NULL)
        return;
    (void)err_set(&e, ERR_TRANSIENT, "%zu messages about job %s are lost: %d wait to be sent", lost,
                  job, CATALOG_OUTBOX_MAX);
    o->failed(o->arg, &e);
}

bool dispatch_end(const struct dispatch_options *o, const struct child_job *j,
                  const struct child_outcome *outcome, json_t **event, struct err *e)
{
    AUTO(roster_view) struct roster_view *view = o->roster == NULL ? NULL : roster_take(o->roster);
    struct ending g = {.options = o, .child = j, .outcome = outcome, .view = view};
    struct err ignored;
    bool ok = true;

    *event = NULL;
    if (outcome->state == CHILD_INTERRUPTED)
        return true;
    if (!catalog_write(o->catalog, write_ending, &g, e)) {
        json_decref(g.event);
        g.event = NULL;
        ok = e->code == ERR_DENIED || e->code == ERR_NOT_FOUND;
        g.lost = 0;
    } else if (g.following.set != NULL) {
        /* In a transaction of its own: a full queue must not keep the end from being recorded, and
         * what is left out now comes after the next backup. */
        (void)!catalog_write(o->catalog, queue_retention, &g.following, &ignored);
    }
    tell_lost(o, j->id, g.lost);
    arena_done(&g.arena);
    *event = g.event;
    return ok;
}

bool dispatch_given_up(struct catalog_tx *t, void *arg, const struct catalog_job *j,
                       const struct catalog_outcome *c, struct err *e)
{
    const struct dispatch_options *o = arg;
    AUTO(roster_view) struct roster_view *view = o->roster == NULL ? NULL : roster_take(o->roster);
    const struct roster_set *known;
    const struct config_set *set = set_of(o, view, j->set, &known);
    size_t lost = 0;

    if (set != NULL &&
        !tell_all(t,
                  &(struct telling){
                      .set = set, .templates = o->templates, .job = j, .outcome = c, .lost = &lost},
                  e))
        return false;
    tell_lost(o, j->id, lost);
    return known == NULL || j->kind != RUN_BACKUP || pos_first_note(t, o->host, known, false, e);
}
