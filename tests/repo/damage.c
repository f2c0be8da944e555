#include "damage.h"

#include <string.h>

#include "base/mem.h"
#include "repo/index.h"
#include "support/test.h"

static const struct plant other_plants[] = {{"c", 9, PACKFUL, false}};
const struct planting other_files = {other_plants, 1, PACK_SIZE, 0};
const struct parity_work quiet;

size_t below(size_t limit)
{
    static uint64_t state = 7;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

void hurt(struct store *s, const char *key, enum damage kind)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));
    if (kind == DAMAGE_REMOVE) {
        CHECK_OK(store_remove(s, key, e));
        return;
    }
    if (kind == DAMAGE_CUT)
        bytes.size /= 2;
    else if (kind == DAMAGE_FLIP)
        bytes.data[below(bytes.size)] ^= (uint8_t)(1 + below(255));
    world_replace(s, key, kind == DAMAGE_RUBBISH ? slice_string("rubbish") : buf_slice(&bytes));
}

void spoil(struct store *s, const char *key, size_t from, size_t size)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));
    for (size_t i = from; i < from + size && i < bytes.size; i++)
        bytes.data[i] ^= 0x55;
    world_replace(s, key, buf_slice(&bytes));
}

bool holds(struct store *s, struct store *wanted)
{
    for (size_t n = world_count(wanted, ""); n-- > 0;) {
        AUTO(mem) char *key = world_key(wanted, "", n);
        AUTO(buf) struct buf one = {0};
        AUTO(buf) struct buf two = {0};
        struct err why;

        if (strncmp(key, "parity/", 7) == 0)
            continue;
        CHECK_OK(store_get_all(wanted, key, &one, e));
        if (!store_get_all(s, key, &two, &why) || !slice_is_equal(buf_slice(&one), buf_slice(&two)))
            return false;
    }
    return true;
}

/* Finding */

static void on_fault(void *arg, const struct check_fault *fault)
{
    struct found *f = arg;

    if (fault->kind != CHECK_DAMAGED)
        return;
    CHECK(f->count < 200);
    f->keys[f->count++] = mem_string(fault->object);
}

void find_damage(struct repo *r, struct found *out)
{
    const struct check_options o = {.read_data = true, .fault = on_fault, .arg = out};

    *out = (struct found){0};
    CHECK_OK(check_run(r, &o, &out->stats, e));
}

void found_auto(struct found *f)
{
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->keys[i]);
}

bool was_found(const struct found *f, const char *key)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->keys[i], key) == 0)
            return true;
    return false;
}

bool is_clean(struct repo *r)
{
    AUTO(found) struct found f;

    find_damage(r, &f);
    return f.count == 0;
}

/* Parity */

struct heal_stats heal(struct repo *r, const struct found *f)
{
    struct heal_stats stats;

    CHECK_OK(heal_objects(r, (const char *const *)f->keys, f->count, NULL, NULL, &stats, e));
    return stats;
}

void recover(struct repo *r)
{
    for (int round = 0; round < 3; round++) {
        AUTO(found) struct found f;

        find_damage(r, &f);
        if (f.count == 0)
            return;
        heal(r, &f);
    }
    CHECK(is_clean(r));
}

struct parity_figures enable(struct repo *r, const struct parity_rule *rule)
{
    struct parity_figures f;

    CHECK_OK(parity_enable(r, rule, &quiet, &f, e));
    return f;
}

struct parity_figures figures_of(struct repo *r)
{
    struct parity_figures f;

    CHECK_OK(parity_measure(r, &f, e));
    return f;
}

struct world guarded_new(void)
{
    struct world w = world_bare();

    enable(w.repo, &parity_rule_default);
    w.planting = &world_files;
    CHECK_OK(world_plant(w.repo, w.planting, &w.snapshot, e));
    return w;
}

void reopen(struct world *w)
{
    repo_close(TAKE(w->repo));
    w->repo = world_open(w->store);
}
