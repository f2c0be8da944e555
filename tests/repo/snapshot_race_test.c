#include "repo/condemned_list.h"
#include "repo/snapshots.h"

/* A store during whose work something else happens once, before the first call of a kind. */

enum hooked_op { HOOK_GET, HOOK_LIST, HOOK_STAT, HOOK_REMOVE };

struct hooked {
    struct store store;
    struct store *next;
    enum hooked_op op;
    const char *prefix;
    void (*happen)(struct repo *other, const struct hash *id);
    struct repo *other;
    struct hash id;
    bool is_over;
};

static struct store *hook(struct store *s, enum hooked_op op, const char *key)
{
    struct hooked *h = (struct hooked *)s;

    if (!h->is_over && h->op == op && strncmp(key, h->prefix, strlen(h->prefix)) == 0) {
        h->is_over = true;
        h->happen(h->other, &h->id);
    }
    return h->next;
}

static bool hooked_get(struct store *s, const char *key, uint64_t offset, size_t size,
                       struct buf *out, struct err *e)
{
    return store_get(hook(s, HOOK_GET, key), key, offset, size, out, e);
}

static bool hooked_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                       struct err *e)
{
    return store_put(((struct hooked *)s)->next, key, data, mode, e);
}

static bool hooked_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    return store_stat(hook(s, HOOK_STAT, key), key, info, e);
}

static bool hooked_list(struct store *s, const char *prefix, object_fn *fn, void *arg,
                        struct err *e)
{
    return store_list(hook(s, HOOK_LIST, prefix), prefix, fn, arg, e);
}

static bool hooked_remove(struct store *s, const char *key, struct err *e)
{
    return store_remove(hook(s, HOOK_REMOVE, key), key, e);
}

static const struct store_ops hooked_ops = {
    .scheme = "hooked",
    .get = hooked_get,
    .put = hooked_put,
    .stat = hooked_stat,
    .list = hooked_list,
    .remove = hooked_remove,
};

/* Another process forgets a snapshot and collects it. */
static void collect(struct repo *other, const struct hash *id)
{
    CHECK_OK(snapshot_forget(other, id, "", e));
    object_remove(other, "commits", id);
    object_remove(other, "snapshots", id);
    object_remove(other, "trash", id);
}

static void publish_list(struct repo *other, const struct hash *id)
{
    (void)id; /* any list will do */
    CHECK_OK(document_put(other, CLASS_CONDEMNED, "condemned/1", slice_string("{}"), e));
}

static void publish_commit(struct repo *other, const struct hash *id)
{
    CHECK_OK(snapshot_commit(other, id, e));
}

/* Load all committed snapshots while another one is collected at this moment. */
static size_t load_while_collecting(enum hooked_op op, const char *prefix)
{
    AUTO(store) struct store *disk = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(disk);
    AUTO(repo) struct repo *other = NULL;
    struct hooked h = {{&hooked_ops}, disk, op, prefix, collect, NULL, {{0}}, false};

    CHECK_OK(repo_open(disk, &snapshots_unlock, &other, e));
    h.other = other;
    h.id = committed(r, 1);
    committed(r, 2);
    r->store = &h.store;

    const size_t left = count_of(r, 1U << SNAPSHOT_COMMITTED);

    CHECK(h.is_over);
    r->store = disk;
    return left;
}

TEST(snapshot_that_is_collected_meanwhile_is_no_damage)
{
    CHECK(load_while_collecting(HOOK_LIST, "commits/") == 1);
    CHECK(load_while_collecting(HOOK_LIST, "trash/") == 1);
    CHECK(load_while_collecting(HOOK_LIST, "snapshots/") == 1);
    CHECK(load_while_collecting(HOOK_GET, "commits/") == 1);
    CHECK(load_while_collecting(HOOK_GET, "snapshots/") <= 2);
}
END

static void lose(struct repo *other, const struct hash *id)
{
    object_remove(other, "snapshots", id);
}

TEST(snapshot_that_is_lost_meanwhile_is_damage)
{
    AUTO(store) struct store *disk = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(disk);
    AUTO(repo) struct repo *other = NULL;
    AUTO(snapshot_list) struct snapshot_list l = {0};
    struct hooked h = {{&hooked_ops}, disk, HOOK_GET, "snapshots/", lose, NULL, {{0}}, false};

    CHECK_OK(repo_open(disk, &snapshots_unlock, &other, e));
    h.other = other;
    h.id = committed(r, 1);
    r->store = &h.store;
    CHECK_ERR(snapshot_load_all(r, ANY, NULL, NULL, &l, e), ERR_CORRUPT);
    r->store = disk;
}
END

TEST(snapshot_that_is_committed_meanwhile_is_not_taken_for_prepared)
{
    AUTO(store) struct store *disk = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(disk);
    AUTO(repo) struct repo *other = NULL;
    struct hooked h = {{&hooked_ops},  disk, HOOK_LIST, "snapshots/",
                       publish_commit, NULL, {{0}},     false};

    CHECK_OK(repo_open(disk, &snapshots_unlock, &other, e));
    h.other = other;
    h.id = prepared(r, 1);
    r->store = &h.store;
    CHECK(count_of(r, 1U << SNAPSHOT_PREPARED) == 0);
    r->store = disk;
}
END

/* Bringing back */

TEST(forgotten_snapshot_comes_back)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash id = forgotten(r, 1);
    struct hash done = {0};
    struct id_text prefix = text_of(&id);

    prefix.text[8] = '\0';
    CHECK_OK(snapshot_unforget(r, prefix.text, &done, e));
    CHECK(hash_is_equal(&id, &done) && count_of(r, 1U << SNAPSHOT_COMMITTED) == 1);
    CHECK_ERR(snapshot_unforget(r, prefix.text, &done, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_unforget(r, "", &done, e), ERR_USAGE);
    CHECK_ERR(snapshot_unforget(r, "xyz", &done, e), ERR_USAGE);
    CHECK_ERR(snapshot_unforget(r, "../config", &done, e), ERR_USAGE);
}
END

TEST(one_of_several_forgotten_snapshots_must_be_named_clearly)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    struct hash done = {0};
    char digit[2] = {0};
    int ambiguous = 0;

    for (int i = 0; i < 17; i++)
        forgotten(r, i);
    for (const char *c = "0123456789abcdef"; *c != '\0'; c++) {
        struct err e;

        digit[0] = *c;
        ambiguous += !snapshot_unforget(r, digit, &done, &e) && e.code == ERR_USAGE;
    }
    CHECK(ambiguous > 0);
}
END

TEST(collected_snapshot_does_not_come_back)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash a = forgotten(r, 1);
    const struct hash b = forgotten(r, 2);
    struct hash done = {0};

    object_remove(r, "commits", &a);
    object_remove(r, "snapshots", &b);
    CHECK_ERR(snapshot_unforget(r, text_of(&a).text, &done, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_unforget(r, text_of(&b).text, &done, e), ERR_NOT_FOUND);
    CHECK(has(r, "trash", &a) && has(r, "trash", &b));
}
END

TEST(nothing_comes_back_while_a_collector_works)
{
    AUTO(store) struct store *disk = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(disk);
    AUTO(repo) struct repo *other = NULL;
    struct hooked h = {{&hooked_ops}, disk, HOOK_REMOVE, "trash/",
                       publish_list,  NULL, {{0}},       false};
    struct hash done = {0};

    CHECK_OK(repo_open(disk, &snapshots_unlock, &other, e));
    h.other = other;
    h.id = forgotten(r, 1);
    r->store = &h.store;
    /* A list that appears between the first look and the removal, then one that was there. */
    CHECK_ERR(snapshot_unforget(r, text_of(&h.id).text, &done, e), ERR_TRANSIENT);
    CHECK(h.is_over && has(r, "trash", &h.id));
    CHECK_ERR(snapshot_unforget(r, text_of(&h.id).text, &done, e), ERR_TRANSIENT);
    CHECK(has(r, "trash", &h.id));
    r->store = disk;
}
END

TEST(tombstone_is_not_touched_while_a_list_is_seen)
{
    AUTO(store) struct store *disk = store_memory_new();
    AUTO(store)
    struct store *counting =
        store_fault_new(disk, (struct fault_plan){100, FAULT_FROM, ERR_FATAL, true});
    AUTO(repo) struct repo *r = repo_in(disk);
    const struct hash id = forgotten(r, 1);
    struct hash done;

    publish_list(r, &id);
    r->store = counting;
    CHECK_ERR(snapshot_unforget(r, text_of(&id).text, &done, e), ERR_TRANSIENT);
    CHECK(store_fault_calls(counting) == 0);
    r->store = disk;
}
END

static struct hash forgotten_of(struct repo *r, int64_t time_s, const char *set, const char *tag)
{
    AUTO(snapshot) struct snapshot *s = sample(time_s);

    s->set = set == NULL ? NULL : mem_string(set);
    if (tag != NULL)
        snapshot_add_tag(s, tag);
    CHECK_OK(snapshot_put(r, s, e));
    CHECK_OK(snapshot_commit(r, &s->id, e));
    CHECK_OK(snapshot_forget(r, &s->id, "test", e));
    return s->id;
}

TEST(of_a_forgotten_snapshot_is_known_when_and_whether_it_goes)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    AUTO(snapshot_list) struct snapshot_list l = {0};
    const int64_t before_ns = clock_now_ns();
    const struct hash going = forgotten(r, 1);
    struct forgotten known[2];
    char *key = NULL;

    (void)forgotten(r, 2);
    (void)committed(r, 3);
    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_FORGOTTEN, NULL, NULL, &l, e));
    ck_assert_uint_eq(l.count, 2);
    CHECK_OK(forgotten_look(r, &l, known, e));
    CHECK(!known[0].is_going && !known[1].is_going);
    CHECK_OK(condemned_list_put(
        r, &(struct condemned_list){.snapshots = (struct hash[]){going}, .snapshot_count = 1}, &key,
        e));
    mem_free(key);
    CHECK_OK(forgotten_look(r, &l, known, e));
    for (int i = 0; i < 2; i++) {
        CHECK(known[i].is_going == hash_is_equal(&l.items[i]->id, &going));
        CHECK(known[i].time_ns >= before_ns && known[i].time_ns <= clock_now_ns());
        CHECK(known[i].locked_until_s == 0);
    }
}
END

TEST(a_forgotten_snapshot_is_found_in_its_set_only)
{
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *r = repo_in(store);
    const struct hash of_shop = forgotten_of(r, 1, "shop", NULL);
    const struct hash upload = forgotten_of(r, 2, NULL, SNAPSHOT_UPLOAD "shop");
    const struct hash gone = forgotten_of(r, 3, "shop", NULL);
    struct hash found;

    CHECK_OK(snapshot_find_forgotten(r, text_of(&of_shop).text, "shop", &found, e));
    CHECK(hash_is_equal(&found, &of_shop));
    CHECK_OK(snapshot_find_forgotten(r, text_of(&upload).text, "shop", &found, e));
    CHECK_OK(snapshot_find_forgotten(r, text_of(&upload).text, NULL, &found, e));
    CHECK_ERR(snapshot_find_forgotten(r, text_of(&of_shop).text, "wiki", &found, e), ERR_NOT_FOUND);
    CHECK_ERR(snapshot_find_forgotten(r, text_of(&upload).text, "wiki", &found, e), ERR_NOT_FOUND);
    object_remove(r, "snapshots", &gone);
    CHECK_ERR(snapshot_find_forgotten(r, text_of(&gone).text, "shop", &found, e), ERR_NOT_FOUND);
    CHECK(has(r, "trash", &of_shop) && has(r, "trash", &upload) && has(r, "trash", &gone));
}
END

static void unforget_with_faults(enum fault_mode mode)
{
    bool is_done = false;

    for (int at = 0; !is_done; at++) {
        AUTO(store) struct store *disk = store_memory_new();
        AUTO(store)
        struct store *flaky =
            store_fault_new(disk, (struct fault_plan){at, mode, ERR_TRANSIENT, false});
        AUTO(repo) struct repo *r = repo_in(disk);
        const struct hash id = forgotten(r, 1);
        struct hash done;
        struct err e;

        CHECK(at < 20);
        r->store = flaky;
        is_done = snapshot_unforget(r, text_of(&id).text, &done, &e);
        r->store = disk;
        /* The tombstone is gone with success, or when nothing can be written any more. */
        CHECK(has(r, "trash", &id) == !is_done || e.code == ERR_FATAL);
        CHECK(is_done || e.code == ERR_TRANSIENT || mode == FAULT_FROM);
        is_done = is_done && store_fault_calls(flaky) <= at;
    }
}

TEST(tombstone_is_there_after_a_failure_whichever_store_call_fails)
{
    unforget_with_faults(FAULT_ONCE);
    unforget_with_faults(FAULT_FROM);
    unforget_with_faults(FAULT_LOST_REPLY);
}
END

TESTS("snapshot_race", snapshot_that_is_collected_meanwhile_is_no_damage,
      snapshot_that_is_lost_meanwhile_is_damage,
      snapshot_that_is_committed_meanwhile_is_not_taken_for_prepared, forgotten_snapshot_comes_back,
      one_of_several_forgotten_snapshots_must_be_named_clearly,
      collected_snapshot_does_not_come_back, nothing_comes_back_while_a_collector_works,
      tombstone_is_not_touched_while_a_list_is_seen,
      of_a_forgotten_snapshot_is_known_when_and_whether_it_goes,
      a_forgotten_snapshot_is_found_in_its_set_only,
      tombstone_is_there_after_a_failure_whichever_store_call_fails)
