/*
 * Backup configurations (codec/pos_config.h) with their versions as ETags: a change names the one
 * that it changes, a new one says that there is none yet.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/pos_config.h"
#include "server/api_private.h"

#define ETAG_SIZE     32
#define API_CONFIGURE API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "backup:configure"
#define API_CONFIGS   API_PEOPLE, ROLES_FROM(ROLE_MANAGER), "backup:read"

static void etag_of(int64_t version, char out[ETAG_SIZE])
{
    (void)snprintf(out, ETAG_SIZE, "\"%" PRId64 "\"", version); /* has room */
}

static void get_configs(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_config_list list = {0};
    json_t *items;
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_config_list(t, &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }
    items = json_array();
    for (size_t i = 0; i < list.count; i++) {
        const struct catalog_config *c = &list.items[i];

        if (principal_has_set(request_principal(r), c->id))
            (void)json_array_append_new(
                items, json_pack("{s:s, s:s, s:b, s:I, s:o, s:o}", "id", c->id, "name", c->name,
                                 "enabled", (int)c->is_enabled, "version", (json_int_t)c->version,
                                 "created_at", auth_time_json(c->created_ns), "updated_at",
                                 auth_time_json(c->updated_ns)));
    }
    reply_json(r, 200, json_pack("{s:o}", "configs", items));
}

/* Byte for byte as it came. */
static void get_config(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_config c;
    const char *known = request_header(r, "If-None-Match");
    char etag[ETAG_SIZE];
    struct err e = {0};

    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_config_get(t, request_parameter(r, "set"), &a, &c, &e)) {
        reply_err(r, &e);
        return;
    }
    etag_of(c.version, etag);
    reply_header(r, "ETag", etag);
    if (known != NULL && strcmp(known, etag) == 0)
        reply_empty(r, 304);
    else
        reply_bytes(r, 200, AUTH_JSON, slice_string(c.document));
}

static void get_places(struct request *r)
{
    const struct service *s = auth_service(r);

    reply_json(r, 200,
               s->source_places != NULL ? s->source_places(s->arg)
                                        : json_pack("{s:[], s:[]}", "servers", "folders"));
}

/* Changing */

bool api_config_write(struct catalog_tx *t, struct api_config_change *g, struct err *e)
{
    const struct pos_config *c = g->config;
    json_t *details = NULL;

    if (c == NULL) {
        if (!catalog_config_delete(t, g->id, g->wanted, e))
            return false;
    } else {
        const struct catalog_config row = {
            .id = c->id, .name = c->name, .document = c->text, .is_enabled = c->enabled};

        if (!catalog_config_put(t, &row, g->wanted, request_principal(g->r)->name, &g->version, e))
            return false;
        details = json_pack("{s:I}", "version", (json_int_t)g->version);
    }
    return auth_audit(t, g->r,
                      &(struct auth_record){.action = c == NULL ? "config.delete" : "config.save",
                                            .object = g->id,
                                            .outcome = "done",
                                            .details = details},
                      e);
}

/* What the request says about the present one.  False after answering. */
static bool read_present(struct api_config_change *g)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_config c = {0};
    const char *none = request_header(g->r, "If-None-Match");
    char etag[ETAG_SIZE];
    bool is_there;
    struct err e = {0};

    if (!catalog_begin_read(auth_service(g->r)->catalog, &t, &e)) {
        reply_err(g->r, &e);
        return false;
    }
    is_there = catalog_config_get(t, g->id, &a, &c, &e);
    if (!is_there && (e.code != ERR_NOT_FOUND || g->config == NULL)) {
        reply_err(g->r, &e);
        return false;
    }
    g->wanted = is_there ? c.version : CATALOG_VERSION_NONE;
    if (g->config != NULL && none != NULL && strcmp(none, "*") == 0) {
        if (is_there)
            reply_problem(g->r, 412, "changed_meanwhile", "there is one with this id");
        return !is_there;
    }
    etag_of(c.version, etag);
    return request_matches(g->r, is_there ? etag : NULL);
}

static bool write_change(struct catalog_tx *t, void *arg, struct err *e)
{
    return api_config_write(t, arg, e);
}

/* Whether it was made; else there is an answer. */
static bool make_change(struct api_config_change *g)
{
    struct err e = {0};

    if (!read_present(g))
        return false;
    if (catalog_write(auth_service(g->r)->catalog, write_change, g, &e))
        return true;
    if (e.code == ERR_EXISTS) /* between reading and writing */
        reply_problem(g->r, 412, "changed_meanwhile", "it is not what was read any more");
    else
        reply_err(g->r, &e);
    return false;
}

static void put_config(struct request *r)
{
    const struct service *s = auth_service(r);
    AUTO(pos_config) struct pos_config *c = NULL;
    struct api_config_change g = {.r = r, .id = request_parameter(r, "set")};
    char etag[ETAG_SIZE];
    struct err e = {0};

    if (!pos_config_parse(request_body(r), POS_SAVE, &c, &e) ||
        (s->check_config != NULL && !s->check_config(s->arg, c->text, &e))) {
        if (e.code == ERR_USAGE || e.code == ERR_CORRUPT)
            reply_problem(r, 400, "invalid_field", e.text);
        else
            reply_err(r, &e);
        return;
    }
    if (strcmp(c->id, g.id) != 0) {
        reply_problem(r, 400, "invalid_field", "id: must be the one of the address");
        return;
    }
    g.config = c;
    if (!make_change(&g))
        return;
    etag_of(g.version, etag);
    reply_header(r, "ETag", etag);
    reply_json(r, g.wanted == CATALOG_VERSION_NONE ? 201 : 200,
               json_pack("{s:s, s:I}", "id", c->id, "version", (json_int_t)g.version));
}

static void delete_config(struct request *r)
{
    struct api_config_change g = {.r = r, .id = request_parameter(r, "set")};

    if (make_change(&g))
        reply_empty(r, 204);
}

/* Its id is the name of its set: tokens for some sets reach theirs. */
const struct route api_config_routes[] = {
    {METHOD_GET, "/api/v1/configs", API_CONFIGS, ROUTE_CHECKS_SETS, .handler = get_configs,
     .summary = "Backup configurations of the API"},
    {METHOD_GET, "/api/v1/configs/{set}", API_CONFIGS, .handler = get_config,
     .summary = "A configuration as it was saved, with its version as ETag"},
    {METHOD_GET, "/api/v1/source-places", API_CONFIGURE, .handler = get_places,
     .summary = "What configurations may name as sources on this host"},
    {METHOD_PUT, "/api/v1/configs/{set}", API_CONFIGURE, ROUTE_CSRF, POS_CONFIG_MAX, AUTH_JSON,
     .handler = put_config, .summary = "Save a configuration"},
    {METHOD_DELETE, "/api/v1/configs/{set}", API_CONFIGURE, ROUTE_CSRF | ROUTE_STEP_UP,
     .handler = delete_config, .summary = "Delete a configuration, not its backups"},
};
const size_t api_config_route_count = sizeof(api_config_routes) / sizeof(api_config_routes[0]);
