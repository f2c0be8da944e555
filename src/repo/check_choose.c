/*
 * Which packs a check reads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "codec/random.h"
#include "repo/check.h"

/* "3/7" */
static bool parse_part(const char *text, struct check_options *o, struct err *e)
{
    const char *slash = strchr(text, '/');
    AUTO(buf) struct buf first = {0};
    uint64_t part = 0;
    uint64_t parts = 0;

    buf_append(&first, text, (size_t)(slash - text));
    if (!parse_u64(buf_string(&first), &part, e) || !parse_u64(slash + 1, &parts, e))
        return false;
    if (part < 1 || part > parts || parts > UINT32_MAX)
        return err_set(e, ERR_USAGE, "%s: the part must be from 1 to the number of parts", text);
    o->subset_n = (uint32_t)part;
    o->subset_t = (uint32_t)parts;
    return true;
}

static bool parse_percent(const char *text, size_t size, double *out, struct err *e)
{
    AUTO(buf) struct buf number = {0};

    buf_append(&number, text, size);
    if (!parse_decimal(buf_string(&number), out, e))
        return false;
    return (*out > 0 && *out <= 100) ||
           err_set(e, ERR_USAGE, "%s is not above 0%% and up to 100%%", text);
}

bool check_subset_parse(const char *text, struct check_options *o, struct err *e)
{
    const size_t size = strlen(text);

    o->read_data = true;
    if (strchr(text, '/') != NULL)
        return parse_part(text, o, e);
    if (size > 0 && text[size - 1] == '%')
        return parse_percent(text, size - 1, &o->subset_percent, e);
    return parse_size(text, &o->subset_bytes, e) &&
           (o->subset_bytes > 0 || err_set(e, ERR_USAGE, "the size must be above 0"));
}

static uint64_t size_of(const struct index *ix, uint32_t pack)
{
    return index_pack_at(ix, pack)->size;
}

static void shuffle(uint32_t *packs, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        uint64_t random;

        random_bytes(&random, sizeof(random));

        const size_t other = (size_t)(random % i);
        const uint32_t swapped = packs[i - 1];

        packs[i - 1] = packs[other];
        packs[other] = swapped;
    }
}

/* How many of the packs, in random order, the options ask for; at least one. */
static size_t share_of(const struct check *c, const uint32_t *packs, size_t count)
{
    const struct check_options *o = c->options;
    uint64_t sum = 0;
    size_t n = 0;

    if (o->subset_percent > 0) {
        n = (size_t)((double)count * o->subset_percent / 100 + 0.5);
        n = n > count ? count : n;
        return n == 0 && count > 0 ? 1 : n;
    }
    while (n < count && sum < o->subset_bytes)
        sum += size_of(c->repo->index, packs[n++]);
    return n;
}

/* The part of t that a pack belongs to, from 0: the same in every run. */
static uint32_t part_of(const struct check *c, uint32_t pack, uint32_t t)
{
    const uint8_t *id = index_pack_at(c->repo->index, pack)->id.bytes;

    return ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]) % t;
}

/* Those that the options ask for come to the front.  Returns their number. */
static size_t choose(const struct check *c, uint32_t *packs, size_t count)
{
    const struct check_options *o = c->options;
    size_t n = 0;

    if (!o->read_data)
        return 0;
    if (o->subset_percent > 0 || o->subset_bytes > 0) {
        shuffle(packs, count);
        return share_of(c, packs, count);
    }
    if (o->subset_t == 0)
        return count;
    for (size_t i = 0; i < count; i++) {
        const uint32_t pack = packs[i];

        /* What is not chosen stays behind what is. */
        if (part_of(c, pack, o->subset_t) + 1 == o->subset_n) {
            packs[i] = packs[n];
            packs[n++] = pack;
        }
    }
    return n;
}

static int larger_first(const void *a, const void *b, void *arg)
{
    const struct index *ix = arg;
    const uint64_t left = size_of(ix, *(const uint32_t *)a);
    const uint64_t right = size_of(ix, *(const uint32_t *)b);

    return left == right ? 0 : left > right ? -1 : 1;
}

size_t check_choose(const struct check *c, uint32_t *packs)
{
    size_t count = 0;

    for (uint32_t n = 0; n < index_pack_count(c->repo->index); n++)
        if (index_pack_at(c->repo->index, n)->state != PACK_MISSING)
            packs[count++] = n;

    size_t chosen = choose(c, packs, count);

    for (size_t i = chosen; i < count; i++)
        if (c->is_suspect[packs[i]])
            packs[chosen++] = packs[i];
    if (chosen > 0)
        qsort_r(packs, chosen, sizeof(*packs), larger_first, c->repo->index);
    return chosen;
}
