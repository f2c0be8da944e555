#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "support/fixture.h"

/* A repository with snapshots that need no data: an empty tree. */
static void put(struct repo *r, const char *host, const char *path, const char *tags, int day)
{
    AUTO(snapshot) struct snapshot *s = snapshot_new();

    /* No two at the same moment. */
    s->time_ns = (int64_t)(day * 86400 + (host[0] == 'b') + 2 * (path[1] == 'h')) * NS_PER_S;
    s->scan_started_ns = s->time_ns;
    s->host = mem_string(host);
    s->user = mem_string("u");
    s->program = mem_string("p");
    snapshot_add_path(s, path);
    for (; *tags != '\0'; tags++)
        snapshot_add_tag(s, (const char[]){*tags, '\0'});
    CHECK_OK(snapshot_put(r, s, e));
    CHECK_OK(snapshot_commit(r, &s->id, e));
}

/* What forget_run() told: one line a group, "host path: k.." with k for kept, - for forgotten,
 * newest first. */
struct groups {
    struct buf lines;
    uint64_t removed;
};

static void groups_auto(struct groups *g)
{
    buf_done(&g->lines);
}

static bool see_group(void *arg, const struct forget_group *g, struct err *e)
{
    struct groups *all = arg;

    (void)e;
    buf_printf(&all->lines, "%s %s", g->host != NULL ? g->host : "*", g->sample->paths[0]);
    for (size_t i = 0; i < g->sample->tag_count; i++)
        buf_printf(&all->lines, " %s", g->sample->tags[i]);
    buf_printf(&all->lines, ": ");
    for (size_t i = 0; i < g->count; i++) {
        CHECK(i == 0 || g->newest_first[i - 1]->time_ns >= g->newest_first[i]->time_ns);
        CHECK(g->reasons[i].is_kept == (g->reasons[i].text[0] != '\0'));
        buf_printf(&all->lines, "%c", g->reasons[i].is_kept ? 'k' : '-');
    }
    buf_printf(&all->lines, "\n");
    return true;
}

static void forget(struct repo *r, struct forget_options o, const char *wanted)
{
    AUTO(groups) struct groups g = {0};

    CHECK_OK(forget_run(r, &o, see_group, &g, &g.removed, e));
    ck_assert_str_eq(buf_string(&g.lines), wanted);
}

static size_t count_committed(struct repo *r)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    return all.count;
}

static struct repo *sample_repo(struct store *s)
{
    struct repo *r = fixture_repo(s);

    for (int day = 1; day <= 3; day++) {
        put(r, "a", "/etc", "", day);
        put(r, "a", "/home", "t", day);
        put(r, "b", "/etc", "t", day);
    }
    return r;
}

TEST(groups_are_by_host_and_paths_when_asked)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = sample_repo(s);
    const struct retention last = {.last = 1};

    forget(r,
           (struct forget_options){
               .rules = last, .group_by_host = true, .group_by_paths = true, .is_dry_run = true},
           "a /etc: k--\na /home t: k--\nb /etc t: k--\n");
    forget(r, (struct forget_options){.rules = last, .group_by_host = true, .is_dry_run = true},
           "a /home t: k-----\nb /etc t: k--\n");
    ck_assert_uint_eq(count_committed(r), 9);
}
END

TEST(groups_are_by_tags_when_asked)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = sample_repo(s);
    const struct retention last = {.last = 2};
    const struct forget_options o = {.rules = last, .group_by_tags = true};
    AUTO(groups) struct groups g = {0};

    CHECK_OK(forget_run(r, &o, see_group, &g, &g.removed, e));
    ck_assert_uint_eq(g.removed, 5);
    CHECK(strncmp(buf_string(&g.lines), "* /etc: kk-\n* /", 15) == 0);
}
END

TEST(the_order_of_tags_makes_no_other_group)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct forget_options o = {.rules = {.last = 1}, .group_by_tags = true};
    AUTO(groups) struct groups g = {0};

    put(r, "a", "/", "xy", 1);
    put(r, "a", "/", "yx", 2);
    CHECK_OK(forget_run(r, &o, see_group, &g, &g.removed, e));
    ck_assert_uint_eq(g.removed, 1);
}
END

TEST(what_no_rule_keeps_is_forgotten)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = sample_repo(s);

    forget(r,
           (struct forget_options){
               .rules = {.last = 1}, .group_by_host = true, .group_by_paths = true},
           "a /etc: k--\na /home t: k--\nb /etc t: k--\n");
    ck_assert_uint_eq(count_committed(r), 3);
    ck_assert_uint_eq(object_count(s, "trash/"), 6);
    ck_assert_uint_eq(object_count(s, "snapshots/"), 9);
}
END

TEST(a_filter_leaves_the_others_alone)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = sample_repo(s);

    forget(r,
           (struct forget_options){
               .filter = {.host = "b"}, .rules = {.last = 1}, .group_by_host = true},
           "b /etc t: k--\n");
    ck_assert_uint_eq(count_committed(r), 7);
    forget(r,
           (struct forget_options){
               .filter = {.host = "nobody"}, .rules = {.last = 1}, .group_by_host = true},
           "");
}
END

TEST(without_any_rule_nothing_is_forgotten)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = sample_repo(s);
    const struct forget_options o = {.group_by_host = true};
    AUTO(groups) struct groups g = {0};

    CHECK_ERR(forget_run(r, &o, see_group, &g, &g.removed, e), ERR_USAGE);
    ck_assert_uint_eq(count_committed(r), 9);
}
END

TEST(a_damaged_snapshot_stops_a_forget)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = sample_repo(s);
    const struct forget_options o = {.rules = {.last = 1}};
    AUTO(groups) struct groups g = {0};
    char key[128];

    object_name(s, "snapshots/", 4, key);
    object_damage(s, key, -1);
    CHECK_ERR(forget_run(r, &o, see_group, &g, &g.removed, e), ERR_CORRUPT);
    ck_assert_uint_eq(object_count(s, "trash/"), 0);
}
END

/* Tags */

static struct snapshot *newest(struct repo *r)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};

    CHECK_OK(snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    CHECK(all.count > 0);
    return TAKE(all.items[all.count - 1]);
}

TEST(changed_tags_make_a_new_snapshot_of_the_same_moment)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const char *const tags[] = {"new", "tags"};
    struct hash id;

    put(r, "a", "/", "x", 1);
    AUTO(snapshot) struct snapshot *before = newest(r);

    CHECK_OK(tag_run(r, before, tags, 2, &id, e));
    AUTO(snapshot) struct snapshot *after = newest(r);

    CHECK(count_committed(r) == 1 && hash_is_equal(&after->id, &id));
    CHECK(snapshot_has_tag(after, "new") && snapshot_has_tag(after, "tags"));
    CHECK(!snapshot_has_tag(after, "x") && after->time_ns == before->time_ns);
    CHECK(after->has_original && hash_is_equal(&after->original, &before->id));
    CHECK_OK(tag_run(r, after, NULL, 0, &id, e));
    AUTO(snapshot) struct snapshot *last = newest(r);

    CHECK(last->tag_count == 0 && hash_is_equal(&last->original, &before->id));
}
END

TEST(tags_are_not_changed_while_a_prune_runs)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const char *const tags[] = {"t"};
    struct hash id;

    put(r, "a", "/", "", 1);
    pack_condemn(r, "packs/00/0000000000000000000000000000000000000000000000000000000000000000");
    AUTO(snapshot) struct snapshot *before = newest(r);

    CHECK_ERR(tag_run(r, before, tags, 1, &id, e), ERR_TRANSIENT);
    ck_assert_uint_eq(object_count(s, "snapshots/"), 1);
    ck_assert_uint_eq(object_count(s, "trash/"), 0);
}
END

/* A collector takes the original away as soon as its copy has been written. */
static void collect_original(void *arg, enum hook_op op, const char *key)
{
    struct store *s = arg;
    char first[128];

    if (op != HOOK_LIST || strcmp(key, "condemned/") != 0 || object_count(s, "snapshots/") != 2)
        return;
    for (size_t i = 0; i < 2; i++) {
        object_name(s, "snapshots/", i, first);
        memcpy(first, "commits/", 8);
        memmove(first + 8, first + 10, strlen(first + 10) + 1);
        struct object_info info;
        struct err missing;

        if (!store_stat(s, first, &info, &missing))
            continue;
        CHECK_OK(store_remove(s, first, e));
        object_name(s, "snapshots/", i, first);
        CHECK_OK(store_remove(s, first, e));
        return;
    }
}

TEST(a_copy_with_other_tags_is_not_committed_when_the_original_was_collected)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct hook h;
    struct hash id;

    put(r, "a", "/", "", 1);
    AUTO(snapshot) struct snapshot *before = newest(r);

    hook_init(&h, s, collect_original, s);
    AUTO(repo) struct repo *hooked = fixture_open(&h.store);

    CHECK_ERR(tag_run(hooked, before, NULL, 0, &id, e), ERR_NOT_FOUND);
    ck_assert_uint_eq(object_count(s, "commits/"), 0);
    ck_assert_uint_eq(object_count(s, "snapshots/"), 0);
}
END

TEST(tags_of_a_snapshot_that_is_gone_cannot_be_changed)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    struct hash id;
    char key[128];

    put(r, "a", "/", "", 1);
    AUTO(snapshot) struct snapshot *before = newest(r);

    object_name(s, "snapshots/", 0, key);
    CHECK_OK(store_remove(s, key, e));
    CHECK_ERR(tag_run(r, before, NULL, 0, &id, e), ERR_NOT_FOUND);
}
END

TESTS("forget", groups_are_by_host_and_paths_when_asked, groups_are_by_tags_when_asked,
      the_order_of_tags_makes_no_other_group, what_no_rule_keeps_is_forgotten,
      a_filter_leaves_the_others_alone, without_any_rule_nothing_is_forgotten,
      a_damaged_snapshot_stops_a_forget, changed_tags_make_a_new_snapshot_of_the_same_moment,
      tags_are_not_changed_while_a_prune_runs,
      a_copy_with_other_tags_is_not_committed_when_the_original_was_collected,
      tags_of_a_snapshot_that_is_gone_cannot_be_changed)
