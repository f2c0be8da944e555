#include "repo/snapshots.h"

TEST(snapshots_of_one_host_are_numbered_through_whatever_becomes_of_them)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *s = sample(4);
    AUTO(snapshot) struct snapshot *foreign = sample(5);
    uint8_t writer[SEAL_ID_SIZE];

    forgotten(r, 1);
    committed(r, 3);

    const struct hash third = prepared(r, 2);

    CHECK_OK(snapshot_put(r, s, e));
    CHECK(s->seq == 4 && s->has_prev && hash_is_equal(&s->prev, &third));
    memcpy(writer, r->writer, sizeof(writer));
    r->writer[0] ^= 1;
    CHECK_OK(snapshot_put(r, foreign, e));
    CHECK(foreign->seq == 1 && !foreign->has_prev);
    CHECK(memcmp(foreign->writer, writer, sizeof(writer)) != 0);
}
END

TEST(damaged_snapshot_does_not_stop_the_next_backup)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot) struct snapshot *s = sample(4);
    const struct hash first = committed(r, 1);
    const struct hash second = committed(r, 2);

    object_spoil(r, "snapshots", &second);
    CHECK_OK(snapshot_put(r, s, e));
    CHECK(s->seq == 2 && hash_is_equal(&s->prev, &first));
}
END

TEST(state_follows_from_commit_and_tombstone)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot_list) struct snapshot_list l = {0};
    const struct hash c = forgotten(r, 3);
    const struct hash b = prepared(r, 2);
    const struct hash a = committed(r, 1);

    CHECK_OK(snapshot_load_all(r, ANY, NULL, NULL, &l, e));
    CHECK(l.count == 3);
    CHECK(hash_is_equal(&l.items[0]->id, &a) && l.states[0] == SNAPSHOT_COMMITTED);
    CHECK(hash_is_equal(&l.items[1]->id, &b) && l.states[1] == SNAPSHOT_PREPARED);
    CHECK(hash_is_equal(&l.items[2]->id, &c) && l.states[2] == SNAPSHOT_FORGOTTEN);
    CHECK(count_of(r, 1U << SNAPSHOT_COMMITTED) == 1);
    CHECK(count_of(r, 1U << SNAPSHOT_PREPARED | 1U << SNAPSHOT_FORGOTTEN) == 2);
    /* As a collector leaves it on its way. */
    object_remove(r, "commits", &c);
    CHECK(count_of(r, 1U << SNAPSHOT_FORGOTTEN) == 1);
}
END

TEST(commit_and_forget_may_be_repeated)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash id = committed(r, 1);
    const struct hash absent = {{1}};

    CHECK_OK(snapshot_commit(r, &id, e));
    CHECK_OK(snapshot_forget(r, &id, "a", e));
    CHECK_OK(snapshot_forget(r, &id, "b", e));
    CHECK_ERR(snapshot_forget(r, &absent, "a", e), ERR_NOT_FOUND);
    object_spoil(r, "trash", &id);
    CHECK_ERR(snapshot_forget(r, &id, "a", e), ERR_CORRUPT);
    object_spoil(r, "commits", &id);
    CHECK_ERR(snapshot_commit(r, &id, e), ERR_CORRUPT);
}
END

TEST(committed_snapshot_cannot_be_withdrawn)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash a = prepared(r, 1);
    const struct hash b = committed(r, 2);

    CHECK_OK(snapshot_withdraw(r, &a, e));
    CHECK(!has(r, "snapshots", &a));
    CHECK_ERR(snapshot_withdraw(r, &b, e), ERR_USAGE);
    CHECK(has(r, "snapshots", &b));
    CHECK_ERR(snapshot_forget(r, &b, "\xff", e), ERR_USAGE);
    CHECK_ERR(snapshot_forget(r, &a, "", e), ERR_NOT_FOUND);
}
END

TEST(prepared_snapshot_that_was_forgotten_is_never_reported_as_committed)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash a = prepared(r, 1);

    CHECK_OK(snapshot_forget(r, &a, "", e));
    CHECK_ERR(snapshot_commit(r, &a, e), ERR_TRANSIENT);
    CHECK(count_of(r, 1U << SNAPSHOT_COMMITTED) == 0);
}
END

/* Damage */

struct told {
    size_t count;
    char key[OBJECT_KEY_MAX];
};

static void tell(void *arg, const char *key, const struct err *why)
{
    struct told *t = arg;

    CHECK(why->code == ERR_CORRUPT && strstr(why->text, key) != NULL);
    CHECK(strlen(key) < sizeof(t->key));
    memcpy(t->key, key, strlen(key) + 1);
    t->count++;
}

/* One object is damaged: told with its key when asked for, an error otherwise. */
static void check_damage(struct repo *r, const char *folder, const struct hash *id, unsigned mask,
                         size_t left)
{
    AUTO(snapshot_list) struct snapshot_list l = {0};
    struct told t = {0};
    char key[OBJECT_KEY_MAX];

    object_key(folder, id, key);
    CHECK_ERR(snapshot_load_all(r, mask, NULL, NULL, &l, e), ERR_CORRUPT);
    CHECK_OK(snapshot_load_all(r, mask, tell, &t, &l, e));
    CHECK(t.count == 1 && strcmp(t.key, key) == 0);
    CHECK(l.count == left);
}

TEST(damaged_snapshot_is_told_and_passed_over)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash id = committed(r, 1);

    committed(r, 2);
    object_spoil(r, "snapshots", &id);
    check_damage(r, "snapshots", &id, ANY, 1);
    CHECK(count_of(r, 1U << SNAPSHOT_PREPARED) == 0);
}
END

TEST(commit_without_its_snapshot_is_damage_unless_forgotten)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash id = committed(r, 1);

    committed(r, 2);
    object_remove(r, "snapshots", &id);
    check_damage(r, "snapshots", &id, ANY, 1);
    CHECK_OK(snapshot_forget(r, &id, "lost", e));
    CHECK(count_of(r, ANY) == 1);
}
END

TEST(damaged_commit_proves_nothing)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash id = committed(r, 1);

    object_spoil(r, "commits", &id);
    check_damage(r, "commits", &id, 1U << SNAPSHOT_COMMITTED, 0);
    check_damage(r, "commits", &id, 1U << SNAPSHOT_PREPARED, 1);
}
END

TEST(damaged_tombstone_forgets_nothing)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash id = forgotten(r, 1);

    object_spoil(r, "trash", &id);
    check_damage(r, "trash", &id, 1U << SNAPSHOT_COMMITTED, 1);
}
END

TEST(mark_of_another_snapshot_counts_for_nothing)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(buf) struct buf commit = {0};
    const struct hash a = committed(r, 1);
    const struct hash b = prepared(r, 2);
    char key[OBJECT_KEY_MAX];

    object_key("commits", &a, key);
    CHECK_OK(store_get_all(store, key, &commit, e));
    object_key("commits", &b, key);
    CHECK_OK(store_put(store, key, buf_slice(&commit), PUT_NEW, e));
    check_damage(r, "commits", &b, 1U << SNAPSHOT_COMMITTED, 1);
}
END

TESTS("snapshot", snapshots_of_one_host_are_numbered_through_whatever_becomes_of_them,
      damaged_snapshot_does_not_stop_the_next_backup, state_follows_from_commit_and_tombstone,
      commit_and_forget_may_be_repeated, committed_snapshot_cannot_be_withdrawn,
      prepared_snapshot_that_was_forgotten_is_never_reported_as_committed,
      damaged_snapshot_is_told_and_passed_over,
      commit_without_its_snapshot_is_damage_unless_forgotten, damaged_commit_proves_nothing,
      damaged_tombstone_forgets_nothing, mark_of_another_snapshot_counts_for_nothing)
