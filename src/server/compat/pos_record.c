#include <string.h>

#include "base/clock.h"
#include "server/compat/pos_private.h"

/*
 * Incremental and differential ones count as full, as in the published service: each snapshot here
 * is full, and shares with the others what it has in common with them.
 */
const char *pos_record_type(const char *document)
{
    AUTO(json) json_t *j = json_loads(document, 0, NULL);
    const char *type = json_string_value(json_object_get(j, "type"));

    if (type != NULL && strcmp(type, "database") == 0)
        return "database";
    return type != NULL && strcmp(type, "files") == 0 ? "files" : "full";
}

bool pos_record_type_of(struct catalog_tx *t, const char *config, const char **out, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_config_list list = {0};

    /* Not catalog_config_get(): a call that fails ends the transaction. */
    if (!catalog_config_list(t, &a, &list, e))
        return false;
    *out = "full";
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.items[i].id, config) == 0)
            *out = pos_record_type(list.items[i].document);
    return true;
}

static const char *status_of(enum catalog_run_state state)
{
    if (state == RUN_SUCCESS)
        return "success";
    return state == RUN_INCOMPLETE || state == RUN_DEGRADED ? "partial" : "failed";
}

/* "REPOSITORY:SNAPSHOT" for each repository of the set. */
static json_t *places_of(const struct service *s, const struct catalog_run *run)
{
    AUTO(arena) struct arena a = {0};
    struct service_set set;
    const char *snapshot = run->outcome.snapshot;
    json_t *list = json_array();

    if (service_look_set(s, run->set, &a, &set))
        for (size_t i = 0; i < set.repository_count; i++)
            (void)json_array_append_new(list, json_sprintf("%s:%s", set.repositories[i], snapshot));
    if (json_array_size(list) == 0)
        (void)json_array_append_new(list, json_sprintf("snapshot:%s", snapshot));
    return list;
}

/* "2025-08-10T02:00:00.123Z" */
static json_t *time_of(int64_t time_ns)
{
    char text[CLOCK_TEXT_MAX];

    char *dot;

    clock_format(time_ns, text);
    dot = strchr(text, '.'); /* nine digits and "Z" follow it */
    dot[4] = 'Z';
    dot[5] = '\0';
    return json_string(text);
}

json_t *pos_record_json(const struct service *s, const struct catalog_run *run, const char *type)
{
    const struct catalog_outcome *o = &run->outcome;
    const int64_t begun_ns = run->started_ns != 0 ? run->started_ns : run->created_ns;
    const int64_t took_ms = run->ended_ns > begun_ns ? (run->ended_ns - begun_ns) / 1000000 : 0;
    const char *status = status_of(o->state);
    const bool is_there = strcmp(status, "failed") != 0 && o->snapshot != NULL;
    json_t *j = json_object();

    (void)json_object_set_new(j, "id", json_string(run->id));
    (void)json_object_set_new(j, "configId", json_string(run->config ? run->config : run->set));
    (void)json_object_set_new(j, "timestamp", time_of(begun_ns));
    (void)json_object_set_new(j, "type", json_string(run->variant ? run->variant : type));
    (void)json_object_set_new(j, "size", json_integer(is_there ? o->bytes : 0));
    (void)json_object_set_new(j, "duration", json_real((double)took_ms / 1000));
    (void)json_object_set_new(j, "status", json_string(status));
    (void)json_object_set_new(j, "files", is_there ? places_of(s, run) : json_array());
    if (is_there)
        (void)json_object_set_new(j, "checksum",
                                  json_string(o->checksum != NULL ? o->checksum : o->snapshot));
    else
        (void)json_object_set_new(j, "error", json_string(order_run_error(run)));
    return j;
}
