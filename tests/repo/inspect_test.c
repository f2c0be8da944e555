#include <string.h>

#include "base/mem.h"
#include "repo/index.h"
#include "support/test.h"
#include "world.h"

static const struct plant plants[] = {
    {"a/one", 1, 100000, false},
    {"a/two", 2, 90000, true},
    {"b", 1, 100000, false},
};
static const struct planting planting = {plants, 3, 0, 0};

TEST(inspect_shows_every_object_as_json)
{
    AUTO(world) struct world w = world_new(&planting);

    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
    for (size_t n = world_count(w.store, ""); n-- > 0;) {
        AUTO(mem) char *key = world_key(w.store, "", n);
        AUTO(buf) struct buf text = {0};
        AUTO(json) json_t *j = NULL;

        CHECK_OK(repo_inspect(w.repo, key, &text, e));
        CHECK_OK(document_parse(buf_slice(&text), &j, e));
        CHECK(json_object_size(j) > 0);
    }
}
END

TEST(inspect_shows_no_key)
{
    AUTO(world) struct world w = world_new(&planting);
    AUTO(buf) struct buf text = {0};

    CHECK_OK(repo_inspect(w.repo, "config", &text, e));
    CHECK(strstr(buf_string(&text), "\"id\"") != NULL);
    CHECK(strstr(buf_string(&text), "_key") == NULL);

    AUTO(mem) char *slot = world_key(w.store, "keys/", 0);

    buf_clear(&text);
    CHECK_OK(repo_inspect(w.repo, slot, &text, e));
    CHECK(strstr(buf_string(&text), "\"key file\"") != NULL);
    CHECK(strstr(buf_string(&text), "wrapped") == NULL);
}
END

TEST(inspect_refuses_what_is_no_object_missing_or_damaged)
{
    AUTO(world) struct world w = world_new(&planting);
    AUTO(mem) char *index = world_key(w.store, "index/", 0);
    AUTO(buf) struct buf text = {0};

    CHECK_ERR(repo_inspect(w.repo, "nonsense", &text, e), ERR_USAGE);
    CHECK_ERR(repo_inspect(w.repo, "packs/xx/nonsense", &text, e), ERR_USAGE);
    CHECK_ERR(repo_inspect(w.repo, "commits/nonsense", &text, e), ERR_NOT_FOUND);
    world_replace(w.store, index, slice_string("rubbish"));
    CHECK_ERR(repo_inspect(w.repo, index, &text, e), ERR_CORRUPT);
    CHECK(text.size == 0);
}
END

TEST(measure_counts_each_chunk_once)
{
    AUTO(world) struct world w = world_new(&planting);
    struct repo_sizes before, after;
    struct hash again;

    CHECK_OK(repo_measure(w.repo, &before, e));
    CHECK(before.snapshots == 1 && before.data_chunks == 6);
    CHECK(before.tree_chunks == 3 && before.chunks == 9);
    CHECK(before.packs == 2 && before.index_objects == 1);
    CHECK(before.chunk_bytes > 190000 && before.pack_bytes > before.chunk_bytes / 2);

    /* Packs without an index are packs; their chunks are unknown. */
    AUTO(mem) char *index = world_key(w.store, "index/", 0);

    CHECK_OK(store_remove(w.store, index, e));
    CHECK_OK(world_plant(w.repo, &planting, &again, e));
    CHECK_OK(repair_index(w.repo, NULL, NULL, &(struct repair_stats){0}, e));
    CHECK_OK(repo_measure(w.repo, &after, e));
    CHECK(after.packs == 4 && after.chunks == before.chunks && after.snapshots == 2);
    CHECK(after.chunk_bytes == before.chunk_bytes);
}
END

TESTS("inspect", inspect_shows_every_object_as_json, inspect_shows_no_key,
      inspect_refuses_what_is_no_object_missing_or_damaged, measure_counts_each_chunk_once)
