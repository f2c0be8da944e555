/*
 * Answers of this machine: configurations and history from the catalog and the configuration file,
 * backups in this process.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/backup_set.h"
#include "cli/catalog_call.h"
#include "cli/desk_private.h"
#include "cli/made.h"
#include "cli/render.h"
#include "codec/pos_config.h"

/* Configurations */

static bool has_kind(const struct config_set *set, bool (*is_it)(enum config_source_kind))
{
    for (size_t i = 0; i < set->source_count; i++)
        if (is_it(set->sources[i].kind))
            return true;
    return false;
}

static bool is_database(enum config_source_kind kind)
{
    return kind == SOURCE_POSTGRES || kind == SOURCE_SQLITE;
}

static bool is_other(enum config_source_kind kind)
{
    return !is_database(kind);
}

static bool is_no_tree(enum config_source_kind kind)
{
    return kind != SOURCE_FILES;
}

/* A set of the configuration file in the words of the API. */
static json_t *set_json(const struct config_set *set)
{
    AUTO(json)
    json_t *made = set->backup_config != NULL ? json_loads(set->backup_config, 0, NULL) : NULL;
    const char *type = !has_kind(set, is_other)     ? "database"
                       : !has_kind(set, is_no_tree) ? "files"
                                                    : "full";

    if (made != NULL)
        return TAKE(made);
    return json_pack("{s:s, s:s, s:s, s:s?, s:b}", "id", set->name, "name", set->name, "type", type,
                     "schedule", set->schedule.cron, "enabled", set->schedule.cron != NULL);
}

static bool has_id(const json_t *list, const char *id)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *other = json_string_value(json_object_get(one, "id"));

        if (other != NULL && strcmp(other, id) == 0)
            return true;
    }
    return false;
}

bool desk_local_configs(struct desk *d, json_t **out, struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    AUTO(json) json_t *list = NULL;

    if (d->catalog != NULL && !pos_configs_read(&d->service, &answer, e))
        return false;
    list = answer != NULL ? json_incref(json_object_get(answer, "configs")) : json_array();
    for (size_t i = 0; i < d->config->set_count; i++)
        if (!has_id(list, d->config->sets[i].name))
            (void)json_array_append_new(list, set_json(&d->config->sets[i]));
    *out = TAKE(list);
    return true;
}

bool desk_local_history(struct desk *d, const char *config, int limit, json_t **out, struct err *e)
{
    if (d->catalog != NULL)
        return pos_history_read(&d->service, config, 1, (size_t)limit, out, e);
    return err_set(e, ERR_NOT_FOUND,
                   "there is no catalog in %s, which would have the history: serve, worker and "
                   "schedule make one; \"holdfast snapshots --set %s\" reads the repository",
                   d->config->state, config);
}

/* Backups */

/* The type of a set's backups. */
static bool type_of_set(struct desk *d, const char *name, const char **out, struct err *e)
{
    AUTO(json) json_t *list = NULL;
    const json_t *one;
    size_t i;

    *out = "full";
    if (!desk_local_configs(d, &list, e))
        return false;
    json_array_foreach(list, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));

        if (id != NULL && strcmp(id, name) == 0)
            *out = desk_type_of(one);
    }
    return true;
}

static struct catalog_outcome outcome_of(struct desk *d, const struct set_made *made)
{
    const struct snapshot_counts *c = &made->result.counts;
    char id[2 * HASH_SIZE + 1];

    hex_encode(SLICE_OF(made->result.snapshot.bytes, HASH_SIZE), id);
    return (struct catalog_outcome){
        .state = made->result.errors > 0 ? RUN_INCOMPLETE
                 : made->is_degraded     ? RUN_DEGRADED
                                         : RUN_SUCCESS,
        .snapshot = arena_string(&d->call->arena, slice_string(id)),
        .bytes = (int64_t)c->total_bytes,
        .bytes_added = (int64_t)c->bytes_added,
        .files = (int64_t)c->total_files,
        .error_code = made->result.errors > 0 ? "incomplete" : NULL,
        .error = made->result.errors > 0 ? "something could not be read or checked" : NULL};
}

/* As the name of a backup a tag of its snapshot. */
static bool make_tag(struct desk *d, const char *name, const char **out, struct err *e)
{
    AUTO(buf) struct buf tag = {0};

    *out = NULL;
    if (name == NULL)
        return true;
    buf_printf(&tag, "name:%s", name);
    *out = arena_string(&d->call->arena, buf_slice(&tag));
    return utf8_is_valid(slice_string(name)) || err_set(e, ERR_USAGE, "--name is not UTF-8");
}

static bool dry_run(struct desk *d, const struct desk_set *s, struct err *e)
{
    return backup_set_from(d->call, s->config, s->set,
                           &(struct backup_options){.stream_fd = -1, .is_dry_run = true}, NULL, e);
}

/* Repositories that a configuration of the catalog needs for the first time are made, as its jobs
 * do it. */
static bool make_first(struct desk *d, const struct desk_set *s, struct err *e)
{
    AUTO(json) json_t *arguments = json_object();
    AUTO(strings) struct strings names = {0};
    const json_t *one;
    size_t i;

    if (s->listed == NULL)
        return true;
    if (!pos_first_allow(d->catalog, d->config, d->host, s->listed, arguments, e))
        return false;
    json_array_foreach(json_object_get(arguments, "create"), i, one)
    {
        strings_add(&names, (char *)(uintptr_t)json_string_value(one));
    }
    return names.count == 0 || made_first(d->call, s->path, s->set->name, &names, e);
}

struct noting {
    const struct desk *desk;
    const struct desk_set *set;
    bool is_success;
};

static bool note_first(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct noting *n = arg;

    return pos_first_note(t, n->desk->host, n->set->listed, n->is_success, e);
}

static bool back_up(struct desk *d, const struct desk_set *s, const struct backup_options *o,
                    struct set_made *made, struct err *e)
{
    struct noting n = {.desk = d, .set = s};
    struct err why = {0};

    if (!make_first(d, s, e))
        return false;
    n.is_success = backup_set_from(d->call, s->config, s->set, o, made, e);
    if (s->listed != NULL && !catalog_write(d->catalog, note_first, &n, &why))
        output_item_warning(d->call->out, NULL, why.text);
    return n.is_success;
}

bool desk_local_create(struct desk *d, const struct desk_wish *w, json_t **out, struct err *e)
{
    struct desk_run r = {.kind = RUN_BACKUP, .begun_ns = clock_now_ns()};
    struct desk_set s;
    struct set_made made = {0};
    struct catalog_run run;
    const char *tag = NULL;

    *out = NULL;
    d->call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!make_tag(d, w->name, &tag, e) || !desk_find_set(d, w->config, &s, e) ||
        !type_of_set(d, w->config, &r.variant, e))
        return false;
    r.set = s.set;
    if (w->is_dry_run)
        return dry_run(d, &s, e);

    const struct backup_options o = {
        .stream_fd = -1, .tags = &tag, .tag_count = tag != NULL ? 1 : 0};
    const bool is_done = back_up(d, &s, &o, &made, e);

    /* A drill that failed behind it says nothing of the backup. */
    if (!is_done) {
        const struct catalog_outcome failed = desk_run_failure(e);

        desk_run_end(d, &r, &failed, &run);
        return err_wrap(e, "Failed to create backup");
    }

    const struct catalog_outcome done = outcome_of(d, &made);

    desk_run_end(d, &r, &done, &run);
    if (run.id == NULL)
        run.id = done.snapshot;
    *out = pos_record_json(&d->service, &run, r.variant);
    return true;
}

/* Keeping a configuration */

struct saving {
    struct call *call;
    const struct pos_config *config;
    int64_t version;
};

static bool save(struct catalog_tx *t, void *arg, struct err *e)
{
    struct saving *s = arg;
    const struct pos_config *c = s->config;
    const struct catalog_config row = {
        .id = c->id, .name = c->name, .document = c->text, .is_enabled = c->enabled};

    return catalog_config_put(t, &row, CATALOG_VERSION_ANY, catalog_call_actor(s->call),
                              &s->version, e) &&
           catalog_call_audit(s->call, t, "config.save", c->id,
                              json_pack("{s:I}", "version", (json_int_t)s->version), e);
}

bool desk_local_save(struct desk *d, struct slice text, struct err *e)
{
    AUTO(pos_config) struct pos_config *c = NULL;
    AUTO(pos_place) struct pos_place *place = NULL;
    AUTO(buf) struct buf ignored = {0};
    struct saving s = {.call = d->call};

    /* As the service does it: that it becomes a set of this machine. */
    if (!pos_config_parse(text, POS_SAVE, &c, e) || !pos_place_open(d->config, &place, e) ||
        !pos_place_document(place, c, &ignored, e))
        return false;
    s.config = c;
    return catalog_write(d->catalog, save, &s, e);
}
