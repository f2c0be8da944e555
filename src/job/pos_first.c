#include "job/pos_first.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "job/config_fields.h"
#include "job/pos_place.h"

#define CATEGORY "repositories"

static bool is_local(const struct config_repository *r)
{
    return r->url[0] == '/';
}

/* Its config object is written last. */
static bool is_there(const struct config_repository *r)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/config", r->url);
    return access(buf_string(&path), F_OK) == 0;
}

static void name_setting(const struct config_repository *r, const char *host, struct buf *out)
{
    buf_printf(out, is_local(r) ? "repository.%s@%s" : "repository.%s", r->name, host);
}

static bool is_remembered(struct catalog_tx *t, const char *host, const struct config_repository *r,
                          bool *out, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    AUTO(buf) struct buf name = {0};
    const char *value = NULL;

    name_setting(r, host, &name);
    if (!catalog_setting_get(t, buf_string(&name), &a, &value, e))
        return false;
    *out = value != NULL;
    return true;
}

/* May one be made that is not there? */
static bool may_make(const struct pos_place *place, const char *host,
                     const struct config_repository *r, bool was_there, struct err *e)
{
    AUTO(buf) struct buf name = {0};

    name_setting(r, host, &name);
    if (was_there)
        return err_set(e, ERR_USAGE,
                       "the repository in %s was there and is gone: is its disk mounted?  If it is "
                       "lost, \"holdfast init\" makes a new one",
                       r->url);
    return pos_place_may_make(place, r->url, POS_PLACE_MOUNTS, e);
}

/* create: names of those that may be made, and their folders are made; or NULL. */
static bool allow(struct catalog_tx *t, const struct pos_place *place, const char *host,
                  const struct roster_set *set, json_t *create, struct err *e)
{
    for (size_t i = 0; i < set->set->repository_count; i++) {
        const struct config_repository *r = set->set->repositories[i];
        bool was_there = false;

        if (is_local(r) && is_there(r))
            continue;
        if (!is_remembered(t, host, r, &was_there, e) ||
            (is_local(r) && !may_make(place, host, r, was_there, e)) ||
            (is_local(r) && create != NULL && !dir_make_all(r->url, 0700, e)))
            return false;
        if (!was_there && create != NULL)
            json_array_append_new(create, json_string(r->name));
    }
    return true;
}

bool pos_first_allow(struct catalog *catalog, const struct config *config, const char *host,
                     const struct roster_set *set, json_t *arguments, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(pos_place) struct pos_place *place = NULL;
    json_t *create = json_array();

    config_show(arguments, "create", create); /* whatever the request said */
    if (!pos_place_open(config, &place, e) || !catalog_begin_read(catalog, &t, e) ||
        !allow(t, place, host, set, create, e))
        return false;
    if (json_array_size(create) == 0)
        (void)json_object_del(arguments, "create"); /* it is there */
    return true;
}

bool pos_first_try(struct catalog *catalog, const struct config *config, const char *host,
                   const struct roster_set *set, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(pos_place) struct pos_place *place = NULL;

    return pos_place_open(config, &place, e) && catalog_begin_read(catalog, &t, e) &&
           allow(t, place, host, set, NULL, e);
}

bool pos_first_note(struct catalog_tx *t, const char *host, const struct roster_set *set,
                    bool is_success, struct err *e)
{
    for (size_t i = 0; set->version > 0 && set->set != NULL && i < set->set->repository_count;
         i++) {
        const struct config_repository *r = set->set->repositories[i];
        AUTO(buf) struct buf name = {0};
        bool is_known = false;

        if (is_local(r) ? !is_there(r) : !is_success)
            continue;
        name_setting(r, host, &name);
        if (!is_remembered(t, host, r, &is_known, e) ||
            (!is_known && !catalog_setting_put(t, buf_string(&name), r->url, CATEGORY, e)))
            return false;
    }
    return true;
}
