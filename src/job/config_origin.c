/*
 * Where each value of the configuration stands.  The values are those of config_json(), and the
 * document that they were read from has the same shape, but for what is a default and for texts
 * that stand for a whole mapping, such as a schedule.
 */
#include <string.h>

#include "codec/document.h"
#include "codec/json.h"
#include "job/config.h"

struct visit {
    config_value_fn *fn;
    void *arg;
    struct buf path;
};

/* A part of a JSON pointer. */
static void add_part(struct buf *path, const char *key)
{
    buf_append(path, "/", 1);
    for (; *key != '\0'; key++)
        if (*key == '~' || *key == '/')
            buf_printf(path, "~%c", *key == '~' ? '0' : '1');
        else
            buf_append(path, key, 1);
}

/* What stands for a member of a collection; NULL: nothing does. */
static const struct node *member_of(const struct node *n, const char *key, size_t index)
{
    const struct node *m;

    if (n == NULL || (n->kind == NODE_MAPPING && key == NULL) ||
        (n->kind == NODE_SEQUENCE && key != NULL))
        return NULL;
    if (n->kind == NODE_MAPPING)
        return node_find(n, key);
    if (n->kind != NODE_SEQUENCE)
        return n; /* a text for all of it */
    m = n->first;
    while (m != NULL && index-- > 0)
        m = m->next;
    return m;
}

/* Depth: that of the configuration, which its tables bound. */
static void visit_value(struct visit *v, const json_t *value, const struct node *n)
{
    const size_t size = v->path.size;
    const char *key;
    json_t *member;
    size_t i;

    if (json_object_size(value) == 0 && json_array_size(value) == 0) {
        v->fn(v->arg, buf_string(&v->path), value, n == NULL ? 0 : n->line);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        add_part(&v->path, key);
        visit_value(v, member, member_of(n, key, 0));
        v->path.size = size;
    }
    json_array_foreach(value, i, member)
    {
        buf_printf(&v->path, "/%zu", i);
        visit_value(v, member, member_of(n, NULL, i));
        v->path.size = size;
    }
}

void config_origins(const struct config *c, const struct config_set *only, config_value_fn *fn,
                    void *arg)
{
    AUTO(json) json_t *all = config_json(c, only);
    struct visit v = {.fn = fn, .arg = arg};

    visit_value(&v, all, document_root(c->document));
    buf_done(&v.path);
}
