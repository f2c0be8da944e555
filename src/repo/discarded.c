#include "repo/discarded.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "base/text.h"

#define PREFIX_SIZE (sizeof(DISCARDED_PREFIX) - 1)

enum {
    ID_DIGITS = 2 * HASH_SIZE,
    BATCH = 256, /* removed in one call of the store */
};

void discarded_key(const struct hash *pack, int64_t time_s, char out[DISCARDED_KEY_MAX])
{
    char id[ID_DIGITS + 1];
    /* A clock before 1970 is as good as one of then. */
    const uint64_t time = time_s < 0 ? 0 : (uint64_t)time_s;

    hex_encode(SLICE_OF(pack->bytes, HASH_SIZE), id);
    (void)!snprintf(out, DISCARDED_KEY_MAX, DISCARDED_PREFIX "%s.%" PRIu64, id, time);
}

bool discarded_key_parse(const char *key, struct hash *pack, int64_t *time_s)
{
    char id[ID_DIGITS + 1] = {0};
    char wanted[DISCARDED_KEY_MAX];
    struct hash found;
    uint64_t time = 0;
    struct err ignored;

    if (strncmp(key, DISCARDED_PREFIX, PREFIX_SIZE) != 0 ||
        strlen(key) < PREFIX_SIZE + ID_DIGITS + sizeof("."))
        return false;
    memcpy(id, key + PREFIX_SIZE, ID_DIGITS);
    if (!hex_decode(id, found.bytes, HASH_SIZE) ||
        !parse_u64(key + PREFIX_SIZE + ID_DIGITS + 1, &time, &ignored) || time > INT64_MAX)
        return false;
    /* There is one spelling of each. */
    discarded_key(&found, (int64_t)time, wanted);
    if (strcmp(key, wanted) != 0)
        return false;
    *pack = found;
    *time_s = (int64_t)time;
    return true;
}

void discarded_auto(struct discarded *d)
{
    key_list_done(&d->keys);
    mem_free(d->packs);
    mem_free(d->times_s);
    *d = (struct discarded){0};
}

bool discarded_read(struct repo *r, struct discarded *out, struct err *e)
{
    AUTO(discarded) struct discarded d = {0};
    struct key_list *k = &d.keys;
    size_t count = 0;

    if (!key_list_read(r, DISCARDED_PREFIX, k, e))
        return false;
    d.packs = mem_array(k->count, sizeof(*d.packs));
    d.times_s = mem_array(k->count, sizeof(*d.times_s));
    for (size_t i = 0; i < k->count; i++) {
        if (!discarded_key_parse(k->items[i], &d.packs[count], &d.times_s[count])) {
            mem_free(k->items[i]);
            continue;
        }
        k->items[count] = k->items[i];
        k->sizes[count] = k->sizes[i];
        k->mtimes[count] = k->mtimes[i];
        d.bytes += k->sizes[count++];
    }
    k->count = count;
    *out = d;
    d = (struct discarded){0};
    return true;
}

const char *discarded_find(const struct discarded *d, const struct hash *pack)
{
    for (size_t i = 0; i < d->keys.count; i++)
        if (hash_is_equal(&d->packs[i], pack))
            return d->keys.items[i];
    return NULL;
}

static bool remove_batch(struct repo *r, const char *const *keys, uint64_t bytes, size_t count,
                         struct discarded_sum *sum, struct err *e)
{
    if (!store_remove_all(r->store, keys, count, e))
        return err_wrap(e, "empty the trash");
    sum->packs += count;
    sum->bytes += bytes;
    return true;
}

bool discarded_remove(struct repo *r, const struct discarded *d, int64_t until_s,
                      struct discarded_sum *sum, struct err *e)
{
    const char *keys[BATCH];
    uint64_t bytes = 0;
    size_t count = 0;

    for (size_t i = 0; i < d->keys.count; i++) {
        if (d->times_s[i] > until_s)
            continue;
        if (cancel_is_requested())
            return cancel_err(e);
        keys[count++] = d->keys.items[i];
        bytes += d->keys.sizes[i];
        if (count < BATCH)
            continue;
        if (!remove_batch(r, keys, bytes, count, sum, e))
            return false;
        count = 0;
        bytes = 0;
    }
    return count == 0 || remove_batch(r, keys, bytes, count, sum, e);
}
