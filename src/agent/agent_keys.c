#include "agent/agent_keys.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/hash.h"

/* When its time is over; the limits are below 100 days, so that nothing overflows. */
static int64_t end_of(const struct agent_keys *k, const struct agent_kept *one)
{
    const int64_t idle = one->used_ns + k->idle_ns;
    const int64_t life = one->put_ns + k->life_ns;

    return idle < life ? idle : life;
}

static void drop(struct agent_keys *k, size_t at)
{
    k->items[at] = k->items[--k->count];
    mem_wipe(&k->items[k->count], sizeof(k->items[0]));
}

void agent_keys_expire(struct agent_keys *k, int64_t now_ns)
{
    for (size_t i = k->count; i-- > 0;)
        if (end_of(k, &k->items[i]) <= now_ns)
            drop(k, i);
}

static struct agent_kept *find(struct agent_keys *k, const uint8_t *name, int64_t now_ns)
{
    agent_keys_expire(k, now_ns);
    for (size_t i = 0; i < k->count; i++)
        if (equal_ct(k->items[i].key.name, name, AGENT_NAME_SIZE))
            return &k->items[i];
    return NULL;
}

bool agent_keys_get(struct agent_keys *k, const uint8_t name[AGENT_NAME_SIZE], int64_t now_ns,
                    uint8_t sealed[AGENT_SEALED_SIZE])
{
    struct agent_kept *one = find(k, name, now_ns);

    if (one == NULL)
        return false;
    one->used_ns = now_ns;
    one->uses++;
    memcpy(sealed, one->key.sealed, AGENT_SEALED_SIZE);
    return true;
}

static struct agent_kept *longest_unused(struct agent_keys *k)
{
    struct agent_kept *found = &k->items[0];

    for (size_t i = 1; i < k->count; i++)
        if (k->items[i].used_ns < found->used_ns)
            found = &k->items[i];
    return found;
}

void agent_keys_put(struct agent_keys *k, const struct agent_key *key, int64_t now_ns)
{
    struct agent_kept *one = find(k, key->name, now_ns);

    if (one == NULL)
        one = k->count < AGENT_KEYS_MAX ? &k->items[k->count++] : longest_unused(k);
    /* Member by member: a whole made first would stay on the stack. */
    one->key = *key;
    one->put_ns = now_ns;
    one->used_ns = now_ns;
    one->uses = 0;
}

uint32_t agent_keys_forget(struct agent_keys *k, int64_t now_ns)
{
    agent_keys_expire(k, now_ns);

    const uint32_t count = k->count;

    mem_wipe(k->items, sizeof(k->items));
    k->count = 0;
    return count;
}

uint32_t agent_keys_list(struct agent_keys *k, int64_t now_ns, struct agent_row out[AGENT_KEYS_MAX])
{
    agent_keys_expire(k, now_ns);
    for (size_t i = 0; i < k->count; i++) {
        const struct agent_kept *one = &k->items[i];

        out[i] = (struct agent_row){.left_s = (uint32_t)((end_of(k, one) - now_ns) / NS_PER_S),
                                    .uses = one->uses};
        memcpy(out[i].repository, one->key.repository, AGENT_ID_SIZE);
        memcpy(out[i].slot, one->key.slot, AGENT_ID_SIZE);
    }
    return k->count;
}
