#include "cli/desk.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/catalog_call.h"
#include "cli/config_path.h"
#include "cli/desk_private.h"
#include "cli/service_set.h"
#include "cli/terminal.h"
#include "codec/json.h"

/* A body. */
#define NOTHING ((struct slice){0})

/* For records of the API: a set made of a configuration. */
static bool look_set(void *arg, const char *name, struct arena *a, struct service_set *out)
{
    const struct desk *d = arg;

    return d->view != NULL && service_set_find(d->view, name, a, out);
}

const char *desk_set_name(const struct desk *d, size_t i)
{
    if (d->view != NULL)
        return i < roster_count(d->view) ? roster_at(d->view, i)->name : NULL;
    return i < d->config->set_count ? d->config->sets[i].name : NULL;
}

bool desk_find_set(struct desk *d, const char *name, struct desk_set *out, struct err *e)
{
    const struct roster_set *s = d->view != NULL ? roster_find(d->view, name) : NULL;
    AUTO(mem) char *path = NULL;

    *out = (struct desk_set){.config = d->config};
    if (s == NULL)
        return config_find_set(d->config, name, &out->set, e);
    if (s->set == NULL) {
        *e = s->why;
        return err_wrap(e, "configuration %s", name);
    }
    out->set = s->set;
    out->config = s->config;
    if (s->version == 0)
        return true;
    if (!roster_publish(d->roster, s, &path, e))
        return false;
    out->listed = s;
    out->path = arena_string(&d->call->arena, slice_string(path));
    return true;
}

static bool open_local(struct desk *d, const char *option, bool makes_catalog, struct err *e)
{
    const char *path = NULL;

    d->call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path(option, &path, e) || !config_load(path, &d->config, e))
        return false;
    if (!catalog_call_find(d->call, d->config, makes_catalog, &d->catalog, e))
        return err_wrap(e, "catalog of %s", path);
    if (d->catalog != NULL) {
        if (!roster_open(d->catalog, d->config, &d->roster, e))
            return false;
        d->view = roster_take(d->roster);
    }
    (void)gethostname(d->host, sizeof(d->host) - 1); /* cut, or "" */
    d->call->stage = STAGE_WORK;
    d->service = (struct service){.catalog = d->catalog, .find_set = look_set, .arg = d};
    service_set_take(&d->service, d->config, &d->call->arena);
    return true;
}

bool desk_open(struct call *call, const struct desk_args *args, bool makes_catalog,
               struct desk **out, struct err *e)
{
    AUTO(desk) struct desk *d = mem_new(sizeof(*d));

    d->call = call;
    if (args->remote.server != NULL ? !remote_open(call, &args->remote, &d->remote, e)
                                    : !open_local(d, args->config_file, makes_catalog, e))
        return false;
    *out = TAKE(d);
    return true;
}

void desk_close(struct desk *d)
{
    if (d == NULL)
        return;
    remote_close(d->remote);
    roster_view_drop(d->view);
    roster_close(d->roster);
    catalog_close(d->catalog);
    config_free(d->config);
    mem_free(d);
}

void desk_auto(struct desk **d)
{
    desk_close(*d);
}

bool desk_is_remote(const struct desk *d)
{
    return d->remote != NULL;
}

const char *desk_type_of(const json_t *config)
{
    const char *type = json_string_value(json_object_get(config, "type"));

    if (type != NULL && strcmp(type, "database") == 0)
        return "database";
    return type != NULL && strcmp(type, "files") == 0 ? "files" : "full";
}

/* A member that the answer has to have; *answer is released. */
static bool take_member(json_t **answer, const char *name, bool is_array, json_t **out,
                        struct err *e)
{
    AUTO(json) json_t *j = TAKE(*answer);
    json_t *member = json_object_get(j, name);

    if (is_array ? !json_is_array(member) : !json_is_object(member))
        return err_set(e, ERR_FATAL, "the service's answer has no \"%s\"", name);
    *out = json_incref(member);
    return true;
}

bool desk_configs(struct desk *d, json_t **out, struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    int status = 0;

    if (d->remote == NULL)
        return desk_local_configs(d, out, e);
    return remote_ask(d->remote, "GET", "/api/backup/configs", NOTHING, &status, &answer, e) &&
           take_member(&answer, "configs", true, out, e);
}

bool desk_history(struct desk *d, const char *config, int limit, json_t **out, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    int status = 0;

    if (d->remote == NULL)
        return desk_local_history(d, config, limit, out, e);
    buf_printf(&path, "/api/backup/history/");
    if (!remote_path_add(&path, config, e))
        return err_wrap(e, "--config");
    buf_printf(&path, "?limit=%d", limit);
    if (!remote_ask(d->remote, "GET", buf_string(&path), NOTHING, &status, out, e))
        return false;
    if (json_is_array(json_object_get(*out, "backups")))
        return true;
    json_decref(*out);
    *out = NULL;
    return err_set(e, ERR_FATAL, "the service's answer has no \"backups\"");
}

bool desk_stats(struct desk *d, json_t **out, struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    int status = 0;

    if (d->remote != NULL)
        return remote_ask(d->remote, "GET", "/api/backup/stats", NOTHING, &status, &answer, e) &&
               take_member(&answer, "stats", false, out, e);
    if (d->catalog == NULL)
        return err_set(e, ERR_NOT_FOUND,
                       "there is no catalog in %s, which would have the figures: serve, worker and "
                       "schedule make one",
                       d->config->state);
    return pos_stats_read(&d->service, &answer, e) && take_member(&answer, "stats", false, out, e);
}

/* A text of a job's result; NULL: it has none. */
static const char *result_text(const json_t *job, const char *key)
{
    return json_string_value(json_object_get(json_object_get(job, "result"), key));
}

/* What the job of an order came to; the run's record in the history has the rest. */
static bool find_record(struct desk *d, const char *config, const json_t *job, json_t **out,
                        struct err *e)
{
    AUTO(json) json_t *history = NULL;
    const char *run = json_string_value(json_object_get(job, "run"));
    const char *error = result_text(job, "error");
    const json_t *one;
    size_t i;

    if (run == NULL || !desk_history(d, config, DESK_LIMIT_MAX, &history, e))
        return run != NULL ? false : err_set(e, ERR_FATAL, "the job does not say what it did");
    json_array_foreach(json_object_get(history, "backups"), i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));

        if (id != NULL && strcmp(id, run) == 0) {
            *out = json_incref((json_t *)(uintptr_t)one);
            return true;
        }
    }
    return err_set(e, ERR_FATAL, "%s", error != NULL ? error : "the job left no backup");
}

static bool create_there(struct desk *d, const struct desk_wish *w, json_t **out, struct err *e)
{
    AUTO(json)
    json_t *body =
        json_pack("{s:s, s:s*, s:s*}", "configId", w->config, "type", w->type, "name", w->name);
    AUTO(json) json_t *answer = NULL;
    AUTO(json) json_t *job = NULL;
    AUTO(json) json_t *record = NULL;
    AUTO(buf) struct buf text = {0};
    const char *status;
    const char *error;

    if (body == NULL)
        return err_set(e, ERR_USAGE, "an argument is not UTF-8");
    json_append(body, &text);
    if (!remote_order(d->remote, "/api/backup/create", buf_slice(&text), &answer, &job, e)) {
        if (e->code == ERR_NOT_FOUND)
            e->code = ERR_USAGE; /* as a set that is not in the configuration */
        return false;
    }
    if (job != NULL ? !find_record(d, w->config, job, &record, e)
                    : !take_member(&answer, "backup", false, &record, e))
        return false;
    status = json_string_value(json_object_get(record, "status"));
    error = json_string_value(json_object_get(record, "error"));
    if (status == NULL || strcmp(status, "failed") == 0)
        return err_set(e, ERR_FATAL, "Failed to create backup: %s",
                       error != NULL ? error : "the service does not say why");
    *out = TAKE(record);
    return true;
}

bool desk_create(struct desk *d, const struct desk_wish *w, json_t **out, struct err *e)
{
    return d->remote != NULL ? create_there(d, w, out, e) : desk_local_create(d, w, out, e);
}

/* The address of a call about one backup. */
static bool backup_path(const char *call, const char *id, struct buf *path, struct err *e)
{
    buf_printf(path, "/api/backup/%s/", call);
    return remote_path_add(path, id, e) || err_wrap(e, "--backup");
}

bool desk_verify(struct desk *d, const char *id, bool *is_valid, struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    AUTO(json) json_t *job = NULL;
    AUTO(buf) struct buf path = {0};
    const json_t *valid;

    if (d->remote == NULL)
        return desk_local_verify(d, id, is_valid, e);
    if (!backup_path("verify", id, &path, e) ||
        !remote_order(d->remote, buf_string(&path), NOTHING, &answer, &job, e))
        return false;
    if (job != NULL) {
        const char *verdict = result_text(job, "verdict");
        const char *error = result_text(job, "error");

        if (verdict == NULL)
            return err_set(e, ERR_FATAL, "Failed to verify backup: %s",
                           error != NULL ? error : "the drill was not held");
        *is_valid = strcmp(verdict, "proven") == 0;
        return true;
    }
    valid = json_object_get(answer, "isValid");
    if (!json_is_boolean(valid))
        return err_set(e, ERR_FATAL, "the service's answer has no \"isValid\"");
    *is_valid = json_is_true(valid);
    return true;
}

static bool restore_there(struct desk *d, const struct desk_restore *w, struct err *e)
{
    AUTO(json) json_t *body = json_pack("{s:s*}", "targetEnvironment", w->environment);
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};

    if (body == NULL)
        return err_set(e, ERR_USAGE, "--environment is not UTF-8");
    json_append(body, &text);
    if (!backup_path("restore", w->id, &path, e))
        return false;
    for (;;) {
        AUTO(json) json_t *answer = NULL;
        AUTO(json) json_t *job = NULL;
        const char *state;
        const char *error;

        if (!remote_order(d->remote, buf_string(&path), buf_slice(&text), &answer, &job, e))
            return false;
        if (job == NULL)
            return true;
        state = json_string_value(json_object_get(job, "state"));
        error = result_text(job, "error");
        /* A message says that the job was the backup's proof: nothing is restored yet. */
        if (json_object_get(answer, "message") != NULL) {
            if (result_text(job, "verdict") == NULL)
                return err_set(e, ERR_FATAL, "Failed to restore backup: %s",
                               error != NULL ? error : "the drill was not held");
            continue;
        }
        return (state != NULL && strcmp(state, "success") == 0) ||
               err_set(e, ERR_FATAL, "Failed to restore backup: %s",
                       error != NULL   ? error
                       : state != NULL ? state
                                       : "nobody knows why");
    }
}

bool desk_restore(struct desk *d, const struct desk_restore *w, bool *is_done, struct err *e)
{
    if (d->remote == NULL)
        return desk_local_restore(d, w, is_done, e);
    *is_done = w->yes;
    return (w->yes || desk_agree(d->call, is_done, e)) && (!*is_done || restore_there(d, w, e));
}

bool desk_save(struct desk *d, struct slice text, struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    int status = 0;

    return d->remote == NULL
               ? desk_local_save(d, text, e)
               : remote_ask(d->remote, "POST", "/api/backup/configs", text, &status, &answer, e);
}
