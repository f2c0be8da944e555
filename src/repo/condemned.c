/*
 * What all condemned lists together say: packs that a collector is about to remove, told to
 * writers beforehand.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "repo/object.h"

void condemned_done(struct condemned *c)
{
    for (size_t i = 0; i < c->list_count; i++)
        mem_free(c->lists[i]);
    mem_free(c->lists);
    mem_free(c->packs);
    *c = (struct condemned){0};
}

void condemned_auto(struct condemned *c)
{
    condemned_done(c);
}

static bool list_decode(struct slice plain, struct condemned *c, struct err *e)
{
    AUTO(json) json_t *j = NULL;

    if (!document_parse(plain, &j, e))
        return false;

    const json_t *packs = json_object_get(j, "packs");
    const size_t count = json_array_size(packs);

    if (!json_is_array(packs) || count > CONDEMNED_MAX)
        return err_set(e, ERR_CORRUPT, "it holds no list of packs");
    c->packs = mem_resize(c->packs, c->count + count, sizeof(*c->packs));
    for (size_t i = 0; i < count; i++) {
        const char *id = json_string_value(json_array_get(packs, i));

        if (id == NULL || !hex_decode(id, c->packs[c->count].bytes, HASH_SIZE))
            return err_set(e, ERR_CORRUPT, "member %zu of its list names no pack", i);
        c->count++;
    }
    return true;
}

/* A list that is removed meanwhile condemns nothing any more. */
static bool list_read(struct repo *r, const char *key, struct condemned *c, struct err *e)
{
    AUTO(buf) struct buf plain = {0};

    if (!document_get(r, CLASS_CONDEMNED, key, &plain, e))
        return e->code == ERR_NOT_FOUND;
    if (!list_decode(buf_slice(&plain), c, e))
        return err_wrap(e, "object %s", key);
    c->lists = mem_resize(c->lists, c->list_count + 1, sizeof(*c->lists));
    c->lists[c->list_count++] = mem_string(key);
    return true;
}

static void condemned_sort(struct condemned *c)
{
    size_t kept = 0;

    if (c->count == 0)
        return;
    qsort(c->packs, c->count, sizeof(*c->packs), hash_order);
    for (size_t i = 1; i < c->count; i++)
        if (!hash_is_equal(&c->packs[kept], &c->packs[i]))
            c->packs[++kept] = c->packs[i];
    c->count = kept + 1;
}

bool condemned_read(struct repo *r, const char *except, struct condemned *out, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};
    AUTO(condemned) struct condemned c = {0};

    if (!key_list_read(r, "condemned/", &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++)
        if (except == NULL || strcmp(keys.items[i], except) != 0)
            if (!list_read(r, keys.items[i], &c, e))
                return false;
    condemned_sort(&c);
    *out = c;
    c = (struct condemned){0};
    return true;
}

bool condemned_has(const struct condemned *c, const struct hash *pack)
{
    return c->count > 0 && bsearch(pack, c->packs, c->count, sizeof(*c->packs), hash_order);
}
