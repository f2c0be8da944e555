/*
 * Options of a repository's store: a mapping whose names src/store knows.
 */
#include <string.h>

#include "job/config_fields.h"

bool config_store_read(const struct config_reader *r, const struct node *n, struct texts *out,
                       struct err *e)
{
    struct store_options ignored = {0};

    if (n == NULL)
        return true;
    if (!config_expect(r, n, NODE_MAPPING, e))
        return false;
    out->items = arena_take(r->arena, (n->count + 1) * sizeof(*out->items));
    for (const struct node *m = n->first; m != NULL; m = m->next) {
        AUTO(buf) struct buf setting = {0};

        if (!node_is_scalar(m) || m->kind == NODE_NULL)
            return CONFIG_FAIL(r, m->line, e, "%.60s takes one value, not %s", m->key,
                               node_kind_name(m->kind));
        buf_printf(&setting, "%s=%s", m->key, m->text);
        if (!store_option_set(&ignored, buf_string(&setting), e)) {
            e->code = ERR_USAGE;
            return config_place(r, m->key_line, NULL, e);
        }
        out->items[out->count++] = arena_string(r->arena, buf_slice(&setting));
    }
    out->items[out->count] = NULL;
    if (out->count == 0)
        out->items = NULL;
    return true;
}

json_t *config_store_show(const struct texts *t)
{
    json_t *o = json_object();

    for (size_t i = 0; i < t->count; i++) {
        AUTO(buf) struct buf name = {0};
        const size_t size = strcspn(t->items[i], "=");

        buf_append(&name, t->items[i], size);
        config_show(o, buf_string(&name), json_string(t->items[i] + size + 1));
    }
    return o;
}
