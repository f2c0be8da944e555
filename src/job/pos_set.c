#include "job/pos_set.h"

#include <string.h>

#include "base/text.h"
#include "codec/json.h"
#include "codec/zone.h"
#include "job/config_fields.h"
#include "job/pos_sources.h"

/* Places */

/* The next name of a path, "" at its end; passes over '/' and ".". */
static struct slice take_name(const char **path)
{
    for (;;) {
        while (**path == '/')
            (*path)++;

        const struct slice name = SLICE_OF(*path, strcspn(*path, "/"));

        *path += name.size;
        if (name.size != 1 || name.data[0] != '.')
            return name;
    }
}

bool pos_set_lies_in(const char *path, const char *folder)
{
    for (;;) {
        const struct slice wanted = take_name(&folder);

        if (wanted.size == 0)
            return true;
        if (!slice_is_equal(take_name(&path), wanted))
            return false;
    }
}

static bool check_roots(const struct pos_config *c, const struct pos_surroundings *s, struct err *e)
{
    for (size_t i = 0; i < c->destination_count; i++) {
        const struct pos_destination *d = &c->destinations[i];
        bool is_inside = d->is_s3 || s->root_count == 0;

        for (size_t k = 0; k < s->root_count && !is_inside; k++)
            is_inside = pos_set_lies_in(d->path, s->roots[k]);
        if (!is_inside)
            return err_set(e, ERR_USAGE,
                           "destinations[%zu].config.path: lies outside the folders that are "
                           "allowed for destinations",
                           i);
    }
    return true;
}

static json_t *repository_of(const struct pos_destination *d, const struct pos_surroundings *s)
{
    json_t *o = json_object();
    AUTO(buf) struct buf url = {0};

    if (!d->is_s3)
        buf_printf(&url, "%s", d->path);
    else if (d->endpoint != NULL)
        buf_printf(&url, "s3:%s/%s/%s", d->endpoint, d->bucket, d->folder);
    else
        buf_printf(&url, "s3:https://s3.%s.amazonaws.com/%s/%s", d->region, d->bucket, d->folder);
    config_show(o, "url", json_string(buf_string(&url)));
    if (s->key_file != NULL)
        config_show(o, "key_file", json_string(s->key_file));
    else
        config_show(o, "password_file", json_string(s->repository_password_file));
    if (d->is_s3) {
        config_show(o, "options", json_object());
        config_show(json_object_get(o, "options"), "s3.region", json_string(d->region));
    }
    return o;
}

/* "s3-0123456789ab": the same for the same place. */
static void name_repository(const struct pos_destination *d, const json_t *repository,
                            struct buf *out)
{
    const json_t *options = json_object_get(repository, "options");
    const char *region = json_string_value(json_object_get(options, "s3.region"));
    AUTO(buf) struct buf place = {0};
    struct hash sum;
    char text[13];

    buf_printf(&place, "%s %s", json_string_value(json_object_get(repository, "url")),
               region == NULL ? "" : region);
    sha256(buf_slice(&place), &sum);
    hex_encode(SLICE_OF(sum.bytes, 6), text);
    buf_printf(out, "%s-%s", d->is_s3 ? "s3" : "local", text);
}

static json_t *add_repositories(const struct pos_config *c, const struct pos_surroundings *s,
                                json_t *repositories)
{
    json_t *names = json_array();

    for (size_t i = 0; i < c->destination_count; i++) {
        AUTO(buf) struct buf name = {0};
        json_t *one = repository_of(&c->destinations[i], s);

        name_repository(&c->destinations[i], one, &name);
        if (json_object_get(repositories, buf_string(&name)) == NULL)
            config_show(repositories, buf_string(&name), json_incref(one));
        json_decref(one);
        json_array_append_new(names, json_string(buf_string(&name)));
    }
    return names;
}

/* Sets */

static bool wants_database(enum pos_type t)
{
    return t != POS_FILES;
}

static bool wants_files(enum pos_type t)
{
    return t != POS_DATABASE;
}

static bool check_texts(const struct pos_surroundings *s)
{
    const char *const texts[] = {s->dsn, s->password_file, s->key_file,
                                 s->repository_password_file};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i] != NULL && !utf8_is_valid(slice_string(texts[i])))
            return false;
    for (size_t i = 0; i < s->folder_count; i++)
        if (!utf8_is_valid(slice_string(s->folders[i])))
            return false;
    return true;
}

static bool check_surroundings(const struct pos_config *c, const struct pos_surroundings *s,
                               struct err *e)
{
    if (s->key_file == NULL && s->repository_password_file == NULL)
        return err_set(e, ERR_USAGE, "no file has the key or password of the repositories");
    if (c->source_count > 0)
        return check_texts(s) || err_set(e, ERR_USAGE, "a path is not UTF-8");
    if (wants_database(c->type) && s->dsn == NULL)
        return err_set(e, ERR_USAGE, "type: %s",
                       s->why_no_dsn != NULL ? s->why_no_dsn : "DATABASE_URL not configured");
    if (wants_files(c->type) && s->folder_count == 0)
        return err_set(
            e, ERR_USAGE,
            "type: none of the folders UPLOAD_DIR, REPORTS_DIR and EXPORTS_DIR is there");
    return check_texts(s) || err_set(e, ERR_USAGE, "a path is not UTF-8");
}

/* Is the folder backed up with another anyway?  Of two that are the same the first counts. */
static bool is_covered(const struct pos_surroundings *s, size_t index)
{
    for (size_t i = 0; i < s->folder_count; i++)
        if (i != index && pos_set_lies_in(s->folders[index], s->folders[i]) &&
            (i < index || !pos_set_lies_in(s->folders[i], s->folders[index])))
            return true;
    return false;
}

static json_t *sources_of(const struct pos_config *c, const struct pos_surroundings *s)
{
    json_t *list = json_array();
    json_t *paths = json_array();

    if (wants_database(c->type)) {
        json_t *postgres = json_object();

        config_show(postgres, "dsn", json_string(s->dsn));
        if (s->password_file != NULL)
            config_show(postgres, "password_file", json_string(s->password_file));
        json_array_append_new(list, json_pack("{s:o}", "postgres", postgres));
    }
    for (size_t i = 0; i < s->folder_count; i++)
        if (!is_covered(s, i))
            json_array_append_new(paths, json_string(s->folders[i]));
    if (wants_files(c->type))
        json_array_append_new(list, json_pack("{s:{s:O}}", "files", "paths", paths));
    json_decref(paths);
    return list;
}

static json_t *recipients_of(const char *const *list, size_t count)
{
    json_t *out = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(out, json_sprintf("mailto:%s", list[i]));
    return out;
}

static json_t *retention_of(const struct pos_config *c)
{
    json_t *o = json_object();

    if (c->daily > 0)
        config_show(o, "daily", json_integer(c->daily));
    if (c->weekly > 0)
        config_show(o, "weekly", json_integer(c->weekly));
    if (c->monthly > 0)
        config_show(o, "monthly", json_integer(c->monthly));
    return o;
}

static json_t *schedule_of(const struct pos_config *c)
{
    return c->timezone == NULL
               ? json_string(c->schedule)
               : json_pack("{s:s, s:s}", "cron", c->schedule, "timezone", c->timezone);
}

static json_t *set_of(const struct pos_config *c, const struct pos_surroundings *s,
                      json_t *repositories)
{
    json_t *o = json_object();
    json_t *notify = json_object();

    config_show(o, "sources", c->source_count > 0 ? pos_sources_show(c, s) : sources_of(c, s));
    config_show(o, "repositories", add_repositories(c, s, repositories));
    config_show(o, "retention", retention_of(c));
    if (c->enabled)
        config_show(o, "schedule", schedule_of(c));
    config_show(notify, "on_success", recipients_of(c->on_success, c->on_success_count));
    config_show(notify, "on_failure", recipients_of(c->on_failure, c->on_failure_count));
    config_show(o, "notify", notify);
    config_show(o, "tags", json_pack("[o]", json_sprintf("type:%s", pos_type_text(c->type))));
    config_show(o, "backup_config", json_string(c->text));
    return o;
}

/* A member that is an object; an empty one is made. */
static json_t *section(json_t *document, const char *key)
{
    if (json_object_get(document, key) == NULL)
        config_show(document, key, json_object());
    return json_object_get(document, key);
}

bool pos_set_add(const struct pos_config *c, const struct pos_surroundings *s, json_t **document,
                 struct err *e)
{
    if (!check_roots(c, s, e) || !pos_sources_find(c, s, e) || !check_surroundings(c, s, e))
        return false;
    if (json_object_get(json_object_get(*document, "sets"), c->id) != NULL)
        return err_set(e, ERR_USAGE, "there is a set \"%s\" already", c->id);
    if (*document == NULL)
        *document = json_object();

    json_t *repositories = section(*document, "repositories");

    config_show(section(*document, "sets"), c->id, set_of(c, s, repositories));
    return true;
}

/* And back */

static bool is_retention_same(const struct pos_config *c, const struct retention *r)
{
    const struct retention same = {.daily = c->daily, .weekly = c->weekly, .monthly = c->monthly};
    AUTO(json) json_t *a = retention_show(r, &RETENTION_LIMITS);
    AUTO(json) json_t *b = retention_show(&same, &RETENTION_LIMITS);

    return json_equal(a, b) != 0;
}

static bool is_schedule_same(const struct pos_config *c, const struct config_schedule *s)
{
    if (s->cron == NULL || !c->enabled)
        return s->cron == NULL && !c->enabled;
    return strcmp(s->cron, c->schedule) == 0 &&
           strcmp(s->timezone, c->timezone != NULL ? c->timezone : ZONE_LOCAL) == 0 &&
           s->jitter_ms == 0 && s->run_missed == MISSED_ONCE;
}

static bool are_recipients_same(const char *const *list, size_t count, const struct texts *t)
{
    AUTO(json) json_t *a = recipients_of(list, count);
    AUTO(json) json_t *b = texts_show(t);

    return json_equal(a, b) != 0;
}

static bool has_type_tag(const struct pos_config *c, const struct config_set *set)
{
    AUTO(buf) struct buf tag = {0};

    buf_printf(&tag, "type:%s", pos_type_text(c->type));
    for (size_t i = 0; i < set->tags.count; i++)
        if (strcmp(set->tags.items[i], buf_string(&tag)) == 0)
            return true;
    return false;
}

bool pos_set_export(const struct config_set *set, const char **text, struct err *e)
{
    AUTO(pos_config) struct pos_config *c = NULL;
    const char *changed = NULL;

    if (set->backup_config == NULL)
        return err_set(e, ERR_NOT_FOUND, "set %s was not made from a backup configuration",
                       set->name);
    if (!pos_config_parse(slice_string(set->backup_config), POS_SAVE, &c, e))
        return err_wrap(e, "set %s: backup_config", set->name);
    if (!is_schedule_same(c, &set->schedule))
        changed = "schedule";
    else if (!is_retention_same(c, &set->retention))
        changed = "retention";
    else if (!has_type_tag(c, set))
        changed = "tags";
    else if (!are_recipients_same(c->on_success, c->on_success_count, &set->notify.on_success) ||
             !are_recipients_same(c->on_failure, c->on_failure_count, &set->notify.on_failure))
        changed = "notify";
    if (changed != NULL)
        return err_set(e, ERR_USAGE,
                       "set %s: its %s is no longer what its backup_config says; change both",
                       set->name, changed);
    *text = set->backup_config;
    return true;
}
