/*
 * One condemned list, as a collector publishes it and as others clear it away.
 *
 *     {"time": time, "packs": [id, ...], "snapshots": [id, ...]}
 *
 * A list names the forgotten snapshots that its collector may remove, so that nobody takes the
 * list of a slow collector away while it may still do so: whoever takes a tombstone back looks
 * for lists afterwards, and has to find this one.
 */
#include "repo/condemned_list.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"

/* In bytes; a list's name is random, for two collectors may condemn the same packs. */
#define LIST_ID_SIZE 16

static void list_done(struct condemned_list *l)
{
    mem_free(l->packs);
    mem_free(l->snapshots);
    *l = (struct condemned_list){0};
}

void condemned_list_auto(struct condemned_list *l)
{
    list_done(l);
}

static bool take_ids(const json_t *ids, struct hash **out, size_t *count)
{
    const size_t n = json_array_size(ids);

    if (!json_is_array(ids) || n > CONDEMNED_MAX)
        return false;
    *out = mem_array(n, sizeof(**out));
    for (*count = 0; *count < n; (*count)++) {
        const char *id = json_string_value(json_array_get(ids, *count));

        if (id == NULL || !hex_decode(id, (*out)[*count].bytes, HASH_SIZE))
            return false;
    }
    return true;
}

bool condemned_list_decode(struct slice plain, struct condemned_list *out, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    AUTO(condemned_list) struct condemned_list l = {0};

    if (!document_parse(plain, &j, e))
        return false;

    const json_t *snapshots = json_object_get(j, "snapshots");

    if (!take_ids(json_object_get(j, "packs"), &l.packs, &l.pack_count))
        return err_set(e, ERR_CORRUPT, "it holds no list of packs");
    if (snapshots != NULL && !take_ids(snapshots, &l.snapshots, &l.snapshot_count))
        return err_set(e, ERR_CORRUPT, "its list of snapshots is none");
    *out = l;
    l = (struct condemned_list){0};
    return true;
}

bool condemned_list_get(struct repo *r, const char *key, struct condemned_list *out, struct err *e)
{
    AUTO(buf) struct buf plain = {0};

    if (!document_get(r, CLASS_CONDEMNED, key, &plain, e))
        return false;
    return condemned_list_decode(buf_slice(&plain), out, e) || err_wrap(e, "object %s", key);
}

static json_t *put_ids(const struct hash *ids, size_t count)
{
    json_t *array = json_array();
    char text[2 * HASH_SIZE + 1];

    for (size_t i = 0; i < count; i++) {
        hex_encode(SLICE_OF(ids[i].bytes, HASH_SIZE), text);
        json_array_append_new(array, json_string(text));
    }
    return array;
}

bool condemned_list_put(struct repo *r, const struct condemned_list *l, char **key_out,
                        struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    AUTO(buf) struct buf key = {0};
    uint8_t id[LIST_ID_SIZE];
    char text[2 * LIST_ID_SIZE + 1];
    char now[CLOCK_TEXT_MAX];

    clock_format(clock_now_ns(), now);

    AUTO(json)
    json_t *j = json_pack("{s:s, s:o, s:o}", "time", now, "packs", put_ids(l->packs, l->pack_count),
                          "snapshots", put_ids(l->snapshots, l->snapshot_count));

    json_append(j, &plain);
    random_bytes(id, sizeof(id));
    hex_encode(SLICE_OF(id, sizeof(id)), text);
    buf_printf(&key, "condemned/%s", text);
    if (!document_put(r, CLASS_CONDEMNED, buf_string(&key), buf_slice(&plain), e))
        return false;
    *key_out = mem_string(buf_string(&key));
    return true;
}

static bool pack_exists(struct repo *r, const struct hash *id, bool *exists, struct err *e)
{
    struct object_info info;
    char key[PACK_KEY_MAX];

    pack_key(id, key);
    *exists = store_stat(r->store, key, &info, e);
    return *exists || e->code == ERR_NOT_FOUND;
}

static bool list_is_used(struct repo *r, const struct condemned_list *l, bool *is_used,
                         struct err *e)
{
    *is_used = false;
    for (size_t i = 0; i < l->snapshot_count && !*is_used; i++)
        if (!object_exists(r, "snapshots", &l->snapshots[i], is_used, e))
            return false;
    for (size_t i = 0; i < l->pack_count && !*is_used; i++)
        if (!pack_exists(r, &l->packs[i], is_used, e))
            return false;
    return true;
}

bool condemned_list_sweep(struct repo *r, struct err *e)
{
    AUTO(key_list) struct key_list keys = {0};

    if (!key_list_read(r, "condemned/", &keys, e))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        AUTO(condemned_list) struct condemned_list l = {0};
        bool is_used;

        if (!condemned_list_get(r, keys.items[i], &l, e)) {
            if (e->code == ERR_NOT_FOUND)
                continue;
            return false;
        }
        if (!list_is_used(r, &l, &is_used, e) ||
            (!is_used && !store_remove(r->store, keys.items[i], e)))
            return false;
    }
    return true;
}
