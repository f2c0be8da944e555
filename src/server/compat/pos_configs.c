/* Configurations: listing, saving, deleting. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "codec/pos_config.h"
#include "server/api_private.h"
#include "server/compat/pos_private.h"

static bool list_configs(struct catalog *c, struct arena *a, struct catalog_config_list *out,
                         struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    return catalog_begin_read(c, &t, e) && catalog_config_list(t, a, out, e);
}

bool pos_configs_read(const struct service *s, json_t **out, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_config_list list = {0};
    json_t *all;

    if (!list_configs(s->catalog, &a, &list, e))
        return false;
    all = json_array();
    for (size_t i = 0; i < list.count; i++) {
        /* What another way wrote into the catalog and cannot be read is not of this API. */
        json_t *one = json_loads(list.items[i].document, 0, NULL);

        if (one != NULL)
            (void)json_array_append_new(all, one);
    }
    *out = json_pack("{s:o}", "configs", all);
    return true;
}

void pos_configs_get(struct request *r)
{
    json_t *answer = NULL;
    struct err e;

    if (pos_configs_read(request_app(r), &answer, &e))
        reply_json(r, 200, answer);
    else
        order_reply_failure(r, "Failed to get backup configurations", &e);
}

/* Changing one */

struct change {
    struct api_config_change row;
    bool must_be_there; /* whatever its version */
    bool is_missing;    /* answer: why it failed */
};

/* The version that If-Match names; clients of the published service send none.  False after
 * answering. */
static bool read_wanted(struct request *r, struct change *g)
{
    const char *match = request_header(r, "If-Match");
    const size_t size = match == NULL ? 0 : strlen(match);
    char digits[20] = "";
    uint64_t version = 0;
    struct err e;

    g->row.wanted = CATALOG_VERSION_ANY;
    g->must_be_there = match != NULL && strcmp(match, "*") == 0;
    if (match == NULL || g->must_be_there)
        return true;
    if (size > 2 && size - 2 < sizeof(digits) && match[0] == '"' && match[size - 1] == '"')
        memcpy(digits, match + 1, size - 2);
    if (digits[0] == '\0' || !parse_u64(digits, &version, &e) || version == 0 ||
        version > INT64_MAX) {
        order_reply_error(r, 412, "The backup configuration is not the one that was read");
        return false;
    }
    g->row.wanted = (int64_t)version;
    return true;
}

/* That there is something to change or to delete. */
static bool check_presence(struct catalog_tx *t, struct change *g, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_config present;

    g->is_missing = false;
    if ((g->row.config != NULL && !g->must_be_there) ||
        catalog_config_get(t, g->row.id, &a, &present, e))
        return true;
    g->is_missing = e->code == ERR_NOT_FOUND;
    return false;
}

static bool write_change(struct catalog_tx *t, void *arg, struct err *e)
{
    struct change *g = arg;

    return check_presence(t, g, e) && api_config_write(t, &g->row, e);
}

/* Whether it was made; else there is an answer. */
static bool make_change(struct request *r, struct change *g, const char *what)
{
    const struct service *s = request_app(r);
    struct err e;

    if (!read_wanted(r, g))
        return false;
    if (catalog_write(s->catalog, write_change, g, &e))
        return true;
    if (g->is_missing)
        order_reply_error(r, 404, "Backup configuration not found");
    else if (e.code == ERR_EXISTS)
        order_reply_error(r, 412, "The backup configuration is not the one that was read");
    else if (e.code == ERR_USAGE)
        order_reply_error(r, 400, e.text);
    else
        order_reply_failure(r, what, &e);
    return false;
}

static void save(struct request *r, const char *id)
{
    const struct service *s = request_app(r);
    AUTO(pos_config) struct pos_config *c = NULL;
    struct change g = {.row.r = r};
    char etag[32];
    struct err e;

    if (!pos_config_parse(request_body(r), POS_SAVE, &c, &e)) {
        order_reply_error(r, 400, e.text);
        return;
    }
    if (id != NULL && strcmp(c->id, id) != 0) {
        order_reply_error(r, 400, "id: must be the one of the address");
        return;
    }
    if (s->check_config != NULL && !s->check_config(s->arg, c->text, &e)) {
        if (e.code == ERR_USAGE)
            order_reply_error(r, 400, e.text);
        else
            order_reply_failure(r, "Failed to save backup configuration", &e);
        return;
    }
    g.row.id = c->id;
    g.row.config = c;
    if (!make_change(r, &g, "Failed to save backup configuration"))
        return;
    (void)snprintf(etag, sizeof(etag), "\"%" PRId64 "\"", g.row.version);
    reply_header(r, "ETag", etag);
    pos_reply_done(r, "Backup configuration saved successfully");
}

void pos_configs_post(struct request *r)
{
    save(r, NULL);
}

void pos_configs_put(struct request *r)
{
    save(r, request_parameter(r, "configId"));
}

void pos_configs_delete(struct request *r)
{
    struct change g = {.row = {.r = r, .id = request_parameter(r, "configId")}};

    if (make_change(r, &g, "Failed to delete backup configuration"))
        pos_reply_done(r, "Backup configuration deleted successfully");
}
