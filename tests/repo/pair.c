#include "pair.h"

#include "support/test.h"

/* Of "part" the newer one has the first seven chunks. */
static const struct plant old_plants[] = {
    {"a/one", 1, PACKFUL, false},
    {"a/two", 2, 90000, true},
    {"both", 3, 120000, false},
    {"c/d/three", 4, 1, false},
    {"part", 7, (BATCH_BYTES / PIECE_SIZE + 1) * PIECE_SIZE, false},
};
static const struct plant new_plants[] = {
    {"both", 3, 120000, false},
    {"part", 7, 7 * PIECE_SIZE, false},
    {"z/four", 5, 130000, true},
    {"z/y/five", 6, 60000, false},
};
const struct planting old = {old_plants, 5, PACK_SIZE, 0};
const struct planting new = {new_plants, 4, PACK_SIZE, 2};

const struct prune_options plain = {.max_unused_percent = 100, .max_repack_bytes = 1};
const struct prune_options eager = {.max_unused_percent = 10};

bool prune(struct store *s, const struct prune_options *o, struct prune_stats *stats, struct err *e)
{
    AUTO(repo) struct repo *r = world_repo(s);

    return prune_run(r, o, stats, e);
}

struct hash plant(struct store *s, const struct planting *p)
{
    AUTO(repo) struct repo *r = world_repo(s);
    struct hash id;

    CHECK_OK(world_plant(r, p, &id, e));
    return id;
}

void forget(struct store *s, const struct hash *id)
{
    AUTO(repo) struct repo *r = world_repo(s);

    CHECK_OK(snapshot_forget(r, id, "test", e));
}

bool is_sound(struct store *s, const struct hash *id, const struct planting *p)
{
    AUTO(repo) struct repo *r = world_repo(s);
    struct err e;

    return world_harvest(r, id, p, &e);
}

struct pair pair_new(void)
{
    static struct pair model;

    if (model.store == NULL) {
        model.store = store_memory_new();
        model.old = plant(model.store, &old);
        model.new = plant(model.store, &new);
        forget(model.store, &model.old);
    }
    return (struct pair){world_copy(model.store), model.old, model.new};
}

void pair_auto(struct pair *p)
{
    store_close(p->store);
}

void check_clean(struct store *s)
{
    CHECK(world_count(s, "condemned/") == 0);
    CHECK(world_count(s, "trash/") == 0);
    CHECK(world_count(s, "snapshots/") == world_count(s, "commits/"));
}
