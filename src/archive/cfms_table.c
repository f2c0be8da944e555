#include <sodium.h>
#include <string.h>

#include "archive/cfms_record.h"
#include "base/mem.h"
#include "codec/random.h"

/* Open addressing, at most half full; the key is drawn so that nobody makes ids collide. */
struct cfms_table {
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct cfms_known *files;
    size_t count, room;
    uint32_t *slots; /* which file plus one; 0: none */
    size_t slot_count;
};

struct cfms_table *cfms_table_new(void)
{
    struct cfms_table *t = mem_new(sizeof(*t));

    random_bytes(t->key, sizeof(t->key));
    t->slot_count = 64;
    t->slots = mem_array(t->slot_count, sizeof(*t->slots));
    return t;
}

void cfms_table_free(struct cfms_table *t)
{
    if (t == NULL)
        return;
    mem_free(t->files);
    mem_free(t->slots);
    mem_free(t);
}

void cfms_table_auto(struct cfms_table **t)
{
    cfms_table_free(*t);
}

/* The slot that holds the id, or the free one where it goes. */
static uint32_t *find(const struct cfms_table *t, const char *id)
{
    uint64_t hash;

    (void)crypto_shorthash((uint8_t *)&hash, (const uint8_t *)id, strlen(id), t->key);
    for (size_t i = (size_t)hash % t->slot_count;; i = (i + 1) % t->slot_count)
        if (t->slots[i] == 0 || strcmp(t->files[t->slots[i] - 1].id, id) == 0)
            return &t->slots[i];
}

static void grow(struct cfms_table *t)
{
    t->room = t->room * 2 + 32;
    t->files = mem_resize(t->files, t->room, sizeof(*t->files));
    if (t->room * 2 <= t->slot_count)
        return;
    mem_free(t->slots);
    t->slot_count = t->room * 2;
    t->slots = mem_array(t->slot_count, sizeof(*t->slots));
    for (size_t i = 0; i < t->count; i++)
        *find(t, t->files[i].id) = (uint32_t)i + 1;
}

struct cfms_known *cfms_table_get(struct cfms_table *t, const char *id)
{
    uint32_t *slot = find(t, id);

    if (*slot != 0)
        return &t->files[*slot - 1];
    if (t->count == CFMS_FILES_MAX)
        return NULL;
    if (t->count == t->room) {
        grow(t);
        slot = find(t, id);
    }
    *slot = (uint32_t)t->count + 1;
    t->files[t->count] = (struct cfms_known){0};
    memcpy(t->files[t->count].id, id, strlen(id) + 1);
    return &t->files[t->count++];
}

const struct cfms_known *cfms_table_all(const struct cfms_table *t, size_t *count)
{
    *count = t->count;
    return t->files;
}
