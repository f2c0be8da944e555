#include "server/rate.h"

#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/random.h"

/* Places that a name may have; the least worn of them gives way. */
enum { WAYS = 8 };

struct bucket {
    uint8_t name[16]; /* its keyed hash; all zero: free */
    int64_t at_ns;    /* when left was right */
    double left;
    uint32_t limit;
};

struct rate {
    pthread_mutex_t lock; /* guards buckets */
    uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];
    size_t sets;
    struct bucket buckets[];
};

struct rate *rate_new(size_t room)
{
    const size_t sets = room / WAYS + 1;
    struct rate *r = mem_new(sizeof(*r) + sets * WAYS * sizeof(struct bucket));

    (void)pthread_mutex_init(&r->lock, NULL);
    random_bytes(r->key, sizeof(r->key));
    r->sets = sets;
    return r;
}

void rate_free(struct rate *r)
{
    if (r == NULL)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

void rate_auto(struct rate **r)
{
    rate_free(*r);
}

static double bucket_left(const struct bucket *b, int64_t now_ns)
{
    const double left =
        b->left + (double)(now_ns - b->at_ns) * b->limit / (60.0 * (double)NS_PER_S);

    return left > b->limit ? b->limit : left;
}

static struct bucket *bucket_of(struct rate *r, const char *name, uint32_t limit, int64_t now_ns)
{
    static const uint8_t nobody[16];
    uint8_t id[crypto_shorthash_siphashx24_BYTES];
    struct bucket *set;
    struct bucket *fullest = NULL;
    double most = -1;
    uint64_t number;

    (void)crypto_shorthash_siphashx24(id, (const uint8_t *)name, strlen(name), r->key);
    memcpy(&number, id, sizeof(number));
    set = &r->buckets[number % r->sets * WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        struct bucket *b = &set[i];

        if (memcmp(b->name, id, sizeof(id)) == 0 && b->limit == limit)
            return b;

        const double full =
            memcmp(b->name, nobody, sizeof(id)) == 0 ? 2 : bucket_left(b, now_ns) / b->limit;

        if (full > most) {
            most = full;
            fullest = b;
        }
    }
    memcpy(fullest->name, id, sizeof(id));
    fullest->limit = limit;
    fullest->left = limit;
    fullest->at_ns = now_ns;
    return fullest;
}

void rate_take(struct rate *r, const char *name, uint32_t limit, int64_t now_ns,
               struct rate_state *out)
{
    pthread_mutex_lock(&r->lock);

    struct bucket *b = bucket_of(r, name, limit, now_ns);
    const double per_second = b->limit / 60.0;

    b->left = bucket_left(b, now_ns);
    b->at_ns = now_ns;
    out->is_allowed = b->left >= 1;
    if (out->is_allowed)
        b->left -= 1;
    out->limit = limit;
    out->remaining = (uint32_t)b->left;
    out->reset_s =
        (uint32_t)((out->is_allowed ? b->limit - b->left : 1 - b->left) / per_second + 0.999);
    pthread_mutex_unlock(&r->lock);
}
