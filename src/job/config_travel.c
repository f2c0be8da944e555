#include "job/config_travel.h"

#include <string.h>

#include "base/mem.h"
#include "codec/json.h"

static void put_addresses(json_t *notify, const char *key, const struct texts *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->count; i++)
        json_array_append_new(list, json_string(t->items[i]));
    json_object_set_new(notify, key, list);
}

char *config_travel(const struct config *c, const struct config_set *set)
{
    AUTO(json) json_t *all = config_json(c, set);
    AUTO(buf) struct buf text = {0};
    json_t *one = json_object_get(json_object_get(all, "sets"), set->name);

    if (set->notify.on_success.count + set->notify.on_failure.count > 0) {
        json_t *notify = json_object();

        put_addresses(notify, "on_success", &set->notify.on_success);
        put_addresses(notify, "on_failure", &set->notify.on_failure);
        json_object_set_new(one, "notify", notify);
    }
    json_append(all, &text);
    return mem_string(buf_string(&text));
}

/* Members of the same name keep what they have. */
static void join(json_t *all, const json_t *one, const char *key)
{
    json_t *members = json_object_get(all, key);

    if (members == NULL) {
        members = json_object();
        json_object_set_new(all, key, members);
    }
    (void)json_object_update_missing(members, json_object_get(one, key)); /* both are objects */
}

bool config_travel_join(json_t **all, const char *text, struct err *e)
{
    AUTO(json) json_t *one = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(json_object_get(one, "sets")) ||
        !json_is_object(json_object_get(one, "repositories")))
        return err_set(e, ERR_CORRUPT, "what travelled with it is no configuration");
    if (*all == NULL)
        *all = json_object();
    join(*all, one, "repositories");
    join(*all, one, "sets");
    json_object_del(one, "repositories");
    json_object_del(one, "sets");
    (void)json_object_update_missing(*all, one); /* cannot fail on objects */
    return true;
}
