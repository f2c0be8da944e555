#include "repo/snapshots.h"

#include "base/text.h"
#include "repo/world.h"

static const struct plant plants[] = {{"file", 1, 300, false}};
static const struct planting one = {plants, 1, 0, 0};

static struct hash planted(struct repo *r)
{
    struct hash id;

    CHECK_OK(world_plant(r, &one, &id, e));
    return id;
}

static bool put(struct repo *r, const struct hash *under, const struct hash *about, struct err *e)
{
    AUTO(buf) struct buf json = {0};

    buf_printf(&json,
               "{\"snapshot\": \"%s\", \"time\": \"2026-11-21T08:00:00.000000000Z\", "
               "\"verdict\": \"proven\"}",
               text_of(about).text);
    return evidence_put(r, under, buf_slice(&json), e);
}

static bool count_proven(void *arg, const struct hash *snapshot, int64_t time_ns, struct slice json,
                         struct err *e)
{
    (void)snapshot;
    (void)e;
    CHECK(time_ns > 0 && memmem(json.data, json.size, "\"proven\"", 8) != NULL);
    ++*(size_t *)arg;
    return true;
}

static size_t count(struct repo *r, const struct hash *snapshot)
{
    size_t found = 0;

    CHECK_OK(evidence_each(r, snapshot, count_proven, &found, e));
    return found;
}

TEST(evidence_is_found_under_its_snapshot_only)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    const struct hash a = committed(r, 1), b = committed(r, 2);

    CHECK_OK(put(r, &a, &a, e));
    CHECK_OK(put(r, &a, &a, e));
    CHECK_OK(put(r, &b, &b, e));
    ck_assert_uint_eq(count(r, &a), 2);
    ck_assert_uint_eq(count(r, &b), 1);
    ck_assert_uint_eq(count(r, NULL), 3);
}
END

TEST(evidence_that_names_no_snapshot_or_another_is_refused)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    const struct hash a = committed(r, 1), b = committed(r, 2);

    CHECK_ERR(put(r, &a, &b, e), ERR_CORRUPT);
    CHECK_ERR(evidence_put(r, &a, slice_string("{}"), e), ERR_CORRUPT);
    CHECK_ERR(evidence_put(r, &a, slice_string("proven"), e), ERR_CORRUPT);
    ck_assert_uint_eq(world_count(s, "drills/"), 0);
}
END

TEST(evidence_moved_to_another_snapshot_is_damage)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    AUTO(buf) struct buf object = {0};
    AUTO(buf) struct buf key = {0};
    const struct hash a = planted(r), b = committed(r, 2);
    struct check_stats stats;
    size_t found = 0;

    CHECK_OK(put(r, &a, &a, e));
    AUTO(mem) char *from = world_key(s, "drills/", 0);

    CHECK_OK(store_get_all(s, from, &object, e));
    buf_printf(&key, "drills/%s-0123456789abcdef", text_of(&b).text);
    CHECK_OK(store_put(s, buf_string(&key), buf_slice(&object), PUT_NEW, e));
    CHECK_ERR(evidence_each(r, &b, count_proven, &found, e), ERR_CORRUPT);
    CHECK_OK(snapshot_forget(r, &b, "test", e));
    CHECK_OK(check_run(r, &(struct check_options){0}, &stats, e));
    ck_assert_uint_eq(stats.damaged_objects, 1);
}
END

TEST(evidence_goes_with_its_snapshot_and_not_before)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    const struct hash a = planted(r);
    struct prune_stats stats;

    CHECK_OK(put(r, &a, &a, e));
    CHECK_OK(prune_run(r, &(struct prune_options){0}, &stats, e));
    ck_assert_uint_eq(count(r, &a), 1);
    CHECK_OK(snapshot_forget(r, &a, "test", e));
    CHECK_OK(prune_run(r, &(struct prune_options){0}, &stats, e));
    ck_assert_uint_eq(world_count(s, "drills/"), 0);
}
END

TEST(evidence_of_a_snapshot_that_is_gone_is_litter)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = world_repo(s);
    const struct hash gone = {{1, 2, 3}};
    struct prune_stats pruned;
    struct check_stats stats;

    (void)planted(r);
    CHECK_OK(put(r, &gone, &gone, e));
    CHECK_OK(check_run(r, &(struct check_options){0}, &stats, e));
    CHECK(stats.litter == 1 && stats.damaged_objects == 0 && stats.suggest_prune);
    CHECK_OK(prune_run(r, &(struct prune_options){0}, &pruned, e));
    CHECK_OK(check_run(r, &(struct check_options){0}, &stats, e));
    ck_assert_uint_eq(stats.litter, 0);
}
END

TEST(keys_of_evidence_are_read_strictly)
{
    struct hash id;
    char key[100] = "drills/";

    memset(key + 7, 'a', 64);
    strcpy(key + 71, "-0123456789abcdef");
    CHECK(evidence_key_parse(key, &id) && id.bytes[31] == 0xaa);
    key[71] = '_';
    CHECK(!evidence_key_parse(key, &id));
    key[71] = '-';
    key[20] = 'g';
    CHECK(!evidence_key_parse(key, &id));
    key[20] = 'a';
    key[87] = '\0';
    CHECK(!evidence_key_parse(key, &id));
    CHECK(!evidence_key_parse("drills/", &id) && !evidence_key_parse("trash/aa", &id));
}
END

TESTS("evidence", evidence_is_found_under_its_snapshot_only,
      evidence_that_names_no_snapshot_or_another_is_refused,
      evidence_moved_to_another_snapshot_is_damage, evidence_goes_with_its_snapshot_and_not_before,
      evidence_of_a_snapshot_that_is_gone_is_litter, keys_of_evidence_are_read_strictly)
