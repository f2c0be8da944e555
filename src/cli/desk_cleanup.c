/*
 * Retention by request: here set by set as "forget --set" does it, or by a service for all its
 * configurations.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "cli/backup_stores.h"
#include "cli/desk_private.h"
#include "cli/desk_tell.h"
#include "cli/forget_set.h"
#include "codec/json.h"

enum { NAME_ROOM = 256 }; /* of a set or a repository, in print */

/* One set. */
struct cleaning {
    struct desk *desk;
    const struct desk_cleanup *wish;
    const struct config_set *set;
    struct retention_known known;
    json_t *list;
};

static bool clean_one(void *arg, const struct set_store *one, struct err *e)
{
    struct cleaning *c = arg;
    const struct retention *rules =
        retention_is_empty(&one->config->retention) ? &c->set->retention : &one->config->retention;
    struct call *call = c->desk->call;

    if (retention_is_empty(rules))
        return true;
    output_note(call->out, "%s in %s:", c->set->name, one->config->name);

    const struct forget_plan p = {.repo = one->repo,
                                  .set = c->set,
                                  .in = one->config,
                                  .known = &c->known,
                                  .is_dry_run = c->wish->is_dry_run,
                                  .is_brief = !c->wish->explain};

    return forget_plan(call, &p, c->list, e);
}

static bool has_rules(const struct config_set *set)
{
    for (size_t i = 0; i < set->repository_count; i++)
        if (!retention_is_empty(&set->repositories[i]->retention))
            return true;
    return !retention_is_empty(&set->retention);
}

/* Nothing is recorded of a dry run. */
static bool clean(struct desk *d, const struct desk_set *s, const struct desk_cleanup *w,
                  json_t *list, struct err *e)
{
    struct cleaning c = {.desk = d, .wish = w, .set = s->set, .list = list};
    const struct desk_run r = {.kind = RUN_RETENTION, .set = s->set, .begun_ns = clock_now_ns()};
    struct catalog_outcome o = {.state = RUN_SUCCESS};
    struct catalog_run run;

    if (!forget_learn(d->call, s->config, s->set->name, &(struct forget_told){0}, &c.known, e))
        return false;

    const bool is_done = set_each_repository(d->call, s->set, clean_one, &c, e);

    if (!is_done)
        o = desk_run_failure(e);
    if (!is_done && e->code == ERR_TRANSIENT)
        o.state = RUN_SKIPPED; /* paused: nothing was to be done */
    if (!w->is_dry_run)
        desk_run_end(d, &r, &o, &run);
    return is_done;
}

/* Of a configuration in the catalog nothing was backed up yet, and perhaps it has no repository. */
static bool is_untouched(struct desk *d, const struct desk_set *s, bool *out, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_set known;

    *out = false;
    if (s->listed == NULL)
        return true;
    if (!catalog_begin_read(d->catalog, &t, e) || !catalog_set_get(t, s->set->name, &a, &known, e))
        return false;
    *out = known.success_ns == 0;
    return true;
}

static bool clean_here(struct desk *d, const struct desk_cleanup *w, json_t *list, struct err *e)
{
    const char *name;
    size_t count = 0;
    struct err first = {0};

    for (size_t i = 0; (name = desk_set_name(d, i)) != NULL; i++) {
        struct desk_set s;
        bool is_none = false;

        if (w->config != NULL && strcmp(name, w->config) != 0)
            continue;
        if (!desk_find_set(d, name, &s, e)) {
            if (w->config != NULL)
                return false;
            output_item_warning(d->call->out, NULL, e->text);
            continue;
        }
        if (w->config == NULL && !has_rules(s.set))
            continue;
        if (!has_rules(s.set))
            return err_set(e, ERR_USAGE, "set %s has no retention", name);
        count++;
        if (!is_untouched(d, &s, &is_none, e))
            return false;
        if (is_none) {
            output_note(d->call->out, "%s: nothing is backed up yet", name);
            continue;
        }
        /* One that is paused keeps no other from being cleaned. */
        if (!clean(d, &s, w, list, e) && first.code == ERR_NONE)
            first = *e;
        if (e->code == ERR_CANCELLED)
            return false;
    }
    if (count == 0 && w->config != NULL)
        return err_set(e, ERR_USAGE, "there is no set %.100s", w->config);
    if (count == 0)
        output_note(d->call->out, "No set has a retention: everything is kept");
    *e = first;
    return first.code == ERR_NONE;
}

/* A service: of one set by its native API, which says why */

/* What came of the job. */
static bool tell_job(struct desk *d, const struct desk_cleanup *w, const char *name,
                     const json_t *job, json_t *list, struct err *e)
{
    const json_t *result = json_object_get(job, "result");
    const json_t *plans = json_object_get(result, "details");
    const char *state = json_string_value(json_object_get(job, "state"));
    const char *error = json_string_value(json_object_get(result, "error"));
    char repository[NAME_ROOM];
    const json_t *one;
    size_t i;

    json_array_foreach(plans, i, one)
    {
        desk_text(one, "repository", repository, sizeof(repository));
        output_note(d->call->out, "%s in %s:", name, repository);
        forget_tell(d->call, one, !w->explain);
        (void)json_array_append(list, (json_t *)(uintptr_t)one);
    }
    if (state == NULL || strcmp(state, "success") != 0)
        return err_set(e,
                       state != NULL && strcmp(state, "skipped") == 0 ? ERR_TRANSIENT : ERR_FATAL,
                       "%s: %s", name, error != NULL ? error : "nobody knows why");
    return json_is_array(plans) ||
           err_set(e, ERR_FATAL, "%s: the service does not say what it found", name);
}

static bool clean_set_there(struct desk *d, const struct desk_cleanup *w, const char *name,
                            json_t *list, struct err *e)
{
    AUTO(json) json_t *known = NULL;
    AUTO(json) json_t *answer = NULL;
    AUTO(json) json_t *job = NULL;
    AUTO(buf) struct buf path = {0};
    struct slice body = slice_string(w->is_dry_run ? "{\"dry_run\":true}" : "{}");
    int status = 0;

    buf_printf(&path, "/api/v1/sets/");
    if (!remote_path_add(&path, name, e))
        return err_wrap(e, "--config");
    if (!remote_ask(d->remote, "GET", buf_string(&path), (struct slice){0}, &status, &known, e)) {
        if (e->code == ERR_NOT_FOUND)
            e->code = ERR_USAGE; /* as a set that is not in the configuration */
        return false;
    }
    if (!json_is_string(json_object_get(known, "last_success_at"))) {
        output_note(d->call->out, "%s: nothing is backed up yet", name);
        return true;
    }
    buf_printf(&path, "/forget");
    return remote_order(d->remote, buf_string(&path), body, &answer, &job, e) &&
           (job != NULL ? tell_job(d, w, name, job, list, e)
                        : err_set(e, ERR_FATAL, "the service made no job of it"));
}

/* Of all configurations kept there.  One that fails keeps no other from being told. */
static bool clean_sets_there(struct desk *d, const struct desk_cleanup *w, json_t *list,
                             struct err *e)
{
    AUTO(json) json_t *configs = NULL;
    struct err first = {0};
    const json_t *one;
    size_t i;

    if (!desk_configs(d, &configs, e))
        return false;
    json_array_foreach(configs, i, one)
    {
        char name[NAME_ROOM];

        desk_text(one, "id", name, sizeof(name));
        if (!clean_set_there(d, w, name, list, e) && first.code == ERR_NONE)
            first = *e;
        if (cancel_is_requested())
            return cancel_err(e);
    }
    *e = first;
    return first.code == ERR_NONE;
}

static bool clean_there(struct desk *d, const struct desk_cleanup *w, json_t *list, struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    AUTO(json) json_t *job = NULL;
    const json_t *paused;

    if (w->config != NULL)
        return clean_set_there(d, w, w->config, list, e);
    if (w->is_dry_run || w->explain)
        return clean_sets_there(d, w, list, e);
    if (!remote_order(d->remote, "/api/backup/retention/apply", (struct slice){0}, &answer, &job,
                      e))
        return false;
    if (job != NULL)
        return err_set(e, ERR_TRANSIENT, "the service is still at it: ask again");
    paused = json_object_get(answer, "paused");
    if (json_is_array(paused))
        (void)json_array_append_new(list, json_pack("{s:O}", "paused", paused));
    return true;
}

bool desk_cleanup(struct desk *d, const struct desk_cleanup *w, json_t *list, struct err *e)
{
    return d->remote != NULL ? clean_there(d, w, list, e) : clean_here(d, w, list, e);
}
